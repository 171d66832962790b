"""Accounts in a real browser: somebody is disabled at their open desk, a password ends another browser's session."""

import re
import uuid
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewContext, faults
from tests.browser.test_dashboard import sign_in
from tests.live_server import LiveServer

PASSWORD = "a password for the colleague"
AT_ONCE_MS = 5_000  # "within a couple of seconds", on a busy machine


@pytest.fixture
def colleague(live_server: LiveServer) -> tuple[str, str]:
    """Somebody new: their name, which is also how the list finds them, and their address."""
    name = f"Sam {uuid.uuid4().hex[:6]}"
    email = f"{name.replace(' ', '.').lower()}@pellworth.example"
    live_server.hire(name, email, "support", PASSWORD)
    return name, email


@pytest.fixture
def admin(new_context: NewContext, live_server: Any) -> Page:
    return sign_in(new_context().new_page(), live_server.staff_email, live_server.staff_password)


def open_list(page: Page, name: str) -> Any:
    """The colleague's row of the list, with what can be done."""
    page.get_by_role("link", name=re.compile("Ana Keane")).click()
    page.get_by_role("link", name="Staff", exact=True).click()
    row = page.locator(".member", has_text=name)
    row.get_by_text(f"Change {name}").click()
    return row


def test_a_colleague_who_is_disabled_loses_the_open_desk_and_cannot_sign_in(
    admin: Page, new_context: NewContext, colleague: tuple[str, str]
) -> None:
    name, email = colleague
    theirs = sign_in(new_context().new_page(), email, PASSWORD)
    expect(theirs.locator("#queue-state")).to_be_attached()
    row = open_list(admin, name)
    row.get_by_role("button", name="Disable").click()
    expect(admin.locator("#said")).to_contain_text(f"{name} is signed out everywhere")

    # Nothing was pressed at the other desk: its live stream ends, and it says why.
    expect(theirs.get_by_role("button", name="Sign in")).to_be_visible(timeout=AT_ONCE_MS)
    expect(theirs.get_by_role("alert")).to_contain_text("or the account was disabled")
    theirs.get_by_label("Email").fill(email)
    theirs.get_by_label("Password").fill(PASSWORD)
    theirs.get_by_role("button", name="Sign in").click()
    expect(theirs.get_by_role("alert")).to_contain_text("This account is disabled")
    theirs.goto("/desk/articles")
    expect(theirs.get_by_role("button", name="Sign in")).to_be_visible()

    row = admin.locator(".member", has_text=name)
    row.get_by_text(f"Change {name}").click()
    row.get_by_role("button", name="Enable").click()
    expect(admin.locator("#said")).to_contain_text(f"{name} can sign in again")
    sign_in(theirs, email, PASSWORD)


def test_a_changed_password_ends_the_session_of_the_other_browser(
    new_context: NewContext, colleague: tuple[str, str]
) -> None:
    name, email = colleague
    here = sign_in(new_context().new_page(), email, PASSWORD)
    there = sign_in(new_context().new_page(), email, PASSWORD)
    here.get_by_role("link", name=name).click()
    here.get_by_label("Current password").fill(PASSWORD)
    here.get_by_label("New password", exact=True).fill("quite another password")
    here.get_by_label("New password once more").fill("quite another password")
    here.get_by_role("button", name="Change password").click()
    expect(here.locator("#said")).to_contain_text("Your password is changed")
    expect(there.get_by_role("button", name="Sign in")).to_be_visible(timeout=AT_ONCE_MS)
    here.goto("/desk")
    expect(here.get_by_role("navigation", name="Queue")).to_be_attached()
    sign_in(there, email, "quite another password")


def test_somebody_who_is_added_signs_in_with_the_password_that_is_shown(admin: Page, new_context: NewContext) -> None:
    admin.goto("/desk/staff")
    email = f"new.{uuid.uuid4().hex[:6]}@pellworth.example"
    admin.get_by_label("Name").fill("Nia Roe")
    admin.get_by_label("Email").fill(email)
    admin.get_by_label("Role", exact=True).select_option("editor")
    admin.get_by_role("button", name="Add").click()
    password = admin.locator("#password").inner_text()
    sign_in(new_context().new_page(), email, password)
    admin.goto("/desk/staff")
    expect(admin.locator(".member", has_text=email)).to_contain_text("editor")
    expect(admin.get_by_text(password)).to_have_count(0)


def test_email_about_calls_is_asked_for_with_one_press(new_context: NewContext, colleague: tuple[str, str]) -> None:
    page = sign_in(new_context().new_page(), colleague[1], PASSWORD)
    page.goto("/desk/account")
    page.get_by_role("button", name="Email me").click()
    expect(page.locator("#said")).to_contain_text("You get an email when nobody takes a call.")
    page.get_by_role("button", name="Stop the emails").click()
    expect(page.get_by_role("button", name="Email me")).to_be_visible()


@pytest.mark.parametrize("width", [1280, 390])
def test_both_pages_fit_and_axe_finds_no_serious_fault(
    new_context: NewContext, live_server: Any, colleague: tuple[str, str], width: int
) -> None:
    context = new_context(viewport={"width": width, "height": 800}, bypass_csp=True)
    page = sign_in(context.new_page(), live_server.staff_email, live_server.staff_password)
    wrong = []
    page.goto("/desk")
    wrong += faults(page, "the bar")
    page.goto("/desk/account")
    wrong += faults(page, "one's account")
    page.get_by_label("Current password").fill("not at all that")
    page.get_by_label("New password", exact=True).fill("quite another password")
    page.get_by_label("New password once more").fill("quite another password")
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_role("alert")).to_contain_text("not your current password")
    wrong += faults(page, "a refused password")
    row = open_list(page, colleague[0])
    wrong += faults(page, "the list, opened")
    row.get_by_role("button", name="Reset password").click()
    expect(page.locator("#password")).to_be_visible()
    wrong += faults(page, "a password that is shown once")
    assert not wrong, "\n".join(wrong)
