"""Publishing takes its time: nobody waits for it, it happens once, and every process follows within two seconds."""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, select

from channels.base import Inbound
from dashboard import editing
from knowledge import Knowledge, articles, publishing
from knowledge.articles import Article, Chunk
from knowledge.embedding import Content
from service import flow
from service.models import AuditEvent, Message, Staff
from tests.flow_kit import make_context, make_staff
from tests.forked import Forked

pytestmark = pytest.mark.anyio

#: Seconds within which what is published is searched everywhere.
PROMISED = 2.0
LONG = "\n\n".join(
    f"## Part {part}\n\n"
    + " ".join(f"Box {part}-{line} holds {line} lids of the grinder and goes to shelf {part}." for line in range(20))
    for part in range(15)
)


@pytest.fixture
async def context(db: Any, embedder: Any, tmp_path: Path) -> Any:
    made = make_context(db)
    made.knowledge = Knowledge(db.read, embedder, tmp_path / "index")
    await made.knowledge.start()
    yield made
    await made.knowledge.close()


@pytest.fixture
async def eddy(db: Any) -> Staff:
    return await make_staff(db, "Eddy", "editor")


async def written(context: Any, eddy: Staff, title: str, body: str) -> int:
    async with context.db.write() as session:
        return (await editing.create(session, Content(title, "", body), eddy)).id


async def test_a_customers_message_is_received_while_a_long_article_is_published(context: Any, eddy: Staff) -> None:
    number = await written(context, eddy, "Boxes", LONG)
    running = asyncio.create_task(editing.publish(context, number, eddy))
    took: list[float] = []
    while not running.done():
        began = time.monotonic()
        inbound = Inbound("t", f"t{len(took)}", f"m{len(took)}", "where is my parcel?")
        await flow.receive(context, context.channels["sink"], inbound)
        took.append(time.monotonic() - began)
        await asyncio.sleep(0.1)
    assert (await running).startswith("Published.")
    assert len(took) >= 5, "the article must be long enough for this to mean anything"
    assert max(took) < 1.0
    async with context.db.read() as session:
        assert len((await session.exec(select(Message))).all()) == len(took)
        assert len((await session.exec(select(Chunk))).all()) > 10


@pytest.mark.parametrize("db", ["sqlite"], indirect=True)  # what keeps a loop busy is the model
async def test_the_event_loop_is_free_while_an_article_is_published(context: Any, eddy: Staff) -> None:
    number = await written(context, eddy, "Boxes", LONG)
    running = asyncio.create_task(editing.publish(context, number, eddy))
    gaps: list[float] = []
    while not running.done():
        began = time.monotonic()
        await asyncio.sleep(0.01)
        gaps.append(time.monotonic() - began)
    assert len(gaps) > 50
    assert max(gaps) < 0.8


async def test_a_doubled_click_publishes_once_and_computes_once(context: Any, eddy: Staff, monkeypatch: Any) -> None:
    number = await written(context, eddy, "Boxes", LONG[:4000])
    computed: list[int] = []
    embed_documents = context.knowledge._embedder.embed_documents

    def counted(texts: Any, progress: Any = None) -> Any:
        computed.append(len(texts))
        return embed_documents(texts, progress)

    monkeypatch.setattr(context.knowledge._embedder, "embed_documents", counted)
    said = await asyncio.gather(*(editing.publish(context, number, eddy) for _ in range(3)))
    assert sorted(each.split(".")[0] for each in said) == [
        "Customers are answered from version 1 already",
        "Customers are answered from version 1 already",
        "Published",
    ]
    assert len(computed) == 1
    async with context.db.read() as session:
        events = select(AuditEvent).where(AuditEvent.action == "article_published")
        assert len((await session.exec(events)).all()) == 1
        assert await articles.revision(session) == 1
    # Later, and with other words, it is computed again.
    async with context.db.write() as session:
        await editing.save(session, number, Content("Boxes", "", "Box 1 is red."), eddy, over=1)
    assert (await editing.publish(context, number, eddy)).startswith("Published.")
    assert len(computed) == 2


@pytest.mark.parametrize(("verb", "state"), [(editing.archive, "archived"), (editing.unpublish, "draft")])
async def test_what_a_colleague_withdraws_while_the_model_computes_stays_withdrawn(
    context: Any, eddy: Staff, monkeypatch: Any, verb: Any, state: str
) -> None:
    number = await written(context, eddy, "Boxes", "Box 1 is red.")
    await editing.publish(context, number, eddy)
    async with context.db.write() as session:
        await editing.save(session, number, Content("Boxes", "", "Box 1 is blue."), eddy, over=1)
    embed = context.knowledge.embed
    computed: list[Any] = []

    async def slow(content: Content) -> Any:
        computed.append(await embed(content))
        async with context.db.write() as session:
            await verb(session, number, eddy, seen=2)
        return computed[-1]

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(context.knowledge, "embed", slow)
        with pytest.raises(publishing.Changed, match="Somebody changed “Boxes” meanwhile"):
            await editing.publish(context, number, eddy)
    assert len(computed) == 1
    async with context.db.read() as session:
        article = await session.get(Article, number)
        assert (article.state, article.published_version) == (state, None)
        assert not (await session.exec(select(Chunk))).all()
        assert await articles.revision(session) == 2
    # It can be published again by whoever sees that, once it is brought back.
    if state == "archived":
        with pytest.raises(editing.NotPossible, match="Bring it back"):
            await editing.publish(context, number, eddy)
        async with context.db.write() as session:
            await editing.bring_back(session, number, eddy, seen=2)
    assert (await editing.publish(context, number, eddy)).startswith("Published.")


async def test_a_page_that_is_out_of_date_neither_unarchives_nor_archives_twice(context: Any, eddy: Staff) -> None:
    number = await written(context, eddy, "Boxes", "Box 1 is red.")
    with pytest.raises(editing.NotPossible, match="a draft by now"):
        async with context.db.write() as session:
            await editing.unpublish(session, number, eddy, seen=1)
    await editing.publish(context, number, eddy)
    for _ in range(2):
        async with context.db.write() as session:
            await editing.archive(session, number, eddy, seen=1)
    with pytest.raises(editing.NotPossible, match="archived by now"):
        async with context.db.write() as session:
            await editing.unpublish(session, number, eddy, seen=1)
    async with context.db.read() as session:
        assert (await session.get(Article, number)).state == "archived"
        events = list((await session.exec(select(AuditEvent.action).order_by(col(AuditEvent.id)))).all())
    assert events == ["article_created", "article_published", "article_archived"]


async def test_who_decided_on_an_article_as_it_was_does_not_withdraw_it_as_it_is(context: Any, eddy: Staff) -> None:
    """Read as a draft, published by a colleague, then locked: it would vanish without counting as a change."""
    number = await written(context, eddy, "Boxes", "Box 1 is red.")
    async with context.db.read() as session:
        draft = await session.get(Article, number)
    await editing.publish(context, number, eddy)
    with pytest.raises(publishing.Changed, match="it is published now"):
        async with context.db.write() as session:
            await publishing.archive(session, draft)
    async with context.db.read() as session:
        assert (await session.get(Article, number)).state == "published"


async def test_another_process_searches_what_is_published_and_withdrawn_within_two_seconds(
    context: Any, eddy: Staff, tmp_path: Path
) -> None:
    url = context.db.url.replace("+aiosqlite", "").replace("+asyncpg", "")
    environ = {**os.environ, "DATABASE_URL": url, "DATA_DIR": str(tmp_path)}
    out, log = tmp_path / "out", tmp_path / "log"
    process = Forked("tests.search_process", "can you engrave my lid?", environ=environ, stdout=out, stderr=log)
    seen = 0

    async def shows(title: str, seconds: float) -> float:
        """When the other process found that first."""
        nonlocal seen
        deadline = time.monotonic() + seconds
        while not (out.exists() and out.read_text().count("\n") > seen):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, out.read_text() if out.exists() else "nothing was said"
            await asyncio.sleep(0.02)
        at, shown = out.read_text().splitlines()[seen].split(" ", 1)
        seen += 1
        assert shown == title
        return float(at)

    try:
        await shows("-", 90)
        number = await written(context, eddy, "Engraving", "We engrave your lid with up to 20 letters for £12.")
        await editing.publish(context, number, eddy)
        committed = time.time()
        assert await shows("Engraving", 30) - committed < PROMISED
        async with context.db.write() as session:
            await editing.unpublish(session, number, eddy, seen=1)
        committed = time.time()
        assert await shows("-", 30) - committed < PROMISED
        async with context.db.read() as session:
            states = (await session.exec(select(Article.state).order_by(col(Article.id)))).all()
        assert list(states) == ["draft"]
    finally:
        process.terminate()
        process.wait(timeout=30)
    assert process.returncode == 0
