"""Bytes -> Mail: what stands in a mail, however it was made."""

import re
from dataclasses import replace

from channels.email.addresses import mailboxes, sole
from channels.email.body import body
from channels.email.bounds import MOST_ADDRESSES, MOST_BYTES
from channels.email.headers import KNOWN, decoded, fields, first, message_ids, words
from channels.email.mail import Address, Headers, Mail, Part, Unreadable
from channels.email.names import made_up, safe
from channels.email.parts import MESSAGES, Node, structure

__all__ = ["MOST_BYTES", "Address", "Headers", "Mail", "Part", "Unreadable", "begins", "read", "words_alone"]

PIXEL = 3  # of width and height: a picture that is there to be counted, not seen


def read(raw: bytes) -> Mail:
    """The mail, or Unreadable with a sentence for staff; nothing else is ever raised, whatever the bytes.

    Time and memory are bounded (bounds.py): a mail of MOST_BYTES costs about its own size once more. What is wrong in
    a mail is taken as people would: a broken charset, encoding or structure costs as few words as can be.
    """
    if len(raw) > MOST_BYTES:
        raise Unreadable(f"The mail has {len(raw):,} bytes, and at most {MOST_BYTES:,} are read.")
    if not raw.strip():
        raise Unreadable("The mail is empty: it has neither a header nor words.")
    root = structure(raw)
    said = body(root)
    parts = {id(leaf): _part(leaf) for leaf in root.leaves()}
    attachments = []
    for node in _outermost(root):
        part = parts.get(id(node)) or _part(node)
        if id(node) not in said.used and (part.content or part.name) and not _is_pixel(part):
            subject = words(first(node.children[0].pairs, "subject")) if node.children else ""
            attachments.append(part if part.name else replace(part, name=made_up(part.content_type, subject)))

    def all_of(name: str) -> list[str]:
        return [value for key, value in root.pairs if key == name]

    return Mail(
        headers=decoded(root.pairs),
        sender=sole(all_of("from")),
        reply_to=sole(all_of("reply-to")),
        to=tuple(_recipients([*all_of("to"), *all_of("cc")])),
        subject=words(first(root.pairs, "subject")),
        message_id=next(iter(message_ids(first(root.pairs, "message-id"))), ""),
        in_reply_to=message_ids(" ".join(all_of("in-reply-to"))),
        references=message_ids(" ".join(all_of("references"))),
        content_type=root.declared,
        report_type=root.parameters.get("report-type", "").lower(),
        text=said.text.lstrip("\n").rstrip(),
        hidden=said.hidden,
        parts=tuple(parts.values()),
        attached=tuple(_attached(root)),
        attachments=tuple(attachments),
    )


def begins(raw: bytes) -> bool:
    """Whether a mail's header stands at the beginning; not where it is only words, of which one may end in a colon."""
    try:
        pairs, _ = fields(raw, len(raw) - len(raw.lstrip(b"\r\n")), len(raw))
    except Unreadable:
        return True
    return any(KNOWN.match(f"{name}:".encode()) for name, _ in pairs)


def words_alone(raw: bytes) -> Mail:
    """A mail of these words, from nobody: of a body that was saved without its header."""
    return read(b"Content-Type: text/plain\r\n\r\n" + raw)


def _part(node: Node) -> Part:
    return Part(
        content_type=node.content_type,
        name=safe(node.file),
        disposition=node.disposition,
        content_id=re.sub(r"[<>\s]", "", first(node.pairs, "content-id")),
        content=node.whole if node.content_type in MESSAGES else node.content,
        charset=re.sub(r"[^\w.:+-]", "", node.parameters.get("charset", "")).lower(),
        depth=node.depth,
    )


def _outermost(node: Node) -> list[Node]:
    """The leaves of the mail itself; a message within it is one file."""
    if not node.children or node.content_type in MESSAGES:
        return [node]
    return [each for child in node.children for each in _outermost(child)]


def _attached(root: Node) -> list[Headers]:
    found = []
    for node in root.within():
        if node.content_type in MESSAGES and node.children:
            found.append(decoded(node.children[0].pairs))
        elif node.content_type == "text/rfc822-headers" and not node.children:
            content = node.content.lstrip(b"\r\n")
            found.append(decoded(fields(content, 0, len(content))[0]))
    return found


def _recipients(values: list[str]) -> list[Address]:
    found = [each for value in values[:10] for each in mailboxes(value, MOST_ADDRESSES) if each.address]
    return list(dict.fromkeys(found))[:MOST_ADDRESSES]


def _is_pixel(part: Part) -> bool:
    if part.disposition == "attachment" or not part.content_type.startswith("image/"):
        return False
    content = part.content
    if content.startswith(b"GIF8"):
        width, height = int.from_bytes(content[6:8], "little"), int.from_bytes(content[8:10], "little")
    elif content.startswith(b"\x89PNG"):
        width, height = int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")
    else:
        return False
    return width <= PIXEL and height <= PIXEL
