"""The desk's routes: the queue, one conversation, what staff do with it, and the stream that says something changed."""

import asyncio
import json
import re
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.exceptions import HTTPException

from dashboard import grounds, queue, timeline, words
from dashboard.auth import Acting, SignedIn, Who, look, needs
from dashboard.pages import DeskRoute, Id, by_htmx, context_of, render
from service import labels, staff_verbs
from service.context import Context
from service.last_check import Channel, Offer, window
from service.models import Conversation, Decision
from service.storable import clean

router = APIRouter(prefix="/desk", route_class=DeskRoute)
READ = needs("read conversations")

#: How long a live reader sleeps at most before it looks for itself, and whether it is still signed in; seconds.
LOOK_SECONDS = 15.0
#: Changes that come closer together than this are one event; seconds.
REST_SECONDS = 0.2

#: The conversation that is open beside the queue; 0: none.
Shown = Annotated[int, Query(ge=0, le=2**63 - 1)]


@dataclass(frozen=True)
class View:
    """What of the queue is shown beside; it stays in the address, so that a reload shows the same."""

    show: str = "all"
    most: int = queue.PAGE
    whole: bool = False  # the whole conversation, however long

    @property
    def query(self) -> str:
        """As it stands in an address: nothing where it is as usual."""
        usual = View()
        given = {name: value for name, value in vars(self).items() if value != getattr(usual, name)}
        return "?" + urlencode(given) if given else ""


def view(show: str = "all", most: int = queue.PAGE, whole: bool = False) -> View:
    return View(show if show in queue.VIEWS else "all", max(1, min(most, queue.MOST)), whole)


Seen = Annotated[View, Depends(view)]


@router.get("", dependencies=READ)
async def desk(request: Request, who: Who, view: Seen) -> Response:
    return await _page(request, who, None, view)


@router.get("/queue", dependencies=READ)
async def queue_now(request: Request, who: Who, view: Seen, open: Shown = 0) -> Response:
    """The queue by itself: what the open page asks for when something changed."""
    context = context_of(request)
    async with context.db.read() as session:
        rows = await queue.load(session, context, who.staff, view.show, view.most)
    return render(request, "_queue.html", who=who, queue=rows, view=view, open=open, now=context.clock())


@router.get("/conversations/{conversation_id}", dependencies=READ)
async def conversation(request: Request, who: Who, conversation_id: Id, view: Seen) -> Response:
    return await _page(request, who, conversation_id, view)


@router.get("/conversations/{conversation_id}/now", dependencies=READ)
async def conversation_now(request: Request, who: Who, conversation_id: Id, view: Seen) -> Response:
    """The conversation by itself: what the open page asks for when something changed."""
    return await _part(request, who, conversation_id, view)


@router.get("/decisions/{decision_id}", dependencies=READ)
async def decision(request: Request, who: Who, decision_id: Id) -> Response:
    """The grounds of one decision: passages with their scores, facts, times."""
    async with context_of(request).db.read() as session:
        found = await session.get(Decision, decision_id)
    if found is None:
        raise HTTPException(404, "There is no such decision.")
    name = "_grounds.html" if by_htmx(request) else "grounds.html"
    return render(request, name, who=who, grounds=grounds.read(found), conversation_id=found.conversation_id)


@router.post("/decisions/{decision_id}/label", dependencies=needs("label decisions"))
async def label(
    request: Request, who: Acting, decision_id: Id, view: Seen, value: Annotated[str, Form()] = ""
) -> Response:
    """Say what one thinks of a decision, or with an empty `value` nothing any more."""
    context, sentence = context_of(request), ""
    async with context.db.read() as session:
        decision = await session.get(Decision, decision_id)
    if decision is None:
        raise HTTPException(404, "There is no such decision.")
    try:
        async with context.db.write() as session:
            if value:
                await labels.label(session, decision_id, who.staff, value, context.clock())
            else:
                await labels.withdraw(session, decision_id, who.staff)
    except staff_verbs.NotPossible as error:
        sentence = str(error)
    status = 409 if sentence else 200
    if by_htmx(request):
        return await _part(request, who, decision.conversation_id, view, status=status, sentence=sentence)
    if sentence:
        return await _page(request, who, decision.conversation_id, view, status=status, sentence=sentence)
    return RedirectResponse(f"/desk/conversations/{decision.conversation_id}{view.query}", 303)


@router.post("/conversations/{conversation_id}/{verb}", dependencies=needs("answer customers"))
async def act(
    request: Request,
    who: Acting,
    conversation_id: Id,
    verb: str,
    view: Seen,
    text: Annotated[str, Form()] = "",
    key: Annotated[str, Form()] = "",
    purpose: Annotated[str, Form()] = "",
    take_from: Annotated[int | None, Form()] = None,
    seq: Annotated[int | None, Form()] = None,
) -> Response:
    """One of staff's verbs; what cannot be done is said on the page, and what was typed stays there."""
    context, sentence = context_of(request), ""
    text = clean(text).replace("\r\n", "\n").strip()
    try:
        async with context.db.write() as session:
            await staff_verbs.present(session, who.staff)
            if verb == "reply":
                channel = await _may_be_sent(context, session, conversation_id, text)
                await staff_verbs.reply(session, conversation_id, who.staff, text, _key(key), channel)
            elif verb == "offer":
                channel, offered = await _offered(context, session, conversation_id, purpose)
                await staff_verbs.offer(session, conversation_id, who.staff, offered, text, _key(key), channel)
            elif verb == "take-over":
                await staff_verbs.take_over(session, conversation_id, who.staff, take_from=take_from)
            elif verb == "take-back":
                await staff_verbs.take_back(session, conversation_id, who.staff, seq)
            elif verb == "hand-back":
                await staff_verbs.hand_back(session, conversation_id, who.staff)
            elif verb == "resolve":
                await staff_verbs.resolve(session, conversation_id, who.staff)
            else:
                raise HTTPException(404, "There is no such thing to do with a conversation.")
    except staff_verbs.NotPossible as error:
        sentence = str(error)
    status = 409 if sentence else 200
    if by_htmx(request):
        response = await _part(request, who, conversation_id, view, status=status, sentence=sentence, typed=bool(text))
        if verb in ("reply", "offer") and text and not sentence:
            response.headers["HX-Trigger"] = json.dumps({"desk:sent": {"conversation": conversation_id}})
        return response
    if sentence:
        return await _page(request, who, conversation_id, view, status=status, sentence=sentence, text=text)
    return RedirectResponse(f"/desk/conversations/{conversation_id}{view.query}", 303)


@router.get("/live", dependencies=READ, response_class=EventSourceResponse)
async def live(request: Request, who: Who, conversation: Shown = 0) -> AsyncIterator[ServerSentEvent]:
    """Says which version of the queue and of the open conversation is current, whenever that changes; no contents."""
    context = context_of(request)
    told: dict[str, object] = {}
    with context.db.waker.subscribe() as changes:
        while not context.stopping.is_set():
            if await look(request) is None:
                yield ServerSentEvent(event="signed-out", data={})
                return
            async with context.db.read() as session:
                clock = select(Conversation.clock).where(col(Conversation.id) == conversation)
                state = {"queue": await queue.version(session), "clock": (await session.exec(clock)).first() or 0}
            if state != told:
                told = state
                yield ServerSentEvent(event="state", data=state)
                await asyncio.sleep(REST_SECONDS)
            await changes.wait(LOOK_SECONDS)


async def _may_be_sent(context: Context, session: AsyncSession, conversation_id: Id, text: str) -> Channel:
    """The channel. Raises NotPossible where it would refuse the reply: better here than after it is queued."""
    found = await staff_verbs.hold(session, conversation_id)
    channel = context.channels.get(found.channel)
    now = window(context, channel, found)
    if channel is None or not now.open:
        raise staff_verbs.NotPossible(now.reason)
    if len(text) > channel.max_length:
        raise staff_verbs.NotPossible(
            f"{channel.title} takes at most {channel.max_length:,} characters and this reply has {len(text):,}."
        )
    return channel


async def _offered(context: Context, session: AsyncSession, conversation_id: Id, purpose: str) -> tuple[Channel, Offer]:
    """What the channel takes for `purpose`. Raises NotPossible if it does not, or takes free text by now."""
    found = await staff_verbs.hold(session, conversation_id)
    channel = context.channels.get(found.channel)
    now = window(context, channel, found)
    if now.open:
        raise staff_verbs.NotPossible("The customer wrote in the meantime, and a reply can be sent as it is.")
    for offer in now.offers:
        if channel and offer.purpose == purpose:
            return channel, offer
    raise staff_verbs.NotPossible(now.reason)


def _key(key: str) -> str:
    """The browser's name for this reply, which makes a repeated press one message; ours where there is none."""
    return key if re.fullmatch(r"[A-Za-z0-9-]{16,64}", key) else str(uuid.uuid4())


async def _part(
    request: Request,
    who: SignedIn,
    conversation_id: Id,
    view: View,
    *,
    status: int = 200,
    sentence: str = "",
    typed: bool = False,
) -> Response:
    """The open conversation. What was `typed` is in the browser still: the page that comes leaves it there."""
    found = await _timeline(request, who, conversation_id, view.whole)
    return render(
        request,
        "_conversation.html",
        status,
        who=who,
        timeline=found,
        view=view,
        sentence=sentence,
        text="",
        typed=typed,
        key=str(uuid.uuid4()),
        now=context_of(request).clock(),
    )


async def _page(
    request: Request,
    who: SignedIn,
    conversation_id: int | None,
    view: View,
    *,
    status: int = 200,
    sentence: str = "",
    text: str = "",
) -> Response:
    context = context_of(request)
    found = None if conversation_id is None else await _timeline(request, who, conversation_id, view.whole)
    async with context.db.read() as session:
        rows = await queue.load(session, context, who.staff, view.show, view.most)
    return render(
        request,
        "desk.html",
        status,
        who=who,
        queue=rows,
        timeline=found,
        open=conversation_id or 0,
        view=view,
        sentence=sentence,
        text=text,
        typed=bool(text),
        key=str(uuid.uuid4()),
        now=context.clock(),
    )


async def _timeline(request: Request, who: SignedIn, conversation_id: int, whole: bool) -> timeline.Timeline:
    context = context_of(request)
    zone = words.zone(request.cookies.get("firstline-tz", ""))
    async with context.db.read() as session:
        found = await timeline.load(session, context, who.staff, conversation_id, zone=zone, whole=whole)
    if found is None:
        raise HTTPException(404, "There is no such conversation. It may have been erased.")
    return found
