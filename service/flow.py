"""What happens to a message: receive -> respond. Then it is owed (delivery.py), and done by the loop in work.py."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog
from sqlalchemy.exc import IntegrityError
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from channels.base import Channel, Inbound, Kind, Parsed, Quarantined, StatusUpdate
from service import asking, attachments, conversations, late, lease, saying, statuses, turns, typing_sign
from service.agent import Asked, Response, failed
from service.context import Context
from service.db import wake
from service.models import Decision, Message, Quarantine
from service.retries import MOST_ATTEMPTS
from service.steps import Step
from service.storable import Unstorable, fit, set_aside
from service.wake import NEW_CONVERSATION

log = structlog.get_logger()

#: How often what was brought is stored at most, while others store the same senders and threads for the first time.
TAKE_TRIES = 5

DISCLOSURE = (
    "You are writing with an AI assistant of {company}, which answers from the help centre. "
    "You can ask for a person at any time."
)


# --- receive -----------------------------------------------------------------------------------------------------


async def receive(context: Context, channel: Channel, inbound: Inbound) -> Message:
    """Store one message and owe a response. Seen before: the message as it was stored then."""
    return (await take(context, channel, [inbound]))[0]


async def take(
    context: Context,
    channel: Channel,
    parsed: Sequence[Parsed],
    also: Callable[[AsyncSession], Awaitable[None]] | None = None,
) -> list[Message]:
    """Store everything that a vendor brought and owe what follows from it, in one transaction with what `also` does.

    Gives the messages in it; those seen before as they were stored then. What cannot be stored, also not the next times
    that it comes, is put aside for a person: it must not hold up what comes after it.
    """
    return [message for message, _ in await take_each(context, channel, parsed, also)]


async def take_each(
    context: Context,
    channel: Channel,
    parsed: Sequence[Parsed],
    also: Callable[[AsyncSession], Awaitable[None]] | None = None,
) -> list[tuple[Message, bool]]:
    """As `take`; and of each message whether it was stored just now."""
    if not parsed and also is None:  # a vendor's word that says nothing
        return []
    with context.steps("receive", channel=channel.name) as step:
        parsed, tries = [fit(each) for each in parsed], 0
        while True:
            tries += 1
            try:
                taken = await _take(context, channel, parsed, also)
                break
            except Unstorable as failed:
                error = failed.__cause__
                assert error
                if isinstance(error, IntegrityError) and tries < TAKE_TRIES:
                    continue  # another process stored some of it in the same moment: now it is seen
                enough = context.failures.enough(channel.name, failed.what)
                instead = set_aside(failed.what, error) if enough else None
                if instead is None:
                    raise error from None
                log.error("message.unstorable", channel=channel.name, exc_info=error)
                parsed = [instead if each is failed.what else each for each in parsed]
        for message, is_new in taken:
            status = message.status if is_new else "known"
            step.note(conversation=message.conversation_id, seq=message.seq, status=status)
            if is_new:
                context.metrics.received.labels(channel.name, message.status).inc()
                log.info(
                    "message.received",
                    channel=channel.name,
                    conversation=message.conversation_id,
                    seq=message.seq,
                    status=message.status,
                )
    return taken


async def _take(
    context: Context,
    channel: Channel,
    parsed: Sequence[Parsed],
    also: Callable[[AsyncSession], Awaitable[None]] | None,
) -> list[tuple[Message, bool]]:
    """The messages, and of each whether it was stored just now."""
    taken: list[tuple[Message, bool]] = []
    async with context.db.write() as session:
        for each in parsed:
            try:
                if isinstance(each, Inbound):
                    taken.append(await _store(context, session, channel, each))
                elif isinstance(each, StatusUpdate):
                    await statuses.update(context, session, channel, each)
                else:
                    await _quarantine(context, session, channel, each)
                await session.flush()
            except Exception as error:  # durable work: whatever it is, only this one of them may be at fault
                raise Unstorable(each) from error
        if also:
            await also(session)
    return taken


async def _store(context: Context, session: AsyncSession, channel: Channel, inbound: Inbound) -> tuple[Message, bool]:
    """The message as it is stored, and whether it was stored just now."""
    known = select(Message).where(Message.channel == channel.name, Message.external_id == inbound.external_id)
    if inbound.refers_to and (message := (await session.exec(known)).first()):
        return message, False  # without opening a conversation, where by now it would belong to another
    conversation = await conversations.open(session, channel.name, inbound)
    if message := (await session.exec(known)).first():
        return message, False
    status, reason, decision_id = await turns.place(session, channel, conversation, inbound)
    message = conversations.add_message(
        session,
        conversation,
        author="customer",
        kind=inbound.kind,
        external_id=inbound.external_id,
        known_as=inbound.known_as or None,
        subject=inbound.subject,
        text=inbound.text,
        rest=inbound.rest,
        notes=list(inbound.notes),
        status=status,
        reason=reason,
        answered_by=decision_id,
    )
    late.date(message, inbound)
    if reason == turns.STARTS:
        await saying.say(session, conversation, author="system", text=turns.STARTED)
    if inbound.attachments:
        await session.flush()
        await attachments.keep(session, message, inbound.attachments)
    if inbound.kind != Kind.AUTOMATIC:  # no machine's message is what the next reply answers, or opens a window
        late.note(conversation, inbound, now := context.clock())
        may_be_held = not (conversation.stopped or channel.window(None, now).open)  # else nothing ever was
        if may_be_held and channel.window(conversation.last_customer_at, now).open:
            await saying.release(session, conversation)
    await session.flush()
    return message, True


async def _quarantine(context: Context, session: AsyncSession, channel: Channel, found: Quarantined) -> None:
    """Keep what could not be read, once."""
    known = select(Quarantine.id).where(Quarantine.channel == channel.name, Quarantine.external_id == found.external_id)
    if (await session.exec(known)).first() is not None:
        return
    session.add(
        Quarantine(
            channel=channel.name,
            external_id=found.external_id,
            reason=found.reason,
            sender=found.sender,
            subject=found.subject,
            raw=found.raw,
        )
    )
    wake(session, NEW_CONVERSATION)
    await session.flush()
    context.metrics.received.labels(channel.name, "quarantined").inc()
    log.warning("message.quarantined", channel=channel.name)


# --- respond -----------------------------------------------------------------------------------------------------


async def respond(context: Context, claim: lease.Claim) -> None:
    """Think about what the customer wrote, and record the verdict if it is still the agent's turn."""
    about = {"conversation": claim.conversation_id, "fence": claim.fence, "attempt": claim.attempts}
    try:
        with context.steps("respond", **about) as step:
            await _respond(context, claim, step)
    except asyncio.CancelledError:  # the process stops: whoever goes on need not wait for the lease to end
        await asyncio.shield(lease.release(context, claim))
        raise


async def _respond(context: Context, claim: lease.Claim, step: Step) -> None:
    asked, owed = await asking.read(context, claim)
    if not owed:
        async with lease.still_ours(context, claim):
            return
    began = time.monotonic()
    try:
        if claim.attempts > MOST_ATTEMPTS:
            raise RuntimeError("its answer was begun too often and never finished")
        response = await _think(context, claim, asked)
        if response is None:
            log.info("response.overtaken", conversation=claim.conversation_id)
            return
        decision = await _record(context, claim, owed, response)
    except Exception as error:  # durable work: whatever goes wrong, the customer is answered or gets a person
        log.error("response.failed", conversation=claim.conversation_id, attempt=claim.attempts, exc_info=True)
        if claim.attempts <= MOST_ATTEMPTS and claim.owed_for < context.settings.respond_give_up_seconds:
            await lease.postpone(context, claim)
            return
        response = failed(asked, context.settings.company_name, type(error).__name__)
        decision = await _record(context, claim, owed, response)
    verdict = type(response.verdict).__name__.lower()
    if decision:
        context.metrics.decisions.labels(verdict).inc()
        step.note(verdict=verdict, confidence=response.confidence, decision=decision.id)
    log.info(
        "response.recorded" if decision else "response.overtaken",
        conversation=claim.conversation_id,
        seq=owed[-1].seq,
        decision=decision.id if decision else None,
        verdict=verdict,
        confidence=response.confidence,
        seconds=round(time.monotonic() - began, 3),
    )


async def _think(context: Context, claim: lease.Claim, asked: Asked) -> Response | None:
    """The agent's response; None if the lease was lost meanwhile. The lease is renewed for as long as it takes."""
    thinking = asyncio.create_task(context.agent.respond(asked))
    # Counted from when it was first owed, but a late worker too gets the time of one lease.
    left = max(context.settings.respond_give_up_seconds - claim.owed_for, context.settings.lease_seconds)
    deadline = time.monotonic() + left
    try:
        async with typing_sign.shown(context, claim.conversation_id):
            while True:
                done, _ = await asyncio.wait({thinking}, timeout=context.settings.lease_seconds / 4)
                if done:
                    return thinking.result()
                if time.monotonic() > deadline:
                    raise TimeoutError("the answer took too long")
                if not await lease.renew(context, claim):
                    return None
    finally:
        thinking.cancel()


async def _record(context: Context, claim: lease.Claim, owed: Sequence[Any], response: Response) -> Decision | None:
    """Decision, message and owed delivery in one transaction, and only if it is still the agent's turn."""
    with context.steps("record"):
        async with lease.still_ours(context, claim) as ours:
            if ours is None:
                return None
            thought_of = {message.id for message in owed}
            decision = await saying.conclude(
                ours.session,
                ours.conversation,
                [message for message in ours.owed if message.id in thought_of],
                response,
                channel=context.channels.get(ours.conversation.channel),
                company=context.settings.company_name,
                base_url=context.settings.base_url,
                disclosure=DISCLOSURE.format(company=context.settings.company_name),
            )
    return decision
