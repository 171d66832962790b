"""The form of a figure: the days it is about, its numbers, its table by day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement
from sqlmodel import case, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.models import Conversation

DAY = 24 * 3600.0  # seconds


@dataclass(frozen=True)
class Scope:
    """What is measured: the days from `first` to `last`, both within, from midnight to midnight UTC.

    `topic` is the conversation's latest; empty: every channel, every topic. `now` is seconds since 1970.
    """

    first: date
    last: date
    now: float
    channel: str = ""
    topic: str = ""

    @property
    def days(self) -> list[date]:
        """Every day, the first one first."""
        return [self.first + timedelta(number) for number in range((self.last - self.first).days + 1)]

    @property
    def start(self) -> float:
        return datetime(self.first.year, self.first.month, self.first.day, tzinfo=UTC).timestamp()

    def day(self, at: Any) -> ColumnElement[float]:
        """The number of the day that a moment is in, from 0; the column is called "day"."""
        return ((at - self.start) // DAY).label("day")

    def during(self, at: Any, conversation_id: Any) -> list[ColumnElement[bool]]:
        """The conditions for a moment in the period and a conversation of the channel and topic."""
        within = [at >= self.start, at < self.start + DAY * len(self.days)]
        ours = select(Conversation.id)
        if self.channel:
            ours = ours.where(Conversation.channel == self.channel)
        if self.topic:
            ours = ours.where(Conversation.topic == self.topic)
        return [*within, conversation_id.in_(ours)] if self.channel or self.topic else within


@dataclass(frozen=True)
class Number:
    """One number of a figure. `unit`: count | share | seconds | usd; `words` go on from it; None: there is none."""

    value: float | None
    unit: str
    words: str
    interval: list[float] | None = None  # of a share: 95 %


@dataclass(frozen=True)
class Column:
    """One column of the table by day; `values` has one for each day. `drawn`: bar | line, or only in the table."""

    name: str
    unit: str
    values: Sequence[float | None]
    drawn: str = ""


@dataclass(frozen=True)
class Measured:
    """What a figure came to. `parts`: a count by something other than the day, the largest first."""

    numbers: Sequence[Number]
    columns: Sequence[Column]
    empty: bool
    parts: Sequence[tuple[str, int]] = ()


def share(part: float, of: float) -> float | None:
    """A part of a whole; of nothing there is none."""
    return part / of if of else None


async def by_day(session: AsyncSession, scope: Scope, query: Any, width: int) -> list[list[float]]:
    """The rows (day, count, ...) of `query` as `width` lists of one number a day, 0 where there is no row."""
    lists = [[0.0] * len(scope.days) for _ in range(width)]
    for day, *counts in (await session.exec(query.group_by("day"))).all():
        for values, count in zip(lists, counts, strict=True):
            values[int(day)] = float(count or 0)
    return lists


def when(condition: ColumnElement[bool]) -> Any:
    """How many rows fulfil `condition`."""
    return func.sum(case((condition, 1), else_=0))
