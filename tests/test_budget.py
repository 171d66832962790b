"""What Claude may cost: limits, prices, and what was spent, counted from the stored decisions."""

import functools
import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from sqlmodel import col, select

from service import saying, spending
from service.agent import Answer, Asked
from service.agent.budget import Budget, Model, Spent, Usage, at_most, cost, priced_models, refusal
from service.evaluation import evaluate, print_scorecard
from service.models import Conversation, Customer, Decision, Identity
from service.settings import Settings
from tests.claude_kit import BUDGET, QUESTION, agent_at, ask, good, make_claude
from tests.claude_stand_in import KEY, cite, message, said
from tests.flow_kit import make_context, settle_all, write
from tests.test_commands import firstline
from tests.test_scorecard import small_pack

pytestmark = pytest.mark.anyio

# --- money -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spent", "budget", "staff"),
    [
        (Spent(0.1999, 0.3), BUDGET, "CLAUDE_USD_PER_CONVERSATION"),
        (Spent(0.0, 4.9999), BUDGET, "CLAUDE_USD_PER_DAY"),
        (Spent(), Budget(0.0001, 0.2, 5.0, 500), "CLAUDE_USD_PER_MESSAGE"),
    ],
)
async def test_past_a_limit_nothing_is_asked_and_staff_read_which(
    stand_in: Any, spent: Spent, budget: Budget, staff: str
) -> None:
    asked: list[int | None] = []

    async def so_far(conversation_id: int | None) -> Spent:
        asked.append(conversation_id)
        return spent

    server = stand_in(good)
    response = await ask(server.url, spent=so_far, budget=budget)
    assert server.requests == []
    assert asked == [7]
    assert isinstance(response.verdict, Answer)
    assert staff in response.verdict.reason
    assert "quoted instead" in response.verdict.reason


def test_a_reply_that_may_cost_too_much_is_refused_by_the_most_it_may_cost() -> None:
    dear = Model("dear", 1.0, 10.0, 0.1, 1.25, 100_000)
    most = at_most("x" * 3000, 500)
    assert cost(dear, most) == pytest.approx((1001 * 1.25 + 500 * 10) / 1e6)
    assert refusal(Budget(0.01, 1, 1, 500), dear, most, Spent()) is None
    assert "CLAUDE_USD_PER_MESSAGE" in (refusal(Budget(0.005, 1, 1, 500), dear, most, Spent()) or "")
    assert "too long" in (refusal(BUDGET, dear, Usage(cache_write=100_001), Spent()) or "")


def test_the_prices_have_a_date_and_the_default_model_a_price() -> None:
    import datetime

    from service.agent.budget import MODELS

    told = json.loads(MODELS.read_text())
    datetime.date.fromisoformat(told["as_of"])
    for name, prices in told["models"].items():
        assumed = " ".join(told["assumed"])
        # What holds by a ratio is said to be assumed, and is what it is said to be.
        assert prices["cache_read"] == pytest.approx(prices["input"] / 10), name
        assert prices["cache_write"] == pytest.approx(prices["input"] * 1.25), name
        assert all(figure in assumed for figure in ("cache_read", "cache_write"))
        assert f"most_input of {name}" in told["from_the_list"] or name in assumed
    assert Settings(_env_file=None).claude_model in priced_models()
    with pytest.raises(ValueError, match="its price is not known"):
        Settings(_env_file=None, claude_model="claude-1")


async def test_what_was_spent_is_counted_from_the_stored_decisions(db: Any) -> None:
    async with db.write() as session:
        customer = Customer()
        session.add(customer)
        await session.flush()
        identity = Identity(customer_id=customer.id, channel="sink", external_id="a")
        session.add(identity)
        await session.flush()
        made = [
            Conversation(customer_id=customer.id, identity_id=identity.id, channel="sink", thread=name) for name in "ab"
        ]
        session.add_all(made)
        await session.flush()
        one, two = (conversation.id for conversation in made)
        now = time.time()
        for conversation, cost, at in (
            (one, 0.01, now),
            (one, 0.02, now - 3 * 24 * 3600),
            (two, 0.04, now - 3600),
            (two, 0.08, now - 25 * 3600),
            (one, None, now),
        ):
            session.add(
                Decision(conversation_id=conversation, verdict="answer", reason="", cost_usd=cost, created_at=at)
            )
    assert await spending.spent(db, one) == Spent(pytest.approx(0.03), pytest.approx(0.05))
    assert await spending.spent(db, None) == Spent(0.0, pytest.approx(0.05))


async def test_a_conversation_is_answered_by_claude_until_its_money_is_spent(stand_in: Any, db: Any) -> None:
    usage = {"input_tokens": 4000, "output_tokens": 80}  # $0.00044

    def dear(body: dict[str, Any]) -> dict[str, Any]:
        text = "You can return outlet goods within 14 days of delivery."
        return (good(body) if len(server.requests) != 2 else message(said(text, cite(body, "14 days")))) | {
            "usage": usage
        }

    server = stand_in(dear)
    spent = functools.partial(spending.spent, db)
    budget = Budget(message=0.02, conversation=0.001, day=5.0, max_tokens=500)
    context = make_context(db)
    async with agent_at(server.url, spent=spent, budget=budget) as agent:
        context.agent = agent
        for thread in ("one", "one", "one", "two"):
            await write(context, QUESTION, thread=thread)
            await settle_all(context)
    async with db.read() as session:
        decisions = list((await session.exec(select(Decision).order_by(col(Decision.id)))).all())
    # The third finds the money spent; another conversation has its own.
    assert [bool(each.record["usage"]) for each in decisions] == [True, True, False, True]
    assert [each.cost_usd for each in decisions] == [(each.record["usage"] or {}).get("cost_usd") for each in decisions]
    assert [each.verdict for each in decisions] == ["answer"] * 4
    assert "this conversation has cost $0.0009, and CLAUDE_USD_PER_CONVERSATION" in decisions[2].reason
    assert len(server.requests) == 3


async def test_a_fault_after_the_reply_does_not_pay_for_another_one(
    stand_in: Any, db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = stand_in(good)
    context = make_context(db)
    conclude, failed = saying.conclude, []

    async def fails_twice(*given: Any, **more: Any) -> Any:
        if len(failed) < 2:
            failed.append(len(server.requests))
            raise RuntimeError("the decision cannot be stored")
        return await conclude(*given, **more)

    monkeypatch.setattr(saying, "conclude", fails_twice)
    async with agent_at(server.url, spent=functools.partial(spending.spent, db)) as agent:
        context.agent = agent
        await write(context, QUESTION)
        for _ in range(3):
            async with db.write() as session:
                for each in (await session.exec(select(Conversation))).all():
                    each.ready_at = 0.0
            await settle_all(context)
        async with db.read() as session:
            (decision,) = (await session.exec(select(Decision))).all()
        assert failed == [1, 1], "it was asked, and the reply was lost"
        assert len(server.requests) == 1
        assert decision.verdict == "answer"
        assert "an answer was begun before" in decision.reason
        assert "quoted instead" in decision.reason
        # The next message has its own call.
        await write(context, "how many working days do parcels to Ireland take?")
        await settle_all(context)
    assert len(server.requests) == 2


async def test_evaluate_says_what_claude_costs(stand_in: Any, tmp_path: Path, embedder: Any) -> None:
    def first(body: dict[str, Any]) -> dict[str, Any]:
        block = body["messages"][0]["content"][0]["content"][0]["text"]
        return message(said(block, cite(body, block)))

    server = stand_in(first)
    result = await evaluate(
        small_pack(tmp_path), embedder=embedder, make_claude=lambda spent: make_claude(server.url, spent=spent)
    )
    figures = result["claude"]
    assert figures["messages"] == 4
    assert figures["calls"] == len(server.requests) > 0
    assert figures["calls_a_message"] == figures["calls"] / 4
    assert figures["cost_usd"] == pytest.approx(figures["calls"] * 0.0001445, abs=1e-6)
    out = io.StringIO()
    print_scorecard(result, Console(file=out, width=400))
    assert f"{figures['calls']} calls for 4 messages" in out.getvalue()
    assert f"${figures['cost_a_message_usd']:.6f} a message" in out.getvalue()


def test_the_command_says_whether_claude_is_on_and_what_turns_it_on(tmp_path: Path) -> None:
    off = firstline("check", data=tmp_path)
    assert "Claude is off" in off.stdout
    assert "ANTHROPIC_API_KEY turns it on" in off.stdout
    on = firstline("check", data=tmp_path, ANTHROPIC_API_KEY=KEY)
    assert "claude-haiku-5-5 writes the answers, for at most $0.02 a message" in on.stdout
    assert KEY not in on.stdout + on.stderr
    unknown = firstline("check", data=tmp_path, CLAUDE_MODEL="claude-1")
    assert unknown.returncode == 2
    assert "CLAUDE_MODEL" in unknown.stdout
    without = firstline("evaluate", str(tmp_path), "--claude", data=tmp_path)
    assert without.returncode == 2
    assert "ANTHROPIC_API_KEY" in without.stdout


async def test_what_is_asked_outside_a_conversation_costs_nothing(stand_in: Any) -> None:
    """The desk's "Ask" stores no decision, so nobody would count what it spends."""
    server = stand_in(good)
    async with agent_at(server.url) as agent:
        response = await agent.respond(Asked(QUESTION))
    assert isinstance(response.verdict, Answer)
    assert server.requests == []
