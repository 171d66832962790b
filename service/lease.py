"""The right to answer in a conversation: leased by the database's clock, and lost to whoever holds a higher fence."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Double, bindparam
from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from service import conversations
from service.context import Context
from service.db import clock, wake
from service.models import Conversation, Message
from service.retries import backoff


@dataclass(frozen=True)
class Claim:
    """The right to write to a conversation, for as long as nobody holds a higher fence."""

    conversation_id: int
    fence: int
    attempts: int
    owed_for: float  # seconds


@dataclass(frozen=True)
class Ours:
    """A conversation that a claim still holds, locked, and what is owed in it by now."""

    session: AsyncSession
    conversation: Conversation
    owed: list[Message]


def _claim() -> Any:
    due = (
        select(Conversation.id)
        .where(
            col(Conversation.ready_at) <= clock(),
            col(Conversation.lease_until) < clock(),
            Conversation.state == "agent",
        )
        .order_by(col(Conversation.ready_at))
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    return (
        update(Conversation)
        .where(col(Conversation.id) == due.scalar_subquery())
        .values(
            lease_until=clock() + bindparam("lease_seconds", type_=Double),
            fence=col(Conversation.fence) + 1,
            attempts=col(Conversation.attempts) + 1,
        )
        .returning(
            col(Conversation.id),
            col(Conversation.fence),
            col(Conversation.attempts),
            clock() - col(Conversation.owed_since),
        )
        .execution_options(synchronize_session=False)
    )


_CLAIM = _claim()


async def claim_conversation(context: Context) -> Claim | None:
    """The conversation whose response has been due for longest, leased to us."""
    async with context.db.write() as session:
        row = (await session.exec(_CLAIM, params={"lease_seconds": context.settings.lease_seconds})).first()
    return Claim(row[0], row[1], row[2], row[3] or 0.0) if row else None


async def release(context: Context, claim: Claim) -> None:
    """Give the claim up as if it had not been made."""
    statement = update(Conversation).where(
        col(Conversation.id) == claim.conversation_id, col(Conversation.fence) == claim.fence
    )
    async with context.db.write() as session:
        await session.exec(statement.values(lease_until=0.0, attempts=col(Conversation.attempts) - 1))


async def renew(context: Context, claim: Claim) -> bool:
    statement = update(Conversation).where(
        col(Conversation.id) == claim.conversation_id, col(Conversation.fence) == claim.fence
    )
    async with context.db.write() as session:
        result = await session.exec(statement.values(lease_until=clock() + context.settings.lease_seconds))
    return bool(result.rowcount)


@contextlib.asynccontextmanager
async def still_ours(context: Context, claim: Claim) -> AsyncIterator["Ours | None"]:
    """The transaction that ends a claim; None if another holds it by now."""
    async with context.db.write() as session:
        conversation = await conversations.lock(session, claim.conversation_id)
        if conversation is None or conversation.fence != claim.fence or conversation.state != "agent":
            yield None
            return
        owed = await conversations.owed_messages(session, conversation.id)
        yield Ours(session, conversation, owed)
        conversation.lease_until, conversation.attempts = 0.0, 0
        # What came in after the agent began to think is still owed, and keeps its own time.
        more = conversation.state == "agent" and any(message.status == "owed" for message in owed)
        now = await conversations.now(session)
        conversation.owed_since = now if more else None
        conversation.ready_at = (conversation.ready_at or now) if more else None
        session.add(conversation)
        wake(session, conversation.id, conversation.clock)


async def postpone(context: Context, claim: Claim) -> None:
    statement = update(Conversation).where(
        col(Conversation.id) == claim.conversation_id, col(Conversation.fence) == claim.fence
    )
    async with context.db.write() as session:
        await session.exec(statement.values(lease_until=0.0, ready_at=clock() + backoff(claim.attempts)))
