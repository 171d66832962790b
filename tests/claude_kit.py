"""A help centre of two articles, an agent as confident as it is told to be, and Claude's stand-in behind it."""

import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

from pydantic import SecretStr

from knowledge.passage import Found
from service.agent import Agent, Asked, Response
from service.agent.budget import Budget, Spent, priced_models
from service.agent.claude import Claude
from service.agent.confidence import Confidence
from service.agent.connection import make_client
from tests.claude_stand_in import KEY, cite, message, said
from tests.passages import found, passage

RETURNS = """\
Outlet goods can be returned within 14 days of delivery. They must be unused and in their box.
A return label costs €6.50.

## Exceptions

Opened coffee cannot be returned. Write to returns@acme.example or use https://acme.example/returns for help.
"""
SHIPPING = """\
Parcels to Ireland take 3 working days. Parcels to France take 5 working days.
"""
QUESTION = "how many days do I have to return outlet goods?"
QUOTED = "Outlet goods can be returned within 14 days of delivery."
BUDGET = Budget(message=0.02, conversation=0.2, day=5.0, max_tokens=500)
HAIKU = priced_models()["claude-haiku-5-5"]


class Shelf:
    """A knowledge base that finds the same passages whatever is asked."""

    async def search(self, question: str, history: Any = (), limit: int = 10) -> Found:
        passages = [
            passage("outlet", "Outlet returns", RETURNS, question=question, version=3),
            passage("shipping", "Shipping times", SHIPPING, question=question, score=0.5, version=2),
        ]
        return found(question, passages)


async def nothing_spent(conversation_id: int | None) -> Spent:
    return Spent()


def make_claude(url: str, *, seconds: float = 5.0, spent: Any = nothing_spent, budget: Budget = BUDGET) -> Claude:
    client = make_client(SecretStr(KEY), url, seconds)
    return Claude(client, HAIKU, budget, seconds=seconds, company="Acme", spent=spent)


def make_agent(claude: Claude | None, *, intercept: float = 3.0) -> Agent:
    """An agent that is as confident as it is told to be."""
    confidence = Confidence(("top",), (0.0,), (1.0,), (0.0,), intercept, (), "a test", "2026-01-01")
    return Agent(Shelf(), confidence, company="Acme", wrong_rate=0.05, threshold=0.8, claude=claude)


async def ask(url: str, text: str = QUESTION, history: Any = (), intercept: float = 3.0, **options: Any) -> Response:
    async with agent_at(url, intercept, **options) as agent:
        return await agent.respond(Asked(text, history, conversation_id=7))


@contextlib.asynccontextmanager
async def agent_at(url: str, intercept: float = 3.0, **options: Any) -> AsyncIterator[Agent]:
    """An agent that asks Claude there."""
    agent = make_agent(make_claude(url, **options), intercept=intercept)
    try:
        yield agent
    finally:
        await agent.close()


def good(body: dict[str, Any]) -> dict[str, Any]:
    """A reply that holds, in other words than the article's."""
    return message(
        said("You can return outlet goods within 14 days of delivery", cite(body, "14 days")),
        said(". "),
        said("A return label costs €6.50.", cite(body, "€6.50")),
    )


def gone() -> str:
    """An address where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"
