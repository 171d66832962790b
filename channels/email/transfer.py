"""Transfer encodings undone, also where they were done badly."""

import binascii
import re

LITERAL = re.compile(rb"[^\sA-Za-z0-9+/=]|[A-Za-z,.] [A-Za-z]")  # no base64: a stranger's character, words
BLANKS = re.compile(rb"=[ \t]{1,80}(?=\r?\n)")  # before a soft line break, where none may stand
MOST_PIECES = 1_000  # of base64 put one after the other, as some list servers do


def undone(raw: bytes, start: int, end: int, encoding: str, *, text: bool) -> bytes:
    """The content of raw[start:end]. Never raises: what cannot be undone is taken as it stands.

    `text`: the content is for reading, so a footer that a list appended to base64 is kept as words.
    """
    encoding = encoding.strip().strip("\"'").lower()
    if encoding.startswith("base64"):
        return _base64(raw, start, end, text=text)
    if encoding.startswith("quoted"):
        return _quoted(raw[start:end])
    if re.match(r"(x-)?(uu|uue|uuencode)\b", encoding):
        return _uuencoded(raw[start:end])
    return raw[start:end]


def _base64(raw: bytes, start: int, end: int, *, text: bool) -> bytes:
    padding = raw.find(b"=", start, end)
    if not text or end - start > 5_000_000:
        # No copy of a large file but its content: what stands after the padding is seldom more than a line end.
        if padding < 0 or end - padding < 100:
            return _letters(memoryview(raw)[start:end])
        return b"".join(_letters(each) for each in re.split(rb"=+", raw[start:end], maxsplit=MOST_PIECES))
    content = raw[start:end]
    head = content[: padding - start if padding >= 0 else len(content)][:10_000].strip()
    if sum(map(len, LITERAL.findall(head))) * 10 > len(head):
        return content  # said to be base64, and is plain words
    out = []
    for number, piece in enumerate(re.split(rb"=+", content, maxsplit=MOST_PIECES)):
        out.append(piece if number and LITERAL.search(piece) else _letters(piece))
    return b"".join(out)


def _letters(piece: bytes | memoryview) -> bytes:
    try:
        return binascii.a2b_base64(piece)
    except binascii.Error:
        letters = re.sub(rb"[^A-Za-z0-9+/]", b"", piece)
        if len(letters) % 4 == 1:
            letters = letters[:-1]
        return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))


def _quoted(content: bytes) -> bytes:
    if BLANKS.search(content):
        content = BLANKS.sub(b"=", content)
    return binascii.a2b_qp(content)


def _uuencoded(content: bytes) -> bytes:
    found = re.search(rb"(?m)^begin [0-7]{3,4} .*$", content)
    if not found:
        return content
    out = bytearray()
    for each in re.compile(rb"[^\r\n]+").finditer(content, found.end()):
        line = each.group()
        if line.strip() == b"end":
            break
        try:
            out += binascii.a2b_uu(line)
        except binascii.Error:
            # Trailing rubbish: as many characters as the line's first one promises.
            size = ((line[0] - 32) & 63) * 4 + 5 if line else 0
            try:
                out += binascii.a2b_uu(line[: size // 3])
            except binascii.Error:
                continue
    return bytes(out)
