"""The queue: every conversation as one row, those that wait for a person first."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlmodel import and_, case, col, func, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from dashboard import words
from service import spending
from service.context import Context
from service.listening import LISTEN
from service.models import Conversation, Customer, Escalation, Identity, Job, Message, Quarantine, Staff
from service.sweeping import SWEEP
from service.switched_off import SEND

#: What can be shown; each but "all" is a tab that shows one section or, "mine", what one has taken.
VIEWS = ("all", "waiting", "open", "mine", "resolved")
PAGE = 50  # rows of one section before "show more"
RESOLVED_BESIDE_OTHERS = 10  # of those that are done, where they are not what was asked for
MOST = 1_000
#: Of a channel's jobs, by what their names begin with: what staff read before and after the reason why one fails.
TROUBLES = {
    SEND: ("nothing can be sent.", "What waits goes out as soon as it can."),
    LISTEN: ("nothing new is heard.", "What waits there is taken in as soon as it can be reached."),
    SWEEP: ("it cannot be asked whether messages were missed.", "Any that were are taken in as soon as it answers."),
}


@dataclass(frozen=True)
class Row:
    """A conversation at a glance."""

    id: int
    label: str
    channel: str
    state: str
    preview: str  # its last words
    by: str  # who said them; empty: the customer
    since: float  # the call for a person, else the last message
    holder: str  # who has it; empty: nobody
    mine: bool


#: What stands after who said it, where the customer has not got it.
UNREAD = {"held": " (kept)", "cancelled": " (not sent)", "failed": " (did not arrive)"}


@dataclass(frozen=True)
class Section:
    title: str
    empty: str
    rows: list[Row]
    total: int
    more: bool


@dataclass(frozen=True)
class Quoting:
    """Claude is not asked: so much was allowed in 24 hours. `until`: None where only a higher limit helps."""

    allowed: float
    until: float | None


@dataclass(frozen=True)
class Queue:
    counts: Mapping[str, int]  # by view
    sections: list[Section]
    calls: list[tuple[int, int, str]]  # open calls nobody has taken: escalation, conversation, who and where
    version: str
    quoting: Quoting | None  # where the limit of Claude's day is reached
    unread: int  # messages that could not be read and nobody has looked at
    troubles: list[str]  # what is wrong with channels, in words


async def load(session: AsyncSession, context: Context, me: Staff, show: str = "all", most: int = PAGE) -> Queue:
    """The queue as `me` sees it, at most `most` rows a section."""
    counts = await _counts(session, me)
    sections = []
    for view, title, empty in (
        ("waiting", "Waiting for a person", "Nobody is waiting."),
        ("mine", "With you", "You have no conversation. Take over one that waits."),
        ("open", "Open", "No conversation is open."),
        ("resolved", "Resolved", "Nothing is resolved yet."),
    ):
        if show != view and (show != "all" or view == "mine"):
            continue
        limit = RESOLVED_BESIDE_OTHERS if view == "resolved" and show == "all" else most
        rows = await _rows(session, context, me, view, limit)
        sections.append(Section(title, empty, rows, counts[view], counts[view] > len(rows) and limit < MOST))
    calls = await _calls(session, context)
    unread, troubles = await _unread(session), await _troubles(session, context)
    return Queue(counts, sections, calls, await version(session), await _quoting(session, context), unread, troubles)


async def version(session: AsyncSession) -> str:
    """Changes with anything the queue shows; read from indexes alone."""
    query = select(Conversation.state, func.count(), func.max(Conversation.updated_at))
    rows = (await session.exec(query.group_by(col(Conversation.state)).order_by(col(Conversation.state)))).all()
    shown = [tuple(row) for row in rows], await _unread(session), await _errors(session)
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]


async def _unread(session: AsyncSession) -> int:
    return (await session.exec(select(func.count()).where(col(Quarantine.seen_at).is_(None)))).one()


async def _errors(session: AsyncSession) -> dict[str, str]:
    """What is in the way of channels' jobs, by the job's name."""
    theirs = or_(*(col(Job.name).startswith(kind) for kind in TROUBLES))
    query = select(Job.name, Job.last_error).where(theirs, col(Job.last_error) != "").order_by(Job.name)
    return dict((await session.exec(query)).all())


async def _troubles(session: AsyncSession, context: Context) -> list[str]:
    errors = await _errors(session)
    on = [channel for channel in context.channels.values() if not channel.missing]
    return [
        f"{channel.title}: {what} {errors[kind + channel.name]} {then}"
        for channel in on
        for kind, (what, then) in TROUBLES.items()
        if kind + channel.name in errors
    ]


async def _quoting(session: AsyncSession, context: Context) -> Quoting | None:
    claude = context.agent.claude
    if claude is None:
        return None
    until = await spending.resting_until(session, claude.budget.day)
    if until is None:
        return None
    return Quoting(claude.budget.day, until if math.isfinite(until) else None)


def _where(view: str, me: Staff) -> Any:
    return {
        "waiting": col(Conversation.state) == "waiting",
        "open": col(Conversation.state).in_(("person", "agent")),
        "resolved": col(Conversation.state) == "resolved",
        "mine": and_(col(Conversation.assigned_to) == me.id, col(Conversation.state).in_(("person", "waiting"))),
    }[view]


async def _counts(session: AsyncSession, me: Staff) -> dict[str, int]:
    by_state = dict((await session.exec(select(Conversation.state, func.count()).group_by(Conversation.state))).all())
    mine = (await session.exec(select(func.count()).select_from(Conversation).where(_where("mine", me)))).one()
    return {
        "waiting": by_state.get("waiting", 0),
        "open": by_state.get("agent", 0) + by_state.get("person", 0),
        "resolved": by_state.get("resolved", 0),
        "mine": mine,
    }


async def _rows(session: AsyncSession, context: Context, me: Staff, view: str, limit: int) -> list[Row]:
    called = (
        select(Escalation.conversation_id, func.min(Escalation.created_at).label("at"))
        .where(col(Escalation.closed_at).is_(None))
        .group_by(col(Escalation.conversation_id))
        .subquery()
    )
    order = {
        "waiting": (func.coalesce(called.c.at, Conversation.updated_at),),
        "resolved": (col(Conversation.resolved_at).desc(),),
    }.get(view, (case((col(Conversation.state) == "agent", 1), else_=0), col(Conversation.updated_at).desc()))
    last = and_(col(Message.conversation_id) == Conversation.id, col(Message.seq) == col(Conversation.last_seq))
    query = (
        select(Conversation, Customer, Identity, Message, Staff, called.c.at)  # type: ignore[call-overload] (typed for up to four)
        .join(Customer, col(Customer.id) == Conversation.customer_id)
        .join(Identity, col(Identity.id) == Conversation.identity_id)
        .outerjoin(Message, last)
        .outerjoin(Staff, col(Staff.id) == Conversation.assigned_to)
        .outerjoin(called, called.c.conversation_id == Conversation.id)
        .where(_where(view, me))
        .order_by(*order, col(Conversation.id))
        .limit(limit)
    )
    return [_row(context, me, *found) for found in (await session.exec(query)).all()]


def _row(
    context: Context,
    me: Staff,
    conversation: Conversation,
    customer: Customer,
    identity: Identity,
    last: Message | None,
    holder: Staff | None,
    called_at: float | None,
) -> Row:
    spoke = last.created_at if last else conversation.updated_at
    waiting = conversation.state == "waiting"
    mine = holder is not None and holder.id == me.id
    by = ""
    if last and last.author != "customer":
        by = ("You" if last.staff_id == me.id else last.name) if last.author == "person" else "Firstline"
        by += UNREAD.get(last.status, "")
    return Row(
        id=conversation.id,
        label=words.label(customer, identity),
        channel=title(context, conversation.channel),
        state=conversation.state,
        preview=" ".join(last.text.split())[:160] if last else "",
        by=by,
        since=called_at if waiting and called_at else spoke,
        holder="you" if mine else holder.name if holder else "",
        mine=mine,
    )


async def _calls(session: AsyncSession, context: Context) -> list[tuple[int, int, str]]:
    query = (
        select(Escalation.id, Conversation, Customer, Identity)
        .join(Conversation, col(Conversation.id) == Escalation.conversation_id)
        .join(Customer, col(Customer.id) == Conversation.customer_id)
        .join(Identity, col(Identity.id) == Conversation.identity_id)
        .where(col(Escalation.closed_at).is_(None), col(Escalation.taken_at).is_(None))
        .where(Conversation.state == "waiting")
        .order_by(col(Escalation.id).desc())
        .limit(100)
    )
    return [
        (call, conversation.id, f"{words.label(customer, identity)}, {title(context, conversation.channel)}")
        for call, conversation, customer, identity in (await session.exec(query)).all()
    ]


def title(context: Context, name: str) -> str:
    """What staff read for a channel; one that is not installed any more keeps its bare name."""
    channel = context.channels.get(name)
    return channel.title if channel and channel.title else name
