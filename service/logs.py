"""Logs without customers' words: events with ids and numbers, as text or as JSON."""

import logging
import sys
from typing import Any

import structlog
from opentelemetry import trace

from service.settings import Settings

#: Whose lines LOG_LEVEL is about. Libraries only warn: below that they log whole requests, and the parameters of every
#: statement, which are what customers wrote.
OURS = ("channels", "dashboard", "knowledge", "service")


def set_up_logs(settings: Settings) -> None:
    """Send every log line of the process, libraries' included, to standard error in one form."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        without_values,
        with_span,
    ]
    last: list[Any] = (
        [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]
        if settings.log_format == "json"
        else [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
    )
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers, root.level = [handler], max(logging.WARNING, getattr(logging, settings.log_level))
    for ours in OURS:
        logging.getLogger(ours).setLevel(settings.log_level)


def with_span(logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Add the ids of the span that the line was written in, if there is one."""
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        event["trace_id"], event["span_id"] = trace.format_trace_id(span.trace_id), trace.format_span_id(span.span_id)
    return event


def without_values(logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Replace an exception by one that keeps type and place but no message.

    Database errors quote the parameters of their statement, and those are what customers wrote.
    """
    info = event.get("exc_info")
    if not info:
        return event
    error = sys.exc_info()[1] if info is True else info[1] if isinstance(info, tuple) else info
    event.pop("exc_info")
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        event["at"] = _place(error)
    return event


def _place(error: BaseException) -> str:
    places = []
    trace = error.__traceback__
    while trace:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}:{code.co_name}")
        trace = trace.tb_next
    return " > ".join(places[-6:])
