"""Mail to staff: one plain text by SMTP, and errors that say whether to try again."""

import re
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import formatdate

from channels.email import smtp
from channels.email.settings import Server
from service.settings import ADDRESS, Settings


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
    settings: Settings, message: EmailMessage, to: str, seconds: float = smtp.ANSWER_SECONDS, in_all: float = 60.0
) -> None:
    """Give it to the mail server, which has `seconds` for each answer. Raises Refused, NotSent, Unknown, Away.

    Also when cancelled after the mail began to be handed over it raises Unknown: that must not be forgotten.
    """
    password = settings.smtp_password.get_secret_value()
    server = Server(settings.smtp_host, settings.smtp_port, settings.smtp_security, settings.smtp_user, password)
    try:
        await smtp.hand_over(server, settings.mail_from, to, message.as_bytes(), seconds=seconds, in_all=in_all)
    except smtp.Failed as failed:
        raise _meaning(failed) from None


def _meaning(failed: smtp.Failed) -> Exception:
    """What to do next. In words without what the server said: it may repeat an address."""
    what = str(failed)
    if failed.stage == smtp.AFTER and not failed.code:
        return Unknown(what)
    if failed.stage in (smtp.CONNECTION, smtp.LOGIN) or failed.code in (421, 530, 535):
        return Away(what)
    if failed.stage == smtp.SENDER:  # not a word of the mailbox yet
        return Away(what) if failed.code else NotSent(what)
    exact = not failed.enhanced or failed.enhanced.startswith(("5.1.", "5.2."))
    if failed.stage == smtp.RECIPIENT and failed.code in (550, 551, 553) and exact:
        return Refused(what)
    return Unwanted(what) if failed.code >= 500 else NotSent(what)
