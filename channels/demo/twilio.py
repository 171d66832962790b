"""A Twilio account with one WhatsApp sender, on loopback: what the real one does, for tests and for the demo's phone.

It is driven from two sides. The product talks to `url` with Twilio's own SDK (channels/demo/twilio_api.py). The test or
the phone page calls the verbs here: a customer writes, a message of ours is delivered or read, something goes wrong.
"""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

import httpx2
from twilio.request_validator import RequestValidator

from channels.demo import twilio_api, twilio_rules
from channels.demo.twilio_rules import Outcome, Refused, Step
from channels.demo.twilio_server import HOST, Connections, Run, bound, in_a_thread, serving
from channels.demo.twilio_texts import (
    File,
    TemplateAtTwilio,
    Text,
    new_sid,
    status_callback,
    webhook,
)

__all__ = ["Alert", "File", "TemplateAtTwilio", "Text", "Twilio"]

WINDOW_SECONDS = 86_400.0  # in which free text reaches a customer who wrote
WEBHOOK_SECONDS = 15.0  # that Twilio waits for an answer to what it posts
CONNECTIONS = 100  # at a time, of what it posts


@dataclass(frozen=True)
class Alert:
    """A webhook that was not answered well, as Twilio's debugger tells it. `status` 0: there was no answer."""

    sid: str
    url: str
    status: int


class Twilio:
    """One account. `webhook`: where messages are posted; its fragment is not signed, it says when to try again.

    `sign_with`: the token it signs with, if not the primary one. `version` counts up with each change of anything.
    """

    def __init__(
        self,
        sid: str,
        token: str,
        sender: str,
        webhook: str,
        *,
        clock: Callable[[], float] = time.time,
        secondary: str = "",
        sign_with: str = "",
    ) -> None:
        self.sid, self.token, self.secondary, self.sign_with = sid, token, secondary, sign_with
        self.sender = sender if sender.startswith("whatsapp:") else f"whatsapp:{sender}"
        self.webhook, self.clock = webhook, clock
        self.status = "ONLINE"  # of the sender
        self.url = ""  # of the API, once it runs
        self.files_url = ""  # where it redirects to for a file: another origin, which wants no credentials
        self.messages, self.version = list[Text](), 0
        self.templates = dict[str, TemplateAtTwilio]()
        self.typing = list[str]()  # the customers' messages that an answer was shown being written to
        self.script = list[Step]()  # what goes wrong, one step a request
        self.opted_out = set[str]()  # recipients that Twilio itself refuses; on WhatsApp nobody gets in by writing STOP
        self.absent = set[str]()  # numbers that are not on WhatsApp: a message to them fails in the end
        self.automatic = True  # messages of ours are sent and delivered by themselves
        self.reads = False  # and read
        self.pace = 0.02  # seconds from one status to the next
        self.patience = WEBHOOK_SECONDS
        self.between = 0.0  # seconds before a webhook is tried again
        self.alerts = list[Alert]()
        self.requests = list[str]()  # what the API was asked for: a method and a path each
        self.connections = Connections()
        self.ending: asyncio.Event | None = None
        self._by_sid = dict[str, Text]()
        self._last = dict[str, float]()  # when each customer wrote last
        self._tasks = set[asyncio.Task[None]]()
        self._client: httpx2.AsyncClient | None = None

    # --- it runs ---------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def running(self, port: int = 0) -> AsyncIterator["Twilio"]:
        """Serves the API in this event loop, on `port` or any."""
        with contextlib.closing(bound(port)) as api, contextlib.closing(bound()) as files:
            self.url = f"http://{HOST}:{api.getsockname()[1]}"
            self.files_url = f"http://{HOST}:{files.getsockname()[1]}"
            self.ending = asyncio.Event()
            limits = httpx2.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
            async with httpx2.AsyncClient(limits=limits, timeout=None, trust_env=False) as self._client:
                app = twilio_api.app(self)
                async with serving(app, self.connections, (api, files)):
                    try:
                        yield self
                    finally:
                        self.ending.set()
                        for task in tuple(self._tasks):
                            task.cancel()
                        await asyncio.gather(*self._tasks, return_exceptions=True)
            self._client = None

    def running_in_a_thread(self, port: int = 0) -> contextlib.AbstractContextManager[Run]:
        """The same for a test without an event loop: `with ... as run: text = run(twilio.write(...))`."""
        return in_a_thread(self.running(port))

    # --- what is there ---------------------------------------------------------------------------------------------

    def find(self, sid: str) -> Text | None:
        return self._by_sid.get(sid)

    def of(self, customer: str) -> list[Text]:
        """A customer's conversation, oldest first."""
        return [text for text in self.messages if customer in (text.sender, text.recipient)]

    def window_open(self, customer: str) -> bool:
        return self.clock() - self._last.get(customer, float("-inf")) < WINDOW_SECONDS

    def forget(self, text: Text) -> None:
        self.messages.remove(text)
        del self._by_sid[text.sid]
        self.version += 1

    def _keep(self, text: Text) -> Text:
        text.updated_at = text.created_at
        self.messages.append(text)
        self._by_sid[text.sid] = text
        self.version += 1
        return text

    def next_step(self, on: str) -> Step:
        """What the script has for such a request."""
        for place, step in enumerate(self.script):
            if (step.on if step else "send") == on:
                return self.script.pop(place)
        return None

    # --- a customer writes -------------------------------------------------------------------------------------------

    async def write(
        self, sender: str, body: str = "", *, files: Sequence[File] = (), deliver: bool = True, **params: str
    ) -> Text:
        """A message from a customer, kept and posted to the webhook; `deliver=False`: that webhook never arrives.

        `sender`: `whatsapp:+...`, or `whatsapp:CC.id` of who hides their number. `params`: more fields of the webhook.
        """
        now = self.clock()
        self._last[sender] = now
        sid = new_sid("MM" if files else "SM")
        text = Text(sid, "inbound", sender, self.sender, body, "received", now, files=list(files), params=params)
        text.sent_at = now
        self._keep(text)
        if deliver:
            await self.post(text)
        return text

    async def post(self, text: Text) -> int:
        """Post a customer's message to the webhook, again if it was before. The HTTP status; 0: there was none."""
        return await self._post(text.sid, self.webhook, webhook(text, self.sid, self.url), text.sid)

    # --- messages of ours --------------------------------------------------------------------------------------------

    def take(self, form: Mapping[str, str], media_urls: Sequence[str] = (), outcome: Outcome | None = None) -> Text:
        """What creating a message does. Raises Refused."""
        twilio_rules.check_addresses(form, self.sender, self.opted_out)
        callback = twilio_rules.check_callback(form)
        used, given = twilio_rules.template(form, self.templates), twilio_rules.variables(form)
        body = used.fill(given) if used else form.get("Body", "")
        twilio_rules.check_body(body, len(media_urls))
        if len(media_urls) > 1:
            raise Refused(21623, "Number of media files exceeds allowed limit of 1.")
        to = form["To"]
        error = twilio_rules.fails(used, given, body, open=self.window_open(to), absent=to in self.absent)
        text = Text(
            new_sid("MM" if media_urls else "SM"),
            "outbound-api",
            self.sender,
            to,
            body,
            "queued",
            self.clock(),
            files=[File("", "application/octet-stream", b"", url) for url in media_urls],
            content_sid=form.get("ContentSid", ""),
            variables=given,
            callback=callback,
            history=["queued"],
        )
        if outcome:
            text.ahead = [(outcome.status, outcome.error_code)]
        elif error:
            text.ahead = [("failed", error)]
        else:
            text.ahead = [("sent", None), ("delivered", None), *([("read", None)] if self.reads else ())]
        self._keep(text)
        if self.automatic:
            task = asyncio.get_running_loop().create_task(self.settle(text))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return text

    async def settle(self, text: Text) -> None:
        """What becomes of a message of ours by itself."""
        while text.ahead:
            await asyncio.sleep(self.pace)
            await self.advance(text, *text.ahead.pop(0))

    async def advance(self, text: Text, status: str, error_code: int | None = None) -> None:
        """The status of a message of ours; its signed callback is posted if it asked for one."""
        now = self.clock()
        text.status, text.error_code, text.updated_at = status, error_code, now
        text.sent_at = text.sent_at or now
        text.history.append(status)
        self.version += 1
        await self.call_back(text, status, error_code)

    async def call_back(self, text: Text, status: str, error_code: int | None = None) -> int:
        """Only the callback: one that comes late, twice or out of order. The HTTP status; 0: there was none."""
        if not text.callback:
            return 0
        form = status_callback(text, self.sid, status, error_code)
        return await self._post(text.sid, text.callback, form, f"{text.sid} {status}")

    # --- webhooks --------------------------------------------------------------------------------------------------

    async def _post(self, sid: str, url: str, form: Mapping[str, str], event: str) -> int:
        """Signed, and tried again only as often and for the reasons that the URL's fragment says."""
        if self._client is None:
            raise RuntimeError("The stand-in for Twilio posts only while it runs.")
        url, _, fragment = url.partition("#")
        retries, reasons = _retries(fragment)
        headers = {
            "X-Twilio-Signature": RequestValidator(self.sign_with or self.token).compute_signature(url, form),
            "I-Twilio-Idempotency-Token": str(uuid.uuid5(uuid.NAMESPACE_URL, event)),
            "User-Agent": "TwilioProxy/1.1",
        }
        status = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.patience):
                for attempt in range(retries + 1):
                    if attempt:
                        await asyncio.sleep(self.between)
                    status, reason = await self._try(url, form, headers)
                    if reason not in reasons:
                        break
        if not 200 <= status < 300:
            self.alerts.append(Alert(sid, url, status))
            self.version += 1
        return status

    async def _try(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> tuple[int, str]:
        """The HTTP status, and why it could be tried again, as the fragment of a webhook's URL names it."""
        assert self._client
        try:
            answer = await self._client.post(url, data=form, headers=headers)
        except httpx2.ConnectError:
            return 0, "ct"
        except (httpx2.RequestError, httpx2.InvalidURL):
            return 0, "rt"
        return answer.status_code, {4: "4xx", 5: "5xx"}.get(answer.status_code // 100, "")


def _retries(fragment: str) -> tuple[int, set[str]]:
    """How often a webhook is tried again, and why: `#rc=5&rp=all`. Once, where no connection came about, is usual."""
    asked = dict(parse_qsl(fragment))
    reasons = set(asked.get("rp", "ct").split(","))
    return int(asked.get("rc", "1")), {"ct", "rt", "4xx", "5xx"} if "all" in reasons else reasons
