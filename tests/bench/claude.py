"""A stand-in for Claude's API that answers at once, in a process of its own: claude.py PORT.

It says and cites the first block of each search result, word for word, as long as that makes a short reply:
the passages that the answer was measured on are among them. GET /calls: how often it was asked.
"""

import asyncio
import json
import sys
from typing import Any

from tests.claude_stand_in import cite_block, event, message, said, spoken

#: Well below what our own agent takes for too long (service/agent/claude.py, MOST_WORDS).
MOST_WORDS = 90


def reply(body: dict[str, Any]) -> dict[str, Any]:
    """The first block of each search result, as far as they are short, with its citation. At least one."""
    results = [block for block in body["messages"][0]["content"] if block["type"] == "search_result"]
    texts, words = [], 0
    for number, result in enumerate(results):
        text = result["content"][0]["text"]
        words += len(text.split())
        if texts and words > MOST_WORDS:
            break
        texts.append(said(text if not texts else f"\n{text}", cite_block(results, number, 0)))
    return message(*texts) | {"model": body["model"]}


class StandIn:
    """The API on loopback; `calls` counts what it was asked."""

    def __init__(self) -> None:
        self.calls = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, for as long as its other end keeps it."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
                lengths = [int(line.partition(":")[2]) for line in head if line.startswith("content-length:")]
                body = await reader.readexactly(lengths[0] if lengths else 0)
                if head[0].startswith("post"):
                    self.calls += 1
                    kind, payload = self.written(json.loads(body))
                else:
                    kind, payload = "application/json", json.dumps({"calls": self.calls}).encode()
                more = f"content-type: {kind}\r\nrequest-id: req_{self.calls}\r\n"
                writer.write(f"HTTP/1.1 200 OK\r\n{more}content-length: {len(payload)}\r\n\r\n".encode() + payload)
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    def written(self, body: dict[str, Any]) -> tuple[str, bytes]:
        """The reply in the form that was asked for: its content type and its bytes."""
        if not body.get("stream"):
            return "application/json", json.dumps(reply(body)).encode()
        return "text/event-stream; charset=utf-8", b"".join(event(name, data) for name, data in spoken(reply(body)))


async def main(port: int) -> None:
    server = await asyncio.start_server(StandIn().answer, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
