"""`firstline check --deep` finds what would keep Firstline from working, says what to do, and leaves nothing behind."""

import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlmodel import col, select, update

from knowledge import corpus
from knowledge.articles import Chunk, PhraseVector
from knowledge.corpus import Corpus
from knowledge.embedder import Embedder
from service.check import report
from service.db import Database, clock
from service.deep import CHECKS, Finding, examine, skewed
from service.deep_knowledge import LEAST_RECALL, _recall
from service.models import Conversation, Job
from service.settings import Settings
from tests.claude_stand_in import KEY, Fail, Hang
from tests.flow_kit import make_context, settle_all, write
from tests.test_backup import fill, rows, to_settings

pytestmark = pytest.mark.anyio
MODEL = {"type": "model", "id": "claude-haiku-5-5", "display_name": "Haiku", "created_at": "2026-01-01T00:00:00Z"}


def no_progress(done: int, total: int, what: str) -> None:
    assert 0 <= done < total == len(CHECKS), what


async def look(settings: Settings, embedder: Any) -> list[Finding]:
    return [each async for each in examine(settings, embedder, no_progress)]


def bad(findings: list[Finding]) -> list[str]:
    return [sentence for fine, sentence in findings if fine is False]


@pytest.fixture
async def settings(db: Database, embedder: Any, tmp_path: Path) -> Settings:
    """An installation with articles and conversations, in which nothing is wrong."""
    await fill(db, embedder, tmp_path / "articles")
    made = to_settings(db, tmp_path / "data")
    made.signing_key()
    return made


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


async def test_an_installation_in_order_is_said_to_be_and_is_left_as_it_was(
    settings: Settings, db: Database, embedder: Any
) -> None:
    before, files = await rows(db), tree(settings.data_dir)
    found = await look(settings, embedder)
    assert bad(found) == []
    said = " ".join(sentence for fine, sentence in found if fine)
    for words in ("can be written to", "its schema is the newest", "384 dimensions", "each of the 2 published"):
        assert words in said
    assert "100% of the nearest" in said
    assert "found by their own titles" in said
    assert all(sentence.endswith(".") for _, sentence in found)
    assert await rows(db) == before
    assert tree(settings.data_dir) == files


@pytest.mark.parametrize("what", ["passage", "sentences", "phrase", "none"])
async def test_an_article_without_whole_vectors_is_named(
    settings: Settings, db: Database, embedder: Any, what: str
) -> None:
    async with db.write() as session:
        if what == "phrase":
            row: Any = (await session.exec(select(PhraseVector).limit(1))).one()
            row.embedding = row.embedding[:100]
        else:
            row = (await session.exec(select(Chunk).limit(1))).one()
            if what == "none":
                await session.delete(row)
            elif what == "passage":
                row.embedding = row.embedding[:-4]
            else:
                row.sentence_embeddings = b""
    found = bad(await look(settings, embedder))
    assert any("1 of 2 lack passages or vectors" in sentence for sentence in found), found


async def test_work_that_is_stuck_and_a_job_that_fails_are_told(
    settings: Settings, db: Database, embedder: Any
) -> None:
    context = make_context(db)
    await write(context, "are you there?", thread="stuck")
    async with db.write() as session:
        stuck = update(Conversation).where(col(Conversation.thread) == "stuck")
        await session.exec(stuck.values(owed_since=clock() - 4000, ready_at=clock() - 4000))
        session.add(Job(name="tidy", last_error="TimeoutError: the vendor"))
    found = bad(await look(settings, embedder))
    assert any("an answer has been owed for 66 minutes" in sentence for sentence in found), found
    assert any("the job tidy failed" in sentence for sentence in found), found
    await settle_all(context)
    assert not any("is owed" in sentence for sentence in bad(await look(settings, embedder)))


async def test_rows_that_refer_to_nothing_and_a_damaged_file_are_found(tmp_path: Path, embedder: Any) -> None:
    from tests.conftest import migrate

    path = tmp_path / "firstline.db"
    migrate(f"sqlite:///{path}")
    settings = Settings(data_dir=tmp_path, _env_file=None)
    db = Database(settings.url)
    async with db.engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
        await connection.rollback()
        raw = (await connection.get_raw_connection()).driver_connection
        assert raw is not None
        await raw.execute("PRAGMA foreign_keys = OFF")
        await raw.execute(
            "INSERT INTO identity (id, customer_id, channel, external_id, created_at) VALUES (1, 99999, 'c', 'x', 1.0)"
        )
        await raw.commit()
    await fill(db, embedder, tmp_path / "articles")
    found = bad(await look(settings, embedder))
    assert any("rows of identity refer to rows that are gone" in sentence for sentence in found), found
    async with db.engine.connect() as connection:
        await connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    await db.close()
    content = bytearray(path.read_bytes())
    for page in range(8, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    path.write_bytes(content)
    for leftover in ("-wal", "-shm"):
        path.with_name(path.name + leftover).unlink(missing_ok=True)
    assert bad(await look(settings, embedder))


async def test_an_older_schema_is_told_and_nothing_is_tried_on_it(tmp_path: Path, embedder: Any) -> None:
    from alembic import command

    from service import migrations

    settings = Settings(data_dir=tmp_path, _env_file=None)
    db = Database(settings.url)
    async with db.transaction() as connection:
        await connection.run_sync(lambda sync: command.upgrade(migrations.config(sync), "0001"))
    await db.close()
    found = await look(settings, embedder)
    assert any("its schema (0001)" in sentence for sentence in bad(found))
    assert not any(sentence.startswith("Index") for _, sentence in found)


async def test_a_key_that_others_may_read_is_told(settings: Settings, embedder: Any) -> None:
    (settings.data_dir / "secret.key").chmod(0o644)
    found = bad(await look(settings, embedder))
    assert any("chmod 600" in sentence for sentence in found), found
    (settings.data_dir / "secret.key").chmod(stat.S_IRUSR | stat.S_IWUSR)
    assert bad(await look(settings, embedder)) == []


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://help.example.org", "without https"),
        ("help.example.org", "no address"),
        ("https://help.example.org/desk", "with no path"),
        ("https://help.example.org", ""),
        ("http://localhost:8000", ""),
    ],
)
async def test_a_public_address_that_does_not_do_is_told_by_the_short_check(
    settings: Settings, address: str, said: str
) -> None:
    settings.public_base_url = address
    found = [(fine, words) async for fine, words in report(settings, {}, {}) if words.startswith("PUBLIC_BASE_URL")]
    assert len(found) == 1, "it is told once"
    assert found[0][0] is not bool(said)
    assert said in found[0][1]


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (MODEL, ""),
        (Fail(401), "refused the key (401)"),
        (Fail(404), "knows no claude-haiku-5-5 (404)"),
        (Hang(4.0), "within 1 seconds"),
    ],
)
async def test_claudes_key_is_tried_once_and_what_is_wrong_is_said(
    stand_in: Any, tmp_path: Path, embedder: Any, step: Any, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.deep.PATIENCE", 1.0)
    api = stand_in(step)
    settings = Settings(data_dir=tmp_path, anthropic_api_key=SecretStr(KEY), anthropic_base_url=api.url, _env_file=None)
    found = [each for each in await look(settings, embedder) if "ANTHROPIC_API_KEY" in each[1]]
    assert api.requests[0] == {"path": "/v1/models/claude-haiku-5-5"}
    assert len(found) == 1
    assert found[0][0] is (not said)
    assert (said or "asked over the network") in found[0][1]
    assert KEY not in found[0][1]


async def test_another_model_than_the_measured_one_is_told(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").write_bytes(b"not the weights")
    found = bad(await look(settings, Embedder(tmp_path / "model")))
    assert len(found) == 1
    assert "is not the one Firstline was measured with" in found[0]


async def test_an_index_that_misses_neighbours_would_be_noticed(settings: Settings, db: Database) -> None:
    async with db.read() as session:
        everything = Corpus().after(corpus.changes(await corpus.read(session, 0)))

    class Blind:
        def nearest(self, vector: Any, count: int) -> Any:
            return everything, np.zeros(0, dtype=np.int64), np.zeros(0)

    assert len(everything.pieces) > 1, "there must be neighbours to miss"
    assert _recall(Blind(), everything) < LEAST_RECALL


def test_a_clock_that_is_off_is_told_and_a_little_is_not() -> None:
    assert skewed(0.4) is None
    finding = skewed(-61.0)
    assert finding is not None
    assert finding[0] is False
    assert "-61 seconds" in finding[1]
