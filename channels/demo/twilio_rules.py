"""What the stand-in for Twilio refuses, and what it can be told to do wrong."""

import json
import re
from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from channels.demo.twilio_texts import HIDDEN, PHONE, TemplateAtTwilio

MOST_CHARACTERS = 1_600  # of a message
MOST_IN_TEMPLATE = 1_024  # characters of a template with its places filled: WhatsApp's own limit
#: What WhatsApp takes in no variable of a template: line breaks, tabs, more than four spaces in a row.
NOT_IN_VARIABLE = re.compile(r"[\n\r\t]| {5}")
NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
ADDRESS = re.compile(r"https?://[^/\s]+\S*")


class Refused(Exception):
    """What Twilio answers with instead: an HTTP status, its own code, its words."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


# --- the script: what goes wrong, one step a request ---------------------------------------------------------------

#: What a step is for (`on`): "send" (a message is created), "list", "message" (one is read or deleted), "media" (what
#: Twilio knows of files), "file" (the redirect to one), "content" (that file), "typing", "template", "account".


@dataclass(frozen=True)
class Answer:
    """Refuses. `body`: what a proxy between would say, in place of Twilio's JSON."""

    status: int
    code: int = 0  # Twilio's; 0: there is none of its own
    message: str = "Scripted"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    on: str = "send"


@dataclass(frozen=True)
class Hang:
    """Says nothing for so many seconds. `taken`: the message goes out all the same; else it is refused with a 503."""

    seconds: float = 60.0
    taken: bool = True
    on: str = "send"


@dataclass(frozen=True)
class Break:
    """The connection breaks, after the message was taken or before."""

    taken: bool = True
    on: str = "send"


@dataclass(frozen=True)
class Outcome:
    """The message is taken, and this becomes of it in the end."""

    status: str
    error_code: int | None = None
    on: str = "send"


#: None: the next message is sent as usual.
Step = Answer | Hang | Break | Outcome | None


# --- what a message must be --------------------------------------------------------------------------------------


def check_addresses(form: Mapping[str, str], ours: str, opted_out: Set[str]) -> None:
    """From whom and to whom. Raises Refused."""
    to, sender = form.get("To", ""), form.get("From", "")
    if not to:
        raise Refused(21604, "A 'To' phone number is required.")
    if not sender:
        raise Refused(21603, "A 'From' phone number is required.")
    if not (PHONE.fullmatch(to) or HIDDEN.fullmatch(to) or NUMBER.fullmatch(to)):
        raise Refused(21211, f"The 'To' number {to} is not a valid phone number.")
    if not (PHONE.fullmatch(sender) or NUMBER.fullmatch(sender)):
        raise Refused(
            21212, f"The 'From' number {sender} is not a valid phone number, shortcode, or alphanumeric sender ID."
        )
    if to.startswith("whatsapp:") != sender.startswith("whatsapp:"):
        raise Refused(21910, "Twilio could not send a message: 'From' and 'To' must be of the same channel.")
    if not sender.startswith("whatsapp:"):
        raise Refused(21606, f"The 'From' phone number {sender} is not a valid message-capable Twilio phone number.")
    if sender != ours:
        raise Refused(63007, "Twilio could not find a Channel with the specified From address")
    if to == sender:
        raise Refused(63031, "Channel message cannot have same From and To")
    if to in opted_out:
        raise Refused(21610, "Attempt to send to unsubscribed recipient")


def check_callback(form: Mapping[str, str]) -> str:
    address = form.get("StatusCallback", "")
    if address and not ADDRESS.fullmatch(address):
        raise Refused(21609, f"The StatusCallback URL {address} is not a valid URL.")
    return address


def variables(form: Mapping[str, str]) -> dict[str, str]:
    """ContentVariables, which are a JSON object of texts. Raises Refused."""
    wrong = Refused(21656, "The ContentVariables Parameter is invalid.")
    try:
        given = json.loads(form.get("ContentVariables") or "{}")
    except ValueError:
        raise wrong from None
    if not isinstance(given, dict):
        raise wrong
    for value in given.values():
        if not isinstance(value, str) or not value.strip() or NOT_IN_VARIABLE.search(value):
            raise wrong
    return given


def template(form: Mapping[str, str], templates: Mapping[str, TemplateAtTwilio]) -> TemplateAtTwilio | None:
    sid = form.get("ContentSid", "")
    if sid and sid not in templates:
        raise Refused(21655, f"The ContentSid {sid} is Invalid")
    return templates.get(sid)


def check_body(body: str, files: int) -> None:
    if not body and not files:
        raise Refused(21602, "Message body is required.")
    if len(body) > MOST_CHARACTERS:
        raise Refused(21617, f"The concatenated message body exceeds the {MOST_CHARACTERS} character limit.")


def fails(
    used: TemplateAtTwilio | None, given: Mapping[str, str], body: str, *, open: bool, absent: bool
) -> int | None:
    """Why a message that Twilio took will not arrive after all: WhatsApp's refusal comes later, by callback."""
    if absent:
        return 63024
    if not open and not (used and used.approved):
        return 63016
    if used and used.places() - {*used.defaults, *given}:
        return 63028
    if used and len(body) > MOST_IN_TEMPLATE:
        return 63021
    return None
