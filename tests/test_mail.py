"""Mail to staff by a real mail server on loopback: encryption, login, and what each failure means."""

import ssl
import time
from pathlib import Path
from typing import Any

import pytest

from service import mail
from service.settings import Settings
from tests.cluster import free_port
from tests.mail_kit import LOGIN, Deaf, Scripted, certificate

pytestmark = pytest.mark.anyio

ANA = "ana@example.org"


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    return certificate(tmp_path_factory.mktemp("tls"))


def settings(port: int, security: str = "none", **changed: Any) -> Settings:
    values = {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_security": security, "mail_from": "desk@example.com"}
    return Settings(_env_file=None, **{**values, **changed})


async def send(to: Settings, address: str = ANA, key: str = "k", seconds: float = 5.0) -> None:
    await mail.send(to, mail.compose(to, address, "Subject", "Words of ours: café.\n", key), address, seconds)


async def test_a_mail_arrives_as_plain_text_that_says_a_program_wrote_it(mail_server: Any) -> None:
    server = mail_server()
    await send(settings(server.port))
    [(to, message)] = server.taken
    assert to == ANA
    assert message["To"] == ANA
    assert message["From"] == "Firstline <desk@example.com>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"] == "<k@example.com>"
    assert message["Date"]
    assert message.get_content_type() == "text/plain"
    assert message.get_content().replace("\r", "") == "Words of ours: café.\n"


@pytest.mark.parametrize("at_once", [False, True])
async def test_encrypted_and_logged_in(
    mail_server: Any, tls: tuple[Path, ssl.SSLContext], at_once: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, context = tls
    server = mail_server(tls=context, at_once=at_once, login=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    to = settings(server.port, "tls" if at_once else "starttls", smtp_user=LOGIN[0], smtp_password=LOGIN[1])
    await send(to)
    assert (server.told, server.encrypted, server.users) == ([ANA], [True], [LOGIN[0]])
    with pytest.raises(mail.Away, match="535"):
        await send(to.model_copy(update={"smtp_user": "somebody else"}))
    assert len(server.taken) == 1


@pytest.mark.parametrize("at_once", [False, True])
async def test_a_certificate_nobody_vouches_for_gets_no_mail_and_no_password(
    mail_server: Any, tls: tuple[Path, ssl.SSLContext], at_once: bool
) -> None:
    server = mail_server(tls=tls[1], at_once=at_once, login=True)
    with pytest.raises(mail.Away):
        await send(settings(server.port, "tls" if at_once else "starttls", smtp_user=LOGIN[0], smtp_password=LOGIN[1]))
    assert (server.taken, server.users) == ([], [])


async def test_starttls_that_is_asked_for_and_not_offered_is_never_done_without(mail_server: Any) -> None:
    server = mail_server()
    with pytest.raises(mail.Away):
        await send(settings(server.port, "starttls"))
    assert server.taken == []
    await send(settings(server.port, "none"))
    assert server.told == [ANA], "the very same server takes it where nobody asked for encryption"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("550 No such mailbox", mail.Refused),
        ("550 5.1.1 No such mailbox", mail.Refused),
        ("450 Come back later", mail.NotSent),
        ("554 5.7.1", mail.Unwanted),
        ("550 5.7.1", mail.Unwanted),
        ("530 5.7.0", mail.Away),
        ("421 4.3.2", mail.Away),
    ],
)
async def test_a_refused_mailbox_is_for_good_or_for_now(mail_server: Any, answer: str, error: type[Exception]) -> None:
    server = mail_server()
    server.refuses[ANA] = answer
    with pytest.raises(error) as raised:
        await send(settings(server.port))
    assert type(raised.value) is error
    assert answer[:3] in str(raised.value)
    assert "mailbox" not in str(raised.value), "what a server says may repeat an address"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("554 Not this", mail.Unwanted),
        ("550 5.7.60 Not as them", mail.Unwanted),
        ("451 Full", mail.NotSent),
        ("drop", mail.Unknown),
    ],
)
async def test_a_mail_that_is_not_taken_is_for_good_or_for_now(
    mail_server: Any, answer: str, error: type[Exception]
) -> None:
    server = mail_server()
    server.answers = [answer]
    with pytest.raises(error) as raised:
        await send(settings(server.port))
    assert type(raised.value) is error
    await send(settings(server.port))
    assert server.told.count(ANA) == (2 if answer == "drop" else 1)


@pytest.mark.parametrize("stage", ["RCPT", "DATA", "."])
async def test_a_connection_that_is_cut_leaves_a_doubt_only_after_the_final_dot(stage: str) -> None:
    async with Scripted(**{stage: "cut"}) as server:
        with pytest.raises(mail.NotSent) as raised:
            await send(settings(server.port))
        assert type(raised.value) is (mail.Unknown if stage == "." else mail.NotSent)


async def test_a_server_that_is_not_there_or_says_nothing_is_away() -> None:
    with pytest.raises(mail.Away):
        await send(settings(free_port()))
    async with Deaf() as deaf:
        began = time.monotonic()
        with pytest.raises(mail.Away):
            await send(settings(deaf.port), seconds=0.5)
        assert time.monotonic() - began < 3


@pytest.mark.parametrize("address", ["añá@example.org", "a,b@example.org", "<ana@example.org>", "@", "a@[::1"])
async def test_an_address_that_cannot_be_written_to_is_refused(mail_server: Any, address: str) -> None:
    with pytest.raises(mail.Refused):
        await send(settings(mail_server().port), address)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"mail_from": ""}, "the address it comes from"),
        ({"mail_from": "Support <a@example.com>"}, "plain email address"),
        ({"mail_from": "a@example.com\r\nBcc: b@example.com"}, "plain email address"),
        ({"smtp_user": "desk"}, "go together"),
        ({"smtp_password": "secret"}, "go together"),
        ({"smtp_security": "ssl"}, "starttls"),
        ({"call_email_seconds": 0}, "greater than 0"),
    ],
)
def test_settings_that_cannot_work_are_one_sentence(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as refused:
        settings(25, **changed)
    assert "secret" not in str(refused.value).replace("smtp_password\n", "").split("[type")[0]
