"""What `/metrics` tells of real messages on both databases, to whom, and what it never holds."""

import asyncio
import math
import os
import shutil
import socket
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families
from pydantic import ValidationError
from sqlalchemy import event

from channels.base import Inbound, Kind, OutcomeUnknown, Receipt, Undeliverable
from knowledge.articles import KnowledgeRevision
from service import conversations, delivery, flow, lease, staff_verbs
from service.agent import Asked
from service.app import create_app
from service.db import Database
from service.metrics import Metrics
from service.models import Job
from service.settings import Settings
from service.steps import STEPS, Steps
from tests.claude_kit import QUESTION, good, make_agent, make_claude
from tests.cluster import free_port
from tests.fakes import ScriptedChannel, Sink, SinkChannel, call_person
from tests.flow_kit import make_context, make_staff, settle_all, write
from tests.forked import Forked, firstline

pytestmark = pytest.mark.anyio

TOKEN = "a-token-of-some-length"
CANARY = "zanzibar"


class Reader:
    """Prometheus, as far as one application is concerned."""

    def __init__(self, context: Any, token: str = TOKEN, **headers: str) -> None:
        self.context, self.headers = context, headers | ({"authorization": f"Bearer {token}"} if token else {})
        transport = httpx.ASGITransport(create_app(context), client=("127.0.0.1", 1), raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://test")

    async def get(self, **headers: str) -> httpx.Response:
        return await self.client.get("/metrics", headers=self.headers | headers)

    async def scrape(self) -> "Scrape":
        answer = await self.get()
        assert answer.status_code == 200, answer.text
        return Scrape(answer.text)


class Scrape:
    """The samples of one answer, by name and labels."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.samples = {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def __call__(self, name: str, **labels: str) -> float:
        return self.samples.get((f"firstline_{name}", tuple(sorted(labels.items()))), 0.0)


def watched(db: Any, **options: Any) -> Any:
    return make_context(db, metrics_token=TOKEN, **options)


async def test_a_message_is_seen_from_the_webhook_to_the_vendor(db) -> None:
    sink = Sink()
    context = watched(db, channel=SinkChannel(sink.url))
    reader = Reader(context)
    before = await reader.scrape()
    assert before("oldest_unanswered_seconds") == before("owed_responses") == before("step_seconds_count") == 0
    body = {"thread": "t", "id": "m1", "text": f"where is {CANARY}?"}
    for _ in range(2):  # redelivered: stored once, counted once
        assert (await reader.client.post("/channels/sink", json=body)).status_code == 200
    waiting = await reader.scrape()
    assert waiting("owed_responses") == 1
    assert waiting("messages_received_total", channel="sink", status="owed") == 1
    await asyncio.sleep(0.3)
    assert (await reader.scrape())("oldest_unanswered_seconds") >= waiting("oldest_unanswered_seconds") + 0.25
    claim = await lease.claim_conversation(context)
    assert claim
    assert (await reader.scrape())("oldest_unanswered_seconds") > 0.25, "it is not answered while somebody thinks"
    await flow.respond(context, claim)
    decided = await reader.scrape()
    assert decided("oldest_unanswered_seconds") == decided("owed_responses") == 0
    assert decided("decisions_total", verdict="answer") == decided("owed_deliveries") == 1
    assert decided("oldest_undelivered_seconds") > 0
    await settle_all(context)
    after = await reader.scrape()
    sink.close()
    assert len(sink.received) == 1
    assert after("sends_total", channel="sink", outcome="sent") == 1
    assert after("oldest_undelivered_seconds") == after("owed_deliveries") == 0
    for step, times in (("receive", 2), ("respond", 1), ("record", 1), ("deliver", 1), ("search", 0)):
        assert after("step_seconds_count", step=step) == times, step
    assert after("http_requests_total", method="POST", route="/channels/{name}", status="200") == 2
    assert after("http_seconds_count", route="/channels/{name}") == 2
    assert after("database_up") == 1
    assert CANARY not in after.text


async def test_every_step_of_the_agent_is_timed_and_claudes_only_if_it_is_asked(stand_in) -> None:
    server = stand_in(good)
    metrics = Metrics()

    def count(step: str) -> float | None:
        return metrics.registry.get_sample_value("firstline_step_seconds_count", {"step": step})

    for claude, times in ((None, 0.0), (make_claude(server.url), 1.0)):
        agent = make_agent(claude)
        agent.steps = Steps(metrics.step_seconds)
        response = await agent.respond(Asked(QUESTION, conversation_id=7))
        await agent.close()
        assert count("claude") == times
        seconds = response.record["seconds"]
        assert all(seconds[step] > 0 for step in ("screen", "search", "draft", "check", "decide"))
    assert len(server.requests) == 1
    assert {count(step) for step in ("screen", "search", "draft", "check", "decide")} == {2.0}


def test_a_step_that_is_not_in_the_table_is_refused_and_one_that_breaks_is_timed() -> None:
    metrics = Metrics()
    steps = Steps(metrics.step_seconds)
    with pytest.raises(ValueError, match="no step"):
        steps(CANARY)
    with pytest.raises(KeyError), steps("search"):
        raise KeyError(CANARY)
    assert metrics.registry.get_sample_value("firstline_step_seconds_count", {"step": "search"}) == 1
    assert {"receive", "respond", "deliver"} < set(STEPS)


async def test_what_comes_of_a_reply_is_counted_by_its_outcome(db) -> None:
    script = (
        Undeliverable("Not now.", permanent=False),
        Receipt("1"),
        Undeliverable("No such number.", permanent=True),
        OutcomeUnknown("The line broke."),
    )
    channel = ScriptedChannel(*script)
    context = watched(db, channel=channel)
    reader = Reader(context)

    async def send(thread: str) -> None:
        await write(context, "hello", thread=thread)
        claim = await lease.claim_conversation(context)
        assert claim
        await flow.respond(context, claim)
        if thread == "stopped":
            await write(context, "STOP", kind=Kind.STOP, thread=thread)
        while parcel := await delivery.claim_delivery(context):
            await delivery.deliver(context, parcel)

    await send("late")
    while (await reader.scrape())("sends_total", channel="sink", outcome="sent") < 1:
        if parcel := await delivery.claim_delivery(context):
            await delivery.deliver(context, parcel)
        await asyncio.sleep(0.1)
    for thread in ("unknown number", "broken line", "stopped"):
        await send(thread)
    scrape = await reader.scrape()
    counted = {
        outcome: scrape("sends_total", channel="sink", outcome=outcome)
        for outcome in ("sent", "retry", "failed", "uncertain", "cancelled")
    }
    assert counted == {"sent": 1, "retry": 1, "failed": 1, "uncertain": 1, "cancelled": 1}
    assert len(channel.sent) == 4


async def test_a_call_that_nobody_takes_grows_older_until_somebody_does(db) -> None:
    context = watched(db, script=call_person)
    reader = Reader(context)
    message = await write(context, "a person please")
    await settle_all(context)
    await asyncio.sleep(0.1)
    waiting = await reader.scrape()
    assert waiting("oldest_call_seconds") >= 0.1
    assert waiting("open_calls") == waiting("decisions_total", verdict="escalate") == 1
    assert waiting("oldest_unanswered_seconds") == 0
    ana = await make_staff(db, "Ana")
    async with db.write() as session:
        await staff_verbs.take_over(session, message.conversation_id, ana)
    taken = await reader.scrape()
    assert taken("oldest_call_seconds") == taken("open_calls") == 0


async def test_work_that_is_late_or_failed_and_an_index_that_lags_can_be_seen(db) -> None:
    context = watched(db)
    async with db.write() as session:
        now = await conversations.now(session)
        session.add(Job(name="late", due_at=now - 60))
        session.add(Job(name="broken", due_at=now + 60, last_error=f"ValueError: {CANARY}"))
        session.add(KnowledgeRevision(id=1, number=3))
    scrape = await Reader(context).scrape()
    assert scrape("job_overdue_seconds", job="late") >= 60
    assert scrape("job_failed", job="late") == scrape("job_overdue_seconds", job="broken") == 0
    assert scrape("job_failed", job="broken") == 1
    assert scrape("published_revision") == 3
    assert scrape("index_revision") == context.knowledge.revision == 0
    assert CANARY not in scrape.text


async def test_without_the_database_the_rest_is_told_and_no_old_figure(tmp_path) -> None:
    nowhere = Database(f"postgresql+asyncpg://firstline@127.0.0.1:{free_port()}/none")
    context = watched(nowhere)
    context.metrics.oldest_unanswered.set(0.0)
    scrape = await Reader(context).scrape()
    await nowhere.close()
    assert scrape("database_up") == 0
    assert math.isnan(scrape("oldest_unanswered_seconds"))
    assert ("firstline_decisions_total", (("verdict", "answer"),)) in scrape.samples


async def test_only_who_has_the_token_reads_the_metrics_wherever_they_seem_to_call_from(db) -> None:
    context = watched(db)
    for token in ("", TOKEN[:-1], TOKEN + "x", "é"):
        for forwarded in ({}, {"x-forwarded-for": "127.0.0.1"}):
            answer = await Reader(context, "").get(authorization=f"Bearer {token}".encode(), **forwarded)
            assert answer.status_code == 403
            assert "firstline_" not in answer.text
            assert TOKEN not in answer.text
    assert (await Reader(context, "").get()).status_code == 403
    assert (await Reader(context).get()).status_code == 200
    unset = make_context(db)
    for token in ("", "x", TOKEN):
        answer = await Reader(unset, token).get()
        assert answer.status_code == 403
        assert "METRICS_TOKEN" in answer.json()["error"]


def test_a_token_that_is_easily_guessed_is_refused() -> None:
    with pytest.raises(ValidationError, match="16 characters"):
        Settings(_env_file=None, metrics_token="short")
    assert TOKEN not in repr(Settings(_env_file=None, metrics_token=TOKEN))


async def test_no_address_method_or_word_of_a_caller_becomes_a_label(db) -> None:
    reader = Reader(watched(db, channel=SinkChannel("http://127.0.0.1:9")))
    client = reader.client
    await client.get(f"/{CANARY}")
    await client.get(f"/desk/static/{CANARY}.css")
    await client.get(f"/desk/login?next=/desk/{CANARY}")
    await client.get(f"/channels/{CANARY}/stream")
    await client.request(CANARY.upper(), "/healthz")
    await client.post("/channels/sink", content=CANARY.encode())
    scrape = await reader.scrape()
    assert CANARY not in scrape.text.lower()
    routes = {dict(labels)["route"] for name, labels in scrape.samples if name == "firstline_http_requests_total"}
    assert {"none", "/desk/static", "/desk/login", "/channels/{name}/stream", "/channels/{name}", "/healthz"} == routes
    assert scrape("http_requests_total", method="other", route="/healthz", status="405") == 1


async def test_a_request_that_breaks_is_counted_as_a_500(db) -> None:
    class Broken(ScriptedChannel):
        def parse(self, webhook: Any) -> list[Any]:
            raise RuntimeError(CANARY)

    reader = Reader(watched(db, channel=Broken()))
    assert (await reader.client.post("/channels/sink", content=b"")).status_code == 500
    assert (await reader.scrape())("http_requests_total", method="POST", route="/channels/{name}", status="500") == 1


async def test_every_metric_says_what_it_is_and_openmetrics_is_spoken_too(db) -> None:
    context = watched(db)
    for family in context.metrics.registry.collect():
        assert family.documentation.endswith("."), family.name
    answer = await Reader(context).get(accept="application/openmetrics-text; version=1.0.0")
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    names = {family.name for family in parse_openmetrics(answer.text)}
    assert {"firstline_oldest_unanswered_seconds", "firstline_decisions", "process_resident_memory_bytes"} <= names


async def test_a_scrape_reads_what_is_owed_by_an_index_and_not_every_row_there_ever_was(db) -> None:
    if not db.sqlite:
        return  # its planner goes by sizes, and reads small tables whole
    statements: list[Any] = []
    event.listen(db.engine.sync_engine, "before_cursor_execute", lambda *args: statements.append(args[2:4]))
    await Reader(watched(db)).scrape()
    told = list(statements)
    plans = {}
    async with db.engine.connect() as connection:
        for statement, parameters in told:
            if statement.startswith("SELECT"):
                rows = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                plans[statement] = [row[3] for row in rows]
    assert len(plans) == 5
    scans = [line for lines in plans.values() for line in lines if "SCAN" in line]
    assert scans == ["SCAN job"], "of these there is one a kind"
    assert any("conversation_due" in line for lines in plans.values() for line in lines)


async def test_two_processes_do_not_share_their_counts(db) -> None:
    one, two = watched(db), watched(db)
    await flow.receive(one, one.channels["sink"], Inbound("t", "t", "m1", "hello"))
    assert (await Reader(one).scrape())("messages_received_total", channel="sink", status="owed") == 1
    assert (await Reader(two).scrape())("messages_received_total", channel="sink", status="owed") == 0
    assert (await Reader(two).scrape())("owed_responses") == 1, "what is in the database is the same from both"


@pytest.mark.parametrize("environ", [{"METRICS_PORT": "taken"}, {"OTEL_TRACES_EXPORTER": "zipkin"}])
def test_what_cannot_be_told_or_listened_on_is_refused_in_a_sentence(tmp_path, environ: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = {name: str(taken.getsockname()[1]) if value == "taken" else value for name, value in environ.items()}
        done = firstline("work", folder=tmp_path, DATA_DIR=str(tmp_path), **settings)
    assert done.returncode == 2
    assert len(done.stdout.splitlines()) == 1
    assert next(iter(environ)) in done.stdout
    assert done.stdout.endswith(".\n")
    assert "Traceback" not in done.stderr


def test_a_process_that_only_works_answers_how_it_is_and_stops_in_time(tmp_path, migrated_sqlite: Path) -> None:
    shutil.copy(migrated_sqlite, tmp_path / "firstline.db")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environ = {**os.environ, "DATA_DIR": str(tmp_path), "METRICS_TOKEN": TOKEN}
    log = tmp_path / "log"
    process = Forked("service.__main__", "work", "--metrics-port", str(port), environ=environ, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while True:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            try:
                if httpx.get(f"{url}/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        assert httpx.get(f"{url}/healthz").text == "ok\n"
        assert httpx.get(f"{url}/metrics").status_code == 403
        answer = httpx.get(f"{url}/metrics", headers={"authorization": f"Bearer {TOKEN}"})
        assert Scrape(answer.text)("database_up") == 1
        assert httpx.get(f"{url}/desk").status_code == 404
    finally:
        began = time.monotonic()
        process.terminate()
        process.wait(timeout=20)
    assert time.monotonic() - began < 10
    assert "Traceback" not in log.read_text()
