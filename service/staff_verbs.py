"""What staff do with a conversation: take over, reply, take a kept reply back, hand back, resolve."""

import uuid

from sqlmodel import col, func, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from channels.base import Channel, Offer, TooLong
from service import conversations, saying
from service.models import Conversation, Delivery, Escalation, Message, Staff
from service.staff import can_answer

#: What a customer who waits for a person reads when the agent gets the conversation back.
HANDED_BACK = (
    "You are writing with the AI assistant again. If your question is still open, please ask it in other words, or ask "
    "for a person."
)


class NotPossible(Exception):
    """What was asked cannot be done now; the sentence is for the member of staff who asked."""


async def hold(session: AsyncSession, conversation_id: int) -> Conversation:
    """As `lock`, for staff: raises NotPossible where there is no such conversation."""
    if conversation := await conversations.lock(session, conversation_id):
        return conversation
    raise NotPossible("This conversation does not exist any more.")


async def present(session: AsyncSession, staff: Staff) -> None:
    """Nobody is disabled between this and the commit, who would then be left with a conversation. Raises NotPossible.

    Before any lock on a conversation: disabling holds the account first, then what it has.
    """
    query = select(Staff).where(Staff.id == staff.id).with_for_update(read=True)
    held = (await session.exec(query.execution_options(populate_existing=True))).first()
    if not can_answer(held):
        raise NotPossible("Your account was changed meanwhile, and answering customers is not yours any more.")


async def release(session: AsyncSession, staff: Staff, by: Staff | None) -> int:
    """What `staff` has waits for anybody, because they can answer no more; how many conversations it was."""
    theirs = col(Conversation.assigned_to) == staff.id, col(Conversation.state).in_(("person", "waiting"))
    ids = (await session.exec(select(Conversation.id).where(*theirs).order_by(col(Conversation.id)))).all()
    for conversation_id in ids:
        conversation = await hold(session, conversation_id)
        if conversation.assigned_to != staff.id or conversation.state not in ("person", "waiting"):
            continue
        calls = update(Escalation).where(*conversations.open_calls(conversation))
        conversation.assigned_to = None
        conversations.audit(session, conversation, "staff" if by else "operator", "released", by, account=staff.id)
        if conversation.state == "person":
            await session.exec(calls.values(closed_at=await conversations.now(session)))
            await conversations.escalate(
                session, conversation, f"{staff.name}, who had it, can answer customers no more."
            )
        else:
            await session.exec(calls.values(told_at=None))  # it was theirs by name: now the others are told
            conversations.touch(session, conversation)
    return len(ids)


async def take_over(
    session: AsyncSession, conversation_id: int, staff: Staff, *, take_from: int | None = None
) -> Conversation:
    """The conversation is `staff`'s from this commit on: nothing more of the agent's is sent.

    Of a colleague's it is only by name: `take_from` is the id of whoever is thought to have it.
    """
    conversation = await hold(session, conversation_id)
    if conversation.state == "person" and conversation.assigned_to == staff.id:
        return conversation
    if take_from is None or conversation.assigned_to != take_from:
        await _not_anothers(session, conversation, staff)
    await _silence_agent(session, conversation)
    conversation.state, conversation.assigned_to, conversation.automatic_unseen = "person", staff.id, 0
    conversation.resolved_at = conversation.resolved_by = None
    at = await conversations.now(session)
    calls = update(Escalation).where(*conversations.open_calls(conversation), col(Escalation.taken_at).is_(None))
    await session.exec(calls.values(taken_at=at, taken_by=staff.id))
    conversations.audit(
        session, conversation, "staff", "taken_over", staff, **({"taken_from": take_from} if take_from else {})
    )
    conversations.touch(session, conversation)
    return conversation


async def reply(
    session: AsyncSession, conversation_id: int, staff: Staff, text: str, key: str, channel: Channel | None = None
) -> Message:
    """A person's words to the customer. Takes over if nobody has; the same `key` again gives the same message."""
    sent, key = await _sent_before(session, conversation_id, staff, key)
    if sent:
        return sent
    if not text.strip():
        raise NotPossible("Write a reply first.")
    conversation = await take_over(session, conversation_id, staff)
    try:
        message = await saying.say(
            session, conversation, author="person", text=text.strip(), channel=channel, key=key, staff=staff
        )
    except TooLong as error:
        raise NotPossible(str(error)) from None
    conversations.audit(session, conversation, "staff", "replied", staff, seq=message.seq)
    return message


async def offer(
    session: AsyncSession,
    conversation_id: int,
    staff: Staff,
    offered: Offer,
    text: str,
    key: str,
    channel: Channel | None = None,
) -> Message:
    """What the channel takes instead of free text; if that invites the customer to write, `text` follows when they do.

    As with a reply, the same `key` again gives the same message.
    """
    sent, key = await _sent_before(session, conversation_id, staff, key)
    if sent:
        return sent
    if offered.invites and not text.strip():
        raise NotPossible("Write the reply first: it is kept, and goes out as soon as the customer has answered.")
    conversation = await take_over(session, conversation_id, staff)
    if offered.invites and await saying.held(session, conversation):
        raise NotPossible("One reply is kept here already: take it back first, or wait until the customer writes.")
    message = await saying.say(
        session, conversation, author="person", text=offered.text, key=key, staff=staff, purpose=offered.purpose
    )
    if offered.invites:
        try:
            await saying.say(
                session,
                conversation,
                author="person",
                text=text.strip(),
                channel=channel,
                key=f"{key}{saying.KEPT}",
                staff=staff,
                held=True,
            )
        except TooLong as error:
            raise NotPossible(str(error)) from None
    conversations.audit(session, conversation, "staff", "offered", staff, seq=message.seq, purpose=offered.purpose)
    return message


async def take_back(session: AsyncSession, conversation_id: int, staff: Staff, seq: int | None = None) -> Conversation:
    """The reply that waits for the customer to write is not sent any more. `seq`: the place of the one meant."""
    conversation = await hold(session, conversation_id)
    await _not_anothers(session, conversation, staff)
    held = await saying.held(session, conversation)
    if held is None or seq not in (None, held):
        raise NotPossible("This reply is not kept here any more; beside it stands what became of it.")
    await saying.withdraw(session, conversation, f"{staff.name} took it back.")
    conversations.audit(session, conversation, "staff", "taken_back", staff)
    return conversation


async def _sent_before(
    session: AsyncSession, conversation_id: int, staff: Staff, key: str
) -> tuple[Message | None, str]:
    """The message that this browser sent under `key` already, and else the key to send it under.

    A browser that did not hear of it sends the same words under the same key. What was withdrawn since is said anew.
    """
    conversation = await hold(session, conversation_id)
    while True:
        query = select(Message).where(Message.channel == conversation.channel, Message.external_id == key)
        sent = (await session.exec(query)).first()
        if sent is None:
            return None, key
        if sent.conversation_id != conversation.id or sent.staff_id != staff.id:
            raise NotPossible("Your browser sent this twice in different places. Reload the page and send it again.")
        if not await saying.was_withdrawn(session, sent):
            return sent, key
        key = str(uuid.uuid5(uuid.NAMESPACE_OID, key))


async def hand_back(session: AsyncSession, conversation_id: int, staff: Staff) -> Conversation:
    """It is the agent's turn again; what the customer wrote and nobody has answered is owed an answer."""
    conversation = await hold(session, conversation_id)
    await _not_anothers(session, conversation, staff)
    if conversation.state not in ("person", "waiting"):
        raise NotPossible("The agent already has this conversation, or it is resolved.")
    was_waiting = conversation.state == "waiting"
    conversation.automatic_unseen = 0
    await conversations.give_turn_to_agent(session, conversation)
    await saying.withdraw(session, conversation, "The conversation was handed back to the agent.")
    conversations.audit(session, conversation, "staff", "handed_back", staff)
    unanswered = await _unanswered(session, conversation)
    for message in unanswered:
        message.status, message.answered_by = "owed", None
        session.add(message)
    if unanswered:
        conversation.ready_at = conversation.owed_since = await conversations.now(session)
    elif was_waiting:
        # They were told that a person would reply, and now none will.
        await saying.say(session, conversation, author="agent", text=HANDED_BACK)
    return conversation


async def _unanswered(session: AsyncSession, conversation: Conversation) -> list[Message]:
    """The customer's messages after the last thing that reached them, or will."""
    said = select(func.max(Message.seq)).where(
        Message.conversation_id == conversation.id,
        col(Message.author).in_(("agent", "person")),
        col(Message.status).in_(("queued", "sent", "uncertain")),
    )
    since = (await session.exec(said)).one() or 0
    query = select(Message).where(
        Message.conversation_id == conversation.id,
        Message.author == "customer",
        col(Message.status).in_(("person", "escalated", "answered")),
        Message.seq > since,
    )
    return list((await session.exec(query)).all())


async def resolve(session: AsyncSession, conversation_id: int, staff: Staff) -> Conversation:
    """Done. A message within a day brings it back to `staff`, a later one to the agent, if no reply was promised."""
    conversation = await hold(session, conversation_id)
    await _not_anothers(session, conversation, staff)
    if conversation.state == "resolved":
        return conversation
    await _silence_agent(session, conversation)
    at = await conversations.now(session)
    conversation.state, conversation.resolved_at, conversation.resolved_by = "resolved", at, staff.id
    conversation.assigned_to = None
    await session.exec(update(Escalation).where(*conversations.open_calls(conversation)).values(closed_at=at))
    conversations.audit(session, conversation, "staff", "resolved", staff)
    conversations.touch(session, conversation)
    return conversation


async def _not_anothers(session: AsyncSession, conversation: Conversation, staff: Staff) -> None:
    """Two people do not talk over each other."""
    if conversation.state == "person" and conversation.assigned_to not in (None, staff.id):
        other = await session.get(Staff, conversation.assigned_to)
        raise NotPossible(f"{other.name if other else 'Somebody else'} has this conversation.")


async def _silence_agent(session: AsyncSession, conversation: Conversation) -> None:
    """Fence off the agent's run and cancel what it queued: neither is sent after this commit."""
    conversation.fence += 1
    conversation.lease_until, conversation.attempts = 0.0, 0
    conversation.ready_at = conversation.owed_since = None
    owed = update(Message).where(col(Message.conversation_id) == conversation.id, col(Message.status) == "owed")
    await session.exec(owed.values(status="person"))
    queued = select(Delivery).where(
        Delivery.conversation_id == conversation.id, Delivery.author == "agent", Delivery.state == "ready"
    )
    for delivery in (await session.exec(queued)).all():
        await conversations.settle(
            session, conversation, delivery, "cancelled", "A person had taken over before it was sent."
        )
