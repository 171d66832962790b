"""The settings of WhatsApp: what is on, what is lacking, and a sentence for each value that cannot be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.base import Setup
from channels.whatsapp.settings import REPLY_READY, SATISFACTION, Template, WhatsAppSettings, read

TOKEN, SECOND = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
ON = {
    "WHATSAPP_ACCOUNT_SID": "AC" + "0a" * 16,
    "WHATSAPP_AUTH_TOKEN": TOKEN,
    "WHATSAPP_FROM": "+15551234567",
    "PUBLIC_BASE_URL": "https://help.example.com",
}
LOCAL = "http://127.0.0.1:9000"


def settings(environ: dict[str, str], base_url: str = "http://127.0.0.1:8000") -> WhatsAppSettings:
    return read(Setup(b"a key", environ, base_url=base_url))


def test_with_nothing_set_it_says_what_it_wants() -> None:
    assert settings({}).missing == tuple(ON)
    assert settings({}).tokens == ()


def test_four_settings_are_all_it_wants() -> None:
    found = settings(ON)
    assert found.missing == ()
    assert (found.sender, found.public_url) == ("whatsapp:+15551234567", "https://help.example.com")
    assert (found.typing, found.rate, found.templates, found.api_url) == (False, 80.0, {}, "")
    assert found.tokens == (TOKEN,)
    for name in ON:
        lacking = settings({key: value for key, value in ON.items() if key != name}).missing
        assert lacking == (name,), f"{name} must be needed, or this test means nothing"


def test_every_setting_is_read() -> None:
    found = settings(
        {
            **ON,
            "WHATSAPP_AUTH_TOKEN_SECONDARY": SECOND,
            "WHATSAPP_TYPING": "On",
            "WHATSAPP_RATE": "12.5",
            "WHATSAPP_REPLY_TEMPLATE": "HX" + "ab" * 16,
            "WHATSAPP_REPLY_VARIABLES": '{"1": "{customer}", "2": "the team of {company}"}',
            "WHATSAPP_SATISFACTION_TEMPLATE": "HX" + "cd" * 16,
            "WHATSAPP_API_URL": "https://twilio.example.com/",
        }
    )
    assert found.missing == ()
    assert found.tokens == (TOKEN, SECOND)
    assert (found.typing, found.rate, found.api_url) == (True, 12.5, "https://twilio.example.com")
    assert found.templates == {
        REPLY_READY: Template("HX" + "ab" * 16, {"1": "{customer}", "2": "the team of {company}"}),
        SATISFACTION: Template("HX" + "cd" * 16, {}),
    }
    assert TOKEN not in repr(found)
    assert SECOND not in repr(found)


@pytest.mark.parametrize(
    "value", ["+15551234567", "whatsapp:+15551234567", " +1 555 123-4567 ", "whatsapp:+1 (555) 123.4567"]
)
def test_the_number_may_be_written_as_people_write_it(value: str) -> None:
    found = settings({**ON, "WHATSAPP_FROM": value})
    assert (found.missing, found.sender) == ((), "whatsapp:+15551234567")


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("https://help.example.com/", "https://help.example.com"),
        ("https://example.com/desk/", "https://example.com/desk"),
        ("https://example.com:8443", "https://example.com:8443"),
    ],
)
def test_the_public_address_may_have_a_path_and_is_kept_without_its_last_slash(value: str, kept: str) -> None:
    found = settings({**ON, "PUBLIC_BASE_URL": value})
    assert (found.missing, found.public_url) == ((), kept)


@pytest.mark.parametrize("value", ["http://localhost:8000", "http://[::1]:8000", "https://127.0.0.1"])
def test_an_address_on_this_machine_does_for_a_stand_in_there_and_not_for_twilio(value: str) -> None:
    environ = {**ON, "PUBLIC_BASE_URL": value}
    (words,) = settings(environ).missing
    assert "that Twilio reaches" in words
    found = settings({**environ, "WHATSAPP_API_URL": "http://127.0.0.1:9001"})
    assert (found.missing, found.public_url) == ((), value)


def test_with_a_stand_in_on_this_machine_no_public_address_is_needed() -> None:
    environ = {name: value for name, value in ON.items() if name != "PUBLIC_BASE_URL"}
    assert settings(environ, LOCAL).missing == ("PUBLIC_BASE_URL",), "without a stand-in it must be needed"
    assert settings({**environ, "WHATSAPP_API_URL": "https://twilio.example.com"}, LOCAL).missing
    found = settings({**environ, "WHATSAPP_API_URL": "http://127.0.0.1:9001"}, LOCAL)
    assert (found.missing, found.public_url) == ((), LOCAL)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("WHATSAPP_ACCOUNT_SID", "AC123", "WHATSAPP_ACCOUNT_SID to be AC and 32 hexadecimal digits"),
        ("WHATSAPP_ACCOUNT_SID", "SK" + "0a" * 16, "WHATSAPP_ACCOUNT_SID to be AC"),
        ("WHATSAPP_AUTH_TOKEN", "short", "WHATSAPP_AUTH_TOKEN to be the auth token"),
        ("WHATSAPP_AUTH_TOKEN", "a token with spaces in it", "WHATSAPP_AUTH_TOKEN to be the auth token"),
        ("WHATSAPP_AUTH_TOKEN_SECONDARY", "short", "WHATSAPP_AUTH_TOKEN_SECONDARY to be the secondary"),
        ("WHATSAPP_FROM", "49301234567", "WHATSAPP_FROM to be the number"),
        ("WHATSAPP_FROM", "Pellworth", "WHATSAPP_FROM to be the number"),
        ("WHATSAPP_FROM", "+٤٥٥٥١٢٣٤٥٦٧", "WHATSAPP_FROM to be the number"),
        ("PUBLIC_BASE_URL", "http://help.example.com", "PUBLIC_BASE_URL to be an address with https"),
        ("PUBLIC_BASE_URL", "desk.example.org", "PUBLIC_BASE_URL to be an address with https"),
        ("PUBLIC_BASE_URL", "https://me:secret@help.example.com", "PUBLIC_BASE_URL to be an address"),
        ("PUBLIC_BASE_URL", "https://help.example.com?a=b", "PUBLIC_BASE_URL to be an address"),
        ("PUBLIC_BASE_URL", "https://help.example.com:99999", "PUBLIC_BASE_URL to be an address"),
        ("PUBLIC_BASE_URL", "https://[::1", "PUBLIC_BASE_URL to be an address"),
        ("PUBLIC_BASE_URL", "https://127.0.0.1\\@example.com", "PUBLIC_BASE_URL to be an address"),
        ("WHATSAPP_TYPING", "perhaps", "WHATSAPP_TYPING to be on or off"),
        ("WHATSAPP_RATE", "0", "WHATSAPP_RATE to be how many"),
        ("WHATSAPP_RATE", "nan", "WHATSAPP_RATE to be how many"),
        ("WHATSAPP_RATE", "-3", "WHATSAPP_RATE to be how many"),
        ("WHATSAPP_RATE", "1e9", "WHATSAPP_RATE to be how many"),
        ("WHATSAPP_REPLY_TEMPLATE", "reply_ready", "WHATSAPP_REPLY_TEMPLATE to be a ContentSid"),
        ("WHATSAPP_REPLY_VARIABLES", '{"1": "x"}', "WHATSAPP_REPLY_TEMPLATE along with WHATSAPP_REPLY_VARIABLES"),
        ("WHATSAPP_REPLY_VARIABLES", "{", "WHATSAPP_REPLY_VARIABLES to be JSON"),
        ("WHATSAPP_REPLY_VARIABLES", '["x"]', "WHATSAPP_REPLY_VARIABLES to be JSON"),
        ("WHATSAPP_REPLY_VARIABLES", '{"1": 2}', "WHATSAPP_REPLY_VARIABLES to be JSON"),
        ("WHATSAPP_REPLY_VARIABLES", '{"1": "{name}"}', "with no other placeholders than {company}"),
        ("WHATSAPP_SATISFACTION_VARIABLES", "[" * 100_000, "WHATSAPP_SATISFACTION_VARIABLES to be JSON"),
        ("WHATSAPP_API_URL", "http://api.example.com", "WHATSAPP_API_URL to be an origin"),
        ("WHATSAPP_API_URL", "http://127.0.0.1:9000/twilio", "WHATSAPP_API_URL to be an origin"),
        ("WHATSAPP_API_URL", "http://127.0.0.1@evil.example", "WHATSAPP_API_URL to be an origin"),
    ],
)
def test_a_value_that_cannot_be_is_named_and_not_repeated(name: str, value: str, words: str) -> None:
    missing = settings({**ON, name: value}).missing
    assert len(missing) == 1
    assert missing[0].startswith(words) or words in missing[0]
    if len(value) > 4:
        assert value not in missing[0]


@given(
    st.dictionaries(st.sampled_from([*ON, "WHATSAPP_API_URL", "WHATSAPP_RATE", "WHATSAPP_REPLY_VARIABLES"]), st.text())
)
def test_no_values_break_it(environ: dict[str, str]) -> None:
    found = settings(environ)
    assert isinstance(found.missing, tuple)
    assert found.missing or set(ON) <= set(environ)
