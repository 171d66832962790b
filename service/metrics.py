"""What `/metrics` tells: counts of this process, and figures read from the database when they are asked for."""

import asyncio
import math
import time
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import case, col, func, select
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from knowledge.articles import revision
from service.db import clock
from service.models import Conversation, Delivery, Escalation, Job

if TYPE_CHECKING:
    from service.context import Context

#: Seconds: from a look that finds nothing to the longest that an answer may take.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
#: How long the database may take to answer; then the rest is told without it.
DATABASE_SECONDS = 5.0
METHODS = ("GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE")


class Metrics:
    """The figures of one process. Labels are names of ours (verdicts, steps, routes), never anybody's words."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)

        def gauge(name: str, help: str, *labels: str) -> Gauge:
            return Gauge(f"firstline_{name}", help, labels, registry=registry)

        def counter(name: str, help: str, *labels: str) -> Counter:
            return Counter(f"firstline_{name}", help, labels, registry=registry)

        def histogram(name: str, help: str, *labels: str) -> Histogram:
            return Histogram(f"firstline_{name}", help, labels, registry=registry, buckets=BUCKETS)

        # From the database: the same from every process.
        self.database_up = gauge("database_up", "1 if the database answered this scrape, else 0.")
        self.oldest_unanswered = gauge(
            "oldest_unanswered_seconds", "Age of the oldest message that waits for the agent; 0: none waits."
        )
        self.oldest_call = gauge(
            "oldest_call_seconds", "Age of the oldest call for a person that nobody has taken; 0: none waits."
        )
        self.oldest_undelivered = gauge(
            "oldest_undelivered_seconds", "Age of the oldest reply that has not reached its channel; 0: none waits."
        )
        self.owed_responses = gauge("owed_responses", "Conversations that wait for the agent.")
        self.owed_deliveries = gauge("owed_deliveries", "Replies that wait to be sent, or to be looked up.")
        self.open_calls = gauge("open_calls", "Calls for a person that nobody has taken.")
        self.published_revision = gauge("published_revision", "The revision of the articles that is published.")
        self.job_overdue = gauge(
            "job_overdue_seconds", "How long scheduled work should have been done and was not; 0: in time.", "job"
        )
        self.job_failed = gauge("job_failed", "1 if the last run of scheduled work failed, else 0.", "job")
        # Of this process.
        self.index_revision = gauge("index_revision", "The revision of the articles that this process searches.")
        self.received = counter(
            "messages_received", "Messages stored, by channel and by what became of them first.", "channel", "status"
        )
        self.missed = counter("missed", "Messages that a vendor had and we had not, until we asked.", "channel")
        self.decisions = counter("decisions", "The agent's decisions on record, by verdict.", "verdict")
        self.sends = counter(
            "sends",
            "What came of each try to send a reply: sent, failed, uncertain, cancelled, or retry for one more.",
            *("channel", "outcome"),
        )
        self.step_seconds = histogram("step_seconds", "Time that one step of a message's path took.", "step")
        self.requests = counter("http_requests", "HTTP requests, by route and status.", "method", "route", "status")
        self.request_seconds = histogram("http_seconds", "Time until an HTTP response began.", "route")
        for verdict in ("answer", "clarify", "escalate"):
            self.decisions.labels(verdict)

    async def render(self, context: "Context", accept: str = "") -> tuple[bytes, str]:
        """Everything in the form that `accept` asks for, and its content type."""
        self.index_revision.set(context.knowledge.revision)
        up = await self._read(context)
        self.database_up.set(up)
        if not up:  # an old figure would pass for a good one
            for each in (self.oldest_unanswered, self.oldest_call, self.oldest_undelivered, self.published_revision):
                each.set(math.nan)
            for each in (self.owed_responses, self.owed_deliveries, self.open_calls):
                each.set(math.nan)
            self.job_overdue.clear()
            self.job_failed.clear()
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type

    async def _read(self, context: "Context") -> bool:
        """Figures of the database, each by an index over what is owed; whether it answered."""
        try:
            async with asyncio.timeout(DATABASE_SECONDS), context.db.read() as session:
                # Not by the state, of which an index would find every conversation that was ever answered.
                since = case(
                    (col(Conversation.state) == "agent", func.coalesce(Conversation.owed_since, Conversation.ready_at))
                )
                owed = select(clock() - func.min(since), func.count(since)).where(col(Conversation.ready_at) > 0)
                age, number = (await session.exec(owed)).one()
                self.oldest_unanswered.set(_age(age))
                self.owed_responses.set(number)
                calls = (
                    select(clock() - func.min(Escalation.created_at), func.count())
                    .join(Conversation, col(Conversation.id) == col(Escalation.conversation_id))
                    .where(
                        Conversation.state == "waiting",
                        col(Escalation.taken_at).is_(None),
                        col(Escalation.closed_at).is_(None),
                    )
                )
                age, number = (await session.exec(calls)).one()
                self.oldest_call.set(_age(age))
                self.open_calls.set(number)
                due = select(clock() - func.min(Delivery.created_at), func.count()).where(col(Delivery.due_at) > 0)
                age, number = (await session.exec(due)).one()
                self.oldest_undelivered.set(_age(age))
                self.owed_deliveries.set(number)
                self.published_revision.set(await revision(session))
                jobs = select(Job.name, clock() - col(Job.due_at), Job.last_error)
                for name, overdue, error in (await session.exec(jobs)).all():
                    self.job_overdue.labels(name).set(_age(overdue))
                    self.job_failed.labels(name).set(bool(error))
        except (OSError, SQLAlchemyError, TimeoutError):
            return False
        return True


class CountRequests:
    """Counts what is asked for over HTTP: the route, not the address, which may hold anything."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self.metrics.request_seconds.labels(_route(scope)).observe(time.perf_counter() - began)
            await send(message)

        try:
            await self.app(scope, receive, counted)
        finally:
            method = scope["method"] if scope["method"] in METHODS else "other"
            # Without a status it broke, and becomes a 500 further out.
            self.metrics.requests.labels(method, _route(scope), str(status or 500)).inc()


def _age(seconds: float | None) -> float:
    return max(0.0, seconds or 0.0)


def _route(scope: Scope) -> str:
    """The route's template, such as /help/{slug}; "none" for an address that is nobody's."""
    route: Any = scope.get("fastapi", {}).get("effective_route_context") or scope.get("route")
    if path := getattr(route, "path", None):
        return path
    return scope.get("root_path", "") or "none"  # a mounted folder
