"""Whether a person wrote a mail or a machine: a machine's is recorded and never answered."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from channels.email import bounces
from channels.email.bounces import IN_ANGLES, Bounce, null_sender
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
from channels.email.tokens import SIGNED
from channels.email.wording import (
    ASKS_TO,
    AWAY_OPENING,
    AWAY_SUBJECT,
    AWAY_TITLE,
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

OURS = re.compile(rf"fl\.{SIGNED.pattern}@(?P<domain>.+)", SIGNED.flags)  # the Message-IDs that we give


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
    rules = (_report, _bounce, _own, _list, _desk, _away, _machine, _mass)
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
    match = OURS.fullmatch(mail.message_id)
    if match and match["domain"].lower() in {each.partition("@")[2] for each in own}:
        return Automatic("own mail", "It is a mail of ours that came back.")
    return None


def _list(mail: Mail, own: set[str]) -> Automatic | None:
    if _our_list(mail, own):
        return None
    marks = [name for name in LIST_HEADERS if mail.header(name)]
    listed = any(IN_ANGLES.search(value[:1000]) for value in mail.all("list-id"))
    unsubscribe = bool(mail.header("list-unsubscribe"))
    if re.match("list|bulk" if listed or unsubscribe else "list", mail.header("precedence").strip().lower()):
        marks.append("precedence")
    if LIST_PATH.fullmatch(mail.header("return-path").strip(" <>").lower()[:100]) and (listed or mail.header("sender")):
        marks.append("return-path")
    # A mail that was sent to us by name may have come over a service that marks all it carries with a List-Id.
    if listed and (unsubscribe or not own & {_bare(each.address) for each in mail.to}):
        marks.append("list-id")
    return Automatic("list", f"It came over a mailing list (header {marks[0]}).") if marks else None


def _our_list(mail: Mail, own: set[str]) -> bool:
    """Whether the list is our own address: a group that hands customers' mail to us."""
    names = ("list-id", "list-post", "mailing-list", "x-beenthere")
    said = " ".join(value for name in names for value in mail.all(name))[:4000].lower()
    forms = [form for each in own for form in (each, each.replace("@", "."))]
    return any(re.search(rf"(?<![\w.-]){re.escape(form)}(?![\w-])", said) for form in forms)


def _away(mail: Mail, own: set[str]) -> Automatic | None:
    """Answers of programs that stand in for a person, by their words: many have no header that says so."""
    words = opening(mail.text)
    sign = _sign(mail, own)
    title = "" if a_reply(mail.subject) else plain(mail.subject[:300])
    subject = AWAY_SUBJECT.match(title)
    away, machine = AWAY_OPENING.search(words), MACHINE_OPENING.search(words)
    if sign:
        return Automatic("out of office", sign) if away or (subject and not machine) else None
    answers = bool(mail.in_reply_to or mail.references)
    # Without a mark in its headers, and answering nothing, it must name what it is about, or whom it stands for, as in
    # "Out of office: Order", and ask nothing.
    named = (subject and subject.end() < len(title)) or AWAY_TITLE.search(title)
    if (away or machine) and ((subject and answers) or (named and not re.search(r"[?？]", words))):
        return Automatic("out of office" if away else "auto-reply", "It is worded as an automatic answer.")
    if subject and subject["after"] == ":" and answers:
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
    words = opening(mail.text)
    title = "" if a_reply(mail.subject) else plain(mail.subject[:300])
    if CHALLENGE_OPENING.search(words) and (CHALLENGE_SUBJECT.search(title) or CHALLENGERS.search(mail.sender.address)):
        return Automatic("auto-reply", "A program asks us to confirm that a mail was sent by a person.")
    calendars = (part for part in mail.parts if part.depth == 0 and part.content_type == "text/calendar")
    if any(re.search(rb"(?im)^METHOD:(?:REPLY|REFRESH)\b", part.content[:20_000]) for part in calendars):
        return Automatic("auto-reply", "A calendar answers an invitation.")
    if unattended(mail.sender.address.partition("@")[0]):
        return Automatic("auto-reply", "It comes from an address that takes no answers.")
    if MACHINE_OPENING.search(opening(mail.text, 3)) and not re.search(r"[?？]", words):
        return Automatic("auto-reply", "It says that a program wrote it.")
    return None


def _mass(mail: Mail, own: set[str]) -> Automatic | None:
    """Newsletters. A link to unsubscribe isn't enough: some providers put it on people's mail."""
    if mail.in_reply_to or mail.references or a_reply(mail.subject) or _our_list(mail, own):
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
    names = " ".join(name[:60] for name, _ in mail.headers[:200])
    hosts = f"{mail.message_id.rpartition('@')[2][:200]} {mail.sender.address.rpartition('@')[2]}"
    where = plain(f"{names} {mail.header('x-mailer')[:100]} {hosts}")
    return next((desk for desk, mark in DESKS.items() if re.search(mark, where)), "")


def _bare(address: str) -> str:
    """Without the tag after a plus: support+abc@ is support@."""
    local, at, domain = address.strip().lower().rpartition("@")
    return f"{local.partition('+')[0]}{at}{domain}"
