"""The widget when the server says "not now": what was written is kept, shown as not sent yet, and delivered once."""

import contextlib
import itertools
import re
import time
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, Response, expect

from service.limits import STREAM_WAIT, VISITOR_STREAMS
from tests.browser.conftest import NewContext

WRITTEN = [f"note number {number} for my order" for number in range(1, 25)]  # 20 go out at once, one more each 3 s
TOKEN = "JSON.parse(localStorage[Object.keys(localStorage).find((key) => key.endsWith(' token'))])"


@pytest.fixture
def page(new_context: NewContext) -> Page:
    page = new_context().new_page()
    page.goto("/")
    page.get_by_role("button", name=re.compile("^Chat with")).click()
    expect(page.locator(".message.agent").first).to_contain_text("AI assistant")
    return page


def own(page: Page) -> Locator:
    return page.locator(".messages .message.customer .text")


def write(page: Page, text: str) -> None:
    box = page.get_by_role("textbox", name="Your message")
    box.fill(text)
    box.press("Enter")


def listening(page: Page, path: str) -> list[Response]:
    """Every answer to a request for `path`."""
    seen: list[Response] = []
    page.on("response", lambda answer: seen.append(answer) if answer.url.endswith(path) else None)
    return seen


def expect_patience(answers: list[Response]) -> int:
    """How many were refused; by the browser's clock, nobody may have asked again before the server said."""
    refused = 0
    for answer, following in itertools.pairwise(answers):
        if answer.status == 429:
            refused += 1
            came = answer.request.timing["startTime"] + answer.request.timing["responseStart"]
            waited = (following.request.timing["startTime"] - came) / 1_000
            assert waited > int(answer.headers["retry-after"]) - 0.2
    return refused


def test_what_is_written_too_fast_is_kept_and_delivered_once_and_in_order(page: Page) -> None:
    posts = listening(page, "/channels/webchat")
    for text in WRITTEN:
        write(page, text)
    line = re.compile(r"^Not sent yet\. A lot came from here at once: it is sent by itself in \d seconds?\.$")
    expect(page.locator(".fate").first).to_have_text(line)
    expect(page.locator(".fate").last).to_have_text("Not sent yet.")
    expect(own(page)).to_have_text(WRITTEN)
    page.reload()  # the waiting ones are kept beyond the page
    expect(own(page)).to_have_text(WRITTEN)
    expect(page.locator(".fate").first).to_have_text(line)
    expect(page.locator(".fate")).to_have_count(0, timeout=60_000)
    expect(own(page)).to_have_text(WRITTEN)
    page.reload()  # what the server has, not what this page remembers
    expect(own(page)).to_have_text(WRITTEN)
    taken = [answer for answer in posts if answer.status == 200]
    assert len(taken) == len(WRITTEN)
    after_reload = next(place for place, answer in enumerate(posts) if answer.status == 429) + 1
    assert expect_patience(posts[after_reload:]) >= 2


def test_a_chat_that_is_open_too_often_goes_on_by_itself_when_there_is_a_place(page: Page, live_server: Any) -> None:
    headers = {"authorization": f"Bearer {page.evaluate(TOKEN)}"}
    url = f"{live_server.url}/channels/webchat/stream"
    page.goto("about:blank")  # gives its own place back
    with contextlib.ExitStack() as others:
        deadline = time.monotonic() + STREAM_WAIT
        places = 0
        while places < VISITOR_STREAMS:
            answer = others.enter_context(httpx.stream("GET", url, headers=headers, timeout=30))
            places += answer.status_code == 200
            assert time.monotonic() < deadline
        streams = listening(page, "/channels/webchat/stream")
        page.goto("/")
        banner = page.locator(".banner")
        expect(banner).to_have_text("Too many chats are open from here. This one goes on by itself in a moment.")
        write(page, "Can you hear me?")
        expect(own(page)).to_have_count(1)
        expect(page.locator(".fate")).to_have_count(0)  # what is written is taken all the same
    expect(banner).not_to_contain_text("Too many", timeout=2_000 * STREAM_WAIT)
    expect(page.locator(".messages .message.agent").first).to_be_visible(timeout=20_000)
    assert expect_patience(streams) == 1
