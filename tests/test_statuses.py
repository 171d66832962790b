"""What vendors say became of a message, in every order, on both databases: what is known only ever goes up."""

import itertools

import pytest
from sqlmodel import select

from channels.base import OutcomeUnknown, Receipt, StatusUpdate, Undeliverable
from channels.whatsapp.channel import WhatsAppChannel
from service import delivery, flow, lease, staff_verbs
from service.models import Delivery, Escalation, Message
from tests.fakes import ScriptedChannel
from tests.flow_kit import make_context, make_staff, settle_all, write

pytestmark = pytest.mark.anyio

ALL = ("sent", "delivered", "read")


async def replied(db, *script):
    """A context in which one reply was made, as the script says; its row and message are asked for by `found`."""
    context = make_context(db, channel=ScriptedChannel(*script, known=True))
    await write(context, "hello")
    await settle_all(context)
    return context


async def tell(context, status: str, **which: str) -> None:
    update = StatusUpdate(which.get("external_id", ""), status, which.get("reason", ""), which.get("key", ""))
    await flow.take(context, context.channels["sink"], [update])


async def found(db) -> tuple[Delivery, Message]:
    async with db.read() as session:
        rows = await session.exec(select(Delivery, Message).where(Message.id == Delivery.message_id))
        return rows.one()


async def calls(db) -> list[str]:
    async with db.read() as session:
        return [each.reason for each in (await session.exec(select(Escalation))).all()]


@pytest.mark.parametrize("order", list(itertools.permutations(ALL)), ids="-".join)
async def test_in_whatever_order_they_come_the_last_is_what_counts(db, order) -> None:
    context = await replied(db, Receipt("SM1"))
    for status in order:
        await tell(context, status, external_id="SM1")
        await tell(context, status, external_id="SM1")
    row, message = await found(db)
    assert (row.state, message.status, message.reached) == ("sent", "sent", "read")
    assert await calls(db) == []


@pytest.mark.parametrize("order", list(itertools.permutations(("sent", "failed"))), ids="-".join)
async def test_a_failure_is_one_whenever_the_word_that_it_was_sent_comes(db, order) -> None:
    context = await replied(db, Receipt("SM1"))
    for status in order:
        await tell(context, status, external_id="SM1", reason="The number is not on it.")
        await tell(context, status, external_id="SM1", reason="The number is not on it.")
    row, message = await found(db)
    assert (row.state, message.status, message.reason) == ("failed", "failed", "The number is not on it.")
    assert len(await calls(db)) == 1, "twice the same is one call for a person"


@pytest.mark.parametrize("order", list(itertools.permutations(("failed", "delivered"))), ids="-".join)
async def test_what_is_on_the_customers_phone_was_not_failed(db, order) -> None:
    context = await replied(db, Receipt("SM1"))
    for status in order:
        await tell(context, status, external_id="SM1", reason="Lost.")
    row, message = await found(db)
    assert (row.state, message.status, message.reached) == ("sent", "sent", "delivered")


@pytest.mark.parametrize("order", list(itertools.permutations(ALL)), ids="-".join)
async def test_the_vendor_may_be_quicker_than_our_own_record(db, order) -> None:
    context = make_context(db, channel=ScriptedChannel(Receipt("SM1"), known=True), lease_seconds=60.0)
    await write(context, "hello")
    await flow.respond(context, await lease.claim_conversation(context))
    parcel = await delivery.claim_delivery(context)
    for status in order:
        await tell(context, status, external_id="SM1", key=parcel.outbound.key)
    row, message = await found(db)
    assert (row.state, message.reached) == ("sending", "read"), "who sends it just now is not overtaken"
    await delivery.deliver(context, parcel)
    row, message = await found(db)
    assert (row.state, row.external_id, message.status, message.reached) == ("sent", "SM1", "sent", "read")


async def test_a_failure_ahead_of_our_own_record_is_not_written_over(db) -> None:
    context = make_context(db, channel=ScriptedChannel(Receipt("SM1")))
    await write(context, "hello")
    await flow.respond(context, await lease.claim_conversation(context))
    parcel = await delivery.claim_delivery(context)
    await tell(context, "failed", external_id="SM1", key=parcel.outbound.key, reason="Blocked.")
    await delivery.deliver(context, parcel)
    row, message = await found(db)
    assert (row.state, message.status, message.reason) == ("failed", "failed", "Blocked.")


async def test_who_died_while_sending_is_told_by_the_vendor_and_nothing_is_sent_again(db) -> None:
    context = make_context(db, channel=ScriptedChannel(), lease_seconds=0.1)
    await write(context, "hello")
    await flow.respond(context, await lease.claim_conversation(context))
    parcel = await delivery.claim_delivery(context)
    assert parcel, "it must have been begun, or there is nothing to find out"
    await tell(context, "sent", external_id="SM1", key=parcel.outbound.key)
    async with db.write() as session:
        row = (await session.exec(select(Delivery))).one()
        row.due_at, row.lease_until = 1.0, 1.0  # its lease ran out long ago
        session.add(row)
    await settle_all(context)
    row, message = await found(db)
    assert (row.state, row.external_id, message.status) == ("sent", "SM1", "sent")
    assert context.channels["sink"].sent == []


@pytest.mark.parametrize("error", [OutcomeUnknown("no answer"), Undeliverable("busy", permanent=False)])
async def test_what_the_vendor_has_after_all_is_not_tried_again(db, error) -> None:
    context = await replied(db, error)
    row, _ = await found(db)
    assert row.state in ("uncertain", "ready")
    sent = len(context.channels["sink"].sent)
    await tell(context, "delivered", external_id="SM1", key=context.channels["sink"].sent[0].key)
    row, message = await found(db)
    assert (row.state, row.due_at, message.reached) == ("sent", None, "delivered")
    await settle_all(context)
    assert len(context.channels["sink"].sent) == sent == 1


async def test_a_status_of_nothing_we_know_changes_nothing(db) -> None:
    context = await replied(db, Receipt("SM1"))
    before = await found(db)
    await tell(context, "failed", external_id="SM2", reason="Elsewhere.")
    await tell(context, "failed", external_id="SM1", key="a-key-of-nobody", reason="Elsewhere.")
    await tell(context, "scheduled", external_id="SM1")
    row, message = await found(db)
    assert (row.state, message.status, message.changed) == ("sent", "sent", before[1].changed)


async def test_the_id_of_what_failed_is_known_so_that_it_is_not_taken_for_another_one(db) -> None:
    context = make_context(db, channel=ScriptedChannel(Receipt("SM1"), OutcomeUnknown("cut off"), known=False))
    await write(context, "hello")
    await flow.respond(context, await lease.claim_conversation(context))
    parcel = await delivery.claim_delivery(context)
    await tell(context, "failed", external_id="SM1", key=parcel.outbound.key, reason="Blocked.")
    await delivery.deliver(context, parcel)
    ana = await make_staff(db, "Ana")
    async with db.write() as session:
        await staff_verbs.reply(session, parcel.conversation_id, ana, parcel.outbound.text, "k" * 16)
    await settle_all(context)
    async with db.write() as session:
        row = (await session.exec(select(Delivery).where(Delivery.state == "uncertain"))).one()
        row.due_at = 1.0
        session.add(row)
    await settle_all(context)
    (asked,) = context.channels["sink"].asked
    assert asked.known == ("SM1",)


async def test_a_vendor_that_refuses_what_it_says_it_took_is_believed_that_it_took_it(db) -> None:
    context = make_context(db, channel=ScriptedChannel(RuntimeError("nonsense"), known=False))
    await write(context, "hello")
    await flow.respond(context, await lease.claim_conversation(context))
    parcel = await delivery.claim_delivery(context)
    await tell(context, "sent", external_id="SM1", key=parcel.outbound.key)
    await delivery.deliver(context, parcel)
    async with db.write() as session:
        row = (await session.exec(select(Delivery))).one()
        row.due_at = 1.0
        session.add(row)
    await settle_all(context)
    row, _ = await found(db)
    assert (row.state, len(context.channels["sink"].sent)) == ("sent", 1)


async def test_what_a_slow_vendor_may_still_take_is_not_looked_for_at_once(db) -> None:
    channel = ScriptedChannel(OutcomeUnknown("no answer"), known=False)
    channel.outcome_after = 30.0
    context = make_context(db, channel=channel)
    await write(context, "hello")
    await settle_all(context)
    row, _ = await found(db)
    assert row.state == "uncertain"
    assert row.due_at >= row.begun_at + 30
    assert WhatsAppChannel.outcome_after >= 30, "what Twilio answers too late it may have taken since"
