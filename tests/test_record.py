"""The record: what is found by which words and filters, and what leaves it."""

import csv
import io
import json
import re

import pytest
from alembic import command
from sqlmodel import select

from service import labels, record
from service.folding import excerpt, fold, search_words
from service.models import AuditEvent, Conversation, Customer, Decision, Message
from service.record import Wanted
from tests.desk_kit import Desk

pytestmark = pytest.mark.anyio


@pytest.fixture
def desk(db) -> Desk:
    return Desk(db)


async def found(desk: Desk, **wanted) -> list[int]:
    async with desk.db.read() as session:
        page = await record.find(session, Wanted(**wanted))
    assert page.total == len(page.rows)
    return [row.conversation.id for row in page.rows]


async def test_words_are_found_whatever_their_case_accents_and_signs(desk: Desk) -> None:
    street = await desk.conversation(("customer", "Ich wohne in der Straße 5, bei Ünal"))
    percent = await desk.conversation(("customer", "is 50% off_season'; DROP TABLE message; --"))
    assert await found(desk, words="STRASSE") == [street]
    assert await found(desk, words="strasse ünal") == [street]
    assert await found(desk, words="UNAL") == [street]
    assert await found(desk, words="0%") == [percent]
    assert await found(desk, words="f_s") == [percent]
    assert await found(desk, words="'; drop") == [percent]
    assert await found(desk, words="5") == [percent, street]
    for nothing in ("5_", "strasse off_season", "\0zzz", "\\"):
        assert await found(desk, words=nothing) == [], nothing
    assert await found(desk, words=" \0 ") == [percent, street], "no words are no filter"


async def test_all_words_must_be_somewhere_in_one_conversation(desk: Desk) -> None:
    both = await desk.conversation(("customer", "my grinder"), ("agent", "is it loud?"))
    await desk.conversation(("customer", "my grinder"))
    assert await found(desk, words="loud grinder") == [both]


async def test_customers_are_found_by_name_and_address_and_conversations_by_number(desk: Desk) -> None:
    jose = await desk.conversation(("customer", "hello"), name="José Müller")
    other = await desk.conversation(("customer", "hello"), name="Kim")
    async with desk.db.write() as session:
        customer = Customer(name="", email="Zoe@Example.org", phone="+353 1 234")
        session.add(customer)
        await session.flush()
        (await session.get(Conversation, other)).customer_id = customer.id
    assert await found(desk, words="jose muller") == [jose]
    assert await found(desk, words="zoe@example") == [other]
    assert await found(desk, words="+353") == [other]
    assert await found(desk, words=f"#{jose}") == [jose]


async def test_each_filter_lets_through_what_it_says(desk: Desk) -> None:
    day, at = 86_400.0, desk.now - 10 * 86_400
    old = await desk.conversation(("customer", "a"), ("agent", "b"), state="resolved", at=at, topic="Returns")
    new = await desk.conversation(("customer", "a"), ("agent", "b"), state="waiting", at=at + 5 * day)
    sure = await desk.decide(2, old, verdict="answer", reason=".", confidence=0.9)
    await desk.decide(2, new, verdict="escalate", reason=".", confidence=0.4)
    ana = await desk.make_staff("Ana")
    async with desk.db.write() as session:
        await labels.label(session, sure, ana, "right", 1.0)
    only_old = [
        *({"state": "resolved"}, {"topic": "Returns"}, {"verdict": "answer"}, {"low": 0.8}, {"low": 0.9, "high": 0.9}),
        *({"until": at + day}, {"label": "right"}, {"label": "any"}, {"words": "b", "verdict": "answer"}),
    ]
    for wanted in only_old:
        assert await found(desk, **wanted) == [old], wanted
    for wanted in (
        {"state": "waiting"},
        {"high": 0.5},
        {"since": at + day},
        {"label": "none"},
        {"verdict": "escalate"},
    ):
        assert await found(desk, **wanted) == [new], wanted
    for wanted in ({}, {"channel": "post"}, {"low": 0.0, "high": 1.0}):
        assert await found(desk, **wanted) == [new, old], wanted
    for wanted in ({"channel": "pigeon"}, {"label": "wrong"}, {"verdict": "answer", "high": 0.5}, {"until": at}):
        assert await found(desk, **wanted) == [], wanted


async def test_verdict_confidence_and_label_are_those_of_one_decision(desk: Desk) -> None:
    conversation = await desk.conversation(("customer", "a"), ("agent", "b"), ("customer", "c"), ("agent", "d"))
    await desk.decide(2, conversation, verdict="answer", reason=".", confidence=0.9)
    await desk.decide(4, conversation, verdict="escalate", reason=".", confidence=0.3)
    assert await found(desk, verdict="answer", low=0.8) == [conversation]
    assert await found(desk, verdict="escalate", low=0.8) == []
    async with desk.db.read() as session:
        [row] = (await record.find(session, Wanted(verdict="answer"))).rows
    assert row.decision is not None
    assert row.decision.confidence == 0.9


async def test_pages_follow_each_other_and_miss_and_repeat_nothing(desk: Desk, monkeypatch) -> None:
    monkeypatch.setattr(record, "PAGE", 4)
    monkeypatch.setattr(record, "MOST_COUNTED", 7)
    made = [await desk.conversation(("customer", "a"), at=desk.now - 100 - each // 3) for each in range(10)]
    seen, after, pages = [], None, 0
    while True:
        async with desk.db.read() as session:
            page = await record.find(session, Wanted(), after)
        assert page.total == 8, "counted no further than one more than the most"
        seen += [row.conversation.id for row in page.rows]
        after, pages = page.following, pages + 1
        if after is None:
            break
    assert pages == 3
    assert sorted(seen) == sorted(made)
    assert len(set(seen)) == 10


async def test_the_words_found_are_shown(desk: Desk) -> None:
    await desk.conversation(("customer", "x " * 200 + "my Straße is long " + "y " * 200), ("agent", "I see."))
    async with desk.db.read() as session:
        [row] = (await record.find(session, Wanted(words="STRASSE"))).rows
        [plain] = (await record.find(session, Wanted())).rows
    assert "my Straße is long" in row.excerpt
    assert (row.excerpt[0], row.excerpt[-1], row.by) == ("…", "…", "customer")
    assert (plain.excerpt, plain.by) == ("I see.", "agent")


def test_folding_is_the_same_for_what_people_take_for_the_same() -> None:
    for one, other in (
        ("Straße", "STRASSE"),
        ("Ünal", "unal"),
        ("ＡＢＣ", "abc"),
        ("İstanbul", "istanbul"),
        ("ﬁne", "FINE"),
    ):
        assert fold(one) == fold(other)
    assert search_words("a B a\0c  ") == ["a", "b", "c"]
    assert len(search_words(" ".join(map(str, range(99))))) == 8
    assert excerpt("", ["a"]) == ""
    assert excerpt("ﬁne weather", ["weather"]) == "ﬁne weather"


async def test_what_was_there_before_is_found_after_the_upgrade(database_url) -> None:
    from service import migrations
    from service.db import Database
    from service.settings import Settings

    db = Database(Settings(database_url=database_url, _env_file=None).url)
    async with db.transaction() as connection:
        await connection.run_sync(lambda sync: command.upgrade(migrations.config(sync), "0003"))
        for statement in (
            "INSERT INTO customer (id, name, created_at) VALUES (1, 'José', 0)",
            "INSERT INTO identity (id, customer_id, channel, external_id, created_at) VALUES (1, 1, 'post', 'a', 0)",
            "INSERT INTO conversation (id, customer_id, identity_id, channel, thread, state, topic, last_seq, clock,"
            " changed, lease_until, fence, attempts, disclosed, stopped, created_at, updated_at)"
            " VALUES (1, 1, 1, 'post', 'a', 'agent', '', 1, 1, 0, 0, 0, 0, false, false, 0, 0)",
            "INSERT INTO message (id, conversation_id, seq, changed, author, name, kind, channel, text, sources,"
            " disclosure, attachments, status, reason, created_at)"
            " VALUES (1, 1, 1, 1, 'customer', '', 'message', 'post', 'Straße', '[]', '', '[]', 'owed', '', 0)",
        ):
            await connection.exec_driver_sql(statement)
    await migrations.upgrade(db)
    async with db.read() as session:
        assert [row.conversation.id for row in (await record.find(session, Wanted(words="strasse jose"))).rows] == [1]
    await db.close()


# --- at the desk -------------------------------------------------------------------------------------------------


async def test_the_page_finds_filters_and_leads_to_the_conversation(desk: Desk) -> None:
    conversation = await desk.conversation(("customer", "where is my <b>parcel</b>?"), name="Zoë")
    await desk.conversation(("customer", "something else"), name="Kim")
    browser = await desk.signed_in(await desk.make_staff("Ana"))
    page = (await browser.get("/desk/record?q=PARCEL&state=agent")).text
    assert f'href="/desk/conversations/{conversation}"' in page
    assert "1 conversation, the last changed first" in page
    assert "&lt;b&gt;parcel" in page
    assert "Kim" not in page
    assert "record.csv" not in page, "support may not export"
    assert "No conversation is like this" in (await browser.get("/desk/record?q=zzz")).text


async def test_a_desk_without_conversations_says_so(desk: Desk) -> None:
    browser = await desk.signed_in(await desk.make_staff("Ana"))
    assert "There are no conversations yet" in (await browser.get("/desk/record")).text


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("state=gone", "There is no state &#39;gone&#39;"),
        ("verdict=maybe", "There is no verdict"),
        ("label=nice", "There is no label"),
        ("low=much", "&#39;much&#39; is no confidence"),
        ("high=nan", "&#39;nan&#39; is no confidence"),
        ("low=.9&high=.1", "The least confidence is above the most"),
        ("since=yesterday", "&#39;yesterday&#39; is no day"),
        ("since=2026-02-30", "is no day"),
        ("until=0001-01-01&since=9999-12-31", "The period ends before it begins"),
        ("until=9999-12-31", "is no day"),
    ],
)
async def test_a_filter_that_is_not_understood_is_said_in_a_sentence(desk: Desk, query: str, words: str) -> None:
    browser = await desk.signed_in(await desk.make_staff("Ada", "admin"))
    page = await browser.get(f"/desk/record?{query}")
    assert page.status_code == 422
    assert words in page.text
    assert (await browser.get(f"/desk/record.csv?{query}")).status_code == 422


@pytest.mark.parametrize("query", ["after=x", "after=nan:1", "after=1:99999999999999999999", "q=%00%ff", "most=1&x=y"])
async def test_no_address_is_too_strange(desk: Desk, query: str) -> None:
    browser = await desk.signed_in(await desk.make_staff("Ana"))
    assert (await browser.get(f"/desk/record?{query}")).status_code == 200


async def test_days_are_those_of_the_reader(desk: Desk) -> None:
    """Written at 23:30 UTC on the 20th: the 21st in Tokyo."""
    await desk.conversation(("customer", "late"), at=1_795_217_400.0)
    browser = await desk.signed_in(await desk.make_staff("Ana"))
    assert "1 conversation" in (await browser.get("/desk/record?until=2026-11-20&since=2026-11-20")).text
    browser.client.cookies.set("firstline-tz", "Asia/Tokyo")
    assert "No conversation" in (await browser.get("/desk/record?until=2026-11-20&since=2026-11-20")).text
    assert "1 conversation" in (await browser.get("/desk/record?since=2026-11-21&until=2026-11-21")).text


# --- export ------------------------------------------------------------------------------------------------------


async def history(desk: Desk) -> tuple[int, int]:
    """One answer and one call for a person; the ids of the decisions."""
    answered = await desk.conversation(
        ("customer", '=HYPERLINK("http://x")'),
        Message(author="agent", text='It is, "so".\nYes.', sources=[{"title": "A", "url": "http://h/a"}]),
        name="Zoë",
    )
    first = await desk.decide(
        2, answered, verdict="answer", reason="Sure.", confidence=0.9, topic="Returns", cost_usd=0.01
    )
    called = await desk.conversation(("customer", "help"), ("agent", "Somebody comes."))
    second = await desk.decide(2, called, verdict="escalate", reason="@nobody knows")
    async with desk.db.write() as session:
        for decision in (first, second):
            of = (await session.get(Decision, decision)).conversation_id
            query = select(Message).where(Message.conversation_id == of, Message.author == "customer")
            (await session.exec(query)).one().answered_by = decision
    async with desk.db.write() as session:
        await labels.label(session, first, await desk.make_staff("Ben"), "right", 1.0)
    return first, second


async def test_the_csv_holds_every_decision_and_no_formula(desk: Desk) -> None:
    first, second = await history(desk)
    browser = await desk.signed_in(await desk.make_staff("Ada", "admin"))
    answer = await browser.get("/desk/record.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert re.fullmatch(r'attachment; filename="firstline-\d{4}-\d\d-\d\d\.csv"', answer.headers["content-disposition"])
    content = answer.content.decode("utf-8")
    assert content.startswith("\ufeff")
    one, two = csv.DictReader(io.StringIO(content[1:], newline=""))
    assert (one["decision"], two["decision"]) == (str(first), str(second))
    assert one["question"] == '\'=HYPERLINK("http://x")'
    assert one["answer"] == 'It is, "so".\nYes.'
    assert (one["confidence"], one["cost_usd"], one["topic"], one["label"]) == ("0.9", "0.01", "Returns", "right")
    assert (one["labels"], one["sources"], one["delivery"]) == ("Ben: right", "http://h/a", "sent")
    assert (two["reason"], two["confidence"], two["verdict"]) == ("'@nobody knows", "", "escalate")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", one["at"])


async def test_the_json_is_whole_and_the_filters_hold(desk: Desk) -> None:
    first, second = await history(desk)
    browser = await desk.signed_in(await desk.make_staff("Ada", "admin"))
    rows = json.loads((await browser.get("/desk/record.json")).content)
    assert [row["decision"] for row in rows] == [first, second]
    assert rows[0]["question"] == '=HYPERLINK("http://x")'
    assert rows[0]["labels"][0]["by"] == "Ben"
    for query, ids in (
        ("verdict=escalate", [second]),
        ("label=right", [first]),
        ("q=hyperlink", [first]),
        ("q=zzz", []),
    ):
        assert [row["decision"] for row in json.loads((await browser.get(f"/desk/record.json?{query}")).content)] == ids
    async with desk.db.read() as session:
        events = (await session.exec(select(AuditEvent).where(AuditEvent.action == "record_exported"))).all()
    assert [event.detail["narrowed_by"] for event in events] == [[], ["verdict"], ["label"], ["q"], ["q"]]
    assert "hyperlink" not in str([event.detail for event in events]), "the audit never holds a customer's words"


async def test_an_export_goes_on_from_batch_to_batch(desk: Desk, monkeypatch) -> None:
    monkeypatch.setattr(record, "BATCH", 3)
    ids = [await desk.conversation(("customer", "a"), ("agent", "b")) for _ in range(7)]
    made = [await desk.decide(2, each, verdict="answer", reason=".") for each in ids]
    assert [row["decision"] async for row in record.decisions(desk.db, Wanted())] == made
