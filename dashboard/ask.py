"""Ask: what the agent would do with a question, and everything it rests on; nothing is stored and nothing is sent."""

from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response

from dashboard.auth import Acting, Who, needs
from dashboard.grounds import Grounds
from dashboard.grounds import read as read_grounds
from dashboard.pages import DeskRoute, by_htmx, context_of, render
from service.agent import Asked
from service.agent import Response as Answered
from service.flow import clean
from service.models import Decision

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
    cut: list[str]


@dataclass(frozen=True)
class Outcome:
    """What the agent would do."""

    does: str
    text: str  # what the customer would read
    grounds: Grounds
    drafts: list[Draft]
    several: bool
    more: list[Grounds]  # of each further question of the message


DOES = {
    "answer": "It would answer.",
    "clarify": "It would ask back.",
    "escalate": "It would call for a person.",
}


@router.get("/ask", dependencies=ASK)
async def form(request: Request, who: Who) -> Response:
    return render(request, "ask.html", who=who, question="", sentence="", outcome=None, most=MOST)


@router.post("/ask", dependencies=ASK)
async def ask(request: Request, who: Acting, question: Annotated[str, Form()] = "") -> Response:
    """Posted, not in an address: what is asked here may be a customer's words, and addresses are logged."""
    question = clean(question).replace("\r\n", "\n").strip()
    sentence, outcome = "", None
    if not question:
        sentence = "Type a question first."
    elif len(question) > MOST:
        sentence = f"A question has at most {MOST:,} characters and this one {len(question):,}."
    else:
        outcome = read(await context_of(request).agent.respond(Asked(question)))
    name = "_outcome.html" if by_htmx(request) else "ask.html"
    return render(
        request,
        name,
        409 if sentence else 200,
        who=who,
        question=question,
        sentence=sentence,
        outcome=outcome,
        most=MOST,
    )


def read(answered: Answered) -> Outcome:
    """What was decided, ready to be read."""
    record = answered.record
    parts: list[dict[str, Any]] = record.get("parts") or [record]
    first, *more = (_grounds(answered, record | part) for part in parts)
    return Outcome(
        does=DOES.get(first.verdict, first.verdict),
        text=record.get("text") or answered.verdict.text,
        # What was searched for is told where it is not the question itself.
        grounds=replace(first, searched="" if first.searched == record.get("question") else first.searched),
        drafts=[draft for part in parts if (draft := _draft(part, len(parts) > 1))],
        several=len(parts) > 1,
        more=list(more),
    )


def _grounds(answered: Answered, record: dict[str, Any]) -> Grounds:
    decision = Decision(  # type: ignore[call-arg]
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
    return Draft(part.get("question", "") if several else "", sentences, list(draft.get("cut") or []))
