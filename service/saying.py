"""What is said to customers: as many messages as the channel makes of it, each owed, or held until they write."""

import re
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from channels.base import Channel, Outbound, Source, TooLong
from service import conversations
from service.agent import Response, words
from service.agent.policy import Escalate
from service.db import wake
from service.models import Conversation, Decision, Delivery, Message, Staff

#: What tells a reply's second message and the later ones from its first, at the end of their keys.
PART = re.compile(r"-part[0-9]+$")
#: What tells a reply that is kept from the message that invites the customer to write for it, at the end of its key.
KEPT = "-kept"


async def say(
    session: AsyncSession,
    conversation: Conversation,
    *,
    author: str,
    text: str,
    channel: Channel | None = None,
    key: str | None = None,
    staff: Staff | None = None,
    decision: Decision | None = None,
    sources: Sequence[Source] = (),
    disclosure: str = "",
    purpose: str = "",
    held: bool = False,
) -> Message:
    """A message to the customer and the delivery it owes: the one way out for everyone. The caller holds the lock.

    `channel` may make several of it, of which the first is given back: raises TooLong, and then nothing is said.
    `purpose`: it is the channel's own message for that. `held`: it is owed only when the customer has written.
    """
    whole = Outbound(
        key=key or str(uuid.uuid4()),
        recipient="",
        thread=conversation.thread,
        text=text,
        author=author,
        name=staff.name if staff else "",
        sources=sources,
        disclosure=disclosure,
        purpose=purpose,
    )
    parts = [whole] if channel is None or purpose else channel.split(whole)
    said = [
        await _owe(
            session,
            conversation,
            replace(part, key=f"{whole.key}-part{number}" if number > 1 else whole.key),  # as PART tells
            staff,
            decision,
            held=held,
        )
        for number, part in enumerate(parts, 1)
    ]
    return said[0]


async def _owe(
    session: AsyncSession,
    conversation: Conversation,
    part: Outbound,
    staff: Staff | None,
    decision: Decision | None,
    *,
    held: bool,
) -> Message:
    message = conversations.add_message(
        session,
        conversation,
        author=part.author,
        text=part.text,
        external_id=part.key,
        staff_id=staff.id if staff else None,
        name=part.name,
        sources=[{"title": source.title, "url": source.url} for source in part.sources],
        disclosure=part.disclosure,
        purpose=part.purpose,
        status="held" if held else "queued",
        decision_id=decision.id if decision else None,
    )
    at = await conversations.now(session)
    session.add(
        Delivery(
            message=message,
            conversation_id=conversation.id,
            channel=conversation.channel,
            author=part.author,
            seq=message.seq,
            state="held" if held else "ready",
            due_at=None if held else at,
            created_at=at,
        )
    )
    return message


async def conclude(
    session: AsyncSession,
    conversation: Conversation,
    owed: Sequence[Message],
    response: Response,
    *,
    channel: Channel | None = None,
    company: str,
    base_url: str,
    disclosure: str,
) -> Decision:
    """Record the agent's verdict on the `owed` messages, and what it says. The caller holds the lease and the lock."""
    sources = [Source(title, f"{base_url}/help/{slug}") for slug, title in getattr(response.verdict, "sources", ())]
    first = "" if conversation.disclosed else disclosure
    verdict = response.verdict
    if channel is not None and not isinstance(verdict, Escalate):
        try:
            channel.split(Outbound("", "", "", verdict.text, "agent", sources=sources, disclosure=first))
        except TooLong as error:
            verdict, sources = Escalate(words.too_long(company), f"The answer does not fit. {error}"), []
    decision = Decision(
        conversation_id=conversation.id,
        verdict=type(verdict).__name__.lower(),
        reason=verdict.reason,
        topic=response.topic,
        confidence=response.confidence,
        threshold=response.threshold,
        record=response.record,
        cost_usd=(response.record.get("usage") or {}).get("cost_usd"),
    )
    session.add(decision)
    await session.flush()
    if isinstance(verdict, Escalate):
        await conversations.escalate(session, conversation, verdict.reason, decision)
    else:
        for message in owed:
            message.status, message.answered_by = "answered", decision.id
            session.add(message)
    conversation.topic = response.topic or conversation.topic
    await say(
        session,
        conversation,
        author="agent",
        text=verdict.text,
        channel=None if isinstance(verdict, Escalate) else channel,  # our own few sentences fit anywhere
        decision=decision,
        sources=sources,
        disclosure=first,
    )
    return decision


async def release(session: AsyncSession, conversation: Conversation) -> None:
    """The customer wrote: what was held until then is owed now, and stands where it is said."""
    at = await conversations.now(session)
    for delivery, message in await _held(session, conversation):
        conversation.last_seq += 1
        message.seq = delivery.seq = conversation.last_seq
        delivery.state, delivery.due_at, delivery.created_at = "ready", at, at
        message.status, message.changed = "queued", conversations.touch(session, conversation)
        message.created_at = time.time()
        session.add_all((delivery, message))
    wake(session, conversation.id, conversation.clock)


async def withdraw(session: AsyncSession, conversation: Conversation, reason: str) -> None:
    """What is held will not be sent any more, nor what would tell the customer of it, if that is not out yet."""
    held = await _held(session, conversation)
    invitations = select(Delivery).join(Message, col(Message.id) == col(Delivery.message_id))
    invitations = invitations.where(
        Delivery.conversation_id == conversation.id,
        Delivery.state == "ready",  # the others may have reached the customer
        col(Message.external_id).in_({_invitation(message) for _, message in held}),
    )
    for delivery in (*(await session.exec(invitations)).all(), *(delivery for delivery, _ in held)):
        await conversations.settle(session, conversation, delivery, "cancelled", reason)


async def held(session: AsyncSession, conversation: Conversation) -> int | None:
    """The place (`seq`) of the reply that waits for the customer to write."""
    return next((message.seq for _, message in await _held(session, conversation)), None)


async def promised(session: AsyncSession, conversation: Conversation) -> bool:
    """Whether the customer has been told that a reply waits for them, or will be, and has not written since."""
    wrote = select(func.max(Message.seq)).where(
        Message.conversation_id == conversation.id, Message.author == "customer"
    )
    kept = select(Message).where(
        Message.conversation_id == conversation.id,
        Message.seq > ((await session.exec(wrote)).one() or 0),
        col(Message.status).in_(("held", "cancelled")),  # else it went out
        col(Message.external_id).endswith(KEPT, autoescape=True),
    )
    invitations = {_invitation(message) for message in (await session.exec(kept)).all()}
    told = select(Message.id).where(
        Message.channel == conversation.channel,
        col(Message.external_id).in_(invitations),
        col(Message.status).in_(("queued", "sent", "uncertain")),
    )
    return (await session.exec(told)).first() is not None


async def was_withdrawn(session: AsyncSession, invitation: Message) -> bool:
    """Whether the reply that it tells the customer of is not sent any more."""
    kept = select(Message.status).where(
        Message.channel == invitation.channel, Message.external_id == f"{invitation.external_id}{KEPT}"
    )
    return (await session.exec(kept)).first() == "cancelled"


def _invitation(kept: Message) -> str:
    """The key of the message that invites the customer to write for it."""
    return PART.sub("", kept.external_id or "").removesuffix(KEPT)


async def break_off(session: AsyncSession, conversation: Conversation, failed: Delivery) -> None:
    """One of the messages of a reply did not arrive: without it those after it say something else, or too little."""
    first = PART.sub("", failed.message.external_id or "")
    rest = select(Delivery).join(Message, col(Message.id) == col(Delivery.message_id))
    rest = rest.where(
        Delivery.conversation_id == conversation.id,
        col(Delivery.state).in_(("ready", "held")),
        Delivery.seq > failed.seq,
        col(Message.external_id).startswith(f"{first}-part", autoescape=True),
    )
    for delivery in (await session.exec(rest.order_by(col(Delivery.seq)))).all():
        reason = "An earlier part of this reply did not arrive, so it was not sent."
        await conversations.settle(session, conversation, delivery, "cancelled", reason)


async def _held(session: AsyncSession, conversation: Conversation) -> Sequence[tuple[Delivery, Message]]:
    query = select(Delivery, Message).where(
        Delivery.conversation_id == conversation.id, Delivery.state == "held", Message.id == Delivery.message_id
    )
    return (await session.exec(query.order_by(col(Delivery.seq)))).all()
