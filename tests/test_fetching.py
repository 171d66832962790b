"""Files that only the vendor has: listed at once, fetched under a lease, and shown at the desk, or why they are not."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlmodel import col, select, update

from channels.base import Attachment as Came
from channels.base import Channel, Fetched, Inbound, SwitchedOff, Undeliverable
from service import fetching, flow
from service.app import stop
from service.context import Context
from service.models import Attachment, Conversation, Message
from service.retries import MOST_ATTEMPTS
from tests.desk_kit import Desk
from tests.fakes import ScriptedChannel
from tests.flow_kit import make_context

pytestmark = pytest.mark.anyio

PNG = Fetched(b"\x89PNG\0", "image/png", "parcel.png")


class Vault(ScriptedChannel):
    """A vendor that hands over what the script says, one entry a call: a Fetched, or an exception to raise."""

    def __init__(self, *script: Any, gate: asyncio.Event | None = None) -> None:
        super().__init__()
        self.files, self.gate = list(script), gate
        self.asked: list[tuple[str, int]] = []
        self.at_once = self.most_at_once = 0
        self.fetch = self._fetch

    async def _fetch(self, url: str, most: int) -> Fetched:
        self.asked.append((url, most))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.gate:
                await self.gate.wait()
            await asyncio.sleep(0)
        finally:
            self.at_once -= 1
        step = self.files.pop(0) if len(self.files) > 1 else self.files[0]
        if isinstance(step, Exception):
            raise step
        return step


@contextlib.asynccontextmanager
async def fetches(*contexts: Context) -> AsyncIterator[None]:
    loops = [asyncio.create_task(fetching.run(context)) for context in contexts]
    try:
        yield
    finally:
        for context in contexts:
            stop(context)
        done = await asyncio.wait_for(asyncio.gather(*loops, return_exceptions=True), 10)
        assert done == [None] * len(contexts)


async def send(context: Context, *files: Came, id: str = "m1") -> None:
    (channel,) = context.channels.values()
    await flow.take(context, channel, [Inbound("t", "t", id, "look", attachments=files)])


def elsewhere(number: int = 1) -> Came:
    return Came("", "image/png", url=f"https://vendor.example/{number}")


async def files(db: Any) -> list[Attachment]:
    async with db.read() as session:
        return list((await session.exec(select(Attachment).order_by(col(Attachment.id)))).all())


async def listed(db: Any) -> list[dict[str, Any]]:
    async with db.read() as session:
        return (await session.exec(select(Message.attachments))).first()


async def until(what: Any) -> None:
    async with asyncio.timeout(20):
        while not (await found if asyncio.iscoroutine(found := what()) else found):
            await asyncio.sleep(0.02)


async def settled(db: Any) -> bool:
    return all(each.due_at is None for each in await files(db))


async def hurry(db: Any) -> None:
    """No pause is as long as it is."""
    async with db.write() as session:
        await session.exec(update(Attachment).where(col(Attachment.due_at) > 0).values(due_at=0.0))
    db.waker.wake()


async def test_a_file_is_listed_at_once_and_there_when_it_is_fetched(db) -> None:
    vault = Vault(PNG, gate=asyncio.Event())
    context = make_context(db, channel=vault, lease_seconds=30.0)
    async with fetches(context):
        await asyncio.sleep(0.2)  # they have looked, and found nothing
        began = time.monotonic()
        await send(context, Came("here.txt", "text/plain", content=b"hi", url="https://x/"), elsewhere())
        await until(lambda: vault.asked)
        assert time.monotonic() - began < fetching.LOOK_SECONDS / 2, "who fetches was woken"
        first = await listed(db)
        async with db.read() as session:
            clock = (await session.exec(select(Conversation.clock))).one()
        with db.waker.subscribe() as changed:
            vault.gate.set()
            assert await changed.wait(5), "open pages hear of it"
        await until(lambda: settled(db))
    here, there = await files(db)
    assert first[1] == {"id": there.id, "name": "", "type": "image/png", "size": 0, "pending": True}
    assert (there.content, there.name, there.content_type, there.size) == (PNG.content, "parcel.png", "image/png", 5)
    assert await listed(db) == [
        {"id": here.id, "name": "here.txt", "type": "text/plain", "size": 2},
        {"id": there.id, "name": "parcel.png", "type": "image/png", "size": 5},
    ]
    assert vault.asked == [("https://vendor.example/1", fetching.MOST_BYTES)]
    async with db.read() as session:
        both = select(Message, Conversation).join(Conversation, col(Conversation.id) == Message.conversation_id)
        message, conversation = (await session.exec(both)).one()
    assert message.changed == conversation.clock > clock


async def test_the_desk_shows_a_file_being_fetched_then_there_and_one_that_failed_with_the_reason(db) -> None:
    desk, gate, asked = Desk(db), asyncio.Event(), list[str]()

    async def fetch(url: str, most: int) -> Fetched:
        asked.append(url)
        await gate.wait()
        if url.endswith("/2"):
            raise Undeliverable("The vendor has deleted it.", permanent=True)
        return PNG

    desk.channel.fetch = fetch
    browser = await desk.signed_in(await desk.make_staff("Support"))
    await send(desk.context, elsewhere(1))
    await send(desk.context, Came("<b>.pdf", "", url="https://vendor.example/2"), id="m2")
    one, two = await files(db)

    async def page() -> str:
        async with db.read() as session:
            conversation = (await session.exec(select(Conversation.id))).one()
        return (await browser.get(f"/desk/conversations/{conversation}")).text

    shown = await page()
    assert shown.count("is being fetched") == 2
    assert "A file" in shown
    assert "/desk/files/" not in shown
    answer = await browser.get(f"/desk/files/{one.id}")
    assert answer.status_code == 404
    assert "still being fetched" in answer.text
    async with fetches(desk.context):
        await until(lambda: asked)
        gate.set()
        await until(lambda: settled(db))
    shown = await page()
    assert "is being fetched" not in shown
    assert "This file could not be fetched: The vendor has deleted it." in shown
    assert "&lt;b&gt;.pdf" in shown
    assert f"/desk/files/{two.id}" not in shown
    assert (await browser.get(f"/desk/files/{one.id}")).content == PNG.content
    answer = await browser.get(f"/desk/files/{two.id}")
    assert answer.status_code == 404
    assert "The vendor has deleted it." in answer.text


async def test_what_will_never_be_had_is_asked_for_once(db) -> None:
    vault = Vault(Undeliverable("It is gone.", permanent=True))
    context = make_context(db, channel=vault)
    await send(context, elsewhere())
    async with fetches(context):
        await until(lambda: settled(db))
        await asyncio.sleep(0.2)
    assert len(vault.asked) == 1
    (entry,) = await listed(db)
    assert entry["failed"] == "It is gone."
    assert "pending" not in entry


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Undeliverable("The vendor is away.", permanent=False), "The vendor is away."),
        (ValueError("my password is hunter2"), "The channel failed (ValueError)."),
    ],
)
async def test_another_failure_is_tried_again_a_few_times_and_then_told(db, error: Exception, reason: str) -> None:
    vault = Vault(error)
    context = make_context(db, channel=vault, lease_seconds=20.0)
    await send(context, elsewhere())
    async with fetches(context):
        await until(lambda: vault.asked)
        await asyncio.sleep(0.2)
        (file,) = await files(db)
        assert file.attempts == len(vault.asked) == 1, "there is a pause between two tries"
        assert (await listed(db))[0]["pending"] is True

        async def hurried() -> bool:
            await hurry(db)
            return await settled(db)

        await until(hurried)
    assert len(vault.asked) == MOST_ATTEMPTS
    assert (await listed(db))[0]["failed"] == reason


async def test_a_failure_that_passes_leaves_no_trace(db) -> None:
    vault = Vault(Undeliverable("The vendor is away.", permanent=False), PNG)
    context = make_context(db, channel=vault, lease_seconds=20.0)
    await send(context, elsewhere())
    async with fetches(context):
        await until(lambda: settled(db))  # with the pause as it is
    (entry,) = await listed(db)
    assert "failed" not in entry
    assert entry["size"] == 5


async def test_while_the_vendor_does_not_know_us_no_try_is_counted(db) -> None:
    vault = Vault(*[SwitchedOff("The token is refused.")] * (MOST_ATTEMPTS + 3), PNG)
    context = make_context(db, channel=vault, lease_seconds=20.0)
    await send(context, elsewhere())
    async with fetches(context):
        await until(lambda: vault.asked)
        await asyncio.sleep(0.2)
        (file,) = await files(db)
        assert file.attempts == 0
        assert file.due_at is not None
        assert file.due_at > time.time() + 30
        for number in range(2, MOST_ATTEMPTS + 5):
            await hurry(db)
            await until(lambda number=number: len(vault.asked) >= number)
            await asyncio.sleep(0.05)
        await until(lambda: settled(db))
    assert (await listed(db))[0]["size"] == 5


async def test_after_a_week_without_being_known_the_desk_says_why_the_file_is_not_there(db) -> None:
    vault = Vault(SwitchedOff("The token is refused."))
    context = make_context(db, channel=vault, lease_seconds=20.0)
    await send(context, elsewhere())
    long_ago = time.time() - fetching.SWITCHED_OFF_AT_MOST - 1
    async with db.write() as session:
        await session.exec(update(Message).values(created_at=long_ago))
    async with fetches(context):  # a process that has only begun: its operator may be about to set it right
        await until(lambda: vault.asked)
        await asyncio.sleep(0.2)
    assert not await settled(db)
    assert "failed" not in (await listed(db))[0]
    await hurry(db)
    async with fetches(context := make_context(db, channel=vault, lease_seconds=20.0)):
        context.began = long_ago
        await until(lambda: settled(db))
    assert (await listed(db))[0]["failed"] == "The token is refused."
    assert len(vault.asked) == 2


async def test_a_killed_workers_file_is_fetched_by_another_after_the_lease(db) -> None:
    killed, vault = make_context(db, channel=Vault(PNG)), Vault(PNG)
    context = make_context(db, channel=vault)
    await send(killed, elsewhere())
    found = await fetching._claim(killed)  # and no more is heard of it
    assert found
    began = time.monotonic()
    async with fetches(context):
        await asyncio.sleep(0.3)
        assert vault.asked == []
        await until(lambda: settled(db))
    assert time.monotonic() - began > 0.8, "the lease was a second"
    assert len(vault.asked) == 1
    await fetching._settle(killed, *found, reason="It is gone.")  # who was thought dead comes back
    (entry,) = await listed(db)
    assert entry["size"] == 5
    assert "failed" not in entry
    assert (await files(db))[0].attempts == 2


async def test_a_file_that_takes_its_worker_down_each_time_is_given_up(db) -> None:
    vault = Vault(PNG)
    context = make_context(db, channel=vault)
    await send(context, elsewhere())
    async with db.write() as session:
        await session.exec(update(Attachment).values(attempts=MOST_ATTEMPTS))
    async with fetches(context):
        await until(lambda: settled(db))
    assert vault.asked == []
    assert "never finished" in (await listed(db))[0]["failed"]


async def test_a_file_larger_than_allowed_is_not_kept(db) -> None:
    vault = Vault(Fetched(bytes(fetching.MOST_BYTES + 1)), Fetched(bytes(fetching.MOST_BYTES), "", "just.bin"))
    context = make_context(db, channel=vault, lease_seconds=20.0)
    await send(context, elsewhere(1))
    async with fetches(context):
        await until(lambda: settled(db))
        await send(context, elsewhere(2), id="m2")
        await until(lambda: settled(db))
    large, just = await files(db)
    assert (large.content, large.size) == (b"", 0)
    assert large.reason == "It is larger than 16 MB."
    assert len(just.content) == just.size == fetching.MOST_BYTES
    assert just.content_type == "image/png", "what its message said, where the vendor says nothing"


@pytest.mark.parametrize("how", ["off", "no fetch", "gone"])
async def test_a_channel_that_cannot_fetch_is_a_reason(db, how: str) -> None:
    channel: Channel = ScriptedChannel() if how == "no fetch" else Vault(PNG)
    context = make_context(db, channel=channel)
    await send(context, elsewhere())
    channel.missing = ["A setting"] if how == "off" else []
    if how == "gone":
        context.channels = {}
    async with fetches(context):
        await until(lambda: settled(db))
    assert (await listed(db))[0]["failed"].startswith("The channel it came by")


async def test_two_are_fetched_at_the_same_time_and_all_of_a_message_are_listed_right(db) -> None:
    gate, vault = asyncio.Event(), Vault(PNG)
    vault.gate = gate
    context = make_context(db, channel=vault, lease_seconds=20.0)
    await send(context, *(elsewhere(number) for number in range(7)))
    async with fetches(context):
        await until(lambda: vault.at_once == fetching.AT_ONCE)
        gate.set()
        await until(lambda: settled(db))
    assert vault.most_at_once == fetching.AT_ONCE
    assert len(vault.asked) == 7
    assert [each["size"] for each in await listed(db)] == [5] * 7


async def test_a_process_that_stops_leaves_its_file_to_the_next_one(db) -> None:
    vault = Vault(PNG, gate=asyncio.Event())
    context = make_context(db, channel=vault, lease_seconds=60.0)
    await send(context, elsewhere())
    async with fetches(context):
        await until(lambda: vault.at_once)
    (file,) = await files(db)
    assert (file.attempts, file.lease_until) == (0, 0.0)
    later = Vault(PNG)
    async with fetches(make_context(db, channel=later)):
        await until(lambda: settled(db))
    assert (await listed(db))[0]["size"] == 5


async def test_a_vendor_that_hangs_is_given_up_before_the_lease_ends(db) -> None:
    vault = Vault(PNG, gate=asyncio.Event())
    context = make_context(db, channel=vault, lease_seconds=1.0)
    await send(context, elsewhere())
    async with fetches(context):
        await until(lambda: vault.asked)
        await until(lambda: vault.at_once == 0)
        await asyncio.sleep(0.1)
        (file,) = await files(db)
        assert file.lease_until == 0.0
        assert file.due_at is not None
        vault.gate.set()
        await until(lambda: settled(db))
    assert (await listed(db))[0]["size"] == 5


async def test_signs_that_no_database_takes_do_not_keep_a_file_out(db) -> None:
    vault = Vault(Fetched(b"\0\xff", "a/b\0", "x\0\ud800" + "y" * 5_000))
    context = make_context(db, channel=vault)
    await send(context, elsewhere())
    async with fetches(context):
        await until(lambda: settled(db))
    (file,) = await files(db)
    assert (file.content, file.content_type) == (b"\0\xff", "a/b")
    assert file.name.startswith("x?yyy")
    assert len(file.name) == 200
