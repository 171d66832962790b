"""A reply of ours as a mail: the same for every attempt but for its Date (pure)."""

import quopri
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.header import Header
from email.utils import format_datetime
from typing import Any

from channels.base import Outbound, Source, Undeliverable
from channels.email import rendering
from channels.email.settings import LONGEST_DOMAIN, LONGEST_LOCAL, EmailSettings, plain
from channels.email.tokens import Tokens

#: Our header: a mail that has it, and whose token is ours, was written by us.
OURS = "X-Firstline"
LONGEST_SUBJECT = 200  # characters
LONGEST_NAME = 100  # characters of a display name
LONGEST_ID = 250  # characters of a Message-ID: more than any mail program makes, and a line that every server takes
MOST_REFERENCES = 30  # the first, and the last ones: what mail programs find a thread by
#: "Re: " as mail programs of the world write it, with a count in brackets as some do.
REPLY = r"(?:re|r|aw|antw|antwort|sv|vs|rif|res|odp|ynt|vá|απ|отв|回复|回覆|答复|答覆|返信|답장|회신)"
REPLIES = re.compile(rf"(?:{REPLY} ?(?:\[\d+\]|\(\d+\)|\^\d+)?\s?[:：]\s*)+", re.IGNORECASE)
#: All that Exchange can hold back, but NDR: bounces must come, for by them we know what did not arrive.
SUPPRESS = "DR, RN, NRN, OOF, AutoReply"
#: RFC 2047 wants encoded words of at most 75 characters; lines like these need no folding by anybody.
LINE = 75
#: What begins neither a line nor anything else in a header: control characters, line and paragraph separators.
UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
SURROGATES = re.compile("[\ud800-\udfff]")
#: Any local part that is not ASCII, without what separates addresses (RFC 6531).
UTF8_LOCAL = re.compile(r"[^\x00-\x20\x7f-\xa0\"(),:;<>@\[\\\]\u2028\u2029]+")


@dataclass(frozen=True)
class Letter:
    """A mail and its envelope. `recipient` is ASCII but where only SMTPUTF8 can carry it."""

    sender: str
    recipient: str
    message_id: str  # without angle brackets
    content: bytes


def compose(settings: EmailSettings, tokens: Tokens, outbound: Outbound, at: float) -> Letter:
    """The mail for a message of ours, dated `at` (seconds since 1970). Raises Undeliverable where it goes nowhere.

    Mail to ourselves is not written: it would come in as a customer's, and be answered.
    """
    outbound = _clean(outbound)
    recipient = _recipient(outbound)
    if recipient.lower() in settings.ours or tokens.in_address(recipient):
        raise Undeliverable("The answer would go to an address of our own: nothing was sent.", permanent=True)
    company, domain = _line(settings.company), settings.domain
    message_id = tokens.message_id(outbound.key, domain)
    subject = _subject(outbound, company)
    name, reply_to = _line(settings.name), tokens.reply_address(outbound.key, settings.reply_to)
    headers = {
        "From": _mailbox(_author(outbound, name), settings.address),
        "To": recipient,
        "Reply-To": _mailbox(name, reply_to) if reply_to else "",
        "Subject": f"Re: {_words(subject, 'Subject: Re')}",  # in ASCII: not all decode it before they look for it
        "Date": format_datetime(datetime.fromtimestamp(int(at), UTC)),
        "Message-ID": f"<{message_id}>",
        **_thread(outbound.memo),
        OURS: tokens.token(outbound.key),
    }
    if outbound.author != "person":  # RFC 3834: no machine is to answer what a machine answered
        headers |= {"Auto-Submitted": "auto-replied", "X-Auto-Response-Suppress": SUPPRESS}
    head = "".join(f"{header}: {value}\r\n" for header, value in headers.items() if value)
    content = head + _parts(outbound, company, subject)
    return Letter(settings.address, recipient, message_id, content.encode())


def _author(outbound: Outbound, name: str) -> str:
    """Who mail programs show as its sender."""
    return f"{outbound.name}, {name}" if outbound.author == "person" and outbound.name else name


def _clean(outbound: Outbound) -> Outbound:
    """Without what neither a mail nor a page can show."""
    return replace(
        outbound,
        text=re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", "", _whole(re.sub(r"\r\n?", "\n", outbound.text))),
        name=_line(outbound.name)[:LONGEST_NAME],
        disclosure=_line(outbound.disclosure),
        sources=tuple(Source(_line(each.title) or _line(each.url), _line(each.url)) for each in outbound.sources),
    )


def _recipient(outbound: Outbound) -> str:
    """The customer's address: where their last mail wants its answer, else who they are."""
    to = outbound.memo.get("to")
    address = to if isinstance(to, str) and to else outbound.recipient.removeprefix("unverified:")
    local, _, domain = address.rpartition("@")
    try:
        domain = domain if domain.isascii() else domain.encode("idna").decode()
    except UnicodeError:
        domain = ""
    if plain(f"{local}@{domain}"):
        return f"{local}@{domain}"
    bounded = 0 < len(local.encode("utf-8", "replace")) <= LONGEST_LOCAL and len(domain) <= LONGEST_DOMAIN
    if (
        not local.isascii()
        and bounded
        and plain(f"a@{domain}")
        and UTF8_LOCAL.fullmatch(local)
        and local == _whole(local)
    ):
        return f"{local}@{domain}"
    raise Undeliverable("The customer's address is not one that mail can be sent to.", permanent=True)


def _subject(outbound: Outbound, company: str) -> str:
    """The customer's subject without its "Re: ", whatever their mail program calls that."""
    theirs = outbound.subject or outbound.memo.get("subject")
    subject = _line(theirs) if isinstance(theirs, str) else ""
    subject = REPLIES.sub("", subject, count=1) if REPLIES.match(subject) else subject
    if len(subject) > LONGEST_SUBJECT:
        subject = subject[: LONGEST_SUBJECT - 1].rstrip() + "…"
    return subject or f"your message to {company}"


def _thread(memo: Mapping[str, Any]) -> dict[str, str]:
    """In-Reply-To and References (RFC 5322, 3.6.4): the whole chain of the customer's mail, and that mail."""
    earlier = memo.get("references")
    last = _ids([memo.get("message_id")])
    chain = [each for each in _ids(earlier if isinstance(earlier, list | tuple) else []) if each not in last] + last
    if len(chain) > MOST_REFERENCES:
        chain = [chain[0], *chain[1 - MOST_REFERENCES :]]
    # One on each line: a line of mail ends somewhere, and an id must not be cut in two.
    return {"In-Reply-To": "".join(last), "References": "\r\n ".join(chain)}


def _ids(values: list[Any] | tuple[Any, ...]) -> list[str]:
    """The Message-IDs among `values`, each once, in angle brackets. What strangers wrote: it must not end a header."""
    good = (each for each in values if isinstance(each, str) and re.fullmatch(r"[!-;=?-~]+", each))
    return list(dict.fromkeys(f"<{each}>" for each in good if len(each) <= LONGEST_ID))


def _mailbox(name: str, address: str) -> str:
    if name.isascii() and "=?" not in name:
        quoted = re.sub(r'(["\\])', r"\\\1", name)
        return f'"{quoted}" <{address}>' if name else address
    return f"{_words(name, 'From')}\r\n <{address}>"


def _words(words: str, header: str) -> str:
    """Words in a header: as they are if they are ASCII, else as encoded words (RFC 2047)."""
    if words.isascii() and "=?" not in words:
        return "\r\n ".join(_folded(words))
    return Header(words, "utf-8", maxlinelen=LINE, header_name=header).encode(linesep="\r\n")


def _folded(words: str) -> list[str]:
    """Lines of no more than LINE characters, where there are spaces to fold at."""
    lines = [""]
    for word in words.split(" "):
        if lines[-1] and len(lines[-1]) + len(word) >= LINE - len("Subject: Re: "):
            lines.append(word)
        else:
            lines[-1] += f" {word}" if lines[-1] else word
    return lines


def _parts(outbound: Outbound, company: str, title: str) -> str:
    """Text and HTML, quoted-printable: seven bits and short lines, which no relay changes: signatures stay whole."""
    boundary = f"=_firstline_{outbound.key}"  # "=_" is in nothing that is quoted-printable
    parts = (("plain", rendering.text(outbound, company)), ("html", rendering.html(outbound, company, title)))
    each = [
        f'--{boundary}\r\nContent-Type: text/{kind}; charset="utf-8"\r\n'
        f"Content-Transfer-Encoding: quoted-printable\r\n\r\n{_quoted_printable(words)}\r\n"
        for kind, words in parts
    ]
    opening = f'MIME-Version: 1.0\r\nContent-Type: multipart/alternative;\r\n boundary="{boundary}"\r\n\r\n'
    return f"{opening}{''.join(each)}--{boundary}--\r\n"


def _quoted_printable(words: str) -> str:
    encoded = quopri.encodestring(words.encode()).decode()
    # Some keep mail in files where "From " begins a mail, and write another sign before it.
    return re.sub("(?m)^From ", "=46rom ", encoded).replace("\n", "\r\n")


def _line(words: str) -> str:
    """As one line."""
    return re.sub(r"\s+", " ", UNSEEN.sub(" ", _whole(words))).strip()


def _whole(words: str) -> str:
    return SURROGATES.sub("\ufffd", words)
