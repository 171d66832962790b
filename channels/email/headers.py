"""The fields of a header: their lines, their encoded words, their parameters, their message ids."""

import binascii
import re
from urllib.parse import unquote_to_bytes

from channels.email.bounds import MOST_FIELD, MOST_FIELDS, MOST_HEADER_BYTES, MOST_ID, MOST_IDS
from channels.email.charsets import INVISIBLE, clean, decode
from channels.email.mail import Headers, Unreadable

FIELD = re.compile(rb"([!-9;-~]{1,100})[ \t]*:")
KNOWN = re.compile(
    rb"(?i)(x-[\w-]+|content-[\w-]+|mime-version|from|to|cc|subject|date|message-id|received|return-path|reply-to|sender"
    rb"|references|in-reply-to|delivered-to|dkim-signature|user-agent|list-[\w-]+)[ \t]*:"
)
ENCODED = re.compile(r"=\?([\w.:+-]{1,60})(?:\*[^?\s]{0,40})?\?([bBqQ])\?(.{0,1000}?)\?=")
# What a machine wrote for machines has no encoded words; decoding them would let a stranger write into it.
VERBATIM = {
    "arc-authentication-results",
    "authentication-results",
    "dkim-signature",
    "in-reply-to",
    "message-id",
    "received",
    "received-spf",
    "references",
    "return-path",
}


def fields(raw: bytes, start: int, end: int) -> tuple[list[tuple[str, str]], int]:
    """The fields from `start` on, unfolded but not decoded, and where the body begins.

    A line that is none ends the header, so that no words are lost, unless a well-known field follows it: then it is a
    line that somebody broke. Raises Unreadable for a header past the limits.
    """
    found: list[tuple[str, list[bytes]]] = []
    at = start
    while at < end:
        stop = raw.find(b"\n", at, end)
        stop = end if stop < 0 else stop + 1
        if stop - start > MOST_HEADER_BYTES or len(found) > MOST_FIELDS:
            raise Unreadable("The mail's header is far longer than that of any real mail, so it was not read.")
        line = raw[at:stop].rstrip(b"\r\n")
        match = FIELD.match(line)
        if not line.strip(b"\r"):
            return _unfolded(found), stop
        if match:
            found.append((match.group(1).decode("ascii").lower(), [line[match.end() :]]))
        elif found and (line[:1] in (b" ", b"\t") or _goes_on(raw, stop, end)):
            found[-1][1].append(line)
        elif not found and at == start and line.startswith((b"From ", b">From ")):
            start = stop  # the line that a mailbox file puts before each mail
        else:
            return _unfolded(found), at
        at = stop
    return _unfolded(found), end


def _goes_on(raw: bytes, at: int, end: int) -> bool:
    """Whether a well-known field stands in one of the next three lines, before a blank one."""
    for _ in range(3):
        stop = raw.find(b"\n", at, min(end, at + 2_000))
        if stop < 0 or not raw[at:stop].strip():
            return False
        if KNOWN.match(raw, at):
            return True
        at = stop + 1
    return False


def _unfolded(found: list[tuple[str, list[bytes]]]) -> list[tuple[str, str]]:
    return [
        (name, decode(b" ".join(line.strip(b" \t\r") for line in lines)[:MOST_FIELD]).replace("\n", " ").strip())
        for name, lines in found
    ]


def decoded(pairs: list[tuple[str, str]]) -> Headers:
    """The fields as people read them."""
    return tuple((name, value if name in VERBATIM else words(value)) for name, value in pairs)


def first(pairs: list[tuple[str, str]], name: str) -> str:
    return next((value for key, value in pairs if key == name), "")


def words(value: str) -> str:
    """RFC 2047, leniently: also inside quotes and words; neighbours of one charset are decoded together."""
    if "=?" not in value:
        return _line(value)
    out: list[str] = []
    held, charset, at = b"", "", 0
    for match in ENCODED.finditer(value):
        between = value[at : match.start()]
        content = _word(match.group(2), match.group(3))
        if held and (between.strip() or match.group(1).lower() != charset):
            out.append(decode(held, charset))
            held = b""
        if between.strip() or not at:
            out.append(between)
        held, charset, at = held + content, match.group(1).lower(), match.end()
    out += [decode(held, charset) if held else "", value[at:]]
    return _line("".join(out))


def _word(encoding: str, text: str) -> bytes:
    if encoding in "qQ":
        return binascii.a2b_qp(text.encode("utf-8", "replace"), header=True)
    letters = re.sub(r"[^A-Za-z0-9+/]", "", text)
    letters = letters[:-1] if len(letters) % 4 == 1 else letters
    return binascii.a2b_base64(letters + "=" * (-len(letters) % 4))


def _line(value: str) -> str:
    return re.sub(r"[\s\x85\u2028\u2029]+", " ", INVISIBLE.sub("", clean(value))).strip()


PARAMETER = re.compile(r"""[;\s]\s*([^\s=;"()]{1,80})\s*=\s*(?:"((?:[^"\\]|\\.)*)"?|([^;]*))""", re.DOTALL)


def parameters(value: str) -> tuple[str, dict[str, str]]:
    """`text/plain; charset=x` -> its lower-case first word, and its parameters: RFC 2231, RFC 2047, or both mixed."""
    plain: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[str, bool]]] = {}
    value = re.sub(r"\s+", " ", value)
    for match in PARAMETER.finditer(value):
        name, quoted, bare = match.group(1).lower(), match.group(2), match.group(3)
        text = re.sub(r'\\(["\\])', r"\1", quoted) if quoted is not None else bare.strip()
        base, star, rest = name.partition("*")
        if not star:
            plain.setdefault(base, words(text))
            continue
        number = re.fullmatch(r"(\d{0,3})(\*?)", rest)
        if number:
            encoded = rest == "" or bool(number.group(2))
            pieces.setdefault(base, {}).setdefault(int(number.group(1) or 0), (text, encoded))
    for base, numbered in pieces.items():
        plain[base] = _joined([numbered[key] for key in sorted(numbered)])
    return re.split(r"[;\s(]", value.strip(), maxsplit=1)[0].strip("\"'").lower(), plain


def _joined(pieces: list[tuple[str, bool]]) -> str:
    """RFC 2231: `utf-8'en'%e2%82%ac`, in numbered pieces; the first says the charset."""
    charset, content = "", b""
    for index, (text, encoded) in enumerate(pieces):
        if index == 0 and encoded and text.count("'") >= 2:
            charset, _, text = text.split("'", 2)
        content += unquote_to_bytes(text) if encoded else text.encode("utf-8", "replace")
    return words(decode(content, charset))


def message_ids(value: str) -> tuple[str, ...]:
    """The message ids of a field, in order and without brackets: whatever else stands around and between them.

    Of too many the first and the last are kept: where the thread began, and what was answered.
    """
    value = re.sub(r"\([^()<>@]{0,200}\)", " ", value)
    found = []
    for match in re.finditer(r"<([^<>]{1,1200})>|([^\s<>,;()\"]+)", value):
        each = re.sub(r"\s+", "", match.group(1) or match.group(2))
        if each and (match.group(1) or "@" in each) and len(each) <= MOST_ID and each not in found[-MOST_IDS:]:
            found.append(each)
    return tuple(found if len(found) <= MOST_IDS else [found[0], *found[1 - MOST_IDS :]])
