"""Articles in, passages out.

How an article becomes a passage: `importers` or an editor save its words as a version (`articles`); `chunks` cuts the
body into passages of about 200 words and these into sentences; `embedder` makes a vector of each, and of each phrase
(a way customers ask for the article); `publishing` stores them in one transaction and counts the knowledge revision up.
Every process holds what is published in memory (`corpus`) with a Chroma index of its own (`index`) and follows new
revisions; `search` blends meaning, words and phrases, and measures the facts that confidence is made of (`facts`).

    report = await import_folder(db, embedder, folder)            # db: read() and write() sessions, write commits
    report = await import_articles(db, embedder, read_jsonl(path))
    knowledge = Knowledge(db.read, embedder, data_dir / "index")
    found = await knowledge.search("where is my parcel?", history=[("customer", "hi"), ("agent", "Hello.")])
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from sqlmodel.ext.asyncio.session import AsyncSession

from knowledge import articles, corpus
from knowledge.articles import KnowledgeError
from knowledge.context import History
from knowledge.corpus import Corpus
from knowledge.embedder import Embedder
from knowledge.embedding import Content, Embedded, embed
from knowledge.facts import FACTS, Fact
from knowledge.folder import Record
from knowledge.importers import Report, import_articles, import_folder, read_jsonl
from knowledge.index import Index
from knowledge.passage import Found, Passage, Sentence
from knowledge.search import search as find

__all__ = [
    "FACTS",
    "Embedder",
    "Fact",
    "Found",
    "Knowledge",
    "KnowledgeError",
    "Passage",
    "Record",
    "Report",
    "Sentence",
    "import_articles",
    "import_folder",
    "read_jsonl",
]


class Knowledge:
    """What is published, ready to be searched. One for a process and its event loop."""

    def __init__(
        self,
        session_factory: Callable[[], AbstractAsyncContextManager[AsyncSession]],
        embedder: Embedder,
        directory: Path,
    ) -> None:
        """`session_factory` gives sessions for reading; `directory` is where the index may keep its own directory."""
        self._sessions = session_factory
        self._embedder = embedder
        self._index = Index(directory)
        self._loaded = False
        self._refreshing = asyncio.Lock()
        self._embedding: dict[str, asyncio.Task[Embedded]] = {}  # what is at it, by the words' hash

    @property
    def ready(self) -> bool:
        """Whether a search would be answered at once."""
        return self._loaded and self._embedder.loaded

    @property
    def revision(self) -> int:
        """The knowledge revision that is searched; 0 before the first `refresh` or while nothing is published."""
        return self._index.corpus.revision

    async def start(self) -> None:
        """Load the model and build the index, so that the first customer need not wait for them."""
        await asyncio.gather(asyncio.to_thread(self._embedder.load), self.refresh())

    async def refresh(self) -> int:
        """Follow the database; the revision that is searched from now on. One small query if nothing changed."""
        async with self._sessions() as session:
            newest = await articles.revision(session)
        if self._loaded and newest == self.revision:
            return newest
        if self._loaded and self._refreshing.locked():
            return self.revision  # somebody is at it: until then the one before is searched
        async with self._refreshing:
            if not self._loaded or newest != self.revision:
                # A restored database is behind what was read before: start again.
                since = self.revision if newest > self.revision else 0
                async with self._sessions() as session:
                    rows = await corpus.read(session, since)
                await asyncio.to_thread(self._follow, rows, since)
                self._loaded = True
        return self.revision

    async def search(self, question: str, history: History = (), limit: int = 10) -> Found:
        """The passages for a question, best first. `history`: (author, text), oldest first, without the question."""
        await self.refresh()
        return await asyncio.to_thread(find, self._index, self._embedder, question, history, limit)

    async def embed(self, content: Content) -> Embedded:
        """What publishing an article stores; await it outside a transaction, since the model takes its time.

        Who asks for the very words that are being embedded, as a second click does, waits for the same vectors.
        """
        words = content.hash
        if (task := self._embedding.get(words)) is None:
            task = self._embedding[words] = asyncio.create_task(asyncio.to_thread(embed, self._embedder, content))
            task.add_done_callback(lambda _: self._embedding.pop(words, None))
        return await asyncio.shield(task)

    async def rebuild(self) -> None:
        """Read everything again into a fresh index; nothing of what was withdrawn stays on the disk."""
        async with self._refreshing:
            async with self._sessions() as session:
                rows = await corpus.read(session, 0)
            await asyncio.to_thread(self._rebuild, rows)
            self._loaded = True

    async def close(self) -> None:
        """Remove this process's index from the disk."""
        self._loaded = False
        await asyncio.to_thread(self._index.close)

    def _follow(self, rows: corpus.Rows, since: int) -> None:
        before = self._index.corpus if since else Corpus()
        self._index.follow(before.after(corpus.changes(rows)))

    def _rebuild(self, rows: corpus.Rows) -> None:
        self._index.rebuild(Corpus().after(corpus.changes(rows)))
