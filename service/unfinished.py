"""What was owed when a backup was made: after a restore nobody knows what of it was done since, so people look."""

import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col, delete, or_, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from service import conversations, restored, staff_verbs
from service.models import AuditEvent, Conversation, Delivery, StaffSession

#: Readers hold the place they have read to. After the restored clocks jumped on by so much, none is ahead of them and
#: misses what comes next.
LEAP = 1_000
#: Rows settled before they are let go of.
AT_A_TIME = 200


@dataclass(frozen=True)
class Settled:
    """How many of each were left to people; nothing if work was to be resumed."""

    deliveries: int = 0
    conversations: int = 0


async def settle(connection: AsyncConnection, manifest: dict[str, Any], *, resume: bool) -> Settled:
    """Leave everything that was owed to people, and write down that this was restored. The caller commits.

    A reply that was owed may have reached its customer after the backup was made, and sending it again would say it
    twice: it is shown as uncertain. A message that was owed an answer may have been answered: a person is called.
    So it is with what a vendor still has from then, when it is found.
    With `resume` (nothing has been done since the backup) all of it stays owed.
    """
    made = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(manifest["made_at"]))
    settled = Settled()
    async with AsyncSession(connection, expire_on_commit=False) as session:
        if not resume:
            await session.exec(update(Conversation).values(clock=col(Conversation.clock) + LEAP))
            # Whoever signed out or lost their login since must not be signed in again.
            await session.exec(delete(StaffSession))
            await restored.mark(session)
            settled = Settled(await _deliveries(session, made), await _responses(session, made))
        detail = {"made_at": manifest["made_at"], "firstline": manifest["firstline"], "resumed": resume}
        counts = {"deliveries": settled.deliveries, "conversations": settled.conversations}
        session.add(AuditEvent(actor="operator", action="restored", detail={**detail, **counts}))
        await session.flush()
    return settled


async def _deliveries(session: AsyncSession, made: str) -> int:
    reason = f"This was not sent yet in the backup of {made} that was restored, and may have been sent since."
    unsent = or_(col(Delivery.due_at).is_not(None), Delivery.state == "held")
    owed = select(Delivery).where(unsent).order_by(col(Delivery.id)).limit(AT_A_TIME)
    count = 0
    while found := (await session.exec(owed)).all():
        for delivery in found:
            conversation = await staff_verbs.hold(session, delivery.conversation_id)
            await conversations.settle(session, conversation, delivery, "uncertain", reason)
            conversations.audit(session, conversation, "operator", "delivery_uncertain", seq=delivery.seq)
            if conversation.state in ("agent", "resolved"):
                await conversations.call_back(session, conversation, f"A reply may not have arrived. {reason}")
            count += 1
        await _let_go(session)
    return count


async def _responses(session: AsyncSession, made: str) -> int:
    reason = f"This had no answer yet in the backup of {made} that was restored, and may have been answered since."
    owed = select(Conversation.id).where(col(Conversation.ready_at).is_not(None), Conversation.state == "agent")
    owed = owed.order_by(col(Conversation.id)).limit(AT_A_TIME)
    count = 0
    while found := (await session.exec(owed)).all():
        for conversation_id in found:
            await conversations.escalate(session, await staff_verbs.hold(session, conversation_id), reason)
            count += 1
        await _let_go(session)
    return count


async def _let_go(session: AsyncSession) -> None:
    await session.flush()
    session.expunge_all()
