"""Listening to a mailbox on a real IMAP server: every mail once and in order, whatever happens in between."""

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from channels.base import Inbound, Kind, Parsed, Quarantined, Setup, Unreachable
from channels.email.channel import EmailChannel
from tests import ROOT
from tests.cluster import free_port
from tests.dovecot_kit import PASSWORD, USER, Dovecot, Line, mail
from tests.mail_kit import Deaf

pytestmark = pytest.mark.anyio

SEEN = b"\\Seen"


@pytest.fixture
def dovecot() -> Iterator[Dovecot]:
    made = Dovecot()
    yield made
    made.remove()


class Desk:
    """Records what is received, and the state that is stored with it. `fails`: what it raises, one after another."""

    def __init__(self) -> None:
        self.parsed: list[Parsed] = []
        self.states: list[Mapping[str, Any]] = []
        self.fails: list[Exception] = []
        self.slow = 0.0
        self.begun = 0

    async def receive(self, parsed: Sequence[Parsed], state: Mapping[str, Any]) -> None:
        self.begun += 1
        if self.fails:
            raise self.fails.pop(0)
        await asyncio.sleep(self.slow)
        self.parsed.extend(parsed)
        self.states.append(dict(state))

    @property
    def state(self) -> Mapping[str, Any]:
        return self.states[-1] if self.states else {}

    @property
    def subjects(self) -> list[str]:
        return [each.subject for each in self.parsed if isinstance(each, Inbound | Quarantined)]


def environ(port: int, **more: str) -> dict[str, str]:
    return {
        "EMAIL_ADDRESS": USER,
        "EMAIL_SMTP_HOST": "127.0.0.1",
        "EMAIL_IMAP_HOST": "127.0.0.1",
        "EMAIL_IMAP_PORT": str(port),
        "EMAIL_IMAP_SECURITY": "none",
        "EMAIL_IMAP_USER": USER,
        "EMAIL_IMAP_PASSWORD": PASSWORD,
        **more,
    }


def channel(port: int, clock: Callable[[], float] = time.time, **more: str) -> EmailChannel:
    made = EmailChannel(Setup(b"k" * 32, environ(port, **more)), clock)
    assert not made.missing, made.missing
    return made


@contextlib.asynccontextmanager
async def listening(made: EmailChannel, desk: Desk, state: Mapping[str, Any] | None = None) -> AsyncIterator[Any]:
    assert made.listen
    task = asyncio.create_task(made.listen(desk.receive, desk.state if state is None else state))
    try:
        yield task
    finally:
        task.cancel()
        began = time.monotonic()
        await asyncio.wait({task})
        assert time.monotonic() - began < 5, "it ends when it is asked to"


async def until(true: Callable[[], bool], seconds: float = 15, task: Any = None) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it took too long"
        if task and task.done():
            task.result()
        await asyncio.sleep(0.02)


async def begin(dovecot: Dovecot, desk: Desk) -> None:
    """A first start on what is there, and its end."""
    async with listening(channel(dovecot.port), desk) as task:
        await until(lambda: bool(desk.states), task=task)


async def test_a_mail_is_heard_within_a_second_and_marked_as_read_after_it_was_stored(dovecot: Dovecot) -> None:
    desk = Desk()
    desk.slow = 0.5
    async with listening(channel(dovecot.port), desk) as task:
        await until(lambda: bool(desk.states), task=task)
        await asyncio.sleep(0.5)
        began = time.monotonic()
        await asyncio.to_thread(dovecot.append, mail(1, "Where is my parcel?"))
        await until(lambda: desk.begun == 2, task=task)
        assert time.monotonic() - began < 3, "the server tells of it: nobody waits for the next look"
        assert SEEN not in b"".join(dovecot.flags()), "it is not stored yet"
        await until(lambda: len(desk.parsed) == 1, task=task)
        await until(lambda: SEEN in b"".join(dovecot.flags()), task=task)
    (message,) = desk.parsed
    assert isinstance(message, Inbound)
    assert (message.text, message.subject, message.kind) == ("Where is my parcel?", "Question 1", Kind.MESSAGE)
    assert (message.sender, message.verified, message.known_as) == (
        "unverified:kim@example.org",
        False,
        "1@example.org",
    )
    assert desk.state["uid"] == 1


async def test_after_a_restart_in_the_middle_each_mail_is_there_once_and_in_order(dovecot: Dovecot) -> None:
    desk = Desk()
    await begin(dovecot, desk)
    dovecot.append(*(mail(number) for number in range(12)))
    for most in (3, 7, 12):
        desk.slow = 0.05
        async with listening(channel(dovecot.port), desk) as task:
            await until(lambda most=most: len(desk.parsed) >= most, task=task)
    assert desk.subjects == [f"Question {number}" for number in range(12)]


async def test_what_could_not_be_stored_is_told_as_it_is_and_comes_again(dovecot: Dovecot) -> None:
    desk = Desk()
    await begin(dovecot, desk)
    dovecot.append(mail(1), mail(2))
    desk.fails = [ConnectionError("the database is away")]
    async with listening(channel(dovecot.port), desk) as task:
        with pytest.raises(ConnectionError, match="the database is away"):
            await asyncio.wait_for(asyncio.shield(task), 15)
    assert SEEN not in b"".join(dovecot.flags())
    async with listening(channel(dovecot.port), desk) as task:
        await until(lambda: len(desk.parsed) == 2, task=task)
    assert desk.subjects == ["Question 1", "Question 2"]


async def test_at_the_very_first_start_only_what_came_last_and_nobody_opened_is_taken(dovecot: Dovecot) -> None:
    day = 24 * 3600
    dovecot.append(mail("of last year"), at=time.time() - 365 * day)
    dovecot.append(mail("of the day before"), at=time.time() - 2 * day)
    dovecot.append(mail("that somebody read"), flags=r"(\Seen)")
    dovecot.append(mail("that somebody answered"), flags=r"(\Answered)")
    dovecot.append(mail("of this morning"), at=time.time() - 3 * 3600)
    desk = Desk()
    async with listening(channel(dovecot.port), desk) as task:
        await until(lambda: len(desk.parsed) == 1, task=task)
        await asyncio.to_thread(dovecot.append, mail("moved here"), at=time.time() - 30 * day)
        await until(lambda: len(desk.parsed) == 2, task=task)
        await until(lambda: sum(SEEN in line for line in dovecot.flags()) >= 3, task=task)
    assert desk.subjects == ["Question of this morning", "Question moved here"]
    came = [time.time() - each.at for each in desk.parsed if isinstance(each, Inbound) and each.at is not None]
    assert came == [pytest.approx(3 * 3600, abs=60), pytest.approx(30 * day, abs=60)]
    assert sum(SEEN in line for line in dovecot.flags()) == 3, "what was left alone is as it was"
    async with listening(channel(dovecot.port), desk) as task:
        await asyncio.sleep(1)
    assert len(desk.parsed) == 2


async def test_a_server_that_numbers_anew_gives_every_mail_with_the_name_it_had(dovecot: Dovecot) -> None:
    dovecot.append(mail("old"), at=time.time() - 30 * 24 * 3600)
    desk = Desk()
    await begin(dovecot, desk)
    dovecot.append(mail(1), mail(2))
    async with listening(channel(dovecot.port), desk) as task:
        await until(lambda: len(desk.parsed) == 2, task=task)
    first, before = list(desk.parsed), desk.state
    dovecot.number_anew()
    dovecot.append(mail(3))
    async with listening(channel(dovecot.port), desk) as task:
        await until(lambda: len(desk.parsed) == 5, task=task)
        assert desk.state["uidvalidity"] != before["uidvalidity"], "or this test means nothing"
        await asyncio.to_thread(dovecot.append, mail(4))
        await until(lambda: len(desk.parsed) == 6, task=task)
    assert desk.parsed[2:4] == first, "known by their external ids, whatever their numbers"
    assert desk.subjects[4:] == ["Question 3", "Question 4"]
    assert "Question old" not in desk.subjects, "what was there before Firstline is nobody's question"


async def test_a_line_that_is_cut_while_a_mail_is_read_loses_nothing_and_doubles_nothing(dovecot: Dovecot) -> None:
    desk = Desk()
    await begin(dovecot, desk)
    dovecot.append(mail(1), mail(2, size=2_000_000), mail(3))
    async with Line(dovecot.port, cuts=[600_000, 1_500_000]) as line, listening(channel(line.port), desk) as task:
        await until(lambda: len(desk.parsed) == 3, task=task)
        assert line.connections == 3, "or it was never cut"
        line.cut()
        await asyncio.to_thread(dovecot.append, mail(4))
        await until(lambda: len(desk.parsed) == 4, task=task)
    assert desk.subjects == [f"Question {number}" for number in (1, 2, 3, 4)]
    big = desk.parsed[1]
    assert isinstance(big, Inbound)
    assert [len(each.content) > 1_400_000 for each in big.attachments] == [True]


async def test_a_line_that_breaks_off_again_and_again_is_told_to_the_operator(dovecot: Dovecot) -> None:
    desk = Desk()
    await begin(dovecot, desk)
    dovecot.append(mail(1, size=2_000_000))
    async with Line(dovecot.port, cuts=[500_000] * 10) as line, listening(channel(line.port), desk) as task:
        with pytest.raises(Unreachable, match="breaks off again and again"):
            await asyncio.wait_for(asyncio.shield(task), 30)
    assert desk.parsed == []


async def test_mail_that_another_program_has_marked_as_read_is_heard_all_the_same(dovecot: Dovecot) -> None:
    desk = Desk()
    await begin(dovecot, desk)
    dovecot.append(mail(1), mail(2), flags=r"(\Seen)")
    with dovecot.client() as other:
        other.store("1", "+FLAGS", r"(\Flagged)")
    async with listening(channel(dovecot.port), desk) as task:
        await until(lambda: len(desk.parsed) == 2, task=task)


async def test_mail_that_another_program_deletes_meanwhile_is_passed_over(dovecot: Dovecot) -> None:
    desk = Desk()
    await begin(dovecot, desk)
    dovecot.append(*(mail(number) for number in range(4)))
    desk.slow = 1.0
    async with listening(channel(dovecot.port), desk) as task:
        await until(lambda: desk.begun == 2, task=task)  # the first is being stored, all are listed

        def delete() -> None:
            with dovecot.client() as other:
                other.store("2:3", "+FLAGS", r"(\Deleted)")
                other.expunge()

        await asyncio.to_thread(delete)
        await until(lambda: len(desk.parsed) == 2, task=task)
    assert desk.subjects == ["Question 0", "Question 3"]


async def test_a_mail_that_the_server_refuses_holds_up_the_next_for_seconds_and_is_told_of(dovecot: Dovecot) -> None:
    desk = Desk()
    await begin(dovecot, desk)
    dovecot.drop([mail(1), mail(2), mail(3)])
    new = dovecot.folder / "mail" / "new"
    sorted(new.iterdir())[1].chmod(0)  # the server says goodbye whenever it is asked for it
    async with listening(channel(dovecot.port), desk) as task:
        await until(lambda: len(desk.parsed) == 3, 30, task)
    one, refused, three = desk.parsed
    assert isinstance(refused, Quarantined)
    assert refused.reason == "The mail server does not hand this mail over: look for it in the mailbox."
    assert [each.subject for each in (one, three) if isinstance(each, Inbound)] == ["Question 1", "Question 3"]
    # Where there is no later one, nobody knows whether it is the mail or the server: it is tried for ever.
    dovecot.drop([mail(4)])
    (fourth,) = new.iterdir()
    fourth.chmod(0)
    async with listening(channel(dovecot.port), desk) as task:
        with pytest.raises(Unreachable, match="does not hand over the mail with the UID 4"):
            await asyncio.wait_for(asyncio.shield(task), 30)
    next((dovecot.folder / "mail").rglob(f"{fourth.name}*")).chmod(0o600)
    async with listening(channel(dovecot.port), desk) as task:
        await until(lambda: len(desk.parsed) == 4, task=task)
    assert desk.subjects[-1] == "Question 4"


async def test_nothing_is_ever_deleted_not_even_what_another_program_has_marked_for_it(dovecot: Dovecot) -> None:
    desk = Desk()
    await begin(dovecot, desk)
    dovecot.append(mail(1), flags=r"(\Deleted)")
    dovecot.append(mail(2))
    async with listening(channel(dovecot.port), desk) as task:
        await until(lambda: len(desk.parsed) == 2, task=task)
        await until(lambda: sum(SEEN in line for line in dovecot.flags()) == 2, task=task)


async def test_a_thousand_mails_that_came_meanwhile_are_there_once_each_and_in_order(dovecot: Dovecot) -> None:
    desk = Desk()
    await begin(dovecot, desk)
    dovecot.drop([mail(number) for number in range(1000)])
    began = time.monotonic()
    async with listening(channel(dovecot.port), desk) as task:
        await until(lambda: len(desk.parsed) >= 1000, 90, task)
        await asyncio.sleep(0.5)
    assert sorted(desk.subjects) == sorted(f"Question {number}" for number in range(1000)), "each once"
    uids = [state["uid"] for state in desk.states[1:]]
    assert uids == list(range(1, 1001)), "in the order of the mailbox"
    assert time.monotonic() - began < 90


async def test_a_server_that_cannot_tell_of_new_mail_is_asked_for_it(
    dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("channels.email.imap.POLL_SECONDS", 0.5)
    desk = Desk()
    async with Line(dovecot.port, hide=b"IDLE") as line, listening(channel(line.port), desk) as task:
        await until(lambda: bool(desk.states), task=task)
        await asyncio.to_thread(dovecot.append, mail(1))
        await until(lambda: len(desk.parsed) == 1, task=task)
        assert b"IDLE" not in line.heard


async def test_a_mail_of_50_mb_is_quarantined_by_its_header_and_the_next_is_heard(dovecot: Dovecot) -> None:
    """In a process of its own, whose memory is measured."""
    desk = Desk()
    await begin(dovecot, desk)
    dovecot.drop([mail("huge", size=50_000_000), mail("big", size=24_000_000)])
    program = Path(__file__).with_name("listen_process.py")
    environment = {**os.environ, **environ(dovecot.port), "STATE": repr(dict(desk.state)), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(program)]
    done = await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    huge, big = done.stdout.splitlines()
    grown, _, told = huge.partition(" ")
    assert re.fullmatch(r"Quarantined kim@example\.org Question huge The mail has 5\d,\d{3},\d{3} bytes, .*", told)
    assert int(grown) < 25_000_000, "bytes: nothing but its header was fetched"
    grown, _, told = big.partition(" ")
    assert told == "Inbound unverified:kim@example.org Question big This is question big."
    assert 24_000_000 < int(grown) < 160_000_000, "one that is read costs some times its size"


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_a_connection_is_encrypted_and_the_server_has_to_prove_itself(
    dovecot: Dovecot, security: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = dovecot.tls_port if security == "tls" else dovecot.port
    desk = Desk()
    async with Line(port) as line:
        made = channel(line.port, EMAIL_IMAP_SECURITY=security)
        with pytest.raises(Unreachable, match=r"certificate does not prove that it is 127\.0\.0\.1"):
            await made._listen(desk.receive, {})
        monkeypatch.setenv("SSL_CERT_FILE", str(dovecot.cert))
        async with listening(made, desk) as task:
            await until(lambda: bool(desk.states), task=task)
            await asyncio.sleep(0.5)
            await asyncio.to_thread(dovecot.append, mail(1))
            await until(lambda: len(desk.parsed) == 1, task=task)
        assert b"LOGIN" not in line.heard, "nothing of it is to be read on the way"


async def test_nothing_is_said_in_the_clear_to_a_server_that_offers_no_encryption(dovecot: Dovecot) -> None:
    desk = Desk()
    async with Line(dovecot.port, hide=b"STARTTLS") as line:
        with pytest.raises(Unreachable, match="does not offer STARTTLS"):
            await channel(line.port, EMAIL_IMAP_SECURITY="starttls")._listen(desk.receive, {})
        assert b"LOGIN" not in line.heard
        assert line.heard, "or nothing was tried"


async def test_what_keeps_a_mailbox_from_being_heard_is_told_in_a_sentence(
    dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("channels.email.mailbox.CONNECT_SECONDS", 1.0)
    receive = Desk().receive
    async with Deaf() as deaf:
        cases = {
            "refused the login": channel(dovecot.port, EMAIL_IMAP_PASSWORD="wrong"),
            "no folder 'Nowhere'": channel(dovecot.port, EMAIL_IMAP_FOLDER="Nowhere"),
            "cannot be reached": channel(free_port()),
            "is not known": channel(dovecot.port, EMAIL_IMAP_HOST="mail.invalid"),
            "does not answer": channel(deaf.port),
            "No encryption could be agreed": channel(dovecot.port, EMAIL_IMAP_SECURITY="tls"),
            "Port 993 is for EMAIL_IMAP_SECURITY=tls": channel(993, EMAIL_IMAP_SECURITY="starttls"),
        }
        for words, made in cases.items():
            with pytest.raises(Unreachable, match=words) as told:
                await asyncio.wait_for(made._listen(receive, {}), 20)
            assert re.fullmatch(r"[A-Z].*\.", str(told.value))
            assert PASSWORD not in str(told.value)


async def test_a_folder_that_may_only_be_read_is_heard_too(dovecot: Dovecot) -> None:
    dovecot.append(mail(1))
    (dovecot.folder / "rights").mkdir()
    (dovecot.folder / "rights" / "INBOX").write_text("owner lr\n")
    dovecot.more = (
        "plugin {\n  acl = vfile:FOLDER/rights\n}\nmail_plugins = acl\nprotocol imap {\n  mail_plugins = acl\n}\n"
    )
    dovecot.restart()
    desk = Desk()
    async with listening(channel(dovecot.port), desk) as task:
        await until(lambda: len(desk.parsed) == 1, task=task)
        await asyncio.to_thread(dovecot.drop, [mail(2)])
        await until(lambda: len(desk.parsed) == 2, task=task)
        await asyncio.sleep(0.3)
    assert SEEN not in b"".join(dovecot.flags()), "nothing was marked, and nothing came twice"
