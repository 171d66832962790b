"""The stand-in for Twilio does what Twilio does: Twilio's own SDK talks to it and checks what it signs."""

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from aiohttp import ClientError
from requests.exceptions import ConnectionError as Broken
from requests.exceptions import ReadTimeout
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from channels.base import Clock
from channels.demo.twilio import File, TemplateAtTwilio, Twilio
from channels.demo.twilio_rules import Answer, Break, Hang, Outcome
from tests.twilio_kit import HX, MINA, SENDER, SID, TOKEN, Async, Webhook, account, sdk

FILE = File("", "image/png", b"\x89PNG and so on", "leak in the tank.png")


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    made = Webhook()
    yield made
    made.close()


@pytest.fixture
def there(webhook: Webhook) -> Iterator[tuple[Twilio, Any, Client]]:
    with account(webhook.url) as (twilio, run):
        yield twilio, run, sdk(twilio)


def send(client: Client, to: str = MINA, **options: Any) -> Any:
    return client.messages.create(to=to, from_=options.pop("from_", SENDER), **options)


def until(true: Any, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


# --- a message of ours -------------------------------------------------------------------------------------------


def test_a_message_is_taken_with_every_field_that_the_sdk_reads(there: Any) -> None:
    twilio, run, client = there
    run(twilio.write(MINA, "Hello?"))
    before = twilio.version
    made = send(client, body="Good day – ça va?", status_callback="http://127.0.0.1:9/x?key=1")
    assert (made.status, made.direction, made.from_, made.to) == ("queued", "outbound-api", SENDER, MINA)
    assert (made.body, made.account_sid, made.api_version) == ("Good day – ça va?", SID, "2010-04-01")
    assert (made.num_media, made.num_segments, made.error_code, made.error_message) == ("0", "1", None, None)
    assert made.date_sent is None
    assert abs((datetime.now(UTC) - made.date_created).total_seconds()) < 5
    assert made.sid.startswith("SM")
    assert len(made.sid) == 34
    assert made.uri == f"/2010-04-01/Accounts/{SID}/Messages/{made.sid}.json"
    assert made.subresource_uris == {"media": f"/2010-04-01/Accounts/{SID}/Messages/{made.sid}/Media.json"}
    assert client.messages(made.sid).fetch().body == made.body
    assert twilio.version > before
    text = twilio.find(made.sid)
    assert (text.callback, text.history) == ("http://127.0.0.1:9/x?key=1", ["queued"])
    assert client.messages.create_with_http_info(to=MINA, from_=SENDER, body="x").status_code == 201


REFUSED = {
    21604: {"to": ""},
    21211: {"to": "whatsapp:+0"},
    21603: {"from_": ""},
    21212: {"from_": "whatsapp:nobody"},
    21606: {"from_": "+15550001111", "to": "+15552223333"},
    21910: {"to": "+15552223333"},
    63007: {"from_": "whatsapp:+15559990000"},
    63031: {"to": SENDER},
    21602: {"body": ""},
    21617: {"body": "x" * 1_601},
    21610: {"to": "whatsapp:+15557770000"},
    21609: {"status_callback": "not an address"},
    21655: {"content_sid": "HX" + "f" * 32},
    21656: {"content_sid": HX, "content_variables": '["a list"]'},
    21623: {"media_url": ["http://127.0.0.1/1.png", "http://127.0.0.1/2.png"]},
}


def test_what_is_wrong_is_refused_with_twilios_code(there: Any) -> None:
    twilio, run, client = there
    run(twilio.write(MINA, "Hello?"))
    twilio.opted_out.add("whatsapp:+15557770000")
    twilio.templates[HX] = TemplateAtTwilio("ready", "Hello {{1}}")
    for code, wrong in REFUSED.items():
        with pytest.raises(TwilioRestException) as refused:
            send(client, **{"body": "Hello", **wrong})
        assert (refused.value.code, refused.value.status) == (code, 400)
        assert len(twilio.messages) == 1, "it was kept all the same"
    assert send(client, body="x" * 1_600).status == "queued"


def test_a_variable_that_whatsapp_takes_in_no_template_is_refused(there: Any) -> None:
    twilio, _, client = there
    twilio.templates[HX] = TemplateAtTwilio("ready", "Hello {{1}}")
    for wrong in ("two\nlines", "far     apart", "", 5, None):
        with pytest.raises(TwilioRestException) as refused:
            send(client, content_sid=HX, content_variables=json.dumps({"1": wrong}))
        assert refused.value.code == 21656
    assert send(client, content_sid=HX, content_variables='{"1": "Mina"}').body == "Hello Mina"


def test_who_is_not_the_account_is_not_told_anything(there: Any) -> None:
    twilio, run, client = there
    text = run(twilio.write(MINA, "Hello?"))
    with pytest.raises(TwilioRestException) as refused:
        sdk(twilio, token="wrong").messages(text.sid).fetch()
    assert (refused.value.status, refused.value.code) == (401, 20003)
    plain = httpx.get(f"{twilio.url}/2010-04-01/Accounts/{SID}/Messages.json")
    assert plain.status_code == 401
    assert plain.json()["message"] == "Authenticate"
    assert plain.json()["more_info"] == "https://www.twilio.com/docs/errors/20003"
    with pytest.raises(TwilioRestException) as other:
        client.api.v2010.accounts("AC" + "9" * 32).fetch()
    assert (other.value.status, other.value.code) == (404, 20404)
    assert client.api.v2010.accounts(SID).fetch().status == "active"


def test_while_tokens_are_exchanged_both_are_good(webhook: Webhook) -> None:
    with account(webhook.url, secondary="the-second") as (twilio, run):
        run(twilio.write(MINA, "Hello?"))
        assert sdk(twilio, token="the-second").api.v2010.accounts(SID).fetch().sid == SID
        twilio.sign_with = "the-second"
        run(twilio.write(MINA, "Hello again?"))
    first, second = webhook.posted
    assert first.signed_with(TOKEN)
    assert second.signed_with("the-second")
    assert not second.signed_with(TOKEN)


# --- what becomes of it --------------------------------------------------------------------------------------------


def test_a_message_is_sent_delivered_and_read_by_itself_and_each_is_called_back(there: Any, webhook: Webhook) -> None:
    twilio, run, client = there
    twilio.automatic = twilio.reads = True
    run(twilio.write(MINA, "Hello?"))
    made = send(client, body="Hello", status_callback=f"{webhook.url}?key=a%20b")
    until(lambda: len(webhook.posted) == 4)
    assert webhook.statuses(made.sid) == ["sent", "delivered", "read"], "and nothing for queued"
    sent, _, read = webhook.posted[1:]
    assert all(each.signed_with(TOKEN) for each in webhook.posted)
    assert read.url.endswith("?key=a%20b")
    assert read.form["EventType"] == "READ"
    assert "EventType" not in sent.form
    assert read.form["SmsSid"] == read.form["MessageSid"] == made.sid
    assert (read.form["AccountSid"], read.form["From"], read.form["To"]) == (SID, SENDER, MINA)
    assert read.form["ChannelToAddress"] == "+15552223333"
    assert "ErrorCode" not in read.form
    now = client.messages(made.sid).fetch()
    assert now.status == "read"
    assert now.date_sent is not None


def test_free_text_reaches_a_customer_for_24_hours_and_fails_after_that(webhook: Webhook) -> None:
    clock = Clock()
    with account(webhook.url, clock=clock) as (twilio, run):
        client = sdk(twilio)
        twilio.automatic = True
        twilio.templates[HX] = TemplateAtTwilio("ready", "Hello {{1}}, a reply waits.")
        twilio.templates[HX[:-1] + "b"] = TemplateAtTwilio("new", "Hello", approved=False)
        run(twilio.write(MINA, "Hello?"))

        def end(**options: Any) -> tuple[str, int | None]:
            made = send(client, status_callback=webhook.url, **options)
            assert made.status == "queued"
            until(lambda: twilio.find(made.sid).status in ("delivered", "failed"))
            found = client.messages(made.sid).fetch()
            until(lambda: found.status in webhook.statuses(made.sid))
            return found.status, found.error_code

        assert end(body="In time") == ("delivered", None)
        clock.ahead = 86_399.0 - 60
        assert end(body="Just in time") == ("delivered", None)
        clock.ahead = 86_401.0
        assert end(body="Too late") == ("failed", 63016)
        last = webhook.posted[-1].form
        assert (last["MessageStatus"], last["ErrorCode"]) == ("failed", "63016")
        assert "outside the allowed window" in last["ErrorMessage"]
        assert end(content_sid=HX, content_variables='{"1": "Mina"}') == ("delivered", None)
        assert twilio.messages[-1].body == "Hello Mina, a reply waits."
        assert end(content_sid=HX) == ("failed", 63028)
        assert end(content_sid=HX, content_variables='{"1": "%s"}' % ("x" * 1_024)) == ("failed", 63021)
        assert end(content_sid=HX[:-1] + "b") == ("failed", 63016)
        run(twilio.write(MINA, "I am back"))
        assert end(body="In time again") == ("delivered", None)
        twilio.absent.add(MINA)
        assert end(body="Nobody there") == ("failed", 63024)


def test_without_a_callback_nothing_is_posted(there: Any, webhook: Webhook) -> None:
    twilio, run, client = there
    run(twilio.write(MINA, "Hello?"))
    made = send(client, body="Hello")
    run(twilio.advance(twilio.find(made.sid), "delivered"))
    assert len(webhook.posted) == 1
    assert twilio.find(made.sid).history == ["queued", "delivered"]


# --- what the script makes go wrong -----------------------------------------------------------------------------


def test_a_scripted_answer_comes_once(there: Any) -> None:
    twilio, run, client = there
    run(twilio.write(MINA, "Hello?"))
    for status, code in ((429, 20429), (500, 20500), (503, 20503), (400, 63018), (404, 20404)):
        twilio.script = [Answer(status, code, "Not now", headers={"Retry-After": "2"})]
        assert client.messages.list(from_=MINA)[0].body == "Hello?", "the script is for sending"
        with pytest.raises(TwilioRestException) as refused:
            send(client, body="Hello")
        assert (refused.value.status, refused.value.code) == (status, code)
        assert "Not now" in refused.value.msg
        assert client.http_client._test_only_last_response.headers["Retry-After"] == "2"
        assert send(client, body="Hello").status == "queued"
        assert twilio.script == []


def test_a_proxy_in_between_answers_with_a_page(there: Any) -> None:
    twilio, _, client = there
    twilio.script = [Answer(502, body="<h1>Bad gateway</h1>", on="list")]
    with pytest.raises(Exception, match="Unable to fetch page"):
        client.messages.list()
    assert client.messages.list() == []


@pytest.mark.parametrize("taken", [True, False])
def test_the_connection_breaks_after_the_message_was_taken_or_before(there: Any, taken: bool) -> None:
    twilio, run, client = there
    run(twilio.write(MINA, "Hello?"))
    twilio.script = [Break(taken=taken)]
    with pytest.raises(Broken):
        send(client, body="Was I sent?")
    assert [each.body for each in client.messages.list(to=MINA)] == ["Was I sent?"] * taken


@pytest.mark.parametrize("taken", [True, False])
def test_twilio_says_nothing_and_the_message_was_taken_or_not(there: Any, taken: bool) -> None:
    twilio, run, _ = there
    run(twilio.write(MINA, "Hello?"))
    twilio.script = [Hang(taken=taken)]
    with pytest.raises(ReadTimeout):
        send(sdk(twilio, timeout=0.3), body="Was I sent?")
    assert len(twilio.of(MINA)) == 1 + taken


def test_an_outcome_can_be_scripted(there: Any, webhook: Webhook) -> None:
    twilio, run, client = there
    twilio.automatic = True
    run(twilio.write(MINA, "Hello?"))
    twilio.script = [None, Outcome("undelivered", 63018)]
    first = send(client, body="One", status_callback=webhook.url)
    second = send(client, body="Two", status_callback=webhook.url)
    until(lambda: webhook.statuses(first.sid) == ["sent", "delivered"])
    until(lambda: webhook.statuses(second.sid) == ["undelivered"])
    assert client.messages(second.sid).fetch().error_code == 63018


# --- lists -------------------------------------------------------------------------------------------------------


def test_messages_are_listed_newest_first_and_by_whom_and_when(webhook: Webhook) -> None:
    clock = Clock()
    other = "whatsapp:+15554445555"
    with account(webhook.url, clock=clock) as (twilio, run):
        client = sdk(twilio)
        began = datetime.now(UTC).replace(microsecond=0)
        for hours, sender in ((0, MINA), (1, other), (2, MINA), (48, MINA)):
            clock.ahead = hours * 3_600.0
            run(twilio.write(sender, f"hour {hours}", deliver=False))
        clock.ahead = 48 * 3_600.0
        made = send(client, body="ours")

        def bodies(**asked: Any) -> list[str]:
            return [each.body for each in client.messages.list(**asked)]

        assert bodies() == ["ours", "hour 48", "hour 2", "hour 1", "hour 0"]
        assert bodies(from_=MINA) == ["hour 48", "hour 2", "hour 0"]
        assert bodies(to=MINA) == ["ours"]
        assert bodies(to=SENDER, from_=other) == ["hour 1"]
        assert bodies(from_="whatsapp:+1") == []
        after = began + timedelta(hours=2)
        assert bodies(date_sent_after=after) == ["hour 48", "hour 2"], "at that second or later; ours has no date yet"
        assert bodies(date_sent_before=began + timedelta(hours=1, minutes=1)) == ["hour 1", "hour 0"]
        assert bodies(date_sent_after=after - timedelta(hours=1), date_sent_before=after + timedelta(seconds=30)) == [
            "hour 2",
            "hour 1",
        ]
        day = (began + timedelta(hours=48)).date()
        assert bodies(date_sent=day) == ["hour 48"]
        assert bodies(date_sent=day.isoformat()) == ["hour 48"]
        run(twilio.advance(twilio.find(made.sid), "sent"))
        assert bodies(date_sent_after=after) == ["ours", "hour 48", "hour 2"]
        assert client.messages.list()[1].direction == "inbound"
        assert client.messages.list()[1].status == "received"
        with pytest.raises(Exception, match="Unable to fetch page"):
            client.messages.list(date_sent="yesterday")


def test_pages_follow_each_other_whatever_comes_in_meanwhile(there: Any) -> None:
    twilio, run, client = there
    for number in range(7):
        run(twilio.write(MINA, str(number), deliver=False))
    run(twilio.write("whatsapp:+15554445555", "another's", deliver=False))
    page = client.messages.page(from_=MINA, page_size=3)
    seen = [[each.body for each in page]]
    run(twilio.write(MINA, "new", deliver=False))
    while page := page.next_page():
        seen.append([each.body for each in page])
        last = page
    assert seen == [["6", "5", "4"], ["3", "2", "1"], ["0"]]
    assert [each.body for each in last.previous_page()] == ["3", "2", "1"]
    assert [each.body for each in client.messages.stream(page_size=2)] == ["new", "another's", *"6543210"]
    assert len(client.messages.list(limit=4)) == 4
    raw = httpx.get(
        f"{twilio.url}/2010-04-01/Accounts/{SID}/Messages.json", auth=(SID, TOKEN), params={"PageSize": 4}
    ).json()
    assert (raw["page"], raw["page_size"], raw["start"], raw["end"]) == (0, 4, 0, 3)
    assert raw["previous_page_uri"] is None
    assert raw["first_page_uri"] == f"/2010-04-01/Accounts/{SID}/Messages.json?PageSize=4&Page=0"
    assert f"PageToken=PA{raw['messages'][-1]['sid']}" in raw["next_page_uri"]


def test_what_is_deleted_is_gone(there: Any) -> None:
    twilio, run, client = there
    text = run(twilio.write(MINA, "Forget me", files=[FILE]))
    assert client.messages(text.sid).media(text.files[0].sid).delete()
    assert client.messages(text.sid).media.list() == []
    assert client.messages(text.sid).delete()
    with pytest.raises(TwilioRestException) as gone:
        client.messages(text.sid).fetch()
    assert gone.value.code == 20404
    assert twilio.messages == []


# --- a customer writes -----------------------------------------------------------------------------------------------


def test_what_a_customer_writes_is_posted_signed_with_every_field(there: Any, webhook: Webhook) -> None:
    twilio, run, _ = there
    text = run(twilio.write(MINA, "Ça marche? & =", ProfileName="Mina Okafor", Forwarded="", NewField="2027"))
    [posted] = webhook.posted
    assert posted.signed_with(TOKEN)
    assert not posted.signed_with("another")
    assert posted.headers["Content-Type"].startswith("application/x-www-form-urlencoded")
    assert posted.headers["I-Twilio-Idempotency-Token"]
    form = posted.form
    assert form["MessageSid"] == form["SmsSid"] == form["SmsMessageSid"] == text.sid
    assert (form["From"], form["To"], form["WaId"]) == (MINA, SENDER, "15552223333")
    assert (form["Body"], form["NumMedia"], form["NumSegments"]) == ("Ça marche? & =", "0", "1")
    assert (form["ProfileName"], form["Forwarded"], form["NewField"]) == ("Mina Okafor", "", "2027")
    assert (form["MessageType"], form["SmsStatus"], form["AccountSid"]) == ("text", "received", SID)
    assert "ExternalUserId" not in form
    assert run(twilio.post(text)) == 200
    again = webhook.posted[1]
    assert (again.form, again.headers["I-Twilio-Idempotency-Token"]) == (
        form,
        posted.headers["I-Twilio-Idempotency-Token"],
    )


def test_a_button_a_list_a_place_and_a_file_say_what_they_are(there: Any, webhook: Webhook) -> None:
    twilio, run, _ = there
    run(twilio.write(MINA, "Yes", ButtonText="Yes", ButtonPayload="yes"))
    run(twilio.write(MINA, "A tap", ListId="tap", ListTitle="A tap"))
    run(twilio.write(MINA, Latitude="52.1", Longitude="4.3"))
    run(twilio.write(MINA, files=[FILE]))
    run(twilio.write(MINA, files=[File("", "application/pdf", b"%PDF")]))
    types = [each.form["MessageType"] for each in webhook.posted]
    assert types == ["button", "interactive", "location", "image", "document"]
    assert all(each.signed_with(TOKEN) for each in webhook.posted)


def test_who_hides_their_number_is_known_by_an_id_and_can_be_answered(there: Any, webhook: Webhook) -> None:
    twilio, run, client = there
    hidden = "whatsapp:NL.13491208655302741918"
    run(twilio.write(hidden, "Hello?"))
    run(twilio.write(hidden, "And again", From=""))
    first, second = (each.form for each in webhook.posted)
    assert first["From"] == first["ExternalUserId"] == hidden
    assert "WaId" not in first
    assert "From" not in second
    assert second["ExternalUserId"] == hidden
    assert all(each.signed_with(TOKEN) for each in webhook.posted)
    assert send(client, to=hidden, body="Hello").to == hidden


def test_a_file_is_had_from_another_origin_that_wants_no_credentials(webhook: Webhook) -> None:
    clock = Clock()
    with account(webhook.url, clock=clock) as (twilio, run):
        run(twilio.write(MINA, "Look", files=[FILE]))
        form = webhook.posted[0].form
        assert (form["NumMedia"], form["MediaContentType0"]) == ("1", "image/png")
        assert httpx.get(form["MediaUrl0"]).status_code == 401
        moved = httpx.get(form["MediaUrl0"], auth=(SID, TOKEN))
        assert moved.status_code == 307
        assert moved.headers["location"].startswith(f"{twilio.files_url}/")
        assert twilio.files_url != twilio.url
        got = httpx.get(moved.headers["location"])
        assert (got.status_code, got.content, got.headers["content-type"]) == (200, FILE.content, "image/png")
        assert "leak%20in%20the%20tank.png" in got.headers["content-disposition"]
        assert httpx.get(moved.headers["location"], auth=(SID, TOKEN)).status_code == 400, "credentials went elsewhere"
        assert httpx.get(moved.headers["location"].replace(twilio.files_url, twilio.url)).status_code == 403
        [known] = sdk(twilio).messages(form["MessageSid"]).media.list()
        assert form["MediaUrl0"].endswith(f"/Media/{known.sid}")
        assert sdk(twilio).messages(form["MessageSid"]).media(known.sid).fetch().content_type == "image/png"
        clock.ahead = 4 * 3_600.0
        assert httpx.get(moved.headers["location"]).status_code == 403


def test_a_webhook_that_fails_is_not_posted_again(there: Any, webhook: Webhook) -> None:
    twilio, run, _ = there
    webhook.status = 503
    text = run(twilio.write(MINA, "Hello?"))
    assert len(webhook.posted) == 1
    assert [(each.sid, each.status) for each in twilio.alerts] == [(text.sid, 503)]
    webhook.status = 200
    twilio.patience = 0.2
    webhook.go.clear()
    assert run(twilio.post(text)) == 0
    webhook.go.set()
    assert len(webhook.posted) == 2, "slow is not unreachable"
    assert twilio.find(text.sid) is text


def test_no_connection_is_tried_once_more_and_a_broken_one_is_not(there: Any) -> None:
    twilio, run, _ = there
    twilio.between = 0.4
    with socket.socket() as late:
        late.bind(("127.0.0.1", 0))
        twilio.webhook = f"http://127.0.0.1:{late.getsockname()[1]}/"
        accepted = list[bytes]()

        def serve() -> None:
            time.sleep(0.1)  # nobody listens at first
            late.listen()
            late.settimeout(1.0)
            with contextlib.suppress(TimeoutError):
                while True:
                    with late.accept()[0] as one:
                        accepted.append(one.recv(65_536))

        thread = threading.Thread(target=serve)
        thread.start()
        text = run(twilio.write(MINA, "Hello?"))
        thread.join()
    assert [each[:15] for each in accepted] == [b"POST / HTTP/1.1"]
    assert [(each.sid, each.status) for each in twilio.alerts] == [(text.sid, 0)]


def test_the_fragment_of_a_webhook_asks_for_more_tries(there: Any, webhook: Webhook) -> None:
    twilio, run, _ = there
    twilio.webhook += "#rc=2&rp=5xx,ct"
    webhook.status = 503
    run(twilio.write(MINA, "Hello?"))
    assert len(webhook.posted) == 3
    assert len({each.headers["I-Twilio-Idempotency-Token"] for each in webhook.posted}) == 1
    assert all(each.signed_with(TOKEN) for each in webhook.posted)
    webhook.status = 404
    run(twilio.write(MINA, "Hello?"))
    assert len(webhook.posted) == 4
    twilio.webhook = f"{webhook.url}#rc=1&rp=all"
    run(twilio.write(MINA, "Hello?"))
    assert len(webhook.posted) == 6


def test_twilio_goes_away_and_comes_back_where_it_was_with_what_it_had(webhook: Webhook) -> None:
    twilio = Twilio(SID, TOKEN, SENDER, webhook.url)
    with twilio.running_in_a_thread() as run:
        run(twilio.write(MINA, "Hello?"))
        client, port = sdk(twilio), int(twilio.url.rpartition(":")[2])
        assert len(client.messages.list()) == 1
    with pytest.raises(Broken):
        client.messages.list()
    with twilio.running_in_a_thread(port):
        assert [each.body for each in client.messages.list()] == ["Hello?"]


def test_a_message_that_reached_nobody_is_there_to_be_listed(there: Any, webhook: Webhook) -> None:
    twilio, run, client = there
    run(twilio.write(MINA, "Dropped", deliver=False))
    assert webhook.posted == []
    twilio.webhook = "http://127.0.0.1:9/nobody#rc=2"
    run(twilio.write(MINA, "Nobody there"))
    assert [(each.url, each.status) for each in twilio.alerts] == [("http://127.0.0.1:9/nobody", 0)]
    assert [each.body for each in client.messages.list(to=SENDER)] == ["Nobody there", "Dropped"]


# --- the rest ----------------------------------------------------------------------------------------------------


def test_an_answer_being_written_is_shown(there: Any) -> None:
    twilio, run, client = there
    text = run(twilio.write(MINA, "Hello?"))
    assert client.messaging.v2.typing_indicator.create(channel="whatsapp", message_id=text.sid).success
    assert twilio.typing == [text.sid]
    with pytest.raises(TwilioRestException) as refused:
        client.messaging.v2.typing_indicator.create(channel="whatsapp", message_id="SM" + "0" * 32)
    assert refused.value.status == 400


def test_a_template_and_its_approval_are_read(there: Any) -> None:
    twilio, _, client = there
    twilio.templates[HX] = TemplateAtTwilio("ready", "Hello {{1}}", approved=False, defaults={"1": "there"})
    found = client.content.v1.contents(HX).fetch()
    assert (found.friendly_name, found.language, found.variables) == ("ready", "en", {"1": "there"})
    assert found.types == {"twilio/text": {"body": "Hello {{1}}"}}
    assert found.date_created.year == 2026
    assert client.content.v1.contents(HX).approval_fetch().fetch().whatsapp["status"] == "unsubmitted"
    twilio.templates[HX] = TemplateAtTwilio("ready", "Hello {{1}}")
    assert client.content.v1.contents(HX).approval_fetch().fetch().whatsapp["status"] == "approved"
    with pytest.raises(TwilioRestException) as none:
        client.content.v1.contents("HX" + "0" * 32).fetch()
    assert none.value.code == 20404


@pytest.mark.anyio
async def test_the_asynchronous_sdk_is_served_in_the_same_event_loop(webhook: Webhook) -> None:
    twilio = Twilio(SID, TOKEN, "+15550001111", webhook.url)
    async with twilio.running(), Async(twilio) as http:
        client = Client(SID, TOKEN, http_client=http)
        await twilio.write(MINA, "Hello?")
        made = await client.messages.create_async(to=MINA, from_=SENDER, body="Hello", status_callback=webhook.url)
        assert (made.status, made.from_) == ("queued", SENDER)
        assert len(await client.messages.list_async(page_size=1)) == 2
        while len(webhook.posted) < 3:
            await asyncio.sleep(0.01)
        assert webhook.statuses(made.sid) == ["sent", "delivered"]
        twilio.script = [Break(), Answer(400, 21211, "No")]
        with pytest.raises(ClientError):
            await client.messages.create_async(to=MINA, from_=SENDER, body="Was I sent?")
        assert twilio.messages[-1].body == "Was I sent?"
        with pytest.raises(TwilioRestException) as refused:
            await client.messages.create_async(to=MINA, from_=SENDER, body="Hello")
        assert refused.value.code == 21211
        twilio.script = [Hang()]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.messages.create_async(to=MINA, from_=SENDER, body="Hello"), 0.3)
        began = time.monotonic()
    assert time.monotonic() - began < 5, "what hangs must not hold the end up"


@pytest.mark.anyio
async def test_a_hundred_messages_a_second_are_no_trouble(webhook: Webhook) -> None:
    twilio = Twilio(SID, TOKEN, SENDER, webhook.url)
    async with twilio.running(), Async(twilio) as http:
        client = Client(SID, TOKEN, http_client=http)
        await twilio.write(MINA, "Hello?", deliver=False)
        began = time.monotonic()
        sending = [
            client.messages.create_async(to=MINA, from_=SENDER, body=str(number), status_callback=webhook.url)
            for number in range(200)
        ]
        made = await asyncio.gather(*sending)
        while len(webhook.posted) < 400:
            await asyncio.sleep(0.01)
            assert time.monotonic() - began < 20, (len(webhook.posted), twilio.alerts)
        took = time.monotonic() - began
    assert len({each.sid for each in made}) == 200
    assert {each.status for each in twilio.of(MINA)[1:]} == {"delivered"}
    assert took < 20
