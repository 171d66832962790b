"""The sign that an answer is being written: shown while it is, and never in the way of it."""

import asyncio

import pytest

from tests.fakes import ScriptedChannel
from tests.flow_kit import make_context, settle_all, write

pytestmark = pytest.mark.anyio


class Typing(ScriptedChannel):
    def __init__(self, *, error: Exception | None = None) -> None:
        super().__init__()
        self.shown, self.seen, self.error = [], asyncio.Event(), error
        self.typing = self._typing

    async def _typing(self, recipient, memo) -> None:
        self.shown.append((recipient, dict(memo)))
        self.seen.set()
        if self.error:
            raise self.error


async def test_the_customer_sees_that_we_write_before_the_answer_is_there(db) -> None:
    gate = asyncio.Event()
    channel = Typing()
    context = make_context(db, channel=channel, gate=gate)
    await write(context, "hello")
    working = asyncio.create_task(settle_all(context))
    async with asyncio.timeout(10):
        await channel.seen.wait()
    assert channel.sent == [], "the answer is still being thought of"
    gate.set()
    await working
    assert channel.shown == [("t", {})]
    assert [each.text for each in channel.sent] == ["echo: hello"]


async def test_a_sign_that_cannot_be_shown_holds_nothing_up(db) -> None:
    channel = Typing(error=RuntimeError("no such thing"))
    context = make_context(db, channel=channel)
    await write(context, "hello")
    await settle_all(context)
    assert [each.text for each in channel.sent] == ["echo: hello"]
