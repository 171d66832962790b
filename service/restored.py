"""After a restore: what a vendor still has from before it may have been answered since the backup, so people look."""

import time
from collections.abc import Sequence

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from channels.base import Inbound, Parsed
from service import conversations
from service.models import ChannelMemory, Message
from service.storable import fit

REASON = "This came before a backup was restored, and may have been answered after the backup was made."
#: Where it is remembered when that was: of no channel, for it holds for all of them.
_WHERE = ("", "restored")


async def mark(session: AsyncSession) -> None:
    """It is now."""
    channel, key = _WHERE
    await session.merge(ChannelMemory(channel=channel, key=key, value={"at": time.time()}))


async def when(session: AsyncSession) -> float:
    """Seconds since 1970; 0.0: never."""
    memory = await session.get(ChannelMemory, _WHERE)
    return memory.value["at"] if memory else 0.0


async def leave_to_people(session: AsyncSession, channel: str, parsed: Sequence[Parsed], restored: float) -> None:
    """Of what was stored just now, what came before `restored` is a person's to answer. The caller commits."""
    before = [each for each in parsed if isinstance(each, Inbound) and each.at is not None and each.at < restored]
    ids = [fit(each).external_id for each in before]
    if not ids:
        return
    owed = select(Message.conversation_id).where(
        Message.channel == channel, col(Message.external_id).in_(ids), Message.status == "owed"
    )
    for conversation_id in sorted(set((await session.exec(owed)).all())):
        if conversation := await conversations.lock(session, conversation_id):
            await conversations.escalate(session, conversation, REASON)
