"""After a long outage: the vendor has much that was missed, and takes long to list it."""

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlmodel import select

from channels.base import Setup
from channels.demo.twilio import Twilio
from channels.demo.twilio_rules import Hang
from channels.whatsapp import lists
from channels.whatsapp.channel import WhatsAppChannel
from service import sweeping
from service.context import Context
from service.models import Job
from tests.flow_kit import make_context
from tests.test_sweeping import sweeps, swept_before, texts, until

pytestmark = pytest.mark.anyio

ACCOUNT, TOKEN = f"AC{'a' * 32}", "t" * 32
CUSTOMER, SENDER = "whatsapp:+4915112345678", "whatsapp:+15550100"
MISSED = [f"message {number:02}" for number in range(30)]
PATIENCE = 1.0  # seconds


@pytest.fixture
async def twilio(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Twilio]:
    """With fifteen pages of messages that never came."""
    monkeypatch.setattr(lists, "PAGE_SIZE", 2)
    monkeypatch.setattr(sweeping, "PATIENCE_SECONDS", PATIENCE)
    made = Twilio(ACCOUNT, TOKEN, SENDER, "http://127.0.0.1:9/channels/whatsapp", clock=lambda: time.time() - 300)
    async with made.running():
        for text in MISSED:
            await made.write(CUSTOMER, text, deliver=False)
        yield made


@pytest.fixture
async def context(db: Any, twilio: Twilio) -> AsyncIterator[Context]:
    environ = {
        "WHATSAPP_ACCOUNT_SID": ACCOUNT,
        "WHATSAPP_AUTH_TOKEN": TOKEN,
        "WHATSAPP_FROM": SENDER,
        "WHATSAPP_API_URL": twilio.url,
    }
    channel = WhatsAppChannel(Setup(b"k" * 32, environ))
    assert not channel.missing, "a channel that is off proves nothing"
    await swept_before(db, channel=channel.name)
    made = make_context(db)
    made.channels = {channel.name: channel}
    yield made
    await channel.close()


async def swept_once(db: Any) -> Job:
    """The job, when it was done for the first time."""
    done = list[Job]()

    async def released() -> bool:
        async with db.read() as session:
            done[:] = [job for job in (await session.exec(select(Job))).all() if job.due_at and not job.lease_until]
        return bool(done)

    await until(released)
    return done[0]


async def test_a_vendor_that_is_slow_over_many_pages_is_heard_to_its_end(db, twilio: Twilio, context: Context) -> None:
    slow = [Hang(0.15, on="list") for _ in range(15)]
    twilio.script += slow
    began = time.monotonic()
    async with sweeps(context):
        job = await swept_once(db)
    assert job.last_error == ""
    assert time.monotonic() - began > 2 * PATIENCE, "it must take longer than a vendor may say nothing"
    assert not twilio.script, "or it was not slow"
    assert await texts(db) == MISSED


async def test_a_vendor_that_falls_silent_within_a_page_is_given_up(db, twilio: Twilio, context: Context) -> None:
    twilio.script += [*(Hang(0.0, on="list") for _ in range(5)), Hang(60.0, on="list")]
    async with sweeps(context):
        job = await swept_once(db)
    assert not twilio.script, "it must have come as far as that page"
    assert "TimeoutError" in job.last_error
    assert await texts(db) == [], "what it told is its newest, and the older comes first"
