"""The web chat: visitors' tokens, messages in, and the script that a site embeds."""

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from channels.base import (
    Channel,
    Forbidden,
    Inbound,
    Kind,
    Malformed,
    Outbound,
    Page,
    Receipt,
    Setup,
    Webhook,
)
from channels.demo.shop import shop
from channels.widget import script

MAX_TEXT = 4_000  # characters of one message: a long letter; more is a pasted document, which nobody answers in a chat
MAX_BODY = 64_000  # bytes: MAX_TEXT with every character escaped as a surrogate pair (12 bytes), and room to spare
THREAD_BYTES = 24  # 192 random bits: nobody meets another's thread by guessing
CALL = "Talk to a person"  # what the conversation shows when the button was pressed

ID = re.compile(r"[A-Za-z0-9-]{8,64}")  # a message's id, made by the visitor's browser
SURROGATE = re.compile("[\ud800-\udfff]")


class WebChat(Channel):
    """Each visitor has one thread, and a token for it: `thread.signature`.

    The token is kept by the visitor's browser alone and checked without a look-up. Whoever holds it reads and writes
    that one conversation and no other.
    """

    name = "webchat"
    title = "Web chat"
    max_body = MAX_BODY
    public = True
    debounce = 0.4  # people watch the screen: only a thought sent in two quick lines is waited for

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._key = hmac.digest(setup.secret, b"webchat visitor tokens", "sha256")
        self._script = script()

    def parse(self, webhook: Webhook) -> list[Inbound]:
        thread = self.thread(webhook.headers)
        body = _object(webhook.body)
        message_id, text, person = body.get("id"), body.get("text", ""), body.get("person", False)
        if not isinstance(message_id, str) or not ID.fullmatch(message_id):
            raise Malformed("Give each message an id of 8 to 64 letters, digits and hyphens.")
        if not isinstance(text, str):
            raise Malformed("A message's text must be a string.")
        if not isinstance(person, bool):
            raise Malformed("Whether a person is called for (person) must be true or false.")
        text = _clean(text)
        if len(text) > MAX_TEXT:
            raise Malformed(
                f"A message may have up to {MAX_TEXT:,} characters, this one has {len(text):,}: shorten it."
            )
        if not text and not person:
            raise Malformed("Write a message first.")
        return [
            Inbound(
                sender=thread,
                thread=thread,
                # The thread is part of it, so that no visitor can use up another's ids.
                external_id=f"{thread}:{message_id}",
                text=text or CALL,
                kind=Kind.PERSON if person else Kind.MESSAGE,
            )
        ]

    async def send(self, outbound: Outbound) -> Receipt:
        """Nothing to do: visitors read what the database holds, by the live stream."""
        return Receipt(external_id=outbound.key)

    def thread(self, headers: Mapping[str, str]) -> str:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        thread, _, signature = token.strip().partition(".")
        if scheme.lower() != "bearer" or not hmac.compare_digest(_bytes(signature), _bytes(self._sign(thread))):
            raise Forbidden("This chat's token is missing or not valid: start a new chat.")
        return thread

    def token(self) -> str:
        """A new visitor's token."""
        thread = secrets.token_urlsafe(THREAD_BYTES)
        return f"{thread}.{self._sign(thread)}"

    def reply(self, external_id: str, seq: int) -> dict[str, Any]:
        return {"id": external_id.rpartition(":")[2], "seq": seq}

    def session(self, headers: Mapping[str, str]) -> dict[str, Any]:
        """A visitor's token, the same again if theirs is good, and the words the widget opens with."""
        try:
            self.thread(headers)
            token = headers["authorization"].partition(" ")[2].strip()
        except Forbidden:
            token = self.token()
        company = self.setup.company
        return {
            "token": token,
            "company": company,
            "opening": f"Hello. I am the AI assistant of {company}, not a person. I answer from our help centre. "
            "You can talk to a person at any time: press the button above.",
            "limit": MAX_TEXT,
        }

    def pages(self) -> APIRouter:
        router = APIRouter()

        @router.post("/session")
        async def session(request: Request, response: Response) -> dict[str, Any]:
            response.headers["Cache-Control"] = "no-store"
            return self.session(request.headers)

        @router.get("/widget.js")
        async def widget(request: Request) -> Response:
            return _cached(request, self._script, "text/javascript; charset=utf-8")

        return router

    def demo(self) -> tuple[Page, APIRouter]:
        return shop()

    def _sign(self, thread: str) -> str:
        digest = hmac.digest(self._key, _bytes(thread), "sha256")
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body.decode())
    except (ValueError, RecursionError):
        raise Malformed("Send a message as one JSON object.") from None
    if not isinstance(value, dict):
        raise Malformed("Send a message as one JSON object.")
    return value


def _clean(text: str) -> str:
    """Without what no database keeps: NUL is dropped, half a surrogate pair becomes the replacement character."""
    return SURROGATE.sub("\ufffd", text.replace("\0", "")).replace("\r\n", "\n").strip()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _cached(request: Request, content: bytes, media_type: str) -> Response:
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {
        "ETag": tag,
        "Cache-Control": "public, max-age=300, stale-while-revalidate=86400",
        "Cross-Origin-Resource-Policy": "cross-origin",  # sites that isolate themselves may still embed it
        "X-Content-Type-Options": "nosniff",
    }
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)
