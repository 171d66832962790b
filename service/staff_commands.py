"""`firstline staff`: who has a login, made, disabled, enabled and given a new password from the shell."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.table import Table
from sqlmodel.ext.asyncio.session import AsyncSession

from service import staff, staff_changes
from service.command import Refusal, console, load_settings, open_database
from service.db import Database
from service.models import Staff

staff_app = typer.Typer(no_args_is_help=True, help="People with a login.")

Email = Annotated[str, typer.Argument(help="The address they sign in with.")]


@staff_app.command("list")
def everybody() -> None:
    """List everybody with a login; in a pipe, one a line with tabs between."""
    settings = load_settings()

    async def load() -> list[tuple[Staff, float | None]]:
        async with open_database(settings) as db, db.read() as session:
            return await staff.members(session)

    rows = [
        (each.email, each.name, each.role, "disabled" if each.disabled_at else "enabled", _day(at))
        for each, at in asyncio.run(load())
    ]
    if not console.is_terminal:
        for row in rows:
            print(*row, sep="\t")
    elif rows:
        table = Table("Email", "Name", "Role", "State", "Last sign-in", box=None, pad_edge=False, header_style="bold")
        for row in rows:
            table.add_row(*row)
        console.print(table, markup=False)
    else:
        console.print("Nobody has a login yet. `firstline staff add` makes one.")


@staff_app.command("add")
def add(
    email: Annotated[str, typer.Argument(help="The address to sign in with.")],
    name: Annotated[str, typer.Option(help="The name customers read under replies.")] = "",
    role: Annotated[str, typer.Option(help="support, editor or admin.")] = "support",
    password: Annotated[
        str | None, typer.Option(help="At least 10 characters; default: one is made and printed.")
    ] = None,
) -> None:
    """Make a login for a member of staff."""
    settings = load_settings()
    made = password or staff.made_password()

    async def run() -> None:
        async with open_database(settings) as db:
            await add_member(db, name or email.split("@")[0].title(), email, role, made)

    asyncio.run(run())
    _say(f"{email} can sign in as {role}." + ("" if password else f" Password (shown this once): {made}"))


@staff_app.command("disable")
def disable(email: Email) -> None:
    """Sign somebody out everywhere and for good; what they had of customers waits in the queue again."""
    done = _change(email, lambda session, each: staff_changes.disable(session, each.id))
    _say(f"{done.email} is signed out and cannot sign in. `firstline staff enable {done.email}` lets them in again.")


@staff_app.command("enable")
def enable(email: Email) -> None:
    """Let somebody who was disabled sign in again, with the password they had."""
    done = _change(email, lambda session, each: staff_changes.enable(session, each.id))
    _say(f"{done.email} can sign in as {done.role}, with the password they had.")


@staff_app.command("reset")
def reset(email: Email) -> None:
    """Give somebody a new password, which is printed this once, and sign them out everywhere."""
    made = staff.made_password()
    hashed = asyncio.run(staff.hash_password(made))
    done = _change(email, lambda session, each: staff_changes.reset_password(session, each.id, hashed))
    still = " The account stays disabled." if done.disabled_at else ""
    _say(f"{done.email} is signed out everywhere. New password (shown this once): {made}{still}")


async def add_member(db: Database, name: str, email: str, role: str, password: str) -> None:
    """An account of the operator's making."""
    try:
        hashed = await staff.hash_password(password)
        async with db.write() as session:
            await staff.add_staff(session, name, email, role, hashed)
    except staff.NotPossible as error:
        raise Refusal(str(error)) from None


def _change(email: str, change: Callable[[AsyncSession, Staff], Awaitable[Any]]) -> Staff:
    settings = load_settings()

    async def run() -> Staff:
        async with open_database(settings) as db, db.write() as session:
            found = await staff.find_staff(session, email)
            if found is None:
                raise Refusal(f"Nobody signs in with {email}. `firstline staff list` shows who does.")
            return await change(session, found)

    try:
        return asyncio.run(run())
    except staff.NotPossible as error:
        raise Refusal(str(error)) from None


def _say(sentence: str) -> None:
    console.print(sentence, markup=False)  # an address may hold brackets


def _day(at: float | None) -> str:
    return "never" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
