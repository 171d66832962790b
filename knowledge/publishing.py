"""What customers are answered from: an article is published, withdrawn or archived, and the revision counts up.

Like the verbs of articles.py these take the caller's session and never commit.
"""

import time

import numpy as np
from sqlalchemy import delete, text, update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from knowledge.articles import Article, Chunk, KnowledgeError, KnowledgeRevision, PhraseVector, revision, version
from knowledge.embedding import Embedded


class Changed(KnowledgeError):
    """The article is not as it was when the caller read it: other words, or somebody withdrew or published it."""


class Published(KnowledgeError):
    """That version is published already, by somebody who did the same a moment before."""


async def publish(session: AsyncSession, article: Article, embedded: Embedded) -> int:
    """Answer from the article's newest version from now on; the new knowledge revision. Raises Changed, Published.

    `embedded` was made from that version's words before this transaction, which takes a while: `article` is as it was
    read before that. The passages of the version before go.
    """
    seen = _seen(article)
    number = await _next_revision(session)
    article = await _held(session, article)
    newest = await version(session, article, article.version)
    if newest is None or newest.hash != embedded.hash:
        raise Changed(f"“{article.title}” was changed while it was being published: look at it and publish it again.")
    if article.published_version == article.version:
        raise Published(f"Customers are answered from version {article.version} of “{article.title}” already.")
    _check(article, seen)
    await _clear(session, article)
    for position, chunk in enumerate(embedded.chunks):
        session.add(
            Chunk(
                article_id=article.id,
                version=article.version,
                position=position,
                heading=chunk.heading,
                text=chunk.text,
                sentences=list(chunk.sentences),
                embedding=_bytes(chunk.embedding),
                sentence_embeddings=_bytes(chunk.sentence_embeddings),
            )
        )
    for position, phrase in enumerate(embedded.phrases):
        session.add(
            PhraseVector(
                article_id=article.id,
                version=article.version,
                position=position,
                text=phrase.text,
                embedding=_bytes(phrase.embedding),
            )
        )
    await _change(session, article, "published", article.version, number)
    return number


async def unpublish(session: AsyncSession, article: Article) -> int:
    """Stop answering from the article and make it a draft again; the knowledge revision."""
    return await _withdraw(session, article, "draft")


async def archive(session: AsyncSession, article: Article) -> int:
    """Stop answering from the article and put it away; the knowledge revision."""
    return await _withdraw(session, article, "archived")


async def _withdraw(session: AsyncSession, article: Article, state: str) -> int:
    seen = _seen(article)
    number = await _next_revision(session) if article.published_version else None
    article = await _held(session, article)
    _check(article, seen)
    await _clear(session, article)
    await _change(session, article, state, None, number)
    return number or await revision(session)


async def _clear(session: AsyncSession, article: Article) -> None:
    for table in (Chunk, PhraseVector):
        await session.exec(delete(table).where(col(table.article_id) == article.id))


async def _change(session: AsyncSession, article: Article, state: str, number: int | None, at: int | None) -> None:
    """`at`: the revision, unless what is published stays as it was."""
    article.state, article.published_version, article.updated_at = state, number, time.time()
    if at is not None:
        article.revision = at
    session.add(article)
    await session.flush()


async def _held(session: AsyncSession, article: Article) -> Article:
    """The article as it is now, locked: the caller may have read it in an earlier transaction."""
    held = await session.get(Article, article.id, with_for_update=True, populate_existing=True)
    if held is None:
        raise KnowledgeError(f"“{article.title}” is not there any more.")
    return held


def _seen(article: Article) -> tuple[str, int, float]:
    return article.state, article.version, article.updated_at


def _check(article: Article, seen: tuple[str, int, float]) -> None:
    """Raises Changed unless the article, locked by now, is as it was when it was decided what to do with it."""
    if _seen(article) != seen:
        now = {"draft": "a draft", "published": "published", "archived": "archived"}[article.state]
        raise Changed(
            f"Somebody changed “{article.title}” meanwhile: it is {now} now, and nothing else was done. "
            "Look at it, and decide then."
        )


async def _next_revision(session: AsyncSession) -> int:
    """Counted first: the row's lock makes publishing transactions follow each other in the order of their revisions."""
    first = text("INSERT INTO knowledge_revision (id, number) VALUES (1, 0) ON CONFLICT DO NOTHING")
    await (await session.connection()).execute(first)
    counted = (
        update(KnowledgeRevision)
        .where(col(KnowledgeRevision.id) == 1)
        .values(number=KnowledgeRevision.number + 1)
        .returning(col(KnowledgeRevision.number))
    )
    return (await session.exec(counted)).scalar_one()


def _bytes(vectors: np.ndarray) -> bytes:
    return np.ascontiguousarray(vectors, dtype=np.float32).tobytes()
