"""What is said: in as many messages as the channel makes of it, and kept where it takes none before they write."""

from dataclasses import replace

import pytest
from sqlmodel import select

from channels.base import Kind, Offer, Receipt, TooLong, Undeliverable, Window
from service import staff_verbs
from service.agent import Response
from service.agent.policy import Answer
from service.models import Conversation, Decision, Delivery, Escalation, Message
from tests.fakes import ScriptedChannel
from tests.flow_kit import all_of, make_context, make_staff, settle_all, write

pytestmark = pytest.mark.anyio

INVITATION = Offer("reply ready", "Tell them that a reply is ready", "(They read that a reply is ready.)", invites=True)


class Splitting(ScriptedChannel):
    """A vendor that takes ten characters at once, three times."""

    def split(self, outbound):
        text = outbound.text
        parts = [text[at : at + 10] for at in range(0, len(text), 10)]
        if len(parts) > 3:
            raise TooLong("It takes at most 30 characters.")
        last = len(parts) - 1
        return [
            replace(
                outbound,
                text=part,
                disclosure=outbound.disclosure if not number else "",
                sources=outbound.sources if number == last else (),
            )
            for number, part in enumerate(parts)
        ]


class Closing(ScriptedChannel):
    """A vendor that takes free text for an hour after the customer wrote, and an invitation at any time."""

    needs_start = True

    def window(self, last_customer_at, now):
        until = (last_customer_at or 0) + 3600
        return Window(open=now < until, until=until, reason="They wrote too long ago.", offers=(INVITATION,))


def says(text: str):
    def script(asked):
        verdict = Answer(reason="It is scripted.", text=text, sources=(("returns", "Returns"),))
        return Response(verdict, topic="T", confidence=0.9, threshold=0.5, record={})

    return script


async def test_a_long_answer_is_several_messages_in_order_each_sent_once(db) -> None:
    context = make_context(db, channel=Splitting(), script=says("one two three four five"))
    await write(context, "hello")
    await settle_all(context)
    sent = context.channels["sink"].sent
    assert "".join(each.text for each in sent) == "one two three four five"
    assert [bool(each.disclosure) for each in sent] == [True, False, False]
    assert [len(each.sources) for each in sent] == [0, 0, 1]
    assert len({each.key for each in sent}) == 3
    assert len({message.decision_id for message in await all_of(db, Message) if message.author == "agent"}) == 1


async def test_a_part_that_fails_for_a_while_holds_the_next_one_up(db) -> None:
    channel = Splitting(Receipt("1"), RuntimeError("a broken line"))
    context = make_context(db, channel=channel, script=says("one two three four five"))
    await write(context, "hello")
    await settle_all(context)
    async with db.write() as session:
        for row in (await session.exec(select(Delivery).where(Delivery.due_at.is_not(None)))).all():
            row.due_at = 1.0
            session.add(row)
    await settle_all(context)
    assert [each.text for each in channel.sent] == ["one two th", "ree four f", "ree four f", "ive"], "the third waits"


async def test_an_answer_that_does_not_fit_becomes_a_persons(db) -> None:
    context = make_context(db, channel=Splitting(), script=says("x" * 31))
    await write(context, "hello")
    await settle_all(context)
    (decision,) = await all_of(db, Decision)
    assert decision.verdict == "escalate"
    assert "at most 30 characters" in decision.reason
    (conversation,) = await all_of(db, Conversation)
    assert conversation.state == "waiting"
    assert not any("xxx" in each.text for each in context.channels["sink"].sent)


async def test_a_persons_reply_that_does_not_fit_is_refused_in_words_and_nothing_is_queued(db) -> None:
    context = make_context(db, channel=Splitting())
    message = await write(context, "hello")
    ana = await make_staff(db, "Ana")
    with pytest.raises(staff_verbs.NotPossible, match="at most 30"):
        async with db.write() as session:
            await staff_verbs.reply(session, message.conversation_id, ana, "x" * 31, "k" * 16, context.channels["sink"])
    assert await all_of(db, Delivery) == []


async def offered(context, db, text="Here is your answer."):
    """A conversation whose window has closed, and in which Ana invited the customer to write."""
    message = await write(context, "hello")
    ana = await make_staff(db, "Ana")
    async with db.write() as session:
        await staff_verbs.take_over(session, message.conversation_id, ana)
    context.clock = lambda: 10**10
    async with db.write() as session:
        await staff_verbs.offer(
            session, message.conversation_id, ana, INVITATION, text, "k" * 16, context.channels["sink"]
        )
    return message.conversation_id, ana


async def test_a_reply_is_kept_until_the_customer_writes_and_then_goes_out_once(db) -> None:
    context = make_context(db, channel=Closing(Receipt("SM1", text="A reply is ready, Mina.")))
    await offered(context, db)
    await settle_all(context)
    sink = context.channels["sink"]
    assert [each.purpose for each in sink.sent] == ["reply ready"]
    stored = {message.seq: message for message in await all_of(db, Message)}
    assert stored[2].text == "A reply is ready, Mina.", "what the customer reads, as the vendor put it"
    assert stored[3].status == "held"
    await write(context, "yes?")
    await write(context, "are you there?")
    await settle_all(context)
    assert [each.text for each in sink.sent[1:]] == ["Here is your answer."]
    stored = sorted(await all_of(db, Message), key=lambda message: message.seq)
    assert {message.status for message in stored if message.author == "person"} == {"sent"}
    said = [message.text for message in stored]
    assert said[1:4] == ["A reply is ready, Mina.", "yes?", "Here is your answer."], "it stands where it was said"


async def test_the_same_press_twice_is_one_invitation_and_one_reply(db) -> None:
    context = make_context(db, channel=Closing())
    conversation_id, ana = await offered(context, db)
    async with db.write() as session:
        await staff_verbs.offer(session, conversation_id, ana, INVITATION, "Here is your answer.", "k" * 16)
    assert len(await all_of(db, Delivery)) == 2


async def test_an_invitation_without_a_reply_is_refused(db) -> None:
    context = make_context(db, channel=Closing())
    with pytest.raises(staff_verbs.NotPossible, match="Write the reply first"):
        await offered(context, db, text="  ")
    assert await all_of(db, Delivery) == []


async def test_what_is_kept_is_withdrawn_when_the_customer_wants_no_messages(db) -> None:
    context = make_context(db, channel=Closing())
    await offered(context, db)
    await settle_all(context)
    await write(context, "STOP", kind=Kind.STOP)
    await write(context, "START", kind=Kind.START)
    await write(context, "hello again")
    await settle_all(context)
    assert "Here is your answer." not in [each.text for each in context.channels["sink"].sent]


async def test_what_is_kept_is_withdrawn_when_the_agent_gets_it_back(db) -> None:
    context = make_context(db, channel=Closing())
    conversation_id, ana = await offered(context, db)
    async with db.write() as session:
        await staff_verbs.hand_back(session, conversation_id, ana)
    assert [row.state for row in await all_of(db, Delivery)][:2] == ["cancelled", "cancelled"]


async def test_a_kept_reply_that_does_not_go_out_at_once_is_tried_again_however_long_it_was_kept(db) -> None:
    channel = Closing(Receipt("SM1"), Undeliverable("busy", permanent=False), Receipt("SM2"))
    context = make_context(db, channel=channel)
    await offered(context, db)
    await settle_all(context)
    async with db.write() as session:
        row = (await session.exec(select(Delivery).where(Delivery.state == "held"))).one()
        row.created_at -= 2 * 86_400
        session.add(row)
    await write(context, "yes?")
    await settle_all(context)
    assert [row.state for row in await all_of(db, Delivery)] == ["sent", "ready"]
    async with db.write() as session:
        row = (await session.exec(select(Delivery).where(Delivery.state == "ready"))).one()
        row.due_at = 1.0
        session.add(row)
    await settle_all(context)
    assert [row.state for row in await all_of(db, Delivery)] == ["sent", "sent"]


async def test_a_kept_reply_goes_out_also_where_the_conversation_was_resolved_days_ago(db) -> None:
    context = make_context(db, channel=Closing())
    conversation_id, ana = await offered(context, db)
    await settle_all(context)
    async with db.write() as session:
        conversation = await staff_verbs.resolve(session, conversation_id, ana)
        conversation.resolved_at = (conversation.resolved_at or 0) - 2 * 86_400
    await write(context, "yes?")
    (conversation,) = await all_of(db, Conversation)
    assert (conversation.state, conversation.assigned_to) == ("waiting", ana.id), "the agent does not answer as well"
    await settle_all(context)
    sent = context.channels["sink"].sent
    assert [each.text for each in sent] == [INVITATION.text, "Here is your answer."]


async def test_who_said_stop_gets_nothing_until_they_say_start_and_a_person_is_told(db) -> None:
    context = make_context(db, channel=Closing())
    await write(context, "hello")
    await write(context, "STOP", kind=Kind.STOP)
    await settle_all(context)
    sink = context.channels["sink"]
    assert sink.sent == []
    await write(context, "where is my parcel?")
    await settle_all(context)
    assert sink.sent == [], "not even to a question: they said so, and know how to take it back"
    (conversation,) = await all_of(db, Conversation)
    (call,) = await all_of(db, Escalation)
    assert (conversation.state, conversation.stopped) == ("waiting", True)
    assert "START" in call.reason
    await write(context, "START", kind=Kind.START)
    await write(context, "START", kind=Kind.START)
    await settle_all(context)
    assert [each.author for each in sink.sent] == ["system"], "that they get messages again is said once"
    stored = sorted(await all_of(db, Message), key=lambda message: message.seq)
    assert [each.author for each in stored[-3:]] == ["customer", "system", "customer"], "and after what they wrote"
    (conversation,) = await all_of(db, Conversation)
    assert (conversation.state, conversation.stopped) == ("waiting", False)


async def test_start_from_somebody_who_never_said_stop_is_answered(db) -> None:
    context = make_context(db, channel=Closing())
    await write(context, "Start", kind=Kind.START)
    await settle_all(context)
    assert [each.text for each in context.channels["sink"].sent] == ["echo: Start"]


async def test_that_they_get_messages_again_is_said_after_they_asked_for_them(db) -> None:
    context = make_context(db, channel=Closing())
    await write(context, "STOP", kind=Kind.STOP)
    await write(context, "START", kind=Kind.START)
    assert [message.author for message in await all_of(db, Message)] == ["customer", "customer", "system"]
    assert [message.seq for message in await all_of(db, Message)] == [1, 2, 3]


async def test_where_any_message_will_do_a_question_is_answered_after_stop(db) -> None:
    context = make_context(db)
    await write(context, "STOP", kind=Kind.STOP)
    await write(context, "where is my parcel?")
    await settle_all(context)
    assert [each.text for each in context.channels["sink"].sent] == ["echo: where is my parcel?"]


@pytest.mark.parametrize("broken", [0, 1])
async def test_after_a_part_that_failed_for_good_the_rest_of_the_reply_is_not_sent(db, broken) -> None:
    script = [Receipt(f"SM{number}") for number in range(broken)] + [Undeliverable("Refused.", permanent=True)]
    channel = Splitting(*script)
    context = make_context(db, channel=channel, script=says("one two three four five"))
    message = await write(context, "hello")
    await settle_all(context)
    states = ["sent"] * broken + ["failed"] + ["cancelled"] * (2 - broken)
    assert [row.state for row in await all_of(db, Delivery)] == states
    assert len(channel.sent) == broken + 1
    assert len(await all_of(db, Escalation)) == 1
    ana = await make_staff(db, "Ana")
    async with db.write() as session:
        await staff_verbs.reply(session, message.conversation_id, ana, "In other words.", "k" * 16, channel)
    await settle_all(context)
    assert [row.state for row in await all_of(db, Delivery)][3:] == ["sent", "sent"]
