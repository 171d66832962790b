"""The pages of accounts: one's own, and the list that an admin keeps."""

import asyncio
import re
from typing import Any

import pytest
from sqlmodel import select

from service import staff as accounts
from service.models import AuditEvent, Staff
from service.staff_commands import add_member
from tests.desk_kit import Browser, Desk, busy_hashing

pytestmark = pytest.mark.anyio

PASSWORD, OTHER = "correct horse battery", "another horse battery"


@pytest.fixture
def desk(db: Any) -> Desk:
    return Desk(db)


async def add(desk: Desk, name: str, role: str = "support") -> Staff:
    hashed = await accounts.hash_password(PASSWORD)
    async with desk.db.write() as session:
        return await accounts.add_staff(session, name, f"{name.lower()}@example.org", role, hashed)


@pytest.fixture
async def ana(desk: Desk) -> Browser:
    return await desk.signed_in(await add(desk, "Ana"))


@pytest.fixture
async def boss(desk: Desk) -> Browser:
    return await desk.signed_in(await add(desk, "Boss", "admin"))


async def login(desk: Desk, email: str, password: str) -> Any:
    async with desk.browser() as client:
        return await client.post("/desk/login", data={"email": email, "password": password})


async def change(browser: Browser, current: str = PASSWORD, new: str = OTHER, again: str = OTHER) -> Any:
    return await browser.post("/desk/account/password", current=current, new=new, again=again)


async def test_changing_ones_password_keeps_this_browser_and_ends_the_others_with_a_sentence(
    desk: Desk, ana: Browser
) -> None:
    async with desk.db.read() as session:
        elsewhere = await desk.signed_in((await session.exec(select(Staff))).one())
    answer = await change(ana)
    assert (answer.status_code, answer.headers["location"]) == (303, "/desk/account?said=password")
    assert "Your password is changed" in (await ana.get(answer.headers["location"])).text
    led = await elsewhere.get("/desk/articles")
    assert led.status_code == 303
    page = await elsewhere.get(led.headers["location"])
    assert "You were signed out" in page.text
    async with desk.browser() as stranger:
        assert "You were signed out" not in (await stranger.get("/desk/login")).text
    assert (await login(desk, "ana@example.org", PASSWORD)).status_code == 401
    assert (await login(desk, "ana@example.org", OTHER)).status_code == 303


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"current": "wrong words"}, "not your current password"),
        ({"again": "something else"}, "not typed the same"),
        ({"new": "short", "again": "short"}, "at least 10"),
    ],
)
async def test_what_is_wrong_with_a_new_password_is_said_and_nothing_typed_comes_back(
    ana: Browser, typed: dict[str, str], words: str
) -> None:
    answer = await change(ana, **typed)
    assert answer.status_code == 409
    assert words in answer.text
    for given in (PASSWORD, OTHER, *typed.values()):
        assert f'value="{given}"' not in answer.text
    assert (await ana.get("/desk/account")).status_code == 200


async def test_who_guesses_at_an_open_browser_is_throttled(ana: Browser) -> None:
    for _ in range(accounts.TRIES_PER_ACCOUNT):
        assert (await change(ana, current="a guess at it")).status_code == 409
    answer = await change(ana)
    assert answer.status_code == 429
    assert "try again in 15 minutes." in answer.text
    assert int(answer.headers["retry-after"]) > 0


async def test_email_about_calls_is_asked_for_and_stopped_and_the_page_says_if_there_is_none(
    desk: Desk, ana: Browser
) -> None:
    page = (await ana.get("/desk/account")).text
    assert "within 5 minutes" in page
    assert "Staff mail is off" in page
    assert "SMTP_HOST" in page
    for on in (True, False):
        answer = await ana.post("/desk/account/email", on=str(on).lower())
        assert answer.status_code == 303
        async with desk.db.read() as session:
            assert [each.wants_email for each in (await session.exec(select(Staff))).all()] == [on]
    desk.context.settings.smtp_host = "mail.example.com"
    assert "Staff mail is off" not in (await ana.get("/desk/account")).text
    editor = await desk.signed_in(await add(desk, "Eddy", "editor"))
    assert "nobody takes a call" not in (await editor.get("/desk/account")).text
    assert (await editor.post("/desk/account/email", on="true")).status_code == 403


async def test_an_admin_adds_somebody_and_sees_the_password_once(desk: Desk, boss: Browser) -> None:
    answer = await boss.post("/desk/staff", name="Cleo", email="Cleo@example.org", role="editor")
    found = re.search(r'<code id="password">([\w-]+)</code>', answer.text)
    assert found
    password = found.group(1)
    assert answer.headers["cache-control"] == "no-store"
    assert password not in str(answer.url)
    page = (await boss.get("/desk/staff")).text
    assert "cleo@example.org" in page
    assert password not in page
    assert (await login(desk, "cleo@example.org", password)).status_code == 303
    again = await boss.post("/desk/staff", name="Cleo", email="cleo@example.org", role="<b>")
    assert again.status_code == 409
    assert "There is no role" in again.text
    assert "&lt;b&gt;" in again.text
    again = await boss.post("/desk/staff", name="Cleo Two", email="cleo@example.org", role="editor")
    assert "already signs in with" in again.text
    assert 'value="Cleo Two"' in again.text
    async with desk.db.read() as session:
        assert password not in repr((await session.exec(select(AuditEvent))).all())


@pytest.mark.parametrize("where", ["desk", "shell"])
async def test_nobody_waits_to_write_while_a_new_colleagues_password_is_hashed(
    desk: Desk, boss: Browser, where: str
) -> None:
    if where == "desk":
        adding: Any = boss.post("/desk/staff", name="Cleo", email="cleo@example.org", role="editor")
    else:
        adding = add_member(desk.db, "Cleo", "cleo@example.org", "editor", PASSWORD)
    with busy_hashing():
        task = asyncio.create_task(adding)
        await asyncio.sleep(0.5)
        async with asyncio.timeout(5), desk.db.write() as session:
            session.add(AuditEvent(actor="operator", action="meanwhile"))
        assert not task.done()
    await task
    async with desk.db.read() as session:
        actions = (await session.exec(select(AuditEvent.action).order_by(AuditEvent.id))).all()
        assert (await accounts.find_staff(session, "cleo@example.org")) is not None
    assert actions[-2:] == ["meanwhile", "staff_added"]


async def test_a_disabled_colleagues_next_click_leads_to_the_sign_in_page_and_no_further(
    desk: Desk, ana: Browser, boss: Browser
) -> None:
    assert (await ana.get("/desk")).status_code == 200
    async with desk.db.read() as session:
        number = (await session.exec(select(Staff.id).where(Staff.name == "Ana"))).one()
    answer = await boss.post(f"/desk/staff/{number}/disable")
    said = (await boss.get(answer.headers["location"])).text
    assert "Ana is signed out everywhere" in said
    assert "Disabled" in said
    led = await ana.get("/desk")
    assert led.status_code == 303
    assert "or the account was disabled" in (await ana.get(led.headers["location"])).text
    refused = await login(desk, "ana@example.org", PASSWORD)
    assert refused.status_code == 403
    assert "This account is disabled" in refused.text
    assert "set-cookie" not in refused.headers
    await boss.post(f"/desk/staff/{number}/enable")
    assert (await login(desk, "ana@example.org", PASSWORD)).status_code == 303
    answer = await boss.post(f"/desk/staff/{number}/reset")
    password = re.search(r'<code id="password">([\w-]+)</code>', answer.text).group(1)
    assert (await login(desk, "ana@example.org", PASSWORD)).status_code == 401
    assert (await login(desk, "ana@example.org", password)).status_code == 303


async def test_another_role_counts_from_the_next_click(desk: Desk, ana: Browser, boss: Browser) -> None:
    assert (await ana.get("/desk/articles/new")).status_code == 403
    async with desk.db.read() as session:
        number = (await session.exec(select(Staff.id).where(Staff.name == "Ana"))).one()
    assert (await boss.post(f"/desk/staff/{number}/role", role="editor")).status_code == 303
    assert (await ana.get("/desk/articles/new")).status_code == 200


async def test_what_an_admin_cannot_do_is_said_on_the_page(desk: Desk, boss: Browser) -> None:
    async with desk.db.read() as session:
        own = (await session.exec(select(Staff.id).where(Staff.name == "Boss"))).one()
    for verb, words in (
        ("disable", "cannot disable your own account"),
        ("role", "cannot change your own role"),
        ("reset", "under Your account"),
    ):
        answer = await boss.post(f"/desk/staff/{own}/{verb}", role="support")
        assert answer.status_code == 409
        assert words in answer.text
        assert 'id="password"' not in answer.text
    assert (await boss.post("/desk/staff/9999/disable")).status_code == 409
    assert (await boss.post(f"/desk/staff/{own}/erase")).status_code == 404
    assert f"/desk/staff/{own}/disable" not in (await boss.get("/desk/staff")).text, "nor is it offered"


async def test_an_address_says_nothing_of_its_own_on_these_pages(boss: Browser) -> None:
    for path in ("/desk/staff?said=evil&about=1", "/desk/staff?said=disable&about=99", "/desk/account?said=evil"):
        page = (await boss.get(path)).text
        assert "evil" not in page
        assert 'id="said"' not in page
