"""What an answer says, each sentence with the passage it rests on; what is not in it is cut (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from knowledge.passage import Passage
from service.agent.terms import normal


@dataclass(frozen=True)
class Quoted:
    """One sentence of a draft. `passage`: the place of its passage among those found.

    `cited`: (passage, words of it) that a rephrased sentence rests on; empty where its own words are the passage's.
    """

    text: str
    passage: int
    item: int = 0  # its number in a list of steps; 0 outside one
    line: int = 0  # its line in the passage
    cited: tuple[tuple[int, str], ...] = ()

    @property
    def evidence(self) -> tuple[tuple[int, str], ...]:
        """(passage, its words) that the sentence rests on."""
        return self.cited or ((self.passage, self.text),)


@dataclass(frozen=True)
class Draft:
    """What the agent proposes to say, before it is checked and decided on. `facts`: numbers, all finite."""

    kind: str
    sentences: tuple[Quoted, ...]
    facts: dict[str, float]
    more_steps: int = 0  # steps of the quoted list that did not fit


def check(draft: Draft, passages: Sequence[Passage]) -> tuple[Draft, tuple[str, ...]]:
    """The draft with the sentences whose evidence their passages hold word for word, and the texts of the others."""
    kept = tuple(each for each in draft.sentences if _holds(passages, each))
    cut = tuple(each.text for each in draft.sentences if each not in kept)
    return (replace(draft, sentences=kept) if cut else draft), cut


def _holds(passages: Sequence[Passage], quoted: Quoted) -> bool:
    for passage, text in quoted.evidence:
        words = normal(text)
        if not (0 <= passage < len(passages) and words and f" {words} " in f" {normal(passages[passage].text)} "):
            return False
    return True


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
        if each.cited:
            evidence["cited"] = [{"passage": place, "text": text} for place, text in each.cited]
        sentences.append({"text": each.text, "evidence": evidence})
    return {"kind": draft.kind, "sentences": sentences}
