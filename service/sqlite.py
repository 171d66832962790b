"""SQLite for SQLAlchemy's asyncio engine: a statement costs one hop to a thread, and a short one none at all.

aiosqlite, whose place this takes, gives each connection a thread of its own and goes there and back four times for one
statement: to make a cursor, to execute, to fetch and to close. Most statements of a message's path take less time than
one such hop. Those of a transaction that says so (`short`) run where they are asked for. Whatever may wait never does:
the write lock and the commit, which goes to the disk, are always waited for in a thread.
"""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "foreign_keys=ON")
#: A transaction that means to write takes the lock at its beginning: taken late it fails with "locked".
BEGIN = "BEGIN IMMEDIATE"
#: At once: one waits for the write lock, one for its commit, and the others are at long reads.
THREADS = 6
#: Rows that are fetched where the statement is executed; what has more is read on from there, without holding it all.
AT_ONCE = 500


class Connection:
    """One connection, in autocommit: transactions are begun by us. Has as much of aiosqlite's as SQLAlchemy uses."""

    isolation_level = None

    def __init__(self, path: str, threads: ThreadPoolExecutor) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._threads = threads
        self._lock = threading.Lock()  # no two threads in one connection: closing it under a statement is a crash
        self._running: asyncio.Future[Any] | None = None
        self.short = False  # of the transaction under way

    async def start(self) -> "Connection":
        for pragma in PRAGMAS:
            await self.run(self._execute, False, f"PRAGMA {pragma}", ())
        return self

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """In a thread, one after another: whoever was cancelled while waiting may have left something running."""
        await self._settled()
        self._running = asyncio.get_running_loop().run_in_executor(self._threads, self._alone, function, *arguments)
        return await asyncio.shield(self._running)

    def _alone(self, function: Callable[..., Any], *arguments: Any) -> Any:
        with self._lock:
            return function(*arguments)

    async def _settled(self) -> None:
        if self._running is not None and not self._running.done():
            await asyncio.wait({self._running})

    def cursor(self) -> "Cursor":
        return Cursor(self)

    async def execute(self, many: bool, statement: str, parameters: Sequence[Any]) -> tuple[sqlite3.Cursor, list[Any]]:
        if self.short and statement != BEGIN:
            await self._settled()
            return self._alone(self._execute, many, statement, parameters)
        return await self.run(self._execute, many, statement, parameters)

    def _execute(self, many: bool, statement: str, parameters: Sequence[Any]) -> tuple[sqlite3.Cursor, list[Any]]:
        cursor = self._connection.cursor()
        (cursor.executemany if many else cursor.execute)(statement, parameters)
        return cursor, cursor.fetchmany(AT_ONCE) if cursor.description else []

    async def more(self, fetch: Callable[..., Any], *arguments: Any) -> Any:
        if self.short:
            await self._settled()
            return self._alone(fetch, *arguments)
        return await self.run(fetch, *arguments)

    async def done(self, cursor: sqlite3.Cursor) -> None:
        await self._settled()
        self._alone(cursor.close)

    async def commit(self) -> None:
        if self._connection.in_transaction:
            await self.run(self._connection.commit)

    async def rollback(self) -> None:
        await self._settled()
        if self._connection.in_transaction:
            self._alone(self._connection.rollback)

    async def create_function(self, *arguments: Any, **options: Any) -> None:
        self._connection.create_function(*arguments, **options)

    async def close(self) -> None:
        await self._settled()
        self._alone(self._connection.close)

    def stop(self) -> None:
        """Close it where nobody can wait for it."""
        with contextlib.suppress(RuntimeError):  # the program ends, and the connection with it
            self._threads.submit(self._alone, self._connection.close)


class Cursor:
    """The rows of one statement, of which the first are fetched where it is executed."""

    arraysize = 1

    def __init__(self, connection: Connection) -> None:
        self._of = connection
        self._made: sqlite3.Cursor | None = None
        self._rows: list[Any] = []
        self._whole = True  # nothing is left but `_rows`

    async def __aenter__(self) -> "Cursor":
        return self

    @property
    def description(self) -> Any:
        return self._made.description if self._made else None

    @property
    def rowcount(self) -> int:
        return self._made.rowcount if self._made else -1

    @property
    def lastrowid(self) -> int | None:
        return self._made.lastrowid if self._made else None

    async def execute(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        self._made, self._rows = await self._of.execute(False, statement, parameters)
        self._whole = len(self._rows) < AT_ONCE

    async def executemany(self, statement: str, parameters: Sequence[Any]) -> None:
        self._made, self._rows = await self._of.execute(True, statement, parameters)

    async def fetchall(self) -> list[Any]:
        rows, self._rows = self._rows, []
        if self._made is not None and not self._whole:
            rows = rows + await self._of.more(self._made.fetchall)
            self._whole = True
        return rows

    async def fetchmany(self, size: int | None = None) -> list[Any]:
        if self._made is not None and not self._rows and not self._whole:
            self._rows = await self._of.more(self._made.fetchmany, AT_ONCE)
            self._whole = len(self._rows) < AT_ONCE
        size = size or self.arraysize
        rows, self._rows = self._rows[:size], self._rows[size:]
        return rows

    async def fetchone(self) -> Any:
        return next(iter(await self.fetchmany(1)), None)

    async def close(self) -> None:
        self._rows = []
        if self._made is not None:
            await self._of.done(self._made)


def connector(path: str) -> Callable[[], Any]:
    """What makes an engine's connections."""
    threads = ThreadPoolExecutor(THREADS, "sqlite")

    async def connect() -> Connection:
        return await Connection(path, threads).start()

    return connect
