"""A conversation and its verbs: whose turn it is, what is said in it, and what is owed to the customer."""

import time
from typing import Any

from sqlalchemy import bindparam
from sqlmodel import col, select, union_all, update
from sqlmodel.ext.asyncio.session import AsyncSession

from channels.base import Inbound
from service.db import clock, wake
from service.models import (
    AuditEvent,
    Conversation,
    Customer,
    Decision,
    Delivery,
    Escalation,
    Identity,
    Message,
    Staff,
)
from service.staff import can_answer
from service.wake import NEW_CONVERSATION

#: After this many seconds a resolved conversation that is written to again begins anew with the agent.
REOPEN_TO_PERSON_SECONDS = 24 * 3600.0

_READ = select(Conversation, clock()).execution_options(populate_existing=True)
_BY_ID = _READ.where(col(Conversation.id) == bindparam("id"))
_LOCK, _LOCK_FREE = _BY_ID.with_for_update(), _BY_ID.with_for_update(skip_locked=True)
_LOCK_THREAD = _READ.where(
    col(Conversation.channel) == bindparam("channel"), col(Conversation.thread) == bindparam("thread")
).with_for_update()


async def lock(session: AsyncSession, conversation_id: int, *, skip_locked: bool = False) -> Conversation | None:
    """The conversation as it is now, held by this transaction: whoever writes to it does so under this lock."""
    return await _locked(session, _LOCK_FREE if skip_locked else _LOCK, id=conversation_id)


async def _locked(session: AsyncSession, statement: Any, **which: Any) -> Conversation | None:
    found = (await session.exec(statement, params=which)).first()
    if found is None:
        return None
    session.info.setdefault("now", found[1])  # asked along with it: the next thing to be known is often the time
    return found[0]


def touch(session: AsyncSession, conversation: Conversation, at: float | None = None) -> int:
    """Count up the clock that readers follow, and wake them after the commit. `at`: when it last went on."""
    conversation.clock += 1
    conversation.changed = conversation.clock
    conversation.updated_at = max(conversation.updated_at, time.time() if at is None else at)
    session.add(conversation)
    wake(session, conversation.id, conversation.clock)
    return conversation.clock


async def open(session: AsyncSession, channel: str, inbound: Inbound) -> Conversation:
    """The conversation an inbound message belongs to, locked; made with its customer if it is the first.

    That is where an earlier message of the same sender's that it refers to is, else that of its thread, else that of
    another id of the sender's. Raises IntegrityError if another process made it in the same moment: a new transaction
    finds it.
    """
    thread = await _thread_referred_to(session, channel, inbound) or inbound.thread
    conversation = await _locked(session, _LOCK_THREAD, channel=channel, thread=thread)
    if conversation and not inbound.also:
        return conversation
    identity = await _identity(session, channel, inbound)
    conversation = conversation or await _under_another_id(session, identity)
    if conversation is None:
        conversation = Conversation(
            customer_id=identity.customer_id, identity_id=identity.id, channel=channel, thread=thread
        )
        session.add(conversation)
        await session.flush()
        wake(session, NEW_CONVERSATION)
    elif conversation.customer_id == identity.customer_id:
        await _answer_at(session, conversation, identity)
    return conversation


async def _thread_referred_to(session: AsyncSession, channel: str, inbound: Inbound) -> str | None:
    """Of the nearest message it refers to in a conversation of its sender's own: a reference proves nothing."""
    if not inbound.refers_to:
        return None
    # One query for each name: of an index that has both, SQLite would read all the channel's messages.
    queries = (
        select(name, Conversation.thread, col(Message.id).label("id"))
        .join(Conversation, col(Conversation.id) == col(Message.conversation_id))
        .join(Identity, col(Identity.id) == col(Conversation.identity_id))
        .where(Message.channel == channel, name.in_(inbound.refers_to), Identity.external_id == inbound.sender)
        for name in (col(Message.external_id), col(Message.known_as))
    )
    both = union_all(*queries).order_by("id")
    found = (await session.exec(both)).all()  # type: ignore[call-overload]  # SQLModel knows no unions
    threads = {name: thread for name, thread, _ in found}
    return next((threads[name] for name in inbound.refers_to if name in threads), None)


async def _identity(session: AsyncSession, channel: str, inbound: Inbound) -> Identity:
    """The sender. What is new of all that the vendor knows them by is made; with a customer, if all of it is new.

    Two customers who turn out to be one stay two: each has a conversation of their own.
    """
    names = tuple(dict.fromkeys((inbound.sender, *inbound.also)))
    query = select(Identity).where(Identity.channel == channel, col(Identity.external_id).in_(names))
    known = {
        identity.external_id: identity for identity in (await session.exec(query.order_by(col(Identity.id)))).all()
    }
    if len(known) < len(names):
        first = known.get(inbound.sender) or next(iter(known.values()), None)
        customer = await session.get(Customer, first.customer_id) if first else None
        if customer is None:
            customer = Customer(name=inbound.name, email=inbound.email)
        customer.phone = customer.phone or inbound.phone
        session.add(customer)
        await session.flush()
        for name in names:
            known.setdefault(
                name,
                Identity(customer_id=customer.id, channel=channel, external_id=name, verified=inbound.verified),
            )
        session.add_all(known.values())
        await session.flush()
    return known[inbound.sender]


async def _under_another_id(session: AsyncSession, identity: Identity) -> Conversation | None:
    """The conversation that this customer began under another id of the channel's, locked."""
    others = select(Identity.external_id).where(
        Identity.customer_id == identity.customer_id, Identity.channel == identity.channel, Identity.id != identity.id
    )
    for thread in (await session.exec(others.order_by(col(Identity.id)))).all():
        if found := await _locked(session, _LOCK_THREAD, channel=identity.channel, thread=thread):
            return found
    return None


async def _answer_at(session: AsyncSession, conversation: Conversation, identity: Identity) -> None:
    """From now on answers go to this id; but first what became of an earlier one must be asked where that was sent."""
    if conversation.identity_id == identity.id:
        return
    unknown = select(Delivery.id).where(
        Delivery.conversation_id == conversation.id,
        col(Delivery.state).in_(("sending", "uncertain")),
        col(Delivery.due_at).is_not(None),
    )
    if (await session.exec(unknown)).first() is None:
        conversation.identity_id = identity.id
        session.add(conversation)


def add_message(session: AsyncSession, conversation: Conversation, **fields: Any) -> Message:
    """The conversation's next message. The caller holds the lock."""
    conversation.last_seq += 1
    message = Message(
        conversation_id=conversation.id,
        channel=conversation.channel,
        seq=conversation.last_seq,
        changed=touch(session, conversation),
        **fields,
    )
    session.add(message)
    return message


async def owed_messages(session: AsyncSession, conversation_id: int) -> list[Message]:
    """The customer's messages that wait for a decision, oldest first."""
    query = select(Message).where(Message.conversation_id == conversation_id, Message.status == "owed")
    return list((await session.exec(query.order_by(col(Message.seq)))).all())


async def escalate(
    session: AsyncSession, conversation: Conversation, reason: str, decision: Decision | None = None
) -> None:
    """Call for a person, before whom everything unanswered is. What the customer reads about it is the caller's."""
    owed = update(Message).where(col(Message.conversation_id) == conversation.id, col(Message.status) == "owed")
    await session.exec(owed.values(status="escalated", answered_by=decision.id if decision else None))
    conversation.state, conversation.ready_at, conversation.owed_since = "waiting", None, None
    session.add(
        Escalation(
            conversation_id=conversation.id,
            decision_id=decision.id if decision else None,
            reason=reason,
            created_at=await now(session),
        )
    )
    audit(session, conversation, "agent" if decision else "system", "escalated", reason=reason)
    touch(session, conversation)


async def give_turn_to_agent(session: AsyncSession, conversation: Conversation) -> None:
    """Nobody is called for any more: what comes next is the agent's."""
    conversation.state, conversation.assigned_to = "agent", None
    await session.exec(update(Escalation).where(*open_calls(conversation)).values(closed_at=await now(session)))
    touch(session, conversation)


async def reopen(session: AsyncSession, conversation: Conversation, *, promised: bool = False) -> None:
    """The customer wrote to a resolved conversation: back to who resolved it lately, else to the agent.

    `promised`: they were told that a reply waits for them to write. Then a person it is, however long ago that was.
    """
    recent = await now(session) - (conversation.resolved_at or 0.0) < REOPEN_TO_PERSON_SECONDS
    if promised:
        await call_back(session, conversation, "The customer wrote again, having been told that a reply is ready.")
    elif recent and await _resolver(session, conversation):
        await call_back(session, conversation, "The customer wrote again less than a day after this was resolved.")
    else:
        conversation.resolved_at = conversation.resolved_by = None
        await give_turn_to_agent(session, conversation)
    audit(session, conversation, "system", "reopened")


async def call_back(session: AsyncSession, conversation: Conversation, reason: str) -> None:
    """Call for a person where the agent has it or nobody: for who resolved it, if they can still answer customers."""
    conversation.assigned_to = await _resolver(session, conversation)
    conversation.resolved_at = conversation.resolved_by = None
    await escalate(session, conversation, reason)


async def _resolver(session: AsyncSession, conversation: Conversation) -> int | None:
    staff = await session.get(Staff, conversation.resolved_by) if conversation.resolved_by else None
    return staff.id if staff and can_answer(staff) else None


async def open_call(session: AsyncSession, conversation: Conversation) -> Escalation | None:
    """The call for a person that nobody has closed."""
    query = select(Escalation).where(*open_calls(conversation)).order_by(col(Escalation.id).desc())
    return (await session.exec(query)).first()


def audit(
    session: AsyncSession,
    conversation: Conversation,
    actor: str,
    action: str,
    staff: Staff | None = None,
    **detail: Any,
) -> None:
    """Who did what; never the customer's words."""
    session.add(
        AuditEvent(
            actor=actor,
            staff_id=staff.id if staff else None,
            action=action,
            conversation_id=conversation.id,
            detail=detail,
        )
    )


async def now(session: AsyncSession) -> float:
    """The database's time when this transaction first asked for it, which is when it had its lock."""
    if "now" not in session.info:
        session.info["now"] = (await session.exec(select(clock()))).one()
    return session.info["now"]


def open_calls(conversation: Conversation) -> tuple[Any, ...]:
    return col(Escalation.conversation_id) == conversation.id, col(Escalation.closed_at).is_(None)


async def settle(
    session: AsyncSession, conversation: Conversation, delivery: Delivery, state: str, reason: str = ""
) -> None:
    """What became of a delivery, for good."""
    delivery.state, delivery.reason, delivery.due_at, delivery.lease_until = state, reason, None, 0.0
    session.add(delivery)
    message = await session.get(Message, delivery.message_id)
    assert message is not None
    message.status, message.reason, message.changed = state, reason, touch(session, conversation)
    # Only what reached the customer has told them; a disclosure that was cancelled is owed again.
    conversation.disclosed = conversation.disclosed or (bool(message.disclosure) and state in ("sent", "uncertain"))
    session.add(message)
