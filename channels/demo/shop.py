"""The shop of Pellworth, an invented company: the page on which visitors of a demo try the web chat."""

from pathlib import Path

from fastapi import APIRouter, Response

from channels.base import Page

HERE = Path(__file__).parent
HEADERS = {
    # The page needs nothing from elsewhere, and says so; the widget runs under the same rules.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
}


def shop() -> tuple[Page, APIRouter]:
    """The page's place and its routes."""
    router = APIRouter()

    @router.get("/")
    async def page() -> Response:
        return _file("shop.html", "text/html; charset=utf-8")

    @router.get("/shop.css")
    async def style() -> Response:
        return _file("shop.css", "text/css; charset=utf-8")

    return Page(path="/", title="The shop with the chat"), router


def _file(name: str, media_type: str) -> Response:
    return Response((HERE / name).read_bytes(), media_type=media_type, headers=HEADERS)
