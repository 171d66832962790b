"""The demo's phone without a browser: its page, the account behind it, and a webhook that keeps what is posted."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import httpx2
from fastapi import FastAPI
from twilio.request_validator import RequestValidator

from channels import base
from channels.base import Clock, Inbound, Setup
from channels.demo import account, phone
from channels.demo.twilio import Text, Twilio
from channels.whatsapp import inbound, settings
from tests.twilio_kit import Posted, Webhook

TOKEN = "the demo's own token"
PNG = b"\x89PNG and so on"
ME = "whatsapp:+15550142"


class Demo:
    """The page as a browser asks for it, the account at Twilio, and where its webhooks go."""

    def __init__(self, page: httpx.AsyncClient, twilio: Twilio, webhook: Webhook, clock: Clock) -> None:
        self.page, self.twilio, self.webhook, self.clock = page, twilio, webhook, clock

    async def shown(self) -> str:
        return (await self.page.get("/phone/")).text

    async def do(self, what: str, **options: Any) -> httpx.Response:
        answer = await self.page.post(f"/phone/{what}", **options)
        assert answer.status_code < 400, answer.text
        return answer

    async def write(self, text: str = "Where is my parcel?", **more: Any) -> Posted:
        await self.do("send", data={"text": text, **more})
        return self.webhook.posted[-1]

    async def reply(self, body: str = "It is on its way.", to: str = ME, **form: str) -> httpx2.Response:
        """What Firstline does to send."""
        form = {"From": account.SENDER, "To": to, "StatusCallback": f"{self.webhook.url}?key=1"} | (
            form or {"Body": body}
        )
        async with httpx2.AsyncClient(auth=(account.ACCOUNT, TOKEN), trust_env=False) as client:
            return await client.post(
                f"{self.twilio.url}/2010-04-01/Accounts/{account.ACCOUNT}/Messages.json", data=form
            )

    @property
    def last(self) -> Text:
        return self.twilio.messages[-1]

    async def becomes(self, what: Callable[[], Any]) -> None:
        async with asyncio.timeout(5):
            while not what():
                await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[Demo]:
    """The page on a phone that is on, with nothing in it."""
    webhook, clock, app = Webhook(), Clock(), FastAPI()
    twilio = account.stand_in(TOKEN, webhook.url, clock)
    page, routes = phone.phone(twilio, 0, "Pellworth", 300.0)
    app.include_router(routes, prefix=page.path)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", follow_redirects=True) as client,
    ):
        with contextlib.closing(webhook):
            yield Demo(client, twilio, webhook, clock)


def read(posted: Posted, url: str) -> Inbound:
    """What the channel makes of it."""
    environ = {**account.environ(), "WHATSAPP_AUTH_TOKEN": TOKEN.replace(" ", "-"), "PUBLIC_BASE_URL": url}
    told = settings.read(Setup(secret=b"k" * 32, environ=environ))
    assert not told.missing
    headers = {name.lower(): value for name, value in posted.headers.items()}
    address = f"{url}/channels/whatsapp"
    headers["x-twilio-signature"] = RequestValidator(told.auth_token).compute_signature(address, posted.form)
    (parsed,) = inbound.parse(base.Webhook(address, headers, b"", list(posted.form.items())), told)
    assert isinstance(parsed, Inbound)
    return parsed
