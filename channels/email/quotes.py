"""The new words of a reply, and what is not new in it: quoted history, what introduces it, signatures (pure).

A person's own words are new wherever they stand: above the quote, below it or between its lines. Lines marked as quoted
are cut, with one exception: an answer of a word or two ("> Which size?" and then "42") says nothing without the line it
answers, so that line stays. What is not marked as quoted is cut only below a header block or an attribution that no
one types by hand. In doubt words are kept, and a text that has words never becomes empty: where a person wrote
nothing themselves a mail they forward is the message, else their signature is, else the whole text. A mail forwarded
below words of their own is cut like any history.
"""

import re
from dataclasses import dataclass

from channels.email.history import QUOTED, Introduction, blank, following, introduction, page
from channels.email.signatures import cut_signature

DEEPEST_FORWARD = 3  # forwards of forwards that are opened
SHORT_WORDS, SHORT_LENGTH = 2, 20  # an answer no longer than this keeps the question it stands under
LONG_LINE = 66  # characters of a quoted line from which on a mail program may have broken it

MOST_STRETCHES = 50  # of own words between quoted lines that are searched for signatures
MOST_BULLETS = 10
MOST_CHARACTERS = 200_000  # of a text that are looked at: what is beyond goes where the last line went

LINE_END = re.compile(r"\r\n|\r|\n")
INITIALS = re.compile(r"\s{0,3}([A-Z](?:[a-z]{1,9}|[A-Z])?>)\s")
QUOTED_TWICE = re.compile(r"\s{0,3}>\s?>")
WORD = re.compile(r"\w|[^\s\x00-\u2fff]|[\u2600-\u27bf]|[:;]-?[()D]|\?")
STRAY_MARK = re.compile(r">(?:From |\d)")


@dataclass(frozen=True)
class Split:
    new: str  # the new words as a reader would name them
    cut: str  # what was left out, in order; "" if nothing was


def split(text: str, name: str = "") -> Split:
    """Tell the new words of a mail's text from what is quoted, forwarded or signed below them.

    `name` is the sender's, if the mail tells it: below their words it is a signature, and a name not known is none.
    """
    if len(text) <= MOST_CHARACTERS:
        return _split(text, name, DEEPEST_FORWARD)
    end = text.rfind("\n", 0, MOST_CHARACTERS) + 1 or MOST_CHARACTERS
    head, rest = _split(text[:end], name, DEEPEST_FORWARD), text[end:].strip()
    if head.cut and text[:end].rstrip().endswith(head.cut.rsplit("\n", 1)[-1]):
        return Split(head.new, f"{head.cut}\n{rest}")
    return Split(f"{head.new}\n{rest}", head.cut)


def _split(text: str, name: str, depth: int) -> Split:
    lines = LINE_END.split(text)
    quoted = marked_as_quoted(lines)
    old, forward = history(lines, quoted)
    own = [not each for each in old]
    new = [mine and not signed for mine, signed in zip(own, signatures(lines, old, name), strict=True)]
    if not has_words(lines, new):
        passed_on = forwarded(lines, forward, depth)
        return passed_on or (made(lines, own) if has_words(lines, own) else Split(text.strip(), ""))
    keep_questions(lines, quoted, new)
    return made(lines, new)


def marked_as_quoted(lines: list[str]) -> list[bool]:
    quoted = [bool(QUOTED.match(line)) for line in lines]
    initials = [found.group(1) if (found := INITIALS.match(line)) else "" for line in lines]
    for n in range(len(lines)):
        before, after = (n > 0 and quoted[n - 1]), (n + 1 < len(lines) and quoted[n + 1])
        if quoted[n] and STRAY_MARK.match(lines[n]) and not (before or after):
            quoted[n] = False  # ">50 pieces", or "From" as mail servers escape it
        elif initials[n] and initials[n] in (initials[n - 1 : n] + initials[n + 1 : n + 2]):
            quoted[n] = True
        else:
            quoted[n] = quoted[n] or (before and after and remnant(lines[n - 1], lines[n]))
    return quoted


def remnant(above: str, line: str) -> bool:
    """The end of a quoted line that a mail program broke without marking it."""
    above, line = above.rstrip(), line.strip()
    return len(above) >= LONG_LINE and above[-1] not in ".?!:" and 0 < len(line) <= 30 and line[0].islower()


def history(lines: list[str], quoted: list[bool]) -> tuple[list[bool], Introduction | None]:
    """Which lines are quoted or introduce what is, and the first introduction of a forwarded mail."""
    text, old, forward = page(lines, quoted), list(quoted), None
    at = 0
    while at < len(lines):
        found = None if quoted[at] or blank(lines[at]) else introduction(text, at)
        if not found:
            if quoted[at] and at and not old[at - 1] and lines[at - 1].rstrip().endswith((":", "：")):
                at = bullets(lines, quoted, old, at)
            at += 1
            continue
        below = following(lines, found.end)
        old[found.start : found.end] = [True] * (found.end - found.start)
        forward = forward or (found if found.forward else None)
        if found.certain and not (below < len(lines) and quoted[below]):
            old[found.start :] = [True] * (len(lines) - found.start)
            break
        at = found.end
    return old, forward


def bullets(lines: list[str], quoted: list[bool], old: list[bool], at: int) -> int:
    """Lines marked with ">" right under "I want:" are a person's own list: keep them, and give the last one's place."""
    end = at
    while end < len(lines) and quoted[end]:
        end += 1
    if end - at <= MOST_BULLETS and not any(QUOTED_TWICE.match(line) for line in lines[at:end]):
        old[at:end] = [False] * (end - at)
    return end - 1


def signatures(lines: list[str], old: list[bool], name: str) -> list[bool]:
    """The signatures among a person's own lines: at the end of each stretch of them."""
    stretches: list[tuple[int, int]] = []
    at = 0
    while at < len(lines):
        end = at
        while end < len(lines) and old[end] == old[at]:
            end += 1
        if not old[at] and not all(map(blank, lines[at:end])):
            stretches.append((at, end))
        at = end
    signed = [False] * len(lines)
    for n, (at, end) in enumerate(stretches):
        if n < MOST_STRETCHES or n == len(stretches) - 1:
            signed[at:end] = cut_signature(lines[at:end], name, first=n == 0)
    return signed


def forwarded(lines: list[str], forward: Introduction | None, depth: int) -> Split | None:
    """A mail passed on without a word: what it says is the message."""
    if not forward or not depth:
        return None
    start = forward.end
    while start < len(lines) and not lines[start].strip("> \t"):
        start += 1
    inner = _split("\n".join(lines[start:]), "", depth - 1)
    return Split(inner.new, tidy([*lines[:start], *inner.cut.split("\n")])) if inner.new else None


def keep_questions(lines: list[str], quoted: list[bool], new: list[bool]) -> None:
    """Give an answer too short to stand alone the quoted line that it answers."""
    above: int | None = None
    at = 0
    while at < len(lines):
        if blank(lines[at]):
            at += 1
        elif quoted[at]:
            above = at if lines[at].strip("> \t|") else above
            at += 1
        else:
            end = at
            while end < len(lines) and not quoted[end]:
                end += 1
            answer = " ".join(line.strip() for n, line in enumerate(lines[at:end], at) if new[n])
            short = len(answer) <= SHORT_LENGTH and 0 < len(answer.split()) <= SHORT_WORDS
            if short and above is not None and lines[above].rstrip().endswith(("?", "？")):
                new[above] = True
                for n in (above - 1, above - 2):
                    if n < 0 or not quoted[n] or not lines[n].strip("> \t|") or lines[n].rstrip()[-1] in ".?!:,？。":
                        break
                    new[n] = True
            above, at = None, end


def has_words(lines: list[str], chosen: list[bool]) -> bool:
    """Whether anything is said in them: a letter, a figure or a picture sign, but no mere rules and dashes."""
    return any(each and WORD.search(line) for line, each in zip(lines, chosen, strict=True))


def made(lines: list[str], new: list[bool]) -> Split:
    kept: list[str] = []
    for n, line in enumerate(lines):
        if new[n]:
            kept.append(line)
        elif kept and not blank(kept[-1]) and not blank(line):
            kept.append("")  # where something was taken out a paragraph ends
    return Split(tidy(kept), tidy([line for n, line in enumerate(lines) if not new[n] or blank(line)]))


def tidy(lines: list[str]) -> str:
    """The lines without the blank ones around them, and never more than two of those in a row."""
    out: list[str] = []
    for line in lines:
        if not blank(line) or out[-2:] != ["", ""]:
            out.append("" if blank(line) else line.rstrip())
    return "\n".join(out).strip("\n")
