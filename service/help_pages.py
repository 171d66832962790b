"""The public help centre: every published article, plain and readable; what the sources of an answer link to."""

from collections import defaultdict
from functools import lru_cache
from pathlib import Path

import nh3
from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, select_autoescape
from markdown_it import MarkdownIt
from sqlmodel import col, select

from knowledge.articles import Article, ArticleVersion
from service.context import Context

TEMPLATES = Path(__file__).parent / "templates"
#: Nothing but text, lists, tables and links: an article is written by staff, and still it is not trusted with scripts.
TAGS = {"p", "h2", "h3", "h4", "ul", "ol", "li", "strong", "em", "code", "pre", "blockquote", "a", "br", "hr"}
TAGS |= {"table", "thead", "tbody", "tr", "th", "td"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def mount(app: FastAPI, context: Context) -> None:
    """Add /help and /help/{slug}."""
    router = APIRouter(prefix="/help")
    pages = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=select_autoescape())
    pages.globals["company"] = context.settings.company_name
    style = (TEMPLATES / "help.css").read_text(encoding="utf-8")

    def page(name: str, status: int = 200, **values: object) -> HTMLResponse:
        return HTMLResponse(pages.get_template(name).render(**values), status, headers=HEADERS)

    @router.get("/style.css")
    async def stylesheet() -> Response:
        return Response(style, media_type="text/css", headers={"Cache-Control": "public, max-age=3600"})

    @router.get("")
    async def contents() -> HTMLResponse:
        query = select(Article.slug, Article.title, Article.topic).where(Article.state == "published")
        async with context.db.read() as session:
            rows = (await session.exec(query.order_by(col(Article.topic), col(Article.title)))).all()
        topics: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for slug, title, topic in rows:
            topics[topic or "General"].append((slug, title))
        return page("help_contents.html", topics=topics)

    @router.get("/{slug}")
    async def article(slug: str) -> HTMLResponse:
        query = (
            select(ArticleVersion)
            .join(Article, col(Article.id) == ArticleVersion.article_id)
            .where(
                Article.slug == slug, Article.state == "published", ArticleVersion.number == Article.published_version
            )
        )
        if "\0" in slug:  # PostgreSQL refuses to be asked for it
            return page("help_missing.html", 404)
        async with context.db.read() as session:
            version = (await session.exec(query)).first()
        if version is None:
            return page("help_missing.html", 404)
        return page("help_article.html", article=version, body=to_html(version.body))

    app.include_router(router)


@lru_cache(maxsize=64)  # the same page asked for all the time costs its rendering once
def to_html(markdown: str) -> str:
    """An article's Markdown as HTML that may be shown to anybody."""
    html = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    return nh3.clean(html, tags=TAGS, attributes={"a": {"href"}}, url_schemes={"https", "http", "mailto"})
