"""What happens to a message: receive -> respond -> deliver. The loop that does what is owed is in work.py."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, replace
from typing import Any

import structlog
from sqlalchemy.orm import aliased
from sqlmodel import col, exists, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from channels.base import Channel, Inbound, Kind, Outbound, OutcomeUnknown, Receipt, Source, Undeliverable
from service import conversations
from service.agent import Asked, Response, failed
from service.agent.screen import never_mind
from service.context import Context
from service.db import clock, wake
from service.models import Conversation, Delivery, Identity, Message

log = structlog.get_logger()

#: A conversation whose response was begun this often and never ended takes its process down: a person looks at it.
MOST_ATTEMPTS = 6
#: What the agent sees of the conversation so far.
HISTORY_MESSAGES = 12
#: "Never mind" is said in few characters; a longer message says something else too.
SHORT_MESSAGE = 200
#: Why a message that came while a person was called for is the agent's to answer.
TAKEN_BACK = "The customer no longer wanted a person."

DISCLOSURE = (
    "You are writing with an AI assistant of {company}, which answers from the help centre. "
    "You can ask for a person at any time."
)


# --- receive -----------------------------------------------------------------------------------------------------


async def receive(context: Context, channel: Channel, inbound: Inbound) -> Message:
    """Store what came in and owe a response, in one transaction. Seen before: the message as it was stored then."""
    inbound = replace(inbound, text=clean(inbound.text), name=clean(inbound.name)[:200])
    taken_back = len(inbound.text) <= SHORT_MESSAGE and never_mind(inbound.text)
    async with context.db.write() as session:
        conversation = await conversations.open(session, channel.name, inbound)
        known = select(Message).where(Message.channel == channel.name, Message.external_id == inbound.external_id)
        if message := (await session.exec(known)).first():
            return message
        status, reason, decision_id = await _place(session, channel, conversation, inbound, taken_back)
        message = conversations.add_message(
            session,
            conversation,
            author="customer",
            kind=inbound.kind,
            external_id=inbound.external_id,
            text=inbound.text,
            attachments=[{"name": each.name, "type": each.content_type} for each in inbound.attachments],
            status=status,
            reason=reason,
            answered_by=decision_id,
        )
        conversation.last_customer_at = context.clock()
        await session.flush()
    log.info("message.received", channel=channel.name, conversation=conversation.id, seq=message.seq, status=status)
    return message


def clean(text: str) -> str:
    """Text that every database takes: no NUL (PostgreSQL refuses it), no half of a surrogate pair."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


async def _place(
    session: AsyncSession, channel: Channel, conversation: Conversation, inbound: Inbound, taken_back: bool
) -> tuple[str, str, int | None]:
    """Whose an inbound message is: its status, the reason if nobody answers it, the decision that already did."""
    if inbound.kind == Kind.AUTOMATIC:
        return "ignored", inbound.reason or "An automatic message: never answered.", None
    if inbound.kind == Kind.STOP:
        conversation.stopped = True
        return "ignored", "The customer wants no more messages.", None
    conversation.stopped, reason = False, ""
    if conversation.state == "resolved":
        await conversations.reopen(session, conversation)
    if conversation.state == "waiting" and conversation.assigned_to is None and taken_back:
        await conversations.give_turn_to_agent(session, conversation)
        reason = TAKEN_BACK
    if conversation.state == "waiting":
        call = await conversations.open_call(session, conversation)
        return "escalated", "", call.decision_id if call else None
    if conversation.state == "person":
        return "person", "", None
    now = await conversations.now(session)
    conversation.owed_since = conversation.owed_since or now
    debounce = 0.0 if inbound.kind == Kind.PERSON else channel.debounce
    conversation.ready_at = min(now + debounce, conversation.owed_since + channel.max_wait)
    return "owed", reason, None


# --- respond -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Claim:
    """The right to write to a conversation, for as long as nobody holds a higher fence."""

    conversation_id: int
    fence: int
    attempts: int
    owed_for: float  # seconds


async def claim_conversation(context: Context) -> Claim | None:
    """The conversation whose response has been due for longest, leased to us."""
    due = (
        select(Conversation.id)
        .where(
            col(Conversation.ready_at) <= clock(),
            col(Conversation.lease_until) < clock(),
            Conversation.state == "agent",
        )
        .order_by(col(Conversation.ready_at))
        .limit(1)
    )
    async with context.db.read() as session:  # a look takes no lock: most wake-ups find nothing
        if (await session.exec(due)).first() is None:
            return None
    statement = (
        update(Conversation)
        .where(col(Conversation.id) == due.with_for_update(skip_locked=True).scalar_subquery())
        .values(
            lease_until=clock() + context.settings.lease_seconds,
            fence=col(Conversation.fence) + 1,
            attempts=col(Conversation.attempts) + 1,
        )
        .returning(
            col(Conversation.id),
            col(Conversation.fence),
            col(Conversation.attempts),
            clock() - col(Conversation.owed_since),
        )
        .execution_options(synchronize_session=False)
    )
    async with context.db.write() as session:
        row = (await session.exec(statement)).first()
    return Claim(row[0], row[1], row[2], row[3] or 0.0) if row else None


async def respond(context: Context, claim: Claim) -> None:
    """Think about what the customer wrote, and record the verdict if it is still the agent's turn."""
    try:
        await _respond(context, claim)
    except asyncio.CancelledError:  # the process stops: whoever goes on need not wait for the lease to end
        await asyncio.shield(_release(context, claim))
        raise


async def _respond(context: Context, claim: Claim) -> None:
    asked, owed = await _asked(context, claim)
    if not owed:
        async with _still_ours(context, claim):
            return
    began = time.monotonic()
    try:
        if claim.attempts > MOST_ATTEMPTS:
            raise RuntimeError("its answer was begun too often and never finished")
        response = await _think(context, claim, asked)
        if response is None:
            log.info("response.overtaken", conversation=claim.conversation_id)
            return
        recorded = await _record(context, claim, owed, response)
    except Exception as error:  # durable work: whatever goes wrong, the customer is answered or gets a person
        log.error("response.failed", conversation=claim.conversation_id, attempt=claim.attempts, exc_info=True)
        if claim.attempts <= MOST_ATTEMPTS and claim.owed_for < context.settings.respond_give_up_seconds:
            await _postpone(context, claim)
            return
        response = failed(asked, context.settings.company_name, type(error).__name__)
        recorded = await _record(context, claim, owed, response)
    log.info(
        "response.recorded" if recorded else "response.overtaken",
        conversation=claim.conversation_id,
        verdict=type(response.verdict).__name__.lower(),
        confidence=response.confidence,
        seconds=round(time.monotonic() - began, 3),
    )


async def _asked(context: Context, claim: Claim) -> tuple[Asked, list[Message]]:
    """What the agent is to answer: the messages without an answer, and what was said before them."""
    async with context.db.read() as session:
        owed = await conversations.owed_messages(session, claim.conversation_id)
        first = owed[0].seq if owed else 0
        earlier = (
            select(Message)
            .where(
                Message.conversation_id == claim.conversation_id,
                Message.seq < first,
                col(Message.author).in_(("customer", "agent", "person")),
                col(Message.status).not_in(("cancelled", "failed", "ignored")),
            )
            .order_by(col(Message.seq).desc())
            .limit(HISTORY_MESSAGES)
        )
        history = list((await session.exec(earlier)).all())[::-1]
    asked = Asked(
        text="\n".join(message.text for message in owed),
        history=tuple((message.author, message.text) for message in history),
        wants_person=any(message.kind == Kind.PERSON for message in owed),
        resumed=any(message.reason == TAKEN_BACK for message in owed),
        conversation_id=claim.conversation_id,
    )
    return asked, owed


async def _think(context: Context, claim: Claim, asked: Asked) -> Response | None:
    """The agent's response; None if the lease was lost meanwhile. The lease is renewed for as long as it takes."""
    thinking = asyncio.create_task(context.agent.respond(asked))
    # Counted from when it was first owed, but a late worker too gets the time of one lease.
    left = max(context.settings.respond_give_up_seconds - claim.owed_for, context.settings.lease_seconds)
    deadline = time.monotonic() + left
    try:
        while True:
            done, _ = await asyncio.wait({thinking}, timeout=context.settings.lease_seconds / 4)
            if done:
                return thinking.result()
            if time.monotonic() > deadline:
                raise TimeoutError("the answer took too long")
            if not await _renew(context, claim):
                return None
    finally:
        thinking.cancel()


async def _release(context: Context, claim: Claim) -> None:
    """Give the claim up as if it had not been made."""
    statement = update(Conversation).where(
        col(Conversation.id) == claim.conversation_id, col(Conversation.fence) == claim.fence
    )
    async with context.db.write() as session:
        await session.exec(statement.values(lease_until=0.0, attempts=col(Conversation.attempts) - 1))


async def _renew(context: Context, claim: Claim) -> bool:
    statement = update(Conversation).where(
        col(Conversation.id) == claim.conversation_id, col(Conversation.fence) == claim.fence
    )
    async with context.db.write() as session:
        result = await session.exec(statement.values(lease_until=clock() + context.settings.lease_seconds))
    return bool(result.rowcount)


@contextlib.asynccontextmanager
async def _still_ours(context: Context, claim: Claim) -> AsyncIterator[tuple[AsyncSession, Conversation] | None]:
    """The transaction that ends a claim: gives (session, conversation), or None if another holds it by now."""
    async with context.db.write() as session:
        conversation = await conversations.lock(session, claim.conversation_id)
        if conversation is None or conversation.fence != claim.fence or conversation.state != "agent":
            yield None
            return
        yield session, conversation
        conversation.lease_until, conversation.attempts = 0.0, 0
        # What came in after the agent began to think is still owed, and keeps its own time.
        more = conversation.state == "agent" and await conversations.owed_messages(session, conversation.id)
        now = await conversations.now(session)
        conversation.owed_since = now if more else None
        conversation.ready_at = (conversation.ready_at or now) if more else None
        session.add(conversation)
        wake(session, conversation.id)


async def _record(context: Context, claim: Claim, owed: list[Message], response: Response) -> bool:
    """Decision, message and owed delivery in one transaction, and only if it is still the agent's turn."""
    async with _still_ours(context, claim) as ours:
        if ours is None:
            return False
        session, conversation = ours
        current = {message.id: message for message in await conversations.owed_messages(session, conversation.id)}
        answered = [current[message.id] for message in owed if message.id in current]
        await conversations.conclude(
            session,
            conversation,
            answered,
            response,
            base_url=context.settings.base_url,
            disclosure=DISCLOSURE.format(company=context.settings.company_name),
        )
    return True


async def _postpone(context: Context, claim: Claim) -> None:
    statement = update(Conversation).where(
        col(Conversation.id) == claim.conversation_id, col(Conversation.fence) == claim.fence
    )
    async with context.db.write() as session:
        await session.exec(statement.values(lease_until=0.0, ready_at=clock() + backoff(claim.attempts)))


def backoff(attempts: int, longest: float = 600.0) -> float:
    """Seconds before the next try: 1, 2, 4 ... at most `longest`, each by chance between half of it and all."""
    return min(2.0 ** (attempts - 1), longest) * random.uniform(0.5, 1.0)


# --- deliver -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Parcel:
    """One delivery that is ours to make. `unknown`: an earlier attempt may have reached the customer."""

    delivery_id: int
    conversation_id: int
    fence: int
    attempts: int
    age: float  # seconds since it was first owed
    outbound: Outbound
    channel: Channel
    unknown: bool
    refusal: "Refusal | None" = None  # it may only be looked up, not sent


@dataclass(frozen=True)
class Refusal:
    """Why a delivery must not be sent. `quiet`: nothing is wrong, so nobody needs to be called."""

    reason: str
    quiet: bool


def deliverable() -> tuple[Any, ...]:
    """Owed, held by nobody, and the first of its conversation: customers read in the order we wrote."""
    earlier = aliased(Delivery)
    blocked = exists().where(
        col(earlier.conversation_id) == col(Delivery.conversation_id),
        col(earlier.due_at).is_not(None),
        col(earlier.seq) < col(Delivery.seq),
    )
    return col(Delivery.due_at).is_not(None), col(Delivery.lease_until) < clock(), ~blocked


async def claim_delivery(context: Context, full: Collection[str] = ()) -> Parcel | None:
    """The next due delivery, marked as being sent. What forbids sending it is asked here, in the same transaction.

    `full`: channels on which this process sends as much as it may.
    """
    due = (
        select(Delivery.id, Delivery.conversation_id)
        .where(col(Delivery.due_at) <= clock(), col(Delivery.channel).not_in(full), *deliverable())
        .order_by(col(Delivery.due_at))
        .limit(8)
    )
    async with context.db.read() as session:
        candidates = (await session.exec(due)).all()
    for delivery_id, conversation_id in candidates:
        try:
            async with _locked_delivery(context, delivery_id, conversation_id) as found:
                if found and (parcel := await _begin(context, *found)):
                    return parcel
        except Exception as error:  # durable work: one row that cannot be prepared must not hold up all others
            log.error("delivery.unprepared", conversation=conversation_id, exc_info=True)
            await _set_aside(context, delivery_id, conversation_id, type(error).__name__)
    return None


@contextlib.asynccontextmanager
async def _locked_delivery(
    context: Context, delivery_id: int, conversation_id: int
) -> AsyncIterator[tuple[AsyncSession, Conversation, Delivery] | None]:
    """A transaction that holds a due delivery; None where somebody else does."""
    async with context.db.write() as session:
        # Always the conversation first: whoever takes over locks in the same order.
        conversation = await conversations.lock(session, conversation_id, skip_locked=True)
        ours = select(Delivery).where(
            Delivery.id == delivery_id, col(Delivery.due_at) <= clock(), col(Delivery.lease_until) < clock()
        )
        delivery = (await session.exec(ours)).first() if conversation else None
        yield (session, conversation, delivery) if conversation and delivery else None


async def _set_aside(context: Context, delivery_id: int, conversation_id: int, error: str) -> None:
    """Try a delivery that could not be prepared again later; after a few times a person looks at it."""
    async with _locked_delivery(context, delivery_id, conversation_id) as found:
        if found is None:
            return
        session, conversation, delivery = found
        delivery.attempts += 1
        if delivery.attempts >= MOST_ATTEMPTS:
            await _fail(session, conversation, delivery, f"It could not be prepared for sending ({error}).")
        else:
            delivery.due_at = await conversations.now(session) + backoff(delivery.attempts)
            session.add(delivery)


async def _begin(
    context: Context, session: AsyncSession, conversation: Conversation, delivery: Delivery
) -> Parcel | None:
    """Mark it as being sent, or settle it if it must not be."""
    channel = context.channels.get(delivery.channel)
    unknown = delivery.state in ("sending", "uncertain")
    refusal = _refusal(context, channel, conversation, delivery)
    can_ask = channel is not None and channel.outcome is not None
    if refusal and not (unknown and can_ask):
        await _refuse(session, conversation, delivery, refusal, unknown=unknown)
        return None
    if unknown and not can_ask:
        if delivery.repeated:
            reason = (
                "Whether it arrived is unknown, and it was sent twice under the same id. Look at the channel itself."
            )
            await _fail(session, conversation, delivery, reason, state="uncertain")
            return None
        delivery.repeated = True
    delivery.state = "sending"
    delivery.lease_until = await conversations.now(session) + context.settings.lease_seconds
    delivery.fence += 1
    delivery.attempts += 1
    session.add(delivery)
    message = (await session.exec(select(Message).where(Message.id == delivery.message_id))).one()
    identity = (await session.exec(select(Identity).where(Identity.id == conversation.identity_id))).one()
    assert channel is not None
    outbound = Outbound(
        key=message.external_id or "",
        recipient=identity.external_id,
        thread=conversation.thread,
        text=message.text,
        author=message.author,
        name=message.name,
        sources=tuple(Source(**source) for source in message.sources),
        disclosure=message.disclosure,
        attempt=delivery.attempts,
    )
    age = await conversations.now(session) - delivery.created_at
    return Parcel(
        delivery.id, conversation.id, delivery.fence, delivery.attempts, age, outbound, channel, unknown, refusal
    )


def _refusal(
    context: Context, channel: Channel | None, conversation: Conversation, delivery: Delivery
) -> Refusal | None:
    """Why this delivery must not be sent now; None if it may."""
    if delivery.author == "agent" and conversation.state not in ("agent", "waiting"):
        return Refusal("A person had taken over before it was sent.", quiet=True)
    if conversation.stopped:
        return Refusal("The customer wants no more messages.", quiet=delivery.author == "agent")
    if channel is None or channel.missing:
        return Refusal("This channel is off. `firstline check` says which setting turns it on.", quiet=False)
    window = channel.window(conversation.last_customer_at, context.clock())
    return None if window.open else Refusal(window.reason or "The channel takes no message now.", quiet=False)


async def _refuse(
    session: AsyncSession, conversation: Conversation, delivery: Delivery, refusal: Refusal, *, unknown: bool
) -> None:
    """Settle a delivery that must not be sent; unless that is as it should be, staff are called."""
    if refusal.quiet:
        await conversations.settle(
            session, conversation, delivery, "uncertain" if unknown else "cancelled", refusal.reason
        )
    else:
        state = "uncertain" if unknown else "failed"
        await _fail(session, conversation, delivery, refusal.reason, state=state)


async def deliver(context: Context, parcel: Parcel) -> None:
    """Send it, or find out what became of it, and write down which."""
    as_before = "uncertain" if parcel.unknown else "ready"
    try:
        # Shorter than the lease: while one worker waits for the vendor, no other sends the same.
        async with asyncio.timeout(context.settings.lease_seconds * 0.75):
            receipt = await _dispatch(parcel)
    except Undeliverable as error:
        if error.permanent:
            await _settle(context, parcel, "failed", error.reason)
        else:
            await _retry(context, parcel, error.reason, state=as_before)
    except (OutcomeUnknown, TimeoutError) as error:
        log.warning("delivery.uncertain", conversation=parcel.conversation_id, attempt=parcel.attempts)
        await _retry(context, parcel, str(error) or "The channel did not answer in time.", state="uncertain")
    except Exception as error:  # durable work: anything else is worth a retry
        log.warning("delivery.retry", conversation=parcel.conversation_id, attempt=parcel.attempts, exc_info=True)
        await _retry(context, parcel, type(error).__name__, state=as_before)
    else:
        if receipt is None:
            await _settle(context, parcel, "cancelled")
        else:
            await _settle(context, parcel, "sent", external_id=receipt.external_id)


async def _dispatch(parcel: Parcel) -> Receipt | None:
    """Send it, after a look at what became of an earlier try. None: it was not sent, and must not be."""
    if parcel.unknown and parcel.channel.outcome is not None:
        try:
            receipt = await parcel.channel.outcome(parcel.outbound)
        except Exception as error:  # whatever keeps us from knowing, we do not know
            raise OutcomeUnknown(f"What became of it could not be looked up ({type(error).__name__}).") from error
        if receipt is not None or parcel.refusal:
            return receipt
    return await parcel.channel.send(parcel.outbound)


async def _settle(
    context: Context, parcel: Parcel, state: str, reason: str = "", external_id: str | None = None
) -> None:
    async with context.db.write() as session:
        conversation = await conversations.lock(session, parcel.conversation_id)
        delivery = await _fenced(session, parcel)
        if conversation is None or delivery is None:
            return
        if state == "cancelled" and parcel.refusal:
            await _refuse(session, conversation, delivery, parcel.refusal, unknown=False)
        elif state in ("failed", "uncertain"):
            await _fail(session, conversation, delivery, reason, state=state)
        else:
            delivery.external_id = external_id
            delivery.sent_at = await conversations.now(session) if state == "sent" else None
            note = "Sent once more after an unknown outcome." if delivery.repeated else reason
            await conversations.settle(session, conversation, delivery, state, note)
    log.info("delivery." + state, conversation=parcel.conversation_id, attempt=parcel.attempts)


async def _retry(context: Context, parcel: Parcel, reason: str, state: str = "ready") -> None:
    if parcel.age > parcel.channel.give_up_after:
        given_up = "uncertain" if state == "uncertain" else "failed"
        await _settle(context, parcel, given_up, f"Given up after {parcel.attempts} tries: {reason}")
        return
    async with context.db.write() as session:
        if delivery := await _fenced(session, parcel):
            delivery.state, delivery.reason, delivery.lease_until = state, reason, 0.0
            delivery.due_at = await conversations.now(session) + backoff(parcel.attempts)
            session.add(delivery)


async def _fenced(session: AsyncSession, parcel: Parcel) -> Delivery | None:
    query = select(Delivery).where(Delivery.id == parcel.delivery_id, Delivery.fence == parcel.fence)
    return (await session.exec(query.with_for_update())).first()


async def _fail(
    session: AsyncSession, conversation: Conversation, delivery: Delivery, reason: str, state: str = "failed"
) -> None:
    """A failure that staff see: on the message, and as a call for a person if nobody has the conversation."""
    await conversations.settle(session, conversation, delivery, state, reason)
    conversations.audit(session, conversation, "system", "delivery_failed", reason=reason, seq=delivery.seq)
    if conversation.state in ("agent", "resolved"):
        conversation.assigned_to = conversation.resolved_by
        conversation.resolved_at = conversation.resolved_by = None
        await conversations.escalate(session, conversation, f"A reply did not reach the customer: {reason}")
