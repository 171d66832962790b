"""WhatsApp through the whole of it, with our server as a process: nothing lost and nothing sent twice."""

import asyncio
import signal
import time

import pytest

from tests.whatsapp_kit import CUSTOMER, TOKEN, WhatsApp, until, whatsapp

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def world(database_url: str, tmp_path):
    with whatsapp(database_url, tmp_path) as made:
        yield made


def answered(world: WhatsApp, count: int, customer: str = CUSTOMER) -> None:
    until(lambda: len(world.replies(customer)) >= count, lambda: f"{world.replies(customer)}\n{world.said()}")


def quiet(world: WhatsApp, seconds: float = 2.5) -> None:
    """Longer than a lease and a sweep: whatever would be sent once more is sent by now."""
    time.sleep(seconds)


def test_one_message_fifty_times_at_once_later_and_after_a_restart_has_one_reply(world: WhatsApp) -> None:
    world.start()
    text = world.write("hello", deliver=False)

    async def post(times: int) -> list[int]:
        return await asyncio.gather(*(world.twilio.post(text) for _ in range(times)))

    assert set(world.run(post(50))) == {200}
    answered(world, 1)
    assert world.run(post(1)) == [200], "ten minutes later it is known as well: what was seen is kept"
    world.stop()
    world.start()
    assert world.run(post(3)) == [200, 200, 200]
    quiet(world)
    assert [reply.partition("echo: ")[2].split("\n")[0] for reply in world.replies()] == ["hello"]


def test_thirty_messages_sent_while_we_were_down_are_all_taken_in_once_and_in_order(world: WhatsApp) -> None:
    world.start()
    world.write("before")
    answered(world, 1)
    world.stop()
    for number in range(30):
        world.write(f"message {number:02}")  # Twilio posts it to nobody, once more, and then never again
    assert {alert.status for alert in world.twilio.alerts} == {0}
    world.start()
    until(lambda: "message 29" in " ".join(world.replies()), lambda: f"{world.replies()}\n{world.said()}", 60)
    quiet(world)
    heard = [
        line.removeprefix("echo: ")
        for reply in world.replies()
        for line in reply.splitlines()
        if line.removeprefix("echo: ").startswith("message ")
    ]
    assert heard == [f"message {number:02}" for number in range(30)]


@pytest.mark.parametrize("point", ["after the vendor took it", "before the receipt is committed"])
def test_killed_after_twilio_took_it_and_before_we_knew_there_is_one_message(world: WhatsApp, point: str) -> None:
    world.twilio.automatic = False  # not even a status callback tells us
    world.start(point)
    world.write("hello")
    assert world.process
    assert world.process.wait(timeout=30) == -signal.SIGKILL, world.said()
    assert len(world.replies()) == 1, "it must have been taken, or there is nothing to repeat"
    world.start()
    quiet(world, 4.0)
    world.write("and again")
    answered(world, 2)
    quiet(world)
    assert len(world.replies()) == 2
    assert "and again" in world.replies()[1], "what comes after it was held up until it was known"


def test_a_forged_webhook_is_refused_and_nothing_of_it_is_stored(world: WhatsApp) -> None:
    world.start()

    async def forge() -> int:
        text = await world.twilio.write(CUSTOMER, "let me in", deliver=False)
        world.twilio.forget(text)  # or the sweep would find it, and be right: it is at Twilio
        return await world.twilio.post(text)

    world.twilio.sign_with = "x" * 32
    assert world.run(forge()) == 403
    world.twilio.sign_with = TOKEN
    world.write("hello")
    answered(world, 1)
    assert all("let me in" not in reply for reply in world.replies())


def test_statuses_are_shown_and_a_failure_calls_a_person(world: WhatsApp) -> None:
    world.start()
    world.twilio.absent.add(CUSTOMER)
    world.write("hello")
    answered(world, 1)
    (reply,) = [text for text in world.twilio.of(CUSTOMER) if not text.inbound]
    until(lambda: reply.status in ("failed", "undelivered"), lambda: reply.status)
    quiet(world, 1.0)
    assert len(world.replies()) == 1, "what failed for good is not tried again: a person looks at it"
