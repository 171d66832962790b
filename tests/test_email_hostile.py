"""Thousands of damaged mails and large ones: always a Mail or Unreadable, in bounded time and memory."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from channels.email.auth import verified
from channels.email.mime import MOST_BYTES, Mail, Unreadable, read
from tests import ROOT
from tests.test_email_addresses import CLEAR, DOUBTFUL, IDS
from tests.test_email_html import HIDDEN, SHOWN
from tests.test_email_mime import NAMES, STRUCTURES, TOP

MUTATED = 2_000
SLOWEST = 2.0  # seconds for one mail of at most 100 kB, on a busy machine


def seeds() -> list[bytes]:
    mails = [TOP + rest for rest in STRUCTURES.values()]
    mails += [f"From: {value}\r\nTo: {value}\r\nMIME-Version: 1.0\r\n\r\nHello" for value in [*CLEAR, *DOUBTFUL]]
    mails += [f"From: a@b.com\r\nMessage-ID: {value}\r\nReferences: {value}\r\n\r\nHello" for value in IDS]
    mails += [f"From: a@b.com\r\nContent-Disposition: {value}\r\n\r\nHello" for value in NAMES]
    mails += [f"From: a@b.com\r\nContent-Type: text/html\r\n\r\n{page}" for page in [*SHOWN, *HIDDEN]]
    return [each.encode("utf-8", "surrogatepass") for each in mails]


TOKENS = [
    b"<",
    b">",
    b'"',
    b"(",
    b")",
    b"@",
    b";",
    b"=?",
    b"?=",
    b"=?utf-8?b?",
    b"--b",
    b"--b--",
    b"\r\n",
    b"\n\n",
    b"\r",
]
TOKENS += [b"\x00", b"\xff", b"\x1b$B", b"=", b"*0*=", b"charset=hex", b"Content-Type: multipart/mixed; boundary=b\r\n"]
TOKENS += [
    b"Content-Type: message/rfc822\r\n\r\n",
    b"Content-Transfer-Encoding: base64\r\n",
    b"<table>",
    b"</p>",
    b"<!--",
]
TOKENS += [
    b"style='display:none'",
    b"<style>.x{",
    b"\\",
    b"%",
    b"\xe2\x80\xae",
    b"From: x@y.z\r\n",
    b" " * 500,
    b"(" * 500,
]


def mutate(chance: random.Random, raw: bytes, others: list[bytes]) -> bytes:
    made = bytearray(raw[:100_000])
    for _ in range(chance.randint(1, 12)):
        at = chance.randrange(len(made) + 1)
        size = chance.choice([1, 1, 2, 5, 20, 200])
        kind = chance.randrange(7)
        if kind == 0:
            made[at : at + size] = b""
        elif kind == 1:
            made[at:at] = chance.choice(TOKENS)
        elif kind == 2:
            made[at : at + 1] = bytes([chance.randrange(256)])
        elif kind == 3:
            made[at:at] = made[at : at + size] * chance.choice([1, 2, 50])
        elif kind == 4:
            made = made[:at] + chance.choice(others)[:5_000][-size * 20 :]
        elif kind == 5:
            made[at:at] = chance.choice(TOKENS) * chance.choice([2, 30, 300])
        else:
            made = bytearray(bytes(made).replace(*chance.choice([(b"\r\n", b"\n"), (b"\n", b"\r\n"), (b" ", b"\t")])))
        made = made[:100_000]
    return bytes(made)


sentences: list[str] = []  # what staff would have read


def check(raw: bytes) -> Mail | None:
    try:
        found = read(raw)
    except Unreadable as reason:
        sentences.append(str(reason))
        return None
    written = [found.text, found.hidden, found.subject, found.message_id, found.sender.name, *found.references]
    written += [part.name for part in found.attachments] + [part.text() for part in found.parts]
    for text in [*written, *(value for _, value in found.headers)]:
        text.encode("utf-8")
        assert "\x00" not in text
    assert found.sender.address == "" or found.sender.address.count("@") == 1
    assert all(part.name and "/" not in part.name and len(part.name) <= 120 for part in found.attachments)
    assert not any(mark in part.name for part in found.attachments for mark in "\u202e\\\n\r")
    assert not verified(found, "")
    return found


def try_all(mails: list[bytes]) -> tuple[int, float]:
    good, slowest = 0, 0.0
    for raw in mails:
        began = time.perf_counter()
        good += check(raw) is not None
        slowest = max(slowest, time.perf_counter() - began)
    assert all(each.startswith(("The mail", "This")) and each.endswith(".") for each in sentences)
    return good, slowest


def test_two_thousand_damaged_mails_give_a_mail_or_a_sentence() -> None:
    chance, whole = random.Random(1), seeds()
    good, slowest = try_all([mutate(chance, chance.choice(whole), whole) for _ in range(MUTATED)])
    assert good > MUTATED / 2, "most are still mails, or this test means little"
    assert slowest < SLOWEST


def test_real_mails_damaged_give_a_mail_or_a_sentence(shared_data: Path) -> None:
    whole = [path.read_bytes() for path in sorted((shared_data / "email").rglob("*.eml"))]
    assert len(whole) > 300
    chance = random.Random(2)
    good, slowest = try_all([mutate(chance, raw, whole) for raw in whole])
    assert good > len(whole) / 2
    assert slowest < SLOWEST


def test_every_real_mail_is_read(shared_data: Path) -> None:
    paths = sorted((shared_data / "email").rglob("*.eml"))
    assert len(paths) > 300
    unread = [path.name for path in paths if path.stat().st_size and check(path.read_bytes()) is None]
    assert unread == []


#: Read by eye: who wrote, the first words, and the files.
REAL = {
    "attachment_emails/attachment_message_rfc822.eml": (
        "foo@example.com",
        "This is the first",
        ["ForwardedMessage.eml"],
    ),
    "attachment_emails/attachment_nonascii_filename.eml": ("foo@example.com", "This is the first", ["ciële.txt"]),
    "attachment_emails/attachment_only_email.eml": ("rfinnie@domain.dom", "", ["blah.gz"]),
    "attachment_emails/attachment_pdf.eml": ("xxxx@xxxx.com", "Just attaching another PDF", ["broken.pdf"]),
    "attachment_emails/attachment_with_quoted_filename.eml": ("jeff@37signals.com", "", ["Eelanalüüsi päring.jpg"]),
    "attachment_emails/attachment_with_unquoted_name.eml": ("foo@example.com", "This is", ["This is a test.txt"]),
    "error_emails/bad_encoded_subject.eml": ("", "TEST", []),
    "error_emails/content_transfer_encoding_qp_with_space.eml": ("fyouizjnp@swissonline.ch", "If you're in need", []),
    "error_emails/content_transfer_encoding_text-html.eml": (
        "abhijit.862153drinnan@datavalet.com",
        "Hello,\n\nYou have",
        [],
    ),
    "error_emails/encoding_madness.eml": ("no-reply@crm.el-example.org", "Body Text", []),
    "error_emails/multiple_content_types.eml": ("redacted@flashmail.net", "foo", []),
    "mime_emails/raw_email7.eml": ("foo@example.com", "This is the first part.", ["test.rb", "test.pdf", "smime.p7s"]),
    "mime_emails/raw_email_with_illegal_boundary.eml": ("email_test@me.nowhere", "Hello\nThis is an outlook test", []),
    "mime_emails/raw_email_with_nested_attachment.eml": (
        "jamis@37signals.com",
        "Here is a test of an attachment via email.",
        ["truncated.png", "smime.p7s"],
    ),
    "multi_charset/japanese_iso_2022.eml": ("raasdnil@gmail.com", "すみません。", []),
    "multi_charset/japanese_shift_jis.eml": ("xxxxxxx@docomo.ne.jp", "あいうえお\n\nこのメール", []),
    "multi_charset/japanese_attachment.eml": ("raasdnil@gmail.com", "testing", ["てすと.txt"]),
    "plain_emails/raw_email_with_at_display_name.eml": ("", "Plain email.", []),
    "plain_emails/raw_email_multiple_from.eml": ("", "<p><b>recordkick", []),
    "rfc2822/example04.eml": ("pete@silly.example", "Testing.", []),
    "rfc2822/example13.eml": ("jdoe@machine.example", "This is a message just to say hello.", []),
    "rfc6532/utf8_headers.eml": ("jdöe@mächine.example", "body", []),
}


@pytest.mark.parametrize("name", REAL)
def test_real_mails_are_read_as_a_person_reads_them(name: str, shared_data: Path) -> None:
    found = read((shared_data / "email" / "mime" / name).read_bytes())
    sender, beginning, files = REAL[name]
    assert found.sender.address == sender
    assert found.text.startswith(beginning)
    assert bool(found.text) == bool(beginning)
    assert [part.name for part in found.attachments] == files


MEASURE = """
import sys
from channels.email.mime import Unreadable, read
from tests.test_email_hostile import large, memory
raw = large(sys.argv[1])
open("/proc/self/clear_refs", "w").write("5")  # forget the peak of making it
before = memory("VmRSS")
try:
    print(len(read(raw).text), end=" ")
except Unreadable:
    print(-1, end=" ")
print(memory("VmHWM") - before)
"""


def memory(name: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1_024


def large(kind: str) -> bytes:
    size = 50_000_000 if kind == "refused" else MOST_BYTES - 1_000
    file = (
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHello\r\n--b\r\nContent-Type: application/pdf\r\n"
    )
    begins, line = {
        "refused": (file + "Content-Transfer-Encoding: base64\r\n\r\n", "QUJD" * 19 + "\r\n"),
        "base64": (file + "Content-Transfer-Encoding: base64\r\n\r\n", "QUJD" * 19 + "\r\n"),
        "quoted": (file + "Content-Transfer-Encoding: quoted-printable\r\n\r\n", "=C3=A4 and =\r\n"),
        "plain": ("\r\n", "a word and another\r\n"),
        "html": ("Content-Type: text/html\r\n\r\n", "<p>a word</p>\r\n"),
    }[kind]
    top = (TOP + begins).encode()
    return top + line.encode() * ((size - len(top)) // len(line))


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="The peak of memory is read from Linux's /proc.")
@pytest.mark.parametrize("kind", ["refused", "base64", "quoted", "plain", "html"])
def test_a_large_mail_costs_little_more_than_its_own_size(kind: str) -> None:
    done = subprocess.run([sys.executable, "-c", MEASURE, kind], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    length, grown = map(int, done.stdout.split())
    assert (length < 0) == (kind == "refused")
    assert length != 0
    assert grown < (1_000_000 if kind == "refused" else 100_000_000)
