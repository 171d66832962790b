"""What a mail is to the rest of the channel, once it is read."""

from dataclasses import dataclass

from channels.email.charsets import decode

Headers = tuple[tuple[str, str], ...]


class Unreadable(Exception):
    """The mail cannot be read and is to be quarantined; its words tell staff why."""


@dataclass(frozen=True)
class Address:
    """One mailbox. `address` is lower case, and "" where none can be trusted to be the one that is meant."""

    name: str = ""
    address: str = ""


@dataclass(frozen=True)
class Part:
    """A leaf of the mail, in order of appearance; also the leaves of attached messages (`depth` says how deep)."""

    content_type: str  # lower case
    name: str  # the file's, decoded and made safe; "" if none
    disposition: str  # "attachment" | "inline" | ""
    content_id: str  # without angle brackets
    content: bytes  # transfer encoding undone
    charset: str  # as declared, lower case; "" if none
    depth: int  # 0: of the mail itself; 1: within an attached message; ...

    def text(self) -> str:
        """The content as words: by its charset, or the likeliest one; no NUL, no lone surrogate, lines end in \\n."""
        return decode(self.content, self.charset)


@dataclass(frozen=True)
class Mail:
    headers: Headers  # lower-case name, decoded and unfolded value, in order
    sender: Address
    reply_to: Address
    to: tuple[Address, ...]  # To and Cc
    subject: str
    message_id: str  # without angle brackets; "" if none
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]  # oldest first, without angle brackets
    content_type: str  # of the whole mail, lower case
    report_type: str  # of a multipart/report, lower case
    text: str  # the whole body as a reader sees it; quoted HTML as lines that begin with "> "
    hidden: str  # words that a reader of the mail does not see, "" if none
    parts: tuple[Part, ...]
    attached: tuple[Headers, ...]  # the headers of each attached message
    attachments: tuple[Part, ...]  # what staff are offered as files

    def header(self, name: str) -> str:
        """The first value of a header, "" if it is not there."""
        return next(iter(self.all(name)), "")

    def all(self, name: str) -> tuple[str, ...]:
        return tuple(value for key, value in self.headers if key == name.lower())
