"""Listening to a mailbox: every new mail once and in order, through restarts, lost connections and renumbering."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent import futures
from dataclasses import replace
from typing import Any

from channels.base import Inbound, Parsed, Quarantined, Unreachable
from channels.email.interpret import interpret, too_big
from channels.email.mailbox import ERRORS, About, Box, Connected, Refused, opened
from channels.email.mime import MOST_BYTES
from channels.email.settings import EmailSettings
from channels.email.tokens import Tokens

#: Seconds between two looks where the server does not tell of new mail by itself.
POLL_SECONDS = 30.0
#: Seconds after which a look is taken even if the server told of nothing: routers forget quiet connections.
IDLE_SECONDS = 180.0
#: Seconds after which the connection is made anew: servers end quiet ones after 30 minutes (RFC 2177).
CONNECTION_SECONDS = 25 * 60.0
#: Mails whose sizes are asked at once.
BATCH = 100
#: Of the mail that is there at the very first start, what came within these seconds and nobody opened is taken.
FIRST_SECONDS = 24 * 3_600.0
#: A connection that lasted so long, or brought a mail, was a good one.
GOOD_SECONDS = 60.0
#: Connections in a row that were no good, and the wait before the next.
MOST_LOSSES, LOSS_SECONDS = 3, 1.0
#: How often the server may refuse to hand over one mail before the one after it is tried.
MOST_REFUSALS = 3
#: The longest wait for the thread when listening ends: it may be connecting.
END_SECONDS = 4.0

Take = Callable[[Sequence[Parsed], Mapping[str, Any] | None], Awaitable[None]]


class NotTaken(Exception):
    """What came in could not be stored, for the reason that it carries."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


async def listen(
    settings: EmailSettings, tokens: Tokens, take: Take, state: Mapping[str, Any], clock: Callable[[], float]
) -> None:
    """Listen until cancelled, in a thread of its own. Raises Unreachable, or what `take` raised."""
    loop = asyncio.get_running_loop()

    def begin(parsed: Sequence[Parsed], changed: Mapping[str, Any]) -> "futures.Future[None]":
        async def run() -> None:
            await take(parsed, changed)

        return asyncio.run_coroutine_threadsafe(run(), loop)

    listener = Listener(settings, tokens, begin, state, clock)
    executor = futures.ThreadPoolExecutor(1, thread_name_prefix="imap")
    running = loop.run_in_executor(executor, listener.run)
    running.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # it may end after we have
    try:
        await asyncio.wait({running})
        if isinstance(error := running.exception(), NotTaken):
            raise error.error
        running.result()
    finally:
        listener.stop()
        executor.shutdown(wait=False)
        await asyncio.wait({running}, timeout=END_SECONDS)


class Listener:
    """What runs in the thread.

    `state`: the mailbox's `uidvalidity`, the `uid` of the last mail that was taken, and what keeps a mailbox full of
    old mail from being answered: mails before the UID `first` were there when it was first looked at, and of those
    only such are taken as came `since` then, and (where they are `new` to us as well) nobody opened. When the server
    numbers its mails anew, all that came since the first start is looked at again; what is known is not stored twice.
    """

    def __init__(
        self,
        settings: EmailSettings,
        tokens: Tokens,
        begin: Callable[[Sequence[Parsed], Mapping[str, Any]], "futures.Future[None]"],
        state: Mapping[str, Any],
        clock: Callable[[], float],
    ) -> None:
        self.settings, self.tokens, self.begin, self.state, self.clock = settings, tokens, begin, dict(state), clock
        self.connected, self.stopping = Connected(), threading.Event()
        self.storing: futures.Future[None] | None = None
        self.refusals: Counter[int] = Counter()
        self.batch, self.taken = BATCH, 0

    def stop(self) -> None:
        """End it from another thread: nothing is stored after this."""
        self.stopping.set()
        self.connected.cut()
        if self.storing:
            self.storing.cancel()

    def run(self) -> None:
        losses = 0
        while not self.stopping.is_set():
            began, before = time.monotonic(), self.taken
            try:
                with opened(self.settings, self.connected) as box:
                    self._hear(box, until=began + CONNECTION_SECONDS)
            except futures.CancelledError:
                return
            except Unreachable:
                if self.stopping.is_set():
                    return
                raise
            except Refused:
                self.stopping.wait(LOSS_SECONDS)
            except ERRORS:
                good = self.taken > before or time.monotonic() - began > GOOD_SECONDS
                losses = 0 if good else losses + 1
                if losses >= MOST_LOSSES and not self.stopping.is_set():
                    raise Unreachable("The connection to the mail server breaks off again and again.") from None
                self.stopping.wait(LOSS_SECONDS)

    def _hear(self, box: Box, until: float) -> None:
        if self.state.get("uidvalidity") != box.validity:
            self._begin_anew(box)
        while not self.stopping.is_set() and time.monotonic() < until:
            self._look(box)
            if not (box.idles and box.idle(IDLE_SECONDS)):
                self.stopping.wait(POLL_SECONDS)

    def _begin_anew(self, box: Box) -> None:
        """The first look at this mailbox, or the server has numbered its mails anew."""
        new = "since" not in self.state
        since = self.clock() - FIRST_SECONDS if new else self.state["since"]
        first = box.next or max(box.uids(0), default=0) + 1
        self._store((), {"uidvalidity": box.validity, "uid": 0, "first": first, "since": since, "new": new})

    def _look(self, box: Box) -> None:
        uids = [uid for uid in box.uids(self.state["uid"]) if self.refusals[uid] < MOST_REFUSALS]
        for start in range(0, len(uids), self.batch):
            for about in self._about(box, uids[start : start + self.batch]):
                if self.stopping.is_set():
                    return
                if self._wanted(about):
                    self._take(box, about)
                else:
                    self.state["uid"] = about.uid  # stored with the next mail
        if held := self._held():
            raise Unreachable(
                f"The mail server does not hand over the mail with the UID {held[0]}, and there is none after it: "
                "look at it in the mailbox."
            )

    def _held(self) -> list[int]:
        """The mails that the server refuses. That it is them, and not all of them, the next one shows that it gives."""
        return sorted(uid for uid, count in self.refusals.items() if count >= MOST_REFUSALS)

    def _about(self, box: Box, uids: Sequence[int]) -> Sequence[About]:
        try:
            return box.about(uids)
        except Refused:
            self.batch = 1  # to see which of them it is
            if len(uids) == 1:
                self.refusals[uids[0]] += 1
            raise

    def _wanted(self, about: About) -> bool:
        if about.uid >= self.state["first"]:
            return True
        return about.came >= self.state["since"] and not (self.state["new"] and about.opened)

    def _take(self, box: Box, about: About) -> None:
        parsed = self._read(box, about)
        if parsed is None:
            return  # it is gone: somebody deleted or moved it
        at = about.came or None
        parsed = [replace(each, at=at) if isinstance(each, Inbound) else each for each in parsed]
        reason = "The mail server does not hand this mail over: look for it in the mailbox."
        refused = [Quarantined(f"imap#{box.validity}.{uid}", reason, b"") for uid in self._held()]
        self._store([*refused, *parsed], {**self.state, "uid": about.uid})
        self.refusals.clear()
        self.taken += 1
        box.mark(about.uid)

    def _read(self, box: Box, about: About) -> Sequence[Parsed] | None:
        big = about.size > MOST_BYTES
        try:
            raw = box.read(about.uid, head=big)
        except Refused:
            self.refusals[about.uid] += 1
            raise
        if raw is None:
            return None
        return interpret(raw, self.settings, self.tokens, cut=too_big(about.size) if big else "").parsed

    def _store(self, parsed: Sequence[Parsed], state: Mapping[str, Any]) -> None:
        self.storing = self.begin(parsed, state)
        if self.stopping.is_set():
            self.storing.cancel()
        futures.wait([self.storing])
        if self.storing.cancelled():
            raise futures.CancelledError
        if error := self.storing.exception():
            raise NotTaken(error)
        self.state = dict(state)
