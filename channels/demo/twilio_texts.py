"""A message at the stand-in for Twilio, and how Twilio writes it: as JSON, in a webhook, in a status callback."""

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

VERSION = "2010-04-01"
PHONE = re.compile(r"whatsapp:\+[1-9][0-9]{6,14}")
#: Who hides their number has an id that only this business sees: two letters of a country, a dot, letters and digits.
HIDDEN = re.compile(r"whatsapp:[A-Z]{2}\.[A-Za-z0-9]{1,128}")
PLACE = re.compile(r"\{\{\s*([A-Za-z0-9_]+)\s*\}\}")
#: What became of a message for good, or will be told as an event of its own.
EVENTS = ("delivered", "read", "undelivered", "failed")
#: The channel that the account's sender is installed as: any will do.
INSTALLED = "XE" + "0" * 32


def new_sid(prefix: str) -> str:
    return prefix + secrets.token_hex(16)


@dataclass
class File:
    """A file sent along. An empty `sid` is given one when it is sent."""

    sid: str
    content_type: str
    content: bytes
    name: str = ""

    def __post_init__(self) -> None:
        self.sid = self.sid or new_sid("ME")


@dataclass(frozen=True)
class TemplateAtTwilio:
    """A message with places such as {{1}}. Only what WhatsApp approved goes out when the 24 hours are over."""

    name: str
    body: str
    approved: bool = True
    language: str = "en"
    defaults: Mapping[str, str] = field(default_factory=dict)

    def places(self) -> set[str]:
        return set(PLACE.findall(self.body))

    def fill(self, variables: Mapping[str, str]) -> str:
        given = {**self.defaults, **variables}
        return PLACE.sub(lambda place: given.get(place[1], place[0]), self.body)


@dataclass
class Text:
    """One message at Twilio, either way."""

    sid: str
    direction: str  # "inbound" | "outbound-api"
    sender: str
    recipient: str
    body: str
    status: str
    created_at: float  # by the clock given
    error_code: int | None = None
    files: list[File] = field(default_factory=list)
    params: dict[str, str] = field(default_factory=dict)  # of an inbound one: more fields of its webhook
    content_sid: str = ""
    variables: dict[str, str] = field(default_factory=dict)
    callback: str = ""
    history: list[str] = field(default_factory=list)  # of ours: its statuses
    sent_at: float | None = None  # Twilio has no date for what still waits to be sent
    updated_at: float = 0.0
    #: Of ours: what will become of it by itself, a status and an error code each.
    ahead: list[tuple[str, int | None]] = field(default_factory=list)

    @property
    def inbound(self) -> bool:
        return self.direction == "inbound"


#: What Twilio says of an error, in few words: the Message has them as error_message.
ERRORS = {
    63003: "Channel could not find To address",
    63016: "Failed to send freeform message because you are outside the allowed window",
    63018: "Rate limit exceeded for Channel",
    63021: "Channel invalid content error",
    63024: "Invalid message recipient",
    63028: "Number of parameters provided does not match the expected number of parameters",
}


def error_words(code: int | None) -> str | None:
    return None if code is None else ERRORS.get(code, f"Unknown error {code}")


def when(at: float | None) -> str | None:
    """A time as the API of 2010 writes it: RFC 2822, in whole seconds, +0000."""
    return None if at is None else formatdate(int(at)).replace("-0000", "+0000")


def resource(text: Text, account: str) -> dict[str, Any]:
    """The Message resource; the numbers of segments and of files are text, as at Twilio."""
    uri = f"/{VERSION}/Accounts/{account}/Messages/{text.sid}"
    return {
        "account_sid": account,
        "api_version": VERSION,
        "body": text.body,
        "date_created": when(text.created_at),
        "date_sent": when(text.sent_at),
        "date_updated": when(text.updated_at),
        "direction": text.direction,
        "error_code": text.error_code,
        "error_message": error_words(text.error_code),
        "from": text.sender,
        "messaging_service_sid": None,
        "num_media": str(len(text.files)),
        "num_segments": "1",
        "price": None,
        "price_unit": None,
        "sid": text.sid,
        "status": text.status,
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": text.recipient,
        "uri": f"{uri}.json",
    }


def media(file: File, text: Text, account: str) -> dict[str, Any]:
    return {
        "account_sid": account,
        "content_type": file.content_type,
        "date_created": when(text.created_at),
        "date_updated": when(text.created_at),
        "parent_sid": text.sid,
        "sid": file.sid,
        "uri": f"/{VERSION}/Accounts/{account}/Messages/{text.sid}/Media/{file.sid}.json",
    }


def message_type(text: Text) -> str:
    if "Latitude" in text.params:
        return "location"
    if "ListId" in text.params:
        return "interactive"
    if "ButtonText" in text.params:
        return "button"
    if text.files:
        kind = text.files[0].content_type.partition("/")[0]
        return kind if kind in ("image", "audio", "video") else "document"
    return "text"


def webhook(text: Text, account: str, url: str) -> dict[str, str]:
    """The form that a customer's message is posted as. `url`: where the API is.

    Whoever has a number is known by it; of whom has none, From is their id. `params` come over it; an empty From among
    them leaves it out.
    """
    name = text.params.get("ProfileName", "A customer")
    phone = text.sender.removeprefix("whatsapp:+") if PHONE.fullmatch(text.sender) else ""
    about = {"ProfileName": name} | ({"WaId": phone} if phone else {})
    form = {
        "SmsMessageSid": text.sid,
        "SmsSid": text.sid,
        "MessageSid": text.sid,
        "AccountSid": account,
        "From": text.sender,
        "To": text.recipient,
        "Body": text.body,
        "NumMedia": str(len(text.files)),
        "NumSegments": "1",
        "ReferralNumMedia": "0",
        "SmsStatus": "received",
        "MessageType": message_type(text),
        "ApiVersion": VERSION,
        "ChannelMetadata": json.dumps({"type": "whatsapp", "data": {"context": about}}, separators=(",", ":")),
        **about,
    }
    if not phone:
        form["ExternalUserId"] = text.sender
    for place, file in enumerate(text.files):
        form[f"MediaUrl{place}"] = f"{url}/{VERSION}/Accounts/{account}/Messages/{text.sid}/Media/{file.sid}"
        form[f"MediaContentType{place}"] = file.content_type
    form |= text.params
    if not form["From"]:
        del form["From"]
    return form


def status_callback(text: Text, account: str, status: str, error_code: int | None) -> dict[str, str]:
    """The form that tells what became of a message of ours."""
    form = {
        "ChannelPrefix": "whatsapp",
        "ChannelInstallSid": INSTALLED,
        "ChannelToAddress": text.recipient.removeprefix("whatsapp:"),
        "ApiVersion": VERSION,
        "MessageStatus": status,
        "SmsStatus": status,
        "SmsSid": text.sid,
        "MessageSid": text.sid,
        "AccountSid": account,
        "From": text.sender,
        "To": text.recipient,
        "StructuredMessage": "true" if text.content_sid else "false",
    }
    if status in EVENTS:
        form["EventType"] = status.upper()
    if error_code is not None:
        words = error_words(error_code) or ""
        form |= {"ErrorCode": str(error_code), "ErrorMessage": words, "ChannelStatusMessage": words}
    return form
