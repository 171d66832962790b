"""Articles at the desk: written, previewed, published and searched at once, compared, put back, and never lost."""

import asyncio
import html
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlmodel import col, select

from dashboard import catalogue, editing
from knowledge import Knowledge, articles
from knowledge.articles import Article, ArticleVersion, Chunk
from service.agent import Agent
from service.agent.confidence import Confidence
from service.models import AuditEvent, Conversation, Decision, Message, Staff
from tests.desk_kit import Browser, Desk

pytestmark = pytest.mark.anyio

ENGRAVING = {
    "title": "Engraving an Alder",
    "topic": "Orders",
    "phrases": "can you engrave my lid\nput a name on it",
    "body": "We engrave the lid of an Alder with up to 20 letters for £12.",
}


@pytest.fixture
async def desk(db: Any, embedder: Any, tmp_path: Path) -> Any:
    made = Desk(db)
    made.context.knowledge = Knowledge(db.read, embedder, tmp_path / "index")
    made.context.agent = Agent(made.context.knowledge, Confidence.shipped(), company="Pellworth", wrong_rate=0.05)
    yield made
    await made.context.knowledge.close()


@pytest.fixture
async def eddy(desk: Desk) -> Staff:
    return await desk.make_staff("Eddy", "editor")


@pytest.fixture
async def browser(desk: Desk, eddy: Staff) -> Browser:
    return await desk.signed_in(eddy)


def plain(page: httpx.Response) -> str:
    """What a person reads of a page, on one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


def field(page: httpx.Response, name: str) -> str:
    """What a field of the form holds, as a browser reads it."""
    found = re.search(rf'<textarea id="{name}"[^>]*>\n?(.*?)</textarea>', page.text, re.DOTALL)
    found = found or re.search(rf'<input [^>]*name="{name}"[^>]*value="([^"]*)"', page.text)
    assert found, name
    return html.unescape(found.group(1))


def titles(page: httpx.Response) -> list[str]:
    return re.findall(r'<b class="label">([^<]*)</b>', page.text)


async def write(browser: Browser, **fields: str) -> int:
    """A new article by the form; its number."""
    made = await browser.post("/desk/articles/new", **{**ENGRAVING, **fields})
    assert made.status_code == 303, plain(made)
    return int(re.search(r"/desk/articles/(\d+)", made.headers["location"]).group(1))


async def stored(desk: Desk, table: Any) -> list[Any]:
    async with desk.db.read() as session:
        return list((await session.exec(select(table).order_by(col(table.id)))).all())


async def finds(desk: Desk, question: str) -> list[str]:
    return [passage.title for passage in (await desk.context.knowledge.search(question)).passages]


# --- writing and publishing --------------------------------------------------------------------------------------


async def test_a_new_article_is_a_draft_that_customers_are_not_answered_from(desk: Desk, browser: Browser) -> None:
    number = await write(browser)
    (article,) = await stored(desk, Article)
    assert (article.id, article.slug, article.state) == (number, "engraving-an-alder", "draft")
    page = await browser.get(f"/desk/articles/{number}")
    assert {name: field(page, name) for name in ENGRAVING} == ENGRAVING
    assert await finds(desk, "can you engrave my lid") == []
    (event,) = [event for event in await stored(desk, AuditEvent) if event.article_id]
    assert (event.action, event.actor, event.detail) == ("article_created", "staff", {"version": 1})


async def test_a_published_article_is_found_at_once_also_by_another_process(
    desk: Desk, browser: Browser, embedder: Any, tmp_path: Path
) -> None:
    other = Knowledge(desk.db.read, embedder, tmp_path / "other")
    assert (await other.search("can you engrave my lid")).passages == ()
    number = await write(browser)
    done = await browser.post(f"/desk/articles/{number}", base="1", then="publish", **ENGRAVING)
    assert done.headers["location"] == f"/desk/articles/{number}?said=published"
    for knowledge in (desk.context.knowledge, other):
        assert (await knowledge.search("can you engrave my lid")).passages[0].title == ENGRAVING["title"]
    await other.close()
    last = (await stored(desk, AuditEvent))[-1]
    assert (last.action, last.article_id, last.detail) == ("article_published", number, {"version": 1, "revision": 1})


async def test_a_new_article_can_be_published_at_once(desk: Desk, browser: Browser) -> None:
    made = await browser.post("/desk/articles/new", then="publish", **ENGRAVING)
    assert made.headers["location"].endswith("?said=published")
    assert await finds(desk, "put a name on it") == [ENGRAVING["title"]]


async def test_a_save_over_a_published_version_changes_nothing_for_customers_until_it_is_published(
    desk: Desk, browser: Browser
) -> None:
    number = await write(browser, then="publish")
    await browser.post(f"/desk/articles/{number}", base="1", **{**ENGRAVING, "body": "We engrave nothing any more."})
    (article,) = await stored(desk, Article)
    assert (article.state, article.version, article.published_version) == ("published", 2, 1)
    assert "20 letters" in (await desk.context.knowledge.search("engrave my lid")).passages[0].text
    page = plain(await browser.get(f"/desk/articles/{number}"))
    assert "Published, with changes" in page
    assert "Customers read version 1" in page


async def test_a_save_without_a_change_makes_no_version_and_no_event(desk: Desk, browser: Browser) -> None:
    number = await write(browser)
    before = len(await stored(desk, AuditEvent))
    again = await browser.post(f"/desk/articles/{number}", htmx=True, base="1", **ENGRAVING)
    assert "Nothing was changed" in again.text
    assert len(await stored(desk, ArticleVersion)) == 1
    assert len(await stored(desk, AuditEvent)) == before


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"title": "  "}, "needs a title"),
        ({"title": "t" * 201}, "at most 200 characters"),
        ({"topic": "t" * 101}, "at most 100 characters"),
        ({"phrases": "p" * 301}, "at most 300 characters"),
        ({"phrases": "\n".join(map(str, range(201)))}, "At most 200 ways"),
        ({"body": "ä" * 50_001}, "at most 100 kB"),
    ],
)
async def test_what_cannot_be_stored_is_said_and_stays_in_the_form(
    desk: Desk, browser: Browser, fields: dict[str, str], sentence: str
) -> None:
    typed = {**ENGRAVING, **fields}
    page = await browser.post("/desk/articles/new", **typed)
    assert page.status_code == 409
    assert sentence in plain(page)
    assert field(page, "body") == typed["body"]
    assert not await stored(desk, Article)


async def test_a_hundred_kilobytes_are_taken_and_nul_and_half_characters_are_not(desk: Desk, browser: Browser) -> None:
    body = "ä" * 49_000 + "\x00 end"
    number = await write(browser, body=body, title="Nul\x00 here")
    (version,) = await stored(desk, ArticleVersion)
    assert version.body == "ä" * 49_000 + " end"
    assert version.title == "Nul here"
    raw = b"csrf=" + browser.csrf.encode() + b"&base=1&title=half&body=%ED%A0%80half"
    headers = {"content-type": "application/x-www-form-urlencoded"}
    done = await browser.client.post(f"/desk/articles/{number}", content=raw, headers=headers)
    assert done.status_code == 303
    assert (await stored(desk, ArticleVersion))[-1].body.endswith("half")


async def test_an_empty_article_is_saved_but_not_published(desk: Desk, browser: Browser) -> None:
    number = await write(browser, body="")
    page = await browser.post(f"/desk/articles/{number}", base="1", then="publish", **{**ENGRAVING, "body": ""})
    assert page.status_code == 409
    assert "nothing to answer from yet" in plain(page)
    assert not await stored(desk, Chunk)


async def test_articles_of_one_title_have_addresses_of_their_own_even_when_made_at_once(
    desk: Desk, browser: Browser
) -> None:
    await asyncio.gather(*(write(browser) for _ in range(4)))
    slugs = {article.slug for article in await stored(desk, Article)}
    assert slugs == {"engraving-an-alder", *(f"engraving-an-alder-{number}" for number in (2, 3, 4))}
    await write(browser, title="?!")
    assert "article" in {article.slug for article in await stored(desk, Article)}


async def test_the_preview_is_what_customers_will_read_and_holds_no_scripts(desk: Desk, browser: Browser) -> None:
    body = "## Cost\n\n**Free**, see [us](https://example.org)\n\n<script>alert(1)</script> [no](javascript:alert(1))"
    page = await browser.post("/desk/articles/preview", htmx=True, body=body)
    assert "<h2>Cost</h2>" in page.text
    assert '<strong>Free</strong>, see <a href="https://example.org"' in page.text
    assert "<script" not in page.text
    assert 'href="javascript' not in page.text
    assert not await stored(desk, Article)


# --- two people --------------------------------------------------------------------------------------------------


async def test_of_two_who_edit_the_second_reads_both_texts_and_loses_none(
    desk: Desk, browser: Browser, eddy: Staff
) -> None:
    number = await write(browser)
    ann = await desk.signed_in(await desk.make_staff("Ann", "editor"))
    theirs, mine = {**ENGRAVING, "body": "Ann writes this."}, {**ENGRAVING, "body": "Eddy writes that."}
    await ann.post(f"/desk/articles/{number}", base="1", **theirs)
    for then in ("save", "publish"):
        page = await browser.post(f"/desk/articles/{number}", base="1", then=then, **mine)
        assert page.status_code == 409
        said = plain(page)
        assert "Ann saved version 2 while you were writing" in said
        assert "Ann writes this." in said
        assert field(page, "body") == "Eddy writes that."
        assert field(page, "base") == "1"
    assert [version.body for version in await stored(desk, ArticleVersion)][-1] == "Ann writes this."
    assert not await stored(desk, Chunk)
    done = await browser.post(f"/desk/articles/{number}", base="1", over="2", **mine)
    assert done.status_code == 303
    assert [version.body for version in await stored(desk, ArticleVersion)] == [
        ENGRAVING["body"],
        "Ann writes this.",
        "Eddy writes that.",
    ]


async def test_saving_on_top_of_what_was_shown_does_not_bury_what_came_after(desk: Desk, browser: Browser) -> None:
    number = await write(browser)
    for base, body in (("1", "second"), ("2", "third")):
        await browser.post(f"/desk/articles/{number}", base=base, **{**ENGRAVING, "body": body})
    page = await browser.post(f"/desk/articles/{number}", base="1", over="2", **{**ENGRAVING, "body": "mine"})
    assert page.status_code == 409
    assert "saved version 3 while you were writing" in plain(page)
    assert len(await stored(desk, ArticleVersion)) == 3


async def test_of_two_saves_at_the_same_moment_one_is_told_of_the_other(desk: Desk, browser: Browser) -> None:
    number = await write(browser)
    answers = await asyncio.gather(
        *(browser.post(f"/desk/articles/{number}", base="1", **{**ENGRAVING, "body": body}) for body in "abc")
    )
    assert sorted(answer.status_code for answer in answers) == [303, 409, 409]
    assert len(await stored(desk, ArticleVersion)) == 2


async def test_words_saved_while_an_article_is_published_are_not_published_unseen(
    desk: Desk, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = await write(browser)
    embed = desk.context.knowledge.embed

    async def interrupted(content: Any) -> Any:
        await browser.post(f"/desk/articles/{number}", base="1", **{**ENGRAVING, "body": "Saved in between."})
        return await embed(content)

    monkeypatch.setattr(desk.context.knowledge, "embed", interrupted)
    page = await browser.post(f"/desk/articles/{number}", base="1", then="publish", **ENGRAVING)
    assert page.status_code == 409
    assert "not published" in plain(page)
    assert "changed while it was being published" in plain(page)
    assert field(page, "base") == "1", "the next save is told of the other's words"
    assert not await stored(desk, Chunk)


# --- states ------------------------------------------------------------------------------------------------------


async def test_an_article_is_unpublished_archived_and_brought_back(desk: Desk, browser: Browser) -> None:
    number = await write(browser, then="publish")
    for verb, state in (("unpublish", "draft"), ("archive", "archived"), ("bring-back", "draft")):
        done = await browser.post(f"/desk/articles/{number}/{verb}", version="1")
        assert done.headers["location"] == f"/desk/articles/{number}?said={verb}"
        assert (await stored(desk, Article))[0].state == state
        assert await finds(desk, "engrave my lid") == []
    done = [event.action for event in await stored(desk, AuditEvent) if event.article_id]
    assert done[-3:] == ["article_unpublished", "article_archived", "article_restored"]


async def test_an_archived_article_is_not_written_to_and_the_words_stay_in_the_form(
    desk: Desk, browser: Browser
) -> None:
    number = await write(browser)
    await browser.post(f"/desk/articles/{number}/archive", version="1")
    page = await browser.post(f"/desk/articles/{number}", base="1", **{**ENGRAVING, "body": "Late words."})
    assert page.status_code == 409
    assert "archived this article" in plain(page)
    assert field(page, "body") == "Late words."
    assert 'id="do-bring-back"' in page.text
    assert len(await stored(desk, ArticleVersion)) == 1


@pytest.mark.parametrize("verb", ["unpublish", "archive"])
async def test_a_page_that_is_out_of_date_withdraws_nothing(desk: Desk, browser: Browser, verb: str) -> None:
    number = await write(browser, then="publish")
    await browser.post(f"/desk/articles/{number}", base="1", **{**ENGRAVING, "body": "Newer."})
    page = await browser.post(f"/desk/articles/{number}/{verb}", version="1")
    assert page.status_code == 409
    assert "Version 2 was saved while this page was open" in plain(page)
    assert (await stored(desk, Article))[0].state == "published"
    assert await finds(desk, "engrave my lid") == [ENGRAVING["title"]]


# --- versions ----------------------------------------------------------------------------------------------------


async def test_every_version_is_listed_compared_and_put_back_as_a_new_one(desk: Desk, browser: Browser) -> None:
    number = await write(browser, then="publish")
    await browser.post(
        f"/desk/articles/{number}", base="1", then="publish", **{**ENGRAVING, "body": "We engrave nothing."}
    )
    base = f"/desk/articles/{number}"
    said = plain(await browser.get(f"{base}/versions"))
    assert "Version 2 Customers read this one" in said
    assert "Version 1" in said
    for address in (f"{base}/compare?old=1&new=2", f"{base}/compare?old=2&new=1"):
        page = await browser.get(address)
        assert "Removed: We engrave the lid of an Alder" in plain(page)
        assert "Added: We engrave nothing." in plain(page)
        assert "<del>" in page.text
        assert "<ins>" in page.text
    assert "20 letters for £12" in plain(await browser.get(f"{base}/versions/1"))
    done = await browser.post(f"{base}/versions/1/restore", version="2")
    assert done.headers["location"] == f"{base}?said=restored"
    versions = await stored(desk, ArticleVersion)
    assert [version.number for version in versions] == [1, 2, 3]
    assert versions[2].body == versions[0].body
    assert (await stored(desk, Article))[0].published_version == 2, "putting back publishes nothing"
    await browser.post(base, base="3", then="publish", **ENGRAVING)
    assert "20 letters" in (await desk.context.knowledge.search("engrave my lid")).passages[0].text


async def test_an_older_version_is_not_put_back_over_what_one_has_not_seen(desk: Desk, browser: Browser) -> None:
    number = await write(browser)
    for base, body in (("1", "second"), ("2", "third")):
        await browser.post(f"/desk/articles/{number}", base=base, **{**ENGRAVING, "body": body})
    page = await browser.post(f"/desk/articles/{number}/versions/1/restore", version="2")
    assert page.status_code == 409
    assert "Version 3 was saved" in plain(page)
    assert len(await stored(desk, ArticleVersion)) == 3
    same = await browser.post(f"/desk/articles/{number}/versions/3/restore", version="3")
    assert "nothing to put back" in plain(same)


@pytest.mark.parametrize(
    "path",
    ["/desk/articles/99", "/desk/articles/99/versions", "/desk/articles/{}/versions/9", "/desk/articles/{}/compare"],
)
async def test_what_is_not_there_is_a_page_that_says_so(browser: Browser, path: str) -> None:
    page = await browser.get(path.format(await write(browser)))
    assert page.status_code == 404
    assert "There is no such" in plain(page)


# --- the list ----------------------------------------------------------------------------------------------------


async def test_the_list_is_searched_and_narrowed_and_counts_what_is_left(desk: Desk, browser: Browser) -> None:
    await write(browser, title="Engraving", then="publish")
    await write(browser, title="Gift cards", topic="Payment", body="A card is 100% paid.", phrases="pay for größe")
    third = await write(browser, title="Old offer", topic="Payment", body="Gone.", phrases="")
    await browser.post(f"/desk/articles/{third}/archive", version="1")
    await browser.post("/desk/articles/1", base="1", **{**ENGRAVING, "title": "Engraving lids"})
    assert titles(await browser.get("/desk/articles")) == ["Engraving lids", "Old offer", "Gift cards"]
    for query, found in (
        ("q=ENGRAVE+lid", ["Engraving lids"]),
        ("q=100%25", ["Gift cards"]),
        ("q=100_", []),
        ("q=gr%C3%B6%C3%9Fe", ["Gift cards"]),
        ("q=gift-cards", ["Gift cards"]),
        ("state=published", ["Engraving lids"]),
        ("state=changed", ["Engraving lids"]),
        ("state=draft", ["Gift cards"]),
        ("state=archived&topic=Payment", ["Old offer"]),
        ("topic=Payment&most=1", ["Old offer"]),
        ("state=nonsense&most=-4&q=%00offer", ["Old offer"]),
    ):
        assert titles(await browser.get(f"/desk/articles?{query}")) == found, query
    said = plain(await browser.get("/desk/articles?topic=Payment"))
    assert "All 2 Published 0 Unpublished changes 0 Drafts 1 Archived 1" in said
    assert "No article holds “zebra”" in plain(await browser.get("/desk/articles?q=zebra"))


async def test_an_empty_knowledge_base_says_how_to_begin(desk: Desk, browser: Browser) -> None:
    page = plain(await browser.get("/desk/articles"))
    assert "There are no articles yet." in page
    assert "Write the first one" in page
    support = await desk.signed_in(await desk.make_staff("Sue"))
    assert "Write the first one" not in plain(await support.get("/desk/articles"))


async def test_the_addresses_of_the_list_keep_what_was_asked_for() -> None:
    wanted = catalogue.Wanted(q="a & b", topic="Orders")
    assert wanted.query(state="draft") == "?q=a+%26+b&state=draft&topic=Orders"
    assert catalogue.Wanted().query() == ""


# --- reading and asking ------------------------------------------------------------------------------------------


async def test_support_reads_an_article_and_has_no_form(desk: Desk, browser: Browser) -> None:
    number = await write(browser, body="Read **this**.")
    support = await desk.signed_in(await desk.make_staff("Sue"))
    page = await support.get(f"/desk/articles/{number}")
    assert "<strong>this</strong>" in page.text
    assert 'id="article"' not in page.text
    assert "Put version" not in page.text


async def test_ask_shows_the_answer_its_evidence_and_the_confidence_and_stores_nothing(
    desk: Desk, browser: Browser
) -> None:
    await write(browser, then="publish")
    page = await browser.post("/desk/ask", question="can you engrave my lid?")
    said = plain(page)
    assert "It would answer." in said
    assert re.search(r"Confident 0\.\d\d, needs 0\.\d\d", said)
    assert "up to 20 letters for £12. Engraving an Alder , version 1" in said
    assert re.search(r"score [\d.]+, meaning 0\.\d+, words [\d.]+, phrases [\d.]+", said)
    for table in (Conversation, Message, Decision):
        assert await stored(desk, table) == []


async def test_ask_says_when_a_person_would_be_called_and_what_was_drafted(desk: Desk, browser: Browser) -> None:
    await write(browser, then="publish")
    said = plain(await browser.post("/desk/ask", htmx=True, question="do you sell cars on the moon?"))
    assert "It would call for a person." in said
    assert "<html" not in said
    assert "Type a question first." in plain(await browser.post("/desk/ask", question="  "))
    assert "at most 4,000 characters" in plain(await browser.post("/desk/ask", question="w" * 4_001))


async def test_publishing_what_is_published_already_does_nothing_again(desk: Desk, browser: Browser) -> None:
    number = await write(browser, then="publish")
    async with desk.db.read() as session:
        before = await articles.revision(session)
    page = await browser.post(f"/desk/articles/{number}", htmx=True, base="1", then="publish", **ENGRAVING)
    assert "already" in page.text
    async with desk.db.read() as session:
        assert await articles.revision(session) == before


async def test_a_refusal_names_what_to_do() -> None:
    with pytest.raises(editing.NotPossible, match="give it one"):
        editing.check(articles.content(ArticleVersion(title="", body="", hash="", number=1)))
