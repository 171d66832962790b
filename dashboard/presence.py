"""Who has an article open: told to everybody else who has, before either of them saves.

Each open page says every few seconds that it is still there, and is told who else is. It is a row in the database, so
it holds across processes; a page that says nothing any more runs out, whatever became of its browser.
"""

import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from sqlmodel import col, delete, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from dashboard.auth import Acting, needs
from dashboard.pages import DeskRoute, Id, context_of, render
from knowledge.articles import Article
from service.db import Database, clock
from service.models import Presence, Staff

router = APIRouter(prefix="/desk/articles", route_class=DeskRoute)
WRITE = needs("write articles")

#: Seconds that a page counts as open after it last said so: browsers let one that nobody looks at speak once a minute.
SEEN, UNSEEN = 30.0, 90.0
#: What is left of them when it is written again: a look every few seconds need not be a write every few seconds.
RENEWED_AT = 2 / 3

Page = Annotated[str, Form(pattern=re.compile(r"^[0-9a-f]{32}$"))]


@dataclass(frozen=True)
class Other:
    """Somebody else with the article open. `you`: the same person in another window."""

    name: str
    since: float
    you: bool


@router.post("/{article_id}/here", dependencies=WRITE)
async def here(
    request: Request, who: Acting, article_id: Id, page: Page, hidden: Annotated[bool, Form()] = False
) -> Response:
    """This page is open; who else has the article open is the answer."""
    context = context_of(request)
    await stay(context.db, page, article_id, who.staff, UNSEEN if hidden else SEEN)
    async with context.db.read() as session:
        found = await others(session, page, article_id, who.staff)
    return render(request, "_others.html", others=found)


@router.post("/{article_id}/gone", dependencies=WRITE)
async def gone(request: Request, who: Acting, article_id: Id, page: Page) -> Response:
    """This page is being closed."""
    async with context_of(request).db.write() as session:
        own = delete(Presence).where(col(Presence.page) == page, col(Presence.staff_id) == who.staff.id)
        await session.exec(own)
    return Response(status_code=204)


async def stay(db: Database, page: str, article_id: int, staff: Staff, seconds: float) -> None:
    """Note that `page` has the article open, for so many seconds from now on."""
    fresh = select(Presence.page).where(
        Presence.page == page,
        Presence.article_id == article_id,
        Presence.staff_id == staff.id,
        col(Presence.until).between(clock() + seconds * RENEWED_AT, clock() + seconds),
    )
    async with db.read() as session:
        if (await session.exec(fresh)).first():
            return
    async with db.write() as session:
        now = (await session.exec(select(clock()))).one()
        found = await session.get(Presence, page)
        if found is None:
            if await session.get(Article, article_id) is None:
                return
            session.add(Presence(page=page, article_id=article_id, staff_id=staff.id, since=now, until=now + seconds))
        elif found.staff_id == staff.id:
            # After a silence (a laptop that slept) it is open anew.
            found.since = found.since if found.until >= now and found.article_id == article_id else now
            found.article_id, found.until = article_id, now + seconds


async def others(session: AsyncSession, page: str, article_id: int, me: Staff) -> list[Other]:
    """Everybody else with the article open, each once, who came first first."""
    first = func.min(Presence.since)
    query = (
        select(Staff.id, Staff.name, first)
        .join(Presence, col(Presence.staff_id) == Staff.id)
        .where(Presence.article_id == article_id, Presence.page != page, col(Presence.until) >= clock())
        .group_by(col(Staff.id), col(Staff.name))
        .order_by(first)
    )
    return [Other(name, since, id == me.id) for id, name, since in (await session.exec(query)).all()]
