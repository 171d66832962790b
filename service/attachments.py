"""Files that came with customers' messages: kept in the database, so that a message and its files are one commit."""

from collections.abc import Sequence

from sqlmodel.ext.asyncio.session import AsyncSession

from channels.base import Attachment as Came
from service.models import Attachment, Message


async def keep(session: AsyncSession, message: Message, came: Sequence[Came]) -> None:
    """Store the files of a message that was just stored, and list them on it."""
    kept = [
        Attachment(
            message_id=message.id,
            name=each.name,
            content_type=each.content_type,
            size=len(each.content),
            content=each.content,
        )
        for each in came
    ]
    if not kept:
        return
    session.add_all(kept)
    await session.flush()
    message.attachments = [
        {"id": each.id, "name": each.name, "type": each.content_type, "size": each.size} for each in kept
    ]
    session.add(message)
