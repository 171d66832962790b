"""The channel as the service uses it: what Twilio posts comes in, and what free text can no longer do is offered."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from channels.base import Inbound, Kind, Outbound, Setup, StatusUpdate, Webhook
from channels.demo.twilio import File, Twilio
from channels.whatsapp.channel import WhatsAppChannel
from channels.whatsapp.settings import REPLY_READY, SATISFACTION
from tests import ROOT
from tests.twilio_kit import HX, MINA, SENDER, SID, TOKEN, Posted, account
from tests.twilio_kit import Webhook as Posts

HOUR = 3_600.0
NOON = 1_795_262_400.0  # 21 November 2026, 12:00 UTC


@pytest.fixture
def posts() -> Iterator[Posts]:
    made = Posts()
    yield made
    made.close()


@pytest.fixture
def twilio(posts: Posts) -> Iterator[tuple[Twilio, WhatsAppChannel, object]]:
    with account(posts.url) as (twilio, run):
        yield twilio, channel(WHATSAPP_API_URL=twilio.url, PUBLIC_BASE_URL=posts.base), run


def channel(**environ: str) -> WhatsAppChannel:
    given = {
        "WHATSAPP_ACCOUNT_SID": SID,
        "WHATSAPP_AUTH_TOKEN": TOKEN,
        "WHATSAPP_FROM": SENDER,
        "PUBLIC_BASE_URL": "https://help.example.com",
        **environ,
    }
    made = WhatsAppChannel(Setup(b"k" * 32, given, company="Pellworth"))
    assert not made.missing, "a channel that is off proves nothing"
    return made


def webhook(posted: Posted) -> Webhook:
    headers = {name.lower(): value for name, value in posted.headers.items()}
    return Webhook(posted.url, headers, b"", list(posted.form.items()))


def test_a_customers_message_and_its_file_come_in(twilio, posts: Posts):
    there, whatsapp, run = twilio
    run(there.write(MINA, "It leaks", files=[File("", "image/png", b"\x89PNG", "leak.png")]))
    (message,) = whatsapp.parse(webhook(posts.posted[0]))
    assert isinstance(message, Inbound)
    assert (message.text, message.sender, message.kind) == ("It leaks", MINA, Kind.MESSAGE)

    async def fetched() -> object:
        return await whatsapp.fetch(message.attachments[0].url, 1_000)

    file = run(fetched())
    assert (file.content, file.content_type, file.name) == (b"\x89PNG", "image/png", "leak.png")


def test_what_became_of_a_reply_is_told_by_our_own_key(twilio, posts: Posts):
    there, whatsapp, run = twilio
    run(there.write(MINA, "Hello?"))

    async def send() -> object:
        receipt = await whatsapp.send(Outbound("0f8fad5b-d9cb", MINA, MINA, "It comes on Thursday.", "agent"))
        await whatsapp.close()
        await there.settle(there.messages[-1])
        return receipt

    there.automatic = False
    receipt = run(send())
    updates = [each for posted in posts.posted[1:] for each in whatsapp.parse(webhook(posted))]
    assert [each.status for each in updates if isinstance(each, StatusUpdate)] == ["sent", "delivered"]
    assert all(each == StatusUpdate(receipt.external_id, each.status, "", "0f8fad5b-d9cb") for each in updates)


def test_free_text_goes_for_24_hours_less_five_minutes():
    whatsapp = channel()
    open_until = NOON + 24 * HOUR - 300
    assert whatsapp.window(NOON, open_until - 1).open
    assert whatsapp.window(NOON, NOON).until == open_until
    late = whatsapp.window(NOON, open_until)
    assert not late.open
    assert late.until is None


def test_a_closed_window_says_since_when_and_what_still_works():
    late = channel().window(NOON, NOON + 30 * HOUR)
    assert "21 November, 12:00 UTC" in late.reason
    assert "WHATSAPP_REPLY_TEMPLATE" in late.reason
    assert late.offers == ()
    never = channel().window(None, NOON)
    assert not never.open
    assert "written first" in never.reason


def test_a_closed_window_offers_the_templates_that_are_set():
    both = channel(WHATSAPP_REPLY_TEMPLATE=HX, WHATSAPP_SATISFACTION_TEMPLATE=HX)
    late = both.window(NOON, NOON + 30 * HOUR)
    assert [offer.purpose for offer in late.offers] == [REPLY_READY, SATISFACTION]
    assert [offer.title for offer in late.offers] == ["Tell them that a reply is ready", "Ask how it went"]
    assert [offer.invites for offer in late.offers] == [True, False]
    assert "approved message" in late.reason
    assert "WHATSAPP" not in late.reason
    assert both.window(NOON, NOON).offers == (), "free text does it"
    one = channel(WHATSAPP_SATISFACTION_TEMPLATE=HX)
    assert [offer.purpose for offer in one.window(NOON, NOON + 30 * HOUR).offers] == [SATISFACTION]


def test_it_is_off_until_it_is_told_everything_and_says_what():
    off = WhatsAppChannel(Setup(b"k" * 32, {}))
    named = " ".join(off.missing)
    for name in ("WHATSAPP_ACCOUNT_SID", "WHATSAPP_AUTH_TOKEN", "WHATSAPP_FROM", "PUBLIC_BASE_URL"):
        assert name in named


def test_who_said_stop_stays_stopped_until_they_say_start():
    assert WhatsAppChannel.needs_start


@pytest.mark.parametrize("said", ["import channels", "from channels.whatsapp.channel import WhatsAppChannel"])
def test_what_needs_no_channel_does_not_wait_for_the_sdk(said: str):
    asked = f"{said}; import sys; print(*(name for name in ('aiohttp', 'twilio.rest') if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
