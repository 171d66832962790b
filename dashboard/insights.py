"""The page of figures: each with its number, its chart, its definition and the table behind it."""

from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse

from dashboard import charts, queue
from dashboard.auth import Who, needs
from dashboard.pages import DeskRoute, context_of, render
from service import insights
from service.measured import Scope
from service.storable import clean

router = APIRouter(prefix="/desk", route_class=DeskRoute)
READ = needs("read figures")

#: The periods with a link of their own, the usual one second; days.
PERIODS = (7, 30, 90)
USUAL = 30
#: More days than this are not legible in one chart.
MOST_DAYS = 366


@dataclass(frozen=True)
class Asked:
    """The days from `from` to `to`, or the last `days`, of every channel and topic or of one: as the address has it."""

    days: str = ""
    first: Annotated[str, Query(alias="from")] = ""
    last: Annotated[str, Query(alias="to")] = ""
    channel: str = ""
    topic: str = ""

    def understood(self, now: float) -> tuple[Scope, str]:
        """What is asked for, or what is usual and a sentence that says why."""
        today, sentence = _day_of(now), ""
        count = int(self.days) if self.days in map(str, PERIODS) else USUAL
        usual = (today - timedelta(count - 1), today)
        try:
            end = date.fromisoformat(self.last) if self.last else today
            begin = date.fromisoformat(self.first) if self.first else end - timedelta(count - 1)
        except (ValueError, OverflowError):
            (begin, end), sentence = usual, f"Write a day like {today}."
        if begin > end:
            (begin, end), sentence = usual, "The first day must not be after the last one."
        elif (end - begin).days >= MOST_DAYS:
            (begin, end), sentence = usual, f"Choose at most {MOST_DAYS} days."
        if sentence:
            sentence += f" These are the last {count} days."
        return Scope(begin, end, now, clean(self.channel), clean(self.topic)), sentence


Filled = Annotated[Asked, Depends()]


@router.get("/figures", dependencies=READ)
async def figures(request: Request, who: Who, asked: Filled) -> Response:
    context = context_of(request)
    scope, sentence = asked.understood(context.clock())
    today = _day_of(context.clock())
    return render(
        request,
        "figures.html",
        who=who,
        scope=scope,
        sentence=sentence,
        today=today,
        periods=[(period, _query(period, scope), _is_last(scope, period, today)) for period in PERIODS],
        channels=[(name, queue.title(context, name)) for name in context.channels],
        topics=await insights.topics(context.db),
        figures=await insights.measure(context.db, scope),
        draw=charts.draw,
        share_bar=charts.share_bar,
    )


@router.get("/figures.json", dependencies=READ)
async def figures_as_json(request: Request, asked: Filled) -> Response:
    """The same numbers for a program; the columns have one value for each of the days."""
    context = context_of(request)
    scope, sentence = asked.understood(context.clock())
    if sentence:
        return JSONResponse({"error": sentence}, 400)
    found = {
        figure.name: {"unit": figure.unit, "definition": figure.definition, "counted": figure.counted}
        | asdict(measured)
        for figure, measured in await insights.measure(context.db, scope)
    }
    return JSONResponse({"days": [day.isoformat() for day in scope.days], "figures": found})


def _day_of(now: float) -> date:
    return datetime.fromtimestamp(now, UTC).date()


def _is_last(scope: Scope, period: int, today: date) -> bool:
    return scope.last == today and len(scope.days) == period


def _query(period: int, scope: Scope) -> str:
    """The address of another period with the same channel and topic."""
    narrowed = {"channel": scope.channel, "topic": scope.topic}
    return "?" + urlencode({"days": period} | {name: value for name, value in narrowed.items() if value})
