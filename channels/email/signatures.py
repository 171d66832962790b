"""Where a person's words end and the signature begins: delimiters, valedictions, phones' lines, disclaimers (pure)."""

import re
from collections.abc import Sequence

from channels.email.closings import (
    AND,
    CURT,
    DEVICE,
    DISCLAIMER_OPENING,
    FROM,
    GET,
    LIST,
    LIST_FOOTER,
    MAIL,
    MINE,
    POLITE,
    PROGRAM,
    RECIPIENT,
    REGARDS,
    SECRET,
    SMALL,
    THANKS,
)
from channels.email.history import LOOK, RULE, blank

MOST_LINES = 14  # of a signature below a valediction; a longer one is kept
MOST_BELOW_DELIMITER = 20
LOOK_BACK = 40  # lines from the end in which a valediction is looked for
MOST_TRIMS = 20  # disclaimers, footers and phones' lines below one another
LONGEST_PARAGRAPH = 4000  # characters of it that are looked at

DELIMITER = re.compile(r"\s{0,2}(?:--|—)[ \t\xa0]*$")
PHONE = re.compile(rf"(?:{FROM}).{{0,60}}?(?:{DEVICE}|{PROGRAM}\b)|{GET}")
JOKE = re.compile(r"Sent (?:from|via|with|using|by) (?:a|an|my) [^.,;:!?]{2,60}$")
EXCUSE = re.compile(r"typo|brev|excuse|pardon|Tippfehler|Kürze|entschuldig|errores|fautes|errori", re.IGNORECASE)

NAME = r"[^\W\d_a-zß-ÿ][\w.'’-]*"
BY = rf"{NAME}(?: {NAME}){{0,2}}"
REGARDED = re.compile(
    rf"[\s*_]{{0,3}}(?i:(?:(?:{THANKS}|{REGARDS}|{CURT}){AND})?(?:(?:{REGARDS})(?:[\s,.!;:~、。–-]{{1,6}}(?-i:{BY}))?|"
    rf"(?:{CURT})(?:,\s?(?-i:{BY}))?))[\s*_,.!;:~、。–-]{{0,6}}$"
)
THANKED = re.compile(rf"[\s*_]{{0,3}}(?i:{THANKS})[\s,.!;:~、。*_–-]{{0,6}}$")
THANKED_BY = re.compile(rf"[\s*_]{{0,3}}(?i:{THANKS})(?:[,.!–-]{{1,3}}\s?|\s){BY}\s*$")
DASHED_NAME = re.compile(rf"\s{{0,2}}(?:[-–—~]{{1,2}} ?){NAME}(?: {NAME}){{0,2}}\s*$")

CONTACT = re.compile(
    r"@|www\.|https?:|\b(?:tel|phone|fon|fax|mob(?:ile|il)?|cell|handy|тел)\b\W|\+\d{1,3}[ (\d]|[|·•]|\b(?:ltd|"
    r"inc|gmbh|llc|bv|ab|oy)\b",
    re.IGNORECASE,
)
LETTER = re.compile(r"[^\W_]")
POSTSCRIPT = re.compile(r"\s*(?:P\.?\s?P?\.?S\b|N\.?B\.?\s?:)", re.IGNORECASE)
ASKS = re.compile(r"[?？؟](?:\W|$)|[かのね]。|吗|嗎")
NUMBERED = re.compile(
    r"\b(?:order|invoice|case|ticket|customer|account|tracking|bestell|rechnung|kunden|auftrag|commande|facture|"
    r"pedido|factura|"
    r"ordine|fattura|bestelling|zamówien)\w*\b.*\d|^\W*\d[\d-]{0,8}\W*$|#\d",
    re.IGNORECASE,
)


def says(line: str) -> bool:
    """Whether a line below a valediction is more than a name, a position or an address: words that must be kept."""
    line = re.sub(r"https?:\S+", "", line[:LOOK]).strip()
    if POSTSCRIPT.match(line) or NUMBERED.search(line) or ASKS.search(line):
        return True
    words = line.split() if LETTER.search(line) else []
    small = [word for word in words if word[0].islower() and "@" not in word and word.strip(".,") not in SMALL]
    if CONTACT.search(line):
        return len(small) >= 4
    if len(small) >= 3 or (small and POLITE.match(line)):
        return True
    if len(words) >= 4 and line[-1] in ".!…" and len(words[-1]) > 4:
        return True
    wide = len(words) == 1 and not line.isascii()  # a script without blanks between words
    return len(words) >= 9 or (len(line) >= 10 and line[-1] in "。！요다") or (len(line) >= 20 and wide)


def tells(line: str) -> bool:
    """Whether a line below a mere "--" is said to us: more than `says`, for signatures hold mottoes too."""
    line = line[:LOOK].strip()
    return bool(NUMBERED.search(line) or POLITE.match(line) or (says(line) and len(line.split()) >= 8))


def paragraph(lines: Sequence[str], end: int) -> tuple[int, int]:
    """The last paragraph before `end`: its first line and the line after its last."""
    while end and blank(lines[end - 1]):
        end -= 1
    start = end
    while start and end - start < LOOK_BACK and not blank(lines[start - 1]):
        start -= 1
    return start, end


def sent_by_phone(line: str) -> bool:
    """ "Sent from my iPhone" and its likes, also as a joke; not a sentence about where something was sent from."""
    line = line.strip()
    if not line or len(line) > 160 or ASKS.search(line):
        return False
    head = re.split(r"[,;–]| - |[.!](?:\s|$)", line, maxsplit=1)
    rest = head[1].strip() if len(head) > 1 else ""
    if rest and not EXCUSE.search(rest):
        return False
    if len(head[0].split()) > 12:
        return False
    return bool(PHONE.match(head[0]) or JOKE.match(head[0]))


def opens_with_phone(line: str) -> bool:
    """Clear enough to be no part of the sentence on the line above."""
    line = line.strip()
    return line[0].isupper() and len(line.split()) <= 8 and PHONE.match(line) is not None


def boilerplate(text: str) -> bool:
    """A disclaimer or a line of a mail program: never a person's own words."""
    text = text[:LONGEST_PARAGRAPH]
    if DISCLAIMER_OPENING.match(text):
        return True
    if len(text) < 70 or ASKS.search(text) or MINE.search(text):
        return False
    return all(each.search(text) for each in (SECRET, RECIPIENT, MAIL))


def trim_end(lines: Sequence[str], cut: list[bool], end: int) -> int:
    """Cut what stands below a person's last words and is nobody's: disclaimers, phones' lines, list footers."""
    for _ in range(MOST_TRIMS):
        start, stop = paragraph(lines, end)
        if start == stop:
            return stop
        last = lines[stop - 1][:LOOK]
        rule = next((n for n in range(start, stop) if RULE.match(lines[n])), None)
        if boilerplate(" ".join(line.strip() for line in lines[start:stop])):
            end = start
        elif rule is not None and stop - rule <= 10 and LIST.search("\n".join(lines[rule:stop])[:LONGEST_PARAGRAPH]):
            end = rule
        elif stop - start <= 8 and LIST_FOOTER.match("\n".join(lines[start:stop])[:LONGEST_PARAGRAPH]):
            end = start
        elif (sent_by_phone(last) and (stop - 1 == start or opens_with_phone(last))) or RULE.match(last):
            end = stop - 1
        else:
            return stop
        cut[end:stop] = [True] * (stop - end)
    return end


def cut_signature(lines: Sequence[str], name: str, first: bool) -> list[bool]:
    """Which of a person's own lines are signature. `first`: nothing of theirs stands above, so words must come."""
    cut = [False] * len(lines)
    end = trim_end(lines, cut, len(lines))
    for n in range(max(0, end - LOOK_BACK), end):
        if DELIMITER.match(lines[n]):
            below = [line for line in lines[n + 1 : end] if not blank(line)]
            # Without its blank the delimiter may be a rule between two parts of what is said.
            more = not lines[n].endswith("-- ") and any(map(tells, below))
            if (
                len(below) <= MOST_BELOW_DELIMITER
                and not more
                and not any(ASKS.search(line[-4:]) for line in below[-1:])
            ):
                cut[n:end] = [True] * (end - n)
                end = trim_end(lines, cut, n)
                break
    start = valediction(lines, end, first)
    if start is not None:
        keep = False
        for n in range(start, end):
            keep = not blank(lines[n]) and (keep or (n > start and says(lines[n])))
            cut[n] = not keep
        return cut
    start, end = paragraph(lines, end)
    if start == end or (first and not any(map(LETTER.search, lines[:start]))):
        return cut
    before = next((line.strip() for line in reversed(lines[:start]) if not blank(line)), "")
    # "Please send it to:" asks for what stands below.
    asked_for = before.endswith((":", "："))
    if bears(lines[start], name) and not asked_for and not any(map(says, lines[start + 1 : end])):
        cut[start:end] = [True] * (end - start)
        trim_end(lines, cut, start)
    elif start == end - 1 and DASHED_NAME.match(lines[start][:LOOK]):
        listed = before.startswith(("-", "*", "–", "•"))
        if before and not (asked_for or listed or before.endswith(",")):
            cut[start] = True
            trim_end(lines, cut, start)
    return cut


def bears(line: str, name: str) -> bool:
    """Whether the line is the sender's name, or one part of it."""
    line, name = line.strip(" \t*_-–—~,.!").casefold(), name.casefold()
    return bool(line) and (line == name or (len(line) > 1 and line in name.replace(",", " ").split()))


def valediction(lines: Sequence[str], end: int, first: bool) -> int | None:
    """The line on which the last greeting stands, if a signature and nothing much else follows it."""
    opened = next((n for n in range(end) if not blank(lines[n])), end)
    for n in range(max(opened + 1 if first else opened, end - LOOK_BACK), end):
        line = lines[n][:LOOK]
        regards = len(line) < 120 and REGARDED.match(line)
        if not (regards or (len(line) < 80 and THANKED.match(line))):
            continue
        below = [each for each in lines[n + 1 : end] if not blank(each)]
        if below and says(below[0]):
            continue  # it goes on: "Thanks," and then what for
        named = below and len(below[0].split()) <= 5 and not any(word[0].islower() for word in below[0].split())
        if not regards and not named and not THANKED_BY.match(line):
            continue
        if sum(not says(each) for each in below) <= MOST_LINES:
            return n
    return None
