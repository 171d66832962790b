"""Search end to end: what is published is found, its facts are finite, and changes are followed."""

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from sqlmodel import select

from knowledge import FACTS, Embedder, Found, Knowledge, Record, articles, import_articles, publishing
from knowledge.articles import Article
from knowledge.context import understand
from knowledge.lexical import Lexical, terms
from service.db import Database

pytestmark = pytest.mark.anyio

ARTICLES = [
    Record(
        "returns-eu",
        "Returns from the EU",
        "Returns",
        ("send something back from Germany", "return label Spain"),
        "A return label from EU countries costs €6.50, which we take off your refund.\n\n"
        "## How long you have\n\nYou have 30 days from delivery. Outlet goods have 14 days.",
    ),
    Record(
        "returns-uk",
        "Returns from the United Kingdom",
        "Returns",
        ("return from London", "post it back in Britain"),
        "The return label is free in the United Kingdom.\n\n## How long you have\n\nYou have 30 days from delivery.",
    ),
    Record(
        "track",
        "Track your parcel",
        "Delivery",
        ("where is my order", "has my package been sent"),
        "You get a tracking link by email when your parcel leaves us. It is under Orders > Track as well.",
    ),
    Record(
        "descale",
        "Descale the Birch",
        "Care",
        ("amber light is on", "limescale"),
        "If the amber light is steady, descale it.\n\n1. Empty the tank.\n2. Add two sachets.\n3. Press start.",
    ),
    Record(
        "points", "Grounds points", "Account", ("loyalty", "vouchers"), "200 points give you €5 off. Points expire."
    ),
]


@pytest.fixture(scope="module")
async def still(
    migrated_sqlite: Path, embedder: Embedder, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Knowledge]:
    """For tests that change nothing."""
    folder = tmp_path_factory.mktemp("still")
    shutil.copy(migrated_sqlite, folder / "firstline.db")
    db = Database(f"sqlite+aiosqlite:///{folder / 'firstline.db'}")
    await import_articles(db, embedder, ARTICLES)
    made = Knowledge(db.read, embedder, folder / "index")
    yield made
    await made.close()
    await db.close()


@pytest.fixture
async def knowledge(db: Database, embedder: Embedder, tmp_path: Path) -> AsyncIterator[Knowledge]:
    await import_articles(db, embedder, ARTICLES)
    made = Knowledge(db.read, embedder, tmp_path / "index")
    yield made
    await made.close()


def best(found: Found) -> str:
    return found.articles[0][0]


@pytest.mark.parametrize(
    ("question", "slug"),
    [
        ("where's my parcel??", "track"),
        ("orange lamp on my coffee machine glows all the time", "descale"),
        ("what does it cost to return from Germany", "returns-eu"),
        ("do I pay for sending a kettle back, I live in Manchester UK", "returns-uk"),
        ("do my loyalty points run out", "points"),
    ],
)
async def test_a_question_finds_the_article_that_answers_it(still: Knowledge, question: str, slug: str) -> None:
    found = await still.search(question)
    assert best(found) == slug
    assert found.passages[0].slug == slug
    assert sorted(found.articles, key=lambda each: -each[1]) == list(found.articles)
    assert sorted(name for name, _ in found.articles) == sorted(record.slug for record in ARTICLES)


async def test_a_passage_says_where_it_is_from_and_how_near_each_sentence_is(
    still: Knowledge, embedder: Embedder
) -> None:
    question = "how many sachets do I put in?"
    found = await still.search(question, limit=3)
    passage = found.passages[0]
    assert (passage.title, passage.topic, passage.version) == ("Descale the Birch", "Care", 1)
    assert [sentence.position for sentence in passage.sentences] == list(range(4))
    assert all(sentence.text in passage.text for sentence in passage.sentences)
    query = embedder.embed_query(question)
    for sentence in passage.sentences:
        wanted = float(embedder.embed_documents([sentence.text])[0] @ query)
        assert sentence.cosine == pytest.approx(wanted, abs=1e-4)
    assert passage.dense == pytest.approx(float(embedder.embed_documents([passage.text])[0] @ query), abs=1e-3)
    assert len(found.passages) == 3
    assert [each.score for each in found.passages] == sorted((each.score for each in found.passages), reverse=True)
    assert found.revision == len(ARTICLES)


async def test_the_facts_have_fixed_names_and_tell_the_covered_from_the_foreign(still: Knowledge) -> None:
    inside = (await still.search("how do I track my parcel?")).facts
    outside = (await still.search("who should win the football election in Peru?")).facts
    assert list(inside) == list(outside) == [fact.name for fact in FACTS]
    assert len({fact.name for fact in FACTS}) == len(FACTS) >= 20
    assert all(fact.meaning for fact in FACTS)
    assert np.isfinite([*inside.values(), *outside.values()]).all()
    for name in ("top", "phrase_top", "sentence_top", "coverage", "coverage_all", "bm25_ratio", "neighbours", "likely"):
        assert inside[name] > outside[name], name
    assert inside["missing"] < outside["missing"] == 1.0
    assert inside["coverage"] == 1.0


@pytest.mark.parametrize(
    "question",
    ["", "   ", "\0", "\ud800", "?!", "🙂", "the of and", "x" * 100_000, "word, and " * 20_000, "日本語で答えて"],
)
async def test_odd_questions_get_finite_facts(still: Knowledge, question: str) -> None:
    found = await still.search(question, [("customer", question), ("agent", "")])
    assert list(found.facts) == [fact.name for fact in FACTS]
    assert np.isfinite(list(found.facts.values())).all()
    assert all(np.isfinite([each.score, each.dense, each.lexical, each.phrase]).all() for each in found.passages)


async def test_a_follow_up_is_searched_in_its_conversation(still: Knowledge) -> None:
    history = [
        ("customer", "How do I send something back from London in the United Kingdom?"),
        ("agent", "The return label is free in the United Kingdom."),
    ]
    question = "and how long do I have?"
    assert understand(question, history).leaning
    found = await still.search(question, history)
    assert best(found) == "returns-uk"
    assert "United Kingdom" in found.question
    assert (found.facts["has_history"], found.facts["leaning"]) == (1.0, 1.0)


async def test_a_new_subject_is_not_held_back_by_the_conversation(still: Knowledge) -> None:
    history = [
        ("customer", "How do I send something back from London?"),
        ("agent", "The return label is free in the United Kingdom."),
    ]
    question = "Where can I see the tracking link of my parcel?"
    assert not understand(question, history).leaning
    assert best(await still.search(question, history)) == "track"


async def test_an_empty_knowledge_base_finds_nothing_and_says_so(
    db: Database, embedder: Embedder, tmp_path: Path
) -> None:
    knowledge = Knowledge(db.read, embedder, tmp_path / "index")
    found = await knowledge.search("anything")
    assert (found.passages, found.articles, found.revision) == ((), (), 0)
    assert set(found.facts.values()) == {0.0}
    await knowledge.close()


async def test_one_article_alone_can_be_searched(db: Database, embedder: Embedder, tmp_path: Path) -> None:
    await import_articles(db, embedder, [Record("only", "Only a title")])
    knowledge = Knowledge(db.read, embedder, tmp_path / "index")
    found = await knowledge.search("title")
    assert found.articles[0][0] == "only"
    assert found.passages == ()
    assert np.isfinite(list(found.facts.values())).all()
    await knowledge.close()


async def test_what_is_published_or_withdrawn_counts_from_the_next_question_on(
    knowledge: Knowledge, db: Database, embedder: Embedder
) -> None:
    question = "can I bring my parrot to the shop?"
    await knowledge.search(question)
    await import_articles(db, embedder, [Record("pets", "Pets in the shop", "", ("dogs",), "Parrots are welcome.")])
    found = await knowledge.search(question)
    assert (best(found), found.passages[0].text) == ("pets", "Parrots are welcome.")
    await import_articles(db, embedder, [Record("pets", "Pets in the shop", "", ("dogs",), "Parrots are not welcome.")])
    found = await knowledge.search(question)
    assert (found.passages[0].text, found.passages[0].version) == ("Parrots are not welcome.", 2)
    async with db.write() as session:
        article = (await session.exec(select(Article).where(Article.slug == "pets"))).one()
        await publishing.archive(session, article)
    found = await knowledge.search(question)
    assert "pets" not in dict(found.articles)
    assert all(passage.slug != "pets" for passage in found.passages)
    assert found.revision == knowledge.revision == len(ARTICLES) + 3


async def test_both_databases_give_the_same_numbers(knowledge: Knowledge, still: Knowledge) -> None:
    question = "how long may I keep it before I return it to you from Lyon?"
    one, two = await knowledge.search(question), await still.search(question)
    assert [each.text for each in one.passages] == [each.text for each in two.passages]
    assert one.articles == two.articles
    assert one.facts == two.facts


async def test_following_changes_ends_where_starting_anew_would(
    knowledge: Knowledge, db: Database, embedder: Embedder, tmp_path: Path
) -> None:
    await knowledge.refresh()
    more = [
        Record("pets", "Pets", "", (), "Parrots are welcome."),
        Record("track", "Tracking", "", (), "Use the link."),
    ]
    await import_articles(db, embedder, more)
    other = Knowledge(db.read, embedder, tmp_path / "other")
    for question in ("where is my parcel", "parrots", "30 days"):
        one, two = await knowledge.search(question), await other.search(question)
        assert [(each.slug, each.text, each.version) for each in one.passages] == [
            (each.slug, each.text, each.version) for each in two.passages
        ]
        assert one.facts == pytest.approx(two.facts, abs=1e-5)
    await other.close()


async def test_the_same_question_gets_the_same_numbers_again(still: Knowledge) -> None:
    question = "I ordered on Monday, the light is amber, and where is my refund from Spain?"
    first, second = await still.search(question), await still.search(question)
    assert (first.passages, first.articles, first.facts) == (second.passages, second.articles, second.facts)


async def test_a_rebuild_finds_the_same(knowledge: Knowledge) -> None:
    before = await knowledge.search("amber light")
    await knowledge.rebuild()
    after = await knowledge.search("amber light")
    assert after.passages == before.passages
    assert after.facts == before.facts


async def test_a_restored_database_is_searched_as_it_is(knowledge: Knowledge, db: Database, embedder: Embedder) -> None:
    await import_articles(db, embedder, [Record("pets", "Pets", "", (), "Parrots are welcome.")])
    assert best(await knowledge.search("parrots")) == "pets"
    async with db.write() as session:
        article = (await session.exec(select(Article).where(Article.slug == "pets"))).one()
        await publishing.archive(session, article)
        row = await session.get(articles.KnowledgeRevision, 1)
        assert row
        row.number = len(ARTICLES)  # as it was before the article came
    assert "pets" not in dict((await knowledge.search("parrots")).articles)


async def test_searches_run_side_by_side_while_articles_change(
    knowledge: Knowledge, db: Database, embedder: Embedder
) -> None:
    await knowledge.start()
    assert knowledge.ready

    async def publish() -> None:
        for number in range(3):
            await import_articles(db, embedder, [Record("track", "Track your parcel", "", (), f"Version {number}.")])

    questions = [knowledge.search(f"question {number} about my parcel") for number in range(12)]
    *found, _ = await asyncio.gather(*questions, publish())
    assert len(found) == 12
    assert all(len(each.articles) == len(ARTICLES) for each in found if isinstance(each, Found))
    last = await knowledge.search("track your parcel version")
    assert next(each for each in last.passages if each.slug == "track").text == "Version 2."


async def test_searching_leaves_the_event_loop_free(still: Knowledge, monkeypatch: pytest.MonkeyPatch) -> None:
    await still.start()
    threads: set[int] = set()
    embed = still._embedder.embed_query

    def noted(text: str) -> np.ndarray:
        threads.add(threading.get_ident())
        return embed(text)

    monkeypatch.setattr(still._embedder, "embed_query", noted)
    await still.search("where does this run?")
    assert threads
    assert threading.get_ident() not in threads


async def test_an_unchanged_knowledge_base_costs_one_query_a_search(knowledge: Knowledge, db: Database) -> None:
    from sqlalchemy import event

    await knowledge.search("where is my parcel")
    statements: list[str] = []
    event.listen(db.engine.sync_engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    await knowledge.search("where is my refund")
    assert len([each for each in statements if each != "BEGIN"]) == 1, statements  # which SQLite wants


async def test_words_are_stems_and_rare_ones_weigh_more() -> None:
    assert terms("What about the returns you RETURNED, café’s €4.50?") == ["return", "return", "café", "4", "50"]
    lexical = Lexical([["return", "label"], ["return", "days"], []])
    scores = lexical.scores({"return": 1.0, "label": 1.0, "unknown": 1.0})
    assert scores[0] > scores[1] > scores[2] == 0
    assert lexical.rarity("unknown") > lexical.rarity("label") > lexical.rarity("return")
    assert lexical.best_possible(["return", "unknown"]) > lexical.best_possible(["return"]) > 0
    assert Lexical([]).scores({"a": 1.0}).shape == (0,)
    assert Lexical([[], []]).scores({"a": 1.0}).tolist() == [0, 0]
