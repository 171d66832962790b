"""What a model call costs and whether it may be made: prices, limits and the reckoning between them (pure)."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MODELS = Path(__file__).with_name("models.json")
MILLION = 1_000_000
#: English has four bytes to a token and more; three are reckoned, so that an estimate errs upwards.
BYTES_PER_TOKEN = 3


@dataclass(frozen=True)
class Model:
    """A model and its prices in US dollars per million tokens, which hold up to `most_input` prompt tokens."""

    name: str
    input: float
    output: float
    cache_read: float
    cache_write: float
    most_input: int


@dataclass(frozen=True)
class Usage:
    """Tokens of one call. `estimated`: nobody told us, so the most that it can have been is counted."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    estimated: bool = False


@dataclass(frozen=True)
class Budget:
    """What may be spent, in US dollars, and the most tokens of one reply."""

    message: float
    conversation: float
    day: float
    max_tokens: int


@dataclass(frozen=True)
class Spent:
    """US dollars spent so far: on one conversation, and by everybody in the last 24 hours."""

    conversation: float = 0.0
    day: float = 0.0


def priced_models(path: Path = MODELS) -> dict[str, Model]:
    """The models whose prices are known, by name."""
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return {name: Model(name, **prices) for name, prices in data["models"].items()}


def cost(model: Model, usage: Usage) -> float:
    """US dollars."""
    return (
        usage.input * model.input
        + usage.output * model.output
        + usage.cache_read * model.cache_read
        + usage.cache_write * model.cache_write
    ) / MILLION


def at_most(request: str, max_tokens: int) -> Usage:
    """The most that a call with this request, as text, can use: all of it written to the cache, and a full reply."""
    return Usage(cache_write=len(request.encode()) // BYTES_PER_TOKEN + 1, output=max_tokens, estimated=True)


def refusal(budget: Budget, model: Model, usage: Usage, spent: Spent) -> str | None:
    """Why a call of at most this usage must not be made, in a sentence for staff; None if it may."""
    worst = cost(model, usage)
    if usage.input + usage.cache_write > model.most_input:
        return f"{model.name} was not asked: the message is too long for its known price."
    if worst > budget.message:
        return (
            f"{model.name} was not asked: one reply may cost ${worst:.4f}, and CLAUDE_USD_PER_MESSAGE "
            f"allows ${budget.message:g}."
        )
    if spent.conversation + worst > budget.conversation:
        return (
            f"{model.name} was not asked: this conversation has cost ${spent.conversation:.4f}, and "
            f"CLAUDE_USD_PER_CONVERSATION allows ${budget.conversation:g}."
        )
    if spent.day + worst > budget.day:
        return (
            f"{model.name} was not asked: ${spent.day:.2f} was spent in the last 24 hours, and CLAUDE_USD_PER_DAY "
            f"allows ${budget.day:g}."
        )
    return None


def describe(model: Model, usage: Usage) -> dict[str, Any]:
    """The usage as a decision's record keeps it."""
    counts = {
        "input": usage.input,
        "output": usage.output,
        "cache_read": usage.cache_read,
        "cache_write": usage.cache_write,
    }
    return {**counts, "cost_usd": round(cost(model, usage), 8)} | ({"estimated": True} if usage.estimated else {})
