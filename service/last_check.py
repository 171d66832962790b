"""What must not be sent after all: asked in the transaction that marks a delivery as being sent."""

from dataclasses import dataclass, replace

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from channels.base import Channel, Offer, Window
from service.context import Context
from service.db import alone, clock
from service.models import Conversation, Delivery

__all__ = ["Channel", "Offer", "Refusal", "Window", "refusal_of", "too_many", "window"]  # the desk has no channels


@dataclass(frozen=True)
class Refusal:
    """Why a delivery must not be sent. `quiet`: nothing is wrong, so nobody needs to be called."""

    reason: str
    quiet: bool


def refusal_of(
    context: Context, channel: Channel | None, conversation: Conversation, delivery: Delivery
) -> Refusal | None:
    """Why this delivery must not be sent now; None if it may."""
    if delivery.author == "agent" and conversation.state not in ("agent", "waiting"):
        return Refusal("A person had taken over before it was sent.", quiet=True)
    found = window(context, channel, conversation)
    # What the channel offers where it is closed may go out; whether it still has it, it says itself.
    if found.open or (delivery.message.purpose and not conversation.stopped and channel and not channel.missing):
        return None
    return Refusal(found.reason, quiet=conversation.stopped and delivery.author == "agent")


def window(context: Context, channel: Channel | None, conversation: Conversation) -> Window:
    """Whether a message can be sent on this conversation now, and why not; until when, and what else can be."""
    if channel is None or channel.missing:
        return Window(open=False, reason="This channel is off. `firstline check` says which setting turns it on.")
    if conversation.stopped:
        again = "until they write START" if channel.needs_start else "until they write again"
        return Window(open=False, reason=f"The customer asked for no more messages. Nothing can be sent here {again}.")
    found = channel.window(conversation.last_customer_at, context.clock())
    return found if found.open or found.reason else replace(found, reason=f"{channel.title} takes no message now.")


async def too_many(
    session: AsyncSession, channel: Channel, conversation: Conversation, delivery: Delivery
) -> Refusal | None:
    """Why no more replies that nobody wrote may go there now. Two machines that answer each other end here."""
    unseen, an_hour = channel.most_automatic_unseen, channel.most_automatic_an_hour
    if unseen is not None and delivery.begun_at is None and conversation.automatic_unseen >= unseen:
        return Refusal(f"{unseen} automatic replies went out here, and no person has looked yet.", quiet=False)
    if an_hour is None:
        return None
    # One after the other: of two conversations with one address neither counts past the other.
    await alone(session, f"{channel.name} {delivery.recipient}")
    lately = select(func.count()).where(
        Delivery.channel == channel.name,
        Delivery.recipient == delivery.recipient,
        col(Delivery.author) != "person",
        col(Delivery.begun_at) > clock() - 3600.0,
        Delivery.id != delivery.id,
    )
    if (await session.exec(lately)).one() >= an_hour:
        return Refusal(f"{an_hour} automatic replies went to this address within an hour.", quiet=False)
    return None
