"""The estimated probability that a draft is right: logistic regression over facts, kept as plain JSON."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from service.agent.threshold import Threshold, choose

SHIPPED = Path(__file__).with_name("confidence.json")
#: Standardised facts are cut here: far beyond what was fitted on, a straight line knows nothing.
MOST_DEVIATIONS = 4.0


class UnfitConfidence(ValueError):
    """The file is not one this version can use: fit it again."""


@dataclass(frozen=True)
class Confidence:
    """One fitted model. `outcomes`: (confidence, right) of each label by a model that had not seen it."""

    names: tuple[str, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float
    outcomes: tuple[tuple[float, bool], ...]
    fitted_on: str
    fitted_at: str  # a date

    def predict(self, facts: Mapping[str, float]) -> float:
        """The probability that the draft is right, 0..1. A fact that is not given counts as the mean."""
        row = np.array([facts.get(name, mean) for name, mean in zip(self.names, self.means, strict=True)], dtype=float)
        deviations = (row - np.array(self.means)) / np.array(self.scales)
        deviations = np.clip(np.nan_to_num(deviations), -MOST_DEVIATIONS, MOST_DEVIATIONS)
        return _logistic(float(deviations @ np.array(self.weights)) + self.intercept)

    def threshold(self, wrong_rate: float) -> Threshold:
        """From which confidence to answer so that at most `wrong_rate` of what is sent is wrong."""
        return choose(self.outcomes, wrong_rate)

    @classmethod
    def shipped(cls) -> "Confidence":
        """The one that comes with Firstline, for a knowledge base without labels of its own."""
        return cls.load(SHIPPED)

    @classmethod
    def load(cls, path: Path) -> "Confidence":
        try:
            data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            outcomes = tuple((float(confidence), bool(right)) for confidence, right in data["outcomes"])
            numbers = {name: tuple(map(float, data[name])) for name in ("means", "scales", "weights")}
            if {len(column) for column in numbers.values()} != {len(data["names"])} or not all(numbers["scales"]):
                raise UnfitConfidence(f"{path.name} does not fit together. Fit it again.")
            return cls(
                names=tuple(data["names"]),
                intercept=float(data["intercept"]),
                outcomes=outcomes,
                fitted_on=str(data["fitted_on"]),
                fitted_at=str(data["fitted_at"]),
                **numbers,
            )
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise UnfitConfidence(f"{path.name} is not a confidence file of this version. Fit it again.") from error

    def save(self, path: Path, wrong_rate: float) -> None:
        """Write it for reading by eye too: what the threshold is at `wrong_rate`, and whether it is a promise."""
        data = asdict(self) | {"threshold": asdict(self.threshold(wrong_rate))}
        data["outcomes"] = [[round(confidence, 5), int(right)] for confidence, right in self.outcomes]
        lines = ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in data.items())
        path.write_text("{\n" + lines + "\n}\n", encoding="utf-8")


def facts_of(search: Mapping[str, float], draft: Mapping[str, float], message: Mapping[str, float]) -> dict[str, float]:
    """The facts of one answer in one place: of the search, of the draft, of what was asked."""
    return {**search, **draft, **message}


def together(confidences: Sequence[float]) -> float:
    """The confidence of an answer to several questions: as much as of its weakest part."""
    return min(confidences, default=0.0)


def _logistic(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value >= 0 else math.exp(value) / (1 + math.exp(value))
