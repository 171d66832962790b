"""Bounces: which mails say that another mail was not delivered, and which one, to whom, and why."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from channels.email.failures import reason_for
from channels.email.mime import Mail, Part
from channels.email.signs import DAEMON, MACHINE, MACHINE_NAME, SAYS_SO, unattended
from channels.email.undelivered import BOUNCE_OPENING, BOUNCE_SUBJECT, DELAYED, FOR_GOOD, GIVEN_UP
from channels.email.wording import GREETING, a_reply, opening, plain

MOST_READ = 200_000  # characters of a bounce that are looked at
MOST_SAID = 20_000  # ... of its own words, before what is returned
MOST_IDS = 20
NEAR = 200  # characters from the beginning within which a program comes to the point

ADDRESS = re.compile(r"[^\s<>()\[\]:;,\"'@|=]{1,64}@[^\s<>()\[\]:;,\"'@|=]{1,200}")
# ... as a report names the one that it is about: at the beginning of a line.
LINE_ADDRESS = re.compile(
    rf"^[ \t*]{{0,12}}(?:recipient address: {{0,4}})?<?({ADDRESS.pattern})>?[ \t]{{0,4}}(?=[:(,]|on |$)",
    re.IGNORECASE | re.MULTILINE,
)
FIELD = re.compile(
    r"[ \t]{0,8}(final-recipient|original-recipient|x-actual-recipient|action|ction|status|diagnostic-code|"
    r"original-message-id) ?:[ \t]{0,9}(.{0,2000})",
    re.IGNORECASE,
)
MESSAGE_ID = re.compile(r"^[ \t>|]{0,8}message-id ?:\s{0,9}<([^<>\s]{1,250})>", re.IGNORECASE | re.MULTILINE)
RETURNED = re.compile(
    r"^[ \t>]{0,8}(?:(?:received|return-path|dkim-signature|x-originating-ip) ?:|-{2,60}.{0,40}(?:original m|"
    r"copy of the m|header of the orig|unsent message|original message|returned message|message header)|"
    r"(?:original message|message headers?) follows?)",
    re.IGNORECASE | re.MULTILINE,
)
WHO, WHAT = {"final-recipient", "original-recipient"}, {"action", "status", "diagnostic-code"}  # fields of a recipient
TITLE_ENDS, ASKS = re.compile(r"\w{0,4} ?(?:[:!/-]|$)"), re.compile("[?？]")
IN_ANGLES = re.compile(r"<([^<>\s]{1,250})>")
ENHANCED = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
REPLY = re.compile(r"(?<![\d.:\-#@/\[])(4[2-5]\d|5[0-57]\d)(?:[ -]#?([45]\.\d{1,3}\.\d{1,3})(?![\d.])|(?=[ \-:,']))")


@dataclass(frozen=True)
class Bounce:
    message_ids: tuple[str, ...]  # of the mail that was not delivered, without angle brackets
    recipient: str  # lower case, "" if it isn't said
    status: str  # RFC 3463, such as "5.1.1", "" if it isn't said
    permanent: bool  # False: it is late, and still being tried, or it was delivered after all
    reason: str  # a sentence for staff


def recognise(mail: Mail) -> str:
    """Why this mail is thought to be a bounce; "" if it is none."""
    top = {part.content_type for part in mail.parts if part.depth == 0}
    status = bool(top & {"message/delivery-status", "message/global-delivery-status"})
    if mail.content_type == "multipart/report" and (mail.report_type == "delivery-status" or status):
        return "It is a mail server's report on a delivery."
    if header := next((name for name in SAYS_SO if any(found == name for found, _ in mail.headers)), ""):
        return f"Its header {header} says that a delivery failed."
    local = mail.sender.address.partition("@")[0]
    name = plain(mail.header("from")[:200])
    if DAEMON.fullmatch(local) or DAEMON.match(name):
        return "It comes from a mail server's own address."
    subject = "" if a_reply(mail.subject) else plain(mail.subject[:300])
    words = opening(_body(mail))
    in_subject, in_words = BOUNCE_SUBJECT.search(subject), BOUNCE_OPENING.search(words)
    nobody = null_sender(mail) or not mail.header("from").strip(" <>")
    if nobody and (in_subject or in_words or status):
        return "It has no sender to answer to, and says that a mail was not delivered."
    machine = MACHINE.fullmatch(local) or MACHINE_NAME.search(name.partition("<")[0]) or unattended(local)
    returned = bool(mail.attached) or any(
        part.content_type.startswith("message/") for part in mail.parts if not part.depth
    )
    answer = REPLY.search(words) and (returned or (in_words and in_words.start() == 0))
    # A person may be postmaster, and ask about a bounce: two of the signs must be there that a program leaves, or its
    # title ("Undeliverable: Order") or an address on a line of its own, under such a subject, without a greeting.
    greets = GREETING.match(words)
    if machine and in_subject and words and not greets and not ASKS.search(words):
        titled = not in_subject.start() and TITLE_ENDS.match(subject, in_subject.end())
        ours = {each.address for each in mail.to} | {mail.sender.address}
        if titled or any(each[1].lower() not in ours for each in LINE_ADDRESS.finditer(_body(mail)[:MOST_SAID])):
            return "It comes from a mail server, and its subject is that of a bounce."
    if greets:
        in_words = None
    if machine and sum(map(bool, (in_subject, in_words and in_words.start() < NEAR, status, answer))) >= 2:
        return "It comes from a mail server, and says that a mail was not delivered."
    return ""


def null_sender(mail: Mail) -> bool:
    """Whether it was sent so that nothing can come back, as machines do (RFC 5321, 4.5.5)."""
    paths = [path.strip().lower() for path in mail.all("return-path")]
    return any(path == "<>" or path.strip("<>").partition("@")[0] == "mailer-daemon" for path in paths)


def read(mail: Mail) -> Bounce:
    """What a mail that is known to be a bounce says."""
    body = _body(mail)
    own = body[: found.start()] if (found := RETURNED.search(body)) and found.start() > 20 else body
    groups = [*_groups(_reports(mail))] or [*_groups(own)]
    group = next((each for each in groups if each.get("action", "").startswith("fail")), groups[0] if groups else {})
    diagnostic = " ".join(re.sub(r"^[\w-]{1,20};", "", group.get("diagnostic-code", "")).split())
    status = _status(group.get("status", ""), diagnostic) or _status("", own)
    permanent = _permanent(mail, group, status, own)
    recipient = _recipient(mail, group, own)
    words = diagnostic or _server_words(own) or _said_of(recipient, own)
    return Bounce(_message_ids(mail, group), recipient, status, permanent, reason_for(status, words, permanent, own))


def _body(mail: Mail) -> str:
    own = (part for part in mail.parts if part.depth == 0 and _is_words(part))
    text = mail.text or next((part.text() for part in own), "")
    return text[:MOST_READ]


def _is_words(part: Part) -> bool:
    return part.content_type.startswith("text/") and part.content_type not in ("text/rfc822-headers", "text/html")


def _reports(mail: Mail) -> str:
    kinds = ("message/delivery-status", "message/global-delivery-status")
    return "\n\n".join(part.text()[:MOST_READ] for part in mail.parts if part.depth == 0 and part.content_type in kinds)


def _groups(text: str) -> Iterator[dict[str, str]]:
    """The fields of RFC 3464, a recipient at a time: from a report, or where they stand in the text."""
    group: dict[str, str] = {}
    last = ""
    for line in text[:MOST_READ].splitlines():
        if match := FIELD.match(line):
            last = {"ction": "action"}.get(match[1].lower(), match[1].lower())
            if last in group and last in ("final-recipient", "action", "status"):
                yield group
                group = {}
            group.setdefault(last, match[2].strip())
            if last == "action":
                group["action"] = group["action"].lower()
        elif last and line[:1] in (" ", "\t") and line.strip():
            group[last] = f"{group[last]} {line.strip()}"[:2000]
        else:
            last = ""
            if not line.strip() and WHO & set(group) and WHAT & set(group):
                yield group
                group = {}
    if (WHO | WHAT) & set(group):
        yield group


def _status(field: str, words: str) -> str:
    """The code of the field, or the closer one of the server's words where the field says only that it failed."""
    codes = [match[0] for match in ENHANCED.finditer(field[:200])][:1]
    words = words[:MOST_SAID]
    said = [match[2] for match in REPLY.finditer(words) if match[2]]
    said += [match[0] for match in ENHANCED.finditer(words) if match[1] != "2"]
    codes += [code for code in said if not code.endswith(".0")] + said
    if codes and codes[0].endswith(".0.0"):
        codes = [code for code in codes if code[0] == codes[0][0] and not code.endswith(".0.0")] or codes
    if codes:
        return codes[0]
    basic = REPLY.search(words)
    return f"{basic[1][0]}.0.0" if basic else ""


def _permanent(mail: Mail, group: dict[str, str], status: str, own: str) -> bool:
    if action := group.get("action"):
        return action.startswith(("fail", "expired"))
    if ENHANCED.match(group.get("status", "")):
        return status.startswith("5")
    # After a colon the subject is that of the original.
    subject, words = plain(mail.subject[:300]), opening(own)
    about = subject if subject.startswith("warning") else subject.partition(":")[0]
    if (DELAYED.search(about) or DELAYED.search(words)) and not FOR_GOOD.search(f"{about} {words}"):
        return False
    return not status.startswith("4") or bool(GIVEN_UP.search(f"{about} {plain(own[:5000])}"))


def _message_ids(mail: Mail, group: dict[str, str]) -> tuple[str, ...]:
    """The original's: from what is returned of it; only if nothing is, from what the bounce says that it answers.

    Of several attached mails the first is the original; others were attached to it.
    """
    found = [*IN_ANGLES.findall(group.get("original-message-id", ""))]
    headers = (value for headers in mail.attached for name, value in headers if name == "message-id")
    parts = (part for part in mail.parts if not part.depth and part.content_type.startswith(("text/", "message/")))
    texts = chain((part.text() for part in parts), (mail.text,))
    lines = (match[1] for text in texts if (match := MESSAGE_ID.search(text[:MOST_READ])))
    returned = next((each for value in headers for each in IN_ANGLES.findall(value[:1000])), "") or next(lines, "")
    found += [returned] if returned else []
    return tuple(dict.fromkeys(found or [*mail.in_reply_to, *reversed(mail.references)]))[:MOST_IDS]


def _recipient(mail: Mail, group: dict[str, str], own: str) -> str:
    said = [group.get(name, "") for name in ("original-recipient", "final-recipient", "x-actual-recipient")]
    for value in (*said, mail.header("x-failed-recipients")):
        if match := ADDRESS.search(value.split(";", 1)[-1][:400]):
            return match[0].lower().strip(".")
    ours = {each.address for each in mail.to} | {mail.sender.address}
    for match in (*LINE_ADDRESS.finditer(own[:MOST_SAID]), *ADDRESS.finditer(own[:MOST_SAID])):
        if (address := match[match.lastindex or 0].lower().strip(".")) not in ours:
            return address
    for headers in mail.attached[:1]:
        for name, value in headers:
            if name == "to" and (match := ADDRESS.search(value[:400])):
                return match[0].lower()
    return ""


def _server_words(own: str) -> str:
    """What the other server answered, from the first line that has the code of an answer."""
    for number, line in enumerate(lines := own[:MOST_SAID].splitlines()):
        if REPLY.search(line[:500]) or ENHANCED.search(line[:500]):
            rest = [each.strip() for each in lines[number : number + 3]]
            return " ".join(rest if line.strip().endswith((":", ",")) or len(line) > 60 else rest[:1])[:500]
    return ""


def _said_of(recipient: str, own: str) -> str:
    """What stands beside the address and below it, where no server's answer is given."""
    lines = [line.strip() for line in own[:MOST_SAID].splitlines() if line.strip()]
    for number, line in enumerate(lines):
        if recipient and recipient in line.lower() and not line.lower().startswith(("to:", "for ")):
            start = line.lower().find(recipient) + len(recipient)
            rest = " ".join([line[start:], *lines[number + 1 : number + 4]]).strip(" <>:,.")
            return rest[:500]
    return ""
