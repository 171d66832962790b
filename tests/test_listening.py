"""A channel that hears of messages by itself: in one process at a time, and what it heard is stored with its place."""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from sqlmodel import col, select, update

from channels.base import Inbound, Quarantined, Receive, Unreachable
from service import listening, restored, schedule, unfinished
from service.context import Context
from service.models import Conversation, Escalation, Job, Message, Quarantine
from tests.fakes import ScriptedChannel
from tests.flow_kit import make_context, settle_all

pytestmark = pytest.mark.anyio


class Mailbox(ScriptedChannel):
    """A vendor with numbered messages: hears those past its state's number; `breaks`: what it raises before one."""

    def __init__(self, *texts: str, breaks: Mapping[int, Exception] | None = None, came: Sequence[float] = ()) -> None:
        super().__init__()
        self.texts, self.breaks = list(texts), dict(breaks or {})
        self.came = list(came)  # when, where the vendor says so
        self.told: list[int] = []  # what the vendor was told that we have, in order
        self.begun = 0
        self.open = asyncio.Event()
        self.listen = self._listen

    async def _listen(self, receive: Receive, state: Mapping[str, Any]) -> None:
        self.begun += 1
        at = state.get("at", 0)
        while True:
            while at < len(self.texts):
                if error := self.breaks.pop(at, None):
                    raise error
                came = self.came[at] if self.came else None
                inbound = Inbound("someone", f"t-{at}" if self.came else "t", f"mail-{at}", self.texts[at], at=came)
                at += 1
                await receive([inbound], {"at": at})
                self.told.append(at)
            self.open.set()
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def listens(*contexts: Context):
    running = [asyncio.create_task(listening.run(context)) for context in contexts]
    try:
        yield
    finally:
        for context in contexts:
            context.stopping.set()
        done = await asyncio.wait_for(asyncio.gather(*running, return_exceptions=True), 10)
        assert done == [None] * len(contexts)


async def texts(context: Context) -> list[str]:
    async with context.db.read() as session:
        return [row.text for row in (await session.exec(select(Message).order_by(col(Message.seq)))).all()]


async def job(context: Context) -> Job:
    async with context.db.read() as session:
        found = await session.get(Job, "listen:sink")
    assert found
    return found


async def until(what: Any) -> None:
    async with asyncio.timeout(20):
        while not await what():
            await asyncio.sleep(0.02)


async def test_what_is_heard_is_stored_and_after_a_restart_it_goes_on_from_there(db) -> None:
    mailbox = Mailbox("one", "two")
    async with listens(make_context(db, channel=mailbox)):
        await asyncio.wait_for(mailbox.open.wait(), 10)
    later = Mailbox("one", "two", "three")
    async with listens(context := make_context(db, channel=later)):
        await asyncio.wait_for(later.open.wait(), 10)
    assert mailbox.told == [1, 2]
    assert later.told == [3], "what is stored is not heard again"
    assert await texts(context) == ["one", "two", "three"]


async def test_a_listener_that_breaks_is_begun_again_and_says_why_until_it_is_well(db) -> None:
    mailbox = Mailbox("one", "two", breaks={1: Unreachable("The mailbox refuses the password.")})
    context = make_context(db, channel=mailbox, lease_seconds=2.0)
    async with listens(context):
        await until(lambda: _has_error(context, "The mailbox refuses the password."))
        await asyncio.wait_for(mailbox.open.wait(), 10)
        assert await texts(context) == ["one", "two"]
        await until(lambda: _has_error(context, ""))
    assert mailbox.begun == 2


async def test_any_other_error_too_is_told_by_its_kind_and_never_with_a_customers_words(db) -> None:
    mailbox = Mailbox("one", breaks={0: ValueError("my password is hunter2")})
    context = make_context(db, channel=mailbox, lease_seconds=30.0)  # a renewal would say that all is well again
    async with listens(context):
        await asyncio.wait_for(mailbox.open.wait(), 10)
        found = (await job(context)).last_error
    assert "ValueError" in found
    assert "hunter2" not in found
    assert await texts(context) == ["one"]


async def _has_error(context: Context, error: str) -> bool:
    async with context.db.read() as session:
        found = await session.get(Job, "listen:sink")
    return found is not None and found.last_error == error


async def test_one_process_listens_and_another_takes_over_when_it_stops(db) -> None:
    first, second = Mailbox("one"), Mailbox("one", "two")
    one, two = make_context(db, channel=first), make_context(db, channel=second)
    async with listens(two):
        async with listens(one):
            await until(lambda: _begun(first, second))
            await asyncio.sleep(1.5)  # more than a lease: it is renewed
            assert first.begun + second.begun == 1, "both listened at the same time"
        await asyncio.wait_for(second.open.wait(), 15)
    assert await texts(two) == ["one", "two"]


async def _begun(*mailboxes: Mailbox) -> bool:
    return any(mailbox.begun for mailbox in mailboxes)


async def test_who_has_lost_the_lease_stores_nothing(db) -> None:
    mailbox = Mailbox("one")
    context = make_context(db, channel=mailbox, lease_seconds=30.0)
    async with listens(context):
        await asyncio.wait_for(mailbox.open.wait(), 10)
        async with db.write() as session:
            await session.exec(update(Job).values(fence=col(Job.fence) + 1, lease_until=1e12))
        mailbox.texts.append("two")
        await asyncio.sleep(0.5)
        assert await texts(context) == ["one"]
        assert mailbox.told == [1], "the vendor must not hear that it was taken"


async def test_a_failed_commit_is_not_told_to_the_vendor(db) -> None:
    context = make_context(db)
    fence = await schedule.claim(context, "listen:sink")
    assert fence is not None
    mailbox = Mailbox("\ud800 kept", "two")
    mailbox.texts[1] = None  # what no table takes
    context = make_context(db, channel=mailbox)
    await schedule.release(context, "listen:sink", fence, 0.0, "")
    async with listens(context):
        await until(lambda: _begun_twice(mailbox))
    assert mailbox.told == [1]
    assert len(await texts(context)) == 1


async def _begun_twice(mailbox: Mailbox) -> bool:
    return mailbox.begun >= 2


async def test_what_cannot_be_read_is_kept_once_and_the_next_is_heard(db) -> None:
    class Broken(Mailbox):
        async def _listen(self, receive: Receive, state: Mapping[str, Any]) -> None:
            for _ in range(2):
                await receive([Quarantined("bad-1", "It is not a mail.", b"\x00\xff", "x\0y", "s")], {})
            await receive([Inbound("someone", "t", "good", "hello")], {})
            self.open.set()
            await asyncio.sleep(60)

    mailbox = Broken()
    context = make_context(db, channel=mailbox)
    async with listens(context):
        await asyncio.wait_for(mailbox.open.wait(), 10)
    async with db.read() as session:
        (found,) = (await session.exec(select(Quarantine))).all()
    assert (found.raw, found.reason, found.sender) == (b"\x00\xff", "It is not a mail.", "xy")
    assert await texts(context) == ["hello"]


@pytest.mark.parametrize("resume", [False, True])
async def test_what_a_vendor_still_has_from_before_a_restore_is_left_to_people(db, resume) -> None:
    now = time.time()
    async with db.transaction() as connection:
        await unfinished.settle(connection, {"made_at": now - 600, "firstline": "1"}, resume=resume)
    mailbox = Mailbox("Where is my\0 parcel?", "And this?", came=[now - 300, now + 60])
    async with listens(context := make_context(db, channel=mailbox)):
        await asyncio.wait_for(mailbox.open.wait(), 10)
    await settle_all(context)
    answered = {each.thread for each in mailbox.sent}
    assert answered == ({"t-0", "t-1"} if resume else {"t-1"})
    async with db.read() as session:
        states = dict((await session.exec(select(Conversation.thread, Conversation.state))).all())
        why = (await session.exec(select(Escalation.reason))).all()
    assert states == {"t-0": "agent" if resume else "waiting", "t-1": "agent"}
    assert why == ([] if resume else [restored.REASON])
