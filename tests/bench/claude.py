"""A stand-in for Claude's API that answers at once, in a process of its own: claude.py PORT.

It cites the first block of the first search result, as a reply that holds would. GET /calls: how often it was asked.
"""

import asyncio
import json
import sys
from typing import Any


def reply(body: dict[str, Any]) -> dict[str, Any]:
    """One sentence of the first passage, with its citation."""
    result = next(block for block in body["messages"][0]["content"] if block["type"] == "search_result")
    text = result["content"][0]["text"]
    cited = {
        "type": "search_result_location",
        "search_result_index": 0,
        "source": result["source"],
        "title": result["title"],
        "start_block_index": 0,
        "end_block_index": 1,
        "cited_text": text,
    }
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [{"type": "text", "text": text, "citations": [cited]}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 1000, "output_tokens": 60},
    }


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
                    payload = json.dumps(reply(json.loads(body))).encode()
                else:
                    payload = json.dumps({"calls": self.calls}).encode()
                more = f"content-type: application/json\r\nrequest-id: req_{self.calls}\r\n"
                writer.write(f"HTTP/1.1 200 OK\r\n{more}content-length: {len(payload)}\r\n\r\n".encode() + payload)
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            writer.close()


async def main(port: int) -> None:
    server = await asyncio.start_server(StandIn().answer, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
