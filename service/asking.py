"""What the agent is asked: the messages without an answer, and what was said before them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam
from sqlmodel import col, select

from channels.base import Kind
from service.agent import Asked
from service.context import Context
from service.lease import Claim
from service.models import Message

#: What the agent sees of the conversation so far.
HISTORY_MESSAGES = 12
#: Why a message that came while a person was called for is the agent's to answer.
TAKEN_BACK = "The customer no longer wanted a person."
#: What is read of a message.
READ = ("id", "seq", "author", "kind", "text", "reason")


def _in_conversation(*which: Any) -> Any:
    return select(*(getattr(Message, name) for name in READ)).where(
        col(Message.conversation_id) == bindparam("conversation_id"), *which
    )


_OWED = _in_conversation(Message.status == "owed").order_by(col(Message.seq))
_EARLIER = (
    _in_conversation(
        col(Message.seq) < bindparam("seq"),
        col(Message.author).in_(("customer", "agent", "person")),
        col(Message.status).not_in(("cancelled", "failed", "ignored")),
    )
    .order_by(col(Message.seq).desc())
    .limit(HISTORY_MESSAGES)
)


async def read(context: Context, claim: Claim) -> tuple[Asked, Sequence[Any]]:
    """What the agent is to answer: the messages without an answer, and what was said before them."""
    owed = await context.db.look(_OWED, conversation_id=claim.conversation_id)
    first = owed[0].seq if owed else 1
    said: Sequence[Any] = ()
    if first > 1:
        said = await context.db.look(_EARLIER, conversation_id=claim.conversation_id, seq=first)
    asked = Asked(
        text="\n".join(message.text for message in owed),
        history=tuple((message.author, message.text) for message in reversed(said)),
        wants_person=any(message.kind == Kind.PERSON for message in owed),
        resumed=any(message.reason == TAKEN_BACK for message in owed),
        conversation_id=claim.conversation_id,
        begun_before=claim.attempts > 1,
    )
    return asked, owed
