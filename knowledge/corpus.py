"""What is published at one knowledge revision, read from the database and held in memory for searching."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
from sqlalchemy import and_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import Select

from knowledge import articles
from knowledge.articles import Article, ArticleVersion, Chunk, PhraseVector
from knowledge.embedder import DIMENSIONS
from knowledge.groups import Groups
from knowledge.lexical import Lexical, terms
from knowledge.probe import Probe

# A sentence says less of its article than a phrase or a whole passage.
SENTENCE_WEIGHT = 0.4


@dataclass(frozen=True)
class Piece:
    """A published chunk. `key` is its own: a database may give a deleted chunk's id to another one."""

    key: str
    id: int
    heading: str
    text: str
    sentences: tuple[str, ...]
    embedding: np.ndarray  # float32 (384,)
    sentence_embeddings: np.ndarray  # float32 (sentences, 384)
    terms: tuple[str, ...]  # with those of the title, which tells its words' subject


@dataclass(frozen=True)
class Entry:
    """A published article."""

    id: int
    slug: str
    title: str
    topic: str
    version: int
    pieces: tuple[Piece, ...]
    phrases: tuple[str, ...]  # the title first
    phrase_embeddings: np.ndarray  # float32 (phrases, 384)
    words: tuple[str, ...]  # the terms of its phrases and passages, as often as they are there

    @cached_property
    def terms(self) -> frozenset[str]:
        return frozenset(self.words)


@dataclass(frozen=True)
class Changes:
    """What became of the published articles since a revision."""

    revision: int
    entries: tuple[Entry, ...]
    gone: tuple[int, ...]  # ids of articles that are not published


class Corpus:
    """All published articles at one revision. Never changed: what follows is another corpus."""

    def __init__(self, entries: Iterable[Entry] = (), revision: int = 0) -> None:
        self.revision = revision
        self.entries = tuple(sorted(entries, key=lambda entry: entry.id))
        self.pieces = tuple(piece for entry in self.entries for piece in entry.pieces)
        self.places = {piece.key: place for place, piece in enumerate(self.pieces)}
        self.passages = Groups(len(entry.pieces) for entry in self.entries)
        self.phrases = Groups(len(entry.phrases) for entry in self.entries)
        self.sentences = Groups(len(piece.sentences) for piece in self.pieces)
        self.piece_embeddings = _stack([piece.embedding[None] for piece in self.pieces])
        self.phrase_embeddings = _stack([entry.phrase_embeddings for entry in self.entries])
        self.sentence_embeddings = _stack([piece.sentence_embeddings for piece in self.pieces])
        self.lexical = Lexical([piece.terms for piece in self.pieces])
        self.article_lexical = Lexical([entry.words for entry in self.entries])
        sums = self.phrases.sums(self.phrase_embeddings) + self.passages.sums(self.piece_embeddings)
        # The mean direction of each article's phrases and passages, (articles, 384).
        self.centroids = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
        self.probe = self._probe(sums)

    def _probe(self, sums: np.ndarray) -> Probe:
        vectors = np.concatenate([self.phrase_embeddings, self.piece_embeddings, self.sentence_embeddings])
        of_sentences = self.passages.owners[self.sentences.owners]
        owners = np.concatenate([self.phrases.owners, self.passages.owners, of_sentences])
        weights = np.ones(len(vectors), dtype=np.float32)
        weights[len(vectors) - len(self.sentence_embeddings) :] = SENTENCE_WEIGHT
        total = np.bincount(owners, weights=weights, minlength=len(self.entries)).astype(np.float32)
        of_passages = self.sentences.sums(self.sentence_embeddings)
        means = (sums + SENTENCE_WEIGHT * self.passages.sums(of_passages)) / np.maximum(total, 1e-9)[:, None]
        off = (vectors - means[owners]) * np.sqrt(weights)[:, None]
        return Probe(means, off.T @ off / max(float(weights.sum()), 1e-9))

    def after(self, changes: Changes) -> "Corpus":
        entries = {entry.id: entry for entry in self.entries}
        for gone in changes.gone:
            entries.pop(gone, None)
        entries.update({entry.id: entry for entry in changes.entries})
        return Corpus(entries.values(), changes.revision)


@dataclass(frozen=True)
class Rows:
    """What `read` found, before any computing is done with it."""

    revision: int
    articles: Sequence[tuple[Article, ArticleVersion | None]]  # with the published version
    chunks: Sequence[Chunk]
    phrases: Sequence[PhraseVector]


async def read(session: AsyncSession, since: int) -> Rows:
    """What was published or withdrawn after a revision: a fixed number of queries, whatever there is."""
    while True:
        revision = await articles.revision(session)
        changed = (await session.exec(_changed(since))).all()
        chunks = select(Chunk).order_by(col(Chunk.article_id), col(Chunk.position))
        phrases = select(PhraseVector).order_by(col(PhraseVector.article_id), col(PhraseVector.position))
        if since:  # since the beginning it is every article: no list of ids, whose length databases limit
            ids = [article.id for article, _ in changed]
            chunks = chunks.where(col(Chunk.article_id).in_(ids))
            phrases = phrases.where(col(PhraseVector.article_id).in_(ids))
        rows = Rows(revision, changed, (await session.exec(chunks)).all(), (await session.exec(phrases)).all())
        # PostgreSQL shows each query what is committed by then: read again if something was published in between.
        if await articles.revision(session) == revision:
            return rows
        session.expunge_all()


def _changed(since: int) -> Select[Article, ArticleVersion]:
    """Articles whose publication changed, each with its published version: a newer draft may have another title."""
    theirs = and_(
        col(ArticleVersion.article_id) == col(Article.id),
        col(ArticleVersion.number) == col(Article.published_version),
    )
    return select(Article, ArticleVersion).join(ArticleVersion, theirs, isouter=True).where(Article.revision > since)


def changes(rows: Rows) -> Changes:
    """What these rows mean for a corpus. Computes: call it off the event loop."""
    chunks: dict[int, list[Chunk]] = {}
    phrases: dict[int, list[PhraseVector]] = {}
    for chunk in rows.chunks:
        chunks.setdefault(chunk.article_id, []).append(chunk)
    for phrase in rows.phrases:
        phrases.setdefault(phrase.article_id, []).append(phrase)
    entries = tuple(
        _entry(version, chunks.get(article.id, []), phrases.get(article.id, []), article)
        for article, version in rows.articles
        if version is not None
    )
    gone = tuple(article.id for article, version in rows.articles if version is None)
    return Changes(rows.revision, entries, gone)


def _entry(
    version: ArticleVersion, chunks: Sequence[Chunk], phrases: Sequence[PhraseVector], article: Article
) -> Entry:
    pieces = tuple(_piece(chunk, version.title, article.revision) for chunk in chunks)
    asked = [terms(phrase.text) for phrase in phrases]
    return Entry(
        id=article.id,
        slug=article.slug,
        title=version.title,
        topic=version.topic,
        version=version.number,
        pieces=pieces,
        phrases=tuple(phrase.text for phrase in phrases),
        phrase_embeddings=_stack([_vectors(phrase.embedding) for phrase in phrases]),
        words=tuple(chain(*asked, *(piece.terms for piece in pieces))),
    )


def _piece(chunk: Chunk, title: str, revision: int) -> Piece:
    return Piece(
        key=f"{chunk.id}-{revision}",
        id=chunk.id,
        heading=chunk.heading,
        text=chunk.text,
        sentences=tuple(chunk.sentences),
        embedding=_vectors(chunk.embedding)[0],
        sentence_embeddings=_vectors(chunk.sentence_embeddings),
        terms=tuple(terms(f"{title}\n{chunk.heading}\n{chunk.text}")),
    )


def _vectors(stored: bytes) -> np.ndarray:
    return np.frombuffer(stored, dtype=np.float32).reshape(-1, DIMENSIONS)


def _stack(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros((0, DIMENSIONS), dtype=np.float32)
