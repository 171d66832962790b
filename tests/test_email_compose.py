"""A reply as a mail: what mail programs thread it by, what a customer reads, and nothing that a stranger puts in."""

import email
import email.policy
import re
from dataclasses import replace
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.base import Outbound, Source, Undeliverable
from channels.email.compose import compose
from channels.email.settings import read
from channels.email.tokens import Tokens

KEY = "0f8fad5b-d9cb-469f-a165-70867728950e"
TOKENS = Tokens(b"k" * 32)
ENVIRON = {"EMAIL_ADDRESS": "support@pellworth.example", "EMAIL_ALSO": "help@pellworth.example"}
SETTINGS = read(ENVIRON, "Pellworth")
WITH_TOKEN = read({**ENVIRON, "EMAIL_REPLY_TO": "support+{token}@pellworth.example"}, "Pellworth")
#: As long as those of a big vendor are: longer than a line that some libraries would cut or encode.
LONG_ID = f"AM6PR04MB{'0123456789' * 6}@AM6PR04MB1234567890.eurprd04.prod.outlook.example"
MEMO = {"message_id": LONG_ID, "references": ["first@example.org", "second@example.org"], "to": "kim@example.org"}
AGENT = Outbound(
    key=KEY,
    recipient="kim@example.org",
    thread="t",
    text="A label costs €6.50.\n\nTo send it back:\n1. Open your order.\n2. Print the label.\n\nNot so:\n- Gift cards",
    author="agent",
    sources=(Source("Returns & refunds", "https://help.pellworth.example/help/returns"),),
    subject="Returns",
    memo=MEMO,
)
PERSON = replace(AGENT, author="person", name="Ana Keane", sources=(), text="Hello Kim,\nit is on its way.")
AT = 1_795_000_000.0


def parsed(outbound: Outbound, settings: Any = SETTINGS) -> EmailMessage:
    raw = compose(settings, TOKENS, outbound, AT).content
    assert raw.isascii()
    lines = raw.split(b"\r\n")
    assert all(b"\n" not in line and b"\r" not in line for line in lines)
    assert max(map(len, lines)) <= 300, "a line that a relay would break"
    return email.message_from_bytes(raw, policy=email.policy.default)


def part(message: EmailMessage, kind: str) -> str:
    found = message.get_body((kind,))
    assert found is not None
    return found.get_content().replace("\r\n", "\n")


def test_mail_programs_put_it_into_the_customers_thread() -> None:
    message = parsed(AGENT)
    assert message["In-Reply-To"] == f"<{LONG_ID}>"
    chain = ["<first@example.org>", "<second@example.org>", f"<{LONG_ID}>"]
    assert message["References"].split() == chain, "the whole chain, oldest first, each id unbroken"
    assert message["Subject"] == "Re: Returns"
    assert message["To"] == "kim@example.org"
    assert message["From"] == "Pellworth <support@pellworth.example>"
    assert message["Reply-To"] is None
    assert message["Date"] == "Wed, 18 Nov 2026 11:06:40 +0000"
    assert TOKENS.in_message_id(message["Message-ID"]) == KEY
    assert [each.get_content_type() for each in message.iter_parts()] == ["text/plain", "text/html"]
    assert not message.defects
    assert not any(each.defects for each in message.walk())


def test_every_attempt_is_the_very_same_mail_but_for_its_date() -> None:
    def undated(attempt: int, at: float) -> bytes:
        content = compose(SETTINGS, TOKENS, replace(AGENT, attempt=attempt), at).content
        return re.sub(rb"(?m)^Date: .*$", b"", content)

    assert undated(1, AT) == undated(2, AT + 9_000)
    letters = {
        compose(SETTINGS, TOKENS, replace(AGENT, key=key), AT).message_id for key in (KEY, "another-key-of-ours")
    }
    assert len(letters) == 2


def test_a_reply_address_carries_the_token_where_that_is_set() -> None:
    [reply_to] = parsed(AGENT, WITH_TOKEN)["Reply-To"].addresses
    assert TOKENS.in_address(reply_to.addr_spec) == KEY
    assert reply_to.display_name == "Pellworth"


@pytest.mark.parametrize(
    ("outbound", "automatic"), [(AGENT, True), (replace(AGENT, author="system"), True), (PERSON, False)]
)
def test_what_a_machine_wrote_says_so_to_machines(outbound: Outbound, automatic: bool) -> None:
    message = parsed(outbound)
    assert message["Auto-Submitted"] == ("auto-replied" if automatic else None)
    suppressed = message["X-Auto-Response-Suppress"]
    assert bool(suppressed) is automatic
    assert "NDR" not in re.split(", ", suppressed or ""), "bounces must come back"
    assert TOKENS.in_token(message["X-Firstline"]) == KEY, "our own mail is known when it comes back, whoever wrote it"


def test_a_customer_reads_who_wrote_where_it_is_from_and_how_to_get_a_person() -> None:
    disclosure = "You are writing with an AI assistant of Pellworth."
    for kind in ("plain", "html"):
        words = part(parsed(replace(AGENT, disclosure=disclosure)), kind)
        assert words.index(disclosure) < words.index("€6.50"), "at first contact it is said first"
        assert "An AI assistant of Pellworth wrote this from its help centre." in words
        assert "reply with the word “person”" in words
        assert "https://help.pellworth.example/help/returns" in words
        without = part(parsed(AGENT), kind)
        assert disclosure not in without
        assert "An AI assistant of Pellworth wrote this" in without


def test_a_person_signs_and_no_machine_is_spoken_of() -> None:
    message = parsed(PERSON)
    assert message["From"].addresses[0].display_name == "Ana Keane, Pellworth"
    assert part(message, "plain") == "Hello Kim,\nit is on its way.\n\nAna Keane\nPellworth\n"
    for kind in ("plain", "html"):
        assert "Ana Keane" in part(message, kind)
        assert "AI assistant" not in part(message, kind)
        assert "AI assistant" not in part(parsed(replace(AGENT, author="system")), kind)
    assert "support@pellworth.example" in parsed(replace(PERSON, name=""))["From"]


def test_paragraphs_and_lists_are_laid_out_as_the_agent_wrote_them() -> None:
    html = part(parsed(AGENT), "html")
    assert re.findall(r"<(p|ul|ol|li)\b[^>]*>([^<\n]+)", html)[:6] == [
        ("p", "A label costs €6.50."),
        ("p", "To send it back:"),
        ("li", "Open your order."),
        ("li", "Print the label."),
        ("p", "Not so:"),
        ("li", "Gift cards"),
    ]
    later = part(parsed(replace(AGENT, text="The rest:\n4. Wait.\n5. Sign.")), "html")
    assert '<ol start="4"' in later
    assert later.count("<ol") == 1
    assert "it is on its way" in part(parsed(PERSON), "html").split("<br>")[1], "people's lines stay lines"


def test_only_our_own_sources_are_links_and_nothing_is_fetched() -> None:
    text = "See https://help.pellworth.example/a, https://help.pellworth.example@evil.example/b and https://evil.example/?q=1."
    html = part(parsed(replace(AGENT, text=text)), "html")
    assert re.findall(r'href="([^"]*)"', html) == [
        "https://help.pellworth.example/a",
        "https://help.pellworth.example/help/returns",
    ]
    assert "https://evil.example/?q=1." in html, "the words stay as they are"
    assert not re.search(r"<(img|link|script|iframe)|url\(|@import|src=", html)
    told = part(parsed(replace(PERSON, text="Follow it at https://carrier.example/1.")), "html")
    assert 'href="https://carrier.example/1"' in told, "staff may send people where they think best"
    bad = Source('A "title"', 'javascript:alert("1")')
    html = part(parsed(replace(AGENT, sources=(bad,))), "html")
    assert "A &quot;title&quot;" in html
    assert "javascript" not in html


def test_no_word_of_anybody_is_markup() -> None:
    evil = '<img src=x onerror="alert(1)"> & <b>'
    html = part(parsed(replace(AGENT, text=evil, disclosure=evil, sources=(Source(evil, ""),), subject=evil)), "html")
    assert html.count("&lt;img src=x onerror=&quot;alert(1)&quot;&gt; &amp; &lt;b&gt;") == 4
    assert "<img" not in html


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("Returns", "Re: Returns"),
        ("Re: Returns", "Re: Returns"),
        ("RE: AW: Re[2]: Returns", "Re: Returns"),
        ("Antw: SV: Vs: Returns", "Re: Returns"),
        ("回复：退货", "Re: 退货"),
        ("Fwd: Returns", "Re: Fwd: Returns"),
        ("Refund: where is it?", "Re: Refund: where is it?"),
        ("", "Re: your message to Pellworth"),
        ("Re: ", "Re: your message to Pellworth"),
        ("Rücksendung 📦 aus Österreich", "Re: Rücksendung 📦 aus Österreich"),
        ("a\r\nBcc: evil@example.org", "Re: a Bcc: evil@example.org"),
        ("=?utf-8?q?=0D=0ABcc:_x?=", "Re: =?utf-8?q?=0D=0ABcc:_x?="),
        ("a\0b\x1b[31m\x7f half \ud83d", "Re: a b [31m half \ufffd"),
        ("a\0b", "Re: a b"),
        ("w " * 300, f"Re: {'w ' * 99}w…"),
        ("ü" * 3000, f"Re: {'ü' * 199}…"),
    ],
)
def test_the_subject_has_one_re_and_is_one_line(theirs: str, ours: str) -> None:
    message = parsed(replace(AGENT, subject=theirs, memo={}))
    assert message["Subject"] == ours
    assert message["Bcc"] is None


def test_without_a_mail_to_answer_there_is_no_thread_to_name() -> None:
    message = parsed(replace(AGENT, memo={}))
    assert message["To"] == "kim@example.org"
    assert message["In-Reply-To"] is None
    assert message["References"] is None


def test_an_endless_chain_keeps_its_first_and_its_last_ids_and_strangers_ids_end_no_header() -> None:
    memo = {
        "message_id": "last@x",
        "references": ["a b", "x>\r\nBcc: y@z", 7, "é@x", "i" * 300, *(f"{n}@x" for n in range(99))],
    }
    message = parsed(replace(AGENT, memo=memo))
    chain = message["References"].split()
    assert len(chain) == 30
    assert (chain[0], chain[1], chain[-1]) == ("<0@x>", "<71@x>", "<last@x>")
    assert message["Bcc"] is None


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ('Ana "the" Keane\\', 'Ana "the" Keane\\, Pellworth'),
        ("Ana\r\nBcc: x@y.example", "Ana Bcc: x@y.example, Pellworth"),
        ("Zoë Größe, GmbH <x@y>", "Zoë Größe, GmbH <x@y>, Pellworth"),
        ("=?utf-8?q?x?=", "=?utf-8?q?x?=, Pellworth"),
        ("山田" * 100, "山田" * 50 + ", Pellworth"),
    ],
)
def test_a_name_is_a_name_whatever_is_in_it(name: str, shown: str) -> None:
    message = parsed(replace(PERSON, name=name))
    [sender] = message["From"].addresses
    # Between two encoded words this parser leaves the space that RFC 2047 (6.2) wants ignored.
    assert sender.display_name.replace(" ", "") == shown.replace(" ", "")
    assert sender.addr_spec == "support@pellworth.example"
    assert message["Bcc"] is None


@pytest.mark.parametrize(
    "to", ["", "kim", "a@b\r\nRCPT TO:<x@y>", "<a@b>", "a,b@c.example", "kim@-", "a b@c.example", "ä\udcff@x.example"]
)
def test_what_is_no_address_is_refused_for_good_in_a_sentence(to: str) -> None:
    with pytest.raises(Undeliverable, match="address is not one") as refused:
        compose(SETTINGS, TOKENS, replace(AGENT, recipient=to, memo={}), AT)
    assert refused.value.permanent


@pytest.mark.parametrize(
    "to", ["support@pellworth.example", "HELP@pellworth.example", TOKENS.reply_address(KEY, "x+{token}@y.example")]
)
def test_we_do_not_write_to_ourselves(to: str) -> None:
    with pytest.raises(Undeliverable, match="our own"):
        compose(SETTINGS, TOKENS, replace(AGENT, memo={"to": to}), AT)


def test_an_unproved_sender_is_answered_at_their_address_and_a_foreign_domain_in_ascii() -> None:
    assert (
        compose(SETTINGS, TOKENS, replace(AGENT, recipient="unverified:kim@example.org", memo={}), AT).recipient
        == "kim@example.org"
    )
    assert (
        compose(SETTINGS, TOKENS, replace(AGENT, memo={"to": "kim@bücher.example"}), AT).recipient
        == "kim@xn--bcher-kva.example"
    )


@settings(max_examples=60, deadline=None)
@given(st.text(), st.text(), st.text(), st.lists(st.text()))
def test_nobodys_words_break_a_mail_or_add_a_header(text: str, name: str, subject: str, ids: list[str]) -> None:
    usual = set(parsed(PERSON).keys())
    memo = {"references": ids, "message_id": text, "to": "kim@example.org"}
    message = parsed(replace(PERSON, text=text, name=name, subject=subject, memo=memo))
    assert set(message.keys()) <= usual
    assert len(list(message.iter_parts())) == 2
    assert not any(each.defects for each in message.walk())
