"""What a vendor has and we missed: taken in once, in order, by one process, and never from before we were there."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from sqlalchemy import event
from sqlmodel import col, select, update

from channels.base import Inbound, Kind, Parsed, StatusUpdate, SwitchedOff, Unreachable, Window
from service import flow, late, saying, schedule, sweeping, unfinished
from service.app import running, stop
from service.context import Context
from service.models import ChannelMemory, Conversation, Delivery, Job, Message, Quarantine
from tests.desk_kit import Desk
from tests.fakes import ScriptedChannel
from tests.flow_kit import make_context, settle_all

pytestmark = pytest.mark.anyio


class Vendor(ScriptedChannel):
    """A vendor that keeps what it has; `breaks`: what it raises before one; `gate`: what it waits for before each."""

    missed_every, missed_overlap, missed_grace = 0.1, 3_600.0, 0.0

    def __init__(self, *had: Parsed, breaks: Mapping[int, Exception] | None = None, gate: Any = None) -> None:
        super().__init__()
        self.had, self.breaks, self.gate = list(had), dict(breaks or {}), gate
        self.asked: list[float] = []
        self.done = self.at_once = self.most_at_once = 0
        self.missed = self._missed

    async def _missed(self, since: float) -> AsyncIterator[Parsed]:
        self.asked.append(since)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            for number, each in enumerate(self.had):
                if error := self.breaks.pop(number, None):
                    raise error
                if self.gate:
                    await self.gate.wait()
                yield each
            self.done += 1
        finally:
            self.at_once -= 1


def written(number: int, thread: str = "t", **more: Any) -> Inbound:
    return Inbound(thread, thread, f"m{number}", f"message {number}", **more)


def messages(count: int) -> list[Inbound]:
    return [written(number) for number in range(count)]


@contextlib.asynccontextmanager
async def sweeps(*contexts: Context) -> AsyncIterator[None]:
    loops = [asyncio.create_task(sweeping.run(context)) for context in contexts]
    try:
        yield
    finally:
        for context in contexts:
            context.stopping.set()
        done = await asyncio.wait_for(asyncio.gather(*loops, return_exceptions=True), 10)
        assert done == [None] * len(contexts)


async def swept_before(db: Any, at: float | None = None, first: float = 0.0, channel: str = "sink") -> float:
    """Somebody swept a minute ago, long after the very first time."""
    at = time.time() - 60 if at is None else at
    async with db.write() as session:
        session.add(ChannelMemory(channel=channel, key=sweeping.SWEPT, value={"at": at, "first": first}))
    return at


async def watermark(db: Any) -> dict[str, float]:
    async with db.read() as session:
        memory = await session.get(ChannelMemory, ("sink", sweeping.SWEPT))
    return memory.value if memory else {}


async def texts(db: Any) -> list[str]:
    async with db.read() as session:
        return [row.text for row in (await session.exec(select(Message).order_by(col(Message.seq)))).all()]


async def until(what: Any) -> None:
    async with asyncio.timeout(20):
        while not (await found if asyncio.iscoroutine(found := what()) else found):
            await asyncio.sleep(0.02)


async def test_thirty_missed_messages_are_taken_in_once_and_in_order(db) -> None:
    at, vendor = await swept_before(db), Vendor(*messages(30))
    context = make_context(db, channel=vendor)
    async with sweeps(context):
        await until(lambda: vendor.done >= 4)
    assert await texts(db) == [f"message {number}" for number in range(30)]
    assert vendor.asked[0] == pytest.approx(at - 3_600)
    assert vendor.asked == sorted(set(vendor.asked)), "each goes on from the time at which the last one began"
    assert context.metrics.registry.get_sample_value("firstline_missed_total", {"channel": "sink"}) == 30
    await asyncio.sleep(0.5)
    await settle_all(context)
    (sent,) = vendor.sent
    assert sent.text.startswith("echo: message 0\nmessage 1\n")


async def test_what_may_still_be_on_its_way_is_left_to_its_webhook_and_asked_for_soon_after(db) -> None:
    await swept_before(db)
    vendor = Vendor(written(0, at=time.time()))
    vendor.missed_every, vendor.missed_grace = 1_000.0, 2.0
    context = make_context(db, channel=vendor)
    async with sweeps(context):
        await until(lambda: vendor.done >= 1)
        assert await texts(db) == []
        await until(lambda: vendor.done >= 2)
        await until(lambda: texts(db))
    assert await texts(db) == ["message 0"]


async def test_an_hour_of_known_messages_costs_one_look_and_touches_no_conversation(db) -> None:
    await swept_before(db)
    vendor = Vendor(*messages(120))
    context = make_context(db, channel=vendor)
    for start in range(0, 120, 60):
        await flow.take(context, vendor, vendor.had[start : start + 60])
    statements: list[str] = []
    event.listen(db.engine.sync_engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    async with sweeps(context):
        await until(lambda: vendor.done >= 2)
    looks = [each for each in statements if "message" in each]
    assert 3 <= len(looks) <= 3 * len(vendor.asked), "one for each batch"
    assert not [each for each in statements if "conversation" in each]
    assert len(await texts(db)) == 120
    assert context.metrics.registry.get_sample_value("firstline_missed_total", {"channel": "sink"}) is None


async def test_at_the_very_first_sweep_nothing_is_taken_and_never_what_is_older(db) -> None:
    before = time.time()
    vendor = Vendor(written(1, at=before - 86_400))
    context = make_context(db, channel=vendor)
    async with sweeps(context):
        await until(lambda: watermark(db))
        first = (await watermark(db))["first"]
        assert vendor.asked == [], "it is not even asked"
        vendor.had.append(written(2, at=time.time()))
        await until(lambda: vendor.done >= 2)
    assert before - 1 <= first <= time.time()
    assert first % 1 == 0, "vendors tell whole seconds"
    assert set(vendor.asked) == {first}, "an hour of overlap would be the past"
    assert await texts(db) == ["message 2"]
    assert (await watermark(db))["first"] == first
    assert (await watermark(db))["at"] > first


async def test_a_sweep_that_breaks_in_the_middle_begins_again_where_it_began(db) -> None:
    await swept_before(db)
    vendor = Vendor(*messages(130), breaks={70: Unreachable("The vendor is away.")})
    stored: list[int] = []
    context = make_context(db, channel=vendor)
    mark = await watermark(db)
    async with sweeps(context):
        await until(lambda: len(vendor.asked) >= 1)
        await until(lambda: 70 not in vendor.breaks)
        stored.append(len(await texts(db)))
        if len(vendor.asked) == 1:
            assert await watermark(db) == mark
        await until(lambda: vendor.done >= 2)
    assert stored[0] >= 50, "what was stored before it broke stays"
    assert vendor.asked[1] == vendor.asked[0], "the second goes on from the old watermark"
    assert await texts(db) == [f"message {number}" for number in range(130)]
    assert (await watermark(db))["at"] > mark["at"]


async def test_a_webhook_and_the_sweep_at_the_same_moment_store_one(db) -> None:
    await swept_before(db)
    had = [written(number, thread=f"t{number % 7}") for number in range(40)]
    vendor = Vendor(*had)
    context, other = make_context(db, channel=vendor), make_context(db)
    async with sweeps(context):
        await asyncio.gather(*(flow.take(other, other.channels["sink"], [each]) for each in reversed(had)))
        await until(lambda: vendor.done >= 2)
    async with db.read() as session:
        stored = (await session.exec(select(Message.external_id))).all()
        assert len((await session.exec(select(Conversation))).all()) == 7
    assert sorted(map(str, stored)) == sorted(each.external_id for each in had)


async def test_two_processes_do_not_both_sweep_and_one_goes_on_where_the_other_stops(db) -> None:
    await swept_before(db)
    gate = asyncio.Event()
    first, second = Vendor(*messages(3), gate=gate), Vendor(*messages(3))
    one, two = make_context(db, channel=first), make_context(db, channel=second)
    async with sweeps(one):
        await until(lambda: first.asked)
        async with sweeps(two):
            await asyncio.sleep(1.5)  # more than a lease: it is renewed
            assert second.asked == [], "both swept at the same time"
            one.stopping.set()
            await until(lambda: second.done >= 2)
    assert await texts(db) == [f"message {number}" for number in range(3)]
    assert first.done == 0, "it was stopped in the middle"
    assert first.at_once == 0, "and let go of its vendor"


async def test_a_fleet_that_sweeps_together_never_has_two_at_it(db) -> None:
    await swept_before(db)
    vendor = Vendor(*messages(20))
    contexts = [make_context(db, channel=vendor) for _ in range(4)]
    async with sweeps(*contexts):
        await until(lambda: vendor.done >= 5)
    assert vendor.most_at_once == 1
    assert len(await texts(db)) == 20


async def test_who_has_lost_the_lease_stores_neither_messages_nor_how_far_it_came(db) -> None:
    await swept_before(db)
    gate = asyncio.Event()
    vendor = Vendor(*messages(60), gate=gate)
    context = make_context(db, channel=vendor, lease_seconds=30.0)
    mark = await watermark(db)
    async with sweeps(context):
        await until(lambda: vendor.asked)
        async with db.write() as session:
            await session.exec(update(Job).values(fence=col(Job.fence) + 1, lease_until=1e12))
        gate.set()
        await until(lambda: vendor.at_once == 0)  # it has noticed
        assert await texts(db) == []
        assert await watermark(db) == mark


async def test_after_a_start_it_is_due_at_once_unless_it_was_just_done(db) -> None:
    await swept_before(db)
    vendor, again = Vendor(written(1)), Vendor(written(1), written(2))
    vendor.missed_every = again.missed_every = 1_000.0
    context = make_context(db, channel=vendor)
    async with sweeps(context):
        await until(lambda: watermark_past(db, time.time() - 30))
        await asyncio.sleep(0.3)
        assert await schedule.until_due(context, "sweep:sink") > 900
    await schedule.hurry(context, "sweep:sink", 1_000.0, sweeping.APART_SECONDS)
    due = await schedule.until_due(context, "sweep:sink")
    assert 5 < due <= sweeping.APART_SECONDS, "processes that start together do not each do one"
    async with db.write() as session:  # as if it had been done two minutes ago
        await session.exec(update(Job).values(due_at=col(Job.due_at) - due + 880))
    async with sweeps(make_context(db, channel=again)):
        await until(lambda: again.done == 1)
        await until(lambda: stored(db, 2))
    assert len(vendor.asked) == len(again.asked) == 1


async def watermark_past(db: Any, at: float) -> bool:
    return (await watermark(db))["at"] > at


async def stored(db: Any, count: int) -> bool:
    return len(await texts(db)) == count


async def test_what_is_in_the_way_is_told_on_the_desk_until_it_is_over(db) -> None:
    desk = Desk(db)
    vendor = Vendor()
    wrong: list[Exception] = [SwitchedOff("The vendor refuses the token. Set it anew.")]

    async def missed(since: float) -> AsyncIterator[Parsed]:
        if wrong:
            raise wrong[0]
        async for each in vendor._missed(since):
            yield each

    desk.channel.missed, desk.channel.missed_every = missed, 0.2
    async with db.write() as session:
        session.add(ChannelMemory(channel="post", key=sweeping.SWEPT, value={"at": 1.0, "first": 0.0}))
    browser = await desk.signed_in(await desk.make_staff("Support"))

    async def told(sentence: str) -> bool:
        return sentence in (await browser.get("/desk")).text

    async with sweeps(desk.context):
        await until(lambda: told("Pigeon post: it cannot be asked whether messages were missed. The vendor refuses"))
        wrong[0] = ValueError("my password is hunter2")
        await until(lambda: told("Looking for them broke off (ValueError). It is tried again."))
        assert not await told("hunter2")
        wrong.clear()
        await until(lambda: vendor.done >= 1)
        await asyncio.sleep(0.1)
        assert not await told("whether messages were missed")


async def test_one_that_cannot_be_stored_does_not_hold_up_the_others(db) -> None:
    await swept_before(db)
    broken = Inbound("t", "t", "broken", None, raw=b"as it came")  # type: ignore[arg-type] (what no table takes)
    vendor = Vendor(written(1), broken, written(2))
    context = make_context(db, channel=vendor)
    async with sweeps(context):
        await until(lambda: len(vendor.asked) > 3 and vendor.done > 3)
    async with db.read() as session:
        (aside,) = (await session.exec(select(Quarantine))).all()
        (job,) = (await session.exec(select(Job))).all()
    assert aside.raw == b"as it came"
    assert job.last_error == ""
    assert await texts(db) == ["message 1", "message 2"]


async def test_what_became_of_our_own_messages_is_taken_too(db) -> None:
    context = make_context(db)
    await flow.take(context, context.channels["sink"], messages(1))
    await asyncio.sleep(0.1)
    await settle_all(context)
    async with db.read() as session:
        (sent,) = (await session.exec(select(Delivery))).all()
    await swept_before(db)
    vendor = Vendor(StatusUpdate(sent.external_id, "failed", "The number is not in use."))
    async with sweeps(make_context(db, channel=vendor)):
        await until(lambda: vendor.done >= 2)
        statements: list[str] = []
        event.listen(db.engine.sync_engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
        await until(lambda: vendor.done >= 4)
    assert any("FROM delivery" in each for each in statements)
    assert not [each for each in statements if "FROM conversation" in each], "what is known locks nothing"
    async with db.read() as session:
        (failed,) = (await session.exec(select(Delivery))).all()
    assert (failed.state, failed.reason) == ("failed", "The number is not in use.")


async def test_a_channel_that_is_off_or_cannot_say_is_not_asked(db) -> None:
    vendor = Vendor(written(1))
    vendor.missing = ["A setting"]
    async with sweeps(make_context(db, channel=vendor), make_context(db)):
        await asyncio.sleep(0.3)
    async with db.read() as session:
        assert (await session.exec(select(Job))).all() == []
    assert vendor.asked == []


async def test_a_server_sweeps_by_itself(db) -> None:
    await swept_before(db)
    vendor = Vendor(written(1))
    context = make_context(db, channel=vendor)
    async with running(context):
        await until(lambda: vendor.sent)
        stop(context)
    assert [each.text for each in vendor.sent] == ["echo: message 1"]


async def test_a_message_that_comes_late_opens_no_window_and_is_not_taken_for_the_last(db) -> None:
    context = make_context(db)
    now = 1_800_000_000.0
    context.clock = lambda: now

    async def take(number: int, **more: Any) -> Conversation:
        await flow.take(context, context.channels["sink"], [written(number, memo={"n": number}, **more)])
        async with db.read() as session:
            return (await session.exec(select(Conversation))).one()

    day = 86_400.0
    late = await take(1, at=now - day)
    assert (late.last_customer_at, late.memo) == (now - day, {"n": 1})
    assert (await take(2, at=now + day)).last_customer_at == now, "no window reaches into the future"
    later = await take(3, at=now - 5)
    assert (later.last_customer_at, later.memo) == (now, {"n": 2})
    now += 60
    last = await take(4)
    assert (last.last_customer_at, last.memo) == (now, {"n": 4})


async def test_a_stop_or_a_start_that_comes_late_does_not_undo_what_was_said_since(db) -> None:
    channel = ScriptedChannel()
    channel.needs_start = True
    context = make_context(db, channel=channel)

    async def say(number: int, kind: Kind, at: float | None = None) -> tuple[bool, str]:
        (message,) = await flow.take(context, channel, [written(number, kind=kind, at=at)])
        async with db.read() as session:
            return (await session.exec(select(Conversation.stopped))).one(), message.reason

    hour_ago = time.time() - 3_600
    assert await say(1, Kind.STOP) == (True, "The customer wants no more messages.")
    assert await say(2, Kind.START, hour_ago) == (True, late.SINCE)
    assert (await say(3, Kind.MESSAGE))[0], "what is no start does not start"
    assert not (await say(4, Kind.START, time.time()))[0]
    assert await say(5, Kind.STOP, hour_ago) == (False, late.SINCE)
    assert (await say(6, Kind.STOP, time.time()))[0]


async def test_a_late_message_releases_no_reply_for_which_it_opens_no_window(db) -> None:
    channel = ScriptedChannel()
    channel.window = lambda last, now: Window(open=bool(last) and last > now - 86_400, reason="Closed.")
    context = make_context(db, channel=channel)
    await flow.take(context, channel, [written(1, at=time.time() - 3 * 86_400)])
    async with db.write() as session:
        conversation = (await session.exec(select(Conversation))).one()
        conversation.state, conversation.ready_at = "person", None
        message = await saying.say(session, conversation, author="person", text="At last.")
        await session.flush()
        delivery = (await session.exec(select(Delivery))).one()
        delivery.state, delivery.due_at, message.status = "held", None, "held"

    async def state() -> str:
        async with db.read() as session:
            return (await session.exec(select(Delivery.state))).one()

    await flow.take(context, channel, [written(2, at=time.time() - 2 * 86_400)])
    assert await state() == "held"
    await flow.take(context, channel, [written(3)])
    assert await state() == "ready"


@pytest.mark.parametrize(("words", "stopped"), [((Kind.STOP, Kind.START), False), ((Kind.START, Kind.STOP), True)])
async def test_of_a_stop_and_a_start_that_both_come_late_the_one_written_last_counts(db, words, stopped) -> None:
    channel = ScriptedChannel()
    channel.needs_start = True
    context = make_context(db, channel=channel)
    hour_ago = time.time() - 3_600
    for number, kind in enumerate(words):
        await flow.take(context, channel, [written(number, kind=kind, at=hour_ago + number)])
    async with db.read() as session:
        assert (await session.exec(select(Conversation.stopped))).one() is stopped


@pytest.mark.parametrize("resume", [False, True])
async def test_what_is_found_from_before_a_restore_is_left_to_people(db, resume) -> None:
    now = time.time()
    await swept_before(db, at=now - 600)
    async with db.transaction() as connection:
        await unfinished.settle(connection, {"made_at": now - 600, "firstline": "1"}, resume=resume)
    found = [written(1, "old", at=now - 300), written(2, "new", at=now + 60)]
    vendor = Vendor(*found)
    vendor.missed_grace = -3_600.0  # the second was written after the restore, and is none that is on its way
    context = make_context(db, channel=vendor)

    async def stored() -> bool:
        return len(await texts(db)) == 2

    async with sweeps(context):
        await until(stored)
    await settle_all(context)
    answered = {each.thread for each in context.channels["sink"].sent}
    assert answered == ({"old", "new"} if resume else {"new"})
    async with db.read() as session:
        states = dict((await session.exec(select(Conversation.thread, Conversation.state))).all())
    assert states == {"old": "agent" if resume else "waiting", "new": "agent"}
