"""kill -9 at every step between acknowledge and reply: each message has exactly one answer, and none is sent twice."""

import os
import re
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from tests.cluster import free_port
from tests.fakes import Sink
from tests.forked import Forked

POINTS = [
    "after the acknowledgement",
    "after the claim",
    "while the agent thinks",
    "when the agent has thought",
    "before the verdict is committed",
    "after the verdict is committed",
    "when the delivery is marked",
    "before the vendor is called",
    "after the vendor took it",
    "before the receipt is committed",
    "after the receipt is committed",
]


def start(port: int, sink: Sink, point: str, database_url: str, data: Path) -> Forked:
    environ = {**os.environ, "DATABASE_URL": database_url, "DATA_DIR": str(data)}
    log = data / "log"
    process = Forked("tests.kill_process", str(port), sink.url, point, environ=environ, stdout=log, stderr=log)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, (data / "log").read_text()
        try:
            httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=1).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.05)
            continue
        return process
    raise AssertionError((data / "log").read_text())


def post(port: int, thread: str, id: str, text: str) -> bool:
    """Whether it was acknowledged."""
    try:
        answer = httpx.post(
            f"http://127.0.0.1:{port}/channels/sink", json={"thread": thread, "id": id, "text": text}, timeout=5
        )
    except httpx.HTTPError:
        return False
    return answer.status_code == 200


@pytest.mark.timeout(180)
def test_kill_9_at_every_point_loses_nothing_and_repeats_nothing(database_url: str, tmp_path: Path) -> None:
    sink, port, died = Sink(), free_port(), 0
    acknowledged: list[tuple[str, str, str]] = []
    unheard: list[tuple[str, str, str]] = []
    try:
        for number, point in enumerate(POINTS):
            process = start(port, sink, point, database_url, tmp_path)
            drain(sink, acknowledged)
            arm(port)
            # Three conversations, each with a message a run.
            for thread in ("a", "b", "c"):
                message = (thread, f"{thread}{number}", f"message {thread}{number}")
                (acknowledged if post(port, *message) else unheard).append(message)
            process.wait(timeout=30)
            assert process.returncode == -9, f"it did not die at: {point}\n{(tmp_path / 'log').read_text()}"
            died += 1
        process = start(port, sink, "never", database_url, tmp_path)
        # Only what was never acknowledged is repeated: what was is ours, and the client has forgotten it.
        for message in unheard:
            assert post(port, *message), "a client's repeat is acknowledged"
        sent = acknowledged + unheard
        drain(sink, sent)
        time.sleep(1.5)  # longer than a lease: whatever would be sent twice is sent by now
        process.terminate()
        process.wait(timeout=20)
    finally:
        sink.close()
    assert died == len(POINTS) >= 10
    # A process may die before it has acknowledged more than the first of the three, or any.
    assert len(acknowledged) > len(POINTS) // 2, "without acknowledged messages nothing is put to the test"
    assert answered(sink) == Counter(text for _, _, text in sent)
    assert max(Counter(each["key"] for each in sink.received).values()) == 1


@pytest.mark.timeout(120)
def test_a_vendor_that_cannot_be_asked_gets_a_message_at_most_twice_and_under_one_key(
    database_url: str, tmp_path: Path
) -> None:
    sink, port = Sink(), free_port()
    try:
        for number, point in enumerate(["blind: after the vendor took it", "blind: before the receipt is committed"]):
            process = start(port, sink, point, database_url, tmp_path)
            arm(port)
            assert post(port, "a", f"a{number}", f"message a{number}")
            process.wait(timeout=30)
            assert process.returncode == -9
            process = start(port, sink, "blind: never", database_url, tmp_path)
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline and answered(sink)[f"message a{number}"] < 2:
                time.sleep(0.1)
            time.sleep(1.5)
            process.terminate()
            process.wait(timeout=20)
    finally:
        sink.close()
    assert answered(sink) == {"message a0": 2, "message a1": 2}
    assert len({each["key"] for each in sink.received}) == 2, "a repeat carries the key of the first"


def arm(port: int) -> None:
    httpx.post(f"http://127.0.0.1:{port}/arm", timeout=5).raise_for_status()


def drain(sink: Sink, messages: list[tuple[str, str, str]]) -> None:
    """Wait until the vendor has had an answer to each of these."""
    deadline = time.monotonic() + 20
    while set(answered(sink)) < {text for _, _, text in messages} and time.monotonic() < deadline:
        time.sleep(0.05)


def answered(sink: Sink) -> Counter[str]:
    """How often each message was answered; one answer may be for several messages of one conversation."""
    return Counter(text for each in sink.received for text in re.findall(r"message [abc]\d+", each["text"]))
