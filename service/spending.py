"""What Claude has cost, counted from the stored decisions and from what staff tried out."""

import math
from typing import Any

from sqlmodel import case, col, func, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.agent.budget import Spent
from service.db import Database, clock
from service.models import AuditEvent, Decision

DAY = 24 * 3600.0  # seconds
#: Decisions that are looked through for the newest word about Claude.
LATELY = 30
#: The audit event of a question that staff put to Claude.
REHEARSED = "claude_rehearsed"
#: Seconds after which one that has not ended never will: longer than Claude may take.
UNDER_WAY = 150.0


async def spent(db: Database, conversation_id: int | None) -> Spent:
    """US dollars: of this conversation since it began, and of all of them in the last 24 hours.

    What is being asked at this moment is not in it, so the limits can be passed by one reply a worker.
    """
    cost = func.coalesce(Decision.cost_usd, 0.0)
    recent = col(Decision.created_at) > clock() - DAY
    own = col(Decision.conversation_id) == conversation_id
    query = select(
        func.coalesce(func.sum(case((own, cost), else_=0.0)), 0.0),
        func.coalesce(func.sum(case((recent, cost), else_=0.0)), 0.0),
    ).where(recent | own)
    tried = select(func.coalesce(func.sum(_tried_cost()), 0.0)).where(*_tried())
    async with db.read() as session:
        conversation, day = (await session.exec(query)).one()
        day += (await session.exec(tried)).one()
    return Spent(float(conversation), float(day))


async def resting_until(session: AsyncSession, limit: float) -> float | None:
    """When the day's limit leaves room for a reply again; None while it does, infinity if it never will.

    How much room is wanted is what the newest decision says that could not ask Claude.
    """
    record = Decision.record["claude"]
    newest = (
        select(record["then"].as_string(), record["needs_usd"].as_float())
        .where(col(Decision.created_at) > clock() - DAY)
        .order_by(col(Decision.id).desc())
        .limit(LATELY)
    )
    needs = next((needs for then, needs in (await session.exec(newest)).all() if then), None)
    if needs is None:
        return None
    if needs > limit:
        return math.inf
    # The oldest costs leave the last 24 hours first.
    costs = select(Decision.created_at, Decision.cost_usd).where(
        col(Decision.created_at) > clock() - DAY, col(Decision.cost_usd) > 0
    )
    tried = select(AuditEvent.at, _tried_cost()).where(*_tried())
    paid = sorted([*(await session.exec(costs)).all(), *(await session.exec(tried)).all()])
    over = sum(cost or 0.0 for _, cost in paid) + needs - limit
    if over <= 0:
        return None
    for at, cost in paid:
        over -= cost or 0.0
        if over <= 0:
            return at + DAY
    return math.inf


def _tried_cost() -> Any:
    return AuditEvent.detail["usage"]["cost_usd"].as_float()


def _tried() -> tuple[Any, ...]:
    """What staff tried out within the day and is over, one way or another."""
    over = or_(AuditEvent.detail["done"].as_boolean(), col(AuditEvent.at) < clock() - UNDER_WAY)
    return AuditEvent.action == REHEARSED, col(AuditEvent.at) > clock() - DAY, over
