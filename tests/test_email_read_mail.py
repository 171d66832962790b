"""`firstline read-mail`: what an operator is shown of mails, as words and as JSON."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from channels.email.read_mail import read_mail

HEADER = "From: Anna Berg <anna@b.example>\nTo: support@shop.example\nSubject: Re: Order\n"
REPLY = "It arrived broken.\n\nOn 2 Nov 2026 at 09:15, Support <support@shop.example> wrote:\n> Has it come?\n"
TYPES = {"file": str, "verdict": str, "reason": str, "from": str, "verified": bool, "subject": str, "text": str}
TYPES |= {"cut": str, "hidden": str, "attachments": list, "ms": float}


def rows(folder: Path, *more: str) -> list[dict[str, Any]]:
    app = typer.Typer()
    app.command()(read_mail)
    done = CliRunner().invoke(app, [str(folder), "--json", "-", *more])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    for row in found:
        assert {name: type(value) for name, value in row.items()} == TYPES
    return found


def test_each_mail_is_a_row_of_the_same_keys(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_text(f"{HEADER}\n{REPLY}")
    (tmp_path / "b.eml").write_text(
        "From: Mail Delivery System <MAILER-DAEMON@mx.example>\nSubject: failure notice\n\n"
        "<anna@b.example>:\n550 5.1.1 no such user\n"
    )
    (tmp_path / "c.eml").write_text(f"{HEADER}Auto-Submitted: auto-replied\n\nI am away.")
    (tmp_path / "d.eml").write_text("Subject: Order\nTo: support@shop.example\n\nWhere is it?")
    question, bounce, automatic, unread = rows(tmp_path)
    assert (question["verdict"], question["from"], question["text"]) == (
        "question",
        "anna@b.example",
        "It arrived broken.",
    )
    assert question["cut"].endswith("> Has it come?")
    assert bounce["verdict"] == "bounce"
    assert bounce["reason"].startswith("failed (5.1.1): The address does not exist. It is about to anna@b.example")
    assert automatic["verdict"] == "automatic"
    assert (unread["verdict"], unread["text"]) == ("quarantined", "Where is it?")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (REPLY, "It arrived broken."),
        ("Two things:\n- it is broken\n- it is late\n", "Two things:\n- it is broken\n- it is late"),
        ("Größe falsch", "Größe falsch"),
        ("Answer: no\n\nThe rest is fine.", "Answer: no\n\nThe rest is fine."),
    ],
)
def test_a_file_without_a_header_is_the_words_of_a_mail(tmp_path: Path, body: str, text: str) -> None:
    for charset in ("utf-8", "latin-1"):
        (tmp_path / "reply.txt").write_text(body, encoding=charset)
        (row,) = rows(tmp_path)
        assert (row["verdict"], row["from"], row["subject"], row["text"]) == ("question", "", "", text)
        assert row["reason"].startswith("It has no header")


@pytest.mark.parametrize("raw", [b"", b"\n \n", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"])
def test_what_is_neither_a_mail_nor_words_is_quarantined(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "file").write_bytes(raw)
    (row,) = rows(tmp_path)
    assert (row["verdict"], row["text"]) == ("quarantined", "")
    assert row["reason"].endswith(".")


def test_every_shared_reply_by_itself_says_what_it_says_in_a_mail(shared_data: Path, tmp_path: Path) -> None:
    bare = rows(shared_data / "email" / "replies")
    assert len(bare) > 20
    for path in (shared_data / "email" / "replies").glob("*.txt"):
        (tmp_path / path.name).write_bytes(HEADER.encode() + b"\n" + path.read_bytes())
    for alone, wrapped in zip(bare, rows(tmp_path), strict=True):
        assert alone["text"] == wrapped["text"] != ""
        assert alone["verdict"] == wrapped["verdict"] == "question"
