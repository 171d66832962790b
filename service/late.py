"""A message that comes late, when what its customer wrote after it is here already: what it may still change."""

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from channels.base import Inbound, Kind
from service.models import Conversation, Message

WORDS = (Kind.STOP, Kind.START)
#: Why a word that comes late changes nothing.
SINCE = "It came late: the customer has said something else about messages since."


def note(conversation: Conversation, inbound: Inbound, now: float) -> None:
    """The customer wrote: windows count from when it was, and what the next answer refers to is the last message."""
    last = conversation.last_customer_at or 0.0
    written = now if inbound.at is None else min(inbound.at, now)
    if inbound.at is None or written >= last:
        conversation.subject, conversation.memo = inbound.subject, dict(inbound.memo)
    conversation.last_customer_at = max(last, written)


def date(message: Message, inbound: Inbound) -> None:
    """When a stop or a start was written is what the next one that comes late is held against."""
    if inbound.at is not None and inbound.kind in WORDS:
        message.created_at = min(inbound.at, message.created_at)


async def overruled(session: AsyncSession, conversation: Conversation, inbound: Inbound) -> bool:
    """Whether a stop or a start that was written after this one is here already."""
    if inbound.at is None or inbound.kind not in WORDS:
        return False
    since = select(Message.id).where(
        Message.conversation_id == conversation.id,
        col(Message.kind).in_(WORDS),
        col(Message.created_at) > inbound.at,
    )
    return (await session.exec(since.limit(1))).first() is not None
