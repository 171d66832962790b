"""The figures of a split, each with its definition; ties count as ties everywhere (pure)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from service.rates import interval

ECE_BINS = 10


@dataclass(frozen=True)
class Outcome:
    """What became of one question. `ranks`: places (from 1) of the articles that answer it among those found.

    `evidence_rank`: the place of the first passage that holds the evidence, 0 for none; None where it is not known.
    `right`: the draft is; `said`: its words state the evidence, None where not known. `offered`: the screen let the
    question through, so that confidence decides.
    """

    answerable: bool
    kind: str
    ranks: tuple[int, ...]
    relevant: int
    evidence_rank: int | None
    confidence: float
    right: bool
    said: bool | None = None
    offered: bool = True


def scorecard(outcomes: Sequence[Outcome], threshold: float) -> dict[str, Any]:
    """Every figure of one split, by the names that `firstline evaluate` writes. None: nothing to measure."""
    answerable = [each for each in outcomes if each.answerable]
    return {
        "questions": len(outcomes),
        "answerable": len(answerable),
        **retrieval(answerable),
        **decisions(outcomes, threshold),
        **ordering(outcomes),
    }


def retrieval(answerable: Sequence[Outcome]) -> dict[str, Any]:
    """How high the right articles and passages stand, over the answerable questions."""
    firsts = [min(each.ranks, default=0) for each in answerable]
    known = [each.evidence_rank for each in answerable if each.evidence_rank is not None]
    figures: dict[str, Any] = {}
    for k in (1, 3, 5):
        figures |= _rate(f"recall_at_{k}", sum(0 < first <= k for first in firsts), len(firsts))
    figures["mrr_at_10"] = _mean([1 / first if 0 < first <= 10 else 0.0 for first in firsts])
    figures["ndcg_at_10"] = _mean([_ndcg(each) for each in answerable])
    for k in (1, 5):
        figures |= _rate(f"passage_recall_at_{k}", sum(0 < rank <= k for rank in known), len(known))
    return figures


def decisions(outcomes: Sequence[Outcome], threshold: float) -> dict[str, Any]:
    """What was sent at the threshold in force, and how much of it was wrong."""

    def sent(each: Outcome) -> bool:
        return each.offered and each.confidence >= threshold

    out = [each for each in outcomes if sent(each)]
    wrong = sum(not each.right for each in out)
    answerable = [each for each in outcomes if each.answerable]
    figures: dict[str, Any] = {"threshold": threshold, "sent": len(out), "wrong": wrong}
    figures |= _rate("wrong_rate", wrong, len(out))
    figures |= _rate("answered_rate", sum(each.right for each in out if each.answerable), len(answerable))
    # Of the unanswerable ones, each kind by itself: close to what is covered, far from it, for a person.
    for kind in ("near", "far", "real", "person"):
        asked = [each for each in outcomes if each.kind == kind and not each.answerable]
        if asked or kind == "near":
            figures |= _rate(f"{kind}_answered_rate", sum(map(sent, asked)), len(asked))
    told = [each.said for each in out if each.right and each.said is not None]
    figures |= _rate("evidence_said_rate", sum(told), len(told))
    return figures


def ordering(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """How well confidence orders the questions, over all thresholds."""
    scores = [each.confidence for each in outcomes]
    right = [each.right for each in outcomes]
    levels = _levels(scores, right)
    return {
        "auroc_scope": auroc(scores, [each.answerable for each in outcomes]),
        "auroc_right": auroc(scores, right),
        "fpr_at_95_tpr": fpr_at_tpr(scores, [each.answerable for each in outcomes], 0.95),
        "aurc": aurc(levels),
        "coverage_at_5pct": coverage_at(levels, 0.05),
        "coverage_at_2pct": coverage_at(levels, 0.02),
        "coverage_ideal": _mean([float(each) for each in right]),
        "ece": ece(scores, right),
    }


def auroc(scores: Sequence[float], positive: Sequence[bool]) -> float | None:
    """The probability that a positive has a higher score than a negative, a tie counting half."""
    levels = _levels(scores, positive)
    positives, negatives = sum(positive), len(positive) - sum(positive)
    if not positives or not negatives:
        return None
    above = area = 0.0
    for _, hits, misses in levels:
        area += misses * (above + hits / 2)
        above += hits
    return area / (positives * negatives)


def fpr_at_tpr(scores: Sequence[float], positive: Sequence[bool], tpr: float) -> float | None:
    """The share of negatives let in at the highest threshold that lets in `tpr` of the positives."""
    positives, negatives = sum(positive), len(positive) - sum(positive)
    if not positives or not negatives:
        return None
    hits = misses = 0
    for _, more_hits, more_misses in _levels(scores, positive):
        hits, misses = hits + more_hits, misses + more_misses
        if hits >= tpr * positives:
            break
    return misses / negatives


def aurc(levels: Sequence[tuple[float, int, int]]) -> float | None:
    """Area under the risk-coverage curve: the mean wrong rate of sending 1, 2, ... all; ties in random order."""
    sent, wrong, total = 0, 0.0, 0.0
    for _, hits, misses in levels:
        size = hits + misses
        total += sum((wrong + misses * step / size) / (sent + step) for step in range(1, size + 1))
        sent, wrong = sent + size, wrong + misses
    return total / sent if sent else None


def coverage_at(levels: Sequence[tuple[float, int, int]], wrong_rate: float) -> float | None:
    """The largest share of all questions that some threshold sends with no more than `wrong_rate` wrong."""
    sent = wrong = best = 0
    for _, hits, misses in levels:
        sent, wrong = sent + hits + misses, wrong + misses
        if wrong <= wrong_rate * sent:
            best = sent
    return best / sent if sent else None


def ece(scores: Sequence[float], right: Sequence[bool]) -> float | None:
    """Expected calibration error: the gap between mean confidence and share right, over ten bins of equal width."""
    if not scores:
        return None
    gap = 0.0
    for number in range(ECE_BINS):
        inside = [
            (score, hit)
            for score, hit in zip(scores, right, strict=True)
            if min(int(score * ECE_BINS), ECE_BINS - 1) == number
        ]
        gap += abs(sum(score for score, _ in inside) - sum(hit for _, hit in inside))
    return gap / len(scores)


def _rate(name: str, hits: int, of: int) -> dict[str, Any]:
    return {name: hits / of if of else None, f"{name}_interval": interval(hits, of)}


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _ndcg(each: Outcome) -> float:
    def gain(rank: int) -> float:
        return 1 / math.log2(rank + 1)

    ideal = sum(gain(rank) for rank in range(1, min(each.relevant, 10) + 1))
    return sum(gain(rank) for rank in each.ranks if rank <= 10) / ideal if ideal else 0.0


def _levels(scores: Sequence[float], positive: Sequence[bool]) -> list[tuple[float, int, int]]:
    """(score, positives, negatives) at each distinct score, falling."""
    counts: dict[float, list[int]] = {}
    for score, hit in zip(scores, positive, strict=True):
        counts.setdefault(score, [0, 0])[0 if hit else 1] += 1
    return [(score, hits, misses) for score, (hits, misses) in sorted(counts.items(), reverse=True)]
