"""What Twilio's errors mean to staff, and what is done about a message that met one."""

import pytest

from channels.base import OutcomeUnknown, SwitchedOff, Undeliverable
from channels.whatsapp import errors

STAFF_MEET = (21211, 21610, 21617, 21658, 63003, 63005, 63007, 63013, 63015, 63016, 63018, 63019, 63021, 63024, 63032)


def permanent(status: int, code: int | None) -> bool:
    refusal = errors.refusal(status, code)
    assert isinstance(refusal, Undeliverable)
    assert refusal.reason.strip()
    return refusal.permanent


@pytest.mark.parametrize("code", errors.WORDS)
def test_every_code_is_told_in_sentences_that_name_it(code: int):
    said = errors.words(code)
    assert said.endswith(f". (Twilio error {code})")
    assert said[0].isupper()
    assert len(said) < 220, "it is shown beside a message"


def test_the_codes_that_staff_meet_are_there():
    assert set(STAFF_MEET) <= set(errors.WORDS)
    assert "template" in errors.words(63016)
    assert "24 hours" in errors.words(63016)


@pytest.mark.parametrize(
    ("status", "says"),
    [(401, "login"), (404, "find"), (429, "too many"), (500, "500"), (503, "503"), (400, "400"), (None, "console")],
)
def test_a_code_that_nobody_knows_is_told_by_its_http_status(status: int | None, says: str):
    said = errors.words(99999, status)
    assert says in said
    assert said.endswith("(Twilio error 99999)")
    assert says in errors.words(None, status)
    assert "None" not in errors.words(None, status)


@pytest.mark.parametrize("code", [21211, 21610, 21617, 21606, 63007, 63013, 63016, 63021, 63024, 99999])
def test_what_twilio_refuses_is_refused_for_good(code: int):
    assert permanent(400, code)


@pytest.mark.parametrize(
    ("status", "code"),
    [(429, 20429), (429, 63018), (400, 63018), (400, 21611), (500, 20500), (503, 20503), (429, None)],
)
def test_what_passes_is_tried_again(status: int, code: int | None):
    assert not permanent(status, code)


@pytest.mark.parametrize(
    ("status", "code"), [(401, 20003), (401, None), (403, 20003), (403, 20403), (403, 20005), (400, 10001)]
)
def test_an_account_that_is_not_ours_any_more_switches_the_channel_off(status: int, code: int | None):
    refusal = errors.refusal(status, code)
    assert isinstance(refusal, SwitchedOff)
    assert "restart" in str(refusal)
    assert "Twilio's console" in str(refusal)


def test_a_wrong_login_names_the_settings():
    assert "WHATSAPP_ACCOUNT_SID and WHATSAPP_AUTH_TOKEN" in str(errors.refusal(401, 20003))


def test_a_firewalls_refusal_switches_nothing_off():
    assert not permanent(403, None)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_gateway_that_fails_may_have_passed_the_message_on(status: int):
    assert isinstance(errors.refusal(status, None), OutcomeUnknown)


def test_a_broken_connection_is_sure_only_before_the_message_went_out():
    assert isinstance(errors.unanswered("it hung up"), OutcomeUnknown)
    assert not errors.unsent("it was refused").permanent
