"""The figures, each with its definition: what it says, how it is counted, and what it does not say."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service import measures, waits
from service.db import Database
from service.measured import Measured, Scope
from service.models import Conversation


@dataclass(frozen=True)
class Figure:
    """One figure. `counted`: how, exactly; `missing`: what to say while there is nothing to measure."""

    name: str
    title: str
    unit: str
    definition: str
    counted: str
    missing: str
    measure: Callable[[AsyncSession, Scope], Awaitable[Measured]]
    warning: str = ""  # what must not be read into it


FIGURES: tuple[Figure, ...] = (
    Figure(
        "volume",
        "Volume",
        "messages and conversations a day",
        "How much customers write to us.",
        "Messages count on the day they came in; automatic mail, stop words and whatever else was ignored do not. A "
        "conversation counts once, on the day of its first message.",
        "No customer has written in this period.",
        measures.volume,
    ),
    Figure(
        "answered",
        "Answered by the agent",
        "share of the agent's decisions",
        "How often the agent answered a question itself, and how many conversations ended without a person.",
        "An answer counts when it was sent: one that was withdrawn because a person took over, or that failed, does "
        "not. Fixed replies to greetings and thanks are left out on both sides. A conversation has ended when staff "
        "resolved it, or when it is the agent's and nothing has happened in it for 24 hours; it needed no person if "
        "none was called for and none wrote. It counts on the day it began. An answer that was sent need not be right: "
        "see wrong by label.",
        "The agent has decided nothing in this period.",
        measures.answered,
    ),
    Figure(
        "escalated",
        "Escalated",
        "share of the agent's decisions",
        "How often the agent called for a person instead of answering, and why people were called for.",
        "The share is of the same decisions as above. The reasons are those of every call, also where the agent "
        "did not decide it: a reply that did not reach the customer, a customer who wrote again after it was resolved.",
        "Nobody was called for in this period.",
        measures.escalated,
    ),
    Figure(
        "wrong",
        "Wrong by label",
        "share of the labelled answers",
        "Of the answers that were sent and that staff labelled: the share labelled wrong, or as one that should have "
        "been a person's.",
        "Counted on the day of the answer. Where several people labelled the same answer, the latest label counts. The "
        "interval is Wilson's, at 95 %.",
        "Staff have not labelled any answer that was sent in this period.",
        measures.wrong,
        # Labels are given where somebody looks, and people look where something is odd.
        "Staff choose what they label, so these answers are not a random sample: the interval allows for how many they "
        "are, not for how they were chosen.",
    ),
    Figure(
        "agent",
        "First response by the agent",
        "seconds",
        "How long a customer waited for the agent: from the first message that nobody had replied to until the reply "
        "was sent.",
        "Every reply of the agent's to a message counts, on the day it was sent, the note that a person was called "
        "included. Messages without a reply so far are not in it.",
        "The agent has sent no reply in this period.",
        waits.for_agent,
    ),
    Figure(
        "person",
        "First response by a person",
        "seconds",
        "How long a customer waited for a person: from the first message that was a person's to answer until that "
        "reply was sent.",
        "Counted on the day of the reply. The agent's note that a person was called does not end the wait; any other "
        "reply does. Customers who wait now are not in it.",
        "No person has replied in this period.",
        waits.for_person,
    ),
    Figure(
        "taken",
        "Until a call is taken",
        "seconds",
        "How long it took from a call for a person until a member of staff took the conversation over.",
        "Counted on the day of the call. Calls that nobody took are not in the times: they wait now, or they were "
        "closed without a take-over.",
        "Nobody was called for in this period.",
        waits.until_taken,
    ),
    Figure(
        "cost",
        "Cost",
        "US dollars",
        "What the model's vendor charged, by the prices in service/agent/models.json. Answers that quote the articles "
        "cost nothing.",
        "The cost of every decision counts on its day, whether or not its words were sent. It is divided by the "
        "customers' messages that were answered with an answer that was sent.",
        "Nothing was answered in this period, and nothing was charged.",
        measures.cost,
    ),
)


async def measure(db: Database, scope: Scope) -> list[tuple[Figure, Measured]]:
    """Every figure for the scope, in the order they are read."""
    async with db.read() as session:
        return [(figure, await figure.measure(session, scope)) for figure in FIGURES]


async def topics(db: Database) -> list[str]:
    """The topics that conversations have had."""
    query = select(Conversation.topic).where(Conversation.topic != "").distinct().order_by(col(Conversation.topic))
    async with db.read() as session:
        return list((await session.exec(query)).all())
