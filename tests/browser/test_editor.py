"""An editor's day in a real browser: write, preview, ask, publish, see customers answered, change, roll back."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PASSWORD, NewContext, faults
from tests.browser.test_dashboard import sign_in

PUBLISH_MS = 30_000  # vectors take their time on a busy machine
ANSWER_MS = 20_000

TOUR = "Guided tours of the workshop are on the first Saturday of the month at 10:00 and cost €8."
QUESTION = "when are guided tours of the workshop?"


@pytest.fixture
def eddy(new_context: NewContext, accounts: dict[str, str]) -> Page:
    return sign_in(new_context().new_page(), accounts["Eddy"], PASSWORD)


def write_new(page: Page, title: str, body: str, *, topic: str = "Visits", phrases: str = "") -> str:
    """Save a new article as a draft; its path."""
    page.goto("/desk/articles/new")
    page.get_by_label("Title").fill(title)
    page.get_by_label("Topic").fill(topic)
    page.get_by_label("Customers ask this as").fill(phrases)
    page.get_by_label("Text", exact=True).fill(body)
    page.get_by_role("button", name="Save draft").click()
    expect(page.locator("#said")).to_contain_text("Saved as a draft")
    return page.evaluate("location.pathname")


def publish(page: Page) -> None:
    page.get_by_role("button", name="Publish", exact=True).click()
    expect(page.locator("#said")).to_contain_text("Published.", timeout=PUBLISH_MS)


def ask(page: Page, question: str, does: str | re.Pattern[str]) -> None:
    page.goto("/desk/ask")
    page.get_by_label("A customer's question").fill(question)
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_role("heading", name=does)).to_be_visible(timeout=ANSWER_MS)


def expect_answered(new_context: NewContext, words: str) -> None:
    """A new customer asks in the chat of the shop."""
    chat = new_context().new_page()
    chat.goto("/")
    chat.get_by_role("button", name=re.compile("^Chat with")).click()
    box = chat.get_by_role("textbox", name="Your message")
    box.fill(QUESTION)
    box.press("Enter")
    expect(chat.locator(".messages .message.agent").last).to_contain_text(words, timeout=ANSWER_MS)


def test_an_editors_day(eddy: Page, new_context: NewContext) -> None:
    ask(eddy, QUESTION, "It would call for a person.")
    eddy.goto("/desk/articles")
    eddy.get_by_role("link", name="New article").click()
    eddy.get_by_label("Title").fill("Guided tours")
    eddy.get_by_label("Topic").fill("Visits")
    eddy.get_by_label("Customers ask this as").fill("when are guided tours of the workshop\ncan I see how it is made")
    eddy.get_by_label("Text", exact=True).press_sequentially(f"## When\n\n{TOUR}")
    preview = eddy.locator("#preview")
    expect(preview.get_by_role("heading", name="When")).to_be_visible()
    expect(preview).to_contain_text(TOUR)
    eddy.get_by_role("button", name="Save draft").click()
    expect(eddy.locator("#said")).to_contain_text("Saved as a draft")
    article = eddy.evaluate("location.pathname")
    publish(eddy)
    expect(eddy.locator(".page-head .pill")).to_have_text("Published")

    ask(eddy, QUESTION, "It would answer.")
    expect(eddy.locator(".evidence")).to_contain_text(TOUR)
    expect(eddy.locator("#outcome")).to_contain_text(re.compile(r"Confident 0\.\d\d, needs 0\.\d\d"))
    expect_answered(new_context, TOUR)

    eddy.goto(article)
    body = eddy.get_by_label("Text", exact=True)
    body.fill(body.input_value().replace("€8", "€9"))
    publish(eddy)
    expect_answered(new_context, "€9")

    eddy.get_by_role("link", name="Versions").click()
    eddy.get_by_role("button", name="Compare").click()
    expect(eddy.locator(".difference del")).to_have_text("8")
    expect(eddy.locator(".difference ins")).to_have_text("9")
    eddy.goto(f"{article}/versions/1")
    eddy.get_by_role("button", name="Put version 1 back").click()
    expect(eddy.locator("#said")).to_contain_text("older words are back")
    publish(eddy)
    expect_answered(new_context, "€8")

    eddy.get_by_role("button", name="Archive").click()
    expect(eddy.locator("#said")).to_contain_text("Archived")
    ask(eddy, QUESTION, "It would call for a person.")


def test_the_list_narrows_while_one_types_and_the_address_keeps_it(eddy: Page) -> None:
    write_new(eddy, "Zebra crossing", "There is one in front of the shop.")
    eddy.goto("/desk/articles")
    eddy.get_by_label("Search articles").press_sequentially("zebra")
    expect(eddy.locator(".article-row")).to_have_count(1)
    expect(eddy.get_by_label("Search articles")).to_be_focused()
    expect(eddy).to_have_url(re.compile("q=zebra"))
    eddy.get_by_role("link", name=re.compile("^Published")).click()
    expect(eddy.get_by_text("No article holds “zebra” here.")).to_be_visible()
    eddy.get_by_role("link", name=re.compile("^Drafts")).click()
    eddy.locator(".article-row").click()
    expect(eddy.get_by_role("heading", level=1)).to_have_text("Zebra crossing")


def test_of_two_who_edit_nobody_loses_words(eddy: Page, new_context: NewContext, accounts: dict[str, str]) -> None:
    article = write_new(eddy, "Two at once", "One line.\n\nAnother line.")
    edna = sign_in(new_context().new_page(), accounts["Edna"], PASSWORD)
    edna.goto(article)
    edna.get_by_label("Text", exact=True).fill("Edna's line.\n\nAnother line.")
    edna.keyboard.press("Control+s")
    expect(edna.locator("#said")).to_contain_text("Saved.")

    body = eddy.get_by_label("Text", exact=True)
    body.fill("One line.\n\nEddy's line.")
    eddy.get_by_role("button", name="Save draft").click()
    clash = eddy.get_by_role("alert")
    expect(clash).to_contain_text("Edna saved version 2 while you were writing")
    expect(clash).to_contain_text("Edna's line.")
    expect(body).to_have_value("One line.\n\nEddy's line.")
    body.fill("Edna's line.\n\nEddy's line.")
    eddy.get_by_role("button", name="Save mine on top of version 2").click()
    expect(eddy.locator("#said")).to_contain_text("Saved.")
    expect(clash).to_have_count(0)
    body.fill("Edna's line.\n\nEddy's other line.")
    eddy.get_by_role("button", name="Save draft").click()
    expect(eddy.locator(".page-head")).to_contain_text("Version 4 by Eddy")


def test_what_was_not_saved_outlives_a_closed_page(eddy: Page) -> None:
    article = write_new(eddy, "Kept", "Stored words.")
    body = eddy.get_by_label("Text", exact=True)
    body.fill("Stored words. And some that are not.")
    eddy.close()  # without asking whether to leave
    page = eddy.context.new_page()
    page.goto(article)
    expect(page.get_by_label("Text", exact=True)).to_have_value("Stored words.")
    page.get_by_role("button", name="Put them into the form").click()
    expect(page.get_by_label("Text", exact=True)).to_have_value("Stored words. And some that are not.")
    expect(page.locator("#preview")).to_contain_text("And some that are not.")
    page.get_by_role("button", name="Save draft").click()
    expect(page.locator("#said")).to_contain_text("Saved.")
    page.reload()
    expect(page.locator("#kept")).to_be_hidden()


def test_leaving_with_unsaved_words_is_asked_about_and_without_them_is_not(eddy: Page) -> None:
    write_new(eddy, "Asked", "Words.")
    asked: list[str] = []
    eddy.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    body = eddy.get_by_label("Text", exact=True)
    body.fill("Words. More.")
    eddy.get_by_role("link", name="Versions").click()
    expect(body).to_have_value("Words. More.")
    assert asked == ["beforeunload"]
    eddy.get_by_role("button", name="Save draft").click()
    expect(eddy.locator("#said")).to_contain_text("Saved.")
    eddy.get_by_role("link", name="Versions").click()
    expect(eddy.get_by_role("heading", name="Versions")).to_be_visible()
    assert asked == ["beforeunload"]


def test_support_sees_no_way_to_write(new_context: NewContext, accounts: dict[str, str]) -> None:
    page = sign_in(new_context().new_page(), accounts["Sue"], PASSWORD)
    places = page.get_by_role("navigation", name="Desk")
    expect(places.get_by_role("link")).to_have_text(["Inbox", "Record", "Articles", "Ask", "Figures"])
    places.get_by_role("link", name="Articles").click()
    expect(page.get_by_role("link", name="New article")).to_have_count(0)
    page.locator(".article-row").first.click()
    expect(page.get_by_role("button", name="Publish")).to_have_count(0)
    page.goto("/desk/articles/new")
    expect(page.get_by_role("heading", name="Not yours to do")).to_be_visible()


@pytest.mark.parametrize("width", [1280, 390])
def test_every_page_fits_and_axe_finds_no_serious_fault(
    new_context: NewContext, accounts: dict[str, str], width: int
) -> None:
    context = new_context(viewport={"width": width, "height": 800}, bypass_csp=True)
    page = sign_in(context.new_page(), accounts["Eddy"], PASSWORD)
    article = write_new(
        page, "Looked at", f"## Heading\n\n- {TOUR}\n\n| a | b |\n| - | - |\n| 1 | 2 |", phrases="one way"
    )
    body = page.get_by_label("Text", exact=True)
    body.fill(body.input_value().replace("€8", "€9"))
    page.get_by_role("button", name="Save draft").click()
    expect(page.locator("#said")).to_contain_text("Saved.")
    wrong = []
    wrong += faults(page, "the editor")
    page.locator("#base").evaluate("(field) => { field.value = 1 }")
    body.fill("Other words.")
    page.get_by_role("button", name="Save draft").click()
    expect(page.locator(".clash")).to_be_visible()
    wrong += faults(page, "a clash")
    page.locator("#take-theirs").click()
    for path in (
        "/desk",
        "/desk/articles",
        "/desk/articles?q=nothing+has+this",
        "/desk/articles/new",
        f"{article}/versions",
        f"{article}/versions/1",
        f"{article}/compare?old=1&new=2",
        "/desk/articles/999999",
    ):
        page.goto(path)
        wrong += faults(page, path)
    ask(page, "where is my parcel?", re.compile("^It would "))
    wrong += faults(page, "ask")
    assert not wrong, "\n".join(wrong)
