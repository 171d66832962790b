"""Channels whose vendor does not know us any more: nothing is tried on them for a while, and the desk says why."""

import time

import structlog
from sqlmodel import col, delete
from sqlmodel.ext.asyncio.session import AsyncSession

from channels.base import Channel
from service.context import Context
from service.models import Job

log = structlog.get_logger()

#: With the channel's name: the row whose error says that nothing can be sent. It is nobody's job, and never due.
SEND = "send:"
NEVER = 2.0**53
#: Seconds until one message is tried again: whether the operator has mended it.
PROBE_SECONDS = 60.0


async def note(context: Context, channel: Channel, reason: str) -> None:
    """Nothing more is tried on this channel for a while, and the desk shows why."""
    first = channel.name not in context.switched_off
    context.switched_off[channel.name] = time.monotonic() + PROBE_SECONDS
    if first:
        log.error("channel.switched_off", channel=channel.name, reason=reason)
        async with context.db.write() as session:
            await session.merge(Job(name=SEND + channel.name, due_at=NEVER, last_error=reason))


async def forget(context: Context, channel: Channel) -> None:
    """Something went out on it: it is on again."""
    if context.switched_off.pop(channel.name, None) is None:
        return
    log.warning("channel.switched_on", channel=channel.name)
    async with context.db.write() as session:
        await session.exec(delete(Job).where(col(Job.name) == SEND + channel.name))


async def begin(session: AsyncSession) -> None:
    """A process starts, perhaps with what the operator mended: it finds out by itself what still does not work."""
    await session.exec(delete(Job).where(col(Job.name).startswith(SEND)))


def resting(context: Context) -> list[str]:
    """Channels on which nothing is tried now."""
    now = time.monotonic()
    return [name for name, until in context.switched_off.items() if until > now]
