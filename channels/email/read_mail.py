"""`firstline read-mail`: what Firstline would make of mails, without any settings and without answering them."""

import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from dotenv import dotenv_values
from rich.console import Console
from rich.markup import escape

from channels.base import Quarantined
from channels.email import mime, settings
from channels.email.interpret import Reading, interpret, too_big
from channels.email.mime import MOST_BYTES
from channels.email.quotes import split
from channels.email.tokens import Tokens

VERDICTS = {"question": "questions", "automatic": "automatic", "bounce": "bounces", "quarantined": "quarantined"}
COLOURS = {"question": "green", "automatic": "cyan", "bounce": "magenta", "quarantined": "yellow"}
SHOWN = 2_000  # characters of a mail's words that are printed; --json has all of them
WORDS_ALONE = "It has no header (From, To, Subject and so on), so it was read as the words of a mail by themselves."
#: What a terminal would obey.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def read_mail(
    paths: Annotated[list[Path], typer.Argument(help="Mails as files, or folders of them.", show_default=False)],
    json_file: Annotated[
        str, typer.Option("--json", metavar="FILE", help="Also write it here as JSON; - for standard output alone.")
    ] = "",
) -> None:
    """Show what Firstline would make of mails: a question, automatic, a bounce, or nothing that can be read."""
    alone = json_file == "-"
    console = Console(soft_wrap=True, highlight=False, stderr=alone)
    if missing := next((path for path in paths if not path.exists()), None):
        console.print(f"{escape(str(missing))} does not exist. Name mails, or folders that hold some.")
        raise typer.Exit(2)
    told = settings.read({**_environ_file(), **os.environ})
    tokens = Tokens(b"")  # the installation's key is not needed to read, only to know our own messages
    rows, crashed, counts = list[dict[str, Any]](), 0, Counter[str]()
    for path in _files(paths):
        row, reading = _read(path, told, tokens)
        rows.append(row)
        counts[row["verdict"]] += 1
        crashed += reading is not None and reading.crashed
        if not alone:
            _print(console, row)
    if alone:
        json.dump(rows, sys.stdout, indent=2)
        sys.stdout.write("\n")
    elif json_file:
        try:
            Path(json_file).write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        except OSError as error:
            console.print(f"{escape(json_file)} cannot be written ({error.strerror}). Name another file after --json.")
            raise typer.Exit(2) from None
    said = ", ".join(f"{words} {counts[verdict]}" for verdict, words in VERDICTS.items())
    console.print(f"{len(rows)} {'file' if len(rows) == 1 else 'files'}: {said}; crashed {crashed}.")
    if crashed:
        raise typer.Exit(1)


def _environ_file() -> dict[str, str]:
    return {name: value or "" for name, value in dotenv_values(".env").items()}


def _files(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(each for each in path.rglob("*") if each.is_file())
        else:
            yield path


def _read(path: Path, told: settings.EmailSettings, tokens: Tokens) -> tuple[dict[str, Any], Reading | None]:
    """A row, and what it was made of; nothing where the file could not be read."""
    row = {"file": os.fsencode(path).decode("utf-8", "replace"), "verdict": "quarantined", "reason": "", "from": ""}
    row |= {"verified": False, "subject": "", "text": "", "cut": "", "hidden": "", "attachments": [], "ms": 0.0}
    began = time.perf_counter()
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        return {**row, "reason": f"The file cannot be read ({error.strerror})."}, None
    big = len(raw) > MOST_BYTES
    if not big and _is_body(raw):
        mail = mime.words_alone(raw)
        reading = Reading((), mail, split(mail.text))
        row |= {"reason": WORDS_ALONE, "verdict": "question"}
    else:
        reading = interpret(raw, told, tokens, cut=too_big(max(size, len(raw))) if big else "")
        row |= {"reason": reading.reason, **_verdict(reading)}
    row |= {"ms": round((time.perf_counter() - began) * 1000, 1)}
    for found in reading.parsed:
        if isinstance(found, Quarantined):
            row |= {"from": found.sender, "subject": found.subject}
    if mail := reading.mail:
        files = [{"name": each.name, "type": each.content_type, "size": len(each.content)} for each in mail.attachments]
        row |= {"from": mail.sender.address, "verified": reading.proved, "subject": mail.subject}
        row |= {"text": reading.words.new, "cut": reading.words.cut, "hidden": mail.hidden, "attachments": files}
    return row, reading


def _is_body(raw: bytes) -> bool:
    """The words of a mail saved without its header, as people keep examples: no mail server hands such a thing over."""
    return bool(raw.strip()) and b"\0" not in raw and len(raw) < MOST_BYTES - 100 and not mime.begins(raw)


def _verdict(reading: Reading) -> dict[str, str]:
    automatic = reading.automatic
    if reading.reason:
        return {}
    if not automatic:
        return {"verdict": "question"}
    if automatic.kind != "bounce":
        return {"verdict": "automatic", "reason": f"{automatic.kind}: {automatic.reason}"}
    bounce = automatic.bounce
    if not bounce:
        return {"verdict": "bounce", "reason": automatic.reason}
    kind = "failed" if bounce.permanent else "not failed"
    about = [f"to {bounce.recipient}"] if bounce.recipient else []
    about += [f"message {each}" for each in bounce.message_ids]
    said = f"{kind}{f' ({bounce.status})' if bounce.status else ''}: {bounce.reason}"
    return {"verdict": "bounce", "reason": f"{said} It is about {', '.join(about) or 'a mail that it does not name'}."}


def _print(console: Console, row: dict[str, Any]) -> None:
    verdict = row["verdict"]
    console.print(f"[{COLOURS[verdict]}]{verdict}[/]  {_safe(row['file'])}  [dim]{row['ms']:.0f} ms[/]")
    proof = "verified" if row["verified"] else "not verified"
    files = ", ".join(f"{each['name']} ({each['type']}, {each['size']:,} bytes)" for each in row["attachments"])
    lines = {
        "why": row["reason"],
        "from": f"{row['from']} ({proof})" if row["from"] else "",
        "subject": row["subject"],
        "words": row["text"],
        "cut": row["cut"],
        "hidden": row["hidden"],
        "files": files,
    }
    for name, words in lines.items():
        if words:
            shown = words if len(words) <= SHOWN else f"{words[:SHOWN]} … ({len(words):,} characters)"
            console.print(f"  [dim]{name:8}[/]{_safe(shown).replace(chr(10), chr(10) + ' ' * 10)}")


def _safe(words: str) -> str:
    """As a terminal shows it, without what it would obey."""
    return escape(CONTROL.sub("\ufffd", words.replace("\r", "")))
