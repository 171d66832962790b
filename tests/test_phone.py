"""The demo's phone sends what Twilio would bring, and makes of what comes what a phone makes of it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import httpx2
import pytest

from channels.base import Clock, Inbound, Kind, Setup
from channels.demo import account, phone, travelled
from channels.demo.handset import Handset, Person, linked
from channels.whatsapp import settings
from tests.phone_kit import ME, PNG, TOKEN, Demo, read, running
from tests.twilio_kit import Webhook

pytestmark = pytest.mark.anyio


@pytest.fixture
async def demo() -> AsyncIterator[Demo]:
    async with running() as made:
        yield made


async def test_the_demos_settings_lack_nothing():
    told = settings.read(Setup(secret=b"k" * 32, environ=account.environ()))
    assert not told.missing
    assert told.typing
    assert {each.sid for each in told.templates.values()} == set(account.TEMPLATES)
    assert account.environ()["WHATSAPP_AUTH_TOKEN"] != told.auth_token, "nobody may know it beforehand"


async def test_a_message_goes_to_the_webhook_signed_and_its_way_is_shown(demo: Demo):
    posted = await demo.write("Where is <b>my</b> parcel?")
    assert posted.signed_with(TOKEN)
    assert posted.form["Body"] == "Where is <b>my</b> parcel?"
    assert (posted.form["From"], posted.form["ProfileName"]) == (ME, "Mina Okafor")
    shown = await demo.shown()
    assert "Where is &lt;b&gt;my&lt;/b&gt; parcel?" in shown
    assert "Delivered to Firstline" in shown
    demo.webhook.status = 503
    await demo.write("And now?")
    assert "Firstline refused it (503)" in await demo.shown()
    way = (await demo.page.get(f"/phone/?shown={demo.last.sid}")).text
    assert "X-Twilio-Signature" in way
    assert demo.webhook.posted[-1].headers["X-Twilio-Signature"] in way.replace("&#43;", "+")


async def test_who_hides_their_number_sends_only_an_id(demo: Demo):
    await demo.do("me", data={"name": "Nora", "number": "+1 555-0177", "hidden": "true"})
    posted = await demo.write()
    assert posted.signed_with(TOKEN)
    assert "From" not in posted.form
    assert posted.form["ExternalUserId"].startswith("whatsapp:US.")
    assert "5550177" not in str(posted.form)
    await demo.reply("To an id.", to=posted.form["ExternalUserId"])
    await demo.do("me", data={"name": "Nora", "number": "+15550177"})
    assert "To an id." in await demo.shown(), "it is the same phone"
    shown = await demo.write()
    assert (shown.form["From"], shown.form["ExternalUserId"]) == ("whatsapp:+15550177", posted.form["ExternalUserId"])
    await demo.do("me", data={"name": "Otto", "number": "+15550178"})
    assert "To an id." not in await demo.shown(), "it is not everybody's"


async def test_the_next_message_is_lost_or_comes_twice_and_then_they_arrive_again(demo: Demo):
    await demo.do("fate", data={"fate": "lost"})
    await demo.do("send", data={"text": "Lost"})
    assert not demo.webhook.posted
    assert demo.last.body == "Lost", "Twilio has it, for whoever asks"
    assert "Lost on its way" in await demo.shown()
    await demo.do("fate", data={"fate": "twice"})
    await demo.write("Twice")
    assert [each.form["MessageSid"] for each in demo.webhook.posted] == [demo.last.sid] * 2
    await demo.write("Once")
    assert [each.form["Body"] for each in demo.webhook.posted] == ["Twice", "Twice", "Once"]
    lost = demo.twilio.messages[0]
    demo.twilio.typing.append(lost.sid)
    assert "Read by Firstline, which found it at Twilio" in await demo.shown()
    demo.twilio.typing.clear()
    await demo.do(f"again/{lost.sid}")
    assert demo.webhook.posted[-1].form["MessageSid"] == lost.sid
    assert "Lost on its way" not in await demo.shown()


async def test_a_forged_message_is_not_signed_and_the_answer_is_told(demo: Demo):
    demo.webhook.status = 403
    told = (await demo.do("forge")).text
    (posted,) = demo.webhook.posted
    assert not posted.signed_with(TOKEN)
    assert "Firstline answered 403" in told
    assert not demo.twilio.messages, "Twilio never had it"


async def test_a_reply_is_delivered_at_once_and_read_when_it_is_seen(demo: Demo):
    await demo.write()
    before = (await demo.page.get("/phone/version")).json()
    assert (await demo.reply()).status_code == 201
    reply = demo.last
    await demo.becomes(lambda: reply.status == "delivered")
    assert (await demo.page.get("/phone/version")).json() != before
    assert "data-unread" in await demo.shown()
    await demo.do("seen", data={"sid": [reply.sid, "SMnone"]})
    await demo.do("seen", data={"sid": [reply.sid]})
    assert demo.webhook.statuses(reply.sid) == ["sent", "delivered", "read"]
    assert "data-unread" not in await demo.shown()


async def test_while_the_phone_is_off_replies_wait_and_then_come_in_order(demo: Demo):
    await demo.write()
    await demo.do("power", data={"on": "false"})
    for part in ("One", "Two", "Three"):
        await demo.reply(part)
    parts = demo.twilio.messages[-3:]
    await demo.becomes(lambda: all(each.status == "sent" for each in parts))
    await demo.do("seen", data={"sid": [each.sid for each in parts]})
    await asyncio.sleep(0.5)
    assert [each.status for each in parts] == ["sent"] * 3, "what is not there cannot be read"
    for what in ("send", "place", "contact", f"press/{parts[0].sid}", f"react/{parts[0].sid}"):
        refused = await demo.page.post(f"/phone/{what}", data={"text": "Hello?"})
        assert (refused.status_code, "The phone is off" in refused.text) == (409, True), what
    assert demo.twilio.messages[-3:] == parts
    await demo.do("power", data={"on": "true"})
    await demo.becomes(lambda: all(each.status == "delivered" for each in parts))
    shown = await demo.shown()
    assert shown.index("One") < shown.index("Two") < shown.index("Three")


@pytest.mark.parametrize("fault", account.FAULTS)
async def test_the_next_reply_goes_wrong_as_it_says_and_the_one_after_goes_through(demo: Demo, fault: str):
    await demo.write()
    assert account.FAULTS[fault][0] in (await demo.do("next", data={"fault": fault})).text
    wanted = {"busy": 429, "down": 500, "locked": 401, "cut": 0, "early": 0, "nobody": 201}[fault]
    try:
        status = (await demo.reply("First")).status_code
    except httpx2.RequestError:
        status = 0
    assert status == wanted
    taken = [each.body for each in demo.twilio.messages if not each.inbound]
    assert taken == (["First"] if fault in ("cut", "nobody") else [])
    if fault == "nobody":
        await demo.becomes(lambda: demo.last.error_code == 63024)
        assert "Never arrived: Invalid message recipient (63024)" in await demo.shown()
    assert (await demo.reply("Second")).status_code == 201
    assert "The next reply:" not in await demo.shown()


async def test_a_template_is_shown_filled_in_and_its_button_can_be_pressed(demo: Demo):
    given = json.dumps({"1": "Mina", "2": "Pellworth"})
    await demo.reply(ContentSid=account.READY, ContentVariables=given)
    sid = demo.last.sid
    await demo.becomes(lambda: demo.last.status == "delivered")
    shown = await demo.shown()
    assert "Hello Mina, Pellworth has a reply for you." in shown
    assert 'Template message "reply_ready"' in shown
    assert "Write first" in shown, "the 24 hours have not begun"
    assert (await demo.page.post(f"/phone/press/{sid}", data={"button": "Another"})).status_code == 404
    await demo.do(f"press/{sid}", data={"button": "Show the reply"})
    form = demo.webhook.posted[-1].form
    assert (form["ButtonText"], form["OriginalRepliedMessageSid"]) == ("Show the reply", sid)
    assert "may write freely for 23 hours" in await demo.shown()


async def test_the_time_moves_on_until_free_text_fails_and_back(demo: Demo):
    await demo.write()
    shown = (await demo.do("clock", data={"move": "86400"})).text
    assert demo.clock.ahead == 86_400
    assert "The 24 hours are over" in shown
    await demo.reply("Too late")
    await demo.becomes(lambda: demo.last.error_code == 63016)
    assert "outside the allowed window (63016)" in await demo.shown()
    assert "1 day ahead" in await demo.shown()
    await demo.do("clock", data={"move": "back"})
    assert demo.clock.ahead == 0


async def test_that_firstline_types_is_shown_until_its_reply_comes(demo: Demo):
    posted = await demo.write()
    assert "Pellworth is typing" not in await demo.shown()
    demo.twilio.typing.append(posted.form["MessageSid"])
    await asyncio.sleep(0.3)
    shown = await demo.shown()
    assert "Pellworth is typing" in shown
    assert "Read by Firstline" in shown, "at Twilio the one is the other"
    await demo.reply()
    assert "Pellworth is typing" not in await demo.shown()


async def test_everything_that_can_be_sent_is_read_by_the_channel(demo: Demo):
    url = demo.webhook.base

    def last() -> Inbound:
        return read(next(each for each in reversed(demo.webhook.posted) if "MessageStatus" not in each.form), url)

    files = [("files", ("leak.png", PNG, "image/png")), ("files", ("terms.html", b"<script>", "text/html"))]
    await demo.do("send", data={"text": "Two things"}, files=files)
    first, second = (read(each, url) for each in demo.webhook.posted)
    assert (first.text, first.attachments[0].content_type) == ("Two things", "image/png")
    assert second.attachments[0].content_type == "text/html"
    await demo.do("send", data={"as": "audio"}, files=[("files", ("said.bin", b"OggS", "application/x-what"))])
    assert last().attachments[0].content_type == "audio/ogg"
    await demo.do("send", data={"as": "sticker"}, files=[("files", ("cat.webp", b"RIFF", "image/webp"))])
    assert demo.webhook.posted[-1].form["MessageType"] == "sticker"
    await demo.do("place", data={"latitude": "53.5", "longitude": "-9.9", "label": "The harbour"})
    assert "53.5" in last().text + str(last().notes)
    await demo.do("contact", data={"name": "Jon; Reed", "number": "+15550143"})
    assert last().attachments[0].content_type == "text/vcard"
    assert b"FN:Jon\\; Reed\r\n" in demo.last.files[0].content
    asked = demo.twilio.messages[0].sid
    assert (await demo.write("This one", answers=asked)).form["OriginalRepliedMessageSid"] == asked
    assert last().notes == ["It is a reply to an earlier message of theirs."]
    await demo.reply()
    ours = demo.last.sid
    await demo.write("And this", answers=ours)
    assert last().notes == ["It is a reply to an earlier message of ours."]
    await demo.do(f"react/{ours}", data={"sign": phone.SIGNS[0][0]})
    assert last().kind == Kind.AUTOMATIC, "a reaction is no question"
    shown = await demo.shown()
    assert shown.count("Your reaction:") == 1
    assert shown.count("In reply to:") == 2


async def test_a_strangers_file_is_saved_and_never_run(demo: Demo):
    files = [("files", ("leak.png", PNG, "image/png")), ("files", ("terms.html", b"<script>", "text/html"))]
    await demo.do("send", files=files)
    picture, page = (each.files[0].sid for each in demo.twilio.messages)
    answer = await demo.page.get(f"/phone/file/{picture}")
    assert (answer.content, answer.headers["content-type"]) == (PNG, "image/png")
    answer = await demo.page.get(f"/phone/file/{page}")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("what", "data", "sentence"),
    [
        ("send", {"text": "  "}, "Write something first"),
        ("send", {"text": "a" * 4_097}, "at most 4,096 characters"),
        ("place", {"latitude": "north", "longitude": "1"}, "are numbers such as"),
        ("contact", {"name": "Jon", "number": "none"}, "A contact has a name"),
        ("me", {"name": "Jon", "number": "123"}, "That is no number of a customer"),
        ("me", {"name": "Jon", "number": "+15550100"}, "That is no number of a customer"),
    ],
)
async def test_what_cannot_be_sent_is_told_in_a_sentence(demo: Demo, what: str, data: dict[str, str], sentence: str):
    answer = await demo.page.post(f"/phone/{what}", data=data)
    assert answer.status_code == 422
    assert sentence in answer.text
    assert not demo.twilio.messages


async def test_no_other_site_does_anything_with_the_phone(demo: Demo):
    await demo.write()
    sid, before = demo.last.sid, await demo.shown()
    whats = ["send", "place", "contact", f"press/{sid}", f"react/{sid}", "seen", f"again/{sid}"]
    for what in [*whats, "me", "power", "clock", "fate", "next", "forge"]:
        data = {"text": "Forged", "number": "+15550199", "on": "false", "move": "3600", "fate": "lost"}
        answer = await demo.page.post(f"/phone/{what}", data=data, headers={"sec-fetch-site": "cross-site"})
        assert answer.status_code == 403, what
    assert await demo.shown() == before
    assert len(demo.webhook.posted) == 1


@pytest.mark.parametrize(
    ("text", "html"),
    [
        (
            "See https://a.example/b?c=1&d=2.",
            '<a href="https://a.example/b?c=1&amp;d=2" {}>https://a.example/b?c=1&amp;d=2</a>.',
        ),
        ("(http://a.example/b)", '(<a href="http://a.example/b" {}>http://a.example/b</a>)'),
        ("javascript:alert(1) <b>", "javascript:alert(1) &lt;b&gt;"),
        ('https://a.example/"onclick=', '<a href="https://a.example/" {}>https://a.example/</a>&#34;onclick='),
    ],
)
async def test_only_whole_web_addresses_are_links_and_all_else_is_escaped(text: str, html: str):
    found = str(linked(text)).removeprefix("See ")
    assert found == html.replace("{}", 'target="_blank" rel="noopener noreferrer nofollow"')


async def test_one_person_has_one_id_and_two_have_two():
    assert Person("A", "+15550142", hidden=True).address == Person("B", "+15550142", hidden=True).address
    assert Person("A", "+15550142").nameless != Person("A", "+15550143").nameless


async def test_what_is_kept_stays_small(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("channels.demo.handset.KEPT", 2)
    webhook = Webhook()
    twilio = account.stand_in(TOKEN, webhook.url, Clock())
    with contextlib.closing(webhook):
        async with twilio.running():
            held = Handset(twilio, {})
            texts = [await held.write(str(number)) for number in range(4)]
            await held.look()
    assert [each.body for each in twilio.messages] == ["2", "3"]
    assert set(held.answers) == {each.sid for each in texts[2:]}
    assert travelled.of(twilio, texts[3]).inbound
