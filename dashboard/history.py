"""An article's versions: all of them, one of them, two compared, and an older one put back."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.exceptions import HTTPException

from dashboard import difference, editing
from dashboard.articles import READ, WRITE, Number
from dashboard.auth import Acting, Who
from dashboard.pages import DeskRoute, Id, context_of, render
from knowledge import articles
from knowledge.articles import Article, ArticleVersion, KnowledgeError
from service.help_pages import to_html

router = APIRouter(prefix="/desk/articles/{article_id}", route_class=DeskRoute)

#: Versions on one page.
PAGE = 100
At = Annotated[int, Path(ge=1, le=2**31 - 1)]
Chosen = Annotated[int, Query(ge=0, le=2**31 - 1)]


@router.get("/versions", dependencies=READ)
async def versions(request: Request, who: Who, article_id: Id, before: Chosen = 0) -> Response:
    """The newest first, `before` a number for those further down."""
    context = context_of(request)
    async with context.db.read() as session:
        article = await _article(session, article_id)
        query = select(ArticleVersion).where(ArticleVersion.article_id == article_id)
        if before:
            query = query.where(ArticleVersion.number < before)
        rows = (await session.exec(query.order_by(col(ArticleVersion.number).desc()).limit(PAGE))).all()
    return render(request, "versions.html", who=who, article=article, rows=rows, now=context.clock())


@router.get("/versions/{number}", dependencies=READ)
async def one(request: Request, who: Who, article_id: Id, number: At) -> Response:
    return await _one(request, who, article_id, number)


@router.post("/versions/{number}/restore", dependencies=WRITE)
async def restore(request: Request, who: Acting, article_id: Id, number: At, version: Number = 0) -> Response:
    """An older version's words as a new version; publishes nothing."""
    try:
        async with context_of(request).db.write() as session:
            await editing.put_back(session, article_id, number, who.staff, seen=version)
    except (editing.NotPossible, KnowledgeError) as error:
        return await _one(request, who, article_id, number, sentence=str(error))
    return RedirectResponse(f"/desk/articles/{article_id}?said=restored", 303)


@router.get("/compare", dependencies=READ)
async def compare(request: Request, who: Who, article_id: Id, old: Chosen = 0, new: Chosen = 0) -> Response:
    """Two versions, the older one first however they were chosen."""
    old, new = sorted((old, new))
    async with context_of(request).db.read() as session:
        article = await _article(session, article_id)
        before, after = await _version(session, article, old), await _version(session, article, new)
    changes = await asyncio.to_thread(difference.between, articles.content(before), articles.content(after))
    return render(
        request,
        "compare.html",
        who=who,
        article=article,
        before=before,
        after=after,
        changes=changes,
        now=context_of(request).clock(),
    )


async def _one(request: Request, who: Who, article_id: int, number: int, sentence: str = "") -> Response:
    context = context_of(request)
    async with context.db.read() as session:
        article = await _article(session, article_id)
        version = await _version(session, article, number)
    return render(
        request,
        "article.html",
        409 if sentence else 200,
        who=who,
        article=article,
        version=version,
        html=await asyncio.to_thread(to_html, version.body),
        sentence=sentence,
        now=context.clock(),
    )


async def _article(session: AsyncSession, article_id: int) -> Article:
    article = await session.get(Article, article_id)
    if article is None:
        raise HTTPException(404, "There is no such article.")
    return article


async def _version(session: AsyncSession, article: Article, number: int) -> ArticleVersion:
    version = await articles.version(session, article, number)
    if version is None:
        raise HTTPException(404, "There is no such version of this article.")
    return version
