"""One waker a process: tells workers and live readers that something changed, so that they need not keep asking."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import asyncpg
import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

log = structlog.get_logger()

CHANNEL = "firstline"
#: What readers of a thread without a conversation wait for: that one is opened. No conversation has this number.
NEW_CONVERSATION = 0
#: Only readers of everything hear it: somebody's sessions have ended, so look whether they still may read.
SIGNED_OUT = -1
#: Who fetches files hears that there is one to fetch.
FILES = -2
#: Changes are looked for this long before the last one seen: processes' clocks differ a little.
OVERLAP_SECONDS = 2.0


class Subscription:
    """What one reader waits for: a conversation's changes, or (None) any change at all."""

    def __init__(self, conversation_id: int | None) -> None:
        self.conversation_id = conversation_id
        self._event = asyncio.Event()

    def set(self) -> None:
        self._event.set()

    async def wait(self, timeout: float) -> bool:
        """Whether something changed within `timeout` seconds. Asks for nothing and loses nothing: look, then wait."""
        try:
            await asyncio.wait_for(self._event.wait(), timeout)
        except TimeoutError:
            return False
        self._event.clear()
        return True


class Waker:
    """Signals of this process at once; of other processes by LISTEN/NOTIFY, or by SQLite's data_version."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._name = uuid.uuid4().hex  # by which our own notifications are known
        self._polls = url.startswith("sqlite")
        self._heard: dict[int, int] = {}  # of conversations that this process changed: the clock that it told of
        self._subscriptions: set[Subscription] = set()
        self._task: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def subscribe(self, conversation_id: int | None = None) -> Any:
        """A subscription for the length of a `with` block: subscribe first, then read, then wait."""
        subscription = Subscription(conversation_id)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    def tell(self, changed: Mapping[int, int]) -> None:
        """Wake for what this process has committed: conversations with their clocks."""
        if self._polls:
            self._heard.update(changed)
        self.wake(changed)

    def wake(self, changed: Iterable[int] | None = None) -> None:
        """`None`: anything may have changed."""
        ids = None if changed is None else set(changed)
        for subscription in self._subscriptions:
            if ids is None or subscription.conversation_id is None or subscription.conversation_id in ids:
                subscription.set()

    async def notify(self, session: Any, changed: Iterable[int]) -> None:
        """Part of the caller's PostgreSQL transaction: other processes hear of it when it commits."""
        payload = f"{self._name} {','.join(map(str, sorted(changed)))}"
        await session.exec(text("SELECT pg_notify(:channel, :payload)").bindparams(channel=CHANNEL, payload=payload))

    def start(self, engine: Any) -> None:
        """Hear what other processes do, until `close`."""
        follow = self._follow_sqlite(engine) if self._polls else self._follow_postgresql()
        self._task = asyncio.create_task(follow)

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _follow_sqlite(self, engine: Any) -> None:
        while True:
            try:
                async with engine.execution_options(begins=None).connect() as connection:
                    await self._poll(connection)
            except SQLAlchemyError as error:
                log.warning("waker.reconnect", error=type(error).__name__)
                await asyncio.sleep(1)

    async def _poll(self, connection: Any) -> None:
        """Look at one number; only if it moved, at which conversations did, and wake those who follow them."""
        version, seen = None, {}
        while True:
            latest = (await connection.exec_driver_sql("PRAGMA data_version")).scalar()
            if latest != version:
                since = max((at for _, at in seen.values()), default=time.time()) - OVERLAP_SECONDS
                query = text("SELECT id, clock, updated_at FROM conversation WHERE updated_at > :since")
                rows = (await connection.execute(query, {"since": since})).all()
                # What this process did itself it was told of at once.
                moved = {id for id, clock, _ in rows if clock not in (seen.get(id, (None,))[0], self._heard.get(id))}
                opened = {NEW_CONVERSATION} if moved - seen.keys() - self._heard.keys() else set()
                # Work can be due without anything that a reader could see.
                self.wake(moved | opened)
                seen = {id: (clock, at) for id, clock, at in rows}
                self._heard = {id: clock for id, clock in self._heard.items() if id in seen}
            version = latest
            await asyncio.sleep(0.2)

    async def _follow_postgresql(self) -> None:
        url = self.url.replace("postgresql+asyncpg://", "postgresql://", 1)
        while True:
            try:
                connection = await asyncpg.connect(url)
                try:
                    await connection.add_listener(CHANNEL, lambda *args: self._hear(args[3]))
                    self.wake()  # what was missed while not listening
                    while not connection.is_closed():
                        await asyncio.sleep(5)
                        await connection.execute("SELECT 1")
                finally:
                    await connection.close()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("waker.reconnect", error=type(error).__name__)
                await asyncio.sleep(1)

    def _hear(self, payload: str) -> None:
        name, _, ids = payload.partition(" ")
        if name != self._name:
            self.wake(map(int, ids.split(",")))
