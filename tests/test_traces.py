"""Traces as a collector receives them: FastAPI's spans, Anthropic's and ours, in one tree, and nobody's words."""

import gc
import json
import os
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import ProxyTracerProvider

from channels.base import OutcomeUnknown
from service import delivery, flow, lease, traces
from service.app import build_channels, create_app
from service.check import report
from service.logs import with_span
from service.settings import Settings
from service.steps import Steps
from service.traces import Unusable, flush, make_provider, wanted
from tests.claude_stand_in import KEY, cite, message, said
from tests.fakes import ScriptedChannel, SinkChannel
from tests.flow_kit import make_context, settle_all, write
from tests.live_server import LiveServer
from tests.otlp_stand_in import Collector, Received
from tests.test_serve import Visitor, from_agent

CANARY = "zanzibar umbrella"
TOKEN = "a-token-of-some-length"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector that the environment names, to be sent spans only when a process stops."""
    made = Collector()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", made.url)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "60000")
    yield made
    made.close()


def watched(db: Any, environ: dict[str, str], **options: Any) -> Any:
    context = make_context(db, **options)
    context.steps = Steps(context.metrics.step_seconds, make_provider(environ))
    return context


def ask_of(body: dict[str, Any]) -> dict[str, Any]:
    """A reply that says the first words of the first article it was given."""
    words = body["messages"][0]["content"][0]["content"][0]["text"]
    return message(said(words, cite(body, words)))


def children(spans: list[Received], parent: Received) -> dict[str, Received]:
    return {span.name: span for span in spans if span.parent == parent.id and span.trace == parent.trace}


def test_a_served_message_is_one_tree_of_three_makers_and_its_words_are_in_none_of_what_is_told(
    tmp_path, collector: Collector, stand_in, stock
) -> None:
    claude = stand_in(ask_of)
    server = LiveServer(
        tmp_path / "data",
        stock=stock,
        ANTHROPIC_API_KEY=KEY,
        ANTHROPIC_BASE_URL=claude.url,
        ANTHROPIC_OPEN_TELEMETRY_TRACES_CONTENT_MODE="content",  # whoever set it: our customers' words stay here
        CONFIDENCE_THRESHOLD="0.05",
        METRICS_TOKEN=TOKEN,
        LOG_FORMAT="json",
        LOG_LEVEL="DEBUG",
    )
    try:
        visitor = Visitor(server)
        visitor.write(f"where is my parcel? {CANARY}")
        answer = visitor.read(from_agent)[-1]
        assert len(claude.requests) == 1, "Claude must be asked for this test to mean anything"
        assert CANARY in json.dumps(claude.requests)
        httpx.get(f"{server.url}/desk/login", params={"next": f"/desk/{CANARY}"}, headers={"user-agent": CANARY})
        httpx.get(f"{server.url}/{CANARY}", headers={"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"})
        metrics = httpx.get(f"{server.url}/metrics", headers={"authorization": f"Bearer {TOKEN}"}).text
        assert not collector.bodies, "it must be the stop that sends them"
    finally:
        assert server.stop() < 10
    spans = collector.wait(lambda spans: any(span.name == "deliver" for span in spans))
    assert collector.service == "firstline"

    posts = [span for span in spans if span.name == "POST /channels/{name}"]
    assert len(posts) == 1
    assert posts[0].scope == "fastapi"
    endpoint = children(spans, posts[0])["fastapi.endpoint"]
    received = children(spans, endpoint)["receive"]
    respond = next(span for span in spans if span.name == "respond")
    steps = children(spans, respond)
    assert set(steps) == {"screen", "search", "draft", "check", "decide", "claude", "record"}
    call = children(spans, steps["claude"])["anthropic.messages.create"]
    deliver = next(span for span in spans if span.name == "deliver")
    assert call.about["gen_ai.usage.output_tokens"] == 60
    assert respond.about["firstline.verdict"] == "answer"
    assert respond.about["firstline.attempt"] == 1
    assert deliver.about["firstline.outcome"] == "sent"
    conversation = received.about["firstline.conversation"]
    assert respond.about["firstline.conversation"] == deliver.about["firstline.conversation"] == conversation
    assert not {span.name for span in spans} & {"GET /metrics", "GET /readyz"}

    logs = [json.loads(line) for line in (tmp_path / "data.log").read_text().splitlines() if line.startswith("{")]
    assert not [line for line in logs if line["level"] in ("error", "critical")]
    by_event = {line["event"]: line for line in logs}
    for event, span in (
        ("message.received", received),
        ("response.recorded", respond),
        ("delivery.sent", deliver),
        ("claude.asked", steps["claude"]),
    ):
        assert by_event[event]["trace_id"] == span.trace.hex(), event
        assert by_event[event]["span_id"] == span.id.hex(), event
    assert by_event["response.recorded"]["decision"] == respond.about["firstline.decision"]
    assert by_event["response.recorded"]["seq"] == by_event["message.received"]["seq"]
    assert by_event["response.recorded"]["seconds"] > 0

    for word in (*CANARY.split(), answer["text"][:30], visitor.headers["authorization"][7:]):
        assert not any(word.encode() in body for body in collector.bodies), word
        assert word not in metrics
        assert word not in json.dumps(logs)


@pytest.mark.anyio
async def test_what_a_caller_sends_or_an_error_says_is_in_no_span(db, collector: Collector) -> None:
    class Broken(ScriptedChannel):
        def parse(self, webhook: Any) -> list[Any]:
            raise RuntimeError(CANARY)

    context = watched(db, dict(os.environ), channel=Broken(OutcomeUnknown(CANARY)))
    transport = httpx.ASGITransport(create_app(context), raise_app_exceptions=False)
    secret = CANARY.replace(" ", "-")
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{secret}") as client:
        headers = {
            "traceparent": f"00-{'a' * 32}-{'b' * 16}-01",
            "tracestate": f"vendor={secret}",
            "baggage": f"word={secret}",
            "referer": secret,
        }
        assert (await client.post(f"/channels/sink?q={secret}", headers=headers)).status_code == 500
        await client.request(secret, f"/help/{secret}", headers=headers)
    await write(context, CANARY)
    claim = await lease.claim_conversation(context)
    assert claim
    await flow.respond(context, claim)
    parcel = await delivery.claim_delivery(context)
    assert parcel
    await delivery.deliver(context, parcel)
    with pytest.raises(ValueError, match=CANARY), context.steps("search"):
        raise ValueError(CANARY)
    await flush(context.steps.provider)
    spans = collector.spans()
    post = next(span for span in spans if span.name == "POST /channels/{name}")
    assert post.trace.hex() == "a" * 32, "a proxy's trace is gone on with"
    assert post.about["http.response.status_code"] == 500
    assert next(span for span in spans if span.name == "deliver").about["firstline.outcome"] == "uncertain"
    broken = next(span for span in spans if span.name == "search")
    assert (broken.about["error.type"], broken.status.code, broken.status.message) == ("ValueError", 2, "")
    assert not any(span.events or span.state for span in spans)
    for word in (secret, *CANARY.split()):
        assert not any(word.encode() in body.lower() for body in collector.bodies), word


@pytest.mark.anyio
async def test_a_redelivered_message_is_told_from_a_new_one(db, collector: Collector) -> None:
    context = watched(db, dict(os.environ))
    await write(context, "hello", id="m1")
    await write(context, "hello", id="m1")
    await settle_all(context)
    await flush(context.steps.provider)
    assert [span.about["firstline.status"] for span in collector.spans() if span.name == "receive"] == ["owed", "known"]


def test_nothing_is_set_up_unless_the_standard_variables_ask() -> None:
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    assert wanted({}) == []
    assert wanted(endpoint) == ["otlp"]
    assert wanted({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9"}) == ["otlp"]
    assert wanted({"OTEL_TRACES_EXPORTER": "otlp"}) == ["otlp"]
    assert wanted({"OTEL_TRACES_EXPORTER": "console, otlp"}) == ["console", "otlp"]
    assert wanted(endpoint | {"OTEL_TRACES_EXPORTER": "none"}) == []
    assert wanted(endpoint | {"OTEL_SDK_DISABLED": " TRUE "}) == []
    assert make_provider({}) is None
    for environ, variable in (
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER"),
        (endpoint | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL"),
        (endpoint | {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"),
    ):
        with pytest.raises(Unusable, match=variable):
            wanted(environ)
    assert isinstance(trace.get_tracer_provider(), ProxyTracerProvider), "nobody else's spans are turned on"


@pytest.mark.anyio
async def test_the_operator_is_told_whether_and_where_traces_and_metrics_go(tmp_path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path)
    channels = build_channels(settings, {})
    told = {}
    for environ in ({}, {"OTEL_TRACES_EXPORTER": "console"}, {"OTEL_TRACES_EXPORTER": "zipkin"}):
        lines = [each async for each in report(settings, channels, environ)]
        told[environ.get("OTEL_TRACES_EXPORTER", "")] = next(each for each in lines if "TRACES" in each[1].upper())
        assert any("METRICS_TOKEN" in sentence for _, sentence in lines)
    assert told[""] == (None, "Traces are off. OTEL_EXPORTER_OTLP_ENDPOINT says where they go.")
    assert told["console"] == (True, "Traces go out by console.")
    assert told["zipkin"][0] is False


@pytest.mark.anyio
async def test_spans_on_the_console_are_one_line_of_json_each(capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "help desk")
    provider = make_provider({"OTEL_TRACES_EXPORTER": "console"})
    with Steps(None, provider)("search", conversation=7):
        pass
    await flush(provider)
    (line,) = capsys.readouterr().out.splitlines()
    told = json.loads(line)
    assert told["name"] == "search"
    assert told["attributes"] == {"firstline.conversation": 7}
    assert told["resource"]["attributes"]["service.name"] == "help desk"


@pytest.mark.anyio
async def test_a_collector_that_hangs_holds_up_the_stop_for_a_second_at_most(monkeypatch) -> None:
    hanging = Collector(hang=True)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", hanging.url)
    provider = make_provider({"OTEL_EXPORTER_OTLP_ENDPOINT": hanging.url})
    with Steps(None, provider)("search"):
        pass
    began = time.monotonic()
    await flush(provider)
    took = time.monotonic() - began
    assert hanging.bodies, "it must have been sent to"
    hanging.close()
    assert traces.FLUSH_SECONDS <= took < 4, "the exporter itself would wait for ten"


@pytest.mark.anyio
async def test_without_traces_a_request_has_no_span_and_a_step_costs_next_to_nothing(db) -> None:
    seen = []

    class Looking(SinkChannel):
        def parse(self, webhook: Any) -> list[Any]:
            seen.append(trace.get_current_span().get_span_context().is_valid)
            return []

    context = make_context(db, channel=Looking("http://127.0.0.1:9"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(context)), base_url="http://test") as client:
        await client.post("/channels/sink")
    assert seen == [False]
    gc.collect()
    best = min(timed(context.steps) for _ in range(5))
    assert best < 50e-6, f"{best * 1e6:.0f} microseconds a step"


def timed(steps: Steps) -> float:
    began = time.perf_counter()
    for _ in range(1000):
        with steps("search", conversation=7) as step:
            step.note(passages=3)
    return (time.perf_counter() - began) / 1000


def test_a_log_line_has_the_ids_of_its_span_and_none_outside_of_one() -> None:
    assert with_span(None, "info", {"event": "alone"}) == {"event": "alone"}
    provider = TracerProvider(shutdown_on_exit=False)
    with Steps(None, provider)("search"):
        line = with_span(None, "info", {"event": "in it"})
        here = trace.get_current_span().get_span_context()
    assert line == {"event": "in it", "trace_id": f"{here.trace_id:032x}", "span_id": f"{here.span_id:016x}"}
