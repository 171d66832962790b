"""Packs: a folder with articles and labelled questions, read and checked before anything is measured."""

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

SPLITS = ("calibrate", "test")
AUTHORS = ("customer", "agent", "person")
#: Articles whose bodies are no longer than this, in words, are titles with phrases: there is nothing to quote.
BARE_WORDS = 12


class PackError(Exception):
    """The folder is not a pack: one sentence that says what to mend."""


@dataclass(frozen=True)
class Question:
    """One labelled question. `articles`: slugs, each of which answers it; `evidence`: what a right passage contains."""

    id: str
    text: str
    history: tuple[tuple[str, str], ...]
    answerable: bool
    articles: frozenset[str]
    evidence: tuple[str, ...]
    split: str
    kind: str


@dataclass(frozen=True)
class Pack:
    """A folder that was read. `bare`: its articles are little more than titles and phrases."""

    name: str
    folder: Path
    questions: tuple[Question, ...]
    bare: bool

    @property
    def lines(self) -> Path | None:
        """The articles as JSON lines; None where they are Markdown."""
        path = self.folder / "articles.jsonl"
        return path if path.is_file() else None


def read_pack(folder: Path) -> Pack:
    """Read a pack's description and questions. Raises PackError."""
    if not folder.is_dir():
        raise PackError(f"There is no folder {folder}: give one that holds pack.json, questions.jsonl and articles.")
    if not (folder / "questions.jsonl").is_file():
        raise PackError(f"{folder} has no questions.jsonl, so it is not a pack.")
    if not (folder / "articles.jsonl").is_file() and not any((folder / "articles").glob("**/*.md")):
        raise PackError(f"{folder} has neither articles.jsonl nor Markdown files in articles/.")
    name = folder.resolve().name
    description = folder / "pack.json"
    if description.is_file():
        try:
            name = str(json.loads(description.read_text(encoding="utf-8")).get("name") or name)
        except (ValueError, AttributeError) as error:
            raise PackError(f"{description} is not a JSON object: {error}.") from error
    lines = _json_lines(folder / "questions.jsonl")
    questions = tuple(_question(number, line) for number, line in lines)
    if not questions:
        raise PackError(f"{folder / 'questions.jsonl'} holds no questions.")
    return Pack(name, folder, questions, _bare(folder))


def _bare(folder: Path) -> bool:
    path = folder / "articles.jsonl"
    if not path.is_file():
        return False
    bodies = [str(line.get("body", "")) for _, line in _json_lines(path)]
    return bool(bodies) and median(len(body.split()) for body in bodies) <= BARE_WORDS


def _json_lines(path: Path) -> list[tuple[int, dict[str, Any]]]:
    found: list[tuple[int, dict[str, Any]]] = []
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise PackError(f"{path.name} is not UTF-8 text.") from error
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            raise PackError(f"{path.name}, line {number}, is not JSON: {error}.") from error
        if not isinstance(value, dict):
            raise PackError(f"{path.name}, line {number}, is not a JSON object.")
        found.append((number, value))
    return found


def _question(number: int, line: dict[str, Any]) -> Question:
    where = f"questions.jsonl, line {number},"
    text, split, articles = line.get("question"), line.get("split"), line.get("articles") or []
    evidence, history = line.get("evidence") or [], line.get("history") or []
    if not isinstance(text, str):
        raise PackError(f"{where} has no question.")
    if split not in SPLITS:
        raise PackError(f"{where} has the split {split!r}: it must be calibrate or test.")
    answerable = line.get("answerable")
    if not isinstance(answerable, bool):
        raise PackError(f"{where} does not say with true or false whether it is answerable.")
    if not isinstance(articles, list) or not all(isinstance(slug, str) for slug in articles):
        raise PackError(f"{where} has articles that are not a list of slugs.")
    if answerable and not articles:
        raise PackError(f"{where} is answerable but names no article.")
    evidence = [evidence] if isinstance(evidence, str) else evidence
    if not isinstance(evidence, list) or not all(isinstance(piece, str) for piece in evidence):
        raise PackError(f"{where} has evidence that is not text.")
    try:
        turns = tuple((str(turn["author"]), str(turn["text"])) for turn in history)
    except (TypeError, KeyError) as error:
        raise PackError(f"{where} has a history that is not a list of author and text.") from error
    if any(author not in AUTHORS for author, _ in turns):
        raise PackError(f"{where} has an author in its history who is none of {', '.join(AUTHORS)}.")
    return Question(
        id=str(line.get("id", number)),
        text=text,
        history=turns,
        answerable=answerable,
        articles=frozenset(articles) if answerable else frozenset(),
        evidence=tuple(piece for piece in evidence if piece.strip()) if answerable else (),
        split=split,
        kind=str(line.get("kind") or "in-scope"),
    )
