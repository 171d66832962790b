"""Articles: versions, publishing as one step, and the revision that counts it."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from sqlmodel import col, select

from knowledge import articles, publishing
from knowledge.articles import Article, ArticleVersion, Chunk, KnowledgeError, PhraseVector
from knowledge.embedding import Content, embed
from service.db import Database

pytestmark = pytest.mark.anyio


class Counting:
    """An embedder whose vectors say which text they are of: the number of its letters."""

    def embed_documents(self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None) -> np.ndarray:
        return np.array([[len(text)] * 384 for text in texts], dtype=np.float32)


RETURNS = Content("Returns", "Orders", "You have 30 days.\n\n## Cost\n\nIt is free.", ("send it back", "refund"))


async def stored(db: Database, table: type) -> list:
    async with db.read() as session:
        return list((await session.exec(select(table).order_by(table.id))).all())


async def publish(db: Database, content: Content = RETURNS, slug: str = "returns") -> int:
    async with db.write() as session:
        article = await articles.save(session, slug, content)
        return await publishing.publish(session, article, embed(Counting(), content))


async def test_a_save_makes_a_version_and_publishes_nothing(db: Database) -> None:
    async with db.write() as session:
        article = await articles.save(session, "returns", RETURNS, by="Ann")
    (version,) = await stored(db, ArticleVersion)
    assert (article.state, article.version, article.published_version) == ("draft", 1, None)
    assert (version.title, version.body, version.phrases) == (RETURNS.title, RETURNS.body, list(RETURNS.phrases))
    assert (version.hash, version.created_by) == (RETURNS.hash, "Ann")
    assert articles.content(version) == RETURNS
    assert not await stored(db, Chunk)
    async with db.read() as session:
        assert await articles.revision(session) == 0
        assert await articles.published(session, "returns") is None


async def test_saving_the_same_words_again_makes_no_version(db: Database) -> None:
    for body in ("Same.", "  Same.\n", "Other.", "Same."):
        async with db.write() as session:
            await articles.save(session, "a", Content("A", "", body))
    assert [version.body for version in await stored(db, ArticleVersion)] == ["Same.", "Other.", "Same."]


async def test_publishing_stores_passages_sentences_and_phrases_with_their_vectors(db: Database) -> None:
    assert await publish(db) == 1
    (chunk,) = await stored(db, Chunk)
    assert chunk.text == "You have 30 days.\nCost\nIt is free."
    assert chunk.sentences == ["You have 30 days.", "It is free."]
    assert np.frombuffer(chunk.embedding, np.float32).tolist() == [len(chunk.text)] * 384
    each = np.frombuffer(chunk.sentence_embeddings, np.float32).reshape(-1, 384)
    assert each[:, 0].tolist() == [len(sentence) for sentence in chunk.sentences]
    phrases = await stored(db, PhraseVector)
    assert [phrase.text for phrase in phrases] == ["Returns", "send it back", "refund"]
    assert [np.frombuffer(phrase.embedding, np.float32)[0] for phrase in phrases] == [7, 12, 6]
    async with db.read() as session:
        found = await articles.published(session, "returns")
    assert found is not None
    assert (found[0].state, found[0].published_version, found[1].body) == ("published", 1, RETURNS.body)


async def test_a_new_version_replaces_the_passages_of_the_old_one(db: Database) -> None:
    await publish(db)
    await publish(db, Content("Other", "", "Another article."), "other")
    shorter = Content("Returns", "Orders", "You have 14 days.")
    assert await publish(db, shorter) == 3
    chunks = await stored(db, Chunk)
    assert sorted((chunk.version, chunk.text) for chunk in chunks) == [
        (1, "Another article."),
        (2, "You have 14 days."),
    ]
    assert sorted(phrase.text for phrase in await stored(db, PhraseVector)) == ["Other", "Returns"]
    assert len(await stored(db, ArticleVersion)) == 3, "old versions stay, for the decisions that rest on them"


async def test_a_draft_of_a_published_article_changes_nothing_for_customers(db: Database) -> None:
    await publish(db)
    async with db.write() as session:
        await articles.save(session, "returns", Content("New title", "", "Not yet."))
    async with db.read() as session:
        found = await articles.published(session, "returns")
        assert await articles.revision(session) == 1
    assert found is not None
    assert (found[0].version, found[1].number, found[1].title) == (2, 1, "Returns")


async def test_words_that_changed_after_embedding_are_not_published(db: Database) -> None:
    await publish(db)
    async with db.write() as session:
        article = await articles.save(session, "returns", Content("Returns", "", "Edited meanwhile."))
    with pytest.raises(publishing.Changed, match="publish it again"):
        async with db.write() as session:
            await publishing.publish(session, article, embed(Counting(), RETURNS))
    (chunk,) = await stored(db, Chunk)
    assert chunk.version == 1
    async with db.read() as session:
        assert await articles.revision(session) == 1


async def test_a_publish_that_fails_halfway_leaves_everything_as_it_was(db: Database) -> None:
    await publish(db)
    before = await stored(db, Chunk)

    async def halfway() -> None:
        async with db.write() as session:
            content = Content("Returns", "", "Half done.")
            article = await articles.save(session, "returns", content)
            await publishing.publish(session, article, embed(Counting(), content))
            raise RuntimeError("the audit event could not be stored")

    with pytest.raises(RuntimeError):
        await halfway()
    assert [chunk.text for chunk in await stored(db, Chunk)] == [chunk.text for chunk in before]
    (article,) = await stored(db, Article)
    assert (article.version, article.revision) == (1, 1)
    async with db.read() as session:
        assert await articles.revision(session) == 1


@pytest.mark.parametrize(("verb", "state"), [(publishing.unpublish, "draft"), (publishing.archive, "archived")])
async def test_what_is_withdrawn_has_no_passages_and_counts_as_a_change(
    db: Database, verb: Callable, state: str
) -> None:
    await publish(db)
    async with db.write() as session:
        article = (await session.exec(select(Article))).one()
        assert await verb(session, article) == 2
    (article,) = await stored(db, Article)
    assert (article.state, article.published_version, article.revision) == (state, None, 2)
    assert not await stored(db, Chunk)
    assert not await stored(db, PhraseVector)
    assert await publish(db) == 3, "and it can be published again"


async def test_withdrawing_a_draft_is_no_change_of_what_is_published(db: Database) -> None:
    await publish(db)
    async with db.write() as session:
        article = await articles.save(session, "draft", Content("Draft"))
        await publishing.archive(session, article)
    async with db.read() as session:
        assert await articles.revision(session) == 1
        held = (await session.exec(select(Article).where(col(Article.slug) == "draft"))).one()
    assert (held.state, held.revision) == ("archived", 0)


async def test_text_a_database_cannot_store_is_cleaned_and_an_empty_title_refused(db: Database) -> None:
    async with db.write() as session:
        await articles.save(session, "odd", Content("T\0itle", "", "bo\ud800dy\0", ("a\0", "A", "", "b")))
    (version,) = await stored(db, ArticleVersion)
    assert (version.title, version.body, version.phrases) == ("Title", "body", ["a", "b"])
    with pytest.raises(KnowledgeError, match="title"):
        async with db.write() as session:
            await articles.save(session, "empty", Content(" "))


async def test_the_current_version_is_the_newest(db: Database) -> None:
    await publish(db)
    async with db.write() as session:
        article = await articles.save(session, "returns", Content("Returns", "", "Newer."))
    async with db.read() as session:
        assert (await articles.current(session, article)).body == "Newer."
        assert await articles.version(session, article, 9) is None
