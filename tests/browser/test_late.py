"""What comes late to the desk: an answer about one conversation, while another one is open by then."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import PASSWORD, NewContext
from tests.browser.test_dashboard import Visitor, compose, open_waiting, sign_in
from tests.live_server import LiveServer

FOR_CARL, FOR_DORA = "Dear Carl", "Dear Dora"
#: What the page wanted to ask, and what it is done with.
WATCH = """() => {
  window.asked = []; window.ended = [];
  addEventListener("htmx:config:request", (event) => asked.push(event.detail.ctx.request.action));
  addEventListener("htmx:finally:request", (event) => ended.push(event.detail.ctx.request.action));
}"""


class Held:
    """The page's requests to an address: on their way until they are let go."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address, self.routes = page, address, list[Route]()
        page.evaluate(WATCH)
        page.route(address, lambda route: self.routes.append(route))

    def wait(self) -> None:
        """Until there is one."""
        while not self.routes:
            self.page.wait_for_timeout(20)

    def let_go(self, **answer: Any) -> None:
        """Until the page is done with the answers: the server's, or this one."""
        assert self.routes, "nothing is held, so nothing comes late"
        for route in self.routes:
            route.fulfill(**(answer or {"response": route.fetch()}))
            parts = urlsplit(route.request.url)
            action = parts.path + (f"?{parts.query}" if parts.query else "")
            self.page.wait_for_function("(action) => window.ended.includes(action)", arg=action)
        self.page.unroute(self.address)


class Two(NamedTuple):
    """The numbers of two conversations that wait, and who is at their other ends."""

    carl: str
    dora: str
    visitors: tuple[Visitor, Visitor]


@pytest.fixture
def desk(new_context: NewContext, live_server: LiveServer) -> Page:
    return sign_in(new_context().new_page(), live_server.staff_email, live_server.staff_password)


@pytest.fixture
def two(desk: Page, live_server: LiveServer) -> Iterator[Two]:
    """Carl's is open, Dora's is beside it in the queue."""
    visitors = Visitor(live_server.url), Visitor(live_server.url)
    paths = [open_waiting(desk, each, f"I am {name}") for each, name in zip(visitors, ("Carl", "Dora"), strict=True)]
    carl, dora = (path.rsplit("/", 1)[1] for path in paths)
    go(desk, carl, "Carl")
    yield Two(carl, dora, visitors)
    for each in visitors:
        each.client.close()


def row(desk: Page, number: str) -> Locator:
    return desk.locator(f"#row-{number}")


def go(desk: Page, number: str, name: str) -> None:
    row(desk, number).click()
    expect(desk.locator("#conversation .by-customer").first).to_contain_text(f"I am {name}")


def write_to_dora(desk: Page, two: Two) -> None:
    go(desk, two.dora, "Dora")
    compose(desk).fill(FOR_DORA)


def all_is_doras(desk: Page, two: Two) -> None:
    """The pane, the address, the queue and the words that are about to be sent."""
    expect(desk.locator(".head")).to_have_id(f"head-{two.dora}")
    expect(desk.locator("#conversation .by-customer").first).to_contain_text("I am Dora")
    expect(desk).to_have_url(re.compile(f"/{two.dora}$"))
    expect(desk.locator(".row[aria-current]")).to_have_id(f"row-{two.dora}")
    expect(desk.locator(".composer")).to_have_attribute("action", re.compile(f"/{two.dora}/"))
    expect(compose(desk)).to_have_value(FOR_DORA)


def draft(desk: Page, number: str) -> str | None:
    return desk.evaluate(f"localStorage.getItem('firstline.draft.{number}')")


def test_a_verbs_late_answer_is_not_shown_in_the_place_of_another_conversation(desk: Page, two: Two) -> None:
    held = Held(desk, "**/take-over*")
    desk.get_by_role("button", name="Take over").click()
    held.wait()
    write_to_dora(desk, two)
    held.let_go()
    all_is_doras(desk, two)
    expect(desk.locator("#banner")).to_be_hidden()
    expect(row(desk, two.carl)).to_contain_text("With ")


def test_a_late_redraw_is_not_shown_in_the_place_of_another_conversation(desk: Page, two: Two) -> None:
    held = Held(desk, f"**/conversations/{two.carl}/now*")
    two.visitors[0].write("Are you there?")
    held.wait()
    write_to_dora(desk, two)
    held.let_go()
    all_is_doras(desk, two)
    two.visitors[1].write("And I am still here.")
    expect(desk.locator(".by-customer").last).to_contain_text("And I am still here.")
    expect(compose(desk)).to_have_value(FOR_DORA)


def test_a_late_queue_does_not_point_at_another_conversation_than_the_open_one(desk: Page, two: Two) -> None:
    held = Held(desk, "**/desk/queue*")

    def write(words: str, looks: int) -> None:
        two.visitors[0].write(words)
        wanted = "(looks) => asked.filter((action) => action.startsWith('/desk/queue')).length >= looks"
        desk.wait_for_function(wanted, arg=looks)

    write("Are you there?", 1)
    write("Hello?", 2)  # that look waits behind the first
    held.wait()
    write_to_dora(desk, two)
    write("Nobody there?", 3)  # and that one is dropped: one waits already
    held.let_go()
    all_is_doras(desk, two)
    expect(row(desk, two.carl)).to_contain_text("Nobody there?")


def test_a_late_answer_to_a_reply_leaves_what_is_being_written_to_somebody_else(desk: Page, two: Two) -> None:
    held = Held(desk, "**/reply*")
    compose(desk).fill(FOR_CARL)
    desk.get_by_role("button", name="Send").click()
    held.wait()
    write_to_dora(desk, two)
    held.let_go()
    all_is_doras(desk, two)
    assert FOR_DORA in (draft(desk, two.dora) or "")
    assert draft(desk, two.carl) is None, "what was sent is not a draft any more"
    go(desk, two.carl, "Carl")
    expect(desk.locator(".by-person")).to_have_count(1)
    expect(compose(desk)).to_have_value("")


def test_of_two_presses_in_the_queue_the_last_one_counts_whichever_is_answered_first(desk: Page, two: Two) -> None:
    desk.goto("/desk")
    desk.wait_for_load_state()
    held = Held(desk, f"**/conversations/{two.carl}")
    row(desk, two.carl).click()
    held.wait()
    write_to_dora(desk, two)
    held.let_go()
    all_is_doras(desk, two)


def test_a_late_refusal_says_whom_it_is_about_and_stays_until_it_can_have_been_read(
    desk: Page, two: Two, new_context: NewContext, accounts: dict[str, str]
) -> None:
    label = desk.locator(".head h2").inner_text()
    held = Held(desk, "**/reply*")
    compose(desk).fill(FOR_CARL)
    desk.get_by_role("button", name="Send").click()
    held.wait()
    write_to_dora(desk, two)
    other = sign_in(new_context().new_page(), accounts["Sue"], PASSWORD, path=f"/desk/conversations/{two.carl}")
    other.keyboard.press("t")
    expect(other.locator(".head .state")).to_have_text("With you")
    held.let_go()
    all_is_doras(desk, two)
    told = desk.locator("#banner")
    expect(told).to_contain_text(f"About {label}: Sue has this conversation")
    expect(told).to_contain_text("What you typed is kept there.")
    expect(desk.locator("#sentence")).to_have_count(0)
    two.visitors[1].write("Are you there?")
    expect(desk.locator(".by-customer").last).to_contain_text("Are you there?")
    expect(told).to_contain_text(f"About {label}:")
    go(desk, two.carl, "Carl")
    expect(compose(desk)).to_have_value(FOR_CARL)
    expect(told).to_be_hidden()


def test_what_goes_wrong_late_is_told_of_what_one_did_and_not_of_what_the_page_looked_up(desk: Page, two: Two) -> None:
    label = desk.locator(".head h2").inner_text()
    verb, look = Held(desk, "**/take-over*"), Held(desk, f"**/conversations/{two.carl}/now*")
    two.visitors[0].write("Are you there?")
    look.wait()
    desk.get_by_role("button", name="Take over").click()
    verb.wait()
    write_to_dora(desk, two)
    look.let_go(status=404, content_type="text/plain", body="There is no such conversation.")
    expect(desk.locator("#banner")).to_be_hidden()
    verb.let_go(status=500, content_type="text/plain", body="Broken.")
    expect(desk.locator("#banner")).to_have_text(f"About {label}: Broken.")
    all_is_doras(desk, two)


def test_what_is_written_while_a_reply_is_on_its_way_stays(desk: Page, two: Two) -> None:
    held = Held(desk, "**/reply*")
    compose(desk).fill(FOR_CARL)
    desk.get_by_role("button", name="Send").click()
    held.wait()
    compose(desk).fill("And one thing more")
    held.let_go()
    expect(desk.locator(".by-person")).to_have_count(1)
    expect(compose(desk)).to_have_value("And one thing more")
    assert "one thing more" in (draft(desk, two.carl) or "")
    desk.get_by_role("button", name="Send").click()
    expect(desk.locator(".by-person")).to_have_count(2)
    expect(compose(desk)).to_have_value("")


def test_after_a_step_back_the_desk_is_as_alive_as_before(desk: Page, two: Two) -> None:
    go(desk, two.dora, "Dora")
    desk.go_back()
    expect(desk.locator(".head")).to_have_id(f"head-{two.carl}")
    expect(desk.locator("#desk")).to_have_attribute("data-open", two.carl)
    two.visitors[0].write("Are you there?")
    expect(desk.locator(".by-customer").last).to_contain_text("Are you there?")
    desk.locator("#conversation").focus()
    desk.keyboard.press("?")
    expect(desk.locator("#keys")).to_be_visible()
    desk.keyboard.press("Escape")
    desk.route("**/take-over*", lambda route: route.fulfill(status=500, content_type="text/plain", body="Broken."))
    desk.get_by_role("button", name="Take over").click()
    expect(desk.locator("#banner")).to_have_text("Broken.")
