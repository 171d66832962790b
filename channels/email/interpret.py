"""A mail's bytes -> what it is to the service: a message, a failed delivery, or something for people (pure)."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from channels.base import Attachment, Inbound, Kind, Parsed, Quarantined, StatusUpdate
from channels.email import mime
from channels.email.auth import verified
from channels.email.automatic import Automatic, judge
from channels.email.bounds import MOST_HEADER_BYTES
from channels.email.compose import LONGEST_ID, MOST_REFERENCES, OURS
from channels.email.mail import Mail, Unreadable
from channels.email.quotes import Split, split
from channels.email.settings import EmailSettings
from channels.email.tokens import Tokens

#: Before the address of a sender who is not proved to be who they say: never the same as a proved one's.
UNVERIFIED = "unverified:"
#: The sender of a machine's mail that names none.
NOBODY = UNVERIFIED + "nobody"
#: What a mail without a word says. It calls for a person: its sense is in its files, or it was sent by mistake.
NO_WORDS = "(no words)"
NOTHING_NEW = Split("", "")
LONGEST_ADDRESS = 320  # characters: 64, an @ and 255 (RFC 5321, 4.5.3.1)
MOST_FILES = 50  # of one mail: past it nobody looks at each
MOST_REFERRED = 40  # earlier messages that are looked up: the nearest ones
#: Where mail systems write the address that a mail was really sent to, beside To and Cc.
DELIVERED = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "x-forwarded-to")
#: A single word by which customers call for a person, in the main languages.
PERSON = frozenset(
    "person human agent operator representative staff mensch mitarbeiter mitarbeiterin humain humaine conseiller "
    "conseillère personne persona humano agente asesor operador pessoa atendente umano operatore mens medewerker "
    "människa menneske henkilö ihminen człowiek konsultant člověk operátor ember kezelő om insan temsilci человек "
    "оператор людина άνθρωπος 人工 人工客服 客服 真人 人 担当者 オペレーター 상담원 사람 إنسان موظف אדם נציג".split()
)


@dataclass(frozen=True)
class Reading:
    """What was made of a mail. Without `mail` it could not be read, and `reason` says why in a sentence."""

    parsed: tuple[Parsed, ...]
    mail: Mail | None = None
    words: Split = NOTHING_NEW
    proved: bool = False
    automatic: Automatic | None = None
    reason: str = ""
    crashed: bool = False  # by a mistake of ours


def interpret(
    raw: bytes, settings: EmailSettings, tokens: Tokens, recipients: Sequence[str] = (), *, cut: str = ""
) -> Reading:
    """Read a mail. Never raises, whatever the bytes; the same bytes give the same.

    `recipients`: whom the envelope names. `cut`: why `raw` is only its beginning, if it is; then it is quarantined.
    """
    try:
        return _interpret(raw, settings, tokens, recipients, cut)
    except (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        # A mistake of ours in one mail is seen by a person, and must not hold up the mails after it.
        reason = f"Reading it failed ({type(error).__name__}), by a mistake of Firstline's: please report it."
        return replace(_quarantined(raw, reason, glimpse=False), crashed=True)


def too_big(size: int) -> str:
    """Why only the beginning of a mail of so many bytes was looked at."""
    return f"The mail has {size:,} bytes, and at most {mime.MOST_BYTES:,} are read."


def _interpret(raw: bytes, settings: EmailSettings, tokens: Tokens, recipients: Sequence[str], cut: str) -> Reading:
    try:
        mail = mime.read(raw)
    except Unreadable as error:
        return _quarantined(raw, cut or str(error))
    if cut:
        return _quarantined(raw, cut, mail)
    automatic = judge(mail, settings.ours)
    address = mail.sender.address
    if len(address) > LONGEST_ADDRESS:
        return _quarantined(raw, "The address it comes from is longer than any that mail can be sent to.", mail)
    if not address and not automatic:
        return _quarantined(raw, "Who sent it cannot be read, so there is nobody to answer.", mail)
    proved = bool(address) and verified(mail, settings.authserv_id)
    words = split(mail.text, mail.sender.name)
    message = replace(_message(mail, words, proved, automatic, settings, tokens, recipients), raw=raw)
    failed = _failed(mail, automatic, tokens)
    return Reading((*failed, message), mail, words, proved, automatic)


def _message(
    mail: Mail,
    words: Split,
    proved: bool,
    automatic: Automatic | None,
    settings: EmailSettings,
    tokens: Tokens,
    recipients: Sequence[str],
) -> Inbound:
    address = mail.sender.address
    sender = (address if proved else UNVERIFIED + address) if address else NOBODY
    known_as = mail.message_id if len(mail.message_id) <= LONGEST_ID and mail.message_id.isascii() else ""
    told = (address, mail.header("date"), mail.subject, mail.text)
    digest = hashlib.sha256("\0".join(told).encode("utf-8", "replace")).hexdigest()[:16]
    external_id = f"{known_as}#{digest}" if known_as else digest
    text = words.new or mail.subject
    kind, reason = Kind.MESSAGE, ""
    if automatic:
        bounce = automatic.bounce
        kind, reason = Kind.AUTOMATIC, " ".join(filter(None, (automatic.reason, bounce.reason if bounce else "")))
    elif not text or text.strip(" \t\n.,!?¿¡。？！…*_\"'").casefold() in PERSON:
        kind = Kind.PERSON
    to, answered_at = _answer_to(mail, proved, settings)
    return Inbound(
        sender=sender,
        thread=external_id,
        external_id=external_id,
        text=text or NO_WORDS,
        kind=kind,
        name=mail.sender.name,
        email=address or None,
        attachments=[Attachment(each.name, each.content_type, content=each.content) for each in _files(mail)],
        reason=reason,
        subject=mail.subject,
        rest=words.cut,
        notes=[note for note in (_hidden(mail), _left_out(mail), answered_at) if note],
        verified=proved,
        known_as=known_as,
        refers_to=_refers_to(mail, proved, tokens, recipients),
        memo=_memo(mail, known_as, to),
    )


def _failed(mail: Mail, automatic: Automatic | None, tokens: Tokens) -> list[StatusUpdate]:
    """That a message of ours did not arrive, where a bounce proves which: by the Message-ID or header we gave it."""
    bounce = automatic.bounce if automatic else None
    if not bounce or not bounce.permanent:
        return []
    keys = [tokens.in_message_id(each) for each in bounce.message_ids]
    within = [value for headers in mail.attached for name, value in headers if name == OURS.lower()]
    keys += [tokens.in_token(value.strip()) for value in within]
    return [StatusUpdate("", "failed", bounce.reason, key) for key in dict.fromkeys(keys) if key]


def _refers_to(mail: Mail, proved: bool, tokens: Tokens, recipients: Sequence[str]) -> list[str]:
    """Earlier messages, the nearest first: by our signed tokens; by plain ids only where it is proved who writes."""
    addresses = [*recipients, *(each.address for each in mail.to)]
    for name in DELIVERED:
        addresses += [value.strip().strip("<>").rpartition(" ")[2] for value in mail.all(name)[:10]]
    ids = [*mail.in_reply_to, *reversed(mail.references)]
    found = [*(tokens.in_address(each) for each in addresses), *(tokens.in_message_id(each) for each in ids)]
    found += [each for each in ids if len(each) <= LONGEST_ID] if proved else []
    return list(dict.fromkeys(each for each in found if each))[:MOST_REFERRED]


def _answer_to(mail: Mail, proved: bool, settings: EmailSettings) -> tuple[str, str]:
    """Where the answer goes, and a note if the mail asks for it elsewhere than at its sender's."""
    wanted = mail.reply_to.address
    if not wanted or wanted == mail.sender.address or wanted in settings.ours or len(wanted) > LONGEST_ADDRESS:
        return mail.sender.address, ""
    if proved:
        return wanted, f"Answers go to {wanted}, as the mail asks."
    return mail.sender.address, (
        f"The mail asks for answers at {wanted}. As it is not proved who wrote it, they go to its sender's address."
    )


def _memo(mail: Mail, message_id: str, to: str) -> Mapping[str, Any]:
    references = [each for each in mail.references or mail.in_reply_to if len(each) <= LONGEST_ID]
    if len(references) > MOST_REFERENCES:
        references = [references[0], *references[1 - MOST_REFERENCES :]]
    return {"message_id": message_id, "references": references, "to": to, "subject": mail.subject}


def _files(mail: Mail) -> Sequence[mime.Part]:
    return mail.attachments[:MOST_FILES]


def _left_out(mail: Mail) -> str:
    left = len(mail.attachments) - MOST_FILES
    return f"{left} of its files were left out: at most {MOST_FILES} are kept of one mail." if left > 0 else ""


def _hidden(mail: Mail) -> str:
    return "Words that no reader of the mail sees were left out." if mail.hidden else ""


def _quarantined(raw: bytes, reason: str, mail: Mail | None = None, *, glimpse: bool = True) -> Reading:
    sender, subject = (mail.sender.address, mail.subject) if mail else _glimpse(raw) if glimpse else ("", "")
    digest = hashlib.sha256(raw).hexdigest()[:32]
    # Of a mail that is too big the beginning is enough to see whose it is.
    kept = raw if len(raw) <= mime.MOST_BYTES else raw[:MOST_HEADER_BYTES]
    words = split(mail.text, mail.sender.name) if mail else NOTHING_NEW
    return Reading((Quarantined(f"unread#{digest}", reason, kept, sender, subject),), mail, words, reason=reason)


def _glimpse(raw: bytes) -> tuple[str, str]:
    """Sender and subject of a mail that could not be read, if its header alone can be."""
    head = re.split(rb"\r?\n\r?\n", raw[:MOST_HEADER_BYTES], maxsplit=1)[0]
    try:
        mail = mime.read(head)
    except Unreadable:
        return "", ""
    return mail.sender.address, mail.subject
