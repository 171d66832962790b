"""The sign that an answer is being written, on channels that have one: best effort, and never in the way."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import structlog
from sqlalchemy import bindparam
from sqlmodel import col, select

from service.context import Context
from service.models import Conversation, Identity

log = structlog.get_logger()

#: Vendors take the sign away by themselves after about 25 seconds.
AGAIN_SECONDS = 20.0
PATIENCE_SECONDS = 5.0

_WHOSE = (
    select(Conversation.channel, Conversation.memo, Identity.external_id)
    .join(Identity, col(Identity.id) == col(Conversation.identity_id))
    .where(col(Conversation.id) == bindparam("conversation_id"))
)


@contextlib.asynccontextmanager
async def shown(context: Context, conversation_id: int) -> AsyncIterator[None]:
    """The customer sees that we write, for as long as the block takes."""
    if not any(channel.typing for channel in context.channels.values()):
        yield
        return
    rows = await context.db.look(_WHOSE, conversation_id=conversation_id)
    channel = context.channels.get(rows[0].channel) if rows else None
    if channel is None or channel.typing is None or channel.missing:
        yield
        return
    showing = asyncio.create_task(_show(channel.typing, rows[0].external_id, rows[0].memo))
    try:
        yield
    finally:
        showing.cancel()
        for error in await asyncio.gather(showing, return_exceptions=True):
            if isinstance(error, Exception):  # a sign that cannot be shown is not shown
                log.info("typing.not_shown", channel=channel.name, error=type(error).__name__)


async def _show(
    typing: Callable[[str, Mapping[str, Any]], Awaitable[None]], recipient: str, memo: Mapping[str, Any]
) -> None:
    while True:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await typing(recipient, memo)
        await asyncio.sleep(AGAIN_SECONDS)
