"""Accounts, passwords, signed-in browsers, and what stops somebody who guesses."""

import time
from typing import Any

import pytest
from sqlmodel import select

from service import staff, throttle
from service.db import Database
from service.models import AuditEvent, Staff, StaffSession, Throttle

pytestmark = pytest.mark.anyio

PASSWORD = "correct horse battery"
NOW = 1_800_000_000.0


async def add(db: Database, email: str = "ana@example.org", **changed: Any) -> Staff:
    values = {"name": "Ana", "email": email, "role": "support", "password": PASSWORD, **changed}
    values["password_hash"] = await staff.hash_password(values.pop("password"))
    async with db.write() as session:
        return await staff.add_staff(session, **values)


async def sign_in(
    db: Database, password: str, email: str = "ana@example.org", address: str = "192.0.2.1", at: float = NOW
):
    return await staff.sign_in(db, email, password, address, at)


@pytest.mark.usefixtures("hashing_in_earnest")
async def test_a_password_is_kept_as_an_argon2_hash_only(db: Database) -> None:
    made = await add(db)
    assert made.password_hash.startswith("$argon2id$")
    assert PASSWORD not in made.password_hash


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"email": "not an address"}, "not an email address"),
        ({"email": "nul@exam\x00ple.org x"}, "not an email address"),
        ({"role": "owner"}, "support, editor, admin"),
        ({"name": "  "}, "Give a name"),
        ({"password": "short"}, "at least"),
        ({"password": "x" * 5_000}, "at most"),
    ],
)
async def test_an_account_that_cannot_be_is_refused_in_words(db: Database, changed: dict[str, str], words: str) -> None:
    with pytest.raises(staff.NotPossible, match=words):
        await add(db, **changed)
    async with db.read() as session:
        assert (await session.exec(select(Staff))).first() is None


async def test_one_address_has_one_account_however_it_is_capitalised(db: Database) -> None:
    await add(db)
    with pytest.raises(staff.NotPossible, match="already signs in"):
        await add(db, "ANA@Example.org ")


async def test_the_right_password_signs_in_and_capitals_in_the_address_do_not_matter(db: Database) -> None:
    made = await add(db)
    found = await sign_in(db, PASSWORD, email=" Ana@EXAMPLE.org")
    assert found is not None
    assert found.id == made.id


async def test_a_wrong_password_and_an_unknown_account_are_both_nobody(db: Database) -> None:
    await add(db)
    assert await sign_in(db, PASSWORD + "!") is None
    assert await sign_in(db, PASSWORD, email="nobody@example.org") is None
    assert await sign_in(db, "\ud800\x00", email="\x00") is None


@pytest.mark.usefixtures("hashing_in_earnest")
async def test_an_unknown_account_takes_as_long_as_a_wrong_password(db: Database) -> None:
    made = await add(db)

    async def best_of(account: Staff | None) -> float:
        taken = []
        for _ in range(4):
            began = time.perf_counter()
            assert not await staff.check_password(account, "a wrong password")
            taken.append(time.perf_counter() - began)
        return min(taken)

    known, unknown = await best_of(made), await best_of(None)
    assert known > 0.005, "a hash that costs nothing protects nobody"
    assert 1 / 3 < unknown / known < 3


async def test_ten_wrong_tries_close_an_account_for_a_quarter_of_an_hour_even_to_the_right_password(
    db: Database,
) -> None:
    await add(db)
    await add(db, "sam@example.org")
    for _ in range(staff.TRIES_PER_ACCOUNT):
        assert await sign_in(db, "wrong") is None
    with pytest.raises(throttle.TooMany) as refused:
        await sign_in(db, PASSWORD, at=NOW + 60)
    assert refused.value.seconds == pytest.approx(14 * 60)
    assert await sign_in(db, PASSWORD, email="sam@example.org"), "a colleague in the same office still gets in"
    assert await sign_in(db, PASSWORD, at=NOW + throttle.WINDOW_SECONDS)


async def test_a_good_login_forgets_the_wrong_tries_before_it(db: Database) -> None:
    await add(db)
    for _ in range(2):
        for _ in range(staff.TRIES_PER_ACCOUNT - 1):
            assert await sign_in(db, "wrong") is None
        assert await sign_in(db, PASSWORD)


async def test_one_address_may_fail_thirty_times_and_another_address_is_not_held_for_it(db: Database) -> None:
    limit = {throttle.address_key("192.0.2.1"): 30}
    for _ in range(30):
        async with db.write() as session:
            await throttle.count(session, limit, NOW)
    with pytest.raises(throttle.TooMany):
        await sign_in(db, PASSWORD, email="someone@example.org")
    assert await sign_in(db, PASSWORD, email="someone@example.org", address="192.0.2.2") is None


async def test_an_office_that_signs_in_all_morning_is_not_throttled(db: Database) -> None:
    key = throttle.address_key("192.0.2.1")
    for _ in range(100):
        async with db.write() as session:
            await throttle.count(session, {key: 30}, NOW)
            await throttle.forgive(session, key)
    async with db.read() as session:
        row = await session.get(Throttle, key)
    assert row is not None
    assert row.count == 0


async def test_a_refused_try_counts_on_no_key(db: Database) -> None:
    async with db.write() as session:
        await throttle.count(session, {"a": 1, "b": 5}, NOW)
    for _ in range(3):
        with pytest.raises(throttle.TooMany):
            async with db.write() as session:
                await throttle.count(session, {"a": 1, "b": 5}, NOW)
    async with db.read() as session:
        assert {row.key: row.count for row in (await session.exec(select(Throttle))).all()} == {"a": 1, "b": 1}


async def test_what_no_longer_counts_is_forgotten(db: Database) -> None:
    async with db.write() as session:
        await throttle.count(session, {"old": 5}, NOW)
        await throttle.count(session, {"new": 5}, NOW + 600)
    async with db.write() as session:
        await throttle.forget(session, NOW + throttle.WINDOW_SECONDS)
    async with db.read() as session:
        assert [row.key for row in (await session.exec(select(Throttle))).all()] == ["new"]


def test_keys_are_opaque_and_an_ipv6_network_is_one_address() -> None:
    assert "ana" not in throttle.account_key("ana@example.org")
    assert throttle.address_key("2001:db8:1:2::1") == throttle.address_key("2001:db8:1:2:ffff::9")
    assert throttle.address_key("2001:db8:1:2::1") != throttle.address_key("2001:db8:1:3::1")
    assert throttle.address_key("192.0.2.1") != throttle.address_key("192.0.2.2")


async def test_a_token_opens_its_session_until_it_expires_and_is_stored_nowhere(db: Database) -> None:
    made = await add(db)
    async with db.write() as session:
        token, opened = await staff.open_session(session, made, NOW, hours=2)
    assert len(token) >= 43, "256 bits"
    async with db.read() as session:
        rows = (await session.exec(select(StaffSession))).all()
        assert [token in repr(row) for row in rows] == [False]
        found = await staff.find_session(session, token, NOW + 7_199)
        assert found is not None
        assert (found[0].id, found[1].csrf) == (made.id, opened.csrf)
        assert await staff.find_session(session, token, NOW + 7_201) is None
        for forged in (token[:-1] + "_", opened.token_hash, "", "\ud800"):
            assert await staff.find_session(session, forged, NOW) is None


async def test_signing_out_or_losing_the_account_ends_a_session(db: Database) -> None:
    made = await add(db)
    async with db.write() as session:
        first, _ = await staff.open_session(session, made, NOW, hours=2)
        second, _ = await staff.open_session(session, made, NOW, hours=2)
    async with db.write() as session:
        await staff.close_session(session, first)
        await staff.close_session(session, "never opened")
    async with db.read() as session:
        assert await staff.find_session(session, first, NOW) is None
        assert await staff.find_session(session, second, NOW), "the other browser stays signed in"
    async with db.write() as session:
        made.disabled_at = NOW
        session.add(made)
    async with db.read() as session:
        assert await staff.find_session(session, second, NOW) is None
        actions = [event.action for event in (await session.exec(select(AuditEvent).order_by(AuditEvent.id))).all()]
    assert actions == ["staff_added", "signed_in", "signed_in", "signed_out"]
