"""Times, states and names in the words staff read (pure)."""

from datetime import UTC, datetime, tzinfo
from math import floor, log10
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from service.models import Customer, Identity, Message

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
#: What a sentence that follows a colon begins small with; anything else may be a name.
OPENERS = frozenset("A An It Nobody No None Our Sent That The There They This Too We What Whether".split())


def zone(name: str) -> tzinfo:
    """The browser's time zone by its IANA name; UTC if there is none such."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def span(seconds: float) -> str:
    """A length of time as a glance wants it: "now", "4 min", "3 h", "2 days"."""
    if seconds < MINUTE:
        return "now"
    if seconds < HOUR:
        return f"{seconds // MINUTE:.0f} min"
    if seconds < 2 * DAY:
        return f"{seconds // HOUR:.0f} h"
    return f"{seconds // DAY:.0f} days"


def clock(at: float, zone: tzinfo) -> str:
    """The time of day."""
    return datetime.fromtimestamp(at, zone).strftime("%H:%M")


def when(at: float, now: float, zone: tzinfo) -> str:
    """How long ago within the last hour, then the time of day; a separator tells the day."""
    if now - at < MINUTE:
        return "now"
    return f"{span(now - at)} ago" if now - at < HOUR else clock(at, zone)


def ago(at: float, now: float, zone: tzinfo) -> str:
    """How long ago within two days, then the date."""
    if now - at < MINUTE:
        return "just now"
    if now - at < 2 * DAY:
        return f"{span(now - at)} ago"
    then, today = datetime.fromtimestamp(at, zone), datetime.fromtimestamp(now, zone)
    return then.strftime("%-d %B" if then.year == today.year else "%-d %B %Y")


def soon(at: float, now: float, zone: tzinfo) -> str:
    """A time of the next day: "14:32", "tomorrow at 09:10"."""
    same = datetime.fromtimestamp(at, zone).date() == datetime.fromtimestamp(now, zone).date()
    return clock(at, zone) if same else f"tomorrow at {clock(at, zone)}"


def left(seconds: float) -> str:
    """How much time is left, rounded down: "23 h 10 min", "40 min"."""
    hours, minutes = divmod(int(max(seconds, 0.0) // MINUTE), 60)
    return " ".join(filter(None, (f"{hours} h" if hours else "", f"{minutes} min" if minutes or not hours else "")))


def full(at: float, zone: tzinfo) -> str:
    """Day and time without a doubt, for titles."""
    return datetime.fromtimestamp(at, zone).strftime("%A %-d %B %Y, %H:%M:%S %Z")


def iso(at: float) -> str:
    """For machines."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def day(at: float, now: float, zone: tzinfo) -> str:
    """The day as a separator between messages: "Today", "Yesterday", "Monday 16 November"."""
    then, today = datetime.fromtimestamp(at, zone).date(), datetime.fromtimestamp(now, zone).date()
    if (apart := (today - then).days) in (0, 1):
        return ("Today", "Yesterday")[apart]
    return then.strftime("%A %-d %B" if then.year == today.year else "%A %-d %B %Y")


def amount(value: float | None, unit: str) -> str:
    """A number with its unit (count | share | seconds | usd); a dash where there is none."""
    if value is None:
        return "–"
    if unit == "share":
        return f"{_trimmed(value * 100, 1)} %"
    if unit == "usd":
        return _dollars(value)
    if unit == "seconds":
        return _length(value)
    return f"{value:,.0f}"


def _length(seconds: float) -> str:
    """A length of time in its two largest units."""
    if seconds < 10:
        return f"{_trimmed(seconds, 1)} s"
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        large, name, small, of_small = MINUTE, "min", 1.0, "s"
    elif whole < DAY:
        large, name, small, of_small = HOUR, "h", MINUTE, "min"
    else:
        large, name, small, of_small = DAY, "d", HOUR, "h"
    rest = int(whole % large // small)
    return f"{whole // large:.0f} {name} {rest} {of_small}" if rest else f"{whole // large:.0f} {name}"


def _dollars(value: float) -> str:
    """To the cent; of less than a dollar three digits that count."""
    if not 0 < value < 1:
        return f"${value:,.2f}" if value else "$0"
    whole, _, part = f"{value:.{2 - floor(log10(value))}f}".partition(".")
    return f"${whole}.{part.rstrip('0').ljust(2, '0')}"


def _trimmed(number: float, places: int) -> str:
    return f"{number:.{places}f}".removesuffix("." + "0" * places)


def size(count: int) -> str:
    """A file's length: "312 bytes", "14 kB", "2.3 MB"."""
    if count < 1000:
        return f"{count} byte{'s' if count != 1 else ''}"
    return f"{count / 1000:.0f} kB" if count < 999_500 else f"{_trimmed(count / 1_000_000, 1)} MB"


def label(customer: Customer, identity: Identity) -> str:
    """What to call a customer: the name, else an address, else a label that stays the same."""
    return customer.name.strip() or customer.email or customer.phone or identity.words


def delivery(message: Message) -> str:
    """What became of a message to the customer, or what an inbound one still wants."""
    if message.author == "customer":
        return {"owed": "Waiting for an answer", "ignored": message.reason or "Not answered"}.get(message.status, "")
    return {
        "held": "Kept until the customer writes",
        "queued": f"Still sending: {_clause(message.reason)}. It is tried again by itself"
        if message.reason
        else "Sending",
        "sent": {"delivered": "Delivered", "read": "Read"}.get(message.reached, "Sent"),
        "uncertain": f"Outcome unknown: {_clause(message.reason)}" if message.reason else "Outcome unknown",
        "cancelled": f"Not sent: {_clause(message.reason) or 'it was withdrawn'}",
        "failed": f"Failed: {_clause(message.reason) or 'the channel did not take it'}",
    }.get(message.status, message.status)


def _clause(reason: str) -> str:
    """A stored sentence as the second half of one of ours."""
    reason = reason.strip().rstrip(".")
    return reason[:1].lower() + reason[1:] if reason.partition(" ")[0] in OPENERS else reason


FILTERS = {
    "span": span,
    "clock": clock,
    "when": when,
    "ago": ago,
    "soon": soon,
    "left": left,
    "full": full,
    "iso": iso,
    "amount": amount,
    "size": size,
}
