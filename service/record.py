"""The record: conversations found by their words and by what was decided in them, and every decision as a row."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import and_, col, func, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service import labels
from service.agent.secrets import redact
from service.db import Database
from service.folding import excerpt, search_words
from service.models import Conversation, Customer, Decision, Identity, Label, Message, Staff

#: Conversations on one page.
PAGE = 50
#: More than this is not counted to the end: "more than 1,000".
MOST_COUNTED = 1_000
#: Decisions fetched at a time for an export: each record is some ten kilobytes.
BATCH = 200


@dataclass(frozen=True)
class Wanted:
    """What is looked for; empty: anything. Times are seconds since 1970; `until` is not within, `high` is.

    Verdict, confidence, label and period are those of one and the same decision; a period alone is the conversation's.
    `label` may also be "none" or "any".
    """

    words: str = ""
    state: str = ""
    channel: str = ""
    topic: str = ""
    verdict: str = ""
    low: float | None = None
    high: float | None = None
    since: float | None = None
    until: float | None = None
    label: str = ""

    @property
    def of_decisions(self) -> bool:
        """Whether only conversations with a decision of some kind are wanted."""
        return bool(self.verdict or self.label or self.low is not None or self.high is not None)


@dataclass(frozen=True)
class Place:
    """Where a page begins: after the conversation with this time of its last change and this id."""

    updated_at: float
    id: int


@dataclass(frozen=True)
class Found:
    """A conversation that is wanted, with its newest decision that is, and the words that were found."""

    conversation: Conversation
    customer: Customer
    identity: Identity
    decision: Decision | None
    label: str
    excerpt: str
    by: str  # the author of the excerpt


@dataclass(frozen=True)
class Page:
    """One page of the record. `total` counts up to MOST_COUNTED + 1; `following` is where the next page begins."""

    rows: list[Found]
    total: int
    following: Place | None


async def find(session: AsyncSession, wanted: Wanted, after: Place | None = None) -> Page:
    """The conversations that are wanted, the last changed first."""
    conditions = _conversations(wanted)
    query = (
        select(Conversation, Customer, Identity)
        .join(Customer, col(Customer.id) == Conversation.customer_id)
        .join(Identity, col(Identity.id) == Conversation.identity_id)
        .where(*conditions)
    )
    counted = query.with_only_columns(col(Conversation.id)).limit(MOST_COUNTED + 1).subquery()
    total = (await session.exec(select(func.count()).select_from(counted))).one()
    at, id = col(Conversation.updated_at), col(Conversation.id)
    if after is not None:
        query = query.where(or_(at < after.updated_at, and_(at == after.updated_at, id < after.id)))
    rows = (await session.exec(query.order_by(at.desc(), id.desc()).limit(PAGE + 1))).all()
    shown = rows[:PAGE]
    ids = [conversation.id for conversation, _, _ in shown]
    decisions = await _decisions_of(session, wanted, ids)
    opinions = await labels.of_decisions(session, [decision.id for decision in decisions.values()])
    words = await _words_of(session, wanted, ids)
    page = [
        Found(
            conversation,
            customer,
            identity,
            decision := decisions.get(conversation.id),
            labels.counts(opinions.get(decision.id, [])) if decision else "",
            *words.get(conversation.id, ("", "")),
        )
        for conversation, customer, identity in shown
    ]
    last = shown[-1][0] if len(rows) > PAGE else None
    return Page(page, total, Place(last.updated_at, last.id) if last else None)


async def topics(session: AsyncSession) -> list[str]:
    """The topics that conversations have."""
    query = select(Conversation.topic).where(Conversation.topic != "").distinct().order_by(Conversation.topic)
    return list((await session.exec(query)).all())


async def decisions(db: Database, wanted: Wanted) -> AsyncIterator[dict[str, Any]]:
    """Every decision that is wanted, oldest first, as a row for other programs.

    Read in batches, each in a transaction of its own, so that a long export holds up nobody. What is decided while it
    runs may be among it.
    """
    conversations = _conversations(
        Wanted(wanted.words, state=wanted.state, channel=wanted.channel, topic=wanted.topic),
    )
    conditions = _decisions(wanted)
    query = (
        select(Decision, Conversation)
        .join(Conversation, col(Conversation.id) == Decision.conversation_id)
        .join(Customer, col(Customer.id) == Conversation.customer_id)
        .join(Identity, col(Identity.id) == Conversation.identity_id)
        .where(*conversations, *conditions)
    )
    last = 0
    while True:
        async with db.read() as session:
            batch = query.where(col(Decision.id) > last).order_by(col(Decision.id)).limit(BATCH)
            found = (await session.exec(batch)).all()
            rows = await _rows(session, found)
        for row in rows:
            yield row
        if len(found) < BATCH:
            return
        last = found[-1][0].id


def _conversations(wanted: Wanted) -> list[Any]:
    conditions = [
        column == value
        for column, value in (
            (col(Conversation.state), wanted.state),
            (col(Conversation.channel), wanted.channel),
            (col(Conversation.topic), wanted.topic),
        )
        if value
    ]
    for word in search_words(wanted.words):
        said = select(Message.conversation_id).where(col(Message.folded).contains(word, autoescape=True))
        called = [col(table.folded).contains(word, autoescape=True) for table in (Customer, Identity)]
        ways = [col(Conversation.id).in_(said), *called]
        number = word.removeprefix("#")
        if number.isascii() and number.isdecimal() and len(number) < 19:
            ways.append(col(Conversation.id) == int(number))
        conditions.append(or_(*ways))
    if wanted.of_decisions:
        conditions.append(col(Conversation.id).in_(select(Decision.conversation_id).where(*_decisions(wanted))))
    # A conversation is of a period if it went on in it; where a decision is looked for, the period is the decision's.
    elif wanted.since is not None or wanted.until is not None:
        conditions += _during(wanted, col(Conversation.updated_at), col(Conversation.created_at))
    return conditions


def _decisions(wanted: Wanted) -> list[Any]:
    conditions: list[Any] = []
    if wanted.verdict:
        conditions.append(col(Decision.verdict) == wanted.verdict)
    if wanted.low is not None:
        conditions.append(col(Decision.confidence) >= wanted.low)
    if wanted.high is not None:
        conditions.append(col(Decision.confidence) <= wanted.high)
    if wanted.label in labels.VALUES:
        conditions.append(labels.latest() == wanted.label)
    elif wanted.label:
        labelled = col(Decision.id).in_(select(Label.decision_id))
        conditions.append(labelled if wanted.label == "any" else ~labelled)
    return conditions + _during(wanted, col(Decision.created_at), col(Decision.created_at))


def _during(wanted: Wanted, last: Any, first: Any) -> list[Any]:
    since = [] if wanted.since is None else [last >= wanted.since]
    return since if wanted.until is None else [*since, first < wanted.until]


async def _decisions_of(session: AsyncSession, wanted: Wanted, ids: Sequence[int]) -> Mapping[int, Decision]:
    """Of each conversation the newest decision that is wanted."""
    newest = select(func.max(Decision.id)).where(col(Decision.conversation_id).in_(ids), *_decisions(wanted))
    query = select(Decision).where(col(Decision.id).in_(newest.group_by(col(Decision.conversation_id))))
    return {decision.conversation_id: decision for decision in (await session.exec(query)).all()}


async def _words_of(session: AsyncSession, wanted: Wanted, ids: Sequence[int]) -> Mapping[int, tuple[str, str]]:
    """Of each conversation its newest words that were looked for, else its newest, and who said them."""
    words = search_words(wanted.words)
    newest = select(func.max(Message.id)).where(col(Message.conversation_id).in_(ids))
    queries = [newest]
    if words:
        queries.append(newest.where(or_(*[col(Message.folded).contains(word, autoescape=True) for word in words])))
    found: dict[int, tuple[str, str]] = {}
    for query in queries:
        each = select(Message).where(col(Message.id).in_(query.group_by(col(Message.conversation_id))))
        for message in (await session.exec(each)).all():
            found[message.conversation_id] = (excerpt(message.text, words), message.author)
    return found


async def _rows(session: AsyncSession, found: Sequence[tuple[Decision, Conversation]]) -> list[dict[str, Any]]:
    ids = [decision.id for decision, _ in found]
    asked, said = await _exchanges(session, ids)
    opinions = await labels.of_decisions(session, ids)
    people = {staff.id: staff.name for staff in (await session.exec(select(Staff))).all()}
    rows = []
    for decision, conversation in found:
        usage = decision.record.get("usage") or {}
        answer = said.get(decision.id)
        given = opinions.get(decision.id, [])
        rows.append(
            {
                "decision": decision.id,
                "conversation": conversation.id,
                "at": decision.created_at,
                "channel": conversation.channel,
                "state": conversation.state,
                "topic": decision.topic,
                "verdict": decision.verdict,
                "reason": decision.reason,
                "confidence": decision.confidence,
                "threshold": decision.threshold,
                "label": labels.counts(given),
                "labels": [
                    {"by": people.get(each.staff_id, ""), "label": each.value, "at": each.created_at} for each in given
                ],
                # What was judged, and not what the customer added while a person was waited for. And without card
                # numbers and passwords: a file leaves the house.
                "question": decision.record.get("question") or redact("\n".join(asked.get(decision.id, [])))[0],
                "answer": redact(answer.text)[0] if answer else "",
                "delivery": answer.status if answer else "",
                "sources": [source["url"] for source in answer.sources] if answer else [],
                "model": decision.record.get("model_version") or "",
                "input_tokens": usage.get("input"),
                "output_tokens": usage.get("output"),
                "cost_usd": decision.cost_usd,
            }
        )
    return rows


async def _exchanges(session: AsyncSession, ids: Sequence[int]) -> tuple[dict[int, list[str]], dict[int, Message]]:
    """Of each decision what the customer had written, and the message that carries it."""
    asked: dict[int, list[str]] = {}
    said: dict[int, Message] = {}
    either = or_(col(Message.answered_by).in_(ids), col(Message.decision_id).in_(ids))
    for message in (await session.exec(select(Message).where(either).order_by(col(Message.id)))).all():
        if message.answered_by is not None:
            asked.setdefault(message.answered_by, []).append(message.text)
        elif message.decision_id is not None:
            said[message.decision_id] = message
    return asked, said
