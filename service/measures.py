"""What is counted for the figures: messages, what became of decisions, labels, cost; all of it in the database."""

from typing import Any

from sqlalchemy import ColumnElement, and_, not_, or_
from sqlalchemy.orm import aliased
from sqlmodel import case, col, exists, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service import labels
from service.measured import DAY, Column, Measured, Number, Scope, by_day, share, when
from service.models import Conversation, Decision, Escalation, Message
from service.rates import interval

#: A conversation of the agent's in which nothing has happened for so long has ended; seconds.
QUIET = DAY

#: How the reason of a call for a person begins (service/agent/policy.py, consult.py and conversations.py write them),
#: and what it is counted as; the first that fits. "%" stands for any words.
REASONS = (
    ("The customer asks for a person.%", "The customer asked for a person"),
    ("Not confident enough%", "Not confident enough of the answer"),
    ("No published article states an answer%", "No article states an answer"),
    ("Written in %; only English is answered.%", "In a language that is not answered"),
    ("The customer says that the answer before did not help.%", "The answer before did not help"),
    ("The same answer was given just before%", "It would have been the same answer again"),
    ("It speaks of harm, of the law or of a complaint%", "Harm, law or a complaint"),
    ("The message is too long%", "Too long to be one question"),
    ("The message asks % questions at once.%", "Too many questions at once"),
    ("There are no words in the message%", "No words in the message"),
    ("The agent failed%", "The agent failed"),
    ("A reply did not reach the customer%", "A reply did not reach the customer"),
    ("The customer wrote again less than a day after%", "The customer wrote again after it was resolved"),
    ("% handed over: %", "The model handed over"),
    ("% refused to answer%", "The model refused"),
)
OTHER = "Another reason"


def asked() -> ColumnElement[bool]:
    """Decisions about a question: all but fixed replies to a greeting and the like, which need no confidence."""
    return not_(and_(col(Decision.verdict) == "answer", col(Decision.confidence).is_(None)))


def answer_sent() -> ColumnElement[bool]:
    """Decisions whose answer reached the customer's channel. One that was withdrawn or failed did not."""
    reply = aliased(Message)
    carried = exists().where(col(reply.decision_id) == col(Decision.id), col(reply.status) == "sent")
    return and_(col(Decision.verdict) == "answer", carried)


async def volume(session: AsyncSession, scope: Scope) -> Measured:
    written, begun = col(Message.created_at), col(Conversation.created_at)
    [messages] = await by_day(
        session,
        scope,
        select(scope.day(written), func.count()).where(
            col(Message.author) == "customer",
            col(Message.status) != "ignored",
            *scope.during(written, col(Message.conversation_id)),
        ),
        1,
    )
    [conversations] = await by_day(
        session,
        scope,
        select(scope.day(begun), func.count()).where(_meant(), *scope.during(begun, col(Conversation.id))),
        1,
    )
    return Measured(
        (
            Number(sum(messages), "count", "messages from customers"),
            Number(sum(conversations), "count", "conversations begun"),
        ),
        (Column("messages", "count", messages, "bar"), Column("conversations begun", "count", conversations, "line")),
        empty=not any(messages) and not any(conversations),
    )


async def answered(session: AsyncSession, scope: Scope) -> Measured:
    escalated, sent, decisions = await _decided(session, scope)
    neither = [of - a - b for of, a, b in zip(decisions, sent, escalated, strict=True)]
    ended, alone = await _ended(session, scope)
    total, of = sum(decisions), sum(ended)
    return Measured(
        (
            Number(share(sum(sent), total), "share", f"of {total:,.0f} decisions were answers that were sent"),
            Number(share(sum(alone), of), "share", f"of {of:,.0f} conversations that ended needed no person"),
        ),
        (
            Column("answered", "count", sent, "bar"),
            Column("asked back, or not sent", "count", neither, "bar"),
            Column("escalated", "count", escalated, "bar"),
            Column("decisions", "count", decisions),
            Column("conversations ended", "count", ended),
            Column("of them without a person", "count", alone),
        ),
        empty=not total and not of,
    )


async def escalated(session: AsyncSession, scope: Scope) -> Measured:
    called, _, decisions = await _decided(session, scope)
    at = col(Escalation.created_at)
    named = case(*((col(Escalation.reason).like(pattern), words) for pattern, words in REASONS), else_=OTHER)
    query = select(named.label("why"), func.count()).where(*scope.during(at, col(Escalation.conversation_id)))
    reasons = [(words, count) for words, count in (await session.exec(query.group_by("why"))).all()]
    total, calls = sum(decisions), sum(count for _, count in reasons)
    return Measured(
        (
            Number(share(sum(called), total), "share", f"of {total:,.0f} decisions called for a person"),
            Number(calls, "count", "calls for a person in all"),
        ),
        (
            Column("decisions", "count", decisions),
            Column("escalated", "count", called),
            Column("share escalated", "share", [share(a, b) for a, b in zip(called, decisions, strict=True)], "line"),
        ),
        empty=not total and not calls,
        parts=sorted(reasons, key=lambda each: (-each[1], each[0])),
    )


async def wrong(session: AsyncSession, scope: Scope) -> Measured:
    at = col(Decision.created_at)
    answers = (
        select(scope.day(at), labels.latest().label("value"))
        .where(*scope.during(at, col(Decision.conversation_id)), asked(), answer_sent())
        .subquery()
    )
    counts = [*(when(answers.c.value == each) for each in ("right", "wrong", "person")), func.count()]
    right, mistaken, persons, sent = await by_day(session, scope, select(answers.c.day, *counts), 4)
    bad = int(sum(mistaken) + sum(persons))
    labelled = int(sum(right)) + bad
    return Measured(
        (
            Number(
                share(bad, labelled), "share", f"of {labelled:,} labelled answers were wrong", interval(bad, labelled)
            ),
            Number(share(labelled, sum(sent)), "share", f"of {sum(sent):,.0f} answers sent have a label"),
        ),
        (
            Column("labelled right", "count", right, "bar"),
            Column("labelled wrong", "count", mistaken, "bar"),
            Column("should have been a person", "count", persons, "bar"),
            Column("answers sent", "count", sent),
        ),
        empty=not labelled,
    )


async def cost(session: AsyncSession, scope: Scope) -> Measured:
    at, inbound = col(Decision.created_at), col(Message.answered_by)
    during = scope.during(at, col(Decision.conversation_id))
    [spent] = await by_day(session, scope, select(scope.day(at), func.sum(Decision.cost_usd)).where(*during), 1)
    [messages] = await by_day(
        session,
        scope,
        select(scope.day(at), func.count())
        .select_from(Decision)
        .join(Message, inbound == col(Decision.id))
        .where(*during, asked(), answer_sent()),
        1,
    )
    total, of = sum(spent), sum(messages)
    return Measured(
        (
            Number(total, "usd", "charged by the model's vendor"),
            Number(share(total, of), "usd", f"for each of {of:,.0f} messages answered"),
        ),
        (
            Column("cost", "usd", spent, "bar"),
            Column("messages answered", "count", messages),
            Column("cost a message answered", "usd", [share(a, b) for a, b in zip(spent, messages, strict=True)]),
        ),
        empty=not total and not of,
    )


async def _decided(session: AsyncSession, scope: Scope) -> list[list[float]]:
    """A day: decisions that escalated, answers that were sent, and all decisions about a question."""
    at = col(Decision.created_at)
    query = select(scope.day(at), when(col(Decision.verdict) == "escalate"), when(answer_sent()), func.count()).where(
        *scope.during(at, col(Decision.conversation_id)), asked()
    )
    return await by_day(session, scope, query, 3)


async def _ended(session: AsyncSession, scope: Scope) -> list[list[float]]:
    """By the day they began: conversations that ended, and those of them in which no person was called for or wrote."""
    begun, conversation_id = col(Conversation.created_at), col(Conversation.id)
    quiet = and_(
        col(Conversation.state) == "agent",
        col(Conversation.owed_since).is_(None),
        col(Conversation.updated_at) < scope.now - QUIET,  # not when they wrote: a mail that came late is answered now
    )
    ended = or_(col(Conversation.state) == "resolved", quiet)
    called = exists().where(col(Escalation.conversation_id) == conversation_id)
    wrote = exists().where(col(Message.conversation_id) == conversation_id, col(Message.author) == "person")
    query = select(scope.day(begun), when(ended), when(and_(ended, ~called, ~wrote)))
    return await by_day(session, scope, query.where(_meant(), *scope.during(begun, conversation_id)), 2)


def _meant() -> Any:
    """A conversation in which a customer wrote something: of automatic mail and stop words alone nothing is said."""
    return exists().where(
        col(Message.conversation_id) == col(Conversation.id),
        col(Message.author) == "customer",
        col(Message.status) != "ignored",
    )
