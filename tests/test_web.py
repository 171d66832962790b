"""What the outside world reaches: webhooks, the live stream, health; every refusal is one clear sentence."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import event
from sqlmodel import func, select

from service import lease, staff_verbs, web
from service.app import create_app
from service.models import Message
from tests.fakes import ScriptedChannel, SinkChannel
from tests.flow_kit import make_context, make_staff, settle_all, write

pytestmark = pytest.mark.anyio


class Outside:
    """An HTTP client of an application that runs in this loop."""

    def __init__(self, context: Any) -> None:
        transport = httpx.ASGITransport(create_app(context), raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://test")

    async def post(self, body: Any, **headers: str) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.client.post("/channels/sink", content=content, headers=headers)


def good(**fields: Any) -> dict[str, Any]:
    return {"thread": "t", "id": "m1", "text": "hello", **fields}


async def count_messages(context: Any) -> int:
    async with context.db.read() as session:
        return (await session.exec(select(func.count()).select_from(Message))).one()


async def test_a_message_is_acknowledged_after_it_is_stored(db) -> None:
    context = make_context(db, channel=SinkChannel("http://127.0.0.1:9"))
    answer = await Outside(context).post(good())
    assert answer.status_code == 200
    assert await count_messages(context) == 1


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", {}, 400),
        (b"{", {}, 400),
        (b"[]", {}, 400),
        (b"\xff\xfe", {}, 400),
        (b"[" * 100_000, {}, 400),
        ({"thread": "t"}, {}, 400),
        (good(), {"authorization": "forged"}, 403),
        (b"x" * 300_000, {}, 413),
    ],
)
async def test_a_bad_webhook_gets_its_status_and_a_sentence_and_stores_nothing(db, body, headers, status) -> None:
    context = make_context(db, channel=SinkChannel("http://127.0.0.1:9"))
    answer = await Outside(context).post(body, **headers)
    assert answer.status_code == status
    assert answer.json()["error"].endswith(".")
    assert "Traceback" not in answer.text
    assert await count_messages(context) == 0


async def test_a_channel_that_is_off_or_unknown_is_not_there(db) -> None:
    channel = SinkChannel("http://127.0.0.1:9")
    channel.missing = ("SINK_TOKEN",)
    outside = Outside(make_context(db, channel=channel))
    assert (await outside.post(good())).status_code == 404
    assert (await outside.client.post("/channels/other", content=b"{}")).status_code == 404


async def test_surrogates_and_nul_are_taken_and_cleaned(db) -> None:
    context = make_context(db, channel=SinkChannel("http://127.0.0.1:9"))
    body = b'{"thread": "t", "id": "m1", "text": "a\\u0000b \\ud800"}'
    assert (await Outside(context).post(body)).status_code == 200
    async with db.read() as session:
        assert (await session.exec(select(Message))).one().text == "ab ?"


async def test_an_unexpected_failure_is_a_sentence_and_no_stack_trace(db) -> None:
    channel = SinkChannel("http://127.0.0.1:9")

    def broken(webhook):
        raise ZeroDivisionError("secret detail")

    channel.parse = broken
    answer = await Outside(make_context(db, channel=channel)).post(good())
    assert answer.status_code == 500
    assert "secret detail" not in answer.text
    assert "try again" in answer.json()["error"]


async def test_an_unknown_address_is_a_sentence(db) -> None:
    answer = await Outside(make_context(db)).client.get("/no/such/page")
    assert answer.status_code == 404
    assert "error" in answer.json()


async def test_health_says_ok_and_ready_only_when_an_answer_could_be_given(db) -> None:
    context = make_context(db)
    client = Outside(context).client
    assert (await client.get("/healthz")).status_code == 200
    assert (await client.get("/readyz")).json()["ready"] is True
    context.knowledge.ready = False
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert "index" in answer.json()["reason"]


async def test_a_stopping_server_is_not_ready(db) -> None:
    context = make_context(db)
    context.stopping.set()
    assert (await Outside(context).client.get("/readyz")).status_code == 503


async def test_a_stream_is_refused_to_whoever_has_no_token(db) -> None:
    answer = await Outside(make_context(db, channel=SinkChannel("http://127.0.0.1:9"))).client.get(
        "/channels/sink/stream"
    )
    assert answer.status_code == 403
    assert "thread" in answer.json()["error"]


@contextlib.asynccontextmanager
async def following(context: Any, after: int = 0, thread: str = "t") -> AsyncIterator[Any]:
    """A reader's events as (event, data, id)."""
    events = web.follow(context, context.channels["sink"], thread, after)

    async def following_event() -> tuple[str, Any, str | None]:
        event = await asyncio.wait_for(anext(events), 5)
        return event.event, event.data, event.id

    yield following_event
    await events.aclose()


async def test_a_reader_sees_each_message_once_and_in_order_as_it_comes(db) -> None:
    context = make_context(db)
    async with following(context) as event:
        assert (await event())[1]["state"] == "agent"
        await write(context, "hello")
        kind, data, _ = await event()
        assert (kind, data["author"], data["text"], data["seq"]) == ("message", "customer", "hello", 1)
        assert (await event())[1]["busy"] is True
        await settle_all(context)
        seen = [await event()]
        while seen[-1][0] != "message":
            seen.append(await event())
        assert (seen[-1][1]["author"], seen[-1][1]["text"], seen[-1][1]["seq"]) == ("agent", "echo: hello", 2)


async def test_what_is_queued_or_cancelled_is_not_shown_to_the_customer(db) -> None:
    context = make_context(db)
    await write(context, "hello")
    from service import flow

    await flow.respond(context, await lease.claim_conversation(context))
    ana = await make_staff(db, "Ana")
    async with db.write() as session:
        await staff_verbs.take_over(session, 1, ana)
    async with following(context) as event:
        first, second = await event(), await event()
        assert first[1]["text"] == "hello"
        assert second[0] == "state"
        assert second[1] == {"state": "person", "busy": False, "name": "Ana"}


async def test_a_reader_that_comes_back_gets_only_what_it_missed(db) -> None:
    context = make_context(db)
    await write(context, "one")
    await settle_all(context)
    async with following(context) as event:
        seen = [await event() for _ in range(3)]
        last = max(int(id) for _, _, id in seen if id)
    await write(context, "two")
    await settle_all(context)
    async with following(context, after=last) as event:
        texts = []
        while len(texts) < 2:
            kind, data, _ = await event()
            if kind == "message":
                texts.append(data["text"])
    assert texts == ["two", "echo: two"]


@pytest.mark.parametrize("position", ["9" * 30, "9" * 5000, "-1", "x", "٣"])
async def test_a_position_that_cannot_be_is_the_beginning(db, position: str) -> None:
    assert web.to_position(position) == 0
    context = make_context(db, channel=SinkChannel("http://127.0.0.1:9"))
    context.stopping.set()
    answer = await Outside(context).client.get(f"/channels/sink/stream?after={position}", headers={"x-thread": "t"})
    assert answer.status_code == 200


async def test_a_reader_from_before_a_restore_starts_again(db) -> None:
    context = make_context(db)
    await write(context, "hello")
    async with following(context, after=999) as event:
        assert (await event())[1]["text"] == "hello"


async def test_a_reader_is_woken_by_what_another_process_writes(db) -> None:
    from service.db import Database

    here, there = make_context(db), make_context(Database(db.url))
    db.waker.start(db.engine)
    async with following(here) as event:
        await event()
        await asyncio.sleep(0.5)  # the waker listens by now
        await write(there, "hello from the other process")
        kind, data, _ = await event()
        assert (kind, data["text"]) == ("message", "hello from the other process")
    await there.db.close()


async def test_who_was_woken_by_this_process_is_not_woken_again_by_what_others_are_told(db) -> None:
    from service.db import Database

    here, there = make_context(db), make_context(Database(db.url))
    message = await write(here, "hello")
    db.waker.start(db.engine)
    with db.waker.subscribe(message.conversation_id) as changed:
        await asyncio.sleep(0.5)  # the waker listens by now
        while await changed.wait(0.3):  # what it heard when it began
            pass
        await write(here, "one more")
        assert await changed.wait(0.01)
        assert not await changed.wait(1.0)
        await write(there, "from the other process")
        assert await changed.wait(2.0)
    await there.db.close()


async def test_the_stream_over_http_carries_ids_and_resumes_by_header(db) -> None:
    context = make_context(db, channel=SinkChannel("http://127.0.0.1:9"))
    await Outside(context).post(good())
    context.stopping.set()  # the stream ends after what there is

    # A stopping server still says nothing twice: it ends the stream, and the client asks again.
    client = Outside(context).client
    answer = await client.get("/channels/sink/stream", headers={"x-thread": "t", "last-event-id": "junk"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")


async def test_the_widget_may_be_read_from_any_site_and_only_with_the_headers_it_needs(db) -> None:
    client = Outside(make_context(db, channel=ScriptedChannel())).client
    answer = await client.options(
        "/channels/sink",
        headers={
            "origin": "https://shop.example",
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,content-type,last-event-id",
        },
    )
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


async def test_readers_who_wait_for_a_conversation_ask_together_and_each_finds_its_own(db) -> None:
    context = make_context(db)
    asked: list[int] = []

    @event.listens_for(db.engine.sync_engine, "before_cursor_execute")
    def count(connection, cursor, statement, parameters, *rest) -> None:
        if "conversation.thread IN" in statement:
            asked.append(len(parameters))

    async with contextlib.AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(following(context, thread=f"t{each}")) for each in range(50)]
        assert {(await event())[1]["state"] for event in readers} == {"agent"}
        waiting = [asyncio.create_task(event()) for event in readers]
        await asyncio.sleep(0.1)
        asked.clear()
        for each in (7, 8):
            await write(context, f"hello from {each}", thread=f"t{each}")
        for each in (7, 8):
            kind, data, _ = await waiting[each]
            assert (kind, data["text"]) == ("message", f"hello from {each}")
        assert asked, "they must have looked"
        assert len(asked) < 20, "one query for each of fifty readers is too many"
        assert max(asked) > 10
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
