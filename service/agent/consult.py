"""How Claude's word counts: it may put a good answer better, or call for a person; never answer what was not sure."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from knowledge.passage import Passage
from service.agent import outcomes, words
from service.agent.cited import Cut, standing
from service.agent.evidence import Draft, describe
from service.agent.policy import Answer, Escalate, Part, decide
from service.steps import Steps

if TYPE_CHECKING:
    from service.agent import Asked, Examined, Response
    from service.agent.claude import Claude

#: Passages of one question that are sent: the answer is among the first, and each more costs tokens.
MOST_SENT = 5
#: Those that are quoted are sent too, as far down as a decision's record keeps passages.
MOST_RECORDED = 10


def chosen(examined: "Examined") -> list[tuple[int, int]]:
    """(part, place) of the passages that are sent: the best of each question and all that was quoted, each once."""
    found: dict[int, tuple[int, int]] = {}
    for number, part in enumerate(examined.parts):
        quoted = [each.passage for each in part.draft.sentences] if part.draft else []
        for place in range(min(max(MOST_SENT, *(each + 1 for each in quoted), 0), MOST_RECORDED)):
            if place < len(part.found.passages):
                found.setdefault(part.found.passages[place].chunk_id, (number, place))
    return sorted(found.values())


async def consult(
    claude: "Claude",
    asked: "Asked",
    examined: "Examined",
    response: "Response",
    sure: float,
    company: str,
    steps: Steps,
) -> "Response":
    """The response with Claude's word counted in. `response` is what the articles alone would answer, `sure` of it."""
    if not isinstance(response.verdict, Answer) or not examined.parts:
        return response
    places = chosen(examined)
    passages = [examined.parts[part].found.passages[place] for part, place in places]
    with steps("claude") as step:
        if asked.begun_before:  # else a fault that comes back would pay for a reply each time, and nobody would count
            consulted = claude.pass_over()
        else:
            consulted = await claude.write(examined.screened.text, asked.history, passages, asked.conversation_id)
        step.note(then=consulted.outcome.then, cost_usd=(consulted.usage or {}).get("cost_usd"))
    draft = consulted.draft
    if draft:
        draft, cut = _as_measured(draft, passages, examined)
        consulted = replace(consulted, cut=(*consulted.cut, *cut))
        consulted.record["cut"] += [asdict(each) for each in cut]
        if draft is None:
            elsewhere = outcomes.ELSEWHERE
            consulted.record.update(then=elsewhere.then, notice=claude.say(elsewhere))
            consulted = replace(consulted, outcome=elsewhere, notice=claude.say(elsewhere))
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
        "seconds": record["seconds"] | {"claude": round(step.seconds, 6)},
        "verdict": type(verdict).__name__.lower(),
        "text": verdict.text,
        "reason": verdict.reason,
    }
    return replace(response, verdict=verdict, record=record)


def _as_measured(draft: Draft, passages: Sequence[Passage], examined: "Examined") -> tuple[Draft | None, list[Cut]]:
    """The sentences that rest on the articles whose confidence was measured, and the others.

    None if a question of the message is left without one.
    """
    measured = [
        {part.found.passages[each.passage].slug for each in part.draft.sentences} if part.draft else set()
        for part in examined.parts
    ]
    known = set[str]().union(*measured)
    unmeasured = "the confidence of its article was not measured"
    about = [{passages[place].slug for place, _ in each.evidence} for each in draft.sentences]
    kept, cut = standing(
        [(each, None if slugs <= known else unmeasured) for each, slugs in zip(draft.sentences, about, strict=True)]
    )
    used = {passages[place].slug for each in kept for place, _ in each.evidence}
    whole = all(slugs & used for slugs in measured)
    return (replace(draft, sentences=tuple(kept)) if whole else None), cut


def _cut_in_words(number: int) -> str:
    return "One sentence of it was cut." if number == 1 else f"{number} sentences of it were cut."
