"""Files fetched from Twilio, by real servers on loopback: what comes, what is refused, and where our login goes."""

import asyncio
import base64
import gzip
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from channels.base import Fetched, SwitchedOff, Undeliverable
from channels.whatsapp.media import MOST_HOPS, _at_twilio, _moved, fetch
from channels.whatsapp.settings import WhatsAppSettings

pytestmark = pytest.mark.anyio

ACCOUNT, SECRET = "AC" + "0a" * 16, "the auth token of the account"
LOGIN = "Basic " + base64.b64encode(f"{ACCOUNT}:{SECRET}".encode()).decode()
PATH = f"/2010-04-01/Accounts/{ACCOUNT}/Messages/MM{'1b' * 16}/Media/ME{'2c' * 16}"
MOST = 100_000


@dataclass
class Host:
    """An HTTP server that says what its script holds, and remembers what it was asked."""

    script: list[Any] = field(default_factory=list)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)  # path, headers
    sent: int = 0  # bytes of bodies that were taken from it
    url: str = ""

    @property
    def logins(self) -> list[str | None]:
        return [headers.get("authorization") for _, headers in self.asked]

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Host"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = dict(_header(line) for line in head[1:] if line)
            self.asked.append((head[0].split(" ")[1], headers))
            for piece in self.script.pop(0):
                if isinstance(piece, float):
                    await asyncio.sleep(piece)
                else:
                    writer.write(piece)
                    await writer.drain()
                    self.sent += len(piece)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # whoever asked has gone, which is what some tests are about
        finally:
            writer.close()


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(": ")
    return name.lower(), value


def says(status: int, body: bytes = b"", /, **headers: str) -> list[bytes]:
    given = {"content-length": str(len(body)), "connection": "close"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} x", *(f"{name}: {value}" for name, value in given.items() if value)]
    return [("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body]


def moved(to: str, status: int = 307) -> list[bytes]:
    return says(status, location=to)


def settings(api: Host | None = None) -> WhatsAppSettings:
    return WhatsAppSettings(ACCOUNT, SECRET, api_url=api.url if api else "")


async def one(*script: Any, most: int = MOST, seconds: float = 10.0) -> Fetched:
    async with Host(list(script)).running() as api:
        return await fetch(settings(api), f"{api.url}{PATH}", most, seconds=seconds)


async def refused(*script: Any, permanent: bool, most: int = MOST, seconds: float = 10.0) -> str:
    with pytest.raises(Undeliverable) as error:
        await one(*script, most=most, seconds=seconds)
    assert error.value.permanent is permanent
    assert error.value.reason.endswith(".")
    return error.value.reason


async def test_a_file_is_fetched_where_twilio_sends_us_on_to_and_our_login_stays_behind() -> None:
    async with (
        Host([moved("/elsewhere")]).running() as api,
        Host([says(200, b"photo", content_type="image/jpeg")]).running() as kept,
    ):
        api.script = [moved(f"{kept.url}/a/b.jpg?Expires=1&Signature=x~y")]
        found = await fetch(settings(api), f"{api.url}{PATH}", MOST)
        assert found == Fetched(b"photo", "image/jpeg", "")
        assert api.logins == [LOGIN], "Twilio must be shown who asks"
        assert kept.logins == [None]
        (path, headers) = kept.asked[0]
        assert path == "/a/b.jpg?Expires=1&Signature=x~y"
        assert not any(SECRET in value or LOGIN in value or ACCOUNT in value for value in headers.values())


async def test_a_file_may_come_from_twilio_itself() -> None:
    async with Host([says(200, b"photo", content_type="image/jpeg; x=y")]).running() as api:
        assert await fetch(settings(api), f"{api.url}{PATH}", MOST) == Fetched(b"photo", "image/jpeg", "")
        assert api.asked[0][1]["accept-encoding"] == "identity"
        assert api.asked[0][0] == PATH


async def test_in_a_rotation_the_secondary_token_will_do() -> None:
    async with Host([says(401), says(200, b"photo")]).running() as api:
        rotated = replace(settings(api), auth_token="x" * 32, auth_token_secondary=SECRET)
        assert (await fetch(rotated, f"{api.url}{PATH}", MOST)).content == b"photo"
        assert len(set(api.logins)) == 2
        assert api.logins[1] == LOGIN


async def test_the_stand_in_is_asked_in_twilio_s_place() -> None:
    async with Host([says(200, b"photo")]).running() as api:
        await fetch(settings(api), f"https://api.twilio.com{PATH}", MOST)
        assert api.logins == [LOGIN]


async def test_sent_on_within_twilio_our_login_is_not_shown_again() -> None:
    async with Host([moved(PATH + "/again"), says(200, b"photo")]).running() as api:
        assert (await fetch(settings(api), f"{api.url}{PATH}", MOST)).content == b"photo"
        assert api.logins == [LOGIN, None]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_it_is_sent_on_a_few_times_and_not_for_ever(status: int) -> None:
    around = [moved("/round", status) for _ in range(MOST_HOPS)]
    assert (await one(*around, says(200, b"photo"))).content == b"photo"
    assert "on and on" in await refused(*around, moved("/round", status), says(200, b"photo"), permanent=True)


EVIL = [
    "http://api.twilio.com{path}",
    "https://evil.example{path}",
    "https://api.twilio.com@evil.example{path}",
    "https://api.twilio.com:secret@evil.example{path}",
    "https://evil.example\\@api.twilio.com{path}",
    "https://api.twilio.com\\.evil.example{path}",
    "https://api.twilio.com.evil.example{path}",
    "https://evilapi.twilio.com.{path}",
    "https://notapi.twilio.com{path}",
    "https://api.eviltwilio.com{path}",
    "https://api.twilio.com:8443{path}",
    "https://api.twilio.com:443@evil.example{path}",
    "https://API.TWILIO.COM{path}",
    "HTTPS://evil.example/api.twilio.com{path}",
    "https://api.twılıo.com{path}",
    "https://api.twilio.com。evil.example{path}",
    "https://evil.example#@api.twilio.com{path}",
    "https://evil.example?@api.twilio.com{path}",
    "https:api.twilio.com{path}",
    "//api.twilio.com{path}",
    "file:///etc/passwd",
    "ftp://api.twilio.com{path}",
    " https://api.twilio.com{path}",
    "https://api.twilio.com{path}\n",
    "https://api.twilio.com\t{path}",
    "https://127.0.0.1{path}",
    "https://[::1]{path}",
    "https://169.254.169.254/latest/meta-data/",
    "https://mms.twiliocdn.com{path}",
    "https://api.twilio.com/2010-04-01/Accounts/AC" + "ff" * 16 + "/Messages/MM1/Media/ME1",
    "https://api.twilio.com{path}/../../../../AC" + "ff" * 16 + "/Messages",
    "https://api.twilio.com{path}/%2e%2e/x",
    "https://api.twilio.com{path}?x=y",
    "https://api.twilio.com/",
    "",
]


@pytest.mark.parametrize("url", EVIL)
async def test_our_login_goes_to_our_account_at_twilio_and_nowhere_else(url: str) -> None:
    url = url.replace("{path}", PATH)
    async with Host([says(200, b"photo")] * 2).running() as api:
        for each in (settings(), settings(api)):
            with pytest.raises(Undeliverable, match="not fetched") as error:
                await fetch(each, url, MOST)
            assert error.value.permanent
        assert api.asked == []
        await fetch(settings(api), f"https://api.twilio.com{PATH}", MOST)
        assert api.asked, "it must be able to reach it, or this test means nothing"


@pytest.mark.parametrize(
    "to",
    [
        *(each for each in EVIL if each.startswith(("http", "HTTP", "file", "ftp", "//")) and "{path}" not in each),
        "https://evil.example/x",
        "//evil.example/x",
        "http://mms.twiliocdn.com/x",
        "https://mms.twiliocdn.com.evil.example/x",
        "https://twiliocdn.com.evil.example",
        "https://eviltwiliocdn.com/x",
        "https://mms.twiliocdn.com@evil.example/x",
        "https://mms.twiliocdn.com:8443/x",
        "https://mms.twiliocdn.com\\@evil.example/x",
        "https://MMS.twiliocdn.com/x",
        "https://s3-external-1.amazonaws.com/x",
        "https://[::1/x",
        "http://127.0.0.1:99999/x",
        "http://localhost:1/x",
        "http://127.0.0.2:1/x",
        "",
    ],
)
async def test_no_other_place_is_followed(to: str) -> None:
    if to.startswith("https://api.twilio.com"):
        to = to.replace("https://api.twilio.com", "https://api.twilio.com.evil.example")
    reason = await refused(moved(to.encode().decode("latin-1")), permanent=True)
    assert "not fetched" in reason


async def test_without_a_stand_in_nothing_on_this_machine_is_followed() -> None:
    start = f"https://api.twilio.com{PATH}"
    assert _moved(settings(), start, "https://mms.twiliocdn.com/a?b=c") == "https://mms.twiliocdn.com/a?b=c"
    for to in ("http://127.0.0.1:9000/x", "http://localhost/x", "https://127.0.0.1/x"):
        with pytest.raises(Undeliverable):
            _moved(settings(), start, to)


PIECES = ["https://", "http://", "//", "/", "api", "mms", ".twilio.com", ".twiliocdn.com", "evil.example", PATH, ".."]
PIECES += ["@", ":", "443", "\\", "#", "?", "%2e", "\n", "\t", " ", "。", "A", "-", "[", "]", ";", "\0", "é"]


@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join), st.text())
@example(f"https://api.twilio.com{PATH}", "")
@example("https://mms.twiliocdn.com/a", "")
def test_every_reader_of_addresses_agrees_on_where_we_go(url: str, more: str) -> None:
    def reached(where: Callable[[str], str]) -> str:
        """The host, or nothing if it is refused."""
        try:
            found = where(url + more)
        except Undeliverable:
            return ""
        assert found == url + more or where is not first
        assert urlsplit(found).hostname == httpx2.URL(found).host
        assert not urlsplit(found).username
        return httpx2.URL(found).host

    def first(each: str) -> str:
        return _at_twilio(settings(), each)

    host = reached(first)
    assert not host or re.fullmatch(r"api(\.[a-z0-9-]+)*\.twilio\.com", host)
    host = reached(lambda each: _moved(settings(), f"https://api.twilio.com{PATH}", each))
    assert not host or host.endswith((".twilio.com", ".twiliocdn.com"))


async def test_a_file_of_just_the_size_that_is_taken_comes_whole() -> None:
    assert len((await one(says(200, b"x" * MOST))).content) == MOST
    assert (await one(says(200))).content == b""


@pytest.mark.parametrize("length", [str(MOST + 1), "9" * 19, ""])
async def test_a_file_that_is_too_large_is_cut_off(length: str) -> None:
    endless = says(200, content_length=length) + [b"x" * 10_000] * 2_000
    async with Host([endless]).running() as api:
        with pytest.raises(Undeliverable, match="larger than 100,000 bytes") as error:
            await fetch(settings(api), f"{api.url}{PATH}", MOST)
        assert error.value.permanent
        assert api.sent < 15_000_000, "all of it must not have been taken"


async def test_of_a_file_that_is_announced_as_too_large_nothing_is_awaited() -> None:
    waits = [*says(200, content_length=str(MOST + 1)), 5.0]
    assert "larger" in await refused(waits, permanent=True, seconds=1.0)


async def test_a_length_that_says_too_little_is_not_believed() -> None:
    lying = [says(200, content_length="5")[0] + b"x" * 200_000]
    assert len((await one(lying)).content) == 5
    chunked = says(200, content_length="", transfer_encoding="chunked") + [b"2710\r\n" + b"x" * 10_000 + b"\r\n"] * 50
    await refused(chunked, permanent=True)


async def test_what_was_packed_unasked_is_not_unpacked() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    assert len(bomb) < MOST, "it must look small, or this test means nothing"
    assert "packed" in await refused(says(200, bomb, content_encoding="gzip"), permanent=True)
    assert (await one(says(200, b"photo", content_encoding="identity"))).content == b"photo"


@pytest.mark.parametrize("status", [404, 410])
async def test_what_twilio_no_longer_has_will_never_be_had(status: int) -> None:
    assert await refused(says(status), permanent=True) == "Twilio no longer has the file."


@pytest.mark.parametrize("status", [401, 403])
async def test_a_login_that_is_refused_switches_the_channel_off(status: int) -> None:
    with pytest.raises(SwitchedOff, match="WHATSAPP_AUTH_TOKEN") as error:
        await one(says(status))
    assert SECRET not in str(error.value)
    # Where the files are, it is the signed address that is too old.
    await refused(moved("/kept"), says(status), permanent=False)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_what_may_go_better_later_is_tried_again(status: int) -> None:
    assert f"HTTP status {status}" in await refused(says(status), permanent=False)


@pytest.mark.parametrize("status", [204, 206, 304, 400, 405, 451])
async def test_what_will_go_no_better_is_not(status: int) -> None:
    assert f"HTTP status {status}" in await refused(says(status, content_length=""), permanent=True)


async def test_a_connection_that_fails_is_tried_again() -> None:
    await refused([b""], permanent=False)
    await refused([b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"], permanent=False)
    await refused([b"no HTTP at all\r\n\r\n"], permanent=False)
    async with Host().running() as api:
        gone = settings(api)
    with pytest.raises(Undeliverable) as error:
        await fetch(gone, f"{gone.api_url}{PATH}", MOST)
    assert not error.value.permanent


async def test_what_comes_too_slowly_is_given_up_in_the_end() -> None:
    drip = says(200, content_length="1000") + [b"x", 0.05] * 1_000
    assert "within" in await refused(drip, permanent=False, seconds=0.4)
    assert "within" in await refused([5.0], permanent=False, seconds=0.4)


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="invoice 3.pdf"', "invoice 3.pdf"),
        ("attachment; filename=invoice.pdf", "invoice.pdf"),
        ("attachment; filename=\"x.pdf\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%E2%82%AC.pdf", "Größe €.pdf"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ('attachment; filename="C:\\Users\\me\\a.doc"', "a.doc"),
        ("inline; filename*=UTF-8''..%2F..%2Fa%00%0D%0Ab.pdf", "ab.pdf"),
        ("inline; filename*=UTF-8''%E2%80%AEfdp.exe", "fdp.exe"),
        ('attachment; filename="a<b>:c?.png"', "a_b__c_.png"),
        ('attachment; filename="' + "x" * 900 + '.pdf"', "x" * 146 + ".pdf"),
        ('attachment; filename="..."', ""),
        ("attachment; filename=", ""),
        ("attachment", ""),
    ],
)
async def test_a_file_s_name_is_made_safe(header: str, name: str) -> None:
    found = await one(says(200, b"x", content_disposition=header))
    assert found.name == name
    assert len(found.name) <= 150


async def test_a_type_that_is_none_is_left_away() -> None:
    assert (await one(says(200, b"x", content_type="<script>"))).content_type == ""
    assert (await one(says(200, b"x", content_type="Image/WEBP"))).content_type == "image/webp"
