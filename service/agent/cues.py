"""What kind of fact a question asks for, and whether a sentence states one (pure)."""

import re
from functools import lru_cache

_NUMBER = r"\d|\b(?:one|two|three|four|five|six|seven|ten|twelve|free|no (?:fee|charge|cost))\b"
_TIME = (
    r"\b(?:seconds?|minutes?|hours?|days?|weeks?|months?|years?|mondays?|tuesdays?|wednesdays?|thursdays?|fridays?|"
    r"saturdays?|sundays?|once|at once|immediately|\d\d?:\d\d|daily|weekly|monthly|yearly)\b"
)
_MONEY = r"[€£$%]|\b(?:eur|gbp|usd|euros?|pounds?|dollars?|free|per ?cent|cost|price|fee|charged?)\b"
_PLACE = (
    r">|\b(?:in|at|under|on|from|to) (?:the |your |our )?[A-Z]|"
    r"\b(?:page|menu|account|address|e-?mail|settings|base|link)\b"
)
#: Questions of a kind, and what a sentence that answers one holds.
_CUES = (
    (
        re.compile(r"\bhow (?:much|expensive)\b|\b(?:cost|price|fees?|charges?|charged)\b", re.I),
        re.compile(_MONEY, re.I),
    ),
    (
        re.compile(
            r"\bhow (?:long|soon|often|fast|quick|late)\b|\bwhen\b|\b(?:deadline|what time|opening hours)\b", re.I
        ),
        re.compile(_TIME, re.I),
    ),
    (re.compile(r"\bhow many\b|\bwhat (?:is the )?(?:limit|maximum|minimum)\b", re.I), re.compile(_NUMBER, re.I)),
    (re.compile(r"\bwhere\b(?! is my| are my)", re.I), re.compile(_PLACE)),
    (
        re.compile(r"^(?:can|could|may|do|does|is|are|am|will|would)\b|\b(?:can|may|could) (?:i|we|you|my)\b", re.I),
        re.compile(r"\b(?:can|cannot|can't|may|must|never|not|no|only|always|possible|free|is|are|do|does)\b", re.I),
    ),
)


def cue(question: str, sentence: str) -> float:
    """1 if the question asks for a kind of fact that the sentence states, -1 if it does not, 0 if it asks for none."""
    kind = _asked(question)
    return 0.0 if kind is None else 1.0 if _states(kind, sentence) else -1.0


@lru_cache(maxsize=64)
def _asked(question: str) -> int | None:
    """Which of the cues it is; asked again for every sentence of a search."""
    return next((kind for kind, (asks, _) in enumerate(_CUES) if asks.search(question)), None)


@lru_cache(maxsize=32_768)
def _states(kind: int, sentence: str) -> bool:
    """The sentences of the articles are the same for every question."""
    return bool(_CUES[kind][1].search(sentence))
