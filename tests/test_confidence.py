"""Confidence is a probability, its threshold keeps a promise or says that it cannot."""

import random
from pathlib import Path

import pytest

from service.agent.confidence import Confidence, UnfitConfidence, together
from service.agent.threshold import NOTHING, at_most, choose
from service.evaluation.fit import enough, fit
from service.evaluation.run import FACT_NAMES


def labelled(count: int, seed: int, slope: float = 14.0) -> list[tuple[float, bool]]:
    """Outcomes of a well calibrated model: right with the probability it says."""
    random_ = random.Random(seed)
    values = [1 / (1 + 2.718281828 ** (-slope * (random_.random() - 0.35))) for _ in range(count)]
    return [(value, random_.random() < value) for value in values]


def test_the_promise_is_kept_on_new_questions() -> None:
    broken = 0
    for seed in range(60):
        threshold = choose(labelled(800, seed), 0.05)
        assert threshold.promised
        sent = [right for value, right in labelled(20_000, 1_000 + seed) if value >= threshold.value]
        broken += (len(sent) - sum(sent)) / len(sent) > 0.05
    assert broken <= 6  # 5 % of 60 are 3; more than 6 come by chance once in 40 times


def test_the_promise_does_not_cost_all_the_coverage() -> None:
    threshold = choose(labelled(2_000, 1), 0.05)
    fresh = labelled(20_000, 2)
    sent = sum(value >= threshold.value for value, _ in fresh)
    wrong = 0
    best = 0
    for number, (_, right) in enumerate(sorted(fresh, reverse=True), 1):
        wrong += not right
        best = number if wrong <= 0.05 * number else best
    assert best > 5_000
    assert sent > 0.8 * best


def test_too_few_labels_are_said_to_be_too_few() -> None:
    threshold = choose([(0.9, True)] * 40 + [(0.2, False)] * 20, 0.05)
    assert not threshold.promised
    assert "Too few labels" in threshold.note
    assert threshold.value == 0.9


def test_where_nothing_can_be_sent_nothing_is() -> None:
    threshold = choose([(0.9, False), (0.8, True)] * 10, 0.05)
    assert threshold.value == NOTHING
    assert "person" in threshold.note
    assert choose([], 0.05).value == NOTHING


def test_ties_are_sent_together_or_not_at_all() -> None:
    # In a stable sort the 90 right ones come first and seem to allow a threshold of 0.7.
    outcomes = [(0.7, True)] * 90 + [(0.7, False)] * 60
    assert choose(outcomes, 0.05).value == NOTHING


def test_the_binomial_tail_is_right() -> None:
    assert at_most(0, 10, 0.1) == pytest.approx(0.9**10)
    assert at_most(10, 10, 0.1) == pytest.approx(1.0)
    assert at_most(5, 100, 0.05) == pytest.approx(0.6160, abs=1e-4)


def rows(count: int) -> tuple[list[dict[str, float]], list[bool]]:
    random_ = random.Random(3)
    right = [random_.random() < 0.6 for _ in range(count)]
    return [{"a": hit + random_.gauss(0, 0.5), "b": random_.random(), "same": 1.0} for hit in right], right


def test_what_is_fitted_tells_right_from_wrong_and_survives_a_file(tmp_path: Path) -> None:
    facts, right = rows(300)
    fitted = fit(facts, right, ("a", "b", "same"), "a test")
    assert fitted.predict({"a": 1.5, "b": 0.5, "same": 1.0}) > 0.8
    assert fitted.predict({"a": -0.5, "b": 0.5, "same": 1.0}) < 0.2
    fitted.save(tmp_path / "confidence.json", 0.05)
    again = Confidence.load(tmp_path / "confidence.json")
    assert again.predict(facts[0]) == fitted.predict(facts[0])
    assert again.threshold(0.05).value == pytest.approx(fitted.threshold(0.05).value, abs=1e-4)


def test_cross_fitted_outcomes_come_from_models_that_had_not_seen_them() -> None:
    random_ = random.Random(5)
    right = [random_.random() < 0.5 for _ in range(120)]
    noise = [{str(name): random_.gauss(0, 1) for name in range(30)} for _ in right]
    fitted = fit(noise, right, [str(name) for name in range(30)], "noise")
    seen = sum((fitted.predict(row) > 0.5) == hit for row, hit in zip(noise, right, strict=True)) / len(right)
    unseen = sum((value > 0.5) == hit for value, hit in fitted.outcomes) / len(right)
    assert unseen < 0.62 or unseen < seen


def test_a_fact_far_outside_what_was_fitted_on_does_not_decide_alone() -> None:
    facts, right = rows(300)
    fitted = fit(facts, right, ("a", "b", "same"), "a test")
    assert fitted.predict({"a": 1e9}) == fitted.predict({"a": 1e12})
    assert 0 < fitted.predict({"a": float("nan")}) < 1


def test_too_few_labels_are_not_worth_fitting_on() -> None:
    assert not enough([True] * 100)
    assert not enough([True, False] * 10)
    assert enough([True, False] * 30)


@pytest.mark.parametrize("text", ["{", "[]", '{"names": ["a"]}'])
def test_a_file_that_is_none_is_refused_in_words(tmp_path: Path, text: str) -> None:
    path = tmp_path / "confidence.json"
    path.write_text(text)
    with pytest.raises(UnfitConfidence, match="Fit it again"):
        Confidence.load(path)


def test_the_shipped_coefficients_fit_the_facts_of_this_version() -> None:
    shipped = Confidence.shipped()
    assert shipped.names == FACT_NAMES
    assert 0 < shipped.threshold(0.05).value <= 1
    assert shipped.threshold(0.01).value >= shipped.threshold(0.2).value


def test_an_answer_is_as_sure_as_its_weakest_part() -> None:
    assert together([0.9, 0.4]) == 0.4
    assert together([]) == 0.0


def test_questions_of_one_conversation_are_never_on_both_sides_of_a_fit() -> None:
    # Four rows a conversation, alike in all but noise that no model can learn from other conversations.
    random_ = random.Random(9)
    facts: list[dict[str, float]] = []
    right: list[bool] = []
    groups: list[str] = []
    for number in range(60):
        own = {str(place): random_.gauss(0, 1) for place in range(40)}
        hit = random_.random() < 0.5
        facts += [own] * 4
        right += [hit] * 4
        groups += [str(number)] * 4
    names = [str(place) for place in range(40)]

    def seen(fitted: Confidence) -> float:
        return sum((value > 0.5) == hit for value, hit in fitted.outcomes) / len(right)

    assert seen(fit(facts, right, names, "noise")) > 0.7
    assert seen(fit(facts, right, names, "noise", groups)) < 0.65
