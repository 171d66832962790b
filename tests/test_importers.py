"""Import: the same twice changes nothing, nobody's work is overwritten, and a bad file does not stop the others."""

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from sqlmodel import select

from knowledge import articles, publishing
from knowledge.articles import Article, ArticleVersion, KnowledgeError
from knowledge.embedding import Content, embed
from knowledge.folder import Record, read_folder
from knowledge.importers import GROUP, Report, import_articles, import_folder, read_jsonl
from service.db import Database
from tests import ROOT

pytestmark = pytest.mark.anyio


class Scripted:
    """An embedder that remembers how many texts it was given."""

    def __init__(self) -> None:
        self.texts = 0

    def embed_documents(self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None) -> np.ndarray:
        self.texts += len(texts)
        return np.ones((len(texts), 384), dtype=np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three articles."""
    made = tmp_path / "help"
    write(made / "returns.md", "Returns", "You have 30 days.")
    write(made / "delivery.md", "Delivery", "It takes 2 days.")
    write(made / "care" / "grinder.md", "Grinder", "Brush it weekly.")
    return made


def write(path: Path, title: str, body: str, more: str = "topic: Orders\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"---\ntitle: {title}\n{more}---\n\n{body}\n", encoding="utf-8")


async def bodies(db: Database) -> dict[str, tuple[str, str]]:
    """State and newest body by slug."""
    async with db.read() as session:
        rows = await session.exec(
            select(Article, ArticleVersion).join(ArticleVersion).where(Article.version == ArticleVersion.number)
        )
        return {article.slug: (article.state, version.body) for article, version in rows}


async def edit(db: Database, slug: str, body: str) -> None:
    """What an editor does on the dashboard."""
    async with db.write() as session:
        article = (await session.exec(select(Article).where(Article.slug == slug))).one()
        content = Content(article.title, article.topic, body)
        await articles.save(session, slug, content, by="Ann")
        await publishing.publish(session, article, embed(Scripted(), content))


async def test_a_folder_is_published_and_the_second_time_nothing_happens(db: Database, folder: Path) -> None:
    first = await import_folder(db, Scripted(), folder, by="import")
    assert sorted(first.created) == ["delivery", "grinder", "returns"]
    assert await bodies(db) == {
        "returns": ("published", "You have 30 days."),
        "delivery": ("published", "It takes 2 days."),
        "grinder": ("published", "Brush it weekly."),
    }
    embedder = Scripted()
    second = await import_folder(db, embedder, folder)
    assert second == Report(unchanged=["grinder", "delivery", "returns"])
    assert embedder.texts == 0
    async with db.read() as session:
        assert await articles.revision(session) == 3


async def test_a_changed_file_is_a_new_version_and_the_others_stay(db: Database, folder: Path) -> None:
    await import_folder(db, Scripted(), folder)
    write(folder / "returns.md", "Returns", "You have 14 days.")
    report = await import_folder(db, Scripted(), folder)
    assert (report.updated, len(report.unchanged)) == (["returns"], 2)
    assert (await bodies(db))["returns"] == ("published", "You have 14 days.")
    async with db.read() as session:
        found = await articles.published(session, "returns")
    assert found is not None
    assert found[1].number == 2


async def test_an_article_changed_here_and_in_the_folder_is_reported_not_overwritten(
    db: Database, folder: Path
) -> None:
    await import_folder(db, Scripted(), folder)
    await edit(db, "returns", "Ann says 60 days.")
    report = await import_folder(db, Scripted(), folder)
    assert not report.conflicts, "changed here alone: the folder has nothing new to say"
    write(folder / "returns.md", "Returns", "You have 14 days.")
    write(folder / "delivery.md", "Delivery", "It takes 3 days.")
    for _ in range(2):
        report = await import_folder(db, Scripted(), folder)
        (sentence,) = report.conflicts
        assert "returns.md" in sentence
        assert "changed both" in sentence
        assert (await bodies(db))["returns"] == ("published", "Ann says 60 days.")
    assert (await bodies(db))["delivery"] == ("published", "It takes 3 days."), "the others go in"


async def test_a_conflict_is_over_when_both_sides_say_the_same(db: Database, folder: Path) -> None:
    await import_folder(db, Scripted(), folder)
    await edit(db, "returns", "Ann says 60 days.")
    write(folder / "returns.md", "Returns", "Ann says 60 days.")
    assert not (await import_folder(db, Scripted(), folder)).conflicts
    write(folder / "returns.md", "Returns", "Now 90 days.")
    assert (await import_folder(db, Scripted(), folder)).updated == ["returns"]


async def test_what_was_unpublished_or_archived_here_does_not_come_back_by_itself(db: Database, folder: Path) -> None:
    await import_folder(db, Scripted(), folder)
    async with db.write() as session:
        held = {article.slug: article for article in await session.exec(select(Article))}
        await publishing.unpublish(session, held["returns"])
        await publishing.archive(session, held["delivery"])
    write(folder / "returns.md", "Returns", "You have 14 days.")
    write(folder / "delivery.md", "Delivery", "It takes 3 days.")
    report = await import_folder(db, Scripted(), folder)
    assert len(report.conflicts) == 2
    now = await bodies(db)
    assert (now["returns"], now["delivery"]) == (("draft", "You have 30 days."), ("archived", "It takes 2 days."))


async def test_an_article_written_here_is_not_replaced_by_a_file_of_its_name(db: Database, folder: Path) -> None:
    async with db.write() as session:
        await articles.save(session, "returns", Content("Returns", "", "Written here."))
    report = await import_folder(db, Scripted(), folder)
    assert "written here" in report.conflicts[0]
    assert (await bodies(db))["returns"] == ("draft", "Written here.")


async def test_a_removed_file_is_reported_and_its_article_stays(db: Database, folder: Path) -> None:
    await import_folder(db, Scripted(), folder)
    (folder / "returns.md").unlink()
    report = await import_folder(db, Scripted(), folder)
    assert report.removed == ["returns"]
    assert (await bodies(db))["returns"][0] == "published"


async def test_a_moved_file_keeps_its_article(db: Database, folder: Path) -> None:
    await import_folder(db, Scripted(), folder)
    (folder / "orders").mkdir()
    (folder / "returns.md").rename(folder / "orders" / "returns.md")
    report = await import_folder(db, Scripted(), folder)
    assert (sorted(report.unchanged), report.removed, report.created) == (["delivery", "grinder", "returns"], [], [])
    write(folder / "orders" / "returns.md", "Returns", "You have 14 days.")
    assert (await import_folder(db, Scripted(), folder)).updated == ["returns"]


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("open.md", "---\ntitle: Open\n\nNo end.", "does not end it"),
        ("yaml.md", "---\ntitle: A: B: C\n---\nText.", "line 2"),
        ("list.md", "---\ntitle: [a, b]\n---\nText.", "title that is not a line of text"),
        ("phrases.md", "---\ntitle: A\nphrases: one\n---\nText.", "phrases that are not a list"),
        ("latin.md", "---\ntitle: Caf\xe9\n---\nText.", "not UTF-8"),
        ("huge.md", "word " * 250_000, "larger than 1 MB"),
    ],
)
async def test_a_bad_file_is_named_in_a_clear_sentence_and_the_others_go_in(
    db: Database, folder: Path, name: str, content: str, what: str
) -> None:
    (folder / name).write_bytes(content.encode("latin-1"))
    report = await import_folder(db, Scripted(), folder)
    (sentence,) = report.errors
    assert sentence.startswith(name)
    assert what in sentence
    assert len(report.created) == 3


async def test_a_file_that_breaks_is_not_taken_for_removed(db: Database, folder: Path) -> None:
    await import_folder(db, Scripted(), folder)
    (folder / "returns.md").write_text("---\ntitle: Returns\n", encoding="utf-8")
    report = await import_folder(db, Scripted(), folder)
    assert (len(report.errors), report.removed) == (1, [])


async def test_files_of_one_name_in_several_folders_are_several_articles_for_good(db: Database, tmp_path: Path) -> None:
    made = tmp_path / "help"
    for place in ("b/start.md", "c/start.md", "c/index.md", "index.md"):
        write(made / place, f"About {place}", "Text.")
    assert sorted((await import_folder(db, Scripted(), made)).created) == ["c", "c-start", "index", "start"]
    write(made / "a/start.md", "A newcomer", "Text.")
    report = await import_folder(db, Scripted(), made)
    assert report.created == ["a-start"], "those that were there keep their names"
    assert len(report.unchanged) == 4


async def test_front_matter_may_be_missing_in_part_or_whole(tmp_path: Path) -> None:
    made = tmp_path / "help"
    (made / "email-protection").mkdir(parents=True)
    (made / "plain.md").write_text("# What a title\n\nText.", encoding="utf-8")
    (made / "email-protection" / "how-it-works.md").write_text("Text {{ site.baseurl }} here.\n", encoding="utf-8")
    (made / "no.md").write_text("\ufeff---\ntitle: No\nphrases:\n  - 2024-01-01\n---\nText.", encoding="utf-8")
    (made / "redirect.md").write_text("---\nlayout: redirect\n---\n", encoding="utf-8")
    (made / "_defaults.md").write_text("---\ntitle:\n---\n", encoding="utf-8")
    found = read_folder(made)
    assert {record.slug: (record.title, record.topic) for record in found.records} == {
        "plain": ("What a title", ""),
        "how-it-works": ("How it works", "Email protection"),
        "no": ("No", ""),
    }
    assert next(record for record in found.records if record.slug == "no").phrases == ("2024-01-01",)
    assert len(found.skipped) == 2
    assert not found.errors


async def test_a_folder_that_is_none_is_refused_with_what_to_do(db: Database, tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(KnowledgeError, match="name "):
            await import_folder(db, Scripted(), path)


async def test_records_of_a_pack_go_the_same_way(db: Database, tmp_path: Path) -> None:
    lines = [{"slug": "a", "title": "A", "topic": "t", "phrases": ["p"], "body": "One."}, {"slug": "b", "title": "B"}]
    (tmp_path / "articles.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    records = read_jsonl(tmp_path / "articles.jsonl")
    assert records[0] == Record("a", "A", "t", ("p",), "One.")
    twice = await import_articles(db, Scripted(), [*records, records[0]])
    assert (twice.created, len(twice.errors)) == (["a", "b"], 1)
    again = await import_articles(db, Scripted(), [Record("a", "A", "t", ("p",), "Two."), records[1]])
    assert (again.updated, again.unchanged) == (["a"], ["b"])


async def test_the_caller_sees_progress_and_each_change_in_its_own_transaction(db: Database) -> None:
    records = [Record(f"a{number}", f"Article {number}", body="Text.") for number in range(GROUP + 3)]
    seen: list[tuple[int, int]] = []
    changes: list[tuple[str, str]] = []

    async def changed(session: object, article: Article, what: str) -> None:
        assert session is not None
        changes.append((article.slug, what))

    await import_articles(db, Scripted(), records, progress=lambda *at: seen.append(at), changed=changed)
    assert seen == [(0, GROUP + 3), (GROUP, GROUP + 3), (GROUP + 3, GROUP + 3)]
    assert changes == [(record.slug, "created") for record in records]


async def test_an_edit_while_the_model_computes_is_not_overwritten(db: Database, folder: Path) -> None:
    await import_folder(db, Scripted(), folder)
    write(folder / "returns.md", "Returns", "You have 14 days.")

    def meanwhile(done: int, total: int) -> None:
        if (done, total) == (0, 1):
            edits.append(edit(db, "returns", "Ann was faster."))

    edits: list = []

    class Slow(Scripted):
        """Somebody edits while it computes."""

        def embed_documents(
            self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None
        ) -> np.ndarray:
            asyncio.run_coroutine_threadsafe(edits.pop(), loop).result(10)
            return super().embed_documents(texts, progress)

    loop = asyncio.get_running_loop()
    report = await import_folder(db, Slow(), folder, progress=meanwhile)
    assert len(report.conflicts) == 1
    assert (await bodies(db))["returns"] == ("published", "Ann was faster.")


async def test_the_sample_help_centre_reads_without_a_complaint() -> None:
    found = read_folder(ROOT / "knowledge" / "samples" / "articles")
    assert len(found.records) >= 60
    assert not found.errors
    assert not found.skipped
    assert len({record.topic for record in found.records}) >= 8
