"""Mail that a mail server hands over by LMTP: it keeps each one until it is stored."""

import asyncio
import contextlib
import smtplib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from channels.base import Inbound, Kind, Setup, StatusUpdate, Unreachable
from channels.email import lmtp
from channels.email.channel import EmailChannel
from channels.email.mime import MOST_BYTES
from tests.cluster import free_port
from tests.dovecot_kit import mail
from tests.test_email_imap import Desk, until

pytestmark = pytest.mark.anyio

OURS = "support@example.com"
KEY = "0f8fad5b-d9cb-469f-a165-70867728950e"


def channel(port: int, **more: str) -> EmailChannel:
    environ = {
        "EMAIL_ADDRESS": OURS,
        "EMAIL_ALSO": "help@example.com",
        "EMAIL_REPLY_TO": "answers-{token}@example.com",
        "EMAIL_SMTP_HOST": "127.0.0.1",
        "EMAIL_LMTP": f"127.0.0.1:{port}",
    }
    made = EmailChannel(Setup(b"k" * 32, environ | more))
    assert not made.missing, made.missing
    return made


@contextlib.asynccontextmanager
async def listening(made: EmailChannel, desk: Desk) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(made._listen(desk.receive, {"uid": 7}))
    while not await answers(made):
        await asyncio.sleep(0.02)
        if task.done():
            task.result()
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=5)
        assert task.done()


async def answers(made: EmailChannel) -> bool:
    assert made.settings.lmtp
    with contextlib.suppress(OSError):
        _, writer = await asyncio.open_connection(*made.settings.lmtp)
        writer.close()
        return True
    return False


async def said(host: str, port: int, *lines: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which these lines were said and answered: Python's own client knows only one recipient."""
    reader, writer = await asyncio.open_connection(host, port)
    for line in ("", "LHLO mx", *lines):
        writer.write(f"{line}\r\n".encode() if line else b"")
        while (await reader.readline())[3:4] == b"-":
            pass
    return reader, writer


async def hand_over(made: EmailChannel, raw: bytes, to: str, sender: str = "kim@example.org") -> Any:
    """By Python's own LMTP client: nothing was refused ({}), or the error."""
    assert made.settings.lmtp
    host, port = made.settings.lmtp

    def run() -> Any:
        with smtplib.LMTP(host, port, timeout=20) as client:
            try:
                return client.sendmail(sender, [to], raw)
            except smtplib.SMTPException as error:
                return error

    return await asyncio.to_thread(run)


async def test_a_mail_that_is_handed_over_is_taken_after_it_was_stored() -> None:
    made, desk = channel(free_port()), Desk()
    desk.slow = 0.3
    async with listening(made, desk):
        handing = asyncio.create_task(hand_over(made, mail(1, "Where is my parcel?\r\n.\r\n..dots"), OURS))
        await until(lambda: desk.begun == 1)
        await asyncio.sleep(0.1)
        assert not handing.done(), "it is not stored yet"
        assert await handing == {}
    (message,) = desk.parsed
    assert isinstance(message, Inbound)
    assert (message.text, message.subject) == ("Where is my parcel?\n.\n..dots", "Question 1")
    assert desk.state == {"uid": 7}, "what else is remembered stays as it was"


async def test_what_could_not_be_stored_stays_with_the_mail_server_and_ends_the_listening() -> None:
    made, desk = channel(free_port()), Desk()
    desk.fails = [ConnectionError("the database is away")]
    async with listening(made, desk) as task:
        error = await hand_over(made, mail(1), OURS)
        assert isinstance(error, smtplib.SMTPDataError)
        assert error.smtp_code == 451
        assert b"database" not in error.smtp_error
        with pytest.raises(ConnectionError, match="the database is away"):
            await asyncio.wait_for(asyncio.shield(task), 5)
    async with listening(made, desk):
        assert await hand_over(made, mail(1), OURS) == {}
    assert desk.subjects == ["Question 1"]


async def test_only_our_own_addresses_are_taken_with_their_tags_and_tokens() -> None:
    made, desk = channel(free_port()), Desk()
    token = made.tokens.reply_address(KEY, made.settings.reply_to)
    assert token.startswith("answers-")
    forged = token.replace(token[10], "a" if token[10] != "a" else "b", 1)
    ours = (OURS, "Support@EXAMPLE.com", "help@example.com", "support+order@example.com", token)
    others = ("kim@example.org", "other@example.com", "supporter@example.com", forged)
    assert made.settings.lmtp
    async with listening(made, desk):
        reader, writer = await said(*made.settings.lmtp, "MAIL FROM:<kim@example.org>")
        for address in ours + others:
            writer.write(f"RCPT TO:<{address}>\r\n".encode())
            assert (await reader.readline())[:3] == (b"250" if address in ours else b"550"), address
        writer.write(b"DATA\r\n" + mail(1) + b".\r\n")
        assert [(await reader.readline())[:3] for _ in range(1 + len(ours))] == [b"354"] + [b"250"] * len(ours)
        writer.close()
    (message,) = desk.parsed
    assert isinstance(message, Inbound)
    assert list(message.refers_to) == [KEY], "the envelope says which message of ours is answered"


async def test_each_recipient_of_a_mail_gets_an_answer_of_its_own() -> None:
    made, desk = channel(free_port()), Desk()
    assert made.settings.lmtp
    async with listening(made, desk):
        to = (f"RCPT TO:<{OURS}>", "RCPT TO:<help@example.com>")
        reader, writer = await said(*made.settings.lmtp, "MAIL FROM:<>", *to, "DATA")
        writer.write(mail(1) + b".\r\nNOOP\r\n")
        assert [(await reader.readline())[:3] for _ in range(3)] == [b"250", b"250", b"250"]
        writer.write(b"QUIT\r\n")
        assert (await reader.readline())[:3] == b"221", "two for the mail, one for each thing that was said after it"
        writer.close()
    (message,) = desk.parsed
    assert isinstance(message, Inbound)
    assert message.kind == Kind.AUTOMATIC, "it has no sender to whom anything could go back"


async def test_a_mail_past_the_size_is_refused_and_the_size_is_announced() -> None:
    made, desk = channel(free_port()), Desk()
    assert made.settings.lmtp
    host, port = made.settings.lmtp

    def run() -> tuple[Any, Any]:
        with smtplib.LMTP(host, port, timeout=20) as client:
            client.ehlo()
            announced = client.esmtp_features["size"]
            client.docmd("MAIL", f"FROM:<kim@example.org> SIZE={MOST_BYTES + 1}")
            return announced, client.docmd("MAIL", f"FROM:<kim@example.org> SIZE={MOST_BYTES + 1}")[0]

    async with listening(made, desk):
        assert await asyncio.to_thread(run) == (str(MOST_BYTES), 552)
        # Who announces nothing is told afterwards, once for each recipient.
        to = (f"RCPT TO:<{OURS}>", "RCPT TO:<help@example.com>")
        reader, writer = await said(host, port, "MAIL FROM:<kim@example.org>", *to, "DATA")
        writer.write(mail(1, size=MOST_BYTES + 100_000) + b".\r\nNOOP\r\n")
        assert [(await reader.readline())[:3] for _ in range(3)] == [b"552", b"552", b"250"]
        writer.close()
    assert desk.parsed == []


async def test_a_mail_with_a_line_longer_than_is_allowed_is_taken() -> None:
    made, desk = channel(free_port()), Desk()
    async with listening(made, desk):
        assert await hand_over(made, mail(1, "word " * 20_000), OURS) == {}
    (message,) = desk.parsed
    assert isinstance(message, Inbound)
    assert len(message.text.split()) == 20_000


async def test_connections_past_the_limit_are_asked_to_come_back() -> None:
    made, desk = channel(free_port()), Desk()
    assert made.settings.lmtp
    async with listening(made, desk):
        held = [await asyncio.open_connection(*made.settings.lmtp) for _ in range(lmtp.MOST_CONNECTIONS)]
        for reader, _ in held:
            assert (await reader.readline()).startswith(b"220")
        reader, writer = await asyncio.open_connection(*made.settings.lmtp)
        assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"421")
        writer.close()
        for _, other in held:
            other.close()
        await asyncio.sleep(0.2)
        assert await hand_over(made, mail(1), OURS) == {}, "there is room again"


async def test_a_bounce_that_is_handed_over_marks_what_did_not_arrive() -> None:
    made, desk = channel(free_port()), Desk()
    ours = made.tokens.message_id(KEY, "example.com")
    raw = BOUNCE.replace("OURS", ours).replace("\n", "\r\n").encode()
    async with listening(made, desk):
        assert await hand_over(made, raw, OURS, sender="") == {}
    failed, message = desk.parsed
    assert isinstance(failed, StatusUpdate)
    assert (failed.status, failed.key, failed.reason) == ("failed", KEY, "The address does not exist.")
    assert isinstance(message, Inbound)
    assert message.kind == Kind.AUTOMATIC


async def test_an_address_that_is_taken_already_is_told_in_a_sentence() -> None:
    made, desk = channel(free_port()), Desk()
    async with listening(made, desk):
        with pytest.raises(Unreachable, match=r"EMAIL_LMTP cannot be listened on \(.*\): set it to another"):
            await channel(made.settings.lmtp[1] if made.settings.lmtp else 0)._listen(desk.receive, {})


BOUNCE = """From: Mail Delivery System <mailer-daemon@mx.example.org>
To: support@example.com
Subject: Undelivered Mail Returned to Sender
Message-ID: <bounce-1@mx.example.org>
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b

I'm sorry to have to inform you that your message could not be delivered.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org

Final-Recipient: rfc822; kim@example.org
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 No such user

--b
Content-Type: message/rfc822

From: support@example.com
To: kim@example.org
Subject: Re: Where is it?
Message-ID: <OURS>

Here it is.

--b--
"""
