"""`make bench`: python -m tests.bench [--json FILE] [--quick]. Fails unless every message has exactly one reply."""

import argparse
import contextlib
import json
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.bench.acknowledging import QUICK_SECONDS, SECONDS, acknowledging
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
from tests.cluster import free_port, postgres_program

SAMPLES = ROOT / "knowledge" / "samples"
ARTICLES = SAMPLES / "articles"
#: Of all messages, those whose reply must be the model's words. The rest is a person's to answer, or small talk.
LEAST_SENT = 0.9
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
    say: Callable[[str], None] = print,
    *,
    articles: Path = ARTICLES,
) -> list[dict[str, Any]]:
    """Our server on one database, beside the bare loop. `say`: where it has got to."""
    database = {"DATABASE_URL": postgres.cluster.url("postgres")} if postgres else {}
    environ = environ_of(home, **database)
    say("  taking in the articles, starting the server ...")
    ingest(articles, home, environ)
    with contextlib.ExitStack() as stack:
        server = stopped(stack, serve(home, environ))
        bare = stopped(stack, Commanded("tests.bench.bare", home, environ))
        bare.hear()
        load = stopped(stack, Commanded("tests.bench.load", home, environ))

        def used() -> list[float]:
            return [server.cpu(), postgres.cpu() if postgres else 0.0]

        return [each.as_json() for each in against_bare(load, bare, server.url, questions, plan, repeats, used, say)]


def with_model(
    home: Path, messages: int, repeats: int, python: Path, say: Callable[[str], None] = print
) -> dict[str, Any]:
    """Our server with a model that answers at once, beside an agent of LangGraph with one, if there is its Python.

    Raises BenchError unless it was the model's words that our server sent.
    """
    texts = read_questions()
    questions = Questions(texts)
    # So many that none has to be asked twice: what a server remembers of a question would count for it.
    messages = min(messages, (len(texts) - AIMED_AT) // repeats)
    skipped = "" if python.is_file() else f"LangGraph skipped: there is no {python}. `make bench` makes it."
    environ = environ_of(home)
    say("  taking in the articles, starting the servers ...")
    ingest(ARTICLES, home, environ)
    with contextlib.ExitStack() as stack:
        stand_in = stopped(stack, start_stand_in(home, environ))
        ours = stopped(stack, serve(home, {**environ, **WITH_MODEL, "ANTHROPIC_BASE_URL": stand_in.url}))
        servers = {"Firstline": ("chat", ours.url, lambda: [ours.cpu(), 0.0])}
        calls = {"Firstline": 0.0}
        if not skipped:
            theirs = stopped(stack, start_langgraph(home, environ, python))
            servers["LangGraph"] = ("plain", theirs.url, lambda: [theirs.cpu(), 0.0])
            calls["LangGraph"] = 2
        load = stopped(stack, Commanded("tests.bench.load", home, environ))
        figures = in_turns(load, servers, questions, AIMED_AT, messages, repeats, say)
        calls["Firstline"] = round(fetch(f"{stand_in.url}/calls")["calls"] / questions.taken, 2)
    share = words_sent(home / "data" / "firstline.db")
    pairs = zip(figures["Firstline"].per_second, figures["LangGraph"].per_second, strict=True) if not skipped else ()
    return {
        "figures": {name: each.as_json() for name, each in figures.items()},
        "calls": calls,
        "sent": round(share, 3),
        "repeated": [questions.repeated, questions.taken],
        "times": [round(mine / other, 3) for mine, other in pairs],
        "skipped": skipped,
    }


def start_langgraph(home: Path, environ: dict[str, str], python: Path) -> Server:
    """LangGraph's agent, with the passages that our server has."""
    port, folder = free_port(), home / "langgraph"
    folder.mkdir()
    with contextlib.closing(sqlite3.connect(home / "data" / "firstline.db")) as rows:
        passages = [row[0] for row in rows.execute("SELECT text FROM chunk ORDER BY id")]
    (folder / "passages.json").write_text(json.dumps(passages))
    command = [str(python), str(LANGGRAPH), str(port), str(folder / "passages.json"), str(folder)]
    return Server(command, environ, home, port, "/readyz")


def words_sent(database: Path) -> float:
    """The share of all decisions with which the model's words were sent, as their records have it.

    Raises BenchError if it is low: the path that is measured would be another one.
    """
    with contextlib.closing(sqlite3.connect(database)) as rows:
        found = [json.loads(row[0]).get("claude") or {} for row in rows.execute("SELECT record FROM decision")]
    sent = [each.get("then") == "send" for each in found]
    if not sent or sum(sent) < LEAST_SENT * len(sent):
        notices = Counter(each.get("notice") or "It was not asked." for each in found if each.get("then") != "send")
        why = f" Most often: {notices.most_common(1)[0][0]}" if notices else ""
        raise BenchError(
            f"The model's words were sent for {sum(sent)} of {len(sent)} messages, so this is no figure of a server "
            f"with a model.{why}"
        )
    return sum(sent) / len(sent)


def stopped(stack: contextlib.ExitStack, process: Any) -> Any:
    stack.callback(process.stop)
    return process


def read_questions() -> list[str]:
    """What customers of the sample company ask, each once."""
    lines = (SAMPLES / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    return list(dict.fromkeys(json.loads(line)["question"] for line in lines))


def bench(
    plan: dict[int, int], repeats: int, seconds: float, python: Path, say: Callable[[str], None]
) -> dict[str, Any]:
    """Everything, one after the other. What cannot be had here is left out, and a sentence says so."""
    questions = Questions(read_questions())
    result: dict[str, Any] = {"measured_on": machine(), "databases": {}}
    with tempfile.TemporaryDirectory(prefix="firstline-bench-") as directory, contextlib.ExitStack() as stack:
        home = Path(directory)
        for name in ("sqlite", "postgresql", "model", "webhooks"):
            (home / name).mkdir()
        say("SQLite ...")
        result["databases"]["SQLite"] = whole_path(home / "sqlite", questions, plan, repeats, say=say)
        if postgres_program("initdb") and postgres_program("pg_ctl"):
            say("PostgreSQL ...")
            postgres = stopped(stack, Postgres())
            result["databases"]["PostgreSQL"] = whole_path(home / "postgresql", questions, plan, repeats, postgres, say)
        else:
            say("PostgreSQL skipped: initdb and pg_ctl are not installed.")
        say("With a model that answers at once, beside LangGraph ...")
        result["model"] = with_model(home / "model", plan[AIMED_AT], repeats, python, say)
        say("A vendor's webhooks, while the workers are busy ...")
        result["webhooks"] = acknowledging(home / "webhooks", ARTICLES, min(repeats, 3), seconds, say)
        # None is met while the embedder remembers it.
        result["repeated"] = [questions.repeated, questions.taken]
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description="How fast a message goes through all of it.")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--quick", action="store_true", help="only see that it works")
    parser.add_argument("--langgraph", type=Path, default=ROOT / ".venv-bench" / "bin" / "python", help="its Python")
    options = parser.parse_args()
    plan, repeats = (QUICK_PLAN, QUICK_REPEATS) if options.quick else (PLAN, REPEATS)
    seconds = QUICK_SECONDS if options.quick else SECONDS
    console = Console(width=150, highlight=False)
    try:
        result = bench(plan, repeats, seconds, options.langgraph, console.print)
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
