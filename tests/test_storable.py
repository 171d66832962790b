"""Whatever a vendor brings is stored, shortened where it must be; and what still is not holds up nothing after it."""

import asyncio
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import pytest
from sqlalchemy.exc import StatementError
from sqlmodel import select

from channels.base import Attachment as Came
from channels.base import Inbound, Parsed, Quarantined, Receive, StatusUpdate
from service import flow
from service.models import Attachment, Message, Quarantine
from service.storable import MOST_KEY, Failures, as_key, fit
from tests.flow_kit import make_context, settle_all
from tests.test_listening import Mailbox, listens, texts

pytestmark = pytest.mark.anyio

#: What PostgreSQL refuses, and what no encoding has.
BAD = "a\0b\ud800c"
#: Too much for an index of PostgreSQL's, also when it is packed.
LONG = "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(10_000))
INBOUND = Inbound("ana", "t", "m", "hello")
FAILED = StatusUpdate("e", "failed", "No such mailbox.")
UNREAD = Quarantined("q", "It is no mail.", b"\0\xff")
#: Fields that are no text, or one of a few words.
OTHERS = ("kind", "attachments", "notes", "verified", "also", "refers_to", "memo", "at", "raw", "status")


def poisons() -> dict[str, Parsed]:
    texts = {
        f"{type(each).__name__}.{field.name} {how}": replace(each, **{field.name: value})
        for each in (INBOUND, FAILED, UNREAD)
        for field in fields(each)
        if field.name not in OTHERS
        for how, value in (("bad", BAD), ("long", LONG))
    }
    return texts | {
        "notes": replace(INBOUND, notes=(BAD,)),
        "a bad reference": replace(INBOUND, refers_to=(BAD, LONG, "r" * 2_000_000)),
        "bad ids besides": replace(INBOUND, also=(BAD, LONG, "i" * 2_000_000)),
        "forty thousand references": replace(INBOUND, refers_to=[f"r{number}" for number in range(40_000)]),
        "memo": replace(INBOUND, memo={BAD: [BAD, {"x": (BAD,)}], "to": BAD, "n": float("nan")}),
        "a time": replace(INBOUND, at=float("inf")),
        "a file's name": replace(INBOUND, attachments=[Came(BAD, BAD, content=b"\0")]),
    }


async def test_every_text_of_what_comes_in_may_be_anything(db) -> None:
    context = make_context(db)
    context.channels["sink"].address = lambda recipient, memo: memo.get("to") or recipient
    context.channels["sink"].most_automatic_an_hour = 100
    found = poisons()
    assert len(found) > 35, "there must be something to try"
    for name, each in found.items():
        if isinstance(each, Inbound):  # each a message and a customer of their own
            own = {field: name for field in ("sender", "thread", "external_id") if f".{field} " not in name}
            each = replace(each, **own)
        for _ in range(2):
            await flow.take(context, context.channels["sink"], [each])
    await settle_all(context, steps=500)
    async with db.read() as session:
        stored = (await session.exec(select(Message.external_id).where(Message.author == "customer"))).all()
        assert len(stored) == len(set(stored)) == sum(isinstance(each, Inbound) for each in found.values())
        assert len((await session.exec(select(Attachment))).all()) == 1
        assert {row.raw for row in (await session.exec(select(Quarantine))).all()} == {UNREAD.raw}
        outbound = select(Message.status).where(Message.author == "agent")
        assert set((await session.exec(outbound)).all()) == {"sent"}


def test_what_is_too_long_for_an_index_keeps_its_beginning_and_stays_apart_from_others() -> None:
    assert as_key("x" * MOST_KEY) == "x" * MOST_KEY
    one, other = as_key(LONG + "1"), as_key(LONG + "2")
    assert one != other
    assert one == as_key(LONG + "1")
    assert one.startswith(LONG[:100])
    assert len(one.encode()) <= MOST_KEY


def test_what_is_as_it_should_be_stays_as_it_is() -> None:
    good = replace(INBOUND, memo={"n": 1.5, "x": [None, True, {"y": "z"}]}, notes=["Ä"], raw=b"\0", name="Ana")
    assert fit(good) == good
    assert fit(good).kind is good.kind
    assert (fit(FAILED), fit(UNREAD)) == (FAILED, UNREAD)


class Poisoned(Mailbox):
    """A mailbox of which one mail can never be stored: it has a file that is none."""

    async def _listen(self, receive: Receive, state: Mapping[str, Any]) -> None:
        self.begun += 1
        for at in range(state.get("at", 0), len(self.texts)):
            text = self.texts[at]
            files: Any = [Came("x", "y", content=None)] if text == "poison" else []  # type: ignore[arg-type]  # on purpose
            raw = f"As it came: {text}".encode()
            mail = Inbound("ana@example.com", f"t{at}", f"m{at}", text, subject="Hi", attachments=files, raw=raw)
            await receive([mail], {"at": at + 1})
            self.told.append(at + 1)
        self.open.set()
        await asyncio.sleep(60)


async def test_a_mail_that_can_never_be_stored_is_put_aside_and_the_ones_after_it_are_heard(db) -> None:
    mailbox = Poisoned("one", "poison", "two")
    context = make_context(db, channel=mailbox)
    async with listens(context):
        await asyncio.wait_for(mailbox.open.wait(), 30)
    assert mailbox.begun == 3, "it was tried again first: what was in the way may have been something else"
    assert await texts(context) == ["one", "two"]
    assert mailbox.told == [1, 2, 3]
    async with db.read() as session:
        (row,) = (await session.exec(select(Quarantine))).all()
        assert (row.raw, row.sender, row.subject) == (b"As it came: poison", "ana@example.com", "Hi")
        assert "mistake of Firstline's" in row.reason


async def test_what_came_with_it_is_stored_and_without_its_bytes_the_vendor_is_refused(db) -> None:
    context = make_context(db)
    sink = context.channels["sink"]
    bad = replace(INBOUND, external_id="bad", rest=object())  # type: ignore[arg-type]  # what no table takes
    for _ in range(5):
        with pytest.raises(StatementError):
            await flow.take(context, sink, [bad])
    bad = replace(bad, external_id="worse", raw=b"raw")
    for _ in range(2):
        with pytest.raises(StatementError):
            await flow.take(context, sink, [INBOUND, bad])
    (message,) = await flow.take(context, sink, [INBOUND, bad])
    assert message.text == "hello"
    async with db.read() as session:
        assert [row.raw for row in (await session.exec(select(Quarantine))).all()] == [b"raw"]


def test_a_process_forgets_the_oldest_failures() -> None:
    failures = Failures()
    assert [failures.enough("sink", INBOUND) for _ in range(2)] == [False, False]
    for number in range(2_000):
        failures.enough("sink", replace(INBOUND, external_id=str(number)))
    assert not failures.enough("sink", INBOUND)
