"""`firstline check --deep`: everything a start would do, tried out, and nothing of it left behind.

A check yields what it found: True (in order), None (off, or worth knowing) or False (must be mended), with a sentence
that says what to do. To add one, write it here or in a file of its own and add its line to `CHECKS`.
"""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass
from typing import Any

from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, func, select

from channels.base import Channel
from knowledge.embedder import Embedder
from service import migrations
from service.call_mail import span
from service.db import Database, clock
from service.deep_knowledge import articles, index, model
from service.models import AuditEvent, Conversation, Delivery, Escalation, Job
from service.settings import Settings

Finding = tuple[bool | None, str]

#: Free space of DATA_DIR: below the first a write may fail any time, below the second it is time to make room.
FULL, TIGHT = 200_000_000, 1_000_000_000  # bytes
#: The web server's clock and the database's differ by no more than this where both are set by the network.
SKEW = 5.0  # seconds
#: Owed for so long, an answer or a delivery is no longer just under way.
LATE = 300.0  # seconds
#: How long Claude's API may take to say whether it knows the key.
PATIENCE = 10.0  # seconds


@dataclass(frozen=True)
class Deep:
    """What the checks share."""

    settings: Settings
    db: Database
    embedder: Embedder
    channels: Collection[Channel] = ()


async def examine(
    settings: Settings,
    embedder: Embedder,
    progress: Callable[[int, int, str], None],
    channels: Collection[Channel] = (),
) -> AsyncIterator[Finding]:
    """All the checks, one after the other. Without a database that answers the rest would only say so again."""
    deep = Deep(settings, Database(settings.url), embedder, channels)
    try:
        for done, (title, check) in enumerate(CHECKS):
            progress(done, len(CHECKS), title)
            answers = False
            try:
                async for finding in check(deep):
                    yield finding
                    answers = answers or finding[0] is True
            except (OSError, SQLAlchemyError) as error:
                yield False, f"{title}: it cannot be done ({type(error).__name__}). Check DATA_DIR and DATABASE_URL."
            if check is database and not answers:
                return
    finally:
        await deep.db.close()


async def files(deep: Deep) -> AsyncIterator[Finding]:
    """DATA_DIR: may it be written to, is there room, who reads the key."""
    for finding in await asyncio.to_thread(_files, deep.settings):
        yield finding


def _files(settings: Settings) -> list[Finding]:
    folder, found = settings.data_dir, list[Finding]()
    try:
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            file.write(b"firstline check")
            file.flush()
    except OSError as error:
        return [(False, f"DATA_DIR: {folder} cannot be written to ({error.strerror}). Give its user the right to.")]
    free = shutil.disk_usage(folder).free
    room = f"DATA_DIR: {free / 1e9:.1f} GB are free"
    if free < TIGHT:
        found.append((False if free < FULL else None, f"{room}. Make room before the disk is full."))
    else:
        found.append((True, f"{room}, and it can be written to."))
    key = folder / "secret.key"
    if settings.chosen_key():
        found.append((True, "SECRET_KEY: visitors' tokens are signed with it."))
    elif key.is_file() and key.stat().st_mode & 0o077:
        found.append((False, f"{key} can be read by others. Run `chmod 600 {key}`."))
    else:
        found.append((True, f"{key} is its owner's alone."))
    return found


async def database(deep: Deep) -> AsyncIterator[Finding]:
    """Reached, at the newest schema, writable, with a clock that agrees with ours."""
    if not await migrations.current(deep.db):
        async with deep.db.engine.connect() as connection:
            found = await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())
        if found is None:
            yield None, "Database: its tables are not made yet. `firstline serve` makes them; then check again."
        else:
            yield False, f"Database: its schema ({found}) is not this Firstline's. Start the newest `firstline serve`."
        return
    began = time.monotonic()
    async with deep.db.write() as session:
        session.add(AuditEvent(actor="operator", action="checked"))
        await session.flush()
        theirs = (await session.exec(select(clock()))).one()
        skew = theirs - time.time()
        await session.rollback()
    took = time.monotonic() - began
    yield True, f"Database: its schema is the newest; a write was tried and taken back in {took * 1000:.0f} ms."
    if finding := skewed(skew):
        yield finding


def skewed(seconds: float) -> Finding | None:
    """What to say of a database whose clock is so far ahead of this machine's."""
    if abs(seconds) <= SKEW:
        return None
    return False, f"Database: its clock differs from this machine's by {seconds:+.0f} seconds. Let both follow NTP."


async def integrity(deep: Deep) -> AsyncIterator[Finding]:
    """The database's own word that nothing in it is broken."""
    async with deep.db.engine.connect() as connection:
        if not deep.db.sqlite:
            query = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"
            if broken := (await connection.execute(text(query))).scalars().all():
                yield False, f"Database: indexes are not valid: {', '.join(broken)}. Run REINDEX INDEX on each."
            else:
                yield True, "Database: every index is valid."
            return
        words = (await connection.execute(text("PRAGMA quick_check(3)"))).scalars().all()
        strays = (await connection.execute(text("PRAGMA foreign_key_check"))).all()
    if words != ["ok"]:
        yield False, f"Database: the file is damaged ({words[0]}). Stop the server and restore the last backup."
    elif strays:
        yield False, f"Database: {len(strays)} rows of {strays[0][0]} refer to rows that are gone. Restore a backup."
    else:
        yield True, "Database: the file is whole, and every row refers to one that is there."


async def owed(deep: Deep) -> AsyncIterator[Finding]:
    """Work that is stuck, and failures that nobody may have seen."""
    async with deep.db.read() as session:
        oldest = select(clock() - func.min(Conversation.owed_since)).where(Conversation.state == "agent")
        answer = (await session.exec(oldest)).one()
        delivery = (await session.exec(select(clock() - func.min(Delivery.created_at)).where(_due()))).one()
        uncertain = select(func.count()).select_from(Delivery).where(Delivery.state == "uncertain", ~_due())
        unknown = (await session.exec(uncertain)).one()
        failing = (await session.exec(select(Job).where(Job.last_error != ""))).all()
        calls = select(func.count(), clock() - func.min(Escalation.created_at)).where(
            col(Escalation.closed_at).is_(None), col(Escalation.taken_at).is_(None)
        )
        waiting, longest = (await session.exec(calls)).one()
    stuck = [(answer, "an answer"), (delivery, "a delivery")]
    late = [f"{what} has been owed for {span(age)}" for age, what in stuck if age is not None and age > LATE]
    if late:
        yield False, f"Work: {' and '.join(late)}. See that `firstline serve` or `work` runs, and what it logs."
    else:
        yield True, "Work: nothing is owed for longer than it should be."
    for job in failing:
        yield False, f"Work: the job {job.name} failed the last time ({job.last_error[:120]}). The log says more."
    if unknown:
        yield None, f"Work: of {unknown} replies nobody knows whether they arrived. Their conversations say why."
    if waiting:
        yield None, f"Work: {waiting} calls for a person are open, the oldest for {span(longest)}. See the desk."


def _due() -> Any:
    return col(Delivery.due_at).is_not(None)


async def claude(deep: Deep) -> AsyncIterator[Finding]:
    """Whether the key works: one call over the network, which costs nothing."""
    settings = deep.settings
    if not settings.anthropic_api_key.get_secret_value():
        return
    from service.agent.key import try_key  # the SDK takes a second to import

    wrong = await try_key(settings.anthropic_api_key, settings.anthropic_base_url, settings.claude_model, PATIENCE)
    if wrong:
        yield False, f"ANTHROPIC_API_KEY: {wrong} Until then the articles are quoted."
    else:
        known = f"it knows the key and {settings.claude_model}"
        yield True, f"ANTHROPIC_API_KEY: Claude's API was asked over the network, and {known}."


async def vendors(deep: Deep) -> AsyncIterator[Finding]:
    """What the channels that are on find at the other end."""
    for channel in deep.channels:
        if not channel.missing:
            for fine, sentence in await channel.check():
                yield fine, f"{channel.title}: {sentence}"
            await channel.close()


#: What is being done while it takes its time, and the check.
CHECKS: tuple[tuple[str, Callable[[Deep], AsyncIterator[Finding]]], ...] = (
    ("Looking at DATA_DIR", files),
    ("Asking Claude's API", claude),
    ("Trying the channels' servers", vendors),
    ("Trying the database", database),
    ("Reading the database through", integrity),
    ("Looking for stuck work", owed),
    ("Loading the language model", model),
    ("Reading the articles' vectors", articles),
    ("Building an index and searching it", index),
)
