"""Channels that hear of messages by themselves (a mailbox): one process listens; if it ends, another takes over."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from sqlmodel import col, update
from sqlmodel.ext.asyncio.session import AsyncSession

from channels.base import Channel, Listen, Parsed, Unreachable
from service import flow, restored, schedule
from service.context import Context
from service.models import ChannelMemory, Job
from service.retries import backoff
from service.schedule import Overtaken

log = structlog.get_logger()

#: With the channel's name: the job whose lease says which process listens, and whose error says why none can.
LISTEN = "listen:"
#: The key under which the service keeps what a listener must remember.
STATE = "listener"
#: Seconds after which a process that may not listen asks again; it is also told when the one that does lets go.
ASK_SECONDS = 5.0
#: The longest wait before a listener that broke is begun again.
LONGEST_WAIT = 60.0


async def run(context: Context) -> None:
    """Listen on every channel that has something to listen to, until the process stops."""
    listeners = [(channel, channel.listen) for channel in context.channels.values() if not channel.missing]
    await asyncio.gather(*(_keep_listening(context, channel, listen) for channel, listen in listeners if listen))


async def _keep_listening(context: Context, channel: Channel, listen: Listen) -> None:
    name, failures = LISTEN + channel.name, 0
    while not context.stopping.is_set():
        pause = min(ASK_SECONDS, context.settings.lease_seconds / 2)
        try:
            if (fence := await schedule.claim(context, name)) is not None:
                began = time.monotonic()
                error = await _listen(context, channel, listen, fence)
                lasted = time.monotonic() - began > LONGEST_WAIT
                failures = 0 if lasted or not error else failures + 1
                pause = backoff(failures, LONGEST_WAIT) if failures else 0.0
                await schedule.release(context, name, fence, pause, error)
        except Exception:  # durable work: a database that is away comes back
            log.error("listener.failed", channel=channel.name, exc_info=True)
        await schedule.pause(context, pause)


async def _listen(context: Context, channel: Channel, listen: Listen, fence: int) -> str:
    """Listen until it breaks, the lease is lost or the process stops; what went wrong, in words."""
    name = LISTEN + channel.name

    async def receive(parsed: Sequence[Parsed], state: Mapping[str, Any]) -> None:
        async def remember(session: AsyncSession) -> None:
            if not await schedule.keep(context, session, name, fence):
                raise Overtaken
            await session.merge(ChannelMemory(channel=channel.name, key=STATE, value=dict(state)))
            await restored.leave_to_people(session, channel.name, parsed, when)

        await flow.take(context, channel, parsed, remember)

    async def well(session: AsyncSession) -> None:
        """It has gone on for a while: what was wrong before is over."""
        mended = update(Job).where(col(Job.name) == name, col(Job.last_error) != "")
        await session.exec(mended.values(last_error=""))

    async with context.db.read() as session:
        memory = await session.get(ChannelMemory, (channel.name, STATE))
        when = await restored.when(session)
    log.info("listener.began", channel=channel.name)
    try:
        state = memory.value if memory else {}
        ended = await schedule.while_ours(context, name, fence, listen(receive, state), well)
        return "It ended by itself." if ended else ""
    except Unreachable as error:
        log.warning("listener.unreachable", channel=channel.name, error=str(error))
        return str(error)
    except Overtaken:
        return ""
    except Exception as error:  # durable work: it is begun again
        log.error("listener.broke", channel=channel.name, exc_info=True)
        return f"Listening broke off ({type(error).__name__}). It is begun again."
