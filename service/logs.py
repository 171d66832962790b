"""Logs without customers' words: events with ids and numbers, as text or as JSON."""

import logging
import sys
from typing import Any

import structlog

from service.settings import Settings


def set_up_logs(settings: Settings) -> None:
    """Send every log line of the process, libraries' included, to standard error in one form."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        without_values,
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
    root.handlers, root.level = [handler], getattr(logging, settings.log_level)
    for noisy in (
        "anthropic",  # at DEBUG it logs whole requests
        "bm25s",
        "httpx",
        "httpx2",
        "httpcore",
        "httpcore2",
        "chromadb",
        "sentence_transformers",
        "alembic",
        "transformers",
        "uvicorn.error",
    ):
        logging.getLogger(noisy).setLevel(logging.WARNING)


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
