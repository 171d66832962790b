"""What Claude costs and how often its words stand, measured on the test questions of a pack."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from service.agent import Agent, Answer, Asked, Examined
from service.agent.budget import Spent
from service.agent.claude import Claude
from service.agent.consult import consult
from service.evaluation.datasets import Question

MakeClaude = Callable[[Callable[[int | None], Awaitable[Spent]]], Claude | None]


async def ask_claude(
    examined: Sequence[tuple[Question, Examined]],
    agent: Agent,
    make_claude: MakeClaude,
    show: Callable[[int, int, str], None],
) -> dict[str, Any] | None:
    """The figures of asking Claude for each of these messages, as in service; the limit of a day holds for the run."""
    total, calls, cut, elsewhere = 0.0, 0, 0, 0
    outcomes: Counter[str] = Counter()

    async def spent(conversation_id: int | None) -> Spent:
        return Spent(0.0, total)

    claude = make_claude(spent)
    if claude is None:
        return None
    try:
        for number, (question, each) in enumerate(examined, 1):
            asked = Asked(question.text, question.history)
            alone = agent.conclude(asked, each)
            sure = min((agent.sure(part) for part in each.parts), default=0.0)
            response = await consult(claude, asked, each, alone, sure, agent.company, agent.steps)
            show(number, len(examined), "Asking Claude")
            record = response.record.get("claude")
            outcomes[record["then"] if record else "not asked"] += 1
            usage = response.record.get("usage")
            calls, total = calls + bool(usage), total + (usage or {}).get("cost_usd", 0.0)
            cut += len((record or {}).get("cut", ()))
            if record and record["then"] == "send" and isinstance(response.verdict, Answer):
                elsewhere += any(slug not in question.articles for slug, _ in response.verdict.sources)
    finally:
        await claude.close()
    messages = len(examined)
    return {
        "model": claude.model.name,
        "messages": messages,
        "calls": calls,
        "calls_a_message": calls / messages if messages else 0.0,
        "cost_usd": round(total, 6),
        "cost_a_message_usd": round(total / messages, 8) if messages else 0.0,
        "cost_a_call_usd": round(total / calls, 8) if calls else 0.0,
        "outcomes": dict(outcomes),
        "sentences_cut": cut,
        "written_from_another_article": elsewhere,
    }
