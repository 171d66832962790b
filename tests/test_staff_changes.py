"""What is changed about an account, and what ends with it: sessions, open pages, conversations in somebody's hands."""

import asyncio
import time

import pytest
from sqlmodel import select

from service import conversations, staff, staff_changes, staff_verbs, throttle
from service.db import Database
from service.models import AuditEvent, Conversation, Escalation, Staff, StaffSession
from tests.desk_kit import Desk

pytestmark = pytest.mark.anyio

PASSWORD, OTHER = "correct horse battery", "another horse battery"


@pytest.fixture
def desk(db: Database) -> Desk:
    return Desk(db)


async def add(db: Database, name: str = "Ana", role: str = "support") -> Staff:
    hashed = await staff.hash_password(PASSWORD)
    async with db.write() as session:
        return await staff.add_staff(session, name, f"{name.lower()}@example.org", role, hashed)


async def browsers(desk: Desk, who: Staff, number: int) -> list[str]:
    return [(await desk.signed_in(who)).token for _ in range(number)]


async def signed_in(desk: Desk, tokens: list[str]) -> list[bool]:
    async with desk.db.read() as session:
        return [await staff.find_session(session, token, desk.now) is not None for token in tokens]


async def change(desk: Desk, who: Staff, current: str, new: str = OTHER, token: str = "", at: float = 0.0) -> None:
    await staff_changes.change_password(
        desk.db, who, current, new, address="192.0.2.1", now=at or desk.now, token=token
    )


async def sign_in(desk: Desk, password: str, email: str = "ana@example.org") -> Staff | None:
    return await staff.sign_in(desk.db, email, password, "192.0.2.1", desk.now)


async def events(db: Database) -> list[AuditEvent]:
    async with db.read() as session:
        return list((await session.exec(select(AuditEvent).order_by(AuditEvent.id))).all())


async def test_a_changed_password_ends_every_session_but_this_one(desk: Desk) -> None:
    ana, ben = await add(desk.db), await add(desk.db, "Ben")
    tokens = [*await browsers(desk, ana, 3), *await browsers(desk, ben, 1)]
    await change(desk, ana, PASSWORD, token=tokens[1])
    assert await signed_in(desk, tokens) == [False, True, False, True]
    assert await sign_in(desk, PASSWORD) is None
    assert await sign_in(desk, OTHER)
    assert [(each.action, each.staff_id) for each in await events(desk.db)][-2:] == [
        ("signed_in", ben.id),
        ("password_changed", ana.id),
    ]
    async with desk.db.read() as session:
        kept = repr([(await session.exec(select(table))).all() for table in (Staff, StaffSession, AuditEvent)])
    assert PASSWORD not in kept
    assert OTHER not in kept


@pytest.mark.parametrize(
    ("current", "new", "words"),
    [
        ("wrong", OTHER, "not your current password"),
        (PASSWORD, "short", "at least 10"),
        (PASSWORD, "x" * 2_000, "at most"),
        (PASSWORD, PASSWORD, "is the current one"),
    ],
)
async def test_a_password_that_is_not_changed_ends_nothing(desk: Desk, current: str, new: str, words: str) -> None:
    ana = await add(desk.db)
    tokens = await browsers(desk, ana, 2)
    with pytest.raises(staff.NotPossible, match=words):
        await change(desk, ana, current, new)
    assert await signed_in(desk, tokens) == [True, True]
    assert await sign_in(desk, PASSWORD)


async def test_wrong_current_passwords_are_throttled_like_wrong_logins_and_together_with_them(desk: Desk) -> None:
    ana = await add(desk.db)
    for _ in range(staff.TRIES_PER_ACCOUNT // 2):
        assert await sign_in(desk, "wrong") is None
        with pytest.raises(staff.NotPossible):
            await change(desk, ana, "wrong")
    with pytest.raises(throttle.TooMany):
        await change(desk, ana, PASSWORD)
    with pytest.raises(throttle.TooMany):
        await sign_in(desk, PASSWORD)
    await change(desk, ana, PASSWORD, at=desk.now + throttle.WINDOW_SECONDS)


async def test_a_password_that_was_reset_meanwhile_is_not_written_over(desk: Desk) -> None:
    ana = await add(desk.db)
    async with desk.db.write() as session:
        await staff_changes.reset_password(session, ana.id, await staff.hash_password("given by an admin"))
    with pytest.raises(staff.NotPossible, match="changed meanwhile"):
        await change(desk, ana, PASSWORD)  # with the account as it was when the request began
    assert await sign_in(desk, "given by an admin")


async def test_a_reset_password_and_a_disabled_account_end_every_session(desk: Desk) -> None:
    ana, ben, boss = await add(desk.db), await add(desk.db, "Ben"), await add(desk.db, "Boss", "admin")
    anas, bens, others = [await browsers(desk, each, 2) for each in (ana, ben, boss)]
    hashed = await staff.hash_password(OTHER)
    async with desk.db.write() as session:
        await staff_changes.reset_password(session, ana.id, hashed, boss)
        await staff_changes.disable(session, ben.id, boss)
    assert await signed_in(desk, [*anas, *bens, *others]) == [False, False, False, False, True, True]
    assert await sign_in(desk, OTHER)
    done = {each.action: each for each in await events(desk.db)}
    assert (done["password_reset"].staff_id, done["password_reset"].detail) == (boss.id, {"account": ana.id})
    assert (done["staff_disabled"].staff_id, done["staff_disabled"].detail) == (boss.id, {"account": ben.id})
    async with desk.db.write() as session:
        await staff_changes.enable(session, ben.id)
    assert await signed_in(desk, bens) == [False, False], "enabled again is not signed in again"


async def test_only_who_has_the_password_learns_that_an_account_is_disabled(desk: Desk) -> None:
    ana = await add(desk.db)
    async with desk.db.write() as session:
        await staff_changes.disable(session, ana.id)
    assert await sign_in(desk, "wrong") is None
    with pytest.raises(staff.Disabled):
        await sign_in(desk, PASSWORD)
    async with desk.db.write() as session:
        await staff_changes.enable(session, ana.id)
    assert await sign_in(desk, PASSWORD)


async def test_an_admin_disables_neither_themselves_nor_the_last_one(desk: Desk) -> None:
    boss, ana = await add(desk.db, "Boss", "admin"), await add(desk.db)
    for sentence, work in (
        ("cannot disable your own", lambda session: staff_changes.disable(session, boss.id, boss)),
        ("cannot change your own role", lambda session: staff_changes.change_role(session, boss.id, "editor", boss)),
        ("under Your account", lambda session: staff_changes.reset_password(session, boss.id, "-", boss)),
        ("Boss is the last admin", lambda session: staff_changes.disable(session, boss.id)),
        ("Boss is the last admin", lambda session: staff_changes.change_role(session, boss.id, "support")),
        ("no role", lambda session: staff_changes.change_role(session, ana.id, "owner", boss)),
        ("no such account", lambda session: staff_changes.disable(session, 999, boss)),
    ):
        with pytest.raises(staff.NotPossible, match=sentence):
            async with desk.db.write() as session:
                await work(session)
    async with desk.db.write() as session:
        await staff_changes.change_role(session, ana.id, "admin", boss)
        await staff_changes.disable(session, boss.id, ana)
    with pytest.raises(staff.NotPossible, match="Ana is the last admin"):
        async with desk.db.write() as session:
            await staff_changes.disable(session, ana.id)


@pytest.mark.parametrize("operator", [False, True])
async def test_of_two_admins_who_are_disabled_in_the_same_instant_one_stays(desk: Desk, operator: bool) -> None:
    one, two = await add(desk.db, "One", "admin"), await add(desk.db, "Two", "admin")

    async def second() -> None:
        async with desk.db.write() as session:
            await staff_changes.disable(session, one.id, None if operator else two)

    async with desk.db.write() as session:
        await staff_changes.disable(session, two.id, one)
        other = asyncio.create_task(second())
        await asyncio.sleep(0.3)
        assert not other.done(), "the second looks before the first has committed"
    with pytest.raises(staff.NotPossible, match="One is the last admin" if operator else "not yours any more"):
        await other


@pytest.mark.parametrize("how", ["disabled", "editor"])
@pytest.mark.parametrize("verb", ["add", "disable", "enable", "role", "reset"])
async def test_who_stops_being_an_admin_while_they_act_changes_nobody(desk: Desk, verb: str, how: str) -> None:
    ana, boss, evil = await add(desk.db), await add(desk.db, "Boss", "admin"), await add(desk.db, "Evil", "admin")
    verbs = {
        "add": lambda session: staff.add_staff(session, "Eve", "eve@example.org", "admin", "-", evil),
        "disable": lambda session: staff_changes.disable(session, ana.id, evil),
        "enable": lambda session: staff_changes.enable(session, ana.id, evil),
        "role": lambda session: staff_changes.change_role(session, ana.id, "admin", evil),
        "reset": lambda session: staff_changes.reset_password(session, ana.id, "-", evil),
    }

    async def act() -> None:
        async with desk.db.write() as session:
            await verbs[verb](session)

    async with desk.db.write() as session:
        if how == "disabled":
            await staff_changes.disable(session, evil.id, boss)
        else:
            await staff_changes.change_role(session, evil.id, how, boss)
        other = asyncio.create_task(act())
        await asyncio.sleep(0.3)
        assert not other.done(), "their account is held until the change is committed"
    before = len(await events(desk.db))
    with pytest.raises(staff.NotPossible, match="administering staff is not yours any more"):
        await other
    async with desk.db.read() as session:
        rows = (await session.exec(select(Staff))).all()
    assert {each.name: each.password_hash for each in rows if each.id == ana.id} == {"Ana": ana.password_hash}
    assert [(each.role, each.disabled_at) for each in rows if each.id == ana.id] == [("support", None)]
    assert (len(rows), len(await events(desk.db))) == (3, before)


async def in_hands(desk: Desk, who: Staff) -> tuple[int, int]:
    """A conversation that `who` took over, and one that waits for them by name."""
    taken = await desk.conversation(("customer", "Hello?"), state="waiting")
    await desk.call(taken, desk.now - 600)
    async with desk.db.write() as session:
        await staff_verbs.take_over(session, taken, who)
    waits = await desk.conversation(("customer", "And again."), state="waiting", assigned_to=who.id)
    await desk.call(waits, desk.now - 300)
    return taken, waits


async def state_of(desk: Desk, number: int) -> tuple[str, int | None]:
    async with desk.db.read() as session:
        found = await session.get(Conversation, number)
        assert found is not None
        return found.state, found.assigned_to


@pytest.mark.parametrize("how", ["disabled", "editor"])
async def test_what_somebody_had_of_customers_is_back_in_the_queue(desk: Desk, how: str) -> None:
    ana, ben, boss = await add(desk.db), await add(desk.db, "Ben"), await add(desk.db, "Boss", "admin")
    taken, waits = await in_hands(desk, ana)
    bens, _ = await in_hands(desk, ben)
    async with desk.db.write() as session:
        if how == "disabled":
            await staff_changes.disable(session, ana.id, boss)
        else:
            await staff_changes.change_role(session, ana.id, "editor", boss)
    assert await state_of(desk, taken) == ("waiting", None)
    assert await state_of(desk, waits) == ("waiting", None)
    assert await state_of(desk, bens) == ("person", ben.id)
    async with desk.db.read() as session:
        query = select(Escalation).where(Escalation.closed_at.is_(None), Escalation.taken_at.is_(None))
        calls = (await session.exec(query.order_by(Escalation.conversation_id))).all()
    assert {each.conversation_id for each in calls} >= {taken, waits}
    assert len([each for each in calls if each.conversation_id == taken]) == 1
    released = [each for each in await events(desk.db) if each.action == "released"]
    assert {(each.conversation_id, each.staff_id) for each in released} == {(taken, boss.id), (waits, boss.id)}
    async with desk.db.write() as session:
        await staff_verbs.take_over(session, taken, ben)
    assert await state_of(desk, taken) == ("person", ben.id)


async def test_a_resolved_conversation_does_not_come_back_to_somebody_who_is_gone(desk: Desk) -> None:
    ana, ben = await add(desk.db), await add(desk.db, "Ben")
    numbers = []
    for who in (ana, ben):
        numbers.append(await desk.conversation(("customer", "Hello?")))
        async with desk.db.write() as session:
            await staff_verbs.resolve(session, numbers[-1], who)
    async with desk.db.write() as session:
        await staff_changes.disable(session, ana.id)
        for number in numbers:
            await conversations.reopen(session, await staff_verbs.hold(session, number))
    assert await state_of(desk, numbers[0]) == ("agent", None)
    assert await state_of(desk, numbers[1]) == ("waiting", ben.id), "to a colleague who is there it does"


async def test_who_is_disabled_while_they_take_over_is_left_with_nothing(desk: Desk) -> None:
    ana = await add(desk.db)
    number = await desk.conversation(("customer", "Hello?"), state="waiting")
    await desk.call(number, desk.now - 60)

    async def disable() -> None:
        async with desk.db.write() as session:
            await staff_changes.disable(session, ana.id)

    async with desk.db.write() as session:
        await staff_verbs.present(session, ana)
        await staff_verbs.take_over(session, number, ana)
        other = asyncio.create_task(disable())
        await asyncio.sleep(0.3)
        assert not other.done(), "the account is held until the take-over is committed"
    await other
    assert await state_of(desk, number) == ("waiting", None)
    with pytest.raises(staff_verbs.NotPossible, match="not yours any more"):
        async with desk.db.write() as session:
            await staff_verbs.present(session, ana)


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_an_open_desk_is_told_within_two_seconds_that_its_session_has_ended(desk: Desk, elsewhere: bool) -> None:
    """Also by a command in another process, of which this one hears through the database."""
    from tests.test_inbox import Reader

    ana = await add(desk.db)
    reader = Reader(desk, await desk.signed_in(ana), ana)
    desk.db.waker.start(desk.db.engine)
    assert (await reader.next()).event == "state"
    waiting = asyncio.create_task(reader.next())
    await asyncio.sleep(1.0)
    assert not waiting.done()
    other = Database(desk.db.url) if elsewhere else desk.db
    began = time.monotonic()
    async with other.write() as session:
        await staff_changes.disable(session, ana.id)
    assert (await waiting).event == "signed-out"
    assert time.monotonic() - began < 2
    await reader.events.aclose()
    if elsewhere:
        await other.close()


async def test_the_list_has_everybody_with_their_last_sign_in(desk: Desk) -> None:
    ana = await add(desk.db)
    ben = await add(desk.db, "ben", "editor")
    await add(desk.db, "Cleo", "admin")
    await browsers(desk, ana, 2)
    async with desk.db.write() as session:
        await staff_changes.disable(session, ana.id)
    async with desk.db.read() as session:
        rows = await staff.members(session)
    assert [each.name for each, _ in rows] == ["ben", "Cleo", "Ana"]
    assert [at is not None for _, at in rows] == [False, False, True]
    assert rows[0][0].id == ben.id
