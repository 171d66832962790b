"""The list of articles: found by words, state and topic, the last changed first."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Text, and_, case, cast, or_
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from knowledge.articles import Article, ArticleVersion

PAGE = 50
MOST = 2_000
#: Words of a search that are looked for; all of them must be there.
MOST_WORDS = 8

#: What can be shown, in the order of the tabs. "changed": published, with a newer version that is not.
STATES = (
    ("all", "All"),
    ("published", "Published"),
    ("changed", "Unpublished changes"),
    ("draft", "Drafts"),
    ("archived", "Archived"),
)


@dataclass(frozen=True)
class Wanted:
    """What is looked for; it stays in the address."""

    q: str = ""
    state: str = "all"
    topic: str = ""
    most: int = PAGE

    def query(self, **other: object) -> str:
        """As it stands in an address, with something else asked for."""
        usual = vars(Wanted())
        given = {name: value for name, value in (vars(self) | other).items() if value != usual[name]}
        return "?" + urlencode(given) if given else ""


@dataclass(frozen=True)
class Row:
    id: int
    title: str
    topic: str
    state: str  # published | changed | draft | archived
    version: int
    published_version: int | None
    updated_at: float
    by: str


@dataclass(frozen=True)
class Catalogue:
    rows: list[Row]
    counts: Mapping[str, int]  # by state, of what the words and the topic let through
    topics: list[str]
    any: bool  # whether there is any article at all


async def load(session: AsyncSession, wanted: Wanted) -> Catalogue:
    """The articles that are `wanted`, and how many there would be in each state."""
    state = case(
        (and_(col(Article.state) == "published", col(Article.version) > col(Article.published_version)), "changed"),
        else_=col(Article.state),
    )
    found = (
        select(Article, ArticleVersion.created_by, state).join(ArticleVersion, _newest()).where(*_conditions(wanted))
    )
    of_each = (
        select(state, func.count())
        .select_from(Article)
        .join(ArticleVersion, _newest())
        .where(*_conditions(wanted))
        .group_by(state)
    )
    by_state = dict((await session.exec(of_each)).all())
    by_state["all"] = sum(by_state.values())
    # What has changes that are not published is published all the same.
    by_state["published"] = by_state.get("published", 0) + by_state.get("changed", 0)
    if wanted.state == "published":
        found = found.where(col(Article.state) == "published")
    elif wanted.state != "all":
        found = found.where(state == wanted.state)
    order = (col(Article.updated_at).desc(), col(Article.id))
    rows = (await session.exec(found.order_by(*order).limit(wanted.most))).all()
    return Catalogue(
        [
            Row(
                article.id,
                article.title,
                article.topic,
                shown,
                article.version,
                article.published_version,
                article.updated_at,
                by,
            )
            for article, by, shown in rows
        ],
        by_state,
        await topics(session),
        by_state["all"] > 0 or (await session.exec(select(Article.id).limit(1))).first() is not None,
    )


async def topics(session: AsyncSession) -> list[str]:
    """The topics there are."""
    query = select(Article.topic).where(Article.topic != "").distinct().order_by(Article.topic)
    return list((await session.exec(query)).all())


def _newest() -> Any:
    return and_(col(ArticleVersion.article_id) == Article.id, col(ArticleVersion.number) == Article.version)


def _conditions(wanted: Wanted) -> list[Any]:
    conditions: list[Any] = [col(Article.topic) == wanted.topic] if wanted.topic else []
    # Case is folded by the database: SQLite does so for the letters of ASCII only.
    for word in wanted.q.split()[:MOST_WORDS]:
        phrases = cast(ArticleVersion.phrases, Text)
        conditions.append(
            or_(
                *(
                    column.icontains(word, autoescape=True)
                    for column in (col(ArticleVersion.title), col(ArticleVersion.topic), col(ArticleVersion.body))
                ),
                col(Article.slug).icontains(word, autoescape=True),
                phrases.icontains(json.dumps(word)[1:-1], autoescape=True),
            )
        )
    return conditions
