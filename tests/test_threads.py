"""Where a message belongs by what it refers to, the files it brought, and what the vendor says later of our own."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import event
from sqlmodel import col, select

from channels.base import Attachment as Came
from channels.base import Inbound, Kind, StatusUpdate
from service import delivery, flow, lease, staff_verbs
from service.models import Attachment, AuditEvent, Conversation, Customer, Delivery, Escalation, Identity, Message
from tests.fakes import ScriptedChannel
from tests.flow_kit import make_context, make_staff, settle_all

pytestmark = pytest.mark.anyio


def mail(sender: str, id: str, text: str = "hello", **more) -> Inbound:
    return Inbound(sender, id, id, text, **more)


async def take(context, *parsed):
    return await flow.take(context, context.channels["sink"], parsed)


async def rows(context, model):
    async with context.db.read() as session:
        return list((await session.exec(select(model).order_by(col(model.id)))).all())


async def test_a_message_joins_the_conversation_of_the_nearest_it_refers_to(db) -> None:
    context = make_context(db)
    (first,) = await take(context, mail("ana", "a1", known_as="mid-a1"))
    (second,) = await take(context, mail("ana", "b1", known_as="mid-b1"))
    assert first.conversation_id != second.conversation_id
    (reply,) = await take(context, mail("ana", "a2", refers_to=("unknown", "mid-a1", "mid-b1")))
    assert reply.conversation_id == first.conversation_id
    (other,) = await take(context, mail("ana", "b2", refers_to=("b1", "a1")))
    assert other.conversation_id == second.conversation_id


async def test_what_is_referred_to_is_found_in_an_index_however_many_messages_there_are(db) -> None:
    context, asked = make_context(db), list[tuple[str, Any]]()

    def keep(connection, cursor, statement, values, *rest) -> None:
        if "FROM message" in statement or "JOIN message" in statement:
            asked.append((statement, values))

    event.listen(db.engine.sync_engine, "before_cursor_execute", keep)
    await take(context, mail("ana", "a1", refers_to=("a", "b")), StatusUpdate("", "failed", "x", "key"))
    event.remove(db.engine.sync_engine, "before_cursor_execute", keep)
    found = ""
    async with db.engine.connect() as connection:
        if not db.sqlite:
            await connection.exec_driver_sql("SET enable_seqscan = off")
        for statement, values in asked:
            explained = await connection.exec_driver_sql(
                f"EXPLAIN {'QUERY PLAN ' if db.sqlite else ''}{statement}", values
            )
            plan = "\n".join(str(row[-1]) for row in explained)
            found += plan
            assert "SCAN message" not in plan
            assert "Seq Scan on message" not in plan
            assert "(channel=?)" not in plan, "that is every message of the channel"
    wanted = ["external_id=?", "known_as=?"] if db.sqlite else ["(external_id)::text =", "(known_as)::text ="]
    assert all(each in found for each in wanted), found


async def test_a_reply_to_ours_is_known_by_our_key(db) -> None:
    context = make_context(db)
    (first,) = await take(context, mail("ana", "a1"))
    await settle_all(context)
    (ours,) = context.channels["sink"].sent
    (reply,) = await take(context, mail("ana", "a2", refers_to=(ours.key,)))
    assert reply.conversation_id == first.conversation_id


async def test_a_reference_opens_nobody_elses_conversation(db) -> None:
    context = make_context(db)
    (first,) = await take(context, mail("ana", "a1", known_as="mid-a1"))
    (stranger,) = await take(context, mail("eve", "e1", refers_to=("mid-a1", "a1")))
    (claimed,) = await take(context, mail("unverified:ana", "e2", refers_to=("mid-a1",), verified=False))
    assert len({first.conversation_id, stranger.conversation_id, claimed.conversation_id}) == 3
    by_name = {each.external_id: each.verified for each in await rows(context, Identity)}
    assert by_name == {"ana": True, "eve": True, "unverified:ana": False}


async def test_what_is_known_opens_no_conversation_where_it_would_belong_to_another_by_now(db) -> None:
    context = make_context(db)
    (first,) = await take(context, mail("ana", "a1"))
    await take(context, mail("ana", "a2", refers_to=("a1",)))
    (again,) = await take(context, mail("unverified:ana", "a2", refers_to=("a1",), verified=False))
    assert again.conversation_id == first.conversation_id
    assert len(await rows(context, Conversation)) == 1


async def test_what_is_cut_is_kept_for_staff_and_not_asked_of_the_agent(db) -> None:
    context = make_context(db)
    await take(context, mail("ana", "a1", "new words", rest="> old words", subject="Parcel", notes=("A note.",)))
    await settle_all(context)
    (asked,) = context.agent.asked
    assert asked.text == "new words"
    message = (await rows(context, Message))[0]
    assert (message.rest, message.subject, message.notes) == ("> old words", "Parcel", ["A note."])


async def test_an_answer_carries_what_the_last_message_of_a_person_brought_back_to_the_channel(db) -> None:
    context = make_context(db)
    await take(context, mail("ana", "a1", subject="Parcel", memo={"id": "a1"}))
    (last,) = await take(context, mail("ana", "a2", subject="Re: Parcel", memo={"id": "a2"}, refers_to=("a1",)))
    machine = mail("ana", "a3", kind=Kind.AUTOMATIC, subject="Away", memo={"id": "a3"}, refers_to=("a1",))
    assert (await take(context, machine))[0].conversation_id == last.conversation_id
    await settle_all(context)
    (sent,) = context.channels["sink"].sent
    assert (sent.subject, sent.memo) == ("Re: Parcel", {"id": "a2"})


async def test_what_a_machine_begins_is_among_what_is_done_until_a_person_writes_there(db) -> None:
    context = make_context(db)
    await take(context, mail("robot", "r1", kind=Kind.AUTOMATIC, reason="A newsletter."))
    await settle_all(context)
    (conversation,) = await rows(context, Conversation)
    assert conversation.state == "resolved"
    assert [(each.status, each.reason) for each in await rows(context, Message)] == [("ignored", "A newsletter.")]
    await take(context, mail("robot", "r2", "I am a person after all", refers_to=("r1",)))
    await settle_all(context)
    (conversation,) = await rows(context, Conversation)
    assert conversation.state == "agent"
    assert len(context.channels["sink"].sent) == 1


async def test_files_are_stored_with_their_message_once(db) -> None:
    context = make_context(db)
    came = mail("ana", "a1", attachments=(Came("photo.png", "image/png", content=b"\x89PNG\0"), Came("a", "b/c")))
    for _ in range(2):
        await take(context, came)
    stored = await rows(context, Attachment)
    assert [(each.name, each.content_type, each.size, each.content) for each in stored] == [
        ("photo.png", "image/png", 5, b"\x89PNG\0"),
        ("a", "b/c", 0, b""),
    ]
    message = (await rows(context, Message))[0]
    assert [each["id"] for each in message.attachments] == [each.id for each in stored]
    assert message.attachments[0] == {"id": stored[0].id, "name": "photo.png", "type": "image/png", "size": 5}


@pytest.mark.parametrize("by_key", [True, False])
async def test_a_reply_that_comes_back_is_a_failure_that_staff_see(db, by_key: bool) -> None:
    context = make_context(db)
    await take(context, mail("ana", "a1"))
    await settle_all(context)
    sent = (await rows(context, Delivery))[0]
    key = context.channels["sink"].sent[0].key if by_key else ""
    for _ in range(2):
        await take(context, StatusUpdate("" if by_key else sent.external_id, "failed", "The mailbox is full.", key))
    (found,) = await rows(context, Delivery)
    assert (found.state, found.reason) == ("failed", "The mailbox is full.")
    assert (await rows(context, Message))[1].status == "failed"
    assert (await rows(context, Conversation))[0].state == "waiting"
    (call,) = await rows(context, Escalation)
    assert "The mailbox is full." in call.reason
    assert [each.action for each in await rows(context, AuditEvent)].count("delivery_failed") == 1


async def test_what_nobody_knows_of_changes_nothing(db) -> None:
    context = make_context(db)
    await take(context, mail("ana", "a1"))
    await settle_all(context)
    await take(context, StatusUpdate("", "failed", "x"), StatusUpdate("nobody's", "failed", "x", "nobody's"))
    assert [each.state for each in await rows(context, Delivery)] == ["sent"]


async def test_a_failure_that_is_told_before_our_own_send_returns_is_kept(db) -> None:
    context = make_context(db)
    await take(context, mail("ana", "a1"))
    claim = await lease.claim_conversation(context)
    assert claim
    await flow.respond(context, claim)
    parcel = await delivery.claim_delivery(context)
    assert parcel
    await take(context, StatusUpdate("", "failed", "No such mailbox.", parcel.outbound.key))
    await delivery.deliver(context, parcel)
    assert [(each.state, each.reason) for each in await rows(context, Delivery)] == [("failed", "No such mailbox.")]


class Careful(ScriptedChannel):
    most_automatic_an_hour = 3
    most_automatic_unseen = 5

    def address(self, recipient: str, memo) -> str:
        return recipient.removeprefix("unverified:")


async def test_three_replies_that_nobody_wrote_go_to_one_address_in_an_hour_and_then_a_person_looks(db) -> None:
    context = make_context(db, channel=Careful())
    for number in range(6):
        sender = "ana" if number % 2 else "unverified:ana"
        await take(context, mail(sender, f"a{number}"))
        await settle_all(context)
    await take(context, mail("ben", "b1"))
    await settle_all(context)
    assert len(context.channels["sink"].sent) == 4, "three for her, one for him"
    states = [each.state for each in await rows(context, Conversation)]
    assert states == ["agent"] * 3 + ["waiting"] * 3 + ["agent"]
    assert "within an hour" in (await rows(context, Escalation))[0].reason


async def test_two_replies_to_one_address_at_once_do_not_count_past_each_other(db) -> None:
    channel = Careful()
    channel.most_automatic_an_hour = 1
    context = make_context(db, channel=channel, lease_seconds=30.0)
    await take(context, mail("ana", "a1"))
    await take(context, mail("unverified:ana", "a2"))
    while claim := await lease.claim_conversation(context):
        await flow.respond(context, claim)
    first = (await rows(context, Delivery))[0]
    async with delivery._locked_delivery(context, first.id, first.conversation_id) as found:
        assert found
        assert await delivery._begin(context, *found), "it is being sent, and not committed yet"
        other = asyncio.create_task(delivery.claim_delivery(context))
        await asyncio.sleep(0.5)
        assert not other.done(), "it waits to see what becomes of the first"
    assert await other is None
    assert [each.state for each in await rows(context, Delivery)] == ["sending", "failed"]


async def test_an_hour_later_it_goes_on_and_staff_were_never_held_up(db) -> None:
    context = make_context(db, channel=Careful())
    staff = await make_staff(db, "Ana")
    for number in range(4):
        await take(context, mail("eve", f"e{number}"))
        await settle_all(context)
    stopped = (await rows(context, Conversation))[-1]
    assert stopped.state == "waiting"
    async with db.write() as session:
        await staff_verbs.reply(session, stopped.id, staff, "A person here.", "k" * 20)
        for each in (await session.exec(select(Delivery))).all():
            each.begun_at = each.begun_at and each.begun_at - 3601
    await settle_all(context)
    await take(context, mail("eve", "e9"))
    await settle_all(context)
    assert [each.author for each in context.channels["sink"].sent] == ["agent"] * 3 + ["person", "agent"]


async def test_one_conversation_gets_so_many_until_a_person_has_looked(db) -> None:
    channel = Careful()
    channel.most_automatic_an_hour = None
    context = make_context(db, channel=channel)
    staff = await make_staff(db, "Ana")
    for number in range(7):
        await take(context, mail("eve", f"e{number}", refers_to=("e0",)))
        await settle_all(context)
    assert len(channel.sent) == 5
    (conversation,) = await rows(context, Conversation)
    assert conversation.state == "waiting"
    async with db.write() as session:
        await staff_verbs.hand_back(session, conversation.id, staff)
    await settle_all(context)
    assert len(channel.sent) == 6, "what was left is answered when a person has looked"


async def test_a_reply_that_is_tried_again_counts_once(db) -> None:
    from channels.base import Undeliverable

    channel = Careful(Undeliverable("Later.", permanent=False))
    channel.most_automatic_an_hour = channel.most_automatic_unseen = 1
    context = make_context(db, channel=channel)
    await take(context, mail("eve", "e1"))
    await settle_all(context)
    async with db.write() as session:
        owed = (await session.exec(select(Delivery))).one()
        assert owed.due_at is not None
        owed.due_at = 0.0
    await settle_all(context)
    assert [each.state for each in await rows(context, Delivery)] == ["sent"]


NUMBER, ID = "whatsapp:+15551234567", "whatsapp:US.13491208655302741918"


def chat(sender: str, id: str, *also: str, **more) -> Inbound:
    """A message of a channel with one thread for each sender."""
    return Inbound(sender, sender, id, "hello", also=also, **more)


async def written(context, *parsed) -> list[int]:
    """Which conversation each of them is in."""
    return [message.conversation_id for each in parsed for message in await take(context, each)]


async def answered_at(context) -> str:
    """Where the next answer goes."""
    await settle_all(context)
    return context.channels["sink"].sent[-1].recipient


async def test_who_hides_their_number_later_writes_on_in_their_conversation(db) -> None:
    context = make_context(db)
    first, second = await written(context, chat(NUMBER, "1", ID, phone="+15551234567"), chat(NUMBER, "2", ID))
    assert await answered_at(context) == NUMBER
    third, fourth = await written(context, chat(ID, "3"), chat(ID, "4"))
    assert first == second == third == fourth
    assert await answered_at(context) == ID, "where they write now"
    (fifth,) = await written(context, chat(NUMBER, "5", ID))
    assert (fifth, await answered_at(context)) == (first, NUMBER)
    assert len({identity.customer_id for identity in await rows(context, Identity)}) == 1


async def test_who_shows_their_number_later_is_known_by_it(db) -> None:
    context = make_context(db)
    first, second, third = await written(
        context, chat(ID, "1"), chat(NUMBER, "2", ID, phone="+15551234567"), chat(NUMBER, "3")
    )
    assert first == second == third
    assert [customer.phone for customer in await rows(context, Customer)] == ["+15551234567"]


async def test_that_they_want_no_messages_holds_also_without_their_number(db) -> None:
    context = make_context(db)
    context.channels["sink"].needs_start = True
    await written(context, chat(NUMBER, "1", ID, kind=Kind.STOP), chat(ID, "2"))
    await settle_all(context)
    assert context.channels["sink"].sent == []


async def test_two_customers_who_turn_out_to_be_one_keep_their_conversations(db) -> None:
    context = make_context(db)
    first, second = await written(context, chat(NUMBER, "1"), chat(ID, "2"))
    third, fourth = await written(context, chat(NUMBER, "3", ID), chat(ID, "4"))
    assert (third, fourth) == (first, second)
    assert first != second


async def test_an_id_is_nobody_elses(db) -> None:
    context = make_context(db)
    other = "whatsapp:US.1"
    first, second = await written(context, chat(NUMBER, "1", ID), chat(other, "2"))
    assert first != second
    assert await written(context, chat("whatsapp:+15550000000", "3", other)) == [second]


async def test_what_became_of_a_reply_is_asked_where_it_was_sent(db) -> None:
    """Asked at the other id, the vendor would not know of it, and it would go out once more."""
    channel = ScriptedChannel(TimeoutError())
    context = make_context(db, channel=channel)
    await written(context, chat(NUMBER, "1", ID))
    await settle_all(context)
    await written(context, chat(ID, "2"))
    async with db.write() as session:
        row = (await session.exec(select(Delivery).where(Delivery.state == "uncertain"))).one()
        row.due_at = 1.0
        session.add(row)
    await settle_all(context)
    assert {each.recipient for each in channel.sent[:2]} == {NUMBER}
    await written(context, chat(ID, "3"))
    assert await answered_at(context) == ID


async def test_the_same_two_ids_at_once_are_one_customer(db) -> None:
    context = make_context(db)
    await asyncio.gather(*(take(context, chat(NUMBER, str(number), ID)) for number in range(5)))
    assert len(await rows(context, Customer)) == 1
    assert len(await rows(context, Identity)) == 2
    assert len(await rows(context, Conversation)) == 1
