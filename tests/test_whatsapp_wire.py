"""WhatsApp's way in over real HTTP: what the stand-in for Twilio signs and serves is read as the server reads it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, HTTPException, Request

from channels.base import Fetched, Forbidden, Inbound, Parsed, StatusUpdate, SwitchedOff, Undeliverable
from channels.demo.twilio import File, Twilio
from channels.whatsapp.inbound import parse
from channels.whatsapp.media import fetch
from channels.whatsapp.settings import WhatsAppSettings
from service.web import to_webhook
from tests.twilio_kit import MINA, SENDER, SID, TOKEN

pytestmark = pytest.mark.anyio

OLD = "the token before this one"
WORDS = "Größe 12 & 13 = «größer»? 📦\nA second line, +1 % &amp;"


@asynccontextmanager
async def connected(came: list[Sequence[Parsed]], **changed: Any) -> AsyncIterator[tuple[Twilio, WhatsAppSettings]]:
    """A server that parses what the stand-in posts to it."""
    app = FastAPI()

    @app.post("/channels/whatsapp")
    async def webhook(request: Request) -> None:
        try:
            came.append(parse(await to_webhook(request, await request.body()), settings))
        except Forbidden:
            raise HTTPException(403) from None

    with socket.create_server(("127.0.0.1", 0)) as listening:
        ours = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
        serving = asyncio.create_task(server._serve([listening]))
        twilio = Twilio(SID, TOKEN, SENDER, f"{ours}/channels/whatsapp#rc=2", **changed)
        try:
            async with twilio.running():
                settings = WhatsAppSettings(SID, TOKEN, sender=SENDER, public_url=ours, api_url=twilio.url)
                yield twilio, settings
        finally:
            server.should_exit = True
            with suppress(asyncio.CancelledError):
                await serving


async def test_what_twilio_posts_is_read_with_every_sign_in_it() -> None:
    came: list[Sequence[Parsed]] = []
    async with connected(came) as (twilio, _):
        text = await twilio.write(MINA, WORDS, ProfileName="Mina 🌿", NewOf2027="", ListTitle="")
        assert await twilio.post(text) == 200
        assert twilio.alerts == []
    first, again = came
    assert first == again
    (message,) = first
    assert isinstance(message, Inbound)
    assert (message.text, message.name, message.sender, message.external_id) == (WORDS, "Mina 🌿", MINA, text.sid)


async def test_what_another_signs_is_turned_away() -> None:
    came: list[Sequence[Parsed]] = []
    async with connected(came, sign_with=OLD) as (twilio, _):
        await twilio.write(MINA, "Hello")
        assert [alert.status for alert in twilio.alerts] == [403]
    assert came == []


async def test_a_status_comes_with_the_key_that_we_gave_it() -> None:
    came: list[Sequence[Parsed]] = []
    async with connected(came) as (twilio, settings):
        twilio.automatic = False
        await twilio.write(MINA, "Hello")
        callback = f"{settings.public_url}/channels/whatsapp?key=0a1b-2c3d"
        sent = twilio.take({"From": SENDER, "To": MINA, "Body": "Good day", "StatusCallback": callback})
        for status, code in (("sending", None), ("sent", None), ("undelivered", 63024)):
            await twilio.advance(sent, status, code)
        assert twilio.alerts == []
    updates = [each for parsed in came[1:] for each in parsed if isinstance(each, StatusUpdate)]
    assert [(each.external_id, each.status, each.key) for each in updates] == [
        (sent.sid, "sent", "0a1b-2c3d"),
        (sent.sid, "failed", "0a1b-2c3d"),
    ]
    assert updates[1].reason


async def test_the_files_of_a_message_are_fetched_by_their_addresses() -> None:
    came: list[Sequence[Parsed]] = []
    photo, letter = File("", "image/png", b"\x89PNG" * 9, ""), File("", "application/pdf", b"%PDF", "Größe 1.pdf")
    async with connected(came) as (twilio, settings):
        await twilio.write(MINA, "", files=[photo, letter])
        (message,) = came[0]
        assert isinstance(message, Inbound)
        found = [await fetch(settings, each.url, 1_000) for each in message.attachments]
        assert [(each.content, each.content_type) for each in found] == [
            (b"\x89PNG" * 9, "image/png"),
            (b"%PDF", "application/pdf"),
        ]
        assert found[1] == Fetched(b"%PDF", "application/pdf", "Größe 1.pdf")
        with pytest.raises(Undeliverable, match="larger"):
            await fetch(settings, message.attachments[0].url, 10)
        with pytest.raises(SwitchedOff):
            await fetch(replace(settings, auth_token=OLD), message.attachments[0].url, 1_000)
