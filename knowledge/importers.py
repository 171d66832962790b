"""Articles from elsewhere, published as they come in, and never over what was changed here."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from knowledge import articles, publishing
from knowledge.articles import Article, ArticleVersion
from knowledge.embedding import Content, Embeds, embed_many
from knowledge.folder import Record, read_folder, slugs

# Articles embedded and stored in one go: small enough to show progress, large enough for full batches.
GROUP = 16

Progress = Callable[[int, int], None]
OnChange = Callable[[AsyncSession, Article, str], Awaitable[None]]


class Sessions(Protocol):
    """The database: `read` sessions, and `write` ones that commit on a clean exit."""

    def read(self) -> AbstractAsyncContextManager[AsyncSession]: ...
    def write(self) -> AbstractAsyncContextManager[AsyncSession]: ...


@dataclass
class Report:
    """What an import did: slugs, or where it says so sentences for people."""

    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)  # their file is gone; the articles are as they were
    conflicts: list[str] = field(default_factory=list)  # sentences: changed on both sides, left alone
    errors: list[str] = field(default_factory=list)  # sentences: could not be read
    skipped: list[str] = field(default_factory=list)  # sentences: files that are no articles


@dataclass(frozen=True)
class _Stored:
    article: Article
    hash: str  # of its newest version


async def import_folder(
    db: Sessions,
    embedder: Embeds,
    folder: Path,
    *,
    by: str = "",
    progress: Progress | None = None,
    changed: OnChange | None = None,
) -> Report:
    """Import every Markdown file under a folder; the rest is as in `import_articles`.

    A second time the same folder changes nothing. An article whose file is gone is reported and stays.
    """
    found = await asyncio.to_thread(read_folder, folder)
    report = await import_articles(db, embedder, found.records, by=by, progress=progress, changed=changed)
    report.errors[:0] = found.errors
    report.skipped = found.skipped
    seen = {record.source for record in found.records} | found.broken
    async with db.read() as session:
        from_here = col(Article.source).startswith(f"{found.name}/", autoescape=True)
        stored = await session.exec(
            select(Article.slug, Article.source).where(from_here, Article.state != "archived").order_by(Article.slug)
        )
        report.removed = [slug for slug, source in stored if source not in seen]
    return report


async def import_articles(
    db: Sessions,
    embedder: Embeds,
    records: Iterable[Record],
    *,
    by: str = "",
    progress: Progress | None = None,
    changed: OnChange | None = None,
) -> Report:
    """Import and publish records: new ones, and those that changed since they were last imported.

    What was changed here as well is reported and left alone. `progress(done, total)` counts the articles to be stored.
    `changed(session, article, "created" | "updated")` runs in the transaction that publishes each, for its audit event.
    """
    report = Report()
    wanted = await _plan(db, list(records), report)
    if progress:
        progress(0, len(wanted))
    for start in range(0, len(wanted), GROUP):
        group = wanted[start : start + GROUP]
        contents = [_content(record) for record in group]
        vectors = await asyncio.to_thread(embed_many, embedder, contents)
        async with db.write() as session:
            stored = await _stored(session, [record.slug for record in group])
            for record, content, embedded in zip(group, contents, vectors, strict=True):
                # Judged again: only here nobody can edit in between.
                verdict = _judge(record, content, stored.get(record.slug))
                if verdict not in ("created", "updated"):
                    _note(report, record, verdict)
                    continue
                article = await articles.save(
                    session, record.slug, content, by=by, source=record.source, source_hash=content.hash
                )
                if article.published_version != article.version:  # else the same words were published here
                    await publishing.publish(session, article, embedded)
                if changed:
                    await changed(session, article, verdict)
                _note(report, record, verdict)
        if progress:
            progress(start + len(group), len(wanted))
    return report


def read_jsonl(path: Path) -> list[Record]:
    """The records of an `articles.jsonl`."""
    with path.open(encoding="utf-8") as lines:
        return [Record.from_json(json.loads(line)) for line in lines if line.strip()]


async def _plan(db: Sessions, records: Sequence[Record], report: Report) -> list[Record]:
    """The records that need storing, under the slug each will have. Notes the others."""
    async with db.read() as session:
        stored = await _stored(session)
    known = {each.article.source: slug for slug, each in stored.items() if each.article.source}
    live = {record.source for record in records if record.source}
    taken: set[str] = set()
    wanted: list[Record] = []
    adopted: list[Record] = []
    for record in records:
        slug = known.get(record.source) or _free(record, stored, live, taken)
        if slug in taken:
            report.errors.append(f"{slug} is there twice: give one of the two another name.")
            continue
        taken.add(slug)
        record = replace(record, slug=slug)
        verdict = _judge(record, _content(record), stored.get(slug))
        if verdict in ("created", "updated"):
            wanted.append(record)
            continue
        _note(report, record, verdict)
        if verdict == "unchanged" and _adoptable(record, stored[slug]):
            adopted.append(record)
    await _adopt(db, adopted)
    return wanted


def _adoptable(record: Record, held: _Stored) -> bool:
    """The file holds what is stored, but that is not known yet."""
    if held.hash != _content(record).hash or not (record.source or not held.article.source):
        return False
    return (held.article.source, held.article.source_hash) != (record.source, held.hash)


async def _adopt(db: Sessions, records: Sequence[Record]) -> None:
    """Remember that these files hold what is stored already."""
    if not records:
        return
    async with db.write() as session:
        stored = await _stored(session, [record.slug for record in records])
        for record in records:
            held = stored.get(record.slug)
            if held and _adoptable(record, held):
                held.article.source, held.article.source_hash = record.source, held.hash
                session.add(held.article)


def _free(record: Record, stored: dict[str, _Stored], live: set[str], taken: set[str]) -> str:
    """The first of a file's possible slugs that no other file of this folder has."""
    if not record.source:
        return record.slug
    for slug in slugs(record.source):
        if slug not in taken and not (slug in stored and stored[slug].article.source in live):
            return slug
    return record.slug


def _judge(record: Record, content: Content, held: _Stored | None) -> str:
    """created | updated | unchanged, or why it is left alone."""
    if held is None:
        return "created"
    article = held.article
    moved = article.source.partition("/")[0] != record.source.partition("/")[0]
    if content.hash in (held.hash, article.source_hash):
        return "unchanged"
    what = record.source.partition("/")[2] or record.slug
    if moved:
        origin = f"from {article.source}" if article.source else "written here"
        return (
            f"{what}: there is an article {record.slug} already, {origin}; rename the file to import it as another one."
        )
    if held.hash != article.source_hash:
        return (
            f"{what}: changed both in the file and here (version {article.version}) since the last import. Nothing was "
            "overwritten: bring the file to the wording you want, save the same here, and import again."
        )
    if article.state != "published" and article.revision:
        state = "archived" if article.state == "archived" else "unpublished"
        return (
            f"{what}: changed in the file, but the article was {state} here: publish it here first, then import again."
        )
    return "updated"


def _note(report: Report, record: Record, verdict: str) -> None:
    if verdict in ("created", "updated", "unchanged"):
        getattr(report, verdict).append(record.slug)
    else:
        report.conflicts.append(verdict)


def _content(record: Record) -> Content:
    return Content(record.title, record.topic, record.body, record.phrases)


async def _stored(session: AsyncSession, only: Sequence[str] | None = None) -> dict[str, _Stored]:
    """Articles by slug, with the hash of their newest version."""
    wanted = (
        select(Article, ArticleVersion.hash)
        .join(ArticleVersion, col(ArticleVersion.article_id) == Article.id)
        .where(ArticleVersion.number == Article.version)
    )
    if only is not None:
        wanted = wanted.where(col(Article.slug).in_(only))
    return {article.slug: _Stored(article, hash) for article, hash in await session.exec(wanted)}
