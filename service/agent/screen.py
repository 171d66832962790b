"""The cheap look at what came in, before anything is searched: what needs no answer from the articles (pure)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from service.agent.language import foreign
from service.agent.secrets import redact
from service.agent.small_talk import asks_whether_bot, small_talk
from service.agent.wishes import asks_for_person, never_mind

__all__ = ["Screened", "asks_for_person", "never_mind", "screen"]

#: Longer than this nobody asks one thing: a person reads it.
MOST_CHARACTERS = 6_000

_UNHELPED = re.compile(
    r"\b(?:(?:that|this|it|you|which) (?:did ?n['’]?t|does ?n['’]?t|do ?n['’]?t|didnt|doesnt|dont|has ?n['’]?t|is "
    r"?n['’]?t|isnt|was ?n['’]?t) "
    r"(?:really |even |actually |at all )?(?:help|helpful|answer(?:ed)?(?: (?:my|the) question)?|what i (?:asked"
    r"|meant|wanted)|useful|understand)"
    r"|not (?:helpful|what i (?:asked|meant|was asking))|(?:that|this|your answer|the answer)(?: is|'s) (?:wrong"
    r"|incorrect|useless|not right|not true|not correct|not what i\b.*|no help)"
    r"|you(?:'re| are) (?:wrong|useless|not helping|not listening|not answering)|wrong answer|unhelpful|you "
    r"already (?:said|told me) that"
    r"|already (?:tried|did|done) (?:that|this)|still (?:does ?n['’]?t|not) work(?:ing)?)\b",
    re.IGNORECASE,
)
_SERIOUS = re.compile(
    r"\b(?:my (?:lawyer|solicitor|attorney|barrister)|legal action|take (?:you|this) to court|small claims|sue "
    r"(?:you|your)"
    r"|trading standards|ombudsman|formal complaint|i(?:['’]m| am) a journalist|press enquiry"
    r"|caught fire|(?:is|was) on fire|burst into flames|electric(?:al)? shock|electrocuted|smoke (?:is |was "
    r")?coming (?:out|from)"
    r"|smells? of burning|(?:i|we|he|she|child|son|daughter|wife|husband|mother|father) (?:got|was|were|is|has been) "
    r"(?:injured|burn(?:ed|t)|hurt|scalded|electrocuted)|(?:ended up|was|is|am) in (?:the )?hospital|allergic reaction"
    r"|kill(?:ing)? myself|suicidal|end my life)\b",
    re.IGNORECASE,
)
_REFERENCE = re.compile(
    r"(?:#\s?|\b(?:order|ref(?:erence)?|invoice|ticket|case)(?: (?:number|no\.?|id))?:? ?#?)\d{3,}"
    r"|\b[A-Z]{2,4}-?\d{4,}\b|\b\d{6,}\b"
)
_ACT = re.compile(
    r"\b(?:(?:can|could|would|will) you (?:please )?(?:\w+ )?|please |pls |kindly |i (?:want|need|would like|'d "
    r"like) you to |you (?:need|have) to )"
    r"(?:cancel|change|update|refund|resend|send|check|look|fix|add|remove|delete|reset|unlock|reopen|merge|move"
    r"|apply|credit|correct|confirm|"
    r"extend|stop|issue|arrange|track|find|tell the|ask the|make an exception|waive|reverse)\b",
    re.IGNORECASE,
)
_WHY = re.compile(
    r"\bwhy (?:was|were|have|has|did|is|are|am|hasn't|haven't|isn't|wasn't|didn't) (?:i|my|you|it|they|this|the)\b",
    re.IGNORECASE,
)

#: What is asked of one's own case rather than of the rules: facts of the message that confidence is made of.
MESSAGE_FACTS = ("asked_reference", "asked_act", "asked_why", "asked_follow_up", "asked_words")


@dataclass(frozen=True)
class Screened:
    """What the screen makes of a message. `kind`: question | person | hello | thanks | bye | offer | bot | never mind |
    wordless | language | unhelped | serious | long. `text`: without secrets, as it is searched and stored.
    """

    kind: str
    text: str
    secrets: tuple[str, ...] = ()
    language: str = ""
    facts: dict[str, float] | None = None


def screen(
    text: str, history: Sequence[tuple[str, str]] = (), *, wants_person: bool = False, resumed: bool = False
) -> Screened:
    """Judge what the customer wrote: the first thing that is so decides."""
    text, secrets = redact(text)
    kind, language = _kind(text, history, wants_person, resumed)
    return Screened(kind, text, secrets, language, _facts(text, history))


def _kind(text: str, history: Sequence[tuple[str, str]], wants_person: bool, resumed: bool) -> tuple[str, str]:
    # Patterns see no more than anybody would read for one wish: a long text costs no more than a short one.
    head = text[:MOST_CHARACTERS]
    if wants_person or asks_for_person(head):
        return "person", ""
    if not re.search(r"[^\W_]", head):
        return "wordless", ""
    if asks_whether_bot(head):
        return "bot", ""
    if resumed and len(head.split()) <= 12:
        return "never mind", ""
    if talk := small_talk(head):
        return talk, ""
    if language := foreign(head):
        return "language", language
    if len(text) > MOST_CHARACTERS:
        return "long", ""
    if _SERIOUS.search(text):
        return "serious", ""
    if any(author == "agent" for author, _ in history) and _UNHELPED.search(text):
        return "unhelped", ""
    return "question", ""


def _facts(text: str, history: Sequence[tuple[str, str]]) -> dict[str, float]:
    values = (
        bool(_REFERENCE.search(text)),
        bool(_ACT.search(text)),
        bool(_WHY.search(text)),
        bool(history),
        min(len(text.split()), 60) / 10,
    )
    return dict(zip(MESSAGE_FACTS, map(float, values), strict=True))


_SENTENCE = re.compile(r"(?<=[.?!])\s+|\n+")
_ASKS = re.compile(
    r"\?|^(?:(?:and|also|so|but|oh|ok|then|second(?:ly)?|another (?:question|thing)|one more (?:question|thing)"
    r"|plus)\b[:, ]+)*"
    r"(?:how|what|when|where|which|who|why|can|could|do|does|is|are|will|would|may|should|did|has|have)\b",
    re.IGNORECASE,
)
_JOINED = re.compile(
    r",? (?:and|also|and also|plus)[, ]+(?:also )?(?=(?:how|what|when|where|which|who|why|can i|can you|could i|do "
    r"you|do i|does|is it|is there|are there|will)\b)",
    re.IGNORECASE,
)
_TOO_SHORT = 3  # words: "Right?" is no question of its own
#: Longer than this a message is searched by the sentences that ask, and the one before each.
READ_WHOLE_WORDS = 300


def questions(text: str) -> tuple[str, ...]:
    """The questions of a message, if it asks several; otherwise the message as it is."""
    sentences = [sentence.strip() for sentence in _SENTENCE.split(text) if sentence.strip()]
    asking = [part.strip() for sentence in sentences if _ASKS.search(sentence) for part in _JOINED.split(sentence)]
    asking = [part for part in asking if len(part.split()) > _TOO_SHORT]
    return tuple(dict.fromkeys(asking)) if len(asking) > 1 else (text,)


_GREETING = re.compile(
    r"^\W*(?:(?:hi|hii+|hello|hey|hiya|good (?:morning|afternoon|evening|day)|dear)"
    r"(?: (?:there|all|team|sir|madam|guys))?"
    r"(?: (?:or madam))?)(?:[,!.:;\n-]+\s*|\s+(?=(?:i|my|can|how|what|when|where|do|is|are|could|please)\b))",
    re.IGNORECASE,
)


def gist(text: str) -> str:
    """What a message asks, without its greeting; of a rambling one the sentences that ask, each with the one before."""
    text = _GREETING.sub("", text, count=1) or text
    if len(text.split()) <= READ_WHOLE_WORDS:
        return text
    sentences = [sentence.strip() for sentence in _SENTENCE.split(text) if sentence.strip()]
    asking = [place for place, sentence in enumerate(sentences) if _ASKS.search(sentence)]
    if not asking:
        return " ".join(text.split()[:READ_WHOLE_WORDS])
    keep = sorted({place for at in asking for place in (at - 1, at) if place >= 0})
    return " ".join(" ".join(sentences[place] for place in keep).split()[:READ_WHOLE_WORDS])
