"""A real IMAP server on loopback (Dovecot, without any rights), a line to it that can be cut, and mails to put in."""

import asyncio
import contextlib
import grp
import imaplib
import os
import pwd
import shutil
import ssl
import subprocess
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.cluster import free_port
from tests.conftest import absent
from tests.mail_kit import certificate

USER, PASSWORD = "support@example.com", "a pass\"word\\ of the desk's"
#: Debian's package makes it; nothing of the server needs more rights, and it refuses to serve root's mail.
OWNER = "dovecot"

CONFIG = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
default_internal_user = {owner}
default_internal_group = {group}
default_login_user = {owner}
mail_location = maildir:{folder}/mail
mail_uid = {owner}
mail_gid = {group}
first_valid_uid = 1
disable_plaintext_auth = no
auth_failure_delay = 0
ssl = yes
ssl_cert = <{folder}/cert.pem
ssl_key = <{folder}/key.pem
maildir_stat_dirs = yes
mailbox_list_index = no
imap_idle_notify_interval = 2 mins
passdb {{
  driver = passwd-file
  args = scheme=plain username_format=%u {folder}/users
}}
userdb {{
  driver = static
  args = home={folder}/home
}}
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
{more}
"""


class Dovecot:
    """`port`: in the clear or STARTTLS; `tls_port`: TLS from the first byte; `cert`: what proves it to be 127.0.0.1.

    `more`: further settings; FOLDER in it is where all of it is.
    """

    def __init__(self, more: str = "") -> None:
        if not (shutil.which("dovecot") or Path("/usr/sbin/dovecot").exists()):
            absent("Dovecot (dovecot-imapd)")
        # Below /tmp and not pytest's own directory, which only its owner may enter.
        self.folder = Path("/tmp") / f"firstline-imap-{uuid.uuid4().hex[:8]}"
        self.folder.mkdir(mode=0o755)
        self.port, self.tls_port, self.cert = free_port(), free_port(), certificate(self.folder)[0]
        self.more, self.process = more, None
        for name in ("run", "state", "home", "mail"):
            (self.folder / name).mkdir()
        # Of plain text only the colon has a meaning there.
        (self.folder / "users").write_text(f"{USER}:{PASSWORD}\n")
        # Unprivileged: as the user whose mail it is.
        root = os.geteuid() == 0
        self.owner = OWNER if root else pwd.getpwuid(os.geteuid()).pw_name
        self.group = OWNER if root else grp.getgrgid(os.getegid()).gr_name
        self.start()

    def start(self) -> None:
        values = {
            "folder": self.folder,
            "port": self.port,
            "tls_port": self.tls_port,
            "owner": self.owner,
            "group": self.group,
        }
        (self.folder / "dovecot.conf").write_text(
            CONFIG.format(**values, more=self.more.replace("FOLDER", str(self.folder)))
        )
        self.own()
        program = shutil.which("dovecot") or "/usr/sbin/dovecot"
        rights = {"user": OWNER, "group": OWNER, "extra_groups": []} if os.geteuid() == 0 else {}
        command = [program, "-F", "-c", str(self.folder / "dovecot.conf")]
        self.process = subprocess.Popen(command, cwd="/", stderr=subprocess.PIPE, **rights)
        until = time.monotonic() + 20
        while time.monotonic() < until and self.process.poll() is None:
            with contextlib.suppress(OSError, imaplib.IMAP4.error), self.client():
                return
            time.sleep(0.05)
        log = self.folder / "log"
        told = log.read_text()[-2000:] if log.exists() else ""
        self.remove()
        raise AssertionError(f"Dovecot did not start: {told}")

    def own(self) -> None:
        if os.geteuid() == 0:
            for path in [self.folder, *self.folder.rglob("*")]:
                with contextlib.suppress(FileNotFoundError):
                    shutil.chown(path, OWNER, OWNER)

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(10)
            if self.process.stderr:
                self.process.stderr.close()
            self.process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextlib.contextmanager
    def client(self, folder: str = "INBOX") -> Iterator[imaplib.IMAP4]:
        """Another mail program."""
        client = imaplib.IMAP4("127.0.0.1", self.port, timeout=10)
        try:
            client.login(USER, PASSWORD)
            try:
                client.select(folder)
            except imaplib.IMAP4.readonly:
                client.select(folder, readonly=True)
            yield client
        finally:
            with contextlib.suppress(OSError, imaplib.IMAP4.error):
                client.logout()

    def append(self, *mails: bytes, flags: str = "", at: float | None = None) -> None:
        """Through the server, as a mail that arrives."""
        with self.client() as client:
            for mail in mails:
                when = imaplib.Time2Internaldate(time.time() if at is None else at)
                assert client.append("INBOX", flags, when, mail)[0] == "OK"

    def drop(self, mails: Sequence[bytes]) -> None:
        """Many at once: into the folder itself, while the server does not run or nobody looks."""
        new = self.folder / "mail" / "new"
        new.mkdir(parents=True, exist_ok=True)
        began = int(time.time())
        for number, mail in enumerate(mails):
            (new / f"{began}.M{number:06d}P1.test").write_bytes(mail)
        self.own()

    def flags(self) -> list[bytes]:
        """Of every mail, in order."""
        with self.client() as client:
            return [line for line in client.fetch("1:*", "(FLAGS)")[1] if isinstance(line, bytes)]

    def number_anew(self) -> None:
        """Lose the list of UIDs, as a mailbox does that is restored or moved."""
        self.stop()
        for path in (self.folder / "mail").glob("dovecot*"):
            path.unlink()
        time.sleep(1.1)  # the new UIDVALIDITY is the time in seconds
        self.start()


def mail(number: int | str, text: str = "", *, sender: str = "kim@example.org", size: int = 0, **headers: str) -> bytes:
    """A customer's mail; `size`: bytes of a file with it, about."""
    fields = {
        "From": f"Kim <{sender}>",
        "To": USER,
        "Subject": f"Question {number}",
        "Message-ID": f"<{number}@example.org>",
        "Date": "Sat, 21 Nov 2026 10:00:00 +0000",
        "MIME-Version": "1.0",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    text = text or f"This is question {number}."
    if not size:
        return f"{head}Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n".encode()
    lines = b"A" * 76 + b"\r\n"
    return (
        (
            f"{head}Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n{text}\r\n--b\r\n"
            "Content-Type: application/octet-stream; name=big.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        ).encode()
        + lines * (size // len(lines))
        + b"--b--\r\n"
    )


class Line:
    """A line to a server, which tests cut. `cuts`: after how many bytes from the server each one ends."""

    def __init__(self, port: int, cuts: Sequence[int] = (), hide: bytes = b"") -> None:
        self.target, self.cuts, self.hide = port, list(cuts), hide
        self.connections = 0
        self.heard = bytearray()  # what clients said
        self.tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Line":
        self.server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port: int = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        self.server.close()
        self.cut()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def cut(self) -> None:
        """End every connection there is."""
        for task in self.tasks:
            task.cancel()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        most = self.cuts.pop(0) if self.cuts else None
        task = asyncio.current_task()
        assert task
        self.tasks.add(task)
        there: list[asyncio.StreamWriter] = [writer]
        try:
            other, out = await asyncio.open_connection("127.0.0.1", self.target)
            there.append(out)
            ways = [self._copy(reader, out, None, said=True), self._copy(other, writer, most)]
            running = [asyncio.ensure_future(way) for way in ways]
            try:
                await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in running:
                    each.cancel()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self.tasks.discard(task)
            for each in there:
                each.transport.abort()

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: int | None, said: bool = False
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                if said:
                    self.heard += data
                elif self.hide:
                    data = data.replace(self.hide, b"X" * len(self.hide))
                if most is not None:
                    data, most = data[:most], most - len(data)
                writer.write(data)
                await writer.drain()
                if most is not None and most <= 0:
                    return


def trusting(cert: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(cert))
