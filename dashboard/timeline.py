"""One conversation as it went: messages, what happened between them, and the grounds of what the agent said."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import tzinfo

from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from dashboard import words
from dashboard.grounds import Grounds, read
from dashboard.queue import title
from service import labels
from service.context import Context
from service.last_check import Window, window
from service.models import AuditEvent, Conversation, Customer, Decision, Identity, Label, Message, Staff

#: Messages shown before "show earlier".
PAGE = 100


@dataclass(frozen=True)
class Item:
    """A row of the timeline. `kind`: day | message | event."""

    kind: str
    key: str
    at: float
    text: str = ""
    message: Message | None = None
    author: str = ""
    delivery: str = ""
    grounds: Grounds | None = None
    opinion: "Opinion | None" = None


@dataclass(frozen=True)
class Opinion:
    """What staff think of a decision: one's own label, and who else thinks what, in words."""

    mine: str
    others: list[str]


@dataclass(frozen=True)
class Timeline:
    """A conversation and whose turn it is, as `me` sees it, and whether a reply can be sent now."""

    conversation: Conversation
    customer: Customer
    verified: bool  # it is proved who they are, as far as the channel can
    label: str
    channel: str
    holder: str  # "you", a name, or empty
    mine: bool
    others: bool  # another person has it
    turn: str  # the state in words
    window: Window
    held: int  # where a reply begins that waits for the customer to write; 0: none does
    most: int  # characters of a reply
    hidden: int  # earlier messages that are not shown
    items: list[Item] = field(default_factory=list)


async def load(
    session: AsyncSession,
    context: Context,
    me: Staff,
    conversation_id: int,
    *,
    zone: tzinfo,
    whole: bool = False,
) -> Timeline | None:
    """The conversation, or None if there is none such; its last messages only, unless `whole`."""
    query = (
        select(Conversation, Customer, Identity)
        .join(Customer, col(Customer.id) == Conversation.customer_id)
        .join(Identity, col(Identity.id) == Conversation.identity_id)
        .where(Conversation.id == conversation_id)
    )
    found = (await session.exec(query)).first()
    if found is None:
        return None
    conversation, customer, identity = found
    messages = await _messages(session, conversation, whole)
    events = await _events(session, conversation)
    people = {staff.id: staff for staff in (await session.exec(select(Staff))).all()}
    holder = people.get(conversation.assigned_to) if conversation.assigned_to else None
    mine = holder is not None and holder.id == me.id
    channel = context.channels.get(conversation.channel)
    now = context.clock()
    decided = [message.decision_id for message in messages if message.decision_id is not None]
    opinions = await labels.of_decisions(session, decided)
    state = window(context, channel, conversation)
    held = next((message.seq for message in messages if message.status == "held"), 0)
    return Timeline(
        conversation=conversation,
        customer=customer,
        verified=identity.verified,
        label=words.label(customer, identity),
        channel=title(context, conversation.channel),
        holder="you" if mine else holder.name if holder else "",
        mine=mine,
        others=conversation.state == "person" and holder is not None and not mine,
        turn=_turn(conversation, "you" if mine else holder.name if holder else ""),
        # One invitation at a time: a second would only make them write twice.
        window=replace(state, offers=[offer for offer in state.offers if not (held and offer.invites)]),
        held=held,
        most=channel.max_length if channel else 10_000,
        hidden=messages[0].seq - 1 if messages else 0,
        items=_items(messages, events, await _grounds(session, messages), opinions, people, me, now, zone),
    )


async def _messages(session: AsyncSession, conversation: Conversation, whole: bool) -> list[Message]:
    query = select(Message).where(Message.conversation_id == conversation.id).order_by(col(Message.seq).desc())
    rows = (await session.exec(query if whole else query.limit(PAGE))).all()
    return list(reversed(rows))


async def _events(session: AsyncSession, conversation: Conversation) -> list[AuditEvent]:
    query = select(AuditEvent).where(AuditEvent.conversation_id == conversation.id)
    query = query.where(col(AuditEvent.action).in_(EVENTS)).order_by(col(AuditEvent.id))
    # A call of the agent's is told by its decision, beside what it said to the customer.
    query = query.where(or_(AuditEvent.action != "escalated", AuditEvent.actor != "agent"))
    return list((await session.exec(query)).all())


async def _grounds(session: AsyncSession, messages: list[Message]) -> dict[int, Grounds]:
    ids = {message.decision_id for message in messages if message.decision_id is not None}
    decisions = (await session.exec(select(Decision).where(col(Decision.id).in_(ids)))).all()
    return {decision.id: read(decision) for decision in decisions}


def _items(
    messages: list[Message],
    events: list[AuditEvent],
    reasons: dict[int, Grounds],
    opinions: Mapping[int, list[Label]],
    people: Mapping[int, Staff],
    me: Staff,
    now: float,
    zone: tzinfo,
) -> list[Item]:
    """Messages in the order of the conversation; an event stands before the first message that is later than it."""
    items: list[Item] = []
    waiting = [event for event in events if not messages or event.at >= messages[0].created_at or messages[0].seq == 1]

    def happened(before: float) -> None:
        while waiting and waiting[0].at < before:
            event = waiting.pop(0)
            name = "You" if event.staff_id == me.id else _name(people, event.staff_id)
            items.append(Item("event", f"e{event.id}", event.at, EVENTS[event.action](name, event)))

    for message in messages:
        happened(message.created_at)
        items.append(
            Item(
                "message",
                f"m{message.seq}",
                message.created_at,
                message=message,
                author=_author(message, people, me),
                delivery=words.delivery(message),
                grounds=reasons.get(message.decision_id) if message.decision_id else None,
                opinion=_opinion(opinions.get(message.decision_id or 0, []), people, me),
            )
        )
    happened(float("inf"))
    dated: list[Item] = []
    shown = ""
    for item in items:
        if (day := words.day(item.at, now, zone)) != shown:
            dated.append(Item("day", f"d{int(item.at)}", item.at, day))
            shown = day
        dated.append(item)
    return dated


def _opinion(given: list[Label], people: Mapping[int, Staff], me: Staff) -> Opinion:
    mine = next((each.value for each in given if each.staff_id == me.id), "")
    others = [
        f"{_name(people, each.staff_id)}: {labels.VALUES[each.value]}" for each in given if each.staff_id != me.id
    ]
    return Opinion(mine, others)


def _turn(conversation: Conversation, holder: str) -> str:
    if conversation.state == "waiting":
        return f"Waiting for {holder}" if holder else "Waiting for a person"
    return {"agent": "With the agent", "person": f"With {holder or 'a person'}", "resolved": "Resolved"}[
        conversation.state
    ]


def _author(message: Message, people: Mapping[int, Staff], me: Staff) -> str:
    if message.author == "person":
        return "You" if message.staff_id == me.id else message.name or _name(people, message.staff_id)
    return {"customer": "Customer", "agent": "Firstline (AI)"}.get(message.author, "Firstline")


def _name(people: Mapping[int, Staff], staff_id: int | None) -> str:
    return people[staff_id].name if staff_id is not None and staff_id in people else "Somebody"


#: What is told between the messages, by the action of its audit event: (who, event) -> words.
EVENTS = {
    "escalated": lambda name, event: "A person was called for. " + str(event.detail.get("reason") or ""),
    "taken_over": lambda name, event: f"{name} took over.",
    "released": lambda name, event: "Back in the queue.",
    "taken_back": lambda name, event: f"{name} took the kept reply back.",
    "handed_back": lambda name, event: f"{name} handed back to the agent.",
    "resolved": lambda name, event: f"{name} resolved this.",
    "reopened": lambda name, event: "The customer wrote again: reopened.",
}
