"""What a mail server's refusal means, in a sentence for staff, and whether trying again can help (pure)."""

import re
import socket
import ssl

from aiosmtplib import SMTPNotSupported

LONGEST_QUOTE = 200  # characters of what a server said

#: Enhanced status codes (RFC 3463 and its registry) without their class, the more exact ones first.
ENHANCED = (
    (r"1\.[23]|1\.10|4\.4", "The part of the customer's address after the @ takes no mail"),
    (r"1\.6", "The customer's mailbox has moved"),
    (
        r"1\.[78]|7\.2[0-9]",
        "The mail server does not believe that the mail is from EMAIL_ADDRESS (see SPF, DKIM, DMARC)",
    ),
    (r"1\.\d+", "The customer's mailbox does not exist"),
    (r"2\.1", "The customer's mailbox is closed"),
    (r"2\.2", "The customer's mailbox is full"),
    (r"2\.3|3\.4", "The mail is too large for the customer's mailbox"),
    (r"6\.7", "The customer's address has letters beyond ASCII, which this mail server does not take"),
    (r"7\.\d+", "The mail was refused as unwanted"),
)
#: Words, where a code says little, as mail servers use them. In this order: "user quota exceeded" is a full mailbox.
WORDS = (
    (r"spam|blocked|blocklist|blacklist|junk|policy|reputation|content rejected|virus", ENHANCED[-1][1]),
    (r"over ?quota|quota exceeded|mailbox (?:is )?full|insufficient (?:system )?storage", ENHANCED[5][1]),
    (r"too (?:large|big)|size (?:limit )?exceed|exceeds .{0,30}size", ENHANCED[6][1]),
    (r"dis(?:abled|continued)|inactive|suspended|closed", ENHANCED[4][1]),
    (
        r"no such|unknown|does ?n.t exist|does not exist|not found|no mailbox|invalid (?:recipient|mailbox)",
        ENHANCED[3][1],
    ),
    (r"grey ?list|try again|temporar", "The customer's mail server asks to try again later"),
)
CODES = {
    421: "The mail server is not available now",
    450: "The customer's mailbox takes no mail now",
    451: "The mail server could not take it now",
    452: "The mail server has no room for it now",
    550: "The customer's mailbox does not exist or takes no mail from us",
    551: "The customer's mailbox is elsewhere",
    552: ENHANCED[5][1],
    553: "The mail server does not take the customer's address",
    554: "The mail server refused it",
    556: ENHANCED[0][1],
}
#: What goes for every mail until the operator mends it, and so is no mail's own failure.
WANTS_LOGIN = (530, 534, 535, 538)
RELAYING = r"relay(?:ing)? (?:access )?(?:is )?(?:not |denied|prohibited)|unable to relay|not permitted to relay"


def judge(stage: str, code: int, said: str, error: BaseException) -> tuple[str, bool]:
    """The sentence, and whether it is for good. `code` is 0 where the server gave no answer; then `error` tells why."""
    if isinstance(error, SMTPNotSupported):
        return "The customer's address has letters beyond ASCII, which our mail server does not take (SMTPUTF8).", True
    if not code:
        return _silence(stage, error), False
    quote = f" It said: {code} {shown(said)}".rstrip()
    if stage == "login" or code in WANTS_LOGIN:
        return f"The mail server refuses our login: see EMAIL_SMTP_USER and EMAIL_SMTP_PASSWORD.{quote}", False
    if stage == "recipient" and re.search(RELAYING, said, re.IGNORECASE):
        return f"The mail server passes no mail on for us: see EMAIL_SMTP_HOST and EMAIL_SMTP_USER.{quote}", False
    if stage == "connection":
        return f"The mail server (EMAIL_SMTP_HOST) takes nothing from us now.{quote}", False
    if stage == "sender" and code != 552:
        return f"The mail server takes no mail from EMAIL_ADDRESS now.{quote}", False
    return f"{_meaning(code, said)}.{quote}", code >= 500


def _meaning(code: int, said: str) -> str:
    enhanced = re.match(r"[45]\.(\d{1,3}\.\d{1,3})\b", said)
    told = next((words for pattern, words in ENHANCED if enhanced and re.fullmatch(pattern, enhanced[1])), "")
    # "5.7.1" and "5.1.1" are exact; without such a code the words are all there is.
    if told and not (code < 500 and enhanced and enhanced[1].startswith("7.")):
        return told
    if words := next((words for pattern, words in WORDS if re.search(pattern, said, re.IGNORECASE)), ""):
        return words
    return CODES.get(code) or ("The mail server refused it" if code >= 500 else "The mail server could not take it now")


def _silence(stage: str, error: BaseException) -> str:
    causes: list[BaseException] = [error]
    while cause := causes[-1].__cause__ or causes[-1].__context__:
        causes.append(cause)
    if stage == "after":
        return "The connection to the mail server ended before it said whether it took the mail."
    if any(isinstance(each, ssl.SSLCertVerificationError) for each in causes):
        return "The certificate of the mail server (EMAIL_SMTP_HOST) cannot be trusted: nothing was sent."
    if "STARTTLS" in str(error):
        return "The mail server does not offer STARTTLS, and EMAIL_SMTP_SECURITY asks for it: nothing was sent."
    if any(isinstance(each, ssl.SSLError) for each in causes):
        return "No encrypted connection to the mail server came about (EMAIL_SMTP_SECURITY): nothing was sent."
    if any(isinstance(each, socket.gaierror | UnicodeError) for each in causes):
        return "The name of the mail server (EMAIL_SMTP_HOST) is not known to the network."
    if stage == "login":
        return "The mail server takes no login of ours here: see EMAIL_SMTP_USER and EMAIL_SMTP_SECURITY."
    if any(isinstance(each, TimeoutError) for each in causes):
        return "The mail server (EMAIL_SMTP_HOST) did not answer in time."
    return "The mail server (EMAIL_SMTP_HOST) could not be reached, or ended the connection."


def shown(said: str) -> str:
    """What a server said, as one line of bounded length."""
    # Half a surrogate pair is what is left of bytes that are no text: no database keeps it.
    clean = re.sub("[\x00-\x20\x7f-\x9f\u2028\u2029\ud800-\udfff]+", " ", said).strip()
    return clean if len(clean) <= LONGEST_QUOTE else clean[: LONGEST_QUOTE - 1].rstrip() + "…"
