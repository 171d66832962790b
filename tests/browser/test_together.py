"""In real browsers: two editors at one article, a slow publication, and Ask with Claude against its stand-in."""

import json
import re
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from dashboard import presence
from tests.browser.conftest import PASSWORD, NewContext, faults
from tests.browser.test_dashboard import sign_in
from tests.browser.test_editor import ANSWER_MS, PUBLISH_MS, write_new
from tests.claude_stand_in import KEY, StandIn, Stream, cite, message, said
from tests.live_server import LiveServer
from tests.test_publishing import LONG

QUESTION = "where is my parcel?"
#: A few seconds: what a person takes for at once.
SOON_MS = 12_000


#: Clear while Claude is to keep one waiting.
answering = threading.Event()
answering.set()


def reply(body: dict[str, Any]) -> Stream:
    """The first block's own words, slowly, and an invention."""
    assert answering.wait(60)
    block = body["messages"][0]["content"][0]["content"][0]["text"]
    return Stream(message(said(block, cite(body, block)), said(" It comes by balloon.", cite(body, block))), drip=0.02)


@pytest.fixture(scope="module")
def claude() -> Iterator[StandIn]:
    made = StandIn(reply)
    yield made
    assert made.faults == []
    made.close()


@pytest.fixture(scope="module")
def server(claude: StandIn, tmp_path_factory: pytest.TempPathFactory, stock: Path) -> Iterator[LiveServer]:
    made = LiveServer(
        tmp_path_factory.mktemp("together") / "data", stock=stock, ANTHROPIC_API_KEY=KEY, ANTHROPIC_BASE_URL=claude.url
    )
    for name in ("Nora", "Ben"):
        made.hire(name, f"{name.lower()}@pellworth.example", "editor", PASSWORD)
    yield made
    made.stop()


@pytest.fixture
def base_url(server: LiveServer) -> str:
    return server.url


def desk_of(new_context: NewContext, name: str, **options: Any) -> Page:
    return sign_in(new_context(**options).new_page(), f"{name.lower()}@pellworth.example", PASSWORD)


def rows(server: LiveServer, query: str) -> list[Any]:
    with sqlite3.connect(server.data_dir / "firstline.db") as connection:
        return connection.execute(query).fetchall()


def test_who_opens_an_article_that_a_colleague_has_open_is_told_until_she_leaves(
    new_context: NewContext, server: LiveServer
) -> None:
    nora, ben = desk_of(new_context, "Nora"), desk_of(new_context, "Ben")
    address = write_new(nora, "Open to two", "Words.")
    nora.goto(address)
    expect(nora.locator("#others")).to_be_empty()
    ben.goto(address)
    expect(ben.locator("#others")).to_contain_text(
        re.compile(r"Nora has this article open, since \d\d:\d\d\."), timeout=SOON_MS
    )
    expect(nora.locator("#others")).to_contain_text("Ben has this article open", timeout=SOON_MS)
    nora.goto("/desk/articles")
    expect(ben.locator("#others")).to_be_hidden(timeout=SOON_MS)
    nora.goto(address)
    expect(ben.locator("#others")).to_contain_text("Nora has", timeout=SOON_MS)
    with nora.expect_response(lambda answer: answer.url.endswith("/here")):
        pass  # what she says next, nobody hears any more
    [(own,)] = rows(server, "SELECT s.id FROM staff s WHERE s.name = 'Nora'")
    nora.context.set_offline(True)  # as a browser that crashes: it says nothing any more
    nora.close()
    with sqlite3.connect(server.data_dir / "firstline.db") as connection:  # and that was half a minute ago
        aged = connection.execute("UPDATE presence SET until = until - ? WHERE staff_id = ?", (presence.SEEN, own))
        assert aged.rowcount == 1, "she did not say goodbye"
    expect(ben.locator("#others")).to_be_hidden(timeout=SOON_MS)


def test_a_long_article_is_seen_to_be_published_and_a_doubled_click_publishes_once(
    new_context: NewContext, server: LiveServer
) -> None:
    nora = desk_of(new_context, "Nora")
    write_new(nora, "Boxes", LONG)
    nora.get_by_role("button", name="Publish", exact=True).dblclick()
    expect(nora.locator("#publish .busy")).to_be_visible()
    expect(nora.locator("#publish")).to_be_disabled()
    expect(nora.locator("#save")).to_be_disabled()
    expect(nora.locator("#working")).to_contain_text("customers are answered as before")
    # What is typed meanwhile does not end the sign of work.
    nora.get_by_label("Text", exact=True).press("End")
    nora.get_by_label("Text", exact=True).press_sequentially(" More.")
    nora.wait_for_timeout(700)
    # In one look: it may be done in any moment.
    seen = "!!document.querySelector('#said') || document.querySelector('#publish .busy').checkVisibility()"
    assert nora.evaluate(seen)
    expect(nora.locator("#said")).to_contain_text("Published.", timeout=2 * PUBLISH_MS)
    expect(nora.locator("#working")).to_be_hidden()
    expect(nora.locator("#publish")).to_be_enabled()
    published = "SELECT count(*) FROM audit_event e JOIN article a ON a.id = e.article_id WHERE a.title = 'Boxes'"
    assert rows(server, f"{published} AND e.action = 'article_published'") == [(1,)]


def test_asking_with_claude_shows_what_it_would_say_and_a_doubled_click_is_one_call(
    new_context: NewContext, claude: StandIn
) -> None:
    nora = desk_of(new_context, "Nora")
    nora.goto("/desk/ask")
    expect(nora.locator("#claude-costs")).to_contain_text("it costs money, at most $0.02 a question")
    nora.get_by_label("A customer's question").fill(QUESTION)
    before = len(claude.requests)
    answering.clear()
    try:
        nora.get_by_role("button", name="Ask with Claude").dblclick()
        expect(nora.locator("#ask-claude .busy")).to_be_visible()
        expect(nora.locator("#ask-claude")).to_be_disabled()
    finally:
        answering.set()
    expect(nora.locator("#claude-notice")).to_contain_text("Written by claude-haiku-5-5.", timeout=ANSWER_MS)
    expect(nora.locator("#claude-notice")).to_contain_text(
        re.compile(r"tokens were read and \d+ written, for \$0\.\d+")
    )
    expect(nora.locator("#outcome .cut")).to_contain_text("balloon")
    expect(nora.locator("#outcome blockquote").first).not_to_contain_text("balloon")
    assert len(claude.requests) == before + 1
    expect(nora.locator("#ask-claude")).to_be_enabled()


@pytest.mark.parametrize("width", [1280, 390])
def test_what_is_new_fits_and_axe_finds_no_serious_fault(
    new_context: NewContext, server: LiveServer, width: int
) -> None:
    page = desk_of(new_context, "Nora", viewport={"width": width, "height": 800}, bypass_csp=True)
    ben = desk_of(new_context, "Ben")
    ben.goto(write_new(ben, "Looked at by two", "Words."))
    page.goto(re.sub(r"^https?://[^/]+", "", ben.url))
    expect(page.locator("#others")).to_contain_text("Ben has this article open", timeout=SOON_MS)
    page.locator("#working").evaluate("(line) => { line.hidden = false }")
    wrong = faults(page, "the editor")
    page.goto("/desk/ask")
    page.get_by_label("A customer's question").fill(QUESTION)
    page.get_by_role("button", name="Ask with Claude").click()
    expect(page.locator("#claude-notice")).to_contain_text("Written by", timeout=ANSWER_MS)
    wrong += faults(page, "ask")
    record = json.dumps({"claude": {"then": "quote", "needs_usd": 0.5}})
    with sqlite3.connect(server.data_dir / "firstline.db") as connection:
        connection.execute("INSERT INTO customer (name, created_at) VALUES ('C', 0)")
        connection.execute(
            "INSERT INTO identity (customer_id, channel, external_id, created_at) "
            "SELECT max(id), 'x', hex(randomblob(9)), 0 FROM customer"
        )
        connection.execute(
            "INSERT INTO conversation (customer_id, identity_id, channel, thread, state, topic, last_seq, clock, "
            "changed, lease_until, fence, attempts, disclosed, stopped, created_at, updated_at) "
            "SELECT customer_id, max(id), 'x', external_id, 'resolved', '', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM identity"
        )
        connection.execute(
            "INSERT INTO decision (conversation_id, verdict, reason, topic, record, cost_usd, created_at) "
            "SELECT max(id), 'answer', '', '', ?, 4.9, strftime('%s', 'now') FROM conversation",
            (record,),
        )
    page.goto("/desk")
    expect(page.locator("#quoting")).to_contain_text("Claude's limit of $5 in 24 hours is reached")
    wrong += faults(page, "the desk")
    with sqlite3.connect(server.data_dir / "firstline.db") as connection:
        connection.execute("DELETE FROM decision WHERE record = ?", (record,))
    assert not wrong, "\n".join(wrong)
