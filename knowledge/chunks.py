"""Markdown to plain sections, sections to chunks of about 200 words, chunks to sentences (pure)."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

from markdown_it import MarkdownIt

from knowledge import sentences

# The embedder reads 256 tokens, which 200 words of plain English stay under.
MAX_WORDS = 200
# Each further chunk of a long section begins with the end of the one before.
OVERLAP_WORDS = 40
# A section shorter than this is read together with the next one.
SHORT_WORDS = 60
# Text without blanks (a long address, Chinese) counts by its letters.
LETTERS_PER_WORD = 8

_BLOCK = re.compile(
    "address|article|aside|blockquote|body|br|button|dd|details|div|dl|dt|fieldset|figcaption|figure|footer|form|header|"
    "hr|html|li|main|nav|ol|p|pre|section|summary|table|tbody|tfoot|thead|ul"
)
_DROPPED = re.compile("script|style|svg|head|template|noscript|iframe|object|video|audio|canvas|select")
_HEADINGS = {f"h{level}": level for level in range(1, 7)}


@dataclass(frozen=True)
class Section:
    """What stands under one heading. A line is a paragraph, a list item or a row of a table."""

    heading: str  # with those above it: "Refunds > Cards"; empty at the beginning
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Chunk:
    """A passage before it has an article: its sentences are in its text verbatim, in order."""

    heading: str
    text: str
    sentences: tuple[str, ...]


def chunks(markdown: str, title: str = "") -> list[Chunk]:
    """The chunks of an article's body, in reading order. `title` is not repeated as a heading."""
    found: list[_Growing] = []
    for section in sections(markdown, title):
        pieces = _pieces(section)
        # Only a whole short section joins its neighbour: a chunk never spans the middle of a long one.
        if found and len(pieces) == 1 and found[-1].takes(pieces[0]):
            found[-1].join(pieces[0])
        else:
            found.extend(pieces)
    return [Chunk(piece.heading, piece.text(), tuple(piece.sentences())) for piece in found]


def sections(markdown: str, title: str = "") -> list[Section]:
    """Markdown, with or without HTML in it, as plain text under its headings. Links are their words, images nothing."""
    return [Section(heading, tuple(lines)) for heading, lines in _read(markdown, title).found if lines]


def first_heading(markdown: str) -> str:
    """The first heading of a text, or nothing."""
    return next((heading for heading, _ in _read(markdown).found if heading), "")


def words(text: str) -> int:
    """How long a text is, in words."""
    return max(len(text.split()), len(text) // LETTERS_PER_WORD)


@dataclass
class _Growing:
    """A chunk while it is made: (heading or None, lines of sentences)."""

    heading: str
    parts: list[tuple[str, list[list[str]]]] = field(default_factory=list)

    def sentences(self) -> list[str]:
        return [sentence for _, lines in self.parts for line in lines for sentence in line]

    def words(self) -> int:
        return sum(words(sentence) for sentence in self.sentences())

    def takes(self, other: "_Growing") -> bool:
        short = min(self.words(), other.words()) < SHORT_WORDS
        return short and self.words() + other.words() <= MAX_WORDS

    def join(self, other: "_Growing") -> None:
        self.parts.extend(other.parts)

    def text(self) -> str:
        written: list[str] = []
        for number, (heading, lines) in enumerate(self.parts):
            if number and heading:
                written.append(heading)
            written.extend(" ".join(line) for line in lines)
        return "\n".join(written)


def _pieces(section: Section) -> list[_Growing]:
    """A section as windows of at most MAX_WORDS that overlap, cut between sentences."""
    flat = [
        (number, part)
        for number, line in enumerate(section.lines)
        for sentence in sentences.split(line)
        for part in _cut(sentence)
    ]
    pieces: list[_Growing] = []
    start = 0
    while start < len(flat):
        end, length = start, 0
        while end < len(flat) and (end == start or length + words(flat[end][1]) <= MAX_WORDS):
            length += words(flat[end][1])
            end += 1
        lines: dict[int, list[str]] = {}
        for number, sentence in flat[start:end]:
            lines.setdefault(number, []).append(sentence)
        pieces.append(_Growing(section.heading, [(section.heading, list(lines.values()))]))
        if end == len(flat):
            break
        following = end
        overlap = 0
        while following - 1 > start and overlap + words(flat[following - 1][1]) <= OVERLAP_WORDS:
            following -= 1
            overlap += words(flat[following][1])
        start = following
    return pieces


def _cut(sentence: str) -> list[str]:
    """A sentence longer than a whole chunk, in parts."""
    if words(sentence) <= MAX_WORDS:
        return [sentence]
    parts: list[str] = [""]
    for word in re.findall(r"\S{1,400}", sentence):
        joined = f"{parts[-1]} {word}".strip()
        if words(joined) > MAX_WORDS:
            parts.append(word)
        else:
            parts[-1] = joined
    return [part for part in parts if part]


def _read(markdown: str, title: str = "") -> "_Reader":
    reader = _Reader(title)
    reader.feed(MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(markdown))
    reader.close()
    return reader


class _Reader(HTMLParser):
    """Walks rendered Markdown and keeps the words, line by line, under their headings."""

    def __init__(self, title: str) -> None:
        super().__init__(convert_charrefs=True)
        self._title = _plain(title).casefold()
        self._stack: list[tuple[int, str]] = []
        self.found: list[tuple[str, list[str]]] = [("", [])]
        self._buffer: list[str] = []
        self._dropped = 0
        self._preformatted = 0
        self._cells: list[str] | None = None
        self._columns: list[str] = []
        self._cell_open = False
        self._heads = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if _DROPPED.fullmatch(tag):
            self._dropped += 1
        elif tag == "tr":
            self._row()
            self._flush()
            self._cells, self._heads = [], 0
        elif tag in ("td", "th") and self._cells is not None:
            self._cell()  # HTML need not close the one before
            self._cell_open = True
            self._heads += tag == "th"
        elif tag in _HEADINGS or _BLOCK.fullmatch(tag):
            self._break()
            if tag == "table":
                self._columns = []
            self._preformatted += tag == "pre"

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if _BLOCK.fullmatch(tag):
            self._break()

    def handle_endtag(self, tag: str) -> None:
        if _DROPPED.fullmatch(tag):
            self._dropped = max(0, self._dropped - 1)
        elif tag in _HEADINGS:
            self._head(_HEADINGS[tag])
        elif tag in ("td", "th") and self._cells is not None:
            self._cell()
        elif tag in ("tr", "table"):
            self._row()
        elif _BLOCK.fullmatch(tag):
            self._break()
            self._preformatted = max(0, self._preformatted - (tag == "pre"))

    def handle_data(self, data: str) -> None:
        if not self._dropped:
            self._buffer.append(data)

    def close(self) -> None:
        super().close()
        self._row()
        self._flush()

    def _break(self) -> None:
        if self._cells is None:
            self._flush()
        else:
            self._buffer.append(" ")  # inside a cell: still one line

    def _flush(self) -> None:
        text = "".join(self._buffer)
        self._buffer.clear()
        for line in text.splitlines() if self._preformatted else [text]:
            if plain := _plain(line):
                self.found[-1][1].append(plain)

    def _head(self, level: int) -> None:
        heading = _plain("".join(self._buffer))
        self._buffer.clear()
        if not heading:
            return
        self._stack = [(above, text) for above, text in self._stack if above < level]
        if heading.casefold() != self._title:
            self._stack.append((level, heading))
        self.found.append((" > ".join(text for _, text in self._stack), []))

    def _cell(self) -> None:
        if self._cells is not None and self._cell_open:
            self._cells.append(_plain("".join(self._buffer)))
        self._cell_open = False
        self._buffer.clear()

    def _row(self) -> None:
        if self._cells is None:
            return
        self._cell()
        cells, self._cells = self._cells, None
        if not cells:
            return
        if self._heads == len(cells):
            self._columns = cells
            return
        # A row has to be understood without the table around it: each cell goes with its column's name.
        named: list[str] = []
        for place, cell in enumerate(cells):
            column = self._columns[place] if 0 < place < len(self._columns) else ""
            if cell:
                named.append(f"{column}: {cell}" if column else cell)
        if named:
            self.found[-1][1].append("; ".join(named))


def _plain(text: str) -> str:
    return " ".join(text.replace("\0", " ").split())
