"""Twilio's lists of messages, read to their end: it gives the newest first, a page at a time."""

import math
from collections.abc import AsyncIterator, Awaitable
from datetime import datetime

from twilio.rest import Client
from twilio.rest.api.v2010.account.message import MessageInstance, MessagePage

from channels.whatsapp.connection import FAILURES, unheard

PAGE_SIZE = 100
#: Pages that are kept in memory on the way back to the oldest; of others only the address is, and they are read again.
KEPT_PAGES = 5

Page = list[MessageInstance]


async def newest_first(client: Client, since: float, **which: str) -> AsyncIterator[tuple[str, Page]]:
    """Each page and its address, back to the first one that is wholly before `since` (seconds since 1970).

    Nothing is asked by date of sending, which Twilio has of nothing that still waits to be sent. A page's address
    begins behind a message, so what comes in meanwhile moves nothing; the newest page has none (""). Raises SwitchedOff
    or Unreachable.
    """
    address, seen = "", {""}
    messages, following = await _read(client.messages.page_async(page_size=PAGE_SIZE, **which))
    while True:
        yield address, messages
        address = following
        if address in seen or (messages and all(created(each) < since for each in messages)):
            return
        seen.add(address)
        messages, following = await _read(client.messages.get_page_async(address))


async def oldest_first(client: Client, since: float, **which: str) -> AsyncIterator[MessageInstance | None]:
    """Each message from `since` on, however many there are; None for each page that came, on the way back as well."""
    walked: list[tuple[str, Page]] = []
    async for address, messages in newest_first(client, since, **which):
        walked.append((address, messages if len(walked) < KEPT_PAGES else []))
        yield None
    while walked:
        address, messages = walked.pop()
        if len(walked) >= KEPT_PAGES:
            messages, _ = await _read(client.messages.get_page_async(address))
            yield None
        for each in reversed(messages):
            if created(each) >= since:
                yield each


async def _read(asked: Awaitable[MessagePage]) -> tuple[Page, str]:
    """A page and the address of the next one; "" if there is none."""
    try:
        page = await asked
        return list(page), page.next_page_url or ""
    except FAILURES as error:
        unheard(error)


def created(message: MessageInstance) -> float:
    """When Twilio got it (seconds since 1970); of one without a date it is taken to be new."""
    at = message.date_created
    return at.timestamp() if isinstance(at, datetime) else math.inf
