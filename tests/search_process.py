"""Another process of the same installation: search_process.py QUESTION. Prints what it finds first when that changes.

A line is "<seconds since 1970> <title>", with "-" where nothing is found. It ends when its standard input does.
"""

import asyncio
import sys
import tempfile
import threading
import time
from pathlib import Path

from knowledge import Knowledge
from knowledge.embedder import Embedder
from service.db import Database
from service.settings import Settings


async def run(question: str) -> None:
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    db = Database(Settings(_env_file=None).url)
    with tempfile.TemporaryDirectory() as directory:
        knowledge = Knowledge(db.read, Embedder(), Path(directory))
        await knowledge.start()
        shown = ""
        while not over.is_set():
            passages = (await knowledge.search(question)).passages
            first = passages[0].title if passages else "-"
            if first != shown:
                print(time.time(), first, flush=True)
                shown = first
            await asyncio.sleep(0.05)
        await knowledge.close()
    await db.close()


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1]))
