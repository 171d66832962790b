"""Staff are told by email of calls that nobody took: real mail server, both databases, failures and all."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlmodel import select, update

from service import call_mail, calls, conversations, schedule, staff_changes, staff_verbs
from service.models import AuditEvent, Conversation, Escalation, Job, Staff
from service.retries import NotYet
from tests.cluster import free_port
from tests.desk_kit import Desk
from tests.mail_kit import Deaf, MailServer

pytestmark = pytest.mark.anyio

BASE = "https://help.example.com"
ASKED = "Where is my secret parcel, says Rosa?"


@pytest.fixture
def server(mail_server: Callable[..., MailServer]) -> MailServer:
    return mail_server()


def make_desk(db: Any, port: int, **changed: Any) -> Desk:
    values = {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_security": "none", "mail_from": "desk@example.com"}
    return Desk(db, **{**values, "public_base_url": BASE, "call_email_seconds": 300, "lease_seconds": 60, **changed})


@pytest.fixture
def desk(db: Any, server: MailServer) -> Desk:
    return make_desk(db, server.port)


async def member(desk: Desk, name: str, role: str = "support", *, wants: bool = True) -> Staff:
    made = await desk.make_staff(name, role)
    async with desk.db.write() as session:
        made.wants_email = wants
        session.add(made)
    return made


async def call(desk: Desk, minutes: float = 6, reason: str = "Nothing covers it.", **fields: Any) -> int:
    """A customer who has waited so long for a person; the conversation."""
    number = await desk.conversation(("customer", ASKED), state="waiting", name="Rosa", **fields)
    await desk.call(number, time.time() - minutes * 60, reason)
    return number


async def told_at(desk: Desk) -> list[float | None]:
    async with desk.db.read() as session:
        return list((await session.exec(select(Escalation.told_at).order_by(Escalation.id))).all())


async def rested(desk: Desk) -> None:
    """The time after which one person may get another mail has passed."""
    async with desk.db.write() as session:
        await session.exec(update(AuditEvent).values(at=AuditEvent.at - calls.REST_SECONDS))


def addresses(*names: str) -> list[str]:
    return [f"{name}@example.org" for name in names]


async def test_who_asked_may_answer_and_is_enabled_is_told_once(desk: Desk, server: MailServer) -> None:
    await member(desk, "Ana")
    await member(desk, "Ben", "admin")
    await member(desk, "Eddy", "editor")
    await member(desk, "Quiet", wants=False)
    gone = await member(desk, "Gone")
    async with desk.db.write() as session:
        await staff_changes.disable(session, gone.id)
    await call(desk)
    for _ in range(3):
        await calls.tell(desk.context)
        await rested(desk)
    assert sorted(server.told) == addresses("ana", "ben")
    assert await told_at(desk) == [pytest.approx(time.time(), abs=60)]


async def test_the_mail_says_why_and_how_long_and_nothing_of_the_customers(desk: Desk, server: MailServer) -> None:
    await member(desk, "Ana")
    number = await call(desk, 12, "No published article states an answer to “where is Rosa's secret “parcel””.")
    await calls.tell(desk.context)
    [(_, message)] = server.taken
    text = message.get_content()
    assert f"{BASE}/desk/conversations/{number}" in text
    assert f"{BASE}/desk/account" in text
    assert "Pigeon post, waiting for 12 minutes." in text
    assert "No published article states an answer." in text
    assert message["Subject"] == "A customer has waited for a person for 12 minutes"
    assert message["Auto-Submitted"] == "auto-generated"
    for word in ("Rosa", "secret", "parcel"):
        assert word.lower() not in (text + str(message["Subject"])).lower()


@pytest.mark.parametrize(
    ("reason", "decided", "words"),
    [
        ("The customer asks for a person.", True, "The customer asks for a person."),
        ("Not confident enough about “my “x” y”: 0.40, needs 0.70. The nearest was Returns, version 2.", True, None),
        (
            "A reply did not reach the customer: rosa@example.org is unknown.",
            False,
            "A reply did not reach the customer.",
        ),
    ],
)
def test_a_reason_is_said_without_what_others_wrote(reason: str, decided: bool, words: str | None) -> None:
    said = call_mail.reason(Escalation(conversation_id=1, reason=reason, decision_id=1 if decided else None))
    assert said == (words or "Not confident enough: 0.40, needs 0.70. The nearest was Returns, version 2.")


async def test_nobody_is_told_too_soon_too_late_or_of_what_is_no_call_any_more(desk: Desk, server: MailServer) -> None:
    ana = await member(desk, "Ana")
    await call(desk, 4)
    await call(desk, 25 * 60)
    taken, resolved, back = [await call(desk) for _ in range(3)]
    async with desk.db.write() as session:
        await staff_verbs.take_over(session, taken, ana)
        await staff_verbs.resolve(session, resolved, ana)
        await staff_verbs.hand_back(session, back, ana)
    await calls.tell(desk.context)
    assert server.told == []
    await call(desk, 5.1)
    await calls.tell(desk.context)
    assert server.told == addresses("ana"), "the same but due, so that the rest of this means anything"


async def test_many_calls_are_one_mail_and_what_falls_due_just_after_waits_for_the_next(
    desk: Desk, server: MailServer
) -> None:
    await member(desk, "Ana")
    numbers = [await call(desk, minutes) for minutes in range(30, 6, -1)]
    await calls.tell(desk.context)
    [(_, message)] = server.taken
    text = message.get_content().replace("\r\n", "\n")
    assert message["Subject"] == "24 customers wait for a person, the longest for 30 minutes"
    assert text.count("/desk/conversations/") == call_mail.MOST_LISTED
    assert text.index(f"/{numbers[0]}\n") < text.index(f"/{numbers[19]}\n")
    assert "And 4 more" in text
    assert None not in await told_at(desk)
    await call(desk)
    await calls.tell(desk.context)
    assert len(server.taken) == 1
    assert (await told_at(desk))[-1] is None
    await rested(desk)
    await calls.tell(desk.context)
    assert len(server.taken) == 2
    assert "A customer has waited" in server.taken[1][1]["Subject"]


async def test_one_bad_mailbox_keeps_nobody_else_from_being_told(desk: Desk, server: MailServer) -> None:
    for name in ("Ana", "Ben", "Cleo"):
        await member(desk, name)
    server.refuses["ben@example.org"] = "550 No such mailbox"
    await call(desk)
    await calls.tell(desk.context)
    assert sorted(server.told) == addresses("ana", "cleo")
    assert None not in await told_at(desk)
    async with desk.db.read() as session:
        events = (await session.exec(select(AuditEvent).where(AuditEvent.action == calls.REFUSED))).all()
        assert [(await session.get(Staff, each.staff_id)).name for each in events] == ["Ben"]


async def test_a_mailbox_that_is_full_for_now_is_tried_again_and_the_others_are_not(
    desk: Desk, server: MailServer
) -> None:
    for name in ("Ana", "Ben"):
        await member(desk, name)
    server.refuses["ben@example.org"] = "452 Full"
    await call(desk)
    with pytest.raises(NotYet, match="452") as later:
        await calls.tell(desk.context)
    assert later.value.seconds == calls.SOONEST_SECONDS, "one mailbox does not keep the others waiting"
    assert await told_at(desk) == [None]
    server.refuses.clear()
    await calls.tell(desk.context)
    assert server.told == addresses("ana"), "nor is it asked every time"
    await rested(desk)
    await calls.tell(desk.context)
    assert server.told == addresses("ana", "ben")
    assert None not in await told_at(desk)


@pytest.mark.parametrize("at_data", [False, True])
async def test_a_server_that_does_not_want_our_mail_is_tried_again_and_the_job_says_so(
    desk: Desk, server: MailServer, at_data: bool
) -> None:
    await member(desk, "Ana")
    await call(desk)
    if at_data:
        server.answers = ["550 5.7.60 Not as them"]
    else:
        server.refuses["ana@example.org"] = "554 5.7.1 Relay access denied"
    with pytest.raises(NotYet, match=r"does not take mail to staff .* 5\.7\."):
        await calls.tell(desk.context)
    assert await told_at(desk) == [None]
    server.refuses.clear()
    await rested(desk)
    await calls.tell(desk.context)
    assert server.told == addresses("ana")


async def test_while_the_mail_server_is_away_nothing_is_lost(db: Any, mail_server: Any) -> None:
    port = free_port()
    desk = make_desk(db, port)
    await member(desk, "Ana")
    await call(desk, 20)
    assert not await schedule.run_due(desk.context, "calls")
    async with db.read() as session:
        job = await session.get(Job, "calls")
        assert "could not be sent" in job.last_error
        assert job.due_at - await conversations.now(session) == pytest.approx(15 * 60 / 4, abs=20), "not every 20 s"
        assert (await session.exec(select(AuditEvent.action).where(AuditEvent.actor == "system"))).all() == [
            "escalated"
        ]
    assert await told_at(desk) == [None]
    server = mail_server(port=port)
    assert not await schedule.run_due(desk.context, "calls"), "not due yet"
    async with db.write() as session:
        await session.exec(update(Job).values(due_at=0.0))
    assert await schedule.run_due(desk.context, "calls")
    assert server.told == addresses("ana")
    assert None not in await told_at(desk)


async def test_a_process_that_dies_between_two_mails_tells_only_those_who_do_not_know(
    desk: Desk, server: MailServer
) -> None:
    for name in ("Ana", "Ben", "Cleo"):
        await member(desk, name)
    await call(desk)
    server.answers = ["250 OK", "hang"]
    run = asyncio.create_task(calls.tell(desk.context))
    while not server.taken or server.answers:
        await asyncio.sleep(0.02)
    run.cancel()  # as a killed process ends: in the middle of the second mail
    await asyncio.wait({run})
    assert len(server.taken) == 1
    assert await told_at(desk) == [None]
    await rested(desk)
    await calls.tell(desk.context)
    assert sorted(server.told) == addresses("ana", "ben", "cleo")
    assert None not in await told_at(desk)


async def test_a_mail_whose_outcome_is_unknown_goes_out_once_more_as_the_same_message(
    desk: Desk, server: MailServer
) -> None:
    await member(desk, "Ana")
    await call(desk)
    server.answers = ["drop", "drop"]
    for _ in range(2):
        with pytest.raises(NotYet, match="not known whether"):
            await calls.tell(desk.context)
        await rested(desk)
    await calls.tell(desk.context)
    (_, first), (_, second) = server.taken
    assert first["Message-ID"] == second["Message-ID"]
    assert None not in await told_at(desk), "twice is enough"
    await call(desk)
    await rested(desk)
    await calls.tell(desk.context)
    assert server.taken[2][1]["Message-ID"] != first["Message-ID"], "another call is another message"


async def test_a_call_whose_mail_is_never_answered_for_is_mailed_twice_however_many_calls_follow(
    desk: Desk, server: MailServer
) -> None:
    await member(desk, "Ana")
    numbers = []
    for _ in range(4):
        numbers.append(await call(desk))
        server.answers = ["drop"]
        with pytest.raises(NotYet, match="not known whether"):
            await calls.tell(desk.context)
        await rested(desk)
    for _ in range(8):
        server.answers = ["drop"]
        with contextlib.suppress(NotYet):
            await calls.tell(desk.context)
        await rested(desk)
    sent = [(message["Message-ID"], message.get_content()) for _, message in server.taken]
    for number in numbers:
        ids = [key for key, text in sent if f"{BASE}/desk/conversations/{number}" in text.split()]
        assert len(ids) == 2
        assert ids[0] == ids[1], "mail systems fold it into one"
    assert None not in await told_at(desk)


async def test_who_wrote_again_is_for_the_one_who_had_them(desk: Desk, server: MailServer) -> None:
    ana, _ben = await member(desk, "Ana"), await member(desk, "Ben")
    await call(desk, assigned_to=ana.id)
    await calls.tell(desk.context)
    assert server.told == addresses("ana")
    assert "They wrote again to you." in server.taken[0][1].get_content()
    assert None not in await told_at(desk)
    async with desk.db.write() as session:
        await staff_changes.disable(session, ana.id)
    await calls.tell(desk.context)
    assert server.told == addresses("ana", "ben"), "nobody else would ever have heard of it"


async def test_a_call_that_somebody_has_who_is_gone_is_told_to_the_others(desk: Desk, server: MailServer) -> None:
    ana, _ben = await member(desk, "Ana"), await member(desk, "Ben")
    async with desk.db.write() as session:
        await staff_changes.disable(session, ana.id)
    await call(desk, assigned_to=ana.id)  # the customer wrote again while the account was being disabled
    await calls.tell(desk.context)
    assert server.told == addresses("ben")


async def test_a_call_that_is_released_while_it_is_settled_is_still_told_to_the_others(
    desk: Desk, server: MailServer
) -> None:
    ana, _ben = await member(desk, "Ana"), await member(desk, "Ben")
    await call(desk, assigned_to=ana.id)
    async with desk.db.read() as session:
        read = await calls.due(session, desk.context)
    await calls.tell(desk.context)
    assert None not in await told_at(desk)
    async with desk.db.write() as session:
        await staff_changes.disable(session, ana.id)
    await calls._settle(desk.context, read, [])
    assert await told_at(desk) == [None]
    await calls.tell(desk.context)
    assert server.told == addresses("ana", "ben")


async def test_nobody_who_wants_mail_leaves_the_call_for_whoever_asks_later(desk: Desk, server: MailServer) -> None:
    ana = await member(desk, "Ana", wants=False)
    await call(desk)
    await calls.tell(desk.context)
    assert await told_at(desk) == [None]
    async with desk.db.write() as session:
        await staff_changes.want_email(session, ana.id, True)
    await calls.tell(desk.context)
    assert server.told == addresses("ana")


async def test_of_two_processes_one_tells(desk: Desk, server: MailServer) -> None:
    await member(desk, "Ana")
    await call(desk)
    done = await asyncio.gather(*(schedule.run_due(desk.context, "calls") for _ in range(4)))
    assert done.count(True) == 1
    assert server.told == addresses("ana")


async def test_a_server_that_hangs_holds_the_job_for_less_than_its_lease_and_a_stop_not_at_all(db: Any) -> None:
    async with Deaf() as deaf:
        desk = make_desk(db, deaf.port, lease_seconds=2)
        await member(desk, "Ana")
        await call(desk)
        began = time.monotonic()
        with pytest.raises(NotYet):
            await calls.tell(desk.context)
        assert 0.9 < time.monotonic() - began < 1.9
        desk = make_desk(db, deaf.port)
        asyncio.get_running_loop().call_later(0.2, desk.context.stopping.set)
        began = time.monotonic()
        with pytest.raises(NotYet):
            await calls.tell(desk.context)
        assert time.monotonic() - began < calls.GRACE_SECONDS + 1


@pytest.mark.parametrize("stops", [False, True])
async def test_a_mail_that_is_taken_by_a_server_that_then_hangs_goes_out_twice_and_never_again(
    db: Any, server: MailServer, stops: bool
) -> None:
    desk = make_desk(db, server.port, lease_seconds=60 if stops else 2)
    await member(desk, "Ana")
    await call(desk)
    for _ in range(3):
        server.answers = ["take and hang"]
        if stops:
            asyncio.get_running_loop().call_later(0.3, desk.context.stopping.set)
        with contextlib.suppress(NotYet):
            await calls.tell(desk.context)
        desk.context.stopping.clear()
        await rested(desk)
    assert server.told == addresses("ana", "ana")
    assert server.taken[0][1]["Message-ID"] == server.taken[1][1]["Message-ID"]
    assert None not in await told_at(desk)


async def test_without_a_mail_server_nothing_is_done(db: Any) -> None:
    desk = Desk(db)
    await member(desk, "Ana")
    await call(desk)
    assert await schedule.run_due(desk.context, "calls")
    assert await told_at(desk) == [None]
    async with db.read() as session:
        assert (await session.exec(select(Conversation.state))).all() == ["waiting"]
