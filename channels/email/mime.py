"""Bytes -> Mail: what stands in a mail, however it was made."""

import email
import re
from email import policy
from email.message import Message

from channels.email.charsets import decode
from channels.email.mail import Address, Headers, Mail, Part, Unreadable

__all__ = ["MOST_BYTES", "Address", "Headers", "Mail", "Part", "Unreadable", "read"]

MOST_BYTES = 25_000_000  # a mail's size: what the large providers let through


def read(raw: bytes) -> Mail:
    if len(raw) > MOST_BYTES:
        raise Unreadable(f"The mail has {len(raw):,} bytes, and at most {MOST_BYTES:,} are read.")
    message = email.message_from_bytes(raw, policy=policy.compat32)
    parts: list[Part] = []
    attached: list[Headers] = []
    _walk(message, 0, parts, attached)
    headers = _headers(message)
    found = dict(reversed(headers))
    text = next((part.text() for part in parts if part.content_type == "text/plain"), "")

    def ids(name: str) -> tuple[str, ...]:
        return tuple(re.findall(r"<([^<>\s]+)>", found.get(name, "")))

    def address(name: str) -> Address:
        match = re.search(r"[^\s<>,;\"]+@[^\s<>,;\"]+", found.get(name, ""))
        return Address("", match.group().lower() if match else "")

    return Mail(
        headers=headers,
        sender=address("from"),
        reply_to=address("reply-to"),
        to=tuple(each for each in (address("to"), address("cc")) if each.address),
        subject=found.get("subject", ""),
        message_id=next(iter(ids("message-id")), ""),
        in_reply_to=ids("in-reply-to"),
        references=ids("references"),
        content_type=message.get_content_type(),
        report_type=str(message.get_param("report-type") or "").lower(),
        text=text,
        hidden="",
        parts=tuple(parts),
        attached=tuple(attached),
        attachments=tuple(part for part in parts if part.disposition == "attachment"),
    )


def _headers(message: Message) -> Headers:
    return tuple((key.lower(), re.sub(r"\s*[\r\n]+\s*", " ", str(value))) for key, value in message.items())


def _walk(message: Message, depth: int, parts: list[Part], attached: list[Headers]) -> None:
    kind = message.get_content_type()
    if message.is_multipart() and kind != "message/delivery-status":
        for child in message.get_payload():
            if kind == "message/rfc822":
                attached.append(_headers(child))  # type: ignore[arg-type]
            _walk(child, depth + (kind == "message/rfc822"), parts, attached)  # type: ignore[arg-type]
        return
    content = message.get_payload(decode=True) or message.as_bytes()
    if kind == "text/rfc822-headers":
        attached.append(_headers(email.message_from_string(decode(content))))  # type: ignore[arg-type]
    parts.append(
        Part(
            kind,
            message.get_filename() or "",
            str(message.get_content_disposition() or ""),
            str(message.get("content-id", "")).strip(" <>"),
            content,  # type: ignore[arg-type]
            str(message.get_content_charset() or ""),
            depth,
        )
    )
