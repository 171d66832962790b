"""Calls for a person that nobody took: staff who asked for it are told by email, without a customer's words."""

import asyncio
import hashlib
import random
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from sqlmodel import and_, col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from service import conversations, mail
from service.call_mail import Call, reason, words
from service.context import Context
from service.db import clock
from service.models import AuditEvent, Conversation, Escalation, Staff
from service.retries import NotYet
from service.staff import ANSWERING

log = structlog.get_logger()

#: A call older than this is told to nobody any more: mail is for what is new, and the desk shows the rest.
TOLD_WITHIN_SECONDS = 24 * 3600.0
#: One person gets at most one mail in this time; what falls due meanwhile is in the next one, all together.
REST_SECONDS = 120.0
#: The share of the job's lease in which a run begins mails, and the share that one mail may take: together less than
#: all, so that no other process begins while this one still sends.
BEGINS_OF_LEASE, MAIL_OF_LEASE = 0.25, 0.5
#: A process that is asked to stop lets a mail under way end for this long.
GRACE_SECONDS = 3.0
#: After a failure it is tried again in a quarter of the time that the oldest call has been due, within these bounds.
SOONEST_SECONDS = 30.0
LATEST_SECONDS = 300.0  # a server that is away: it keeps everybody waiting, also with calls that are new
LATEST_FOR_ONE_SECONDS = 900.0  # a mailbox that is full

#: What became of telling one person of one call: the action of its audit event. The first two are for good.
TOLD, REFUSED, DELAYED, UNCERTAIN = "told_by_email", "email_refused", "email_delayed", "email_uncertain"
#: Sent so often without hearing whether it was taken, a call counts as told: else it would be mailed without end.
MOST_UNCERTAIN = 2

#: Whose a call can be. Of one that belongs to somebody else by now everybody is told.
_ANSWERING = col(Staff.disabled_at).is_(None), col(Staff.role).in_(ANSWERING)


@dataclass(frozen=True)
class Owed:
    """One mail to somebody who is to be told of these calls, oldest first.

    `key`: the same for the very same message. `resting`: not now, their last mail or try was just before.
    """

    staff: Staff
    calls: list[Call]
    key: str
    resting: bool


async def tell(context: Context) -> None:
    """Tell everybody who is owed a mail. Raises NotYet while somebody still is."""
    if not context.settings.smtp_host:
        return
    run = asyncio.create_task(_tell(context))
    stopping = asyncio.create_task(context.stopping.wait())
    try:
        await asyncio.wait({run, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if context.stopping.is_set():
            await asyncio.wait({run}, timeout=GRACE_SECONDS)
    finally:
        stopping.cancel()
        run.cancel()
        await asyncio.wait({run})  # it still records a mail that was perhaps taken
    try:
        await run
    except asyncio.CancelledError:
        raise NotYet("Not all mail was sent in time.", SOONEST_SECONDS) from None


async def _tell(context: Context) -> None:
    tried: set[int] = set()
    problem, again, this = "", SOONEST_SECONDS, asyncio.current_task()
    until = time.monotonic() + context.settings.lease_seconds * BEGINS_OF_LEASE
    while True:
        # Looked at again before each mail: a call may have been taken, somebody may have been disabled.
        async with context.db.read() as session:
            calls = await due(session, context)
            owed = await _owed(session, context, calls)
        left = [each for each in owed if not each.resting and each.staff.id not in tried]
        if not left or context.stopping.is_set():
            break
        if time.monotonic() > until:
            problem = problem or "Not all mail was sent in time."
            break
        # By chance: a mailbox that hangs does not keep the same people waiting each time.
        chosen = random.choice(left)
        tried.add(chosen.staff.id)
        try:
            await _write_to(context, chosen)
            outcome = TOLD
        except mail.Refused as error:
            log.warning("calls.refused", staff=chosen.staff.id, error=str(error))
            outcome = REFUSED
        except mail.Away as error:
            problem, again = f"Mail to staff could not be sent: {error}.", LATEST_SECONDS
            break
        except mail.Unknown as error:
            outcome = UNCERTAIN
            problem = f"Of a mail to staff it is not known whether it was taken: {error}."
        except mail.Unwanted as error:
            outcome = DELAYED
            problem = f"The mail server does not take mail to staff from this address and login: {error}."
        except mail.NotSent as error:
            outcome = DELAYED
            problem = f"A mailbox of staff takes no mail now: {error}."
        recording = asyncio.create_task(_record(context, chosen, outcome))
        try:
            await asyncio.shield(recording)
        except asyncio.CancelledError:
            await recording
            raise
        if this and this.cancelling():  # it was cut off in the middle of that mail
            break
    if calls:
        await _settle(context, calls, owed)
    if problem:
        raise NotYet(problem, _pause(calls, context, again))


def _pause(calls: list[Call], context: Context, most: float) -> float:
    oldest = calls[0].waits - context.settings.call_email_seconds if calls else 0.0
    return min(max(oldest / 4, SOONEST_SECONDS), most)


async def due(session: AsyncSession, context: Context) -> list[Call]:
    """The calls that have waited long enough and of which not everybody has been told, oldest first."""
    age = clock() - col(Escalation.created_at)
    query = (
        select(Escalation, Conversation, Staff.id, age)
        .join(Conversation, col(Conversation.id) == Escalation.conversation_id)
        .outerjoin(Staff, and_(col(Staff.id) == Conversation.assigned_to, *_ANSWERING))
        .where(col(Escalation.closed_at).is_(None), col(Escalation.taken_at).is_(None))
        .where(col(Escalation.told_at).is_(None), Conversation.state == "waiting")
        .where(age >= context.settings.call_email_seconds, age < TOLD_WITHIN_SECONDS)
        .order_by(col(Escalation.created_at), col(Escalation.id))
    )
    titles = {name: channel.title for name, channel in context.channels.items()}
    return [
        Call(call.id, found.id, titles.get(found.channel) or found.channel, reason(call), waits, to)
        for call, found, to, waits in (await session.exec(query)).all()
    ]


async def _owed(session: AsyncSession, context: Context, calls: list[Call]) -> list[Owed]:
    """Whom to write to, and of which calls."""
    if not calls:
        return []
    wanting = select(Staff).where(Staff.wants_email, *_ANSWERING)
    now = await conversations.now(session)
    lately = select(AuditEvent.staff_id).where(
        col(AuditEvent.action).in_((TOLD, UNCERTAIN)), AuditEvent.at > now - REST_SECONDS
    )
    had_one = set((await session.exec(lately)).all())
    history = await _history(session, calls)
    owed = []
    for staff in (await session.exec(wanting)).all():
        events = {call.id: history[staff.id, call.id] for call in calls if call.to in (None, staff.id)}
        theirs = [
            call
            for call in calls
            if call.id in events and not _told(events[call.id]) and REFUSED not in _actions(events[call.id])
        ]
        if not theirs:
            continue
        tries = [each for call in theirs for each in events[call.id]]
        pause = _pause(theirs, context, LATEST_FOR_ONE_SECONDS)
        resting = staff.id in had_one or any(each.at > now - pause for each in tries)
        # What was perhaps taken goes out once more by itself, as the very same message; new calls are another one.
        mails = defaultdict(list)
        for call in theirs:
            doubted = (each.detail.get("mail") for each in events[call.id] if each.action == UNCERTAIN)
            mails[next(doubted, None)].append(call)
        for key, these in mails.items():
            owed.append(Owed(staff, these, key or _key(context, staff, these), resting))
    return owed


def _key(context: Context, staff: Staff, calls: list[Call]) -> str:
    of = f"{context.settings.base_url} {staff.id} {[call.id for call in calls]}"
    return f"calls-{hashlib.sha256(of.encode()).hexdigest()[:32]}"


def _actions(events: list[AuditEvent]) -> list[str]:
    return [each.action for each in events]


def _told(events: list[AuditEvent]) -> bool:
    """Whether this person knows of this call, as far as can be known."""
    actions = _actions(events)
    return TOLD in actions or actions.count(UNCERTAIN) >= MOST_UNCERTAIN


async def _history(session: AsyncSession, calls: list[Call]) -> Mapping[tuple[int | None, int], list[AuditEvent]]:
    """What became so far of telling whom of which call."""
    query = select(AuditEvent).where(
        col(AuditEvent.action).in_((TOLD, REFUSED, DELAYED, UNCERTAIN)),
        col(AuditEvent.conversation_id).in_({call.conversation_id for call in calls}),
    )
    history = defaultdict(list)
    for event in (await session.exec(query)).all():
        history[event.staff_id, event.detail["call"]].append(event)
    return history


async def _record(context: Context, owed: Owed, outcome: str) -> None:
    async with context.db.write() as session:
        at = await conversations.now(session)
        for call in owed.calls:
            session.add(
                AuditEvent(
                    at=at,
                    actor="system",
                    staff_id=owed.staff.id,
                    action=outcome,
                    conversation_id=call.conversation_id,
                    detail={"call": call.id, "mail": owed.key},
                )
            )


async def _settle(context: Context, calls: list[Call], owed: list[Owed]) -> None:
    """Of which calls everybody has been told: nobody will look at them again."""
    open_ones = {call.id for each in owed for call in each.calls}
    async with context.db.write() as session:
        history = await _history(session, calls)
        told = {call for (_, call), events in history.items() if _told(events)}
        for call in sorted(calls, key=lambda each: each.conversation_id):
            if call.id not in told - open_ones:
                continue
            # Released since it was read, it is for others now, who have not heard of it.
            found = await conversations.lock(session, call.conversation_id)
            if found and found.assigned_to == call.to:
                settled = update(Escalation).where(col(Escalation.id) == call.id)
                await session.exec(settled.values(told_at=clock()))


async def _write_to(context: Context, owed: Owed) -> None:
    settings = context.settings
    subject, text = words(owed.calls, settings.base_url)
    message = mail.compose(settings, owed.staff.email, subject, text, owed.key)
    await mail.send(settings, message, owed.staff.email, in_all=settings.lease_seconds * MAIL_OF_LEASE)
