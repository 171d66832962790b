"""Another process of the same installation: search_process.py QUESTION. Prints what it finds first when that changes.

A line is "<seconds since 1970> <title>", with "-" where nothing is found. It ends when it is told to (SIGTERM).
"""

import asyncio
import signal
import sys
import tempfile
import time
from pathlib import Path

from knowledge import Knowledge
from knowledge.embedder import Embedder
from service.db import Database
from service.settings import Settings


async def run(question: str) -> None:
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
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


def main() -> None:
    asyncio.run(run(sys.argv[1]))
