"""A file that a customer sent, fetched from Twilio: with our login there, and without it where we are sent on to."""

import asyncio
import re
import unicodedata
from collections.abc import Mapping
from urllib.parse import unquote, urljoin, urlsplit

import httpx2

from channels.base import Fetched, SwitchedOff, Undeliverable
from channels.whatsapp.settings import WhatsAppSettings

#: Twilio's API, in the United States or a region such as api.dublin.ie1.twilio.com. Letter for letter, so that no other
#: reader of addresses can take any of it for something else: no login, no port, no capitals, nothing beyond ASCII.
API = r"https://api(?:\.[a-z0-9-]{1,30}){0,2}\.twilio\.com"
#: Where Twilio keeps files: an address that is signed and good for a few hours.
KEPT = r"https://(?:[a-z0-9-]{1,60}\.){1,3}twiliocdn\.com"
PATH = r"(?:/[A-Za-z0-9_-]{1,100}){1,10}(?:\.[a-z]{1,5})?"
REST = r"/[!-\[\]-~]*"  # no space and no backslash
MOST_HOPS = 3
SECONDS = 30.0  # for all of it, however slowly it comes
PATIENCE = 10.0  # seconds without a sign of life
LONGEST_NAME = 150  # characters
#: HTTP statuses that say: go there.
MOVED = (301, 302, 303, 307, 308)
GONE = (404, 410)
REFUSED = (
    "Twilio does not let us in any more: set WHATSAPP_ACCOUNT_SID and WHATSAPP_AUTH_TOKEN to what its console shows, "
    "and see there whether the account is suspended."
)


async def fetch(settings: WhatsAppSettings, url: str, most: int, *, seconds: float = SECONDS) -> Fetched:
    """The file at `url`, of at most `most` bytes. Raises Undeliverable or SwitchedOff, and nothing else."""
    try:
        async with (
            asyncio.timeout(seconds),
            httpx2.AsyncClient(follow_redirects=False, timeout=PATIENCE) as client,
        ):
            return await _fetch(client, settings, url, most)
    except TimeoutError:
        raise Undeliverable(f"The file did not come within {seconds:.0f} seconds.", permanent=False) from None
    except httpx2.TimeoutException:
        raise Undeliverable("Twilio did not answer when it was asked for the file.", permanent=False) from None
    except httpx2.InvalidURL:
        raise Undeliverable("Twilio sends us on to what is no address: it was not fetched.", permanent=True) from None
    except httpx2.RequestError as error:
        reason = f"The connection failed while the file was fetched ({type(error).__name__})."
        raise Undeliverable(reason, permanent=False) from None


async def _fetch(client: httpx2.AsyncClient, settings: WhatsAppSettings, url: str, most: int) -> Fetched:
    here, logins = _at_twilio(settings, url), [httpx2.BasicAuth(settings.account_sid, each) for each in settings.tokens]
    for hop in range(1 + MOST_HOPS):
        # What is not packed cannot be more than what comes.
        request = client.build_request("GET", here, headers={"Accept-Encoding": "identity", "Accept": "*/*"})
        response = await client.send(request, auth=None if hop else logins.pop(0), stream=True)
        while not hop and response.status_code == 401 and logins:  # in a rotation one of the two is good
            await response.aclose()
            response = await client.send(request, auth=logins.pop(0), stream=True)
        try:
            if response.status_code not in MOVED:
                _check(response, at_twilio=not hop)
                return await _read(response, most)
            here = _moved(settings, here, response.headers.get("location", ""))
        finally:
            await response.aclose()
    raise Undeliverable("Twilio sends us on and on for this file.", permanent=True)


def _at_twilio(settings: WhatsAppSettings, url: str) -> str:
    """Where to ask for it: of our own account at Twilio only, for our login goes along."""
    origins = f"{API}|{re.escape(settings.api_url)}" if settings.api_url else API
    found = re.fullmatch(f"({origins})(/2010-04-01/Accounts/{re.escape(settings.account_sid)}{PATH})", url)
    if not found or not settings.account_sid:
        raise Undeliverable("The file is not at Twilio's or not of our account: it was not fetched.", permanent=True)
    return (settings.api_url or found[1]) + found[2]


def _moved(settings: WhatsAppSettings, here: str, location: str) -> str:
    try:
        there = urljoin(here, location)
        _ = urlsplit(there).port  # one that cannot be is a ValueError
    except ValueError:
        there = ""
    # Beside a stand-in on this machine stands the one for where the files are: the same host on any port.
    local = re.match(r"http://(?:127\.0\.0\.1|localhost|\[::1\])(?=:|$)", settings.api_url)
    origins = "|".join(filter(None, (API, KEPT, re.escape(settings.api_url))))
    origins += f"|{re.escape(local[0])}(?::[0-9]{{1,5}})?" if local else ""
    if not location or not re.fullmatch(f"(?:{origins})(?:{REST})?", there):
        raise Undeliverable("Twilio sends us on to a place that is not its own: it was not fetched.", permanent=True)
    return there


def _check(response: httpx2.Response, *, at_twilio: bool) -> None:
    status = response.status_code
    if status == 200:
        return
    if at_twilio and status in (401, 403):
        raise SwitchedOff(REFUSED)
    if status in GONE:
        raise Undeliverable("Twilio no longer has the file.", permanent=True)
    # Where files are kept, a refusal means that the signed address is too old: the next time it is another one.
    later = status >= 500 or status in (401, 403, 408, 425, 429)
    raise Undeliverable(f"Twilio does not give the file (HTTP status {status}).", permanent=not later)


async def _read(response: httpx2.Response, most: int) -> Fetched:
    too_big = Undeliverable(f"The file is larger than {most:,} bytes: it was not kept.", permanent=True)
    if response.headers.get("content-encoding", "identity").strip().lower() not in ("identity", ""):
        raise Undeliverable("The file came packed in a way that was not asked for.", permanent=True)
    announced = response.headers.get("content-length", "")
    if re.fullmatch(r"[0-9]{1,19}", announced) and int(announced) > most:
        raise too_big
    content = bytearray()
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) > most:
            raise too_big
    return Fetched(bytes(content), _content_type(response.headers), _name(response.headers))


def _content_type(headers: Mapping[str, str]) -> str:
    given = headers.get("content-type", "").partition(";")[0].strip().lower()
    return given if re.fullmatch(r"[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,100}", given) else ""


def _name(headers: Mapping[str, str]) -> str:
    """The file's name as Content-Disposition has it (RFC 6266), made such as can be shown and saved."""
    header = headers.get("content-disposition", "")[:2_000]
    if found := re.search(r"filename\*\s*=\s*(utf-8|iso-8859-1)'[^';]*'([^;\s]+)", header, re.IGNORECASE):
        return _safe(unquote(found[2], found[1], "replace"))
    if found := re.search(r'filename\s*=\s*"((?:[^"\\]|\\.)*)"', header, re.IGNORECASE):
        # A backslash is left where it stands for no quote: some write paths so.
        return _safe(found[1].replace('\\"', '"'))
    found = re.search(r'filename\s*=\s*([^;\s"]+)', header, re.IGNORECASE)
    return _safe(found[1]) if found else ""


def _safe(name: str) -> str:
    """The last piece of a path, without what file systems or readers could take amiss."""
    name = re.split(r"[/\\]", unicodedata.normalize("NFC", name).rstrip("/\\ "))[-1]
    name = "".join(each for each in name if unicodedata.category(each) not in ("Cc", "Cf", "Cs", "Co", "Cn"))
    name = " ".join(re.sub(r'[<>:"|?*]', "_", name).split()).strip(" .")
    stem, dot, ending = name.rpartition(".")
    if len(name) <= LONGEST_NAME or not dot or len(ending) > 10:
        return name[:LONGEST_NAME].rstrip(" .")
    return f"{stem[: LONGEST_NAME - len(ending) - 1].rstrip(' .')}.{ending}"
