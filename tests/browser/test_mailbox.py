"""A customer's mailbox in a real browser: mail goes in and comes back over real connections, to the desk and on."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewContext, faults
from tests.browser.test_dashboard import ANSWER_MS, sign_in

QUESTION = "Hello,\n\nwhere is my parcel?\n\nKind regards,\nMina Okafor"


@pytest.fixture
def customer(new_context: NewContext) -> Page:
    page = new_context().new_page()
    page.goto("/mailbox")
    return page


def be(page: Page, name: str, address: str) -> None:
    """Every test has a customer of its own: Firstline writes only so often to one."""
    page.locator(".who summary").click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("Address").fill(address)
    page.get_by_role("button", name="Be this person").click()


def write(page: Page, subject: str, text: str, *, unverified: bool = False) -> None:
    page.get_by_role("link", name="New mail").click()
    page.get_by_label("Subject").fill(subject)
    page.get_by_label("Message").fill(text)
    if unverified:
        page.get_by_label("As if the sender could not be proved").check()
    page.get_by_role("button", name="Send", exact=True).click()


def reply(page: Page, text: str, **file: Any) -> None:
    page.get_by_label("Reply").fill(text)
    if file:
        page.get_by_label("Files").set_input_files([file])
    page.get_by_role("button", name="Send", exact=True).click()


def came(page: Page, count: int) -> Any:
    """The mails that came; the last of them."""
    mails = page.locator("article.mail:not(.is-sent)")
    expect(mails).to_have_count(count, timeout=ANSWER_MS)
    return mails.last


def headers(mail: Any) -> str:
    mail.get_by_text("Headers", exact=True).click()
    return mail.locator(".headers pre").inner_text()


def trick(mail: Any, word: str) -> None:
    mail.get_by_text("Try what goes wrong").click()
    mail.get_by_role("button", name=word).click()


def desk_of(new_context: NewContext, live_server: Any, who: str) -> Page:
    """The desk, with that customer's newest conversation open."""
    page = sign_in(new_context().new_page(), live_server.staff_email, live_server.staff_password)
    page.locator(".row").filter(has_text=who).first.click()
    expect(page.locator("#conversation-title")).to_have_text(who)
    return page


def test_a_question_is_answered_in_its_thread_and_a_person_goes_on_in_it(
    customer: Page, new_context: NewContext, live_server: Any
) -> None:
    be(customer, "Nora Quill", "nora@customer.example")
    write(customer, "My parcel", QUESTION)
    answer = came(customer, 1)
    shown = answer.frame_locator("iframe")
    expect(shown.get_by_text("tracking link")).to_be_visible()
    expect(shown.get_by_role("link", name="Track your parcel")).to_have_attribute("href", re.compile("/help/"))
    expect(shown.get_by_text("reply with the word")).to_be_visible()
    told = headers(answer)
    sent = headers(customer.locator("article.is-sent").first)
    message_id = re.search(r"^Message-ID: (<.+>)", sent, re.MULTILINE)
    assert message_id
    assert f"In-Reply-To: {message_id[1]}" in told
    assert f"References: {message_id[1]}" in told
    assert "Subject: Re: My parcel" in told
    assert "Auto-Submitted: auto-replied" in told
    assert re.search(r"^Reply-To: .*support\+\w+@pellworth\.example", told, re.MULTILINE)

    reply(customer, "It came broken. I want a person.", name="photo.png", mimeType="image/png", buffer=b"\x89PNG")
    came(customer, 2)
    desk = desk_of(new_context, live_server, "Nora Quill")
    expect(desk.locator(".message.by-customer")).to_have_count(2)
    expect(desk.locator(".message.by-customer > .text").nth(1)).to_have_text("It came broken. I want a person.")
    with desk.expect_download() as saved:
        desk.get_by_role("link", name="photo.png").click()
    assert saved.value.path().read_bytes() == b"\x89PNG"
    expect(desk.get_by_text("sender not verified")).to_have_count(0)
    desk.locator(".composer textarea").fill("A new one leaves today.")
    desk.get_by_role("button", name="Send").click()
    last = came(customer, 3)
    expect(last.locator(".meta b")).to_contain_text("Ana Keane")
    expect(last.frame_locator("iframe").get_by_text("A new one leaves today.")).to_be_visible()
    told = headers(last)
    assert "Auto-Submitted" not in told
    assert told.count("Subject: Re: My parcel") == 1
    assert message_id[1] in told.split("References:")[1]


def test_machines_are_not_answered_and_what_comes_back_is_a_failure(
    customer: Page, new_context: NewContext, live_server: Any
) -> None:
    be(customer, "Otto Reed", "otto@customer.example")
    write(customer, "Parcel", "Where is my parcel?", unverified=True)
    answer = came(customer, 1)
    trick(answer, "out-of-office")
    expect(customer.get_by_role("status").filter(has_text="never answered")).to_be_visible()
    trick(customer.locator("article.is-sent").first, "once more")
    expect(customer.get_by_role("status").filter(has_text="once more")).to_be_visible()
    trick(came(customer, 1), "undeliverable")
    expect(customer.get_by_role("status").filter(has_text="undeliverable")).to_be_visible()
    desk = sign_in(new_context().new_page(), live_server.staff_email, live_server.staff_password)
    row = desk.locator(".row.is-waiting").filter(has_text="Otto Reed")
    expect(row).to_have_count(1, timeout=ANSWER_MS)
    row.click()
    expect(desk.get_by_text("sender not verified")).to_be_visible()
    expect(desk.locator(".delivery").filter(has_text="Failed: the address does not exist")).to_be_visible()
    expect(desk.locator(".message.by-customer")).to_have_count(1)
    expect(customer.locator("article.mail:not(.is-sent)")).to_have_count(1)


def test_a_mail_that_cannot_be_read_is_looked_at_by_a_person(
    customer: Page, new_context: NewContext, live_server: Any
) -> None:
    be(customer, "Pia Sand", "pia@customer.example")
    write(customer, "Hello", "Are you there?")
    trick(customer.locator("article.is-sent").first, "names no sender")
    desk = sign_in(new_context(bypass_csp=True).new_page(), live_server.staff_email, live_server.staff_password)
    desk.get_by_role("link", name=re.compile("could not be read")).click()
    desk.get_by_role("link", name=re.compile("A mail without a sender")).first.click()
    expect(desk.locator("#reason")).to_contain_text("nobody to answer")
    expect(desk.locator(".raw")).to_contain_text("Who am I?")
    wrong = faults(desk, "an unreadable message")
    desk.get_by_role("button", name="I have looked at it").click()
    expect(desk.get_by_text("Looked at by you").or_(desk.get_by_text("Looked at by Ana Keane"))).to_be_visible()
    assert not wrong + faults(desk, "the unreadable messages")


@pytest.mark.parametrize("width", [1280, 390])
def test_the_mailbox_fits_and_axe_finds_no_serious_fault(new_context: NewContext, width: int) -> None:
    page = new_context(viewport={"width": width, "height": 844}, bypass_csp=True).new_page()
    page.goto("/mailbox")
    be(page, f"Quinn {width}", f"quinn{width}@customer.example")
    wrong = faults(page, "an empty mailbox")
    page.goto("/mailbox/?new=1")
    wrong += faults(page, "a new mail")
    page.get_by_label("Message").fill("Where is my parcel?")
    page.get_by_role("button", name="Send", exact=True).click()
    came(page, 1)
    assert not wrong + faults(page, "a thread")


def test_what_cannot_be_sent_is_said_and_what_was_typed_stays(customer: Page) -> None:
    be(customer, "Rosa", "no address")
    expect(customer.get_by_role("alert")).to_contain_text("not an address")
    customer.goto("/mailbox/?new=1")
    customer.get_by_role("button", name="Send", exact=True).click()
    expect(customer.get_by_role("alert")).to_contain_text("Write something first")
