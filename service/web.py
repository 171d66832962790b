"""What the outside world reaches: webhooks and a conversation's stream; errors become status codes here."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy import Row, bindparam
from sqlmodel import and_, col, or_, select
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from channels.base import Channel, Forbidden, Inbound, Malformed, Webhook
from service import flow
from service.context import Context
from service.limits import refusal
from service.models import Conversation, Message, Staff
from service.throttle import TooMany
from service.wake import NEW_CONVERSATION

log = structlog.get_logger()

#: What a customer may see of what we said: it was sent, or it may have been.
SHOWN = ("sent", "uncertain")
#: Bytes of a webhook that are parsed while everybody else waits; a longer one has a thread to itself.
MOST_AT_ONCE = 256_000
#: What of a message is told of.
TOLD = ("changed", "seq", "author", "name", "text", "sources", "disclosure", "external_id", "created_at")
#: How long a reader sleeps at most before it looks for itself.
LOOK_SECONDS = 10.0


def mount(app: FastAPI, context: Context) -> None:
    """Add the routes of the outside world to `app`."""
    router = APIRouter()

    def find_channel(name: str) -> Channel:
        channel = context.channels.get(name)
        if channel is None or channel.missing:
            raise HTTPException(404, "There is no such channel here.")
        return channel

    @router.post("/channels/{name}")
    async def webhook(name: str, request: Request) -> JSONResponse:
        channel = find_channel(name)
        body = await read_body(request, channel.max_body)
        try:
            given = await to_webhook(request, body)
            if len(body) > MOST_AT_ONCE:
                parsed = await asyncio.to_thread(channel.parse, given)
            else:
                parsed = channel.parse(given)
        except Forbidden as error:
            if not channel.public:  # a vendor whose secret was changed on one side only looks like this
                log.warning("webhook.refused", channel=channel.name, why=str(error))
            raise HTTPException(403, str(error) or "This request is not signed as it should be.") from None
        except Malformed as error:
            raise HTTPException(400, str(error)) from None
        for each in parsed:  # before any of it is stored: what is refused was not taken
            if isinstance(each, Inbound):
                context.limits.count_message(request.scope, channel, each)
        messages = await flow.take(context, channel, parsed)
        answer: Any = {"ok": True}
        for message in messages:
            answer = channel.reply(message.external_id or "", message.seq)
        return JSONResponse(answer)

    async def reader(name: str, request: Request, after: str = "") -> AsyncIterator[tuple[Channel, str, int]]:
        """Whose thread the caller may read, and from where: asked while a refusal can still have its status."""
        channel = find_channel(name)
        headers = {key.lower(): value for key, value in request.headers.items()}
        try:
            thread = channel.thread(headers)
        except Forbidden as error:
            raise HTTPException(403, str(error)) from None
        with context.limits.stream(request.scope, channel, thread):
            yield channel, thread, to_position(headers.get("last-event-id") or after)

    @router.get("/channels/{name}/stream", response_class=EventSourceResponse)
    async def stream(
        found: Annotated[tuple[Channel, str, int], Depends(reader)],
    ) -> AsyncIterator[ServerSentEvent]:
        async for event in follow(context, *found):
            yield event

    app.include_router(router)
    for channel in context.channels.values():
        if not channel.missing and (pages := channel.pages()):
            app.include_router(pages, prefix=f"/channels/{channel.name}")


async def read_body(request: Request, most: int) -> bytes:
    """The body, refused as soon as it is too long: before any of it is parsed."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                raise HTTPException(413, f"This is too long: at most {most // 1000} kB are taken.")
    except ClientDisconnect:
        raise HTTPException(400, "The connection was closed before all of it had arrived.") from None
    return bytes(body)


async def to_webhook(request: Request, body: bytes) -> Webhook:
    headers = {key.lower(): value for key, value in request.headers.items()}
    form = None
    urlencoded = headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    if urlencoded and len(body) <= MOST_AT_ONCE:  # a longer one is the channel's to read, which has a thread for it
        request._body = body  # the stream is read already; Starlette's own parse is the one a signature is checked on
        # How long the body may be was asked before; one field may be all of it.
        fields = await request.form(max_part_size=len(body) + 1)
        form = [(key, value) for key, value in fields.multi_items() if not isinstance(value, UploadFile)]
    return Webhook(url=str(request.url), headers=headers, body=body, form=form)


def to_position(value: str) -> int:
    """A reader's place in the stream; what is no such number is the beginning."""
    return int(value) if value.isascii() and value.isdecimal() and len(value) <= 9 else 0


def _look() -> Any:
    """The clock, the turn and who has it, with each message that changed: one row without one if none did."""
    shown = or_(Message.author == "customer", col(Message.status).in_(SHOWN))
    return (
        select(
            Conversation.clock,
            Conversation.state,
            col(Conversation.ready_at).is_not(None).label("busy"),
            col(Staff.name).label("staff"),
            *(getattr(Message, name) for name in TOLD),
        )
        .join(Staff, col(Staff.id) == col(Conversation.assigned_to), isouter=True)
        .join(
            Message,
            and_(
                col(Message.conversation_id) == col(Conversation.id), col(Message.changed) > bindparam("after"), shown
            ),
            isouter=True,
        )
        .where(col(Conversation.id) == bindparam("conversation_id"))
        .order_by(col(Message.changed))
    )


_LOOK = _look()


async def follow(context: Context, channel: Channel, thread: str, after: int) -> AsyncIterator[ServerSentEvent]:
    """A customer's view of one thread: every message past the clock `after`, then each change as it comes."""
    known: tuple[Any, ...] = ()
    conversation_id: int | None = None
    while conversation_id is None and not context.stopping.is_set():
        with context.db.waker.subscribe(NEW_CONVERSATION) as changed:
            conversation_id = await context.openings.find(channel.name, thread)
            if conversation_id is None:
                if not known:
                    known = ("agent", False, "")
                    yield ServerSentEvent(event="state", data=_state(*known))
                await changed.wait(LOOK_SECONDS)
    with context.db.waker.subscribe(conversation_id) as changed:
        while not context.stopping.is_set():
            rows = await context.db.look(_LOOK, conversation_id=conversation_id, after=after)
            if not rows:
                return  # it was erased
            clock, state, busy, name = rows[0][:4]
            if after > clock:  # a position of another time: the database was restored
                after = 0
                continue
            for row in rows:
                if row.seq is not None:
                    yield ServerSentEvent(event="message", id=str(row.changed), data=_message(row, thread))
            after = clock
            now = (state, state == "agent" and busy, name if name and state == "person" else "")
            if now != known:
                known = now
                yield ServerSentEvent(event="state", id=str(after), data=_state(*now))
            await changed.wait(LOOK_SECONDS)


def _message(message: Row[Any], thread: str) -> dict[str, Any]:
    own = message.author == "customer"
    return {
        "seq": message.seq,
        "author": message.author,
        "name": message.name,
        "text": message.text,
        "sources": message.sources,
        "disclosure": message.disclosure,
        "id": (message.external_id or "").removeprefix(f"{thread}:") if own else None,
        "at": message.created_at,
    }


def _state(state: str, busy: bool, name: str) -> dict[str, Any]:
    return {"state": state, "busy": busy, "name": name}


def add_error_answers(app: FastAPI) -> None:
    """Errors to status codes, for every route that does not draw its own page."""

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": str(error.detail)}, error.status_code, headers=error.headers)

    @app.exception_handler(TooMany)
    async def too_many(request: Request, error: TooMany) -> Response:
        return refusal(error, request.headers)

    @app.exception_handler(RequestValidationError)
    async def misread(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0] if error.errors() else {}
        where = ".".join(str(part) for part in first.get("loc", ()) if part not in ("query", "path", "body"))
        sentence = f"{where or 'The request'} is not as it should be: {first.get('msg', 'check it and send it again')}."
        return JSONResponse({"error": sentence}, 422)

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        log.error("request.failed", path=request.url.path, exc_info=error)
        sentence = "Something went wrong on our side. Please try again in a moment."
        if "text/html" in request.headers.get("accept", ""):
            return HTMLResponse(f"<!doctype html><title>Not now</title><p>{sentence}</p>", 500)
        return JSONResponse({"error": sentence}, 500)
