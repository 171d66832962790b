"""What strangers brought, made such as every database takes it; and what to do where one still does not."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from channels.base import Inbound, Parsed, Quarantined, StatusUpdate

#: Bytes of what stands in an index: PostgreSQL takes 2,704 of all its columns together.
MOST_KEY = 1_000
#: Earlier messages that are looked up for one: the nearest ones.
MOST_REFERRED = 100
MOST_ALSO = 10  # ids of one customer's
LONGEST_NAME = 200  # characters
#: How often storing one message may fail before it is put aside for a person, so that what comes after it is heard.
MOST_FAILURES = 3
#: Messages of which a process remembers that storing them failed.
MOST_REMEMBERED = 1_000

#: What stands in an index or is looked up there.
KEYS: Mapping[type, Sequence[str]] = {
    Inbound: ("sender", "thread", "external_id", "known_as"),
    StatusUpdate: ("external_id", "key"),
    Quarantined: ("external_id",),
}


class Unstorable(Exception):
    """Storing `what` failed, as the error that this comes from says."""

    def __init__(self, what: Parsed) -> None:
        super().__init__()
        self.what = what


class Failures:
    """How often storing each message failed, in this process."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, ...], int] = {}

    def enough(self, channel: str, what: Parsed) -> bool:
        """Count one more failure; whether it is time to put it aside."""
        key = (channel, type(what).__name__, what.external_id, getattr(what, "key", ""))
        count = self._counts.pop(key, 0) + 1
        self._counts[key] = count
        if len(self._counts) > MOST_REMEMBERED:
            self._counts.pop(next(iter(self._counts)))
        return count >= MOST_FAILURES


def fit(what: Parsed) -> Parsed:
    """As it was, but for signs that a database refuses and for what is longer than an index takes."""
    found: Parsed = _clean(what)
    found = replace(found, **{name: as_key(getattr(found, name)) for name in KEYS[type(what)]})
    if isinstance(found, Inbound):
        referred = tuple(as_key(each) for each in found.refers_to[:MOST_REFERRED])
        also = tuple(as_key(each) for each in found.also[:MOST_ALSO])
        found = replace(found, name=found.name[:LONGEST_NAME], refers_to=referred, also=also)
    return found


def set_aside(what: Parsed, error: BaseException | None) -> Quarantined | None:
    """In place of what cannot be stored, that which a person sees of it; None where its bytes are not at hand."""
    reason = f"It could not be stored ({type(error).__name__}), by a mistake of Firstline's: please report it."
    if isinstance(what, StatusUpdate):
        told = f"{what.key or what.external_id}: {what.status}\n{what.reason}"
        return Quarantined(as_key(f"status#{what.key}#{what.external_id}"), reason, told.encode())
    if isinstance(what, Inbound) and what.raw:
        return Quarantined(as_key(f"unstored#{what.external_id}"), reason, what.raw, what.sender, what.subject)
    return None


def clean(text: str) -> str:
    """Text that every database takes: no NUL (PostgreSQL refuses it), no half of a surrogate pair."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def as_key(text: str) -> str:
    """Of a text that is too long for an index its beginning, and a digest that tells it from all others."""
    encoded = text.encode()
    if len(encoded) <= MOST_KEY:
        return text
    digest = hashlib.sha256(encoded).hexdigest()
    return f"{encoded[: MOST_KEY - len(digest) - 1].decode(errors='ignore')}#{digest}"


def _clean(value: Any) -> Any:
    if type(value) is str:  # no Kind
        return clean(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has no word for it
    if isinstance(value, Mapping):
        return {_clean(name): _clean(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        cleaned = [_clean(each) for each in value]
        return tuple(cleaned) if isinstance(value, tuple) else cleaned
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{each.name: _clean(getattr(value, each.name)) for each in fields(value)})
    return value
