"""The bench counts every message: one that is lost, or answered twice, is a failure and no figure."""

import asyncio
import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.bench import load
from tests.bench.claude import StandIn
from tests.bench.measure import Figures, Questions, against_bare, go, in_turns
from tests.bench.processes import BenchError, cpu
from tests.bench.report import middle, sentences
from tests.claude_kit import QUOTED, ask

pytestmark = pytest.mark.anyio


class ChatServer:
    """Speaks what a visitor needs of the web chat; `replies`: how many each next message gets, the last for good."""

    def __init__(self, *replies: int) -> None:
        self.replies, self.held = list(replies), dict[str, list[str]]()
        self.changed = asyncio.Event()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                names = (line.partition(": ") for line in head[1:] if line)
                headers = {name.lower(): value for name, _, value in names}
                await reader.readexactly(int(headers["content-length"]))
                token = headers.get("authorization", "").removeprefix("Bearer ")
                if head[0].startswith("GET"):
                    await self.stream(writer, self.held[token])
                elif "/session" in head[0]:
                    token = str(len(self.held))
                    self.held[token] = []
                    self.send(writer, {"token": token})
                else:
                    count = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
                    self.held[token] += ["customer", *["agent"] * count]
                    self.changed.set()
                    self.send(writer, {"seq": 1})

    def send(self, writer: asyncio.StreamWriter, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode()
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)

    async def stream(self, writer: asyncio.StreamWriter, held: list[str]) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        seen = 0
        while not writer.is_closing():
            events = [f"event: message\ndata: {json.dumps({'author': author})}\n\n" for author in held[seen:]]
            seen = len(held)
            chunk = "".join([*events, "event: state\ndata: {}\n\n"]).encode()
            writer.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
            await writer.drain()
            self.changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.changed.wait(), 0.05)


@contextlib.asynccontextmanager
async def chat(*replies: int) -> AsyncIterator[str]:
    server = await asyncio.start_server(ChatServer(*replies).answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def test_every_message_with_one_reply_is_no_fault_and_all_are_timed() -> None:
    async with chat(1) as url:
        made = await load.run("chat", url, ["where is my parcel?"] * 6, 3)
        assert made.faults == []
        assert len(made.latencies) == 6
        assert made.seconds > 0
        assert await load.check(made) == []


async def test_a_message_without_a_reply_is_lost() -> None:
    async with chat(1, 0, 1) as url:
        made = await load.run("chat", url, ["where is my parcel?"] * 4, 1, lost=0.4)
        assert made.faults == ["A message had no reply within 0.4 seconds."]
        assert len(made.latencies) == 3
        assert await load.check(made) == ["A conversation holds 1 messages and 0 replies instead of one and one."]


async def test_a_message_with_two_replies_is_found_when_all_is_read_again() -> None:
    async with chat(1, 2, 1) as url:
        made = await load.run("chat", url, ["where is my parcel?"] * 4, 2)
        assert len(made.latencies) == 4, "whoever waits for the first reply does not see the second"
        assert await load.check(made) == ["A conversation holds 1 messages and 2 replies instead of one and one."]


async def test_visitors_come_from_addresses_of_their_own() -> None:
    addresses = {load.address() for _ in range(500)}
    assert len(addresses) == 500
    assert all(address.startswith("127.") and not address.endswith((".0", ".255")) for address in addresses)


class Told:
    """A process of visitors that answers what it is told to."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers = list(answers)

    def ask(self, **command: Any) -> dict[str, Any]:
        return self.answers.pop(0)


@pytest.mark.parametrize(
    ("ran", "checked"),
    [
        ({"latencies": [0.1], "faults": ["A message had no reply within 60 seconds."]}, []),
        ({"latencies": [0.1, 0.2], "faults": []}, ["A conversation holds 1 messages and 2 replies."]),
        ({"latencies": [0.1], "faults": []}, []),
    ],
    ids=["lost", "twice", "missing"],
)
def test_figures_of_a_run_with_a_fault_are_refused(ran: dict[str, Any], checked: list[str]) -> None:
    told = Told({"seconds": 1.0, **ran}, {"faults": checked})
    with pytest.raises(BenchError, match="exactly one reply"):
        go(told, "chat", "", ["one", "two"], 2, lambda: [0.0, 0.0])


def test_figures_are_per_message_and_an_aim_that_is_missed_is_said_to_be() -> None:
    figures = Figures(messages=4, flight=16)
    told = Told({"seconds": 2.0, "latencies": [0.4, 0.1, 0.2, 0.3], "faults": []}, {"faults": []})
    used = iter([[1.0, 0.5], [1.2, 0.6]])
    answer, spent = go(told, "chat", "", ["a"] * 4, 16, lambda: next(used))
    figures.add(answer, *spent)
    figures.times = {"cpu": [5.0], "rate": [0.2]}
    row = json.loads(json.dumps(figures.as_json()))
    assert (row["per_second"], row["p50_ms"], row["cpu_ms"], row["database_cpu_ms"]) == ([2.0], [300.0], [50.0], [25.0])
    model = {"times": [2.0], "skipped": ""}
    said = sentences({"databases": {"SQLite": [row]}, "model": model})
    assert "5.00 times" in said[0]
    assert said[0].endswith("missed.")
    assert said[1].endswith("met.")
    assert middle([3.0, 1.0, 2.0]) == "2 (1 to 3)"


def test_a_question_is_not_met_again_while_the_embedder_remembers_it() -> None:
    from knowledge.embedder import CACHED_QUERIES
    from tests.bench.__main__ import PLAN, read_questions

    texts = read_questions()
    assert len(texts) == len(set(texts))
    assert len(texts) > CACHED_QUERIES + max(PLAN), "those in flight may overtake each other"
    questions = Questions(texts)
    assert questions.take(len(texts)) == texts
    assert questions.take(1) == texts[:1]


async def test_what_the_models_stand_in_streams_is_sent_by_our_own_client() -> None:
    stand_in = StandIn()
    server = await asyncio.start_server(stand_in.answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    responses = [await ask(url), await ask(url)]
    for response in responses:
        assert response.record["claude"]["then"] == "send", response.record["claude"]["notice"]
        assert response.record["claude"]["stop_reason"] == "end_turn"
        assert response.record["draft"]["kind"] == "claude"
        assert QUOTED in response.record["text"]
    assert stand_in.calls == 2
    server.close()


def decisions(path: Path, *records: dict[str, Any]) -> Path:
    with contextlib.closing(sqlite3.connect(path)) as rows, rows:
        rows.execute("CREATE TABLE decision (record JSON)")
        rows.executemany("INSERT INTO decision VALUES (?)", [(json.dumps(each),) for each in records])
    return path


def test_a_run_in_which_the_articles_were_quoted_is_no_figure_of_a_model(tmp_path: Path) -> None:
    from tests.bench.__main__ import words_sent

    sent = {"claude": {"then": "send", "notice": "Written by it."}}
    quoted = {"claude": {"then": "quote", "notice": "It could not be read."}}
    assert words_sent(decisions(tmp_path / "sent", *[sent] * 19, {"claude": None})) == 0.95
    with pytest.raises(BenchError, match=r"sent for 8 of 10 messages.*It could not be read\."):
        words_sent(decisions(tmp_path / "quoted", *[sent] * 8, *[quoted] * 2))
    with pytest.raises(BenchError, match="0 of 0"):
        words_sent(decisions(tmp_path / "none"))


class Visitors:
    """Visitors who are all answered, and what they were told to ask."""

    def __init__(self) -> None:
        self.runs: list[tuple[str, tuple[str, ...]]] = []

    def ask(self, **command: Any) -> dict[str, Any]:
        if command["do"] == "run":
            self.runs.append((command["url"], tuple(command["texts"])))
            return {"seconds": 1.0, "latencies": [0.1] * len(command["texts"]), "faults": []}
        return {"faults": []}


def test_two_servers_get_the_same_questions_and_take_turns_at_being_first() -> None:
    visitors, questions, told = Visitors(), Questions([str(number) for number in range(7)]), list[str]()
    servers = {name: ("chat", name, lambda: [0.0, 0.0]) for name in ("ours", "theirs")}
    figures = in_turns(visitors, servers, questions, 2, 3, 2, told.append)
    warm, first, second = ("0", "1"), ("2", "3", "4"), ("5", "6", "0")
    assert visitors.runs == [
        ("ours", warm),
        ("theirs", warm),
        ("ours", first),
        ("theirs", first),
        ("theirs", second),
        ("ours", second),
    ]
    assert (questions.repeated, questions.taken) == (1, 8)
    assert len(told) == 4
    assert all(len(each.per_second) == 2 for each in figures.values())


def test_what_the_database_uses_counts_against_the_bare_loop() -> None:
    used = iter([[0.0, 0.0], [1.0, 1.0], [1.0, 1.0], [1.4, 1.2]])
    bare = Told(*[{"seconds": 1.0, "cpu": 0.1}] * 2)
    row = against_bare(
        Visitors(),
        bare,
        "",
        Questions(["a", "b"]),
        {16: 2},
        1,
        lambda: next(used),
        lambda said: None,
    )[0]
    assert (row.cpu_ms, row.database_cpu_ms) == ([pytest.approx(200)], [pytest.approx(100)])
    assert row.times["bare_cpu_ms"] == [pytest.approx(100)]
    assert row.times["cpu"] == [pytest.approx(3)]


def test_cpu_is_counted_of_threads_and_children() -> None:
    before, family = cpu(os.getpid()), cpu(os.getpid(), family=True)
    subprocess.run([sys.executable, "-c", "sum(range(20_000_000))"], check=True)
    assert cpu(os.getpid(), family=True) - family > cpu(os.getpid()) - before + 0.1


@pytest.mark.timeout(300)  # two processes that load the model, on whatever else the machine is doing
def test_the_real_server_is_measured_and_the_figures_are_there(tmp_path: Path) -> None:
    from tests.bench.__main__ import ARTICLES, read_questions, whole_path

    few = tmp_path / "articles"
    few.mkdir()
    for article in sorted(ARTICLES.glob("*.md"))[:3]:
        shutil.copy(article, few)
    row = whole_path(tmp_path, Questions(read_questions()), {2: 4}, 1, articles=few)[0]
    assert row["messages"] == 4
    assert row["flight"] == 2
    assert all(len(row[name]) == 1 and row[name][0] > 0 for name in ("per_second", "p50_ms", "p95_ms", "cpu_ms"))
    assert row["times"]["cpu"][0] > 0
