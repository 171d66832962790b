"""Coroutines from where a loop may be running already."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def apart(run: Any) -> None:
    """Run a coroutine function to its end in a thread of its own."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(run())).result()
