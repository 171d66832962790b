"""The one database: SQLite or PostgreSQL, its clock, and its transactions."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlalchemy import Double, Executable, event, func
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import FunctionElement
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.wake import Waker


class clock(FunctionElement[float]):
    """The database's time in seconds since 1970: the only clock that leases and due work go by."""

    type = Double()
    inherit_cache = True


@compiles(clock, "sqlite")
def _(element: Any, compiler: Any, **kw: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(clock, "postgresql")
def _(element: Any, compiler: Any, **kw: Any) -> str:
    # Not now(): that is when the transaction began, and a transaction may wait for a lock.
    return "(extract(epoch from clock_timestamp())::float8)"


#: How long a writer waits for another one.
BUSY_SECONDS = 30.0


class Database:
    """Sessions on one engine. `read()` never blocks a writer; `write()` is one transaction, committed at its end.

    `look()` is for what is asked all the time and with one statement, which needs no transaction.
    """

    def __init__(self, url: str, waker: Waker | None = None, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self.url = url
        self.sqlite = url.startswith("sqlite")
        self.waker = waker or Waker(url)
        self.engine: AsyncEngine = _sqlite(url, busy_seconds) if self.sqlite else _postgresql(url)
        self._writer = self.engine.execution_options(begins="BEGIN IMMEDIATE")
        alone = {"begins": None} if self.sqlite else {"isolation_level": "AUTOCOMMIT"}
        self._looker = self.engine.execution_options(**alone)
        self._turn, self._busy_seconds = asyncio.Lock(), busy_seconds

    @contextlib.asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        async with AsyncSession(self.engine, expire_on_commit=False) as session:
            yield session

    async def look(self, statement: Executable, **values: Any) -> Sequence[Any]:
        """The rows of one statement that reads, as they all were at one moment."""
        async with self._looker.connect() as connection:
            return (await connection.execute(statement, values)).all()

    @contextlib.asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """One transaction. What `wake` was told during it is made known to readers after the commit."""
        async with self._in_turn(), AsyncSession(self._writer, expire_on_commit=False) as session:
            yield session
            changed: dict[int, int] = session.info.get("changed", {})
            if changed and not self.sqlite:
                await self.waker.notify(session, changed)
            await session.commit()
        if changed:
            self.waker.tell(changed)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A bare connection in one writing transaction: for the schema's own changes."""
        async with self._in_turn(), self._writer.begin() as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[None]:
        """SQLite has one writer at a time, and those of this process take turns: waiting in SQLite is polling.

        Raises TimeoutError after as long as SQLite itself would wait: a writer within a writer is a mistake of ours.
        """
        if not self.sqlite:
            yield
            return
        async with asyncio.timeout(self._busy_seconds):
            await self._turn.acquire()
        try:
            yield
        finally:
            self._turn.release()

    async def close(self) -> None:
        await self.waker.close()
        await self.engine.dispose()


async def alone(session: AsyncSession, what: str) -> None:
    """Pass one at a time: who comes here with the same `what` waits until this transaction has ended."""
    if session.get_bind().dialect.name == "postgresql":  # SQLite has one writer at a time in any case
        await session.exec(select(func.pg_advisory_xact_lock(func.hashtextextended(what, 0))))


def wake(session: AsyncSession, conversation_id: int, at: int = 0) -> None:
    """When this transaction has committed, wake whoever waits for work or reads this conversation.

    `at`: its clock, as far as this transaction moved it.
    """
    session.info.setdefault("changed", {})[conversation_id] = at


def _sqlite(url: str, busy_seconds: float) -> AsyncEngine:
    engine = create_async_engine(url)

    @event.listens_for(engine.sync_engine, "connect")
    def connect(connection: Any, record: Any) -> None:
        # Transactions are begun by us: the driver's own habit takes the write lock late and fails with "locked".
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            f"busy_timeout={busy_seconds * 1000:.0f}",
            "foreign_keys=ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    ending: set[asyncio.Task[None]] = set()

    @event.listens_for(engine.sync_engine, "invalidate")
    def invalidate(connection: Any, record: Any, error: BaseException | None) -> None:
        # Whoever wrote was cancelled within a statement. To close the connection does not end its transaction while
        # that statement lives, in a traceback perhaps: until it was collected as garbage, nobody could write.
        with contextlib.suppress(RuntimeError):  # there is no loop any more: the process ends
            task = asyncio.get_running_loop().create_task(_roll_back(record.driver_connection))
            ending.add(task)
            task.add_done_callback(ending.discard)

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Any) -> None:
        if statement := connection.get_execution_options().get("begins", "BEGIN"):
            connection.exec_driver_sql(statement)

    return engine


async def _roll_back(connection: Any) -> None:
    with contextlib.suppress(ValueError, sqlite3.Error):  # it is closed already, or nothing was begun
        await connection.rollback()


def _postgresql(url: str) -> AsyncEngine:
    return create_async_engine(
        url,
        pool_pre_ping=True,
        pool_size=10,
        max_overflow=20,
        # By its name a restore sees that a server is running. jit: compiling a query of the figures takes five times as
        # long as running it.
        connect_args={
            "server_settings": {
                "idle_in_transaction_session_timeout": "15000",
                "application_name": "firstline",
                "jit": "off",
            }
        },
    )
