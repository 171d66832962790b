"""Files that customers sent and a vendor keeps: fetched one by one under a lease, and shown once they are here."""

import asyncio
import time
from typing import Any

import structlog
from sqlalchemy import Double, bindparam
from sqlalchemy.orm import load_only
from sqlmodel import col, select, update

from channels.base import Channel, Fetched, SwitchedOff, Undeliverable
from service import conversations
from service.attachments import listed
from service.context import Context
from service.db import clock
from service.models import Attachment, Message
from service.retries import MOST_ATTEMPTS, backoff
from service.storable import LONGEST_NAME, clean
from service.wake import FILES

log = structlog.get_logger()

#: Bytes of one file; in memory a process holds a few times as much of each that it fetches.
MOST_BYTES = 16 * 2**20
#: Files that one process fetches at the same time.
AT_ONCE = 2
#: The longest that nobody looks whether there is one: whose worker was killed, or that another process stored.
LOOK_SECONDS = 5.0
#: What is due but held by another process is looked at again after this time.
HELD_SECONDS = 0.1
#: Until a file is tried again whose vendor does not know us any more.
SWITCHED_OFF_SECONDS = 60.0
#: How long a process goes on with that: the operator has a long weekend to set it right, and nothing is tried for ever.
SWITCHED_OFF_AT_MOST = 7 * 86_400.0
#: How long a stopping process lets what it fetches come to its end.
GRACE_SECONDS = 2.0

#: Of a row without its bytes.
AT_A_GLANCE: Any = (
    *(Attachment.message_id, Attachment.name, Attachment.content_type, Attachment.size),
    *(Attachment.url, Attachment.attempts, Attachment.due_at, Attachment.reason),
)
_FREE = col(Attachment.due_at).is_not(None), col(Attachment.lease_until) < clock()
_NEXT = select((col(Attachment.due_at) - clock()).label("seconds")).where(*_FREE).order_by(col(Attachment.due_at))
_FIRST = select(Attachment.id).where(*_FREE, col(Attachment.due_at) <= clock()).order_by(col(Attachment.due_at))
_CLAIM: Any = (
    update(Attachment)
    .where(col(Attachment.id) == _FIRST.limit(1).with_for_update(skip_locked=True).scalar_subquery())
    .values(
        lease_until=clock() + bindparam("lease_seconds", type_=Double),
        attempts=col(Attachment.attempts) + 1,
    )
    .returning(col(Attachment.id))
    .execution_options(synchronize_session=False)
)


async def run(context: Context) -> None:
    """Fetch what is to be fetched, AT_ONCE at a time, until the process stops."""
    fetching = [asyncio.create_task(_keep_fetching(context)) for _ in range(AT_ONCE)]
    try:
        await context.stopping.wait()
        await asyncio.wait(fetching, timeout=GRACE_SECONDS)
    finally:
        for each in fetching:
            each.cancel()
        await asyncio.gather(*fetching, return_exceptions=True)


async def _keep_fetching(context: Context) -> None:
    with context.db.waker.subscribe(FILES) as changed:
        while not context.stopping.is_set():
            pause = LOOK_SECONDS
            try:
                rows = await context.db.look(_NEXT.limit(1))
                if rows and rows[0].seconds <= 0:
                    pause = HELD_SECONDS
                    if found := await _claim(context):
                        await _fetch(context, *found)
                        pause = 0.0
                elif rows:
                    pause = min(rows[0].seconds, LOOK_SECONDS)
            except Exception:  # durable work: a database that is away comes back, and a lease ends
                log.error("file.broke", exc_info=True)
            if pause:
                await changed.wait(pause)


async def _claim(context: Context) -> tuple[Attachment, Message] | None:
    """The file that has waited longest, leased to us, and the message it belongs to."""
    async with context.db.write() as session:
        row = (await session.exec(_CLAIM, params={"lease_seconds": context.settings.lease_seconds})).first()
        if row is None:
            return None
        file = select(Attachment).where(Attachment.id == row[0]).options(load_only(*AT_A_GLANCE))
        found = (await session.exec(file)).one()
        message = await session.get(Message, found.message_id)
    assert message is not None
    return found, message


async def _fetch(context: Context, file: Attachment, message: Message) -> None:
    """Ask the channel for it, and write down what came of that."""
    try:
        # Shorter than the lease: while one worker waits for the vendor, no other asks for the same.
        async with asyncio.timeout(context.settings.lease_seconds * 0.75):
            fetched = await _ask(context.channels.get(message.channel), file)
        await _settle(context, file, message, fetched=fetched)
    except SwitchedOff as error:
        log.warning("file.not_now", channel=message.channel, file=file.id, reason=str(error))
        if time.time() - max(message.created_at, context.began) < SWITCHED_OFF_AT_MOST:
            await _postpone(context, file, SWITCHED_OFF_SECONDS, counted=False)
        else:
            await _again(context, file, message, str(error), permanent=True)
    except Undeliverable as error:
        await _again(context, file, message, error.reason, permanent=error.permanent)
    except TimeoutError:
        await _again(context, file, message, "The channel did not hand it over in time.")
    except asyncio.CancelledError:  # the process stops: whoever goes on need not wait for the lease to end
        await asyncio.shield(_postpone(context, file, 0.0, counted=False))
        raise
    except Exception as error:  # durable work: anything else is worth a retry
        log.warning("file.refused", channel=message.channel, file=file.id, exc_info=True)
        await _again(context, file, message, f"The channel failed ({type(error).__name__}).")


async def _ask(channel: Channel | None, file: Attachment) -> Fetched:
    if channel is None or channel.missing:
        raise Undeliverable("The channel it came by is switched off.", permanent=True)
    if channel.fetch is None:
        raise Undeliverable("The channel it came by hands no files over.", permanent=True)
    if file.attempts > MOST_ATTEMPTS:  # it takes its worker down, or hangs it
        raise Undeliverable("It was begun too often and never finished.", permanent=True)
    fetched = await channel.fetch(file.url, MOST_BYTES)
    if len(fetched.content) > MOST_BYTES:
        raise Undeliverable(f"It is larger than {MOST_BYTES // 1_000_000} MB.", permanent=True)
    return fetched


async def _again(context: Context, file: Attachment, message: Message, reason: str, *, permanent: bool = False) -> None:
    """Try it again later; if that cannot help, or was done often enough, say at the desk why it is not there."""
    if permanent or file.attempts >= MOST_ATTEMPTS:
        await _settle(context, file, message, reason=clean(reason) or "The channel did not say why.")
    else:
        # Each pause is four times the one before: a vendor that is away for ten minutes still has its files.
        await _postpone(context, file, backoff(2 * file.attempts))


def _ours(file: Attachment) -> Any:
    """The row, while nobody else has claimed it: each claim counts."""
    ours = update(Attachment).where(col(Attachment.id) == file.id, col(Attachment.due_at).is_not(None))
    return ours.where(col(Attachment.attempts) == file.attempts).execution_options(synchronize_session=False)


async def _postpone(context: Context, file: Attachment, seconds: float, *, counted: bool = True) -> None:
    attempts = file.attempts if counted else file.attempts - 1
    async with context.db.write() as session:
        await session.exec(_ours(file).values(lease_until=0.0, due_at=clock() + seconds, attempts=attempts))


async def _settle(
    context: Context, file: Attachment, message: Message, *, fetched: Fetched | None = None, reason: str = ""
) -> None:
    """What became of it, for good: its bytes and its message's list of files change together."""
    file.due_at, file.reason = None, reason
    content: dict[str, Any] = {}
    if fetched:
        file.name = clean(fetched.name)[:LONGEST_NAME] or file.name
        file.content_type = clean(fetched.content_type)[:LONGEST_NAME] or file.content_type
        file.size, content = len(fetched.content), {"content": fetched.content}
    about = {name: getattr(file, name) for name in ("name", "content_type", "size", "due_at", "reason")}
    async with context.db.write() as session:
        conversation = await conversations.lock(session, message.conversation_id)
        settled = await session.exec(_ours(file).values(lease_until=0.0, **about, **content))
        found = await session.get(Message, message.id)
        if conversation is None or found is None or not settled.rowcount:
            return
        found.attachments = [listed(file) if each.get("id") == file.id else each for each in found.attachments]
        found.changed = conversations.touch(session, conversation)
        session.add(found)
    told = {"channel": message.channel, "conversation": message.conversation_id, "seq": message.seq, "file": file.id}
    if fetched:
        log.info("file.fetched", **told, bytes=file.size, attempt=file.attempts)
    else:
        log.warning("file.failed", **told, attempt=file.attempts)
