"""How Claude's word counts: it may put a good answer better, or call for a person; never answer what was not sure ."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from knowledge.passage import Passage
from service.agent import outcomes, words
from service.agent.evidence import Draft, describe
from service.agent.policy import Answer, Escalate, Part, decide

if TYPE_CHECKING:
    from service.agent import Asked, Examined, Response
    from service.agent.claude import Claude

#: Passages of one question that are sent: the answer is among the first, and each more costs tokens.
MOST_SENT = 5


def chosen(examined: "Examined") -> list[tuple[int, int]]:
    """(part, place) of the passages that are sent: the best of each question and all that was quoted, each once."""
    found: dict[int, tuple[int, int]] = {}
    for number, part in enumerate(examined.parts):
        quoted = [each.passage for each in part.draft.sentences] if part.draft else []
        for place in range(max(MOST_SENT, *(each + 1 for each in quoted), 0)):
            if place < len(part.found.passages):
                found.setdefault(part.found.passages[place].chunk_id, (number, place))
    return sorted(found.values())


async def consult(
    claude: "Claude", asked: "Asked", examined: "Examined", response: "Response", sure: float, company: str
) -> "Response":
    """The response with Claude's word counted in. `response` is what the articles alone would answer, `sure` of it."""
    if not isinstance(response.verdict, Answer) or not examined.parts:
        return response
    began = time.perf_counter()
    places = chosen(examined)
    passages = [examined.parts[part].found.passages[place] for part, place in places]
    consulted = await claude.write(examined.screened.text, asked.history, passages, asked.conversation_id)
    draft = consulted.draft
    if draft and not _as_measured(draft, passages, examined):
        elsewhere = outcomes.ELSEWHERE
        consulted.record.update(then=elsewhere.then, notice=claude.say(elsewhere))
        consulted = replace(consulted, outcome=elsewhere, notice=claude.say(elsewhere), draft=None)
        draft = None
    record = response.record | {"claude": consulted.record, "usage": consulted.usage}
    if draft:
        part = Part(examined.screened.text, draft, tuple(passages), sure)
        said = [text for author, text in asked.history if author == "agent"]
        verdict: Any = decide(examined.screened, (part,), response.threshold or 0.0, company=company, said=said)
        more = [consulted.notice, *([_cut_in_words(len(consulted.cut))] if consulted.cut else [])]
        verdict = replace(verdict, reason=" ".join([verdict.reason, *more]))
        record |= {
            "draft": describe(draft, passages) | {"cut": [each.text for each in consulted.cut]},
            "stand_in": response.record["draft"],
        }
        if len(examined.parts) > 1:
            record["passages"] = [response.record["parts"][part]["passages"][place] for part, place in places]
    elif consulted.outcome.then == "person":
        verdict = Escalate(words.not_sure(company), f"{consulted.notice} {response.verdict.reason}")
    else:
        verdict = replace(
            response.verdict, reason=f"{response.verdict.reason} {consulted.notice} The articles are quoted instead."
        )
    if draft or consulted.outcome.then == "person":
        record |= {"model_version": claude.model.name, "prompt_version": consulted.record["prompt_version"]}
    record |= {
        "seconds": record["seconds"] | {"claude": round(time.perf_counter() - began, 6)},
        "verdict": type(verdict).__name__.lower(),
        "text": verdict.text,
        "reason": verdict.reason,
    }
    return replace(response, verdict=verdict, record=record)


def _as_measured(draft: Draft, passages: Sequence[Passage], examined: "Examined") -> bool:
    """Whether for each question something rests on an article of the draft whose confidence was measured."""
    slugs = {passages[place].slug for each in draft.sentences for place, _ in each.evidence}
    for part in examined.parts:
        measured = {part.found.passages[each.passage].slug for each in part.draft.sentences} if part.draft else set()
        if not measured & slugs:
            return False
    return True


def _cut_in_words(number: int) -> str:
    return "One sentence of it was cut." if number == 1 else f"{number} sentences of it were cut."
