"""The one place that wires the parts: settings in, a running application out."""

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import structlog
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

import dashboard
from channels import CHANNELS, Setup
from channels.base import Channel
from knowledge import Knowledge
from knowledge.embedder import Embedder
from service import (
    fetching,
    health,
    help_pages,
    listening,
    migrations,
    schedule,
    spending,
    sweeping,
    switched_off,
    traces,
    web,
)
from service.agent import Agent
from service.agent.budget import Budget, Spent, priced_models
from service.agent.confidence import Confidence
from service.context import Context
from service.db import Database
from service.limits import LimitRequests
from service.metrics import CountRequests, Metrics
from service.settings import Settings
from service.steps import Steps
from service.work import work

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from service.agent.claude import Claude

log = structlog.get_logger()


def build_channels(
    settings: Settings, environ: Mapping[str, str], clock: Callable[[], float] = time.time
) -> dict[str, Channel]:
    """Every channel of the registry, on or off, by its name."""
    setup = Setup(
        settings.signing_key(), environ, company=settings.company_name, base_url=settings.base_url, clock=clock
    )
    return {channel.name: channel(setup) for channel in CHANNELS}


def build_context(
    settings: Settings,
    channels: Mapping[str, Channel],
    embedder: Embedder,
    *,
    clock: Callable[[], float] | None = None,
    build_agent: Callable[[Knowledge], Agent] | None = None,
    spans: "TracerProvider | None" = None,
) -> Context:
    """The collaborators of one process. Tests hand in their own. `spans`: where spans go, if they are wanted."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    db = Database(settings.url)
    knowledge = Knowledge(db.read, embedder, settings.data_dir / "index")
    spent = functools.partial(spending.spent, db)
    metrics = Metrics()
    steps = Steps(metrics.step_seconds, spans)
    agent = build_agent(knowledge) if build_agent else default_agent(settings, knowledge, spent, steps)
    context = Context(
        settings=settings, db=db, channels=channels, knowledge=knowledge, agent=agent, metrics=metrics, steps=steps
    )
    if clock:
        context.clock = clock
    return context


def default_agent(
    settings: Settings, knowledge: Knowledge, spent: Callable[[int | None], Awaitable[Spent]], steps: Steps
) -> Agent:
    """The agent: without a key it quotes the articles, with one Claude writes what it answers."""
    return Agent(
        knowledge,
        Confidence.shipped(),
        company=settings.company_name,
        wrong_rate=settings.wrong_rate,
        threshold=settings.confidence_threshold,
        claude=make_claude(settings, spent, steps),
        steps=steps,
    )


def make_claude(
    settings: Settings, spent: Callable[[int | None], Awaitable[Spent]], steps: Steps | None = None
) -> "Claude | None":
    """Claude as the settings want it; None without a key."""
    if not settings.anthropic_api_key.get_secret_value():
        return None
    from service.agent.claude import OF_LEASE, Claude  # the SDK takes a second to import
    from service.agent.connection import make_client

    seconds = min(settings.claude_seconds, settings.lease_seconds * OF_LEASE)
    client = make_client(settings.anthropic_api_key, settings.anthropic_base_url, seconds)
    return Claude(
        client.with_options(open_telemetry=traces.of_claude(steps.provider if steps else None)),
        priced_models()[settings.claude_model],
        Budget(
            message=settings.claude_usd_per_message,
            conversation=settings.claude_usd_per_conversation,
            day=settings.claude_usd_per_day,
            max_tokens=settings.claude_max_tokens,
        ),
        seconds=seconds,
        company=settings.company_name,
        spent=spent,
    )


@contextlib.asynccontextmanager
async def running(context: Context, *, migrate: bool = True) -> AsyncIterator[None]:
    """The background of a process for the length of the block: schema, index, waker, and the loops that work."""
    if migrate:
        await migrations.upgrade(context.db)
    else:
        await migrations.wait(context.db, context.stopping)
        if context.stopping.is_set():
            await context.db.close()
            yield
            return
    async with context.db.write() as session:
        await switched_off.begin(session)
    await sweeping.begin(context)
    context.db.waker.start(context.db.engine)
    await context.knowledge.start()
    loops: Sequence[asyncio.Task[None]] = [
        asyncio.create_task(work(context, context.stopping)),
        asyncio.create_task(schedule.run(context)),
        asyncio.create_task(listening.run(context)),
        asyncio.create_task(sweeping.run(context)),
        asyncio.create_task(fetching.run(context)),
    ]
    try:
        yield
    finally:
        stop(context)
        await asyncio.gather(*loops, return_exceptions=True)
        await context.agent.close()
        for channel in context.channels.values():
            await channel.close()
        await context.knowledge.close()
        await context.db.close()
        await traces.flush(context.steps.provider)


def stop(context: Context) -> None:
    """Ask everything of this process to come to its end."""
    context.stopping.set()
    context.db.waker.wake()


def create_app(context: Context, *, demo: bool = False) -> FastAPI:
    """The web application on one context; its lifespan is the process's."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running(context):
            yield

    telemetry = traces.of_fastapi(context.steps.provider)
    app = FastAPI(
        title="Firstline", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None, telemetry=telemetry
    )
    app.state.context = context
    origins = [origin.strip() for origin in context.settings.allowed_origins.split(",") if origin.strip()]
    app.add_middleware(LimitRequests, limits=context.limits, channels=context.channels)
    # Around the limits, so that a page elsewhere can read why it was refused and when to come back.
    app.add_middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_methods=["GET", "POST"],
        allow_headers=["authorization", "content-type", "last-event-id"],
        expose_headers=["retry-after"],
        max_age=600,
    )
    app.add_middleware(CountRequests, metrics=context.metrics)
    health.mount(app, context)
    web.mount(app, context)
    help_pages.mount(app, context)
    dashboard.mount(app, context)
    if demo:
        for channel in context.channels.values():
            if made := channel.demo():
                page, routes = made
                app.include_router(routes, prefix=page.path.rstrip("/"))
    web.add_error_answers(app)
    return app
