"""Staff: their accounts, their passwords and the browsers they are signed in with."""

import asyncio
import hashlib
import re
import secrets
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from pwdlib import PasswordHash
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, delete, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service import throttle
from service.db import Database, wake
from service.models import AuditEvent, Staff, StaffSession
from service.wake import SIGNED_OUT

Result = TypeVar("Result")

ROLES = ("support", "editor", "admin")
#: Whose it is to answer customers: they are told of calls, and conversations can be theirs.
ANSWERING = ("support", "admin")
#: Failed tries within throttle.WINDOW_SECONDS. An office shares one address, so it is allowed more.
TRIES_PER_ACCOUNT = 10
TRIES_PER_ADDRESS = 30
MIN_PASSWORD = 10  # characters
MAX_PASSWORD = 1_000  # characters: hashing a megabyte would be work done for a stranger

# A hash takes about 100 ms and 64 MB: two at a time leave the machine to its customers.
_hashing = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")


class NotPossible(Exception):
    """An account cannot be made or changed like this; the sentence says what to do instead."""


class Disabled(Exception):
    """The password is right, and the account is disabled."""


async def add_staff(
    session: AsyncSession, name: str, email: str, role: str, password_hash: str, by: Staff | None = None
) -> Staff:
    """A new account, made `by` an admin or, without one, by the operator. Raises NotPossible.

    It is given the hash: computing one takes longer than other writers should wait.
    """
    name, email = name.strip(), normal(email)
    if not name:
        raise NotPossible("Give a name: customers read it above this person's replies.")
    if not re.fullmatch(r"[^@\s\x00]+@[^@\s\x00]+", email):
        raise NotPossible(f"'{email}' is not an email address.")
    known_role(role)
    if by is not None:
        await hold(session, by.id, by)
    staff = Staff(name=name, email=email, role=role, password_hash=password_hash)
    try:
        async with session.begin_nested():
            session.add(staff)
    except IntegrityError:
        raise NotPossible(f"Somebody already signs in with {email}.") from None
    audit(session, "staff_added", staff, by, role=role)
    return staff


async def hold(session: AsyncSession, staff_id: int, by: Staff | None = None, *, admins: bool = False) -> Staff:
    """The account as it is now, held by this transaction; with `admins`, so that two admins cannot remove each other.

    `by` is held with it and must still be an admin, whatever it was when it asked. Rows that refer to an account may
    still be written meanwhile: only its own are held. Raises NotPossible.
    """
    ids = {staff_id, by.id if by else staff_id}
    query = select(Staff).where(col(Staff.id).in_(ids) | ((col(Staff.role) == "admin") & admins))
    query = query.order_by(col(Staff.id)).with_for_update(key_share=True).execution_options(populate_existing=True)
    held = {staff.id: staff for staff in (await session.exec(query)).all()}
    if by is not None:
        now = held.get(by.id)
        if now is None or now.disabled_at is not None or now.role != "admin":
            raise NotPossible("Your account was changed meanwhile, and administering staff is not yours any more.")
    if staff_id not in held:
        raise NotPossible("There is no such account.")
    return held[staff_id]


def audit(session: AsyncSession, action: str, staff: Staff, by: Staff | None, **detail: str) -> None:
    """What was done to the account `staff`; without `by` the operator did it. Never holds a password."""
    actor = "staff" if by else "operator"
    by_id = by.id if by else None
    session.add(AuditEvent(actor=actor, staff_id=by_id, action=action, detail={"account": staff.id, **detail}))


def known_role(role: str) -> None:
    """Raises NotPossible where there is no such role."""
    if role not in ROLES:
        raise NotPossible(f"There is no role '{role}': choose one of {', '.join(ROLES)}.")


def can_answer(staff: Staff | None) -> bool:
    """Whether a conversation can be this person's."""
    return staff is not None and staff.disabled_at is None and staff.role in ANSWERING


async def members(session: AsyncSession) -> list[tuple[Staff, float | None]]:
    """Everybody with a login, by name, disabled ones last; with when they last signed in."""
    last = select(func.max(AuditEvent.at)).where(AuditEvent.staff_id == Staff.id, AuditEvent.action == "signed_in")
    query = select(Staff, last.correlate(Staff).scalar_subquery())
    query = query.order_by(col(Staff.disabled_at).is_not(None), func.lower(Staff.name), col(Staff.id))
    return [(staff, at) for staff, at in (await session.exec(query)).all()]


def made_password() -> str:
    """A password for somebody who will change it: 128 bits."""
    return secrets.token_urlsafe(16)


async def hash_password(password: str) -> str:
    """What is kept of a password. Raises NotPossible if it is too short or too long."""
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise NotPossible(f"A password has at least {MIN_PASSWORD} characters and at most {MAX_PASSWORD}.")
    return await _in_thread(_hash, password)


async def find_staff(session: AsyncSession, email: str) -> Staff | None:
    """The account that signs in with `email`, disabled or not."""
    return (await session.exec(select(Staff).where(Staff.email == normal(email)))).first()


async def check_password(staff: Staff | None, password: str) -> bool:
    """Whether it is this account's password. No account takes as long as a wrong password."""
    return await _in_thread(_verify, password[:MAX_PASSWORD], staff.password_hash if staff else None)


async def sign_in(db: Database, email: str, password: str, address: str, now: float) -> Staff | None:
    """Who signs in with these; None if nobody does. Raises throttle.TooMany, and does no hashing then; and Disabled."""
    async with tried(db, email, address, now) as attempt:
        async with db.read() as session:
            staff = await find_staff(session, email)
        # No session is open while the hash is computed.
        attempt.good = await check_password(staff, password)
    if staff is None or not attempt.good:
        return None
    if staff.disabled_at is not None:  # said only to whoever has the password
        raise Disabled
    return staff


@dataclass
class Attempt:
    """One try at somebody's password."""

    good: bool = False


@asynccontextmanager
async def tried(db: Database, email: str, address: str, now: float) -> AsyncIterator[Attempt]:
    """A try at the password of `email` in the block, which counts unless it turns out good. Raises throttle.TooMany."""
    account, office = throttle.account_key(normal(email)), throttle.address_key(address)
    # Counted before it is tried: a hundred tries at once are a hundred tries.
    async with db.write() as session:
        await throttle.count(session, {account: TRIES_PER_ACCOUNT, office: TRIES_PER_ADDRESS}, now)
    attempt = Attempt()
    yield attempt
    if not attempt.good:
        return
    async with db.write() as session:
        await throttle.forgive(session, account, all_of_them=True)
        await throttle.forgive(session, office)


async def open_session(session: AsyncSession, staff: Staff, now: float, hours: float) -> tuple[str, StaffSession]:
    """A signed-in browser: its token, which is stored nowhere, and the row that knows the token's hash.

    `staff` as the password was verified against it. Raises NotPossible if it is another one by now, and Disabled.
    Before any lock on a session: ending them holds the account first.
    """
    verified = staff.password_hash
    query = select(Staff).where(Staff.id == staff.id).with_for_update(read=True)
    held = (await session.exec(query.execution_options(populate_existing=True))).one()
    if held.password_hash != verified:
        raise NotPossible("Your password was changed meanwhile. Sign in with the new one.")
    if held.disabled_at is not None:
        raise Disabled
    token = secrets.token_urlsafe(32)
    opened = StaffSession(
        token_hash=_token_hash(token),
        staff_id=staff.id,
        csrf=secrets.token_urlsafe(32),
        created_at=now,
        expires_at=now + hours * 3600,
    )
    await session.exec(delete(StaffSession).where(col(StaffSession.expires_at) <= now))
    session.add(opened)
    session.add(AuditEvent(actor="staff", staff_id=staff.id, action="signed_in"))
    return token, opened


async def find_session(session: AsyncSession, token: str, now: float) -> tuple[Staff, StaffSession] | None:
    """Whose browser this is, unless it was signed out, has expired or the account is disabled."""
    query = (
        select(Staff, StaffSession)
        .join(StaffSession, col(StaffSession.staff_id) == Staff.id)
        .where(StaffSession.token_hash == _token_hash(token), StaffSession.expires_at > now)
        .where(col(Staff.disabled_at).is_(None))
    )
    return (await session.exec(query)).first()


async def close_session(session: AsyncSession, token: str) -> None:
    """Sign this browser out; a token that is not known is already signed out."""
    found = await session.get(StaffSession, _token_hash(token))
    if found is not None:
        await session.delete(found)
        session.add(AuditEvent(actor="staff", staff_id=found.staff_id, action="signed_out"))


async def end_sessions(session: AsyncSession, staff: Staff, *, but: str = "") -> None:
    """Sign every browser of this account out, `but` the one with that token; its open pages hear of it at once."""
    await session.exec(
        delete(StaffSession).where(
            col(StaffSession.staff_id) == staff.id, col(StaffSession.token_hash) != _token_hash(but)
        )
    )
    wake(session, SIGNED_OUT)


def normal(email: str) -> str:
    """An email address as accounts are looked up by: PostgreSQL refuses NUL, and people's phones capitalise."""
    return email.replace("\x00", "").strip().lower()


def _token_hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


@lru_cache(maxsize=1)
def _hasher() -> tuple[PasswordHash, str]:
    """The hasher, and the hash of a password that nobody has, to be compared with where there is no account."""
    hasher = PasswordHash.recommended()
    return hasher, hasher.hash(secrets.token_urlsafe(32))


def _hash(password: str) -> str:
    return _hasher()[0].hash(_bytes(password))


def _verify(password: str, hashed: str | None) -> bool:
    hasher, nobodys = _hasher()
    return hasher.verify(_bytes(password), hashed or nobodys) and hashed is not None


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "replace")


async def _in_thread(work: Callable[..., Result], *args: object) -> Result:
    return await asyncio.get_running_loop().run_in_executor(_hashing, work, *args)
