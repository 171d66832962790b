"""The record's routes: conversations found by words and decisions, and every decision as CSV or JSON."""

import csv
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException

from dashboard import queue, words
from dashboard.auth import SignedIn, Who, needs
from dashboard.pages import DeskRoute, context_of, render
from service import labels, record
from service.db import Database
from service.models import AuditEvent
from service.record import Place, Wanted
from service.storable import clean

router = APIRouter(prefix="/desk", route_class=DeskRoute)
READ, EXPORT = needs("read conversations"), needs("export the record")

#: Characters of one field of the form.
MOST = 200
FIELDS = ("q", "state", "channel", "topic", "verdict", "low", "high", "since", "until", "label")
STATES = {
    "agent": "With the agent",
    "waiting": "Waiting for a person",
    "person": "With a person",
    "resolved": "Resolved",
}
VERDICTS = {"answer": "Answered", "clarify": "Asked back", "escalate": "Called for a person"}
LABELS = {"none": "Not labelled", "any": "Labelled", **labels.VALUES}
#: What begins a formula where a table is opened: such a cell becomes plain text.
FORMULA = ("=", "+", "-", "@")


@dataclass(frozen=True)
class Asked:
    """The form as it was filled in; what of it is not understood is said in `sentences`."""

    typed: dict[str, str]
    wanted: Wanted
    after: Place | None = None
    sentences: list[str] = field(default_factory=list)

    def query(self, **other: str) -> str:
        """The form as it stands in an address, with something else asked for."""
        given = {name: value for name, value in (self.typed | other).items() if value}
        return "?" + urlencode(given) if given else ""

    @property
    def narrowed(self) -> bool:
        return any(self.typed.values())


def asked(request: Request) -> Asked:
    """Whatever the address holds, understood as far as it can be."""
    typed = {name: " ".join(clean(request.query_params.get(name, ""))[:MOST].split()) for name in FIELDS}
    zone = words.zone(request.cookies.get("firstline-tz", ""))
    sentences: list[str] = []

    def one_of(name: str, known: dict[str, str]) -> str:
        if typed[name] and typed[name] not in known:
            sentences.append(f"There is no {name} '{typed[name]}'. Choose one of the list.")
            return ""
        return typed[name]

    low, high = (_share(typed[name], sentences) for name in ("low", "high"))
    since, until = _day(typed["since"], zone, sentences), _day(typed["until"], zone, sentences, end=True)
    if since is not None and until is not None and since >= until:
        sentences.append("The period ends before it begins. Change one of the two days.")
    if low is not None and high is not None and low > high:
        sentences.append("The least confidence is above the most. Change one of the two.")
    wanted = Wanted(
        words=typed["q"],
        state=one_of("state", STATES),
        channel=typed["channel"],
        topic=typed["topic"],
        verdict=one_of("verdict", VERDICTS),
        low=low,
        high=high,
        since=since,
        until=until,
        label=one_of("label", LABELS),
    )
    return Asked(typed, wanted, _place(request.query_params.get("after", "")), sentences)


Filled = Annotated[Asked, Depends(asked)]


@router.get("/record", dependencies=READ)
async def find(request: Request, who: Who, asked: Filled) -> Response:
    context = context_of(request)
    async with context.db.read() as session:
        page = await record.find(session, asked.wanted, asked.after) if not asked.sentences else None
        topics = await record.topics(session)
    channels = {name: queue.title(context, name) for name in context.channels}
    following = page.following if page else None
    return render(
        request,
        "record.html",
        422 if asked.sentences else 200,
        who=who,
        asked=asked,
        page=page,
        choices={"state": STATES, "channel": channels, "verdict": VERDICTS, "label": LABELS},
        topics=topics,
        label_of=words.label,
        most=record.MOST_COUNTED,
        following=f"{following.updated_at!r}:{following.id}" if following else "",
        now=context.clock(),
    )


@router.get("/record.csv", dependencies=EXPORT)
async def as_csv(request: Request, who: Who, asked: Filled) -> Response:
    """A row a decision, as tables are opened: RFC 4180, UTF-8 with the mark that Excel looks for."""
    return await _export(request, who, asked, "csv", "text/csv; charset=utf-8", _csv)


@router.get("/record.json", dependencies=EXPORT)
async def as_json(request: Request, who: Who, asked: Filled) -> Response:
    """A list of objects, one a decision."""
    return await _export(request, who, asked, "json", "application/json", _json)


async def _export(request: Request, who: SignedIn, asked: Asked, form: str, media: str, write: Any) -> Response:
    if asked.sentences:
        raise HTTPException(422, " ".join(asked.sentences))
    context = context_of(request)
    async with context.db.write() as session:
        # Which fields narrowed it, and not what stood in them: that may be a customer's name.
        detail = {"form": form, "narrowed_by": [name for name, value in asked.typed.items() if value]}
        session.add(AuditEvent(actor="staff", staff_id=who.staff.id, action="record_exported", detail=detail))
    name = f"firstline-{datetime.fromtimestamp(context.clock(), words.zone('')):%Y-%m-%d}.{form}"
    # A connection that breaks ends without the last chunk, and the browser says that the file is not whole.
    return StreamingResponse(
        write(context.db, asked.wanted),
        media_type=media,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


async def _csv(db: Database, wanted: Wanted) -> AsyncIterator[str]:
    buffer = io.StringIO()
    table = csv.writer(buffer, quoting=csv.QUOTE_ALL)  # else a program that parts cells at semicolons finds formulas
    table.writerow(COLUMNS)
    yield "\ufeff"
    async for row in record.decisions(db, wanted):
        table.writerow([_cell(read(row)) for read in COLUMNS.values()])
        yield _taken(buffer)
    yield _taken(buffer)


async def _json(db: Database, wanted: Wanted) -> AsyncIterator[str]:
    between = "[\n"
    async for row in record.decisions(db, wanted):
        given = [{**each, "at": words.iso(each["at"])} for each in row["labels"]]
        yield between + json.dumps({**row, "at": words.iso(row["at"]), "labels": given}, ensure_ascii=False)
        between = ",\n"
    yield "[]\n" if between == "[\n" else "\n]\n"


#: What a column of the CSV holds, where it is not the row's own value.
COLUMNS = {
    name: (lambda row, name=name: row[name])
    for name in (
        *("decision", "conversation", "at", "channel", "state", "topic", "verdict", "reason", "confidence"),
        *("threshold", "label", "labels", "question", "answer", "delivery", "sources", "model"),
        *("input_tokens", "output_tokens", "cost_usd"),
    )
} | {
    "at": lambda row: words.iso(row["at"]),
    "labels": lambda row: "; ".join(f"{each['by']}: {each['label']}" for each in row["labels"]),
    "sources": lambda row: " ".join(row["sources"]),
}


def _cell(value: Any) -> Any:
    """A number as it is; words so that no program takes them for a formula."""
    return "'" + value if isinstance(value, str) and value.lstrip().startswith(FORMULA) else value


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text


def _share(typed: str, sentences: list[str]) -> float | None:
    if not typed:
        return None
    try:
        value = float(typed)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        sentences.append(f"'{typed}' is no confidence. Give a number from 0 to 1, such as 0.8.")
        return None
    return value


def _day(typed: str, zone: tzinfo, sentences: list[str], *, end: bool = False) -> float | None:
    """The beginning of that day where the reader is, or of the next one for the end of a period."""
    if not typed:
        return None
    try:
        day = datetime.strptime(typed, "%Y-%m-%d").replace(tzinfo=zone)
        return (day + timedelta(days=end)).timestamp()
    except (ValueError, OverflowError):
        sentences.append(f"'{typed}' is no day. Give it as in 2026-11-21.")
        return None


def _place(typed: str) -> Place | None:
    """Where a page begins; what is no such place is the beginning."""
    at, _, id = typed.partition(":")
    try:
        place = Place(float(at), int(id))
    except ValueError:
        return None
    return place if abs(place.updated_at) < 1e12 and 0 < place.id < 2**63 else None
