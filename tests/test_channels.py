"""The contract that every channel of the registry keeps, whatever its vendor."""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

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
    StatusUpdate,
    Webhook,
)
from channels.email.channel import EmailChannel
from channels.webchat import WebChat
from tests.mail_kit import MailServer

SETUP = Setup(secret=b"k" * 32, company="Pellworth")
LONE_SURROGATE = json.loads(r'"\ud800"')


@dataclass(frozen=True)
class Delivery:
    """How a customer's words reach a channel: a genuine webhook, and the same with a body of the test's own.

    `environ`: the settings it needs, with a port of a mail server to send by. Whoever forges has the `forged` ones.
    """

    say: Callable[[Any, str], Webhook]
    with_body: Callable[[Any, bytes], Webhook]
    environ: Callable[[int], Mapping[str, str]] = lambda port: {}
    forged: Mapping[str, str] = field(default_factory=dict)


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


def email_settings(port: int) -> dict[str, str]:
    return {
        "EMAIL_ADDRESS": "support@example.com",
        "EMAIL_SMTP_HOST": "127.0.0.1",
        "EMAIL_SMTP_PORT": str(port),
        "EMAIL_SMTP_SECURITY": "none",
        "EMAIL_WEBHOOK": "postmark",
        "EMAIL_WEBHOOK_SECRET": "a secret of 16 characters or more",
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
}


@pytest.fixture(scope="module")
def mail_server() -> Iterator[MailServer]:
    made = MailServer()
    yield made
    made.stop()


@pytest.fixture(params=CHANNELS, ids=lambda kind: kind.name)
def channel(request: pytest.FixtureRequest, mail_server: MailServer) -> Iterator[Channel]:
    assert request.param.name in DELIVERIES, f"Tell DELIVERIES how a customer writes on {request.param.name}."
    made = request.param(replace(SETUP, environ=DELIVERIES[request.param.name].environ(mail_server.port)))
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
async def test_sending_gives_a_receipt_that_is_the_same_for_every_attempt(channel: Channel):
    receipt = await channel.send(outbound("Hello."))
    assert isinstance(receipt, Receipt)
    assert receipt.external_id
    assert await channel.send(replace(outbound("Hello."), attempt=2)) == receipt


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
