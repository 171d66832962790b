"""The structure of a mail: containers and leaves, found in the raw bytes without copying them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from channels.email.bounds import MOST_NESTING, MOST_PARTS
from channels.email.headers import FIELD, fields, first, parameters
from channels.email.mail import Unreadable
from channels.email.transfer import undone

MESSAGES = {"message/rfc822", "message/global", "message/news"}
TYPE = re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII)
SHORT = {"text": "text/plain", "plain": "text/plain", "html": "text/html", "multipart": "multipart/mixed"}
GUESS = re.compile(rb"(?m)^--([^\s-][^\r\n]{0,68}?)[ \t]*\r?\n(?=(?i:content-))")


@dataclass
class Node:
    """A part: raw[start:end] is its body, without its own header."""

    pairs: list[tuple[str, str]]
    raw: bytes
    start: int
    end: int
    depth: int  # how many messages it is within
    content_type: str = "text/plain"  # what it is taken for
    declared: str = "text/plain"  # what it says it is, if that is a type at all
    parameters: dict[str, str] = field(default_factory=dict)
    disposition: str = ""
    file: str = ""  # the file's name as declared, decoded and not yet safe
    children: "list[Node]" = field(default_factory=list)

    @property
    def content(self) -> bytes:
        encoding = first(self.pairs, "content-transfer-encoding")
        return undone(self.raw, self.start, self.end, encoding, text=self.content_type.startswith("text/"))

    @property
    def whole(self) -> bytes:
        """Of a part that is a message: the message, with its header."""
        return self.raw[self.start : self.end]

    def leaves(self) -> "Iterator[Node]":
        """In order of appearance. The recursion is as deep as MOST_NESTING lets it be."""
        if not self.children:
            yield self
        for child in self.children:
            yield from child.leaves()

    def within(self) -> "Iterator[Node]":
        """The node and all below it."""
        yield self
        for child in self.children:
            yield from child.within()


def structure(raw: bytes) -> Node:
    """The tree of a whole mail. Raises Unreadable for one that is no mail, or past the limits."""
    if b"\n" not in raw:
        raw = raw.replace(b"\r", b"\n")
    start = len(raw) - len(raw.lstrip(b"\r\n"))
    node = _node(raw, start, len(raw), 0, 0, "text/plain", [0])
    if not node.pairs:
        raise Unreadable("This is no mail: it does not begin with a header (From, To, Subject and so on).")
    return node


def _node(raw: bytes, start: int, end: int, depth: int, nesting: int, default: str, count: list[int]) -> Node:
    count[0] += 1
    if count[0] > MOST_PARTS:
        raise Unreadable(f"The mail has more than {MOST_PARTS} parts, far more than a real mail, so it was not read.")
    if nesting > MOST_NESTING:
        raise Unreadable(
            f"The mail's parts are nested more than {MOST_NESTING} deep, far more than a real mail, so it was not read."
        )
    pairs, body = fields(raw, start, end)
    node = Node(pairs, raw, body, end, depth)
    _describe(node, default)
    if node.content_type.startswith("multipart/"):
        _split(node, nesting, count)
    elif node.content_type in MESSAGES:
        encoding = first(pairs, "content-transfer-encoding").strip().lower()
        if encoding.startswith(("base64", "quoted")):
            node.raw = undone(raw, body, end, encoding, text=False)
            node.start, node.end = 0, len(node.raw)
        # Some programs put a blank line, or the line of a mailbox file, before the attached message.
        while node.raw[node.start : node.start + 2] == b"\r\n" or node.raw[node.start : node.start + 1] == b"\n":
            node.start += 1 if node.raw[node.start : node.start + 1] == b"\n" else 2
        if FIELD.match(node.raw, node.start) or node.raw.startswith((b"From ", b">From "), node.start):
            child = _node(node.raw, node.start, node.end, depth + 1, nesting + 1, "text/plain", count)
            node.children.append(child)
    return node


def _describe(node: Node, default: str) -> None:
    # Of several the first that is one.
    declared = [parameters(value) for name, value in node.pairs if name == "content-type"]
    usable = [each for each in declared if TYPE.fullmatch(each[0]) or each[0] in SHORT]
    kind, node.parameters = (usable or declared or [(default, {})])[0]
    kind = SHORT.get(kind, kind)
    node.content_type = kind if TYPE.fullmatch(kind) else default if not kind else "text/plain"
    node.declared = node.content_type
    disposition, given = parameters(first(node.pairs, "content-disposition"))
    node.file = given.get("filename") or node.parameters.get("name") or given.get("name", "")
    if disposition:
        # An unknown one is to be treated as an attachment (RFC 2183), but "filename=..." alone is a slip.
        node.disposition = disposition if disposition in ("inline", "attachment") else "attachment"
        if "=" in disposition or (disposition not in ("inline", "attachment") and not node.file):
            node.disposition = ""


def _split(node: Node, nesting: int, count: list[int]) -> None:
    boundary = node.parameters.get("boundary", "").rstrip().encode("utf-8", "replace")
    spans = list(_spans(node, boundary)) if boundary else []
    if not spans and (guess := GUESS.search(node.raw, node.start, min(node.end, node.start + 100_000))):
        spans = list(_spans(node, guess.group(1)))
    default = "message/rfc822" if node.content_type == "multipart/digest" else "text/plain"
    for start, end in spans:
        node.children.append(_node(node.raw, start, end, node.depth, nesting + 1, default, count))
    if not node.children:
        node.content_type = "text/plain"  # whoever sees such a mail sees what stands in it


def _spans(node: Node, boundary: bytes) -> Iterator[tuple[int, int]]:
    """Where the parts begin and end: between lines that are `--boundary`, up to `--boundary--`."""
    mark, raw, opened, lines = b"--" + boundary, node.raw, -1, 0
    at = node.start if raw.startswith(mark, node.start) else raw.find(b"\n" + mark, node.start, node.end) + 1
    while at > 0:
        line_end = raw.find(b"\n", at, node.end)
        line_end = node.end if line_end < 0 else line_end
        rest = raw[at + len(mark) : min(line_end, at + len(mark) + 100)].strip()
        if rest in (b"", b"--") or (rest == b"-" and line_end >= node.end - 4):  # the last one may be cut
            if opened >= 0:
                yield opened, max(opened, at - (2 if raw[at - 2 : at] == b"\r\n" else 1))
            opened = -1 if rest else min(line_end + 1, node.end)
            if rest:
                return
        # Also those are counted that only begin alike: they are boundaries of parts within.
        lines += 1
        if lines > 2 * MOST_PARTS:
            raise Unreadable("The mail has far more parts than a real mail, so it was not read.")
        at = raw.find(b"\n" + mark, line_end, node.end) + 1
    if opened >= 0:
        yield opened, node.end
