"""Mail as providers post it: each one's form, and how it proves that it is theirs (pure)."""

import base64
import binascii
import hmac
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from channels.base import Forbidden, Malformed, Webhook

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

#: Seconds by which a signature of Mailgun's may be old. It tries again for eight hours, with the signature of the first
#: time: who refuses that sooner loses mail after an outage. What is posted twice is stored once.
MOST_AGE = 9 * 3_600.0
#: Seconds by which our clock may be behind.
MOST_AHEAD = 300.0
MOST_FIELDS = 1_000  # of one form


@dataclass(frozen=True)
class Post:
    """A mail and what its envelope said."""

    raw: bytes
    recipients: tuple[str, ...] = ()


def sendgrid(webhook: Webhook, secret: str, now: float) -> Post:
    """Inbound Parse with "POST the raw, full MIME message": a form whose field `email` is the mail."""
    _check_password(webhook, secret)
    form = _form(webhook, ("email", "envelope"))
    if "email" not in form:
        raise Malformed('The form has no field "email". Turn on "POST the raw, full MIME message" at SendGrid.')
    raw, envelope = form["email"], _json(form.get("envelope", b"{}"))
    to, sender = envelope.get("to"), envelope.get("from")
    recipients = tuple(each for each in to[:100] if isinstance(each, str)) if isinstance(to, list) else ()
    return Post(with_envelope(raw, sender) if isinstance(sender, str) else raw, recipients)


def mailgun(webhook: Webhook, secret: str, now: float) -> Post:
    """A route that forwards to an address ending in "mime": a form whose field `body-mime` is the mail."""
    form = _form(webhook, ("body-mime", "timestamp", "token", "signature", "recipient", "sender"))
    timestamp, token, signature = (form.get(name, b"")[:1000] for name in ("timestamp", "token", "signature"))
    wanted = hmac.digest(secret.encode(), timestamp + token, "sha256").hex()
    if not hmac.compare_digest(wanted.encode(), signature):
        raise Forbidden("This is not signed with the key in EMAIL_WEBHOOK_SECRET.")
    if not re.fullmatch(rb"[0-9]{1,12}", timestamp) or not -MOST_AHEAD <= now - int(timestamp) <= MOST_AGE:
        raise Forbidden("This was signed too long ago.")
    if "body-mime" not in form:
        raise Malformed('The form has no field "body-mime": the address that Mailgun forwards to must end in "mime".')
    to = form.get("recipient", b"").decode("utf-8", "replace")
    raw = form["body-mime"]
    if "sender" in form:
        raw = with_envelope(raw, form["sender"].decode("utf-8", "replace"))
    return Post(raw, tuple(each.strip() for each in to.split(",")[:100]))


def postmark(webhook: Webhook, secret: str, now: float) -> Post:
    """The inbound webhook with "Include raw email content": JSON whose `RawEmail` is the mail."""
    _check_password(webhook, secret)
    body = _json(webhook.body)
    raw, recipient = body.get("RawEmail"), body.get("OriginalRecipient")
    if not isinstance(raw, str):
        raise Malformed('The JSON has no text "RawEmail". Turn on "Include raw email content" at Postmark.')
    return Post(raw.encode("utf-8", "replace"), (recipient,) if isinstance(recipient, str) else ())


#: By what EMAIL_WEBHOOK may be.
READERS: Mapping[str, Callable[[Webhook, str, float], Post]] = {
    "sendgrid": sendgrid,
    "mailgun": mailgun,
    "postmark": postmark,
}


def with_envelope(raw: bytes, sender: str) -> bytes:
    """The mail with the envelope's sender on top, as who delivers it last writes it (RFC 5321, 4.4)."""
    address = sender.strip().strip("<>")
    if re.search(r"[\x00-\x20<>\x7f]", address) or len(address) > 320:
        return raw
    return b"Return-Path: <%s>\r\n%s" % (address.encode("utf-8", "replace"), raw)


def _check_password(webhook: Webhook, secret: str) -> None:
    """The provider calls https://anything:EMAIL_WEBHOOK_SECRET@...: HTTP's basic authentication."""
    scheme, _, encoded = webhook.headers.get("authorization", "").partition(" ")
    try:
        given = base64.b64decode(encoded.strip(), validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        given = b""
    if scheme.lower() != "basic" or not hmac.compare_digest(given, secret.encode()):
        raise Forbidden("The password in this address is not EMAIL_WEBHOOK_SECRET.")


def _json(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Malformed("This is not one JSON object.")
    return value


def _form(webhook: Webhook, wanted: Collection[str]) -> dict[str, bytes]:
    """The first value of each field that is wanted, as bytes: a mail has a charset of its own in each of its parts."""
    kind, options = parse_options_header(webhook.headers.get("content-type", ""))
    if kind == b"application/x-www-form-urlencoded":
        return _urlencoded(webhook.body, wanted)
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise Malformed("This is not a form.")
    fields = _Fields(wanted)
    try:
        parser = MultipartParser(boundary, fields.callbacks())
        parser.write(webhook.body)
        parser.finalize()
    except FormParserError:
        raise Malformed("The form is broken or cut off.") from None
    if not fields.whole:
        raise Malformed("The form is broken or cut off.")
    return fields.found


def _urlencoded(body: bytes, wanted: Collection[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    pairs = body.split(b"&", MOST_FIELDS)
    if len(pairs) > MOST_FIELDS:
        raise Malformed(f"The form has more than {MOST_FIELDS:,} fields.")
    for pair in pairs:
        name, _, value = pair.partition(b"=")
        key = unquote_to_bytes(name[:200]).decode("utf-8", "replace")
        if key in wanted:
            found.setdefault(key, unquote_to_bytes(value.replace(b"+", b" ")))
    return found


class _Fields:
    """Collects the parts of a multipart form that are wanted; of all others not a byte is kept."""

    def __init__(self, wanted: Collection[str]) -> None:
        self.wanted, self.found, self.whole = wanted, dict[str, bytes](), False
        self._count, self._name = 0, ""
        self._header, self._value = bytearray(), bytearray()
        self._disposition, self._data = bytearray(), bytearray()

    def callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": self._name_it,
            "on_part_data": self._keep,
            "on_part_end": self._end,
            "on_end": self._finish,
        }

    def _begin(self) -> None:
        self._count += 1
        if self._count > MOST_FIELDS:
            raise Malformed(f"The form has more than {MOST_FIELDS:,} fields.")
        self._disposition, self._data = bytearray(), bytearray()

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header, self._value = bytearray(), bytearray()

    def _name_it(self) -> None:
        _, options = parse_options_header(bytes(self._disposition))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")

    def _keep(self, data: bytes, start: int, end: int) -> None:
        if self._name in self.wanted and self._name not in self.found:
            self._data += memoryview(data)[start:end]

    def _end(self) -> None:
        if self._name in self.wanted:
            self.found.setdefault(self._name, bytes(self._data))
        self._data = bytearray()

    def _finish(self) -> None:
        self.whole = True
