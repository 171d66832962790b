"""What Twilio is asked to do, by its SDK: send, look up what became of a send, show that an answer is written."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from twilio.base.exceptions import TwilioException
from twilio.rest import Client
from twilio.rest.api.v2010.account.message import MessageInstance

from channels.base import Outbound, OutcomeUnknown, Parsed, Receipt, SwitchedOff, Undeliverable, Unreachable
from channels.whatsapp import errors, sweep
from channels.whatsapp.connection import FAILURES, NONSENSE, SECONDS, Line, NoAnswer, NotSent, answered, unheard
from channels.whatsapp.lists import PAGE_SIZE, created, newest_first
from channels.whatsapp.settings import PLACEHOLDERS, PREFIX, TEMPLATES, WhatsAppSettings
from channels.whatsapp.texts import render

CHANNEL = "whatsapp"
#: How much earlier than it was owed a message may be dated at Twilio, whose clock is not ours.
SKEW_SECONDS = 300.0
#: Messages to one customer among which one of ours is looked for.
MOST_LOOKED_AT = 2_000
TYPING_SECONDS = 5.0
#: Longest wait for a turn to send: a delivery has a lease of 60 seconds.
MOST_WAIT = 4.0
#: What stands in a template for a name that is not known: WhatsApp takes no variable that is empty.
NOBODY = "there"
LONGEST_VALUE = 100  # characters
#: The number that accounts without a sender of their own try WhatsApp with.
SANDBOX = "+14155238886"
MOST_SENDERS = 1_000


class Pace:
    """Lets one through every so often, evenly: nothing comes in bursts, and nobody waits for a whole second."""

    def __init__(self, rate: float) -> None:
        self.apart, self._next = 1 / rate, 0.0

    async def turn(self) -> None:
        now = time.monotonic()
        mine = max(now, self._next)
        if mine - now > MOST_WAIT:
            reason = "More is to be sent than WHATSAPP_RATE lets through."
            raise Undeliverable(reason, permanent=False)
        self._next = mine + self.apart
        if mine > now:
            await asyncio.sleep(mine - now)


class Api:
    """One account at Twilio, as one process uses it."""

    def __init__(self, settings: WhatsAppSettings, company: str) -> None:
        self.settings, self.company = settings, company
        self.line = Line(settings)
        self.client = Client(settings.account_sid, settings.auth_token, http_client=self.line)
        self.pace = Pace(settings.rate)

    async def close(self) -> None:
        await self.line.close()

    async def send(self, outbound: Outbound) -> Receipt:
        """Raises Undeliverable, OutcomeUnknown or SwitchedOff."""
        what = self._content(outbound)
        await self.pace.turn()
        try:
            sent = await self.client.messages.create_async(
                to=outbound.recipient,
                from_=self.settings.sender,
                status_callback=f"{self.settings.public_url}/channels/{CHANNEL}?key={quote(outbound.key, safe='')}",
                **what,
            )
        except NotSent as error:
            raise errors.unsent(str(error)) from None
        except NoAnswer as error:
            raise errors.unanswered(str(error)) from None
        except TwilioException as error:
            raise errors.refusal(*answered(error)) from None
        except NONSENSE:
            raise errors.unanswered("what it answered cannot be read") from None
        if not isinstance(sent.sid, str) or not sent.sid:
            raise errors.unanswered("it gave the message no id")
        return _receipt(sent, outbound)

    async def outcome(self, outbound: Outbound) -> Receipt | None:
        """The oldest message to them that is this one and none of those we know; None: there is none.

        Raises OutcomeUnknown, SwitchedOff or Unreachable.
        """
        try:
            async with asyncio.timeout(SECONDS):
                candidates = [each async for each in self._candidates(outbound)]
        except TimeoutError:
            raise OutcomeUnknown(f"Twilio did not list this customer's messages in {SECONDS:.0f} seconds.") from None
        # Of a template nobody knows which words Twilio made of it, so any message that is not known is taken for it.
        words = _plain(render(outbound))
        same = [each for each in candidates if outbound.purpose or _plain(each.body or "") == words]
        if same:
            return _receipt(same[-1], outbound)
        if any(not each.body for each in candidates):
            raise OutcomeUnknown(
                "Twilio does not keep the words of this account's messages, so none can be recognised."
            )
        return None

    async def _candidates(self, outbound: Outbound) -> AsyncIterator[MessageInstance]:
        """What went to them since it was owed and is not known, newest first."""
        since, looked_at = outbound.owed_at - SKEW_SECONDS, 0
        pages = newest_first(self.client, since, to=outbound.recipient, from_=self.settings.sender)
        async for _, page in pages:
            for each in page:
                ours = str(each.direction).startswith("outbound")
                if ours and isinstance(each.sid, str) and each.sid not in outbound.known and created(each) >= since:
                    yield each
            looked_at += PAGE_SIZE
            if looked_at > MOST_LOOKED_AT:
                raise OutcomeUnknown("Too many messages went to this customer since then to tell which this one is.")

    def missed(self, since: float) -> AsyncIterator[Parsed | None]:
        return sweep.missed(self.client, self.settings, since)

    async def typing(self, memo: Mapping[str, Any]) -> None:
        """Shows that an answer is written, which also marks what they wrote as read."""
        sid = memo.get("message_sid")
        if not isinstance(sid, str) or not sid:
            return
        try:
            async with asyncio.timeout(TYPING_SECONDS):
                await self.client.messaging.v2.typing_indicator.create_async(channel=CHANNEL, message_id=sid)
        except (TimeoutError, *FAILURES):
            return  # nothing rests on it

    async def check(self) -> Sequence[tuple[bool, str]]:
        """Whether the account is ours and active, the sender is its own and posts to us, and each template approved."""
        try:
            account = await self.client.api.v2010.accounts(self.settings.account_sid).fetch_async()
        except FAILURES as error:
            return [(False, _trouble(error))]
        if account.status != "active":
            return [(False, f"The Twilio account is {account.status}. Look at its notices in {errors.CONSOLE}.")]
        templates = [await self._template(purpose, each.sid) for purpose, each in self.settings.templates.items()]
        return [(True, "Twilio knows the account."), await self._sender(), *templates]

    async def _sender(self) -> tuple[bool, str]:
        """Whether what customers write to our number comes to us."""
        number, ours = self.settings.sender.removeprefix(PREFIX), f"{self.settings.public_url}/channels/{CHANNEL}"
        mend = f"In {errors.CONSOLE}, set {ours}#rc=5&rp=all as its webhook for incoming messages, by POST."
        if number == SANDBOX:
            return True, f"WHATSAPP_FROM is Twilio's sandbox. Where it posts to is not told. {mend}"
        try:
            senders = await self.client.messaging.v2.channels_senders.list_async(channel=CHANNEL, limit=MOST_SENDERS)
            found = next((each for each in senders if each.sender_id == self.settings.sender), None)
            hook: Any = found.webhook if found and found.webhook else {}
            url, method = hook.get("callback_url") or "nowhere", hook.get("callback_method") or "POST"
        except FAILURES as error:
            return False, f"Whether Twilio has the sender {number} was not told. {_trouble(error)}"
        if found is None:
            return False, f"WHATSAPP_FROM is {number}, which is no WhatsApp sender of this Twilio account."
        if not str(found.status).upper().startswith("ONLINE"):
            return False, f"Twilio says that the sender {number} is {found.status}. Look at it in {errors.CONSOLE}."
        if (url.partition("#")[0], method.upper()) != (ours, "POST"):
            return False, f"What is written to {number} goes to {url}, by {method}. {mend}"
        return True, f"Twilio posts what is written to {number} to {ours}."

    async def _template(self, purpose: str, sid: str) -> tuple[bool, str]:
        name = f"{TEMPLATES[purpose]}_TEMPLATE"
        try:
            approval = await self.client.content.v1.contents(sid).approval_fetch().fetch_async()
            status = (approval.whatsapp or {}).get("status")
        except FAILURES as error:
            if isinstance(error, TwilioException) and answered(error)[0] == 404:
                return False, f"{name} names a template that this Twilio account does not have."
            return False, f"{name}: {_trouble(error)}"
        if status != "approved":
            return False, f"{name} names a template that WhatsApp has not approved ({status}): it cannot be sent."
        return True, f"{name} names a template that WhatsApp has approved."

    def _content(self, outbound: Outbound) -> dict[str, str]:
        """What is sent, as the SDK takes it."""
        if not outbound.purpose:
            return {"body": render(outbound)}
        template = self.settings.templates.get(outbound.purpose)
        if template is None:
            raise Undeliverable(f"No approved template is set for this ({outbound.purpose}).", permanent=True)
        known = {
            "{company}": self.company,
            "{customer}": outbound.customer or NOBODY,
            "{person}": outbound.name or self.company,
        }
        # WhatsApp takes no line breaks, no gaps and nothing empty here.
        filled = {name: _plain(_filled(text, known)) or NOBODY for name, text in template.variables.items()}
        return {"content_sid": template.sid, "content_variables": json.dumps(filled)}


def _filled(text: str, known: Mapping[str, str]) -> str:
    places = "|".join(map(re.escape, PLACEHOLDERS))
    return re.sub(places, lambda place: _plain(known[place[0]])[:LONGEST_VALUE], text)


def _plain(text: str) -> str:
    """As one line: what was sent and what is listed may differ in spaces."""
    return " ".join(text.split())


def _receipt(message: MessageInstance, outbound: Outbound) -> Receipt:
    return Receipt(message.sid or "", (message.body or "") if outbound.purpose else "")


def _trouble(error: Exception) -> str:
    try:
        unheard(error)
    except (SwitchedOff, Unreachable) as told:
        return str(told)
