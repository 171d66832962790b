"""Who has a login: the list, and what an admin does with an account."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from dashboard.auth import Acting, SignedIn, Who, needs
from dashboard.pages import DeskRoute, Id, context_of, render
from service import staff, staff_changes
from service.models import Staff
from service.storable import clean

router = APIRouter(prefix="/desk/staff", route_class=DeskRoute)
ADMINISTER = needs("administer staff")


#: What the address may ask to be said, with a name of the list.
SAID = {
    "disable": "{name} is signed out everywhere and cannot sign in. What they had of customers is back in the queue.",
    "enable": "{name} can sign in again, with the password they had.",
    "role": "{name} has another role, from their next click on.",
}


@dataclass(frozen=True)
class Made:
    """A password that is shown this once: it is kept only as a hash."""

    staff: Staff
    password: str


@router.get("", dependencies=ADMINISTER)
async def members(request: Request, who: Who, said: str = "", about: int = 0) -> Response:
    return await _page(request, who, said=said, about=about)


@router.post("", dependencies=ADMINISTER)
async def add(
    request: Request,
    who: Acting,
    name: Annotated[str, Form()] = "",
    email: Annotated[str, Form()] = "",
    role: Annotated[str, Form()] = "support",
) -> Response:
    """A new member of staff, with a password to hand over."""
    name, email, password = clean(name), clean(email), staff.made_password()
    hashed = await staff.hash_password(password)
    try:
        async with context_of(request).db.write() as session:
            made = await staff.add_staff(session, name, email, role, hashed, who.staff)
    except staff.NotPossible as error:
        return await _page(request, who, 409, sentence=str(error), typed={"name": name, "email": email, "role": role})
    return await _page(request, who, made=Made(made, password))


@router.post("/{staff_id}/{verb}", dependencies=ADMINISTER)
async def act(request: Request, who: Acting, staff_id: Id, verb: str, role: Annotated[str, Form()] = "") -> Response:
    """Disable, enable, another role, another password; what cannot be done is said on the page."""
    if verb not in ("disable", "enable", "role", "reset"):
        raise HTTPException(404, "There is no such thing to do with an account.")
    password = staff.made_password()
    hashed = await staff.hash_password(password) if verb == "reset" else ""
    try:
        async with context_of(request).db.write() as session:
            if verb == "disable":
                changed = await staff_changes.disable(session, staff_id, who.staff)
            elif verb == "enable":
                changed = await staff_changes.enable(session, staff_id, who.staff)
            elif verb == "role":
                changed = await staff_changes.change_role(session, staff_id, role, who.staff)
            else:
                changed = await staff_changes.reset_password(session, staff_id, hashed, who.staff)
    except staff.NotPossible as error:
        return await _page(request, who, 409, sentence=str(error))
    if verb == "reset":
        return await _page(request, who, made=Made(changed, password))
    return RedirectResponse(f"/desk/staff?said={verb}&about={staff_id}", 303)


async def _page(
    request: Request,
    who: SignedIn,
    status: int = 200,
    *,
    said: str = "",
    about: int = 0,
    sentence: str = "",
    made: Made | None = None,
    typed: dict[str, str] | None = None,
) -> Response:
    context = context_of(request)
    async with context.db.read() as session:
        rows = await staff.members(session)
    names = {each.id: each.name for each, _ in rows}
    told = SAID[said].format(name=names[about]) if said in SAID and about in names else ""
    return render(
        request,
        "staff.html",
        status,
        who=who,
        rows=rows,
        roles=staff.ROLES,
        said=told,
        sentence=sentence,
        made=made,
        typed=typed or {"name": "", "email": "", "role": "support"},
        now=context.clock(),
    )
