"""What Claude would say to a question of staff's: nothing is sent to a customer, and what it costs is counted.

Before Claude is asked, a row says so; afterwards it says what was used. It holds no words. A row that never heard of
the end counts as the most that a reply may cost: whoever was asking is gone, and nobody knows.
"""

from dataclasses import replace

from sqlmodel import col, select

from service.agent import Answer, Asked, Response
from service.agent.consult import consult
from service.context import Context
from service.db import clock
from service.models import AuditEvent, Staff
from service.spending import REHEARSED, UNDER_WAY

#: Questions of one member of staff within a minute: enough for trying things out, too few for a stuck key.
MOST_A_MINUTE = 6


class NotPossible(Exception):
    """Claude is not asked now; the sentence says why, to whoever wanted it."""


async def rehearse(context: Context, asked: Asked, staff: Staff) -> Response:
    """The response to `asked` as in a conversation with Claude. Raises NotPossible.

    Without `claude` in its record Claude was not asked: it never is where the articles do not answer well enough.
    """
    agent = context.agent
    if agent.claude is None:
        raise NotPossible("Claude is off here: ANTHROPIC_API_KEY turns it on.")
    asked = replace(asked, conversation_id=None)
    examined = await agent.examine(asked)
    alone = agent.conclude(asked, examined)
    if not isinstance(alone.verdict, Answer) or not examined.parts:
        return alone
    most = {"cost_usd": agent.claude.budget.message, "estimated": True}
    event = await _begin(context, staff, agent.claude.model.name, most)
    usage = most
    try:
        sure = min(agent.sure(part) for part in examined.parts)
        response = await consult(agent.claude, asked, examined, alone, sure, agent.company, agent.steps)
        usage = response.record["usage"]
    finally:
        await _end(context, event, usage)
    return response


async def _begin(context: Context, staff: Staff, model: str, most: dict[str, object]) -> int:
    async with context.db.write() as session:
        await session.get(Staff, staff.id, with_for_update=True)  # two clicks come one after the other
        now = (await session.exec(select(clock()))).one()
        recent = select(AuditEvent).where(
            AuditEvent.staff_id == staff.id, AuditEvent.action == REHEARSED, col(AuditEvent.at) > now - 60.0
        )
        before = (await session.exec(recent)).all()
        if any(not each.detail["done"] and each.at > now - UNDER_WAY for each in before):
            raise NotPossible("Claude is writing an answer for you already. Wait for that one.")
        if len(before) >= MOST_A_MINUTE:
            raise NotPossible(f"Claude was asked {MOST_A_MINUTE} times within a minute. Wait a little and ask again.")
        detail = {"model": model, "usage": most, "done": False}
        event = AuditEvent(actor="staff", staff_id=staff.id, action=REHEARSED, at=now, detail=detail)
        session.add(event)
        await session.flush()
        return event.id


async def _end(context: Context, event_id: int, usage: dict[str, object] | None) -> None:
    async with context.db.write() as session:
        event = await session.get(AuditEvent, event_id)
        if event is None:
            return
        if usage is None:  # in the end Claude was not asked
            await session.delete(event)
        else:
            event.detail = {**event.detail, "usage": usage, "done": True}
            session.add(event)
