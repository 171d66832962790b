"""How soon a vendor's webhook is acknowledged while the workers are busy, and whether all of it is kept."""

import contextlib
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.processes import BenchError, Commanded, environ_of, ingest, serve
from tests.bench.report import FLIGHT
from tests.cluster import free_port

#: A made-up account: the stand-in has no other.
ACCOUNT, TOKEN, SENDER = f"AC{'b' * 32}", "c" * 32, "whatsapp:+15550100"
PUBLIC = "https://help.example.com"
#: Messages a second, for so many seconds.
RATE, SECONDS = 60, 20.0
QUICK_SECONDS = 5.0
#: Webhooks of one run, where it is asked how many a second it can take at most.
COUNT = 400
#: Seconds until the last message must have its reply.
ANSWERED_SECONDS = 600.0


def acknowledging(
    home: Path, articles: Path, repeats: int, seconds: float, say: Callable[[str], None] = print
) -> dict[str, Any]:
    """Our server with a stand-in for Twilio. Raises BenchError if one acknowledged message is lost or without a reply.

    The measure is the same server's check of a signature with nothing to store behind it.
    """
    environ = environ_of(home)
    port = free_port()
    stand_in = {
        "WHATSAPP_ACCOUNT_SID": ACCOUNT,
        "WHATSAPP_AUTH_TOKEN": TOKEN,
        "WHATSAPP_FROM": SENDER,
        "WHATSAPP_API_URL": f"http://127.0.0.1:{port}",
        "PUBLIC_BASE_URL": PUBLIC,
    }
    say("  taking in the articles, starting the servers ...")
    ingest(articles, home, environ)
    figures: dict[str, list[float]] = {}
    with contextlib.ExitStack() as stack:
        twilio = Commanded("tests.bench.twilio", home, {**environ, **stand_in})
        stack.callback(twilio.stop)
        twilio.hear()
        server = serve(home, {**environ, **stand_in})
        stack.callback(server.stop)
        vendor = Commanded("tests.bench.hooks", home, environ)
        stack.callback(vendor.stop)
        whose = {
            "url": server.url,
            "signed_as": f"{PUBLIC}/channels/whatsapp",
            "token": TOKEN,
            "account": ACCOUNT,
            "sender": SENDER,
        }
        database, taken = home / "data" / "firstline.db", list[str]()
        _posted(vendor.ask(do="flat", flight=4, count=20, kind="nothing", **whose))  # everything has been used once
        for turn in range(1, repeats + 1):
            bare = _posted(vendor.ask(do="flat", flight=FLIGHT, count=COUNT, kind="nothing", **whose))
            paced = _posted(vendor.ask(do="pace", rate=RATE, seconds=seconds, kind="message", **whose))
            busy = _owed(database)
            flat = _posted(vendor.ask(do="flat", flight=FLIGHT, count=COUNT, kind="message", **whose))
            taken += [*paced["taken"], *flat["taken"]]
            _keep(figures, bare, paced, flat, busy)
            say(f"  {turn} of {repeats}: p99 {figures['p99_ms'][-1]:.0f} ms at {RATE} messages/s, {busy} in work")
            _until_answered(database, taken, say)
    return {"rate": RATE, "seconds": seconds, "messages": len(taken), **figures}


def _posted(answer: dict[str, Any]) -> dict[str, Any]:
    if answer["faults"]:
        raise BenchError(f"{len(answer['faults'])} webhooks were not taken. The first: {answer['faults'][0]}")
    return answer


def _keep(
    figures: dict[str, list[float]], bare: dict[str, Any], paced: dict[str, Any], flat: dict[str, Any], busy: int
) -> None:
    took = sorted(paced["latencies"])
    rates = {name: len(each["latencies"]) / each["seconds"] for name, each in (("bare", bare), ("flat", flat))}
    for name, value in (
        ("p50_ms", 1000 * median(took)),
        ("p99_ms", 1000 * took[int(len(took) * 0.99)]),
        ("in_work", busy),
        ("per_second", rates["flat"]),
        ("bare_per_second", rates["bare"]),
        ("times", rates["flat"] / rates["bare"]),
    ):
        figures.setdefault(name, []).append(round(value, 3))


def _owed(database: Path) -> int:
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as rows:
        return rows.execute("SELECT count(*) FROM message WHERE status = 'owed'").fetchone()[0]


def _until_answered(database: Path, taken: list[str], say: Callable[[str], None]) -> None:
    """Raises BenchError unless each acknowledged message is there once, and answered in the end."""
    deadline = time.monotonic() + ANSWERED_SECONDS
    while (left := _owed(database)) and time.monotonic() < deadline:
        say(f"  {left} of {len(taken)} messages are still to be answered ...")
        time.sleep(10.0)
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as rows:
        kept = {row[0] for row in rows.execute("SELECT external_id FROM message WHERE author = 'customer'")}
    lost = set(taken) - kept
    if lost or left:
        raise BenchError(f"Of {len(taken)} acknowledged messages {len(lost)} are lost and {left} have no answer.")
