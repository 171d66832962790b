"""Readers whose thread has no conversation yet ask the database together: every one that opens wakes all of them."""

import asyncio

from sqlmodel import col, select

from service.db import Database
from service.models import Conversation

Thread = tuple[str, str]  # channel, thread


class Openings:
    """The conversations of threads; those who ask in the same moment share one query."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._asked: set[Thread] = set()
        self._look: asyncio.Task[dict[Thread, int]] | None = None

    async def find(self, channel: str, thread: str) -> int | None:
        """The conversation's id as the database says it after this was called."""
        self._asked.add((channel, thread))
        if self._look is None:
            self._look = asyncio.create_task(self._find_all())
        return (await asyncio.shield(self._look)).get((channel, thread))

    async def _find_all(self) -> dict[Thread, int]:
        await asyncio.sleep(0)  # who was woken in the same moment asks first
        asked, self._asked, self._look = self._asked, set(), None  # who comes from here on needs a newer look
        query = select(Conversation.channel, Conversation.thread, Conversation.id).where(
            # The channel too, for the index begins with it.
            col(Conversation.channel).in_({channel for channel, _ in asked}),
            col(Conversation.thread).in_({thread for _, thread in asked}),
        )
        return {(channel, thread): id for channel, thread, id in await self._db.look(query)}
