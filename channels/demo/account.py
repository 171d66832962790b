"""The demo company's account at Twilio: its settings, its approved messages, and what can go wrong there."""

import secrets
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from channels.demo.mailbox import HOST, free_port
from channels.demo.twilio import TemplateAtTwilio, Twilio
from channels.demo.twilio_rules import Answer, Break, Outcome, Step

#: The account of the demo's company. Nobody has it: Twilio's are random.
ACCOUNT = "AC" + "f1257" * 6 + "00"
SENDER = "whatsapp:+15550100"  # a number for fiction
READY, HOW_WAS_IT = "HX" + "a1" * 16, "HX" + "b2" * 16
#: What WhatsApp would have approved: its name, its words, and the buttons below them.
TEMPLATES = {
    READY: ("reply_ready", "Hello {{1}}, {{2}} has a reply for you. Press the button to read it.", ("Show the reply",)),
    HOW_WAS_IT: ("how_was_it", "Hello {{1}}, did {{2}} solve your question?", ("Yes, thank you", "No, not yet")),
}
#: What becomes of the next reply, if not what should.
FAULTS: Mapping[str, tuple[str, Step]] = {
    "busy": ("Twilio answers 429: too many requests", Answer(429, 20429, "Too Many Requests")),
    "down": ("Twilio answers 500: an error of its own", Answer(500, 20500, "An internal server error has occurred")),
    "cut": ("The connection breaks after it was taken", Break(taken=True)),
    "early": ("The connection breaks before it was taken", Break(taken=False)),
    "locked": ("Twilio answers 401: it does not know us", Answer(401, 20003, "Authenticate")),
    "nobody": ("WhatsApp cannot deliver it (63024)", Outcome("undelivered", 63024)),
}


def environ() -> Mapping[str, str]:
    """The settings of WhatsApp for the demo, with a port that nobody listens on now."""
    filled = '{"1": "{customer}", "2": "{company}"}'
    return {
        "WHATSAPP_ACCOUNT_SID": ACCOUNT,
        "WHATSAPP_AUTH_TOKEN": secrets.token_hex(16),
        "WHATSAPP_FROM": SENDER,
        "WHATSAPP_API_URL": f"http://{HOST}:{free_port()}",
        "WHATSAPP_TYPING": "on",
        "WHATSAPP_REPLY_TEMPLATE": READY,
        "WHATSAPP_REPLY_VARIABLES": filled,
        "WHATSAPP_SATISFACTION_TEMPLATE": HOW_WAS_IT,
        "WHATSAPP_SATISFACTION_VARIABLES": filled,
    }


def port(api_url: str) -> int | None:
    """Where the stand-in is to listen; None: this is no address of ours."""
    parts = urlsplit(api_url)
    return parts.port if parts.hostname == HOST else None


def stand_in(token: str, webhook: str, clock: Callable[[], float]) -> Twilio:
    """Twilio for the demo's company: what becomes of a message, the phone decides."""
    twilio = Twilio(ACCOUNT, token, SENDER, webhook, clock=clock)
    twilio.automatic = False
    twilio.templates = {sid: TemplateAtTwilio(name, body) for sid, (name, body, _) in TEMPLATES.items()}
    return twilio
