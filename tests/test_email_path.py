"""Mail through the whole product: a real mailbox, the real path and a real mail server."""

import asyncio
import contextlib
import email
import email.policy
import re
import smtplib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, select

from channels.base import Setup
from channels.email.channel import EmailChannel
from service import listening, staff_verbs
from service.context import Context
from service.db import Database
from service.models import Conversation, Delivery, Escalation, Message, Quarantine
from service.settings import Settings
from service.work import work
from tests.cluster import free_port
from tests.dovecot_kit import PASSWORD, USER, Dovecot, mail
from tests.flow_kit import make_context, make_staff
from tests.mail_kit import MailServer

pytestmark = pytest.mark.anyio

#: What only machines look at. A mail without them looks like a person's.
MACHINES = "Auto-Submitted|X-Auto-Response-Suppress|X-Firstline|Message-ID|In-Reply-To|References|Reply-To|Return-Path"


@pytest.fixture
def dovecot() -> Iterator[Dovecot]:
    made = Dovecot()
    yield made
    made.remove()


@pytest.fixture
def smtp() -> Iterator[MailServer]:
    made = MailServer()
    yield made
    made.stop()


def desk_of(db: Database, smtp: MailServer, address: str = USER, **environ: str) -> Context:
    """Everything that answers mail at that address; it echoes what it is asked."""
    channel = EmailChannel(
        Setup(
            address.encode().ljust(32, b"k"),
            {
                "EMAIL_ADDRESS": address,
                "EMAIL_AUTHSERV_ID": "mx.example.com",
                "EMAIL_SMTP_HOST": "127.0.0.1",
                "EMAIL_SMTP_PORT": str(smtp.port),
                "EMAIL_SMTP_SECURITY": "none",
                **environ,
            },
            company="Pellworth",
        )
    )
    assert not channel.missing, channel.missing
    channel.debounce = 0.0
    context = make_context(db, channel=channel, lease_seconds=4.0)
    context.channels = {"email": channel}
    return context


def imap(dovecot: Dovecot) -> dict[str, str]:
    return {
        "EMAIL_IMAP_HOST": "127.0.0.1",
        "EMAIL_IMAP_PORT": str(dovecot.port),
        "EMAIL_IMAP_SECURITY": "none",
        "EMAIL_IMAP_USER": USER,
        "EMAIL_IMAP_PASSWORD": PASSWORD,
    }


@contextlib.asynccontextmanager
async def running(*contexts: Context, works: bool = True) -> AsyncIterator[None]:
    """Listening and working, as a process does."""
    tasks = [asyncio.create_task(listening.run(context)) for context in contexts]
    tasks += [asyncio.create_task(work(context, context.stopping)) for context in contexts if works]
    try:
        yield
    finally:
        for context in contexts:
            context.stopping.set()
            context.db.waker.wake()
        await asyncio.wait_for(asyncio.gather(*tasks), 20)


async def until(what: Callable[[], Awaitable[Any]], seconds: float = 40) -> Any:
    async with asyncio.timeout(seconds):
        while not (found := await what()):
            await asyncio.sleep(0.05)
    return found


async def rows(context: Context, model: Any) -> list[Any]:
    async with context.db.read() as session:
        return list((await session.exec(select(model).order_by(col(model.id)))).all())


def taken(smtp: MailServer, count: int) -> Callable[[], Awaitable[Any]]:
    async def look() -> bool:
        return len(smtp.taken) >= count

    return look


def words(message: EmailMessage) -> str:
    part = message.get_body(("plain",))
    return part.get_content() if part else ""


async def test_a_question_is_answered_in_its_thread_and_so_is_the_next(db, dovecot: Dovecot, smtp: MailServer) -> None:
    context = desk_of(db, smtp, **imap(dovecot))
    proved = {"Authentication-Results": "mx.example.com; dmarc=pass header.from=example.org"}
    async with running(context):
        dovecot.append(mail(1, "Where is my parcel?", References="<root@example.org>", **proved))
        await until(taken(smtp, 1))
        to, answer = smtp.taken[0]
        assert to == "kim@example.org"
        assert "echo: Where is my parcel?" in words(answer)
        assert answer["In-Reply-To"] == "<1@example.org>"
        assert str(answer["References"]).split() == ["<root@example.org>", "<1@example.org>"]
        assert answer["Subject"] == "Re: Question 1"
        assert answer["Auto-Submitted"] == "auto-replied"
        ours = str(answer["Message-ID"])
        quoted = "\n".join(f"> {line}" for line in words(answer).splitlines())
        text = f"And when?\n\nOn Saturday, Pellworth <{USER}> wrote:\n{quoted}"
        refers = {"In-Reply-To": ours, "References": f"<1@example.org> {ours}", "Subject": "Re: Question 1"}
        dovecot.append(mail(2, text, **refers, **proved))
        await until(taken(smtp, 2))
    assert "echo: And when?" in words(smtp.taken[1][1])
    assert "On Saturday" not in words(smtp.taken[1][1]).partition("echo:")[2].partition("\n\n")[0]
    assert smtp.taken[1][1]["Subject"] == "Re: Question 1"
    assert len(await rows(context, Conversation)) == 1
    assert len(smtp.taken) == 2
    assert all(b"\\Seen" in each for each in dovecot.flags())


async def test_a_restart_in_the_middle_loses_nothing_and_says_nothing_twice(
    db, dovecot: Dovecot, smtp: MailServer
) -> None:
    first = desk_of(db, smtp, **imap(dovecot))
    async with running(first, works=False):  # it takes mail in, and goes down before it answers
        dovecot.append(mail(1), mail(2, sender="lou@example.org"))
        await until(lambda: _count(first, Message, 2))
    dovecot.append(mail(3, sender="max@example.org"))
    second = desk_of(db, smtp, **imap(dovecot))
    async with running(second):
        await until(taken(smtp, 3))
        await asyncio.sleep(0.5)
    assert sorted(smtp.told) == ["kim@example.org", "lou@example.org", "max@example.org"]


async def _count(context: Context, model: Any, count: int) -> bool:
    return len(await rows(context, model)) >= count


async def test_a_cut_after_the_final_dot_is_repeated_once_as_the_very_same_mail_and_marked(
    db, dovecot: Dovecot, smtp: MailServer
) -> None:
    context = desk_of(db, smtp, **imap(dovecot))
    smtp.answers = ["drop"]
    async with running(context):
        dovecot.append(mail(1))
        await until(taken(smtp, 2))
        await until(lambda: _sent(context))
    assert len({str(message["Message-ID"]) for _, message in smtp.taken}) == 1
    assert len(smtp.taken) == 2
    (delivery,) = await rows(context, Delivery)
    assert delivery.repeated
    assert (await rows(context, Message))[1].reason == "Sent once more after an unknown outcome."


async def _sent(context: Context) -> bool:
    return any(each.state == "sent" for each in await rows(context, Delivery))


async def test_a_bounce_marks_what_it_is_about_and_calls_a_person(db, dovecot: Dovecot, smtp: MailServer) -> None:
    context = desk_of(db, smtp, **imap(dovecot))
    async with running(context):
        dovecot.append(mail(1))
        await until(lambda: _sent(context))
        dovecot.append(bounce(smtp.raw[0], "<fl.made.up@example.com>"), bounce(smtp.raw[0]))
        await until(lambda: _count(context, Escalation, 1))
    (delivery,) = await rows(context, Delivery)
    assert (delivery.state, delivery.reason) == ("failed", "The address does not exist.")
    assert [each.state for each in await rows(context, Conversation)] == ["waiting", "resolved", "resolved"][
        : len(await rows(context, Conversation))
    ]
    assert len(smtp.taken) == 1, "no bounce is answered"


def bounce(raw: bytes, message_id: str = "") -> bytes:
    """Sent back by the customer's server; with `message_id` it is about a mail that is none of ours."""
    head = raw.partition(b"\r\n\r\n")[0].decode()
    if message_id:
        head = re.sub(r"(?im)^(Message-ID|X-Firstline):.*$", "", head).strip() + f"\r\nMessage-ID: {message_id}"
        head = re.sub(r"(\r\n)+", "\r\n", head)
    return (
        f"From: MAILER-DAEMON@mail.example.org\r\nTo: {USER}\r\nSubject: Undelivered Mail Returned to Sender\r\n"
        f"Message-ID: <bounce-{len(message_id)}@mail.example.org>\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\n\r\nIt could not be delivered.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        "Reporting-MTA: dns; mail.example.org\r\n\r\nFinal-Recipient: rfc822; kim@example.org\r\n"
        "Action: failed\r\nStatus: 5.1.1\r\n\r\n"
        f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\n{head}\r\n\r\n--b--\r\n"
    ).encode()


async def test_staff_answer_from_the_same_address_under_their_name(db, dovecot: Dovecot, smtp: MailServer) -> None:
    context = desk_of(db, smtp, **imap(dovecot))
    ana = await make_staff(db, "Ana")
    async with running(context):
        dovecot.append(mail(1))
        await until(taken(smtp, 1))
        (conversation,) = await rows(context, Conversation)
        async with db.write() as session:
            await staff_verbs.reply(session, conversation.id, ana, "It leaves today.", "k" * 20)
        await until(taken(smtp, 2))
    answer = smtp.taken[1][1]
    assert str(answer["From"]).startswith('"Ana')
    assert USER in str(answer["From"])
    assert answer["In-Reply-To"] == "<1@example.org>"
    assert answer["Auto-Submitted"] is None
    assert "AI" not in words(answer)


async def test_what_cannot_be_read_is_kept_and_the_mailbox_moves_on(db, dovecot: Dovecot, smtp: MailServer) -> None:
    context = desk_of(db, smtp, **imap(dovecot))
    broken = mail(1, From="nobody at all")
    async with running(context):
        dovecot.append(broken, mail(2))
        await until(taken(smtp, 1))
    (kept,) = await rows(context, Quarantine)
    assert kept.raw.replace(b"\r\n", b"\n") == broken.replace(b"\r\n", b"\n")
    assert kept.subject == "Question 1"
    assert "nobody to answer" in kept.reason


class Wire:
    """What one Firstline sends is handed to the other. `strip`: without all that machines look at."""

    def __init__(self, smtp: MailServer, port: int, to: str, strip: bool) -> None:
        self.smtp, self.port, self.to, self.strip, self.passed = smtp, port, to, strip, 0

    async def run(self) -> None:
        while True:
            while self.passed < len(self.smtp.raw):
                raw = self.smtp.raw[self.passed]
                self.passed += 1
                if self.strip:
                    raw = self.stripped(raw)
                sender = email.message_from_bytes(raw, policy=email.policy.default)["From"].addresses[0].addr_spec
                await asyncio.to_thread(self.hand_over, sender, raw)
            await asyncio.sleep(0.05)

    def stripped(self, raw: bytes) -> bytes:
        head, _, body = raw.partition(b"\r\n\r\n")
        kept = re.sub(rf"(?im)^(?:{MACHINES}):.*(?:\r\n[ \t].*)*\r\n".encode(), b"", head + b"\r\n")
        assert b"Auto-Submitted" not in kept
        return kept + f"Message-ID: <anew-{self.port}-{self.passed}@relay.example>\r\n\r\n".encode() + body

    def hand_over(self, sender: str, raw: bytes) -> None:
        with smtplib.LMTP("127.0.0.1", self.port) as server:
            server.sendmail(sender, [self.to], raw)


@pytest.fixture
async def other(tmp_path: Path, migrated_sqlite: Path) -> AsyncIterator[Database]:
    path = tmp_path / "other.db"
    path.write_bytes(Path(migrated_sqlite).read_bytes())
    made = Database(Settings(database_url=f"sqlite:///{path}", _env_file=None).url)
    yield made
    await made.close()


@pytest.mark.parametrize("strip", [False, True], ids=["as they are", "stripped"])
async def test_two_of_us_that_write_to_each_other_stop_by_themselves(db, other: Database, strip: bool) -> None:
    servers, ports = [MailServer(), MailServer()], [free_port(), free_port()]
    names = ["support@one.example", "support@two.example"]
    contexts = [
        desk_of(each, smtp, name, EMAIL_LMTP=f"127.0.0.1:{port}", EMAIL_NAME=name.partition("@")[2])
        for each, smtp, name, port in zip((db, other), servers, names, ports, strict=True)
    ]
    wires = [Wire(servers[0], ports[1], names[1], strip), Wire(servers[1], ports[0], names[0], strip)]
    try:
        async with running(*contexts):
            pumps = [asyncio.create_task(wire.run()) for wire in wires]
            first = mail(1, "Hello, are you there?", sender=names[1], To=names[0])
            await until(lambda: _listens(ports[0]))
            await until(lambda: _listens(ports[1]))
            await asyncio.to_thread(wires[1].hand_over, names[1], first)
            await until(taken(servers[0], 1))
            quiet, seen = 0, -1
            while quiet < 20:  # two seconds in which nobody wrote
                now = len(servers[0].taken) + len(servers[1].taken)
                quiet, seen = (quiet + 1, seen) if now == seen else (0, now)
                await asyncio.sleep(0.1)
            for pump in pumps:
                pump.cancel()
            assert all(
                isinstance(each, asyncio.CancelledError)
                for each in await asyncio.gather(*pumps, return_exceptions=True)
            )
    finally:
        for server in servers:
            server.stop()
    sent = [len(server.taken) for server in servers]
    assert sent == ([3, 3] if strip else [1, 0]), "three exchanges at most, and none where machines say what they are"
    if strip:
        assert any(each.state == "waiting" for each in await rows(contexts[0], Conversation)), "a person looks"


async def _listens(port: int) -> bool:
    with contextlib.suppress(OSError):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        return True
    return False
