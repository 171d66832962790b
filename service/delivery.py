"""The last hop of a message: one way out for everyone. What must not be sent is asked in the transaction that sends."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import structlog
from sqlalchemy.orm import joinedload
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from channels.base import OutcomeUnknown, Receipt, SwitchedOff, Undeliverable
from service import conversations, due, saying, switched_off
from service.context import Context
from service.db import clock
from service.last_check import Refusal, refusal_of, too_many
from service.models import Conversation, Delivery, Identity
from service.parcels import Parcel, pack
from service.retries import MOST_ATTEMPTS, backoff
from service.storable import as_key, clean

log = structlog.get_logger()

#: A delivery is read with what it carries.
MESSAGE = joinedload(Delivery.message, innerjoin=True)  # type: ignore[arg-type] (SQLModel types it as the row)


async def claim_delivery(context: Context, candidates: Sequence[tuple[int, int]] | None = None) -> Parcel | None:
    """The first of the due deliveries, marked as being sent. What forbids sending it is asked in the same transaction.

    `candidates`: as due.look found them.
    """
    if candidates is None:
        candidates = (await due.look(context)).deliveries
    for delivery_id, conversation_id in candidates:
        try:
            async with _locked_delivery(context, delivery_id, conversation_id) as found:
                parcel = await _begin(context, *found) if found else None
            if found and not parcel:
                _, _, delivery, _ = found
                _count(context, delivery, delivery.state)
            if parcel:
                return parcel
        except Exception as error:  # durable work: one row that cannot be prepared must not hold up all others
            log.error("delivery.unprepared", conversation=conversation_id, exc_info=True)
            await _set_aside(context, delivery_id, conversation_id, type(error).__name__)
    return None


@contextlib.asynccontextmanager
async def _locked_delivery(
    context: Context, delivery_id: int, conversation_id: int
) -> AsyncIterator[tuple[AsyncSession, Conversation, Delivery, Identity] | None]:
    """A transaction that holds a due delivery, and whom it goes to; None where somebody else does."""
    async with context.db.write() as session:
        # Always the conversation first: whoever takes over locks in the same order.
        conversation = await conversations.lock(session, conversation_id, skip_locked=True)
        if conversation is None:
            yield None
            return
        ours = (
            select(Delivery, Identity)
            .join(Conversation, col(Conversation.id) == col(Delivery.conversation_id))
            .join(Identity, col(Identity.id) == col(Conversation.identity_id))
            .where(Delivery.id == delivery_id, col(Delivery.due_at) <= clock(), col(Delivery.lease_until) < clock())
            .options(MESSAGE)
        )
        found = (await session.exec(ours)).first()
        yield (session, conversation, *found) if found else None


async def _set_aside(context: Context, delivery_id: int, conversation_id: int, error: str) -> None:
    """Try a delivery that could not be prepared again later; after a few times a person looks at it."""
    async with _locked_delivery(context, delivery_id, conversation_id) as found:
        if found is None:
            return
        session, conversation, delivery, _ = found
        delivery.attempts += 1
        if delivery.attempts >= MOST_ATTEMPTS:
            await fail(session, conversation, delivery, f"It could not be prepared for sending ({error}).")
        else:
            delivery.due_at = await conversations.now(session) + backoff(delivery.attempts)
            session.add(delivery)
    _count(context, delivery, "retry" if delivery.due_at else delivery.state)


def _count(context: Context, delivery: Delivery, outcome: str) -> None:
    """Tell what came of a delivery, once that is committed."""
    context.metrics.sends.labels(delivery.channel, outcome).inc()
    say = log.info if outcome in ("sent", "cancelled") else log.warning
    say(
        "delivery." + outcome,
        channel=delivery.channel,
        conversation=delivery.conversation_id,
        seq=delivery.seq,
        delivery=delivery.id,
        attempt=delivery.attempts,
    )


async def _begin(
    context: Context, session: AsyncSession, conversation: Conversation, delivery: Delivery, identity: Identity
) -> Parcel | None:
    """Mark it as being sent, or settle it if it must not be."""
    channel = context.channels.get(delivery.channel)
    unknown = delivery.state in ("sending", "uncertain")
    refusal = refusal_of(context, channel, conversation, delivery)
    if not refusal and channel and delivery.author != "person" and not unknown:
        delivery.recipient = as_key(channel.address(identity.external_id, conversation.memo))
        refusal = await too_many(session, channel, conversation, delivery)
    if delivery.external_id:  # the vendor said by itself that it was taken
        delivery.sent_at = await conversations.now(session)
        await conversations.settle(session, conversation, delivery, "sent")
        return None
    can_ask = channel is not None and channel.outcome is not None
    if refusal and not (unknown and can_ask):
        await _refuse(session, conversation, delivery, refusal, unknown=unknown)
        return None
    if unknown and not can_ask:
        if delivery.repeated:
            reason = (
                "Whether it arrived is unknown, and it was sent twice under the same id. Look at the channel itself."
            )
            await fail(session, conversation, delivery, reason, state="uncertain")
            return None
        delivery.repeated = True
    if delivery.begun_at is None and delivery.author != "person":
        conversation.automatic_unseen += 1
        session.add(conversation)
    delivery.state, delivery.begun_at = "sending", await conversations.now(session)
    delivery.lease_until = delivery.begun_at + context.settings.lease_seconds
    delivery.fence += 1
    delivery.attempts += 1
    session.add(delivery)
    assert channel is not None
    return await pack(session, conversation, delivery, identity, channel, unknown=unknown, refusal=refusal)


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
        await fail(session, conversation, delivery, refusal.reason, state=state)


async def deliver(context: Context, parcel: Parcel) -> None:
    """Send it, or find out what became of it, and write down which."""
    about = {"conversation": parcel.conversation_id, "delivery": parcel.delivery_id, "channel": parcel.channel.name}
    with context.steps("deliver", **about, fence=parcel.fence, attempt=parcel.attempts) as step:
        step.note(outcome=await _deliver(context, parcel))


async def _deliver(context: Context, parcel: Parcel) -> str | None:
    """What came of it; None if somebody else has it by now."""
    as_before = "uncertain" if parcel.unknown else "ready"
    try:
        # Shorter than the lease: while one worker waits for the vendor, no other sends the same.
        async with asyncio.timeout(context.settings.lease_seconds * 0.75):
            receipt = await _dispatch(parcel)
    except Undeliverable as error:
        if error.permanent:
            return await _settle(context, parcel, "failed", error.reason)
        return await _retry(context, parcel, error.reason, state=as_before, not_taken=True)
    except SwitchedOff as error:
        await switched_off.note(context, parcel.channel, str(error))
        return await _retry(context, parcel, str(error), state=as_before, not_taken=not parcel.unknown)
    except (OutcomeUnknown, TimeoutError) as error:
        return await _retry(context, parcel, str(error) or "The channel did not answer in time.", state="uncertain")
    except Exception as error:  # durable work: anything else is worth a retry
        log.warning("delivery.broke", conversation=parcel.conversation_id, attempt=parcel.attempts, exc_info=True)
        return await _retry(context, parcel, f"The channel failed ({type(error).__name__}).", state=as_before)
    await switched_off.forget(context, parcel.channel)
    if receipt is None:
        return await _settle(context, parcel, "cancelled")
    return await _settle(context, parcel, "sent", receipt=receipt)


async def _dispatch(parcel: Parcel) -> Receipt | None:
    """Send it, after a look at what became of an earlier try. None: it was not sent, and must not be."""
    if parcel.unknown and parcel.channel.outcome is not None:
        try:
            receipt = await parcel.channel.outcome(parcel.outbound)
        except SwitchedOff:
            raise
        except Exception as error:  # whatever keeps us from knowing, we do not know
            raise OutcomeUnknown(f"What became of it could not be looked up ({type(error).__name__}).") from error
        if receipt is not None or parcel.refusal:
            return receipt
    return await parcel.channel.send(parcel.outbound)


async def _settle(
    context: Context, parcel: Parcel, state: str, reason: str = "", receipt: Receipt | None = None
) -> str | None:
    async with context.db.write() as session:
        conversation = await conversations.lock(session, parcel.conversation_id)
        delivery = await _fenced(session, parcel)
        if conversation is None or delivery is None:
            return None
        if state == "cancelled" and parcel.refusal:
            await _refuse(session, conversation, delivery, parcel.refusal, unknown=False)
        elif state in ("failed", "uncertain"):
            await fail(session, conversation, delivery, reason, state=state)
        else:
            if receipt:
                delivery.external_id = as_key(clean(receipt.external_id)) or None
                delivery.message.text = clean(receipt.text) or delivery.message.text
            delivery.sent_at = await conversations.now(session) if state == "sent" else None
            note = "Sent once more after an unknown outcome." if delivery.repeated else reason
            await conversations.settle(session, conversation, delivery, state, note)
    _count(context, delivery, delivery.state)
    return delivery.state


async def _retry(
    context: Context, parcel: Parcel, reason: str, state: str = "ready", *, not_taken: bool = False
) -> str | None:
    if parcel.age > parcel.channel.give_up_after:
        given_up = "uncertain" if state == "uncertain" else "failed"
        return await _settle(context, parcel, given_up, f"Given up after {parcel.attempts} tries: {reason}")
    async with context.db.write() as session:
        conversation = await conversations.lock(session, parcel.conversation_id)
        delivery = await _fenced(session, parcel)
        if conversation is None or delivery is None:
            return None
        delivery.state, delivery.reason, delivery.lease_until = state, reason, 0.0
        if delivery.message.reason != reason:  # staff are told why it is not out yet, once
            delivery.message.reason = reason
            delivery.message.changed = conversations.touch(session, conversation, conversation.updated_at)
        pause = backoff(parcel.attempts, parcel.channel.longest_pause)
        if state == "uncertain" and parcel.channel.outcome and not parcel.unknown:
            pause = max(pause, parcel.channel.outcome_after)
        # Asked anew: a pause that began with the lock could be over before this is written down.
        delivery.due_at = (await session.exec(select(clock()))).one() + pause
        if not_taken:  # this time it plainly was not: the one repeat is still to be made
            delivery.repeated = False
        session.add(delivery)
    _count(context, delivery, "retry" if state == "ready" else state)
    return "retry" if state == "ready" else state


async def _fenced(session: AsyncSession, parcel: Parcel) -> Delivery | None:
    query = select(Delivery).where(Delivery.id == parcel.delivery_id, Delivery.fence == parcel.fence)
    return (await session.exec(query.options(MESSAGE).with_for_update(of=Delivery))).first()


async def fail(
    session: AsyncSession, conversation: Conversation, delivery: Delivery, reason: str, state: str = "failed"
) -> None:
    """A failure that staff see: on the message, and as a call for a person if nobody has the conversation."""
    await conversations.settle(session, conversation, delivery, state, reason)
    conversations.audit(session, conversation, "system", "delivery_failed", reason=reason, seq=delivery.seq)
    await saying.break_off(session, conversation, delivery)
    if conversation.state in ("agent", "resolved"):
        await conversations.call_back(session, conversation, f"A reply did not reach the customer: {reason}")
