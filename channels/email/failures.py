"""Why a mail was not delivered, in a sentence for staff."""

import re

from channels.email.wording import plain

MOST_WORDS = 200  # characters of a server's own words that are shown

# RFC 3463: subject.detail, without the class; only codes that leave no doubt.
CODES = {
    "1.1": "The address does not exist.",
    "1.2": "The domain of the address does not exist.",
    "1.3": "The address is not a valid one.",
    "1.4": "The address is ambiguous there.",
    "1.6": "The mailbox has moved, and no new address is known.",
    "1.7": "Our own address was not accepted as sender.",
    "1.8": "The domain of our own address was not accepted.",
    "1.9": "The address is not a valid one.",
    "2.1": "The mailbox is switched off.",
    "2.2": "The mailbox is full.",
    "2.3": "The mail is too big for the mailbox.",
    "3.1": "The mail server there has no room left.",
    "3.4": "The mail is too big for the mail server there.",
    "4.2": "The connection to the mail server there broke off.",
    "4.3": "The domain's name server does not answer.",
    "4.4": "The domain of the address cannot be reached.",
    "4.6": "The mail ran in circles between mail servers.",
    "4.7": "The mail server there could not be reached in time.",
    "5.3": "It had too many recipients.",
    "6.1": "The mail server there does not take mail of this kind.",
    "7.8": "Our mail server's login was refused.",
    "7.20": "Our mail could not be proved to be ours (DKIM).",
    "7.21": "Our mail could not be proved to be ours (DKIM).",
    "7.22": "Our mail could not be proved to be ours (DKIM).",
    "7.23": "Our mail server is not allowed to send for our domain (SPF).",
    "7.24": "Our mail server is not allowed to send for our domain (SPF).",
    "7.25": "Our mail server's address has no name.",
    "7.26": "Our mail could not be proved to be ours (SPF, DKIM or DMARC).",
    "7.27": "Our domain takes no mail, so none is taken from it.",
}
# What servers say where their code is a general one, or none: first match counts.
WORDS = (
    (
        r"rate limit|at a rate|too many|unexpected volume|too frequent|throttl|gr[ae]y ?list",
        "The mail server there takes no more mail from us for the moment.",
    ),
    (
        r"virus|malware|infected|banned (?:attachment|content|file)|potential security|dangerous",
        "It was refused for what is attached to it.",
    ),
    (
        r"spam|junk mail|black ?list|block ?list|blocked|bulk e?mail|reputation|listed (?:in|by|at|on)|\brbl\b|dnsbl|"
        r"spamhaus|unsolicited|banned",
        "It was refused as spam.",
    ),
    (r"dmarc|\bspf\b|dkim|authenticat|purported|unauthenticated", "Our mail could not be proved to be ours."),
    (r"reverse dns|\bptr\b|\brdns\b|\bhelo\b", "Our mail server's address has no name."),
    (
        r"sender .{0,40}(?:rejected|invalid|not exist|denied|not verified)|(?:mail )?from.{0,30}(?:not exist|"
        r"invalid)",
        "Our own address was not accepted as sender.",
    ),
    (
        r"(?:mail ?box|mail ?folder|account|quota|disk).{0,40}(?:full|exceed|over)|over ?quota|quota|"
        r"not enough (?:disk|storage)|insufficient|メールボックスが一杯|容量",
        "The mailbox is full.",
    ),
    (
        r"(?:message|mail|size).{0,40}(?:too (?:large|big)|exceeds|limit)|too (?:large|big)",
        "The mail is too big for the mail server there.",
    ),
    (r"null mx|no smtp service|(?:host|domain) does not accept mail", "The domain of the address takes no mail."),
    (
        r"(?:account|mailbox|user|recipient).{0,60}(?:frozen|disabled|suspended|inactive|deactivated|locked|"
        r"no longer|expired)|disabled|suspended",
        "The mailbox is switched off.",
    ),
    (
        r"(?:host|domain)\b.{0,40}(?:unknown|not found|(?:does|could) not|no such|invalid|not reachable)|no (?:mx|"
        r"such (?:host|domain))|nxdomain|name (?:server|or service)|unrout(?:e)?able|dns (?:error|fail)",
        "The domain of the address does not exist or cannot be reached.",
    ),
    (
        r"user.{0,60}(?:unknown|not? exist|not (?:found|known))|(?:unknown|no such|invalid|illegal|"
        r"bad) (?:or (?:illegal|invalid) )?(?:final delivery )?(?:user(?:id)?|recipient|address|mailbox|alias|"
        r"account|local)|(?:recipient|address|mailbox|account).{0,60}(?:unknown|not exist|not found|unavailable|"
        r"not (?:known|recogni[sz]ed)|invalid|doesn't have|no longer)|no mailbox|"
        r"recipient address rejected: access denied|(?:no|not?) (?:valid )?recipients?|(?:does not|doesn't|"
        r"not) exist|doesn't have an?|recipnotfound|not? such",
        "The address does not exist.",
    ),
    (r"relay", "The mail server there does not take mail for this address."),
    (
        r"timed? ?out|expired|(?:too|very) long|in the queue|connection|unreachable|not respond|refused|socket|"
        r"multiple retries|giving up",
        "The mail server there could not be reached in time.",
    ),
    (r"try again|defer|temporar", "The mail server there takes no more mail from us for the moment."),
    (r"loop|hop count|too many hops", "The mail ran in circles between mail servers."),
    (
        r"policy|polic|not allowed|denied|rejected|refus|prohibit|not accept",
        "The mail server there refused it by its own rules.",
    ),
)
COMPILED = tuple((re.compile(pattern), sentence) for pattern, sentence in WORDS)
# What is left, by the class of the code.
KINDS = {
    "1": "There is something wrong with the address.",
    "2": "The mailbox did not take it.",
    "3": "The mail server there could not take it.",
    "4": "The mail server there could not be reached.",
    "5": "The mail servers did not understand each other.",
    "6": "The mail server there could not read what the mail holds.",
    "7": "The mail server there refused it by its own rules.",
}


def reason_for(status: str, words: str, permanent: bool, around: str = "") -> str:
    """One sentence. `words`: what the other server said; `around`: the report, which may say it elsewhere."""
    if status.startswith("2"):
        return "It was delivered, or handed on to be."
    sentence = _sentence(status.partition(".")[2], words, around)
    return sentence if permanent else f"It is late, and still being tried. {sentence}".strip()


def _sentence(code: str, words: str, around: str) -> str:
    if code in CODES:
        return CODES[code]
    if found := _by_words(words):
        return found
    if (kind := code.partition(".")[0]) in KINDS:
        return KINDS[kind]
    own = " ".join(words.split())
    own = own if len(own) <= MOST_WORDS else own[: MOST_WORDS - 1].rsplit(" ", 1)[0] + "…"
    return f"The mail server there said: {own}" if own else _by_words(around) or "The mail server did not say why."


def _by_words(words: str) -> str:
    said = plain(words[:2000])
    return next((sentence for pattern, sentence in COMPILED if pattern.search(said)), "")
