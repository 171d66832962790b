"""What Claude has cost, counted from the stored decisions."""

from sqlmodel import case, col, func, select

from service.agent.budget import Spent
from service.db import Database, clock
from service.models import Decision

DAY = 24 * 3600.0  # seconds


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
    async with db.read() as session:
        conversation, day = (await session.exec(query)).one()
    return Spent(float(conversation), float(day))
