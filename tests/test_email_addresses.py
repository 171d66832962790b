"""Senders, recipients and message ids: nobody passes as somebody else."""

import pytest

from channels.email.headers import words
from channels.email.mime import Mail, read


def mail(*lines: str) -> Mail:
    return read("\r\n".join(["X: y", *lines, "", "Hello"]).encode())


CLEAR = {
    "ann@example.com": ("", "ann@example.com"),
    "Ann <ANN@Example.COM>": ("Ann", "ann@example.com"),
    '"Doe, Ann" <ann@example.com>': ("Doe, Ann", "ann@example.com"),
    "Doe, Ann <ann@example.com>": ("Doe, Ann", "ann@example.com"),
    "ann@example.com (Ann Doe)": ("Ann Doe", "ann@example.com"),
    "=?utf-8?q?J=C3=B6rn?= <j@example.com>": ("Jörn", "j@example.com"),
    '"=?utf-8?b?SsO2cm4=?=" <j@example.com>': ("Jörn", "j@example.com"),
    "=?utf-8?q?boss=40bank=2Ecom?= <evil@example.com>": ("boss@bank.com", "evil@example.com"),
    '"boss@bank.com" <evil@example.com>': ("boss@bank.com", "evil@example.com"),
    "boss@bank.com <evil@example.com>": ("boss@bank.com", "evil@example.com"),
    "Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>": ("Pete", "pete@silly.test"),
    "Mary <@machine.tld:mary@example.net>": ("Mary", "mary@example.net"),
    "John <jdoe@machine . example>": ("John", "jdoe@machine.example"),
    "Jöhn <jdöe@mächine.example>": ("Jöhn", "jdöe@mächine.example"),
    '"ann"@example.com': ("", "ann@example.com"),
    "Ann\u202e <ann@example.com>": ("Ann", "ann@example.com"),
    "ann@example.com, ann@example.com": ("", "ann@example.com"),
}


@pytest.mark.parametrize("value", CLEAR)
def test_a_clear_sender_is_read(value: str) -> None:
    sender = mail(f"From: {value}").sender
    assert (sender.name, sender.address) == CLEAR[value]


DOUBTFUL = [
    "alice@example.org)bob@evil.com",
    "alice@example.org(<bob@evil.com>",
    "alice@example.org (<bob@evil.com>)",
    "(alice@example.org) <bob@evil.com>",
    "alice@example.org<bob@evil.com",
    "alice@example.org, bob@evil.com",
    "Alice <alice@example.org>, Bob <bob@evil.com>",
    "<alice@example.org> <bob@evil.com>",
    "<alice@example.org>bob@evil.com",
    '"alice@example.org',
    '"alice@example.org" bob@evil.com',
    '"alice@example.org,"@evil.com',
    '"a\\"@example.org"@evil.com',
    "alice@example.org bob@evil.com",
    "alice@example.org@evil.com",
    "alice@example.org\x00@evil.com",
    "=?utf-8?q?alice=40example.org?=",
    "=?utf-8?q?=22alice=40example.org=22?=",
    "undisclosed-recipients:;",
    "Team: a@example.com, b@example.com;",
    "alice@",
    "@example.org",
    "alice",
    "",
    "(" * 1_000,
    "<" * 1_000,
    "a@" + "b." * 1_000 + "com",
    "alice@example..org",
    ".alice@example.org",
    "alice@[127.0.0.1]",
    "=?utf-8?q?x=0D=0AFrom:_alice=40example.org?= bob",
]


@pytest.mark.parametrize("value", DOUBTFUL)
def test_a_doubtful_sender_has_no_address(value: str) -> None:
    assert mail(f"From: {value}").sender.address == ""


def test_several_from_fields_that_differ_are_no_sender() -> None:
    assert mail("From: a@example.com", "From: b@example.com").sender.address == ""
    assert mail("From: a@example.com", "From: nonsense").sender.address == ""
    assert mail("From: a@example.com", "From: A <a@example.com>").sender.address == "a@example.com"
    assert mail("Subject: x").sender.address == ""


def test_recipients_are_those_of_to_and_cc_once() -> None:
    found = mail("To: A Group:Chris <c@a.test>,joe@where.test;", "Cc: <C@a.test>, junk, x@y.test", "Cc: z@y.test")
    assert [each.address for each in found.to] == ["c@a.test", "joe@where.test", "c@a.test", "x@y.test", "z@y.test"]
    assert len(mail("To: " + ", ".join(f"a{n}@b.test" for n in range(3_000))).to) == 200


def test_the_address_to_answer_to_is_the_one_there_is() -> None:
    assert mail("Reply-To: Desk <desk@example.com>").reply_to.address == "desk@example.com"
    assert mail("Reply-To: a@example.com, b@example.com").reply_to.address == ""


IDS = {
    "<1@x> <2@x>": ("1@x", "2@x"),
    "<1@x>,<2@x>": ("1@x", "2@x"),
    "1@x 2@x": ("1@x", "2@x"),
    "<1@x>\r\n\t<2@x>": ("1@x", "2@x"),
    "<1@\r\n x>": ("1@x",),
    "<1@x": ("1@x",),
    "(from Ann) <1@x> <1@x>": ("1@x",),
    "Ann's message of Monday": (),
    "<": (),
    "<[::1]@>": ("[::1]@",),
    "": (),
    f"<{'x' * 2_000}@x> <2@x>": ("2@x",),
}


@pytest.mark.parametrize("value", IDS)
def test_message_ids_are_found_in_whatever_stands_there(value: str) -> None:
    found = mail(f"References: {value}", f"In-Reply-To: {value}", f"Message-ID: {value}")
    assert found.references == found.in_reply_to == IDS[value]
    assert found.message_id == (*IDS[value], "")[0]


def test_of_too_many_message_ids_the_first_and_the_last_are_kept() -> None:
    found = mail("References: " + "\r\n ".join(f"<{n}@x>" for n in range(5_000))).references
    assert (len(found), found[0], found[1], found[-1]) == (100, "0@x", "4901@x", "4999@x")


ENCODED = {
    "=?utf-8?q?a_b=C3=BC?=": "a bü",
    "=?utf-8?B?w7w=?= =?utf-8?B?w7w=?=": "üü",
    "=?utf-8?B?ww==?=\r\n =?utf-8?B?vA==?=": "ü",
    "a =?utf-8?q?b?= c": "a b c",
    "=?utf-8?q?two words?=": "two words",
    "=?iso-2022-jp?B?GyRCJF4kXyRgGyhC?=": "まみむ",
    "=?nonsense?q?caf=E9?=": "café",
    "=?utf-8?B?w7w?=": "ü",
    "=?utf-8?q?a=0D=0ABcc:_x?=": "a Bcc: x",
    "=?broken": "=?broken",
    "=?utf-8?q?What??=": "What?",
    "caf\u00e9": "café",
}


@pytest.mark.parametrize("value", ENCODED)
def test_a_subject_is_decoded(value: str) -> None:
    assert mail(f"Subject: {value}").subject == ENCODED[value]


def test_fields_for_machines_are_not_decoded() -> None:
    found = mail("Authentication-Results: x; spf=pass =?utf-8?q?dmarc=3Dpass?=", "X-Note: =?utf-8?q?hi?=")
    assert found.header("Authentication-Results") == "x; spf=pass =?utf-8?q?dmarc=3Dpass?="
    assert found.header("x-note") == "hi"
    assert found.all("X-Nothing") == ()


def test_a_subject_of_broken_words_takes_no_time() -> None:
    assert words("=?a?q?" * 20_000)


def test_a_broken_line_goes_on_where_a_known_field_follows() -> None:
    found = mail("Subject: one", "two", "From: ann@example.com")
    assert (found.subject, found.sender.address, found.text) == ("one two", "ann@example.com", "Hello")
