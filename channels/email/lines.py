"""Lines of words in the making: white space as a browser treats it, quotes, list items, cells of tables."""

import re


class Lines:
    def __init__(self) -> None:
        self._done: list[tuple[int, str]] = []  # how deep it is quoted, and the line
        self._line: list[str] = []
        self._quotes = 0
        self._gap = False  # a blank line is owed before the next words
        self._space = False  # white space was met, and is owed before the next words of this line
        self._prefix = ""  # of a list item, before its first words
        self._cell = ""  # what parts a cell from the one before it
        self._single = 0  # within a cell of one line
        self._mark = (0, 0)

    def text(self) -> str:
        self.block()
        lines = [">" * quotes + (" " if quotes and line else "") + line for quotes, line in self._done]
        return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")

    def put(self, text: str, *, pre: bool = False) -> None:
        if pre:
            first, *others = text.split("\n")
            self._write(first)
            for each in others:
                self.end()
                self._write(each)
            return
        words = " ".join(re.split(r"[ \t\n\r\f]+", text)).replace("\xa0", " ")
        if not words.strip(" "):
            self._space = self._space or bool(words)
            return
        self._space = self._space or words.startswith(" ")
        self._write(words.strip(" "))
        self._space = words.endswith(" ")

    def _write(self, words: str) -> None:
        if not words:
            return
        if not self._line:
            if self._gap and self._done and self._done[-1][1]:
                self._done.append((min(self._quotes, self._done[-1][0]), ""))
            self._line.append(self._prefix)
            self._prefix = ""
        elif self._cell:
            self._line.append(self._cell)
        elif self._space:
            self._line.append(" ")
        self._gap, self._space, self._cell = False, False, ""
        self._line.append(words)

    def end(self) -> None:
        """<br>: ends the line, also an empty one."""
        if not self._line and self._gap:
            self._gap = False
        self._done.append((self._quotes, "".join(self._line).rstrip()))
        self._line, self._space, self._cell = [], False, ""

    def block(self, *, gap: bool = False) -> None:
        """What begins or ends a block: whatever follows is on a line of its own, with `gap` after a blank one."""
        if self._single:
            self._space = True
            return
        if self._line:
            self.end()
        self._gap = self._gap or gap
        self._space, self._cell = False, ""

    def quote(self, deeper: int) -> None:
        self._single = 0
        self.block(gap=True)
        self._quotes = max(0, self._quotes + deeper)

    def bullet(self, prefix: str) -> None:
        self._prefix = prefix

    def cell(self, *, single: bool) -> None:
        if self._line:
            self._cell = " | " if single else ""
            if not single:
                self.block()
        self._single += single

    def cell_ends(self) -> None:
        if self._single:
            self._single -= 1
        else:
            self.block()

    def mark(self) -> None:
        self._mark = (len(self._done), len(self._line))

    def since_mark(self) -> str:
        """What was written since the last mark; of very much the end, so that thousands of links cost little."""
        done, line = self._mark
        if done == len(self._done):
            return "".join(self._line[max(line, len(self._line) - 50) :]).strip()
        return " ".join(
            [*(each for _, each in self._done[max(done, len(self._done) - 20) :]), *self._line[-50:]]
        ).strip()
