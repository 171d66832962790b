"""What came in and could not be read, and the files that customers sent: looked at, and taken away as files only."""

from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import load_only
from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.exceptions import HTTPException

from dashboard.auth import Acting, Who, needs
from dashboard.pages import DeskRoute, Id, context_of, render
from dashboard.queue import title
from service.models import Attachment, Quarantine, Staff

router = APIRouter(prefix="/desk", route_class=DeskRoute)
READ = needs("read conversations")

#: What is listed: more has no use, who has so many has another trouble.
MOST = 200
#: Bytes of it that are shown on its page; the whole is a file.
SHOWN = 20_000

#: Of a row without its bytes.
AT_A_GLANCE = (Quarantine.id, Quarantine.channel, Quarantine.reason, Quarantine.sender, Quarantine.subject)
WHEN = (Quarantine.created_at, Quarantine.seen_at, Quarantine.seen_by)


@router.get("/quarantine", dependencies=READ)
async def quarantine(request: Request, who: Who) -> Response:
    """The list, what nobody has looked at first."""
    context = context_of(request)
    query = (
        select(Quarantine)
        .options(load_only(*AT_A_GLANCE, *WHEN))  # type: ignore[arg-type]  # columns, which SQLModel types as values
        .order_by(col(Quarantine.seen_at).is_not(None), col(Quarantine.id).desc())
        .limit(MOST)
    )
    async with context.db.read() as session:
        rows = (await session.exec(query)).all()
        people = {staff.id: staff.name for staff in (await session.exec(select(Staff))).all()}
    titles = {row.channel: title(context, row.channel) for row in rows}
    return render(request, "quarantine.html", who=who, rows=rows, people=people, titles=titles, now=context.clock())


@router.get("/quarantine/{row_id}", dependencies=READ)
async def one(request: Request, who: Who, row_id: Id) -> Response:
    context = context_of(request)
    async with context.db.read() as session:
        found = await _find(session, row_id)
        seen_by = await session.get(Staff, found.seen_by) if found.seen_by else None
    text = found.raw[:SHOWN].decode("utf-8", "replace").replace("\0", "\ufffd")
    return render(
        request,
        "quarantined.html",
        who=who,
        row=found,
        text=text,
        whole=len(found.raw) <= SHOWN,
        seen_by=seen_by.name if seen_by else "",
        title=title(context, found.channel),
        now=context.clock(),
    )


@router.get("/quarantine/{row_id}/raw", dependencies=READ)
async def raw(request: Request, row_id: Id) -> Response:
    async with context_of(request).db.read() as session:
        found = await _find(session, row_id)
    return download(found.raw, f"{found.channel}-{found.id}.txt")


@router.post("/quarantine/{row_id}/seen", dependencies=needs("answer customers"))
async def seen(request: Request, who: Acting, row_id: Id) -> Response:
    """Somebody has looked at it and done what was to be done."""
    context = context_of(request)
    async with context.db.write() as session:
        unseen = update(Quarantine).where(col(Quarantine.id) == row_id, col(Quarantine.seen_at).is_(None))
        await session.exec(unseen.values(seen_at=context.clock(), seen_by=who.staff.id))
    return RedirectResponse("/desk/quarantine", 303)


@router.get("/files/{file_id}", dependencies=READ)
async def file(request: Request, file_id: Id) -> Response:
    """A file that a customer sent."""
    async with context_of(request).db.read() as session:
        found = await session.get(Attachment, file_id)
    if found is None:
        raise HTTPException(404, "There is no such file. It may have been erased.")
    if found.due_at is not None:
        raise HTTPException(404, "This file is still being fetched. Its message shows when it is there.")
    if found.reason:
        raise HTTPException(404, f"This file could not be fetched: {found.reason}")
    return download(found.content, found.name)


def download(content: bytes, name: str) -> Response:
    """Strangers' bytes: saved, never opened in the desk's own name, whatever they say they are."""
    plain = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "._- ") else "_" for letter in name)
    headers = {
        "Content-Disposition": f"attachment; filename=\"{plain or 'file'}\"; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }
    return Response(content, media_type="application/octet-stream", headers=headers)


async def _find(session: AsyncSession, row_id: int) -> Quarantine:
    if found := await session.get(Quarantine, row_id):
        return found
    raise HTTPException(404, "There is no such message. It may have been erased.")
