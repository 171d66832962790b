"""Mail as it comes in by itself: over IMAP, by LMTP, or both, with one state that is stored with each mail."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any

from channels.base import Parsed, Receive
from channels.email import imap, lmtp
from channels.email.settings import EmailSettings
from channels.email.tokens import Tokens

#: `await take(parsed, state)` stores what came in; without a state the last one stays.
Take = Callable[[Sequence[Parsed], Mapping[str, Any] | None], Awaitable[None]]


async def listen(
    settings: EmailSettings, tokens: Tokens, receive: Receive, state: Mapping[str, Any], clock: Callable[[], float]
) -> None:
    """Listen until cancelled. Raises Unreachable, or what `receive` raised."""
    latest, one_at_a_time = state, asyncio.Lock()

    async def take(parsed: Sequence[Parsed], changed: Mapping[str, Any] | None) -> None:
        nonlocal latest
        async with one_at_a_time:  # or an older state would be stored over a newer one
            then = latest if changed is None else changed
            await receive(parsed, then)
            latest = then

    ways: list[Coroutine[Any, Any, None]] = []
    if settings.imap.host:
        ways.append(imap.listen(settings, tokens, take, state, clock))
    if settings.lmtp:
        ways.append(lmtp.listen(settings, tokens, take))
    tasks = [asyncio.create_task(way) for way in ways]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
