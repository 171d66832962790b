"""The migrated schema is the models' schema, on both databases, and processes that start together migrate once."""

import asyncio

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect
from sqlmodel import SQLModel

import knowledge.articles  # noqa: F401 (registers its tables)
import service.models  # noqa: F401 (registers its tables)
from service import migrations
from service.db import Database
from service.settings import Settings

pytestmark = pytest.mark.anyio


async def open_database(url: str) -> Database:
    return Database(Settings(database_url=url, _env_file=None).url)


async def test_the_migrated_schema_is_the_models_schema(database_url: str) -> None:
    db = await open_database(database_url)
    await migrations.upgrade(db)

    def differences(connection):
        context = MigrationContext.configure(connection, opts={"compare_type": True, "render_as_batch": True})
        return compare_metadata(context, SQLModel.metadata), inspect(connection).get_table_names()

    async with db.engine.connect() as connection:
        found, tables = await connection.run_sync(differences)
    await db.close()
    assert len(tables) > len(SQLModel.metadata.tables) - 1, "there must be tables for this to mean anything"
    assert found == []


async def test_processes_that_start_together_migrate_once(database_url: str) -> None:
    dbs = [await open_database(database_url) for _ in range(3)]
    await asyncio.gather(*(migrations.upgrade(db) for db in dbs))
    assert all([await migrations.current(db) for db in dbs])
    for db in dbs:
        await db.close()


async def test_a_worker_waits_until_somebody_has_migrated(database_url: str) -> None:
    server, worker = await open_database(database_url), await open_database(database_url)
    assert not await migrations.current(worker)
    waiting = asyncio.create_task(migrations.wait(worker, asyncio.Event(), seconds=20))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    await migrations.upgrade(server)
    await waiting
    await server.close()
    await worker.close()


async def test_a_worker_does_not_wait_for_ever(database_url: str) -> None:
    db = await open_database(database_url)
    with pytest.raises(TimeoutError):
        await migrations.wait(db, asyncio.Event(), seconds=0.2)
    await db.close()
