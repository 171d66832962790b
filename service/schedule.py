"""Work that comes round by itself: one row a job in the database, done by whichever process is free."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog
from sqlalchemy import bindparam
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, delete, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from service import calls, conversations, throttle
from service.context import Context
from service.db import clock
from service.models import Job, Presence, StaffSession
from service.retries import NotYet

log = structlog.get_logger()


class Overtaken(Exception):
    """Another process is at the job by now: what was done here is not stored."""


async def tidy(context: Context) -> None:
    """Forget sessions that have ended, throttles that have run out, and pages that are not open any more."""
    async with context.db.write() as session:
        await session.exec(delete(StaffSession).where(col(StaffSession.expires_at) < clock()))
        await session.exec(delete(Presence).where(col(Presence.until) < clock()))
    async with context.db.write() as session:
        await throttle.forget(session, context.clock())


#: name -> (seconds from one run to the next, what is done).
JOBS = {"tidy": (3600.0, tidy), "calls": (20.0, calls.tell)}


async def run(context: Context) -> None:
    """Do every job when it is due, in one process at a time, until the process stops."""
    while not context.stopping.is_set():
        try:
            for name in JOBS:
                await run_due(context, name)
        except Exception:  # durable work: it is due again
            log.error("schedule.failed", exc_info=True)
        await pause(context, 30.0)


async def run_due(context: Context, name: str) -> bool:
    """Do one job if it is due and nobody else is at it; whether it was done."""
    seconds, job = JOBS[name]
    if (fence := await claim(context, name)) is None:
        return False
    error = ""
    try:
        await job(context)
    except NotYet as later:
        log.warning("job.not_yet", job=name, error=str(later))
        error, seconds = str(later), later.seconds
    except Exception as failure:  # durable work: the row keeps what went wrong, and the next run tries again
        log.error("job.failed", job=name, exc_info=True)
        error = f"{type(failure).__name__}: {failure}"
    await release(context, name, fence, seconds, error)
    return not error


async def claim(context: Context, name: str) -> int | None:
    """The fence of a job that is due and now ours; None if it is not due, or somebody else is at it."""
    async with context.db.write() as session:
        if await session.get(Job, name) is None:
            with contextlib.suppress(IntegrityError):  # another process made it in the meantime
                async with session.begin_nested():
                    session.add(Job(name=name, due_at=0.0))
        free = update(Job).where(col(Job.name) == name, col(Job.due_at) <= clock(), col(Job.lease_until) < clock())
        claimed = await session.exec(
            free.values(lease_until=clock() + context.settings.lease_seconds, fence=col(Job.fence) + 1)
        )
        fence = (await session.exec(select(Job.fence).where(Job.name == name))).one()
    return fence if claimed.rowcount else None


async def keep(context: Context, session: AsyncSession, name: str, fence: int) -> bool:
    """Stay at a job for another lease; whether it is still ours."""
    ours = update(Job).where(col(Job.name) == name, col(Job.fence) == fence)
    renewed = await session.exec(ours.values(lease_until=clock() + context.settings.lease_seconds))
    return bool(renewed.rowcount)


async def while_ours(
    context: Context,
    name: str,
    fence: int,
    work: Coroutine[Any, Any, None],
    well: Callable[[AsyncSession], Awaitable[None]] | None = None,
) -> bool:
    """Do `work`, which may take long, until it ends, the job is another's, or the process stops; whether it ended.

    `well` is done with each renewal of the lease. Raises what `work` raises.
    """
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(context.stopping.wait())
    try:
        while True:
            ends = {working, stopping}
            await asyncio.wait(ends, timeout=context.settings.lease_seconds / 4, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                await working
                return True
            if stopping.done():
                return False
            async with context.db.write() as session:
                if not await keep(context, session, name, fence):
                    return False
                if well:
                    await well(session)
    finally:
        stopping.cancel()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def release(context: Context, name: str, fence: int, seconds: float, error: str) -> None:
    """Done for now: due again in so many seconds. `error`: what the row keeps of what went wrong."""
    async with context.db.write() as session:
        ours = update(Job).where(col(Job.name) == name, col(Job.fence) == fence)
        await session.exec(ours.values(lease_until=0.0, due_at=clock() + seconds, last_error=error))


async def hurry(context: Context, name: str, every: float, apart: float) -> None:
    """A job that comes round `every` so many seconds: due at once, or `apart` seconds after it was last done."""
    async with context.db.write() as session:
        if (job := await session.get(Job, name, with_for_update=True)) is not None:
            soon = max(await conversations.now(session), job.due_at - every + apart)
            job.due_at = min(job.due_at, soon)
            session.add(job)


async def until_due(context: Context, name: str) -> float:
    """Seconds until a job is due and nobody is at it; 0 or less: now."""
    rows = await context.db.look(_UNTIL_DUE, name=name)
    return max(rows[0]) if rows else 0.0


_UNTIL_DUE = select(col(Job.due_at) - clock(), col(Job.lease_until) - clock()).where(col(Job.name) == bindparam("name"))


async def pause(context: Context, seconds: float) -> None:
    """Sleep, unless the process is asked to stop."""

    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(context.stopping.wait(), seconds)
