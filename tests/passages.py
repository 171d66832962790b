"""Passages as a search would give them, made by hand for tests."""

import zlib
from collections.abc import Sequence

from knowledge import chunks
from knowledge.passage import Found, Passage, Sentence
from service.agent.terms import content


def passage(
    slug: str, title: str, markdown: str, *, score: float = 1.0, question: str = "", version: int = 1
) -> Passage:
    """One article's first chunk. A sentence's cosine is the share of the question's words that it holds."""
    chunk = chunks.chunks(markdown, title)[0]
    asked = set(content(question))

    def cosine(text: str) -> float:
        return len(asked & set(content(text))) / len(asked) if asked else 0.5

    return Passage(
        chunk_id=zlib.crc32(slug.encode()),
        article_id=1,
        slug=slug,
        title=title,
        topic="Care",
        version=version,
        heading=chunk.heading,
        text=chunk.text,
        score=score,
        dense=score,
        lexical=score,
        phrase=score,
        sentences=tuple(Sentence(text, cosine(text), place) for place, text in enumerate(chunk.sentences)),
    )


def found(question: str, passages: Sequence[Passage]) -> Found:
    """What a search for `question` gave, the passages best first."""
    articles = {each.slug: each.score for each in reversed(passages)}
    ranked = tuple(sorted(articles.items(), key=lambda item: -item[1]))
    return Found(question, tuple(passages), ranked, {"top": passages[0].score if passages else 0.0}, 3, 0.01)
