"""What a vendor has and we missed: asked for after a start and every few minutes, by one process at a time."""

import asyncio
import contextlib
import math
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import structlog
from sqlalchemy import bindparam
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from channels.base import Channel, Inbound, Missed, Parsed, SwitchedOff, Unreachable
from service import flow, restored, schedule
from service.context import Context
from service.models import ChannelMemory, Message
from service.retries import backoff
from service.schedule import Overtaken
from service.storable import fit

log = structlog.get_logger()

#: With the channel's name: the job whose lease says which process sweeps, and whose error says why none can.
SWEEP = "sweep:"
#: The key under which the service keeps how far was looked: `at`; and `first`, before which nothing is ever taken.
SWEPT = "swept"
#: What is stored in one transaction.
BATCH = 50
#: How long a vendor may say nothing before it is asked anew. How long it takes in all is no matter: after a long outage
#: it has many pages, and who gave it up for that would give it up each time, with more of them.
PATIENCE_SECONDS = 120.0
#: The longest that a process does not look whether another one that was at it is gone.
LOOK_SECONDS = 30.0
#: Processes that start within so many seconds of each other have one sweep between them, or two.
APART_SECONDS = 10.0

_KNOWN = select(Message.external_id).where(
    col(Message.channel) == bindparam("channel"), col(Message.external_id).in_(bindparam("ids", expanding=True))
)


async def begin(context: Context) -> None:
    """Before the first webhook is answered: of a channel that is new here, what came before now is not missed."""
    now = float(math.floor(context.clock()))  # vendors tell whole seconds
    async with context.db.write() as session:
        for channel in context.channels.values():
            if channel.missing or channel.missed is None:
                continue
            if await session.get(ChannelMemory, (channel.name, SWEPT)) is None:
                with contextlib.suppress(IntegrityError):  # another process began in the same moment
                    async with session.begin_nested():
                        session.add(ChannelMemory(channel=channel.name, key=SWEPT, value={"at": now, "first": now}))


async def run(context: Context) -> None:
    """Sweep every channel whose vendor can say what we missed, until the process stops."""
    on = [(channel, channel.missed) for channel in context.channels.values() if not channel.missing]
    await asyncio.gather(*(_keep_sweeping(context, channel, missed) for channel, missed in on if missed))


async def _keep_sweeping(context: Context, channel: Channel, missed: Missed) -> None:
    name, failures, started = SWEEP + channel.name, 0, False
    while not context.stopping.is_set():
        pause = min(LOOK_SECONDS, channel.missed_every)
        try:
            if not started:  # while this process was down, what came may have found nobody
                await schedule.hurry(context, name, channel.missed_every, APART_SECONDS)
                started = True
            if (due := await schedule.until_due(context, name)) > 0:
                pause = min(pause, due)
            elif (fence := await schedule.claim(context, name)) is not None:
                young = list[Inbound]()
                error = await _sweep(context, channel, missed, fence, young)
                failures = failures + 1 if error else 0
                pause = channel.missed_grace if young else channel.missed_every
                pause = backoff(failures, channel.missed_every) if error else pause
                if context.stopping.is_set():  # another process goes on
                    pause = 0.0
                await schedule.release(context, name, fence, pause, error)
                pause = min(LOOK_SECONDS, pause)
        except Exception:  # durable work: a database that is away comes back
            log.error("sweep.failed", channel=channel.name, exc_info=True)
        await schedule.pause(context, pause)


async def _sweep(context: Context, channel: Channel, missed: Missed, fence: int, young: list[Inbound]) -> str:
    """Look once, unless the lease is lost or the process stops; what went wrong, in words. `young`: what was left."""
    try:
        name = SWEEP + channel.name
        await schedule.while_ours(context, name, fence, _take_missed(context, channel, missed, fence, young))
        return ""
    except (SwitchedOff, Unreachable) as error:
        log.warning("sweep.unreachable", channel=channel.name, error=str(error))
        return str(error)
    except Overtaken:
        return ""
    except Exception as error:  # durable work: it is begun again from where the last whole one began
        log.error("sweep.broke", channel=channel.name, exc_info=True)
        return f"Looking for them broke off ({type(error).__name__}). It is tried again."


async def _take_missed(context: Context, channel: Channel, missed: Missed, fence: int, young: list[Inbound]) -> None:
    """Everything from the last time on; only when all of it is stored is this the time to go on from."""
    name, began = SWEEP + channel.name, context.clock()

    async def still_ours(session: AsyncSession) -> None:
        if not await schedule.keep(context, session, name, fence):
            raise Overtaken

    async with context.db.read() as session:
        memory = await session.get(ChannelMemory, (channel.name, SWEPT))
        when = await restored.when(session)
    # The first time nothing is taken: who plugs in a number with a history does not answer the past.
    swept: dict[str, float] = memory.value if memory else {"first": float(math.floor(began))}

    async def take(batch: Sequence[Parsed]) -> None:
        await _take(context, channel, batch, swept["first"], when, still_ours)

    if memory:
        since = max(swept["first"], min(memory.value["at"], began) - channel.missed_overlap)
        found, batch = missed(since), list[Parsed]()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS) as patience:
                async for each in found:
                    patience.reschedule(asyncio.get_running_loop().time() + PATIENCE_SECONDS)
                    if each is None:
                        continue
                    if isinstance(each, Inbound) and (each.at or 0.0) > began - channel.missed_grace:
                        young.append(each)  # its webhook may be on its way, and tells more of it than a list does
                        continue
                    batch.append(each)
                    if len(batch) == BATCH:
                        await take(batch)
                        batch = []
            await take(batch)
        finally:
            if isinstance(found, AsyncGenerator):
                await found.aclose()
    async with context.db.write() as session:
        await still_ours(session)
        await session.merge(ChannelMemory(channel=channel.name, key=SWEPT, value={**swept, "at": began}))


async def _take(
    context: Context, channel: Channel, batch: Sequence[Parsed], first: float, when: float, still_ours: Any
) -> None:
    """Store what is not known yet, in the vendor's order. What is known, which is nearly all, costs one look."""
    fitting = [fit(each) for each in batch]
    ids = [each.external_id for each in fitting if isinstance(each, Inbound)]
    rows = await context.db.look(_KNOWN, channel=channel.name, ids=ids) if ids else ()
    known = {row.external_id for row in rows}
    wanted = [each for each in fitting if not (isinstance(each, Inbound) and _is_old(each, known, first))]
    if not wanted:
        return

    async def also(session: AsyncSession) -> None:
        await still_ours(session)
        await restored.leave_to_people(session, channel.name, wanted, when)

    new = sum(is_new for _, is_new in await flow.take_each(context, channel, wanted, also))
    if new:
        context.metrics.missed.labels(channel.name).inc(new)
        log.warning("sweep.found", channel=channel.name, messages=new)


def _is_old(inbound: Inbound, known: set[str], first: float) -> bool:
    return inbound.external_id in known or (inbound.at is not None and inbound.at < first)
