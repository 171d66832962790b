"""The verbs: whose turn it is, and what each does to what is owed."""

import asyncio

import pytest
from sqlmodel import select

from channels.base import Inbound
from service import conversations, delivery, flow, lease, staff_verbs
from service.context import Context
from service.models import Conversation, Delivery, Escalation, Message, Staff
from tests.fakes import ScriptedChannel, call_person
from tests.flow_kit import make_context, make_staff, settle_all, write

pytestmark = pytest.mark.anyio


async def conversation_of(context: Context) -> Conversation:
    async with context.db.read() as session:
        return (await session.exec(select(Conversation))).one()


async def messages_of(context: Context) -> list[Message]:
    async with context.db.read() as session:
        return list((await session.exec(select(Message).order_by(Message.seq))).all())


async def test_a_second_person_cannot_take_over_and_is_told_who_has_it(db) -> None:
    context = make_context(db)
    await write(context, "hello")
    ana, ben = await make_staff(db, "Ana"), await make_staff(db, "Ben")
    async with db.write() as session:
        await staff_verbs.take_over(session, 1, ana)
    with pytest.raises(staff_verbs.NotPossible, match="Ana has this conversation"):
        async with db.write() as session:
            await staff_verbs.take_over(session, 1, ben)
    assert (await conversation_of(context)).assigned_to == ana.id


async def test_of_two_people_who_take_over_in_the_same_instant_one_has_it_and_the_other_is_told(db) -> None:
    context = make_context(db)
    await write(context, "hello")
    ana, ben = await make_staff(db, "Ana"), await make_staff(db, "Ben")

    async def second() -> None:
        async with db.write() as session:
            await staff_verbs.take_over(session, 1, ben)

    async with db.write() as session:
        await staff_verbs.take_over(session, 1, ana)
        other = asyncio.create_task(second())
        await asyncio.sleep(0.3)
        assert not other.done(), "the second looks before the first has committed"
    with pytest.raises(staff_verbs.NotPossible, match="Ana has this conversation"):
        await other
    assert (await conversation_of(context)).assigned_to == ana.id


async def test_a_colleagues_conversation_is_taken_only_by_naming_the_colleague(db) -> None:
    context = make_context(db)
    await write(context, "hello")
    ana, ben = await make_staff(db, "Ana"), await make_staff(db, "Ben")
    async with db.write() as session:
        await staff_verbs.take_over(session, 1, ana)
    with pytest.raises(staff_verbs.NotPossible, match="Ana has"):
        async with db.write() as session:
            await staff_verbs.take_over(session, 1, ben, take_from=ben.id)
    async with db.write() as session:
        await staff_verbs.take_over(session, 1, ben, take_from=ana.id)
    assert (await conversation_of(context)).assigned_to == ben.id
    async with db.write() as session:
        await staff_verbs.reply(session, 1, ben, "I am Ben.", "key-1")
    await settle_all(context)
    assert context.channels["sink"].sent[-1].name == "Ben"


async def test_taking_over_cancels_what_the_agent_had_queued(db) -> None:
    context = make_context(db)
    await write(context, "question")
    claim = await lease.claim_conversation(context)
    await flow.respond(context, claim)
    ana = await make_staff(db, "Ana")
    async with db.write() as session:
        queued = (await session.exec(select(Delivery))).one()
        assert queued.state == "ready", "something must be queued for this test to mean anything"
        await staff_verbs.take_over(session, 1, ana)
    assert await delivery.claim_delivery(context) is None
    assert [message.status for message in await messages_of(context)] == ["answered", "cancelled"]
    assert context.channels["sink"].sent == []


async def test_a_reply_sent_twice_with_one_key_is_one_message(db) -> None:
    context = make_context(db)
    await write(context, "hello")
    ana = await make_staff(db, "Ana")
    for _ in range(2):
        async with db.write() as session:
            await staff_verbs.reply(session, 1, ana, "I am here.", "key-1")
    await settle_all(context)
    assert [outbound.text for outbound in context.channels["sink"].sent] == ["I am here."]
    assert context.channels["sink"].sent[0].name == "Ana"


async def test_an_empty_reply_is_refused(db) -> None:
    context = make_context(db)
    await write(context, "hello")
    ana = await make_staff(db, "Ana")
    with pytest.raises(staff_verbs.NotPossible, match="Write a reply first"):
        async with db.write() as session:
            await staff_verbs.reply(session, 1, ana, "  \n", "key-1")


async def test_handing_back_gives_the_agent_what_nobody_answered(db) -> None:
    context = make_context(db)
    await write(context, "first")
    ana = await make_staff(db, "Ana")
    async with db.write() as session:
        await staff_verbs.take_over(session, 1, ana)
    await write(context, "second")
    assert await lease.claim_conversation(context) is None, "the agent must be silent while a person has it"
    async with db.write() as session:
        await staff_verbs.hand_back(session, 1, ana)
    await settle_all(context)
    assert [outbound.text for outbound in context.channels["sink"].sent] == ["echo: first\nsecond"]


async def test_what_a_person_answered_is_not_answered_again_after_handing_back(db) -> None:
    context = make_context(db)
    await write(context, "first")
    ana = await make_staff(db, "Ana")
    async with db.write() as session:
        await staff_verbs.reply(session, 1, ana, "Done.", "key-1")
    async with db.write() as session:
        await staff_verbs.hand_back(session, 1, ana)
    await settle_all(context)
    assert [outbound.text for outbound in context.channels["sink"].sent] == ["Done."]


async def test_handing_back_an_answer_that_was_cancelled_has_it_answered_again(db) -> None:
    context = make_context(db)
    await write(context, "question")
    await flow.respond(context, await lease.claim_conversation(context))
    ana = await make_staff(db, "Ana")
    async with db.write() as session:
        await staff_verbs.take_over(session, 1, ana)
        await staff_verbs.hand_back(session, 1, ana)
    await settle_all(context)
    sent = context.channels["sink"].sent
    assert [outbound.text for outbound in sent] == ["echo: question"]
    assert "AI" in sent[0].disclosure, "the disclosure that was cancelled is owed again"


async def test_a_customer_who_waits_is_told_when_the_agent_has_the_turn_again(db) -> None:
    context = make_context(db, script=call_person)
    await write(context, "something hard")
    await settle_all(context)
    ana = await make_staff(db, "Ana")
    async with db.write() as session:
        await staff_verbs.hand_back(session, 1, ana)
    await settle_all(context)
    assert context.channels["sink"].sent[-1].text == staff_verbs.HANDED_BACK
    assert len(context.agent.asked) == 1, "it would only call for a person again"


async def test_a_message_soon_after_resolving_calls_the_person_who_resolved_it(db) -> None:
    context = make_context(db)
    await write(context, "first")
    ana = await make_staff(db, "Ana")
    async with db.write() as session:
        await staff_verbs.resolve(session, 1, ana)
    await write(context, "one more thing")
    conversation = await conversation_of(context)
    assert (conversation.state, conversation.assigned_to) == ("waiting", ana.id)
    async with db.read() as session:
        assert (await session.exec(select(Escalation))).one().closed_at is None


async def test_a_message_a_day_after_resolving_goes_to_the_agent(db) -> None:
    context = make_context(db)
    await write(context, "first")
    await settle_all(context)
    ana = await make_staff(db, "Ana")
    async with db.write() as session:
        conversation = await staff_verbs.resolve(session, 1, ana)
        conversation.resolved_at -= conversations.REOPEN_TO_PERSON_SECONDS + 1
    await write(context, "hello again")
    assert (await conversation_of(context)).state == "agent"
    await settle_all(context)
    assert context.channels["sink"].sent[-1].text == "echo: hello again"


async def test_while_waiting_the_agent_is_silent_until_never_mind(db) -> None:
    context = make_context(db, script=call_person)
    await write(context, "something hard")
    await settle_all(context)
    assert (await conversation_of(context)).state == "waiting"
    await write(context, "are you there?")
    await settle_all(context)
    assert len(context.agent.asked) == 1
    await write(context, "never mind")
    assert (await conversation_of(context)).state == "agent"
    await settle_all(context)
    assert context.agent.asked[-1].resumed
    async with db.read() as session:
        closed = (await session.exec(select(Escalation).order_by(Escalation.id))).first()
        assert closed.closed_at is not None


async def test_every_message_while_waiting_belongs_to_the_decision_that_called(db) -> None:
    context = make_context(db, script=call_person)
    await write(context, "something hard")
    await settle_all(context)
    await write(context, "more")
    inbound = [message for message in await messages_of(context) if message.author == "customer"]
    assert [message.status for message in inbound] == ["escalated", "escalated"]
    assert inbound[0].answered_by == inbound[1].answered_by is not None


async def test_the_clock_counts_every_change_a_reader_could_see(db) -> None:
    context = make_context(db)
    await write(context, "hello")
    before = (await conversation_of(context)).clock
    await settle_all(context)
    after = await conversation_of(context)
    changes = [message.changed for message in await messages_of(context)]
    assert after.clock > before
    assert len(set(changes)) == len(changes)
    assert max(changes) <= after.clock


async def test_a_disabled_vendor_leaves_a_visible_failure(db) -> None:
    channel = ScriptedChannel()
    context = make_context(db, channel=channel)
    await write(context, "hello")
    ana = await make_staff(db, "Ana")
    async with db.write() as session:
        await staff_verbs.reply(session, 1, ana, "Hello.", "key-1")
    channel.missing = ("SINK_TOKEN",)
    await settle_all(context)
    assert [message.status for message in await messages_of(context)] == ["person", "failed"]


async def test_conversations_of_two_threads_do_not_mix(db) -> None:
    context = make_context(db)
    for thread in ("a", "b"):
        await flow.receive(context, context.channels["sink"], Inbound(thread, thread, f"{thread}1", f"from {thread}"))
    await settle_all(context)
    sent = {outbound.thread: outbound.text for outbound in context.channels["sink"].sent}
    assert sent == {"a": "echo: from a", "b": "echo: from b"}


async def test_staff_without_a_conversation_get_a_sentence(db) -> None:
    ana = await make_staff(db, "Ana")
    assert isinstance(ana, Staff)
    with pytest.raises(staff_verbs.NotPossible, match="does not exist"):
        async with db.write() as session:
            await staff_verbs.take_over(session, 999, ana)
