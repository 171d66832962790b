"""Bytes -> words: by the charset that was declared, or the likeliest one where that is wrong or missing."""

import codecs
import re

from channels.email.likeliest import likeliest

# What mail programs call them -> what Python calls them, or a wider one that senders mean.
MEANT = {
    "": "utf-8",
    "us-ascii": "utf-8",
    "ascii": "utf-8",
    "iso-8859-1": "cp1252",  # as browsers read it: 0x80-0x9f are curly quotes and dashes, never control characters
    "latin1": "cp1252",
    "latin-1": "cp1252",
    "iso-8859-9": "cp1254",
    "iso-8859-8-i": "cp1255",
    "iso-8859-8-e": "cp1255",
    "iso-8859-8": "cp1255",
    "iso-8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "big5": "big5hkscs",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "x-sjis": "cp932",
    "windows-31j": "cp932",
    "iso-2022-jp": "iso2022_jp_ext",
    "cp-850": "cp850",
    "unicode-1-1-utf-7": "utf-7",
    "utf8mb4": "utf-8",
}
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
# Characters that show nothing: breaking words up, padding, turning the direction of what stands in a name.
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e01ef]"
)
NO_TEXT = {"idna", "punycode", "undefined", "mbcs", "oem", "unicode_escape", "raw_unicode_escape"}


def decode(raw: bytes, charset: str = "") -> str:
    """Never raises; no control characters but tab and line end, no lone surrogates, lines end in \\n."""
    return clean(_words(raw, charset))


def clean(text: str) -> str:
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return CONTROL.sub("", text)


def _words(raw: bytes, charset: str) -> str:
    asked = _codec(charset)
    if b"\x1b$" in raw and asked in {"utf-8", "cp1252"}:
        asked = "iso2022_jp_ext"  # nobody writes an escape sequence but Japanese mail that lost its label
    order = [asked, "utf-8", "cp1252"]
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        order.insert(0, "utf-16")
    # Words beyond ASCII that are valid UTF-8 are UTF-8, whatever one-byte charset is declared: the other way round is
    # all but impossible.
    if asked not in {"utf-8", "utf-7", "iso2022_jp_ext"} and not raw.isascii():
        order.insert(0, "utf-8")
    if asked == "utf-8":
        order[-1] = likeliest(raw)
    for name in order:
        try:
            return raw.decode(name)
        except (UnicodeError, ValueError):
            continue
    # Nothing fits to the last byte. What begins as UTF-8 is UTF-8 that was cut or damaged.
    if asked == "utf-8" and len(raw.decode("utf-8", "ignore").encode("utf-8")) >= 0.9 * len(raw):
        return raw.decode("utf-8", "replace")
    return raw.decode(asked if asked != "utf-8" else order[-1], "replace")


def _codec(charset: str) -> str:
    name = charset.strip().strip("\"'").lower()
    name = MEANT.get(name, name)
    try:
        b"a".decode(name, "ignore")  # hex, rot13, zip and the like are codecs too, and not of words: that says so
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        return "utf-8"
    return "utf-8" if found.replace("-", "_") in NO_TEXT else found
