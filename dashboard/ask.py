"""Ask: what the agent would do with a question, and everything it rests on; nothing is sent to a customer."""

from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response

from dashboard.auth import Acting, SignedIn, Who, needs
from dashboard.grounds import Grounds
from dashboard.grounds import read as read_grounds
from dashboard.pages import DeskRoute, by_htmx, context_of, render
from service import rehearsal, spending
from service.agent import Asked
from service.agent import Response as Answered
from service.context import Context
from service.models import Decision
from service.storable import clean

router = APIRouter(prefix="/desk", route_class=DeskRoute)
ASK = needs("ask the agent")
#: Characters: as much as a customer would write in one message.
MOST = 4_000


@dataclass(frozen=True)
class Sentence:
    """One sentence of the draft with the passage it stands in."""

    text: str
    slug: str
    title: str
    version: object
    heading: str


@dataclass(frozen=True)
class Draft:
    """What was drafted for one question of the message. `cut`: sentences that no passage holds."""

    question: str
    sentences: list[Sentence]
    cut: list[tuple[str, str]]  # with the reason


@dataclass(frozen=True)
class Consulted:
    """What came of asking Claude too. `cut`: what it wrote and would not be sent, with the reason."""

    notice: str
    cut: list[tuple[str, str]]
    cost: str  # in words; empty if it was not asked
    alone: str  # what the customer would read without Claude; empty where that is what they read


@dataclass(frozen=True)
class Claude:
    """What is said before Claude is asked: who would write, and what it may cost."""

    model: str
    message: float
    day: float
    spent: float


@dataclass(frozen=True)
class Outcome:
    """What the agent would do."""

    does: str
    text: str  # what the customer would read
    grounds: Grounds
    drafts: list[Draft]
    several: bool
    more: list[Grounds]  # of each further question of the message
    claude: Consulted | None = None


DOES = {
    "answer": "It would answer.",
    "clarify": "It would ask back.",
    "escalate": "It would call for a person.",
}


@router.get("/ask", dependencies=ASK)
async def form(request: Request, who: Who) -> Response:
    return await _page(request, who, "")


@router.post("/ask", dependencies=ASK)
async def ask(
    request: Request, who: Acting, question: Annotated[str, Form()] = "", by: Annotated[str, Form()] = ""
) -> Response:
    """Posted, not in an address: what is asked here may be a customer's words, and addresses are logged."""
    context = context_of(request)
    question = clean(question).replace("\r\n", "\n").strip()
    if not question:
        return await _page(request, who, question, "Type a question first.")
    if len(question) > MOST:
        sentence = f"A question has at most {MOST:,} characters and this one {len(question):,}."
        return await _page(request, who, question, sentence)
    if by != "claude":
        return await _page(request, who, question, outcome=read(await context.agent.respond(Asked(question))))
    try:
        answered = await rehearsal.rehearse(context, Asked(question), who.staff)
    except rehearsal.NotPossible as error:
        return await _page(request, who, question, str(error))
    return await _page(request, who, question, outcome=replace(read(answered), claude=consulted(answered)))


async def _page(
    request: Request, who: SignedIn, question: str, sentence: str = "", outcome: Outcome | None = None
) -> Response:
    status = 409 if sentence else 200
    values = {"who": who, "question": question, "sentence": sentence, "outcome": outcome, "most": MOST}
    if by_htmx(request):
        return render(request, "_outcome.html", status, **values)
    return render(request, "ask.html", status, claude=await _claude(context_of(request)), **values)


async def _claude(context: Context) -> Claude | None:
    claude = context.agent.claude
    if claude is None:
        return None
    spent = await spending.spent(context.db, None)
    return Claude(claude.model.name, claude.budget.message, claude.budget.day, spent.day)


def read(answered: Answered) -> Outcome:
    """What was decided, ready to be read."""
    record = answered.record
    parts: list[dict[str, Any]] = record.get("parts") or [record]
    first, *more = (_grounds(answered, record | part) for part in parts)
    # Claude writes one draft, whatever was asked.
    drafted = [record] if (record.get("claude") or {}).get("then") == "send" else parts
    return Outcome(
        does=DOES.get(first.verdict, first.verdict),
        text=record.get("text") or answered.verdict.text,
        # What was searched for is told where it is not the question itself.
        grounds=replace(first, searched="" if first.searched == record.get("question") else first.searched),
        drafts=[draft for part in drafted if (draft := _draft(part, len(drafted) > 1))],
        several=len(parts) > 1,
        more=list(more),
    )


def consulted(answered: Answered) -> Consulted:
    """What Claude had to do with it."""
    record = answered.record
    claude = record.get("claude")
    if claude is None:
        never = "Claude was not asked: where the articles do not answer well enough, it never is. It cost nothing."
        return Consulted(never, [], "", "")
    stand_in = (record.get("stand_in") or {}).get("sentences") or []
    return Consulted(
        notice=claude["notice"],
        cut=[(each["text"], each["why"]) for each in claude.get("cut") or []],
        cost=_cost(record.get("usage")),
        alone=" ".join(each["text"] for each in stand_in),
    )


def _cost(usage: dict[str, Any] | None) -> str:
    if usage is None:
        return ""
    read = usage["input"] + usage["cache_read"] + usage["cache_write"]
    about = "About " if usage.get("estimated") else ""
    tokens = f"{about}{read:,} tokens were read and {usage['output']:,} written"
    return f"{tokens}, for ${usage['cost_usd']:.4f}. It counts against the day's limit."


def _grounds(answered: Answered, record: dict[str, Any]) -> Grounds:
    decision = Decision(
        id=0,
        conversation_id=0,
        verdict=type(answered.verdict).__name__.lower(),
        reason=answered.verdict.reason,
        confidence=answered.confidence,
        threshold=answered.threshold,
        record=record,
    )
    return read_grounds(decision)


def _draft(part: dict[str, Any], several: bool) -> Draft | None:
    draft = part.get("draft")
    if not draft:
        return None
    sentences = [
        Sentence(
            each["text"],
            (rest := each.get("evidence") or {}).get("slug", ""),
            rest.get("title", ""),
            rest.get("version"),
            rest.get("heading", ""),
        )
        for each in draft.get("sentences") or []
    ]
    # What was cut of Claude's words is told with Claude's part.
    cut = [] if part.get("claude") else [(text, "no passage holds it") for text in draft.get("cut") or []]
    return Draft(part.get("question", "") if several else "", sentences, cut)
