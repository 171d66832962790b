"""The figures as people read them: the median of the repetitions, and between which values they lay."""

import os
import platform
import sqlite3
from importlib.metadata import version
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

#: The aims: CPU a message, the database's with it, against the bare loop's at 16 in flight, and
#: messages a second against LangGraph's.
MOST_CPU, LEAST_RATE = 4.0, 1.5
AIMED_AT = 16
#: Of a vendor's webhooks: the milliseconds that 99 of 100 must not exceed; how many are in flight where it is asked how
#: many it can take.
MOST_P99_MS, FLIGHT = 1000.0, 20


def machine() -> dict[str, Any]:
    """What was measured on."""
    names = ("torch", "chromadb", "fastapi", "uvicorn", "sqlalchemy")
    load = [round(each, 1) for each in os.getloadavg()]
    cores = {"cores": os.cpu_count(), "load_before": load}
    return (
        cores | {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version} | {n: version(n) for n in names}
    )


def middle(values: list[float], digits: int = 0) -> str:
    """The median, with the lowest and the highest where they differ."""
    low, mid, high = (f"{each:.{digits}f}" for each in (min(values), median(values), max(values)))
    return mid if low == high else f"{mid} ({low} to {high})"


def show(result: dict[str, Any], console: Console) -> None:
    """Print the tables, and what they come to in sentences."""
    on = result["measured_on"]
    versions = ", ".join(f"{name} {value}" for name, value in on.items() if name not in ("cores", "load_before"))
    console.print(f"Measured on {on['cores']} cores (load before: {on['load_before']}); {versions}.")
    for name, rows in result["databases"].items():
        table = Table(
            title=f"Whole path, {name}, extractive: the median of {len(rows[0]['per_second'])} (lowest to highest)"
        )
        titles = (
            "in flight",
            "messages/s",
            "p50 ms",
            "p95 ms",
            "CPU ms",
            "database's CPU ms",
            "bare CPU ms",
            "(CPU + database's) / bare CPU",
            "rate / bare",
        )
        for title in titles:
            table.add_column(title, justify="right")
        for row in rows:
            times = row["times"]
            table.add_row(
                str(row["flight"]),
                middle(row["per_second"], 1),
                middle(row["p50_ms"]),
                middle(row["p95_ms"]),
                middle(row["cpu_ms"], 1),
                middle(row["database_cpu_ms"], 1),
                middle(times["bare_cpu_ms"], 1),
                middle(times["cpu"], 2),
                middle(times["rate"], 2),
            )
        console.print(table)
    if model := result.get("model"):
        table = Table(title=f"With a model that answers at once, {AIMED_AT} in flight")
        for title in ("", "messages/s", "p50 ms", "p95 ms", "CPU ms", "model calls a message"):
            table.add_column(title, justify="right")
        for name, row in model["figures"].items():
            calls = str(model["calls"][name])
            table.add_row(
                name,
                middle(row["per_second"], 1),
                middle(row["p50_ms"]),
                middle(row["p95_ms"]),
                middle(row["cpu_ms"], 1),
                calls,
            )
        console.print(table)
    if hooks := result.get("webhooks"):
        table = Table(
            title=f"A vendor's webhooks, {hooks['rate']} a second for {hooks['seconds']:g} seconds, workers busy"
        )
        cells: list[str] = []
        for title, name, digits in (
            ("p50 ms", "p50_ms", 0),
            ("p99 ms", "p99_ms", 0),
            ("messages in work", "in_work", 0),
            (f"at most, acknowledged/s with {FLIGHT} in flight", "per_second", 0),
            ("bare signature check/s", "bare_per_second", 0),
            ("acknowledged / bare", "times", 2),
        ):
            table.add_column(title, justify="right")
            cells.append(middle(hooks[name], digits))
        table.add_row(*cells)
        console.print(table)
    for sentence in sentences(result):
        console.print(sentence)


def sentences(result: dict[str, Any]) -> list[str]:
    """Each aim, and whether it was met."""
    said = []
    for name, rows in result["databases"].items():
        for row in rows:
            if row["flight"] == AIMED_AT:
                ratio = median(row["times"]["cpu"])
                verdict = "met" if ratio <= MOST_CPU else "missed"
                said.append(
                    f"{name}: {ratio:.2f} times the bare loop's CPU, the database's counted in; "
                    f"the aim of at most {MOST_CPU:g} is {verdict}."
                )
    if "repeated" in result:
        said.append(_repeats("Beside the bare loop", *result["repeated"]))
    model = result.get("model")
    if model and "sent" in model:
        said.append(f"With a model, its words were sent for {model['sent']:.0%} of the messages.")
        said.append(_repeats("With a model", *model["repeated"]))
    if model and model["times"]:
        ratio = median(model["times"])
        verdict = "met" if ratio >= LEAST_RATE else "missed"
        said.append(
            f"{ratio:.2f} times LangGraph's messages a second; the aim of at least {LEAST_RATE:g} is {verdict}."
        )
    if hooks := result.get("webhooks"):
        p99 = median(hooks["p99_ms"])
        verdict = "met" if p99 <= MOST_P99_MS else "missed"
        said.append(
            f"Of {hooks['messages']} webhooks none was lost, and each was answered; "
            f"p99 {p99:.0f} ms at {hooks['rate']} a second: the aim of at most {MOST_P99_MS:g} is {verdict}."
        )
    return said + ([model["skipped"]] if model and model["skipped"] else [])


def _repeats(where: str, repeated: int, taken: int) -> str:
    return f"{where}, {repeated} of {taken} questions had been asked before."
