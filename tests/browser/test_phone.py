"""A customer's phone in a real browser: messages go to the desk as Twilio would bring them, and replies come back."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import APIResponse, Locator, Page, Route, expect

from tests.browser.conftest import NewContext, faults
from tests.browser.test_dashboard import ANSWER_MS, sign_in

QUESTION = "Where is my parcel?"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)


@pytest.fixture
def customer(new_context: NewContext) -> Iterator[Page]:
    page = new_context().new_page()
    page.goto("/phone")
    yield page
    page.goto("/phone")  # the phone is one, and the next test finds it as it was
    if page.get_by_role("button", name="Turn on the phone").count():
        page.get_by_role("button", name="Turn on the phone").click()
    page.get_by_role("button", name="Back to now").click()
    expect(page.locator("#time")).to_contain_text("the real time")
    page.request.post("/phone/fate", form={"fate": "arrives"})


def be(page: Page, name: str, number: str, *, hidden: bool = False) -> None:
    """Every test has a customer of its own."""
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Number", exact=True).fill(number)
    page.get_by_label("Hide my number").set_checked(hidden)
    page.get_by_role("button", name="Be this person").click()
    expect(page.locator("#said")).to_contain_text(f"the phone of {name}")


def write(page: Page, text: str) -> Locator:
    """Sends by Enter; the message on the screen."""
    before = page.locator(".bubble.is-mine").count()
    page.get_by_label("Message", exact=True).fill(text)
    page.keyboard.press("Enter")
    expect(page.locator(".bubble.is-mine")).to_have_count(before + 1)
    expect(page.get_by_label("Message", exact=True)).to_have_value("")
    return page.locator(".bubble.is-mine").last


def came(page: Page, count: int) -> Locator:
    """The replies that came; the last of them."""
    replies = page.locator(".bubble:not(.is-mine)")
    expect(replies).to_have_count(count, timeout=ANSWER_MS)
    return replies.last


def menu(bubble: Locator) -> Locator:
    if bubble.locator("details.more[open]").count() == 0:
        bubble.get_by_label("What to do with this message").click()
    return bubble.locator(".more")


def fault(page: Page, label: str, words: str) -> None:
    page.get_by_label(label).select_option(label=words)
    page.locator("form").filter(has=page.get_by_label(label)).get_by_role("button", name="Set").click()
    expect(page.locator("#strip")).to_contain_text(words[1:])


def desk_of(new_context: NewContext, live_server: Any, who: str) -> Page:
    """The desk, with that customer's newest conversation open."""
    page = sign_in(new_context().new_page(), live_server.staff_email, live_server.staff_password)
    page.locator(".row").filter(has_text=who).first.click()
    expect(page.locator("#conversation-title")).to_have_text(who)
    return page


def test_a_question_is_answered_and_a_persons_reply_comes_delivered_and_read(
    customer: Page, new_context: NewContext, live_server: Any
) -> None:
    be(customer, "Nora Quill", "+15550151")
    asked = write(customer, QUESTION)
    answer = came(customer, 1)
    expect(answer).to_contain_text("tracking link")
    expect(answer.get_by_role("link", name=re.compile("^http"))).to_have_attribute("href", re.compile("/help/"))
    expect(answer.locator(".state")).to_have_text("Read")
    # Who is shown that one types is shown that it was read; an answer may be quicker than that.
    expect(asked.locator(".state")).to_contain_text(re.compile("(Delivered to|Read by) Firstline"))
    menu(answer).get_by_role("link", name="Reply").click()
    expect(customer.locator("#quoting")).to_contain_text("tracking link")
    write(customer, "It came broken. I want a person.")
    expect(customer.locator("#quoting")).to_be_empty()
    came(customer, 2)
    customer.get_by_text("Send a file").click()
    customer.get_by_label("Files, one message each").set_input_files(
        [{"name": "broken.png", "mimeType": "image/png", "buffer": PNG}]
    )
    customer.get_by_role("button", name="Send", exact=True).click()
    picture = customer.locator(".bubble.is-mine").last.get_by_role("img", name="broken.png")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.complete && image.naturalWidth") == 1
    desk = desk_of(new_context, live_server, "Nora Quill")
    expect(desk.locator(".message.by-customer")).to_have_count(3)
    customer.get_by_role("button", name="Turn off the phone").click()
    expect(customer.locator("#strip")).to_contain_text("The phone is off")
    desk.locator(".composer textarea").fill("A new one leaves today. https://a.example/x <b>")
    desk.get_by_role("button", name="Send").click()
    last = came(customer, 3)
    expect(last).to_contain_text("Ana Keane:")
    expect(last.get_by_role("link", name="https://a.example/x")).to_have_attribute("rel", re.compile("noreferrer"))
    expect(last).to_contain_text("<b>")
    expect(last.locator(".state")).to_have_text("Sent")
    customer.get_by_role("button", name="Turn on the phone").click()
    expect(last.locator(".state")).to_have_text("Read")


def test_what_one_is_writing_and_has_unfolded_stays_when_something_comes(customer: Page) -> None:
    be(customer, "Olga Reed", "+15550152")
    asked = write(customer, QUESTION)
    menu(asked)
    customer.get_by_label("Message", exact=True).fill("Half a sen")
    came(customer, 1)
    expect(customer.get_by_label("Message", exact=True)).to_have_value("Half a sen")
    expect(customer.get_by_label("Message", exact=True)).to_be_focused()
    expect(asked.get_by_role("link", name="Show the webhook")).to_be_visible()


def test_a_look_that_comes_late_does_not_close_what_was_opened_since(customer: Page) -> None:
    be(customer, "Otis Lane", "+15550157")
    asked = write(customer, QUESTION)
    came(customer, 1)
    menu(asked)
    held: list[tuple[Route, APIResponse]] = []  # the page as it was when it was looked at
    customer.route(re.compile("/phone/$"), lambda route: held.append((route, route.fetch())))
    customer.request.post("/phone/fate", form={"fate": "lost"})
    while not held:
        customer.wait_for_timeout(20)
    menu(asked).get_by_role("link", name="Show the webhook").click()
    expect(customer.locator("#inspector")).to_contain_text("X-Twilio-Signature")
    with customer.expect_request("**/phone/version"):  # the next look: that one is over
        held[0][0].fulfill(response=held[0][1])
    expect(customer.locator("#strip")).to_contain_text("it is lost on its way")
    assert "X-Twilio-Signature" in customer.locator("#inspector").inner_text()


def test_what_was_opened_while_a_message_was_on_its_way_stays_open(customer: Page) -> None:
    be(customer, "Orla Finch", "+15550158")
    asked = write(customer, QUESTION)
    came(customer, 1)
    menu(asked)
    held: list[Route] = []
    customer.route("**/phone/send", lambda route: held.append(route))
    customer.get_by_label("Message", exact=True).fill("Thank you.")
    customer.keyboard.press("Enter")
    while not held:
        customer.wait_for_timeout(20)
    menu(asked).get_by_role("link", name="Show the webhook").click()
    words = customer.get_by_label("Message", exact=True)
    words.fill("And one thing")
    held[0].continue_()
    expect(customer.locator(".bubble.is-mine")).to_have_count(2)
    expect(customer.locator("#inspector")).to_contain_text("X-Twilio-Signature")
    expect(words).to_be_focused()
    expect(words).to_have_value("And one thing")
    customer.unroute("**/phone/send")
    customer.keyboard.press("Enter")
    expect(words).to_have_value("")
    expect(customer.locator(".bubble.is-mine").last).to_contain_text("And one thing")


def test_a_lost_message_comes_late_and_once_and_a_forged_one_is_refused(
    customer: Page, new_context: NewContext, live_server: Any
) -> None:
    be(customer, "Pia Sand", "+15550153", hidden=True)
    fault(customer, "The next message from this phone", "It is lost on its way")
    lost = write(customer, "I want to talk to a person.")
    expect(lost.locator(".state")).to_contain_text("Lost on its way")
    menu(lost).get_by_role("button", name="Deliver its webhook now").click()
    came(customer, 1)
    menu(lost).get_by_role("button", name="Deliver its webhook once more").click()
    expect(lost.locator(".state")).to_contain_text("twice")
    menu(lost).get_by_role("link", name="Show the webhook").click()
    shown = customer.locator("#inspector")
    expect(shown).to_contain_text("ExternalUserId")
    expect(shown.locator("dt").filter(has_text=re.compile("^From$"))).to_have_count(0)
    expect(shown).not_to_contain_text("5550153")
    customer.get_by_role("button", name="Post a forged message").click()
    expect(customer.locator("#said")).to_contain_text("Firstline answered 403")
    desk = desk_of(new_context, live_server, "Pia Sand")
    expect(desk.locator(".message.by-customer")).to_have_count(1)


def test_a_reply_whose_connection_breaks_comes_once_and_one_that_cannot_be_delivered_is_told(
    customer: Page, new_context: NewContext, live_server: Any
) -> None:
    be(customer, "Quinn Vale", "+15550154")
    fault(customer, "The next reply that Firstline sends", "The connection breaks after it was taken")
    write(customer, QUESTION)
    expect(came(customer, 1).locator(".state")).to_have_text("Read")
    fault(customer, "The next reply that Firstline sends", "WhatsApp cannot deliver it (63024)")
    write(customer, "I want to talk to a person.")
    expect(came(customer, 2).locator(".state")).to_contain_text("(63024)")
    desk = desk_of(new_context, live_server, "Quinn Vale")
    expect(desk.locator(".delivery").filter(has_text="Failed")).to_have_count(1)


def test_when_the_24_hours_are_over_a_template_comes_and_its_button_opens_them_again(
    customer: Page, new_context: NewContext, live_server: Any
) -> None:
    be(customer, "Rosa Till", "+15550155")
    write(customer, "I want to talk to a person.")
    came(customer, 1)
    customer.get_by_role("button", name="+24 hours").click()
    expect(customer.locator("#strip")).to_contain_text("The 24 hours are over")
    desk = desk_of(new_context, live_server, "Rosa Till")
    desk.route("**/now*", lambda route: route.abort())  # what the press itself leaves is looked at, no later redraw
    desk.locator(".composer textarea").fill("It is in the past.")
    desk.get_by_role("button", name="Tell them that a reply is ready").click()
    came(customer, 2)
    assert desk.get_by_role("button", name="Send", exact=True).is_disabled(), "one reply is kept already"
    desk.unroute("**/now*")
    desk.get_by_role("button", name="Take it back").click()
    expect(desk.locator(".is-cancelled")).to_contain_text("It is in the past.")
    desk.locator(".composer textarea").fill("It is in the post.")
    desk.get_by_role("button", name="Tell them that a reply is ready").click()
    template = came(customer, 3)
    expect(template).to_contain_text("reply_ready")
    expect(template).to_contain_text("Hello Rosa Till, Pellworth has a reply for you.")
    template.get_by_role("button", name="Show the reply").click()
    expect(customer.locator("#strip")).to_contain_text("may write freely")
    expect(came(customer, 4)).to_contain_text("It is in the post.")


@pytest.mark.parametrize("width", [1280, 390])
def test_the_phone_fits_and_axe_finds_no_serious_fault(new_context: NewContext, width: int) -> None:
    page = new_context(viewport={"width": width, "height": 844}, bypass_csp=True).new_page()
    page.goto("/phone/?side=1")
    be(page, f"Sam {width}", f"+1555016{width % 9}")
    wrong = faults(page, "who holds it and what goes wrong")
    page.goto("/phone")
    wrong += faults(page, "an empty phone")
    asked = write(page, QUESTION)
    menu(came(page, 1))
    page.get_by_text("Send a file").click()
    wrong += faults(page, "a chat with everything unfolded")
    menu(asked).get_by_role("link", name="Show the webhook").click()
    expect(page.locator("#inspector")).to_contain_text("X-Twilio-Signature")
    assert not wrong + faults(page, "what travelled")


def test_what_cannot_be_sent_is_said_and_what_was_typed_stays(customer: Page) -> None:
    be(customer, "Tess Wood", "+15550156")
    customer.get_by_role("button", name="Send", exact=True).click()
    expect(customer.get_by_role("alert")).to_contain_text("Write something first")
    customer.get_by_label("Message", exact=True).fill("a" * 4_097)
    customer.keyboard.press("Enter")
    expect(customer.get_by_role("alert")).to_contain_text("at most 4,096 characters")
    assert len(customer.get_by_label("Message", exact=True).input_value()) == 4_097
    customer.context.set_offline(True)
    customer.keyboard.press("Enter")
    expect(customer.get_by_text("The server does not answer.")).to_be_visible()
    assert len(customer.get_by_label("Message", exact=True).input_value()) == 4_097
    customer.context.set_offline(False)
    expect(customer.get_by_text("The server does not answer.")).to_be_hidden()
