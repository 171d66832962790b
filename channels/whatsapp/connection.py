"""The line to Twilio's API for its SDK: one session, a deadline, no second try, and how far a failed request came."""

import asyncio
import json
import logging
from typing import Any, NoReturn
from urllib.parse import urlsplit

import aiohttp
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.http import AsyncHttpClient
from twilio.http.response import Response

from channels.base import SwitchedOff, Unreachable
from channels.whatsapp import errors
from channels.whatsapp.settings import WhatsAppSettings

#: Seconds for one request, all told: what looks up and then sends must be done well before its lease ends (60 s).
SECONDS = 20.0
CONNECT_SECONDS = 8.0
TWILIO = ".twilio.com"
#: What the SDK raises over an answer that is not what Twilio answers.
NONSENSE = (ValueError, TypeError, AttributeError, LookupError, RecursionError)


class NotSent(Exception):
    """The connection failed before Twilio can have got the request; why, as what goes on "... could not be reached"."""


class NoAnswer(Exception):
    """The connection failed after Twilio may have got the request; why, in a few words."""


class Line(AsyncHttpClient):
    """How the SDK makes its requests. All of Twilio's hosts are at `api_url`, if that is set."""

    def __init__(self, settings: WhatsAppSettings) -> None:
        super().__init__(logging.getLogger(__name__), True, SECONDS)
        self.api_url, self.sid, self.tokens = settings.api_url, settings.account_sid, list(settings.tokens)
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def request(
        self,
        method: str,
        uri: str,
        params: dict[str, object] | None = None,
        data: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        """The answer, whatever its status. Raises NotSent or NoAnswer."""
        url = self._url(uri)
        # In a rotation the secondary token becomes the primary one, and the primary one none at all.
        first, *others = self.tokens
        answer = await self._once(first, method, url, params=params, data=data, headers=headers)
        for token in others:
            if answer.status_code == 401:
                answer = await self._once(token, method, url, params=params, data=data, headers=headers)
                if answer.status_code != 401:
                    self.tokens = [token, *(each for each in self.tokens if each != token)]
        return answer

    async def close(self) -> None:
        if self._session and self._loop is asyncio.get_running_loop():
            await self._session.close()
        self._session = None

    def _url(self, uri: str) -> str:
        parts = urlsplit(uri)
        if not (parts.hostname or "").endswith(TWILIO):
            raise NotSent("it named an address that is not its own")
        origin = self.api_url or f"{parts.scheme}://{parts.netloc}"
        return f"{origin}{parts.path}?{parts.query}" if parts.query else f"{origin}{parts.path}"

    async def _once(
        self, token: str, method: str, url: str, *, headers: dict[str, str] | None, **rest: Any
    ) -> Response:
        headers = {**(headers or {}), "Authorization": aiohttp.encode_basic_auth(self.sid, token)}
        try:
            async with (
                asyncio.timeout(SECONDS),
                self._open().request(method, url, headers=headers, allow_redirects=False, **rest) as answer,
            ):
                return Response(answer.status, await answer.text(errors="replace"), answer.headers)
        except aiohttp.ClientConnectorDNSError:
            raise NotSent("its name is not known") from None
        except aiohttp.ClientSSLError:
            raise NotSent("its certificate is not valid") from None
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL):
            raise NotSent("it takes no connection") from None
        except aiohttp.ConnectionTimeoutError:
            raise NotSent(f"no connection in {CONNECT_SECONDS:.0f} seconds") from None
        except TimeoutError:
            raise NoAnswer(f"no answer in {SECONDS:.0f} seconds") from None
        except (aiohttp.ClientError, OSError, LookupError):
            raise NoAnswer("the connection broke") from None

    def _open(self) -> aiohttp.ClientSession:
        """The session of this event loop: a session lives in the one that it was made in."""
        loop = asyncio.get_running_loop()
        if self._session is None or self._session.closed or self._loop is not loop:
            patience = aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS)
            self._session = aiohttp.ClientSession(timeout=patience, cookie_jar=aiohttp.DummyCookieJar())
            self._loop = loop
        return self._session

    def log_request(self, kwargs: dict[str, Any]) -> None:
        """Nothing: it would write down who is written to."""

    def log_response(self, status_code: int, response: Any) -> None:
        """Nothing either."""


def answered(error: TwilioException) -> tuple[int, int | None]:
    """The HTTP status that an error of the SDK stands for, and Twilio's own code, which a gateway's answer has not."""
    if isinstance(error, TwilioRestException | TwilioServiceException):
        status, code = error.status, error.code
    else:  # of a list: the SDK hands the answer on as it is
        answer = next((each for each in error.args if isinstance(each, Response)), None)
        status = answer.status_code if answer else 0
        code = _code(answer.text) if answer else None
    # Without a code of its own the SDK gives the status for one.
    return status, code if isinstance(code, int) and code > 999 else None


def _code(text: str) -> int | None:
    try:
        return json.loads(text)["code"]
    except NONSENSE:
        return None


def unheard(error: Exception) -> NoReturn:
    """Raises what a look-up that failed comes to: SwitchedOff or Unreachable."""
    if isinstance(error, TwilioException):
        status, code = answered(error)
        if status == 401 or code in errors.OFF:
            raise SwitchedOff(errors.off(status, code)) from None
        raise Unreachable(errors.words(code, status)) from None
    if isinstance(error, NotSent):
        raise Unreachable(
            f"Twilio could not be reached: {error}. See that this machine reaches api.twilio.com."
        ) from None
    reason = str(error) if isinstance(error, NoAnswer) else "what it answered cannot be read"
    raise Unreachable(f"Twilio could not be asked: {reason}.") from None


#: All that a request of the SDK's may raise.
FAILURES = (NotSent, NoAnswer, TwilioException, *NONSENSE)
