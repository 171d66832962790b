"""Twilio's own SDK against a server that answers as Twilio does: what is sent, looked up and found, and what fails."""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from channels.base import (
    Clock,
    Inbound,
    Outbound,
    OutcomeUnknown,
    Parsed,
    Quarantined,
    Setup,
    Source,
    StatusUpdate,
    SwitchedOff,
    Undeliverable,
    Unreachable,
)
from channels.demo.twilio import File, TemplateAtTwilio, Twilio
from channels.demo.twilio_rules import Answer, Break, Hang
from channels.whatsapp import api, connection, lists
from channels.whatsapp.channel import WhatsAppChannel
from channels.whatsapp.settings import REPLY_READY
from channels.whatsapp.texts import render

SID, TOKEN, SENDER = (
    "AC" + "0a" * 16,
    "a token of the length that Twilio's have".replace(" ", "-"),
    "whatsapp:+15551230000",
)
MINA, OTHER, HX = "whatsapp:+15557654321", "whatsapp:+15557654322", "HX" + "1b" * 16
WEBHOOK = "http://127.0.0.1:8000/channels/whatsapp"
pytestmark = pytest.mark.anyio


@pytest.fixture
async def twilio() -> AsyncIterator[Twilio]:
    made = Twilio(SID, TOKEN, SENDER, WEBHOOK, clock=Clock())
    made.automatic = False
    async with made.running():
        await made.write(MINA, "Where is my parcel?", deliver=False)
        yield made


@pytest.fixture
async def channel(twilio: Twilio) -> AsyncIterator[WhatsAppChannel]:
    made = channel_at(twilio)
    yield made
    await made.close()


def channel_at(twilio: Twilio, **environ: str) -> WhatsAppChannel:
    given = {
        "WHATSAPP_ACCOUNT_SID": SID,
        "WHATSAPP_AUTH_TOKEN": TOKEN,
        "WHATSAPP_FROM": SENDER,
        "WHATSAPP_API_URL": twilio.url,
        "WHATSAPP_REPLY_TEMPLATE": HX,
        "WHATSAPP_REPLY_VARIABLES": json.dumps({"1": "{customer}", "2": "{company}", "3": "{person}"}),
        **environ,
    }
    made = WhatsAppChannel(Setup(b"k" * 32, given, company="Pellworth"))
    assert not made.missing, "a channel that is off proves nothing"
    return made


def outbound(text: str = "It comes on Thursday.", **more: Any) -> Outbound:
    made = Outbound(key="7d44-1", recipient=MINA, thread=MINA, text=text, author="agent", owed_at=time.time())
    return replace(made, **more)


def sent(twilio: Twilio) -> list[str]:
    return [text.body for text in twilio.messages if not text.inbound]


async def looked_up(channel: WhatsAppChannel, given: Outbound) -> Any:
    assert channel.outcome
    return await channel.outcome(given)


async def swept(channel: WhatsAppChannel, since: float = 0.0) -> list[Parsed]:
    assert channel.missed
    return [each async for each in channel.missed(since) if each]


# --- sending -----------------------------------------------------------------------------------------------------


async def test_a_reply_goes_out_as_the_customer_reads_it_and_asks_to_be_called_back(
    twilio: Twilio, channel: WhatsAppChannel
):
    given = outbound(disclosure="I am an AI.", sources=(Source("Delivery", "https://help.example.com/delivery"),))
    receipt = await channel.send(given)
    text = twilio.messages[-1]
    assert (text.sender, text.recipient, text.body) == (SENDER, MINA, render(given))
    assert text.body.startswith("I am an AI.")
    assert text.callback == "http://127.0.0.1:8000/channels/whatsapp?key=7d44-1"
    assert (receipt.external_id, receipt.text) == (text.sid, "")


async def test_a_template_goes_out_with_its_variables_and_comes_back_with_its_words(
    twilio: Twilio, channel: WhatsAppChannel
):
    twilio.templates[HX] = TemplateAtTwilio("reply", "Hello {{1}}, {{2}} has a reply from {{3}}.")
    given = outbound(purpose=REPLY_READY, customer="Mina  {person}\nKhan", name="Ana", author="person")
    receipt = await channel.send(given)
    assert receipt.text == "Hello Mina {person} Khan, Pellworth has a reply from Ana."
    await channel.send(replace(given, customer=""))
    assert sent(twilio)[-1] == "Hello there, Pellworth has a reply from Ana."


async def test_a_template_that_nobody_set_is_refused_before_anything_is_sent(twilio: Twilio, channel: WhatsAppChannel):
    with pytest.raises(Undeliverable, match="No approved template"):
        await channel.send(outbound(purpose="satisfaction"))
    assert not twilio.requests


@pytest.mark.parametrize(
    ("step", "permanent", "says"),
    [
        (Answer(429, 20429), False, "too many"),
        (Answer(429, 63018), False, "more than WhatsApp lets"),
        (Answer(500, 20500), False, "failed inside"),
        (Answer(503, 20503), False, "failed inside"),
        (Answer(400, 21211), True, "number"),
        (Answer(400, 99999), True, "99999"),
        (Answer(404, 20404), True, "find"),
    ],
)
async def test_what_twilio_refuses_was_not_sent(
    twilio: Twilio, channel: WhatsAppChannel, step: Answer, permanent: bool, says: str
):
    twilio.script.append(step)
    with pytest.raises(Undeliverable, match=says) as caught:
        await channel.send(outbound())
    assert caught.value.permanent == permanent
    assert not sent(twilio)
    assert len(twilio.requests) == 1, "it is not tried again behind our back"
    assert await channel.send(outbound()), "the next one goes out"


async def test_a_gateways_page_leaves_it_open_whether_it_was_sent(twilio: Twilio, channel: WhatsAppChannel):
    twilio.script.append(Answer(503, body="<html>Service Unavailable</html>"))
    with pytest.raises(OutcomeUnknown, match="503"):
        await channel.send(outbound())


async def test_a_wrong_token_switches_the_channel_off_and_says_what_to_do(twilio: Twilio):
    channel = channel_at(twilio, WHATSAPP_AUTH_TOKEN="x" * 32)
    for asked in (channel.send(outbound()), looked_up(channel, outbound()), swept(channel)):
        with pytest.raises(SwitchedOff, match=r"WHATSAPP_AUTH_TOKEN.*restart"):
            await asked
    await channel.close()
    assert not sent(twilio)


async def test_in_a_rotation_either_token_will_do(twilio: Twilio):
    channel = channel_at(twilio, WHATSAPP_AUTH_TOKEN="x" * 32, WHATSAPP_AUTH_TOKEN_SECONDARY=TOKEN)
    await channel.send(outbound("One."))
    await channel.send(outbound("Two."))
    assert sent(twilio) == ["One.", "Two."]
    assert len(twilio.requests) == 3, "the token that was good is the first to be tried"
    again = channel_at(twilio, WHATSAPP_AUTH_TOKEN="x" * 32, WHATSAPP_AUTH_TOKEN_SECONDARY=TOKEN)
    await asyncio.gather(*(again.send(outbound(f"{number}")) for number in range(5)))
    assert len(sent(twilio)) == 7, "whoever tries at the same time"
    await channel.close()
    await again.close()


async def test_where_nobody_listens_it_was_not_sent(unused: str):
    channel = WhatsAppChannel(Setup(b"k", environ_at(unused)))
    with pytest.raises(Undeliverable, match="could not be reached") as caught:
        await channel.send(outbound())
    assert not caught.value.permanent
    with pytest.raises(Unreachable):
        await looked_up(channel, outbound())
    with pytest.raises(Unreachable):
        await swept(channel)
    assert [fine for fine, _ in await channel.check()] == [False]
    await channel.close()


def environ_at(url: str) -> dict[str, str]:
    return {
        "WHATSAPP_ACCOUNT_SID": SID,
        "WHATSAPP_AUTH_TOKEN": TOKEN,
        "WHATSAPP_FROM": SENDER,
        "WHATSAPP_API_URL": url,
    }


@pytest.fixture
async def unused() -> str:
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return f"http://127.0.0.1:{port}"


async def test_a_name_that_nobody_knows_was_not_sent_to():
    channel = WhatsAppChannel(
        Setup(b"k", {**environ_at("https://nobody.invalid"), "PUBLIC_BASE_URL": "https://a.example"})
    )
    with pytest.raises(Undeliverable, match="name is not known"):
        await channel.send(outbound())
    await channel.close()


async def test_a_server_without_the_right_certificate_is_sent_nothing(twilio: Twilio):
    url = twilio.url.replace("http:", "https:")
    channel = WhatsAppChannel(Setup(b"k", environ_at(url)))
    with pytest.raises(Undeliverable, match="could not be reached"):
        await channel.send(outbound())
    await channel.close()
    assert not sent(twilio)


@pytest.mark.parametrize("step", [Break(taken=True), Break(taken=False), Hang(30, taken=True), Hang(30, taken=False)])
async def test_after_a_connection_broke_exactly_one_is_found_or_none(
    twilio: Twilio, channel: WhatsAppChannel, step: Break | Hang, quick: None
):
    given = outbound("It comes on Thursday.", disclosure="I am an AI.")
    twilio.script.append(step)
    with pytest.raises(OutcomeUnknown):
        await channel.send(given)
    receipt = await looked_up(channel, given)
    if step.taken:
        assert receipt
        assert receipt.external_id == twilio.messages[-1].sid
    else:
        assert receipt is None
        await channel.send(given)
    assert len(sent(twilio)) == 1


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deadline that a test can wait for."""
    monkeypatch.setattr(connection, "SECONDS", 0.5)


async def test_what_a_success_says_must_be_readable_to_count_as_one(twilio: Twilio, channel: WhatsAppChannel):
    for body in ("<html>hello</html>", "[]", "{}", '{"sid": 7}', '{"sid": ["SM"]}', "[" * 100_000):
        twilio.script.append(Answer(200, body=body))
        with pytest.raises(OutcomeUnknown):
            await channel.send(outbound())


async def test_messages_leave_evenly_and_none_waits_for_another_ones_answer(twilio: Twilio):
    channel = channel_at(twilio, WHATSAPP_RATE="20")
    twilio.script += [Hang(1.0), None]
    began = time.monotonic()
    slow = asyncio.create_task(channel.send(outbound("slow")))
    await asyncio.gather(*(channel.send(outbound(f"{number}")) for number in range(6)))
    took = time.monotonic() - began
    assert 0.25 < took < 0.95, "six at 20 a second, while the first still waits"
    await slow
    await channel.close()


async def test_who_would_wait_too_long_for_a_turn_is_tried_again_later(monkeypatch: pytest.MonkeyPatch):
    pace = api.Pace(1.0)
    monkeypatch.setattr(api, "MOST_WAIT", 0.5)
    await pace.turn()
    with pytest.raises(Undeliverable, match="WHATSAPP_RATE") as caught:
        await pace.turn()
    assert not caught.value.permanent


# --- what became of it -----------------------------------------------------------------------------------------------


async def test_only_this_message_is_taken_for_it(twilio: Twilio, channel: WhatsAppChannel):
    given = outbound()
    earlier = await channel.send(given)
    await channel.send(outbound("Something else."))
    await channel.send(outbound(recipient=OTHER))
    await twilio.write(MINA, given.text, deliver=False)
    assert await looked_up(channel, given) == earlier
    assert await looked_up(channel, replace(given, known=(earlier.external_id,))) is None
    assert await looked_up(channel, replace(given, owed_at=time.time() + 3600)) is None
    assert await looked_up(channel, replace(given, text="It comes  on\nThursday.")) == earlier, "spaces do not matter"


async def test_of_two_that_are_the_same_the_older_is_taken_first(twilio: Twilio, channel: WhatsAppChannel):
    first, second = await channel.send(outbound()), await channel.send(outbound())
    assert await looked_up(channel, outbound()) == first
    assert await looked_up(channel, outbound(known=(first.external_id,))) == second


async def test_a_template_is_any_message_that_is_not_known(twilio: Twilio, channel: WhatsAppChannel):
    twilio.templates[HX] = TemplateAtTwilio("reply", "Hello {{1}}, from {{2}} and {{3}}.")
    known = await channel.send(outbound("Something else."))
    given = outbound(purpose=REPLY_READY, known=(known.external_id,))
    assert await looked_up(channel, given) is None
    receipt = await channel.send(given)
    assert await looked_up(channel, given) == receipt
    assert receipt.text == "Hello there, from Pellworth and Pellworth."


async def test_it_is_found_pages_back(twilio: Twilio, channel: WhatsAppChannel, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lists, "PAGE_SIZE", 3)
    given = outbound()
    receipt = await channel.send(given)
    for number in range(10):
        await channel.send(outbound(f"{number}"))
    assert await looked_up(channel, given) == receipt
    assert sum(each.startswith("GET") for each in twilio.requests) == 4


async def test_among_too_many_messages_nothing_is_guessed(
    twilio: Twilio, channel: WhatsAppChannel, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(lists, "PAGE_SIZE", 2)
    monkeypatch.setattr(api, "PAGE_SIZE", 2)
    monkeypatch.setattr(api, "MOST_LOOKED_AT", 4)
    for number in range(8):
        await channel.send(outbound(f"{number}"))
    with pytest.raises(OutcomeUnknown, match="Too many"):
        await looked_up(channel, outbound())


async def test_where_twilio_keeps_no_words_nothing_is_guessed(twilio: Twilio, channel: WhatsAppChannel):
    await channel.send(outbound())
    twilio.messages[-1].body = ""
    with pytest.raises(OutcomeUnknown, match="words"):
        await looked_up(channel, outbound())


@pytest.mark.parametrize(
    "step", [Answer(500, 20500, on="list"), Answer(502, body="<html>", on="list"), Break(on="list")]
)
async def test_a_look_up_that_fails_says_nothing_of_the_message(twilio: Twilio, channel: WhatsAppChannel, step: Any):
    twilio.script += [step, step]  # what only asks may be asked again when its connection breaks
    with pytest.raises(Unreachable, match="Twilio"):
        await looked_up(channel, outbound())
    twilio.script.clear()
    assert await looked_up(channel, outbound()) is None


# --- what was missed ---------------------------------------------------------------------------------------------


async def test_what_never_arrived_is_found_as_the_webhook_would_have_brought_it(
    twilio: Twilio, channel: WhatsAppChannel
):
    image = File("", "image/png", b"\x89PNG")
    await twilio.write("whatsapp:DE.1A2B", "  Look at this \n", files=(image,), deliver=False)
    first, second = await swept(channel)
    assert isinstance(first, Inbound)
    assert isinstance(second, Inbound)
    assert (first.text, first.sender, first.thread, first.phone) == ("Where is my parcel?", MINA, MINA, "+15557654321")
    assert first.external_id == twilio.messages[0].sid
    assert first.memo == {"message_sid": first.external_id}
    assert "found by a look" in " ".join(first.notes)
    assert first.at == int(twilio.messages[0].created_at)
    assert (second.text, second.phone) == ("Look at this", None)
    (file,) = second.attachments
    path = f"/2010-04-01/Accounts/{SID}/Messages/{second.external_id}/Media/{image.sid}"
    assert (file.url, file.content_type) == (twilio.url + path, "image/png")


async def test_what_cannot_be_read_is_kept_for_a_person(twilio: Twilio, channel: WhatsAppChannel):
    await twilio.write("messenger:1234", "Hello?", deliver=False)
    *_, odd = await swept(channel)
    assert isinstance(odd, Quarantined)
    assert (odd.external_id, odd.sender) == (twilio.messages[-1].sid, "messenger:1234")
    assert "WhatsApp" in odd.reason
    assert b"Hello?" in odd.raw


async def test_a_message_whose_files_cannot_be_listed_is_not_taken_without_them(
    twilio: Twilio, channel: WhatsAppChannel
):
    await twilio.write(MINA, "Look", files=(File("", "image/png", b"\x89PNG"),), deliver=False)
    twilio.script.append(Answer(500, 20500, on="media"))
    await twilio.write(OTHER, "And mine?", deliver=False)
    assert channel.missed
    found = list[str]()

    async def read() -> None:
        async for each in channel.missed(0.0):
            if isinstance(each, Inbound):
                found.append(each.text)

    with pytest.raises(Unreachable):
        await read()
    assert found == ["Where is my parcel?", "And mine?"], "it holds up no other"
    assert len(await swept(channel)) == 3


async def test_a_message_whose_files_are_gone_is_taken_without_them_and_says_so(
    twilio: Twilio, channel: WhatsAppChannel
):
    await twilio.write(MINA, "Look", files=(File("", "image/png", b"\x89PNG"),), deliver=False)
    twilio.script.append(Answer(404, 20404, on="media"))
    _, message = await swept(channel)
    assert isinstance(message, Inbound)
    assert (message.text, message.attachments) == ("Look", [])
    assert "1 files, of which 0" in " ".join(message.notes)


async def test_everything_comes_oldest_first_however_much_it_is(
    twilio: Twilio, channel: WhatsAppChannel, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(lists, "PAGE_SIZE", 3)
    monkeypatch.setattr(lists, "KEPT_PAGES", 2)
    for number in range(20):
        await twilio.write(MINA, f"{number}", deliver=False)
    assert channel.missed
    found = []
    async for each in channel.missed(0.0):
        if each is None:
            continue
        assert isinstance(each, Inbound)
        if not found:
            await twilio.write(MINA, "while it looks", deliver=False)
        found.append(each.text)
    assert found == ["Where is my parcel?", *map(str, range(20))]
    last = (await swept(channel))[-1]
    assert isinstance(last, Inbound)
    assert last.text == "while it looks", "the next look finds the rest"


async def test_each_page_that_came_is_a_sign_of_life_whatever_is_on_it(
    twilio: Twilio, channel: WhatsAppChannel, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(lists, "PAGE_SIZE", 2)
    monkeypatch.setattr(lists, "KEPT_PAGES", 2)
    twilio.automatic = False  # of what is queued there is nothing to tell
    for number in range(9):
        await channel.send(outbound(f"{number}"))
        await twilio.write(MINA, f"{number}", deliver=False)
    assert channel.missed
    asked = [len(twilio.requests)]
    signs = []
    async for each in channel.missed(0.0):
        signs.append(each)
        asked.append(len(twilio.requests))
    asked.append(len(twilio.requests))
    # Five pages of each direction, of which all but two are read on the way back as well.
    assert asked[-1] - asked[0] == 2 * (5 + 3)
    assert max(after - before for before, after in itertools.pairwise(asked)) == 1
    assert len([each for each in signs if each is not None]) == 10


async def test_only_what_came_since_then_is_found(twilio: Twilio, channel: WhatsAppChannel):
    assert isinstance(twilio.clock, Clock)
    twilio.clock.ahead = 3_600.0
    await twilio.write(MINA, "Hello?", deliver=False)
    found = await swept(channel, time.time() + 1_800)
    assert [each.text for each in found if isinstance(each, Inbound)] == ["Hello?"]


async def test_statuses_whose_callbacks_were_lost_are_caught_up(twilio: Twilio, channel: WhatsAppChannel):
    for status, code in (("read", None), ("failed", 63016), ("sending", None), ("delivered", None)):
        await channel.send(outbound(status))
        text = twilio.messages[-1]
        text.callback = ""
        await twilio.advance(text, status, code)
    found = [each for each in await swept(channel) if isinstance(each, StatusUpdate)]
    assert [each.status for each in found] == ["read", "failed", "delivered"]
    assert "24 hours" in found[1].reason
    assert found[0].external_id == twilio.messages[1].sid


# --- the rest ---------------------------------------------------------------------------------------------------


async def test_typing_is_shown_only_if_it_is_wanted(twilio: Twilio, channel: WhatsAppChannel):
    assert channel.typing is None
    wants = channel_at(twilio, WHATSAPP_TYPING="on")
    assert wants.typing
    await wants.typing(MINA, {"message_sid": twilio.messages[0].sid})
    assert twilio.typing == [twilio.messages[0].sid]
    for memo in ({}, {"message_sid": 1}, {"message_sid": "SM" + "0" * 32}):
        await wants.typing(MINA, memo)
    twilio.script.append(Answer(503, body="<html>", on="typing"))
    await wants.typing(MINA, {"message_sid": twilio.messages[0].sid})
    assert len(twilio.typing) == 1
    await wants.close()


async def test_the_check_tells_of_account_and_templates(twilio: Twilio, channel: WhatsAppChannel):
    assert [fine for fine, _ in await channel.check()] == [True, True, False]
    twilio.templates[HX] = TemplateAtTwilio("reply", "Hello.", approved=False)
    assert "not approved" in (await channel.check())[2][1]
    twilio.templates[HX] = TemplateAtTwilio("reply", "Hello.")
    assert [fine for fine, _ in await channel.check()] == [True, True, True]
    wrong = channel_at(twilio, WHATSAPP_AUTH_TOKEN="x" * 32)
    ((fine, sentence),) = await wrong.check()
    assert not fine
    assert "WHATSAPP_AUTH_TOKEN" in sentence
    await wrong.close()


async def test_the_check_tells_whether_what_customers_write_comes_to_us(twilio: Twilio, channel: WhatsAppChannel):
    async def sender() -> tuple[bool, str]:
        return (await channel.check())[1]

    ours = f"{channel.settings.public_url}/channels/whatsapp"
    for right in (ours, f"{ours}#rc=5&rp=all"):
        twilio.webhook = right
        assert await sender() == (True, f"Twilio posts what is written to {SENDER.partition(':')[2]} to {ours}.")
    for wrong in (f"{ours}/", ours.replace("127.0.0.1", "localhost"), "https://old.example.com/sms", ""):
        twilio.webhook = wrong
        fine, sentence = await sender()
        assert not fine
        assert (wrong or "nowhere") in sentence
        assert f"set {ours}#rc=5&rp=all" in sentence
    twilio.webhook, twilio.status = ours, "OFFLINE"
    assert "is OFFLINE" in (await sender())[1]
    twilio.status = "ONLINE:UPDATING"
    assert (await sender())[0]
    twilio.sender = "whatsapp:+15550000000"
    assert "no WhatsApp sender of this Twilio account" in (await sender())[1]
    twilio.script.append(Answer(503, body="<html>", on="senders"))
    fine, sentence = await sender()
    assert not fine
    assert "was not told. Twilio" in sentence


async def test_where_the_sandbox_posts_to_is_not_told(twilio: Twilio):
    sandbox = channel_at(twilio, WHATSAPP_FROM="+14155238886")
    fine, sentence = (await sandbox.check())[1]
    assert fine
    assert f"set {sandbox.settings.public_url}/channels/whatsapp#rc=5&rp=all" in sentence
    await sandbox.close()


async def test_nothing_of_a_customers_is_logged(
    twilio: Twilio, channel: WhatsAppChannel, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(0)
    await channel.send(outbound("a secret word"))
    await looked_up(channel, outbound("a secret word"))
    ours = [record.getMessage() for record in caplog.records if record.name.startswith(("twilio", "aiohttp"))]
    assert not ours
    assert sent(twilio)


def test_it_lives_through_one_event_loop_after_another():
    """As `firstline check` and the tests have them."""

    async def once(channel: WhatsAppChannel | None) -> WhatsAppChannel:
        twilio = Twilio(SID, TOKEN, SENDER, WEBHOOK)
        async with twilio.running():
            made = channel or channel_at(twilio)
            made.api.line.api_url = twilio.url
            await made.send(outbound())
            assert sent(twilio)
            await made.close()
            await made.close()
        return made

    asyncio.run(once(asyncio.run(once(None))))
