"""The channel: settings, tokens, ways in and the way out, put together."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from channels.base import Channel, Outbound, Parsed, Receipt, Receive, Setup, Webhook
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
    give_up_after = 24 * 3_600.0  # an answer by mail is still of use when its mail server was away for a day
    longest_pause = 1_800.0
    # A person asks no faster; two machines that answer each other, unnoticed, are stopped by it.
    most_automatic_an_hour = 10
    most_automatic_unseen = 8

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
