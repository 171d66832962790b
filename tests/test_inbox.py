"""The queue, a conversation with its grounds, what staff do with it, and the stream that keeps the page current."""

import asyncio
import base64
import hashlib
import html
import json
import re
from typing import Any

import pytest
from fastapi import Request
from sqlmodel import select

from dashboard import grounds, inbox, pages, words
from dashboard.auth import SignedIn
from service import staff as accounts
from service.models import Conversation, Customer, Delivery, Identity, Message, Staff
from service.throttle import TooMany
from tests.desk_kit import Browser, Desk

pytestmark = pytest.mark.anyio

KEY = "a1b2c3d4-e5f6-4711-8899-aabbccddeeff"


@pytest.fixture
def desk(db: Any) -> Desk:
    return Desk(db)


@pytest.fixture
async def sam(desk: Desk) -> Staff:
    return await desk.make_staff("Sam")


@pytest.fixture
async def browser(desk: Desk, sam: Staff) -> Browser:
    return await desk.signed_in(sam)


def plain(page: str) -> str:
    """What a person reads of a page, on one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def rows(page: str) -> list[int]:
    return [int(number) for number in re.findall(r'id="row-(\d+)"', page)]


# --- the queue ---------------------------------------------------------------------------------------------------


async def test_those_who_wait_come_first_the_oldest_call_before_all(desk: Desk, browser: Browser, sam: Staff) -> None:
    resolved = await desk.conversation(("customer", "done"), state="resolved", resolved_at=desk.now - 5)
    agent = await desk.conversation(("customer", "a question"), at=desk.now - 10)
    person = await desk.conversation(("customer", "with Sam"), state="person", assigned_to=sam.id, at=desk.now - 900)
    late = await desk.conversation(("customer", "called lately"), state="waiting", at=desk.now - 5_000)
    early = await desk.conversation(("customer", "called long ago"), state="waiting", at=desk.now - 20)
    await desk.call(late, desk.now - 60)
    await desk.call(early, desk.now - 3_000)
    page = (await browser.get("/desk")).text
    assert rows(page) == [early, late, person, agent, resolved]
    assert "<title>(2) Queue - Firstline</title>" in page
    assert "waits 50 min" in plain(page)


async def test_an_empty_queue_says_so(browser: Browser) -> None:
    page = (await browser.get("/desk")).text
    assert "<title>Queue - Firstline</title>" in page
    assert "Nobody is waiting." in page


async def test_each_tab_shows_its_own_and_counts(desk: Desk, browser: Browser, sam: Staff) -> None:
    ana = await desk.make_staff("Ana")
    waiting = await desk.conversation(("customer", "one"), state="waiting")
    mine = await desk.conversation(("customer", "two"), state="person", assigned_to=sam.id)
    anas = await desk.conversation(("customer", "three"), state="person", assigned_to=ana.id)
    done = await desk.conversation(("customer", "four"), state="resolved", resolved_at=desk.now)
    for show, expected in (("waiting", {waiting}), ("open", {mine, anas}), ("mine", {mine}), ("resolved", {done})):
        page = (await browser.get(f"/desk?show={show}")).text
        assert set(rows(page)) == expected, show
        assert "Waiting 1 Open 2 Mine 1 Resolved" in plain(page)
    assert rows((await browser.get("/desk?show=nonsense&most=-3")).text), "a broken address shows the whole queue"
    assert "With Ana" in plain((await browser.get("/desk?show=open")).text)


async def test_a_row_says_who_where_and_the_last_words(desk: Desk, browser: Browser) -> None:
    await desk.conversation(("customer", "first"), ("agent", "the last\n\n  words"), at=desk.now - 300)
    page = plain((await browser.get("/desk")).text)
    assert re.search(r"Visitor [0-9A-F]{4} 4 min Firstline: the last words With the agent Pigeon post", page)


async def test_more_is_shown_on_request(desk: Desk, browser: Browser) -> None:
    for _ in range(4):
        await desk.conversation(("customer", "done"), state="resolved", resolved_at=desk.now)
    page = (await browser.get("/desk?show=resolved&most=3")).text
    assert len(rows(page)) == 3
    assert "Show more of 4" in page
    page = (await browser.get("/desk?show=resolved&most=53")).text
    assert len(rows(page)) == 4
    assert "Show more" not in page


def test_a_customer_without_a_name_keeps_one_label() -> None:
    nobody, identity = Customer(), Identity(customer_id=1, channel="post", external_id="x")
    assert words.label(nobody, identity) == words.label(Customer(id=9), identity)
    assert words.label(nobody, identity).startswith("Visitor ")
    assert words.label(Customer(name=" Ingrid "), identity) == "Ingrid"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "now"), (59, "now"), (60, "1 min"), (3_599, "59 min"), (7_200, "2 h"), (200_000, "2 days")],
)
def test_time_is_said_as_a_glance_wants_it(seconds: float, said: str) -> None:
    assert words.span(seconds) == said


# --- a conversation ----------------------------------------------------------------------------------------------


async def test_what_a_customer_writes_is_shown_as_text_never_as_markup(desk: Desk, browser: Browser) -> None:
    hostile = "<img src=x onerror=alert(1)><script>alert(2)</script>\n{{ 7*7 }} http://evil.example"
    number = await desk.conversation(("customer", hostile), name="<b>Eve</b>", state="waiting")
    for path in ("/desk", f"/desk/conversations/{number}", f"/desk/conversations/{number}/now"):
        page = (await browser.get(path)).text
        assert "&lt;b&gt;Eve" in page
        assert "<img src=x" not in page
        assert "<script>alert" not in page
        assert 'href="http://evil' not in page
        assert "{{ 7*7 }}" in page


async def test_the_timeline_tells_who_said_what_and_what_happened_between(
    desk: Desk, browser: Browser, sam: Staff
) -> None:
    ana = await desk.make_staff("Ana")
    number = await desk.conversation(
        ("customer", "My lamp is broken."),
        Message(author="person", text="Which lamp?", staff_id=ana.id, name="Ana"),
        Message(author="person", text="I am sorry.", staff_id=sam.id, name="Sam"),
        state="waiting",
    )
    await desk.call(number, desk.now - 58.5, "Nothing covers lamps.")
    page = plain((await browser.get(f"/desk/conversations/{number}")).text)
    order = [
        "My lamp is broken.",
        "A person was called for. Nothing covers lamps.",
        "Ana now",
        "Which lamp?",
        "You now",
    ]
    places = [page.find(each) for each in order]
    assert -1 not in places, places
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("status", "reason", "said"),
    [
        ("sent", "", "Sent"),
        ("queued", "", "Sending"),
        (
            "queued",
            "Post is down (error 5).",
            "Still sending: Post is down (error 5). It is tried again by itself",
        ),
        ("uncertain", "It was sent twice.", "Outcome unknown: it was sent twice"),
        ("failed", "The number is not in use.", "Failed: the number is not in use"),
        ("cancelled", "A person had taken over.", "Not sent: a person had taken over"),
    ],
)
async def test_what_became_of_a_message_is_said(
    desk: Desk, browser: Browser, status: str, reason: str, said: str
) -> None:
    message = Message(author="agent", text="Well.", status=status, reason=reason)
    number = await desk.conversation(("customer", "So?"), message)
    assert f"Firstline (AI) now {said} Well." in plain((await browser.get(f"/desk/conversations/{number}")).text)


def record(**changed: Any) -> dict[str, Any]:
    passage = {
        "slug": "returns-abroad",
        "title": "Returns from outside the EU",
        "version": 3,
        "heading": "How long",
        "text": "Within the EU it is 30 days. From outside the EU\nyou have 45 days. Keep the slip.",
        "score": 0.871,
        "dense": 0.78,
        "lexical": 11.2,
        "phrase": 0.84,
    }
    other = {**passage, "slug": "customs", "title": "Customs <fees>", "version": 1, "text": "Paid by you."}
    evidence = {
        "slug": "returns-abroad",
        "title": "Returns from outside the EU",
        "version": 3,
        "heading": "",
        "passage": 0,
    }
    sentence = {"text": "From outside the EU you have 45 days.", "evidence": evidence}
    return {
        "question": "how long from Norway",
        "searched": "how long from Norway",
        "passages": [passage, other],
        "facts": {"top": 0.871, "words": 4},
        "draft": {"kind": "quote", "sentences": [sentence]},
        "seconds": {"search": 0.031, "screen": 0.0002},
        "revision": 14,
        "model_version": None,
        **changed,
    }


async def test_beside_each_answer_stands_its_decision_in_words(desk: Desk, browser: Browser) -> None:
    number = await desk.conversation(("customer", "how long?"), ("agent", "45 days."))
    fields = {"verdict": "answer", "reason": "One article answers it.", "confidence": 0.931, "threshold": 0.8}
    await desk.decide(2, number, record=record(), **fields)
    page = (await browser.get(f"/desk/conversations/{number}")).text
    assert "Confident 0.93, needs 0.80. Rests on Returns from outside the EU , version 3." in plain(page)
    assert "<cite>Returns from outside the EU</cite>" in page


async def test_the_passages_are_a_click_away_with_the_quoted_sentence_marked(desk: Desk, browser: Browser) -> None:
    number = await desk.conversation(("customer", "how long?"), ("agent", "45 days."))
    fields = {"verdict": "answer", "reason": "One article answers it.", "confidence": 0.931, "threshold": 0.8}
    decision = await desk.decide(2, number, record=record(), **fields)
    assert f'hx-get="/desk/decisions/{decision}"' in (await browser.get(f"/desk/conversations/{number}")).text
    part = (await browser.get(f"/desk/decisions/{decision}", **{"hx-request": "true"})).text
    assert "<mark>From outside the EU\nyou have 45 days.</mark>" in part
    assert part.count("<mark>") == 1
    said = plain(part)
    for each in ("score 0.87, meaning 0.78, words 11.20, phrases 0.84", "top 0.87", "Customs <fees> , version 1"):
        assert each in said
    assert (
        "Screened in under 1 ms, searched in 31 ms. No language model: articles are quoted. Knowledge revision 14."
        in said
    )
    assert "<title>" in (await browser.get(f"/desk/decisions/{decision}")).text, "without a script it is a page"


async def test_a_call_for_a_person_tells_its_reason_and_what_was_considered(desk: Desk, browser: Browser) -> None:
    number = await desk.conversation(("customer", "and now?"), ("agent", "A person will look at it."))
    fields = {"verdict": "escalate", "reason": "No article covers damage", "confidence": 0.41, "threshold": 0.8}
    await desk.decide(2, number, record=record(draft=None), **fields)
    page = plain((await browser.get(f"/desk/conversations/{number}")).text)
    assert "Called for a person. No article covers damage. Confidence 0.41, needs 0.80. Considered Returns" in page
    assert "Rests on" not in page


async def test_nothing_is_said_twice_beside_an_answer(desk: Desk, browser: Browser) -> None:
    number = await desk.conversation(
        ("customer", "how long?"), ("agent", "45 days."), ("agent", "A person will reply.")
    )
    resting = "Returns from outside the EU, version 3"
    said = {"verdict": "answer", "reason": f"Confident 0.93, needs 0.80. Rests on {resting}."}
    await desk.decide(2, number, record=record(), confidence=0.93, threshold=0.8, **said)
    called = {"verdict": "escalate", "reason": f"Not confident enough: 0.50, needs 0.80. The nearest was {resting}."}
    await desk.decide(3, number, record=record(draft=None), confidence=0.5, threshold=0.8, **called)
    page = plain((await browser.get(f"/desk/conversations/{number}")).text)
    for figure in ("0.93", "0.50"):
        assert page.count(figure) == 1
    assert page.count("Returns from outside the EU") == 2


async def test_a_threshold_that_cannot_be_reached_is_said_in_words(desk: Desk, browser: Browser) -> None:
    number = await desk.conversation(("customer", "how long?"), ("agent", "A person will reply."))
    await desk.decide(2, number, verdict="escalate", reason="Unsure", confidence=0.5, threshold=1.01, record={})
    page = plain((await browser.get(f"/desk/conversations/{number}")).text)
    assert "Confidence 0.50, needs more than the labels can show." in page
    assert "1.01" not in page


async def test_a_decision_with_an_empty_record_is_still_readable(desk: Desk, browser: Browser) -> None:
    number = await desk.conversation(("customer", "hi"), ("agent", "Hello!"))
    decision = await desk.decide(2, number, verdict="answer", reason="A greeting", record={})
    assert "A greeting." in plain((await browser.get(f"/desk/conversations/{number}")).text)
    assert (await browser.get(f"/desk/decisions/{decision}")).status_code == 200


def test_a_sentence_is_marked_wherever_its_white_space_was_folded_and_patterns_are_only_words() -> None:
    assert grounds.mark("a (b)\n  c. d", ["(b) c."]) == [("a ", False), ("(b)\n  c.", True), (" d", False)]
    assert grounds.mark("a.c abc", ["a.c"]) == [("a.c", True), (" abc", False)]
    assert grounds.mark("nothing here", ["elsewhere"]) == [("nothing here", False)]
    assert grounds.mark("text", ["", "  "]) == [("text", False)]


async def test_a_long_conversation_shows_its_end_and_the_rest_on_request(desk: Desk, browser: Browser) -> None:
    number = await desk.conversation(*[("customer", f"line {at:03}") for at in range(103)], state="person")
    page = (await browser.get(f"/desk/conversations/{number}")).text
    assert "line 102" in page
    assert "line 002" not in page
    assert "Show 3 earlier messages" in page
    assert "line 000" in (await browser.get(f"/desk/conversations/{number}?whole=true")).text


@pytest.mark.parametrize("path", ["999", "0", "-1", "x", str(2**70)])
async def test_a_conversation_that_is_not_there_is_said_on_a_friendly_page(browser: Browser, path: str) -> None:
    answer = await browser.get(f"/desk/conversations/{path}")
    assert answer.status_code == 404
    assert "Go to the queue" in answer.text


# --- what staff do -----------------------------------------------------------------------------------------------


async def state_of(desk: Desk, number: int) -> tuple[str, int | None]:
    async with desk.db.read() as session:
        found = (await session.exec(select(Conversation).where(Conversation.id == number))).one()
    return found.state, found.assigned_to


async def replies(desk: Desk, number: int) -> list[str]:
    async with desk.db.read() as session:
        query = select(Message.text).where(Message.conversation_id == number, Message.author == "person")
        return list((await session.exec(query.order_by(Message.seq))).all())


async def test_take_over_reply_hand_back_resolve(desk: Desk, browser: Browser, sam: Staff) -> None:
    number = await desk.conversation(("customer", "Hello?"), state="waiting")
    path = f"/desk/conversations/{number}"
    answer = await browser.post(f"{path}/take-over?show=waiting")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{path}?show=waiting")
    assert await state_of(desk, number) == ("person", sam.id)
    await browser.post(f"{path}/reply", text="  Good day.\r\nHow can I help?  ", key=KEY)
    assert await replies(desk, number) == ["Good day.\nHow can I help?"]
    await browser.post(f"{path}/hand-back")
    assert await state_of(desk, number) == ("agent", None)
    await browser.post(f"{path}/resolve")
    assert (await state_of(desk, number))[0] == "resolved"
    page = plain((await browser.get(path)).text)
    for told in ("You took over.", "You handed back to the agent.", "You resolved this.", "Resolved · Pigeon post"):
        assert told in page


async def test_a_reply_takes_over_by_itself_and_owes_a_delivery(desk: Desk, browser: Browser, sam: Staff) -> None:
    number = await desk.conversation(("customer", "Hello?"))
    await browser.post(f"/desk/conversations/{number}/reply", text="Here I am.", key=KEY)
    assert await state_of(desk, number) == ("person", sam.id)
    async with desk.db.read() as session:
        assert [each.state for each in (await session.exec(select(Delivery))).all()] == ["ready"]


async def test_pressing_send_twice_is_one_message(desk: Desk, browser: Browser) -> None:
    number = await desk.conversation(("customer", "Hello?"), state="waiting")
    form = {"text": "Here I am.", "key": KEY}
    answers = [await browser.post(f"/desk/conversations/{number}/reply", htmx=True, **form) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    sent = {"desk:sent": {"conversation": number}}
    assert [json.loads(answer.headers["hx-trigger"]) for answer in answers] == [sent, sent]
    assert await replies(desk, number) == ["Here I am."]
    await browser.post(f"/desk/conversations/{number}/reply", text="Here I am.", key=KEY[::-1])
    assert len(await replies(desk, number)) == 2, "the same words with another key are another message"


async def test_a_colleagues_conversation_is_taken_by_name(desk: Desk, browser: Browser, sam: Staff) -> None:
    ana = await desk.make_staff("Ana")
    number = await desk.conversation(("customer", "hello"), state="person", assigned_to=ana.id)
    path = f"/desk/conversations/{number}"
    assert "Take over from Ana" in plain((await browser.get(path)).text)
    await browser.post(f"{path}/take-over", take_from=str(sam.id))
    assert await state_of(desk, number) == ("person", ana.id), "the wrong name takes nothing"
    await browser.post(f"{path}/take-over", take_from=str(ana.id))
    assert await state_of(desk, number) == ("person", sam.id)


async def test_a_key_that_is_not_one_of_ours_is_not_used(desk: Desk, browser: Browser) -> None:
    number = await desk.conversation(("customer", "Hello?"), state="waiting")
    for key in ("", "x", "<x@y>\r\nBcc: eve@example.org"):
        await browser.post(f"/desk/conversations/{number}/reply", text="Here.", key=key)
    async with desk.db.read() as session:
        query = select(Message.external_id).where(Message.author == "person")
        keys = (await session.exec(query)).all()
    assert len(set(keys)) == 3
    assert all(re.fullmatch(r"[0-9a-f-]{36}", str(key)) for key in keys)


async def test_on_a_page_gone_stale_the_reason_is_said_and_the_words_are_kept(desk: Desk, browser: Browser) -> None:
    ana = await desk.make_staff("Ana")
    number = await desk.conversation(("customer", "Hello?"), state="person", assigned_to=ana.id)
    path = f"/desk/conversations/{number}"
    answer = await browser.post(f"{path}/reply", text="Half a <letter>", key=KEY)
    assert answer.status_code == 409
    assert "Ana has this conversation." in plain(answer.text)
    assert "Half a &lt;letter&gt;</textarea>" in answer.text
    answer = await browser.post(f"{path}/reply", htmx=True, text="Half a letter", key=KEY)
    assert answer.status_code == 409
    assert "Ana has this conversation. What you typed is still here." in plain(answer.text)
    assert "hx-trigger" not in answer.headers, "the page must not clear the composer"
    assert await replies(desk, number) == []
    for verb in ("take-over", "hand-back", "resolve"):
        assert (await browser.post(f"{path}/{verb}")).status_code == 409, verb
    assert await state_of(desk, number) == ("person", ana.id)


async def test_a_closed_window_is_said_before_anything_is_typed_and_nothing_is_queued(
    desk: Desk, browser: Browser
) -> None:
    number = await desk.conversation(("customer", "Hello?"), state="waiting")
    path = f"/desk/conversations/{number}"
    assert "disabled" not in (await browser.get(path)).text.split('class="send"')[1]
    desk.channel.closed = "Pigeons fly by day only."
    page = (await browser.get(path)).text
    assert "Pigeons fly by day only." in page
    assert "disabled" in page.split('class="send"')[1]
    answer = await browser.post(f"{path}/reply", text="Here I am.", key=KEY)
    assert answer.status_code == 409
    assert await replies(desk, number) == []


async def test_a_reply_that_is_empty_or_too_long_is_refused_in_words(desk: Desk, browser: Browser) -> None:
    number = await desk.conversation(("customer", "Hello?"), state="waiting")
    path = f"/desk/conversations/{number}/reply"
    assert "Pigeon post takes at most 500 characters and this reply has 501." in plain(
        (await browser.post(path, text="x" * 501, key=KEY)).text
    )
    assert "Write a reply first." in plain((await browser.post(path, text=" \n ", key=KEY)).text)
    assert await replies(desk, number) == []
    assert (await browser.post(path, text="nul\x00 " + "x" * 400, key=KEY)).status_code == 303
    assert (await replies(desk, number))[0].startswith("nul x")


async def test_a_customer_who_wants_no_messages_gets_none(desk: Desk, browser: Browser) -> None:
    number = await desk.conversation(("customer", "stop"), state="waiting", stopped=True)
    answer = await browser.post(f"/desk/conversations/{number}/reply", text="But why?", key=KEY)
    assert answer.status_code == 409
    assert "asked for no more messages" in answer.text
    assert await replies(desk, number) == []


async def test_there_is_nothing_else_to_do_with_a_conversation(desk: Desk, browser: Browser) -> None:
    number = await desk.conversation(("customer", "Hello?"), state="waiting")
    assert (await browser.post(f"/desk/conversations/{number}/erase")).status_code == 404
    assert (await browser.post("/desk/conversations/999/resolve")).status_code == 404
    assert (await state_of(desk, number))[0] == "waiting"


# --- live --------------------------------------------------------------------------------------------------------


class Reader:
    """What an open page hears."""

    def __init__(self, desk: Desk, browser: Browser, staff: Staff, open: int = 0) -> None:
        cookie = [(b"cookie", f"firstline={browser.token}".encode())]
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/desk/live",
            "query_string": b"",
            "headers": cookie,
            "app": desk.app,
        }
        self.events = inbox.live(Request(scope), SignedIn(staff, browser.csrf, browser.token), open)

    async def next(self, seconds: float = 5.0) -> Any:
        return await asyncio.wait_for(anext(self.events), seconds)


async def test_an_open_page_hears_of_a_change_and_never_of_its_contents(
    desk: Desk, browser: Browser, sam: Staff
) -> None:
    number = await desk.conversation(("customer", "secret words"), state="waiting")
    other = await desk.conversation(("customer", "Hello?"), state="waiting")
    reader = Reader(desk, browser, sam, number)
    first = (await reader.next()).data
    assert first["queue"] in (await browser.get("/desk")).text, "a page drawn now is current"
    assert f'data-clock="{first["clock"]}"' in (await browser.get(f"/desk/conversations/{number}")).text
    await browser.post(f"/desk/conversations/{number}/take-over")
    second = (await reader.next()).data
    assert second["queue"] != first["queue"]
    assert second["clock"] > first["clock"]
    await browser.post(f"/desk/conversations/{other}/take-over")
    third = (await reader.next()).data
    assert third["queue"] != second["queue"]
    assert third["clock"] == second["clock"], "what is open has not changed"
    assert "secret" not in repr([first, second, third])
    await reader.events.aclose()


async def test_a_stream_ends_when_its_session_does(desk: Desk, browser: Browser, sam: Staff) -> None:
    reader = Reader(desk, browser, sam)
    assert (await reader.next()).event == "state"
    await browser.post("/desk/logout")
    desk.db.waker.wake()
    assert (await reader.next()).event == "signed-out"
    with pytest.raises(StopAsyncIteration):
        await reader.next()


async def test_a_stream_says_that_its_session_ended_where_strangers_must_wait_and_counts_as_no_request(
    desk: Desk, sam: Staff
) -> None:
    def asked() -> int:
        """How many more requests of strangers the address has; they are taken."""
        for number in range(100_000):
            try:
                desk.context.limits.count_request({"type": "http"})
            except TooMany:
                return number
        raise AssertionError("nothing is counted")

    most = asked()
    assert most > 1
    desk.now += 3600
    for full in (False, True):
        reader = Reader(desk, await desk.signed_in(sam), sam)
        assert (await reader.next()).event == "state"
        async with desk.db.write() as session:
            await accounts.end_sessions(session, sam)
        assert (await reader.next()).event == "signed-out"
        assert asked() == (0 if full else most)


async def test_a_stream_ends_when_the_server_stops(desk: Desk, browser: Browser, sam: Staff) -> None:
    reader = Reader(desk, browser, sam)
    await reader.next()
    desk.context.stopping.set()
    desk.db.waker.wake()
    with pytest.raises(StopAsyncIteration):
        await reader.next()


async def test_the_open_page_can_fetch_its_parts_by_themselves(desk: Desk, browser: Browser) -> None:
    number = await desk.conversation(("customer", "Hello?"), state="waiting")
    await desk.call(number, desk.now - 60)
    part = (await browser.get(f"/desk/queue?open={number}")).text
    assert "<html" not in part
    assert 'aria-current="page"' in part
    assert "Pigeon post" in re.search(r"data-calls='([^']*)'", part).group(1)
    assert "<html" not in (await browser.get(f"/desk/conversations/{number}/now")).text


# --- files -------------------------------------------------------------------------------------------------------


def test_the_vendored_file_is_the_one_that_is_written_down() -> None:
    folder = pages.STATIC / "vendor"
    digest = hashlib.sha384((folder / "htmx.min.js").read_bytes()).digest()
    written = base64.b64encode(digest).decode()
    assert written in (folder / "VENDOR.md").read_text()
    assert f'integrity="sha384-{written}"' in (pages.HERE / "templates" / "desk.html").read_text()
    for name in ("htmx.LICENSE", "lucide.LICENSE"):
        assert (folder / name).stat().st_size > 200


async def test_static_files_are_kept_by_browsers_under_an_address_of_their_content(browser: Browser) -> None:
    page = (await browser.get("/desk")).text
    addresses = re.findall(r'(?:src|href)="(/desk/static/[^"]+)"', page)
    assert len(addresses) >= 9
    for address in addresses:
        answer = await browser.get(address)
        assert answer.status_code == 200, address
        assert "immutable" in answer.headers["cache-control"]
        assert re.search(r"\?v=[0-9a-f]{12}$", address)


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2.2, 1 to 21, of two #rrggbb colours: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio"""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_text_can_be_read_on_every_ground_it_stands_on(scheme: int) -> None:
    tokens = (pages.STATIC / "tokens.css").read_text()
    found = re.findall(r"--([a-z-]+): light-dark\((#\w{6}), (#\w{6})\)", tokens)
    colour = {name: both[scheme] for name, *both in found}
    assert len(colour) >= 13
    for ground in ("ground", "surface", "raised", "tint"):
        for ink in ("ink", "quiet", "accent"):
            assert contrast(colour[ink], colour[ground]) >= 4.5, (ink, ground)
        assert contrast(colour["edge"], colour[ground]) >= 3 or ground in ("raised", "tint"), "the border of a field"
    for ink, ground in (("on-accent", "accent"), ("failed", "failed-tint"), ("failed", "tint"), ("ink", "mark")):
        assert contrast(colour[ink], colour[ground]) >= 4.5, (ink, ground)
