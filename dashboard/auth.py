"""Who is at the desk: login, sign out, and the check that a form was sent by our own page."""

import hmac
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from dashboard import rights
from dashboard.pages import DeskRoute, NotAllowed, SignedOut, context_of, render, safe_next
from service import staff as accounts
from service.context import Context
from service.models import Staff
from service.storable import clean
from service.throttle import TooMany

router = APIRouter(prefix="/desk", route_class=DeskRoute)

WRONG = "That email and password do not belong together. Check both and try again."
DISABLED = "This account is disabled. An admin of your desk can enable it again."
#: To a browser whose session is not there any more: which of these it was, it must not learn without the password.
ENDED = (
    "You were signed out: the session ran out, the password was changed or the account was disabled. Sign in again, or "
    "ask an admin."
)


@dataclass(frozen=True)
class SignedIn:
    """A member of staff at one browser. `csrf` must come back with everything that changes something."""

    staff: Staff
    csrf: str
    token: str

    def may(self, right: str) -> bool:
        """Whether this person has the right."""
        return rights.may(self.staff.role, right)


async def signed_in(request: Request) -> SignedIn:
    """Who asks. Raises SignedOut."""
    if found := await _session(request):
        return found
    raise SignedOut


async def look(request: Request) -> SignedIn | None:
    """Who is signed in at this browser, counted nowhere: for a request that was let in already."""
    context = context_of(request)
    if token := request.cookies.get(cookie_name(context)):
        async with context.db.read() as session:
            found = await accounts.find_session(session, token, context.clock())
        if found:
            return SignedIn(found[0], found[1].csrf, token)
    return None


async def acting(
    request: Request, who: Annotated[SignedIn, Depends(signed_in)], csrf: Annotated[str, Form()] = ""
) -> SignedIn:
    """Who asks for a change, from a page of ours that was drawn for this very session."""
    given = request.headers.get("x-csrf-token", "") or csrf
    if not from_our_page(request) or not hmac.compare_digest(given.encode("utf-8", "replace"), who.csrf.encode()):
        raise HTTPException(
            403, "This page was drawn for another session. Reload it and try again: nothing was changed."
        )
    return who


class Needs:
    """What a route asks of whoever calls it: a right of the table. Raises SignedOut and NotAllowed."""

    def __init__(self, right: str) -> None:
        assert right in rights.RIGHTS
        self.right = right

    async def __call__(self, who: Annotated[SignedIn, Depends(signed_in)]) -> None:
        if not who.may(self.right):
            raise NotAllowed(rights.refusal(who.staff.role, self.right))


def needs(right: str) -> list[Any]:
    """The dependencies of a route that needs a right."""
    return [Depends(Needs(right))]


Who = Annotated[SignedIn, Depends(signed_in)]
Acting = Annotated[SignedIn, Depends(acting)]


@router.get("/login")
async def login_page(request: Request, next: str = "") -> Response:
    if await _session(request):
        return RedirectResponse(safe_next(next), 303)
    ended = ENDED if cookie_name(context_of(request)) in request.cookies else ""
    return render(request, "login.html", next=safe_next(next), email="", sentence=ended)


@router.post("/login")
async def login(
    request: Request,
    email: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "",
) -> Response:
    def again(status: int, sentence: str) -> Response:
        return render(request, "login.html", status, next=safe_next(next), email=email, sentence=sentence)

    email = clean(email)
    context = context_of(request)
    context.limits.count_request(request.scope)
    if not from_our_page(request):
        return again(403, "This form was sent from another site. Sign in here instead.")
    address = request.client.host if request.client else ""
    hours = context.settings.session_hours
    try:
        staff = await accounts.sign_in(context.db, email, password, address, context.clock())
        if staff is None:
            return again(401, WRONG)
        async with context.db.write() as session:
            token, _ = await accounts.open_session(session, staff, context.clock(), hours)
            if former := request.cookies.get(cookie_name(context)):
                await accounts.close_session(session, former)
    except TooMany as error:
        response = again(429, str(error))
        response.headers["Retry-After"] = str(error.seconds)
        return response
    except accounts.Disabled:
        return again(403, DISABLED)
    except accounts.NotPossible as error:
        return again(401, str(error))
    response = RedirectResponse(safe_next(next), 303)
    response.set_cookie(
        cookie_name(context),
        token,
        max_age=int(hours * 3600),
        path="/",
        secure=_https(context),
        httponly=True,
        samesite="lax",
    )
    return response


@router.post("/logout")
async def logout(request: Request, who: Acting) -> Response:
    context = context_of(request)
    async with context.db.write() as session:
        await accounts.close_session(session, who.token)
    response = RedirectResponse("/desk/login", 303)
    response.delete_cookie(cookie_name(context), path="/", secure=_https(context), httponly=True, samesite="lax")
    return response


def cookie_name(context: Context) -> str:
    """Over https the prefix makes browsers refuse a cookie that a neighbouring site planted."""
    return "__Host-firstline" if _https(context) else "firstline"


def from_our_page(request: Request) -> bool:
    """Whether the browser says that a page of ours sent this; programs that say nothing are left to the token."""
    if site := request.headers.get("sec-fetch-site"):
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    if origin is None:
        return True
    ours = {request.headers.get("host", ""), urlsplit(context_of(request).settings.base_url).netloc}
    try:
        return urlsplit(origin).netloc in ours - {""}
    except ValueError:  # not an address at all
        return False


async def _session(request: Request) -> SignedIn | None:
    """Who is signed in at this browser. Nobody is, and it counts like anything that strangers ask. Raises TooMany."""
    if found := await look(request):
        return found
    context_of(request).limits.count_request(request.scope)
    return None


def _https(context: Context) -> bool:
    return context.settings.base_url.startswith("https://")
