"""Whether a person wrote a mail or a machine: a machine's is recorded and never answered."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from channels.email import bounces
from channels.email.bounces import Bounce, null_sender
from channels.email.mime import Mail
from channels.email.signs import (
    ANSWERS,
    CAMPAIGNS,
    CHALLENGERS,
    COMPLAINT,
    DESKS,
    LIST_HEADERS,
    LIST_PATH,
    NEWSLETTER,
    unattended,
)
from channels.email.wording import (
    ASKS_TO,
    AWAY_OPENING,
    AWAY_SUBJECT,
    CHALLENGE_OPENING,
    CHALLENGE_SUBJECT,
    MACHINE_OPENING,
    RECEIVED,
    TICKET,
    UNSUBSCRIBE,
    a_reply,
    opening,
    plain,
)

__all__ = ["Automatic", "Bounce", "judge"]

OURS = re.compile(r"fl\.[a-z0-9-]{16,64}\.[a-z2-7]{20}@(.+)")  # the Message-IDs that we give


@dataclass(frozen=True)
class Automatic:
    """A machine's mail. `kind` and `reason` are read by staff.

    Kinds: auto-reply, out of office, bounce, feedback report, list, own mail, another desk.
    """

    kind: str
    reason: str
    bounce: Bounce | None = None


def judge(mail: Mail, ours: Collection[str] = ()) -> Automatic | None:
    """None: a person wrote it. `ours`: the addresses that we send from and read."""
    own = {_bare(each) for each in ours if each.strip()}
    rules: tuple[Callable[[Mail, set[str]], Automatic | None], ...] = (
        _report,
        _bounce,
        _own,
        _list,
        _desk,
        _away,
        _machine,
        _mass,
    )
    return next((found for rule in rules if (found := rule(mail, own))), None)


def _report(mail: Mail, own: set[str]) -> Automatic | None:
    """Reports as RFC 6522 has them, other than bounces."""
    top = {part.content_type for part in mail.parts if part.depth == 0}
    report = mail.content_type == "multipart/report"
    complains = mail.attached and COMPLAINT.match(plain(mail.subject[:300]))
    if (report and mail.report_type == "feedback-report") or "message/feedback-report" in top or complains:
        return Automatic("feedback report", "A provider reports that somebody marked a mail as spam.")
    if report and (mail.report_type == "disposition-notification" or "message/disposition-notification" in top):
        return Automatic("auto-reply", "It is a receipt: a mail was opened, or deleted.")
    return None


def _bounce(mail: Mail, own: set[str]) -> Automatic | None:
    reason = bounces.recognise(mail)
    return Automatic("bounce", reason, bounces.read(mail)) if reason else None


def _own(mail: Mail, own: set[str]) -> Automatic | None:
    if _bare(mail.sender.address) in own:
        return Automatic("own mail", "It comes from our own address.")
    if any(_bare(loop.strip(" <>").lower()) in own for loop in mail.all("x-loop")):
        return Automatic("own mail", "Its header x-loop says that it was here before.")
    match = OURS.fullmatch(mail.message_id.lower())
    if match and match[1] in {each.partition("@")[2] for each in own}:
        return Automatic("own mail", "It is a mail of ours that came back.")
    return None


def _list(mail: Mail, own: set[str]) -> Automatic | None:
    if _our_list(mail, own):
        return None
    ids = [value for value in mail.all("list-id") if re.search(r"<[^<>\s]{3,250}>", value[:1000])]
    precedence = mail.header("precedence").strip().lower()[:20]
    path = mail.header("return-path").strip(" <>").lower().partition("@")[0][:100]
    marks = [name for name in LIST_HEADERS if mail.header(name)]
    marks += (
        ["precedence"] if precedence.startswith(("list", "bulk")) and (ids or mail.header("list-unsubscribe")) else []
    )
    marks += ["precedence"] if precedence.startswith("list") else []
    marks += ["return-path"] if LIST_PATH.fullmatch(path) and (ids or mail.header("sender")) else []
    marks += ["list-unsubscribe"] if ids and mail.header("list-unsubscribe") else []
    # A mail that was sent to us by name may have come over a service that marks all it carries with a List-Id.
    if marks or (ids and not own & {_bare(each.address) for each in mail.to}):
        return Automatic("list", f"It came over a mailing list (header {(marks or ['list-id'])[0]}).")
    return None


def _our_list(mail: Mail, own: set[str]) -> bool:
    """Whether the list is our own address: a group that hands customers' mail to us."""
    said = " ".join(" ".join(mail.all(name)) for name in ("list-id", "list-post", "mailing-list", "x-beenthere"))[
        :4000
    ].lower()
    return any(
        re.search(rf"(?<![\w.-]){re.escape(form)}(?![\w-])", said)
        for each in own
        for form in (each, each.replace("@", "."))
    )


def _away(mail: Mail, own: set[str]) -> Automatic | None:
    """Answers of programs that stand in for a person, by their words: many have no header that says so."""
    words = opening(mail.text)
    sign = _sign(mail, own)
    subject = None if a_reply(mail.subject) else AWAY_SUBJECT.match(plain(mail.subject[:300]))
    away, machine = AWAY_OPENING.search(words), MACHINE_OPENING.search(words)
    if sign:
        return Automatic("out of office", sign) if away or (subject and not machine) else None
    answers = bool(mail.in_reply_to or mail.references)
    asks = re.search(r"[?？]", words)
    # Without a mark in its headers, and answering nothing, it must name the mail that it is about: "Away: Order".
    named = subject and subject["after"] in (":", "：", "-", "–") and subject.end() < len(plain(mail.subject[:300]))
    if subject and (away or machine) and (answers or (named and not asks)):
        return Automatic(
            "out of office" if away else "auto-reply",
            "Its subject and its first words are those of an automatic answer.",
        )
    if subject and subject["after"] in (":", "：") and answers:
        return Automatic("auto-reply", "Its subject is that of an automatic answer, and it answers a mail.")
    return None


def _desk(mail: Mail, own: set[str]) -> Automatic | None:
    """Another support desk, where the mail says that a machine made it."""
    desk, sign = _desk_name(mail), _sign(mail, own)
    words = opening(mail.text, 8)
    received = RECEIVED.search(words)
    if AWAY_OPENING.search(words):
        return None
    if desk and (sign or received or unattended(mail.sender.address.partition("@")[0])):
        return Automatic("another desk", f"It is an automatic mail of {desk}.")
    if received and not a_reply(mail.subject) and (TICKET.search(plain(mail.subject[:300])) or sign):
        return Automatic("another desk", "Another support desk says that it has received a mail.")
    return None


def _machine(mail: Mail, own: set[str]) -> Automatic | None:
    if sign := _sign(mail, own):
        return Automatic("auto-reply", sign)
    if any(name.startswith(CHALLENGERS) for name, _ in mail.headers):
        return Automatic("auto-reply", "A program asks us to confirm that a mail was sent by a person.")
    words = opening(mail.text)
    if (
        not a_reply(mail.subject)
        and CHALLENGE_SUBJECT.search(plain(mail.subject[:300]))
        and CHALLENGE_OPENING.search(words)
    ):
        return Automatic("auto-reply", "A program asks us to confirm that a mail was sent by a person.")
    for part in mail.parts:
        if (
            part.depth == 0
            and part.content_type == "text/calendar"
            and re.search(rb"(?im)^METHOD:(?:REPLY|REFRESH)\b", part.content[:20_000])
        ):
            return Automatic("auto-reply", "A calendar answers an invitation.")
    if unattended(mail.sender.address.partition("@")[0]):
        return Automatic("auto-reply", "It comes from an address that takes no answers.")
    if MACHINE_OPENING.search(opening(mail.text, 3)) and not re.search(r"[?？]", opening(mail.text)):
        return Automatic("auto-reply", "It says that a program wrote it.")
    return None


def _mass(mail: Mail, own: set[str]) -> Automatic | None:
    """Newsletters. A link to unsubscribe isn't enough: some providers put it on people's mail."""
    if mail.in_reply_to or mail.references or a_reply(mail.subject):
        return None
    unsubscribe = bool(mail.header("list-unsubscribe"))
    campaign = any(name.startswith(CAMPAIGNS) for name, _ in mail.headers)
    named = bool(NEWSLETTER.fullmatch(mail.sender.address.partition("@")[0][:100]))
    lines = (plain(line[:300]) for line in mail.text[:20_000].splitlines())
    leave = any(UNSUBSCRIBE.search(line) and not ASKS_TO.search(line) for line in lines)
    if sum((unsubscribe, campaign, named, leave)) >= 2:
        return Automatic("list", "It is a newsletter.")
    return None


def _sign(mail: Mail, own: set[str]) -> str:
    """The header that says that no person sent this mail; "" if none does."""
    skip = {"precedence", "x-precedence"} if _our_list(mail, own) else set()
    for name, value in mail.headers:
        if name in ANSWERS and name not in skip and re.fullmatch(ANSWERS[name], value.strip().lower()[:200], re.DOTALL):
            return f"Its header {name} says that no person sent it."
    return "It was sent so that nothing can come back." if null_sender(mail) else ""


def _desk_name(mail: Mail) -> str:
    host = mail.message_id.rpartition("@")[2]
    for desk, (prefix, program) in DESKS.items():
        if any(name.startswith(prefix) for name, _ in mail.headers):
            return desk
        if re.search(
            program,
            plain(f"{mail.header('x-mailer')[:100]} {host[:200]} {mail.sender.address.rpartition('@')[2][:200]}"),
        ):
            return desk
    return ""


def _bare(address: str) -> str:
    """Without the tag after a plus: support+abc@ is support@."""
    local, at, domain = address.strip().lower().rpartition("@")
    return f"{local.partition('+')[0]}{at}{domain}"
