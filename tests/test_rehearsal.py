"""Ask with Claude: staff see what it would say, what was cut and what it cost, and that counts against the limit."""

import asyncio
import functools
import re
from datetime import datetime
from typing import Any

import pytest
from sqlmodel import select

from service import rehearsal, spending
from service.agent.budget import Budget
from service.models import AuditEvent, Decision, Message
from tests.claude_kit import BUDGET, QUESTION, QUOTED, good, make_agent, make_claude
from tests.claude_kit import ask as ask_agent
from tests.claude_stand_in import Fail, Stream, cite, handed_over, message, said
from tests.desk_kit import Browser, Desk
from tests.test_articles_desk import plain

pytestmark = pytest.mark.anyio

TRIED = select(AuditEvent).where(AuditEvent.action == spending.REHEARSED)


@pytest.fixture
async def desk(db: Any) -> Any:
    made = Desk(db)
    yield made
    await made.context.agent.close()


async def browser_of(desk: Desk, url: str = "", intercept: float = 3.0, **options: Any) -> Browser:
    """A member of staff, at a desk whose agent asks Claude there."""
    spent = functools.partial(spending.spent, desk.db)
    claude = make_claude(url, spent=spent, **options) if url else None
    desk.context.agent = make_agent(claude, intercept=intercept)
    return await desk.signed_in(await desk.make_staff("Sue"))


async def ask(browser: Browser, by: str = "claude", question: str = QUESTION) -> Any:
    return await browser.post("/desk/ask", htmx=True, question=question, by=by)


async def tried(desk: Desk) -> list[AuditEvent]:
    async with desk.db.read() as session:
        return list((await session.exec(TRIED)).all())


async def day(desk: Desk) -> float:
    return (await spending.spent(desk.db, None)).day


async def test_staff_see_what_claude_would_say_what_was_cut_and_what_it_cost(desk: Desk, stand_in: Any) -> None:
    server = stand_in(
        lambda body: message(
            said("You can return outlet goods within 14 days of delivery", cite(body, "14 days")),
            said(". "),
            said("A return label costs €9.", cite(body, "€6.50")),
        )
    )
    browser = await browser_of(desk, server.url)
    page = plain(await ask(browser))
    assert "It would answer." in page
    assert "What the customer would read You can return outlet goods within 14 days of delivery." in page
    assert "Outlet returns , version 3" in page
    assert "Written by claude-haiku-5-5." in page
    assert re.search(r"would not be sent, and why A return label costs €9\. Cut: [^.]+\.", page)
    assert "1,300 tokens were read and 60 written, for $0.0001. It counts against the day's limit." in page
    assert f"Without Claude {QUOTED}" in page
    assert len(server.requests) == 1
    for table in (Message, Decision):
        async with desk.db.read() as session:
            assert (await session.exec(select(table))).all() == []


async def test_what_it_cost_counts_against_the_days_limit(desk: Desk, stand_in: Any) -> None:
    server = stand_in(good)
    browser = await browser_of(
        desk, server.url, budget=Budget(message=0.02, conversation=0.2, day=0.001, max_tokens=500)
    )
    await ask(browser)
    (event,) = await tried(desk)
    assert (event.actor, event.action, event.detail["done"]) == ("staff", "claude_rehearsed", True)
    assert QUESTION not in str(event.detail)
    once = event.detail["usage"]["cost_usd"]
    assert once > 0
    assert await day(desk) == pytest.approx(once)
    page = ""
    for _ in range(5):
        page = plain(await ask(browser))
        if "CLAUDE_USD_PER_DAY" in page:
            break
    assert "was spent in the last 24 hours, and CLAUDE_USD_PER_DAY allows $0.001" in page
    assert "It would answer." in page, "as a customer would be answered then: from the articles"
    assert await day(desk) <= 0.001
    assert len(server.requests) == len(await tried(desk)), "what was not asked is not on record as asked"


async def test_the_page_says_before_that_it_costs_money_and_is_silent_without_a_key(desk: Desk, stand_in: Any) -> None:
    browser = await browser_of(desk)
    assert "Claude" not in plain(await browser.get("/desk/ask"))
    assert "ANTHROPIC_API_KEY turns it on" in plain(await ask(browser))
    desk.context.agent = make_agent(make_claude(stand_in(good).url, spent=functools.partial(spending.spent, desk.db)))
    page = plain(await browser.get("/desk/ask"))
    assert "Ask with Claude" in page
    assert "at most $0.02 a question" in page
    assert "limit of $5 in 24 hours, of which $0.00 was spent" in page


async def test_asking_without_claude_asks_nobody_and_costs_nothing(desk: Desk, stand_in: Any) -> None:
    server = stand_in(good)
    browser = await browser_of(desk, server.url)
    assert QUOTED in plain(await ask(browser, by=""))
    assert server.requests == []
    assert await tried(desk) == []


async def test_where_the_articles_do_not_answer_claude_is_not_asked_and_staff_read_that(
    desk: Desk, stand_in: Any
) -> None:
    server = stand_in(good)
    browser = await browser_of(desk, server.url, intercept=0.0)
    page = plain(await ask(browser))
    assert "It would call for a person." in page
    assert "Claude was not asked" in page
    assert (server.requests, await tried(desk)) == ([], [])


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (Fail(401), "Check ANTHROPIC_API_KEY"),
        (Fail(429, {"retry-after": "90"}), "rate limit"),
        (lambda body: Stream(good(body), until=("content_block_delta", 2), then="cut"), "broke off before its end"),
        (message(handed_over(), stop="tool_use"), "handed over: The order must be looked at."),
        (message(said("You may keep it.")), "You may keep it. Cut: no citation."),
    ],
    ids=["key", "rate", "cut", "hand over", "nothing held"],
)
async def test_whatever_fails_is_said_in_plain_words(desk: Desk, stand_in: Any, script: Any, words: str) -> None:
    browser = await browser_of(desk, stand_in(script).url)
    answer = await ask(browser)
    assert answer.status_code == 200
    assert words in plain(answer)
    (event,) = await tried(desk)
    assert event.detail["done"] is True
    assert await day(desk) == pytest.approx(event.detail["usage"]["cost_usd"])


async def test_two_clicks_are_one_call(desk: Desk, stand_in: Any) -> None:
    server = stand_in(lambda body: Stream(good(body), drip=0.005))
    browser = await browser_of(desk, server.url)
    answers = await asyncio.gather(*(ask(browser) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
    assert any("writing an answer for you already" in plain(answer) for answer in answers)
    assert len(server.requests) == 1
    assert (await ask(browser)).status_code == 200, "and when it has ended, the next one is asked"


async def test_a_stuck_key_is_stopped(desk: Desk, stand_in: Any) -> None:
    server = stand_in(good)
    browser = await browser_of(desk, server.url)
    answers = [await ask(browser) for _ in range(rehearsal.MOST_A_MINUTE + 1)]
    assert [answer.status_code for answer in answers] == [200] * rehearsal.MOST_A_MINUTE + [409]
    assert "times within a minute" in plain(answers[-1])
    assert len(server.requests) == rehearsal.MOST_A_MINUTE


async def test_what_never_ended_counts_as_the_most_it_may_have_cost(desk: Desk, stand_in: Any) -> None:
    """The process was killed while Claude wrote."""
    browser = await browser_of(desk, stand_in(good).url)
    await ask(browser)
    async with desk.db.write() as session:
        event = (await session.exec(TRIED)).one()
        event.detail = {**event.detail, "done": False, "usage": {"cost_usd": BUDGET.message, "estimated": True}}
    assert await day(desk) == 0.0, "it may still be under way, and what it comes to is not known"
    async with desk.db.write() as session:
        (await session.exec(TRIED)).one().at -= spending.UNDER_WAY + 1
    assert await day(desk) == pytest.approx(BUDGET.message)
    assert (await ask(browser)).status_code == 200


# --- the desk says when the day's limit is reached -------------------------------------------------------------------


async def decided(desk: Desk, at: float, **record: Any) -> None:
    conversation = await desk.conversation(("customer", "hello"))
    cost = (record.get("usage") or {}).get("cost_usd")
    async with desk.db.write() as session:
        session.add(
            Decision(
                conversation_id=conversation, verdict="answer", reason="", record=record, cost_usd=cost, created_at=at
            )
        )


async def banner(browser: Browser) -> str:
    page = (await browser.get("/desk/queue")).text
    found = re.search(r'<p class="quoting".*?</p>', page, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", "", found.group()).split()) if found else ""


async def test_the_desk_says_that_the_days_limit_is_reached_until_when_and_no_longer(desk: Desk, stand_in: Any) -> None:
    budget = Budget(message=0.02, conversation=0.2, day=1.0, max_tokens=500)
    browser = await browser_of(desk, stand_in(good).url, budget=budget)
    now = desk.now
    for hours, cost in ((30, 5.0), (23, 0.4), (20, 0.5), (1, 0.0995)):
        await decided(desk, now - hours * 3600, claude={"then": "send"}, usage={"cost_usd": cost})
    assert await banner(browser) == "", "nobody was refused yet"
    await decided(desk, now, claude={"then": "quote", "needs_usd": 0.001}, usage=None)
    await decided(desk, now, verdict="escalate")  # which says nothing of Claude
    said = await banner(browser)
    assert said.startswith("Claude's limit of $1 in 24 hours is reached: answers are quoted from the articles until")
    assert re.search(
        r"until (tomorrow at )?\d\d:\d\d, or until whoever runs Firstline raises CLAUDE_USD_PER_DAY\.", said
    )
    page = (await browser.get("/desk")).text
    until = re.search(r'id="quoting".*?datetime="([^"]+)"', page, re.DOTALL)
    assert until
    # When the 40 cents of 23 hours ago are a day old.
    assert datetime.fromisoformat(until.group(1)).timestamp() == pytest.approx(now + 3600, abs=2)
    await decided(desk, now, claude={"then": "send"}, usage={"cost_usd": 0.0001})
    assert await banner(browser) == "", "Claude wrote again"


async def test_a_limit_that_no_reply_fits_is_said_to_last(desk: Desk, stand_in: Any) -> None:
    budget = Budget(message=0.02, conversation=0.2, day=0.0005, max_tokens=500)
    browser = await browser_of(desk, stand_in(good).url, budget=budget)
    await decided(desk, desk.now, claude={"then": "quote", "needs_usd": 0.001}, usage=None)
    assert (await banner(browser)).endswith("from the articles until whoever runs Firstline raises CLAUDE_USD_PER_DAY.")


async def test_other_limits_and_no_key_are_no_matter_of_the_day(desk: Desk, stand_in: Any) -> None:
    browser = await browser_of(desk, stand_in(good).url)
    await decided(desk, desk.now, claude={"then": "quote", "needs_usd": 0.03}, usage=None)  # more than a message may
    assert await banner(browser) == ""
    desk.context.agent = make_agent(None)
    assert await banner(browser) == ""


async def test_a_refused_call_says_how_much_it_wanted(stand_in: Any) -> None:

    budget = Budget(message=0.02, conversation=0.2, day=0.0001, max_tokens=500)
    record = (await ask_agent(stand_in(good).url, budget=budget)).record
    assert 0.0001 < record["claude"]["needs_usd"] < 0.02
