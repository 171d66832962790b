"""`firstline backup`: every table as it was at one moment, from either database and while the server runs."""

import importlib.metadata
import json
from pathlib import Path
from typing import Any

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, Select, Table, Text, cast, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from service.archive import KEY, BackupError, Shown, Writer, encode, kinds, table_member
from service.db import Database, clock
from service.settings import Settings

#: Rows held at a time, and of tables whose rows may carry a file of many megabytes.
ROWS = 100
ROWS_WITH_FILES = 2
NOTHING = "There is nothing to back up: the database has no tables. Check DATA_DIR and DATABASE_URL."
VERSION_TABLE = "alembic_version"


async def backup(settings: Settings, path: Path, *, force: bool, progress: Shown) -> int:
    """Write a backup to `path`; the rows in it. Raises BackupError."""
    _refuse_existing(path, force)
    db = Database(settings.url)
    _refuse_nothing(db)
    writer = Writer(path)
    try:
        async with db.engine.connect() as plain:
            connection = plain if db.sqlite else await plain.execution_options(**SNAPSHOT)
            if not db.sqlite:
                # A slow disk may keep the database waiting between two pieces of a table.
                await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            manifest = await _write(connection, settings, writer, progress)
        _refuse_existing(path, force)
        writer.finish(manifest | {"database": "sqlite" if db.sqlite else "postgresql"})
    finally:
        writer.close()
        await db.close()
    return sum(each["rows"] for each in manifest["tables"].values())


#: One snapshot for all tables. SQLite's every transaction is one (WAL), and blocks no writer either.
SNAPSHOT: dict[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


def _refuse_nothing(db: Database) -> None:
    """To look into a SQLite database that is not there would make it."""
    if db.sqlite and not Path(db.engine.url.database or "").is_file():
        raise BackupError(NOTHING)


def _refuse_existing(path: Path, force: bool) -> None:
    if path.is_dir():
        raise BackupError(f"{path} is a folder. Name a file for the backup.")
    if path.exists() and not force:
        raise BackupError(f"{path} is there already. Name another file, or add --force to replace it.")


async def _write(connection: AsyncConnection, settings: Settings, writer: Writer, progress: Shown) -> dict[str, Any]:
    made_at = (await connection.execute(select(clock()))).scalar_one()  # the snapshot begins with the first question
    revision, tables = await connection.run_sync(schema)
    if revision is None:
        raise BackupError(NOTHING)
    total = 0
    for table in tables.sorted_tables:
        total += (await connection.execute(select(func.count()).select_from(table))).scalar_one()
    written, done = dict[str, Any](), 0
    for name, columns in kinds(tables).items():
        rows = 0
        with writer.member(table_member(name)) as write:
            held = ROWS_WITH_FILES if "bytes" in columns.values() else ROWS
            found = await connection.stream(_rows(tables.tables[name], columns).execution_options(yield_per=held))
            async for row in found:
                values = [encode(kind, value) for kind, value in zip(columns.values(), row, strict=True)]
                write(json.dumps(values).encode() + b"\n")
                rows += 1
                progress(done + rows, total, f"Writing {name}")
        written[name], done = {"columns": columns, "rows": rows}, done + rows
    with writer.member(KEY) as write:
        write(settings.signing_key().hex().encode())
    return {
        "firstline": importlib.metadata.version("firstline"),
        "made_at": made_at,
        "schema": revision,
        "tables": written,
    }


def schema(connection: Connection) -> tuple[str | None, MetaData]:
    """The database's revision and its tables as they are, which may be older than the models."""
    tables = MetaData()
    tables.reflect(connection)
    if (version := tables.tables.get(VERSION_TABLE)) is not None:
        tables.remove(version)
    return MigrationContext.configure(connection).get_current_revision(), tables


def _rows(table: Table, columns: dict[str, str]) -> Select[Any]:
    """All rows in the order of their keys; JSON as the text it is stored as."""
    fields = [cast(table.c[name], Text) if kind == "json" else table.c[name] for name, kind in columns.items()]
    return select(*fields).order_by(*table.primary_key.columns)
