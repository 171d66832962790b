"""Login, sign out, forged and expired sessions, and forms that were not sent by our own pages."""

import asyncio
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlmodel import select

from service import schedule, staff_changes, throttle
from service import staff as accounts
from service.models import StaffSession, Throttle
from tests.desk_kit import ORIGIN, Browser, Desk, busy_hashing

pytestmark = pytest.mark.anyio

PASSWORD = "correct horse battery"


@pytest.fixture
async def desk(db: Any) -> Desk:
    made = Desk(db)
    hashed = await accounts.hash_password(PASSWORD)
    async with db.write() as session:
        await accounts.add_staff(session, "Ana", "ana@example.org", "support", hashed)
    return made


async def login(
    desk: Desk, password: str = PASSWORD, email: str = "ana@example.org", next: str = "", **headers: str
) -> Any:
    async with desk.browser(**headers) as client:
        return await client.post("/desk/login", data={"email": email, "password": password, "next": next})


async def test_the_right_password_leads_to_the_queue_with_a_cookie_no_script_can_read(desk: Desk) -> None:
    async with desk.browser() as client:
        assert (await client.get("/desk/login")).status_code == 200
        answer = await client.post("/desk/login", data={"email": "ana@example.org", "password": PASSWORD})
        assert (answer.status_code, answer.headers["location"]) == (303, "/desk")
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("firstline=")
        assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
        assert "Secure" not in cookie, "over plain http on this machine a secure cookie would never come back"
        queue = await client.get("/desk")
        assert queue.status_code == 200
        assert "Ana" in queue.text
        assert (await client.get("/desk/login")).headers["location"] == "/desk", "signed in already"


@pytest.mark.parametrize(
    ("how", "status", "words"),
    [
        ("reset", 401, "Your password was changed meanwhile"),
        ("disabled", 403, "This account is disabled"),
        ("nothing", 303, ""),
    ],
)
async def test_a_password_that_is_reset_or_an_account_disabled_while_it_is_verified_opens_no_session(
    desk: Desk, how: str, status: int, words: str
) -> None:
    hashed = await accounts.hash_password("another horse battery")
    with busy_hashing():
        task = asyncio.create_task(login(desk))
        await asyncio.sleep(0.5)
        async with desk.db.write() as session:
            ana = await accounts.find_staff(session, "ana@example.org")
            assert ana is not None
            if how == "reset":
                await staff_changes.reset_password(session, ana.id, hashed)
            elif how == "disabled":
                await staff_changes.disable(session, ana.id)
        assert not task.done()
    answer = await task
    assert answer.status_code == status
    assert words in answer.text
    async with desk.db.read() as session:
        rows = (await session.exec(select(StaffSession))).all()
    assert ("set-cookie" in answer.headers, len(rows)) == ((True, 1) if how == "nothing" else (False, 0))


async def test_a_session_waits_for_the_reset_that_is_under_way_and_is_not_opened(desk: Desk) -> None:
    async with desk.db.read() as session:
        verified = await accounts.find_staff(session, "ana@example.org")
    assert verified is not None

    async def open_session() -> None:
        async with desk.db.write() as session:
            await accounts.open_session(session, verified, desk.now, hours=1)

    async with desk.db.write() as session:
        await staff_changes.reset_password(session, verified.id, "-")
        opening = asyncio.create_task(open_session())
        await asyncio.sleep(0.3)
        assert not opening.done(), "the account is held until the reset is committed"
    with pytest.raises(accounts.NotPossible, match="changed meanwhile"):
        await opening


async def test_over_https_the_cookie_has_the_host_prefix_and_is_secure(db: Any) -> None:
    desk = Desk(db, public_base_url="https://help.example.com")
    hashed = await accounts.hash_password(PASSWORD)
    async with db.write() as session:
        await accounts.add_staff(session, "Ana", "ana@example.org", "support", hashed)
    cookie = (await login(desk)).headers["set-cookie"]
    assert cookie.startswith("__Host-firstline=")
    assert {"Secure", "HttpOnly", "Path=/"} <= set(cookie.split("; "))
    assert "Domain" not in cookie


async def test_wrong_and_unknown_get_the_same_words_and_no_cookie(desk: Desk) -> None:
    wrong, unknown = await login(desk, "wrong password"), await login(desk, email="nobody@example.org")
    assert (wrong.status_code, unknown.status_code) == (401, 401)
    assert wrong.text.replace("ana@example.org", "") == unknown.text.replace("nobody@example.org", "")
    assert "do not belong together" in wrong.text
    assert "set-cookie" not in wrong.headers


async def test_what_was_typed_comes_back_as_text_and_the_password_not_at_all(desk: Desk) -> None:
    answer = await login(desk, "hunter2 hunter2", email='"><script>alert(1)</script>')
    assert "<script>alert" not in answer.text
    assert "hunter2" not in answer.text


async def test_after_ten_wrong_tries_the_page_says_when_to_come_back(desk: Desk) -> None:
    for _ in range(10):
        assert (await login(desk, "wrong")).status_code == 401
    desk.now += 180
    answer = await login(desk)
    assert answer.status_code == 429
    assert "Please try again in 12 minutes." in answer.text
    assert int(answer.headers["retry-after"]) == pytest.approx(720, abs=1)
    desk.now += 721
    assert (await login(desk)).status_code == 303


@pytest.mark.parametrize("path", ["/desk", "/desk?show=mine", "/desk/conversations/7?show=waiting", "/desk/queue"])
async def test_who_is_not_signed_in_is_led_to_the_login_and_back(desk: Desk, path: str) -> None:
    async with desk.browser() as client:
        answer = await client.get(path)
    assert answer.status_code == 303
    assert urlsplit(answer.headers["location"]).path == "/desk/login"
    back = parse_qs(urlsplit(answer.headers["location"]).query)["next"][0]
    assert back == path
    assert (await login(desk, next=back)).headers["location"] == path


@pytest.mark.parametrize(
    "next",
    [
        "https://evil.example/desk",
        "//evil.example",
        "/\\evil.example",
        "/desk\\@evil.example",
        "/desk/\r\nSet-Cookie: a=b",
        "/help",
        "/deskevil",
        "javascript:alert(1)",
        "/desk/logout",
    ],
)
async def test_a_login_leads_nowhere_but_to_the_desk(desk: Desk, next: str) -> None:
    assert (await login(desk, next=next)).headers["location"] == "/desk"


async def test_a_forged_or_expired_session_is_no_session(desk: Desk) -> None:
    browser = await desk.signed_in(await desk.make_staff("Sam"))
    assert (await browser.get("/desk")).status_code == 200
    desk.now += 13 * 3600
    assert (await browser.get("/desk")).status_code == 303
    async with desk.browser() as client:
        client.cookies.set("firstline", "0" * 43)
        assert (await client.get("/desk")).status_code == 303


async def test_an_open_page_is_told_to_go_to_the_login_and_a_stream_is_refused(desk: Desk) -> None:
    async with desk.browser() as client:
        headers = {"HX-Request": "true", "HX-Current-URL": f"{ORIGIN}/desk/conversations/3?show=mine"}
        answer = await client.get("/desk/queue", headers=headers)
        assert answer.headers["hx-redirect"] == "/desk/login?next=%2Fdesk%2Fconversations%2F3%3Fshow%3Dmine"
        assert (await client.get("/desk/live", headers={"accept": "text/event-stream"})).status_code == 401


async def test_signing_out_ends_the_session_itself_not_only_the_cookie(desk: Desk) -> None:
    browser = await desk.signed_in(await desk.make_staff("Sam"))
    answer = await browser.post("/desk/logout")
    assert (answer.status_code, answer.headers["location"]) == (303, "/desk/login")
    browser.client.cookies.set("firstline", browser.token)
    assert (await browser.get("/desk")).status_code == 303


async def test_signing_in_again_closes_the_session_the_browser_had(desk: Desk) -> None:
    browser = await desk.signed_in(await desk.make_staff("Sam"))
    await browser.client.post("/desk/login", data={"email": "ana@example.org", "password": PASSWORD})
    async with desk.db.read() as session:
        rows = (await session.exec(select(StaffSession))).all()
    assert len(rows) == 1
    assert await _name(browser) == "Ana"


async def _name(browser: Browser) -> str:
    return "Ana" if "ana@example.org" in (await browser.get("/desk")).text else "somebody else"


@pytest.mark.parametrize(
    ("csrf", "headers"),
    [
        ("", {}),
        ("not the token", {}),
        (None, {"sec-fetch-site": "cross-site"}),
        (None, {"sec-fetch-site": "same-site"}),
        (None, {"origin": "https://evil.example"}),
        (None, {"origin": "null"}),
    ],
)
async def test_a_form_that_is_not_ours_changes_nothing(desk: Desk, csrf: str | None, headers: dict[str, str]) -> None:
    browser = await desk.signed_in(await desk.make_staff("Sam"))
    path = f"/desk/conversations/{await desk.conversation(('customer', 'Hello?'), state='waiting')}"
    given = browser.csrf if csrf is None else csrf
    answer = await browser.client.post(f"{path}/take-over", data={"csrf": given}, headers=headers)
    assert answer.status_code == 403
    assert "Reload it and try again" in answer.text
    assert "Waiting for a person" in (await browser.get(path)).text
    answer = await browser.client.post(
        f"{path}/take-over", data={"csrf": browser.csrf}, headers={"origin": ORIGIN, "sec-fetch-site": "same-origin"}
    )
    assert answer.status_code == 303, "the very same from our own page is taken"


async def test_another_persons_token_is_not_ones_own(desk: Desk) -> None:
    sam, eve = await desk.signed_in(await desk.make_staff("Sam")), await desk.signed_in(await desk.make_staff("Eve"))
    path = f"/desk/conversations/{await desk.conversation(('customer', 'Hello?'), state='waiting')}"
    assert (await eve.client.post(f"{path}/resolve", data={"csrf": sam.csrf})).status_code == 403
    assert (await eve.client.post(f"{path}/resolve", headers={"x-csrf-token": eve.csrf})).status_code == 303


async def test_a_login_form_on_another_site_is_refused(desk: Desk) -> None:
    answer = await login(desk, **{"sec-fetch-site": "cross-site"})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


async def test_a_huge_login_form_is_refused_before_it_is_read(desk: Desk) -> None:
    answer = await login(desk, "x" * 300_000)
    assert answer.status_code == 413
    assert "too long" in answer.text


async def test_every_answer_of_the_desk_carries_its_headers(desk: Desk) -> None:
    browser = await desk.signed_in(await desk.make_staff("Sam"))
    for path in ("/desk", "/desk/login", "/desk/conversations/999", "/desk/nothing/here"):
        headers = (await browser.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy, path
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert "referrer-policy" in headers


async def test_pages_hold_no_inline_script_or_style(desk: Desk) -> None:
    browser = await desk.signed_in(await desk.make_staff("Sam"))
    number = await desk.conversation(("customer", "Hello?"), state="waiting")
    for path in ("/desk", f"/desk/conversations/{number}"):
        page = (await browser.get(path)).text
        assert "<script src=" in page
        for forbidden in ("<script>", "<style", " style=", " onclick=", "hx-on", "javascript:"):
            assert forbidden not in page, forbidden


async def test_failed_logins_are_tidied_away_once_they_no_longer_count_and_not_before(desk: Desk) -> None:
    async def kept() -> int:
        async with desk.db.read() as session:
            return len((await session.exec(select(Throttle))).all())

    assert (await login(desk, "wrong password")).status_code == 401
    await schedule.tidy(desk.context)
    assert await kept() == 2, "of the account and of the address"
    desk.now += throttle.WINDOW_SECONDS
    await schedule.tidy(desk.context)
    assert await kept() == 0
