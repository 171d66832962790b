"""Traces, if OpenTelemetry's standard variables ask for them: where spans go, and what may be in one."""

import asyncio
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanContext, Status

if TYPE_CHECKING:  # importing them takes a moment that nobody need wait for who wants no traces
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

#: How long a stopping process tries to send its last spans; with all else it stays below ten seconds.
FLUSH_SECONDS = 1.0
#: What may be said of a span, by us, by FastAPI and by Anthropic's SDK. The rest is dropped before it is sent: a path
#: or a query may hold what a customer wrote, or a token; a host or a method is whatever a caller chose to send.
ALLOWED = frozenset(
    {
        *("code.function.name", "error.type", "http.request.method", "http.request.resend_count"),
        *("http.response.status_code", "http.route", "network.protocol.version", "url.scheme"),
        *("anthropic.request.id", "anthropic.message.stop_reason", "anthropic.response.service_tier"),
        *("gen_ai.operation.name", "gen_ai.output.type", "gen_ai.provider.name", "gen_ai.request.max_tokens"),
        *("gen_ai.request.model", "gen_ai.request.stream", "gen_ai.response.id", "gen_ai.response.model"),
        *("gen_ai.response.time_to_first_chunk", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"),
        *("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_write.input_tokens"),
    }
)
#: A request to one of these is no news.
QUIET = ("/healthz", "/readyz", "/metrics")


class Unusable(Exception):
    """The environment asks for traces that cannot be made; says what to change."""


def wanted(environ: Mapping[str, str]) -> list[str]:
    """The exporters that the environment asks for: otlp, console, or none."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return []
    endpoint = environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    named = environ.get("OTEL_TRACES_EXPORTER", "").strip() or ("otlp" if endpoint else "none")
    names = [name.strip().lower() for name in named.split(",") if name.strip()]
    for name in names:
        if name not in ("otlp", "console", "none"):
            raise Unusable(f"OTEL_TRACES_EXPORTER can be otlp, console or none, not {name}.")
    variable = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
    if not environ.get(variable):
        variable = "OTEL_EXPORTER_OTLP_PROTOCOL"
    if "otlp" in names and (protocol := environ.get(variable, "").strip() or "http/protobuf") != "http/protobuf":
        raise Unusable(f"{variable} can only be http/protobuf here, not {protocol}.")
    return [name for name in names if name != "none"]


def make_provider(environ: Mapping[str, str]) -> "TracerProvider | None":
    """Where this process's spans go; None unless they are asked for. No provider is set for the whole of Python."""
    names = wanted(environ)
    if not names:
        return None
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

    about: Any = {"service.version": version("firstline")}
    if str(Resource.create().attributes[SERVICE_NAME]).startswith("unknown_service"):
        about[SERVICE_NAME] = "firstline"
    provider = TracerProvider(resource=Resource.create(about), shutdown_on_exit=False)
    for name in names:
        if name == "otlp":
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

            exporter: SpanExporter = OTLPSpanExporter()
        else:
            exporter = ConsoleSpanExporter(out=sys.stdout, formatter=lambda span: span.to_json(indent=None) + "\n")
        provider.add_span_processor(BatchSpanProcessor(_only_allowed(exporter)))
    return provider


def of_fastapi(provider: "TracerProvider | None") -> Any:
    """What FastAPI is told about its own spans. Its metrics and logs stay off: the service has its own."""
    return {
        "tracer_provider": provider,
        "tracing": provider is not None,
        "metrics": False,
        "logs": False,
        "auto_configure": False,
        "exclude": lambda scope: scope["path"] in QUIET,
    }


def of_claude(provider: "TracerProvider | None") -> Any:
    """What Anthropic's SDK is told about its own spans: never the words, whatever the environment says."""
    if provider is None:
        return {"traces": False, "propagation": False}
    return {
        "tracer_provider": provider,
        "traces": {"enabled": True, "content_mode": "metadata_only"},
        "propagation": False,  # our ids are nobody else's business
    }


async def flush(provider: "TracerProvider | None") -> None:
    """Send what is left, for as long as a stopping process may take."""
    if provider is None:
        return
    # A thread of its own, which nobody waits for at the end: a collector that hangs must not hold up the stop.
    sending = threading.Thread(target=provider.shutdown, daemon=True)
    sending.start()
    until = time.monotonic() + FLUSH_SECONDS
    while sending.is_alive() and time.monotonic() < until:  # noqa: ASYNC110 (it may outlive the loop it would wake)
        await asyncio.sleep(0.01)


def _only_allowed(exporter: "SpanExporter") -> "SpanExporter":
    """An exporter that sends of each span only what may be in it."""
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

    class OnlyAllowed(SpanExporter):
        def export(self, spans: "Sequence[ReadableSpan]") -> Any:
            return exporter.export([bare(span) for span in spans])

        def shutdown(self) -> None:
            exporter.shutdown()

        def force_flush(self, timeout_millis: int = 30000) -> bool:
            return exporter.force_flush(timeout_millis)

    def bare(span: ReadableSpan) -> ReadableSpan:
        """Names, ids, times and what is allowed; no events, which quote errors, and nothing of a caller's state."""
        about = span.attributes or {}
        return ReadableSpan(
            name=span.name,
            context=_without_state(span.context),
            parent=_without_state(span.parent),
            resource=span.resource,
            attributes={name: about[name] for name in about if name in ALLOWED or name.startswith("firstline.")},
            kind=span.kind,
            status=Status(span.status.status_code),
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )

    return OnlyAllowed()


def _without_state(context: SpanContext | None) -> SpanContext | None:
    """The ids alone: `tracestate` is what a caller wrote."""
    return SpanContext(context.trace_id, context.span_id, context.is_remote, context.trace_flags) if context else None
