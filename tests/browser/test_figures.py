"""The page of figures in a real browser, with what the running service has really done."""

import re
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import NewContext, faults
from tests.browser.test_dashboard import ANSWER_MS, NOT_COVERED, PARCEL, Visitor, sign_in, waiting


@pytest.fixture(scope="module")
def lived(live_server: Any, browser: Any) -> None:
    """Somebody was answered, and somebody waits for a person."""
    context = browser.new_context(base_url=live_server.url)
    page = sign_in(context.new_page(), live_server.staff_email, live_server.staff_password)
    before = waiting(page).count()
    for words in (PARCEL, NOT_COVERED):
        visitor = Visitor(live_server.url)
        visitor.write(words)
        visitor.client.close()
    expect(waiting(page)).to_have_count(before + 1, timeout=ANSWER_MS)
    expect(page.locator(".row .preview").filter(has_text="tracking link").first).to_be_visible(timeout=ANSWER_MS)
    context.close()


def open_figures(context: BrowserContext, live_server: Any, query: str = "") -> Page:
    page = sign_in(context.new_page(), live_server.staff_email, live_server.staff_password)
    page.get_by_role("navigation", name="Desk").get_by_role("link", name="Figures").click()
    expect(page.get_by_role("heading", name="Figures", level=1)).to_be_visible()
    if query:
        page.goto(f"/desk/figures{query}")
    return page


def test_the_table_has_the_numbers_of_the_chart_and_the_period_can_be_chosen(
    lived: None, new_context: NewContext, live_server: Any
) -> None:
    page = open_figures(new_context(), live_server)
    volume = page.get_by_role("region", name="Volume", exact=True)
    expect(volume.get_by_role("img")).to_be_visible()
    expect(volume.locator(".number").first).to_contain_text(re.compile("[1-9].*messages from customers", re.DOTALL))
    page.get_by_role("link", name="7 days").click()
    expect(page.get_by_role("link", name="7 days")).to_have_attribute("aria-current", "true")
    for name in ("volume", "answered", "escalated", "agent"):
        figure = page.locator(f"#{name}")
        drawn = figure.locator(".legend li").all_inner_texts()
        figure.locator("summary").first.click()
        names = figure.locator(".by-day thead th").all_inner_texts()
        rows = [row.locator("th, td").all_inner_texts() for row in figure.locator(".by-day tbody tr").all()]
        said = figure.locator(".chart .day title").all_text_contents()
        assert len(rows) == len(said) == 7
        assert drawn
        for row, words in zip(rows, said, strict=True):
            told = ", ".join(f"{column.strip()} {row[names.index(column.strip())]}" for column in drawn)
            assert words == f"{row[0]}: {told}"
    day = page.locator("input[name=to]").input_value()
    page.get_by_label("From").fill(day)
    page.get_by_label("Channel").select_option(index=1)
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile(f"from={day}&to={day}&channel="))
    expect(page.locator("#volume .by-day tbody tr")).to_have_count(1)


def test_every_bar_lies_in_its_chart(lived: None, new_context: NewContext, live_server: Any) -> None:
    page = open_figures(new_context(), live_server, "?days=7")
    outside = page.evaluate(
        """() => [...document.querySelectorAll(".chart")].flatMap((chart) => {
            const box = chart.getBoundingClientRect()
            return [...chart.querySelectorAll(".pile, .dot")].filter((shape) => {
                const { left, right, top, bottom } = shape.getBoundingClientRect()
                return left < box.left - 1 || right > box.right + 1 || top < box.top || bottom > box.bottom
            })
        }).length"""
    )
    assert page.locator(".chart .pile").count() > 0, "there must be bars for this to mean anything"
    assert outside == 0


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_and_axe_finds_no_serious_fault(
    lived: None, new_context: NewContext, live_server: Any, width: int
) -> None:
    context = new_context(viewport={"width": width, "height": 800}, bypass_csp=True)
    page = open_figures(context, live_server)
    wrong = []
    for query in ("", "?days=90", "?from=2020-01-01&to=2020-01-03", "?from=never"):
        page.goto(f"/desk/figures{query}")
        for summary in page.locator("summary").all():
            summary.click()
        wrong += faults(page, query)
    assert not wrong, "\n".join(wrong)
