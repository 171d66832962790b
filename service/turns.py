"""Whose an inbound message is: the agent's, a person's, or nobody's; and what it changes about whose turn it is."""

from sqlmodel.ext.asyncio.session import AsyncSession

from channels.base import Channel, Inbound, Kind
from service import asking, conversations, late, saying
from service.agent.screen import never_mind
from service.models import Conversation

#: "Never mind" is said in few characters; a longer message says something else too.
SHORT_MESSAGE = 200

#: What a customer reads who wanted no messages, and wants them again.
STARTED = "You will get messages here again. What can we help you with?"
STARTS = "The customer wants messages again."
STOPS = "The customer wants no more messages."
#: Why a person is called where nothing may be sent.
STOPPED = "The customer wants no messages, and wrote again. Nothing can be sent here until they write START."


async def place(
    session: AsyncSession, channel: Channel, conversation: Conversation, inbound: Inbound
) -> tuple[str, str, int | None]:
    """The status of a message, the reason if nobody answers it, and the decision that already did.

    The caller holds the lock.
    """
    if inbound.kind == Kind.AUTOMATIC:
        if conversation.last_seq == 0:  # nothing is to be done about it: it belongs to what is done
            conversation.state, conversation.resolved_at = "resolved", await conversations.now(session)
        return "ignored", inbound.reason or "An automatic message: never answered.", None
    if await late.overruled(session, conversation, inbound):
        return "ignored", late.SINCE, None
    if inbound.kind == Kind.STOP:
        conversation.stopped = True
        await saying.withdraw(session, conversation, STOPS)
        return "ignored", STOPS, None
    if inbound.kind == Kind.START and conversation.stopped:  # from anybody else it is a word like others
        conversation.stopped = False
        return "ignored", STARTS, None
    conversation.stopped, reason = conversation.stopped and channel.needs_start, ""
    if conversation.state == "resolved":
        await conversations.reopen(session, conversation, promised=await saying.promised(session, conversation))
    if conversation.state == "waiting" and conversation.assigned_to is None and _wish_taken_back(inbound.text):
        await conversations.give_turn_to_agent(session, conversation)
        reason = asking.TAKEN_BACK
    if conversation.state == "waiting":
        call = await conversations.open_call(session, conversation)
        return "escalated", "", call.decision_id if call else None
    if conversation.state == "person":
        return "person", "", None
    if conversation.stopped:
        await conversations.escalate(session, conversation, STOPPED)
        return "escalated", "", None
    now = await conversations.now(session)
    conversation.owed_since = conversation.owed_since or now
    debounce = 0.0 if inbound.kind == Kind.PERSON else channel.debounce
    conversation.ready_at = min(now + debounce, conversation.owed_since + channel.max_wait)
    return "owed", reason, None


def _wish_taken_back(text: str) -> bool:
    """Whether a customer who asked for a person wants none after all."""
    return len(text) <= SHORT_MESSAGE and never_mind(text)
