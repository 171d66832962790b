"""The mails of a demo's customers: written as a mail program writes them, kept in memory, grouped as it groups them."""

import email
import email.policy
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, formatdate, make_msgid, parsedate_to_datetime

#: Mails kept: older ones are forgotten, so that a demo that runs for weeks stays small.
MOST = 500
#: Who wrote our mails: the server that takes mail in for the demo's company, by the name it signs its findings with.
AUTHSERV_ID = "mx.pellworth.example"

POLICY = email.policy.SMTP
#: How the line above a quoted mail begins.
QUOTES = "\n\nOn "


@dataclass(frozen=True)
class Letter:
    """A mail in the customer's mailbox. `sent`: by the customer; else it arrived from Firstline."""

    id: int
    raw: bytes
    sent: bool
    owner: str  # the customer's address
    at: float = field(default_factory=time.time)

    @property
    def message(self) -> EmailMessage:
        return email.message_from_bytes(self.raw, policy=email.policy.default)

    def header(self, name: str) -> str:
        try:
            return str(self.message[name] or "")
        except (ValueError, IndexError):  # what a broken mail makes of the standard library
            return ""

    @property
    def headers(self) -> str:
        """As they travelled."""
        return self.raw.partition(b"\r\n\r\n")[0].decode("utf-8", "replace")

    @property
    def subject(self) -> str:
        return self.header("Subject") or "No subject"

    @property
    def author(self) -> str:
        return self.header("From")

    def body(self, kind: str) -> str:
        """Its words as text ("plain") or as HTML ("html"); empty where there are none."""
        part = self.message.get_body((kind,))
        return part.get_content() if part is not None else ""

    @property
    def words(self) -> tuple[str, str]:
        """One's own words, and the earlier mail that one's mail program quoted below them."""
        own, quotes, earlier = self.body("plain").partition(QUOTES)
        return own.rstrip(), (quotes + earlier).strip()

    @property
    def files(self) -> list[tuple[str, int]]:
        parts = self.message.iter_attachments()
        return [(part.get_filename() or "a file", len(part.get_payload(decode=True) or b"")) for part in parts]

    @property
    def mentions(self) -> list[str]:
        """The Message-IDs of it and of what it refers to."""
        return " ".join(self.header(name) for name in ("References", "In-Reply-To", "Message-ID")).split()


class Mailbox:
    """Every mail that came or went. `version` counts up with each, for the open page to look at."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.version = 0
        self._ids = itertools.count(1)

    def keep(self, raw: bytes, owner: str, *, sent: bool) -> Letter:
        letter = Letter(next(self._ids), raw, sent, owner.lower())
        self.letters = [*self.letters[-MOST + 1 :], letter]
        self.version += 1
        return letter

    def find(self, id: int) -> Letter | None:
        return next((letter for letter in self.letters if letter.id == id), None)

    def threads(self, owner: str) -> list[list[Letter]]:
        """Of one customer, the newest first; in each the mails as they came. What refers to each other is together."""
        threads: list[tuple[set[str], list[Letter]]] = []
        for letter in self.letters:
            if letter.owner != owner.lower():
                continue
            names, together = set(letter.mentions), [letter]
            for known in [each for each in threads if each[0] & names]:
                threads.remove(known)
                names, together = names | known[0], known[1] + together
            threads.append((names, together))
        return [thread for _, thread in sorted(threads, key=lambda each: each[1][-1].id, reverse=True)]

    def thread(self, letter: Letter) -> list[Letter]:
        return next(thread for thread in self.threads(letter.owner) if letter in thread)


@dataclass(frozen=True)
class Person:
    """Who the customer is."""

    name: str
    address: str

    @property
    def mailbox(self) -> Address:
        return Address(self.name, addr_spec=self.address)


def write(
    me: Person,
    to: str,
    subject: str,
    text: str,
    files: Sequence[tuple[str, str, bytes]] = (),
    answers: Letter | None = None,
) -> EmailMessage:
    """A mail as a mail program writes it; an answer quotes below what it answers. Raises ValueError for a bad address.

    `files`: name, type, content.
    """
    message = EmailMessage(policy=POLICY)
    message["From"], message["To"] = me.mailbox, to
    message["Subject"] = " ".join(subject.split())
    message["Date"] = formatdate(localtime=True)
    message["Message-ID"] = make_msgid(domain=me.address.rpartition("@")[2])
    if answers:
        message["In-Reply-To"] = answers.header("Message-ID")
        message["References"] = f"{answers.header('References')} {answers.header('Message-ID')}".strip()
        text = f"{text}{QUOTES}{_quoted(answers)}"
    message.set_content(text)
    for name, kind, content in files:
        main, _, sub = kind.partition("/")
        message.add_attachment(content, maintype=main or "application", subtype=sub or "octet-stream", filename=name)
    return message


def _quoted(letter: Letter) -> str:
    try:
        at = format_datetime(parsedate_to_datetime(letter.header("Date"))).rpartition(" ")[0]
    except (ValueError, TypeError):
        at = "an earlier day"
    lines = letter.body("plain").rstrip().splitlines()
    return "\n".join((f"{at}, {letter.author} wrote:", *(f"> {line}".rstrip() for line in lines)))


def away(me: Person, letter: Letter) -> EmailMessage:
    """The out-of-office reply of the customer's mail server to a mail that arrived."""
    message = write(me, letter.author, f"Automatic reply: {letter.subject}", "I am away until Monday.", answers=letter)
    message["Auto-Submitted"] = "auto-replied"
    message["X-Auto-Response-Suppress"] = "All"
    return message


def bounce(me: Person, letter: Letter) -> EmailMessage:
    """What a mail server sends back when it could not deliver a mail that arrived here (RFC 3464)."""
    domain = me.address.rpartition("@")[2]
    words = f"Your message to {me.address} could not be delivered: there is no such mailbox here."
    status = (
        f"Reporting-MTA: dns; mx.{domain}\r\n\r\nFinal-Recipient: rfc822; {me.address}\r\nAction: failed\r\n"
        "Status: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 No such mailbox\r\n"
    )
    return email.message_from_string(
        f"MIME-Version: 1.0\r\nFrom: Mail Delivery System <mailer-daemon@{domain}>\r\n"
        f"Subject: Undelivered Mail Returned to Sender\r\nDate: {formatdate()}\r\nAuto-Submitted: auto-replied\r\n"
        f"Message-ID: {make_msgid(domain=domain)}\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="bounced"\r\n\r\n'
        f"--bounced\r\nContent-Type: text/plain\r\n\r\n{words}\r\n"
        f"--bounced\r\nContent-Type: message/delivery-status\r\n\r\n{status}\r\n"
        f"--bounced\r\nContent-Type: text/rfc822-headers\r\n\r\n{letter.headers}\r\n\r\n--bounced--\r\n",
        policy=POLICY,
    )


def nameless(me: Person, to: str) -> bytes:
    """A mail that nobody can be answered on: it does not say who it is from."""
    return f"To: {to}\r\nSubject: A mail without a sender\r\nDate: {formatdate()}\r\n\r\nWho am I?\r\n".encode()


def arrived(raw: bytes, me: Person, *, verified: bool) -> bytes:
    """The mail with what the company's mail server writes above it: how it came, and what it found of the sender."""
    domain = me.address.rpartition("@")[2]
    result = "pass" if verified else "fail"
    return b"".join(_above(me, domain, result)) + raw


def _above(me: Person, domain: str, result: str) -> Iterator[bytes]:
    yield f"Received: from mail.{domain} by {AUTHSERV_ID} with ESMTP; {formatdate()}\r\n".encode()
    yield f"Authentication-Results: {AUTHSERV_ID}; dmarc={result} header.from={domain}\r\n".encode()
