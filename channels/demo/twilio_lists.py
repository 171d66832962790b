"""Lists at the stand-in for Twilio: which messages a request means, and a page of them at a time."""

import datetime
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from channels.demo.twilio_rules import Refused
from channels.demo.twilio_texts import INSTALLED, Text

PAGE = 50  # messages, where nobody says how many
MOST_ON_A_PAGE = 1_000
DAY = datetime.timedelta(days=1).total_seconds()


def matching(messages: Sequence[Text], asked: Mapping[str, str]) -> list[Text]:
    """Newest first. What still waits to be sent has no date, so no request by date finds it."""
    tests: list[Callable[[Text], bool]] = []
    if to := asked.get("To"):
        tests.append(lambda text: text.recipient == to)
    if sender := asked.get("From"):
        tests.append(lambda text: text.sender == sender)
    dates = [name for name in ("DateSent", "DateSent<", "DateSent>") if asked.get(name)]
    tests += [_sent(name, _time(name, asked[name])) for name in dates]
    return [text for text in reversed(messages) if all(test(text) for test in tests)]


def _sent(name: str, at: float) -> Callable[[Text], bool]:
    """On that day; at that time or before; at that time or after: Twilio's dates are in whole seconds."""

    def test(text: Text) -> bool:
        if text.sent_at is None:
            return False
        sent = int(text.sent_at)
        if name == "DateSent":
            return sent // DAY == at // DAY
        return sent <= at if name == "DateSent<" else sent >= at

    return test


def _time(name: str, value: str) -> float:
    """The SDK writes a date as well as a time as 2026-11-21T00:00:00Z; a plain date is allowed too."""
    try:
        read = datetime.datetime.fromisoformat(value)
    except ValueError:
        raise Refused(20001, f"Invalid parameter: {name} is not a date") from None
    return (read if read.tzinfo else read.replace(tzinfo=datetime.UTC)).timestamp()


def page(found: Sequence[Text], path: str, asked: Mapping[str, str]) -> dict[str, Any]:
    """A page, which begins behind the message that its token names: what comes in meanwhile moves nothing.

    Twilio's token is PA and the sid of the last message of the page before; PB is ours, for the way back.
    """
    size = min(max(_number(asked, "PageSize", PAGE), 1), MOST_ON_A_PAGE)
    number, token = max(_number(asked, "Page", 0), 0), asked.get("PageToken", "")
    place = next((i for i, text in enumerate(found) if text.sid == token[2:]), None)
    if token and (place is None or token[:2] not in ("PA", "PB")):
        raise Refused(20001, "Invalid parameter: PageToken")
    behind = number * size - 1 if place is None else place
    start = max(behind - size, 0) if token.startswith("PB") else behind + 1
    shown = list(found[start : start + size])
    common = [(name, value) for name, value in asked.items() if name not in ("Page", "PageToken", "PageSize")]

    def uri(page: int, token: str = "") -> str:
        query = [*common, ("PageSize", size), ("Page", page), *([("PageToken", token)] if token else ())]
        return f"{path}?{urlencode(query)}"

    more = start + size < len(found)
    return {
        "end": number * size + max(len(shown) - 1, 0),
        "first_page_uri": uri(0),
        "messages": shown,
        "next_page_uri": uri(number + 1, f"PA{shown[-1].sid}") if more else None,
        "page": number,
        "page_size": size,
        "previous_page_uri": uri(number - 1, f"PB{shown[0].sid}" if shown else "") if number else None,
        "start": number * size,
        "uri": uri(number, token),
    }


def whole(listed: Sequence[Mapping[str, Any]], path: str, name: str) -> dict[str, Any]:
    """A list that is short enough for one page."""
    uri = f"{path}?PageSize={PAGE}&Page=0"
    return {
        "end": max(len(listed) - 1, 0),
        "first_page_uri": uri,
        name: listed,
        "next_page_uri": None,
        "page": 0,
        "page_size": PAGE,
        "previous_page_uri": None,
        "start": 0,
        "uri": uri,
    }


def senders(sender: str, status: str, webhook: str) -> dict[str, Any]:
    """The account's one sender, as the newer of Twilio's APIs page their lists."""
    url = "https://messaging.twilio.com/v2/Channels/Senders"
    page = f"{url}?Channel=whatsapp&PageSize={PAGE}&Page=0"
    return {
        "meta": {
            "first_page_url": page,
            "key": "senders",
            "next_page_url": None,
            "page": 0,
            "page_size": PAGE,
            "previous_page_url": None,
            "url": page,
        },
        "senders": [
            {
                "configuration": {"waba_id": "1"},
                "offline_reasons": None,
                "profile": {"name": "The stand-in's sender"},
                "properties": None,
                "sender_id": sender,
                "sid": INSTALLED,
                "status": status,
                "url": f"{url}/{INSTALLED}",
                "webhook": {
                    "callback_method": "POST",
                    "callback_url": webhook,
                    "fallback_method": None,
                    "fallback_url": None,
                    "status_callback_method": None,
                    "status_callback_url": None,
                },
            }
        ],
    }


def _number(asked: Mapping[str, str], name: str, default: int) -> int:
    given = asked.get(name, "")
    if not re.fullmatch(r"-?[0-9]{1,6}", given or str(default)):
        raise Refused(20001, f"Invalid parameter: {name} is not a number")
    return int(given or default)
