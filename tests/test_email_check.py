"""`firstline check --deep` asks the mail servers themselves, in both directions, and sends and takes nothing."""

from collections.abc import Iterator
from typing import Any

import pytest

from channels.base import Setup
from channels.email.channel import EmailChannel
from service.deep import Deep, vendors
from tests.cluster import free_port
from tests.dovecot_kit import PASSWORD, USER, Dovecot
from tests.fakes import ScriptedChannel
from tests.mail_kit import LOGIN

pytestmark = pytest.mark.anyio


@pytest.fixture
def dovecot() -> Iterator[Dovecot]:
    made = Dovecot()
    yield made
    made.remove()


def channel(**environ: str) -> EmailChannel:
    usual = {
        "EMAIL_ADDRESS": "support@example.com",
        "EMAIL_SMTP_HOST": "127.0.0.1",
        "EMAIL_SMTP_SECURITY": "none",
        "EMAIL_IMAP_HOST": "127.0.0.1",
        "EMAIL_IMAP_SECURITY": "none",
        "EMAIL_IMAP_USER": USER,
        "EMAIL_IMAP_PASSWORD": PASSWORD,
    }
    made = EmailChannel(Setup(b"k" * 32, {**usual, **environ}))
    assert not made.missing
    return made


async def test_servers_that_know_us_are_said_to(mail_server: Any, dovecot: Dovecot) -> None:
    server = mail_server()
    found = await channel(EMAIL_SMTP_PORT=str(server.port), EMAIL_IMAP_PORT=str(dovecot.port)).check()
    assert found == [
        (True, f"The mail server 127.0.0.1:{server.port} (in the clear) takes mail from us."),
        (True, f"The mail server 127.0.0.1:{dovecot.port} (in the clear) opens INBOX for us."),
    ]
    assert server.taken == []


async def test_each_of_them_may_be_wrong_by_itself_and_says_what_to_look_at(mail_server: Any, dovecot: Dovecot) -> None:
    server, nobody = mail_server(), str(free_port())
    ports = {"EMAIL_SMTP_PORT": str(server.port), "EMAIL_IMAP_PORT": str(dovecot.port)}
    for changed, fine, words in (
        ({"EMAIL_SMTP_PORT": nobody}, [False, True], "EMAIL_SMTP_HOST"),
        ({"EMAIL_SMTP_SECURITY": "starttls"}, [False, True], "does not offer STARTTLS"),
        ({"EMAIL_SMTP_USER": LOGIN[0], "EMAIL_SMTP_PASSWORD": "wrong"}, [False, True], "EMAIL_SMTP_USER"),
        ({"EMAIL_IMAP_PORT": nobody}, [True, False], "cannot be reached"),
        ({"EMAIL_IMAP_PASSWORD": "wrong"}, [True, False], "EMAIL_IMAP_PASSWORD"),
        ({"EMAIL_IMAP_FOLDER": "Nowhere"}, [True, False], "EMAIL_IMAP_FOLDER"),
    ):
        found = await channel(**{**ports, **changed}).check()
        assert [good for good, _ in found] == fine, (changed, found)
        assert words in next(sentence for good, sentence in found if not good)
        assert "wrong" not in str(found)
    assert server.taken == []


class Asked(ScriptedChannel):
    title = "The sink"

    async def check(self) -> list[tuple[bool, str]]:
        return [(False, "It is full.")]


async def test_channels_that_are_on_are_asked_by_the_command() -> None:
    off = Asked()
    off.missing = ("SINK",)
    deep: Any = Deep(None, None, None, (Asked(), off, ScriptedChannel()))  # type: ignore[arg-type]  # not looked at here
    assert [each async for each in vendors(deep)] == [(False, "The sink: It is full.")]
