"""The line to Claude's API: the SDK's client as it is wanted here, and a reply listened to until it ends."""

import asyncio
import contextlib
from typing import Any

import anthropic
import httpx2
from pydantic import SecretStr

from service.agent.stream import Heard

#: The share of the deadline within which a connection must stand.
OF_CONNECT = 0.2
#: Seconds that the end of the stream may take after the end of the reply.
DRAIN = 0.2


class Silent(Exception):
    """A reply that had begun stands still."""


def make_client(key: SecretStr, base_url: str, seconds: float) -> anthropic.AsyncAnthropic:
    """The SDK's client. Without `base_url` it goes by ANTHROPIC_BASE_URL itself."""
    return anthropic.AsyncAnthropic(
        api_key=key.get_secret_value(),
        base_url=base_url or None,
        timeout=anthropic.Timeout(seconds, connect=seconds * OF_CONNECT),
        max_retries=0,  # a second call would cost without being counted, and the articles can be quoted
    )


def retry_after(headers: Any) -> float | None:
    """The seconds that the API asks to be left alone for."""
    try:
        return max(0.0, float(headers.get("retry-after", "")))
    except ValueError:  # a date, or nothing
        return None


def never_stood(error: BaseException | None) -> bool:
    """Whether it failed before there was a connection, so that nothing was asked and nothing is charged."""
    while error is not None and not isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        error = error.__cause__
    return error is not None


async def listen(client: anthropic.AsyncAnthropic, request: dict[str, Any], heard: Heard, stall: float) -> str | None:
    """Put into `heard` what comes until the reply's end; the request's id. Leaves no connection open.

    Raises Silent where nothing comes for `stall` seconds, and what the SDK raises.
    """
    async with await client.messages.create(**request, stream=True) as stream:
        events = aiter(stream)
        while not heard.ended:
            patience = asyncio.timeout(stall)
            try:
                async with patience:
                    event = await anext(events, None)
            except TimeoutError as error:
                if patience.expired():
                    raise Silent from error
                raise
            if event is None:
                break
            # The SDK hands on what it does not know as it came.
            heard.take(event.to_dict() if isinstance(event, anthropic.BaseModel) else {})
        if heard.ended:  # read to its very end, the connection can be used again
            with contextlib.suppress(TimeoutError, httpx2.RequestError, anthropic.AnthropicError, ValueError):
                async with asyncio.timeout(DRAIN):
                    await anext(events, None)
        return stream.response.headers.get("request-id")
