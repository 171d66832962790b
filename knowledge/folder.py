"""A folder of Markdown files with front matter, read as records to import."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from frontmatter.default_handlers import YAMLHandler

from knowledge.articles import KnowledgeError
from knowledge.chunks import first_heading, sections

MAX_BYTES = 1_000_000

# What a site generator would have filled in: {% include note.html %}, {{ site.baseurl }}, {: .warning}
_TEMPLATE = re.compile(
    r"\{%.*?%\}|\{\{-?\s*(?:site|page|layout|include)\..*?\}\}|^\{:.*?\}\s*$", re.MULTILINE | re.DOTALL
)
_INDEX = re.compile("_?index|readme", re.IGNORECASE)


@dataclass(frozen=True)
class Record:
    """One article to import. `source`: the file it is from, under its folder's name; empty if from none."""

    slug: str
    title: str
    topic: str = ""
    phrases: tuple[str, ...] = ()
    body: str = ""
    source: str = ""

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "Record":
        """A line of `articles.jsonl`."""
        return cls(
            slug=str(fields["slug"]),
            title=str(fields.get("title") or fields["slug"]),
            topic=str(fields.get("topic") or ""),
            phrases=tuple(map(str, fields.get("phrases") or ())),
            body=str(fields.get("body") or ""),
        )


@dataclass
class Folder:
    """What a folder holds. Sentences name the file and say what to do."""

    name: str
    records: list[Record] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)  # the sources that errors are about


class _Unreadable(Exception):
    """Why a file is no article, as the end of a sentence that begins with its name."""


def read_folder(path: Path) -> Folder:
    """Every Markdown file under a folder, but for those whose path has a part that begins with _ or a dot."""
    if not path.is_dir():
        raise KnowledgeError(f"There is no folder {path}: name one that holds Markdown files.")
    root = path.resolve()
    found = Folder(root.name)
    files = sorted(each for each in root.rglob("*") if each.suffix.lower() in (".md", ".markdown") and each.is_file())
    if not files:
        raise KnowledgeError(f"The folder {path} holds no Markdown files (*.md): name another.")
    for file in files:
        place = file.relative_to(root)
        source = f"{root.name}/{place.as_posix()}"
        if any(part.startswith((".", "_")) for part in place.parts) and not _INDEX.fullmatch(place.stem):
            found.skipped.append(f"{place} was left out: its name begins with a dot or an underscore.")
            continue
        try:
            record = _read(file, place, source)
        except _Unreadable as reason:
            found.errors.append(f"{place} {reason}")
            found.broken.add(source)
            continue
        if record:
            found.records.append(record)
        else:
            found.skipped.append(f"{place} was left out: it has no text.")
    return found


def slugs(source: str) -> list[str]:
    """What an article from this file may be called, the shortest first: its name, then with its folders before it."""
    parts = [_slug(part) for part in Path(source).with_suffix("").parts[1:]]
    if len(parts) > 1 and _INDEX.fullmatch(Path(source).stem):
        parts.pop()
    parts = [part for part in parts if part] or ["article"]
    names = ["-".join(parts[start:]) for start in range(len(parts) - 1, -1, -1)]
    return names + [f"{names[-1]}-{number}" for number in range(2, 100)]


def _read(file: Path, place: Path, source: str) -> Record | None:
    if file.stat().st_size > MAX_BYTES:
        raise _Unreadable(f"is larger than {MAX_BYTES // 1_000_000} MB: split it into several articles.")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise _Unreadable("is not UTF-8 text: save it as UTF-8.") from None
    except OSError as error:
        raise _Unreadable(f"cannot be read ({error.strerror}): check its permissions.") from None
    fields, body = _front_matter(text)
    body = _TEMPLATE.sub("", body).strip()
    phrases = _phrases(fields)
    if not phrases and not sections(body):
        return None
    title = _text(fields, "title") or first_heading(body) or _spoken(file.stem)
    folder = _spoken(place.parent.name) if place.parent.name else ""
    topic = _text(fields, "topic") or _text(fields, "category") or folder
    return Record(slugs(source)[0], title, topic, phrases, body, source)


def _front_matter(text: str) -> tuple[dict[str, Any], str]:
    if not re.match(r"---\s*\n", text):
        return {}, text
    if not re.search(r"\n---\s*(\n|\Z)", text[3:]):
        raise _Unreadable(
            "begins its front matter with --- but does not end it: add a line of --- after the last field."
        )
    handler = YAMLHandler()
    try:
        front, body = handler.split(text)
        # BaseLoader leaves every value a text: "title: No" is not False.
        fields = handler.load(front, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it is not valid YAML"
        raise _Unreadable(
            f"has front matter that cannot be read{line} ({problem}): put quotes around the value."
        ) from None
    if not isinstance(fields, dict) and front.strip():
        raise _Unreadable("has front matter that is no list of fields: write lines such as title: some words.")
    return fields or {}, body


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name) or ""
    if not isinstance(value, str):
        raise _Unreadable(f"has a {name} that is not a line of text: write it as {name}: some words.")
    return " ".join(value.split())


def _phrases(fields: dict[str, Any]) -> tuple[str, ...]:
    value = fields.get("phrases") or []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise _Unreadable("has phrases that are not a list of texts: write each on a line of its own after a dash.")
    return tuple(" ".join(each.split()) for each in value if each.strip())


def _slug(name: str) -> str:
    return re.sub(r"[\W_]+", "-", name.casefold()).strip("-")


def _spoken(name: str) -> str:
    words = re.sub(r"[-_\s]+", " ", name).strip()
    return words[:1].upper() + words[1:]
