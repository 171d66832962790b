"""The loop that does what is owed: responses and deliveries, in every process, shared by leases."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import Any

import structlog

from service import due, switched_off
from service.context import Context
from service.delivery import claim_delivery, deliver
from service.flow import respond
from service.lease import claim_conversation

log = structlog.get_logger()

#: The longest the loop sleeps: work whose time comes without anybody saying so (an expired lease) is found by then.
IDLE_SECONDS = 1.0
#: What is due but held by another process is looked at again after this time.
HELD_SECONDS = 0.1
#: How long a stopping process waits for what is under way. With the web server's four and a second for the last spans
#: it stays below ten seconds.
GRACE_SECONDS = 4.0
#: Messages that one process sends on one channel at the same time. A vendor that hangs holds up its own channel only.
SENDS_PER_CHANNEL = 8


async def work(context: Context, stop: asyncio.Event) -> None:
    """Do what is owed until `stop`; then let what is under way come to its end.

    At most `workers` responses and SENDS_PER_CHANNEL deliveries a channel, apart from each other: a person's reply does
    not wait for an answer that takes long to think of.
    """
    responses: dict[asyncio.Task[None], str] = {}
    deliveries: dict[asyncio.Task[None], str] = {}
    stopping = asyncio.create_task(stop.wait())
    try:
        with context.db.waker.subscribe() as changed:
            while not stop.is_set():
                try:
                    pause = await _start_due(context, responses, deliveries)
                except Exception:  # durable work: a database that is away comes back
                    log.error("work.failed", exc_info=True)
                    pause = IDLE_SECONDS
                if pause:
                    waiting = asyncio.create_task(changed.wait(pause))
                    ends = {stopping, waiting, *responses, *deliveries}
                    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                    waiting.cancel()
    finally:
        stopping.cancel()
        if running := {*responses, *deliveries}:
            await asyncio.wait(running, timeout=GRACE_SECONDS)
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)


async def _start_due(
    context: Context, responses: dict[asyncio.Task[None], str], deliveries: dict[asyncio.Task[None], str]
) -> float:
    """Begin one delivery and one response, if they are due and there is room; seconds until the next look, at most."""
    started, room = False, len(responses) < context.settings.workers
    full = [name for name, count in Counter(deliveries.values()).items() if count >= SENDS_PER_CHANNEL]
    full += switched_off.resting(context)
    found = await due.look(context, full)
    if found.deliveries and (parcel := await claim_delivery(context, found.deliveries)):
        _run(deliveries, deliver(context, parcel), parcel.channel.name)
        started = True
    response = found.response if room else None
    if response is not None and response <= 0 and (claim := await claim_conversation(context)):
        _run(responses, respond(context, claim), "")
        started = True
    if started:
        return 0.0
    seconds = min((each for each in (response, found.next_delivery) if each is not None), default=IDLE_SECONDS)
    return min(IDLE_SECONDS, seconds) if seconds > 0 else HELD_SECONDS


def _run(running: dict[asyncio.Task[None], str], work: Coroutine[Any, Any, None], channel: str) -> None:
    task = asyncio.create_task(work)
    running[task] = channel
    task.add_done_callback(running.pop)
    task.add_done_callback(_report)


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.error("work.failed", exc_info=error)
