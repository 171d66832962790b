"""Doubles with a script and a history: channels, the sink one of them posts to, an agent that says what it is told."""

import asyncio
import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from channels.base import Channel, Forbidden, Inbound, Kind, Malformed, Outbound, OutcomeUnknown, Receipt, Webhook
from service.agent import Asked, Response
from service.agent.policy import Answer, Escalate


class Sink:
    """The customer's side of the test channel: an HTTP server that keeps what it is sent, in order."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                sink.received.append(json.loads(body))
                self.answer(200)

            def do_GET(self) -> None:
                key = self.path.removeprefix("/sent/")
                self.answer(200 if any(each["key"] == key for each in sink.received) else 404)

            def answer(self, status: int) -> None:
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def texts(self, thread: str) -> list[str]:
        return [each["text"] for each in self.received if each["thread"] == thread]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class SinkChannel(Channel):
    """A vendor that can be asked what became of a message."""

    name, title, debounce, max_wait = "sink", "Test sink", 0.0, 0.5

    def __init__(self, url: str) -> None:
        self.url = url

    def parse(self, webhook: Webhook) -> list[Any]:
        if webhook.headers.get("authorization") == "forged":
            raise Forbidden("This is not from the sink.")
        try:
            body = json.loads(webhook.body)
            return [
                Inbound(
                    sender=body["thread"],
                    thread=body["thread"],
                    external_id=body["id"],
                    text=body["text"],
                    kind=Kind(body.get("kind", "message")),
                )
            ]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise Malformed("The sink sends JSON with thread, id and text.") from None

    async def send(self, outbound: Outbound) -> Receipt:
        body = {"key": outbound.key, "thread": outbound.thread, "text": outbound.text, "author": outbound.author}
        async with httpx.AsyncClient() as client:
            (await client.post(self.url, json=body)).raise_for_status()
        return Receipt(outbound.key)

    async def outcome(self, outbound: Outbound) -> Receipt | None:
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"{self.url}/sent/{outbound.key}")
        return Receipt(outbound.key) if answer.status_code == 200 else None

    def thread(self, headers: Mapping[str, str]) -> str:
        if "x-thread" not in headers:
            raise Forbidden("Say whose thread it is.")
        return headers["x-thread"]


class ScriptedChannel(Channel):
    """A vendor that does what the script says, one entry a send: a Receipt, or an exception to raise."""

    name, title, debounce, max_wait = "sink", "Scripted", 0.0, 0.5

    def __init__(self, *script: Any, known: bool | None = None) -> None:
        self.script, self.sent = list(script), list[Outbound]()
        if known is not None:
            self.asked = list[Outbound]()
            self.outcome = self._outcome
        self.known = known

    async def send(self, outbound: Outbound) -> Receipt:
        self.sent.append(outbound)
        step = self.script.pop(0) if self.script else Receipt(f"vendor-{len(self.sent)}")
        if isinstance(step, Exception):
            raise step
        return step

    async def _outcome(self, outbound: Outbound) -> Receipt | None:
        self.asked.append(outbound)
        if self.known == "unreachable":
            raise OutcomeUnknown("the vendor does not answer")
        return Receipt("found") if self.known else None


class ScriptedAgent:
    """Answers with an echo, or with what the script returns; `gate` holds it up until it is set."""

    def __init__(self, script: Callable[[Asked], Response] | None = None, *, gate: asyncio.Event | None = None) -> None:
        self.script, self.gate, self.asked = script or echo, gate, list[Asked]()
        self.claude = None

    async def respond(self, asked: Asked) -> Response:
        self.asked.append(asked)
        if self.gate:
            await self.gate.wait()
        return self.script(asked)

    async def close(self) -> None:
        return


def echo(asked: Asked) -> Response:
    """An answer that repeats the question, so that a test sees which one it is."""
    verdict = Answer(reason="It is scripted.", text=f"echo: {asked.text}", sources=())
    return Response(verdict, topic="Test", confidence=0.9, threshold=0.5, record={"question": asked.text})


def call_person(asked: Asked) -> Response:
    verdict = Escalate(reason="It is scripted.", text="A person has been called.")
    return Response(verdict, topic="", confidence=0.1, threshold=0.5, record={"question": asked.text})


class NoKnowledge:
    """Stands where nothing is searched."""

    ready, revision = True, 0

    async def start(self) -> None:
        return

    async def close(self) -> None:
        return
