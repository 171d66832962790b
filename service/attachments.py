"""Files that came with customers' messages: kept in the database, so that a message and its files are one commit."""

from collections.abc import Sequence
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from channels.base import Attachment as Came
from service import conversations
from service.db import wake
from service.models import Attachment, Message
from service.wake import FILES


async def keep(session: AsyncSession, message: Message, came: Sequence[Came]) -> None:
    """Store the files of a message that was just stored, and list them on it. What is elsewhere is to be fetched."""
    kept = [
        Attachment(
            message_id=message.id,
            name=each.name,
            content_type=each.content_type,
            size=len(each.content),
            content=each.content,
            url=each.url,
            due_at=await conversations.now(session) if each.url and not each.content else None,
        )
        for each in came
    ]
    if not kept:
        return
    session.add_all(kept)
    await session.flush()
    if any(each.due_at is not None for each in kept):
        wake(session, FILES)
    message.attachments = [listed(each) for each in kept]
    session.add(message)


def listed(file: Attachment) -> dict[str, Any]:
    """A file as its message lists it: `pending` while it is to be fetched, `failed` says why it could not be."""
    about = {"id": file.id, "name": file.name, "type": file.content_type, "size": file.size}
    if file.due_at is not None:
        return about | {"pending": True}
    return about | {"failed": file.reason} if file.reason else about
