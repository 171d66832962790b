"""The channel: Twilio's webhook in, its API out, put together."""

from collections.abc import AsyncIterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter

from channels.base import Channel, Fetched, Outbound, Page, Parsed, Receipt, Setup, Webhook, Window
from channels.whatsapp import inbound, media, settings, texts
from channels.whatsapp.window import window

if TYPE_CHECKING:
    from channels.whatsapp.api import Api


class WhatsAppChannel(Channel):
    """Customers write to a WhatsApp number that Twilio has for us, and are answered from it."""

    name = "whatsapp"
    title = "WhatsApp"
    max_length = texts.MOST_TYPED
    debounce = 2.0  # people write a thought in several messages
    needs_start = True
    outcome_after = 30.0

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.settings = settings.read(setup)
        self.missing = self.settings.missing
        self.outcome, self.missed, self.fetch = self._outcome, self._missed, self._fetch
        if self.settings.typing:
            self.typing = self._typing

    @cached_property
    def api(self) -> "Api":
        from channels.whatsapp.api import (
            Api,
        )  # the SDK takes a third of a second to import, and many commands need none

        return Api(self.settings, self.setup.company)

    @classmethod
    def demo_environ(cls) -> Mapping[str, str]:
        from channels.demo import account  # what stands in for Twilio is for the demo alone

        return account.environ()

    def demo(self) -> tuple[Page, APIRouter] | None:
        """A customer's phone, where this is the demo's company: its account can be nobody's."""
        from channels.demo import account, phone

        port = account.port(self.settings.api_url)
        if self.missing or self.settings.account_sid != account.ACCOUNT or port is None:
            return None
        webhook = f"{self.settings.public_url}/channels/{self.name}"
        twilio = account.stand_in(self.settings.auth_token, webhook, self.setup.clock)
        return phone.phone(twilio, port, self.setup.company, self.missed_every)

    def parse(self, webhook: Webhook) -> Sequence[Parsed]:
        return inbound.parse(webhook, self.settings)

    def split(self, outbound: Outbound) -> Sequence[Outbound]:
        return texts.split(outbound)

    def window(self, last_customer_at: float | None, now: float) -> Window:
        return window(last_customer_at, now, self.settings.templates)

    async def send(self, outbound: Outbound) -> Receipt:
        return await self.api.send(outbound)

    async def check(self) -> Sequence[tuple[bool, str]]:
        return await self.api.check()

    async def close(self) -> None:
        if "api" in self.__dict__:
            await self.api.close()

    async def _outcome(self, outbound: Outbound) -> Receipt | None:
        return await self.api.outcome(outbound)

    def _missed(self, since: float) -> AsyncIterator[Parsed | None]:
        return self.api.missed(since)

    async def _fetch(self, url: str, most: int) -> Fetched:
        return await media.fetch(self.settings, url, most)

    async def _typing(self, recipient: str, memo: Mapping[str, Any]) -> None:
        await self.api.typing(memo)
