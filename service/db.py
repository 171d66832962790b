"""The one database: SQLite or PostgreSQL, its clock, and its transactions."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Double, event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import FunctionElement
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


class Database:
    """Sessions on one engine. `read()` never blocks a writer; `write()` is one transaction, committed at its end."""

    def __init__(self, url: str, waker: Waker | None = None) -> None:
        self.url = url
        self.sqlite = url.startswith("sqlite")
        self.waker = waker or Waker(url)
        self.engine: AsyncEngine = _sqlite(url) if self.sqlite else _postgresql(url)
        self._writer = self.engine.execution_options(immediate=True)
        # SQLite has one writer at a time, and those of this process take turns: waiting in SQLite is polling.
        self._turn = asyncio.Lock() if self.sqlite else contextlib.nullcontext()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        async with AsyncSession(self.engine, expire_on_commit=False) as session:
            yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """One transaction. What `wake` was told during it is made known to readers after the commit."""
        async with self._turn, AsyncSession(self._writer, expire_on_commit=False) as session:
            yield session
            changed: set[int] = session.info.get("changed", set())
            if changed and not self.sqlite:
                await self.waker.notify(session, changed)
            await session.commit()
        if changed:
            self.waker.wake(changed)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A bare connection in one writing transaction: for the schema's own changes."""
        async with self._turn, self._writer.begin() as connection:
            yield connection

    async def close(self) -> None:
        await self.waker.close()
        await self.engine.dispose()


def wake(session: AsyncSession, conversation_id: int) -> None:
    """When this transaction has committed, wake whoever waits for work or reads this conversation."""
    session.info.setdefault("changed", set()).add(conversation_id)


def _sqlite(url: str) -> AsyncEngine:
    engine = create_async_engine(url)

    @event.listens_for(engine.sync_engine, "connect")
    def connect(connection: Any, record: Any) -> None:
        # Transactions are begun by us: the driver's own habit takes the write lock late and fails with "locked".
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Any) -> None:
        immediate = connection.get_execution_options().get("immediate")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


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
