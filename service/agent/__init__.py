"""The agent: one message in, one verdict out, and the record of everything it was made from."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from knowledge.passage import Found
from service.agent import words
from service.agent.answer import draft as draft_answer
from service.agent.confidence import Confidence, facts_of, together
from service.agent.consult import consult
from service.agent.evidence import Draft, check, describe
from service.agent.parts import in_light_of
from service.agent.policy import MOST_QUESTIONS, Answer, Clarify, Escalate, Part, Verdict, decide
from service.agent.screen import Screened, gist, questions, screen
from service.agent.secrets import redact
from service.steps import Steps

if TYPE_CHECKING:
    from knowledge import Knowledge
    from service.agent.claude import Claude

__all__ = [
    "Agent",
    "Answer",
    "Asked",
    "Clarify",
    "Confidence",
    "Escalate",
    "Examined",
    "Response",
    "Searched",
    "failed",
]

#: What the record keeps of a passage's text that a long article would otherwise fill it with.
MOST_PASSAGES = 10
#: Questions of one message that are searched: enough to see that there are more than can be answered.
MOST_SEARCHED = 4


@dataclass(frozen=True)
class Asked:
    """What the agent is to answer. `text`: the messages without an answer, one a line; `history`: (author, text)."""

    text: str
    history: tuple[tuple[str, str], ...] = ()  # author: customer | agent | person
    wants_person: bool = False  # the channel says so
    resumed: bool = False  # the customer has just said "never mind" while waiting for a person
    conversation_id: int | None = None  # whose budget it is
    begun_before: bool = False  # an answer was begun and not recorded, and so was what Claude may have cost


@dataclass(frozen=True)
class Searched:
    """One question of the message, with what was found and what could be said: everything but how sure that is."""

    question: str
    found: Found
    draft: Draft | None
    cut: tuple[str, ...]  # sentences that their passages do not hold
    facts: dict[str, float]


@dataclass(frozen=True)
class Examined:
    """A message up to the decision. `seconds`: of each step so far."""

    screened: Screened
    parts: tuple[Searched, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)

    def offered(self, whole: bool = False) -> bool:
        """Whether there is a draft for every question, so that confidence decides. `whole`: whatever can be quoted."""
        if whole:
            return bool(self.parts)
        quotable = all(part.draft and part.draft.sentences and not part.cut for part in self.parts)
        return 0 < len(self.parts) <= MOST_QUESTIONS and quotable


@dataclass(frozen=True)
class Response:
    """The verdict, and `record`: question, history, passages, facts, draft, reason and times, all of it JSON."""

    verdict: Verdict
    topic: str
    confidence: float | None
    threshold: float | None
    record: dict[str, Any]


class Agent:
    """Answers from the knowledge base when confident enough that it is right. Holds no state of any conversation."""

    def __init__(
        self,
        knowledge: "Knowledge",
        confidence: Confidence,
        *,
        company: str,
        wrong_rate: float,
        threshold: float | None = None,
        claude: "Claude | None" = None,
        steps: Steps | None = None,
    ) -> None:
        self.claude, self.steps = claude, steps or Steps()
        self.knowledge, self.confidence, self.company = knowledge, confidence, company
        self.threshold = confidence.threshold(wrong_rate).value if threshold is None else threshold

    async def respond(self, asked: Asked) -> Response:
        """Screen, search, draft, check, decide; and where the answer is good enough, let Claude put it better.

        Claude is only asked in a conversation: its cost is counted from the decisions that are stored there.
        """
        examined = await self.examine(asked)
        response = self.conclude(asked, examined)
        if self.claude is None or asked.conversation_id is None:
            return response
        sure = min((self.sure(part) for part in examined.parts), default=0.0)
        return await consult(self.claude, asked, examined, response, sure, self.company, self.steps)

    async def close(self) -> None:
        """Let go of what is held open."""
        if self.claude is not None:
            await self.claude.close()

    async def examine(self, asked: Asked) -> Examined:
        """Everything up to the decision, which alone needs the confidence."""
        with self.steps("screen") as step:
            # A long text takes the screen a while; the event loop has other customers.
            screened = await asyncio.to_thread(
                screen, asked.text, asked.history, wants_person=asked.wants_person, resumed=asked.resumed
            )
        seconds = {"screen": step.seconds, "search": 0.0, "draft": 0.0, "check": 0.0}
        if screened.kind != "question":
            return Examined(screened, (), seconds)
        text = gist(screened.text)
        several = questions(text)[:MOST_SEARCHED]
        whole = await self._search(text, asked.history, screened, seconds)
        if len(several) == 1:
            return Examined(screened, (whole,), seconds)
        # Each may lean on the other: "and how much is it?"
        history = (*asked.history, ("customer", text))
        parts = [await self._search(question, history, screened, seconds, whole.found) for question in several]
        # Several sentences often ask one thing; then it is answered as one.
        different = {_said(part): part for part in reversed(parts)}
        several_parts = tuple(part for part in parts if different.get(_said(part)) is part)
        return Examined(screened, several_parts if len(several_parts) > 1 else (whole,), seconds)

    async def examine_whole(self, asked: Asked) -> Examined:
        """As `examine`, but every message is taken as one question, whatever it says."""
        seconds = {"screen": 0.0, "search": 0.0, "draft": 0.0, "check": 0.0}
        screened = screen(asked.text, asked.history)
        return Examined(screened, (await self._search(screened.text, asked.history, screened, seconds),), seconds)

    async def _search(
        self,
        question: str,
        history: Sequence[tuple[str, str]],
        screened: Screened,
        seconds: dict[str, float],
        whole: Found | None = None,
    ) -> Searched:
        with self.steps("search") as searched:
            found = await self.knowledge.search(question, history)
            found = in_light_of(whole, found) if whole else found
            searched.note(passages=len(found.passages), revision=found.revision)
        with self.steps("draft") as drafted:
            proposed = draft_answer(question, found)
        with self.steps("check") as checking:
            checked, cut = check(proposed, found.passages) if proposed else (None, ())
            facts = facts_of(found.facts, checked.facts if checked else {}, screened.facts or {})
            checking.note(cut=len(cut))
        for step, took in (("search", searched), ("draft", drafted), ("check", checking)):
            seconds[step] += took.seconds
        return Searched(question, found, checked, cut, facts)

    def sure(self, searched: Searched) -> float:
        """How probable it is that a draft is right; no draft is surely none."""
        if searched.draft is None or not searched.draft.sentences or searched.cut:
            return 0.0
        return self.confidence.predict(searched.facts)

    def conclude(self, asked: Asked, examined: Examined) -> Response:
        """The decision on what was examined, and its record."""
        with self.steps("decide") as step:
            parts = tuple(
                Part(each.question, each.draft, each.found.passages, self.sure(each)) for each in examined.parts
            )
            said = [text for author, text in asked.history if author == "agent"]
            verdict = decide(examined.screened, parts, self.threshold, company=self.company, said=said)
            confidence = together([part.confidence for part in parts]) if parts else None
            step.note(verdict=type(verdict).__name__.lower(), confidence=confidence)
        seconds = examined.seconds | {"decide": step.seconds}
        record = _record(asked, examined, verdict, confidence, self.threshold, seconds)
        return Response(verdict, _topic(examined), confidence, self.threshold if parts else None, record)


def failed(asked: Asked, company: str, error: str) -> Response:
    """The honest line when something broke, and a person: needs nothing that could break too."""
    verdict = Escalate(words.broken(company), f"The agent failed ({error}); a person must answer.")
    record = _record(asked, Examined(Screened("failed", "")), verdict, None, None, {}) | {
        # Not screened, so it may hold a secret: the message itself is stored beside it.
        "question": "",
        "history": [],
        "error": error,
    }
    return Response(verdict, "", None, None, record)


def _said(searched: Searched) -> tuple[str, ...]:
    """The sentences of a draft, by which two are the same."""
    return tuple(each.text for each in searched.draft.sentences) if searched.draft else ()


def _topic(examined: Examined) -> str:
    """The topic of the nearest article, so that staff see what an escalation is about."""
    for part in examined.parts:
        if part.draft and part.draft.sentences:
            return part.found.passages[part.draft.sentences[0].passage].topic
        if part.found.passages:
            return part.found.passages[0].topic
    return ""


def _record(
    asked: Asked,
    examined: Examined,
    verdict: Verdict,
    confidence: float | None,
    threshold: float | None,
    seconds: dict[str, float],
) -> dict[str, Any]:
    parts = [_part_record(part) for part in examined.parts]
    first = parts[0] if parts else {"searched": "", "passages": [], "facts": {}, "draft": None, "revision": None}
    return {
        "question": examined.screened.text,
        "history": [{"author": author, "text": redact(text)[0]} for author, text in asked.history],
        "screen": {
            "kind": examined.screened.kind,
            "language": examined.screened.language,
            "secrets": list(examined.screened.secrets),
        },
        **{name: first[name] for name in ("searched", "passages", "facts", "draft", "revision")},
        "parts": parts if len(parts) > 1 else [],
        "confidence": confidence,
        "threshold": threshold,
        "verdict": type(verdict).__name__.lower(),
        "text": verdict.text,
        "reason": verdict.reason,
        "prompt_version": None,
        "model_version": None,
        "seconds": {step: round(took, 6) for step, took in seconds.items()},
    }


def _part_record(part: Searched) -> dict[str, Any]:
    passages = part.found.passages[:MOST_PASSAGES]
    return {
        "question": part.question,
        "searched": part.found.question,
        "passages": [
            {
                "slug": passage.slug,
                "title": passage.title,
                "article_id": passage.article_id,
                "version": passage.version,
                "heading": passage.heading,
                "text": passage.text,
                "score": float(passage.score),
                "dense": float(passage.dense),
                "lexical": float(passage.lexical),
                "phrase": float(passage.phrase),
            }
            for passage in passages
        ],
        "facts": {name: float(value) for name, value in part.facts.items()},
        "draft": describe(part.draft, part.found.passages) | {"cut": list(part.cut)} if part.draft else None,
        "revision": part.found.revision,
    }
