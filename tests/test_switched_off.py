"""A vendor that does not know us any more: nothing is lost or hammered at, and the desk says what to do."""

import pytest
from sqlmodel import select

from channels.base import Receipt, SwitchedOff
from service import delivery, flow, lease, switched_off
from service.models import Conversation, Delivery, Escalation, Job, Message
from service.work import _start_due
from tests.fakes import ScriptedChannel
from tests.flow_kit import make_context, settle_all, write

pytestmark = pytest.mark.anyio

WRONG = SwitchedOff("The password is not ours any more. Check POST_PASSWORD.")
OTHER = SwitchedOff("The account is closed.")


async def jobs(db) -> dict[str, str]:
    async with db.read() as session:
        return {each.name: each.last_error for each in (await session.exec(select(Job))).all()}


async def reply(db) -> Message:
    async with db.read() as session:
        return (await session.exec(select(Message).where(Message.author == "agent"))).one()


async def make_due(db) -> None:
    async with db.write() as session:
        for row in (await session.exec(select(Delivery).where(Delivery.due_at.is_not(None)))).all():
            row.due_at = 1.0
            session.add(row)


async def test_what_is_owed_waits_and_the_operator_is_told_what_to_do(db) -> None:
    context = make_context(db, channel=ScriptedChannel(WRONG, Receipt("1")))
    await write(context, "hello")
    await settle_all(context)
    assert await jobs(db) == {"send:sink": str(WRONG)}
    assert switched_off.resting(context) == ["sink"]
    async with db.read() as session:
        assert (await session.exec(select(Delivery.state))).one() == "ready"
        assert (await session.exec(select(Escalation))).all() == [], "it is the operator's to mend, not the desk's"
    assert (await reply(db)).reason == str(WRONG), "staff read beside it why it is not out"
    await make_due(db)
    await _start_due(context, {}, {})
    assert len(context.channels["sink"].sent) == 1, "nothing is tried on it meanwhile"
    context.switched_off["sink"] = 0.0  # the time is over
    assert switched_off.resting(context) == []
    await settle_all(context)
    assert len(context.channels["sink"].sent) == 2
    assert await jobs(db) == {}
    assert context.switched_off == {}
    assert ((await reply(db)).status, (await reply(db)).reason) == ("sent", "")


async def test_a_reply_that_waits_tells_those_who_watch_once_and_moves_nothing_in_the_queue(db) -> None:
    context = make_context(db, channel=ScriptedChannel(WRONG, OTHER, OTHER))
    message = await write(context, "hello")

    async def seen() -> tuple[int, float]:
        async with db.read() as session:
            found = await session.get_one(Conversation, message.conversation_id)
            return found.clock, found.updated_at

    claim = await lease.claim_conversation(context)
    assert claim
    await flow.respond(context, claim)
    seen_after = []
    for _ in range(3):
        await make_due(db)
        parcel = await delivery.claim_delivery(context)
        assert parcel, "it has to be tried again for this to mean anything"
        await delivery.deliver(context, parcel)
        seen_after.append(await seen())
    first, second, third = seen_after
    assert second == (first[0] + 1, first[1]), "another reason is told"
    assert third == second, "and the same one is not told again"


async def test_a_look_up_that_is_refused_switches_it_off_too(db) -> None:
    class Forgetful(ScriptedChannel):
        async def _outcome(self, outbound):
            raise WRONG

    from channels.base import OutcomeUnknown

    context = make_context(db, channel=Forgetful(OutcomeUnknown("cut off"), known=True))
    await write(context, "hello")
    await settle_all(context)
    await make_due(db)
    await settle_all(context)
    async with db.read() as session:
        assert (await session.exec(select(Delivery.state))).one() == "uncertain"
    assert "send:sink" in await jobs(db)


async def test_a_process_that_starts_finds_out_by_itself(db) -> None:
    context = make_context(db, channel=ScriptedChannel(WRONG))
    await write(context, "hello")
    await settle_all(context)
    assert await jobs(db)
    async with db.write() as session:
        await switched_off.begin(session)
    assert await jobs(db) == {}


async def test_after_an_hour_of_it_a_person_is_called(db) -> None:
    context = make_context(db, channel=ScriptedChannel(*[WRONG] * 50))
    await write(context, "hello")
    await settle_all(context)
    async with db.write() as session:
        row = (await session.exec(select(Delivery))).one()
        row.due_at, row.created_at = 1.0, row.created_at - 7200
        session.add(row)
    parcel = await delivery.claim_delivery(context)
    await delivery.deliver(context, parcel)
    async with db.read() as session:
        assert (await session.exec(select(Delivery.state))).one() == "failed"
        assert (await session.exec(select(Escalation))).one()
