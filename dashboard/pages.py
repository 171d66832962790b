"""How a page of the desk is drawn, and what every answer below /desk carries: headers, a friendly refusal."""

import hashlib
from collections.abc import Callable, Coroutine
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Request, Response
from fastapi import Path as Segment
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from dashboard import words
from service import labels
from service.context import Context
from service.throttle import TooMany
from service.web import read_body

HERE = Path(__file__).parent
STATIC = HERE / "static"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
#: A form of the desk holds one reply; bytes.
MOST_BODY = 256_000

#: A number that a row may have, in an address.
Id = Annotated[int, Segment(ge=1, le=2**63 - 1)]


class Static(StaticFiles):
    """The desk's own files; `_static` gives each content an address of its own, so a browser need never ask twice."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


class SignedOut(Exception):
    """Whoever asks is not signed in (any more)."""


class NotAllowed(HTTPException):
    """Whoever asks is signed in, but this is not theirs to do."""

    def __init__(self, sentence: str) -> None:
        super().__init__(403, sentence)


class DeskRoute(APIRoute):
    """A route whose answers carry the desk's headers, and whose refusals are pages for people."""

    most_body = MOST_BODY

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            try:
                if request.method == "POST":
                    request._body = await read_body(request, self.most_body)  # what form() reads from here on
                response = await handle(request)
            except SignedOut:
                response = to_login(request)
            except NotAllowed as error:
                response = refusal(request, 403, str(error.detail), heading="Not yours to do")
            except TooMany as error:
                response = refusal(request, 429, str(error), heading="A moment, please")
                response.headers["Retry-After"] = str(error.seconds)
            except HTTPException as error:
                response = refusal(request, error.status_code, str(error.detail))
            except RequestValidationError:
                response = refusal(request, 404, "There is no such page. The link may be incomplete.")
            for name, value in HEADERS.items():  # a file's own are stricter
                response.headers.setdefault(name, value)
            return response

        return guarded


router = APIRouter(prefix="/desk", route_class=DeskRoute)


@router.get("/{rest:path}")
async def nothing_here(rest: str, request: Request) -> Response:
    context_of(request).limits.count_request(request.scope)
    if not rest:
        return RedirectResponse("/desk", 308)
    raise HTTPException(404, "There is no such page. The link may be old or incomplete.")


def context_of(request: Request) -> Context:
    """The running service's collaborators."""
    return request.app.state.context


def by_htmx(request: Request) -> bool:
    """Whether the page that is open asked, rather than the browser for a new page."""
    return "hx-request" in request.headers


def render(request: Request, name: str, status: int = 200, **values: object) -> HTMLResponse:
    """The template `name` as a page or a part of one."""
    company = context_of(request).settings.company_name
    zone = words.zone(request.cookies.get("firstline-tz", ""))
    html = _environment().get_template(name).render(company=company, zone=zone, **values)
    return HTMLResponse(html, status)


def refusal(request: Request, status: int, sentence: str, heading: str = "That did not work") -> Response:
    """Why not, in the form that whoever asked can show."""
    if "text/event-stream" in request.headers.get("accept", ""):
        return PlainTextResponse(sentence, status)
    if by_htmx(request):  # said in the open page's banner
        return PlainTextResponse(sentence, status)
    return render(request, "refusal.html", status, sentence=sentence, heading=heading)


def to_login(request: Request) -> Response:
    """The way to the login page, in the form that whoever asked can follow; it leads back to where they were."""
    if "text/event-stream" in request.headers.get("accept", ""):
        return PlainTextResponse("Sign in again.", 401)
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if by_htmx(request):
        here = _path(request.headers.get("hx-current-url", ""))
    elif request.method != "GET":
        here = _path(request.headers.get("referer", ""))
    target = "/desk/login?next=" + quote(safe_next(here), safe="")
    if by_htmx(request):
        return PlainTextResponse("Sign in again.", 401, headers={"HX-Redirect": target})
    return RedirectResponse(target, 303)


def safe_next(path: str) -> str:
    """`path` if it leads to a page of the desk, else the queue: a login never sends anybody to another site."""
    plain = path.isprintable() and "\\" not in path and not path.startswith("/desk/log")
    return path if plain and (path == "/desk" or path.startswith(("/desk?", "/desk/"))) else "/desk"


def _path(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return parts.path + (f"?{parts.query}" if parts.query else "")


@cache
def _environment() -> Environment:
    # Everything is escaped, whatever a template is called: what customers write is text, never markup.
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(static=_static, labels=labels.VALUES)
    environment.filters.update(words.FILTERS)
    return environment


@cache
def _static(name: str) -> str:
    """The address of a static file, which changes with its content."""
    return f"/desk/static/{name}?v={hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]}"
