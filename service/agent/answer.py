"""The extractive answer: the one to three sentences of an article that answer the question, in their order (pure)."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from knowledge.passage import Found
from service.agent.cues import cue
from service.agent.evidence import Draft, Quoted
from service.agent.layout import IMPERATIVE, Laid, dangles, lay_out
from service.agent.siblings import Siblings
from service.agent.terms import content, count

MAX_SENTENCES = 3
MAX_WORDS = 60
MAX_ORDER_WORDS = 6  # "pause my subscription please" wants to be shown how
#: What a sentence's score is made of, in log-odds: a conditional logit over the sentences of a search, fitted on the
#: sample's calibrate questions. `cosine`: of the sentence; `passage`, `article`: their share of the best score;
#: `dense`, `phrase`: as in knowledge.passage; `own`, `around`: the share of the question's words, by rarity, that the
#: sentence holds, and that it holds with heading and title; `cue`: it states the kind of fact that is asked for, or
#: not; `steps`: it is one of the steps of what somebody wants to be shown; `refers`: it only points to another article;
#: `asks`: it is a question; `conflict`: it is about a sibling.
WEIGHTS = {
    "cosine": 6.0,
    "passage": 3.5,
    "article": 3.0,
    "dense": 2.0,
    "phrase": 3.0,
    "own": 2.0,
    "around": 1.8,
    "cue": 0.5,
    "steps": 1.5,
    "refers": -1.1,
    "asks": -2.0,
    "conflict": -0.5,
}
#: How much worse than the best sentence one may be, in log-odds, and still be said: next to it, further off, or before
#: it, where it delays the answer.
NEAR_NEXT, NEAR_FAR, NEAR_BEFORE = 1.3, 1.3, 0.5

#: The facts of a draft, beside those of the search, that confidence is made of.
DRAFT_FACTS = (
    "draft_cosine",
    "draft_coverage",
    "draft_missing",
    "draft_cue",
    "draft_unmet",
    "draft_margin",
    "draft_share",
    "draft_article_share",
    "draft_agrees",
    "draft_conflict",
    "draft_extra",
)

#: What customers write, beside what steps begin with, who want to be shown how.
_WANTED = frozenset(("descale", "merge", "redeem", "register", "swap", "transfer", "unlock", "unsubscribe"))
_HOW_TO = re.compile(r"\bhow (?:do|can|to|should|would|does) |\bhow to\b|\bsteps?\b|\bshow me how\b|\bguide\b", re.I)
_QUALIFIES = re.compile(
    r"^(?:except|unless|only|but|however|not|if|exceptions?|this does not|it does not|please note)\b", re.I
)


_REFERS = re.compile(
    r"\b[Ss]ee (?:the |our |also )?[\"“]|[\"”] (?:shows?|gives?|explains?|lists?|tells?|describes?)\b|\b(?:follow"
    r"|read) [\"“]"
)


@dataclass(frozen=True)
class _Candidate:
    """One sentence that could be said, and why."""

    passage: int
    place: int  # among the passage's sentences
    text: str
    score: float
    parts: dict[str, float]
    extra: float  # its article is about a special case that the question does not name


def draft(question: str, found: Found) -> Draft | None:
    """What to say to `question`; None where nothing found can be quoted within the limits."""
    passages = found.passages
    laid = [lay_out(passage) for passage in passages]
    candidates = _candidates(question, found, laid)
    for best in sorted(candidates, key=lambda each: -each.score):
        layout = laid[best.passage]
        near = [each for each in candidates if each.passage == best.passage]
        said = _said(question, best, near, layout)
        if said:
            steps, more = said
            quoted = [Quoted(layout.sentences[place], best.passage, item, layout.lines[place]) for place, item in steps]
            if not any(item for _, item in steps):
                quoted = _joined(quoted, best, candidates, found, laid)
            return Draft("extractive", tuple(quoted), _facts(question, best, candidates, found), more)
    return None


def asked_words(question: str, found: Found) -> list[str]:
    """The stems that an answer should be about: the question's, or of the whole context if it has hardly any."""
    own = list(dict.fromkeys(content(question)))
    return own if len(own) >= 2 else list(dict.fromkeys(own + content(found.question)))


def _candidates(question: str, found: Found, laid: Sequence[Laid]) -> list[_Candidate]:
    asked = asked_words(question, found)
    stems = [[set(content(text)) for text in each.sentences] for each in laid]
    rarity = _rarity(asked, [each for passage in stems for each in passage])
    siblings = Siblings(asked, found.passages)
    articles = dict(found.articles)
    top_passage = max((passage.score for passage in found.passages), default=0.0)
    top_article = max(articles.values(), default=0.0)
    how = asks_how(question)
    candidates: list[_Candidate] = []
    for number, (passage, layout) in enumerate(zip(found.passages, laid, strict=True)):
        title = set(content(passage.title))
        for place, text in enumerate(layout.sentences):
            own, heading = stems[number][place], set(content(layout.headings[place]))
            conflict, extra = siblings.judge(passage, own | heading)
            parts = {
                "cosine": passage.sentences[place].cosine,
                "passage": _share(passage.score, top_passage),
                "article": _share(articles.get(passage.slug, 0.0), top_article),
                "dense": passage.dense,
                "phrase": passage.phrase,
                "own": _coverage(rarity, own),
                "around": _coverage(rarity, own | title | heading),
                "cue": cue(question, text),
                "steps": float(how and bool(layout.steps(place))),
                "refers": float(bool(_REFERS.search(text))),
                "asks": float(text.endswith("?")),
                "conflict": conflict,
            }
            score = sum(WEIGHTS[name] * value for name, value in parts.items())
            candidates.append(_Candidate(number, place, text, score, parts, extra))
    return candidates


def _share(score: float, top: float) -> float:
    return score / top if top > 0 else 0.0


def _rarity(asked: Sequence[str], sentences: Sequence[set[str]]) -> dict[str, float]:
    total = len(sentences)
    return {stem: math.log(1 + total / (1 + sum(stem in each for each in sentences))) for stem in asked}


def _coverage(rarity: dict[str, float], stems: set[str]) -> float:
    whole = sum(rarity.values())
    return sum(weight for stem, weight in rarity.items() if stem in stems) / whole if whole else 0.0


def _said(
    question: str, best: _Candidate, near: Sequence[_Candidate], laid: Laid
) -> tuple[list[tuple[int, int]], int] | None:
    """(place, number of the step) of each sentence to say, in order, and how many steps were left out."""
    run = laid.steps(best.place)
    if run and asks_how(question) and best.place - run[0] < MAX_SENTENCES:
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
        room = MAX_SENTENCES - len(places)
        if not items or not room:
            return None
        # All of a short list; of a long one what answers best.
        places += items if len(items) <= room else sorted(sorted(items, key=lambda place: -scores[place])[:room])
    if not _fits(laid, places):
        return None
    return [(place, 0) for place in _extended(places, best, near, laid)], 0


def _extended(places: list[int], best: _Candidate, near: Sequence[_Candidate], laid: Laid) -> list[int]:
    """The places with what belongs to them: a condition that follows, and what answers nearly as well."""
    following = places[-1] + 1
    if (
        following < len(laid.sentences)
        and _QUALIFIES.search(laid.sentences[following])
        and laid.headings[following] == laid.headings[best.place]
        and _fits(laid, [*places, following])
    ):
        places = [*places, following]
    for each in sorted(near, key=lambda each: -each.score):
        adjacent = (
            each.place in (places[0] - 1, places[-1] + 1) and laid.headings[each.place] == laid.headings[best.place]
        )
        close = NEAR_NEXT if adjacent else NEAR_FAR
        if each.place < best.place:
            close = min(close, NEAR_BEFORE)
        alone = each.place - 1 in places or not dangles(each.text)
        more = sorted({*places, each.place})
        if each.score < best.score - close or not alone or laid.introduces(each.place) or each.text.endswith("?"):
            continue
        if each.parts["conflict"] <= best.parts["conflict"] and _fits(laid, more):
            places = more
    return places


def _joined(
    quoted: list[Quoted], best: _Candidate, candidates: Sequence[_Candidate], found: Found, laid: Sequence[Laid]
) -> list[Quoted]:
    """With what other passages of the same article say nearly as well, in the article's order."""
    slug = found.passages[best.passage].slug
    for each in sorted(candidates, key=lambda each: -each.score):
        layout = laid[each.passage]
        if each.score < best.score - NEAR_FAR:
            break
        if each.passage == best.passage or found.passages[each.passage].slug != slug:
            continue
        unfit = dangles(each.text) or layout.introduces(each.place) or each.parts["asks"] or each.parts["refers"]
        length = sum(count(one.text) for one in quoted) + count(each.text)
        if unfit or len(quoted) == MAX_SENTENCES or length > MAX_WORDS or each.text in [one.text for one in quoted]:
            continue
        quoted.append(Quoted(each.text, each.passage, 0, layout.lines[each.place]))
    # Chunks are numbered as they stand in the article; what was quoted together stays together.
    return sorted(quoted, key=lambda one: found.passages[one.passage].chunk_id)


def asks_how(question: str) -> bool:
    """Whether somebody wants to be shown the steps: "how do I ...", or "change filter" and no more."""
    first = question.strip().split(" ")[0].lower()
    return bool(_HOW_TO.search(question)) or (
        first in IMPERATIVE | _WANTED and len(question.split()) <= MAX_ORDER_WORDS
    )


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


def _facts(question: str, best: _Candidate, candidates: Sequence[_Candidate], found: Found) -> dict[str, float]:
    passage = found.passages[best.passage]
    odds = [math.exp(min(0.0, each.score - best.score)) for each in candidates]
    same = [found.passages[each.passage].slug == passage.slug for each in candidates]
    others = [each.score for each, own in zip(candidates, same, strict=True) if not own]
    asked = asked_words(question, found)
    # What the question names and nothing near the answer mentions: the commonest sign that it asks for something else.
    around = set(content(f"{passage.title} {passage.heading} {passage.text}"))
    missing = [stem for stem in asked if stem not in around]
    values = (
        best.parts["cosine"],
        best.parts["around"],
        len(missing) / len(asked) if asked else 0.0,
        max(best.parts["cue"], 0.0),
        max(-best.parts["cue"], 0.0),
        min(best.score - max(others), 5.0) if others else 5.0,
        1 / sum(odds),
        sum(each for each, own in zip(odds, same, strict=True) if own) / sum(odds),
        float(bool(found.articles) and found.articles[0][0] == passage.slug),
        best.parts["conflict"],
        best.extra,
    )
    return dict(zip(DRAFT_FACTS, map(float, values), strict=True))
