"""`firstline restore`: a backup into an empty database of either kind, in one transaction."""

import contextlib
import os
import secrets
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import JSON, Connection, Float, LargeBinary, MetaData, Table, Text, bindparam, cast, insert, inspect
from sqlalchemy import BigInteger as Int
from sqlalchemy import Boolean as Bool
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import SQLModel, func, select, text

import knowledge.articles  # noqa: F401 (registers its tables)
import service.models  # noqa: F401 (registers its tables)
from knowledge.index import in_use
from service import migrations
from service.archive import BackupError, Reader, Shown, decode, kinds, sync
from service.backup import ROWS, VERSION_TABLE, schema
from service.db import Database
from service.settings import Settings, owner_only
from service.unfinished import Settled, settle

#: What any start of a server makes by itself: an installation with nothing else is as good as new.
OF_A_START = {"job"}
BYTES = 4_000_000  # held at a time, whatever the number of rows
TYPES = {"bool": Bool(), "int": Int(), "float": Float(), "text": Text(), "bytes": LargeBinary(), "json": Text()}


async def restore(settings: Settings, path: Path, *, force: bool, resume: bool, progress: Shown) -> list[str]:
    """Put a backup in the place of an empty database, or with `force` of whatever is there; what to tell of it.

    Either all of it is there afterwards or nothing has changed. Without `resume` nothing that was owed when the backup
    was made is sent by itself: see unfinished.py. Raises BackupError.
    """
    reader = Reader(path)
    db = Database(settings.url)
    try:
        reader.verify(progress)
        _refuse_newer(reader)
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        if in_use(settings.data_dir / "index"):
            raise BackupError(f"A server is running on {settings.data_dir}. Stop `firstline serve` and `work` first.")
        with _key(settings, reader) as key:
            async with _transaction(db) as connection:
                await _make_room(connection, reader, force)
                replaced = await _load(connection, db, reader, progress)
                await connection.run_sync(lambda sync: command.upgrade(migrations.config(sync), "head"))
                settled = await settle(connection, reader.manifest, resume=resume)
            key.put()
        return _report(reader, settled, replaced, key.note)
    finally:
        reader.close()
        await db.close()


def _report(reader: Reader, settled: Settled, replaced: int, note: str) -> list[str]:
    made = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(reader.manifest["made_at"]))
    said = [f"{reader.rows} rows of {made} are restored, and the secret key. `firstline serve` builds the index anew."]
    if settled.deliveries or settled.conversations:
        said.append(
            "Left to people, since it may have been done after the backup: replies that were not sent: "
            f"{settled.deliveries}, conversations without an answer: {settled.conversations}. They are in the queue."
        )
    if replaced:
        said.append(f"{replaced} texts held a NUL, which PostgreSQL cannot keep: it became U+FFFD.")
    return [*said, note] if note else said


def _refuse_newer(reader: Reader) -> None:
    known = {each.revision for each in ScriptDirectory.from_config(migrations.config()).walk_revisions()}
    if reader.manifest["schema"] not in known:
        raise BackupError(
            f"{reader.path} was made by a newer Firstline ({reader.version}, schema {reader.manifest['schema']}). "
            "Install that one and restore with it."
        )


@contextlib.asynccontextmanager
async def _transaction(db: Database) -> AsyncIterator[AsyncConnection]:
    """The one transaction of a restore, alone on the database, which asks about foreign keys at its end."""
    try:
        async with db.transaction() as connection:
            if db.sqlite:
                await connection.execute(text("PRAGMA defer_foreign_keys = ON"))
            else:
                await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
                await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": migrations.LOCK})
                await _refuse_company(connection)
            yield connection
    except (IntegrityError, DataError) as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise BackupError(f"The backup's rows do not fit this database ({reason}). Nothing was changed.") from None


async def _refuse_company(connection: AsyncConnection) -> None:
    others = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND application_name = 'firstline'"
    )
    if count := (await connection.execute(others)).scalar_one():
        raise BackupError(
            f"Firstline is running on this database ({count} connections). Stop every `firstline serve` and `work`."
        )


async def _make_room(connection: AsyncConnection, reader: Reader, force: bool) -> None:
    """Take away Firstline's tables, if there is nothing in them or it may be lost."""
    _, tables = await connection.run_sync(schema)
    ours = set(SQLModel.metadata.tables) | set(reader.manifest["tables"])
    if others := sorted(set(tables.tables) - ours):
        raise BackupError(
            f"The database also holds tables that are not Firstline's ({', '.join(others[:5])}). "
            "Give Firstline a database of its own."
        )
    counts = {}
    for table in tables.sorted_tables:
        counts[table.name] = (await connection.execute(select(func.count()).select_from(table))).scalar_one()
    held = {name: count for name, count in counts.items() if count and name not in OF_A_START}
    if held and not force:
        most = sorted(held.items(), key=lambda each: -each[1])[:3]
        raise BackupError(
            f"The database is not empty ({', '.join(f'{name}: {count}' for name, count in most)}). "
            "Restore into an empty one, or add --force to replace all that is in it."
        )
    # Emptied before they are dropped: then no row refers to a table that is gone.
    for table in reversed(tables.sorted_tables):
        await connection.execute(table.delete())
    names = ", ".join(f'"{name}"' for name in (*tables.tables, VERSION_TABLE))
    if connection.dialect.name == "sqlite":
        for table in reversed(tables.sorted_tables):
            await connection.execute(text(f'DROP TABLE "{table.name}"'))
        await connection.execute(text(f'DROP TABLE IF EXISTS "{VERSION_TABLE}"'))
    else:  # at once: they may refer to each other in a circle
        await connection.execute(text(f"DROP TABLE IF EXISTS {names}"))


async def _load(connection: AsyncConnection, db: Database, reader: Reader, progress: Shown) -> int:
    """The tables of the backup's own revision with its rows; the texts that had to be changed for PostgreSQL."""
    revision = reader.manifest["schema"]
    await connection.run_sync(lambda sync: command.upgrade(migrations.config(sync), revision))
    _, tables = await connection.run_sync(schema)
    written = {name: table["columns"] for name, table in reader.manifest["tables"].items()}
    if kinds(tables) != written:
        raise BackupError(f"{reader.path} has other tables than schema {revision}. Install the Firstline that made it.")
    if not db.sqlite:
        await connection.run_sync(_put_off_foreign_keys, tables)
    done = replaced = 0
    for name, columns in written.items():
        statement = _insert(tables.tables[name], columns, json_is_text=db.sqlite)
        for rows in _batches(reader.lines(name)):
            if not db.sqlite:
                replaced += sum(without_nul(row, list(columns.values())) for row in rows)
            values = [
                {field: decode(kind, value) for (field, kind), value in zip(columns.items(), row, strict=True)}
                for row in rows
            ]
            await connection.execute(statement, values)
            done += len(rows)
            progress(done, reader.rows, f"Restoring {name}")
    if db.sqlite:
        if broken := (await connection.execute(text("PRAGMA foreign_key_check"))).first():
            raise BackupError(f"A row of {broken[0]} refers to one that the backup lacks. Nothing was changed.")
    else:
        await connection.run_sync(_settle_foreign_keys, tables)
        await _count_on(connection, tables)
    return replaced


def _insert(table: Table, columns: dict[str, str], *, json_is_text: bool) -> Any:
    values: dict[str, Any] = {}
    for name, kind in columns.items():
        value = bindparam(name, type_=TYPES[kind])
        values[name] = value if json_is_text or kind != "json" else cast(value, JSON)
    # Columns as plain text for JSON, or the driver would put the text into quotes once more.
    return insert(table).values(values)


def _batches(lines: Iterable[list[Any]]) -> Iterable[list[list[Any]]]:
    batch: list[list[Any]] = []
    held = 0
    for line in lines:
        batch.append(line)
        held += sum(len(value) for value in line if isinstance(value, str))
        if len(batch) >= ROWS or held > BYTES:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def without_nul(row: list[Any], columns: list[str]) -> int:
    """Replace what PostgreSQL takes in no text; how many values of the row had to be changed."""
    changed = 0
    for place, (kind, value) in enumerate(zip(columns, row, strict=True)):
        if kind == "text" and value and "\0" in value:
            row[place], changed = value.replace("\0", "\ufffd"), changed + 1
        elif kind == "json" and value and "\\u0000" in value:
            # A backslash before it would be one of the text's own: \\u0000 is six letters and no NUL.
            pairs = value.split("\\\\")
            row[place] = "\\\\".join(each.replace("\\u0000", "\\ufffd") for each in pairs)
            changed += row[place] != value
    return changed


def _foreign_keys(connection: Connection, tables: MetaData) -> Iterable[tuple[str, str]]:
    for name in tables.tables:
        for each in inspect(connection).get_foreign_keys(name):
            yield name, str(each["name"])


def _put_off_foreign_keys(connection: Connection, tables: MetaData) -> None:
    """Ask about them when all rows are there: tables may refer to each other in a circle."""
    for table, name in _foreign_keys(connection, tables):
        connection.execute(text(f'ALTER TABLE "{table}" ALTER CONSTRAINT "{name}" DEFERRABLE INITIALLY DEFERRED'))


def _settle_foreign_keys(connection: Connection, tables: MetaData) -> None:
    connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    for table, name in _foreign_keys(connection, tables):
        connection.execute(text(f'ALTER TABLE "{table}" ALTER CONSTRAINT "{name}" NOT DEFERRABLE'))


async def _count_on(connection: AsyncConnection, tables: MetaData) -> None:
    """New rows get keys after those that were restored."""
    for table in tables.sorted_tables:
        for column in table.primary_key.columns:
            sequence = (
                await connection.execute(select(func.pg_get_serial_sequence(f'"{table.name}"', column.name)))
            ).scalar()
            if sequence:
                highest = select(func.max(column)).scalar_subquery()
                await connection.execute(select(func.setval(sequence, func.coalesce(highest, 1), highest.is_not(None))))


class _key:
    """The backup's key: written beside the one in use, and put in its place once the rows are committed."""

    def __init__(self, settings: Settings, reader: Reader) -> None:
        self._path = settings.data_dir / "secret.key"
        self._part = self._path.with_name(f".secret.key.{secrets.token_hex(4)}.part")
        self._wanted, self.note = reader.key(), ""
        chosen = settings.chosen_key()
        if chosen is not None and chosen.hex() != self._wanted:
            self.note = (
                "SECRET_KEY is not the key of this backup: visitors whose chat is open begin a new one. To let them go "
                f"on, set SECRET_KEY to what {self._path} now holds."
            )

    def __enter__(self) -> "_key":
        with open(self._part, "x", opener=owner_only) as file:
            file.write(self._wanted)
            file.flush()
            os.fsync(file.fileno())
        return self

    def put(self) -> None:
        self._part.replace(self._path)
        sync(self._path.parent)

    def __exit__(self, *error: object) -> None:
        self._part.unlink(missing_ok=True)
