"""A context of real database and scripted ends, and the steps that tests of the path take on it."""

import itertools
from typing import Any

from sqlmodel import select

from channels.base import Inbound, Kind
from service import conversations, delivery, flow, lease
from service.context import Context
from service.db import Database
from service.metrics import Metrics
from service.models import Conversation, Delivery, Message, Staff
from service.settings import Settings
from service.steps import Steps
from tests.fakes import NoKnowledge, ScriptedAgent, ScriptedChannel

ids = itertools.count(1)


def make_context(
    db: Database, *, channel: Any = None, script: Any = None, gate: Any = None, **settings: Any
) -> Context:
    values = {"lease_seconds": 1.0, "respond_give_up_seconds": 5.0, "company_name": "Pellworth", **settings}
    metrics = Metrics()
    return Context(
        settings=Settings(_env_file=None, **values),
        db=db,
        channels={"sink": channel or ScriptedChannel()},
        knowledge=NoKnowledge(),
        agent=ScriptedAgent(script, gate=gate),
        metrics=metrics,
        steps=Steps(metrics.step_seconds),
    )


async def write(context: Context, text: str, *, id: str = "", kind: Kind = Kind.MESSAGE, thread: str = "t") -> Message:
    """A customer's message."""
    inbound = Inbound(thread, thread, id or f"m{next(ids)}", text, kind)
    return await flow.receive(context, context.channels["sink"], inbound)


async def settle_all(context: Context, steps: int = 50) -> None:
    """Do, one at a time, everything that is due now."""
    for _ in range(steps):
        if parcel := await delivery.claim_delivery(context):
            await delivery.deliver(context, parcel)
        elif claim := await lease.claim_conversation(context):
            await flow.respond(context, claim)
        else:
            return
    raise AssertionError("the work never ends")


async def make_staff(db: Database, name: str, role: str = "support") -> Staff:
    async with db.write() as session:
        staff = Staff(name=name, email=f"{name.lower()}@example.org", role=role, password_hash="-")
        session.add(staff)
    return staff


async def all_of(db, model):
    async with db.read() as session:
        return list((await session.exec(select(model).order_by(model.id))).all())


async def make_due(db, *, after: float = 0.0) -> None:
    """Move what waits for a later time to now, as if that time had passed."""
    async with db.write() as session:
        now = await conversations.now(session)
        for row in (await session.exec(select(Delivery).where(Delivery.due_at.is_not(None)))).all():
            row.due_at, row.lease_until = now, 0.0
            row.created_at -= after
        for row in (await session.exec(select(Conversation).where(Conversation.ready_at.is_not(None)))).all():
            row.ready_at, row.lease_until = now, 0.0
            row.owed_since -= after
