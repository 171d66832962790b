"""A pack is read whole or refused in one sentence."""

import json
from pathlib import Path
from typing import Any

import pytest

from service.evaluation.datasets import PackError, read_pack

GOOD = {
    "id": "q1",
    "question": "who pays?",
    "history": [{"author": "customer", "text": "hi"}],
    "answerable": True,
    "articles": ["eu"],
    "evidence": "You pay.",
    "split": "test",
    "kind": "in-scope",
}


def pack(folder: Path, *questions: Any, body: str = "You pay the carriage. " * 5) -> Path:
    (folder / "pack.json").write_text('{"name": "small"}')
    (folder / "articles.jsonl").write_text(json.dumps({"slug": "eu", "title": "EU", "body": body}) + "\n")
    lines = [line if isinstance(line, str) else json.dumps(line) for line in questions or (GOOD,)]
    (folder / "questions.jsonl").write_text("\n".join(lines) + "\n\n")
    return folder


def test_a_pack_is_read(tmp_path: Path) -> None:
    read = read_pack(pack(tmp_path))
    question = read.questions[0]
    assert (read.name, read.bare, question.articles) == ("small", False, {"eu"})
    assert question.history == (("customer", "hi"),)
    assert question.evidence == ("You pay.",)


def test_markdown_articles_make_a_pack_too(tmp_path: Path) -> None:
    pack(tmp_path)
    (tmp_path / "articles.jsonl").unlink()
    (tmp_path / "articles").mkdir()
    (tmp_path / "articles" / "eu.md").write_text("---\ntitle: EU\n---\nYou pay.")
    assert read_pack(tmp_path).lines is None


def test_articles_that_are_titles_with_phrases_are_known(tmp_path: Path) -> None:
    assert read_pack(pack(tmp_path, body="Account blocked.")).bare


def test_what_cannot_be_answered_has_neither_article_nor_evidence(tmp_path: Path) -> None:
    question = read_pack(pack(tmp_path, GOOD | {"answerable": False, "kind": "near"})).questions[0]
    assert question.articles == frozenset()
    assert question.evidence == ()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "line 1, is not JSON"),
        ("[]", "line 1, is not a JSON object"),
        ({**GOOD, "split": "train"}, "must be calibrate or test"),
        ({**GOOD, "question": None}, "has no question"),
        ({**GOOD, "answerable": "yes"}, "true or false"),
        ({**GOOD, "articles": []}, "names no article"),
        ({**GOOD, "articles": [1]}, "not a list of slugs"),
        ({**GOOD, "evidence": 3}, "evidence that is not text"),
        ({**GOOD, "history": ["hi"]}, "history"),
        ({**GOOD, "history": [{"author": "bot", "text": "x"}]}, "none of customer"),
    ],
)
def test_a_bad_question_is_named_with_its_line(tmp_path: Path, line: Any, says: str) -> None:
    with pytest.raises(PackError, match=says):
        read_pack(pack(tmp_path, line))


def test_a_folder_that_is_no_pack_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackError, match="There is no folder"):
        read_pack(tmp_path / "nowhere")
    with pytest.raises(PackError, match=r"no questions\.jsonl"):
        read_pack(tmp_path)
    (tmp_path / "questions.jsonl").write_text("")
    with pytest.raises(PackError, match="neither"):
        read_pack(tmp_path)
    pack(tmp_path, "")
    with pytest.raises(PackError, match="holds no questions"):
        read_pack(tmp_path)
    (tmp_path / "pack.json").write_text("{")
    with pytest.raises(PackError, match="not a JSON object"):
        read_pack(tmp_path)
