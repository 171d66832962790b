"""The figures agree with a history that was counted by hand, on both databases."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import select

from service import insights, measures, staff_verbs, waits
from service.agent import Asked, Response
from service.agent.policy import Escalate, decide
from service.agent.screen import Screened
from service.insights import FIGURES
from service.measured import Measured, Scope
from service.measures import OTHER, REASONS
from service.models import Conversation
from tests.fakes import echo
from tests.flow_kit import make_context, make_staff, settle_all, write
from tests.past_kit import Past, at, write_three_days
from tests.test_policy import part

pytestmark = pytest.mark.anyio

MONDAY, WEDNESDAY = date(2026, 11, 2), date(2026, 11, 4)
NOON = at(WEDNESDAY, "12:00:00")


async def measured(db: Any, **scope: Any) -> dict[str, Measured]:
    scope = {"first": MONDAY, "last": WEDNESDAY, "now": NOON, **scope}
    return {figure.name: found for figure, found in await insights.measure(db, Scope(**scope))}


@pytest.fixture
async def history(db: Any) -> Any:
    staff = [(await make_staff(db, name)).id for name in ("Ana", "Bo")]
    await write_three_days(db, MONDAY, (staff[0], staff[1]))
    return db


def values(found: Measured) -> list[float | None]:
    return [number.value for number in found.numbers]


def columns(found: Measured) -> dict[str, list[float | None]]:
    return {column.name: list(column.values) for column in found.columns}


async def test_volume_counts_what_customers_wrote_and_conversations_begun(history: Any) -> None:
    found = (await measured(history))["volume"]
    assert values(found) == [10, 6]
    assert columns(found) == {"messages": [4, 4, 2], "conversations begun": [3, 2, 1]}


async def test_answered_counts_what_was_sent_and_conversations_without_a_person(history: Any) -> None:
    found = (await measured(history))["answered"]
    assert values(found) == [3 / 7, 2 / 3]
    assert columns(found) == {
        "answered": [2, 0, 1],
        "asked back, or not sent": [1, 0, 1],
        "escalated": [0, 2, 0],
        "decisions": [3, 2, 2],
        "conversations ended": [3, 0, 0],
        "of them without a person": [2, 0, 0],
    }


async def test_escalated_is_of_the_same_decisions_and_says_why(history: Any) -> None:
    found = (await measured(history))["escalated"]
    assert values(found) == [2 / 7, 2]
    assert columns(found)["share escalated"] == [0, 1, 0]
    assert found.parts == [("Not confident enough of the answer", 1), ("The customer asked for a person", 1)]


async def test_wrong_by_label_goes_by_the_latest_label_of_what_was_sent(history: Any) -> None:
    found = (await measured(history))["wrong"]
    assert values(found) == [1 / 2, 2 / 3]
    assert found.numbers[0].interval == pytest.approx([0.0945, 0.9055], abs=1e-4)
    assert columns(found) == {
        "labelled right": [1, 0, 0],
        "labelled wrong": [0, 0, 0],
        "should have been a person": [0, 0, 1],
        "answers sent": [2, 0, 1],
    }


async def test_a_first_response_is_timed_from_the_first_message_without_a_reply(history: Any) -> None:
    found = await measured(history)
    assert values(found["agent"]) == pytest.approx([3, 20])
    assert columns(found["agent"]) == {
        "median": pytest.approx([2, 3, 1]),
        "90th percentile": pytest.approx([20, 4, 8]),
        "replies": [2, 3, 2],
    }
    assert values(found["person"]) == pytest.approx([360, 600])
    assert columns(found["person"])["median"] == [pytest.approx(600), pytest.approx(360), None]
    assert columns(found["person"])["replies"] == [1, 1, 0]


async def test_until_a_call_is_taken(history: Any) -> None:
    found = (await measured(history))["taken"]
    assert values(found) == pytest.approx([300, 300, 1 / 2, 1])
    assert columns(found)["calls"] == [0, 2, 0]
    assert columns(found)["calls taken"] == [0, 1, 0]
    assert not found.empty


async def test_cost_is_by_day_and_by_message_answered(history: Any) -> None:
    found = (await measured(history))["cost"]
    assert values(found) == pytest.approx([0.045, 0.015])
    assert columns(found)["cost"] == pytest.approx([0.01, 0.005, 0.03])
    assert columns(found)["messages answered"] == [2, 0, 1]
    assert columns(found)["cost a message answered"] == [pytest.approx(0.005), None, pytest.approx(0.03)]


async def test_a_channel_and_a_topic_narrow_every_figure(history: Any) -> None:
    kite = await measured(history, channel="kite")
    assert values(kite["volume"]) == [4, 2]
    assert values(kite["answered"]) == [1 / 3, None]
    assert values(kite["wrong"]) == [1, 1]
    assert columns(kite["agent"])["replies"] == [0, 2, 2]
    assert values(kite["person"]) == [None, None]
    assert values(kite["taken"])[2:] == [0, 1]
    assert values(kite["cost"]) == pytest.approx([0.03, 0.03])
    returns = await measured(history, topic="Returns")
    assert values(returns["volume"]) == [2, 2]
    assert values(returns["answered"]) == [1, 1]
    assert returns["escalated"].parts == []
    both = await measured(history, channel="kite", topic="Returns")
    assert all(found.empty for found in both.values())
    assert await insights.topics(history) == ["Delivery", "Returns", "Visits"]


async def test_each_day_by_itself_adds_up_to_the_whole(history: Any) -> None:
    whole = columns((await measured(history))["answered"])
    days = [Scope(day, day, NOON) for day in Scope(MONDAY, WEDNESDAY, NOON).days]
    assert len(days) == 3
    for number, day in enumerate(days):
        found = columns((await measured(history, first=day.first, last=day.last))["answered"])
        assert found == {name: [counts[number]] for name, counts in whole.items()}


async def test_where_there_is_nothing_every_figure_is_empty_and_none_divides_by_it(db: Any) -> None:
    found = await measured(db)
    assert list(found) == [figure.name for figure in FIGURES]
    for name, each in found.items():
        assert each.empty, name
        assert all(number.value in (None, 0) for number in each.numbers), name
        assert all(len(column.values) == 3 for column in each.columns), name


async def test_the_note_that_a_person_was_called_does_not_end_the_wait_for_one_but_an_answer_does(db: Any) -> None:
    async with db.write() as session:
        past = Past(session)
        c = await past.conversation(at(MONDAY, "08:00:00"), state="person")
        note = await past.decision(c, at(MONDAY, "08:00:00"), "escalate", reason="The customer asks for a person.")
        await past.written(c, at(MONDAY, "08:00:00"), "escalated", note)
        await past.said(c, at(MONDAY, "08:00:10"), note)
        # Never mind: the agent answers after all. An hour later a person is wanted again.
        answer = await past.decision(c, at(MONDAY, "08:01:00"))
        await past.written(c, at(MONDAY, "08:01:00"), by=answer)
        await past.said(c, at(MONDAY, "08:01:05"), answer)
        await past.written(c, at(MONDAY, "09:00:00"), "person")
        await past.written(c, at(MONDAY, "09:00:30"), "person")
        await past.said(c, at(MONDAY, "09:02:00"))
        await past.said(c, at(MONDAY, "09:03:00"))  # more of the same: nobody waited for it
    found = await measured(db)
    assert values(found["person"]) == pytest.approx([120, 120])
    assert columns(found["person"])["replies"] == [1, 0, 0]


@pytest.mark.parametrize(("count", "median", "most"), [(1, 1, 1), (2, 1, 2), (10, 5, 9), (11, 6, 10), (100, 50, 90)])
async def test_percentiles_are_by_nearest_rank(db: Any, count: int, median: float, most: float) -> None:
    async with db.write() as session:
        past = Past(session)
        for seconds in range(count, 0, -1):
            await past.exchange(at(MONDAY, "09:00:00"), seconds)
    async with db.read() as session:
        found = await waits.for_agent(session, Scope(MONDAY, WEDNESDAY, NOON))
    assert values(found) == pytest.approx([median, most])


async def test_what_the_running_service_does_is_what_is_counted(db: Any) -> None:
    def script(asked: Asked) -> Response:
        if "person" in asked.text:
            return Response(Escalate("One will reply.", "The customer asks for a person."), "", None, None, {})
        return replace(echo(asked), record={"usage": {"cost_usd": 0.02}})

    context = make_context(db, script=script)
    await write(context, "Where is it?", thread="a")
    await settle_all(context)
    await write(context, "Give me a person.", thread="b")
    await settle_all(context)
    ana = await make_staff(db, "Ana")
    async with db.write() as session:
        taken = (await session.exec(select(Conversation.id).where(Conversation.state == "waiting"))).one()
        await staff_verbs.reply(session, taken, ana, "Here I am.", "key")
    await settle_all(context)
    today = datetime.fromtimestamp(context.clock(), UTC).date()
    found = await measured(db, first=today - timedelta(1), last=today, now=context.clock())
    assert values(found["volume"]) == [2, 2]
    assert values(found["answered"])[0] == 1 / 2
    assert found["escalated"].parts == [("The customer asked for a person", 1)]
    assert [sum(columns(found[name])["replies"]) for name in ("agent", "person")] == [2, 1]
    assert all(0 <= (found[name].numbers[0].value or 0) < 60 for name in ("agent", "person", "taken"))
    assert values(found["taken"])[2:] == [1, 0]
    assert values(found["cost"]) == [0.02, 0.02]


def why(reason: str) -> str:
    """As the database puts it: the first pattern that fits."""
    for pattern, words in REASONS:
        if re.fullmatch(".*".join(map(re.escape, pattern.split("%"))), reason, re.DOTALL):
            return words
    return OTHER


def test_every_reason_that_the_policy_gives_for_a_person_is_counted_by_name() -> None:
    kinds = ("person", "language", "unhelped", "serious", "long", "question")
    verdicts = [decide(Screened(kind, "x", language="xx"), [part(0.1)], 0.8, company="Acme") for kind in kinds]
    ask = Screened("question", "x")
    answer = decide(ask, [part()], 0.8, company="Acme")
    again = [answer.text]
    verdicts += [
        decide(ask, [part(), part(), part()], 0.8, company="Acme"),
        decide(ask, [part(0.9, None)], 0.8, company="Acme"),
        decide(ask, [part()], 0.8, company="Acme", said=again),
    ]
    wordless = decide(Screened("wordless", ""), (), 0.8, company="Acme")
    verdicts.append(decide(Screened("wordless", ""), (), 0.8, company="Acme", said=[wordless.text]))
    assert all(isinstance(verdict, Escalate) for verdict in verdicts)
    named = [why(verdict.reason) for verdict in verdicts]
    assert OTHER not in named, [verdict.reason for verdict in verdicts if why(verdict.reason) == OTHER]
    assert len(set(named)) == len(named)
    assert why("Because.") == OTHER


def test_every_figure_says_what_it_is_in_words_of_its_own() -> None:
    assert len({figure.name for figure in FIGURES}) == len(FIGURES) == 8
    for figure in FIGURES:
        for words in (figure.definition, figure.counted, figure.missing):
            assert words.endswith("."), figure.name
        assert figure.title
        assert figure.unit


async def test_a_conversation_of_automatic_mail_alone_is_not_counted(db) -> None:
    day = date(2026, 3, 2)
    async with db.write() as session:
        past = Past(session)
        for status in ("answered", "ignored", "ignored"):
            began = await past.conversation(at(day, "09:00"), state="resolved")
            await past.written(began, at(day, "09:00"), status)
    scope = Scope(day, day, at(day, "23:00"))
    async with db.read() as session:
        begun = (await measures.volume(session, scope)).numbers[1]
        alone = (await measures.answered(session, scope)).numbers[1]
    assert begun.value == 1
    assert (alone.value, alone.words) == (1.0, "of 1 conversations that ended needed no person")


async def test_a_mail_that_came_late_and_was_answered_now_has_not_ended_a_conversation(db) -> None:
    day = date(2026, 3, 5)
    now = at(day, "23:00")
    async with db.write() as session:
        past = Past(session)
        long_ago = at(date(2026, 3, 1), "09:00")
        for answered_at in (now - 600, now - 25 * 3_600):
            began = await past.conversation(at(day, "09:00"), state="agent", last_customer_at=long_ago)
            await past.written(began, at(day, "09:00"), "answered")
            began.updated_at = answered_at
    async with db.read() as session:
        alone = (await measures.answered(session, Scope(day, day, now))).numbers[1]
    assert (alone.value, alone.words) == (1.0, "of 1 conversations that ended needed no person")
