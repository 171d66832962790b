"""What a customer reads on WhatsApp: the words of a reply, and the messages that a long one is sent as (pure).

The words go out exactly as they are. WhatsApp makes *bold*, _italic_, ~struck~ and `code` only of marks with a space or
punctuation outside them: an order A_1_B and a sum of 5*3*2 arrive as they were written. Where it does take a mark for
its own, the words still stand; invisible characters against that would stay in what a customer copies.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate

import regex

from channels.base import Outbound, Source, TooLong

#: Of one message (Twilio: 21617 above it). Twilio says that some characters count more than once, and counts like
#: JavaScript and Java at the least: an emoji is two.
LIMIT = 1600
MOST_PARTS = 3
#: What a person may type: three messages that end where sentences do, each with the person's name.
MOST_TYPED = 4_500
TOO_LONG = f"WhatsApp takes at most three messages of {LIMIT:,} characters each. Shorten this to {MOST_TYPED:,}."
TOO_LONG_LINK = f"A link in this is longer than a message on WhatsApp may be ({LIMIT:,} characters). Shorten the link."

#: Of sources: they are there to be read on, and must leave room for the answer.
LONGEST_TITLE, LONGEST_URL, MOST_OF_SOURCES = 120, 700, 900
GAP = "\n\n"

LINK = re.compile(r"(?:https?://|www\.)[^\s<>\"、。！？，]+", re.IGNORECASE)
URL = re.compile(r"https?://[^\s<>\"]+")
SENTENCE_END = re.compile(r"[.!?…؟۔।]+[\"')\]»”’]*$")
WIDE_END = re.compile(r"[。！？．]+[」』”’）)]*$")
NUMBERED = re.compile(r"(?:^|\n)[ \t]*(?:[0-9]{1,3}|\w)[.)]$")
NO_BREAK = "\u00a0\u202f\u2007"
#: How full a message must be, at least, before it may end so early for the sake of a sentence. The first that does with
#: the fewest messages is taken.
FILLED = (0.3, 0.6, 0.85, 1.0)


def render(outbound: Outbound) -> str:
    """All that the customer reads: who answers, the words, and where to read on."""
    head = f"{outbound.name}:\n" if outbound.author == "person" and outbound.name else ""
    return GAP.join(part for part in (outbound.disclosure, head + outbound.text, _sources(outbound.sources)) if part)


def split(outbound: Outbound) -> Sequence[Outbound]:
    """The messages it is sent as: the fewest, ending where sentences do if they can. Raises TooLong."""
    if outbound.purpose or length(render(outbound)) <= LIMIT:
        return (outbound,)
    around = length(render(replace(outbound, text="", disclosure="", sources=())))
    first = length(outbound.disclosure + GAP) if outbound.disclosure else 0
    last = length(GAP + _sources(outbound.sources)) if outbound.sources else 0
    if length(outbound.text) > MOST_PARTS * LIMIT:
        raise TooLong(TOO_LONG)
    words = _Words(outbound.text.strip())
    for count in range(2, MOST_PARTS + 1):
        room = [LIMIT - around] * count
        room[0] -= first
        room[-1] -= last
        for filled in FILLED:
            if parts := words.cut(room, filled):
                return [
                    replace(
                        outbound,
                        text=text,
                        disclosure="" if number else outbound.disclosure,
                        sources=outbound.sources if number == count - 1 else (),
                    )
                    for number, text in enumerate(parts)
                ]
    raise TooLong(TOO_LONG_LINK if any(length(each) > LIMIT - around - first for each in words.links) else TOO_LONG)


def length(text: str) -> int:
    """How much of a message it takes, in UTF-16 units."""
    return len(text) + sum(character > "\uffff" for character in text)


def _sources(sources: Sequence[Source]) -> str:
    """Where to read on, as many as there is room for."""
    lines: list[str] = []
    for each in sources:
        url = each.url if URL.fullmatch(each.url) and length(each.url) <= LONGEST_URL else ""
        title = _shortened(" ".join(each.title.split()))
        line = f"Read more: {title}\n{url}" if url else f"Read more: {title}"
        if length("\n".join([*lines, line])) > MOST_OF_SOURCES:
            break
        lines.append(line)
    return "\n".join(lines)


def _shortened(title: str) -> str:
    if len(title) <= LONGEST_TITLE:
        return title
    cut = "".join(regex.findall(r"\X", title[:LONGEST_TITLE])[:-1])
    return f"{cut.rstrip()}…"


class _Words:
    """A text as what readers see as characters (graphemes): an emoji of many parts, a flag, an accented letter."""

    def __init__(self, text: str) -> None:
        self.signs: list[str] = regex.findall(r"\X", text)
        self.links = [found[0] for found in LINK.finditer(text)]
        self.ends = list(accumulate(length(each) for each in self.signs))  # where each ends, in units
        starts = {at: number for number, at in enumerate(accumulate(map(len, self.signs), initial=0))}
        self.within: set[int] = set()  # places inside a link
        for found in LINK.finditer(text):
            inside = (starts.get(at) for at in range(found.start() + 1, found.end()))
            self.within.update(at for at in inside if at is not None)

    def cut(self, room: Sequence[int], filled: float) -> list[str]:
        """The text in as many parts as `room` has; empty if it does not go in."""
        parts, start = [], 0
        for number, units in enumerate(room):
            end = self._reach(start, units)
            if number < len(room) - 1:
                # What comes after must have something to say as well.
                end = self._end(start, min(end, len(self.signs) - 1), filled)
            elif end < len(self.signs):
                return []
            if end <= start:
                return []
            parts.append("".join(self.signs[start:end]))
            start = end
            while start < len(self.signs) and self.signs[start].isspace():
                start += 1
        return [] if start < len(self.signs) or not all(parts) else parts

    def _reach(self, start: int, units: int) -> int:
        """How far `units` reach from `start` on."""
        before = self.ends[start - 1] if start else 0
        end = start
        while end < len(self.signs) and self.ends[end] - before <= units:
            end += 1
        return end

    def _end(self, start: int, furthest: int, filled: float) -> int:
        """The best place to end at: after a sentence, else a line, else a word, else wherever nothing breaks."""
        least = start + round((furthest - start) * filled)
        gaps = [at for at in range(furthest, start, -1) if self._between_words(at)]
        places = [at for at in gaps if self.signs[at] not in NO_BREAK]
        for good in (self._after_sentence, self._after_line):
            for at in places:
                if at >= least and good(start, at):
                    return at
        wide = (at for at in range(furthest, max(start, least - 1), -1) if self._after_wide(start, at))
        for at in (*wide, *places, *gaps):
            return at
        return next((at for at in range(furthest, start, -1) if at not in self.within), start)

    def _between_words(self, at: int) -> bool:
        after, before = self.signs[at], self.signs[at - 1]
        return after.isspace() and not before.isspace()

    def _before(self, start: int, at: int) -> str:
        return "".join(self.signs[max(start, at - 12) : at])

    def _after_sentence(self, start: int, at: int) -> bool:
        before = self._before(start, at)
        ends = SENTENCE_END.search(before) or WIDE_END.search(before)
        return bool(ends) and not NUMBERED.search(before)

    def _after_line(self, start: int, at: int) -> bool:
        return "\n" in "".join(self._spaces(at))

    def _spaces(self, at: int) -> Iterator[str]:
        while at < len(self.signs) and self.signs[at].isspace():
            yield self.signs[at]
            at += 1

    def _after_wide(self, start: int, at: int) -> bool:
        """After a sentence of a script that puts no space there."""
        return at not in self.within and bool(WIDE_END.search(self._before(start, at)))
