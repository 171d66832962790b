"""Mail that a mail server hands over directly (RFC 2033): it keeps each mail until it is stored here."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import Envelope, Session

from channels.base import Parsed, Unreachable
from channels.email.interpret import interpret
from channels.email.mime import MOST_BYTES
from channels.email.posts import with_envelope
from channels.email.settings import EmailSettings
from channels.email.tokens import Tokens

#: At once: each may hold a mail of 25 MB, twice over while it is read. Mail servers come back.
MOST_CONNECTIONS = 8
#: Of one mail: who writes to more of our addresses than there are is no customer.
MOST_RECIPIENTS = 20
#: Seconds that a mail server may be silent.
SILENT_SECONDS = 60.0
#: Bytes of a line: programs write longer ones than the 998 that are allowed, and people's words are in them.
MOST_LINE = 1_000_000

TAKEN, LATER = "250 2.0.0 Taken.", "451 4.3.0 It could not be stored: try again later."
BUSY = b"421 4.3.2 There are too many connections: try again later.\r\n"

Take = Callable[[Sequence[Parsed], Mapping[str, Any] | None], Awaitable[None]]


async def listen(settings: EmailSettings, tokens: Tokens, take: Take) -> None:
    """Take mail until cancelled. Raises Unreachable, or what `take` raised."""
    assert settings.lmtp
    host, port = settings.lmtp
    loop = asyncio.get_running_loop()
    desk = Desk(settings, tokens, take)
    try:
        server = await loop.create_server(lambda: Conversation(desk, loop), host, port)
    except OSError as error:
        reason = error.strerror or error
        raise Unreachable(f"EMAIL_LMTP cannot be listened on ({reason}): set it to another address or port.") from None
    try:
        await desk.failed
    finally:
        server.close()
        for each in list(desk.open):
            each.end()


class Desk:
    """Where all the connections hand in; aiosmtpd asks its handlers by their names."""

    def __init__(self, settings: EmailSettings, tokens: Tokens, take: Take) -> None:
        self.settings, self.tokens, self.take = settings, tokens, take
        self.open: set[Conversation] = set()
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def handle_RCPT(
        self, server: LMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if len(envelope.rcpt_tos) >= MOST_RECIPIENTS:
            return "452 4.5.3 There are too many recipients."
        if not self._is_ours(address):
            return "550 5.1.1 There is no such address here."
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Fine."

    async def handle_DATA(self, server: LMTP, session: Session, envelope: Envelope) -> str:
        content, to = envelope.content, list(envelope.rcpt_tos)
        raw = with_envelope(content if isinstance(content, bytes) else b"", envelope.mail_from or "")
        reading = await asyncio.to_thread(interpret, raw, self.settings, self.tokens, to)
        storing = asyncio.ensure_future(self.take(reading.parsed, None))
        await asyncio.wait({storing})
        if storing.cancelled():
            return LATER
        if error := storing.exception():
            if not self.failed.done():
                self.failed.set_exception(error)
            return LATER
        return TAKEN

    async def handle_exception(self, error: Exception) -> str:
        return LATER  # and nothing of what was in the mail

    def _is_ours(self, address: str) -> bool:
        local, _, domain = address.lower().rpartition("@")
        bare = f"{local.partition('+')[0]}@{domain}"
        return bool({address.lower(), bare} & self.settings.ours) or bool(self.tokens.in_address(address))


class Conversation(LMTP):
    """One connection."""

    line_length_limit = MOST_LINE

    def __init__(self, desk: Desk, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            desk,
            data_size_limit=MOST_BYTES,
            enable_SMTPUTF8=True,
            hostname=desk.settings.domain,
            ident="Firstline",
            timeout=SILENT_SECONDS,
            loop=loop,
        )
        self.desk, self.turned_away, self.answers = desk, False, 1

    def end(self) -> None:
        if isinstance(self.transport, asyncio.Transport):
            self.transport.abort()

    def connection_made(self, transport: Any) -> None:
        self.turned_away = len(self.desk.open) >= MOST_CONNECTIONS
        if self.turned_away:
            transport.write(BUSY)
            transport.close()
        else:
            self.desk.open.add(self)
            super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.desk.open.discard(self)
        if not self.turned_away:
            super().connection_lost(error)

    async def smtp_DATA(self, arg: str) -> None:
        """After the mail there is one answer for each recipient (RFC 2033, 4.2), where SMTP has one for all."""
        self.answers = max(1, len(self.envelope.rcpt_tos)) if self.envelope else 1
        await super().smtp_DATA(arg)
        self.answers = 1

    async def push(self, status: str | bytes) -> None:
        text = status if isinstance(status, str) else status.decode("utf-8", "replace")
        often = 1 if text.startswith(("354", "501", "503")) else self.answers
        await super().push("\r\n".join([text] * often))
