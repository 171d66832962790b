"""The contract of a channel: what comes in, what goes out, and the errors that say what to do next."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from fastapi import APIRouter


class Forbidden(Exception):
    """The webhook is not from whom it says it is: answered with 403, nothing is stored."""


class Malformed(Exception):
    """The webhook cannot be understood: answered with 400 and the exception's words, nothing is stored."""


class Undeliverable(Exception):
    """The vendor refused the message. `permanent`: trying again cannot help."""

    def __init__(self, reason: str, *, permanent: bool) -> None:
        super().__init__(reason)
        self.reason, self.permanent = reason, permanent


class OutcomeUnknown(Exception):
    """The message may have been sent or not: it must be looked up, never sent again blindly."""


class SwitchedOff(Exception):
    """The vendor does not know us any more: nothing goes out or comes in until the operator does what it says."""


class TooLong(Exception):
    """This is more than the channel takes at once, however it is split; the sentence says how much that is."""


class Unreachable(Exception):
    """A listener cannot hear its vendor now; the sentence tells the operator why. It is begun again after a while."""


class Kind(StrEnum):
    """What the channel knows an inbound message to be."""

    MESSAGE = "message"
    AUTOMATIC = "automatic"  # an out-of-office, a bounce, a list: recorded, never answered
    STOP = "stop"  # the customer wants no more messages
    START = "start"  # the customer wants messages again
    PERSON = "person"  # a press on "Talk to a person"


@dataclass(frozen=True)
class Webhook:
    """One HTTP request to POST /channels/{name}. Header names are lower case; `form` is Starlette's parse, in order.

    A body above 256 kB has no `form`: who takes such a long one reads it themselves.
    """

    url: str
    headers: Mapping[str, str]
    body: bytes = b""
    form: Sequence[tuple[str, str]] | None = None


@dataclass(frozen=True)
class Attachment:
    """A file a customer sent; `url` is the vendor's, to be fetched in the work (`fetch`) and never in the webhook."""

    name: str
    content_type: str
    url: str = ""
    content: bytes = b""


@dataclass(frozen=True)
class Inbound:
    """A customer's message. `external_id` is unique within the channel and the same for every delivery of it."""

    sender: str  # the channel's opaque id of the customer
    thread: str  # the vendor's grouping; one conversation of ours for each
    external_id: str
    text: str
    kind: Kind = Kind.MESSAGE
    name: str = ""
    email: str | None = None
    phone: str | None = None
    attachments: Sequence[Attachment] = ()
    reason: str = ""  # why an automatic message is thought to be one
    subject: str = ""
    rest: str = ""  # what was cut from `text` (quoted history, a signature): for staff, not for the agent
    notes: Sequence[str] = ()  # sentences for staff about this message ("Words that no reader sees were left out.")
    #: Whether it is proved that `sender` wrote it. Who is not proved needs a `sender` of their own, apart from the
    #: proved one's: they are never taken for each other.
    verified: bool = True
    #: What else the vendor knows `sender` by, and vouches for. Whoever writes under one of these writes on in the same
    #: conversation, and is answered where they wrote last.
    also: Sequence[str] = ()
    #: What later messages of the thread call this one, where that is not its `external_id`.
    known_as: str = ""
    #: Earlier messages of the thread, the nearest first: the `key` of ours, the `external_id` or `known_as` of theirs.
    #: It goes to the conversation of the first that is known and `sender`'s own; where none is, `thread` decides.
    refers_to: Sequence[str] = ()
    #: What the channel wants back with every answer to it (`Outbound.memo`): JSON that nobody else reads.
    memo: Mapping[str, Any] = field(default_factory=dict)
    #: When it was written (seconds since 1970), where that may be long ago; None: now.
    at: float | None = None
    #: As it came. What can never be stored is put aside so, for a person; without it the vendor is refused each time.
    raw: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class StatusUpdate:
    """What the vendor says became of a message we sent. Which one: its receipt's `external_id`, or our own `key`."""

    external_id: str
    status: str  # sent | delivered | read | failed
    reason: str = ""
    key: str = ""


@dataclass(frozen=True)
class Quarantined:
    """What came in and cannot be read: kept as it is, for a person to look at. `raw` may be its beginning only."""

    external_id: str  # the same for every delivery of it
    reason: str
    raw: bytes
    sender: str = ""  # who it says it is from, if that can be read
    subject: str = ""


#: What a vendor brings.
Parsed = Inbound | StatusUpdate | Quarantined


@dataclass(frozen=True)
class Source:
    """An article that an answer rests on, as customers see it."""

    title: str
    url: str


@dataclass(frozen=True)
class Outbound:
    """A message to a customer. `key` is ours, the same for every attempt: make it (part of) the vendor's message id."""

    key: str
    recipient: str
    thread: str
    text: str
    author: str  # agent | person | system
    name: str = ""  # the person's name, if a person wrote it
    sources: Sequence[Source] = ()
    disclosure: str = ""  # at first contact: that an AI answers. Must reach the customer with the text
    attempt: int = 1
    subject: str = ""  # of the customer's last message
    memo: Mapping[str, Any] = field(default_factory=dict)  # of the customer's last message
    #: Not empty: no free text, but what the channel has for this (`Offer.purpose`); `text` then says so to staff.
    purpose: str = ""
    customer: str = ""  # their name, as far as it is known
    #: For `outcome`: when this was first owed (seconds since 1970), and the vendor's ids of what else we sent them.
    owed_at: float = 0.0
    known: Sequence[str] = ()


@dataclass(frozen=True)
class Receipt:
    """The vendor took the message. `external_id` is the vendor's id of it."""

    external_id: str
    text: str = ""  # what the customer reads, where the vendor put the words together


@dataclass(frozen=True)
class Fetched:
    """A file of a customer's, as the vendor has it. An empty name: it has none."""

    content: bytes
    content_type: str = ""
    name: str = ""


@dataclass(frozen=True)
class Offer:
    """What goes through although free text does not: a message that the vendor approved beforehand."""

    purpose: str  # what `Outbound.purpose` then says
    title: str  # what staff press: "Tell them that a reply is ready"
    text: str  # what staff read in its place, until the vendor says what the customer reads
    #: Whether it asks the customer to write for a reply that waits: then staff write that reply along with it.
    invites: bool = False


@dataclass(frozen=True)
class Window:
    """Whether the channel takes free text now, and until when (seconds since 1970; None: for as long as one likes)."""

    open: bool
    until: float | None = None
    reason: str = ""  # where it is closed: why, in a sentence for staff
    offers: Sequence[Offer] = ()


@dataclass(frozen=True)
class Setup:
    """What every channel is constructed with; its own settings (`WHATSAPP_...`) it reads from `environ` itself."""

    secret: bytes  # the installation's key: derive a key of your own from it, never sign with it
    environ: Mapping[str, str] = field(default_factory=dict)
    company: str = "our team"  # the name customers read
    base_url: str = "http://127.0.0.1:8000"  # where this server is reached from outside, without a slash at its end
    clock: Callable[[], float] = time.time  # what customers could see (seconds since 1970)


class Clock:
    """The time of day, which a demo can move on."""

    def __init__(self) -> None:
        self.ahead = 0.0  # seconds

    def __call__(self) -> float:
        return time.time() + self.ahead


@dataclass(frozen=True)
class Page:
    """A page for trying the channel without an account: what `demo` offers in `firstline serve --demo`."""

    path: str
    title: str


#: `await receive(parsed, state)` commits what came in and the new state in one transaction.
Receive = Callable[[Sequence[Parsed], Mapping[str, Any]], Awaitable[None]]
Listen = Callable[[Receive, Mapping[str, Any]], Coroutine[Any, Any, None]]
#: `missed(since)`: what the vendor has from `since` (seconds since 1970) on, oldest first, however much of it we have.
#: None: a sign of life, for an answer of the vendor's that brought nothing (yet). Who shows none for two minutes is
#: taken to hang and is asked anew, from the beginning.
Missed = Callable[[float], AsyncIterator[Parsed | None]]


class Channel:
    """Base of every channel: the defaults of what is optional. How to add one is told in channels/__init__.py.

    `parse` verifies first, then translates: no I/O, no database, no HTTP status; the same delivery gives the same
    `external_id`. Raises Forbidden or Malformed. `send` raises Undeliverable, OutcomeUnknown or SwitchedOff; anything
    else it raises is worth a retry.
    """

    name: str = ""
    title: str = ""  # what staff read
    max_length: int = 10_000  # characters of one outbound message
    max_body: int = 256_000  # bytes of one webhook
    debounce: float = 1.0  # seconds to wait for the rest of a thought
    max_wait: float = 8.0  # seconds after which an unanswered message is answered in any case
    give_up_after: float = 3_600.0  # seconds after which a delivery that keeps failing is a visible failure
    longest_pause: float = 600.0  # seconds between two tries of one, at most
    #: Whether anybody may post to it, straight from a browser: then its posts are limited by sender and by address. Not
    #: so a vendor's webhook: everybody's messages come from a few addresses, and what is refused may never come again.
    public: bool = False
    missing: Sequence[str] = ()  # settings it wants and has not: not empty means the channel is off

    #: `async outcome(outbound) -> Receipt | None`: what became of a send we don't know about; None: it did not happen.
    outcome: Callable[[Outbound], Awaitable[Receipt | None]] | None = None
    #: Seconds after a try until it is asked: what the vendor was slow to take is not there before.
    outcome_after: float = 0.0

    #: What the vendor has and we may not: asked for after a start and every so many seconds, from the last time on and
    #: `overlap` seconds before it. Raises SwitchedOff or Unreachable; what it yields is stored once (`external_id`).
    missed: Missed | None = None
    missed_every: float = 300.0
    missed_overlap: float = 3_600.0
    missed_grace: float = 20.0  # seconds: what is younger may still be on its way to us

    #: `await fetch(url, most)`: a file that an Attachment names by its `url`, of at most `most` bytes. Raises
    #: Undeliverable (it will never be had, or not now) or SwitchedOff.
    fetch: Callable[[str, int], Awaitable[Fetched]] | None = None

    #: `await typing(recipient, memo)`: show the customer that an answer is being written. Best effort.
    typing: Callable[[str, Mapping[str, Any]], Awaitable[None]] | None = None

    #: Whether who said stop is sent nothing until they say start (Kind.START). Else any message of theirs will do.
    needs_start: bool = False

    #: `async listen(receive, state)`: the channel's own listener, where there is no webhook; it runs until it is
    #: cancelled, in one process at a time. `state` is what was last stored; only when `receive` has returned may the
    #: vendor be told that a message was taken. Raises Unreachable; after that or any other error it is begun again.
    listen: Listen | None = None

    #: How many replies that no person wrote go to one recipient within an hour, and in one conversation before a person
    #: has looked at it: what stops two machines that answer each other. None: as many as it takes.
    most_automatic_an_hour: int | None = None
    most_automatic_unseen: int | None = None

    def __init__(self, setup: Setup) -> None:
        self.setup = setup

    @classmethod
    def demo_environ(cls) -> Mapping[str, str]:
        """Settings for `firstline serve --demo` with which it runs without an account, unless the operator has some."""
        return {}

    @classmethod
    def commands(cls) -> Sequence[Callable[..., None]]:
        """What it adds to the `firstline` command: functions as typer takes them, each named as it is called."""
        return ()

    def parse(self, webhook: Webhook) -> Sequence[Parsed]:
        raise Malformed(f"The channel {self.name} takes no webhooks.")

    async def send(self, outbound: Outbound) -> Receipt:
        raise Undeliverable(f"The channel {self.name} cannot send.", permanent=True)

    def split(self, outbound: Outbound) -> Sequence[Outbound]:
        """The messages that it is to be sent as, in order; each becomes a message and a delivery of its own.

        Only `text`, `disclosure` and `sources` may differ: each is in one of them. Raises TooLong.
        """
        return (outbound,)

    def address(self, recipient: str, memo: Mapping[str, Any]) -> str:
        """Where a message to `recipient` really goes: what `most_automatic_an_hour` counts."""
        return recipient

    def window(self, last_customer_at: float | None, now: float) -> Window:
        """Whether free text may be sent at `now` (seconds since 1970)."""
        return Window(open=True)

    def thread(self, headers: Mapping[str, str]) -> str:
        """The thread whose live stream the bearer of these (lower-case) headers may read. Raises Forbidden."""
        raise Forbidden("This channel has no live stream.")

    def reply(self, external_id: str, seq: int) -> Any:
        """What the webhook's caller gets as JSON with its 200."""
        return {"ok": True}

    async def close(self) -> None:
        """Lets go of its connections, in the event loop that used them. What is asked of it later opens them again."""

    async def check(self) -> Sequence[tuple[bool, str]]:
        """Try its vendor out, for `firstline check --deep`: of each part whether it is well, and a sentence.

        Nothing is sent and nothing taken. Raises nothing that a vendor could be the reason of.
        """
        return ()

    def pages(self) -> APIRouter | None:
        """Routes of the channel's own (a script, a session), mounted below /channels/{name}."""
        return None

    def demo(self) -> tuple[Page, APIRouter] | None:
        """The page on which to try the channel, and its routes, mounted below the page's path."""
        return None
