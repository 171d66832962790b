"""The web chat's tokens, its messages, and the routes its widget lives on."""

import json

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from channels.base import Forbidden, Inbound, Kind, Malformed, Setup, Webhook
from channels.webchat import MAX_BODY, MAX_TEXT, WebChat

URL = "http://127.0.0.1:8000/channels/webchat"
ID = "0f8fad5b-d9cb-469f-a165-70867728950e"


@pytest.fixture
def webchat() -> WebChat:
    return WebChat(Setup(secret=b"k" * 32, company="Pellworth"))


@pytest.fixture
def client(webchat: WebChat) -> TestClient:
    app = FastAPI()
    app.include_router(webchat.pages(), prefix="/channels/webchat")
    _, demo = webchat.demo()
    app.include_router(demo)
    return TestClient(app)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def parse(webchat: WebChat, token: str, **body: object) -> Inbound:
    (inbound,) = webchat.parse(Webhook(url=URL, headers=bearer(token), body=json.dumps(body).encode()))
    return inbound


def test_each_visitor_gets_a_thread_that_nobody_could_guess(webchat: WebChat):
    tokens = {webchat.token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert all(len(webchat.thread(bearer(token))) >= 32 for token in tokens)  # 192 bits


def test_a_token_with_any_character_changed_is_forbidden(webchat: WebChat):
    token = webchat.token()
    assert webchat.thread(bearer(token))
    for place, character in enumerate(token):
        other = "A" if character != "A" else "B"
        with pytest.raises(Forbidden):
            webchat.thread(bearer(token[:place] + other + token[place + 1 :]))


@pytest.mark.parametrize("token", ["", ".", "a.", ".a", "thread", "a.b.c", "é.é", "\udcff.x", "a" * 10_000])
def test_a_token_that_is_none_is_forbidden(webchat: WebChat, token: str):
    with pytest.raises(Forbidden):
        webchat.thread(bearer(token))


def test_one_visitors_signature_does_not_open_anothers_thread(webchat: WebChat):
    mine, theirs = webchat.token(), webchat.token()
    with pytest.raises(Forbidden):
        webchat.thread(bearer(theirs.partition(".")[0] + "." + mine.partition(".")[2]))


def test_tokens_outlive_a_restart_and_end_with_the_secret(webchat: WebChat):
    token = webchat.token()
    assert WebChat(Setup(secret=b"k" * 32)).thread(bearer(token)) == webchat.thread(bearer(token))
    with pytest.raises(Forbidden):
        WebChat(Setup(secret=b"other" * 8)).thread(bearer(token))


def test_the_key_is_derived_and_not_the_installations_own(webchat: WebChat):
    assert webchat._key != b"k" * 32


def test_two_visitors_with_the_same_message_id_do_not_collide(webchat: WebChat):
    one = parse(webchat, webchat.token(), id=ID, text="One")
    two = parse(webchat, webchat.token(), id=ID, text="Two")
    assert one.external_id != two.external_id
    assert webchat.reply(one.external_id, 7) == {"id": ID, "seq": 7}


def test_a_message_is_its_senders_and_its_threads(webchat: WebChat):
    token = webchat.token()
    inbound = parse(webchat, token, id=ID, text="  Where is my parcel?\r\nThanks ")
    assert inbound.sender == inbound.thread == webchat.thread(bearer(token))
    assert inbound.text == "Where is my parcel?\nThanks"
    assert inbound.kind is Kind.MESSAGE


def test_the_button_calls_for_a_person_with_or_without_words(webchat: WebChat):
    token = webchat.token()
    assert parse(webchat, token, id=ID, person=True).text == "Talk to a person"
    with_words = parse(webchat, token, id=ID, person=True, text="It is about an invoice")
    assert (with_words.kind, with_words.text) == (Kind.PERSON, "It is about an invoice")


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\0\0"])
def test_an_empty_message_is_answered_with_what_to_do(webchat: WebChat, text: str):
    with pytest.raises(Malformed, match=r"^Write a message first\.$"):
        parse(webchat, webchat.token(), id=ID, text=text)


def test_the_longest_message_fits_and_one_character_more_does_not(webchat: WebChat):
    token = webchat.token()
    longest = "\U0001f600" * MAX_TEXT  # the most bytes a character can take
    assert parse(webchat, token, id=ID, text=longest).text == longest
    assert len(json.dumps({"id": ID, "text": longest, "person": False})) < MAX_BODY
    with pytest.raises(Malformed, match=r"up to 4,000 characters, this one has 4,001"):
        parse(webchat, token, id=ID, text=longest + "a")


@pytest.mark.parametrize("bad", ["", "short", "a" * 65, "has space", "semi;colon", "new\nline!", "1234567\n", "é" * 10])
def test_a_message_id_has_a_form(webchat: WebChat, bad: str):
    with pytest.raises(Malformed, match="id of 8 to 64"):
        parse(webchat, webchat.token(), id=bad, text="Hello")


@pytest.mark.parametrize("person", ["yes", 1, None, []])
def test_calling_for_a_person_is_true_or_false(webchat: WebChat, person: object):
    with pytest.raises(Malformed, match="true or false"):
        parse(webchat, webchat.token(), id=ID, text="Hello", person=person)


def test_half_a_surrogate_pair_becomes_the_replacement_character(webchat: WebChat):
    body = b'{"id": "%s", "text": "a\\ud800b\\u0000c \\ud83d\\ude00"}' % ID.encode()
    (inbound,) = webchat.parse(Webhook(url=URL, headers=bearer(webchat.token()), body=body))
    assert inbound.text == "a\ufffdbc \U0001f600"


def test_a_session_tells_that_an_ai_answers_and_that_a_person_can_be_reached(client: TestClient, webchat: WebChat):
    answer = client.post("/channels/webchat/session")
    session = answer.json()
    assert webchat.thread(bearer(session["token"]))
    assert "AI assistant of Pellworth" in session["opening"]
    assert "talk to a person at any time" in session["opening"]
    assert session["limit"] == MAX_TEXT
    assert answer.headers["cache-control"] == "no-store"


def test_a_returning_visitor_keeps_the_token_and_a_forger_gets_a_new_one(client: TestClient, webchat: WebChat):
    token = webchat.token()
    assert client.post("/channels/webchat/session", headers=bearer(token)).json()["token"] == token
    forged = token[:-4] + "AAAA"
    assert client.post("/channels/webchat/session", headers=bearer(forged)).json()["token"] not in (token, forged)


def test_the_widget_is_one_script_that_caches_know(client: TestClient):
    first = client.get("/channels/webchat/widget.js")
    assert first.headers["content-type"].startswith("text/javascript")
    assert 'customElements.define("firstline-chat"' in first.text
    again = client.get("/channels/webchat/widget.js", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/channels/webchat/widget.js", headers={"if-none-match": '"older"'}).status_code == 200


def test_the_widget_never_makes_markup_of_text(client: TestClient):
    source = client.get("/channels/webchat/widget.js").text
    for way_in in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "DOMParser"):
        assert way_in not in source


def test_the_demo_page_carries_the_widget_and_nothing_from_elsewhere(client: TestClient):
    page = client.get("/")
    assert '<script src="/channels/webchat/widget.js"' in page.text
    assert 'href="/help"' in page.text
    assert "http://" not in page.text.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert client.get("/shop.css").status_code == 200
