"""The extractive answer: the one to three sentences of an article that answer the question, in their order (pure)."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from knowledge.passage import Found, Passage
from service.agent.evidence import Draft, Quoted
from service.agent.layout import Laid, dangles, lay_out
from service.agent.siblings import Siblings
from service.agent.terms import content, count, words

MAX_SENTENCES = 3
MAX_WORDS = 60
#: Passages that sentences are taken from; further down nothing was ever right.
PASSAGES = 6

#: What a sentence's score is made of. `cosine`: of the sentence; `coverage`: the share of the question's words, weighed by
#: rarity, that sentence, heading and title hold; `passage`: the passage's share of the best score; `cue`: the kind of fact
#: that is asked for; `conflict`: it is about a sibling of what is asked about; `extra`: it is about a special case.
WEIGHTS = {"cosine": 1.0, "coverage": 0.35, "passage": 0.6, "cue": 0.08, "conflict": -0.25, "extra": -0.05}
#: How much worse than the best sentence one may be and still be said beside it.
NEAR_NEXT, NEAR_FAR = 0.22, 0.10

#: The facts of a draft, beside those of the search, that confidence is made of.
DRAFT_FACTS = (
    "draft_cosine",
    "draft_coverage",
    "draft_missing",
    "draft_cue",
    "draft_unmet",
    "draft_margin",
    "draft_agrees",
    "draft_conflict",
    "draft_extra",
)

_NUMBER = r"\d|\b(?:one|two|three|four|five|six|seven|ten|twelve|free|no (?:fee|charge|cost))\b"
_TIME = r"\b(?:seconds?|minutes?|hours?|days?|weeks?|months?|years?|mondays?|tuesdays?|wednesdays?|thursdays?|fridays?|"
_TIME += r"saturdays?|sundays?|once|at once|immediately|\d\d?:\d\d|daily|weekly|monthly|yearly)\b"
_MONEY = r"[€£$]|\b(?:eur|gbp|usd|euros?|pounds?|dollars?|free|per ?cent|%|cost|price|fee|charged?)\b|%"
_PLACE = r">|\b(?:in|at|under|on|from|to) (?:the |your |our )?[A-Z]|\b(?:page|menu|account|address|e-?mail|settings|base|link)\b"
#: Questions of a kind, and what a sentence that answers one holds.
_CUES = (
    (re.compile(r"\bhow (?:much|expensive)\b|\b(?:cost|price|fees?|charges?|charged)\b", re.I), re.compile(_MONEY, re.I)),
    (
        re.compile(r"\bhow (?:long|soon|often|fast|quick|late)\b|\bwhen\b|\b(?:deadline|what time|opening hours)\b", re.I),
        re.compile(_TIME, re.I),
    ),
    (re.compile(r"\bhow many\b|\bwhat (?:is the )?(?:limit|maximum|minimum)\b", re.I), re.compile(_NUMBER, re.I)),
    (re.compile(r"\bwhere\b(?! is my| are my)", re.I), re.compile(_PLACE)),
    (
        re.compile(r"^(?:can|could|may|do|does|is|are|am|will|would)\b|\b(?:can|may|could) (?:i|we|you|my)\b", re.I),
        re.compile(r"\b(?:can|cannot|can't|may|must|never|not|no|only|always|possible|free|is|are|do|does)\b", re.I),
    ),
)
_HOW_TO = re.compile(r"\bhow (?:do|can|to|should|would|does) |\bhow to\b|\bsteps?\b|\bshow me how\b|\bguide\b", re.I)
_QUALIFIES = re.compile(r"^(?:except|unless|only|but|however|not|if|exceptions?|this does not|it does not|please note)\b", re.I)


@dataclass(frozen=True)
class _Candidate:
    """One sentence that could be said, and why."""

    passage: int
    place: int  # among the passage's sentences
    text: str
    score: float
    cosine: float
    coverage: float
    cue: float
    conflict: float
    extra: float


def draft(question: str, found: Found) -> Draft | None:
    """What to say to `question`; None where nothing found can be quoted within the limits."""
    passages = found.passages[:PASSAGES]
    laid = [lay_out(passage) for passage in passages]
    candidates = _candidates(question, found, passages, laid)
    for best in sorted(candidates, key=lambda each: -each.score):
        near = [each for each in candidates if each.passage == best.passage]
        said = _said(question, best, near, laid[best.passage])
        if said:
            steps, more = said
            quoted = tuple(
                Quoted(laid[best.passage].sentences[place], best.passage, item, laid[best.passage].lines[place])
                for place, item in steps
            )
            return Draft("extractive", quoted, _facts(question, best, candidates, passages, found), more)
    return None


def asked_words(question: str, found: Found) -> list[str]:
    """The stems that an answer should be about: the question's, or of the whole context if it has hardly any."""
    own = list(dict.fromkeys(content(question)))
    return own if len(own) >= 2 else list(dict.fromkeys(own + content(found.question)))


def _candidates(
    question: str, found: Found, passages: Sequence[Passage], laid: Sequence[Laid]
) -> list[_Candidate]:
    asked = asked_words(question, found)
    stems = [[set(content(text)) for text in each.sentences] for each in laid]
    rarity = _rarity(asked, [each for passage in stems for each in passage])
    siblings = Siblings(asked, found.passages)
    top = max((passage.score for passage in passages), default=0.0)
    candidates: list[_Candidate] = []
    for number, (passage, layout) in enumerate(zip(passages, laid, strict=True)):
        cosines = [sentence.cosine for sentence in passage.sentences]
        share = passage.score / top if top > 0 else 0.0
        about = set(content(passage.title))
        for place, text in enumerate(layout.sentences):
            own = stems[number][place]
            around = own | about | set(content(layout.headings[place]))
            conflict, extra = siblings.judge(passage, own | set(content(layout.headings[place])))
            parts = {
                "cosine": cosines[place],
                "coverage": 0.7 * _coverage(rarity, around) + 0.3 * _coverage(rarity, own),
                "passage": share,
                "cue": cue(question, text),
                "conflict": conflict,
                "extra": extra,
            }
            score = sum(WEIGHTS[name] * value for name, value in parts.items())
            if text.endswith("?"):
                score -= 0.3  # articles ask questions only to answer them in the next sentence
            candidates.append(
                _Candidate(
                    number,
                    place,
                    text,
                    score,
                    parts["cosine"],
                    parts["coverage"],
                    parts["cue"],
                    conflict,
                    extra,
                )
            )
    return candidates


def _rarity(asked: Sequence[str], sentences: Sequence[set[str]]) -> dict[str, float]:
    total = len(sentences)
    return {stem: math.log(1 + total / (1 + sum(stem in each for each in sentences))) for stem in asked}


def _coverage(rarity: dict[str, float], stems: set[str]) -> float:
    whole = sum(rarity.values())
    return sum(weight for stem, weight in rarity.items() if stem in stems) / whole if whole else 0.0


def cue(question: str, sentence: str) -> float:
    """1 if the question asks for a kind of fact that the sentence states, -1 if it does not, 0 if it asks for none."""
    for asks, states in _CUES:
        if asks.search(question):
            return 1.0 if states.search(sentence) else -1.0
    return 0.0


def _said(
    question: str, best: _Candidate, near: Sequence[_Candidate], laid: Laid
) -> tuple[list[tuple[int, int]], int] | None:
    """(place, number of the step) of each sentence to say, in order, and how many steps were left out."""
    run = laid.steps(best.place)
    if run and _HOW_TO.search(question) and best.place - run[0] < MAX_SENTENCES:
        steps = _fitting(laid, run)
        if len(steps) >= 2:
            return [(place, place - run[0] + 1) for place in steps], len(run) - len(steps)
    places = [best.place]
    while dangles(laid.sentences[places[0]]):
        before = places[0] - 1
        if before < 0 or laid.headings[before] != laid.headings[best.place] or len(places) == MAX_SENTENCES:
            return None
        places.insert(0, before)
    if laid.introduces(best.place):
        items = laid.items(best.place)
        scores = {each.place: each.score for each in near}
        best_items = sorted(sorted(items, key=lambda place: -scores[place])[: MAX_SENTENCES - len(places)])
        if not best_items:
            return None
        places += best_items
    if not _fits(laid, places):
        return None
    return [(place, 0) for place in _extended(places, best, near, laid)], 0


def _extended(places: list[int], best: _Candidate, near: Sequence[_Candidate], laid: Laid) -> list[int]:
    """The places with what belongs to them: a condition that follows, and what answers nearly as well."""
    following = places[-1] + 1
    if following < len(laid.sentences) and _QUALIFIES.search(laid.sentences[following]):
        if laid.headings[following] == laid.headings[best.place] and _fits(laid, [*places, following]):
            places = [*places, following]
    for each in sorted(near, key=lambda each: -each.score):
        adjacent = each.place in (places[0] - 1, places[-1] + 1) and laid.headings[each.place] == laid.headings[best.place]
        close = NEAR_NEXT if adjacent else NEAR_FAR
        alone = each.place - 1 in places or not dangles(each.text)
        more = sorted({*places, each.place})
        if each.score < best.score - close or not alone or laid.introduces(each.place) or each.text.endswith("?"):
            continue
        if each.conflict <= best.conflict and _fits(laid, more):
            places = more
    return places


def _fits(laid: Laid, places: Sequence[int]) -> bool:
    return len(places) <= MAX_SENTENCES and sum(count(laid.sentences[place]) for place in places) <= MAX_WORDS


def _fitting(laid: Laid, run: Sequence[int]) -> list[int]:
    """The first steps of a list that fit."""
    steps: list[int] = []
    for place in run:
        if not _fits(laid, [*steps, place]):
            break
        steps.append(place)
    return steps


def _facts(
    question: str, best: _Candidate, candidates: Sequence[_Candidate], passages: Sequence[Passage], found: Found
) -> dict[str, float]:
    slug = passages[best.passage].slug
    others = [each.score for each in candidates if passages[each.passage].slug != slug]
    asked = asked_words(question, found)
    # What the question names and nothing near the answer mentions: the commonest sign that it asks for something else.
    around = set(content(f"{passages[best.passage].title} {passages[best.passage].heading} {passages[best.passage].text}"))
    missing = [stem for stem in asked if stem not in around]
    values = (
        best.cosine,
        best.coverage,
        len(missing) / len(asked) if asked else 0.0,
        max(best.cue, 0.0),
        max(-best.cue, 0.0),
        best.score - max(others) if others else 0.5,
        float(bool(found.articles) and found.articles[0][0] == slug),
        best.conflict,
        best.extra,
    )
    return dict(zip(DRAFT_FACTS, map(float, values), strict=True))


def render(drafts: Sequence[Draft]) -> str:
    """The drafts as the customer reads them: paragraphs, lists as lists, never the same sentence twice."""
    told: set[str] = set()
    paragraphs: list[str] = []
    for each in drafts:
        lines: list[str] = []
        for before, quoted in zip((None, *each.sentences), each.sentences, strict=False):
            if quoted.text in told:
                continue
            told.add(quoted.text)
            if quoted.item:
                lines.append(f"{quoted.item}. {quoted.text}")
            elif before is not None and before.text.endswith(":") or (lines and lines[-1].startswith("- ")):
                lines.append(f"- {quoted.text}")
            elif lines and not lines[-1].endswith(":"):
                lines[-1] = f"{lines[-1]} {_ended(quoted.text)}"
            else:
                lines.append(_ended(quoted.text))
        if each.more_steps and lines:
            lines.append(f"The article has the other {each.more_steps} steps." if each.more_steps > 1 else "The article has the last step.")
        if lines:
            paragraphs.append("\n".join(lines))
    return "\n\n".join(paragraphs)


def _ended(text: str) -> str:
    """A sentence ends like one, even if it was a row of a table or a line without a stop."""
    return text if words(text) and text[-1] in ".!?:…\"')”" else f"{text.rstrip(' ,;')}."
