"""What happened on earlier days, written straight into the database."""

import uuid
from datetime import UTC, date, datetime
from typing import Any

from service.db import Database
from service.models import Conversation, Customer, Decision, Delivery, Escalation, Identity, Label, Message


def at(day: date, time: str) -> float:
    """That time of that day, UTC, in seconds since 1970."""
    return datetime.fromisoformat(f"{day}T{time}+00:00").astimezone(UTC).timestamp()


class Past:
    """One transaction's worth of history."""

    def __init__(self, session: Any) -> None:
        self.session = session

    async def add(self, row: Any) -> Any:
        self.session.add(row)
        await self.session.flush()
        return row

    async def conversation(self, began: float, **fields: Any) -> Conversation:
        fields = {"channel": "post", "last_customer_at": began, **fields}
        customer = await self.add(Customer(created_at=began))
        thread = uuid.uuid4().hex
        identity = await self.add(Identity(customer_id=customer.id, channel=fields["channel"], external_id=thread))
        made = Conversation(
            customer_id=customer.id,
            identity_id=identity.id,
            thread=thread,
            created_at=began,
            updated_at=began,
            **fields,
        )
        return await self.add(made)

    async def message(
        self, conversation: Conversation, when: float, author: str, status: str, **fields: Any
    ) -> Message:
        conversation.last_seq += 1
        self.session.add(conversation)
        made = Message(
            conversation_id=conversation.id,
            seq=conversation.last_seq,
            changed=conversation.last_seq,
            channel=conversation.channel,
            author=author,
            text="Some words.",
            status=status,
            created_at=when,
            **fields,
        )
        return await self.add(made)

    async def written(
        self, conversation: Conversation, when: float, status: str = "answered", by: Decision | None = None
    ) -> Message:
        return await self.message(conversation, when, "customer", status, answered_by=by.id if by else None)

    async def decision(
        self,
        conversation: Conversation,
        when: float,
        verdict: str = "answer",
        confidence: float | None = 0.9,
        **fields: Any,
    ) -> Decision:
        fields = {"reason": "Confident 0.90, needs 0.80. Rests on Returns, version 1.", **fields}
        made = Decision(
            conversation_id=conversation.id, verdict=verdict, confidence=confidence, created_at=when, **fields
        )
        return await self.add(made)

    async def said(
        self, conversation: Conversation, when: float, by: Decision | None = None, *, status: str = "sent"
    ) -> Message:
        """What the agent (with a decision) or a person said; `when` it was sent."""
        author = "agent" if by else "person"
        message = await self.message(conversation, when, author, status, decision_id=by.id if by else None)
        delivery = Delivery(
            message_id=message.id,
            conversation_id=conversation.id,
            channel=conversation.channel,
            author=author,
            seq=message.seq,
            state=status,
            created_at=when,
            sent_at=when if status == "sent" else None,
        )
        await self.add(delivery)
        return message

    async def call(self, conversation: Conversation, when: float, reason: str, **fields: Any) -> Escalation:
        return await self.add(Escalation(conversation_id=conversation.id, reason=reason, created_at=when, **fields))

    async def label(self, decision: Decision, staff_id: int, value: str, when: float) -> Label:
        return await self.add(Label(decision_id=decision.id, staff_id=staff_id, value=value, created_at=when))

    async def exchange(
        self, began: float, seconds: float, *, cost: float | None = None, **fields: Any
    ) -> tuple[Conversation, Decision]:
        """A conversation of one question and its answer, sent so many seconds later."""
        conversation = await self.conversation(began, **fields)
        decision = await self.decision(conversation, began + seconds / 2, cost_usd=cost)
        await self.written(conversation, began, by=decision)
        await self.said(conversation, began + seconds, decision)
        return conversation, decision


async def write_three_days(db: Database, first: date, staff: tuple[int, int]) -> None:
    """The history that test_insights counts by hand, with something just before and just after it.

    Sums are small on purpose: whoever doubts a figure can count it here.
    """
    monday, tuesday, wednesday = (date.fromordinal(first.toordinal() + number) for number in range(3))
    ana, bo = staff
    async with db.write() as session:
        past = Past(session)
        # A: answered after 2 s; ana thought it wrong, bo later right.
        _, answered = await past.exchange(at(monday, "09:00:00"), 2, topic="Returns", cost=0.01)
        await past.label(answered, ana, "wrong", at(wednesday, "08:00:00"))
        await past.label(answered, bo, "right", at(wednesday, "09:00:00"))
        # B: two messages; the answer is withdrawn since a person took over, who replies after ten minutes.
        b = await past.conversation(at(monday, "10:00:00"), topic="Delivery", state="resolved")
        withdrawn = await past.decision(b, at(monday, "10:00:06"))
        await past.written(b, at(monday, "10:00:00"), by=withdrawn)
        await past.written(b, at(monday, "10:00:05"), by=withdrawn)
        await past.said(b, at(monday, "10:00:07"), withdrawn, status="cancelled")
        await past.said(b, at(monday, "10:10:00"))
        await past.label(withdrawn, ana, "wrong", at(wednesday, "08:00:00"))
        # H: answered after 20 s, and nobody labels it.
        await past.exchange(at(monday, "12:00:00"), 20, topic="Returns")
        # C: asks for a person, and once more while waiting; taken after 300 s, replied to after 360.
        c = await past.conversation(at(tuesday, "08:00:00"), topic="Delivery", state="person")
        called = await past.decision(
            c, at(tuesday, "08:00:01"), "escalate", None, reason="The customer asks for a person.", cost_usd=0.005
        )
        await past.written(c, at(tuesday, "08:00:00"), "escalated", called)
        await past.call(
            c,
            at(tuesday, "08:00:01"),
            called.reason,
            decision_id=called.id,
            taken_at=at(tuesday, "08:05:01"),
            taken_by=ana,
        )
        await past.said(c, at(tuesday, "08:00:04"), called)
        await past.written(c, at(tuesday, "08:01:00"), "escalated", called)
        await past.said(c, at(tuesday, "08:06:00"))
        # D: greets, then asks what is not sure enough; nobody has taken the call.
        d = await past.conversation(at(tuesday, "09:00:00"), channel="kite", topic="Delivery", state="waiting")
        greeted = await past.decision(d, at(tuesday, "09:00:00"), "answer", None, reason="A greeting.")
        await past.written(d, at(tuesday, "09:00:00"), by=greeted)
        await past.said(d, at(tuesday, "09:00:01"), greeted)
        unsure = await past.decision(
            d, at(tuesday, "09:01:01"), "escalate", 0.3, reason="Not confident enough: 0.30, needs 0.80."
        )
        await past.written(d, at(tuesday, "09:01:00"), "escalated", unsure)
        await past.call(d, at(tuesday, "09:01:01"), unsure.reason, decision_id=unsure.id)
        await past.said(d, at(tuesday, "09:01:03"), unsure)
        # E: answered after 8 s, which should have been a person's; automatic mail; then asked back.
        e, answered = await past.exchange(at(wednesday, "10:00:00"), 8, channel="kite", topic="Visits", cost=0.03)
        await past.label(answered, ana, "person", at(wednesday, "11:00:00"))
        await past.message(e, at(wednesday, "10:05:00"), "customer", "ignored", kind="automatic")
        asked = await past.decision(e, at(wednesday, "10:30:01"), "clarify", None, reason="There are no words.")
        await past.written(e, at(wednesday, "10:30:00"), by=asked)
        await past.said(e, at(wednesday, "10:30:01"), asked)
        # Just outside.
        for moment in (at(monday, "00:00:00") - 30, at(wednesday, "00:00:00") + 86400):
            outside, decision = await past.exchange(moment, 5, topic="Returns", cost=1.0)
            await past.label(decision, ana, "wrong", moment)
            await past.call(outside, moment, "The agent failed (KeyError).", taken_at=moment + 1, taken_by=ana)
            await past.written(outside, moment + 10, "person")
            await past.said(outside, moment + 20)
