"""Labels: what staff think of the agent's decisions, kept for the next fitting."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service import conversations, staff_verbs
from service.models import Conversation, Decision, Label, Staff
from service.staff_verbs import NotPossible

#: What can be thought of a decision, and how staff read it.
VALUES = {"right": "Right", "wrong": "Wrong", "person": "Should have been a person"}


@dataclass(frozen=True)
class Example:
    """A labelled answer as fitting wants it: the facts that confidence is made of, and whether it was right."""

    decision_id: int
    facts: Mapping[str, float]
    confidence: float | None
    right: bool


async def label(session: AsyncSession, decision_id: int, staff: Staff, value: str, now: float) -> None:
    """`staff` thinks `value` of the decision; a second thought takes the place of the first. Raises NotPossible."""
    if value not in VALUES:
        raise NotPossible(f"A decision can be labelled {', '.join(VALUES)}, and not '{value[:40]}'.")
    decision, conversation, own = await _hold(session, decision_id, staff)
    if value == "person" and decision.verdict == "escalate":
        raise NotPossible("A person was called for already. Label it right or wrong.")
    if own is None:
        own = Label(decision_id=decision_id, staff_id=staff.id, value="")
    if own.value != value:
        own.value, own.created_at = value, now
        session.add(own)
        _tell(session, conversation, staff, "labelled", decision=decision_id, label=value)


async def withdraw(session: AsyncSession, decision_id: int, staff: Staff) -> None:
    """`staff` thinks nothing of the decision any more. Raises NotPossible."""
    _, conversation, own = await _hold(session, decision_id, staff)
    if own is not None:
        await session.delete(own)
        _tell(session, conversation, staff, "label_withdrawn", decision=decision_id, label=own.value)


async def of_decisions(session: AsyncSession, ids: Sequence[int]) -> Mapping[int, list[Label]]:
    """The labels of each of these decisions, the latest last."""
    found: dict[int, list[Label]] = {}
    query = select(Label).where(col(Label.decision_id).in_(ids)).order_by(col(Label.created_at), col(Label.id))
    for each in (await session.exec(query)).all():
        found.setdefault(each.decision_id, []).append(each)
    return found


def counts(given: Sequence[Label]) -> str:
    """The label that counts where staff disagree: the latest, as in the figures. Empty: there is none."""
    return given[-1].value if given else ""


def latest() -> Any:
    """The same in the database: the value of the latest label of a Decision, NULL if it has none."""
    ordered = select(Label.value).where(col(Label.decision_id) == col(Decision.id))
    ordered = ordered.order_by(col(Label.created_at).desc(), col(Label.id).desc()).limit(1)
    return ordered.correlate(Decision).scalar_subquery()


async def examples(session: AsyncSession) -> list[Example]:
    """Every labelled answer that measured something, oldest first: what the next fitting learns from.

    Where staff disagree the latest label counts. An answer to several questions is left out, for its label does not say
    which of them it means; and so is a call for a person, for its label does not say what the draft was worth.
    """
    query = select(Decision, latest()).where(Decision.verdict == "answer", latest().is_not(None))
    found = (await session.exec(query.order_by(col(Decision.id)))).all()
    return [
        Example(decision.id, decision.record["facts"], decision.confidence, value == "right")
        for decision, value in found
        if decision.record.get("facts") and not decision.record.get("parts")
    ]


async def _hold(session: AsyncSession, decision_id: int, staff: Staff) -> tuple[Decision, Conversation, Label | None]:
    """The decision and this person's label, with the conversation held: of two presses the second sees the first."""
    decision = await session.get(Decision, decision_id)
    if decision is None:
        raise NotPossible("This decision does not exist any more.")
    conversation = await staff_verbs.hold(session, decision.conversation_id)
    query = select(Label).where(Label.decision_id == decision_id, Label.staff_id == staff.id)
    return decision, conversation, (await session.exec(query)).first()


def _tell(session: AsyncSession, conversation: Conversation, staff: Staff, action: str, **detail: Any) -> None:
    """On record, and shown to whoever has the conversation open. The conversation itself went no further."""
    conversations.audit(session, conversation, "staff", action, staff, **detail)
    conversations.touch(session, conversation, at=conversation.updated_at)
