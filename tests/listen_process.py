"""Listens until it has heard two mails, and tells what they were and by how many bytes it grew meanwhile."""

import ast
import asyncio
import os
import resource
from collections.abc import Mapping, Sequence
from typing import Any

from channels.base import Inbound, Parsed, Quarantined, Setup
from channels.email.channel import EmailChannel


async def main() -> None:
    heard: list[Parsed] = []
    enough = asyncio.Event()

    async def receive(parsed: Sequence[Parsed], state: Mapping[str, Any]) -> None:
        heard.extend(parsed)
        if len(heard) == 2:
            enough.set()

    channel = EmailChannel(Setup(b"k" * 32, os.environ))
    before = most_bytes()
    listening = asyncio.create_task(channel._listen(receive, ast.literal_eval(os.environ["STATE"])))
    waiting = asyncio.create_task(enough.wait())
    await asyncio.wait({listening, waiting}, return_when=asyncio.FIRST_COMPLETED, timeout=60)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    for each in heard:
        if isinstance(each, Quarantined):
            print("Quarantined", each.sender, each.subject, each.reason)
        elif isinstance(each, Inbound):
            print("Inbound", each.sender, each.subject, each.text)
    print(most_bytes() - before)


def most_bytes() -> int:
    """The most memory this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


asyncio.run(main())
