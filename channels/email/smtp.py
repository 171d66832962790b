"""Mail handed to a mail server, never in the clear where encryption is asked for; what went wrong, by its stage."""

import asyncio
import contextlib
import re

from aiosmtplib import SMTP, SMTPDataError, SMTPException, SMTPNotSupported
from aiosmtplib.protocol import SMTPProtocol

from channels.base import OutcomeUnknown, Undeliverable
from channels.email import refusals
from channels.email.settings import Server

#: The longest wait for one answer of the mail server.
ANSWER_SECONDS = 10.0
#: All of it together: less than three quarters of a delivery's usual lease, so that a failure is told here.
IN_ALL_SECONDS = 40.0
#: The mail has been taken by then.
GOODBYE_SECONDS = 2.0

#: How far a mail came. In AFTER it may have been taken; in all others it was not.
CONNECTION, LOGIN, SENDER, RECIPIENT, CONTENT, AFTER = "connection", "login", "sender", "recipient", "content", "after"


class Failed(Exception):
    """The mail server was not reached or did not take it. As text: what went wrong, without what the server said.

    That may repeat an address; it is in `said`. `code` is 0 where the server said nothing that can be understood.
    """

    def __init__(self, stage: str, error: BaseException) -> None:
        code = getattr(error, "code", 0)
        self.stage, self.error, self.code = stage, error, code if 400 <= code < 600 else 0
        self.said = str(getattr(error, "message", "")) if self.code else ""
        found = re.match(r"[245]\.\d{1,3}\.\d{1,3}\b", self.said)
        self.enhanced = found[0] if found else ""  # RFC 3463
        super().__init__(" ".join(str(each) for each in (type(error).__name__, code, self.enhanced) if each))


async def send(server: Server, sender: str, recipient: str, message: bytes, *, in_all: float = IN_ALL_SECONDS) -> None:
    """Send a customer's mail. Raises Undeliverable or OutcomeUnknown.

    `sender` is the envelope's, to which bounces go. RFC 3834 would rather have none for automatic replies; but a bounce
    must come back, for that is how a reply that never arrived is seen, and no loop comes of it: automatic mail is
    never answered.
    """
    try:
        await hand_over(server, sender, recipient, message, in_all=in_all)
    except Failed as failed:
        if isinstance(failed.error, asyncio.CancelledError):
            raise failed.error from None  # the process ends: a delivery that was begun counts as unknown
        sentence, permanent = refusals.judge(failed.stage, failed.code, failed.said, failed.error)
        if failed.stage == AFTER and not failed.code:
            raise OutcomeUnknown(sentence) from None
        raise Undeliverable(sentence, permanent=permanent) from None


async def hand_over(
    server: Server,
    sender: str,
    recipient: str,
    message: bytes,
    *,
    seconds: float = ANSWER_SECONDS,
    in_all: float = IN_ALL_SECONDS,
) -> None:
    """Give a mail to the mail server, which has `seconds` for each answer. Raises Failed.

    Also when cancelled after the mail began to be handed over it raises Failed: that must not be forgotten.
    """
    until = asyncio.get_running_loop().time() + in_all
    client, stage = _client(server, sender.rpartition("@")[2], seconds), CONNECTION
    try:
        async with asyncio.timeout_at(until):
            await client.connect()
            stage = LOGIN
            if server.user:
                await client.login(server.user, server.password)
            stage = SENDER
            await client.mail(sender, options=await _options(client, recipient), encoding="utf-8")
            stage = RECIPIENT
            await client.rcpt(recipient, encoding="utf-8")
            stage = CONTENT
            protocol = await _begin(client)
            protocol.write(_lines(message))
            stage = AFTER
            # A server that reads a mail before it answers is given all the time there is: to go would be to send twice.
            answer = await protocol.read_response(timeout=in_all)
        if not 200 <= answer.code < 300:
            raise SMTPDataError(answer.code, answer.message)
        with contextlib.suppress(SMTPException, OSError):
            await client.quit(timeout=GOODBYE_SECONDS)
    except (SMTPException, OSError, ValueError) as error:  # ValueError: a host or a challenge that cannot be one
        raise Failed(stage, error) from None
    except asyncio.CancelledError as error:
        if stage == AFTER:
            raise Failed(stage, error) from None
        raise
    finally:
        client.close()


async def try_out(server: Server, domain: str, *, seconds: float = ANSWER_SECONDS) -> str:
    """Connect, encrypt and log in, and send nothing; what is wrong, in a sentence, or nothing."""
    client, stage = _client(server, domain, seconds), CONNECTION
    try:
        await client.connect()
        await client.ehlo()
        if server.user:
            stage = LOGIN
            await client.login(server.user, server.password)
        with contextlib.suppress(SMTPException, OSError):
            await client.quit(timeout=GOODBYE_SECONDS)
    except (SMTPException, OSError, ValueError) as error:
        failed = Failed(stage, error)
        return refusals.judge(failed.stage, failed.code, failed.said, failed.error)[0]
    finally:
        client.close()
    return ""


def _client(server: Server, domain: str, seconds: float) -> SMTP:
    return SMTP(
        hostname=server.host,
        port=server.port,
        local_hostname=domain,  # what this machine calls itself may take long to learn
        timeout=seconds,
        use_tls=server.security == "tls",
        # True, not None: a server that does not offer it gets nothing, rather than everything in the clear.
        start_tls=server.security == "starttls",
    )


async def _options(client: SMTP, recipient: str) -> list[str]:
    """What MAIL says of a mail whose address is not ASCII (RFC 6531): nothing else of ours needs an extension."""
    if client.is_ehlo_or_helo_needed:
        await client.ehlo()
    if recipient.isascii():
        return []
    if not client.supports_extension("smtputf8"):
        raise SMTPNotSupported("SMTPUTF8")
    return ["SMTPUTF8", "BODY=8BITMIME"]


async def _begin(client: SMTP) -> SMTPProtocol:
    """Ask to send the mail itself. Until this is granted and the mail written, a lost connection loses nothing."""
    answer = await client.execute_command(b"DATA")
    if answer.code != 354 or client.protocol is None:
        raise SMTPDataError(answer.code, answer.message)
    return client.protocol


def _lines(message: bytes) -> bytes:
    """The mail with line ends, leading dots and the final dot as SMTP has them."""
    lines = re.sub(rb"\r\n|\r|\n", b"\r\n", message.rstrip(b"\r\n")) + b"\r\n"
    return re.sub(rb"(?m)^\.", b"..", lines) + b".\r\n"
