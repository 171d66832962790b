"""The verdict on a message, from what is known about it: pure, so that it can be read and tested as a table."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from knowledge.passage import Passage
from service.agent import words
from service.agent.evidence import Draft
from service.agent.screen import Screened
from service.agent.wording import render

#: Nothing is certain, and no sentence says that it is.
MOST_SAID = 0.99
MOST_QUESTIONS = 2  # more than that in one message are for a person


@dataclass(frozen=True)
class Answer:
    """Say `text`. `sources`: (slug, title) of the articles it rests on."""

    text: str
    reason: str
    sources: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Clarify:
    """Ask the customer for what is missing."""

    text: str
    reason: str


@dataclass(frozen=True)
class Escalate:
    """Call for a person, and tell the customer so."""

    text: str
    reason: str


Verdict = Answer | Clarify | Escalate


@dataclass(frozen=True)
class Part:
    """One question of the message: its checked draft (None: nothing can be quoted), its passages, its confidence."""

    question: str
    draft: Draft | None
    passages: tuple[Passage, ...]
    confidence: float


_SMALL_TALK = {
    "hello": "A greeting: answered with a fixed reply.",
    "thanks": "Thanks: answered with a fixed reply.",
    "bye": "A good-bye: answered with a fixed reply.",
    "offer": "No question yet: answered with a fixed reply.",
    "bot": "Asked who answers: told that it is an AI and how to reach a person.",
    "never mind": "The customer needs no person any more.",
}
_LANGUAGES = {
    "ar": "Arabic", "da": "Danish", "de": "German", "es": "Spanish", "fi": "Finnish", "fr": "French", "hi": "Hindi",
    "it": "Italian", "ja": "Japanese", "ko": "Korean", "nl": "Dutch", "no": "Norwegian", "pl": "Polish",
    "pt": "Portuguese", "ru": "Russian", "sv": "Swedish", "tr": "Turkish", "uk": "Ukrainian", "zh": "Chinese",
}  # fmt: skip


def decide(
    screened: Screened, parts: Sequence[Part], threshold: float, *, company: str, said: Sequence[str] = ()
) -> Verdict:
    """The verdict. `said`: what the agent has said in this conversation, oldest first."""
    verdict = _decide(screened, parts, threshold, company=company, said=said)
    if not screened.secrets:
        return verdict
    # Whoever sent a secret is told, whatever else they are told.
    return replace(verdict, text=f"{verdict.text}\n\n{words.secrets_seen(screened.secrets)}")


def _decide(
    screened: Screened, parts: Sequence[Part], threshold: float, *, company: str, said: Sequence[str]
) -> Verdict:
    before = _before_search(screened, company, said)
    if before:
        return before
    if not parts or len(parts) > MOST_QUESTIONS:
        return Escalate(words.not_both(company), f"The message asks {len(parts)} questions at once.")
    for part in parts:
        if part.draft is None or not part.draft.sentences:
            which = f" to “{_short(part.question)}”" if len(parts) > 1 else ""
            return Escalate(words.not_sure(company), f"No published article states an answer{which}.")
    confidence = min(part.confidence for part in parts)
    sources = _sources(parts)
    resting = " and ".join(f"{title}, version {version}" for _, title, version in sources)
    if confidence < threshold:
        unsure = next(part for part in parts if part.confidence == confidence)
        which = f" about “{_short(unsure.question)}”" if len(parts) > 1 else ""
        reason = f"Not confident enough{which}: {confidence:.2f}, needs {_needs(threshold)}. The nearest was {resting}."
        return Escalate(words.not_both(company) if len(parts) > 1 else words.not_sure(company), reason)
    text = render([part.draft for part in parts if part.draft])
    if said and text == said[-1].strip():
        return Escalate(words.not_helped(company), f"The same answer was given just before, from {resting}.")
    reason = f"Confident {min(confidence, MOST_SAID):.2f}, needs {_needs(threshold)}. Rests on {resting}."
    return Answer(text, reason, tuple((slug, title) for slug, title, _ in sources))


def _before_search(screened: Screened, company: str, said: Sequence[str]) -> Verdict | None:
    """What needs no article to be decided."""
    kind = screened.kind
    if kind == "question":
        return None
    if kind in _SMALL_TALK:
        return Answer(words.small_talk(kind, company), _SMALL_TALK[kind])
    if kind == "wordless":
        ask = words.say_more(company)
        if said and said[-1].strip() == ask:
            return Escalate(words.not_sure(company), "There are no words in the message, and none came when asked.")
        return Clarify(ask, "There are no words in the message: asked to say more.")
    if kind == "person":
        return Escalate(words.person_called(company), "The customer asks for a person.")
    if kind == "language":
        name = _LANGUAGES.get(screened.language, f"another language ({screened.language})")
        return Escalate(
            words.other_language(screened.language, company), f"Written in {name}; only English is answered."
        )
    if kind == "unhelped":
        return Escalate(words.not_helped(company), "The customer says that the answer before did not help.")
    if kind == "serious":
        return Escalate(
            words.serious(company), "It speaks of harm, of the law or of a complaint: a person must answer."
        )
    return Escalate(words.too_long(company), "The message is too long to be one question.")


def _sources(parts: Sequence[Part]) -> list[tuple[str, str, int]]:
    """(slug, title, version) of the articles quoted, each once, in the order they are quoted."""
    found = {
        (passage.slug, passage.title, passage.version): None
        for part in parts
        if part.draft
        for passage in (part.passages[place] for each in part.draft.sentences for place, _ in each.evidence)
    }
    return list(found)


def _needs(threshold: float) -> str:
    return f"{threshold:.2f}" if threshold <= 1 else "more than the labels can show"


def _short(question: str) -> str:
    return question if len(question) <= 80 else f"{question[:77].rstrip()}..."
