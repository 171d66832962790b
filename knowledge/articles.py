"""Articles, their versions, and what is published of them: the tables, saved and read (publishing.py publishes).

A verb takes the caller's session and never commits, so that a change and its audit event are one transaction.
"""

import time
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    UniqueConstraint,
)
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from knowledge.embedding import Content

# SQLite only counts up a primary key whose type is exactly INTEGER.
_Id = BigInteger().with_variant(Integer, "sqlite")


def _key() -> Any:
    return Field(default=None, primary_key=True, sa_type=_Id)


def _article() -> Any:
    return Field(default=None, sa_column=Column(_Id, ForeignKey("article.id"), nullable=False, index=True))


def _moment() -> Any:
    return Field(default_factory=time.time, sa_column=Column(Double, nullable=False))


class Article(SQLModel, table=True):
    """One article. `state`: draft | published | archived. Its words are in its versions."""

    id: int = _key()
    slug: str = Field(unique=True)
    title: str
    topic: str = ""
    state: str = "draft"
    version: int = 0  # the newest
    published_version: int | None = None  # the one customers are answered from; None unless published
    source: str = ""  # the file it was imported from, under its folder's name; empty if it was written here
    source_hash: str = ""  # the content's hash when it was last imported
    revision: int = Field(default=0, index=True)  # the knowledge revision at which its publication last changed
    created_at: float = _moment()
    updated_at: float = _moment()


class ArticleVersion(SQLModel, table=True):
    """An article's words at one time. Never changed."""

    __tablename__ = "article_version"  # type: ignore[assignment] (SQLModel types it as a function)
    __table_args__ = (UniqueConstraint("article_id", "number"),)

    id: int = _key()
    article_id: int = _article()
    number: int
    title: str
    topic: str = ""
    body: str
    phrases: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    hash: str
    created_at: float = _moment()
    created_by: str = ""


class Chunk(SQLModel, table=True):
    """A passage of a published version. Vectors are float32, one after the other."""

    __table_args__ = (Index("chunk_place", "article_id", "position", unique=True),)

    id: int = _key()
    article_id: int = _article()
    version: int
    position: int
    heading: str = ""
    text: str
    sentences: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    embedding: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    sentence_embeddings: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class PhraseVector(SQLModel, table=True):
    """A way customers ask for a published article, as a vector; position 0 is its title."""

    __tablename__ = "phrase_vector"  # type: ignore[assignment] (SQLModel types it as a function)
    __table_args__ = (Index("phrase_vector_place", "article_id", "position", unique=True),)

    id: int = _key()
    article_id: int = _article()
    version: int
    position: int
    text: str
    embedding: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class KnowledgeRevision(SQLModel, table=True):
    """One row: counts up with every transaction that changes what is published."""

    __tablename__ = "knowledge_revision"  # type: ignore[assignment] (SQLModel types it as a function)

    id: int = Field(default=1, primary_key=True)
    number: int = 0


class KnowledgeError(Exception):
    """What could not be done with an article, in a sentence for people."""


async def save(
    session: AsyncSession,
    slug: str,
    content: Content,
    *,
    by: str = "",
    source: str | None = None,
    source_hash: str | None = None,
) -> Article:
    """Store an article's words: a new article, or a new version unless nothing changed. Publishes nothing."""
    if not content.title:
        raise KnowledgeError("An article needs a title: give it one and save again.")
    article = (await session.exec(select(Article).where(Article.slug == slug).with_for_update())).one_or_none()
    if article is None:
        article = Article(slug=slug, title=content.title)
        session.add(article)
        await session.flush()
    newest = await version(session, article, article.version)
    if newest is None or newest.hash != content.hash:
        article.version += 1
        article.title, article.topic = content.title, content.topic
        article.updated_at = time.time()
        session.add(
            ArticleVersion(
                article_id=article.id,
                number=article.version,
                title=article.title,
                topic=article.topic,
                body=content.body,
                phrases=list(content.phrases),
                hash=content.hash,
                created_by=by,
            )
        )
    if source is not None:
        article.source = source
    if source_hash is not None:
        article.source_hash = source_hash
    session.add(article)
    await session.flush()
    return article


async def version(session: AsyncSession, article: Article, number: int) -> ArticleVersion | None:
    """One version of an article."""
    wanted = select(ArticleVersion).where(ArticleVersion.article_id == article.id, ArticleVersion.number == number)
    return (await session.exec(wanted)).one_or_none()


async def current(session: AsyncSession, article: Article) -> ArticleVersion:
    """The newest version of an article."""
    newest = await version(session, article, article.version)
    if newest is None:
        raise KnowledgeError(f"“{article.title}” has no version yet: save its text first.")
    return newest


async def published(session: AsyncSession, slug: str) -> tuple[Article, ArticleVersion] | None:
    """The article customers read under this slug, at the version they are answered from."""
    wanted = (
        select(Article, ArticleVersion)
        .join(ArticleVersion, col(ArticleVersion.article_id) == Article.id)
        .where(Article.slug == slug, Article.state == "published", ArticleVersion.number == Article.published_version)
    )
    return (await session.exec(wanted)).one_or_none()


async def revision(session: AsyncSession) -> int:
    """The knowledge revision: what is published changed if and only if this did. 0 before anything was."""
    return (await session.exec(select(KnowledgeRevision.number).where(KnowledgeRevision.id == 1))).one_or_none() or 0


def content(stored: ArticleVersion) -> Content:
    """The words of a stored version."""
    return Content(stored.title, stored.topic, stored.body, tuple(stored.phrases))
