"""A local server that speaks POST /v1/messages and GET /v1/models/NAME: it checks requests and replies by script."""

import contextlib
import json
import threading
import time
from collections.abc import Callable
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
    """A 200 with these bytes. `cut`: more is announced than comes."""

    body: bytes
    cut: bool = False


@dataclass(frozen=True)
class Hang:
    """No answer for so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Trickle:
    """A 200 of which a byte comes every now and then, for so many seconds: no read ever times out."""

    seconds: float


Step = dict[str, Any] | Fail | Raw | Hang | Trickle
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
                elif isinstance(step, Trickle):
                    self.answer(200, b"{", {}, 1000)
                    until = time.monotonic() + step.seconds
                    with contextlib.suppress(OSError):  # nobody listens any more
                        while time.monotonic() < until:
                            self.wfile.write(b" ")
                            time.sleep(0.05)
                    self.close_connection = True
                elif isinstance(step, Raw):
                    self.answer(200, step.body, {}, len(step.body) + (1000 if step.cut else 0))
                    self.close_connection = True
                elif isinstance(step, Fail):
                    error = {"type": "error", "error": {"type": "some_error", "message": step.message}}
                    body = json.dumps(error).encode() if step.body is None else step.body
                    self.answer(step.status, body, step.headers, len(body))
                else:
                    body = json.dumps(step).encode()
                    self.answer(200, body, {}, len(body))

            def answer(self, status: int, body: bytes, headers: dict[str, str], length: int) -> None:
                self.send_response(status)
                for name, value in {"content-type": "application/json", "request-id": "req_1", **headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(length))
                self.end_headers()
                self.wfile.write(body)

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
    allowed = {"model", "max_tokens", "system", "messages", "tools", "tool_choice"}
    must(set(body) <= allowed, f"unknown parameters {set(body) - allowed}")
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
                return {
                    "type": "search_result_location",
                    "search_result_index": number,
                    "source": result["source"],
                    "title": result["title"],
                    "start_block_index": place,
                    "end_block_index": place + 1,
                    "cited_text": block["text"],
                }
    raise AssertionError(f"no block holds {words!r}")
