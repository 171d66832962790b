"""The staff's side in a real browser, against the running service, with customers on the other end."""

import re
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import NewContext
from tests.live_server import LiveServer

PARCEL = "where is my parcel?"
NOT_COVERED = "Could you engrave my grandmother's name on the lid of an Alder?"
ANSWER_MS = 20_000  # the time an answer may take on a busy machine
RETURN_MS = 60_000  # a server's start, and the longest wait between two tries
COLLEAGUE = ("sam@pellworth.example", "a password for Sam")


class Visitor:
    """A customer in the web chat, without a browser. `label` is what the desk calls them."""

    def __init__(self, url: str) -> None:
        self.client = httpx.Client(base_url=url, timeout=20)
        self.token = self.client.post("/channels/webchat/session").json()["token"]

    def write(self, text: str = "", *, person: bool = False) -> None:
        body = {"id": str(uuid.uuid4()), "text": text, "person": person}
        answer = self.client.post("/channels/webchat", json=body, headers={"authorization": f"Bearer {self.token}"})
        assert answer.status_code == 200, answer.text


@pytest.fixture
def visitor(live_server: Any) -> Iterator[Visitor]:
    made = Visitor(live_server.url)
    yield made
    made.client.close()


@pytest.fixture
def desk(new_context: NewContext, live_server: Any) -> Page:
    return sign_in(new_context().new_page(), live_server.staff_email, live_server.staff_password)


@pytest.fixture(scope="module")
def colleague(live_server: LiveServer) -> tuple[str, str]:
    """A second member of staff."""
    email, password = COLLEAGUE
    live_server.hire("Sam Okafor", email, "support", password)
    return COLLEAGUE


def sign_in(page: Page, email: str, password: str, path: str = "/desk") -> Page:
    page.goto(path)
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("navigation", name="Queue")).to_be_attached()
    page.wait_for_load_state()  # what answers to keys is there after the page
    return page


def waiting(page: Page) -> Locator:
    """The rows of those who wait, the newest call last."""
    return page.locator("section", has=page.get_by_role("heading", name="Waiting for a person")).locator(".row")


def open_waiting(page: Page, visitor: Visitor, words: str) -> str:
    """Let the visitor call for a person in words of their own, and open what came of it; its path."""
    before = waiting(page).count()
    visitor.write(words)
    visitor.write(person=True)
    expect(waiting(page)).to_have_count(before + 1, timeout=ANSWER_MS)
    waiting(page).last.click()
    expect(page.locator(".by-customer").first).to_contain_text(words)
    return page.evaluate("location.pathname")


def compose(page: Page) -> Locator:
    return page.get_by_role("textbox", name=re.compile("^Reply to"))


def test_a_wrong_password_is_refused_and_the_right_one_leads_where_one_wanted_to_go(
    new_context: NewContext, live_server: Any
) -> None:
    page = new_context().new_page()
    page.goto("/desk?show=mine")
    expect(page).to_have_title("Sign in - Firstline")
    page.get_by_label("Email").fill(live_server.staff_email)
    page.get_by_label("Password").fill("not the password")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("do not belong together")
    expect(page.get_by_label("Email")).to_have_value(live_server.staff_email)
    page.get_by_label("Password").fill(live_server.staff_password)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/desk\?show=mine$"))
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_title("Sign in - Firstline")
    page.go_back()
    expect(page).to_have_title("Sign in - Firstline")


def test_an_answer_stands_beside_its_decision_and_the_passages_are_a_click_away(desk: Page, visitor: Visitor) -> None:
    rows = desk.locator("section", has=desk.get_by_role("heading", name="Open")).locator(".row")
    answered = rows.filter(has_text=re.compile("Firstline:.*tracking link", re.DOTALL))
    before = answered.count()  # of whoever else asked here
    visitor.write(PARCEL)
    expect(answered).to_have_count(before + 1, timeout=ANSWER_MS)
    answered.first.click()
    expect(desk.locator(".by-customer")).to_contain_text(PARCEL)
    why = desk.locator(".why").first
    expect(why).to_contain_text(re.compile(r"Confident 0\.\d\d, needs 0\.\d\d\. Rests on .+, version \d+\."))
    why.locator("summary").first.click()
    expect(why.locator("mark").first).to_be_visible()
    expect(why).to_contain_text("Knowledge revision")


def test_an_escalation_and_a_persons_reply_arrive_live_on_both_sides(desk: Page, new_context: NewContext) -> None:
    customer = new_context().new_page()
    customer.goto("/")
    customer.get_by_role("button", name=re.compile("^Chat with")).click()
    before = int(desk.locator("#queue-state").get_attribute("data-waiting") or 0)
    customer.get_by_role("textbox", name="Your message").fill(NOT_COVERED)
    customer.keyboard.press("Enter")
    expect(desk).to_have_title(f"({before + 1}) Queue - Firstline", timeout=ANSWER_MS)
    expect(waiting(desk)).to_have_count(before + 1)
    waiting(desk).last.click()
    expect(desk.locator(".by-customer")).to_contain_text("grandmother")
    expect(desk.locator(".why").last).to_contain_text("Called for a person.")
    desk.get_by_role("button", name="Take over").click()
    expect(desk.locator(".head .state")).to_have_text("With you")
    compose(desk).fill("Hello, this is Ana.\nWe can, for 12 euro.")
    desk.get_by_role("button", name="Send").click()
    expect(customer.locator(".messages .message.person")).to_contain_text("this is Ana", timeout=ANSWER_MS)
    expect(desk.locator(".by-person .delivery")).to_have_text("Sent")
    customer.get_by_role("textbox", name="Your message").fill("Lovely, do that.")
    customer.keyboard.press("Enter")
    expect(desk.locator(".by-customer").last).to_contain_text("Lovely, do that.", timeout=ANSWER_MS)
    expect(desk.locator("#announce")).to_contain_text("New message from Customer")
    expect(desk).to_have_title(re.compile("Visitor"))


def test_a_call_sounds_for_who_wants_it_and_for_nobody_else(
    desk: Page, new_context: NewContext, live_server: Any, visitor: Visitor
) -> None:
    count = "window.tones = 0; const start = OscillatorNode.prototype.start; OscillatorNode.prototype.start = function "
    count += "(...given) { window.tones += 1; return start.apply(this, given); };"
    desk.add_init_script(count)
    desk.reload()
    quiet = new_context()
    quiet.add_init_script(count)
    silent = sign_in(quiet.new_page(), live_server.staff_email, live_server.staff_password)
    sound = desk.get_by_role("button", name="Sound")
    expect(sound).to_have_attribute("aria-pressed", "false")
    sound.click()
    expect(sound).to_have_attribute("aria-pressed", "true")
    tried = desk.evaluate("window.tones")
    assert tried > 0, "one hears at once what it will sound like"
    visitor.write(person=True)
    expect(desk.locator("#announce")).to_contain_text("A person is called for: Visitor", timeout=ANSWER_MS)
    assert desk.evaluate("window.tones") > tried
    expect(silent.locator("#announce")).to_contain_text("A person is called for: Visitor")
    assert silent.evaluate("window.tones") == 0
    desk.reload()
    expect(sound).to_have_attribute("aria-pressed", "true")


def test_after_a_take_over_the_agent_says_nothing_even_if_it_was_about_to(desk: Page, visitor: Visitor) -> None:
    open_waiting(desk, visitor, "Are you there?")
    desk.get_by_role("button", name="Hand back to the agent").click()
    expect(desk.locator(".head .state")).to_have_text("With the agent")
    visitor.write(PARCEL)
    desk.keyboard.press("t")
    expect(desk.locator(".head .state")).to_have_text("With you")
    expect(desk.locator(".by-customer", has_text=PARCEL)).to_be_visible()
    desk.wait_for_timeout(4_000)  # longer than the answer would have taken
    taken = desk.locator(".event", has_text="You took over").last
    after = taken.locator("xpath=following-sibling::li")
    expect(after.and_(desk.locator(".by-agent:not(.is-cancelled)"))).to_have_count(0)
    compose(desk).fill("I have it.")
    desk.keyboard.press("Control+Enter")
    expect(after.and_(desk.locator(".by-person"))).to_have_count(1)


def test_everything_is_done_by_keyboard_alone(new_context: NewContext, live_server: Any, visitor: Visitor) -> None:
    visitor.write("Somebody with hands, please.")
    visitor.write(person=True)
    page = new_context().new_page()
    page.goto("/desk?show=waiting")
    expect(page.get_by_label("Email")).to_be_focused()
    page.keyboard.type(live_server.staff_email)
    page.keyboard.press("Tab")
    page.keyboard.type(live_server.staff_password)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("show=waiting"))
    rows = page.locator(".row")
    expect(rows.filter(has_text="asked a person").last).to_be_visible(timeout=ANSWER_MS)
    page.wait_for_load_state()  # what answers to keys is there after the page
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the queue")).to_be_focused()
    for _ in range(rows.count()):
        page.keyboard.press("j")
    expect(rows.last).to_be_focused()
    outline = "(row) => getComputedStyle(row).outlineStyle"
    assert rows.last.evaluate(outline) == "solid", "where one is must be seen"
    page.keyboard.press("Enter")
    expect(page.locator(".by-customer").first).to_contain_text("Somebody with hands")
    page.keyboard.press("t")
    expect(page.locator(".head .state")).to_have_text("With you")
    page.keyboard.press("r")
    expect(compose(page)).to_be_focused()
    page.keyboard.type("At your service: t, r, j and ? are only letters here.")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".by-person")).to_have_count(1)
    expect(compose(page)).to_have_value("")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
    resolve = page.get_by_role("button", name="Resolve")
    for _ in range(60):
        page.keyboard.press("Tab")
        if resolve.evaluate("(button) => button === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(page.locator(".head .state")).to_have_text("Resolved")
    expect(page.locator("#conversation-title")).to_be_focused()  # the button is gone, and the next Tab begins here


def test_a_button_that_is_still_there_after_it_was_pressed_keeps_the_focus(desk: Page, visitor: Visitor) -> None:
    open_waiting(desk, visitor, "Press it again.")

    def refuse(route: Route) -> None:
        desk.wait_for_timeout(200)  # meanwhile the button is disabled, and loses the focus
        route.fulfill(status=500, content_type="text/plain", body="Broken.")

    desk.route("**/resolve*", refuse)
    resolve = desk.get_by_role("button", name="Resolve")
    resolve.focus()
    desk.keyboard.press("Enter")
    expect(desk.locator("#banner")).to_have_text("Broken.")
    expect(resolve).to_be_focused()
    visitor.write("Is it broken?")
    expect(desk.locator(".by-customer").last).to_contain_text("Is it broken?")
    expect(desk.locator("#banner")).to_have_text("Broken.")  # until its reader does the next thing
    desk.unroute("**/resolve*")
    resolve.click()
    expect(desk.locator("#banner")).to_be_hidden()


def test_after_a_reply_that_a_colleague_forestalled_the_keyboard_goes_on_from_the_title(
    desk: Page, visitor: Visitor, new_context: NewContext, colleague: tuple[str, str]
) -> None:
    path = open_waiting(desk, visitor, "Who is quicker?")
    compose(desk).fill("I am")
    held: list[Route] = []
    desk.route("**/reply*", lambda route: held.append(route))
    desk.get_by_role("button", name="Send").focus()
    desk.keyboard.press("Enter")
    while not held:
        desk.wait_for_timeout(20)
    other = sign_in(new_context().new_page(), *colleague, path=path)
    other.keyboard.press("t")
    expect(other.locator(".head .state")).to_have_text("With you")
    held[0].continue_()
    expect(desk.locator("#sentence")).to_contain_text("What you typed is still here.")
    expect(desk.get_by_role("button", name="Send")).to_be_disabled()
    expect(desk.locator("#conversation-title")).to_be_focused()


def test_two_presses_on_send_are_one_message(desk: Page, visitor: Visitor) -> None:
    open_waiting(desk, visitor, "One reply is enough.")
    compose(desk).fill("Only once.")
    desk.evaluate("() => { const send = document.querySelector('.composer button'); send.click(); send.click(); }")
    expect(desk.locator(".by-person .delivery")).to_have_text("Sent", timeout=ANSWER_MS)
    expect(compose(desk)).to_have_value("")
    desk.reload()
    expect(desk.locator(".by-person")).to_have_count(1)


def test_what_one_types_survives_a_colleague_who_is_faster_and_a_reload(
    desk: Page, visitor: Visitor, new_context: NewContext, colleague: tuple[str, str]
) -> None:
    path = open_waiting(desk, visitor, "Who will it be?")
    compose(desk).click()
    desk.keyboard.type("I was about to say")
    other = sign_in(new_context().new_page(), *colleague, path=path)
    other.keyboard.press("t")
    expect(other.locator(".head .state")).to_have_text("With you")
    expect(desk.locator(".head .state")).to_have_text("With Sam Okafor", timeout=ANSWER_MS)
    expect(compose(desk)).to_be_focused()
    expect(compose(desk)).to_have_value("I was about to say")
    expect(desk.get_by_role("button", name="Send")).to_be_disabled()
    expect(desk.locator(".hint")).to_contain_text("Sam Okafor has this conversation.")
    desk.keyboard.press("Control+Enter")
    desk.reload()
    expect(compose(desk)).to_have_value("I was about to say")
    expect(desk.locator(".by-person")).to_have_count(0)


def test_what_a_customer_writes_does_nothing_in_the_desk(desk: Page, visitor: Visitor) -> None:
    noticed: list[str] = []
    desk.on("dialog", lambda dialog: (noticed.append(dialog.message), dialog.dismiss()))
    desk.on("console", lambda message: noticed.append(message.text) if message.type == "error" else None)
    hostile = "<img src=x onerror=alert(1)><script>alert(2)</script> https://evil.example/click"
    open_waiting(desk, visitor, hostile)
    text = desk.locator(".by-customer .text").first
    expect(text).to_have_text(hostile)
    assert text.locator("*").count() == 0, "text has no elements, not even a link"
    assert noticed == []


#: Every sentence of the banner, also one that soon gives way to another.
TOLD = """() => {
  window.told = [];
  const banner = document.getElementById("banner");
  const all = {childList: true, characterData: true, subtree: true};
  new MutationObserver(() => told.push(banner.textContent)).observe(banner, all);
}"""


def test_while_the_server_is_gone_the_desk_says_so_keeps_the_reply_and_comes_back(
    desk: Page, visitor: Visitor, live_server: Any
) -> None:
    open_waiting(desk, visitor, "Do not lose me.")
    compose(desk).fill("Written in")
    live_server.stop()
    try:
        expect(desk.get_by_role("status")).to_contain_text("Not live: trying again.", timeout=10_000)
        compose(desk).fill("Written in the dark")
        desk.evaluate(TOLD)  # the page goes on trying, and says that instead
        desk.keyboard.press("Control+Enter")
        desk.wait_for_function("told.some((words) => words.includes('Nothing you typed is lost'))")
        expect(compose(desk)).to_have_value("Written in the dark")
    finally:
        live_server.start()
    expect(desk.get_by_role("status")).to_be_hidden(timeout=RETURN_MS)
    compose(desk).press("Control+Enter")
    expect(desk.locator(".by-person")).to_have_count(1, timeout=ANSWER_MS)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_queue_and_conversation_are_pages_of_their_own(
    new_context: NewContext, live_server: Any, visitor: Visitor, scheme: Any
) -> None:
    context = new_context(viewport={"width": 390, "height": 844}, has_touch=True, color_scheme=scheme)
    page = sign_in(context.new_page(), live_server.staff_email, live_server.staff_password)
    open_waiting(page, visitor, "A very long word: " + "x" * 200)
    expect(page.get_by_role("navigation", name="Queue")).to_be_hidden()
    below = page.get_by_role("button", name="Send").bounding_box()
    assert below is not None
    assert 844 - 80 < below["y"] + below["height"] < 844, "the composer is at the bottom of the screen"
    assert page.evaluate(
        "[...document.querySelectorAll('*')].every((each) => each.getBoundingClientRect().right <= 391)"
    )
    page.get_by_role("link", name="Queue", exact=True).click()
    expect(page.get_by_role("navigation", name="Queue")).to_be_visible()
    expect(page.locator(".row").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) > 384) == (scheme == "light")


def test_the_theme_is_chosen_by_hand_and_stays(desk: Page) -> None:
    desk.wait_for_load_state()  # the button is there before what it does
    ground = "getComputedStyle(document.body).backgroundColor"
    button = desk.locator("#theme")
    light = desk.evaluate(ground)
    expect(button).to_contain_text("System")
    button.click()
    expect(button).to_contain_text("Light")
    assert desk.evaluate(ground) == light
    button.click()
    expect(button).to_contain_text("Dark")
    dark = desk.evaluate(ground)
    assert dark != light
    desk.reload()
    assert desk.evaluate(ground) == dark
