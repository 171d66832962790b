"""Whether Twilio signed it: the published vectors, every way a form can be odd, and everybody else's signature."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from channels.base import Forbidden, Webhook
from channels.whatsapp.settings import WhatsAppSettings
from channels.whatsapp.signature import public, verify

PUBLIC = "https://help.example.com"
URL = f"{PUBLIC}/channels/whatsapp"
PRIMARY, SECONDARY = "the primary token of the account", "the secondary token of the account"
SETTINGS = WhatsAppSettings(auth_token=PRIMARY, auth_token_secondary=SECONDARY, public_url=PUBLIC)
Pairs = Sequence[tuple[str, str]]

# From the unit tests of Twilio's Python SDK (tests/unit/test_request_validator.py), whose token is 12345.
PUBLISHED_URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
PUBLISHED_FORM = (
    ("CallSid", "CA1234567890ABCDE"),
    ("Digits", "1234"),
    ("From", "+14158675309"),
    ("To", "+18005551212"),
    ("Caller", "+14158675309"),
)
PUBLISHED_REPEATED = (("Sid", "CA123"), ("SidAccount", "AC123"), ("Digits", "5678"), ("Digits", "1234"))
PUBLISHED_BODY = b'{"property": "value", "boolean": true}'
PUBLISHED_HASH = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"


def sign(url: str, pairs: Pairs = (), token: str = PRIMARY, method: str = "sha1") -> str:
    """As Twilio signs: the address, then each key with each of its values, sorted and each once."""
    told = url + "".join(key + value for key, value in sorted(set(pairs)))
    return base64.b64encode(hmac.digest(token.encode(), told.encode(), method)).decode()


def check(
    url: str,
    pairs: Pairs | None,
    signature: str,
    settings: WhatsAppSettings = SETTINGS,
    *,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> None:
    verify(Webhook(url, {"x-twilio-signature": signature, **(headers or {})}, body, pairs), settings)


def published(base: str) -> WhatsAppSettings:
    return WhatsAppSettings(auth_token="12345", public_url=base)


@pytest.mark.parametrize(
    ("base", "query", "pairs", "signature"),
    [
        ("https://mycompany.com", "?foo=1&bar=2", PUBLISHED_FORM, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("https://mycompany.com:1234", "?foo=1&bar=2", PUBLISHED_FORM, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("http://mycompany.com:1234", "?foo=1&bar=2", PUBLISHED_FORM, "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
        ("https://mycompany.com", "?foo=1&bar=2", PUBLISHED_FORM, "kvajT1Ptam85bY51eRf/AJRuM3w="),
        ("http://mycompany.com", "?foo=1&bar=2", PUBLISHED_FORM, "0ZXoZLH/DfblKGATFgpif+LLRf4="),
        ("https://mycompany.com", "?foo=1&bar=2", PUBLISHED_REPEATED, "IK+Dwps556ElfBT0I3Rgjkr1wJU="),
    ],
    ids=["plain", "a port", "a port of http", "signed with 443", "signed with 80", "a repeated key"],
)
def test_the_published_vectors_pass(base: str, query: str, pairs: Pairs, signature: str) -> None:
    check(f"http://127.0.0.1:8000/myapp.php{query}", pairs, signature, published(base))
    with pytest.raises(Forbidden):
        check(f"http://127.0.0.1:8000/myapp.php{query}", [*pairs, ("More", "")], signature, published(base))


def test_the_published_vector_of_a_json_body_passes() -> None:
    url = f"http://127.0.0.1:8000/myapp.php?foo=1&bar=2&bodySHA256={PUBLISHED_HASH}"
    signature, settings = "a9nBmqA0ju/hNViExpshrM61xv4=", published("https://mycompany.com")
    check(url, None, signature, settings, body=PUBLISHED_BODY)
    for body in (PUBLISHED_BODY + b" ", b"{}", b"\xff\xfe"):
        with pytest.raises(Forbidden):
            check(url, None, signature, settings, body=body)


def test_our_own_signing_is_the_published_one() -> None:
    assert sign(PUBLISHED_URL, PUBLISHED_FORM, "12345") == "RSOYDt4T1cUTdK1PDd93/VVr8B8="
    assert sign(PUBLISHED_URL, PUBLISHED_REPEATED, "12345") == "IK+Dwps556ElfBT0I3Rgjkr1wJU="


@pytest.mark.parametrize(
    "pairs",
    [
        [],
        [("Body", "")],
        [("Body", "Where is my parcel? 📦 Größe 12 — ¿dónde?")],
        [("Body", "a"), ("Body", "a"), ("Body", "b")],
        [("Body", "b"), ("Body", ""), ("Body", "a"), ("MediaUrl0", "")],
        [("", "no key"), ("To", "whatsapp:+15551234567"), ("NewOf2027", "{}")],
        [("Body", "a&b=c%20d+e"), ("Zero", "\0")],
    ],
)
def test_every_form_passes_as_starlette_reads_it(pairs: Pairs) -> None:
    body = "&".join(f"{quote_plus(key)}={quote_plus(value)}" for key, value in pairs).encode()
    parsed = starlette(body)
    assert sorted(parsed) == sorted(pairs), "the form must come through, or this test means nothing"
    check(URL, parsed, sign(URL, pairs))
    with pytest.raises(Forbidden):
        check(URL, [*parsed, ("Body", "and more")], sign(URL, pairs))


def starlette(body: bytes) -> Pairs:
    """The form as service/web.py hands it over."""

    async def read() -> Pairs:
        headers = [(b"content-type", b"application/x-www-form-urlencoded")]
        request = Request({"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": headers})
        request._body = body
        return [(key, value) for key, value in (await request.form()).multi_items() if isinstance(value, str)]

    return asyncio.run(read())


@pytest.mark.parametrize(
    ("base", "signed"),
    [
        ("https://help.example.com", "https://help.example.com/channels/whatsapp"),
        ("https://help.example.com", "https://help.example.com:443/channels/whatsapp"),
        ("https://help.example.com:8443", "https://help.example.com:8443/channels/whatsapp"),
        ("https://help.example.com:8443", "https://help.example.com/channels/whatsapp"),
        ("https://example.com/desk", "https://example.com/desk/channels/whatsapp"),
        ("http://[::1]:8000", "http://[::1]:8000/channels/whatsapp"),
    ],
)
@pytest.mark.parametrize("query", ["", "?key=0a1b-2c", "?key=a%20b&key=&empty=", "?a=%F0%9F%93%A6"])
def test_it_is_the_public_address_that_counts_behind_a_proxy(base: str, signed: str, query: str) -> None:
    settings = WhatsAppSettings(auth_token=PRIMARY, public_url=base)
    pairs = [("Body", "Hello")]
    inside = f"http://127.0.0.1:8000/channels/whatsapp{query}"
    check(inside, pairs, sign(signed + query, pairs), settings)
    check(f"{inside}#rc=5&rp=all", pairs, sign(signed + query, pairs), settings)
    with pytest.raises(Forbidden):
        check(inside, pairs, sign(f"{inside}", pairs), settings)
    with pytest.raises(Forbidden):
        check(f"{inside}{'&' if query else '?'}key=another", pairs, sign(signed + query, pairs), settings)


def test_a_proxy_may_leave_the_path_before_ours_away_or_not() -> None:
    for path in ("/channels/whatsapp", "/desk/channels/whatsapp"):
        assert public(f"http://10.0.0.1{path}?a=b", "https://example.com/desk") == (
            "https://example.com/desk/channels/whatsapp?a=b"
        )


def test_a_slash_at_the_end_of_the_path_is_another_address() -> None:
    check(f"{URL}/", [], sign(f"{URL}/"))
    with pytest.raises(Forbidden):
        check(f"{URL}/", [], sign(URL))


def test_what_the_request_says_of_its_own_host_changes_nothing() -> None:
    spoofed = {"host": "evil.example", "x-forwarded-host": "evil.example", "x-forwarded-proto": "http"}
    evil = "http://evil.example/channels/whatsapp"
    check(evil, [], sign(URL), headers=spoofed)
    with pytest.raises(Forbidden):
        check(evil, [], sign(evil), headers=spoofed)
    with pytest.raises(Forbidden):
        check(URL, [], sign("https://evil.example/channels/whatsapp"), headers=spoofed)


@pytest.mark.parametrize("token", [PRIMARY, SECONDARY])
def test_both_tokens_pass_while_they_are_changed(token: str) -> None:
    check(URL, [("Body", "Hello")], sign(URL, [("Body", "Hello")], token))


@pytest.mark.parametrize("token", ["another account's token", "", PRIMARY.upper(), PRIMARY + " "])
def test_a_signature_by_any_other_token_is_refused(token: str) -> None:
    with pytest.raises(Forbidden, match="PUBLIC_BASE_URL"):
        check(URL, [("Body", "Hello")], sign(URL, [("Body", "Hello")], token))


def test_without_a_token_nothing_passes() -> None:
    with pytest.raises(Forbidden):
        check(URL, [], sign(URL, [], ""), WhatsAppSettings(public_url=PUBLIC))


def test_what_was_signed_with_a_shared_key_passes_if_its_secret_is_one_of_the_tokens() -> None:
    pairs = [("Body", "Hello")]
    how = {"x-twilio-webhooks-signature-settings": "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256"}
    check(URL, pairs, sign(URL, pairs, SECONDARY, "sha256"), headers=how)
    for method, token, headers in [
        ("sha256", "another key", how),
        ("sha1", SECONDARY, how),
        ("sha256", SECONDARY, {}),
        ("md5", SECONDARY, {"x-twilio-webhooks-signature-settings": "algorithm=HMAC_MD5"}),
        ("sha1", SECONDARY, {"x-twilio-webhooks-signature-settings": "algorithm=none"}),
    ]:
        with pytest.raises(Forbidden):
            check(URL, pairs, sign(URL, pairs, token, method), headers=headers)


@pytest.mark.parametrize("signature", ["", " ", "a", "RSOYDt4T1cUTdK1PDd93/VVr8B8=", "Größe", "\udcff" * 28, "\0" * 28])
def test_a_missing_or_odd_signature_is_refused(signature: str) -> None:
    with pytest.raises(Forbidden):
        check(URL, [("Body", "Hello")], signature)


def test_no_signature_at_all_is_refused() -> None:
    with pytest.raises(Forbidden, match="not signed"):
        verify(Webhook(URL, {}, b"", [("Body", "Hello")]), SETTINGS)


def test_a_body_that_no_signature_covers_is_refused() -> None:
    body = json.dumps({"Body": "Hello"}).encode()
    signed = f"{URL}?bodySHA256={hashlib.sha256(body).hexdigest()}"
    check(signed, None, sign(signed), body=body)
    for url in (URL, f"{URL}?bodySHA256=", f"{URL}?bodySHA256={'0' * 64}", f"{URL}?bodysha256=1"):
        with pytest.raises(Forbidden):
            check(url, None, sign(url), body=body)


texts = st.text(st.characters())  # half surrogate pairs too


@given(
    url=st.one_of(texts, texts.map(lambda text: f"{URL}?bodySHA256=1&{text}"), texts.map(lambda text: URL + text)),
    headers=st.dictionaries(
        st.sampled_from(["x-twilio-signature", "x-twilio-webhooks-signature-settings", "host"]),
        st.one_of(texts, st.sampled_from(["algorithm=HMAC_SHA256", "algorithm=hmac_sha1", "x=,algorithm==="])),
    ),
    body=st.binary(),
    form=st.one_of(st.none(), st.lists(st.tuples(texts, texts))),
)
def test_whatever_it_holds_a_stranger_s_is_refused_and_nothing_else(
    url: str, headers: dict[str, str], body: bytes, form: Pairs | None
) -> None:
    with pytest.raises(Forbidden):
        verify(Webhook(url, headers, body, form), SETTINGS)


@given(st.lists(st.tuples(st.text(), st.text())))
def test_whatever_twilio_signs_passes(pairs: Pairs) -> None:
    check(URL, pairs, sign(URL, pairs))
