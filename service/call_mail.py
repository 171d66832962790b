"""What the mail about calls for a person says: nothing that a customer or a vendor wrote (pure)."""

import re
from dataclasses import dataclass

from service.models import Escalation

#: Calls that one mail lists; of more it says how many.
MOST_LISTED = 20


@dataclass(frozen=True)
class Call:
    """An open call that nobody took. `to`: the one it was meant for by name."""

    id: int
    conversation_id: int
    channel: str
    reason: str
    waits: float  # seconds
    to: int | None


def reason(call: Escalation) -> str:
    """Why a person was called for, without what the customer or a vendor wrote: mail is not a safe place."""
    said = re.sub(r"(?: (?:to|about))? ?“.*”", "", call.reason, flags=re.DOTALL)
    if call.decision_id is None:
        said = said.partition(": ")[0]
    return said.strip().rstrip(".") + "."


def words(calls: list[Call], base_url: str) -> tuple[str, str]:
    """Subject and text (pure)."""
    longest = span(calls[0].waits)
    if len(calls) == 1:
        subject = f"A customer has waited for a person for {longest}"
        opening = "A person was called for, and nobody has taken over yet."
    else:
        subject = f"{len(calls)} customers wait for a person, the longest for {longest}"
        opening = f"A person was called for in {len(calls)} conversations, and nobody has taken them over yet."
    parts = [opening]
    for call in calls[:MOST_LISTED]:
        by_name = " They wrote again to you." if call.to is not None else ""
        link = f"{base_url}/desk/conversations/{call.conversation_id}"
        parts.append(f"{call.channel}, waiting for {span(call.waits)}.{by_name}\n{call.reason}\n{link}")
    if len(calls) > MOST_LISTED:
        parts.append(f"And {len(calls) - MOST_LISTED} more: {base_url}/desk?show=waiting")
    parts.append(f"You asked for this mail. To end it: {base_url}/desk/account")
    return subject, "\n\n".join(parts) + "\n"


def span(seconds: float) -> str:
    """A length of time in words."""
    if seconds < 60:
        return "less than a minute"
    number, unit = (int(seconds // 60), "minute") if seconds < 2 * 3600 else (int(seconds // 3600), "hour")
    return f"{number} {unit}{'' if number == 1 else 's'}"
