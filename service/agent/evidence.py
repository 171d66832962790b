"""What an answer says, each sentence with the passage it rests on; what is not in it is cut (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from knowledge.passage import Passage
from service.agent.terms import normal


@dataclass(frozen=True)
class Quoted:
    """One sentence of a draft. `passage`: the place of its passage among those found."""

    text: str
    passage: int
    item: int = 0  # its number in a list of steps; 0 outside one
    line: int = 0  # its line in the passage


@dataclass(frozen=True)
class Draft:
    """What the agent proposes to say, before it is checked and decided on. `facts`: numbers, all finite."""

    kind: str
    sentences: tuple[Quoted, ...]
    facts: dict[str, float]
    more_steps: int = 0  # steps of the quoted list that did not fit


def check(draft: Draft, passages: Sequence[Passage]) -> tuple[Draft, tuple[str, ...]]:
    """The draft with the sentences that their passages hold word for word, and the texts of those that were cut."""
    kept = tuple(each for each in draft.sentences if _holds(passages, each))
    cut = tuple(each.text for each in draft.sentences if each not in kept)
    return (replace(draft, sentences=kept) if cut else draft), cut


def _holds(passages: Sequence[Passage], quoted: Quoted) -> bool:
    if not 0 <= quoted.passage < len(passages):
        return False
    words = normal(quoted.text)
    return bool(words) and f" {words} " in f" {normal(passages[quoted.passage].text)} "


def describe(draft: Draft, passages: Sequence[Passage]) -> dict[str, Any]:
    """The draft as a decision's record keeps it."""
    sentences = []
    for each in draft.sentences:
        passage = passages[each.passage]
        evidence = {
            "slug": passage.slug,
            "title": passage.title,
            "version": passage.version,
            "heading": passage.heading,
            "passage": each.passage,
        }
        sentences.append({"text": each.text, "evidence": evidence})
    return {"kind": draft.kind, "sentences": sentences}
