"""The channel: settings, tokens, ways in and the way out, put together."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import APIRouter

from channels.base import Channel, Outbound, Page, Parsed, Receipt, Receive, Setup, Webhook
from channels.demo import mailbox
from channels.email import inbound, listening, settings, smtp
from channels.email.compose import compose
from channels.email.interpret import UNVERIFIED
from channels.email.read_mail import read_mail
from channels.email.tokens import Tokens


class EmailChannel(Channel):
    """Mail comes in over IMAP, by LMTP or as a provider's webhook, and is answered over SMTP."""

    name = "email"
    title = "Email"
    max_length = 20_000
    give_up_after = 4 * 24 * 3_600.0  # mail servers are away for days, and mail is still of use then
    longest_pause = 2 * 3_600.0
    most_automatic_an_hour = 3
    most_automatic_unseen = 10

    def __init__(self, setup: Setup, clock: Callable[[], float] = time.time) -> None:
        super().__init__(setup)
        self.settings = settings.read(setup.environ, setup.company)
        self.missing = self.settings.missing
        self.tokens = Tokens(setup.secret)
        self.clock = clock
        if self.settings.webhook:
            self.max_body = inbound.MOST_BODY
        if self.settings.imap.host or self.settings.lmtp:
            self.listen = self._listen

    @classmethod
    def demo_environ(cls) -> Mapping[str, str]:
        return mailbox.environ()

    def demo(self) -> tuple[Page, APIRouter] | None:
        """The customer's mailbox, where this is the demo's company: its address can be nobody's (RFC 2606)."""
        settings = self.settings
        if self.missing or settings.address != mailbox.ADDRESS or not settings.lmtp:
            return None
        return mailbox.mailbox(mailbox.Mail(settings.address, settings.lmtp, (settings.smtp.host, settings.smtp.port)))

    @classmethod
    def commands(cls) -> Sequence[Callable[..., None]]:
        return (read_mail,)

    def parse(self, webhook: Webhook) -> Sequence[Parsed]:
        return inbound.parse(webhook, self.settings, self.tokens, self.clock())

    async def send(self, outbound: Outbound) -> Receipt:
        letter = compose(self.settings, self.tokens, outbound, self.clock())
        await smtp.send(self.settings.smtp, letter.sender, letter.recipient, letter.content)
        return Receipt(external_id=letter.message_id)

    def address(self, recipient: str, memo: Mapping[str, Any]) -> str:
        to = memo.get("to")
        return (to if isinstance(to, str) and to else recipient.removeprefix(UNVERIFIED)).lower()

    async def _listen(self, receive: Receive, state: Mapping[str, Any]) -> None:
        await listening.listen(self.settings, self.tokens, receive, state, self.clock)
