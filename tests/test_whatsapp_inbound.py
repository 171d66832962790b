"""What comes in over WhatsApp: each kind of message, each odd parameter, and what became of ours."""

import base64
import hashlib
import hmac
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.base import Attachment, Forbidden, Inbound, Kind, Malformed, Parsed, StatusUpdate, Webhook
from channels.whatsapp import errors
from channels.whatsapp.inbound import MOST_FILES, NO_WORDS, STATUSES, parse
from channels.whatsapp.settings import WhatsAppSettings
from channels.whatsapp.words import START, STOP, stop_or_start

ACCOUNT, SID = "AC" + "0a" * 16, "SM" + "1b" * 16
OURS, CUSTOMER = "whatsapp:+15551234567", "whatsapp:+4915112345678"
FORM_ID = "whatsapp:DE.4566546130240823"
PUBLIC = "https://help.example.com"
SETTINGS = WhatsAppSettings(ACCOUNT, "the auth token of the account", sender=OURS, public_url=PUBLIC)
MEDIA = f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Messages/{SID}/Media/ME"

#: As Twilio posts it (found in the wild, with the numbers changed).
FORM = {
    "SmsMessageSid": SID,
    "NumMedia": "0",
    "ProfileName": "Ada",
    "MessageType": "text",
    "SmsSid": SID,
    "WaId": "4915112345678",
    "SmsStatus": "received",
    "Body": "Where is my parcel?",
    "To": OURS,
    "NumSegments": "1",
    "ReferralNumMedia": "0",
    "MessageSid": SID,
    "AccountSid": ACCOUNT,
    "ChannelMetadata": '{"type":"whatsapp","data":{"context":{"ProfileName":"Ada","WaId":"4915112345678"}}}',
    "From": CUSTOMER,
    "ExternalUserId": FORM_ID,
    "ApiVersion": "2010-04-01",
}
STATUS = {
    "MessageSid": SID,
    "SmsSid": SID,
    "MessageStatus": "delivered",
    "SmsStatus": "delivered",
    "AccountSid": ACCOUNT,
    "From": OURS,
    "To": CUSTOMER,
    "ChannelPrefix": "whatsapp",
}


def post(pairs: list[tuple[str, str]], query: str = "") -> Webhook:
    """A form, signed as Twilio signs. What cannot be written as UTF-8 cannot be signed either: it is dropped there."""
    url = f"{PUBLIC}/channels/whatsapp{query}"
    told = url + "".join(key + value for key, value in sorted(set(pairs)))
    digest = hmac.digest(SETTINGS.auth_token.encode(), told.encode(), "sha1")
    inside = f"http://127.0.0.1:8000/channels/whatsapp{query}"
    body = urlencode(pairs).encode()
    return Webhook(inside, {"x-twilio-signature": base64.b64encode(digest).decode()}, body, pairs)


def came(**changed: str | None) -> Inbound:
    """What FORM with these changes (None: without it) is read as."""
    pairs = [(key, value) for key, value in {**FORM, **changed}.items() if value is not None]
    (found,) = parse(post(pairs), SETTINGS)
    assert isinstance(found, Inbound)
    return found


def became(query: str = "", **changed: str | None) -> list[Parsed]:
    pairs = [(key, value) for key, value in {**STATUS, **changed}.items() if value is not None]
    return list(parse(post(pairs, query), SETTINGS))


def test_a_text_is_a_message_of_the_customer_s_one_conversation() -> None:
    found = came()
    assert (found.sender, found.thread, found.external_id) == (CUSTOMER, CUSTOMER, SID)
    assert (found.text, found.kind, found.name, found.phone) == (
        "Where is my parcel?",
        Kind.MESSAGE,
        "Ada",
        "+4915112345678",
    )
    assert (found.notes, found.attachments, found.verified) == ([], [], True)
    assert found.memo == {"message_sid": SID}
    assert found.raw.startswith(b"SmsMessageSid="), "as it came"


def test_the_same_delivery_is_the_same_message_whatever_is_new_in_it() -> None:
    assert came().external_id == came(RetryCount="1", NewOf2027="x", ProfileName="Ada L.").external_id
    assert came().external_id != came(MessageSid="SM" + "2c" * 16).external_id


def test_what_twilio_did_not_sign_is_refused_before_it_is_read() -> None:
    webhook = post(list(FORM.items()))
    assert parse(webhook, SETTINGS), "signed it must pass, or this test means nothing"
    forged = [(key, "whatsapp:+1999999999" if key == "From" else value) for key, value in FORM.items()]
    with pytest.raises(Forbidden):
        parse(Webhook(webhook.url, webhook.headers, webhook.body, forged), SETTINGS)


def test_the_id_that_stays_when_a_number_is_hidden_is_told_with_it() -> None:
    assert came().also == (FORM_ID,)
    assert came(From=None).also == ()
    assert came(From=FORM_ID).also == ()
    assert came(ExternalUserId=None).also == ()
    assert came(ExternalUserId="sms:1").also == (), "nonsense is no id"


def test_a_reply_says_so_to_staff_and_stays_in_its_conversation() -> None:
    theirs = came(OriginalRepliedMessageSid="SM" + "3d" * 16, OriginalRepliedMessageSender=CUSTOMER)
    ours = came(OriginalRepliedMessageSid="SM" + "3d" * 16, OriginalRepliedMessageSender=OURS)
    assert ours.notes == ["It is a reply to an earlier message of ours."]
    assert theirs.notes == ["It is a reply to an earlier message of theirs."]
    unsaid = came(OriginalRepliedMessageSid="SM" + "3d" * 16)
    assert unsaid.notes == ["It is a reply to an earlier message."], "whose is not guessed"
    assert ours.thread == theirs.thread == CUSTOMER
    assert not ours.refers_to


@pytest.mark.parametrize(
    ("changed", "text", "kind"),
    [
        ({"MessageType": "button", "ButtonText": "Yes, please", "ButtonPayload": "yes"}, "Yes, please", Kind.MESSAGE),
        ({"MessageType": "button", "ButtonText": "Yes", "Body": "Yes", "ButtonPayload": ""}, "Yes", Kind.MESSAGE),
        ({"ButtonText": "Talk to a person", "ButtonPayload": "person"}, "Talk to a person", Kind.PERSON),
        ({"ButtonText": "Mensch", "ButtonPayload": "PERSON "}, "Mensch", Kind.PERSON),
        ({"MessageType": "interactive", "ListId": "returns", "ListTitle": "Returns"}, "Returns", Kind.MESSAGE),
        ({"ListId": "returns", "ListTitle": None, "Body": "Returns"}, "Returns", Kind.MESSAGE),
        ({"ListId": "person", "ListTitle": "A person", "Body": "A person"}, "A person", Kind.PERSON),
        ({"ButtonPayload": "person", "ButtonText": None, "Body": ""}, NO_WORDS, Kind.PERSON),
        ({"ButtonText": "Stop", "Body": "Stop", "ButtonPayload": "no more"}, "Stop", Kind.STOP),
        ({"Body": "person"}, "person", Kind.MESSAGE),
    ],
)
def test_a_press_says_what_stood_on_the_button(changed: dict[str, str | None], text: str, kind: Kind) -> None:
    found = came(**changed)
    assert (found.text, found.kind) == (text, kind)


def test_a_location_can_be_read_and_calls_for_a_person_unless_words_came_with_it() -> None:
    changed = {"MessageType": "location", "Latitude": "52.5200", "Longitude": "13.4050", "Label": "Tower\u2028Shop"}
    found = came(**changed, Address="1 High Street", Body="")
    assert found.text == "Location: Tower Shop; 1 High Street; 52.5200, 13.4050"
    assert (found.kind, found.notes) == (Kind.PERSON, ["They shared a location."])
    with_words = came(**changed, Body="Do you deliver here?")
    assert with_words.text == "Do you deliver here?\nLocation: Tower Shop; 52.5200, 13.4050"
    assert with_words.kind == Kind.MESSAGE
    odd = came(MessageType="location", Latitude="nan", Longitude="<b>", Body="")
    assert (odd.text, odd.kind) == (NO_WORDS, Kind.PERSON)


@pytest.mark.parametrize("content_type", ["text/vcard", "text/x-vcard"])
def test_a_contact_card_is_a_file(content_type: str) -> None:
    found = came(MessageType="contacts", Body="", NumMedia="1", MediaUrl0=f"{MEDIA}0", MediaContentType0=content_type)
    assert found.attachments == [Attachment("", content_type, f"{MEDIA}0")]
    assert (found.text, found.kind, found.notes) == (NO_WORDS, Kind.PERSON, ["It is a contact card."])


@pytest.mark.parametrize("body", ["👍", "", None])
def test_a_reaction_is_recorded_and_never_answered(body: str | None) -> None:
    found = came(MessageType="reaction", Body=body, OriginalRepliedMessageSid="SM" + "3d" * 16)
    assert (found.kind, found.text) == (Kind.AUTOMATIC, body or NO_WORDS)
    assert found.reason == "It is a reaction to an earlier message: there is nothing to answer."
    assert not found.notes, "it is said once"
    assert came(Body="👍").kind == Kind.MESSAGE, "sent as a message it must not be one"


def test_a_sticker_is_a_message_without_words() -> None:
    found = came(MessageType="sticker", Body="", NumMedia="1", MediaUrl0=MEDIA, MediaContentType0="image/webp")
    assert (found.text, found.kind, found.notes) == ("", Kind.MESSAGE, ["It is a sticker."])
    assert found.attachments == [Attachment("", "image/webp", MEDIA)]


def test_a_photo_with_words_is_answered_by_them_and_one_without_calls_for_a_person() -> None:
    photo = {"MessageType": "image", "NumMedia": "1", "MediaUrl0": MEDIA, "MediaContentType0": "image/jpeg"}
    said, silent = came(**photo, Body="Is this the right part?"), came(**photo, Body="")
    assert (said.text, said.kind) == ("Is this the right part?", Kind.MESSAGE)
    assert (silent.text, silent.kind) == (NO_WORDS, Kind.PERSON)
    assert said.attachments == silent.attachments == [Attachment("", "image/jpeg", MEDIA)]


def test_a_voice_message_calls_for_a_person() -> None:
    found = came(
        MessageType="audio", Body="", NumMedia="1", MediaUrl0=MEDIA, MediaContentType0="audio/ogg; codecs=opus"
    )
    assert found.attachments == [Attachment("", "audio/ogg", MEDIA)]
    assert (found.kind, found.notes) == (Kind.PERSON, ["It is a voice message or another sound."])


@pytest.mark.parametrize("announced", ["30", "-1", "many", "", "9" * 5_000, "٣", None])
def test_files_count_by_their_addresses_and_not_by_what_is_announced(announced: str | None) -> None:
    files: dict[str, str | None] = {f"MediaUrl{place}": f"{MEDIA}{place}" for place in range(30)}
    found = came(**{"NumMedia": announced, **files})
    assert [each.url for each in found.attachments] == [f"{MEDIA}{place}" for place in range(MOST_FILES)]
    assert {each.content_type for each in found.attachments} == {"application/octet-stream"}


def test_files_that_did_not_come_through_are_told_of() -> None:
    found = came(NumMedia="2", Body="", MediaUrl1=MEDIA, MediaContentType1="<script>")
    assert found.attachments == [Attachment("", "application/octet-stream", MEDIA)]
    assert found.notes == ["It came with 2 files, of which 1 came through."]
    assert came(NumMedia="1", Body="").kind == Kind.PERSON


def test_a_kind_that_is_not_known_is_said_so_and_calls_for_a_person_if_it_has_no_words() -> None:
    found = came(MessageType="hologram\nof yours", Body="")
    assert (found.text, found.kind) == (NO_WORDS, Kind.PERSON)
    assert found.notes == ["It is of a kind that is not known here (hologram of yours): it may hold more than this."]
    assert came(MessageType="hologram").kind == Kind.MESSAGE
    assert came(MessageType=None).notes == []


def test_a_name_is_one_line_of_bounded_length() -> None:
    assert came(ProfileName="  Ada\r\n\tLovelace\u2028\u202egnp.exe\0 ").name == "Ada Lovelace gnp.exe"
    assert came(ProfileName="x" * 5_000).name == "x" * 100
    assert came(ProfileName=None).name == ""


@pytest.mark.parametrize(
    ("changed", "sender", "phone"),
    [
        ({"From": "whatsapp:DE.1A2B3C"}, "whatsapp:DE.1A2B3C", None),
        ({"From": "whatsapp:DE.1A2B3C", "To": "whatsapp:DE.1A2B3C"}, "whatsapp:DE.1A2B3C", None),
        ({"From": None}, "whatsapp:DE.4566546130240823", None),
        ({"From": ""}, "whatsapp:DE.4566546130240823", None),
        ({"From": "whatsapp:+0123"}, "whatsapp:+0123", None),
    ],
)
def test_who_hides_their_number_is_known_by_their_id(
    changed: dict[str, str | None], sender: str, phone: str | None
) -> None:
    found = came(**changed)
    assert (found.sender, found.thread, found.phone) == (sender, sender, phone)


def test_staff_are_told_of_a_forwarded_message_and_of_the_ad_it_came_from() -> None:
    forwarded = "They forwarded it: somebody else may have written it."
    assert came(Forwarded="true", FrequentlyForwarded="true").notes == [forwarded]
    assert came(Forwarded="false", FrequentlyForwarded="false").notes == []
    ad = {"ReferralHeadline": "Half price\nthis week", "ReferralSourceUrl": "https://fb.me/x", "ReferralBody": ""}
    assert came(**ad).notes == ["They came from an ad: Half price this week | https://fb.me/x"]
    assert came(**ad, ReferralSourceType="post").notes[0].startswith("They came from a post:")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"MessageSid": None, "SmsSid": None, "SmsMessageSid": None}, "no MessageSid"),
        ({"MessageSid": f"{SID}MessageTypetext"}, "no MessageSid"),
        ({"From": None, "ExternalUserId": None}, "who wrote it"),
        ({"From": "+4915112345678"}, "did not come over WhatsApp"),
        ({"From": "messenger:123"}, "did not come over WhatsApp"),
        ({"From": "whatsapp:"}, "did not come over WhatsApp"),
        ({"From": "whatsapp:" + "1" * 5_000}, "did not come over WhatsApp"),
        ({"AccountSid": "AC" + "ff" * 16}, "WHATSAPP_ACCOUNT_SID"),
        ({"To": "whatsapp:+15550000000"}, "WHATSAPP_FROM"),
        ({"To": "+15551234567"}, "WHATSAPP_FROM"),
    ],
)
def test_what_cannot_be_a_message_to_us_is_refused_in_a_sentence(changed: dict[str, str | None], words: str) -> None:
    with pytest.raises(Malformed, match=words) as refused:
        came(**changed)
    assert str(refused.value).endswith(".")


def test_a_form_without_body_recipient_or_account_is_still_a_message() -> None:
    found = came(Body=None, To=None, AccountSid=None)
    assert (found.text, found.kind) == (NO_WORDS, Kind.PERSON)


def test_any_length_and_any_sign_comes_through_as_a_database_takes_it() -> None:
    assert len(came(Body="a b" * 35_000).text) == 105_000
    assert came(Body="a\0b\r\nc \x07 ").text == "ab\nc \x07"
    assert came(Body="\0").kind == Kind.PERSON


def test_of_a_repeated_parameter_the_first_counts() -> None:
    (found,) = parse(post([*FORM.items(), ("Body", "another"), ("From", "whatsapp:+1999999999")]), SETTINGS)
    assert isinstance(found, Inbound)
    assert (found.text, found.sender) == ("Where is my parcel?", CUSTOMER)


def test_json_is_refused_in_a_sentence() -> None:
    body = b'[{"type": "com.twilio.messaging.message.delivered"}]'
    url = f"{PUBLIC}/channels/whatsapp?bodySHA256={hashlib.sha256(body).hexdigest()}"
    digest = hmac.digest(SETTINGS.auth_token.encode(), url.encode(), "sha1")
    headers = {"x-twilio-signature": base64.b64encode(digest).decode(), "content-type": "application/json"}
    with pytest.raises(Malformed, match="no form"):
        parse(Webhook(url, headers, body), SETTINGS)


WORDS = "STOP|stop|Stop.| stop!!! |STOP 🛑|🛑 stop ✋🏽|ＳＴＯＰ|Stop all|opt-out|ARRÊT|arre\u0302t|Стоп|DURDUR|توقف!"
NO_STOP_WORDS = (
    "Please stop|Stop charging my card|stop 1|My pump won't stop.|non-stop|cancel|Cancel.|end|quit|exit|Cancel my order"
    "|cancelar|annuler|取消|退订|abmelden|para|yes|Yes!|ok|no|oui|subscribe|How do I start?|🛑|..."
)


@pytest.mark.parametrize("text", [*WORDS.split("|"), "रोकें।", "停止", "ストップ。", "ｽﾄｯﾌﾟ", "수신거부", "unsubscribe"])
def test_stop_alone_is_a_stop_word_in_many_languages(text: str) -> None:
    assert came(Body=text).kind == Kind.STOP


@pytest.mark.parametrize("text", ["START", "Unstop!", "démarrer", "старт", "开始", "시작 🙂"])
def test_start_alone_is_a_start_word(text: str) -> None:
    assert came(Body=text).kind == Kind.START


@pytest.mark.parametrize("text", [*NO_STOP_WORDS.split("|"), "stop " * 20])
def test_no_other_message_is_taken_for_one(text: str) -> None:
    assert came(Body=text).kind == Kind.MESSAGE


def test_a_word_that_came_with_a_file_is_not_the_whole_message() -> None:
    assert came(Body="Stop", NumMedia="1", MediaUrl0=MEDIA).kind == Kind.MESSAGE


def test_every_word_in_the_lists_is_found_and_in_one_of_them_only() -> None:
    assert len(STOP) > 30
    assert len(START) > 15
    for word in STOP:
        assert stop_or_start(f"{word.upper()} !") == stop_or_start(word) == Kind.STOP
    for word in START:
        assert stop_or_start(f"{word.upper()} !") == stop_or_start(word) == Kind.START


@pytest.mark.parametrize("status", ["sent", "delivered", "read"])
def test_how_far_a_message_of_ours_came_is_told(status: str) -> None:
    assert became("?key=0a1b-2c3d", MessageStatus=status) == [StatusUpdate(SID, status, "", "0a1b-2c3d")]


@pytest.mark.parametrize("status", ["failed", "undelivered", "canceled", "Undelivered"])
def test_a_failure_comes_with_its_reason_in_words(status: str) -> None:
    wanted = StatusUpdate(SID, "failed", errors.words(63016), "0a1b-2c3d")
    assert errors.words(63016) != errors.words(None), "the reason must say more than nothing"
    assert became("?key=0a1b-2c3d", MessageStatus=status, ErrorCode="63016") == [wanted]


@pytest.mark.parametrize("code", ["", "none", "-3", "1e9", "9" * 5_000, "٣", None])
def test_an_error_code_that_is_no_number_is_none(code: str | None) -> None:
    assert became(MessageStatus="failed", ErrorCode=code) == [StatusUpdate(SID, "failed", errors.words(None), "")]


@pytest.mark.parametrize("status", ["queued", "accepted", "scheduled", "sending", "partially_delivered", "of 2027"])
def test_on_its_way_it_says_nothing(status: str) -> None:
    assert became("?key=0a1b-2c3d", MessageStatus=status) == []
    assert status not in STATUSES


@pytest.mark.parametrize(
    ("query", "key"),
    [
        ("", ""),
        ("?key=", ""),
        ("?key=a%20b", ""),
        ("?key=a&key=b", "a"),
        ("?other=1&key=a-1", "a-1"),
        ("?key=" + "a" * 81, ""),
    ],
)
def test_the_key_is_ours_or_none(query: str, key: str) -> None:
    assert became(query) == [StatusUpdate(SID, "delivered", "", key)]


def test_a_status_of_nothing_or_of_another_account_is_refused() -> None:
    with pytest.raises(Malformed, match="which message"):
        became(MessageSid=None, SmsSid=None)
    assert became("?key=a-1", MessageSid=None, SmsSid=None) == [StatusUpdate("", "delivered", "", "a-1")]
    with pytest.raises(Malformed, match="WHATSAPP_ACCOUNT_SID"):
        became(AccountSid="AC" + "ff" * 16)


NAMES = [
    *FORM,
    *STATUS,
    "MediaUrl0",
    "MediaContentType0",
    "ButtonText",
    "ButtonPayload",
    "ListId",
    "ListTitle",
    "ErrorCode",
]
NAMES += ["Latitude", "Longitude", "Label", "Address", "Forwarded", "ReferralHeadline", "OriginalRepliedMessageSid"]
KNOWN = [
    SID,
    ACCOUNT,
    OURS,
    CUSTOMER,
    "received",
    "failed",
    "reaction",
    "sticker",
    "person",
    "STOP",
    "1",
    "99999999999",
    "true",
]


@settings(max_examples=500)
@given(
    st.dictionaries(
        st.one_of(st.sampled_from(NAMES), st.text()), st.one_of(st.sampled_from(KNOWN), st.text()), max_size=12
    ),
    st.booleans(),
    st.text(st.characters(categories=["L", "N", "P"]), max_size=10),
)
def test_whatever_twilio_signs_is_read_or_refused(form: dict[str, str], whole: bool, query: str) -> None:
    pairs = list({**(FORM if whole else {}), **form}.items())
    webhook = post(pairs)
    try:
        found = parse(webhook, SETTINGS)
    except Malformed:
        return
    assert found == parse(webhook, SETTINGS), "the same again"
    assert len(found) <= 1
    for each in found:
        if isinstance(each, Inbound):
            assert each.sender.startswith("whatsapp:")
            assert each.text or form.get("MessageType") == "sticker"
            assert each.raw == webhook.body
            assert "\n" not in each.name
        else:
            assert isinstance(each, StatusUpdate)
