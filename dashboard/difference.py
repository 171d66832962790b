"""What changed between two texts, line by line and in the lines word by word (pure)."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from knowledge.embedding import Content

#: Lines that are the same are shown this far around a change.
AROUND = 2
#: Words of a line times words of the other, past which a changed line is shown as changed in whole.
MOST_PAIRS = 400_000
#: Lines of a text times lines of the other, past which what is between their common ends is told as changed in whole.
MOST_LINE_PAIRS = 4_000_000
#: The same for a stretch of changed lines, whose lines are then not matched with each other.
MOST_LINES = 40


@dataclass(frozen=True)
class Line:
    """`kind`: same | removed | added | gap. `parts`: (words, whether just these changed)."""

    kind: str
    parts: tuple[tuple[str, bool], ...] = ()
    hidden: int = 0  # lines left out in a gap

    @property
    def text(self) -> str:
        return "".join(words for words, _ in self.parts)


@dataclass(frozen=True)
class Change:
    """One part of an article that is not the same in both."""

    name: str
    lines: list[Line]


def between(old: Content, new: Content) -> list[Change]:
    """What of the article changed, each part by its name; nothing where both are the same."""
    pairs = (
        ("Title", old.title, new.title),
        ("Topic", old.topic, new.topic),
        ("Customers ask this as", "\n".join(old.phrases), "\n".join(new.phrases)),
        ("Text", old.body, new.body),
    )
    return [Change(name, lines(before, after)) for name, before, after in pairs if before != after]


def lines(old: str, new: str) -> list[Line]:
    """Both texts as one, with what was removed and what was added; long stretches of the same are left out."""
    before, after = old.splitlines(), new.splitlines()
    start, end = _common(before, after), 0
    if start < min(len(before), len(after)):
        end = min(_common(before[::-1], after[::-1]), len(before) - start, len(after) - start)
    middle = before[start : len(before) - end], after[start : len(after) - end]
    told = [_same(line) for line in before[:start]]
    if len(middle[0]) * len(middle[1]) > MOST_LINE_PAIRS:
        told += _replaced(*middle)
    else:
        # Empty lines are everywhere: where there are many, they are not what a line is found again by.
        for tag, a, b, c, d in SequenceMatcher(None, *middle).get_opcodes():
            told += map(_same, middle[0][a:b]) if tag == "equal" else _replaced(middle[0][a:b], middle[1][c:d])
    told += [_same(line) for line in before[len(before) - end :]]
    return list(_shortened(told))


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many lines both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (mine, theirs) in pairs if mine != theirs), min(len(one), len(other)))


def _same(line: str) -> Line:
    return Line("same", ((line, False),))


def _replaced(before: Sequence[str], after: Sequence[str]) -> Iterator[Line]:
    """A stretch that changed: lines that are alike are told as a pair, so that their words can be compared."""
    if max(len(before), len(after)) > MOST_LINES:
        yield from (Line("removed", ((line, True),)) for line in before)
        yield from (Line("added", ((line, True),)) for line in after)
        return
    removed: list[Line] = []
    added: list[Line] = []
    left = list(after)
    for line in before:
        pair = next((each for each in left if _alike(line, each)), None) if line.strip() else None
        if pair is None:
            removed.append(Line("removed", ((line, True),)))
            continue
        # Everything of the other text up to the line it is paired with comes first, so that the order stays.
        while left[0] != pair:
            added.append(Line("added", ((left.pop(0), True),)))
        left.pop(0)
        old_parts, new_parts = _words(line, pair)
        yield from removed
        yield from added
        removed, added = [], []
        yield Line("removed", old_parts)
        yield Line("added", new_parts)
    yield from removed
    yield from added
    yield from (Line("added", ((line, True),)) for line in left)


def _alike(one: str, other: str) -> bool:
    mine, theirs = set(one.casefold().split()), set(other.casefold().split())
    return len(mine & theirs) * 2 >= max(len(mine), len(theirs), 1)


def _words(old: str, new: str) -> tuple[tuple[tuple[str, bool], ...], tuple[tuple[str, bool], ...]]:
    before, after = re.findall(r"\w+|\s+|[^\w\s]", old), re.findall(r"\w+|\s+|[^\w\s]", new)
    if len(before) * len(after) > MOST_PAIRS:
        return ((old, True),), ((new, True),)
    removed: list[tuple[str, bool]] = []
    added: list[tuple[str, bool]] = []
    for tag, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        removed.append(("".join(before[a:b]), tag != "equal"))
        added.append(("".join(after[c:d]), tag != "equal"))
    return tuple(part for part in removed if part[0]), tuple(part for part in added if part[0])


def _shortened(told: Sequence[Line]) -> Iterator[Line]:
    near = {
        place for at, line in enumerate(told) if line.kind != "same" for place in range(at - AROUND, at + AROUND + 1)
    }
    hidden = 0
    for at, line in enumerate(told):
        if at in near:
            if hidden:
                yield Line("gap", hidden=hidden)
            hidden = 0
            yield line
        else:
            hidden += 1
    if hidden:
        yield Line("gap", hidden=hidden)
