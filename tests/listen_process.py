"""Listens until it has heard two mails, and tells of each what it was and how many bytes more than before it took."""

import ast
import asyncio
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from channels.base import Inbound, Parsed, Quarantined, Setup
from channels.email.channel import EmailChannel


async def main() -> None:
    heard: list[tuple[Parsed, int]] = []
    enough = asyncio.Event()

    async def receive(parsed: Sequence[Parsed], state: Mapping[str, Any]) -> None:
        heard.extend((each, most_bytes() - before) for each in parsed)
        if len(heard) == 2:
            enough.set()

    channel = EmailChannel(Setup(b"k" * 32, os.environ))
    before = most_bytes()
    listening = asyncio.create_task(channel._listen(receive, ast.literal_eval(os.environ["STATE"])))
    waiting = asyncio.create_task(enough.wait())
    await asyncio.wait({listening, waiting}, return_when=asyncio.FIRST_COMPLETED, timeout=60)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    for each, grown in heard:
        if isinstance(each, Quarantined):
            print(grown, "Quarantined", each.sender, each.subject, each.reason)
        elif isinstance(each, Inbound):
            print(grown, "Inbound", each.sender, each.subject, each.text)


def most_bytes() -> int:
    """The most memory this process has had so far. (getrusage would count that of the process it was forked from.)"""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024


asyncio.run(main())
