"""What an editor does to an article: each verb one transaction, with its audit event."""

import re
from collections.abc import Awaitable, Callable

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from knowledge import articles, publishing
from knowledge.articles import Article, ArticleVersion
from knowledge.embedding import Content
from service.context import Context
from service.models import AuditEvent, Staff

MOST_TITLE = 200  # characters
MOST_TOPIC = 100
MOST_PHRASE = 300
MOST_PHRASES = 200
MOST_TEXT = 100_000  # bytes
#: An address is for people to read, and some systems cut long ones.
MOST_SLUG = 80


class NotPossible(Exception):
    """What was asked cannot be done with the article as it is; the sentence is for the editor who asked."""


class Conflict(Exception):
    """Somebody else saved the article after the words that are to be saved were begun."""

    def __init__(self, theirs: ArticleVersion) -> None:
        super().__init__()
        self.theirs = theirs


def check(content: Content) -> None:
    """Raises NotPossible for words that are too many."""
    if not content.title:
        raise NotPossible("An article needs a title: give it one and save again.")
    if len(content.title) > MOST_TITLE:
        raise NotPossible(f"A title has at most {MOST_TITLE} characters and this one {len(content.title):,}.")
    if len(content.topic) > MOST_TOPIC:
        raise NotPossible(f"A topic has at most {MOST_TOPIC} characters and this one {len(content.topic):,}.")
    if len(content.phrases) > MOST_PHRASES:
        raise NotPossible(f"At most {MOST_PHRASES} ways to ask are kept and these are {len(content.phrases):,}.")
    if long := next((each for each in content.phrases if len(each) > MOST_PHRASE), None):
        raise NotPossible(f"A way to ask has at most {MOST_PHRASE} characters. Shorten “{long[:40]}...”.")
    if (size := len(content.body.encode())) > MOST_TEXT:
        raise NotPossible(
            f"An article holds at most {MOST_TEXT // 1000} kB of text and this one has {-(-size // 1000)}: "
            "make two of it."
        )


async def create(session: AsyncSession, content: Content, staff: Staff) -> Article:
    """A new draft, under an address made from its title that no other article has."""
    check(content)
    article = await _insert(session, content.title)
    await articles.save(session, article.slug, content, by=staff.name)
    _record(session, staff, "article_created", article)
    return article


async def save(session: AsyncSession, article_id: int, content: Content, staff: Staff, *, over: int) -> Article:
    """These words as the newest version. `over`: the version they were written over. Raises Conflict, NotPossible."""
    check(content)
    article = await session.get(Article, article_id, with_for_update=True, populate_existing=True)
    if article is None:
        raise NotPossible("This article is not there any more. Copy your words into a new one.")
    if article.state == "archived":
        raise NotPossible("Somebody archived this article. Bring it back, then save your words.")
    newest = await articles.current(session, article)
    if newest.number != over and newest.hash != content.hash:
        raise Conflict(newest)
    await articles.save(session, article.slug, content, by=staff.name)
    if article.version != newest.number:
        _record(session, staff, "article_saved", article)
    return article


async def publish(context: Context, article_id: int, staff: Staff) -> str:
    """Answer customers from the newest version; what happened, in a sentence. Raises NotPossible, KnowledgeError.

    The model makes the vectors between two transactions: nothing is locked while it computes.
    """
    async with context.db.read() as session:
        article = await session.get(Article, article_id)
        if article is None:
            raise NotPossible("This article is not there any more.")
        newest = await articles.current(session, article)
        content = articles.content(newest)
    if article.state == "archived":
        raise NotPossible("Somebody archived this article. Bring it back, then publish it.")
    if article.published_version == newest.number:
        return f"Customers are answered from version {newest.number} already."
    if not content.body:
        raise NotPossible("There is nothing to answer from yet: write the text, then publish.")
    embedded = await context.knowledge.embed(content)
    try:
        async with context.db.write() as session:
            # As it was read above: what a colleague decided while the model computed is not overridden.
            revision = await publishing.publish(session, article, embedded)
            _record(session, staff, "article_published", article, revision=revision)
    except publishing.Published:  # by a second click, or by a colleague, while the model computed
        return f"Customers are answered from version {newest.number} already."
    return f"Published. Customers are answered from version {article.version} now."


async def unpublish(session: AsyncSession, article_id: int, staff: Staff, *, seen: int) -> None:
    """Stop answering from it; a draft again. Raises NotPossible, KnowledgeError."""
    article = await session.get(Article, article_id)
    if article is not None and article.state != "published":
        now = "archived" if article.state == "archived" else "a draft"
        raise NotPossible(f"Nothing was done: this article is {now} by now, so customers are not answered from it.")
    await _change(session, article_id, staff, publishing.unpublish, "article_unpublished", seen)


async def archive(session: AsyncSession, article_id: int, staff: Staff, *, seen: int) -> None:
    """Stop answering from it and put it away. Raises NotPossible, KnowledgeError."""
    article = await session.get(Article, article_id)
    if article is not None and article.state == "archived":
        return  # somebody did so already
    await _change(session, article_id, staff, publishing.archive, "article_archived", seen)


async def bring_back(session: AsyncSession, article_id: int, staff: Staff, *, seen: int) -> None:
    """An archived article is a draft again."""
    article = await session.get(Article, article_id, with_for_update=True)
    if article is not None and article.state != "archived":
        return  # somebody did so already
    await _change(session, article_id, staff, publishing.unpublish, "article_restored", seen)


async def put_back(session: AsyncSession, article_id: int, number: int, staff: Staff, *, seen: int) -> None:
    """An older version's words as the newest version. Raises NotPossible."""
    article = await session.get(Article, article_id, with_for_update=True, populate_existing=True)
    old = await articles.version(session, article, number) if article else None
    if article is None or old is None:
        raise NotPossible("There is no such version of this article.")
    _check_seen(article, seen)
    if article.state == "archived":
        raise NotPossible("This article is archived. Bring it back first.")
    await articles.save(session, article.slug, articles.content(old), by=staff.name)
    if article.version == seen:
        raise NotPossible(f"Version {number} has the same words as version {seen}: there is nothing to put back.")
    _record(session, staff, "article_version_restored", article, of=number)


Withdraw = Callable[[AsyncSession, Article], Awaitable[int]]


async def _change(session: AsyncSession, article_id: int, staff: Staff, verb: Withdraw, action: str, seen: int) -> None:
    article = await session.get(Article, article_id)
    if article is None:
        raise NotPossible("This article is not there any more.")
    _check_seen(article, seen)
    revision = await verb(session, article)  # locks it, and raises if it is not as it was read here
    _record(session, staff, action, article, revision=revision)


def _check_seen(article: Article, seen: int) -> None:
    if article.version != seen:
        raise NotPossible(
            f"Version {article.version} was saved while this page was open, so nothing was done. "
            "Open the article again, look at it, and decide then."
        )


def _record(session: AsyncSession, staff: Staff, action: str, article: Article, **detail: int) -> None:
    session.add(
        AuditEvent(
            actor="staff",
            staff_id=staff.id,
            action=action,
            article_id=article.id,
            detail={"version": article.version, **detail},
        )
    )


async def _insert(session: AsyncSession, title: str) -> Article:
    stem = re.sub(r"[\W_]+", "-", title.casefold()).strip("-")[:MOST_SLUG].strip("-") or "article"
    taken = set(
        (await session.exec(select(Article.slug).where(col(Article.slug).startswith(stem, autoescape=True)))).all()
    )
    for slug in (stem, *(f"{stem}-{number}" for number in range(2, len(taken) + 20))):
        if slug in taken:
            continue
        made = Article(slug=slug, title=title)
        try:
            async with session.begin_nested():
                session.add(made)
        except IntegrityError:  # somebody took it since
            continue
        return made
    raise NotPossible("There are too many articles with this title: give it another one.")
