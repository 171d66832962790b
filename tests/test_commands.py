"""The `firstline` command as an operator types it: clear sentences, never a stack trace."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from channels.base import Channel
from service import demo
from service.command import Refusal, environ
from service.demo import free_port
from tests import ROOT, forked

ARTICLE = (
    "---\ntitle: Opening hours\ntopic: Contact\nphrases:\n  - when are you open\n---\nWe are open from nine to five.\n"
)


def firstline(*arguments: str, data: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return forked.firstline(*arguments, folder=data.parent / "said", DATA_DIR=str(data), **environ)


def test_the_command_is_there_and_a_refusal_is_a_sentence_to_the_shell(tmp_path: Path) -> None:
    """The one that is started as an operator starts it; the others are forked, to spare the imports."""
    done = subprocess.run(
        [sys.executable, "-m", "service", "check"],
        cwd=ROOT,
        env={**os.environ, "DATA_DIR": str(tmp_path), "PORT": "eighty"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 2
    assert "PORT" in done.stdout
    assert done.stderr == ""
    same = firstline("check", data=tmp_path, PORT="eighty")
    assert (same.returncode, same.stdout, same.stderr) == (done.returncode, done.stdout, done.stderr)


def test_check_before_the_first_start_says_what_is_off_and_what_turns_it_on(tmp_path: Path) -> None:
    done = firstline("check", data=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("DATA_DIR", "DATABASE_URL", "PUBLIC_BASE_URL", "ALLOWED_ORIGINS", "COMPANY_NAME"):
        assert words in done.stdout


def test_check_says_that_a_database_cannot_be_reached(tmp_path: Path) -> None:
    done = firstline("check", data=tmp_path, DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert done.returncode == 1
    assert "cannot be reached" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "eighty"), ("WRONG_RATE", "2"), ("LOG_FORMAT", "xml"), ("WORKERS", "0")]
)
def test_a_setting_that_cannot_be_used_is_named(tmp_path: Path, name: str, value: str) -> None:
    done = firstline("check", data=tmp_path, **{name: value})
    assert done.returncode == 2
    assert name in done.stdout
    assert "Traceback" not in done.stderr


def test_staff_add_makes_one_login_and_refuses_a_second_for_the_same_address(tmp_path: Path) -> None:
    first = firstline("staff", "add", "ana@example.org", "--name", "Ana", data=tmp_path)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "Password (shown this once)" in first.stdout
    second = firstline("staff", "add", "ANA@example.org", data=tmp_path)
    assert second.returncode == 2
    assert "ana@example.org" in second.stdout.lower()
    assert "1 with a login" in firstline("check", data=tmp_path).stdout


@pytest.mark.parametrize("arguments", [("not-an-address",), ("a@example.org", "--role", "boss")])
def test_staff_add_refuses_what_makes_no_sense(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = firstline("staff", "add", *arguments, data=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stdout + done.stderr


def test_staff_are_listed_disabled_enabled_and_given_another_password(tmp_path: Path) -> None:
    def staff(*arguments: str) -> subprocess.CompletedProcess[str]:
        return firstline("staff", *arguments, data=tmp_path)

    assert staff("list").stdout == ""
    made = staff("add", "ana@example.org", "--name", "Ana [b]", "--role", "admin").stdout
    staff("add", "ben@example.org", "--name", "Ben")
    rows = [line.split("\t") for line in staff("list").stdout.splitlines()]
    assert rows == [
        ["ana@example.org", "Ana [b]", "admin", "enabled", "never"],
        ["ben@example.org", "Ben", "support", "enabled", "never"],
    ]
    assert "is signed out and cannot sign in" in staff("disable", "BEN@example.org").stdout
    assert staff("list").stdout.splitlines()[1].split("\t")[3] == "disabled"
    reset = staff("reset", "ben@example.org").stdout
    assert "New password (shown this once): " in reset
    assert "stays disabled" in reset
    assert "can sign in as support" in staff("enable", "ben@example.org").stdout
    again = staff("reset", "ben@example.org").stdout
    assert again.rsplit(": ", 1)[1] not in made + reset, "another one each time"
    for arguments, words in (
        (("disable", "ana@example.org"), "is the last admin"),
        (("reset", "nobody@example.org"), "Nobody signs in with nobody@example.org"),
    ):
        refused = staff(*arguments)
        assert refused.returncode == 2
        assert words in refused.stdout
        assert "Traceback" not in refused.stdout + refused.stderr


def test_check_says_whether_staff_mail_is_on_and_refuses_half_of_it_in_a_sentence(tmp_path: Path) -> None:
    assert "SMTP_HOST turns it on" in firstline("check", data=tmp_path).stdout
    half = firstline("check", data=tmp_path, SMTP_HOST="mail.example.com")
    assert half.returncode == 2
    assert "MAIL_FROM: SMTP_HOST turns staff mail on, which needs the address it comes from." in half.stdout
    whole = firstline(
        "check",
        data=tmp_path,
        SMTP_HOST="mail.example.com",
        MAIL_FROM="desk@example.com",
        SMTP_USER="desk",
        SMTP_PASSWORD="hidden words",
    ).stdout
    assert "mail.example.com:587 (starttls) mails staff who asked for it, from desk@example.com, 300 seconds" in whole
    assert "hidden" not in whole


def test_check_says_what_is_not_set_in_one_sentence_and_each_bad_value_in_its_own(tmp_path: Path) -> None:
    environ = {"WHATSAPP_ACCOUNT_SID": "123", "WHATSAPP_FROM": "Pellworth"}
    lines = firstline("check", data=tmp_path, **environ).stdout.splitlines()
    told = [line for line in lines if "WhatsApp is off" in line]
    assert [line.partition("It wants ")[2].partition(" to be ")[0] for line in told] == [
        "WHATSAPP_AUTH_TOKEN, PUBLIC_BASE_URL.",
        "WHATSAPP_ACCOUNT_SID",
        "WHATSAPP_FROM",
    ]


def test_ingest_says_what_it_did_and_does_nothing_the_second_time(tmp_path: Path) -> None:
    folder = tmp_path / "articles"
    folder.mkdir()
    (folder / "opening-hours.md").write_text(ARTICLE)
    first = firstline("ingest", str(folder), data=tmp_path / "data")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "1 new" in first.stdout
    assert "1 as before" in firstline("ingest", str(folder), data=tmp_path / "data").stdout
    assert "1 published" in firstline("check", data=tmp_path / "data").stdout


def test_ingest_of_no_folder_is_a_sentence(tmp_path: Path) -> None:
    done = firstline("ingest", str(tmp_path / "nowhere"), data=tmp_path)
    assert done.returncode == 2
    assert "is not a folder" in done.stdout


def test_check_deep_tries_everything_out_and_its_exit_code_tells(tmp_path: Path) -> None:
    assert firstline("staff", "add", "ana@example.org", data=tmp_path).returncode == 0
    done = firstline("check", "--deep", data=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("Staff: 1 with a login", "Language model: all-MiniLM-L6-v2", "Articles: none is published"):
        assert words in done.stdout
    wrong = firstline("check", "--deep", data=tmp_path, PUBLIC_BASE_URL="http://help.example.org")
    assert wrong.returncode == 1
    assert "bad" in wrong.stdout
    assert "Traceback" not in done.stdout + done.stderr + wrong.stdout + wrong.stderr


def test_a_backup_is_restored_elsewhere_and_refusals_are_sentences(tmp_path: Path) -> None:
    file = tmp_path / "b.zip"
    nothing = firstline("backup", str(file), data=tmp_path / "a")
    assert nothing.returncode == 2
    assert "nothing to back up" in nothing.stdout
    assert firstline("staff", "add", "ana@example.org", data=tmp_path / "a").returncode == 0
    made = firstline("backup", str(file), data=tmp_path / "a")
    assert made.returncode == 0, made.stdout + made.stderr
    restored = firstline("restore", str(file), data=tmp_path / "b")
    assert restored.returncode == 0, restored.stdout + restored.stderr
    assert "1 with a login" in firstline("check", data=tmp_path / "b").stdout
    again = firstline("restore", str(file), data=tmp_path / "b")
    assert again.returncode == 2
    assert "--force" in again.stdout
    for done in (nothing, made, restored, again):
        assert "Traceback" not in done.stdout + done.stderr


def test_a_short_secret_key_is_refused_and_never_shown(tmp_path: Path) -> None:
    done = firstline("check", data=tmp_path, SECRET_KEY="hunter2hunter2")
    assert done.returncode == 2
    assert "SECRET_KEY" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr


def test_evaluate_of_no_pack_is_a_sentence(tmp_path: Path) -> None:
    done = firstline("evaluate", str(tmp_path), data=tmp_path)
    assert done.returncode == 2
    assert "questions.jsonl" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_the_next_free_port_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert port < free_port(port) < port + 100


def test_no_free_port_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    class Taken:
        def __enter__(self):
            return self

        def __exit__(self, *error):
            return None

        def setsockopt(self, *arguments):
            return None

        def bind(self, address):
            raise OSError

    monkeypatch.setattr(socket, "socket", Taken)
    with pytest.raises(Refusal, match="PORT"):
        free_port(8000)


def test_channels_read_their_settings_from_the_env_file_too_and_the_environment_counts_more(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("PIGEON_LOFT=here\nPIGEON_COUNT=3\nPIGEON_EMPTY\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIGEON_COUNT", "4")
    found = environ()
    assert (found["PIGEON_LOFT"], found["PIGEON_COUNT"], found["PIGEON_EMPTY"]) == ("here", "4", "")


def test_a_demo_gives_a_channel_what_it_lacks_and_an_operators_own_setting_keeps_it_out(monkeypatch):
    class Pigeons(Channel):
        @classmethod
        def demo_environ(cls):
            return {"PIGEON_LOFT": "loopback", "PIGEON_COUNT": "1"}

    monkeypatch.setattr(demo, "CHANNELS", (Pigeons,))
    assert demo.demo_environ({"HOME": "/"}) == {"HOME": "/", "PIGEON_LOFT": "loopback", "PIGEON_COUNT": "1"}
    assert demo.demo_environ({"PIGEON_COUNT": "7"}) == {"PIGEON_COUNT": "7"}
