"""A question in its conversation: what to search for when it leans on what was said before (pure)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from knowledge.lexical import terms
from knowledge.sentences import split

# How much a word counts for each message it is further back.
DECAY = 0.7
# Messages looked back on, and letters of all of them: what the embedder reads, and a little more.
MESSAGES = 8
LETTERS = 1_600
# A question with fewer words that mean something can hardly stand alone.
FEW_TERMS = 4

# Parts of one question that are searched for by themselves as well.
PARTS = 6
PART_WORDS = 3

_BORDER = re.compile(r"[,;:\n]+|\s+-+\s+|\b(?:and|but|or)\b", re.IGNORECASE)
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
    parts: tuple[str, ...]  # its clauses; just the question if it has one
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
    return Asked(question, context, _parts(question), weights, own, leaning)


def _parts(question: str) -> tuple[str, ...]:
    """The clauses of a question, those of sentences that ask first: a long mail says much beside its point."""
    told = sorted(split(question), key=lambda sentence: "?" not in sentence)
    parts: list[str] = []
    for sentence in told:
        clauses = [part.strip() for part in _BORDER.split(sentence) if len(part.split()) >= PART_WORDS]
        parts.extend(clauses or [sentence])
    return tuple(parts[:PARTS]) if len(parts) > 1 else (question,)
