"""The threshold that keeps a wrong-answer rate: learn-then-test (Angelopoulos et al., 2021) on labels (pure)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

CERTAINTY = 0.95  # the probability with which the promise holds over the labels drawn
FIRST_QUANTILE = 0.20  # the fixed sequence begins with the fifth of the questions that is most confident
GRID = 10  # thresholds that Bonferroni tests
MOST_STEPS = 400  # of the fixed sequence: finer steps cost time and gain nothing
LEAST_SENT = 8  # answers that a threshold without a promise must at least have sent on the labels
NOTHING = 1.01  # a threshold that no confidence reaches


@dataclass(frozen=True)
class Threshold:
    """`value`: answer from this confidence upwards. `promised`: with CERTAINTY, no more than `wrong_rate` are wrong."""

    value: float
    wrong_rate: float
    promised: bool
    labels: int
    note: str


def choose(outcomes: Sequence[tuple[float, bool]], wrong_rate: float, certainty: float = CERTAINTY) -> Threshold:
    """The lowest threshold that keeps `wrong_rate`, from (confidence, right) of questions the model was not fitted on.

    Two procedures that each keep the promise with half of the allowed doubt; the lower of their thresholds.
    """
    ordered = sorted(outcomes, key=lambda outcome: -outcome[0])
    doubt = (1.0 - certainty) / 2
    levels = _levels(ordered)
    passed = [
        value
        for value in (_fixed_sequence(levels, len(ordered), wrong_rate, doubt), _bonferroni(levels, wrong_rate, doubt))
        if value is not None
    ]
    if passed:
        note = f"With {certainty:.0%} certainty at most {wrong_rate:.0%} of the answers sent are wrong."
        return Threshold(min(passed), wrong_rate, True, len(ordered), note)
    value = _plug_in(levels, wrong_rate)
    note = f"Too few labels to promise: {len(ordered)} labelled questions "
    note += (
        f"cannot prove a wrong-answer rate of {wrong_rate:.0%}; the threshold kept it on them, and no more is known."
        if value < NOTHING
        else f"show no threshold that keeps a wrong-answer rate of {wrong_rate:.0%}; every question goes to a person."
    )
    return Threshold(value, wrong_rate, False, len(ordered), note)


def _levels(ordered: Sequence[tuple[float, bool]]) -> list[tuple[float, int, int]]:
    """(confidence, sent, wrong) at each distinct confidence, falling: ties are sent together or not at all."""
    levels: list[tuple[float, int, int]] = []
    wrong = 0
    for sent, (confidence, right) in enumerate(ordered, 1):
        wrong += not right
        if levels and levels[-1][0] == confidence:
            levels[-1] = (confidence, sent, wrong)
        else:
            levels.append((confidence, sent, wrong))
    return levels


def _fixed_sequence(
    levels: Sequence[tuple[float, int, int]], total: int, wrong_rate: float, doubt: float
) -> float | None:
    """From the first quantile on downwards until a test fails: testing in a fixed order needs no correction."""
    later = [level for level in levels if level[1] >= FIRST_QUANTILE * total]
    stride = max(1, len(later) // MOST_STEPS)
    passed = None
    for confidence, sent, wrong in later[::stride]:
        if at_most(wrong, sent, wrong_rate) > doubt:
            break
        passed = confidence
    return passed


def _bonferroni(levels: Sequence[tuple[float, int, int]], wrong_rate: float, doubt: float) -> float | None:
    """A grid of quantiles, each tested at its share of the doubt."""
    total = levels[-1][1] if levels else 0
    passed = None
    for step in range(1, GRID + 1):
        level = next((each for each in levels if each[1] >= step / GRID * total), None)
        if level and at_most(level[2], level[1], wrong_rate) <= doubt / GRID:
            passed = level[0] if passed is None else min(passed, level[0])
    return passed


def _plug_in(levels: Sequence[tuple[float, int, int]], wrong_rate: float) -> float:
    """The lowest threshold that kept the rate on the labels themselves: a guess, and called one."""
    kept = [confidence for confidence, sent, wrong in levels if sent >= LEAST_SENT and wrong <= wrong_rate * sent]
    return min(kept, default=NOTHING)


def at_most(wrong: int, sent: int, rate: float) -> float:
    """The probability of `wrong` or fewer mistakes in `sent` if each has probability `rate` (binomial tail)."""
    if sent == 0:
        return 1.0
    logs = [
        math.lgamma(sent + 1)
        - math.lgamma(k + 1)
        - math.lgamma(sent - k + 1)
        + k * math.log(rate)
        + (sent - k) * math.log1p(-rate)
        for k in range(wrong + 1)
    ]
    highest = max(logs)
    return min(1.0, math.exp(highest) * sum(math.exp(each - highest) for each in logs))
