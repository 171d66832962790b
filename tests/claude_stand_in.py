"""A local server that speaks POST /v1/messages, as a stream, and GET /v1/models/NAME: it checks requests, by script."""

import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-stand-in"


@dataclass(frozen=True)
class Fail:
    """An HTTP error, in the form of the API's errors unless `body` says otherwise."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    message: str = "It failed."
    body: bytes | None = None


@dataclass(frozen=True)
class Raw:
    """A 200 with these bytes as its stream."""

    body: bytes
    kind: str = "text/event-stream"


@dataclass(frozen=True)
class Hang:
    """No answer for so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Stream:
    """A reply that does not come as it should.

    `until`: the event with which it ends early, by its place among its kind, as ("content_block_delta", 2). `then`: end
    (as if that were all), cut (the connection ends in the middle), reset, hang (nothing more) or ping (nothing but
    signs of life). `drip`: seconds between pieces. `extra`: events that come after the first one.
    """

    message: dict[str, Any]
    until: tuple[str, int] = ("message_stop", 1)
    then: str = "end"
    seconds: float = 2.0
    drip: float = 0.0
    extra: tuple[tuple[str, Any], ...] = ()
    last: bytes = b""  # after the last event


Step = dict[str, Any] | Fail | Raw | Hang | Stream
Script = Step | Callable[[dict[str, Any]], Step]


class StandIn:
    """The API on loopback. `requests` are the bodies that came; `faults` what was wrong with any of them."""

    def __init__(self, *script: Script) -> None:
        self.script, self.requests, self.faults = list(script), list[dict[str, Any]](), list[str]()
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                stand_in.requests.append(body)
                stand_in.faults += faults(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                self.reply(body)

            def do_GET(self) -> None:
                stand_in.requests.append({"path": self.path})
                if not self.path.startswith("/v1/models/") or KEY not in self.headers.get("authorization", ""):
                    stand_in.faults.append(f"{self.path} is asked, or without the key")
                self.reply({})

            def reply(self, body: dict[str, Any]) -> None:
                # The last step is what every later request gets.
                step = stand_in.script.pop(0) if len(stand_in.script) > 1 else stand_in.script[0]
                self.take(step(body) if callable(step) else step)

            def take(self, step: Step) -> None:
                if isinstance(step, Hang):
                    time.sleep(step.seconds)
                    self.close_connection = True
                elif isinstance(step, Raw):
                    self.begin(200, {"content-type": step.kind})
                    self.send([step.body])
                    self.send([b""])
                elif isinstance(step, Fail):
                    error = {"type": "error", "error": {"type": "some_error", "message": step.message}}
                    body = json.dumps(error).encode() if step.body is None else step.body
                    self.begin(step.status, {"content-type": "application/json", **step.headers})
                    self.send([body] if body else [])
                    self.send([b""])
                elif self.command == "GET":
                    self.begin(200, {"content-type": "application/json"})
                    self.send([json.dumps(step).encode(), b""])
                else:
                    with contextlib.suppress(OSError):  # nobody listens any more
                        self.speak(step if isinstance(step, Stream) else Stream(step))

            def speak(self, step: Stream) -> None:
                self.begin(200, {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"})
                events = list(spoken(step.message))
                kinds = [name for name, _ in events]
                kind, place = step.until
                assert kinds.count(kind) >= place, f"the reply has no such event: {step.until}"
                end = [at for at, name in enumerate(kinds) if name == kind][place - 1] + 1
                events = [*events[:1], *step.extra, *events[1:end]]
                body = b"".join(event(name, data) for name, data in events) + step.last
                self.send(pieces(body), step.drip)
                until = time.monotonic() + step.seconds
                while step.then in ("hang", "ping") and time.monotonic() < until:
                    time.sleep(0.05)
                    if step.then == "ping":
                        self.send([event("ping", {"type": "ping"})])
                if step.then == "end":
                    self.send([b""])
                    return
                self.close_connection = True
                if step.then == "reset":
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.connection.close()

            def begin(self, status: int, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in {"request-id": "req_1", "transfer-encoding": "chunked", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()

            def send(self, parts: Iterable[bytes], drip: float = 0.0) -> None:
                """Each part as a chunk of its own; an empty one ends the body."""
                for part in parts:
                    self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
                    self.wfile.flush()
                    time.sleep(drip)

            def log_message(self, format: str, *args: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def faults(path: str, headers: dict[str, str], body: dict[str, Any]) -> list[str]:
    """What the API would not accept, or what we would not want to be sent."""
    found: list[str] = []

    def must(held: bool, what: str) -> None:
        if not held:
            found.append(what)

    must(path == "/v1/messages", f"the path is {path}")
    must(KEY in (headers.get("x-api-key"), headers.get("authorization", "").removeprefix("Bearer ")), "no key")
    must(bool(headers.get("anthropic-version")), "no version")
    allowed = {"model", "max_tokens", "system", "messages", "tools", "tool_choice", "stream"}
    must(set(body) <= allowed, f"unknown parameters {set(body) - allowed}")
    must(body.get("stream") is True, "the reply is not streamed")
    must(isinstance(body.get("max_tokens"), int), "no max_tokens")
    system = body.get("system") or [{}]
    must(system[-1].get("cache_control") == {"type": "ephemeral"}, "the stable prefix is not cached")
    tools = body.get("tools") or []
    must([tool["name"] for tool in tools] == ["hand_over"], "no tool to hand over with")
    must(all(tool["input_schema"]["type"] == "object" for tool in tools), "a tool without a schema")
    messages = body.get("messages") or [{}]
    must(len(messages) == 1 and messages[0].get("role") == "user", "not one message of the user")
    content = messages[0].get("content") or []
    results = [block for block in content if block["type"] == "search_result"]
    must(bool(results), "no search results")
    for block in results:
        must(set(block) == {"type", "source", "title", "content", "citations"}, "a search result of another shape")
        must(block["citations"] == {"enabled": True}, "citations are off")
        must(bool(block["source"] and block["title"] and block["content"]), "an empty search result")
        must(all(set(each) == {"type", "text"} and each["text"].strip() for each in block["content"]), "an empty block")
    must(content[-1:] != [] and content[-1]["type"] == "text", "the conversation does not come last")
    return found


def event(name: str, data: Any) -> bytes:
    """One event as the API writes it."""
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def spoken(message: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    """The events of a reply: a text in two pieces with its citations between them, a tool's input in three."""

    def named(name: str, **data: Any) -> tuple[str, Any]:
        return name, {"type": name, **data}

    told = message.get("usage")
    begun = {**message, "content": [], "stop_reason": None}
    begun.pop("stop_details", None)
    yield named("message_start", message=begun | ({"usage": {**told, "output_tokens": 1}} if told else {}))
    yield named("ping")
    for index, block in enumerate(message.get("content", ())):
        deltas: list[dict[str, Any]] = []
        start = dict(block)
        if block["type"] == "text":
            middle = len(block["text"]) // 2
            halves = [{"type": "text_delta", "text": half} for half in (block["text"][:middle], block["text"][middle:])]
            cited = [{"type": "citations_delta", "citation": each} for each in block["citations"] or ()]
            deltas = [halves[0], *cited, halves[1]]
            start = {"type": "text", "text": ""} | ({"citations": []} if cited else {})
        elif block["type"] == "tool_use":
            whole = json.dumps(block["input"])
            deltas = [
                {"type": "input_json_delta", "partial_json": part}
                for part in ("", whole[: len(whole) // 2], whole[len(whole) // 2 :])
            ]
            start["input"] = {}
        elif block["type"] == "thinking":
            deltas = [
                {"type": "thinking_delta", "thinking": block["thinking"]},
                {"type": "signature_delta", "signature": block["signature"]},
            ]
            start |= {"thinking": "", "signature": ""}
        yield named("content_block_start", index=index, content_block=start)
        for delta in deltas:
            yield named("content_block_delta", index=index, delta=delta)
        yield named("content_block_stop", index=index)
    ended = {name: message.get(name) for name in ("stop_reason", "stop_sequence", "stop_details")}
    yield named("message_delta", delta=ended, usage={"output_tokens": told["output_tokens"]} if told else {})
    yield named("message_stop")


def pieces(body: bytes) -> Iterable[bytes]:
    """As networks cut it: anywhere, and each letter that has several bytes through its middle."""
    cuts = sorted({*range(0, len(body), 97), *(at for at, byte in enumerate(body) if byte & 0xC0 == 0x80)})
    for start, end in zip(cuts, [*cuts[1:], len(body)], strict=True):
        yield body[start:end]


def message(*content: dict[str, Any], stop: str | None = "end_turn", **more: Any) -> dict[str, Any]:
    """A reply of the API."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-5-5",
        "content": list(content),
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {
            "input_tokens": 1000,
            "output_tokens": 60,
            "cache_read_input_tokens": 200,
            "cache_creation_input_tokens": 100,
        },
        **more,
    }


def said(text: str, *citations: dict[str, Any]) -> dict[str, Any]:
    """A text block."""
    return {"type": "text", "text": text, "citations": list(citations) or None}


def handed_over(reason: Any = "The order must be looked at.", name: str = "hand_over") -> dict[str, Any]:
    return {"type": "tool_use", "id": "toolu_1", "name": name, "input": {"reason": reason}}


def cite(body: dict[str, Any], words: str) -> dict[str, Any]:
    """The citation of the one block that holds `words`."""
    results = [block for block in body["messages"][0]["content"] if block["type"] == "search_result"]
    for number, result in enumerate(results):
        for place, block in enumerate(result["content"]):
            if words in block["text"]:
                return cite_block(results, number, place)
    raise AssertionError(f"no block holds {words!r}")


def cite_block(results: Sequence[dict[str, Any]], number: int, place: int) -> dict[str, Any]:
    """The citation of one block of one search result."""
    result = results[number]
    return {
        "type": "search_result_location",
        "search_result_index": number,
        "source": result["source"],
        "title": result["title"],
        "start_block_index": place,
        "end_block_index": place + 1,
        "cited_text": result["content"][place]["text"],
    }
