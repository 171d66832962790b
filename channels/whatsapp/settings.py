"""The settings of WhatsApp, read from the environment: each is checked, and a bad one is told in words."""

import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from channels.base import Setup
from channels.variables import Variables

#: What a message that was approved beforehand is for (`Offer.purpose`).
REPLY_READY, SATISFACTION = "reply ready", "satisfaction"
#: How the settings of each purpose begin.
TEMPLATES = {REPLY_READY: "WHATSAPP_REPLY", SATISFACTION: "WHATSAPP_SATISFACTION"}
#: What stands in a template's variables for what is known only when it is sent.
PLACEHOLDERS = ("{company}", "{customer}", "{person}")
ACCOUNT = r"AC[0-9a-fA-F]{32}"
CONTENT = r"HX[0-9a-fA-F]{32}"
#: What a token is made of: printable ASCII. Twilio's have 32 characters; with a short one anybody may write as anybody.
LONG_WORD = r"[!-~]{16,200}"
NUMBER = r"\+[1-9][0-9]{6,14}"  # E.164
PREFIX = "whatsapp:"
USUAL_RATE, MOST_RATE = 80.0, 1_000.0  # messages a second; Twilio takes 80 of one sender


@dataclass(frozen=True)
class Template:
    """A message that WhatsApp approved: its ContentSid, and the text of each of its variables with PLACEHOLDERS."""

    sid: str
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class WhatsAppSettings:
    """What the channel is told. `missing`: what it lacks, as what "It wants ..." goes on with; empty: it is on."""

    account_sid: str = ""
    auth_token: str = field(default="", repr=False)
    auth_token_secondary: str = field(default="", repr=False)
    sender: str = ""  # whatsapp:+15551234567
    public_url: str = ""  # where Twilio reaches this server, without a slash at its end
    typing: bool = False
    rate: float = USUAL_RATE  # messages a second that this process sends
    templates: Mapping[str, Template] = field(default_factory=dict)  # by purpose
    api_url: str = ""  # the origin that stands in for Twilio's; empty: Twilio's own
    missing: tuple[str, ...] = ()

    @property
    def tokens(self) -> tuple[str, ...]:
        """With any of these Twilio may sign: during a rotation there are two."""
        return tuple(token for token in (self.auth_token, self.auth_token_secondary) if token)


def read(setup: Setup) -> WhatsAppSettings:
    """The settings in `setup.environ`. Never raises: what is wrong or lacking is in `missing`."""
    reader = _Reader(setup.environ)
    api_url = reader.api_url()
    return WhatsAppSettings(
        account_sid=reader.matching("WHATSAPP_ACCOUNT_SID", ACCOUNT, "AC and 32 hexadecimal digits", needed=True),
        auth_token=reader.matching(
            "WHATSAPP_AUTH_TOKEN", LONG_WORD, "the auth token that Twilio's console shows", needed=True
        ),
        sender=reader.sender(),
        public_url=reader.public_url(setup.base_url, standing_in=bool(api_url) and _is_loopback(api_url)),
        auth_token_secondary=reader.matching(
            "WHATSAPP_AUTH_TOKEN_SECONDARY", LONG_WORD, "the secondary auth token that Twilio's console shows"
        ),
        typing=reader.switch("WHATSAPP_TYPING"),
        rate=reader.rate(),
        templates=reader.templates(),
        api_url=api_url,
        missing=tuple(dict.fromkeys(reader.bad)),
    )


class _Reader(Variables):
    """Reads one setting after the other and writes down what is wrong with them."""

    def sender(self) -> str:
        # As people write numbers: with spaces, hyphens and brackets.
        value = re.sub(r"[\s().-]", "", self.value("WHATSAPP_FROM")).removeprefix(PREFIX)
        if not value:
            self.bad.append("WHATSAPP_FROM")
        elif not re.fullmatch(NUMBER, value):
            self.bad.append("WHATSAPP_FROM to be the number of your WhatsApp sender, such as +15551234567")
        else:
            return PREFIX + value
        return ""

    def public_url(self, ours: str, *, standing_in: bool) -> str:
        """`standing_in`: what posts to it is on this machine, unlike Twilio, and knows it as `ours`."""
        value = self.value("PUBLIC_BASE_URL") or (ours if standing_in else "")
        if not value:
            self.bad.append("PUBLIC_BASE_URL")
        elif not _is_address(value) or (_is_loopback(value) and not standing_in):
            self.bad.append(
                "PUBLIC_BASE_URL to be an address with https that Twilio reaches, such as https://help.example.com"
            )
        else:
            return value.rstrip("/")
        return ""

    def api_url(self) -> str:
        value = self.value("WHATSAPP_API_URL").rstrip("/")
        if value and not (_is_address(value) and not urlsplit(value).path):
            self.bad.append(
                "WHATSAPP_API_URL to be an origin such as https://api.example.com (http only on this machine)"
            )
            return ""
        return value

    def switch(self, name: str) -> bool:
        value = self.value(name).lower()
        if value not in ("", "on", "off"):
            self.bad.append(f"{name} to be on or off")
        return value == "on"

    def rate(self) -> float:
        value = self.value("WHATSAPP_RATE") or str(USUAL_RATE)
        rate = float(value) if re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", value) else 0.0
        if not 0.1 <= rate <= MOST_RATE:
            self.bad.append(f"WHATSAPP_RATE to be how many messages a second are sent, from 0.1 to {MOST_RATE:.0f}")
            return USUAL_RATE
        return rate

    def templates(self) -> Mapping[str, Template]:
        found: dict[str, Template] = {}
        for purpose, prefix in TEMPLATES.items():
            sid = self.matching(f"{prefix}_TEMPLATE", CONTENT, "a ContentSid: HX and 32 hexadecimal digits")
            variables = self.variables(f"{prefix}_VARIABLES")
            if variables and not self.value(f"{prefix}_TEMPLATE"):
                self.bad.append(f"{prefix}_TEMPLATE along with {prefix}_VARIABLES")
            if sid:
                found[purpose] = Template(sid, variables)
        return found

    def variables(self, name: str) -> Mapping[str, str]:
        try:
            value = json.loads(self.value(name) or "{}")
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict) and all(isinstance(each, str) and _is_known(each) for each in value.values()):
            return value
        places = ", ".join(PLACEHOLDERS)
        self.bad.append(f'{name} to be JSON such as {{"1": "{{customer}}"}}, with no other placeholders than {places}')
        return {}


def _is_known(text: str) -> bool:
    """Whether nothing stands in braces that nobody will fill in, and no half of a surrogate pair."""
    rest = re.sub("|".join(map(re.escape, PLACEHOLDERS)), "", text)
    return not re.search("[{}\ud800-\udfff]", rest)


def _is_address(url: str) -> bool:
    """Whether it is https, or http on this machine; with no login, query or fragment."""
    if not re.fullmatch(r"https?://[^\s?#@\\\x00-\x20\x7f\ud800-\udfff]+", url):
        return False
    try:
        parts = urlsplit(url)
        whole = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return whole and (parts.scheme == "https" or _is_loopback(url))


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address("127.0.0.1" if host == "localhost" else host).is_loopback
    except ValueError:
        return False
