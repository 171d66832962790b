"""The path of a message on both databases: nothing lost, nothing said twice, whoever is killed and whenever."""

import asyncio
import time

import pytest
from sqlalchemy import event
from sqlmodel import select

from channels.base import Inbound, Kind
from service import flow, lease, staff_verbs
from service.models import Conversation, Customer, Decision, Escalation, Message
from service.work import work
from tests.fakes import ScriptedChannel, call_person
from tests.flow_kit import all_of, make_context, make_due, make_staff, settle_all, write

pytestmark = pytest.mark.anyio


async def test_a_redelivered_message_is_answered_once(db) -> None:
    context = make_context(db)
    first = await write(context, "hello", id="same")
    again = await write(context, "hello", id="same")
    assert first.id == again.id
    await settle_all(context)
    assert [sent.text for sent in context.channels["sink"].sent] == ["echo: hello"]


async def test_fifty_deliveries_of_one_message_at_once_are_one_message(db) -> None:
    context = make_context(db)
    await asyncio.gather(*(write(context, "hello", id="same") for _ in range(50)))
    await settle_all(context)
    assert len(await all_of(db, Message)) == 2
    assert len(context.channels["sink"].sent) == 1


async def test_a_new_customer_who_writes_on_several_threads_at_once_is_one_customer(db) -> None:
    context = make_context(db)
    sink = context.channels["sink"]
    inbound = [Inbound("newcomer", f"thread {number % 10}", f"id {number}", "hello") for number in range(20)]
    await asyncio.gather(*(flow.receive(context, sink, each) for each in inbound))
    assert len(await all_of(db, Customer)) == 1
    assert len(await all_of(db, Conversation)) == 10
    assert len(await all_of(db, Message)) == 20


async def test_a_message_costs_the_database_few_statements(db) -> None:
    context, statements = make_context(db), []

    @event.listens_for(db.engine.sync_engine, "before_cursor_execute")
    def count(connection, cursor, statement, *rest) -> None:
        statements.append(statement)

    await write(context, "hello")
    await settle_all(context)
    assert len(context.channels["sink"].sent) == 1
    # Each is paid for by every message. On SQLite a transaction's beginning is one too, on PostgreSQL its notification.
    assert 20 < len(statements) <= 38, statements


async def test_messages_written_in_one_breath_get_one_answer(db) -> None:
    context = make_context(db)
    await write(context, "hi")
    await write(context, "where is my parcel?")
    await settle_all(context)
    assert [sent.text for sent in context.channels["sink"].sent] == ["echo: hi\nwhere is my parcel?"]
    inbound = [message for message in await all_of(db, Message) if message.author == "customer"]
    assert {message.answered_by for message in inbound} == {(await all_of(db, Decision))[0].id}


async def test_the_agent_waits_for_the_rest_of_a_thought_but_not_for_ever(db) -> None:
    channel = ScriptedChannel()
    channel.debounce, channel.max_wait = 30.0, 40.0
    context = make_context(db, channel=channel)
    await write(context, "hi")
    assert await lease.claim_conversation(context) is None
    async with db.write() as session:
        conversation = (await session.exec(select(Conversation))).one()
        first_due = conversation.ready_at
        conversation.owed_since -= 39.0
    await write(context, "where is my parcel?")
    async with db.read() as session:
        conversation = (await session.exec(select(Conversation))).one()
        assert conversation.ready_at < first_due
        assert conversation.ready_at == pytest.approx(conversation.owed_since + 40.0)


async def test_a_call_for_a_person_does_not_wait(db) -> None:
    channel = ScriptedChannel()
    channel.debounce = 30.0
    context = make_context(db, channel=channel)
    await write(context, "Talk to a person", kind=Kind.PERSON)
    claim = await lease.claim_conversation(context)
    assert claim is not None
    await flow.respond(context, claim)
    assert context.agent.asked[0].wants_person


async def test_a_message_that_arrives_while_the_agent_thinks_gets_its_own_answer(db) -> None:
    gate = asyncio.Event()
    context = make_context(db, gate=gate)
    await write(context, "first")
    claim = await lease.claim_conversation(context)
    thinking = asyncio.create_task(flow.respond(context, claim))
    while not context.agent.asked:
        await asyncio.sleep(0.01)
    await write(context, "second")
    gate.set()
    await thinking
    await settle_all(context)
    assert [sent.text for sent in context.channels["sink"].sent] == ["echo: first", "echo: second"]
    answers = [message.answered_by for message in await all_of(db, Message) if message.author == "customer"]
    assert len(set(answers)) == 2
    assert None not in answers


async def test_take_over_while_the_agent_thinks_wins(db) -> None:
    gate = asyncio.Event()
    context = make_context(db, gate=gate)
    await write(context, "first")
    claim = await lease.claim_conversation(context)
    thinking = asyncio.create_task(flow.respond(context, claim))
    while not context.agent.asked:
        await asyncio.sleep(0.01)
    ana = await make_staff(db, "Ana")
    async with db.write() as session:
        await staff_verbs.take_over(session, 1, ana)
    gate.set()
    await thinking
    await settle_all(context)
    assert context.channels["sink"].sent == []
    assert await all_of(db, Decision) == []


async def test_a_lease_is_renewed_while_the_agent_thinks(db) -> None:
    gate = asyncio.Event()
    context = make_context(db, gate=gate)
    await write(context, "first")
    claim = await lease.claim_conversation(context)
    thinking = asyncio.create_task(flow.respond(context, claim))
    deadline = time.monotonic() + 1.6  # longer than the lease of one second
    while time.monotonic() < deadline:
        assert await lease.claim_conversation(context) is None, "two workers at one conversation"
        await asyncio.sleep(0.05)
    gate.set()
    await thinking
    await settle_all(context)
    assert len(context.channels["sink"].sent) == 1


async def test_an_expired_lease_is_taken_up_and_the_late_worker_writes_nothing(db) -> None:
    context = make_context(db)
    await write(context, "first")
    late = await lease.claim_conversation(context)
    await make_due(db)
    await settle_all(context)
    assert len(context.channels["sink"].sent) == 1
    await flow.respond(context, late)
    await settle_all(context)
    assert len(context.channels["sink"].sent) == 1
    assert len(await all_of(db, Decision)) == 1


async def test_a_failing_agent_is_tried_again_and_then_the_customer_gets_a_person(db) -> None:
    def broken(asked):
        raise ValueError("no such thing")

    context = make_context(db, script=broken)
    await write(context, "first")
    await settle_all(context)
    assert context.channels["sink"].sent == [], "the first failure is tried again"
    await make_due(db)
    await settle_all(context)
    await make_due(db, after=6.0)
    await settle_all(context)
    assert len(context.agent.asked) == 3
    assert len(context.channels["sink"].sent) == 1
    conversation = (await all_of(db, Conversation))[0]
    assert conversation.state == "waiting"
    assert "ValueError" in (await all_of(db, Escalation))[0].reason
    await settle_all(context)
    assert len(context.channels["sink"].sent) == 1, "one holding line, not one a try"


async def test_a_message_that_takes_its_worker_down_each_time_ends_with_a_person(db) -> None:
    context = make_context(db)
    await write(context, "poison")
    for _ in range(flow.MOST_ATTEMPTS):
        assert await lease.claim_conversation(context), "claimed, and then the process is gone"
        await make_due(db)
    await settle_all(context)
    assert context.agent.asked == []
    assert (await all_of(db, Conversation))[0].state == "waiting"
    assert len(context.channels["sink"].sent) == 1


async def test_an_automatic_message_is_kept_and_never_answered(db) -> None:
    context = make_context(db)
    message = await write(context, "I am out of office", kind=Kind.AUTOMATIC)
    await settle_all(context)
    assert message.status == "ignored"
    assert message.reason
    assert context.channels["sink"].sent == []


async def test_the_first_automatic_answer_says_that_an_ai_answers_and_the_next_does_not(db) -> None:
    context = make_context(db)
    for text in ("one", "two"):
        await write(context, text)
        await settle_all(context)
    first, second = context.channels["sink"].sent
    assert "AI" in first.disclosure
    assert "Pellworth" in first.disclosure
    assert second.disclosure == ""


async def test_text_that_a_database_would_refuse_is_cleaned_and_kept(db) -> None:
    context = make_context(db)
    message = await write(context, "a\0b \ud800 c")
    assert message.text == "ab ? c"


async def test_one_hundred_thousand_characters_are_stored_whole(db) -> None:
    context = make_context(db)
    await write(context, "x" * 100_000)
    assert len((await all_of(db, Message))[0].text) == 100_000


async def test_the_loop_answers_many_conversations_and_stops_when_asked(db) -> None:
    context = make_context(db)
    running = asyncio.create_task(work(context, context.stopping))
    await asyncio.gather(*(write(context, "hello", thread=f"t{number}") for number in range(12)))
    deadline = time.monotonic() + 20
    while len(context.channels["sink"].sent) < 12 and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    context.stopping.set()
    await asyncio.wait_for(running, 8)
    assert sorted(sent.thread for sent in context.channels["sink"].sent) == sorted(f"t{n}" for n in range(12))


async def test_two_workers_on_one_database_share_the_work_without_doubling_it(db) -> None:
    from service.db import Database

    channel, other_db = ScriptedChannel(), Database(db.url)
    # A lease that a slow machine does not outlast: who took over from a stalled worker would send once more, and may.
    contexts = [make_context(each, channel=channel, lease_seconds=30.0) for each in (db, other_db)]
    loops = [asyncio.create_task(work(context, context.stopping)) for context in contexts]
    await asyncio.gather(*(write(contexts[0], "hello", thread=f"t{number}") for number in range(20)))
    deadline = time.monotonic() + 20
    while len(channel.sent) < 20 and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.2)
    for context in contexts:
        context.stopping.set()
    await asyncio.wait_for(asyncio.gather(*loops), 8)
    await other_db.close()
    assert len(channel.sent) == 20
    assert len({sent.thread for sent in channel.sent}) == 20


async def test_an_escalation_tells_the_customer_and_is_on_record(db) -> None:
    context = make_context(db, script=call_person)
    await write(context, "something hard")
    await settle_all(context)
    assert [sent.text for sent in context.channels["sink"].sent] == ["A person has been called."]
    call = (await all_of(db, Escalation))[0]
    assert call.decision_id == (await all_of(db, Decision))[0].id


async def test_a_run_that_was_fenced_off_records_nothing_even_if_the_same_is_owed_again(db) -> None:
    context = make_context(db)
    await write(context, "first")
    old = await lease.claim_conversation(context)
    ana = await make_staff(db, "Ana")
    async with db.write() as session:
        await staff_verbs.take_over(session, 1, ana)
        await staff_verbs.hand_back(session, 1, ana)
    await flow.respond(context, old)
    assert await all_of(db, Decision) == []
    await settle_all(context)
    assert len(await all_of(db, Decision)) == 1
    assert len(context.channels["sink"].sent) == 1


async def test_a_thinking_run_notices_that_it_was_fenced_off(db) -> None:
    gate = asyncio.Event()  # never set: only the lost lease can end it
    context = make_context(db, gate=gate, lease_seconds=0.4)
    await write(context, "first")
    claim = await lease.claim_conversation(context)
    thinking = asyncio.create_task(flow.respond(context, claim))
    while not context.agent.asked:
        await asyncio.sleep(0.01)
    ana = await make_staff(db, "Ana")
    async with db.write() as session:
        await staff_verbs.take_over(session, 1, ana)
    await asyncio.wait_for(thinking, 3)
    assert await all_of(db, Decision) == []


async def test_a_stopping_process_gives_its_leases_up(db, monkeypatch) -> None:
    import service.work

    monkeypatch.setattr(service.work, "GRACE_SECONDS", 0.1)
    context = make_context(db, gate=asyncio.Event(), lease_seconds=60.0)
    running = asyncio.create_task(work(context, context.stopping))
    await write(context, "hello")
    while not context.agent.asked:
        await asyncio.sleep(0.01)
    context.stopping.set()
    await asyncio.wait_for(running, 8)
    conversation = (await all_of(db, Conversation))[0]
    assert (conversation.lease_until, conversation.attempts) == (0.0, 0)
    assert await lease.claim_conversation(context), "another process goes on at once"
