"""What one visitor and one address may ask for: past it a sentence and the time to come back; an office survives."""

import asyncio
import contextlib
import itertools
import json
import random
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import uvicorn
from sqlmodel import func, select
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from channels.base import Inbound, Setup
from channels.webchat import WebChat
from service import limits
from service.app import create_app
from service.limits import MOST_KEYS, STREAM_WAIT, VISITOR_STREAMS, Buckets, Limits, Rate
from service.models import Message
from service.throttle import TooMany
from tests.desk_kit import Desk
from tests.fakes import SinkChannel
from tests.flow_kit import make_context

pytestmark = pytest.mark.anyio

HERE, THERE, PROXY = "198.51.100.7", "198.51.100.8", "10.0.0.1"
HTML = {"accept": "text/html,*/*;q=0.8"}
ids = itertools.count(10_000_000)


class Site:
    """An installation with a web chat, its clock in the test's hand, behind uvicorn's own reading of proxy headers."""

    def __init__(self, db: Any, people: int = 300) -> None:
        self.chat = WebChat(Setup(secret=b"k" * 32, company="Pellworth"))
        self.context = make_context(db, people_per_address=people)
        self.context.channels = {"webchat": self.chat}
        self.now = time.time()
        self.context.clock = self.context.limits.clock = lambda: self.now
        self.app = ProxyHeadersMiddleware(create_app(self.context), trusted_hosts=PROXY)

    def at(self, address: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app, client=(address, 4711))
        return httpx.AsyncClient(transport=transport, base_url="http://test")

    async def write(self, client: httpx.AsyncClient, token: str = "", id: str = "", **headers: str) -> httpx.Response:
        """One message of the visitor `token`, or of one who was never here."""
        headers = {"authorization": f"Bearer {token or self.chat.token()}", **headers}
        body = {"id": id or f"m-{next(ids)}", "text": "Where is my parcel?"}
        return await client.post("/channels/webchat", json=body, headers=headers)

    async def stored(self) -> int:
        async with self.context.db.read() as session:
            return (await session.exec(select(func.count()).select_from(Message))).one()


def expect_refusal(answer: httpx.Response, what: str = "Too many messages from here.") -> int:
    """The seconds after which it says to come back."""
    assert answer.status_code == 429
    seconds = int(answer.headers["retry-after"])
    assert seconds >= 1
    unit = "second" if seconds == 1 else "seconds"
    assert answer.json()["error"] == f"{what} Please try again in {seconds} {unit}."
    return seconds


async def test_a_visitor_who_writes_too_much_is_told_when_to_come_back_and_then_heard(db: Any) -> None:
    site = Site(db)
    token = site.chat.token()
    async with site.at(HERE) as client:
        for _ in range(20):
            assert (await site.write(client, token)).status_code == 200
        seconds = expect_refusal(await site.write(client, token))
        assert seconds == 3
        assert await site.stored() == 20, "what is refused is not stored"
        assert (await site.write(client)).status_code == 200, "somebody else at the same address is not held up"
        site.now += seconds - 1
        assert expect_refusal(await site.write(client, token)) == 1
        site.now += 1
        assert (await site.write(client, token)).status_code == 200


async def test_an_address_that_writes_too_much_is_told_when_to_come_back_and_another_is_not_held_for_it(
    db: Any,
) -> None:
    site = Site(db, people=5)
    async with site.at(HERE) as here, site.at(THERE) as there:
        for _ in range(5):
            assert (await site.write(here)).status_code == 200
        seconds = expect_refusal(await site.write(here))
        assert seconds == 12
        assert (await site.write(there)).status_code == 200
        site.now += seconds
        assert (await site.write(here)).status_code == 200
        expect_refusal(await site.write(here))


async def test_a_message_sent_again_is_not_counted_again_and_not_refused(db: Any) -> None:
    site = Site(db)
    token = site.chat.token()
    async with site.at(HERE) as client:
        first = await site.write(client, token, "the-same-one")
        for _ in range(30):
            again = await site.write(client, token, "the-same-one")
            assert (again.status_code, again.json()) == (200, first.json())
        for _ in range(19):
            assert (await site.write(client, token)).status_code == 200
        expect_refusal(await site.write(client, token))
        assert (await site.write(client, token, "the-same-one")).status_code == 200, "it was taken long ago"
    assert await site.stored() == 20


async def test_sending_the_same_message_for_ever_is_refused_as_too_many_requests(db: Any) -> None:
    site = Site(db, people=5)
    token = site.chat.token()
    async with site.at(HERE) as client:
        answers = [await site.write(client, token, "the-same-one") for _ in range(21)]
    assert {each.status_code for each in answers[:20]} == {200}
    expect_refusal(answers[20], "Too many requests from here.")


@pytest.mark.parametrize("db", ["sqlite"], indirect=True)  # nothing here is the database's
async def test_an_office_of_two_hundred_that_writes_and_reads_every_minute_is_never_refused(db: Any) -> None:
    site = Site(db)
    office = [site.chat.token() for _ in range(200)]
    async with site.at(HERE) as client:
        for _ in range(2):
            for token in office:
                site.now += 60 / len(office)
                headers = {"authorization": f"Bearer {token}"}
                answers = [
                    await client.get("/help"),
                    await client.get("/channels/webchat/widget.js"),
                    await client.post("/channels/webchat/session", headers=headers),
                    await site.write(client, token),
                ]
                assert {each.status_code for each in answers} == {200}
        assert await site.stored() == 400, "more than may come at once, or the limit was never near"
        for _ in range(301):
            answer = await site.write(client)
        expect_refusal(answer)


def message(sender: str) -> Inbound:
    return Inbound(sender=sender, thread=sender, external_id=f"{next(ids)}", text="hello")


def test_an_office_keeps_it_up_for_a_working_day_and_a_flood_does_not() -> None:
    now, chat = [time.time()], WebChat(Setup(secret=b"k" * 32))
    counted = Limits(300, lambda: now[0])
    scope = {"client": (HERE, 1)}
    for _ in range(8 * 60):
        for person in range(200):
            counted.count_message(scope, chat, message(f"person {person}"))
        now[0] += 60
    taken = 0
    for number in range(24 * 3600 * 4):
        now[0] += 0.25
        with contextlib.suppress(TooMany):
            counted.count_message({"client": (THERE, 1)}, chat, message(f"flood {number}"))
            taken += 1
    assert 90_000 <= taken <= 181_000


def test_two_hundred_messages_of_one_visitor_in_an_hour_are_enough() -> None:
    now, chat = [time.time()], WebChat(Setup(secret=b"k" * 32))
    counted = Limits(300, lambda: now[0])
    taken = 0
    for _ in range(3600):
        now[0] += 1
        with contextlib.suppress(TooMany):
            counted.count_message({"client": (HERE, 1)}, chat, message("one"))
            taken += 1
    assert 200 <= taken <= 400


async def test_a_forwarded_address_is_believed_of_a_trusted_proxy_alone(db: Any) -> None:
    site = Site(db, people=2)
    async with site.at(HERE) as client:
        answers = [await site.write(client, **{"x-forwarded-for": f"203.0.113.{each}"}) for each in range(3)]
        assert [each.status_code for each in answers] == [200, 200, 429]
    async with site.at(PROXY) as client:
        answers = [await site.write(client, **{"x-forwarded-for": f"203.0.113.{each}"}) for each in range(3)]
        assert [each.status_code for each in answers] == [200, 200, 200]
        # What the visitor put there stands before what the proxy saw.
        answers = [await site.write(client, **{"x-forwarded-for": f"192.0.2.{each}, {THERE}"}) for each in range(3)]
        assert [each.status_code for each in answers] == [200, 200, 429]


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("not an address", "not one either", False),
    ],
)
async def test_an_ipv6_network_is_one_address_and_an_ipv4_address_is_itself(
    db: Any, one: str, other: str, together: bool
) -> None:
    site = Site(db, people=1)
    async with site.at(one) as client:
        assert (await site.write(client)).status_code == 200
        assert (await site.write(client)).status_code == 429
    async with site.at(other) as client:
        assert (await site.write(client)).status_code == (429 if together else 200)


async def test_a_vendors_webhook_is_never_limited_by_address_or_sender(db: Any) -> None:
    vendor = SinkChannel("http://127.0.0.1:9")
    for public, refused in ((False, False), (True, True)):
        vendor.public = public
        context = make_context(db, channel=vendor, people_per_address=1)
        transport = httpx.ASGITransport(create_app(context), client=(HERE, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            bodies = [{"thread": "t", "id": f"{public} {each}", "text": "hello"} for each in range(30)]
            answers = [await client.post("/channels/sink", content=json.dumps(body)) for body in bodies]
        assert (429 in {each.status_code for each in answers}) is refused


@pytest.mark.parametrize(
    "path", ["/help", "/help/style.css", "/channels/webchat/widget.js", "/desk/static/desk.css", "/desk/login", "/none"]
)
async def test_reads_by_whoever_is_not_signed_in_are_limited_by_address(db: Any, path: str) -> None:
    site = Site(db, people=1)
    async with site.at(HERE) as here, site.at(THERE) as there:
        before = [(await here.get(path)).status_code for _ in range(4)]
        assert 429 not in before
        refused = await here.get(path, headers=HTML)
        assert refused.status_code == 429
        assert refused.headers["content-type"].startswith("text/html")
        seconds = int(refused.headers["retry-after"])
        assert f"Too many requests from here. Please try again in {seconds} seconds." in refused.text
        assert (await there.get(path)).status_code == before[0]
        assert (await here.get("/healthz")).status_code == 200
        assert (await here.get("/readyz")).status_code == 200
        site.now += seconds
        assert (await here.get(path)).status_code == before[0]


async def test_a_page_of_another_site_can_read_when_to_come_back(db: Any) -> None:
    site = Site(db, people=1)
    async with site.at(HERE) as client:
        for _ in range(5):
            answer = await client.post("/channels/webchat/session", headers={"origin": "https://shop.example"})
    expect_refusal(answer, "Too many requests from here.")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-expose-headers"].lower() == "retry-after"


async def test_whoever_is_signed_in_is_not_counted_and_a_made_up_session_is(db: Any) -> None:
    desk = Desk(db, people_per_address=1)
    ana = (await desk.signed_in(await desk.make_staff("Ana"))).client
    for _ in range(20):
        assert (await ana.get("/desk")).status_code == 200
    stranger = desk.browser(cookie="firstline=made-up")
    answers = [await stranger.get("/desk") for _ in range(5)]
    assert [each.status_code for each in answers] == [303, 303, 303, 303, 429]
    assert "Please try again in 6 seconds." in answers[-1].text
    assert answers[-1].headers["retry-after"] == "6"
    assert (await ana.get("/desk")).status_code == 200, "the same address, but it is known who it is"
    form = {"email": "nobody@example.org", "password": "a guess, and no more"}
    assert (await stranger.post("/desk/login", data=form)).status_code == 429
    desk.now += 6
    assert (await stranger.post("/desk/login", data=form)).status_code == 401


async def test_who_moves_a_demos_time_on_and_back_is_refused_nothing(db: Any) -> None:
    context = make_context(db, people_per_address=1)
    transport = httpx.ASGITransport(create_app(context), client=(HERE, 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        for ahead in (0, 86_400, 0):
            context.clock = lambda ahead=ahead: time.time() + ahead
            assert (await client.get("/help")).status_code == 200, f"{ahead} seconds ahead"


def test_a_flood_of_addresses_does_not_fill_the_memory() -> None:
    counted = Limits(300, lambda: 1_000_000.0)
    chat = WebChat(Setup(secret=b"k" * 32))
    for number in range(2 * MOST_KEYS):
        scope = {"client": (f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 1)}
        counted.count_request(scope)
        counted.count_message(scope, chat, message(f"{number}"))
    assert {len(each) for each in (*counted._requests, *counted._of_visitor, *counted._of_address)} == {MOST_KEYS}
    assert len(counted._counted) == MOST_KEYS
    assert len(counted._streams) == 0
    assert limits.network.cache_info().maxsize == 4096


def test_who_keeps_asking_is_not_forgotten_for_those_who_came_later_and_who_is_gone_is() -> None:
    several = Buckets(Rate(2, 10), most=3)
    several.take("busy", 0.0)
    for number in range(10):
        several.take(f"other {number}", 0.0)
        several.take("busy", number / 1000)
    assert several.wait("busy", 0.01) > 4
    several.take("late", 1000.0)
    assert len(several) == 1


def test_it_is_always_taken_after_the_time_that_was_named_and_not_long_before() -> None:
    dice = random.Random(7)
    refused = 0
    for _ in range(3000):
        rate, now = Rate(dice.randint(1, 400), dice.choice([1, 24, 60, 3600, 86_400])), 1.8e9 + dice.random() * 1e6
        one = Buckets(rate)
        for _ in range(dice.randint(1, 500)):
            if one.wait("a", now):
                break
            one.take("a", now)
        if wait := one.wait("a", now):
            refused += 1
            assert one.wait("a", now + TooMany(wait).seconds) == 0
            assert wait < 0.1 or one.wait("a", now + wait * 0.9) > 0
    assert refused > 500


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 second."), (1.0004, "1 second."), (19.2, "20 seconds."), (119, "119 seconds."), (121, "3 minutes.")],
)
def test_the_time_to_come_back_is_in_words(seconds: float, words: str) -> None:
    assert str(TooMany(seconds)) == f"Too many tries. Please try again in {words}"


# --- live streams: over sockets, since what matters is what happens when one is closed -------------------------------


@contextlib.asynccontextmanager
async def serving(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    server = uvicorn.Server(uvicorn.Config(create_app(site.context), port=0, lifespan="off", log_config=None))
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", limits=httpx.Limits(max_connections=50)
    ) as client:
        yield client
    site.context.stopping.set()
    site.context.db.waker.wake()
    server.should_exit = True
    await task


def listen(client: httpx.AsyncClient, token: str) -> Any:
    return client.stream("GET", "/channels/webchat/stream", headers={"authorization": f"Bearer {token}"})


async def opened(stack: contextlib.AsyncExitStack, client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await stack.enter_async_context(listen(client, token))


async def until_open(client: httpx.AsyncClient, token: str) -> float:
    """Seconds until there is a place for a stream."""
    began = time.monotonic()
    while time.monotonic() - began < STREAM_WAIT:
        async with listen(client, token) as answer:
            if answer.status_code == 200:
                break
        await asyncio.sleep(0.05)
    return time.monotonic() - began


@pytest.mark.parametrize("db", ["sqlite"], indirect=True)
async def test_one_visitor_may_hold_ten_streams_and_a_closed_one_makes_room(db: Any) -> None:
    site = Site(db)
    token = site.chat.token()
    async with serving(site) as client, contextlib.AsyncExitStack() as stack:
        async with contextlib.AsyncExitStack() as first:
            assert (await opened(first, client, token)).status_code == 200
            for _ in range(VISITOR_STREAMS - 1):
                assert (await opened(stack, client, token)).status_code == 200
            async with listen(client, token) as refused:
                await refused.aread()
            assert expect_refusal(refused, "This chat is open too often from here.") == STREAM_WAIT
            assert (await opened(stack, client, site.chat.token())).status_code == 200, "another visitor's is open"
        assert await until_open(client, token) < STREAM_WAIT


@pytest.mark.parametrize("db", ["sqlite"], indirect=True)
async def test_an_address_may_hold_a_stream_for_each_of_its_people_and_all_are_given_back(db: Any) -> None:
    site = Site(db, people=3)
    async with serving(site) as client:
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(3):
                assert (await opened(stack, client, site.chat.token())).status_code == 200
            async with listen(client, site.chat.token()) as refused:
                await refused.aread()
            expect_refusal(refused, "This chat is open too often from here.")
        site.now += 60
        for _ in range(8):
            async with listen(client, "forged") as forged:
                assert forged.status_code == 403
        site.now += 60
        assert await until_open(client, site.chat.token()) < STREAM_WAIT
        for _ in range(100):
            if not site.context.limits._streams:
                break
            await asyncio.sleep(0.05)
        assert not site.context.limits._streams, "nothing is held for readers that are gone"
