"""What is changed about an account: its password, its role, whether it is disabled; sessions end with it."""

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service import conversations, staff_verbs
from service.db import Database
from service.models import Staff
from service.staff import (
    ANSWERING,
    NotPossible,
    audit,
    check_password,
    end_sessions,
    hash_password,
    hold,
    known_role,
    tried,
)


async def change_password(
    db: Database, staff: Staff, current: str, new: str, *, address: str, now: float, token: str
) -> None:
    """One's own: every other browser of the account is signed out, the one with `token` stays.

    Raises NotPossible, and throttle.TooMany as signing in does.
    """
    async with tried(db, staff.email, address, now) as attempt:
        attempt.good = await check_password(staff, current)
    if not attempt.good:
        raise NotPossible("That is not your current password. Nothing was changed.")
    if new == current:
        raise NotPossible("The new password is the current one. Choose another.")
    hashed = await hash_password(new)
    async with db.write() as session:
        mine = await hold(session, staff.id)
        if mine.password_hash != staff.password_hash or mine.disabled_at is not None:
            raise NotPossible("Your account was changed meanwhile. Sign in again.")
        mine.password_hash = hashed
        session.add(mine)
        await end_sessions(session, mine, but=token)
        audit(session, "password_changed", mine, mine)


async def reset_password(session: AsyncSession, staff_id: int, password_hash: str, by: Staff | None = None) -> Staff:
    """Another one for somebody who lost it; every browser of the account is signed out. Raises NotPossible."""
    staff = await hold(session, staff_id, by)
    _not_oneself(staff, by, "Change your own password under Your account.")
    staff.password_hash = password_hash
    session.add(staff)
    await end_sessions(session, staff)
    audit(session, "password_reset", staff, by)
    return staff


async def disable(session: AsyncSession, staff_id: int, by: Staff | None = None) -> Staff:
    """Signed out everywhere and for good; what they had of customers waits in the queue again. Raises NotPossible."""
    staff = await hold(session, staff_id, by, admins=True)
    _not_oneself(staff, by, "You cannot disable your own account. Ask another admin to do it.")
    if staff.disabled_at is not None:
        return staff
    await _not_the_last_admin(session, staff)
    staff.disabled_at = await conversations.now(session)
    session.add(staff)
    await end_sessions(session, staff)
    audit(session, "staff_disabled", staff, by)
    await staff_verbs.release(session, staff, by)
    return staff


async def enable(session: AsyncSession, staff_id: int, by: Staff | None = None) -> Staff:
    """May sign in again, with the password as it was. Raises NotPossible."""
    staff = await hold(session, staff_id, by)
    if staff.disabled_at is not None:
        staff.disabled_at = None
        session.add(staff)
        audit(session, "staff_enabled", staff, by)
    return staff


async def change_role(session: AsyncSession, staff_id: int, role: str, by: Staff | None = None) -> Staff:
    """Another role, from the next click on; who may answer customers no more gives back what they had."""
    known_role(role)
    staff = await hold(session, staff_id, by, admins=True)
    if staff.role == role:
        return staff
    _not_oneself(staff, by, "You cannot change your own role. Ask another admin to do it.")
    if staff.disabled_at is None:
        await _not_the_last_admin(session, staff)
    audit(session, "role_changed", staff, by, before=staff.role, role=role)
    staff.role = role
    session.add(staff)
    if role not in ANSWERING:
        await staff_verbs.release(session, staff, by)
    return staff


async def want_email(session: AsyncSession, staff_id: int, on: bool) -> None:
    """Whether this person is told by email when nobody takes a call."""
    staff = await hold(session, staff_id)
    if staff.wants_email != on:
        staff.wants_email = on
        session.add(staff)
        audit(session, "email_on" if on else "email_off", staff, staff)


async def _not_the_last_admin(session: AsyncSession, staff: Staff) -> None:
    if staff.role != "admin":
        return
    others = select(func.count()).where(
        col(Staff.role) == "admin", col(Staff.disabled_at).is_(None), col(Staff.id) != staff.id
    )
    if not (await session.exec(others)).one():
        raise NotPossible(f"{staff.name} is the last admin who can sign in. Make somebody else an admin first.")


def _not_oneself(staff: Staff, by: Staff | None, sentence: str) -> None:
    if by is not None and by.id == staff.id:
        raise NotPossible(sentence)
