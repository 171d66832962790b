"""How a passage is laid out: which sentence stands on which line, under which heading, and what is a list (pure)."""

import re
from dataclasses import dataclass
from functools import lru_cache

from knowledge.passage import Passage

_DANGLING = re.compile(
    r"^(?:this|that|these|those|it|its|they|their|them|such|however|also|but|and|or|so|then|therefore|thus|hence|"
    r"otherwise|instead|in (?:this|that|such|both|either|these|those) \w+|in addition|additionally|furthermore"
    r"|moreover|"
    r"besides|likewise|similarly|the (?:same|latter|former|above|following|other|rest)|both|either|neither|he|she"
    r"|his|her|"
    r"if (?:so|not|it|they|this|that)\b|after (?:this|that)|as above|see above|note that this|for (?:this|that) reason|"
    r"because of this|to do (?:this|so)|for example|for instance|again|here|there,|yes\b|no,)(?=[\s,.:;'’]|$)",
    re.IGNORECASE,
)
# "It is free to ..." and "There is" begin sentences that lean on nothing; "That is" does.
_FREE = re.compile(
    r"^(?:it (?:is|'s) (?:possible|free|important|not possible|best)\b|both \w+ and\b|either \w+ or\b)", re.I
)
#: What steps begin with.
IMPERATIVE = frozenset(
    """
    add agree allow ask attach boil bring brush call cancel change check choose clean clear click close complete
    confirm connect contact copy create cut delete describe detach dissolve download drop dry email empty enter fill
    find fit follow give go grind hand hold insert keep let lift log look mail make mark mix move note open pack
    pause pay pick place plug pour press print provide pull push put read remove repeat replace reply reset restart
    return rinse run save scan screw scroll select send set shake sign skip slide soak start stop submit switch take
    tap tell tick touch turn type unplug unscrew update upload use visit wait wash weigh wipe write
    """.split()
)


@dataclass(frozen=True)
class Laid:
    """The sentences of a passage; `lines` and `headings` tell of each where it stands."""

    sentences: tuple[str, ...]
    lines: tuple[int, ...]
    headings: tuple[str, ...]

    def introduces(self, place: int) -> bool:
        """Whether a sentence only leads to the list below it."""
        return self.sentences[place].endswith(":")

    def items(self, place: int) -> list[int]:
        """The places of the list that the sentence at `place` introduces."""
        found: list[int] = []
        for after in range(place + 1, len(self.sentences)):
            if self.headings[after] != self.headings[place] or not self._alone(after) or self.introduces(after):
                break
            found.append(after)
        return found

    def steps(self, place: int) -> list[int]:
        """The places of the list of steps that the sentence at `place` is one of; empty if it is none."""
        if not self._step(place):
            return []
        first, last = place, place
        while first > 0 and self._step(first - 1) and self.headings[first - 1] == self.headings[place]:
            first -= 1
        while (
            last + 1 < len(self.sentences) and self._step(last + 1) and self.headings[last + 1] == self.headings[place]
        ):
            last += 1
        return list(range(first, last + 1)) if last > first else []

    def _step(self, place: int) -> bool:
        first = re.match(r"[A-Za-z]+", self.sentences[place])
        imperative = bool(first) and first[0].lower() in IMPERATIVE
        conditional = re.match(r"(?:when|once|if|after|before)\b[^,]+, (\w+)", self.sentences[place], re.IGNORECASE)
        return self._alone(place) and (imperative or (bool(conditional) and conditional[1].lower() in IMPERATIVE))

    def _alone(self, place: int) -> bool:
        return self.lines.count(self.lines[place]) == 1


def lay_out(passage: Passage) -> Laid:
    """Find each sentence's line. A line of the text that holds no sentence is a heading of a section joined on."""
    return _lay_out(passage.text, passage.heading, tuple(sentence.text for sentence in passage.sentences))


@lru_cache(maxsize=2_048)
def _lay_out(text: str, heading: str, sentences: tuple[str, ...]) -> Laid:
    """A passage is laid out alike for every question."""
    lines = text.split("\n")
    numbers: list[int] = []
    headings: list[str] = []
    line, offset = 0, 0
    for sentence in sentences:
        at, start, title = line, offset, heading
        while at < len(lines):
            place = lines[at].find(sentence, start)
            if place >= 0:
                line, offset, heading = at, place + len(sentence), title
                break
            if start == 0 and lines[at].strip():
                title = lines[at].strip()
            at, start = at + 1, 0
        numbers.append(line)
        headings.append(heading)
    return Laid(sentences, tuple(numbers), tuple(headings))


def dangles(sentence: str) -> bool:
    """Whether a sentence leans on one before it."""
    return bool(_DANGLING.match(sentence)) and not _FREE.match(sentence)
