"""What is due, asked with one statement: the loop looks all the time, and mostly finds nothing."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, literal, union_all
from sqlalchemy.orm import aliased
from sqlmodel import col, exists, select

from service.context import Context
from service.db import clock
from service.models import Conversation, Delivery

#: Deliveries looked at together: the first may be held by somebody else.
FEW = 8


def _statement() -> Any:
    response = (
        select(
            literal("response").label("kind"),
            col(Conversation.id).label("id"),
            col(Conversation.id).label("conversation_id"),
            (col(Conversation.ready_at) - clock()).label("seconds"),
        )
        .where(
            col(Conversation.ready_at).is_not(None),
            col(Conversation.lease_until) < clock(),
            Conversation.state == "agent",
        )
        .order_by(col(Conversation.ready_at))
        .limit(1)
    )
    # Held by nobody, and the first of its conversation: customers read in the order we wrote.
    earlier = aliased(Delivery)
    blocked = exists().where(
        col(earlier.conversation_id) == col(Delivery.conversation_id),
        col(earlier.due_at).is_not(None),
        col(earlier.seq) < col(Delivery.seq),
    )
    deliveries = (
        select(
            literal("delivery").label("kind"),
            col(Delivery.id).label("id"),
            col(Delivery.conversation_id),
            (col(Delivery.due_at) - clock()).label("seconds"),
        )
        .where(
            col(Delivery.due_at).is_not(None),
            col(Delivery.lease_until) < clock(),
            col(Delivery.channel).not_in(bindparam("full", expanding=True)),
            ~blocked,
        )
        .order_by(col(Delivery.due_at))
        .limit(FEW)
    )
    return union_all(response.subquery().select(), deliveries.subquery().select())


_LOOK = _statement()


@dataclass(frozen=True)
class Due:
    """What is owed next. `response`: seconds until one is due, below 0 if it is; None: none is owed."""

    response: float | None
    deliveries: tuple[tuple[int, int], ...]  # those that are due, the longest first: id and conversation
    next_delivery: float | None  # seconds until the first is due


async def look(context: Context, full: Collection[str] = ()) -> Due:
    """What nobody is at. `full`: channels whose deliveries are not asked for."""
    rows = sorted(await context.db.look(_LOOK, full=list(full)), key=lambda row: row.seconds)
    deliveries = [row for row in rows if row.kind == "delivery"]
    return Due(
        next((row.seconds for row in rows if row.kind == "response"), None),
        tuple((row.id, row.conversation_id) for row in deliveries if row.seconds <= 0),
        deliveries[0].seconds if deliveries else None,
    )
