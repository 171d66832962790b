"""A server with the test channel that kills itself at one point of the path: kill_process.py PORT SINK_URL POINT.

POST /arm arms it. The points lie between the acknowledgement of a message and the record of its reply. With the point
"never" it lives. Nothing is caught and nothing is flushed: SIGKILL leaves what a power cut of the process would leave.
"""

import asyncio
import contextlib
import os
import signal
import sys
from typing import Any

import uvicorn
from sqlmodel import select

from service import delivery, flow, work
from service.app import create_app
from service.context import Context
from service.db import Database
from service.models import Message
from service.settings import Settings
from tests.fakes import NoKnowledge, ScriptedAgent, SinkChannel


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def after(function: Any) -> Any:
    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        result = await function(*args, **kwargs)
        if result is not None:
            die()
        return result

    return wrapped


def before(function: Any) -> Any:
    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        die()

    return wrapped


async def dies_when_owed(context: Context) -> None:
    async with context.db.read() as session:
        if (await session.exec(select(Message.id).where(Message.status == "owed").limit(1))).first():
            await asyncio.sleep(0.1)  # the acknowledgement is on its way
            die()


def before_commit(context: Context, nth: int) -> None:
    """Die in the `nth` writing transaction that touches a conversation after the first, just before its commit."""
    write, count = context.db.write, 0

    @contextlib.asynccontextmanager
    async def dying() -> Any:
        nonlocal count
        async with write() as session:
            yield session
            await session.flush()
            count += 1
            if count == nth:
                die()

    context.db.write = dying


def arm(point: str, context: Context, channel: SinkChannel, agent: ScriptedAgent) -> None:
    point = point.removeprefix("blind: ")
    if point == "after the acknowledgement":
        work.claim_conversation = dies_when_owed
    elif point == "after the claim":
        work.claim_conversation = after(work.claim_conversation)
    elif point == "while the agent thinks":
        agent.respond = before(agent.respond)
    elif point == "when the agent has thought":
        agent.respond = after(agent.respond)
    elif point == "before the verdict is committed":
        record = flow._record

        async def recording(*args: Any) -> Any:
            before_commit(context, 1)
            return await record(*args)

        flow._record = recording
    elif point == "after the verdict is committed":
        flow._record = after(flow._record)
    elif point == "when the delivery is marked":
        work.claim_delivery = after(work.claim_delivery)
    elif point == "before the vendor is called":
        channel.send = before(channel.send)
    elif point == "after the vendor took it":
        channel.send = after(channel.send)
    elif point == "before the receipt is committed":
        settle = delivery._settle

        async def settling(*args: Any, **kwargs: Any) -> Any:
            before_commit(context, 1)
            return await settle(*args, **kwargs)

        delivery._settle = settling
    elif point == "after the receipt is committed":
        settled = delivery._settle

        async def settling_then_dying(*args: Any, **kwargs: Any) -> Any:
            await settled(*args, **kwargs)
            die()

        delivery._settle = settling_then_dying


async def serve(port: int, sink_url: str, point: str) -> None:
    settings = Settings(_env_file=None, lease_seconds=1.0)
    channel, agent = SinkChannel(sink_url), ScriptedAgent()
    context = Context(
        settings=settings,
        db=Database(settings.url),
        channels={"sink": channel},
        knowledge=NoKnowledge(),
        agent=agent,
    )
    app = create_app(context)

    @app.post("/arm")
    async def armed() -> dict[str, str]:
        """From now on: what an earlier process left has been done by then."""
        arm(point, context, channel, agent)
        return {"point": point}

    if point.startswith("blind: "):
        channel.outcome = None
    await uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", access_log=False)).serve()


def main() -> None:
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
