"""`make bench`: python -m tests.bench [--json FILE] [--quick]. Fails unless every message has exactly one reply."""

import argparse
import contextlib
import json
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.bench.measure import Questions, against_bare, in_turns
from tests.bench.processes import (
    ROOT,
    BenchError,
    Commanded,
    Postgres,
    Server,
    environ_of,
    fetch,
    ingest,
    serve,
    start_stand_in,
)
from tests.bench.report import AIMED_AT, machine, show
from tests.conftest import free_port, postgres_program

SAMPLES = ROOT / "knowledge" / "samples"
ARTICLES = SAMPLES / "articles"
#: In flight -> messages of one run.
PLAN = {1: 60, 16: 160, 64: 256}
REPEATS = 5
#: `--quick`: that it works, not how fast it is.
QUICK_PLAN, QUICK_REPEATS = {1: 4, 16: 32, 64: 64}, 1
LANGGRAPH = ROOT / "tests" / "bench" / "langgraph" / "agent.py"
#: Claude is asked for every message with a draft, however unsure, and money is no limit: the most it can cost us.
WITH_MODEL = {
    "ANTHROPIC_API_KEY": "sk-stand-in",
    "CONFIDENCE_THRESHOLD": "0",
    "CLAUDE_USD_PER_CONVERSATION": "1000000",
    "CLAUDE_USD_PER_DAY": "1000000",
}


def whole_path(
    home: Path,
    questions: Questions,
    plan: dict[int, int],
    repeats: int,
    postgres: Postgres | None = None,
    *,
    articles: Path = ARTICLES,
) -> list[dict[str, Any]]:
    """Our server on one database, beside the bare loop."""
    database = {"DATABASE_URL": postgres.cluster.url("postgres")} if postgres else {}
    environ = environ_of(home, **database)
    ingest(articles, home, environ)
    with contextlib.ExitStack() as stack:
        server = stopped(stack, serve(home, environ))
        bare = stopped(stack, Commanded("tests.bench.bare", home, environ))
        bare.hear()
        load = stopped(stack, Commanded("tests.bench.load", home, environ))

        def used() -> list[float]:
            return [server.cpu(), postgres.cpu() if postgres else 0.0]

        return [each.as_json() for each in against_bare(load, bare, server.url, questions, plan, repeats, used)]


def with_model(home: Path, questions: Questions, messages: int, repeats: int, python: Path) -> dict[str, Any]:
    """Our server with a model that answers at once, beside an agent of LangGraph with one."""
    if not python.is_file():
        raise BenchError(f"there is no {python}. `make bench` makes it.")
    environ = environ_of(home)
    ingest(ARTICLES, home, environ)
    with contextlib.ExitStack() as stack:
        stand_in = stopped(stack, start_stand_in(home, environ))
        ours = stopped(stack, serve(home, {**environ, **WITH_MODEL, "ANTHROPIC_BASE_URL": stand_in.url}))
        port = free_port()
        folder = home / "langgraph"
        folder.mkdir()
        with contextlib.closing(sqlite3.connect(home / "data" / "firstline.db")) as rows:
            passages = [row[0] for row in rows.execute("SELECT text FROM chunk ORDER BY id")]
        (folder / "passages.json").write_text(json.dumps(passages))
        command = [str(python), str(LANGGRAPH), str(port), str(folder / "passages.json"), str(folder)]
        theirs = stopped(stack, Server(command, environ, home, port, "/readyz"))
        load = stopped(stack, Commanded("tests.bench.load", home, environ))
        servers = {
            "Firstline": ("chat", ours.url, lambda: [ours.cpu(), 0.0]),
            "LangGraph": ("plain", theirs.url, lambda: [theirs.cpu(), 0.0]),
        }
        figures = in_turns(load, servers, questions, AIMED_AT, messages, repeats)
        asked = fetch(f"{stand_in.url}/calls")["calls"] / (messages * repeats + AIMED_AT)
    pairs = zip(figures["Firstline"].per_second, figures["LangGraph"].per_second, strict=True)
    return {
        "figures": {name: each.as_json() for name, each in figures.items()},
        "calls": {"Firstline": round(asked, 2), "LangGraph": 2},
        "times": [round(mine / other, 3) for mine, other in pairs],
        "skipped": "",
    }


def stopped(stack: contextlib.ExitStack, process: Any) -> Any:
    stack.callback(process.stop)
    return process


def read_questions() -> list[str]:
    """What customers of the sample company ask, each once."""
    lines = (SAMPLES / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    return list(dict.fromkeys(json.loads(line)["question"] for line in lines))


def bench(plan: dict[int, int], repeats: int, python: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Everything, one after the other. What cannot be had here is left out, and a sentence says so."""
    questions = Questions(read_questions())
    result: dict[str, Any] = {"measured_on": machine(), "databases": {}}
    with tempfile.TemporaryDirectory(prefix="firstline-bench-") as directory, contextlib.ExitStack() as stack:
        home = Path(directory)
        for name in ("sqlite", "postgresql", "model"):
            (home / name).mkdir()
        say("SQLite ...")
        result["databases"]["SQLite"] = whole_path(home / "sqlite", questions, plan, repeats)
        if postgres_program("initdb") and postgres_program("pg_ctl"):
            say("PostgreSQL ...")
            postgres = stopped(stack, Postgres())
            result["databases"]["PostgreSQL"] = whole_path(home / "postgresql", questions, plan, repeats, postgres)
        else:
            say("PostgreSQL skipped: initdb and pg_ctl are not installed.")
        say("With a model that answers at once, beside LangGraph ...")
        try:
            result["model"] = with_model(home / "model", questions, plan[AIMED_AT], repeats, python)
        except BenchError as error:
            if python.is_file():
                raise
            result["model"] = {"figures": {}, "calls": {}, "times": [], "skipped": f"LangGraph skipped: {error}"}
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description="How fast a message goes through all of it.")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--quick", action="store_true", help="only see that it works")
    parser.add_argument("--langgraph", type=Path, default=ROOT / ".venv-bench" / "bin" / "python", help="its Python")
    options = parser.parse_args()
    plan, repeats = (QUICK_PLAN, QUICK_REPEATS) if options.quick else (PLAN, REPEATS)
    console = Console(width=150, highlight=False)
    try:
        result = bench(plan, repeats, options.langgraph, console.print)
    except BenchError as error:
        console.print(str(error))
        return 1
    show(result, console)
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        console.print(f"Written to {options.json}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
