"""An IMAP mailbox as the listener needs it: new mails by UID, read without a trace, marked when they are taken."""

import contextlib
import imaplib
import re
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from imap_tools import BaseMailBox, MailBox, MailBoxStartTls, MailBoxUnencrypted
from imap_tools.errors import ImapToolsError, MailboxFolderSelectError, MailboxLoginError

from channels.base import Unreachable
from channels.email.bounds import MOST_HEADER_BYTES
from channels.email.settings import EmailSettings

CONNECT_SECONDS = 8.0
#: For one answer: a mail of 25 MB on a slow line comes in pieces, each of which begins this anew.
ANSWER_SECONDS = 60.0
#: What goes wrong with a connection or a server, whoever is to blame.
ERRORS = (imaplib.IMAP4.error, ImapToolsError, OSError)

ABOUT = re.compile(rb"\bUID (\d+)\b")
SIZE = re.compile(rb"\bRFC822\.SIZE (\d+)\b")
BODY = re.compile(rb"\bBODY\[\S*\](?:<\d+>)?")
#: Flags of a mail that somebody has looked at or answered.
OPENED = re.compile(rb"\\(?:Seen|Answered)\b", re.IGNORECASE)


class Refused(Exception):
    """The server says no, or goodbye, to being asked for certain mails."""


@dataclass(frozen=True)
class About:
    """What the server says of a mail before it is read."""

    uid: int
    size: int  # bytes
    came: float  # to the mailbox; seconds since 1970, 0 if it isn't said
    opened: bool


class Box:
    """A folder that is open on one connection. Every method may raise ERRORS."""

    def __init__(self, box: BaseMailBox, folder: str) -> None:
        self._box, self._client = box, box.client
        self.writable = True
        try:
            box.folder.set(folder)
        except imaplib.IMAP4.readonly:
            box.folder.set(folder, readonly=True)
            self.writable = False
        # Without it (against RFC 3501) UIDs are never known to have changed.
        self.validity = _number(self._client.response("UIDVALIDITY")[1])
        self.next = _number(self._client.response("UIDNEXT")[1])
        answer = b" ".join(each for each in self._client.capability()[1] if each)
        self.idles = b"IDLE" in answer.upper().split()

    def uids(self, after: int) -> list[int]:
        """The mails past a UID, in order. Never by UNSEEN: another program may have marked them."""
        self._client.noop()
        result, answer = self._client.uid("SEARCH", f"UID {after + 1}:*")
        if result != "OK":
            raise imaplib.IMAP4.error("The server does not search.")
        # "*" is the last mail, even if that is an older one.
        return sorted({int(uid) for line in answer if line for uid in line.split() if int(uid) > after})

    def about(self, uids: Sequence[int]) -> list[About]:
        """In the order of their UIDs; those that are gone by now are left out."""
        wanted = ",".join(map(str, uids))
        answer = self._fetch(wanted, "(UID RFC822.SIZE INTERNALDATE FLAGS)")
        found = {}
        for line in answer:
            if isinstance(line, bytes) and (uid := ABOUT.search(line)) and (size := SIZE.search(line)):
                came = imaplib.Internaldate2tuple(line)
                at = time.mktime(came) if came else 0.0
                found[int(uid[1])] = About(int(uid[1]), int(size[1]), at, bool(OPENED.search(line)))
        return [found[uid] for uid in uids if uid in found]

    def read(self, uid: int, *, head: bool = False) -> bytes | None:
        """The mail, or the beginning of its header; None: it is gone. It is not marked as read by this."""
        what = f"BODY.PEEK[HEADER]<0.{MOST_HEADER_BYTES}>" if head else "BODY.PEEK[]"
        answer = self._fetch(str(uid), f"(UID {what})")
        for at, each in enumerate(answer):
            told, content = each if isinstance(each, tuple) else (each or b"", b"")
            # What follows the content may be told after it.
            after = answer[at + 1] if at + 1 < len(answer) and isinstance(answer[at + 1], bytes) else b""
            named = ABOUT.search(told) or ABOUT.search(after)
            if BODY.search(told) and named and int(named[1]) == uid:
                return content
        return None

    def _fetch(self, uids: str, what: str) -> list[Any]:
        try:
            result, answer = self._client.uid("FETCH", uids, what)
        except imaplib.IMAP4.abort:
            if "BYE" in self._client.untagged_responses:  # not a lost connection: it ended it with a word
                raise Refused from None
            raise
        if result != "OK":
            raise Refused
        return answer

    def mark(self, uid: int) -> None:
        """Mark as read, if the server lets us. Nothing else is ever changed: what is marked as deleted stays."""
        # Not imap-tools' flag(), which expunges.
        if self.writable:
            try:
                self._client.uid("STORE", str(uid), "+FLAGS.SILENT", r"(\Seen)")
            except imaplib.IMAP4.abort:
                raise
            except imaplib.IMAP4.error:
                self.writable = False

    def idle(self, seconds: float) -> bool:
        """Wait until the server tells of something, at most so long. False: it does not want to."""
        tag, news = self._client._command("IDLE"), False
        while self._client._get_response() is not None:  # until it says that it waits
            if self._client.tagged_commands[tag]:
                self._client.tagged_commands.pop(tag)
                self.idles = False
                return False
            news = True
        if not news and not self._unread():
            self._box.idle.poll(seconds)
        self._client.send(b"DONE\r\n")
        self._box.consume_until_tagged_response(tag)
        return True

    def _unread(self) -> bool:
        """Whether something has come that is in our hands already, where waiting for the network would miss it."""
        sock = self._client.sock
        file: Any = self._client.file  # always a buffered reader
        seconds = sock.gettimeout()
        sock.settimeout(0)
        try:
            with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
                return bool(file.peek(1))
            return False
        finally:
            sock.settimeout(seconds)


@contextlib.contextmanager
def opened(settings: EmailSettings, connected: "Connected") -> Iterator[Box]:
    """The folder, logged in. Raises Unreachable with a sentence for the operator."""
    with contextlib.ExitStack() as stack:
        try:
            box = _connect(settings)
            stack.callback(_close, box)
            connected.to(box.client.sock)
            box.client.sock.settimeout(ANSWER_SECONDS)
            server = settings.imap
            login = box.login if (server.user + server.password).isascii() else box.login_utf8
            login(server.user, server.password, initial_folder=None)
            folder = Box(box, settings.folder)
        except ERRORS as error:
            raise Unreachable(_sentence(error, settings)) from None
        except ValueError:  # imap-tools, which knows that port
            raise Unreachable(
                "Port 993 is for EMAIL_IMAP_SECURITY=tls: set that, or another EMAIL_IMAP_PORT."
            ) from None
        yield folder


class Connected:
    """The connection there is now, so that it can be cut from another thread: that ends every wait on it."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._over = False

    def to(self, sock: socket.socket) -> None:
        self._socket = sock
        if self._over:
            self.cut()

    def cut(self) -> None:
        self._over = True
        if self._socket:
            with contextlib.suppress(OSError):
                # Not the encrypted socket's own method, which the other thread could stumble over.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def _connect(settings: EmailSettings) -> BaseMailBox:
    server = settings.imap
    context = ssl.create_default_context()  # imaplib's own verifies nothing
    if server.security == "tls":
        return MailBox(server.host, server.port, timeout=CONNECT_SECONDS, ssl_context=context)
    if server.security == "starttls":
        return MailBoxStartTls(server.host, server.port, timeout=CONNECT_SECONDS, ssl_context=context)
    return MailBoxUnencrypted(server.host, server.port, timeout=CONNECT_SECONDS)


def _close(box: BaseMailBox) -> None:
    with contextlib.suppress(*ERRORS):
        box.client.sock.settimeout(2)
        box.client.logout()
    with contextlib.suppress(*ERRORS):
        box.client.shutdown()


def _sentence(error: BaseException, settings: EmailSettings) -> str:
    server = settings.imap
    if isinstance(error, MailboxLoginError) or "AUTHENTICATIONFAILED" in str(error):
        return "The mail server refused the login: check EMAIL_IMAP_USER and EMAIL_IMAP_PASSWORD."
    if isinstance(error, MailboxFolderSelectError):
        return f"The mailbox has no folder {settings.folder!r} that can be opened: check EMAIL_IMAP_FOLDER."
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"The mail server's certificate does not prove that it is {server.host} ({error.verify_message})."
    if isinstance(error, ssl.SSLError):
        return "No encryption could be agreed on with the mail server: check EMAIL_IMAP_SECURITY and EMAIL_IMAP_PORT."
    if isinstance(error, socket.gaierror):
        return f"The mail server's name {server.host} is not known: check EMAIL_IMAP_HOST."
    if isinstance(error, TimeoutError):
        return f"The mail server {server.host} does not answer on port {server.port}."
    if isinstance(error, OSError):
        return f"The mail server {server.host} cannot be reached on port {server.port} ({error.strerror or error})."
    if "TLS not supported" in str(error):
        return "The mail server does not offer STARTTLS, so nothing was sent to it: check EMAIL_IMAP_SECURITY."
    return "The mail server broke the connection off, or does not speak IMAP: check EMAIL_IMAP_HOST and its port."


def _number(answer: Sequence[bytes | None]) -> int:
    value = answer[-1] if answer else None
    return int(value) if value and value.isdigit() else 0
