"""The likeliest charset of words that name none, or a wrong one: by which letters they come out as."""

import re

SAMPLE = 4_000  # bytes that are looked at
LATIN = 0.3  # of the letters: with fewer beyond ASCII it is a Latin alphabet
SURE = 0.75  # of the letters beyond ASCII that have to be common ones

KANA = re.compile("[\u3040-\u30ff\u3001\u3002\uff01-\uff1f\u4e00-\u9fa0]")
# Their letters and signs, and the ten commonest: among charsets in which all bytes are letters those decide.
SCRIPTS = {
    "cp1251": (re.compile("[\u0410-\u044f\u0401\u0451\u2013\u2014\u00ab\u00bb\u2116\u2019]"), "оеаинтсрвл"),
    "koi8-r": (re.compile("[\u0410-\u044f\u0401\u0451]"), "оеаинтсрвл"),
    "cp1253": (re.compile("[\u0386-\u03ce\u2013\u2019\u00ab\u00bb]"), "αοιετσνηρπ"),
    "cp1255": (re.compile("[\u05d0-\u05ea\u2013\u2019]"), "יוהלאתרבמש"),
    "cp1256": (re.compile("[\u0621-\u0652\u060c\u061b\u061f]"), "اليمنوترفع"),
    "cp874": (re.compile("[\u0e01-\u0e5b]"), "านรอกเงมยล"),
}
USUAL = 0.3  # what a letter of two bytes counts in the place of the commonest ones


def likeliest(raw: bytes) -> str:
    """The codec; cp1252 where nothing speaks for another one."""
    sample = raw[:SAMPLE]
    high = sum(byte > 0x7F for byte in sample)
    letters = sum(chr(byte).isalpha() for byte in sample if byte < 0x80)
    if high < 6 or high < LATIN * (high + letters):
        return "cp1252"
    scored = [(_score(sample, codec), codec) for codec in ("cp949", "cp932", "euc_jp", "gb18030", "big5", *SCRIPTS)]
    best, codec = max(scored, key=lambda each: each[0])
    return codec if best >= SURE else "cp1252"


def _score(sample: bytes, codec: str) -> float:
    """The share of the letters beyond ASCII that people of that script write most."""
    # The sample's end may have cut a letter of two bytes.
    text = sample.decode(codec, "ignore" if len(sample) == SAMPLE else "replace")
    foreign = [each for each in text if each > "\x7f"]
    if not foreign:
        return 0.0
    if codec in SCRIPTS:
        letters, commonest = SCRIPTS[codec]
        likely = sum(bool(letters.match(each)) for each in foreign) / len(foreign)
        if likely < SURE:
            return 0.0
        # Small letters or capitals: the one Cyrillic charset has the small ones where the other has capitals.
        return (
            likely
            + max(sum(each in commonest for each in foreign), 0.9 * sum(each in commonest.upper() for each in foreign))
            / len(foreign)
            * 0.5
        )
    if codec in ("cp932", "euc_jp"):
        kana = sum("\u3040" <= each <= "\u30ff" for each in foreign)
        likely = sum(bool(KANA.match(each)) for each in foreign) / len(foreign)
        return likely + (2 * USUAL if kana * 5 > len(foreign) else -1)
    common = 0
    for each in foreign:
        lead = each.encode(codec, "ignore")[:1]
        if codec == "gb18030":  # level 1: the 3,755 commonest, and the punctuation
            common += b"\xb0" <= lead <= b"\xd7" or lead in (b"\xa1", b"\xa3")
        elif codec == "big5":  # level 1: the 5,401 commonest
            common += b"\xa4" <= lead <= b"\xc6" or lead == b"\xa1"
        else:
            common += b"\xb0" <= lead <= b"\xc8" or lead in (b"\xa1", b"\xa3")
    return common / len(foreign) + (USUAL if common >= SURE * len(foreign) else -1)
