"""How good search and decisions are on a pack of labelled questions: fitted on one half, reported on the other."""

from service.evaluation.datasets import PackError
from service.evaluation.report import print_scorecard
from service.evaluation.run import evaluate

__all__ = ["PackError", "evaluate", "print_scorecard"]
