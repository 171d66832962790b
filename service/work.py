"""The loop that does what is owed: responses and deliveries, in every process, shared by leases."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog
from sqlmodel import col, select

from service.context import Context
from service.db import clock
from service.flow import claim_conversation, claim_delivery, deliver, deliverable, respond
from service.models import Conversation, Delivery

log = structlog.get_logger()

#: The longest the loop sleeps: work whose time comes without anybody saying so (an expired lease) is found by then.
IDLE_SECONDS = 1.0
#: How long a stopping process waits for what is under way; with the web server's own it stays below ten seconds.
GRACE_SECONDS = 5.0


async def work(context: Context, stop: asyncio.Event) -> None:
    """Do what is owed until `stop`, at most `workers` at a time; then let what is under way come to its end."""
    running: set[asyncio.Task[None]] = set()
    stopping = asyncio.create_task(stop.wait())
    try:
        with context.db.waker.subscribe() as changed:
            while not stop.is_set():
                try:
                    idle = not await _start_due(context, running)
                    pause = min(IDLE_SECONDS, await _until_due(context)) if idle else 0.0
                except Exception:  # durable work: a database that is away comes back
                    log.error("work.failed", exc_info=True)
                    pause = IDLE_SECONDS
                full = len(running) >= context.settings.workers
                if pause or full:
                    waiting = asyncio.create_task(changed.wait(IDLE_SECONDS if full else pause))
                    ends = {stopping, *running} if full else {stopping, waiting, *running}
                    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED, timeout=IDLE_SECONDS)
                    waiting.cancel()
    finally:
        stopping.cancel()
        if running:
            await asyncio.wait(running, timeout=GRACE_SECONDS)
        for task in running:
            task.cancel()  # its lease expires and another takes it up
        await asyncio.gather(*running, return_exceptions=True)


async def _start_due(context: Context, running: set[asyncio.Task[None]]) -> bool:
    """Begin one delivery and one response, if they are due and there is room. Deliveries first: they are quick."""
    started = False
    if len(running) < context.settings.workers and (parcel := await claim_delivery(context)):
        _run(running, deliver(context, parcel))
        started = True
    if len(running) < context.settings.workers and (claim := await claim_conversation(context)):
        _run(running, respond(context, claim))
        started = True
    return started


def _run(running: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.create_task(work)
    running.add(task)
    task.add_done_callback(running.discard)
    task.add_done_callback(_report)


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.error("work.failed", exc_info=error)


async def _until_due(context: Context) -> float:
    """Seconds until the next thing is due."""
    ready = select(Conversation.ready_at - clock()).where(
        col(Conversation.ready_at).is_not(None), Conversation.state == "agent", col(Conversation.lease_until) < clock()
    )
    due = select(Delivery.due_at - clock()).where(*deliverable())
    async with context.db.read() as session:
        nearest = [
            (await session.exec(query.order_by(order).limit(1))).first()
            for query, order in ((ready, col(Conversation.ready_at)), (due, col(Delivery.due_at)))
        ]
    return max(0.005, min((seconds for seconds in nearest if seconds is not None), default=IDLE_SECONDS))
