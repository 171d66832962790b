"""The customer's side in a real browser, on the demo page, against the running service."""

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, Request, Route, expect

from tests.browser.conftest import NewContext

PARCEL = "where is my parcel?"
NOT_COVERED = "Could you engrave my grandmother's name on the lid of an Alder?"
ANSWER_MS = 20_000  # the time an answer may take on a busy machine
RETURN_MS = 60_000  # a server's start, and the longest wait between two tries
TOKEN = "Object.keys(localStorage).find((key) => key.endsWith(' token'))"


@pytest.fixture
def page(new_context: NewContext) -> Page:
    page = new_context().new_page()
    page.goto("/")
    return page


def open_chat(page: Page) -> None:
    page.get_by_role("button", name=re.compile("^Chat with")).click()
    expect(page.locator(".message.agent").first).to_contain_text("AI assistant")


def box(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Your message")


def write(page: Page, text: str) -> None:
    box(page).fill(text)
    box(page).press("Enter")


def own(page: Page, text: str | None = None) -> Locator:
    return page.locator(".messages .message.customer", has_text=text) if text else page.locator(".messages .customer")


def answers(page: Page) -> Locator:
    return page.locator(".messages .message.agent")


def paths(asked: list[Request]) -> list[str]:
    return [urlsplit(request.url).path for request in asked]


def expect_settled(page: Page) -> None:
    """The agent has spoken to the end, and nothing is waiting to be sent."""
    expect(page.locator(".typing")).to_be_hidden(timeout=ANSWER_MS)
    expect(page.locator(".fate")).to_have_count(0)
    expect(page.locator(".message [hidden]")).to_have_count(0)


def test_the_first_question_is_answered_with_a_link_to_the_article(page: Page) -> None:
    open_chat(page)
    write(page, PARCEL)
    expect(own(page, PARCEL)).to_have_count(1)
    expect(answers(page)).to_have_count(1, timeout=ANSWER_MS)
    expect(answers(page)).to_contain_text("track")
    source = answers(page).locator(".sources a").first
    expect(source).to_be_visible()
    with page.context.expect_page() as opened:
        source.click()
    expect(opened.value).to_have_url(re.compile(r"/help/[a-z-]+$"))
    expect(opened.value.get_by_role("heading", level=1)).to_have_text(source.inner_text())


def test_it_says_that_an_ai_answers_before_anything_is_written(page: Page) -> None:
    open_chat(page)
    expect(page.locator(".message.agent")).to_contain_text("not a person")
    expect(page.locator("header .sub")).to_have_text("AI assistant · answers from our help centre")
    expect(page.get_by_role("button", name="Talk to a person")).to_be_visible()
    expect(own(page)).to_have_count(0)


def test_a_visitor_who_does_not_ask_costs_no_connection(new_context: NewContext) -> None:
    page = new_context().new_page()
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request))
    page.goto("/")
    expect(page.get_by_role("button", name=re.compile("^Chat with"))).to_be_visible()
    page.wait_for_timeout(300)
    assert [path for path in paths(asked) if path.startswith("/channels/")] == ["/channels/webchat/widget.js"]
    open_chat(page)
    page.wait_for_timeout(300)
    assert "/channels/webchat/stream" in paths(asked), "the list must be able to grow"
    assert not [request.url for request in asked if "?" in request.url], "a token never stands in an address"


def test_a_reload_in_the_middle_keeps_everything(page: Page) -> None:
    open_chat(page)
    write(page, PARCEL)
    expect(own(page, PARCEL)).to_have_count(1)
    box(page).fill("half a thou")
    page.reload()  # the answer is not there yet
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(own(page, PARCEL)).to_have_count(1)
    expect(answers(page)).to_have_count(1, timeout=ANSWER_MS)
    expect(box(page)).to_have_value("half a thou")
    expect_settled(page)
    before = page.locator(".messages").inner_text()
    page.reload()
    expect(answers(page)).to_have_count(1)
    expect_settled(page)
    assert page.locator(".messages").inner_text() == before


def test_two_tabs_show_the_same_conversation(page: Page) -> None:
    open_chat(page)
    write(page, PARCEL)
    expect(answers(page)).to_have_count(1, timeout=ANSWER_MS)
    other = page.context.new_page()
    other.goto("/")
    other.get_by_role("button", name=re.compile("^Chat with")).click()
    expect(answers(other)).to_have_count(1)
    write(other, "thank you")
    write(other, "How do I descale the Birch?")
    for tab in (page, other):
        expect(own(tab)).to_have_count(3)
        expect_settled(tab)
    page.wait_for_timeout(1000)  # what is still under way reaches both
    expect_settled(page)
    expect_settled(other)
    assert page.locator(".messages").inner_text() == other.locator(".messages").inner_text()


def test_what_is_written_while_the_server_is_gone_arrives_once_and_in_order(page: Page, live_server: Any) -> None:
    open_chat(page)
    write(page, PARCEL)
    expect(answers(page)).to_have_count(1, timeout=ANSWER_MS)
    live_server.stop()
    try:
        write(page, "first while you were gone")
        write(page, "second while you were gone")
        expect(page.locator(".fate").first).to_contain_text("Not sent yet", timeout=ANSWER_MS)
        expect(page.locator(".banner")).to_contain_text("Your messages are kept and will be sent", timeout=ANSWER_MS)
        page.context.new_page().close()  # the widget must not depend on being looked at
        page.wait_for_timeout(1500)  # a few tries fail
    finally:
        live_server.start()
    expect(page.locator(".fate")).to_have_count(0, timeout=RETURN_MS)
    expect(page.locator(".banner")).not_to_contain_text("kept", timeout=RETURN_MS)
    expected = [re.compile(PARCEL[:-1]), re.compile("first while"), re.compile("second while")]
    expect(own(page)).to_have_text(expected)
    page.reload()  # what the server has, not what this page remembers
    expect(own(page)).to_have_text(expected)


# Not by `route`: it misses what a page sends while it is being left.
CUT = """
const real = fetch;
const cut = (url) => url.endsWith("/channels/webchat") && !sessionStorage.mended;
window.fetch = (url, ...rest) => (cut(url) ? Promise.reject(new TypeError("cut")) : real(url, ...rest));
"""


def test_a_message_that_was_not_sent_outlives_a_reload(new_context: NewContext) -> None:
    context = new_context()
    context.add_init_script(CUT)
    page = context.new_page()
    page.goto("/")
    open_chat(page)
    write(page, PARCEL)
    expect(page.locator(".fate")).to_contain_text("Not sent yet")
    page.reload()
    expect(own(page, PARCEL)).to_have_count(1)
    expect(page.locator(".fate")).to_contain_text("Not sent yet")
    page.evaluate("sessionStorage.mended = true")
    page.get_by_role("button", name="Try now").click()
    expect(answers(page)).to_have_count(1, timeout=ANSWER_MS)
    expect(own(page, PARCEL)).to_have_count(1)


def test_an_answer_to_the_post_that_got_lost_makes_no_double(page: Page) -> None:
    open_chat(page)
    lost: list[int] = []

    def lose_the_answer(route: Any) -> None:
        if lost:
            return route.continue_()
        lost.append(route.fetch().status)  # the server has taken it, the browser never hears of it
        return route.abort()

    page.route("**/channels/webchat", lose_the_answer)
    write(page, PARCEL)
    expect(answers(page)).to_have_count(1, timeout=ANSWER_MS)
    expect_settled(page)
    assert lost == [200]
    page.reload()
    expect(answers(page)).to_have_count(1)
    expect(own(page)).to_have_count(1)


def test_what_the_help_centre_does_not_cover_calls_a_person(page: Page) -> None:
    open_chat(page)
    write(page, NOT_COVERED)
    expect(page.locator(".banner")).to_have_text("A person has been called. You can keep writing.", timeout=ANSWER_MS)
    expect(answers(page)).to_have_count(1)
    expect(answers(page).locator(".sources")).to_have_count(0)
    write(page, "It is for her birthday")
    expect(own(page, "birthday")).to_have_count(1)
    page.wait_for_timeout(1500)
    expect(answers(page)).to_have_count(1)  # the agent stays silent


def test_the_button_calls_a_person_at_once(page: Page) -> None:
    open_chat(page)
    page.get_by_role("button", name="Talk to a person").click()
    expect(own(page, "Talk to a person")).to_have_count(1)
    expect(page.locator(".banner")).to_contain_text("A person has been called", timeout=ANSWER_MS)
    expect(page.get_by_role("button", name="Person called")).to_have_attribute("aria-disabled", "true")


def test_it_can_be_used_with_the_keyboard_alone(page: Page) -> None:
    launcher = page.get_by_role("button", name=re.compile("^Chat with"))
    for _ in range(40):
        page.keyboard.press("Tab")
        if launcher.evaluate("(element) => element.getRootNode().activeElement === element"):
            break
    expect(launcher).to_be_focused()
    page.keyboard.press("Enter")
    expect(box(page)).to_be_focused()
    page.keyboard.type("two lines")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type(PARCEL)
    expect(box(page)).to_have_value(f"two lines\n{PARCEL}")
    page.keyboard.press("Enter")
    expect(own(page, PARCEL)).to_have_count(1)
    expect(box(page)).to_have_value("")
    expect(box(page)).to_be_focused()
    call = page.get_by_role("button", name="Talk to a person")
    for _ in range(10):
        page.keyboard.press("Shift+Tab")
        if call.evaluate("(element) => element.getRootNode().activeElement === element"):
            break
    expect(call).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(launcher).to_be_focused()


def test_an_answer_that_came_while_the_panel_was_closed_is_counted(page: Page) -> None:
    open_chat(page)
    held: list[Route] = []
    page.route("**/channels/webchat", lambda route: held.append(route))
    write(page, PARCEL)
    expect(own(page, PARCEL)).to_have_count(1)
    while not held:
        page.wait_for_timeout(20)
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name=re.compile("^Chat with Pellworth$"))).to_be_visible()
    held[0].continue_()
    unread = page.get_by_role("button", name=re.compile("1 unread message$"))
    expect(unread).to_be_visible(timeout=ANSWER_MS)
    unread.click()
    expect(answers(page)).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name=re.compile("^Chat with Pellworth$"))).to_be_visible()


def test_markup_is_shown_as_the_letters_it_is(page: Page) -> None:
    open_chat(page)
    attack = (
        "<img src=x onerror=\"document.title='owned'\"><a href='https://evil.example'>here</a> https://evil.example/x"
    )
    write(page, attack)
    expect(own(page)).to_contain_text(attack)
    expect_settled(page)
    page.reload()
    expect(own(page)).to_contain_text(attack)
    expect(own(page).locator("img, a")).to_have_count(0)
    assert "owned" not in page.title()


def test_a_message_that_is_too_long_is_counted_and_not_sent(page: Page) -> None:
    open_chat(page)
    box(page).fill("a" * 3900)
    expect(page.locator(".left")).to_have_text("100 left")
    box(page).fill("😀" * 4001)
    expect(page.locator(".left")).to_have_text("1 too many: shorten your message.")
    expect(page.get_by_role("button", name="Send")).to_be_disabled()
    box(page).press("Enter")
    expect(own(page)).to_have_count(0)
    assert len(box(page).input_value()) == 4001, "nothing of it is lost"


def test_what_the_server_refuses_can_be_edited(page: Page) -> None:
    open_chat(page)
    refusal = {"status": 400, "json": {"error": "Write a message first."}}
    page.route("**/channels/webchat", lambda route: route.fulfill(**refusal))
    write(page, "refused")
    expect(page.locator(".fate")).to_contain_text("Not sent. Write a message first.")
    page.get_by_role("button", name="Edit").click()
    expect(own(page)).to_have_count(0)
    expect(box(page)).to_have_value("refused")


def test_a_token_the_server_does_not_take_starts_a_new_chat(page: Page) -> None:
    open_chat(page)
    write(page, PARCEL)
    expect(answers(page)).to_have_count(1, timeout=ANSWER_MS)
    page.evaluate(f"localStorage.setItem({TOKEN}, JSON.stringify('somebody.elses'))")
    page.reload()
    expect(page.locator(".note")).to_contain_text("This is a new one")
    expect(own(page)).to_have_count(0)
    write(page, "hello again")
    expect(own(page, "hello again")).to_have_count(1)
    expect(answers(page)).to_have_count(1, timeout=ANSWER_MS)
    assert page.evaluate(f"localStorage.getItem({TOKEN})") != '"somebody.elses"'


ELSEWHERE = """<!doctype html><title>A shop</title>
<style>* { color: red !important; font-size: 40px } p, button { display: none; text-transform: uppercase }</style>
<h1>Another site</h1><script src="SERVER/channels/webchat/widget.js" data-title="Ask the shop" data-accent="#ffd54a"
data-open data-position="left" async></script>"""


@pytest.fixture
def another_site(live_server: Any) -> Iterator[str]:
    """A page of somebody else's, on a server of its own."""

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(ELSEWHERE.replace("SERVER", live_server.url).encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def test_one_script_tag_puts_it_on_another_site_untouched_by_its_styles(page: Page, another_site: str) -> None:
    page.goto(another_site)
    dialog = page.get_by_role("dialog", name="Ask the shop")
    expect(dialog).to_be_visible()
    expect(page.locator(".message.agent p.text")).to_have_css("color", "rgb(29, 29, 31)")
    expect(page.locator(".message.agent p.text")).to_have_css("font-size", "15px")
    box_of_dialog = dialog.bounding_box()
    assert box_of_dialog
    assert box_of_dialog["x"] < 100
    write(page, PARCEL)
    expect(answers(page)).to_have_count(1, timeout=ANSWER_MS)
    expect(own(page).locator(".bubble")).to_have_css("background-color", "rgb(255, 213, 74)")
    expect(own(page).locator(".bubble")).to_have_css("color", "rgb(17, 17, 17)")  # readable on the site's yellow


def test_it_works_where_the_browser_keeps_nothing(new_context: NewContext) -> None:
    context = new_context()
    context.add_init_script(
        "for (const kind of ['localStorage', 'sessionStorage'])"
        " Object.defineProperty(window, kind, { get() { throw new DOMException('denied', 'SecurityError') } })"
    )
    page = context.new_page()
    page.goto("/")
    open_chat(page)
    write(page, PARCEL)
    expect(answers(page)).to_have_count(1, timeout=ANSWER_MS)
    expect(own(page)).to_have_count(1)
    expect_settled(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_the_chat_is_a_whole_sheet(new_context: NewContext, scheme: Any) -> None:
    phone = {"width": 390, "height": 844}
    page = new_context(viewport=phone, color_scheme=scheme, has_touch=True, is_mobile=True).new_page()
    page.goto("/")
    assert page.evaluate("document.documentElement.scrollWidth") == 390, "the shop's page does not scroll sideways"
    open_chat(page)
    sheet = page.get_by_role("dialog")
    sheet.evaluate("(element) => Promise.all(element.getAnimations().map((each) => each.finished))")
    assert sheet.bounding_box() == {"x": 0, "y": 0, **phone}
    write(page, PARCEL)
    expect(answers(page)).to_have_count(1, timeout=ANSWER_MS)
    page.get_by_role("button", name="Close chat").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.reload()
    expect(page.get_by_role("dialog")).to_be_hidden()  # a phone shows its page first


def test_an_answer_is_there_at_once_for_those_who_want_no_motion(new_context: NewContext) -> None:
    page = new_context(reduced_motion="reduce").new_page()
    page.goto("/")
    open_chat(page)
    page.wait_for_timeout(1200)  # long enough connected for an answer to count as new
    write(page, PARCEL)
    expect(answers(page)).to_have_count(1, timeout=ANSWER_MS)
    assert answers(page).locator("[hidden]").count() == 0
    assert answers(page).locator(".text span").count() == 0
