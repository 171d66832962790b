"""How often something may fail before its caller must wait: counted in the database, so that every process agrees."""

import hashlib
import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from math import ceil

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.models import Throttle

#: Failed tries are counted over this many seconds from the first of them.
WINDOW_SECONDS = 15 * 60.0


class TooMany(Exception):
    """More than is taken, in a sentence that says when to come back; `seconds` until then, whole ones."""

    def __init__(self, seconds: float, what: str = "Too many tries.") -> None:
        self.seconds = max(1, ceil(seconds - 0.001))  # a clock's rounding is not worth a second
        number, unit = (self.seconds, "second") if self.seconds < 120 else (ceil(self.seconds / 60), "minute")
        super().__init__(f"{what} Please try again in {number} {unit}{'s' if number > 1 else ''}.")


async def count(session: AsyncSession, limits: Mapping[str, int], now: float) -> None:
    """Count one try on each key of `limits`, or raise TooMany and count none. `forgive` takes a good one back."""
    # Always in the same order: two tries that lock the same rows must not wait for each other.
    rows = [await _row(session, key, now) for key in sorted(limits)]
    full = [row.since + WINDOW_SECONDS - now for row in rows if row.count >= limits[row.key]]
    if full:
        raise TooMany(max(full))
    for row in rows:
        row.count += 1
        session.add(row)


async def forgive(session: AsyncSession, key: str, *, all_of_them: bool = False) -> None:
    """The try that was counted on `key` was a good one: take it back, or with it all that came before."""
    if row := await session.get(Throttle, key, with_for_update=True):
        row.count = 0 if all_of_them else max(0, row.count - 1)
        session.add(row)


async def forget(session: AsyncSession, now: float) -> None:
    """Drop what no longer counts. In a transaction of its own: then it waits for nobody who waits for it."""
    old = select(Throttle.key).where(Throttle.since <= now - WINDOW_SECONDS).with_for_update(skip_locked=True)
    await session.exec(delete(Throttle).where(col(Throttle.key).in_(old)))


def account_key(email: str) -> str:
    """Opaque, so that the table holds neither addresses nor what somebody typed in their place."""
    return "account:" + hashlib.sha256(email.encode("utf-8", "replace")).hexdigest()[:32]


def address_key(address: str) -> str:
    """One key for all of an address's network, opaque like an account's."""
    return "address:" + hashlib.sha256(network(address).encode()).hexdigest()[:32]


@lru_cache(maxsize=4096)
def network(address: str) -> str:
    """An IPv4 address, or the /64 network that an IPv6 customer is commonly given whole."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if ip.version == 6 and ip.ipv4_mapped:  # how a server that listens on [::] sees IPv4
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip, 64), strict=False)) if ip.version == 6 else str(ip)


async def _row(session: AsyncSession, key: str, now: float) -> Throttle:
    row = await session.get(Throttle, key, with_for_update=True)
    if row is None:
        try:
            async with session.begin_nested():
                session.add(Throttle(key=key, count=0, since=now))
        except IntegrityError:
            pass  # another process made it in the meantime
        row = await session.get(Throttle, key, with_for_update=True, populate_existing=True)
        assert row is not None
    if now - row.since >= WINDOW_SECONDS:
        row.count, row.since = 0, now
    return row
