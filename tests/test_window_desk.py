"""A channel that takes free text for a while only: what staff see of it before they type, and what they can do."""

import pytest
from sqlmodel import select

from channels.base import Offer
from service.models import Delivery, Message
from tests.desk_kit import Browser, Desk

pytestmark = pytest.mark.anyio

KEY = "0123456789abcdef"
INVITATION = Offer("reply ready", "Tell them that a reply is ready", "(They read that a reply is ready.)", invites=True)
SURVEY = Offer("satisfaction", "Ask how it went", "(They are asked how it went.)")


@pytest.fixture
async def desk(db):
    return Desk(db)


@pytest.fixture
async def browser(desk: Desk):
    return await desk.signed_in(await desk.make_staff("Ana"))


async def said(desk: Desk, number: int) -> list[tuple[str, str, str]]:
    async with desk.db.read() as session:
        query = select(Message, Delivery).where(
            Message.conversation_id == number, Message.author == "person", Delivery.message_id == Message.id
        )
        rows = (await session.exec(query.order_by(Message.seq))).all()
    return [(message.text, message.purpose, delivery.state) for message, delivery in rows]


async def test_the_time_that_is_left_stands_by_the_composer(desk: Desk, browser: Browser) -> None:
    number = await desk.conversation(("customer", "Hello?"), state="waiting")
    desk.channel.until = desk.now + 3600 + 600
    page = (await browser.get(f"/desk/conversations/{number}")).text
    assert "1 h 10 min left" in page
    desk.now += 3600
    assert "10 min left" in (await browser.get(f"/desk/conversations/{number}")).text


async def test_a_closed_window_offers_what_will_work_and_keeps_the_reply(desk: Desk, browser: Browser) -> None:
    number = await desk.conversation(("customer", "Hello?"), state="waiting")
    path = f"/desk/conversations/{number}"
    desk.channel.closed, desk.channel.offers = "Pigeons fly by day only.", (INVITATION, SURVEY)
    page = (await browser.get(path)).text
    assert "Pigeons fly by day only." in page
    assert "Tell them that a reply is ready" in page
    assert "Ask how it went" in page
    refused = await browser.post(f"{path}/reply", text="Here I am.", key=KEY)
    assert refused.status_code == 409, "free text is not taken, whatever the page showed"
    taken = await browser.post(f"{path}/offer", text="Here I am.", key=KEY, purpose="reply ready")
    assert taken.status_code == 303
    assert await said(desk, number) == [
        ("(They read that a reply is ready.)", "reply ready", "ready"),
        ("Here I am.", "", "held"),
    ]
    page = (await browser.get(path)).text
    assert "Kept until the customer writes" in page
    assert "Tell them that a reply is ready" not in page, "one invitation is enough"


async def test_a_question_without_a_reply_is_sent_by_itself(desk: Desk, browser: Browser) -> None:
    number = await desk.conversation(("customer", "Thanks!"), state="resolved")
    desk.channel.closed, desk.channel.offers = "Pigeons fly by day only.", (SURVEY,)
    await browser.post(f"/desk/conversations/{number}/offer", key=KEY, purpose="satisfaction")
    assert await said(desk, number) == [("(They are asked how it went.)", "satisfaction", "ready")]


@pytest.mark.parametrize("purpose", ["", "reply ready", "satisfaction"])
async def test_what_is_not_offered_is_refused_in_words(desk: Desk, browser: Browser, purpose: str) -> None:
    number = await desk.conversation(("customer", "Hello?"), state="waiting")
    path = f"/desk/conversations/{number}/offer"
    desk.channel.closed = "Pigeons fly by day only."
    closed = await browser.post(path, text="Here I am.", key=KEY, purpose=purpose)
    assert (closed.status_code, "Pigeons fly by day only." in closed.text) == (409, True)
    desk.channel.closed, desk.channel.offers = "", (INVITATION,)
    reopened = await browser.post(path, text="Here I am.", key=KEY, purpose=purpose)
    assert (reopened.status_code, "a reply can be sent as it is" in reopened.text) == (409, True)
    assert "Here I am." in reopened.text, "what was typed stays"
    assert await said(desk, number) == []


async def test_how_far_a_message_got_is_told(desk: Desk, browser: Browser) -> None:
    sent = [
        Message(author="agent", text=reached or "sent", status="sent", reached=reached)
        for reached in ("", "delivered", "read")
    ]
    number = await desk.conversation(("customer", "Hello?"), *sent)
    page = (await browser.get(f"/desk/conversations/{number}")).text
    for word in ("Sent", "Delivered", "Read"):
        assert f'<span class="delivery">{word}</span>' in page


async def test_a_kept_reply_can_be_taken_back_until_the_customer_writes(desk: Desk, browser: Browser) -> None:
    number = await desk.conversation(("customer", "Hello?"), state="waiting")
    path = f"/desk/conversations/{number}"
    desk.channel.closed, desk.channel.offers = "Pigeons fly by day only.", (INVITATION,)
    await browser.post(f"{path}/offer", text="Here I am.", key=KEY, purpose="reply ready")
    assert "Take it back" in (await browser.get(path)).text
    assert '<span class="by">You (kept):</span> Here I am.' in (await browser.get("/desk")).text
    other = await desk.signed_in(await desk.make_staff("Ben"))
    assert "Take it back" not in (await other.get(path)).text, "it is not his"
    assert (await other.post(f"{path}/take-back")).status_code == 409
    assert (await browser.post(f"{path}/take-back")).status_code == 303
    assert ("Here I am.", "", "cancelled") in await said(desk, number)
    page = (await browser.get(path)).text
    assert "Not sent: Ana took it back" in page
    assert '<span class="by">You (not sent):</span> Here I am.' in page
    assert "You took the kept reply back." in page
    assert "Tell them that a reply is ready" in page, "another one can be kept"
    again = await browser.post(f"{path}/take-back")
    assert (again.status_code, "not kept here any more" in again.text) == (409, True)
    assert "What you typed" not in again.text, "nothing was"
