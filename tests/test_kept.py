"""A reply that is kept until the customer writes: one at a time, taken back whole, and promised to nobody in vain."""

import time

import pytest

from channels.base import Inbound, Undeliverable
from service import flow, staff_verbs
from service.models import Conversation, Delivery, Escalation, Message, Staff
from tests.flow_kit import all_of, make_context, make_staff, settle_all, write
from tests.test_saying import INVITATION, Closing, offered

pytestmark = pytest.mark.anyio

WORDS, KEY = "Here is your answer.", "k" * 16


async def take_back(db, conversation_id: int, ana: Staff) -> None:
    async with db.write() as session:
        await staff_verbs.take_back(session, conversation_id, ana)


async def keep(context, conversation_id: int, ana: Staff, text: str = WORDS, key: str = KEY) -> Message:
    async with context.db.write() as session:
        sink = context.channels["sink"]
        return await staff_verbs.offer(session, conversation_id, ana, INVITATION, text, key, sink)


async def resolve(db, conversation_id: int, ana: Staff, *, days_ago: float = 0.0) -> None:
    async with db.write() as session:
        conversation = await staff_verbs.resolve(session, conversation_id, ana)
        conversation.resolved_at -= days_ago * 86_400


async def disable(db, ana: Staff) -> None:
    async with db.write() as session:
        (await session.get(Staff, ana.id)).disabled_at = time.time()


async def test_the_same_words_kept_again_after_they_were_taken_back_are_kept_again_and_once(db) -> None:
    context = make_context(db, channel=Closing())
    conversation_id, ana = await offered(context, db)
    for _ in range(3):
        await settle_all(context)
        await take_back(db, conversation_id, ana)
        first = await keep(context, conversation_id, ana)
        assert (await keep(context, conversation_id, ana)).id == first.id, "pressed twice"
        assert [row.state for row in await all_of(db, Delivery)].count("held") == 1
    await settle_all(context)
    await write(context, "yes?")
    await settle_all(context)
    sent = [each.text for each in context.channels["sink"].sent]
    assert (sent.count(INVITATION.text), sent.count(WORDS)) == (4, 1)


async def test_the_same_words_sent_after_they_were_taken_back_are_sent_once(db) -> None:
    context = make_context(db, channel=Closing())
    conversation_id, ana = await offered(context, db)
    await settle_all(context)
    await take_back(db, conversation_id, ana)
    await write(context, "yes?")
    for _ in range(2):
        async with db.write() as session:
            await staff_verbs.reply(session, conversation_id, ana, WORDS, KEY, context.channels["sink"])
    await settle_all(context)
    assert [each.text for each in context.channels["sink"].sent] == [INVITATION.text, WORDS]


async def test_taking_a_reply_back_takes_back_the_invitation_that_is_not_out_yet(db) -> None:
    context = make_context(db, channel=Closing())
    conversation_id, ana = await offered(context, db)
    await take_back(db, conversation_id, ana)
    await settle_all(context)
    assert context.channels["sink"].sent == []
    assert {row.state for row in await all_of(db, Delivery)} == {"cancelled"}


async def test_an_invitation_that_may_have_arrived_is_not_said_to_be_cancelled(db) -> None:
    context = make_context(db, channel=Closing(TimeoutError()))
    conversation_id, ana = await offered(context, db)
    await settle_all(context)
    await take_back(db, conversation_id, ana)
    assert [row.state for row in await all_of(db, Delivery)] == ["uncertain", "cancelled"]


async def test_one_reply_is_kept_at_a_time(db) -> None:
    context = make_context(db, channel=Closing())
    conversation_id, ana = await offered(context, db)
    with pytest.raises(staff_verbs.NotPossible, match="kept here already"):
        await keep(context, conversation_id, ana, text="Something else.", key="j" * 16)
    assert len(await all_of(db, Delivery)) == 2


async def test_what_is_taken_back_is_the_one_that_was_meant(db) -> None:
    context = make_context(db, channel=Closing())
    conversation_id, ana = await offered(context, db)
    await take_back(db, conversation_id, ana)
    await keep(context, conversation_id, ana, text="Something else.", key="j" * 16)
    with pytest.raises(staff_verbs.NotPossible, match="not kept here any more"):
        async with db.write() as session:
            await staff_verbs.take_back(session, conversation_id, ana, 3)
    assert [row.state for row in await all_of(db, Delivery)].count("held") == 1


async def test_a_customer_who_was_told_of_a_reply_gets_a_person_also_after_it_was_taken_back(db) -> None:
    context = make_context(db, channel=Closing())
    conversation_id, ana = await offered(context, db)
    await settle_all(context)
    await take_back(db, conversation_id, ana)
    await resolve(db, conversation_id, ana, days_ago=3)
    await write(context, "yes?")
    (conversation,) = await all_of(db, Conversation)
    (call,) = await all_of(db, Escalation)
    assert (conversation.state, conversation.assigned_to) == ("waiting", ana.id)
    assert "told that a reply is ready" in call.reason


async def test_who_was_told_of_nothing_is_the_agents_again(db) -> None:
    context = make_context(db, channel=Closing())
    conversation_id, ana = await offered(context, db)
    await take_back(db, conversation_id, ana)
    await resolve(db, conversation_id, ana, days_ago=3)
    await write(context, "yes?")
    await settle_all(context)
    assert [each.text for each in context.channels["sink"].sent] == ["echo: yes?"]


async def test_what_was_promised_is_kept_once_and_later_questions_are_the_agents(db) -> None:
    context = make_context(db, channel=Closing())
    conversation_id, ana = await offered(context, db)
    await settle_all(context)
    await write(context, "yes?")
    await settle_all(context)
    await resolve(db, conversation_id, ana, days_ago=3)
    await write(context, "another thing")
    (conversation,) = await all_of(db, Conversation)
    assert conversation.state == "agent"


async def test_where_the_one_who_kept_it_is_gone_somebody_is_called_and_the_agent_does_not_answer_too(db) -> None:
    context = make_context(db, channel=Closing())
    conversation_id, ana = await offered(context, db)
    await settle_all(context)
    await resolve(db, conversation_id, ana)
    await disable(db, ana)
    await write(context, "yes?")
    await settle_all(context)
    (conversation,) = await all_of(db, Conversation)
    assert (conversation.state, conversation.assigned_to) == ("waiting", None)
    assert [each.text for each in context.channels["sink"].sent] == [INVITATION.text, WORDS]


async def test_what_is_said_of_a_kept_reply_is_true_where_it_does_not_go_out(db) -> None:
    """A message that is found late, from before the window closed, opens none."""
    context = make_context(db, channel=Closing())
    conversation_id, ana = await offered(context, db)
    await settle_all(context)
    await resolve(db, conversation_id, ana)
    late = Inbound("t", "t", "late", "yes?", at=context.clock() - 7_200)
    await flow.receive(context, context.channels["sink"], late)
    assert "held" in [row.state for row in await all_of(db, Delivery)]
    (call,) = await all_of(db, Escalation)
    assert call.reason == "The customer wrote again, having been told that a reply is ready."


async def test_a_failure_is_not_given_to_somebody_who_is_gone(db) -> None:
    context = make_context(db, channel=Closing(Undeliverable("no", permanent=True)))
    message, ana = await write(context, "hello"), await make_staff(db, "Ana")
    async with db.write() as session:
        await staff_verbs.reply(session, message.conversation_id, ana, "Yes.", KEY, context.channels["sink"])
    await resolve(db, message.conversation_id, ana)
    await disable(db, ana)
    await settle_all(context)
    (conversation,) = await all_of(db, Conversation)
    assert (conversation.state, conversation.assigned_to) == ("waiting", None)
