"""What a bounce says: which mail, to whom, for good or not, and why."""

import re
import time
from pathlib import Path

import pytest

from channels.email import bounces, failures, mime
from channels.email.automatic import judge
from channels.email.bounces import Bounce
from tests.email_people import mail

SENT = "fl.0b0f2a6e-6a0e-4a53-9d9c-1d3a52f4c001.abcdefghijklmnopqrst@shop.example"
RETURNED = f"""Received: from shop.example
From: support@shop.example
To: anna@b.example
Message-ID: <{SENT}>
Subject: Re: x
"""
DAEMON = "Mail Delivery System <MAILER-DAEMON@mx.example>"


def bounce(raw: bytes) -> Bounce:
    found = judge(mime.read(raw), ("support@shop.example",))
    assert found is not None
    assert found.bounce is not None
    return found.bounce


def report(fields: str, *parts: str, words: str = "It failed.") -> bytes:
    status = f"Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n{fields}"
    leaves = "".join(f"--r\n{part}\n" for part in (f"Content-Type: text/plain\n\n{words}", status, *parts))
    kind = 'Content-Type: multipart/report; report-type=delivery-status; boundary="r"'
    return mail("Undelivered Mail Returned to Sender", f"{leaves}--r--", DAEMON, "Return-Path: <>", kind)


FAILED = """Final-Recipient: rfc822; anna@b.example
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 No such user
"""


@pytest.mark.parametrize("kind", ["message/rfc822", "text/rfc822-headers", "message/global", "text/plain"])
def test_the_originals_message_id_is_found_in_what_is_returned(kind: str) -> None:
    found = bounce(report(FAILED, f"Content-Type: {kind}\n\n{RETURNED}\nHello"))
    assert found == Bounce((SENT,), "anna@b.example", "5.1.1", True, "The address does not exist.")


def test_it_is_found_at_the_end_of_plain_words_and_only_there() -> None:
    text = "Hi. This is the qmail-send program at mx.\n\n<anna@b.example>:\nSorry, no mailbox by that name. (#5.1.1)\n"
    found = bounce(
        mail("failure notice", f"{text}\n--- Below this line is a copy of the message.\n\n{RETURNED}", DAEMON)
    )
    assert found == Bounce((SENT,), "anna@b.example", "5.1.1", True, "The address does not exist.")
    assert bounce(mail("failure notice", text, DAEMON)).message_ids == (), "the bounce's own is not the original's"


@pytest.mark.parametrize(
    ("subject", "text", "sender"),
    [
        ("Onbestelbaar: Bestelling", "Bezorging bij de volgende geadresseerden is mislukt:", "postmaster@b.example"),
        ("Não é possível entregar: Pedido", "Falha na entrega para estes destinatários:", "postmaster@b.example"),
        ("Не удается доставить: Заказ", "Сбой доставки следующим получателям:", "postmaster@b.example"),
        ("배달되지 않음: 주문", "다음 받는 사람 또는 그룹에게 배달하지 못했습니다.", "postmaster@b.example"),
        ("Mail System Error - Returned Mail", "The account is disabled.", "Mail Administrator <x@b.example>"),
        ("Ihre E-Mail konnte nicht zugestellt werden", "Unbekannt:\n<anna@b.example>", "postmaster@b.example"),
    ],
)
def test_a_title_as_programs_write_it_is_enough_from_a_mail_server(subject: str, text: str, sender: str) -> None:
    assert bounces.recognise(mime.read(mail(subject, text, sender)))
    for changed in (f"Hello,\n{text}", f"{text}\nCan you help?"):
        assert not bounces.recognise(mime.read(mail(subject, changed, sender))), "a postmaster may be a person"
    assert not bounces.recognise(mime.read(mail(subject, text))), "so may anybody else"
    assert not bounces.recognise(mime.read(mail(f"Fwd: {subject}", text, sender)))


def test_a_postmaster_who_speaks_of_undelivered_mail_is_a_person() -> None:
    text = "What we send to support@shop.example comes back. Please let us through."
    assert not bounces.recognise(mime.read(mail("Undeliverable mail to you", text, "postmaster@b.example")))


def test_what_it_answers_is_the_last_resort() -> None:
    lines = ("In-Reply-To: <one@x.example>", "References: <zero@x.example> <one@x.example>")
    assert bounce(mail("failure notice", "It failed.", DAEMON, *lines)).message_ids == (
        "one@x.example",
        "zero@x.example",
    )
    both = bounce(mail("failure notice", f"It failed.\n\n{RETURNED}", DAEMON, *lines))
    assert both.message_ids == (SENT,)


def test_a_mail_attached_to_the_original_is_not_the_original() -> None:
    inner = "Content-Type: message/rfc822\n\nMessage-ID: <other@x.example>\nFrom: a@x.example\n\nHi"
    original = f"{RETURNED}Content-Type: multipart/mixed; boundary=i\n\n--i\n{inner}\n--i--"
    assert bounce(report(FAILED, f"Content-Type: message/rfc822\n\n{original}")).message_ids == (SENT,)


@pytest.mark.parametrize(
    ("fields", "status", "permanent"),
    [
        ("Action: failed\nStatus: 5.1.1", "5.1.1", True),
        ("Action: failed\nStatus: 4.4.7", "4.4.7", True),  # given up after trying for long
        ("Action: delayed\nStatus: 4.4.1", "4.4.1", False),
        ("Action: DELAYED\nStatus: 5.4.1", "5.4.1", False),
        ("Status: 5.2.2", "5.2.2", True),
        ("Status: 4.2.2", "4.2.2", False),
        ("Action: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550 5.2.2 full", "5.2.2", True),
        ("Action: failed\nDiagnostic-Code: smtp; 550 no such user", "5.0.0", True),
        ("Action: failed\nStatus: 5.7.1 (delivery not authorised)", "5.7.1", True),
        ("Action: expired", "", True),
        ("Action: relayed\nStatus: 2.0.0", "2.0.0", False),
        ("Action: delivered\nStatus: 2.1.5", "2.1.5", False),
        ("Action: failed\nStatus: 999", "", True),
    ],
)
def test_status_and_whether_it_is_for_good(fields: str, status: str, permanent: bool) -> None:
    found = bounce(report(f"Final-Recipient: rfc822; anna@b.example\n{fields}\n", words="A report."))
    assert (found.status, found.permanent, found.recipient) == (status, permanent, "anna@b.example")
    assert found.reason.startswith("It is late") == (not permanent and not status.startswith("2"))


def test_of_several_recipients_the_one_that_failed_counts() -> None:
    good = "Final-Recipient: rfc822; bob@b.example\nAction: relayed\nStatus: 2.0.0\n"
    found = bounce(report(f"{good}\n{FAILED}"))
    assert (found.recipient, found.permanent, found.status) == ("anna@b.example", True, "5.1.1")


def test_the_address_that_we_wrote_to_counts_not_the_one_that_it_was_sent_on_to() -> None:
    fields = "Original-Recipient: rfc822;Anna@B.example\nFinal-Recipient: rfc822;a1@inner.example\nAction: failed\n"
    assert bounce(report(fields)).recipient == "anna@b.example"


@pytest.mark.parametrize(
    ("subject", "text", "permanent"),
    [
        (
            "Warning: could not send message for past 4 hours",
            "THIS IS A WARNING MESSAGE ONLY\n451 4.4.1 timed out",
            False,
        ),
        (
            "Delivery Status Notification (Delay)",
            "Delivery to a@b.example has been delayed. It will be retried.",
            False,
        ),
        ("Mail delivery delayed", "421 4.7.0 try again", False),
        ("Undeliverable: your delayed order", "a@b.example: 550 5.1.1 no such user", True),
        (
            "failure notice",
            "<a@b.example>:\nConnected but rejected. 421 4.4.2 (#4.4.2)\nI'm not going to try again.",
            True,
        ),
        ("Returned mail", "It failed.", True),
    ],
)
def test_words_tell_a_delay_from_a_failure(subject: str, text: str, permanent: bool) -> None:
    assert bounce(mail(subject, text, DAEMON)).permanent == permanent


@pytest.mark.parametrize(
    ("status", "words", "reason"),
    [
        ("5.1.1", "", "The address does not exist."),
        ("5.2.2", "whatever", "The mailbox is full."),
        ("5.7.1", "550 blocked by Spamhaus", "It was refused as spam."),
        ("", "the mailbox is full, over quota", "The mailbox is full."),
        ("5.0.0", "550 User unknown", "The address does not exist."),
        ("5.7.1", "554 Email rejected per DMARC policy", "Our mail could not be proved to be ours."),
        ("5.7.0", "", "The mail server there refused it by its own rules."),
        ("", "Zut alors", "The mail server there said: Zut alors"),
        ("", "", "The mail server did not say why."),
    ],
)
def test_the_reason_is_one_plain_sentence(status: str, words: str, reason: str) -> None:
    assert failures.reason_for(status, words, True) == reason


def test_a_servers_own_words_are_cut() -> None:
    reason = failures.reason_for("", "zut alors " * 500, True)
    assert len(reason) < 300
    assert reason.endswith("…")


def test_a_code_is_not_read_from_an_address_or_a_version() -> None:
    text = "<a@b.example>: host 5.1.1.9 (Exim 4.98.2.1) said nothing"
    assert bounce(mail("failure notice", text, DAEMON)).status == ""


HOSTILE = ("Final-Recipient: rfc822; a\n", "Status: 5.1.1\n", "Diagnostic-Code: smtp; x\n x\n", "\n\n", "<a@b>:\n",
           "Message-ID: <", "Message-ID:\n", "550 5.1.1 ", "550-", "a@", "Action: failed\n\n", "-", " ")  # fmt: skip


@pytest.mark.parametrize("filling", HOSTILE)
def test_a_hostile_bounce_is_read_at_once(filling: str) -> None:
    text = filling * (200_000 // len(filling))
    for raw in (report(text), report(FAILED, words=text), mail("failure notice", text, DAEMON)):
        made = mime.read(raw)
        began = time.perf_counter()
        found = bounces.read(made)
        assert time.perf_counter() - began < 1
        assert len(found.reason) < 400


# Read by a person in the shared bounces: recipient, status, for good.
READ = {
    "amavis-03": ("kijitora@example.com", "5.7.0", True),
    "amazonses-17": ("kijitora@example.com", "4.4.7", True),
    "dragonfly-03": ("pseudo-local-part@yahoo-inc.example.com", "5.7.9", True),
    "exim-05": ("kijitora@neko.example.co.jp", "5.1.1", True),
    "gmail-01": ("userunknown@example.jp", "5.1.1", True),
    "gmail-17": ("mikeneko@libsisimai.org", "", False),
    "messagingserver-07": ("kijitora@2jo.example.jp", "4.4.7", False),
    "mfilter-01": ("kijitora@example.com", "5.0.0", True),
    "opensmtpd-01": ("apdugoaidugoaidugoaeiudggadi@gmail.com", "5.1.1", True),
    "postfix-05": ("kijitora@example.org", "4.1.1", True),
    "qmail-17": ("userunknown@libsisimai.net", "5.1.1", True),
    "receivingses-05": ("exceedlimit@neko.example.jp", "5.3.4", True),
    "sendmail-29": ("this-local-part-does-not-exist-on-the-system@y-mobile.ne.jp", "4.5.0", False),
    "yahoo-11": ("kijitora@example.jp", "5.1.8", True),
}


def test_the_shared_bounces_say_whom_they_are_about(shared_data: Path) -> None:
    for name, expected in READ.items():
        found = bounce((shared_data / "email" / "bounces" / f"lhost-{name}.eml").read_bytes())
        assert (found.recipient, found.status, found.permanent) == expected, name


def test_nearly_every_shared_bounce_names_the_recipient_and_the_mail_that_it_returns(shared_data: Path) -> None:
    total = named = returns = identified = 0
    for path in sorted((shared_data / "email" / "bounces").glob("*.eml")):
        raw = path.read_bytes()
        found = judge(mime.read(raw))
        if not found or not found.bounce:
            continue
        total += 1
        named += bool(found.bounce.recipient)
        ids = re.findall(rb"(?im)^[ >]*message-id:\s*<([^>\s]+)>", raw)
        if len(ids) > 1:  # the bounce's own, and the original's
            returns += 1
            identified += any(each.encode() in ids[1:] for each in found.bounce.message_ids)
    assert total > 240
    assert named / total > 0.98
    assert returns > 180
    assert identified / returns > 0.97
