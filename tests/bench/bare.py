"""The least that any answer needs, in a process of its own: embed the question, query the same index, one by one.

bare.py reads one JSON object a line, {"texts": [...]}, and answers each with {"seconds": ..., "cpu": ...}.
"""

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from knowledge import Knowledge
from knowledge.embedder import Embedder
from knowledge.search import NEAREST
from service.db import Database
from service.settings import Settings


async def serve() -> None:
    """Build the index from the database that is served, then measure what is asked for."""
    settings, embedder = Settings(), Embedder()
    with tempfile.TemporaryDirectory(prefix="firstline-bare-") as directory:
        db = Database(settings.url)
        knowledge = Knowledge(db.read, embedder, Path(directory))
        await knowledge.start()
        print(json.dumps({"passages": len(knowledge._index.corpus.pieces)}), flush=True)
        try:
            for line in sys.stdin:
                began, spent = time.perf_counter(), time.process_time()
                for text in json.loads(line)["texts"]:
                    # As documents: asked as queries, the embedder would remember those it has met before.
                    found = knowledge._index.nearest(embedder.embed_documents([text])[0], NEAREST)
                    assert len(found[1]), "the index is empty"
                seconds, cpu = time.perf_counter() - began, time.process_time() - spent
                print(json.dumps({"seconds": seconds, "cpu": cpu}), flush=True)
        finally:
            await knowledge.close()
            await db.close()


if __name__ == "__main__":
    asyncio.run(serve())
