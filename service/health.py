"""What those who run it ask: does it live, could it answer, and in figures, how is it."""

import asyncio
import secrets
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from sqlalchemy import literal
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import select
from starlette.exceptions import HTTPException

from service import traces
from service.context import Context

#: How long /readyz waits for the database: whoever asks gives up soon after.
READY_SECONDS = 3.0


def mount(app: FastAPI, context: Context) -> None:
    """Add /healthz, /readyz and /metrics to `app`."""
    router = APIRouter()

    @router.get("/healthz")
    async def healthz() -> PlainTextResponse:
        return PlainTextResponse("ok\n")

    @router.get("/readyz")
    async def readyz() -> JSONResponse:
        """200 once an answer could be given: the database answers and the index is loaded."""
        try:
            async with asyncio.timeout(READY_SECONDS), context.db.read() as session:
                await session.exec(select(literal(1)))
        except (OSError, SQLAlchemyError):
            return JSONResponse({"ready": False, "reason": "The database does not answer."}, 503)
        if context.stopping.is_set():
            return JSONResponse({"ready": False, "reason": "This server is stopping."}, 503)
        if not context.knowledge.ready:
            return JSONResponse({"ready": False, "reason": "The index of the articles is not built yet."}, 503)
        return JSONResponse({"ready": True, "revision": context.knowledge.revision})

    @router.get("/metrics")
    async def metrics(request: Request) -> Response:
        """For who has the token alone. Not by address: behind a proxy on this machine everybody comes from here."""
        token = context.settings.metrics_token.get_secret_value()
        if not token:
            raise HTTPException(403, "Metrics are for who has METRICS_TOKEN, which is not set.")
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not secrets.compare_digest(given.strip().encode(), token.encode()):
            raise HTTPException(403, "Metrics are for who sends METRICS_TOKEN: `Authorization: Bearer ...`.")
        body, content_type = await context.metrics.render(context, request.headers.get("accept", ""))
        return Response(body, media_type=content_type, headers={"cache-control": "no-store"})

    app.include_router(router)


def create_health_app(context: Context, lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]]) -> FastAPI:
    """For a process that serves nobody: it is asked how it is, and nothing else."""
    off: dict[str, Any] = {"docs_url": None, "redoc_url": None, "openapi_url": None}
    app = FastAPI(title="Firstline", lifespan=lifespan, telemetry=traces.of_fastapi(None), **off)
    mount(app, context)
    return app
