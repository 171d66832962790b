"""A question in its conversation: what to search for when it leans on what was said before (pure)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from knowledge.lexical import terms

# How much a word counts for each message it is further back.
DECAY = 0.7
# Messages looked back on, and letters of all of them: what the embedder reads, and a little more.
MESSAGES = 8
LETTERS = 1_600
# A question with fewer words that mean something can hardly stand alone.
FEW_TERMS = 4

_LEANING = re.compile(
    r"\b(it|its|it's|that|this|these|those|they|them|their|there|then|he|she|him|her|one|ones|same|both|either|instead|"
    r"also|too|else|otherwise)\b|"
    r"^\W*(and|or|but|so|what about|how about|what if|why|which|yes|yeah|yep|no|nope|ok|okay)\b",
    re.IGNORECASE,
)

History = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Asked:
    """What is searched for."""

    question: str
    context: str  # the question, then what was said before it, newest first; just the question if nothing was
    weights: dict[str, float]  # how much each term counts, 0..1
    terms: tuple[str, ...]  # the question's own, each once
    leaning: bool  # whether the question looks as if it needed what was said before


def understand(question: str, history: History) -> Asked:
    """`history`: (author, text), the oldest first."""
    own = tuple(dict.fromkeys(terms(question)))
    weights = dict.fromkeys(own, 1.0)
    said = [text for _, text in history if text.strip()][-MESSAGES:][::-1]
    for back, text in enumerate(said, start=1):
        for term in set(terms(text[:LETTERS])):
            weights[term] = max(weights.get(term, 0.0), DECAY**back)
    context = "\n".join([question, *said])[: max(LETTERS, len(question))] if said else question
    leaning = bool(said) and (len(own) < FEW_TERMS or bool(_LEANING.search(question)))
    return Asked(question, context, weights, own, leaning)
