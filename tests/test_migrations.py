"""The migrated schema is the models' schema, on both databases, and processes that start together migrate once."""

import asyncio

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect
from sqlmodel import SQLModel, col, select

import knowledge.articles  # noqa: F401 (registers its tables)
import service.models  # noqa: F401 (registers its tables)
from service import migrations
from service.db import Database
from service.models import Decision
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


async def test_what_earlier_decisions_cost_is_taken_from_their_records(database_url: str) -> None:
    db = await open_database(database_url)
    async with db.transaction() as connection:
        await connection.run_sync(lambda sync: command.upgrade(migrations.config(sync), "0002"))
        for table, row in (
            ("customer (id, name, created_at)", "1, '', 0"),
            ("identity (id, customer_id, channel, external_id, created_at)", "1, 1, 'post', 'a', 0"),
            (
                "conversation (id, customer_id, identity_id, channel, thread, state, topic, last_seq, clock, changed, "
                "lease_until, fence, attempts, disclosed, stopped, created_at, updated_at)",
                "1, 1, 1, 'post', 't', 'agent', '', 0, 0, 0, 0, 0, 0, false, false, 0, 0",
            ),
            *(
                (
                    "decision (id, conversation_id, verdict, reason, topic, record, created_at)",
                    f"{number}, 1, 'answer', '', '', '{record}', 0",
                )
                for number, record in enumerate(('{"usage": {"cost_usd": 0.25}}', '{"usage": null}', "{}"), 1)
            ),
        ):
            await connection.exec_driver_sql(f"INSERT INTO {table} VALUES ({row})")
    await migrations.upgrade(db)
    async with db.read() as session:
        costs = (await session.exec(select(Decision.cost_usd).order_by(col(Decision.id)))).all()
    await db.close()
    assert costs == [0.25, None, None]


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
