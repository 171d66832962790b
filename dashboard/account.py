"""One's own account: the password, and whether to be told by email when nobody takes a call."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from dashboard.auth import Acting, SignedIn, Who, needs
from dashboard.pages import DeskRoute, context_of, render
from service import staff_changes
from service.call_mail import span
from service.staff import MAX_PASSWORD, MIN_PASSWORD, NotPossible
from service.throttle import TooMany

router = APIRouter(prefix="/desk/account", route_class=DeskRoute)

#: What the address may ask to be said; nobody else's words are shown.
SAID = {
    "password": "Your password is changed. Every other browser that was signed in as you is signed out.",
    "email-on": "You get an email when nobody takes a call.",
    "email-off": "You get no email about calls.",
}


@router.get("", dependencies=needs("keep one's account"))
async def account(request: Request, who: Who, said: str = "") -> Response:
    return _page(request, who, said=SAID.get(said, ""))


@router.post("/password", dependencies=needs("keep one's account"))
async def password(
    request: Request,
    who: Acting,
    current: Annotated[str, Form()] = "",
    new: Annotated[str, Form()] = "",
    again: Annotated[str, Form()] = "",
) -> Response:
    """Change one's own password: this browser stays signed in, the others do not."""
    if new != again:
        return _page(request, who, 409, sentence="The new password was not typed the same both times.")
    context = context_of(request)
    address = request.client.host if request.client else ""
    try:
        await staff_changes.change_password(
            context.db, who.staff, current, new, address=address, now=context.clock(), token=who.token
        )
    except NotPossible as error:
        return _page(request, who, 409, sentence=str(error))
    except TooMany as error:
        response = _page(request, who, 429, sentence=str(error))
        response.headers["Retry-After"] = str(error.seconds)
        return response
    return RedirectResponse("/desk/account?said=password", 303)


@router.post("/email", dependencies=needs("answer customers"))
async def email(request: Request, who: Acting, on: Annotated[bool, Form()] = False) -> Response:
    """Whether to be told by email when nobody takes a call."""
    async with context_of(request).db.write() as session:
        await staff_changes.want_email(session, who.staff.id, on)
    return RedirectResponse(f"/desk/account?said=email-{'on' if on else 'off'}", 303)


def _page(request: Request, who: SignedIn, status: int = 200, *, said: str = "", sentence: str = "") -> Response:
    settings = context_of(request).settings
    return render(
        request,
        "account.html",
        status,
        who=who,
        said=said,
        sentence=sentence,
        mail_on=bool(settings.smtp_host),
        wait=span(settings.call_email_seconds),
        least=MIN_PASSWORD,
        most=MAX_PASSWORD,
    )
