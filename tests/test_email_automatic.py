"""Who wrote a mail: machines' mails are recognised, and no person's mail is."""

import contextlib
import random
import time
from pathlib import Path

import pytest

from channels.email import mime
from channels.email.automatic import Automatic, judge
from tests.email_machines import MACHINES
from tests.email_people import ANSWERS, ME, PEOPLE, REPORT, mail, with_attached
from tests.email_table import measure

OURS = ("support@shop.example", "hello@shop.example")


def verdict(raw: bytes, ours: tuple[str, ...] = OURS) -> Automatic | None:
    return judge(mime.read(raw), ours)


@pytest.mark.parametrize("name", PEOPLE)
def test_a_persons_mail_is_never_taken_for_automatic(name: str) -> None:
    assert len(PEOPLE) >= 60
    assert verdict(PEOPLE[name]) is None


@pytest.mark.parametrize("name", MACHINES)
def test_a_machines_mail_is_taken_for_what_it_is(name: str) -> None:
    kind, raw = MACHINES[name]
    found = verdict(raw)
    assert found is not None
    assert found.kind == kind, found.reason
    assert found.reason.endswith(".")
    assert (found.bounce is not None) == (kind == "bounce")


def test_a_reply_to_a_machines_mail_that_a_person_wrote_is_a_persons() -> None:
    judged = 0
    for name, (_, raw) in MACHINES.items():
        original = mime.read(raw)
        quoted = "\n".join(f"> {line}" for line in original.text.splitlines())
        answer = mail(f"Re: {original.subject}", f"What does this mean?\n\nOn Monday, X wrote:\n{quoted}", ME, *ANSWERS)
        assert verdict(answer) is None, name
        judged += verdict(raw) is not None
    assert judged == len(MACHINES), "the originals must be automatic for this test to mean anything"


def test_a_forwarded_machines_mail_is_a_persons() -> None:
    for name, (_, raw) in MACHINES.items():
        forwarded = with_attached(f"Fwd: {mime.read(raw).subject}", "What is this?", raw.decode())
        assert mime.read(forwarded).attached, name
        assert verdict(forwarded) is None, name


def test_exchanges_suppress_header_is_no_sign() -> None:
    lines = ("X-Auto-Response-Suppress: DR, RN, NRN, OOF, AutoReply",)
    assert verdict(mail("Order", "Where is it?", ME, *lines)) is None
    assert verdict(mail("Order", "Where is it?", ME, *lines, "Auto-Submitted: auto-generated")) is not None


@pytest.mark.parametrize("value", ["no", "No", "no; x=y", "(a person) no", "no (really)"])
def test_auto_submitted_no_is_no_sign(value: str) -> None:
    assert verdict(mail("Order", "Where is it?", ME, f"Auto-Submitted: {value}")) is None


def test_an_own_address_counts_with_its_tag_and_in_any_case() -> None:
    for sender in ("Support@Shop.Example", "support+f1.abc@shop.example", "hello@shop.example"):
        found = verdict(mail("Order", "Hello", sender))
        assert found is not None
        assert found.kind == "own mail"
    assert verdict(mail("Order", "Hello", "supports@shop.example")) is None
    assert verdict(mail("Order", "Hello", "support@shop.example.org")) is None
    assert verdict(mail("Order", "Hello", ME), ("", " ")) is None


def test_only_a_list_that_is_our_own_address_hands_people_on() -> None:
    over = ("List-Id: <support.shop.example>", "Precedence: list", "List-Post: <mailto:support@shop.example>")
    assert verdict(mail("Order", "Hello", ME, *over)) is None
    assert verdict(mail("Order", "Hello", ME, *over), ("support@shop2.example",)) is not None
    away = verdict(mail("Order", "Hello", ME, *over, "Auto-Submitted: auto-replied"))
    assert away is not None, "an automatic answer to our group stays automatic"


def test_a_bounce_from_our_own_server_is_a_bounce_even_from_our_own_address() -> None:
    found = verdict(REPORT.replace("MAILER-DAEMON@mx.example.net", "support@shop.example").encode())
    assert found is not None
    assert found.kind == "bounce"


HOSTILE = (
    "-",
    "> ",
    "a",
    "a@",
    "5.1.1 ",
    "550 ",
    "received:\n",
    "this is the ",
    "your message ",
    "ich bin ",
    "[[",
    "不在",
    "<<<>",
    "\n",
    " ",
    "\t|",
    "=?",
)


@pytest.mark.parametrize("subject", ["Order", "Undeliverable: x", "Automatic reply: x", "[[" * 400, "ooo" * 300])
def test_a_hostile_mail_is_judged_at_once(subject: str) -> None:
    for filling in HOSTILE:
        text = filling * (200_000 // len(filling))
        for sender in (ME, "MAILER-DAEMON@x.example"):
            made = mime.read(mail(subject, text, sender, f"List-Id: {'<' * 5000}", f"Precedence: {'x' * 5000}"))
            began = time.perf_counter()
            judge(made, OURS)
            assert time.perf_counter() - began < 1, repr(filling)


def test_nothing_in_a_mail_makes_it_raise() -> None:
    chance, judged = random.Random(7), 0
    raws = [raw for _, raw in MACHINES.values()] + list(PEOPLE.values()) + [REPORT.encode()]
    for raw in raws * 5:
        broken = bytearray(raw)
        for _ in range(chance.randint(1, 30)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        with contextlib.suppress(mime.Unreadable):
            judge(mime.read(bytes(broken)), OURS)
            judged += 1
    assert judged > len(raws) * 4


def test_the_shared_mails_of_people_are_never_misjudged(shared_data: Path) -> None:
    row = measure(shared_data / "email" / "mime")
    assert row.people > 80
    assert row.misjudged == []
    assert row.crashed == []
    assert row.missed == []


def test_the_shared_bounces_are_recognised(shared_data: Path) -> None:
    row = measure(shared_data / "email" / "bounces")
    assert row.mails > 250
    assert row.crashed == []
    assert row.recognised / row.mails >= 0.985, row.missed
    assert row.kinds["bounce"] / row.mails >= 0.97
