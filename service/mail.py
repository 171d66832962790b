"""Mail to staff: one plain text by SMTP, and errors that say whether to try again."""

import asyncio
import contextlib
import re
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import formatdate

from aiosmtplib import SMTP, SMTPException, SMTPRecipientRefused, SMTPResponseException

from service.settings import ADDRESS, Settings

#: The longest wait for one answer of the mail server.
ANSWER_SECONDS = 10.0
#: The mail has been taken by then.
GOODBYE_SECONDS = 2.0


class Refused(Exception):
    """This mailbox does not take it and never will: do not try again."""


class NotSent(Exception):
    """It was not taken: try again later, as the very same message."""


class Unknown(NotSent):
    """It was handed over and nothing was heard: perhaps it was taken."""


class Unwanted(NotSent):
    """The mail server does not want this from us, which says nothing about the mailbox."""


class Away(NotSent):
    """The mail server takes nothing from us now: what goes for one mailbox goes for all."""


def compose(settings: Settings, to: str, subject: str, text: str, key: str) -> EmailMessage:
    """A mail that says it was written by a program. The same `key` gives the same Message-ID. Raises Refused."""
    message = EmailMessage(policy=SMTP_POLICY.clone(cte_type="7bit"))
    try:
        if not re.fullmatch(ADDRESS, to):
            raise ValueError
        message["To"] = Address(addr_spec=to)
    except (ValueError, LookupError, MessageError):  # the last two: the parser gave up on it
        raise Refused("not an address that mail can be sent to") from None
    message["From"] = Address("Firstline", addr_spec=settings.mail_from)
    message["Subject"] = subject
    message["Date"] = formatdate()
    message["Message-ID"] = f"<{key}@{settings.mail_from.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(text)
    return message


async def send(
    settings: Settings, message: EmailMessage, to: str, seconds: float = ANSWER_SECONDS, in_all: float = 60.0
) -> None:
    """Give it to the mail server, which has `seconds` for each answer. Raises Refused, NotSent, Unknown, Away.

    Also when cancelled after the mail began to be handed over it raises Unknown: that must not be forgotten.
    """
    until = asyncio.get_running_loop().time() + in_all
    server = SMTP(
        hostname=settings.smtp_host,
        port=settings.smtp_port,
        local_hostname=settings.mail_from.rpartition("@")[2],  # what this machine calls itself may take long to learn
        timeout=seconds,
        use_tls=settings.smtp_security == "tls",
        # True, not None: a server that does not offer it gets nothing, rather than everything in the clear.
        start_tls=settings.smtp_security == "starttls",
        username=settings.smtp_user or None,
        password=settings.smtp_password.get_secret_value() or None,
    )
    try:
        async with asyncio.timeout_at(until):
            await server.connect()
    except (SMTPException, OSError) as error:
        server.close()
        raise Away(_what(error)) from None
    try:
        await _hand_over(server, settings.mail_from, to, message.as_bytes(), until)
        with contextlib.suppress(SMTPException, OSError):
            await server.quit(timeout=GOODBYE_SECONDS)
    finally:
        server.close()


async def _hand_over(server: SMTP, sender: str, to: str, message: bytes, until: float) -> None:
    try:
        async with asyncio.timeout_at(until):
            await server.mail(sender)
            await server.rcpt(to)
    except SMTPRecipientRefused as error:
        enhanced = _enhanced(error)
        if error.code in (550, 551, 553) and (not enhanced or enhanced.startswith(("5.1.", "5.2."))):
            raise Refused(_what(error)) from None
        _later(error)
    except SMTPResponseException as error:  # not a word of the mailbox yet
        raise Away(_what(error)) from None
    except (SMTPException, OSError) as error:
        raise NotSent(_what(error)) from None
    try:
        async with asyncio.timeout_at(until):
            await server.data(message)
    except SMTPResponseException as error:
        _later(error)
    except (SMTPException, OSError, asyncio.CancelledError) as error:
        raise Unknown(_what(error)) from None


def _later(error: SMTPResponseException) -> None:
    if error.code in (421, 530, 535):
        raise Away(_what(error)) from None
    raise (Unwanted if 500 <= error.code < 600 else NotSent)(_what(error)) from None


def _enhanced(error: BaseException) -> str:
    """The enhanced status code (RFC 3463) that the answer begins with, or nothing."""
    found = re.match(r"[245]\.\d{1,3}\.\d{1,3}\b", str(getattr(error, "message", "")))
    return found[0] if found else ""


def _what(error: BaseException) -> str:
    """What went wrong, without what the server said: it may repeat an address."""
    code = getattr(error, "code", None)
    return " ".join(str(each) for each in (type(error).__name__, code, _enhanced(error)) if each)
