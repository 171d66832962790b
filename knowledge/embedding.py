"""An article's words, and the same as vectors: its passages, their sentences, and the ways customers ask for it."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from knowledge.chunks import chunks


@dataclass(frozen=True)
class Content:
    """The words of an article, without what a database can't store."""

    title: str
    topic: str = ""
    body: str = ""
    phrases: tuple[str, ...] = ()  # ways customers ask for it

    def __post_init__(self) -> None:
        for name in ("title", "topic", "body"):
            object.__setattr__(self, name, _storable(getattr(self, name)))
        phrases = {
            phrase.casefold(): phrase for phrase in reversed([_storable(each) for each in self.phrases]) if phrase
        }
        object.__setattr__(self, "phrases", tuple(reversed(phrases.values())))

    @property
    def hash(self) -> str:
        """The same for the same words."""
        return hashlib.sha256(json.dumps([self.title, self.topic, self.body, self.phrases]).encode()).hexdigest()


class Embeds(Protocol):
    """What is wanted of an embedder here."""

    def embed_documents(
        self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None
    ) -> np.ndarray: ...


@dataclass(frozen=True)
class EmbeddedChunk:
    heading: str
    text: str
    sentences: tuple[str, ...]
    embedding: np.ndarray  # (384,)
    sentence_embeddings: np.ndarray  # (sentences, 384)


@dataclass(frozen=True)
class EmbeddedPhrase:
    text: str
    embedding: np.ndarray  # (384,)


@dataclass(frozen=True)
class Embedded:
    """What publishing stores. `hash` is that of the words it was made from."""

    hash: str
    chunks: tuple[EmbeddedChunk, ...]
    phrases: tuple[EmbeddedPhrase, ...]  # the title first


def embed(embedder: Embeds, content: Content) -> Embedded:
    """One article. Blocks while the model computes: call it off the event loop, outside a transaction."""
    return embed_many(embedder, [content])[0]


def embed_many(
    embedder: Embeds, contents: Sequence[Content], progress: Callable[[int, int], None] | None = None
) -> list[Embedded]:
    """Several articles at once, which is faster than one by one. `progress(done, total)` counts texts."""
    cut = [chunks(content.body, content.title) for content in contents]
    asked = [[content.title, *(each for each in content.phrases if each != content.title)] for content in contents]
    texts: list[str] = []
    for pieces, phrases in zip(cut, asked, strict=True):
        for chunk in pieces:
            # Its heading says what a passage is about; the title would make all passages of an article alike.
            texts.append(f"{chunk.heading}\n{chunk.text}" if chunk.heading else chunk.text)
            texts.extend(chunk.sentences)
        texts.extend(phrases)
    vectors = iter(embedder.embed_documents(texts, progress))
    done: list[Embedded] = []
    for content, pieces, phrases in zip(contents, cut, asked, strict=True):
        made = tuple(
            EmbeddedChunk(
                chunk.heading,
                chunk.text,
                chunk.sentences,
                embedding=next(vectors),
                sentence_embeddings=np.stack([next(vectors) for _ in chunk.sentences]),
            )
            for chunk in pieces
        )
        done.append(Embedded(content.hash, made, tuple(EmbeddedPhrase(phrase, next(vectors)) for phrase in phrases)))
    return done


def _storable(text: str) -> str:
    # PostgreSQL refuses NUL, UTF-8 lone surrogates.
    return text.encode("utf-8", "ignore").decode().replace("\0", "").strip()
