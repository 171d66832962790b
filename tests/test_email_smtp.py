"""Customers' mail by a real mail server on loopback: what arrives, and what each failure means."""

import asyncio
import ssl
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from channels.base import Outbound, OutcomeUnknown, Undeliverable
from channels.email import smtp
from channels.email.compose import Letter, compose
from channels.email.settings import Server, read
from channels.email.tokens import Tokens
from tests.cluster import free_port
from tests.mail_kit import LOGIN, Deaf, Scripted, certificate

pytestmark = pytest.mark.anyio

KIM = "kim@example.org"
#: In the order in which they are said: up to the last one nothing has been taken.
STAGES = ("greeting", "EHLO", "MAIL", "RCPT", "DATA", ".")


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    return certificate(tmp_path_factory.mktemp("tls"))


def letter(to: str = KIM, text: str = "A label costs €6.50.") -> Letter:
    outbound = Outbound(key="0f8fad5b-d9cb-469f-a165-70867728950e", recipient=to, thread="t", text=text, author="agent")
    return compose(read({"EMAIL_ADDRESS": "support@example.com"}), Tokens(b"k" * 32), outbound, time.time())


def to(port: int, security: str = "none", **changed: Any) -> Server:
    return replace(Server("127.0.0.1", port, security), **changed)


async def send(server: Server, mail: Letter | None = None, in_all: float = 10.0) -> None:
    mail = mail or letter()
    await smtp.send(server, mail.sender, mail.recipient, mail.content, in_all=in_all)


async def refused(server: Server, mail: Letter | None = None, in_all: float = 10.0) -> Undeliverable:
    with pytest.raises(Undeliverable) as raised:
        await send(server, mail, in_all)
    reason = raised.value.reason
    assert reason[0].isupper(), reason
    assert "\n" not in reason
    assert raised.value.permanent or "EMAIL_" in reason or "later" in reason or "now" in reason or "full" in reason
    return raised.value


async def test_a_mail_arrives_as_it_was_composed_with_an_address_for_bounces(mail_server: Any) -> None:
    server = mail_server()
    mail = letter(text=".\n..\n.a line\nFrom here\n\n" + "long " * 2_000)
    await send(to(server.port), mail)
    assert server.raw == [mail.content], "byte for byte: signatures of mail hang on it"
    assert (server.told, server.senders) == ([KIM], ["support@example.com"])
    assert server.taken[0][1].get_body(("plain",)).get_content().startswith(".\r\n..\r\n.a line\r\nFrom here\r\n")


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_encrypted_and_logged_in(
    mail_server: Any, tls: tuple[Path, ssl.SSLContext], security: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert, context = tls
    server = mail_server(tls=context, at_once=security == "tls", login=True)
    distrusted = await refused(to(server.port, security, user=LOGIN[0], password=LOGIN[1]))
    assert "certificate" in distrusted.reason
    assert (server.taken, server.users, distrusted.permanent) == ([], [], False)
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    wrong = await refused(to(server.port, security, user=LOGIN[0], password="another"))
    assert "EMAIL_SMTP_PASSWORD" in wrong.reason
    assert not wrong.permanent, "a wrong password is no mail's own failure"
    assert "another" not in wrong.reason
    without = await refused(to(server.port, security))
    assert "EMAIL_SMTP_USER" in without.reason
    assert not without.permanent
    await send(to(server.port, security, user=LOGIN[0], password=LOGIN[1]))
    assert (server.told, server.encrypted, server.users) == ([KIM], [True], [LOGIN[0]])


async def test_starttls_that_is_not_offered_or_not_kept_is_never_done_without(mail_server: Any) -> None:
    server = mail_server()
    stripped = await refused(to(server.port, "starttls"))
    assert "does not offer STARTTLS" in stripped.reason
    assert (server.taken, stripped.permanent) == ([], False)
    await send(to(server.port, "none"))
    assert server.told == [KIM], "the very same server takes it where nobody asked for encryption"
    for answer in ("454 not now", "220 go on", "cut", "hang"):
        async with Scripted(EHLO="250-here\r\n250 STARTTLS", STARTTLS=answer) as liar:
            assert not (await refused(to(liar.port, "starttls"), in_all=0.5)).permanent
            assert "MAIL" not in liar.heard
            assert "STARTTLS" in liar.heard


@pytest.mark.parametrize(
    ("answer", "permanent", "words"),
    [
        ("550 5.1.1 <kim@example.org>: Recipient address rejected: User unknown", True, "mailbox does not exist"),
        ("550 No such user here", True, "mailbox does not exist"),
        ("550 5.1.2 Host unknown", True, "after the @"),
        ("556 5.1.10 null MX", True, "after the @"),
        ("550 5.2.1 disabled", True, "closed"),
        ("552 5.2.2 over quota", True, "full"),
        ("552 Mailbox full", True, "full"),
        ("452 4.2.2 over quota", False, "full"),
        ("450 4.2.0 Greylisted", False, "later"),
        ("451 4.7.1 try again in 300 seconds", False, "later"),
        ("450 Somewhat busy", False, "now"),
        ("550 5.7.1 blocked by our policy", True, "unwanted"),
        ("554 5.7.1 Relay access denied", False, "EMAIL_SMTP_HOST"),
        ("530 5.7.0 Authentication required", False, "EMAIL_SMTP_USER"),
        ("553 sorry", True, "address"),
        ("550 5.7.26 no DKIM", True, "DKIM"),
        ("599 whatever that is", True, "refused"),
    ],
)
async def test_a_refused_customer_is_a_sentence_for_good_or_for_now(
    mail_server: Any, answer: str, permanent: bool, words: str
) -> None:
    server = mail_server()
    server.refuses[KIM] = answer
    error = await refused(to(server.port))
    assert error.permanent is permanent
    assert words in error.reason
    assert answer in error.reason, "staff can read what the server said"
    await send(to(server.port), letter("ana@example.org"))
    assert server.told == ["ana@example.org"]


@pytest.mark.parametrize(
    ("answer", "permanent", "words"),
    [
        ("554 5.7.1 Looks like spam", True, "unwanted"),
        ("554 Message rejected as spam", True, "unwanted"),
        ("552 5.3.4 Message too big", True, "too large"),
        ("552 Message size exceeds fixed limit", True, "too large"),
        ("451 4.3.0 disk", False, "now"),
        ("421 4.3.2 going down", False, "now"),
        ("554", True, "refused"),
    ],
)
async def test_a_refused_mail_is_a_sentence_for_good_or_for_now(
    mail_server: Any, answer: str, permanent: bool, words: str
) -> None:
    server = mail_server()
    server.answers = [answer]
    error = await refused(to(server.port))
    assert error.permanent is permanent
    assert words in error.reason
    await send(to(server.port))
    assert server.told == [KIM], "it was not taken the first time"


@pytest.mark.parametrize("stage", STAGES)
async def test_a_server_that_is_closing_is_tried_again_whenever_it_says_so(stage: str) -> None:
    async with Scripted(**{stage: "421 4.3.2 closing"}) as server:
        assert not (await refused(to(server.port))).permanent
        # "." stands for the mail itself: it was said only where everything before it was answered.
        assert ("." in server.heard) is (stage == ".")


@pytest.mark.parametrize("stage", ["greeting", "EHLO", "MAIL"])
async def test_a_server_that_will_have_nothing_of_ours_does_not_fail_a_mail_for_good(stage: str) -> None:
    async with Scripted(**{stage: "554 5.7.1 not you", "HELO": "554 not you"}) as server:
        error = await refused(to(server.port))
        assert not error.permanent
        assert "not you" in error.reason


@pytest.mark.parametrize("how", ["cut", "hang"])
@pytest.mark.parametrize("stage", STAGES)
async def test_only_after_the_final_dot_is_it_unknown_whether_it_was_taken(stage: str, how: str) -> None:
    async with Scripted(**{stage: how}) as server:
        if stage == ".":
            with pytest.raises(OutcomeUnknown, match=r"before it said whether it took the mail\."):
                await send(to(server.port), in_all=0.5)
        else:
            assert not (await refused(to(server.port), in_all=0.5)).permanent
        assert ("." in server.heard) is (stage == ".")


async def test_an_answer_that_nobody_understands_after_the_final_dot_is_unknown_too() -> None:
    async with Scripted(**{".": "what?"}) as server:
        with pytest.raises(OutcomeUnknown):
            await send(to(server.port))


async def test_a_mail_that_was_taken_is_sent_also_if_the_goodbye_fails(mail_server: Any) -> None:
    for goodbye in ("cut", "421 enough", "500 what"):
        async with Scripted(QUIT=goodbye) as server:
            await send(to(server.port))
            assert server.heard[-2:] == [".", "QUIT"]
    server = mail_server()
    server.answers = ["drop"]
    with pytest.raises(OutcomeUnknown):
        await send(to(server.port))
    assert server.told == [KIM], "that is why it is unknown: this server had it"


async def test_a_server_that_is_not_there_or_says_nothing_is_tried_again() -> None:
    assert "could not be reached" in (await refused(to(free_port()))).reason
    unknown = await refused(replace(to(25), host="no-such-host.invalid"))
    assert "name of the mail server" in unknown.reason
    assert "name of the mail server" in (await refused(replace(to(25), host=f"{'a' * 70}.example"))).reason
    async with Deaf() as deaf:
        began = time.monotonic()
        silent = await refused(to(deaf.port), in_all=0.5)
        assert "did not answer in time" in silent.reason
        assert time.monotonic() - began < 3
    assert not any(each.permanent for each in (unknown, silent))


async def test_an_address_beyond_ascii_goes_where_the_server_takes_it_and_else_is_refused_for_good(
    mail_server: Any,
) -> None:
    mail = letter("josé@example.org")
    able = mail_server(utf8=True)
    await send(to(able.port), mail)
    assert able.told == ["josé@example.org"]
    assert able.raw == [mail.content]
    unable = await refused(to(mail_server(utf8=False).port), mail)
    assert unable.permanent
    assert "letters beyond ASCII" in unable.reason


async def test_what_a_server_says_is_one_line_of_bounded_length() -> None:
    async with Scripted(RCPT=f"550-5.1.1 first\r\n550-5.1.1 \x1b[31msecond\udcff\r\n550 {'x' * 400}".encode(
        "utf-8", "surrogateescape").decode("latin-1")) as server:  # fmt: skip
        reason = (await refused(to(server.port))).reason
        assert "550 5.1.1 first 5.1.1 [31msecond" in reason
        assert len(reason) < 300
        reason.encode()


@pytest.mark.parametrize("stage", ["RCPT", "."])
async def test_a_worker_that_is_told_to_stop_stops(stage: str) -> None:
    async with Scripted(**{stage: "hang"}) as server:
        task = asyncio.create_task(send(to(server.port)))
        while stage not in server.heard:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
