"""The record in a real browser: found, filtered, opened, labelled, and seen by a colleague at once."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PASSWORD, NewContext, faults
from tests.browser.test_dashboard import sign_in

ANSWER_MS = 20_000


@pytest.fixture(scope="module")
def asked(browser: Any, live_server: Any) -> str:
    """A customer asked and got an answer; what they wrote."""
    context = browser.new_context(base_url=live_server.url)
    chat = context.new_page()
    chat.goto("/")
    chat.get_by_role("button", name=re.compile("^Chat with")).click()
    box = chat.get_by_role("textbox", name="Your message")
    box.fill("where is my Päckchen? I mean my parcel")
    box.press("Enter")
    expect(chat.locator(".messages .message.agent").last).to_be_visible(timeout=ANSWER_MS)
    context.close()
    return "PACKCHEN parcel"


@pytest.fixture
def ana(new_context: NewContext, live_server: Any) -> Page:
    return sign_in(new_context().new_page(), live_server.staff_email, live_server.staff_password)


def test_a_conversation_is_found_opened_and_labelled_and_a_colleague_sees_it(
    ana: Page,
    new_context: NewContext,
    accounts: dict[str, str],
    asked: str,
) -> None:
    ana.get_by_role("link", name="Record").click()
    ana.get_by_label("Search the record").fill(asked)
    ana.get_by_role("button", name="Search").click()
    row = ana.locator("#results li")
    expect(row).to_have_count(1)
    row.get_by_role("link").click()
    address = ana.url
    labels = ana.locator(".opinion").first
    right = labels.get_by_role("button", name="Right")

    colleague = sign_in(new_context().new_page(), accounts["Eddy"], PASSWORD)
    colleague.goto(address)
    expect(colleague.locator(".opinion").first).to_be_visible()

    right.click()
    expect(right).to_have_attribute("aria-pressed", "true")
    expect(colleague.locator(".opinion").first).to_contain_text("Ana Keane: Right")
    labels.get_by_role("button", name="Wrong").click()
    expect(right).to_have_attribute("aria-pressed", "false")
    expect(colleague.locator(".opinion").first).to_contain_text("Ana Keane: Wrong")

    ana.goto("/desk/record?label=wrong")
    expect(ana.locator("#results")).to_contain_text("labelled “Wrong”")
    with ana.expect_download() as download:
        ana.get_by_role("link", name="CSV").click()
    assert "Päckchen" in download.value.path().read_text(encoding="utf-8")

    ana.goto(address)
    ana.locator(".opinion").first.get_by_role("button", name="Wrong").click()
    expect(colleague.locator(".opinion").first).not_to_contain_text("Ana Keane")
    ana.goto("/desk/record?label=wrong")
    expect(ana.locator(".empty")).to_contain_text("No conversation is like this.")


@pytest.mark.parametrize("width", [1280, 390])
def test_the_record_fits_and_axe_finds_no_serious_fault(
    new_context: NewContext, asked: str, width: int, live_server: Any
) -> None:
    context = new_context(viewport={"width": width, "height": 800}, bypass_csp=True)
    page = sign_in(context.new_page(), live_server.staff_email, live_server.staff_password)
    wrong = []
    for address in ("/desk/record", f"/desk/record?q={asked}&verdict=answer&low=2", f"/desk/record?q={asked}"):
        page.goto(address)
        wrong += faults(page, address)
    page.locator("#results a").first.click()
    expect(page.locator(".opinion").first).to_be_visible()
    wrong += faults(page, "a conversation")
    assert not wrong, "\n".join(wrong)
