"""What Twilio has and could not bring: it does not bring later what our server was away for."""

import json
import math
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

from twilio.base.exceptions import TwilioException
from twilio.rest import Client
from twilio.rest.api.v2010.account.message import MessageInstance

from channels.base import Inbound, Malformed, Parsed, Quarantined, StatusUpdate, Unreachable
from channels.whatsapp import errors, inbound
from channels.whatsapp.connection import FAILURES, answered, unheard
from channels.whatsapp.lists import created, oldest_first
from channels.whatsapp.settings import WhatsAppSettings

GONE = (404, 410)
TWILIO = "https://api.twilio.com"
FOUND = (
    "Twilio did not bring this one, it was found by a look at what Twilio has. What was pressed or shared in it is not "
    "told there."
)


async def missed(client: Client, settings: WhatsAppSettings, since: float) -> AsyncIterator[Parsed | None]:
    """Customers' messages since then, and what became of ours: each oldest first. Raises SwitchedOff or Unreachable.

    None is a page that came: to reach the oldest one, all newer ones are read first, which after a long outage is long;
    or a look for files that came to nothing. A message whose files Twilio does not tell holds up no other: that it is
    left out is raised when all else is here.
    """
    left_out: Unreachable | None = None
    async for each in oldest_first(client, since, to=settings.sender):
        if each is None:
            yield None
            continue
        if each.direction != "inbound":
            continue
        try:
            found = await _message(client, settings, each)
        except Unreachable as error:
            found, left_out = None, error
        yield found
    async for each in oldest_first(client, since, from_=settings.sender):
        if each is None:
            yield None
        elif update := _status(each):
            yield update
    if left_out:
        raise left_out


async def _message(client: Client, settings: WhatsAppSettings, found: MessageInstance) -> Inbound | Quarantined:
    """As the webhook would have brought it, as far as the list tells."""
    fields = {
        "MessageSid": found.sid or "",
        "From": found.from_ or "",
        "To": found.to or "",
        "Body": (found.body or "").strip(),
        "NumMedia": found.num_media or "0",
        **await _files(client, settings, found),
    }
    raw = json.dumps(fields).encode()
    try:
        message = inbound.message(fields, settings, raw)
    except Malformed as error:
        return Quarantined(found.sid or "", str(error), raw, sender=found.from_ or "")
    at = created(found)
    return replace(message, notes=(*message.notes, FOUND), at=at if math.isfinite(at) else None)


async def _files(client: Client, settings: WhatsAppSettings, found: MessageInstance) -> Mapping[str, str]:
    if not found.sid or found.num_media in (None, "", "0"):
        return {}
    try:
        files = await client.messages(found.sid).media.list_async(limit=inbound.MOST_FILES)
    except FAILURES as error:
        if isinstance(error, TwilioException) and answered(error)[0] in GONE:
            return {}  # what they were is told by their number
        unheard(error)
    fields: dict[str, str] = {}
    for place, file in enumerate(files):
        uri = (file.uri or "").removesuffix(".json")
        fields[f"MediaUrl{place}"] = f"{settings.api_url or TWILIO}{uri}"
        fields[f"MediaContentType{place}"] = file.content_type or ""
    return fields


def _status(found: MessageInstance) -> StatusUpdate | None:
    """What became of one of ours; its callback may have been lost."""
    status = inbound.STATUSES.get(str(found.status))
    if not status or not found.sid:
        return None
    return StatusUpdate(found.sid, status, errors.words(found.error_code) if status == "failed" else "")
