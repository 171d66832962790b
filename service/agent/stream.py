"""Claude's reply as it comes in, event by event: put together, and what it has used so far (pure)."""

import json
from typing import Any

from pydantic import Field

from service.agent.budget import BYTES_PER_TOKEN, Usage
from service.agent.cited import Read, Reply, Tokens

#: Errors in the middle of a stream have a type and no status of their own.
STATUS_OF = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}


class Garbled(ValueError):
    """An event that cannot follow those before it."""


class _Start(Read):
    message: dict[str, Any]


class _BlockStart(Read):
    index: int
    content_block: dict[str, Any]


class _Delta(Read):
    type: str
    text: str = ""
    partial_json: str = ""
    thinking: str = ""
    citation: dict[str, Any] = Field(default_factory=dict)


class _BlockDelta(Read):
    index: int
    delta: _Delta


class _MessageDelta(Read):
    delta: dict[str, Any]
    usage: dict[str, Any] = Field(default_factory=dict)


class Heard:
    """What has come of one reply. Nothing of it is anybody's to read before `ended`."""

    def __init__(self) -> None:
        self.ended = False
        self._message: dict[str, Any] = {}
        self._blocks: list[dict[str, Any]] = []
        self._inputs: dict[int, str] = {}  # of tools, as JSON that is not complete yet
        self._bytes = 0

    @property
    def begun(self) -> bool:
        return bool(self._message)

    def take(self, event: dict[str, Any]) -> None:
        """The next event. Raises ValueError where it makes no sense; events that are unknown here are passed over."""
        match event.get("type"):
            case "message_start":
                if self._message:
                    raise Garbled("a second reply began")
                self._message = _Start.model_validate(event).message
            case "content_block_start":
                start = _BlockStart.model_validate(event)
                if not self._message or start.index != len(self._blocks):
                    raise Garbled("a block began out of order")
                self._blocks.append(dict(start.content_block))
            case "content_block_delta":
                self._add(_BlockDelta.model_validate(event))
            case "message_delta":
                if not self._message:
                    raise Garbled("a reply ended that had not begun")
                more = _MessageDelta.model_validate(event)
                self._message |= {name: more.delta.get(name) for name in ("stop_reason", "stop_details")}
                # Totals: they take the place of those before, and what is not named stays.
                counts = {name: count for name, count in more.usage.items() if count is not None}
                self._message["usage"] = (self._message.get("usage") or {}) | counts
            case "message_stop":
                self.ended = bool(self._message)

    def _add(self, event: _BlockDelta) -> None:
        if not 0 <= event.index < len(self._blocks):
            raise Garbled("a piece of a block that had not begun")
        block, delta = self._blocks[event.index], event.delta
        self._bytes += len((delta.text + delta.partial_json + delta.thinking).encode("utf-8", "replace"))
        if delta.type == "text_delta":
            block["text"] = str(block.get("text") or "") + delta.text
        elif delta.type == "citations_delta":
            block["citations"] = [*(block.get("citations") or []), delta.citation]
        elif delta.type == "input_json_delta":
            self._inputs[event.index] = self._inputs.get(event.index, "") + delta.partial_json

    def reply(self) -> Reply:
        """The whole reply. Raises ValueError if it cannot be read."""
        if not self._message:
            raise Garbled("there was no reply")
        blocks = [dict(block) for block in self._blocks]
        for index, text in self._inputs.items():
            blocks[index]["input"] = _object(text)
        return Reply.model_validate(self._message | {"content": blocks})

    def usage(self, most: Usage) -> Usage:
        """What it has cost so far, as far as it was told; of what was broken off, no less than what has come.

        Before anything was told it is `most`.
        """
        try:
            told = Tokens.model_validate(self._message.get("usage") or {})
        except ValueError:
            return most
        if not (told.input_tokens or told.cache_read_input_tokens or told.cache_creation_input_tokens):
            return most
        # Of a reply that is not at its end only the first count is told, which is that of its beginning.
        come = 0 if self.ended else self._bytes // BYTES_PER_TOKEN + 1
        return Usage(
            told.input_tokens,
            max(told.output_tokens, come),
            told.cache_read_input_tokens or 0,
            told.cache_creation_input_tokens or 0,
            estimated=not self.ended,
        )


def _object(text: str) -> dict[str, Any]:
    """A tool's input. One that was cut off is none: which tool was called is what counts."""
    try:
        given = json.loads(text or "{}")
    except ValueError:
        return {}
    return given if isinstance(given, dict) else {}
