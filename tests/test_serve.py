"""`firstline serve --demo` as a person meets it: two addresses, a login, an answer; and it stops when it is told."""

import json
import re
import signal
import stat
import time
import uuid
from pathlib import Path

import httpx
import pytest

from tests.live_server import LiveServer


class Visitor:
    """A customer in the web chat, by HTTP alone."""

    def __init__(self, server: LiveServer) -> None:
        self.base = f"{server.url}/channels/webchat"
        self.headers = {"authorization": f"Bearer {httpx.post(f'{self.base}/session').json()['token']}"}

    def write(self, text: str, person: bool = False) -> httpx.Response:
        body = {"id": str(uuid.uuid4()), "text": text, "person": person}
        return httpx.post(self.base, json=body, headers=self.headers)

    def read(self, until, seconds: float = 20) -> list[dict]:
        """Messages from the beginning, until the last one satisfies `until`."""
        seen: dict[int, dict] = {}
        deadline = time.monotonic() + seconds
        with httpx.stream("GET", f"{self.base}/stream", headers=self.headers, timeout=seconds) as answer:
            event = ""
            for line in answer.iter_lines():
                if line.startswith("event: "):
                    event = line[7:]
                elif line.startswith("data: ") and event == "message":
                    message = json.loads(line[6:])
                    seen[message["seq"]] = message
                    if until(message):
                        return [seen[seq] for seq in sorted(seen)]
                assert time.monotonic() < deadline, seen
        raise AssertionError(f"the stream ended: {seen}")


def from_agent(message: dict) -> bool:
    return message["author"] == "agent"


def test_the_first_line_with_an_address_is_the_customers_page(live_server: LiveServer) -> None:
    first = next(line for line in live_server.lines if "http://" in line)
    address = re.search(r"http://\S+", first).group()
    page = httpx.get(address)
    assert page.status_code == 200
    assert "widget.js" in page.text
    assert httpx.get(f"{live_server.url}/readyz").json()["ready"] is True
    assert address.startswith("http://127.0.0.1:"), "the demo is for this machine only"


def test_where_is_my_parcel_gets_an_answer_with_its_source(live_server: LiveServer) -> None:
    visitor = Visitor(live_server)
    assert visitor.write("where is my parcel?").status_code == 200
    answer = visitor.read(from_agent)[-1]
    assert answer["sources"], answer
    assert "track" in answer["text"].lower()
    assert "AI" in answer["disclosure"]
    page = httpx.get(answer["sources"][0]["url"])
    assert page.status_code == 200
    assert answer["sources"][0]["title"] in page.text


def test_what_the_help_centre_does_not_cover_calls_a_person_and_says_so(live_server: LiveServer) -> None:
    visitor = Visitor(live_server)
    visitor.write("can you translate my grandmother's recipe for plum cake into Latin?")
    answer = visitor.read(from_agent)[-1]
    assert "person" in answer["text"].lower()
    assert answer["sources"] == []


def test_somebody_elses_token_and_a_forged_one_open_nothing(live_server: LiveServer) -> None:
    visitor = Visitor(live_server)
    token = visitor.headers["authorization"]
    forged = token[:-4] + ("AAAA" if not token.endswith("AAAA") else "BBBB")
    for header in ({"authorization": forged}, {"authorization": "Bearer x"}, {}):
        assert httpx.get(f"{visitor.base}/stream", headers=header).status_code == 403
        answer = httpx.post(visitor.base, json={"id": str(uuid.uuid4()), "text": "hi"}, headers=header)
        assert answer.status_code == 403
        assert answer.json()["error"]


@pytest.mark.parametrize("text", ["", "   ", "x" * 100_000])
def test_an_empty_or_endless_message_is_refused_with_a_sentence(live_server: LiveServer, text: str) -> None:
    answer = Visitor(live_server).write(text)
    assert answer.status_code in (400, 413)
    assert answer.json()["error"].endswith(".")


def test_the_secret_key_is_its_owners_alone(live_server: LiveServer) -> None:
    path = live_server.data_dir / "secret.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_customers_words_are_not_in_the_logs(live_server: LiveServer) -> None:
    visitor = Visitor(live_server)
    visitor.write("zanzibar umbrella 4929 please tell nobody")
    visitor.read(from_agent)
    logs = (live_server.data_dir.parent / f"{live_server.data_dir.name}.log").read_text()
    assert "message.received" in logs, "there must be logs for this to mean anything"
    assert "zanzibar" not in logs


def test_it_stops_within_ten_seconds_with_a_stream_open_and_says_the_login_only_once(live_server: LiveServer) -> None:
    visitor = Visitor(live_server)
    visitor.write("hello")
    with httpx.stream("GET", f"{visitor.base}/stream", headers=visitor.headers, timeout=20) as open_stream:
        assert open_stream.status_code == 200
        assert live_server.stop(signal.SIGTERM) < 10
    assert live_server.process is not None
    assert live_server.process.returncode in (0, -signal.SIGTERM)
    live_server.start()
    assert not any("password" in line for line in live_server.lines)
    assert httpx.get(f"{live_server.url}/readyz").status_code == 200


def test_a_restart_keeps_the_conversation(live_server: LiveServer) -> None:
    visitor = Visitor(live_server)
    visitor.write("where is my parcel?")
    before = visitor.read(from_agent)
    live_server.stop(signal.SIGKILL)
    live_server.start()
    visitor.base = f"{live_server.url}/channels/webchat"
    assert visitor.read(from_agent) == before


def test_no_index_is_left_behind_by_processes_that_were_killed(live_server: LiveServer) -> None:
    live_server.stop(signal.SIGKILL)
    live_server.start()
    assert len([path for path in Path(live_server.data_dir / "index").iterdir() if path.is_dir()]) == 1
