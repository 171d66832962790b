"""The last hop on both databases: what must not go out does not, and what may have gone out is looked up first."""

import asyncio
import time

import pytest
from sqlmodel import select

from channels.base import Kind, OutcomeUnknown, Undeliverable, Window
from service import delivery, flow, lease, retries, staff_verbs
from service.models import Conversation, Delivery, Message
from service.work import work
from tests.fakes import ScriptedChannel
from tests.flow_kit import all_of, make_context, make_due, make_staff, settle_all, write

pytestmark = pytest.mark.anyio


async def test_nothing_goes_to_a_customer_who_opted_out(db) -> None:
    context = make_context(db)
    await write(context, "question")
    await flow.respond(context, await lease.claim_conversation(context))
    await write(context, "STOP", kind=Kind.STOP)
    await settle_all(context)
    assert context.channels["sink"].sent == []
    await write(context, "hello again")
    await settle_all(context)
    assert len(context.channels["sink"].sent) == 1


async def test_a_send_that_fails_is_retried_and_keeps_its_key(db) -> None:
    channel = ScriptedChannel(ConnectionError("down"), Undeliverable("busy", permanent=False))
    context = make_context(db, channel=channel)
    await write(context, "hello")
    for _ in range(3):
        await settle_all(context)
        await make_due(db)
    assert len(channel.sent) == 3
    assert len({sent.key for sent in channel.sent}) == 1
    assert (await all_of(db, Delivery))[0].state == "sent"


async def test_a_refused_message_is_a_visible_failure_and_calls_a_person(db) -> None:
    channel = ScriptedChannel(Undeliverable("The number does not exist.", permanent=True))
    context = make_context(db, channel=channel)
    await write(context, "hello")
    await settle_all(context)
    message = (await all_of(db, Message))[-1]
    assert (message.status, message.reason) == ("failed", "The number does not exist.")
    assert (await all_of(db, Conversation))[0].state == "waiting"
    assert len(channel.sent) == 1


async def test_a_send_that_keeps_failing_is_given_up_after_the_channels_time(db) -> None:
    channel = ScriptedChannel(*[ConnectionError("down")] * 9)
    context = make_context(db, channel=channel)
    await write(context, "hello")
    await settle_all(context)
    await make_due(db, after=channel.give_up_after + 1)
    await settle_all(context)
    assert len(channel.sent) == 2
    assert (await all_of(db, Delivery))[0].state == "failed"
    assert (await all_of(db, Conversation))[0].state == "waiting"


async def test_an_unknown_outcome_is_looked_up_and_found(db) -> None:
    channel = ScriptedChannel(OutcomeUnknown("cut off"), known=True)
    context = make_context(db, channel=channel)
    await write(context, "hello")
    await settle_all(context)
    assert (await all_of(db, Delivery))[0].state == "uncertain"
    await make_due(db)
    await settle_all(context)
    assert len(channel.sent) == 1
    assert len(channel.asked) == 1
    delivery = (await all_of(db, Delivery))[0]
    assert (delivery.state, delivery.external_id) == ("sent", "found")


async def test_an_unknown_outcome_that_never_happened_is_sent(db) -> None:
    channel = ScriptedChannel(OutcomeUnknown("cut off"), known=False)
    context = make_context(db, channel=channel)
    await write(context, "hello")
    await settle_all(context)
    await make_due(db)
    await settle_all(context)
    assert len(channel.sent) == 2
    assert (await all_of(db, Delivery))[0].state == "sent"


async def test_a_vendor_that_cannot_be_asked_gets_the_very_same_message_once_more_and_never_a_third_time(db) -> None:
    channel = ScriptedChannel(*[OutcomeUnknown("cut off")] * 5)
    context = make_context(db, channel=channel)
    await write(context, "hello")
    for _ in range(4):
        await settle_all(context)
        await make_due(db)
    assert len(channel.sent) == 2
    assert len({sent.key for sent in channel.sent}) == 1
    delivery = (await all_of(db, Delivery))[0]
    assert (delivery.state, delivery.due_at, delivery.repeated) == ("uncertain", None, True)
    assert (await all_of(db, Conversation))[0].state == "waiting", "a person must look"


async def test_a_repeated_message_is_marked_for_staff(db) -> None:
    channel = ScriptedChannel(OutcomeUnknown("cut off"))
    context = make_context(db, channel=channel)
    await write(context, "hello")
    await settle_all(context)
    await make_due(db)
    await settle_all(context)
    message = (await all_of(db, Message))[-1]
    assert message.status == "sent"
    assert "once more" in message.reason


async def test_an_unknown_send_of_the_agents_is_not_repeated_after_a_take_over(db) -> None:
    channel = ScriptedChannel(OutcomeUnknown("cut off"), known=False)
    context = make_context(db, channel=channel)
    await write(context, "hello")
    await settle_all(context)
    ana = await make_staff(db, "Ana")
    async with db.write() as session:
        await staff_verbs.take_over(session, 1, ana)
    await make_due(db)
    await settle_all(context)
    assert len(channel.sent) == 1
    assert len(channel.asked) == 1
    assert (await all_of(db, Delivery))[0].state == "cancelled"


async def test_a_closed_window_is_a_failure_with_its_reason(db) -> None:
    channel = ScriptedChannel()
    channel.window = lambda last, now: Window(open=False, reason="The last message is more than 24 hours old.")
    context = make_context(db, channel=channel)
    await write(context, "hello")
    ana = await make_staff(db, "Ana")
    async with db.write() as session:
        await staff_verbs.reply(session, 1, ana, "Sorry for the wait.", "k")
    await settle_all(context)
    assert channel.sent == []
    message = (await all_of(db, Message))[-1]
    assert (message.status, message.reason) == ("failed", "The last message is more than 24 hours old.")


async def test_a_later_message_waits_for_an_earlier_one_that_is_retried(db) -> None:
    channel = ScriptedChannel(ConnectionError("down"))
    context = make_context(db, channel=channel)
    await write(context, "one")
    await settle_all(context)
    await write(context, "two")
    await settle_all(context)
    assert len(channel.sent) == 1, "the second answer must not overtake the first"
    await make_due(db)
    await settle_all(context)
    assert [sent.text for sent in channel.sent] == ["echo: one", "echo: one", "echo: two"]


async def test_a_delivery_that_cannot_be_prepared_holds_up_nobody_else_and_ends_with_a_person(db) -> None:
    channel = ScriptedChannel()
    context = make_context(db, channel=channel)
    await write(context, "broken", thread="a")
    await settle_all_but_deliveries(context)
    async with db.write() as session:
        message = (await session.exec(select(Message).where(Message.author == "agent"))).one()
        message.sources = [{"no such": "field"}]
    await write(context, "fine", thread="b")
    await settle_all(context)
    assert [sent.thread for sent in channel.sent] == ["b"]
    for _ in range(flow.MOST_ATTEMPTS):
        await make_due(db)
        await settle_all(context)
    broken = (await all_of(db, Delivery))[0]
    assert (broken.state, broken.due_at) == ("failed", None)
    assert (await all_of(db, Conversation))[0].state == "waiting"


async def settle_all_but_deliveries(context) -> None:
    while claim := await lease.claim_conversation(context):
        await flow.respond(context, claim)


async def test_an_answer_on_a_channel_that_is_off_calls_a_person(db) -> None:
    channel = ScriptedChannel()
    context = make_context(db, channel=channel)
    await write(context, "hello")
    await settle_all_but_deliveries(context)
    channel.missing = ("SINK_TOKEN",)
    await settle_all(context)
    assert (await all_of(db, Delivery))[0].state == "failed"
    assert (await all_of(db, Conversation))[0].state == "waiting"


async def test_a_reply_that_fails_after_resolving_comes_back_to_who_resolved_it(db) -> None:
    channel = ScriptedChannel(Undeliverable("The number does not exist.", permanent=True))
    context = make_context(db, channel=channel)
    await write(context, "hello")
    ana = await make_staff(db, "Ana")
    async with db.write() as session:
        await staff_verbs.reply(session, 1, ana, "Done.", "k")
        await staff_verbs.resolve(session, 1, ana)
    await settle_all(context)
    conversation = (await all_of(db, Conversation))[0]
    assert (conversation.state, conversation.assigned_to) == ("waiting", ana.id)


async def test_a_late_sender_does_not_change_what_another_has_settled(db) -> None:
    channel = ScriptedChannel(Undeliverable("too late", permanent=True), known=True)
    context = make_context(db, channel=channel)
    await write(context, "hello")
    await settle_all_but_deliveries(context)
    late = await delivery.claim_delivery(context)
    await make_due(db)
    await delivery.deliver(context, await delivery.claim_delivery(context))
    assert (await all_of(db, Delivery))[0].state == "sent"
    await delivery.deliver(context, late)
    assert (await all_of(db, Delivery))[0].state == "sent"


async def test_a_send_that_outlasts_its_lease_is_not_made_twice_at_once(db) -> None:
    class Slow(ScriptedChannel):
        under_way = most = 0

        async def send(self, outbound):
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            try:
                await asyncio.sleep(3)
            finally:
                self.under_way -= 1
            return await super().send(outbound)

    channel = Slow(known=True)
    context = make_context(db, channel=channel, lease_seconds=0.4)
    running = asyncio.create_task(work(context, context.stopping))
    await write(context, "hello")
    async with asyncio.timeout(60):  # it was looked up, not sent again
        while [each.external_id for each in await all_of(db, Delivery)] != ["found"]:
            await asyncio.sleep(0.1)
    context.stopping.set()
    await asyncio.wait_for(running, 8)
    assert channel.most == 1


async def test_a_refusal_to_be_asked_leaves_the_outcome_unknown(db) -> None:
    channel = ScriptedChannel(OutcomeUnknown("cut off"), known=True)

    async def refuse(outbound):
        raise Undeliverable("rate limit", permanent=False)

    channel.outcome = refuse
    context = make_context(db, channel=channel)
    await write(context, "hello")
    for _ in range(3):
        await settle_all(context)
        await make_due(db)
    assert len(channel.sent) == 1
    assert (await all_of(db, Delivery))[0].state == "uncertain"


async def test_an_unknown_outcome_that_is_given_up_is_not_called_a_failure(db) -> None:
    channel = ScriptedChannel(OutcomeUnknown("cut off"), known="unreachable")
    context = make_context(db, channel=channel)
    await write(context, "hello")
    await settle_all(context)
    await make_due(db, after=channel.give_up_after + 1)
    await settle_all(context)
    delivery = (await all_of(db, Delivery))[0]
    assert (delivery.state, delivery.due_at) == ("uncertain", None)
    assert (await all_of(db, Conversation))[0].state == "waiting"


async def test_a_persons_reply_does_not_wait_for_answers_that_take_long(db) -> None:
    gate = asyncio.Event()
    context = make_context(db, gate=gate, workers=2, lease_seconds=30.0)
    ana = await make_staff(db, "Ana")
    await write(context, "hello", thread="person")
    async with db.write() as session:
        await staff_verbs.take_over(session, 1, ana)
    running = asyncio.create_task(work(context, context.stopping))
    for number in range(3):
        await write(context, "slow", thread=f"slow{number}")
    while len(context.agent.asked) < 2:
        await asyncio.sleep(0.01)
    async with db.write() as session:
        await staff_verbs.reply(session, 1, ana, "I am here.", "k")
    deadline = time.monotonic() + 5
    while not context.channels["sink"].sent and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    assert [sent.text for sent in context.channels["sink"].sent] == ["I am here."]
    gate.set()
    context.stopping.set()
    await asyncio.wait_for(running, 8)


def test_each_wait_is_longer_than_the_last_and_not_the_same_for_all() -> None:
    for attempts in range(1, 8):
        waits = [retries.backoff(attempts) for _ in range(200)]
        whole = 2 ** (attempts - 1)
        assert all(whole / 2 <= wait <= whole for wait in waits)
        assert len(set(waits)) > 100
    assert retries.backoff(99) <= 600


async def test_the_age_of_a_delivery_is_by_the_databases_clock(db, monkeypatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_000.0)
    channel = ScriptedChannel(*[ConnectionError("down")] * 20)  # on a slow machine the second try is due at once
    context = make_context(db, channel=channel)
    await write(context, "hello")
    await settle_all(context)
    assert channel.sent
    assert (await all_of(db, Delivery))[0].state == "ready", "a wrong clock of the process must not give it up"


async def test_a_repeat_that_was_plainly_not_taken_is_made_again_and_still_once_at_most(db) -> None:
    channel = ScriptedChannel(OutcomeUnknown("cut off"), Undeliverable("Busy.", permanent=False))
    context = make_context(db, channel=channel)
    await write(context, "hello")
    for _ in range(4):
        await settle_all(context)
        await make_due(db)
    assert len(channel.sent) == 3, "unknown, not taken, taken"
    assert len({sent.key for sent in channel.sent}) == 1
    assert [(each.state, each.repeated) for each in await all_of(db, Delivery)] == [("sent", True)]
