"""Who wrote, and to whom: mailboxes of a field, read so that nobody can pass as somebody else."""

import re

from channels.email.headers import words
from channels.email.mail import Address

# A dot-atom, in any script. No quoted local parts: they are all but extinct, and a hiding place for a second "@".
ATOM = r"[\w!#$%&'*+/=?^`{|}~-]+"
ADDRESS = re.compile(rf"({ATOM}(?:\.{ATOM})*)@((?:[^\W_](?:[\w-]*[^\W_])?\.)*[^\W_](?:[\w-]*[^\W_])?)\.?")
LONGEST = 254  # characters of an address (RFC 5321)
LONGEST_NAME = 200  # characters of a display name: more is no name


def sole(values: list[str]) -> Address:
    """The one address that the fields of one name (From, Reply-To) stand for.

    Where a careful person would hesitate, the address is "": several fields or mailboxes that differ, text after the
    address, a bracket or a quote that is never closed, an address inside a comment, none at all. Mail programs and
    servers disagree on which of several they show and check, and that is how one sender passes as another.
    """
    found = [each for value in values for each in mailboxes(value)]
    named = next((each.name for each in found if each.name), "")
    if found and len({each.address for each in found}) == 1:
        return Address(named, found[0].address)
    return Address(named)


def mailboxes(value: str, most: int = 1_000) -> list[Address]:
    """The mailboxes of a field, in order; what cannot be read to be one has the address ""."""
    pieces = _pieces(value)
    if pieces is None:
        return [Address()]
    found: list[Address] = []
    waiting: list[str] = []  # a name with a comma that should have been in quotes: `Doe, Jane <jane@example.com>`
    for piece in pieces[:most]:
        if "@" not in piece.raw and "<" not in piece.raw:
            waiting += [piece.raw.strip()] if piece.raw.strip() else []
            continue
        if waiting and "<" not in piece.raw:
            found.append(Address(_name(", ".join(waiting))))  # no name for what has no brackets: something else
            waiting = []
        found.append(_mailbox(piece, waiting))
        waiting = []
    if waiting and not found:
        return [Address(_name(", ".join(waiting)))]
    return found


class Piece:
    """What stands between two commas: `raw` without comments, quoted strings kept in `quoted` and marked by \\x00."""

    def __init__(self) -> None:
        self.raw, self.quoted, self.comments = "", list[str](), list[str]()


def _pieces(value: str) -> list[Piece] | None:
    """The field cut at its commas, outside quotes, comments and brackets; None where one of these is never closed."""
    pieces, piece = list[Piece](), Piece()
    out: list[str] = []
    depth, comment, quoted, angle, skip = 0, list[str](), None, False, False
    value = re.sub(r"\s+", " ", value.replace("\x00", ""))
    last = value.rfind(";")
    for at, character in enumerate(value):
        if skip:
            skip = False
            (quoted if quoted is not None else comment if depth else out).append(character)
        elif character == "\\" and (quoted is not None or depth):
            skip = True
        elif quoted is not None:
            if character == '"':
                piece.quoted.append("".join(quoted))
                quoted = None
            else:
                quoted.append(character)
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if depth < 0:
                return None
            if not depth:
                piece.comments.append("".join(comment))
                comment = []
                out.append(" ")
        elif depth:
            comment.append(character)
        elif character == '"':
            quoted = []
            out.append("\x00")
        elif character in ",;" and not angle:
            piece.raw = "".join(out)
            pieces.append(piece)
            piece, out = Piece(), []
        elif character == ":" and not angle and at < last and _is_group(out):
            out = []
        else:
            if character in "<>":
                if angle == (character == "<"):
                    return None
                angle = character == "<"
            out.append(character)
    piece.raw = "".join(out)
    return None if depth or quoted is not None or angle or skip else [*pieces, piece]


def _is_group(name: list[str]) -> bool:
    """`Team: a@example.com, b@example.com;`"""
    return len(name) <= LONGEST_NAME and "@" not in name and "<" not in name


def _mailbox(piece: Piece, waiting: list[str]) -> Address:
    before, bracket, rest = piece.raw.partition("<")
    strings = iter(piece.quoted)
    spoken = re.sub("\x00", lambda _: next(strings, ""), before)
    if bracket:
        spec, _, after = rest.partition(">")
        name = _name(", ".join([*waiting, spoken]))
        quoted = list(strings)
        if after.strip():
            return Address(name)
        spec = re.sub(r"^\s*@[^:]*:", "", spec)  # a route, which nobody has used for thirty years
    else:
        spec, name, quoted = before, _name(" ".join(piece.comments)), piece.quoted
    if any(set(comment) & set("<>@") for comment in piece.comments):
        return Address(name)
    if len(quoted) == 1 and re.match("\\s*\x00\\s*@", spec):
        spec = spec.replace("\x00", quoted[0], 1)
    spec = re.sub(r"\s*([.@])\s*", r"\1", spec).strip()
    match = ADDRESS.fullmatch(spec) if len(spec) <= LONGEST else None
    if not match:
        return Address(name)
    return Address(name, f"{match.group(1)}@{match.group(2)}".lower())


def _name(text: str) -> str:
    return words(text.replace("\x00", "")).strip(" \"'")[:LONGEST_NAME].strip()
