"""Staff: their accounts, their passwords and the browsers they are signed in with."""

import asyncio
import hashlib
import re
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

from pwdlib import PasswordHash
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service import throttle
from service.db import Database
from service.models import AuditEvent, Staff, StaffSession

Result = TypeVar("Result")

ROLES = ("support", "editor", "admin")
#: Failed tries within throttle.WINDOW_SECONDS. An office shares one address, so it is allowed more.
TRIES_PER_ACCOUNT = 10
TRIES_PER_ADDRESS = 30
MIN_PASSWORD = 10  # characters
MAX_PASSWORD = 1_000  # characters: hashing a megabyte would be work done for a stranger

# A hash takes about 100 ms and 64 MB: two at a time leave the machine to its customers.
_hashing = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")


class NotPossible(Exception):
    """An account cannot be made like this; the sentence says what to change."""


async def add_staff(session: AsyncSession, name: str, email: str, role: str, password: str) -> Staff:
    """A new account. Raises NotPossible."""
    name, email = name.strip(), normal(email)
    if not name:
        raise NotPossible("Give a name: customers read it above this person's replies.")
    if not re.fullmatch(r"[^@\s\x00]+@[^@\s\x00]+", email):
        raise NotPossible(f"'{email}' is not an email address.")
    if role not in ROLES:
        raise NotPossible(f"There is no role '{role}': choose one of {', '.join(ROLES)}.")
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise NotPossible(f"A password has at least {MIN_PASSWORD} characters and at most {MAX_PASSWORD}.")
    staff = Staff(name=name, email=email, role=role, password_hash=await _in_thread(_hash, password))
    try:
        async with session.begin_nested():
            session.add(staff)
    except IntegrityError:
        raise NotPossible(f"Somebody already signs in with {email}.") from None
    session.add(AuditEvent(actor="operator", staff_id=staff.id, action="staff_added", detail={"role": role}))
    return staff


async def find_staff(session: AsyncSession, email: str) -> Staff | None:
    """The account that signs in with `email`, unless it is disabled."""
    query = select(Staff).where(Staff.email == normal(email), col(Staff.disabled_at).is_(None))
    return (await session.exec(query)).first()


async def check_password(staff: Staff | None, password: str) -> bool:
    """Whether it is this account's password. No account takes as long as a wrong password."""
    return await _in_thread(_verify, password[:MAX_PASSWORD], staff.password_hash if staff else None)


async def sign_in(db: Database, email: str, password: str, address: str, now: float) -> Staff | None:
    """Who signs in with these; None if nobody does. Raises throttle.TooMany, and does no hashing then."""
    account, office = throttle.account_key(normal(email)), throttle.address_key(address)
    # Counted before it is tried: a hundred tries at once are a hundred tries.
    async with db.write() as session:
        await throttle.count(session, {account: TRIES_PER_ACCOUNT, office: TRIES_PER_ADDRESS}, now)
    async with db.read() as session:
        staff = await find_staff(session, email)
    # No session is open while the hash is computed.
    if not await check_password(staff, password):
        return None
    async with db.write() as session:
        await throttle.forgive(session, account, all_of_them=True)
        await throttle.forgive(session, office)
    async with db.write() as session:
        await throttle.forget(session, now)
    return staff


async def open_session(session: AsyncSession, staff: Staff, now: float, hours: float) -> tuple[str, StaffSession]:
    """A signed-in browser: its token, which is stored nowhere, and the row that knows the token's hash."""
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
