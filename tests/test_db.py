"""Writers of one process: on SQLite they take turns, and whatever ends one, the next has its turn."""

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest
from sqlmodel import select

from service.db import Database
from service.models import AuditEvent

pytestmark = pytest.mark.anyio


@pytest.fixture
async def hasty(db: Database) -> AsyncIterator[Database]:
    """The same database, whose writers wait for half a second only."""
    made = Database(db.url, busy_seconds=0.5)
    yield made
    await made.close()


async def write(db: Database, action: str, *, inside: asyncio.Event | None = None, stay: float = 0.0) -> None:
    async with db.write() as session:
        session.add(AuditEvent(actor="operator", action=action))
        await session.flush()
        if inside is not None:
            inside.set()
        await asyncio.sleep(stay)


async def written(db: Database) -> set[str]:
    async with db.read() as session:
        return set((await session.exec(select(AuditEvent.action))).all())


async def test_a_writer_within_a_writer_is_an_error_on_sqlite_and_leaves_the_turn_free(hasty: Database) -> None:
    async def nested() -> None:
        async with hasty.write() as session:
            session.add(AuditEvent(actor="operator", action="outer"))
            await write(hasty, "inner")

    if hasty.sqlite:
        with pytest.raises(TimeoutError):
            await nested()
    else:
        await nested()
    assert await written(hasty) == (set() if hasty.sqlite else {"outer", "inner"})
    await write(hasty, "next")
    assert "next" in await written(hasty)


async def test_a_writer_that_is_cancelled_while_it_waits_leaves_the_turn_free(db: Database) -> None:
    inside = asyncio.Event()
    first = asyncio.create_task(write(db, "first", inside=inside, stay=0.5))
    await inside.wait()
    second = asyncio.create_task(write(db, "second", stay=30))
    await asyncio.sleep(0.1)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert not first.done()
    async with asyncio.timeout(5):
        await asyncio.gather(first, write(db, "third"))
    assert await written(db) == {"first", "third"}


async def test_a_writer_that_is_cancelled_inside_writes_nothing_and_leaves_the_turn_free(db: Database) -> None:
    inside = asyncio.Event()
    first = asyncio.create_task(write(db, "first", inside=inside, stay=30))
    await inside.wait()
    waiting = asyncio.create_task(write(db, "second"))
    await asyncio.sleep(0.1)
    assert waiting.done() != db.sqlite
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    async with asyncio.timeout(5):
        await waiting
        await write(db, "third")
    assert await written(db) == {"second", "third"}


async def test_writers_at_the_same_time_all_commit(db: Database) -> None:
    other = Database(db.url)  # as another process has it: its writers take turns among themselves only
    names = [f"{number}" for number in range(40)]
    async with asyncio.timeout(30):
        await asyncio.gather(*(write((db, other)[int(name) % 2], name, stay=0.005) for name in names))
    await other.close()
    assert await written(db) == set(names)


async def test_a_writer_that_is_cancelled_within_a_statement_holds_up_nobody(db: Database) -> None:
    """Also while what it left behind is not collected yet: a statement that was cut off keeps its connection."""
    inside = asyncio.Event()

    async def go_on_reading() -> None:
        async with db.write() as session:
            session.add(AuditEvent(actor="operator", action="cut off"))
            await session.flush()
            inside.set()
            while True:
                await session.exec(select(AuditEvent))

    gc.disable()
    try:
        for _ in range(10):
            inside.clear()
            cut_off = asyncio.create_task(go_on_reading())
            await inside.wait()
            await asyncio.sleep(0.003)
            cut_off.cancel()
            with pytest.raises(asyncio.CancelledError):
                await cut_off
            async with asyncio.timeout(5):
                await write(db, "next")
    finally:
        gc.enable()
    async with db.read() as session:
        assert {event.action for event in (await session.exec(select(AuditEvent))).all()} == {"next"}
