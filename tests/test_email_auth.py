"""Whether a sender is proved: by our own server's Authentication-Results, and by nothing else."""

import pytest

from channels.email.auth import verified
from channels.email.mime import read

OURS = "mx.example.org"


def proved(*results: str, sender: str = "Ann <ann@shop.example.com>", ours: str = OURS) -> bool:
    lines = [f"Authentication-Results: {each}" for each in results]
    return verified(read("\r\n".join([*lines, f"From: {sender}", "", "Hello"]).encode()), ours)


YES = [
    "mx.example.org; dmarc=pass header.from=shop.example.com",
    "MX.Example.ORG 1; dmarc=pass (p=none dis=none) header.from=SHOP.example.com",
    '"mx.example.org"; dmarc=pass header.from="shop.example.com"',
    "mx.example.org (our gate); spf=fail smtp.mailfrom=x.test; dmarc=pass action=none header.from=shop.example.com",
    "mx.example.org;\r\n dkim=pass (1024-bit key; unprotected) header.d=shop.example.com header.s=k1;\r\n spf=none",
    "mx.example.org; dkim=pass header.d=example.com",
    "mx.example.org; dkim=pass header.d=mail.shop.example.com",
    "mx.example.org; dkim=pass header.i=@shop.example.com header.b=AbC/+d==",
    "mx.example.org; dkim=fail header.d=shop.example.com; dkim=pass header.d=shop.example.com",
    'mx.example.org; dkim=pass reason="good; signature" header.d=shop.example.com',
    "mx.example.org; dkim/1 = pass header.d = shop.example.com",
    "mx.example.org; spf=pass smtp.mailfrom=bounce@shop.example.com smtp.helo=x.test",
    "mx.example.org; spf=pass smtp.mailfrom=shop.example.com;",
]


@pytest.mark.parametrize("result", YES)
def test_what_our_server_proves_is_proved(result: str) -> None:
    assert proved(result)


NO = [
    "other.example.org; dmarc=pass header.from=shop.example.com",
    "mx.example.org.evil.com; dmarc=pass header.from=shop.example.com",
    "evil.mx.example.org; dmarc=pass header.from=shop.example.com",
    "(mx.example.org) evil.com; dmarc=pass header.from=shop.example.com",
    "mx.example.org 2; dmarc=pass header.from=shop.example.com",
    "mx.example.org; dmarc=pass header.from=example.com",
    "mx.example.org; dmarc=pass header.from=shop.example.com.evil.com",
    "mx.example.org; dmarc=pass",
    "mx.example.org; dmarc=fail header.from=shop.example.com; dkim=pass header.d=shop.example.com",
    "mx.example.org; dmarc=none header.from=shop.example.com",
    "mx.example.org; dkim=pass header.d=evil.com",
    "mx.example.org; dkim=pass header.d=com",
    "mx.example.org; dkim=pass header.d=hop.example.com",
    "mx.example.org; dkim=pass header.d=evilshop.example.com",
    "mx.example.org; dkim=pass header.d=evil.com header.i=@shop.example.com",
    "mx.example.org; dkim=pass",
    "mx.example.org; dkim=neutral header.d=shop.example.com",
    "mx.example.org; dkim=passed header.d=shop.example.com",
    "mx.example.org; spf=pass smtp.helo=shop.example.com",
    "mx.example.org; spf=softfail smtp.mailfrom=ann@shop.example.com",
    "mx.example.org; x-dmarc=pass header.from=shop.example.com",
    "mx.example.org; spf=fail (dmarc=pass header.from=shop.example.com)",
    'mx.example.org; spf=fail smtp.mailfrom="x; dmarc=pass header.from=shop.example.com"',
    'mx.example.org; spf=fail smtp.mailfrom="x; dmarc=pass header.from=shop.example.com',
    "mx.example.org; spf=fail (; dmarc=pass header.from=shop.example.com",
    "mx.example.org; spf=fail ); dmarc=pass header.from=shop.example.com",
    "mx.example.org; dkim=pass header.d=shop.example.com; what is this",
    "mx.example.org; dkim=pass header.d=evil.com header.d=shop.example.com",
    "mx.example.org; none",
    "mx.example.org",
    "mx.example.org dmarc=pass header.from=shop.example.com",
    "; dmarc=pass header.from=shop.example.com",
    "=?utf-8?q?mx.example.org=3B_dmarc=3Dpass_header.from=3Dshop.example.com?=",
    "",
]


@pytest.mark.parametrize("result", NO)
def test_anything_less_proves_nothing(result: str) -> None:
    assert not proved(result)


def test_only_the_topmost_of_our_server_counts() -> None:
    good, bad = YES[0], "mx.example.org; dmarc=fail header.from=shop.example.com"
    assert not proved(bad, good)
    assert proved("other.test; dmarc=fail header.from=shop.example.com", good, bad)
    assert not proved("mx.example.org; nonsense", good)


def test_without_an_id_or_a_clear_sender_nothing_is_proved() -> None:
    assert proved(YES[0])
    assert not proved(YES[0], ours="")
    assert not proved(YES[0], ours=" ")
    assert not proved("; dmarc=pass header.from=shop.example.com", ours="")
    assert not proved(YES[0], sender="ann@shop.example.com, bob@evil.com")
    assert not proved(YES[0], sender="ann@shop.example.com)bob@evil.com")
    assert not proved()


def test_a_domain_in_another_script_is_compared_in_ascii() -> None:
    result = "mx.example.org; dmarc=pass header.from=xn--mchine-bua.example"
    assert proved(result, sender="jdoe@mächine.example")
    assert not proved(result, sender="jdoe@machine.example")
