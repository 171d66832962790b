"""A folder of articles taken in by the operator: with progress, and an audit event for each that is published."""

from pathlib import Path
from typing import Any

from service.command import console, progress
from service.db import Database
from service.models import AuditEvent


async def ingest_folder(db: Database, embedder: Any, folder: Path, *, quiet: bool) -> None:
    from knowledge.importers import import_folder

    with progress("Reading articles") as show:
        report = await import_folder(db, embedder, folder, by="import", progress=show, changed=_audit)
    for sentence in (*report.conflicts, *report.errors, *report.skipped):
        console.print(sentence)
    if report.removed:
        console.print(f"No file any more, still published: {', '.join(report.removed)}.")
    if not quiet:
        counts = f"{len(report.created)} new, {len(report.updated)} changed, {len(report.unchanged)} as before"
        console.print(f"Articles: {counts}, {len(report.conflicts)} in conflict, {len(report.errors)} unreadable.")


async def _audit(session: Any, article: Any, action: str) -> None:
    """Who published an article is written down in the transaction that publishes it."""
    session.add(AuditEvent(actor="operator", action=f"article_{action}", article_id=article.id))
