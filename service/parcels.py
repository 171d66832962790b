"""What is handed to a channel: a delivery that is ours to make, and all that the channel is told of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from channels.base import Channel, Outbound, Source
from service.last_check import Refusal
from service.models import Conversation, Customer, Delivery, Identity


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
    refusal: Refusal | None = None  # it may only be looked up, not sent


async def pack(
    session: AsyncSession,
    conversation: Conversation,
    delivery: Delivery,
    identity: Identity,
    channel: Channel,
    *,
    unknown: bool,
    refusal: Refusal | None,
) -> Parcel:
    """The parcel of a delivery that was just marked as begun."""
    assert delivery.begun_at is not None
    message = delivery.message
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
        subject=conversation.subject,
        memo=conversation.memo,
        purpose=message.purpose,
        customer=await _name(session, identity) if message.purpose else "",
        owed_at=delivery.created_at,
        known=await _known(session, delivery) if unknown and channel.outcome else (),
    )
    age = delivery.begun_at - delivery.created_at
    return Parcel(
        delivery.id, conversation.id, delivery.fence, delivery.attempts, age, outbound, channel, unknown, refusal
    )


async def _name(session: AsyncSession, identity: Identity) -> str:
    customer = await session.get(Customer, identity.customer_id)
    return customer.name if customer else ""


async def _known(session: AsyncSession, delivery: Delivery) -> Sequence[str]:
    """The vendor's ids of what else we sent there: none of them is the one that is looked for."""
    others = select(Delivery.external_id).where(
        Delivery.conversation_id == delivery.conversation_id, col(Delivery.external_id).is_not(None)
    )
    return tuple(each for each in (await session.exec(others)).all() if each)
