"""Everything that can come of asking Claude, as one table: what is done then, and what staff read about it."""

from dataclasses import dataclass
from typing import Literal

#: send: what it wrote, as far as it was cited and held. quote: the articles' own sentences, which were good enough
#: without it. person: a person is called for, and the customer reads that nobody wants to guess.
Then = Literal["send", "quote", "person"]


@dataclass(frozen=True)
class Outcome:
    """One row. `staff`: a sentence; `rest`: whether asking again soon would only cost the next customer time."""

    then: Then
    staff: str
    rest: bool = False


#: By the reply's stop reason.
STOPS: dict[str, Outcome] = {
    "end_turn": Outcome("send", "Written by {model}."),
    "tool_use": Outcome("person", "{model} handed over: {detail}"),
    "refusal": Outcome("person", "{model} refused to answer{detail}: a person should look at the message."),
    "max_tokens": Outcome("quote", "{model} was cut off at {max_tokens} tokens (CLAUDE_MAX_TOKENS)."),
    "stop_sequence": Outcome("quote", "{model} stopped at a stop sequence that nobody set."),
    "pause_turn": Outcome("quote", "{model} paused in the middle of its reply."),
    "model_context_window_exceeded": Outcome("quote", "The message with its passages is too long for {model}."),
}
UNKNOWN_STOP = Outcome("quote", "{model} stopped for a reason that this version does not know: {detail}.")

#: By the HTTP status of an error.
STATUSES: dict[int, Outcome] = {
    400: Outcome("quote", "Claude's API did not accept the request (400): {detail}"),
    401: Outcome("quote", "Claude's API refused the key (401). Check ANTHROPIC_API_KEY.", rest=True),
    402: Outcome("quote", "Claude's account has no credit left (402). Its billing page says more.", rest=True),
    403: Outcome("quote", "The key must not use {model} (403). Check its workspace and CLAUDE_MODEL.", rest=True),
    404: Outcome("quote", "Claude's API knows no {model} (404). Check CLAUDE_MODEL and ANTHROPIC_BASE_URL.", rest=True),
    408: Outcome("quote", "Claude's API gave up waiting for the request (408).", rest=True),
    409: Outcome("quote", "Claude's API was busy with something that stands in the way (409).", rest=True),
    413: Outcome("quote", "The message with its passages is too large for Claude's API (413)."),
    429: Outcome("quote", "The rate limit of Claude's API was reached (429){detail}.", rest=True),
    529: Outcome("quote", "Claude's API is overloaded (529).", rest=True),
}
SERVER_ERROR = Outcome("quote", "Claude's API failed ({detail}).", rest=True)
OTHER_STATUS = Outcome("quote", "Claude's API answered with an error ({detail}).")

#: By what happened.
LATE = Outcome("quote", "Claude did not answer within {seconds:g} seconds.", rest=True)
STALLED = Outcome("quote", "{model} fell silent in the middle of its reply, for {stall:g} seconds.", rest=True)
BROKE_OFF = Outcome("quote", "{model}'s reply broke off before its end.", rest=True)
UNREACHABLE = Outcome("quote", "Claude's API could not be reached. Check ANTHROPIC_BASE_URL.", rest=True)
UNREADABLE = Outcome("quote", "Claude's API gave a reply that cannot be read.")
BROKEN = Outcome("quote", "Claude's API could not be asked ({detail}).")
RESTING = Outcome("quote", "Claude was not asked: its API failed a moment ago and is left alone for {detail} seconds.")
BEGUN_BEFORE = Outcome("quote", "Claude was not asked: an answer was begun before and could not be recorded.")
LIMITED = Outcome("quote", "{detail}")  # the words are budget.refusal's

#: By what the checks left of a reply that ended well.
NOTHING_SAID = Outcome("quote", "{model} wrote nothing.")
NOTHING_HELD = Outcome("quote", "Nothing that {model} wrote is held by the passages it cites.")
ELSEWHERE = Outcome("quote", "{model} answered from other articles than the ones whose confidence was measured.")
TOO_LONG = Outcome("quote", "{model} wrote more than {most_words} words.")


def of_status(status: int) -> Outcome:
    """The row of an HTTP error."""
    return STATUSES.get(status) or (SERVER_ERROR if status >= 500 else OTHER_STATUS)
