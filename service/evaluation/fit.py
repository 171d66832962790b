"""Fitting the confidence on labelled questions: each label's own confidence comes from a model that never saw it."""

import datetime
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from service.agent.confidence import MOST_DEVIATIONS, Confidence

FOLDS = 5
#: Times the rows are divided anew; one division alone moves a threshold on few labels by several points.
REPEATS = 8
#: Fewer labels, or fewer of either kind, teach nothing: the coefficients that come with Firstline are better.
LEAST_LABELS = 40
LEAST_OF_A_KIND = 8
#: Inverse strengths of regularisation; the one with the least log loss out of fold is taken.
STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
SEED = 20


def enough(right: Sequence[bool]) -> bool:
    """Whether these labels are worth fitting on."""
    return len(right) >= LEAST_LABELS and min(sum(right), len(right) - sum(right)) >= LEAST_OF_A_KIND


def fit(
    rows: Sequence[Mapping[str, float]],
    right: Sequence[bool],
    names: Sequence[str],
    fitted_on: str,
    groups: Sequence[str] = (),
) -> Confidence:
    """The model over all rows; its `outcomes` are cross-fitted, row by row in the given order.

    Rows of one group (the questions of one conversation) are never on both sides of a fit: they know too much of each
    other.
    """
    matrix = np.array([[row.get(name, 0.0) for name in names] for row in rows], dtype=float)
    labels = np.array(right, dtype=int)
    divisions = [_folds(labels, groups, SEED + repeat) for repeat in range(REPEATS)]
    by_strength = {
        strength: np.mean([_out_of_fold(matrix, labels, folds, strength) for folds in divisions], axis=0)
        for strength in STRENGTHS
    }
    strength = min(STRENGTHS, key=lambda each: _log_loss(by_strength[each], labels))
    means, scales, weights, intercept = _train(matrix, labels, strength)
    return Confidence(
        names=tuple(names),
        means=tuple(map(float, means)),
        scales=tuple(map(float, scales)),
        weights=tuple(map(float, weights)),
        intercept=float(intercept),
        outcomes=tuple(zip(map(float, by_strength[strength]), map(bool, right), strict=True)),
        fitted_on=fitted_on,
        fitted_at=datetime.datetime.now(datetime.UTC).date().isoformat(),
    )


def _folds(labels: np.ndarray, groups: Sequence[str], seed: int) -> np.ndarray:
    """The fold of each row: groups whole, and each label spread as evenly over the folds as that allows."""
    names = list(groups) or [str(number) for number in range(len(labels))]
    members: dict[str, list[int]] = {}
    for place in np.random.default_rng(seed).permutation(len(labels)):
        members.setdefault(names[place], []).append(int(place))
    folds = np.zeros(len(labels), dtype=int)
    filled = np.zeros((FOLDS, 2))
    for places in sorted(members.values(), key=len, reverse=True):
        own = np.array([len(places) - labels[places].sum(), labels[places].sum()])
        fold = int(np.argmin(filled @ own + filled.sum(axis=1) * 1e-3))
        folds[places] = fold
        filled[fold] += own
    return folds


def _out_of_fold(matrix: np.ndarray, labels: np.ndarray, folds: np.ndarray, strength: float) -> np.ndarray:
    predicted = np.zeros(len(labels))
    for fold in range(FOLDS):
        inside = folds != fold
        means, scales, weights, intercept = _train(matrix[inside], labels[inside], strength)
        deviations = np.clip((matrix[~inside] - means) / scales, -MOST_DEVIATIONS, MOST_DEVIATIONS)
        predicted[~inside] = 1 / (1 + np.exp(-(deviations @ weights + intercept)))
    return predicted


def _train(matrix: np.ndarray, labels: np.ndarray, strength: float) -> tuple[Any, Any, Any, float]:
    # Imported here: only fitting needs it, and it takes a second.
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    means, scales = matrix.mean(axis=0), matrix.std(axis=0)
    scales = np.where(scales < 1e-9, 1.0, scales)
    deviations = np.clip((matrix - means) / scales, -MOST_DEVIATIONS, MOST_DEVIATIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(C=strength, max_iter=2000).fit(deviations, labels)
    return means, scales, model.coef_[0], float(model.intercept_[0])


def _log_loss(predicted: np.ndarray, labels: np.ndarray) -> float:
    clipped = np.clip(predicted, 1e-6, 1 - 1e-6)
    return float(-np.mean(labels * np.log(clipped) + (1 - labels) * np.log(1 - clipped)))
