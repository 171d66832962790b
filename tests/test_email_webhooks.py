"""Mail that providers post: their forms, their proofs, and what is refused."""

import base64
import hmac
import json
import time
import tracemalloc
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from fastapi import FastAPI
from sqlmodel import select

from channels.base import Forbidden, Inbound, Malformed, Quarantined, Setup, Webhook
from channels.email.channel import EmailChannel
from channels.email.inbound import MOST_BODY
from service import web
from service.db import Database
from service.models import Message
from tests.dovecot_kit import mail
from tests.flow_kit import make_context

SECRET = "a secret of 16 characters or more"
NOW = 1_795_255_200.0
#: Not UTF-8, as a mail may be: it says so itself.
LATIN = mail("é").replace(b"charset=utf-8", b"charset=latin-1").replace("é".encode(), "é".encode("latin-1"))


def channel(vendor: str, **more: str) -> EmailChannel:
    environ = {"EMAIL_ADDRESS": "support@example.com", "EMAIL_SMTP_HOST": "127.0.0.1"}
    environ |= {"EMAIL_REPLY_TO": "support+{token}@example.com"}
    environ |= {"EMAIL_WEBHOOK": vendor, "EMAIL_WEBHOOK_SECRET": SECRET, **more}
    made = EmailChannel(Setup(b"k" * 32, environ), lambda: NOW)
    assert not made.missing, made.missing
    return made


def basic(password: str = SECRET) -> str:
    return "Basic " + base64.b64encode(f"firstline:{password}".encode()).decode()


def form(fields: dict[str, bytes | str], *, kind: str = "multipart", **headers: str) -> Webhook:
    """As a provider posts it."""
    values = {name: value if isinstance(value, bytes) else value.encode() for name, value in fields.items()}
    if kind != "multipart":
        headers["content-type"] = "application/x-www-form-urlencoded"
        return Webhook("https://help.example.com/channels/email", headers, urlencode(values).encode())
    parts = [
        b'--xYzZY\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value)
        for name, value in values.items()
    ]
    headers["content-type"] = "multipart/form-data; boundary=xYzZY"
    return Webhook("https://help.example.com/channels/email", headers, b"".join(parts) + b"--xYzZY--\r\n")


def signed(at: float = NOW, key: str = SECRET, **fields: bytes | str) -> dict[str, bytes | str]:
    timestamp, token = str(int(at)), "c8bbc1d5ab1dbb1c2a8d6a0a4d1d7f8e9b0a1c2d3e4f5a6b7c"
    signature = hmac.digest(key.encode(), f"{timestamp}{token}".encode(), "sha256").hex()
    return {"timestamp": timestamp, "token": token, "signature": signature, **fields}


def post(vendor: str, raw: bytes, *, password: str = SECRET, **more: Any) -> Webhook:
    if vendor == "sendgrid":
        return form({"headers": "x", "email": raw, "SPF": "pass", **more}, authorization=basic(password))
    if vendor == "mailgun":
        return form(signed(key=password, **{"body-mime": raw, "subject": "other", **more}))
    body = json.dumps({"From": "x", "RawEmail": raw.decode("utf-8", "replace"), "TextBody": "other", **more})
    return Webhook("https://help.example.com/channels/email", {"authorization": basic(password)}, body.encode())


VENDORS = ("sendgrid", "mailgun", "postmark")


def one(made: EmailChannel, webhook: Webhook) -> Inbound:
    (parsed,) = made.parse(webhook)
    assert isinstance(parsed, Inbound)
    return parsed


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_mail_that_is_posted_is_read_from_its_own_bytes(vendor: str) -> None:
    made = channel(vendor)
    message = one(made, post(vendor, mail(1, "Where is my parcel? \u2615\n\n-- \nKim")))
    assert (message.text, message.rest) == ("Where is my parcel? \u2615", "--\nKim")
    assert (message.sender, message.known_as) == ("unverified:kim@example.org", "1@example.org")
    assert made.parse(post(vendor, mail(1))) == made.parse(post(vendor, mail(1)))


@pytest.mark.parametrize("kind", ["multipart", "urlencoded"])
@pytest.mark.parametrize("vendor", ["sendgrid", "mailgun"])
def test_bytes_that_are_no_utf_8_arrive_as_they_were_sent(vendor: str, kind: str) -> None:
    fields = {"sendgrid": {"email": LATIN}, "mailgun": signed(**{"body-mime": LATIN})}[vendor]
    message = one(channel(vendor), form(fields, kind=kind, authorization=basic()))
    assert message.text == "This is question é."


@pytest.mark.parametrize("vendor", VENDORS)
def test_without_its_proof_nothing_is_taken(vendor: str) -> None:
    made = channel(vendor)
    genuine = post(vendor, mail(1))
    assert made.parse(genuine), "the genuine one must pass, or this test means nothing"
    refused = [post(vendor, mail(1), password=other) for other in ("", "another secret of 16 or more", SECRET + "x")]
    if vendor == "mailgun":
        for name in ("timestamp", "token", "signature"):
            refused.append(form({**signed(**{"body-mime": mail(1)}), name: "1795255199"}))
            refused.append(form({k: v for k, v in signed(**{"body-mime": mail(1)}).items() if k != name}))
        refused.append(form(signed(**{"body-mime": mail(1), "signature": "é"})))
    else:
        others = ("", "Bearer " + SECRET, "Basic", "Basic !", basic().replace("Basic", "Digest"), "Basic é")
        refused += [Webhook(genuine.url, {**genuine.headers, "authorization": each}, genuine.body) for each in others]
    for webhook in refused:
        with pytest.raises(Forbidden):
            made.parse(webhook)


def test_mailguns_signature_holds_as_long_as_it_tries_again_and_no_longer() -> None:
    made, hour = channel("mailgun"), 3600.0
    for age in (0, hour, 8 * hour, -60):
        assert made.parse(form(signed(NOW - age, **{"body-mime": mail(1)})))
    for age in (10 * hour, 365 * 24 * hour, -hour):
        with pytest.raises(Forbidden, match="too long ago"):
            made.parse(form(signed(NOW - age, **{"body-mime": mail(1)})))
    nonsense = hmac.digest(SECRET.encode(), b"soon" + b"t", "sha256").hex()
    with pytest.raises(Forbidden):
        made.parse(form({"timestamp": "soon", "token": "t", "signature": nonsense, "body-mime": mail(1)}))


@pytest.mark.parametrize(
    ("vendor", "webhook", "words"),
    [
        ("sendgrid", form({"text": "hello"}, authorization=basic()), "POST the raw, full MIME message"),
        ("mailgun", form(signed(**{"body-plain": "hello"})), 'must end in "mime"'),
        ("postmark", Webhook("", {"authorization": basic()}, b'{"TextBody": "hello"}'), "Include raw email content"),
        ("postmark", Webhook("", {"authorization": basic()}, b'{"RawEmail": ["hello"]}'), "Include raw email content"),
        ("postmark", Webhook("", {"authorization": basic()}, b'[{"RawEmail": "a"}]'), "one JSON object"),
        ("sendgrid", Webhook("", {"authorization": basic()}, b"{}"), "not a form"),
        ("sendgrid", form({"email": mail(1), "envelope": "[1]"}, authorization=basic()), "one JSON object"),
    ],
)
def test_what_has_to_be_turned_on_at_the_provider_is_said(vendor: str, webhook: Webhook, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        channel(vendor).parse(webhook)


def test_a_form_that_is_cut_off_or_has_too_many_fields_is_malformed() -> None:
    made = channel("sendgrid")
    whole = form({"email": mail(1)}, authorization=basic())
    assert made.parse(whole)
    for length in (0, 1, 20, len(whole.body) // 2, len(whole.body) - 6):
        with pytest.raises(Malformed):
            made.parse(Webhook(whole.url, whole.headers, whole.body[:length]))
    for kind in ("multipart", "urlencoded"):
        with pytest.raises(Malformed, match=r"more than 1,000 fields"):
            made.parse(form({f"field{number}": "x" for number in range(1_001)}, kind=kind, authorization=basic()))
    headers = {**whole.headers, "content-type": "multipart/form-data; boundary=" + "x" * 10_000}
    with pytest.raises(Malformed):
        made.parse(Webhook(whole.url, headers, whole.body))


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_mail_that_cannot_be_read_is_kept_and_not_refused(vendor: str) -> None:
    (found,) = channel(vendor).parse(post(vendor, b"Subject: Hello\r\n\r\nIt has no sender.\r\n"))
    assert isinstance(found, Quarantined)
    assert found.subject == "Hello"
    assert found.reason.endswith(".")
    assert b"It has no sender." in found.raw


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_envelope_tells_which_message_of_ours_is_answered(vendor: str) -> None:
    made = channel(vendor)
    key = "0f8fad5b-d9cb-469f-a165-70867728950e"
    to = made.tokens.reply_address(key, made.settings.reply_to)
    envelope = json.dumps({"to": [to, 1], "from": ""})
    more = {
        "sendgrid": {"envelope": envelope},
        "mailgun": {"recipient": to, "sender": ""},
        "postmark": {"OriginalRecipient": to},
    }
    message = one(made, post(vendor, mail(1), **more[vendor]))
    assert list(message.refers_to) == [key]
    assert (message.kind == "automatic") == (vendor != "postmark"), "no sender in the envelope: a machine sent it"


def test_a_channel_without_a_provider_takes_no_posts() -> None:
    environ = {"EMAIL_ADDRESS": "support@example.com", "EMAIL_SMTP_HOST": "127.0.0.1", "EMAIL_LMTP": "127.0.0.1:2424"}
    made = EmailChannel(Setup(b"k" * 32, environ))
    assert not made.missing
    assert made.max_body < 1_000_000, "only who is to post may post much"
    with pytest.raises(Malformed, match="EMAIL_WEBHOOK"):
        made.parse(post("postmark", mail(1)))


@pytest.mark.parametrize(("vendor", "size", "most"), [("sendgrid", 24_000_000, 8.0), ("postmark", 16_000_000, 8.0)])
def test_the_largest_mails_cost_seconds_and_a_few_times_their_size(vendor: str, size: int, most: float) -> None:
    made = channel(vendor)
    raw = mail(1, size=size)
    more = {"Attachments": [{"Content": "A" * size}]} if vendor == "postmark" else {}
    webhook = post(vendor, raw, **more)
    assert size < len(webhook.body) <= MOST_BODY
    tracemalloc.start()
    try:
        message = one(made, webhook)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(message.attachments[0].content) > size * 0.7
    assert peak < 6 * len(raw), f"{peak:,} bytes beside the post"
    began = time.perf_counter()
    made.parse(webhook)
    assert time.perf_counter() - began < most


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["multipart", "urlencoded"])
async def test_a_mail_of_some_megabytes_goes_all_the_way_into_the_database(db: Database, kind: str) -> None:
    """In either form: a field of a form may be as long as the post."""
    made = channel("mailgun")
    context = make_context(db, channel=made)
    app = FastAPI()
    web.mount(app, context)
    webhook = form(signed(**{"body-mime": mail(1, size=3_000_000)}), kind=kind)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        for _ in range(2):
            answer = await client.post("/channels/sink", content=webhook.body, headers=dict(webhook.headers))
            assert answer.status_code == 200, answer.text
        forged = await client.post("/channels/sink", content=webhook.body + b"&token=x", headers={"content-type": "x"})
        assert forged.status_code == 400
    async with db.read() as session:
        (message,) = (await session.exec(select(Message))).all()
    assert message.text == "This is question 1."
    assert message.attachments[0]["size"] > 2_000_000
