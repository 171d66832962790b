"""The verdict as a table: what is known about a message, and what follows."""

import pytest

from service.agent import words
from service.agent.evidence import Draft, Quoted
from service.agent.policy import Answer, Clarify, Escalate, Part, decide
from service.agent.screen import Screened
from tests.passages import passage

PASSAGE = passage("eu", "Returns from outside the EU", "You pay the carriage. Mark the parcel.", version=3)
DRAFT = Draft("extractive", (Quoted("You pay the carriage.", 0),), {})
QUESTION = Screened("question", "who pays?")


def part(confidence: float = 0.93, draft: Draft | None = DRAFT, question: str = "who pays?") -> Part:
    return Part(question, draft, (PASSAGE,), confidence)


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [
        ("hello", Answer),
        ("thanks", Answer),
        ("bye", Answer),
        ("offer", Answer),
        ("bot", Answer),
        ("never mind", Answer),
        ("wordless", Clarify),
        ("person", Escalate),
        ("language", Escalate),
        ("unhelped", Escalate),
        ("serious", Escalate),
        ("long", Escalate),
    ],
)
def test_what_the_screen_settles_needs_no_article(kind: str, verdict: type) -> None:
    got = decide(Screened(kind, "x", language="de"), (), 0.8, company="Acme")
    assert isinstance(got, verdict)
    assert got.text
    assert got.reason


def test_who_asks_whether_it_is_a_bot_is_told_so_and_how_to_reach_a_person() -> None:
    got = decide(Screened("bot", "are you a bot?"), (), 0.8, company="Acme")
    assert "AI" in got.text
    assert "a person" in got.text


@pytest.mark.parametrize(
    ("parts", "verdict", "reason"),
    [
        ([part(0.93)], Answer, "Confident 0.93, needs 0.80. Rests on Returns from outside the EU, version 3."),
        ([part(0.80)], Answer, "Confident 0.80, needs 0.80."),
        ([part(0.79)], Escalate, "Not confident enough: 0.79, needs 0.80. The nearest was Returns from outside the EU"),
        ([part(0.99, None)], Escalate, "No published article states an answer."),
        ([part(0.99, Draft("extractive", (), {}))], Escalate, "No published article states an answer."),
        ([part(0.9), part(0.95, question="which?")], Answer, "Confident 0.90"),
        ([part(0.9), part(0.1, question="which?")], Escalate, "Not confident enough about “which?”: 0.10"),
        ([part(0.9), part(0.9, None, "which?")], Escalate, "No published article states an answer to “which?”."),
        ([part(), part(), part()], Escalate, "The message asks 3 questions at once."),
        ([], Escalate, "The message asks 0 questions at once."),
    ],
)
def test_an_answer_is_sent_only_when_every_part_is_sure_enough(parts: list[Part], verdict: type, reason: str) -> None:
    got = decide(QUESTION, parts, 0.8, company="Acme")
    assert isinstance(got, verdict)
    assert got.reason.startswith(reason)


def test_a_threshold_out_of_reach_sends_nothing() -> None:
    got = decide(QUESTION, [part(1.0)], 1.01, company="Acme")
    assert isinstance(got, Escalate)
    assert "1.01" not in got.reason


@pytest.mark.parametrize("kind", ["person", "language", "unhelped", "serious", "long", "question"])
def test_every_escalation_says_what_happens_next_and_promises_no_time(kind: str) -> None:
    got = decide(Screened(kind, "x", language="xx"), [part(0.1)], 0.8, company="Acme")
    assert isinstance(got, Escalate)
    assert "I've asked a person from Acme to take over; they'll reply here." in got.text
    assert not any(word in got.text for word in ("minute", "hour", "soon", "shortly", "today", "moment"))


@pytest.mark.parametrize("language", ["de", "fr", "es", "it", "pt", "nl", "pl", "uk", "ar", "zh"])
def test_a_customer_is_told_in_their_language_and_in_english(language: str) -> None:
    text = words.other_language(language, "Acme")
    own, english = text.split("\n\n")
    assert own != english
    assert "Acme" in own
    assert "I can only answer in English." in english


def test_the_same_words_twice_running_are_not_an_answer() -> None:
    got = decide(QUESTION, [part()], 0.8, company="Acme", said=["You pay the carriage."])
    assert isinstance(got, Escalate)
    assert isinstance(decide(QUESTION, [part()], 0.8, company="Acme", said=["Hello!"]), Answer)


def test_who_sends_a_card_number_is_answered_and_warned() -> None:
    got = decide(Screened("question", "x", ("card number",)), [part()], 0.8, company="Acme")
    assert isinstance(got, Answer)
    assert "never need" in got.text
