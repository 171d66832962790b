"""Whether what the agent would send is right, by the labels of a question (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass

from knowledge.passage import Passage
from service.agent import Searched
from service.agent.terms import normal
from service.evaluation.datasets import Question

#: Evidence longer than a passage is held by one that has this share of its runs of words.
RUN_WORDS = 5
MOST_OF_RUNS = 0.8
#: Evidence is said when this share of its words is in the answer, or the whole answer is out of it.
SAID_SHARE = 0.5


@dataclass(frozen=True)
class Judged:
    """`right`: it rests on an article that answers the question and, where known, on a passage that holds the evidence.
    `said`: the words sent hold the evidence too; None where it is not known.
    """

    right: bool
    said: bool | None


def judge(question: Question, parts: Sequence[Searched], *, bare: bool) -> Judged:
    """Judge the drafts of all parts of a message together. `bare`: by the article alone."""
    if not question.answerable or not parts:
        return Judged(False, None)
    if bare:
        best = parts[0].found.articles[:1]
        return Judged(bool(best) and best[0][0] in question.articles, None)
    passages: list[Passage] = []
    sentences: list[str] = []
    for part in parts:
        if part.draft is None or not part.draft.sentences or part.cut:
            return Judged(False, None)
        passages += [part.found.passages[each.passage] for each in part.draft.sentences]
        sentences += [each.text for each in part.draft.sentences]
    if any(passage.slug not in question.articles for passage in passages):
        return Judged(False, None)
    if not question.evidence:
        return Judged(True, None)
    held = any(holds(passage.text, piece) for passage in passages for piece in question.evidence)
    return Judged(held, held and any(says(sentences, piece) for piece in question.evidence))


def holds(text: str, evidence: str) -> bool:
    """Whether a passage contains the evidence, whatever its marks, capitals and line breaks."""
    words, wanted = normal(text), normal(evidence)
    if f" {wanted} " in f" {words} ":
        return True
    runs = _runs(wanted.split())
    if len(runs) < RUN_WORDS:
        return False
    mine = set(_runs(words.split()))
    return sum(run in mine for run in runs) >= MOST_OF_RUNS * len(runs)


def says(sentences: Sequence[str], evidence: str) -> bool:
    """Whether the words sent state the evidence: most of its words in one run, or nothing but it."""
    wanted = normal(evidence)
    if any(f" {normal(sentence)} " in f" {wanted} " for sentence in sentences):
        return True
    text = f" {normal(' '.join(sentences))} "
    if f" {wanted} " in text:
        return True
    words = wanted.split()
    return bool(words) and sum(f" {word} " in text for word in words) / len(words) >= max(SAID_SHARE, 0.8)


def _runs(words: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(words[place : place + RUN_WORDS]) for place in range(len(words) - RUN_WORDS + 1)]
