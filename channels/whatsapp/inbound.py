"""Twilio's webhook -> a customer's message, or what became of one of ours (pure)."""

import re
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs, urlsplit

from channels.base import Attachment, Inbound, Kind, Malformed, Parsed, StatusUpdate, Webhook
from channels.whatsapp import errors
from channels.whatsapp.settings import NUMBER, PREFIX, WhatsAppSettings
from channels.whatsapp.signature import verify
from channels.whatsapp.words import stop_or_start

Fields = Mapping[str, str]

#: What a message without a word says. It calls for a person: its sense is in what came with it.
NO_WORDS = "(no words)"
#: What a button or an entry of a list carries that calls for a person.
PERSON = "person"
MOST_FILES = 10  # of one message; Twilio brings at most as many
LONGEST_NAME, LONGEST_QUOTE = 100, 300  # characters of what strangers chose, on one line
SID = r"[A-Z]{2}[0-9a-fA-F]{32}"
#: Who writes, as Twilio names them: a number, or an id where they hide it (`whatsapp:DE.1A2B`).
SENDER = PREFIX + r"[!-~]{1,140}"
KEY = r"[0-9A-Za-z-]{1,80}"
DEGREES = r"[+-]?[0-9]{1,3}(?:\.[0-9]{1,20})?"
#: What staff are told of a message of a kind that is no plain text; of others nothing, as one sees them.
KINDS = {
    "audio": "It is a voice message or another sound.",
    "voice": "It is a voice message.",
    "contacts": "It is a contact card.",
    "sticker": "It is a sticker.",
    "order": "It is an order from the catalogue in WhatsApp: what was ordered does not come through, so ask for it.",
}
PLAIN = ("", "text", "image", "video", "document", "location", "button", "interactive", "reaction")
#: What Twilio's statuses of a message of ours come to. Those on the way say nothing: it was sent, or it was not.
STATUSES = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "failed": "failed",
    "undelivered": "failed",
    "canceled": "failed",
}
OURS_COMES_IN = ("received", "receiving")


def parse(webhook: Webhook, settings: WhatsAppSettings) -> Sequence[Parsed]:
    """Raises Forbidden or Malformed, and nothing else, whatever it holds."""
    verify(webhook, settings)
    if webhook.form is None:
        raise Malformed("This is no form. Only messages and their statuses are taken here, as Twilio posts them.")
    fields = _fields(webhook.form)
    if fields.get("AccountSid", settings.account_sid) != settings.account_sid:
        raise Malformed("This is of another account than WHATSAPP_ACCOUNT_SID names.")
    status = (fields.get("MessageStatus") or fields.get("SmsStatus", "")).lower()
    if status and status not in OURS_COMES_IN:
        return _status(status, fields, webhook.url)
    return [message(fields, settings, webhook.body)]


def message(fields: Fields, settings: WhatsAppSettings, raw: bytes = b"") -> Inbound:
    """A customer's message, from the parameters that Twilio posts. Raises Malformed."""
    sid, sender = _sid(fields), _sender(fields)
    if not sid:
        raise Malformed("This message has no MessageSid, by which it could be told from others.")
    _check_recipient(fields, settings)
    kind_there = fields.get("MessageType", "").lower()
    pressed = fields.get("ButtonText") or fields.get("ListTitle", "")
    place, files = _place(fields), _files(fields)
    said = pressed or fields.get("Body", "")
    text = "\n".join(filter(None, (said, place)))
    kind, reason = Kind.MESSAGE, ""
    if kind_there == "reaction":
        kind, reason = Kind.AUTOMATIC, "It is a reaction to an earlier message: there is nothing to answer."
    elif PERSON in (fields.get("ButtonPayload", "").lower(), fields.get("ListId", "").lower()):
        kind = Kind.PERSON
    elif not files and (word := stop_or_start(said)):
        kind = word
    elif not said and kind_there != "sticker":  # who sends a sticker alone is asked for words
        kind = Kind.PERSON
    return Inbound(
        sender=sender,
        also=_also(fields, sender),
        thread=sender,
        external_id=sid,
        text=text or ("" if kind_there == "sticker" else NO_WORDS),
        kind=kind,
        name=_line(fields.get("ProfileName", ""), LONGEST_NAME),
        phone=_phone(sender),
        attachments=files,
        reason=reason,
        notes=_notes(fields, kind_there, place, len(files), settings),
        memo={"message_sid": sid},
        raw=raw,
    )


def _fields(form: Sequence[tuple[str, str]]) -> Fields:
    """Each parameter's first value, without what no database keeps."""
    found: dict[str, str] = {}
    for name, value in form:
        found.setdefault(name, value)
    return {name: _clean(value) for name, value in found.items()}


def _sid(fields: Fields) -> str:
    given = fields.get("MessageSid") or fields.get("SmsMessageSid") or fields.get("SmsSid", "")
    # Keys and values are signed without a mark between them: what may follow a sid must not pass as part of it, or
    # who has one signed message could send it again as another.
    return given if re.fullmatch(SID, given) else ""


def _sender(fields: Fields) -> str:
    sender = fields.get("From") or fields.get("ExternalUserId", "")
    if not sender:
        raise Malformed("This message does not say who wrote it.")
    if not re.fullmatch(SENDER, sender):
        raise Malformed("This message did not come over WhatsApp.")
    return sender


def _also(fields: Fields, sender: str) -> Sequence[str]:
    """The id by which WhatsApp knows them also when they hide their number later."""
    given = fields.get("ExternalUserId", "")
    return (given,) if given != sender and re.fullmatch(SENDER, given) else ()


def _check_recipient(fields: Fields, settings: WhatsAppSettings) -> None:
    """Refuse what was written to another number: answered from ours it would reach people who never wrote to it."""
    to = fields.get("To", "")
    if re.fullmatch(f"(?:{PREFIX})?{NUMBER}", to) and to != settings.sender:
        raise Malformed("This was written to another number than WHATSAPP_FROM: in Twilio's console it has an address.")


def _phone(sender: str) -> str | None:
    number = sender.removeprefix(PREFIX)
    return number if re.fullmatch(NUMBER, number) else None


def _files(fields: Fields) -> list[Attachment]:
    """What came with it. That a file is there counts, not what NumMedia says."""
    found = []
    for place in range(MOST_FILES):
        if url := fields.get(f"MediaUrl{place}"):
            given = fields.get(f"MediaContentType{place}", "").partition(";")[0].strip().lower()
            known = re.fullmatch(r"[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,100}", given)
            found.append(Attachment("", given if known else "application/octet-stream", url))
    return found


def _place(fields: Fields) -> str:
    """A location that was shared, in words."""
    latitude, longitude = fields.get("Latitude", ""), fields.get("Longitude", "")
    told = [_line(fields.get(name, ""), LONGEST_QUOTE) for name in ("Label", "Address")]
    if re.fullmatch(DEGREES, latitude) and re.fullmatch(DEGREES, longitude):
        told.append(f"{latitude}, {longitude}")
    told = list(dict.fromkeys(filter(None, told)))
    return f"Location: {'; '.join(told)}" if told else ""


def _notes(fields: Fields, kind_there: str, place: str, files: int, settings: WhatsAppSettings) -> list[str]:
    notes = []
    if note := KINDS.get(kind_there):
        notes.append(note)
    elif kind_there not in PLAIN:
        notes.append(f"It is of a kind that is not known here ({_line(kind_there, 40)}): it may hold more than this.")
    if place:
        notes.append("They shared a location.")
    announced = fields.get("NumMedia", "")
    if re.fullmatch(r"[0-9]{1,3}", announced) and int(announced) > files:
        notes.append(f"It came with {int(announced)} files, of which {files} came through.")
    if fields.get("OriginalRepliedMessageSid") and kind_there != "reaction":  # that one says so as it is
        by = fields.get("OriginalRepliedMessageSender", "")
        whose = " of ours" if by == settings.sender else " of theirs" if by else ""
        notes.append(f"It is a reply to an earlier message{whose}.")
    if "true" in (fields.get("Forwarded", "").lower(), fields.get("FrequentlyForwarded", "").lower()):
        notes.append("They forwarded it: somebody else may have written it.")
    told = [_line(fields.get(f"Referral{name}", ""), LONGEST_QUOTE) for name in ("Headline", "Body", "SourceUrl")]
    if any(told):
        what = "a post" if fields.get("ReferralSourceType", "").lower() == "post" else "an ad"
        notes.append(f"They came from {what}: {' | '.join(filter(None, told))}")
    return notes


def _status(status: str, fields: Fields, url: str) -> Sequence[Parsed]:
    """What became of a message of ours: the one whose `key` we put into the address that Twilio calls back."""
    try:
        keys = parse_qs(urlsplit(url).query).get("key", [])
    except ValueError:
        keys = []
    key = keys[0] if keys and re.fullmatch(KEY, keys[0]) else ""
    sid = _sid(fields)
    if not sid and not key:
        raise Malformed("This status does not say of which message it is.")
    if status not in STATUSES:
        return []
    code = fields.get("ErrorCode", "")
    failed = STATUSES[status] == "failed"
    reason = errors.words(int(code) if re.fullmatch(r"[0-9]{1,9}", code) else None) if failed else ""
    return [StatusUpdate(sid, STATUSES[status], reason, key)]


def _clean(text: str) -> str:
    """Without NUL; half a surrogate pair becomes the replacement character."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text.replace("\0", "")).replace("\r\n", "\n").strip()


def _line(text: str, most: int) -> str:
    """On one line, and without signs that turn the direction of what follows."""
    text = re.sub("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]", "", text)
    return " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", " ", text).split())[:most].rstrip()
