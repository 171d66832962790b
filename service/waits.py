"""How long customers wait: for the agent, for a person, and until a call is taken; median and 90th percentile."""

from typing import Any

from sqlalchemy import and_, or_
from sqlalchemy.orm import aliased
from sqlmodel import col, exists, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.measured import Column, Measured, Number, Scope, by_day, share, when
from service.models import Decision, Delivery, Escalation, Message


async def for_agent(session: AsyncSession, scope: Scope) -> Measured:
    inbound = aliased(Message)
    began, ended = func.min(inbound.created_at), col(Delivery.sent_at)
    waits = (
        select(scope.day(ended), (ended - began).label("seconds"))
        .join(Message, col(Message.id) == col(Delivery.message_id))
        .join(inbound, col(inbound.answered_by) == col(Message.decision_id))
        .where(*_sent("agent"), *scope.during(ended, col(Delivery.conversation_id)))
        .group_by(col(Delivery.id), col(Delivery.sent_at))
    )
    return await _measured(session, scope, waits, "replies", "until the agent's reply")


async def for_person(session: AsyncSession, scope: Scope) -> Measured:
    earlier, inbound = aliased(Message), aliased(Message)
    # The note that a person was called leaves the customer waiting; every other reply ends a wait.
    note = exists().where(col(Decision.id) == col(earlier.decision_id), col(Decision.verdict) == "escalate")
    replied = (
        select(func.coalesce(func.max(earlier.seq), 0))
        .where(
            col(earlier.conversation_id) == col(Delivery.conversation_id),
            col(earlier.seq) < col(Delivery.seq),
            col(earlier.status) == "sent",
            or_(col(earlier.author) == "person", and_(col(earlier.author) == "agent", ~note)),
        )
        .correlate(Delivery)
        .scalar_subquery()
    )
    began = (
        select(func.min(inbound.created_at))
        .where(
            col(inbound.conversation_id) == col(Delivery.conversation_id),
            col(inbound.seq) < col(Delivery.seq),
            col(inbound.seq) > replied,
            col(inbound.author) == "customer",
            col(inbound.status).in_(("escalated", "person", "answered")),  # answered: by what was never sent
        )
        .correlate(Delivery)
        .scalar_subquery()
    )
    ended = col(Delivery.sent_at)
    waits = select(scope.day(ended), (ended - began).label("seconds")).where(
        *_sent("person"), *scope.during(ended, col(Delivery.conversation_id))
    )
    return await _measured(session, scope, waits, "replies", "until a person's reply")


async def until_taken(session: AsyncSession, scope: Scope) -> Measured:
    called, taken = col(Escalation.created_at), col(Escalation.taken_at)
    during = scope.during(called, col(Escalation.conversation_id))
    waits = select(scope.day(called), (taken - called).label("seconds")).where(*during)
    measured = await _measured(session, scope, waits, "calls taken", "until somebody took it")
    [calls] = await by_day(session, scope, select(scope.day(called), func.count()).where(*during), 1)
    open_calls = select(when(and_(taken.is_(None), col(Escalation.closed_at).is_(None)))).where(*during)
    still = (await session.exec(open_calls)).one() or 0
    count = sum(value or 0 for value in measured.columns[-1].values)
    return Measured(
        (
            *measured.numbers,
            Number(share(count, sum(calls)), "share", f"of {sum(calls):,.0f} calls were taken"),
            Number(still, "count", "calls wait now"),
        ),
        (*measured.columns, Column("calls", "count", calls)),
        empty=not any(calls),
    )


def _sent(author: str) -> tuple[Any, ...]:
    return col(Delivery.author) == author, col(Delivery.state) == "sent"


async def _measured(session: AsyncSession, scope: Scope, waits: Any, what: str, words: str) -> Measured:
    """Of the rows (day, seconds): the median and the 90th percentile of each day and of all, by nearest rank."""
    each = waits.subquery()
    rows = select(  # type: ignore[call-overload] (typed for up to four columns)
        each.c.day,
        each.c.seconds,
        func.row_number().over(partition_by=each.c.day, order_by=each.c.seconds).label("place"),
        func.count().over(partition_by=each.c.day).label("of"),
        func.row_number().over(order_by=each.c.seconds).label("place_of_all"),
        func.count().over().label("all"),
    ).where(each.c.seconds.is_not(None))
    ranked = rows.subquery()
    marks = [
        reached.label(name)
        for name, reached in (
            ("median", _at(5, ranked.c.place, ranked.c.of)),
            ("most", _at(9, ranked.c.place, ranked.c.of)),
            ("median_of_all", _at(5, ranked.c.place_of_all, ranked.c.all)),
            ("most_of_all", _at(9, ranked.c.place_of_all, ranked.c.all)),
        )
    ]
    query = select(ranked.c.day, ranked.c.seconds, ranked.c.of, ranked.c.all, *marks).where(or_(*marks))
    medians: list[float | None] = [None] * len(scope.days)
    most: list[float | None] = [None] * len(scope.days)
    counts: list[float] = [0.0] * len(scope.days)
    of_all: dict[str, float] = {}
    total = 0
    for day, seconds, of, all_of_them, *reached in (await session.exec(query)).all():
        total, counts[int(day)] = all_of_them, float(of)
        seconds = max(0.0, seconds)  # the two clocks may differ a little
        for marked, values in zip(reached, (medians, most), strict=False):
            if marked:
                values[int(day)] = seconds
        of_all |= {name: seconds for name, marked in zip(("median", "most"), reached[2:], strict=True) if marked}
    return Measured(
        (
            Number(of_all.get("median"), "seconds", f"or less {words}, in half of {total:,} cases"),
            Number(of_all.get("most"), "seconds", "or less in nine of ten"),
        ),
        (
            Column("median", "seconds", medians, "line"),
            Column("90th percentile", "seconds", most, "line"),
            Column(what, "count", counts),
        ),
        empty=not total,
    )


def _at(tenths: int, place: Any, of: Any) -> Any:
    """Whether `place`, from 1, is the first that at least so many tenths of `of` do not come after."""
    return and_(place * 10 >= of * tenths, (place - 1) * 10 < of * tenths)
