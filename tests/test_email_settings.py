"""The settings of email: what is on, what is lacking, and a sentence for each value that cannot be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.email.settings import TOKEN, read

ON = {
    "EMAIL_ADDRESS": "Support@Example.com",
    "EMAIL_SMTP_HOST": "mail.example.com",
    "EMAIL_IMAP_HOST": "mail.example.com",
    "EMAIL_IMAP_USER": "support",
    "EMAIL_IMAP_PASSWORD": "a password of ours",
}


def test_with_nothing_set_it_says_what_it_wants() -> None:
    settings = read({})
    assert settings.missing == (
        "EMAIL_ADDRESS",
        "EMAIL_SMTP_HOST",
        "a way in (EMAIL_IMAP_HOST, EMAIL_LMTP or EMAIL_WEBHOOK)",
    )
    assert settings.ours == frozenset()


def test_an_address_a_way_out_and_a_way_in_are_all_it_wants() -> None:
    settings = read(ON, "Pellworth")
    assert settings.missing == ()
    assert (settings.address, settings.domain, settings.name) == ("support@example.com", "example.com", "Pellworth")
    assert (settings.smtp.port, settings.smtp.security, settings.smtp.user) == (587, "starttls", "")
    assert (settings.imap.port, settings.imap.security, settings.folder) == (993, "tls", "INBOX")
    for name in ON:
        lacking = read({key: value for key, value in ON.items() if key != name}, "Pellworth").missing
        assert lacking, f"{name} must be needed, or this test means nothing"


def test_every_setting_is_read() -> None:
    settings = read(
        {
            **ON,
            "EMAIL_NAME": "Pellworth Hilfe",
            "EMAIL_ALSO": "help@example.com, Kontakt@example.de ,",
            "EMAIL_REPLY_TO": f"support+{TOKEN}@example.com",
            "EMAIL_AUTHSERV_ID": "mx.example.com",
            "EMAIL_SMTP_PORT": "2525",
            "EMAIL_SMTP_SECURITY": "TLS",
            "EMAIL_SMTP_USER": "desk",
            "EMAIL_SMTP_PASSWORD": "p@ss: word",
            "EMAIL_IMAP_PORT": "1143",
            "EMAIL_IMAP_SECURITY": "starttls",
            "EMAIL_IMAP_FOLDER": "Anfragen/Größe",
            "EMAIL_LMTP": "[::1]:2424",
            "EMAIL_WEBHOOK": "Postmark",
            "EMAIL_WEBHOOK_SECRET": "0123456789abcdef",
        }
    )
    assert settings.missing == ()
    assert settings.name == "Pellworth Hilfe"
    assert settings.ours == {"support@example.com", "help@example.com", "kontakt@example.de"}
    assert settings.reply_to == f"support+{TOKEN}@example.com"
    assert settings.authserv_id == "mx.example.com"
    assert (settings.smtp.port, settings.smtp.security) == (2525, "tls")
    assert (settings.smtp.user, settings.smtp.password) == ("desk", "p@ss: word")
    assert (settings.imap.port, settings.imap.security, settings.folder) == (1143, "starttls", "Anfragen/Größe")
    assert settings.lmtp == ("::1", 2424)
    assert (settings.webhook, settings.webhook_secret) == ("postmark", "0123456789abcdef")
    assert "p@ss" not in repr(settings)
    assert "0123456789abcdef" not in repr(settings)


@pytest.mark.parametrize(("security", "port"), [("starttls", 587), ("tls", 465), ("none", 25)])
def test_the_port_follows_from_the_encryption(security: str, port: int) -> None:
    assert read({**ON, "EMAIL_SMTP_SECURITY": security}).smtp.port == port


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("EMAIL_ADDRESS", "support", "plain email address"),
        ("EMAIL_ADDRESS", "Support <support@example.com>", "plain email address"),
        ("EMAIL_ADDRESS", "a@example.com\r\nBcc: b@example.com", "plain email address"),
        ("EMAIL_ADDRESS", "añá@example.com", "plain email address"),
        ("EMAIL_ADDRESS", f"{'a' * 65}@example.com", "plain email address"),
        ("EMAIL_ADDRESS", "a..b@example.com", "plain email address"),
        ("EMAIL_ADDRESS", "a@-example.com", "plain email address"),
        ("EMAIL_ALSO", "help@example.com; b@example.com", "commas between"),
        ("EMAIL_NAME", "Help\r\nBcc: b@example.com", "one line"),
        ("EMAIL_NAME", "bytes that are no text \udcff", "one line"),
        ("EMAIL_NAME", "a" * 101, "at most 100"),
        ("EMAIL_REPLY_TO", "support@example.com", "support+{token}@example.com"),
        ("EMAIL_REPLY_TO", "a-prefix-that-is-long+{token}@example.com", "at most 18"),
        ("EMAIL_REPLY_TO", "support+{token}{token}@example.com", "support+{token}@example.com"),
        ("EMAIL_REPLY_TO", "support@{token}.example.com", "support+{token}@example.com"),
        ("EMAIL_AUTHSERV_ID", "mx example", "one word"),
        ("EMAIL_SMTP_HOST", "smtp://mail.example.com", "server's name"),
        ("EMAIL_SMTP_PORT", "0", "from 1 to 65535"),
        ("EMAIL_SMTP_PORT", "٥٨٧", "from 1 to 65535"),
        ("EMAIL_SMTP_PORT", "9" * 5000, "from 1 to 65535"),
        ("EMAIL_SMTP_SECURITY", "ssl", "starttls, tls or none"),
        ("EMAIL_SMTP_USER", "desk", "EMAIL_SMTP_USER and EMAIL_SMTP_PASSWORD together"),
        ("EMAIL_IMAP_USER", "", "EMAIL_IMAP_USER and EMAIL_IMAP_PASSWORD"),
        ("EMAIL_IMAP_PORT", "imap", "from 1 to 65535"),
        ("EMAIL_LMTP", "0.0.0.0:24", "private network"),
        ("EMAIL_LMTP", "203.0.113.7:24", "private network"),
        ("EMAIL_LMTP", "mail.example.com:24", "private network"),
        ("EMAIL_LMTP", "127.0.0.1", "private network"),
        ("EMAIL_WEBHOOK", "mandrill", "sendgrid, mailgun or postmark"),
        ("EMAIL_WEBHOOK", "mailgun", "EMAIL_WEBHOOK_SECRET"),
    ],
)
def test_a_value_that_cannot_be_turns_it_off_with_a_sentence(name: str, value: str, words: str) -> None:
    assert read(ON).missing == (), "without the bad value it is on"
    [said] = read({**ON, name: value}).missing
    assert words in said
    assert name.rpartition("_")[0] in said


def test_a_mail_server_may_hand_over_from_a_private_network() -> None:
    for value, lmtp in {
        "localhost:24": ("127.0.0.1", 24),
        "10.1.2.3:2424": ("10.1.2.3", 2424),
        "[fd00::7]:24": ("fd00::7", 24),
    }.items():
        assert read({**ON, "EMAIL_LMTP": value}).lmtp == lmtp


@given(st.dictionaries(st.sampled_from([*ON, "EMAIL_LMTP", "EMAIL_REPLY_TO", "EMAIL_ALSO", "EMAIL_NAME"]), st.text()))
def test_no_environment_breaks_it_and_nothing_of_a_value_is_repeated(environ: dict[str, str]) -> None:
    settings = read(environ)
    assert all("\n" not in each and "\udcff" not in each for each in settings.missing)
    assert settings.missing or (settings.address and settings.smtp.host)
