"""Tokens of email: what we made proves which message it was made for, and nothing else does."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.email.tokens import Tokens

SECRET = b"k" * 32
KEY = "0f8fad5b-d9cb-469f-a165-70867728950e"
OTHER = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
OURS = Tokens(SECRET)
TEMPLATE = "support+{token}@example.com"


def made(tokens: Tokens = OURS, key: str = KEY) -> dict[str, str]:
    """Each kind of token for one message."""
    return {
        "in_message_id": tokens.message_id(key, "example.com"),
        "in_token": tokens.token(key),
        "in_address": tokens.reply_address(key, TEMPLATE),
    }


@pytest.mark.parametrize("kind", made())
def test_a_token_proves_the_message_it_was_made_for_in_another_process_and_in_any_case(kind: str) -> None:
    token = made()[kind]
    prove = getattr(Tokens(SECRET), kind)
    assert prove(token) == prove(token.upper()) == prove(token.lower()) == prove(token.title()) == KEY
    assert made(key=OTHER)[kind] != token
    assert prove(made(key=OTHER)[kind]) == OTHER


@pytest.mark.parametrize("kind", made())
def test_a_token_of_another_secret_or_changed_by_one_character_proves_nothing(kind: str) -> None:
    token, prove = made()[kind], getattr(OURS, kind)
    assert prove(token) == KEY, "the token as it is must prove something, or this test means nothing"
    assert prove(made(Tokens(b"x" * 32))[kind]) == ""
    length = len(token.partition("@")[0])
    start = token.index("+") + 1 if kind == "in_address" else 0
    for place in range(start, length):
        for instead in "a2b-.=\u212a\u017f":  # the last two are k and s to who ignores case in all of Unicode
            changed = token[:place] + instead + token[place + 1 :]
            assert changed == token or prove(changed) == "", changed
        assert prove(token[:place] + token[place + 1 :]) == "", "a character is missing"
        assert prove(token[:place] + token[length:]) == "", "the rest is missing"


def test_a_signature_is_of_one_key_and_of_nothing_else() -> None:
    theirs = OURS.token(OTHER).partition(".")[2]
    assert OURS.in_token(f"{KEY}.{theirs}") == ""
    assert OURS.in_message_id(f"fl.{KEY}.{theirs}@example.com") == ""
    assert OURS.in_token(f"{OTHER}.{theirs}") == OTHER


def test_a_message_id_is_the_same_for_every_attempt_and_proves_with_and_without_brackets() -> None:
    message_id = OURS.message_id(KEY, "example.com")
    assert message_id == Tokens(SECRET).message_id(KEY, "example.com")
    assert message_id.startswith(f"fl.{KEY}.")
    assert OURS.in_message_id(f"<{message_id}>") == OURS.in_message_id(f" {message_id} ") == KEY
    moved = OURS.message_id(KEY, "elsewhere.example")
    assert OURS.in_message_id(moved) == KEY, "EMAIL_ADDRESS may change while customers still answer older mail"


@pytest.mark.parametrize("template", [TEMPLATE, "{token}@r.example.com", "abc{token}@example.com", "a-{token}-z@x.org"])
def test_a_reply_address_is_a_plain_address_of_at_most_64_characters_before_the_at(template: str) -> None:
    address = OURS.reply_address(KEY, template)
    assert len(address.rpartition("@")[0]) <= 64
    assert address.isascii()
    assert OURS.in_address(address) == KEY
    assert OURS.in_address(f"prvs=1234567890={address}") == KEY, "what mail systems put before it"


def test_without_a_template_or_a_uuid_there_is_no_reply_address() -> None:
    assert OURS.reply_address(KEY, "") == ""
    assert OURS.reply_address("a-key-that-is-no-uuid", TEMPLATE) == ""
    assert OURS.reply_address(KEY.replace("-", ""), TEMPLATE) == "", "it would come back as another spelling"


def test_keys_of_other_kinds_are_kept_to_the_letter() -> None:
    for key in ("7d44", "A" * 64, "calls-0123456789abcdef"):
        assert OURS.in_token(OURS.token(key)) == key
        assert OURS.in_message_id(OURS.message_id(key, "example.com")) == key
    assert OURS.in_token(OURS.token("Ab" * 8).lower()) == "", "what it was cannot be known any more"


@pytest.mark.parametrize("key", ["", "a" * 65, "a b", "a\r\nBcc: b", "a.b", "é"])
def test_a_key_that_fits_in_no_header_makes_no_token(key: str) -> None:
    with pytest.raises(ValueError, match="key"):
        OURS.message_id(key, "example.com")


@given(st.one_of(st.text(max_size=120), st.from_regex(r"fl\.[a-z0-9-]{4,70}\.[a-z2-7]{15,25}@[a-z]+")))
def test_what_strangers_write_proves_nothing_and_breaks_nothing(text: str) -> None:
    assert OURS.in_message_id(text) == OURS.in_token(text) == OURS.in_address(text) == ""
    assert OURS.in_address(f"support+{text}@example.com") == ""


@given(st.uuids())
def test_every_uuid_comes_back_from_every_kind_of_token(key: uuid.UUID) -> None:
    assert {getattr(OURS, kind)(token.upper()) for kind, token in made(key=str(key)).items()} == {str(key)}


def test_an_endless_id_is_not_looked_at_for_long() -> None:
    endless = "a" * 2_000_000
    assert OURS.in_message_id(f"fl.{endless}@x") == OURS.in_token(endless) == OURS.in_address(f"{endless}@x") == ""
