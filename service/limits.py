"""How much one visitor and one network address may ask for; all the numbers, and what is counted in memory.

Each process counts for itself: two of them take twice as much, and a restart forgets. A write to the database for each
request would cost more than the request. Failed logins are counted in the database (throttle.py).
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import structlog
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from channels.base import Channel, Inbound
from service.throttle import TooMany, network

log = structlog.get_logger()


@dataclass(frozen=True)
class Rate:
    """`count` at once, and as many again, evenly, over every `seconds`."""

    count: float
    seconds: float

    def __mul__(self, people: int) -> "Rate":
        return Rate(self.count * people, self.seconds)


#: Messages of one visitor: 20 a minute is faster than anybody types, and lets a phone that was offline send all it kept
#: at once; 200 an hour is more than a conversation.
VISITOR_MESSAGES = (Rate(20, 60), Rate(200, 3600))
#: Messages of one address, for each of its people (PEOPLE_PER_ADDRESS): one a minute, and all of them at once after an
#: outage. The day's share bounds how much of the disk one address can fill.
PERSON_MESSAGES = (Rate(1, 60), Rate(300, 24 * 3600))
#: Requests of one address by whoever is not signed in, for each of its people: all of them open a page with the chat in
#: the same moment (script, session, stream, an article), then ten a minute each.
PERSON_REQUESTS = (Rate(4, 24),)
#: Open live streams of one visitor, who has one in each tab that is looked at.
VISITOR_STREAMS = 10
#: Open live streams of one address, for each of its people.
PERSON_STREAMS = 1
#: Seconds after which it is worth asking for a stream again: a reader that is gone is noticed within this time.
STREAM_WAIT = 15.0
#: Addresses, visitors or messages remembered by each count, about 5 MB: past it the longest unused are forgotten.
MOST_KEYS = 20_000
#: A clock's rounding; seconds.
ROUNDING = 0.001
#: Lines in the log about refusals: a flood of requests is not to become a flood of lines.
LINES = Rate(6, 60)

#: Asked by the operator's own machines, as often as they like.
NEVER_COUNTED = frozenset({"/healthz", "/readyz", "/metrics"})

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>A moment, please</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 17px/1.6 system-ui, sans-serif; max-width: 34em; margin: 18vh auto; padding: 0 20px }}
h1 {{ font-size: 24px; line-height: 1.3; margin: 0 0 8px }}
p {{ margin: 0 }}
</style>
<main><h1>A moment, please</h1><p>{sentence}</p></main></html>
"""


class Buckets:
    """A bucket a key, kept as the time when it will be full again (generic cell rate algorithm, ITU-T I.371)."""

    def __init__(self, rate: Rate, most: int = MOST_KEYS) -> None:
        self.rate, self.most = rate, most
        self._full_at: OrderedDict[str, float] = OrderedDict()  # the one used last stands last

    def __len__(self) -> int:
        return len(self._full_at)

    def wait(self, key: str, now: float) -> float:
        """Seconds until one more is taken of `key`; 0: now."""
        seconds = self._filled(key, now) + self.rate.seconds / self.rate.count - self.rate.seconds - now
        return seconds if seconds > ROUNDING else 0.0

    def take(self, key: str, now: float) -> None:
        """Count one on `key`."""
        self._full_at[key] = self._filled(key, now) + self.rate.seconds / self.rate.count
        self._full_at.move_to_end(key)
        # A full bucket is as good as none.
        while self._full_at and (len(self._full_at) > self.most or next(iter(self._full_at.values())) <= now):
            self._full_at.popitem(last=False)

    def _filled(self, key: str, now: float) -> float:
        return max(self._full_at.get(key, now), now)


class Limits:
    """What this process has been asked for, by whom. Everything raises TooMany, and counts nothing then.

    `clock`: seconds that are never put back.
    """

    def __init__(self, people: int, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._requests = buckets(PERSON_REQUESTS, people)
        self._of_visitor, self._of_address = buckets(VISITOR_MESSAGES), buckets(PERSON_MESSAGES, people)
        self._counted: OrderedDict[str, None] = OrderedDict()
        self._streams: Counter[str] = Counter()
        self._most_streams = people * PERSON_STREAMS
        self._lines = Buckets(LINES)

    def count_request(self, scope: Scope) -> None:
        """One request of somebody who is not signed in."""
        self._take("Too many requests from here.", {address_of(scope): self._requests})

    def count_message(self, scope: Scope, channel: Channel, inbound: Inbound) -> None:
        """One message to a public channel. Sent again it stores nothing and counts as a request alone."""
        if not channel.public:
            return
        message = f"{channel.name} {inbound.external_id}"
        if message in self._counted:
            return
        visitor = f"{channel.name} {inbound.sender}"
        limits = {visitor: self._of_visitor, address_of(scope): self._of_address}
        self._take("Too many messages from here.", limits)
        self._counted[message] = None
        if len(self._counted) > MOST_KEYS:
            self._counted.popitem(last=False)

    @contextmanager
    def stream(self, scope: Scope, channel: Channel, thread: str) -> Iterator[None]:
        """A place among the open live streams of a visitor and of an address, for the length of the block."""
        most = {f"visitor {channel.name} {thread}": VISITOR_STREAMS, address_of(scope): self._most_streams}
        if any(self._streams[key] >= count for key, count in most.items()):
            raise self._refuse(STREAM_WAIT, "This chat is open too often from here.")
        self._streams.update(most.keys())
        try:
            yield
        finally:
            self._streams.subtract(most.keys())
            for key in most:
                if not self._streams[key]:
                    del self._streams[key]

    def _take(self, what: str, limits: Mapping[str, Sequence[Buckets]]) -> None:
        now = self.clock()
        each = [(key, one) for key, several in limits.items() for one in several]
        if wait := max(one.wait(key, now) for key, one in each):
            raise self._refuse(wait, what)
        for key, one in each:
            one.take(key, now)

    def _refuse(self, seconds: float, what: str) -> TooMany:
        now = self.clock()
        if not self._lines.wait(what, now):
            self._lines.take(what, now)
            log.warning("limit.reached", limit=what, seconds=round(seconds, 1))
        return TooMany(seconds, what)


class LimitRequests:
    """ASGI middleware: counts a request before anything is done for it."""

    def __init__(self, app: ASGIApp, limits: Limits, channels: Mapping[str, Channel]) -> None:
        self.app, self.limits, self.channels = app, limits, channels

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self.counts(scope["path"]):
            try:
                self.limits.count_request(scope)
            except TooMany as error:
                return await refusal(error, Headers(scope=scope))(scope, receive, send)
        return await self.app(scope, receive, send)

    def counts(self, path: str) -> bool:
        """Whether a request for `path` is counted here."""
        first, _, rest = path.removeprefix("/").partition("/")
        if first == "desk":  # it knows who is signed in, and counts the others itself
            return rest.startswith("static/")
        channel = self.channels.get(rest.partition("/")[0]) if first == "channels" else None
        return path not in NEVER_COUNTED and (channel is None or channel.public)


def refusal(error: TooMany, headers: Mapping[str, str]) -> Response:
    """429 in the form that whoever asked with `headers` can show, with when to come back."""
    retry = {"Retry-After": str(error.seconds), "Cache-Control": "no-store"}
    if "text/html" in headers.get("accept", ""):
        return HTMLResponse(PAGE.format(sentence=error), 429, headers=retry)
    return JSONResponse({"error": str(error)}, 429, headers=retry)


def buckets(rates: Sequence[Rate], people: int = 1) -> Sequence[Buckets]:
    return [Buckets(rate * people) for rate in rates]


def address_of(scope: Scope) -> str:
    """The network that asks. uvicorn has put in its place what a trusted proxy says, and nobody else."""
    client = scope.get("client")
    return f"address {network(client[0]) if client else ''}"
