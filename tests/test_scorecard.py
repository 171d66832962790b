"""The figures, against values worked out by hand."""

import io
import json
import random
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from sklearn.metrics import roc_auc_score

from service.agent import Searched
from service.agent.evidence import Draft, Quoted
from service.evaluation import PackError, evaluate, print_scorecard
from service.evaluation.datasets import Question
from service.evaluation.judge import holds, judge, says
from service.evaluation.scorecard import Outcome, auroc, ece, ordering, scorecard
from service.rates import interval
from tests.passages import found, passage

pytestmark = pytest.mark.anyio


def outcome(confidence: float, right: bool, **more: Any) -> Outcome:
    values: dict[str, Any] = {
        "answerable": right,
        "kind": "in-scope" if right else "near",
        "ranks": (1,) if right else (),
    }
    return Outcome(**(values | {"relevant": 1, "evidence_rank": None, "confidence": confidence, "right": right} | more))


def test_what_is_sent_and_wrong_is_counted_at_the_threshold() -> None:
    figures = scorecard(
        [outcome(0.9, True), outcome(0.8, False), outcome(0.8, True), outcome(0.3, True), outcome(0.1, False)], 0.8
    )
    assert (figures["questions"], figures["answerable"], figures["sent"], figures["wrong"]) == (5, 3, 3, 1)
    assert figures["wrong_rate"] == pytest.approx(1 / 3)
    assert figures["answered_rate"] == pytest.approx(2 / 3)
    assert figures["near_answered_rate"] == pytest.approx(1 / 2)
    assert figures["wrong_rate_interval"][0] < 1 / 3 < figures["wrong_rate_interval"][1]


def test_what_the_screen_kept_back_is_not_sent_even_at_threshold_nought() -> None:
    figures = scorecard([outcome(0.0, False, offered=False, kind="person"), outcome(0.0, True)], 0.0)
    assert figures["sent"] == 1
    assert figures["person_answered_rate"] == 0.0


def test_retrieval_is_over_the_answerable_alone() -> None:
    figures = scorecard(
        [
            outcome(0.5, True, ranks=(1,), evidence_rank=2),
            outcome(0.5, True, ranks=(2, 4), relevant=2, evidence_rank=1),
            outcome(0.5, True, ranks=(), evidence_rank=0),
            outcome(0.5, False),
        ],
        0.5,
    )
    assert figures["recall_at_1"] == pytest.approx(1 / 3)
    assert figures["recall_at_3"] == figures["recall_at_5"] == pytest.approx(2 / 3)
    assert figures["mrr_at_10"] == pytest.approx((1 + 0.5) / 3)
    assert figures["ndcg_at_10"] == pytest.approx((1 + (0.63093 + 0.43068) / 1.63093) / 3, abs=1e-4)
    assert figures["passage_recall_at_1"] == pytest.approx(1 / 3)
    assert figures["passage_recall_at_5"] == pytest.approx(2 / 3)


def test_the_area_under_the_curve_agrees_with_scikit_learn_ties_and_all() -> None:
    random_ = random.Random(1)
    scores = [round(random_.random(), 1) for _ in range(300)]
    positive = [random_.random() < score for score in scores]
    assert auroc(scores, positive) == pytest.approx(roc_auc_score(positive, scores))
    assert auroc([0.5], [True]) is None


def test_tied_scores_give_no_coverage_that_is_not_there() -> None:
    # In this order a stable sort finds a prefix without a mistake; no threshold does.
    tied = [outcome(0.7, True)] * 50 + [outcome(0.7, False)] * 50
    figures = ordering(tied)
    assert figures["coverage_at_5pct"] == 0
    assert figures["aurc"] == pytest.approx(0.5)
    assert figures["auroc_right"] == pytest.approx(0.5)
    assert ordering(tied[::-1]) == figures


def test_a_perfect_order_covers_what_is_right() -> None:
    figures = ordering([outcome(0.9 + number / 1000, True) for number in range(60)] + [outcome(0.1, False)] * 40)
    assert figures["coverage_ideal"] == pytest.approx(0.6)
    assert figures["coverage_at_2pct"] == pytest.approx(0.6)
    assert figures["fpr_at_95_tpr"] == 0.0
    assert figures["aurc"] == pytest.approx(sum(number / (60 + number) for number in range(1, 41)) / 100)


def test_calibration_error_is_the_mean_gap() -> None:
    assert ece([0.95] * 10, [True] * 9 + [False]) == pytest.approx(0.05)
    assert ece([0.25] * 4 + [0.85] * 4, [True] * 4 + [False] * 4) == pytest.approx((0.75 + 0.85) / 2)


def test_the_interval_is_wilsons() -> None:
    low, high = interval(5, 100) or (0, 0)
    assert (low, high) == pytest.approx((0.02154, 0.11175), abs=1e-4)
    assert interval(0, 0) is None


PASSAGE = passage("eu", "EU", "You pay the carriage. The duty is yours too, whatever the parcel holds.")


def question(**more: Any) -> Question:
    values: dict[str, Any] = {"id": "q", "text": "who pays", "history": (), "answerable": True, "articles": {"eu"}}
    return Question(**(values | {"evidence": (), "split": "test", "kind": "in-scope"} | more))


def searched(text: str = "You pay the carriage.") -> Searched:
    return Searched("who pays", found("who pays", [PASSAGE]), Draft("extractive", (Quoted(text, 0),), {}), (), {})


def test_an_answer_is_right_when_its_article_answers_and_its_passage_holds_the_evidence() -> None:
    assert judge(question(), [searched()], bare=False).right
    assert not judge(question(articles={"uk"}), [searched()], bare=False).right
    assert not judge(question(answerable=False), [searched()], bare=False).right
    assert judge(question(evidence=("you pay the CARRIAGE",)), [searched()], bare=False).said is True
    other = judge(question(evidence=("duty is yours",)), [searched()], bare=False)
    assert (other.right, other.said) == (True, False)
    assert not judge(question(evidence=("it is free",)), [searched()], bare=False).right


def test_evidence_that_runs_over_a_passages_end_is_mostly_held() -> None:
    text = "one two three four five six seven eight nine ten eleven twelve"
    assert holds(text, "two three four five six seven eight nine ten eleven twelve thirteen")
    assert not holds(text, "five six seven and quite other words that follow after it here")
    assert says(["The answer is fourteen days."], "fourteen days")


def small_pack(folder: Path) -> Path:
    articles = {
        "descale": (
            "Descale the machine",
            "Descale the machine every 3 months with our descaler. Never use vinegar in the machine.",
        ),
        "returns": (
            "Return an order",
            "You can return an order within 30 days of delivery. The label for a return is free in Ireland.",
        ),
        "hours": (
            "Opening hours",
            "Our support team works from Monday to Friday, 9:00 to 17:30. On Saturday we work until 14:00.",
        ),
    }
    lines = [
        {"slug": slug, "title": title, "topic": "t", "phrases": [], "body": body}
        for slug, (title, body) in articles.items()
    ]
    (folder / "articles.jsonl").write_text("\n".join(map(json.dumps, lines)))
    asked = [
        ("how often do I descale the machine", "descale", "every 3 months"),
        ("within how many days can I return an order", "returns", "30 days"),
        ("when are you open on Saturday", "hours", "until 14:00"),
        ("do you sell bicycles", None, None),
    ]
    questions = [
        {
            "id": f"{split}{number}",
            "question": text,
            "history": [],
            "answerable": bool(slug),
            "articles": [slug] if slug else [],
            "evidence": evidence,
            "split": split,
            "kind": "in-scope" if slug else "far",
        }
        for split in ("calibrate", "test")
        for number, (text, slug, evidence) in enumerate(asked)
    ]
    (folder / "questions.jsonl").write_text("\n".join(map(json.dumps, questions)))
    return folder


async def test_a_pack_is_evaluated_from_beginning_to_end(tmp_path: Path) -> None:
    seen: list[str] = []
    result = await evaluate(small_pack(tmp_path), progress=lambda done, total, what: seen.append(what))
    assert json.loads(json.dumps(result)) == result
    assert "that come with Firstline" in result["fitted_on"]
    for split in ("calibrate", "test"):
        assert result[split]["questions"] == 4
        assert result[split]["recall_at_1"] == 1.0
        assert result[split]["passage_recall_at_5"] == 1.0
        assert result[split]["auroc_scope"] is not None
    assert result["latency_ms"]["p95"] >= result["latency_ms"]["p50"] > 0
    assert {"Embedding articles", "Asking questions", "Timing answers"} <= set(seen)
    out = io.StringIO()
    print_scorecard(result, Console(file=out, width=120))
    assert "wrong, of those sent" in out.getvalue()


async def test_what_is_no_pack_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(PackError):
        await evaluate(tmp_path)
