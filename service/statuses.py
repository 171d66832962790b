"""What vendors say became of our messages: in any order, more than once, and before we know that one was taken."""

from typing import Any

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from channels.base import Channel, StatusUpdate
from service import conversations, delivery
from service.context import Context
from service.models import Conversation, Delivery, Message
from service.storable import as_key

#: What is known of a message only ever goes up: whoever has it on their phone was not failed.
RANK = {"sent": 1, "failed": 2, "delivered": 3, "read": 4}


async def update(context: Context, session: AsyncSession, channel: Channel, status: StatusUpdate) -> None:
    """Merge it into what we know of the message: a failure is one that staff see, also after it looked sent."""
    rank = RANK.get(status.status)
    row = (await session.exec(_of(channel, status))).first()
    if rank is None or row is None or rank <= _rank(*row):  # nearly all that a sweep meets is known: nothing is locked
        return
    found, _ = row
    conversation = await conversations.lock(session, found.conversation_id)
    query = select(Delivery, Message).where(Delivery.id == found.id, Message.id == Delivery.message_id)
    row = (await session.exec(query.with_for_update().execution_options(populate_existing=True))).first()
    if conversation is None or row is None:
        return
    found, message = row
    if rank <= _rank(found, message):
        return
    if status.external_id and not found.external_id:
        found.external_id = as_key(status.external_id)
    if status.status == "failed":
        found.fence += 1  # whoever is still sending it has nothing to add
        await delivery.fail(session, conversation, found, status.reason)
        return
    # Who is sending it just now settles it; else nobody would, or they would send it once more.
    at = await conversations.now(session)
    if found.state != "sent" and not (found.state == "sending" and found.lease_until > at):
        await _settle(context, session, conversation, found, at)
    if status.status != "sent":
        message.reached, message.changed = status.status, conversations.touch(session, conversation)
    session.add_all((found, message))


def _of(channel: Channel, status: StatusUpdate) -> Any:
    query = select(Delivery, Message).join(Message, col(Message.id) == col(Delivery.message_id))
    query = query.where(Delivery.channel == channel.name)
    if status.key:
        return query.where(Message.channel == channel.name, Message.external_id == status.key)
    return query.where(Delivery.external_id == status.external_id)


def _rank(found: Delivery, message: Message) -> int:
    """What is known of it by now."""
    if message.reached:
        return RANK[message.reached]
    return {"sent": RANK["sent"], "failed": RANK["failed"], "cancelled": RANK["failed"]}.get(found.state, 0)


async def _settle(
    context: Context, session: AsyncSession, conversation: Conversation, found: Delivery, at: float
) -> None:
    found.fence += 1
    found.sent_at = at
    await conversations.settle(session, conversation, found, "sent")
    context.metrics.sends.labels(found.channel, "sent").inc()
