"""The schema and its changes: `upgrade` under a lock, `wait` for whoever does it."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from service.db import Database

#: Any number, the same in every process: who holds it on PostgreSQL migrates, the others wait.
LOCK = 5_170_202_611


def config(connection: Connection | None = None) -> Config:
    """Alembic's configuration, without a file: the connection is handed in."""
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent))
    made.attributes["connection"] = connection
    return made


async def upgrade(db: Database) -> None:
    """Bring the schema to the newest revision; of several processes one does it and the others wait."""
    async with db.transaction() as connection:
        if not db.sqlite:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        await connection.run_sync(lambda sync: command.upgrade(config(sync), "head"))


async def wait(db: Database, stopping: asyncio.Event, seconds: float = 300.0) -> None:
    """Return once the schema is at the newest revision, or the process is asked to stop. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not (stopping.is_set() or await current(db)):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), 0.5)


async def current(db: Database) -> bool:
    """Whether the database's schema is the newest."""
    head = ScriptDirectory.from_config(config()).get_current_head()

    def revision(sync: Any) -> str | None:
        return MigrationContext.configure(sync).get_current_revision()

    async with db.engine.connect() as connection:
        return await connection.run_sync(revision) == head
