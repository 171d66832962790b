"""One question of several in a message, found in the light of the whole message (pure)."""

from dataclasses import replace
from typing import TypeVar

from knowledge.passage import Found

Key = TypeVar("Key")

#: The weight of what was found for the whole message: its questions are mostly about one thing.
OF_WHOLE = 0.7


def in_light_of(whole: Found, part: Found) -> Found:
    """What was found for `part`, with passages and articles ordered by both searches."""
    passages = {passage.chunk_id: passage for passage in (*whole.passages, *part.passages)}
    scores = _blended(
        {passage.chunk_id: passage.score for passage in whole.passages},
        {passage.chunk_id: passage.score for passage in part.passages},
    )
    articles = _blended(dict(whole.articles), dict(part.articles))
    ordered = sorted(passages, key=lambda chunk: -scores[chunk])
    return replace(
        part,
        passages=tuple(replace(passages[chunk], score=scores[chunk]) for chunk in ordered),
        articles=tuple(sorted(articles.items(), key=lambda item: -item[1])),
    )


def _blended(whole: dict[Key, float], part: dict[Key, float]) -> dict[Key, float]:
    """Both as shares of their best, so that the two searches count as they should."""
    top_whole, top_part = (max(scores.values(), default=0.0) or 1.0 for scores in (whole, part))
    return {
        key: OF_WHOLE * whole.get(key, 0.0) / top_whole + (1 - OF_WHOLE) * part.get(key, 0.0) / top_part
        for key in whole | part
    }
