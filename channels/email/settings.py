"""The settings of email, read from the environment: each is checked, and a bad one is told in words."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from channels.variables import Variables

#: A local part and a domain as every mail server takes them: no quotes, no letters beyond ASCII.
LOCAL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
DOMAIN = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
LONGEST_LOCAL, LONGEST_DOMAIN = 64, 255  # RFC 5321, 4.5.3.1
#: Where the token stands in EMAIL_REPLY_TO, and how many characters it takes.
TOKEN, TOKEN_LENGTH = "{token}", 46
#: Characters of a webhook's secret: fewer may be guessed.
SHORTEST_SECRET = 16
LONGEST_NAME = 100  # characters of the display name
VENDORS = ("sendgrid", "mailgun", "postmark")
SMTP_PORTS = {"starttls": 587, "tls": 465, "none": 25}
IMAP_PORTS = {"tls": 993, "starttls": 143, "none": 143}
#: Who may hand mail over by LMTP, which knows no login: this machine and private networks (RFC 1918, RFC 4193).
NEAR = tuple(
    ipaddress.ip_network(each)
    for each in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
)


@dataclass(frozen=True)
class Server:
    """A mail server and the login to it. No host: it is not used."""

    host: str = ""
    port: int = 0
    security: str = "starttls"  # starttls | tls | none
    user: str = ""
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"{self.host}:{self.port} ({'in the clear' if self.security == 'none' else self.security})"


@dataclass(frozen=True)
class EmailSettings:
    """What the channel is told. `missing`: what it lacks, as what "It wants ..." goes on with; empty: it is on."""

    address: str = ""
    name: str = ""  # what mail programs show as its sender
    company: str = ""
    also: tuple[str, ...] = ()
    reply_to: str = ""  # with TOKEN in its local part
    authserv_id: str = ""
    smtp: Server = Server()
    imap: Server = Server(security="tls")
    folder: str = "INBOX"
    lmtp: tuple[str, int] | None = None
    webhook: str = ""
    webhook_secret: str = field(default="", repr=False)
    missing: tuple[str, ...] = ()

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]

    @property
    def ours(self) -> frozenset[str]:
        """Every address that is ours, in lower case."""
        return frozenset((self.address, *self.also)) - {""}


def read(environ: Mapping[str, str], company: str = "our team") -> EmailSettings:
    """The settings in `environ`. Never raises: what is wrong or lacking is in `missing`."""
    reader = _Reader(environ)
    address = reader.address("EMAIL_ADDRESS")
    if not address and not reader.bad:
        reader.bad.append("EMAIL_ADDRESS")
    smtp = reader.server("EMAIL_SMTP", SMTP_PORTS, "starttls")
    if not smtp.host and not any(each.startswith("EMAIL_SMTP_HOST") for each in reader.bad):
        reader.bad.append("EMAIL_SMTP_HOST")
    imap, lmtp, (webhook, secret) = reader.server("EMAIL_IMAP", IMAP_PORTS, "tls"), reader.lmtp(), reader.webhook()
    if imap.host and not (reader.value("EMAIL_IMAP_USER") or reader.value("EMAIL_IMAP_PASSWORD")):
        reader.bad.append("EMAIL_IMAP_USER and EMAIL_IMAP_PASSWORD")
    tried = any(reader.value(name) for name in ("EMAIL_IMAP_HOST", "EMAIL_LMTP", "EMAIL_WEBHOOK"))
    if not tried:
        reader.bad.append("a way in (EMAIL_IMAP_HOST, EMAIL_LMTP or EMAIL_WEBHOOK)")
    return EmailSettings(
        address=address,
        name=reader.name() or company,
        company=company,
        also=reader.also(),
        reply_to=reader.reply_to(),
        authserv_id=reader.matching("EMAIL_AUTHSERV_ID", r"[!-~]{1,255}", "one word, such as mx.example.com"),
        smtp=smtp,
        imap=imap,
        folder=reader.matching("EMAIL_IMAP_FOLDER", r"[^\x00-\x1f\x7f]{1,255}", "the name of a folder") or "INBOX",
        lmtp=lmtp,
        webhook=webhook,
        webhook_secret=secret,
        missing=tuple(dict.fromkeys(reader.bad)),
    )


class _Reader(Variables):
    """Reads one setting after the other and writes down what is wrong with them."""

    def address(self, name: str) -> str:
        value = self.value(name)
        if value and not plain(value):
            self.bad.append(f"{name} to be a plain email address, such as support@example.com")
            return ""
        return value.lower()

    def also(self) -> tuple[str, ...]:
        values = [each.strip() for each in self.value("EMAIL_ALSO").split(",") if each.strip()]
        if not all(plain(each) for each in values):
            self.bad.append("EMAIL_ALSO to be plain email addresses with commas between them")
        return tuple(each.lower() for each in values if plain(each))

    def name(self) -> str:
        wanted = f"one line of at most {LONGEST_NAME} characters"
        return self.matching("EMAIL_NAME", rf"[^\x00-\x1f\x7f\u2028\u2029]{{1,{LONGEST_NAME}}}", wanted)

    def reply_to(self) -> str:
        value = self.value("EMAIL_REPLY_TO")
        once = value.count(TOKEN) == 1 and TOKEN in value.rpartition("@")[0]
        if value and not (once and plain(value.replace(TOKEN, "t" * TOKEN_LENGTH))):
            most = LONGEST_LOCAL - TOKEN_LENGTH
            self.bad.append(
                f"EMAIL_REPLY_TO to be an address such as support+{TOKEN}@example.com, "
                f"with at most {most} characters beside {TOKEN} before the @"
            )
            return ""
        return value.lower()

    def server(self, prefix: str, ports: Mapping[str, int], security: str) -> Server:
        """A server's settings; `ports`: the usual one for each kind of security."""
        host = self.value(f"{prefix}_HOST")
        if host and not _is_host(host):
            self.bad.append(f"{prefix}_HOST to be a server's name or address, such as mail.example.com")
            host = ""
        chosen = self.value(f"{prefix}_SECURITY").lower() or security
        if chosen not in ports:
            self.bad.append(f"{prefix}_SECURITY to be starttls, tls or none")
            chosen = security
        port = self.value(f"{prefix}_PORT")
        if port and not _is_port(port):
            self.bad.append(f"{prefix}_PORT to be a number from 1 to 65535")
            port = ""
        sign = r"[^\x00-\x1f\x7f]{1,500}"
        user = self.matching(f"{prefix}_USER", sign, "one line")
        password = self.matching(f"{prefix}_PASSWORD", sign, "one line")
        if bool(self.value(f"{prefix}_USER")) != bool(self.value(f"{prefix}_PASSWORD")):
            self.bad.append(f"{prefix}_USER and {prefix}_PASSWORD together, or none of them")
        return Server(host, int(port or ports[chosen]), chosen, user, password)

    def lmtp(self) -> tuple[str, int] | None:
        value = self.value("EMAIL_LMTP")
        host, _, port = value.rpartition(":")
        near = _near(host.removeprefix("[").removesuffix("]"))
        if value and not (near and _is_port(port)):
            self.bad.append("EMAIL_LMTP to be an address of this machine or of a private network, such as 127.0.0.1:24")
            return None
        return (near, int(port)) if value else None

    def webhook(self) -> tuple[str, str]:
        vendor = self.value("EMAIL_WEBHOOK").lower()
        secret = self.matching("EMAIL_WEBHOOK_SECRET", r"[\x20-\x7e\n\r]+", "plain ASCII")
        if vendor and vendor not in VENDORS:
            self.bad.append(f"EMAIL_WEBHOOK to be {', '.join(VENDORS[:-1])} or {VENDORS[-1]}")
            return "", secret
        if vendor and len(secret) < SHORTEST_SECRET:
            self.bad.append(f"EMAIL_WEBHOOK_SECRET of at least {SHORTEST_SECRET} characters")
        return vendor, secret


def plain(address: str) -> bool:
    """Whether it is an address that every mail server takes."""
    local, _, domain = address.rpartition("@")
    short = len(local) <= LONGEST_LOCAL and len(domain) <= LONGEST_DOMAIN
    return short and bool(re.fullmatch(LOCAL, local) and re.fullmatch(DOMAIN, domain))


def _is_host(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return len(host) <= LONGEST_DOMAIN and bool(re.fullmatch(DOMAIN.replace("0-9-", "0-9_-"), host))


def _is_port(port: str) -> bool:
    return bool(re.fullmatch(r"[0-9]{1,5}", port)) and 0 < int(port) <= 65_535


def _near(host: str) -> str:
    """The address, if it is this machine's or a private network's; else nothing."""
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        return ""
    return str(address) if any(address in network for network in NEAR) else ""
