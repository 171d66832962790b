"""A decision in words: how sure the agent was, what it rests on, and everything it had before it."""

import re
from dataclasses import dataclass
from typing import Any

from service.agent.policy import MOST_SAID
from service.models import Decision

#: What was measured, in the order in which it happens, as staff read it.
STEPS = (
    ("screen", "screened"),
    ("search", "searched"),
    ("draft", "drafted"),
    ("check", "checked"),
    ("claude", "asked Claude"),
    ("decide", "decided"),
)


@dataclass(frozen=True)
class Passage:
    """A passage that was considered. `parts` are its text, cut where a sentence was quoted: (words, quoted?)."""

    slug: str
    title: str
    version: object
    heading: str
    parts: list[tuple[str, bool]]
    quoted: bool
    scores: list[tuple[str, str]]


@dataclass(frozen=True)
class Grounds:
    """One decision, ready to be read."""

    id: int
    verdict: str
    reason: str
    measure: str  # "Confident 0.93, needs 0.80."; empty where nothing was measured
    beside: str  # the same, unless the reason says it already
    rests_on: list[tuple[str, object]]  # (title, version), each once
    considered: list[tuple[str, object]]  # the nearest of what was found, unless the reason says it already
    passages: list[Passage]
    facts: list[tuple[str, str]]
    question: str
    searched: str
    steps: list[str]
    made_with: str


def read(decision: Decision) -> Grounds:
    """The grounds of `decision`; what its record does not hold is left out."""
    record = decision.record
    sentences = (record.get("draft") or {}).get("sentences") or []
    evidence = [each.get("evidence") or {} for each in sentences]
    passages = [
        _passage(passage, [words for sentence in sentences for words in _quotes(sentence, at)])
        for at, passage in enumerate(record.get("passages") or [])
    ]
    measure = _measure(decision)
    considered = _once((passage.title, passage.version) for passage in passages)[:3]
    return Grounds(
        id=decision.id,
        verdict=decision.verdict,
        reason=decision.reason,
        measure=measure,
        beside="" if measure and f"{decision.confidence:.2f}" in decision.reason else measure,
        rests_on=_once((rest.get("title", ""), rest.get("version")) for rest in evidence) if _said(decision) else [],
        considered=considered if considered and considered[0][0] not in decision.reason else [],
        passages=passages,
        facts=[(name.replace("_", " "), _figure(value)) for name, value in (record.get("facts") or {}).items()],
        question=record.get("question") or "",
        searched=record.get("searched") or "",
        steps=_steps(record.get("seconds") or {}),
        made_with=_made_with(record),
    )


def _quotes(sentence: dict[str, Any], at: int) -> list[str]:
    """The words of passage number `at` that a sentence rests on: its own, or those that it cites."""
    evidence = sentence.get("evidence") or {}
    cited = evidence.get("cited") or [{"passage": evidence.get("passage"), "text": sentence["text"]}]
    return list(dict.fromkeys(each["text"] for each in cited if each["passage"] == at))


def _said(decision: Decision) -> bool:
    return decision.verdict != "escalate"


def _measure(decision: Decision) -> str:
    if decision.confidence is None:
        return ""
    sure = "Confident" if _said(decision) else "Confidence"
    needs = ""
    if decision.threshold is not None:
        needs = (
            f", needs {decision.threshold:.2f}" if decision.threshold <= 1 else ", needs more than the labels can show"
        )
    return f"{sure} {min(decision.confidence, MOST_SAID):.2f}{needs}."


def _once(pairs: Any) -> list[tuple[str, object]]:
    return list(dict.fromkeys(pair for pair in pairs if pair[0]))


def _passage(passage: dict[str, Any], quoted: list[str]) -> Passage:
    parts = mark(passage.get("text") or "", quoted)
    names = (("score", "score"), ("dense", "meaning"), ("lexical", "words"), ("phrase", "phrases"))
    return Passage(
        slug=passage.get("slug") or "",
        title=passage.get("title") or "",
        version=passage.get("version"),
        heading=passage.get("heading") or "",
        parts=parts,
        quoted=bool(quoted),
        scores=[(words, _figure(passage[key])) for key, words in names if passage.get(key) is not None],
    )


def mark(text: str, quoted: list[str]) -> list[tuple[str, bool]]:
    """`text` cut where the `quoted` sentences stand in it, however their white space was folded."""
    patterns = [r"\s+".join(map(re.escape, sentence.split())) for sentence in quoted if sentence.strip()]
    if not patterns:
        return [(text, False)]
    parts, at = [], 0
    for found in re.finditer("|".join(patterns), text):
        parts += [(text[at : found.start()], False), (found.group(), True)]
        at = found.end()
    return [part for part in [*parts, (text[at:], False)] if part[0]]


def _figure(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return f"{value:.2f}" if isinstance(value, float) and not value.is_integer() else f"{value:.0f}"


def _steps(seconds: dict[str, float]) -> list[str]:
    return [f"{word} in {_milliseconds(seconds[step])} ms" for step, word in STEPS if seconds.get(step) is not None]


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:,.0f}" if seconds >= 0.001 else "under 1"


def _made_with(record: dict[str, Any]) -> str:
    model = record.get("model_version")
    how = "No language model: articles are quoted."
    if model:
        did = "Read" if record.get("verdict") == "escalate" else "Written"
        how = f"{did} by {model}, prompt {record.get('prompt_version')}."
    if cost := (record.get("usage") or {}).get("cost_usd"):
        how = f"{how} It cost ${cost:.4f}."
    revision = record.get("revision")
    return how if revision is None else f"{how} Knowledge revision {revision}."
