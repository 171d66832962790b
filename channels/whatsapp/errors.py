"""What Twilio's errors mean, in sentences for staff, and what is to be done about a message (pure).

The codes are from Twilio's error dictionary. Twilio advises against deciding by them, as they change: what is done
follows from the HTTP status wherever it can, and a code that is not here is told by its status.
"""

from channels.base import OutcomeUnknown, SwitchedOff, Undeliverable

CONSOLE = "Twilio's console"
SETTINGS = "WHATSAPP_ACCOUNT_SID and WHATSAPP_AUTH_TOKEN"

_WINDOW = (
    "WhatsApp takes no free text more than 24 hours after the customer's last message. Send an approved template, or "
    "wait until the customer writes again."
)
_SENDER = (
    f"Twilio does not know our number as a WhatsApp sender of this account. Check WHATSAPP_FROM against the WhatsApp "
    f"senders in {CONSOLE}."
)
_NO_RECIPIENT = "WhatsApp does not know the customer's number. Reach the customer another way."
_REFUSED_CONTENT = "WhatsApp did not accept what the message says. Write it differently."
_TOO_LONG = "The message is longer than WhatsApp takes (1,600 characters). Send it in shorter ones."
_LATER = "WhatsApp failed inside. Send it again in a while."
_SUSPENDED = f"The Twilio account is suspended or closed. Look at its balance and its notices in {CONSOLE}."
_TEMPLATE = f"Look at it in the Content Template Builder of {CONSOLE}."
_UNREACHABLE = "The customer's phone could not be reached. Send it again later, or reach the customer another way."

WORDS = {
    10001: _SUSPENDED,
    20003: f"Twilio does not accept our login. Check {SETTINGS} in {CONSOLE}.",
    20005: _SUSPENDED,
    20403: _SUSPENDED,
    20404: "Twilio does not find what was asked for. Check WHATSAPP_ACCOUNT_SID and the templates' ids.",
    20429: "Twilio got too many requests from us at once. Send it again in a moment.",
    20500: "Twilio failed inside. Send it again in a while.",
    21211: _NO_RECIPIENT,
    21212: _SENDER,
    21602: "The message was empty.",
    21604: "The message had no recipient.",
    21606: _SENDER,
    21608: f"A trial account of Twilio writes to verified numbers only. Upgrade it in {CONSOLE}.",
    21609: "Twilio cannot report back to PUBLIC_BASE_URL. It must be an https address that Twilio reaches.",
    21610: "The customer told Twilio to send no more messages. They have to write START first.",
    21611: "Too many messages wait at Twilio to be sent from our number. Send it again later.",
    21614: _NO_RECIPIENT,
    21617: _TOO_LONG,
    21654: f"The message names no template. {_TEMPLATE}",
    21656: f"The template's variables are not such as Twilio takes. {_TEMPLATE}",
    21658: _TOO_LONG,
    21910: f"Our number and the customer's are not both of WhatsApp. Check WHATSAPP_FROM in {CONSOLE}.",
    30001: "Too many messages wait at Twilio to be sent. Send it again later.",
    30002: _SUSPENDED,
    30003: _UNREACHABLE,
    30004: "The message was blocked on its way. Reach the customer another way.",
    30005: _NO_RECIPIENT,
    30007: "The message was filtered as unwanted. Write it differently.",
    30008: "The message failed, and Twilio does not say why. Send it again, or reach the customer another way.",
    30036: "The message waited at Twilio for too long and was given up. Send it again.",
    63001: f"WhatsApp does not accept Twilio's login for our number. Look at the WhatsApp senders in {CONSOLE}.",
    63002: _SENDER,
    63003: _NO_RECIPIENT,
    63005: _REFUSED_CONTENT,
    63006: _REFUSED_CONTENT,
    63007: _SENDER,
    63008: f"Our number is not set up for WhatsApp completely. Look at the WhatsApp senders in {CONSOLE}.",
    63009: _LATER,
    63010: "Twilio failed inside. Send it again in a while.",
    63012: _LATER,
    63013: "WhatsApp refused the message as against its policy. Write it differently.",
    63014: "The customer has blocked us on WhatsApp, or opted out. Reach them another way.",
    63015: "This is Twilio's sandbox, and the customer has not joined it: they have to send its join code first.",
    63016: _WINDOW,
    63017: "The Twilio account sends faster than it may. Send it again in a moment.",
    63018: "Our number sends more than WhatsApp lets it. Send it again later; WHATSAPP_RATE makes us slower.",
    63019: "WhatsApp could not load the message's file. Send it without the file.",
    63021: _REFUSED_CONTENT,
    63023: "The message failed, and WhatsApp does not say why. Send it again, or reach the customer another way.",
    63024: "The customer cannot get our message: no WhatsApp on this number, an old app, or its terms not accepted.",
    63027: f"The template does not exist in the customer's language. {_TEMPLATE}",
    63028: f"The template wants other variables than it got. {_TEMPLATE}",
    63030: f"The template has a part that WhatsApp does not take. {_TEMPLATE}",
    63031: "The recipient is our own number.",
    63032: "WhatsApp does not let anybody like us write to this customer now. Reach them another way.",
    63038: "The Twilio account has sent as much as it may in one day. Send it again tomorrow.",
    63040: f"WhatsApp rejected the template. {_TEMPLATE}",
    63041: f"WhatsApp has paused the template. {_TEMPLATE}",
    63042: f"WhatsApp has disabled the template. {_TEMPLATE}",
    63054: f"The template cannot be used now. {_TEMPLATE}",
}

#: What goes for every message until the operator mends it.
OFF = frozenset({10001, 20003, 20005, 20403, 30002})
#: What passes by itself, whatever the status it came with.
PASSING = frozenset({20429, 20500, 21611, 30001, 63009, 63010, 63012, 63017, 63018, 63038})

MEND = f"Check {SETTINGS} in {CONSOLE}, then restart."


def words(code: int | None, http_status: int | None = None) -> str:
    """A sentence for staff: what the error means and what to do. The code is named, to be looked up."""
    if code in WORDS:
        return f"{WORDS[code]} (Twilio error {code})"
    number = f" (Twilio error {code})" if code else ""
    if http_status == 401:
        return f"{WORDS[20003]}{number}"
    if http_status == 404:
        return f"{WORDS[20404]}{number}"
    if http_status == 429:
        return f"{WORDS[20429]}{number}"
    if http_status and http_status >= 500:
        return f"Twilio failed inside (HTTP {http_status}). Send it again in a while.{number}"
    if http_status:
        return f"Twilio refused the message (HTTP {http_status}). {CONSOLE} says more, under Monitor, Logs.{number}"
    return f"The message was not delivered. {CONSOLE} says more, under Monitor, Logs.{number}"


def refusal(http_status: int, code: int | None) -> Undeliverable | OutcomeUnknown | SwitchedOff:
    """What to do about a message that Twilio answered so. `code`: of Twilio's own error, which no gateway gives."""
    if http_status == 401 or code in OFF:
        return SwitchedOff(off(http_status, code))
    if http_status >= 500 and not code:
        return OutcomeUnknown(f"Twilio did not say whether it took the message (HTTP {http_status}).")
    between = not code and http_status in (403, 407, 408)  # who is on the way refuses so, not Twilio
    if between or http_status < 400 or http_status == 429 or http_status >= 500 or code in PASSING:
        return Undeliverable(fact(code, http_status), permanent=False)
    return Undeliverable(words(code, http_status), permanent=True)


def fact(code: int | None, http_status: int | None = None) -> str:
    """What the error means, and no more: it is tried again by itself, so that there is nothing to do."""
    meaning = words(code, http_status).partition(". ")[0].rstrip(".")
    return f"{meaning} (Twilio error {code})." if code and f"error {code})" not in meaning else f"{meaning}."


def off(http_status: int, code: int | None) -> str:
    """Why nothing goes out any more, and what the operator is to do."""
    if code in OFF and code != 20003:
        return f"{words(code)} Then restart."
    said = f"error {code}" if code else f"HTTP {http_status}"
    return f"Twilio does not accept our login ({said}). {MEND}"


def unsent(reason: str) -> Undeliverable:
    """The connection failed before Twilio can have got the message."""
    return Undeliverable(f"Twilio could not be reached ({reason}).", permanent=False)


def unanswered(reason: str) -> OutcomeUnknown:
    """The connection failed after Twilio may have got the message."""
    return OutcomeUnknown(f"Twilio did not answer whether it took the message ({reason}).")
