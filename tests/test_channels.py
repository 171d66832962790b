"""The contract that every channel of the registry keeps, whatever its vendor."""

import base64
import hmac
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channels import CHANNELS, Setup
from channels.base import (
    Channel,
    Forbidden,
    Inbound,
    Kind,
    Malformed,
    Outbound,
    Page,
    Quarantined,
    Receipt,
    Source,
    StatusUpdate,
    TooLong,
    Webhook,
)
from channels.demo.twilio import Twilio
from channels.email.channel import EmailChannel
from channels.webchat import WebChat
from channels.whatsapp.channel import WhatsAppChannel
from tests.mail_kit import MailServer

SETUP = Setup(secret=b"k" * 32, company="Pellworth")
TWILIO_TOKEN, TWILIO_SENDER = "a-token-as-long-as-they-are", "whatsapp:+15551234567"
LONE_SURROGATE = json.loads(r'"\ud800"')


@dataclass(frozen=True)
class Delivery:
    """How a customer's words reach a channel: a genuine webhook, and the same with a body of the test's own.

    `environ`: the settings it needs, with the servers to send by. Whoever forges has the `forged` ones.
    """

    say: Callable[[Any, str], Webhook]
    with_body: Callable[[Any, bytes], Webhook]
    environ: Callable[["Vendors"], Mapping[str, str]] = lambda vendors: {}
    forged: Mapping[str, str] = field(default_factory=dict)
    recipient: str = "someone@example.org"


@dataclass(frozen=True)
class Vendors:
    """The servers at the other end."""

    mail_port: int
    twilio_url: str


def write_in_web_chat(channel: WebChat, text: str) -> Webhook:
    body = json.dumps({"id": "0f8fad5b-d9cb-469f-a165-70867728950e", "text": text}).encode()
    return replace(post_in_web_chat(channel, body), body=body)


def post_in_web_chat(channel: WebChat, body: bytes) -> Webhook:
    headers = {"authorization": f"Bearer {VISITORS.setdefault(id(channel), channel.token())}"}
    return Webhook(url="http://127.0.0.1:8000/channels/webchat", headers=headers, body=body)


VISITORS: dict[int, str] = {}


def write_an_email(channel: EmailChannel, text: str) -> Webhook:
    words = base64.encodebytes(text.encode("utf-8", "surrogatepass")).decode()
    head = "From: Kim <kim@example.org>\r\nTo: support@example.com\r\nMessage-ID: <1@example.org>\r\n"
    head += "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return post_an_email(channel, json.dumps({"RawEmail": head + words}).encode())


def post_an_email(channel: EmailChannel, body: bytes) -> Webhook:
    password = base64.b64encode(f"firstline:{channel.settings.webhook_secret}".encode()).decode()
    return Webhook("http://127.0.0.1:8000/channels/email", {"authorization": f"Basic {password}"}, body)


def email_settings(vendors: Vendors) -> dict[str, str]:
    return {
        "EMAIL_ADDRESS": "support@example.com",
        "EMAIL_SMTP_HOST": "127.0.0.1",
        "EMAIL_SMTP_PORT": str(vendors.mail_port),
        "EMAIL_SMTP_SECURITY": "none",
        "EMAIL_WEBHOOK": "postmark",
        "EMAIL_WEBHOOK_SECRET": "a secret of 16 characters or more",
    }


def write_on_whatsapp(channel: WhatsAppChannel, text: str) -> Webhook:
    sid, sender = "SM" + "0" * 32, "whatsapp:+15557654321"
    form = {"MessageSid": sid, "From": sender, "To": TWILIO_SENDER, "Body": text, "NumMedia": "0"}
    return post_on_whatsapp(channel, urlencode(form, errors="surrogatepass").encode())


def post_on_whatsapp(channel: WhatsAppChannel, body: bytes) -> Webhook:
    form = parse_qsl(body.decode("latin-1"), keep_blank_values=True)  # as the web server reads it
    url = "http://127.0.0.1:8000/channels/whatsapp"
    signed = url + "".join(name + value for name, value in sorted(set(form)))
    digest = hmac.digest(channel.settings.auth_token.encode(), signed.encode(), "sha1")
    return Webhook(url, {"x-twilio-signature": base64.b64encode(digest).decode()}, body, form)


def whatsapp_settings(vendors: Vendors) -> dict[str, str]:
    return {
        "WHATSAPP_ACCOUNT_SID": "AC" + "0" * 32,
        "WHATSAPP_AUTH_TOKEN": TWILIO_TOKEN,
        "WHATSAPP_FROM": TWILIO_SENDER,
        "WHATSAPP_API_URL": vendors.twilio_url,
    }


#: One line a channel: how a customer writes on it.
DELIVERIES: dict[str, Delivery] = {
    "webchat": Delivery(say=write_in_web_chat, with_body=post_in_web_chat),
    "email": Delivery(
        say=write_an_email,
        with_body=post_an_email,
        environ=email_settings,
        forged={"EMAIL_WEBHOOK_SECRET": "another secret of 16 characters or more"},
    ),
    "whatsapp": Delivery(
        say=write_on_whatsapp,
        with_body=post_on_whatsapp,
        environ=whatsapp_settings,
        forged={"WHATSAPP_AUTH_TOKEN": "another-token-as-long-as-they-are"},
        recipient="whatsapp:+15557654321",
    ),
}


@pytest.fixture(scope="module")
def vendors() -> Iterator[Vendors]:
    mail_server = MailServer()
    twilio = Twilio("AC" + "0" * 32, TWILIO_TOKEN, TWILIO_SENDER, "http://127.0.0.1:9/channels/whatsapp")
    with twilio.running_in_a_thread():
        yield Vendors(mail_server.port, twilio.url)
    mail_server.stop()


@pytest.fixture(params=CHANNELS, ids=lambda kind: kind.name)
def channel(request: pytest.FixtureRequest, vendors: Vendors) -> Iterator[Channel]:
    assert request.param.name in DELIVERIES, f"Tell DELIVERIES how a customer writes on {request.param.name}."
    made = request.param(replace(SETUP, environ=DELIVERIES[request.param.name].environ(vendors)))
    assert not made.missing, "a channel that is off proves nothing"
    yield made
    VISITORS.pop(id(made), None)


@pytest.fixture
def delivery(channel: Channel) -> Delivery:
    return DELIVERIES[channel.name]


def inbound(channel: Channel, webhook: Webhook) -> Inbound:
    (parsed,) = channel.parse(webhook)
    assert isinstance(parsed, Inbound)
    return parsed


def outbound(text: str) -> Outbound:
    return Outbound(key="7d44", recipient="someone@example.org", thread="a-thread", text=text, author="agent")


def test_every_channel_has_a_name_of_its_own_that_fits_in_an_address():
    names = [kind.name for kind in CHANNELS]
    assert names, "an empty registry would let every test here pass"
    assert len(set(names)) == len(names)
    for kind in CHANNELS:
        assert kind.name.isascii()
        assert kind.name.isalnum()
        assert kind.name == kind.name.lower()
        assert kind.title, "staff read the title"


def test_the_numbers_of_a_channel_make_sense(channel: Channel):
    assert 0 <= channel.debounce <= channel.max_wait <= 60
    assert channel.max_length >= 160
    assert channel.max_body >= 4 * 1024
    assert channel.give_up_after >= 60


def test_a_customers_words_arrive_with_who_and_where(channel: Channel, delivery: Delivery):
    message = inbound(channel, delivery.say(channel, "Where is my parcel?"))
    assert message.text == "Where is my parcel?"
    assert message.sender
    assert message.thread
    assert message.external_id


def test_the_same_delivery_always_gives_the_same_message(channel: Channel, delivery: Delivery):
    webhook = delivery.say(channel, "Where is my parcel? \u2615 \0 é")
    again = type(channel)(channel.setup)  # another process, or the same after a restart
    assert channel.parse(webhook) == channel.parse(webhook) == again.parse(webhook)


def test_a_webhook_without_its_signature_is_forbidden(channel: Channel, delivery: Delivery):
    genuine = delivery.say(channel, "Where is my parcel?")
    assert channel.parse(genuine), "the genuine one must pass, or this test means nothing"
    with pytest.raises(Forbidden):
        channel.parse(replace(genuine, headers={}))


def test_a_webhook_signed_with_another_key_is_forbidden(channel: Channel, delivery: Delivery):
    environ = {**channel.setup.environ, **delivery.forged}
    forger = type(channel)(replace(SETUP, secret=b"x" * 32, environ=environ))
    with pytest.raises(Forbidden):
        channel.parse(delivery.say(forger, "Where is my parcel?"))
    VISITORS.pop(id(forger), None)


def test_a_forged_webhook_with_a_broken_body_is_forbidden_and_not_read(channel: Channel, delivery: Delivery):
    broken = replace(delivery.with_body(channel, b"\xff\xfe{"), headers={})
    with pytest.raises(Forbidden):
        channel.parse(broken)


BROKEN = {
    "nothing": b"",
    "half an object": b'{"id": "1"',
    "a list": b"[]",
    "a number": b"1",
    "null": b"null",
    "a very long number": b"9" * 100_000,
    "not UTF-8": b'{"text": "\xff\xfe"}',
    "100,000 lists in each other": b"[" * 100_000 + b"]" * 100_000,
    "100,000 objects in each other": b'{"text":' * 100_000 + b"1" + b"}" * 100_000,
    "text that is a list": b'{"id": "0123456789", "text": ["a"]}',
    "text that is a number": b'{"id": "0123456789", "text": 1}',
    "text that is null": b'{"id": "0123456789", "text": null}',
    "an id that is an object": b'{"id": {}, "text": "a"}',
    "no id": b'{"text": "Where is my parcel?"}',
    "binary": bytes(range(256)) * 8,
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_body_is_malformed_and_says_so_in_a_sentence(channel: Channel, delivery: Delivery, body: bytes):
    with pytest.raises(Malformed) as caught:
        channel.parse(delivery.with_body(channel, body))
    assert str(caught.value).endswith((".", "!")), "people read this"
    assert "Traceback" not in str(caught.value)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    body=st.one_of(
        st.binary(max_size=400),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "text", "person", "x"]), inner)
            ),
            max_leaves=12,
        ).map(lambda value: json.dumps(value).encode()),
    )
)
def test_no_body_makes_parse_fail_in_another_way(channel: Channel, delivery: Delivery, body: bytes):
    try:
        parsed = channel.parse(delivery.with_body(channel, body))
    except Malformed:
        return
    assert all(isinstance(each, Inbound | StatusUpdate | Quarantined) for each in parsed)


@pytest.mark.parametrize("bad", ["\0", LONE_SURROGATE, f"a\0b{LONE_SURROGATE}c"], ids=["NUL", "half a pair", "both"])
def test_what_no_database_keeps_is_gone_from_the_text(channel: Channel, delivery: Delivery, bad: str):
    message = inbound(channel, delivery.say(channel, f"before {bad} after"))
    assert "\0" not in message.text
    assert message.text.encode(), "it can be written as UTF-8"
    assert message.text.startswith("before")
    assert message.text.endswith("after")


def test_a_message_of_100_000_characters_is_refused_or_taken_whole(channel: Channel, delivery: Delivery):
    text = "a" * 100_000
    try:
        taken = inbound(channel, delivery.say(channel, text)).text
    except Malformed as refusal:
        taken = str(refusal)
    assert taken == text or "100,000" in taken, "a refusal says what is wrong"


def test_an_empty_message_is_refused_or_a_persons_to_see(channel: Channel, delivery: Delivery):
    try:
        taken = inbound(channel, delivery.say(channel, " \0\n\t "))
    except Malformed:
        return
    assert taken.kind == Kind.PERSON, "the agent has nothing to answer"
    assert taken.text.strip(), "what is shown says so"


@pytest.mark.anyio
async def test_what_was_sent_is_the_same_message_for_every_attempt_or_is_found_again(
    channel: Channel, delivery: Delivery
):
    given = replace(outbound("Hello."), recipient=delivery.recipient, owed_at=time.time())
    receipt = await channel.send(given)
    assert isinstance(receipt, Receipt)
    assert receipt.external_id
    again = replace(given, attempt=2)
    assert receipt == await (channel.outcome(again) if channel.outcome else channel.send(again))
    await channel.close()
    await channel.close()


def test_the_messages_that_a_long_one_is_sent_as_say_all_of_it_once(channel: Channel):
    words = "The parcel is at the depot and comes on Thursday before noon. " * 60
    sources = (Source("Delivery", "https://help.example.com/delivery"),)
    given = replace(outbound(words), disclosure="I am an AI.", sources=sources)
    parts = channel.split(given)
    assert [word for part in parts for word in part.text.split()] == words.split()
    assert [part.disclosure for part in parts if part.disclosure] == ["I am an AI."]
    assert [part.sources for part in parts if part.sources] == [sources]
    for part in parts:
        assert replace(part, text=words, disclosure="I am an AI.", sources=sources) == given, "the rest is the same"


def test_as_much_as_staff_may_type_is_taken_and_far_more_is_refused_in_a_sentence(channel: Channel):
    assert channel.split(replace(outbound("word " * (channel.max_length // 5)), author="person", name="Ana"))
    try:
        channel.split(outbound("word " * 20_000))
    except TooLong as error:
        refusal = str(error)
    else:
        refusal = "It takes all of it."
    assert refusal.endswith(".")


def test_a_window_that_is_closed_says_why(channel: Channel):
    now = time.time()
    assert channel.window(now - 60, now).open
    late = channel.window(now - 365 * 86_400, now)
    assert late.open or late.reason.endswith(".")
    assert all(offer.purpose and offer.title and offer.text for offer in late.offers)


def test_what_the_caller_gets_back_is_json(channel: Channel, delivery: Delivery):
    message = inbound(channel, delivery.say(channel, "Where is my parcel?"))
    assert json.loads(json.dumps(channel.reply(message.external_id, 3)))


def test_a_live_stream_is_nobodys_without_proof(channel: Channel):
    for headers in ({}, {"authorization": "Bearer nobody.nothing"}, {"authorization": "Bearer"}):
        with pytest.raises(Forbidden):
            channel.thread(headers)


def test_a_demo_page_says_where_it_is(channel: Channel):
    if made := channel.demo():
        page, routes = made
        assert isinstance(page, Page)
        assert page.path.startswith("/")
        assert page.title
        assert routes.routes
