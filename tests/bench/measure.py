"""One server against its measure, in turns: the machine is never quiet for long, and both meet the same noise."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import cycle, islice
from statistics import mean
from typing import Any

from tests.bench.processes import BenchError, Commanded


@dataclass
class Figures:
    """What was measured of one server at one number in flight; a list has one value for each repetition."""

    messages: int
    flight: int
    per_second: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p95_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)  # a message, of the server's own processes
    database_cpu_ms: list[float] = field(default_factory=list)  # a message, of the database's, if it has any
    times: dict[str, list[float]] = field(default_factory=dict)  # as many times as what it is compared with

    def add(self, answer: dict[str, Any], cpu: float, database_cpu: float) -> None:
        took = sorted(answer["latencies"])
        self.per_second.append(self.messages / answer["seconds"])
        self.p50_ms.append(1000 * took[len(took) // 2])
        self.p95_ms.append(1000 * took[min(len(took) - 1, int(len(took) * 0.95))])
        self.cpu_ms.append(1000 * cpu / self.messages)
        self.database_cpu_ms.append(1000 * database_cpu / self.messages)

    def as_json(self) -> dict[str, Any]:
        rounded = {name: [round(each, 3) for each in values] for name, values in self.times.items()}
        lists = {
            name: [round(each, 2) for each in value] for name, value in asdict(self).items() if isinstance(value, list)
        }
        return {"messages": self.messages, "flight": self.flight, **lists, "times": rounded}


class Questions:
    """The pack's questions over and over. More than the embedder remembers, so that none is met while it is known.

    `repeated`: how many of those that were taken had been taken before.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts: Iterator[str] = cycle(texts)
        self.different, self.taken = len(texts), 0

    def take(self, count: int) -> list[str]:
        self.taken += count
        return list(islice(self._texts, count))

    @property
    def repeated(self) -> int:
        return max(0, self.taken - self.different)


def go(
    load: Commanded, client: str, url: str, texts: Sequence[str], flight: int, used: Callable[[], Sequence[float]]
) -> tuple[dict[str, Any], list[float]]:
    """One run: what the visitors measured, and the seconds of CPU that each of `used` counted meanwhile.

    Raises BenchError unless every message had exactly one reply.
    """
    before = used()
    answer = load.ask(do="run", client=client, url=url, texts=list(texts), flight=flight)
    spent = [after - earlier for after, earlier in zip(used(), before, strict=True)]
    faults = [*answer["faults"], *load.ask(do="check")["faults"]]
    if faults or len(answer["latencies"]) != len(texts):
        raise BenchError(
            f"{len(faults)} of {len(texts)} messages did not get exactly one reply, so the figures are worth nothing. "
            f"The first fault: {faults[0] if faults else 'a reply is missing'}"
        )
    return answer, spent


def against_bare(
    load: Commanded,
    bare: Commanded,
    url: str,
    questions: Questions,
    plan: dict[int, int],
    repeats: int,
    used: Any,
    say: Callable[[str], None],
) -> list[Figures]:
    """Our server beside the bare loop: bare, ours, bare, ours, bare. `plan`: in flight -> messages of one run."""
    figures = {flight: Figures(messages, flight) for flight, messages in plan.items()}
    go(load, "chat", url, questions.take(min(plan.values())), 4, used)  # everything has been used once

    def bare_loop(texts: Sequence[str]) -> tuple[float, float]:
        answer = bare.ask(texts=list(texts))
        return 1000 * answer["cpu"] / len(texts), len(texts) / answer["seconds"]

    for turn in range(1, repeats + 1):
        for flight, each in figures.items():
            texts = questions.take(each.messages)
            half = texts[: max(1, len(texts) // 2)]
            before = bare_loop(half)
            answer, spent = go(load, "chat", url, texts, flight, used)
            after = bare_loop(half)
            each.add(answer, *spent)
            bare_cpu, bare_rate = mean((before[0], after[0])), mean((before[1], after[1]))
            for name, value in (
                ("bare_cpu_ms", bare_cpu),
                ("bare_per_second", bare_rate),
                ("cpu", (each.cpu_ms[-1] + each.database_cpu_ms[-1]) / bare_cpu),
                ("rate", each.per_second[-1] / bare_rate),
            ):
                each.times.setdefault(name, []).append(value)
            say(f"  {turn} of {repeats}: {flight} in flight, {each.per_second[-1]:.1f} messages/s")
    return list(figures.values())


def in_turns(
    load: Commanded,
    servers: dict[str, tuple[str, str, Any]],
    questions: Questions,
    flight: int,
    messages: int,
    repeats: int,
    say: Callable[[str], None],
) -> dict[str, Figures]:
    """Several servers, all with the same texts, and another one first each time.

    `servers`: name -> (client, url, what counts its CPU).
    """
    figures = {name: Figures(messages, flight) for name in servers}
    texts = questions.take(flight)
    for client, url, used in servers.values():
        go(load, client, url, texts, flight, used)
    order = list(servers)
    for turn in range(1, repeats + 1):
        texts = questions.take(messages)
        for name in order:
            client, url, used = servers[name]
            answer, spent = go(load, client, url, texts, flight, used)
            figures[name].add(answer, *spent)
            say(f"  {turn} of {repeats}: {name}, {figures[name].per_second[-1]:.1f} messages/s")
        order.reverse()
    return figures
