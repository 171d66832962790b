"""Visitors, in a process of their own: so many in flight, each with one message, and what came of each.

Reads commands from standard input, one JSON object a line, and answers each with a line:
{"do": "run", "client": "chat", "url": ..., "texts": [...], "flight": 16}   -> messages, seconds, latencies, faults
{"do": "check"}                                                            -> faults found by reading all again
"""

import asyncio
import json
import sys
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

#: A message without a reply for so many seconds is lost.
LOST_SECONDS = 60.0
#: Readers of the check, which is not timed.
CHECKED_AT_ONCE = 16
#: Sentences about faults that are worth reading; of more there is a number.
MOST_TOLD = 5

_visitors = count()


class Refused(Exception):
    """What a server answered in place of taking a message, as a sentence."""


def address() -> str:
    """A loopback address for each visitor, so that no limit on one address is met (Linux has all of 127/8)."""
    number = next(_visitors)
    return f"127.{1 + number // 62_500 % 250}.{number // 250 % 250}.{2 + number % 250}"


class Connection:
    """HTTP/1.1 over one connection, as little of it as the measured servers speak: a client that costs little."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self.reader, self.writer, self.host = reader, writer, host

    @classmethod
    async def open(cls, url: str, source: str) -> "Connection":
        host, _, port = url.removeprefix("http://").partition(":")
        return cls(*await asyncio.open_connection(host, int(port), local_addr=(source, 0)), f"{host}:{port}")

    @property
    def ended(self) -> bool:
        """Whether the server has closed it, as it does after a while in which nothing is sent."""
        return self.reader.at_eof() or self.writer.is_closing()

    async def post(self, path: str, body: dict[str, Any] | None = None, token: str = "") -> dict[str, Any]:
        await self._send("POST", path, token, json.dumps(body or {}).encode())
        status, headers = await self._head()
        answer = await self.reader.readexactly(int(headers["content-length"]))
        if status != 200:
            raise Refused(f"POST {path} was answered with {status}: {answer.decode(errors='replace')[:200]}")
        return json.loads(answer)

    async def form(self, path: str, body: str, signature: str) -> int:
        """The status of a form that is posted with a vendor's signature."""
        signed = f"x-twilio-signature: {signature}\r\n"
        await self._send("POST", path, "", body.encode(), "application/x-www-form-urlencoded", signed)
        status, headers = await self._head()
        await self.reader.readexactly(int(headers["content-length"]))
        return status

    async def events(self, path: str, token: str) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """(event, data) of a live stream."""
        await self._send("GET", path, token)
        status, _ = await self._head()
        if status != 200:
            raise Refused(f"GET {path} was answered with {status}.")
        event, rest = "", ""
        while size := int(await self.reader.readline(), 16):
            *lines, rest = (rest + (await self.reader.readexactly(size + 2))[:-2].decode()).split("\n")
            for line in lines:
                name, _, value = line.rstrip("\r").partition(": ")
                if name == "event":
                    event = value
                elif name == "data":
                    yield event, json.loads(value)

    async def _send(
        self, method: str, path: str, token: str, body: bytes = b"", kind: str = "application/json", more: str = ""
    ) -> None:
        head = f"{method} {path} HTTP/1.1\r\nhost: {self.host}\r\ncontent-type: {kind}\r\n{more}"
        bearer = f"authorization: Bearer {token}\r\n" if token else ""
        self.writer.write(f"{head}{bearer}content-length: {len(body)}\r\n\r\n".encode() + body)
        await self.writer.drain()

    async def _head(self) -> tuple[int, dict[str, str]]:
        first, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        pairs = (line.partition(":") for line in lines if line)
        return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}

    def close(self) -> None:
        self.writer.close()


class Chat:
    """A visitor of our web chat: opens it, follows the conversation, writes, and reads the reply there."""

    def __init__(self, url: str) -> None:
        self.url, self.source, self.token, self.sent = url, address(), "", False

    async def ask(self, text: str) -> float:
        """Seconds from the message to its reply."""
        path = "/channels/webchat"
        writing, reading = [await Connection.open(self.url, self.source) for _ in range(2)]
        try:
            self.token = (await writing.post(f"{path}/session"))["token"]
            events = reading.events(f"{path}/stream", self.token)
            await anext(events)  # its first word is the state: from here on nothing is missed
            began = time.perf_counter()
            self.sent = True
            await writing.post(path, {"id": str(uuid.uuid4()), "text": text}, self.token)
            async for event, data in events:
                if event == "message" and data["author"] == "agent":
                    return time.perf_counter() - began
            raise Refused("A live stream ended before the reply.")
        finally:
            writing.close()
            reading.close()

    async def check(self) -> str:
        """What the conversation holds, if it is not one message and one reply."""
        if not self.sent:
            return ""
        connection = await Connection.open(self.url, self.source)
        authors = []
        try:
            async for event, data in connection.events("/channels/webchat/stream", self.token):
                if event == "state":
                    break
                authors.append(data["author"])
        finally:
            connection.close()
        replies, messages = authors.count("agent"), authors.count("customer")
        if (messages, replies) == (1, 1):
            return ""
        return f"A conversation holds {messages} messages and {replies} replies instead of one and one."


class Plain:
    """A caller of an agent behind one route, whose answer is the reply."""

    def __init__(self, url: str) -> None:
        self.url, self.source, self.reply = url, address(), ""

    async def ask(self, text: str) -> float:
        connection = await Connection.open(self.url, self.source)
        try:
            began = time.perf_counter()
            self.reply = (await connection.post("/chat", {"thread": str(uuid.uuid4()), "text": text}))["reply"]
            return time.perf_counter() - began
        finally:
            connection.close()

    async def check(self) -> str:
        return "" if self.reply.strip() else "A reply was empty."


CLIENTS: dict[str, Any] = {"chat": Chat, "plain": Plain}


@dataclass
class Run:
    """One run and what came of it. `seconds`: from the first message to the last reply."""

    visitors: list[Any]
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


async def run(client: str, url: str, texts: Sequence[str], flight: int, lost: float = LOST_SECONDS) -> Run:
    """Every text from a visitor of its own, `flight` of them at a time."""
    made = Run([CLIENTS[client](url) for _ in texts])
    waiting = iter(list(zip(made.visitors, texts, strict=True)))

    async def one_after_another() -> None:
        for visitor, text in waiting:
            try:
                made.latencies.append(await asyncio.wait_for(visitor.ask(text), lost))
            except TimeoutError:
                made.faults.append(f"A message had no reply within {lost:g} seconds.")
            except (OSError, asyncio.IncompleteReadError, Refused) as error:
                made.faults.append(str(error) or type(error).__name__)

    began = time.perf_counter()
    await asyncio.gather(*(one_after_another() for _ in range(flight)))
    made.seconds = time.perf_counter() - began
    return made


async def check(made: Run, seconds: float = LOST_SECONDS) -> list[str]:
    """What is wrong with what the servers hold of a run, read again from the beginning."""
    gate, faults = asyncio.Semaphore(CHECKED_AT_ONCE), list[str]()

    async def one(visitor: Any) -> None:
        async with gate:
            try:
                fault = await asyncio.wait_for(visitor.check(), seconds)
            except (OSError, TimeoutError, asyncio.IncompleteReadError, Refused) as error:
                fault = f"A conversation could not be read again: {error or type(error).__name__}"
            if fault:
                faults.append(fault)

    await asyncio.gather(*map(one, made.visitors))
    return faults


async def serve() -> None:
    """Commands in, answers out, until standard input ends."""
    made: Run | None = None
    while line := await asyncio.to_thread(sys.stdin.readline):
        command = json.loads(line)
        if command.pop("do") == "run":
            made = await run(**command)
            answer = {"seconds": made.seconds, "latencies": made.latencies, "faults": made.faults}
        else:
            answer = {"faults": await check(made) if made else []}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(serve())
