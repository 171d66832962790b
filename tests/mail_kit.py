"""A mail server on loopback with a script: whom it refuses, when it hangs, whether it wants a login and encryption."""

import asyncio
import contextlib
import email
import email.policy
import ssl
import subprocess
from email.message import EmailMessage
from pathlib import Path
from typing import Any, ClassVar

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

LOGIN = ("desk", "a password of the desk's")


class MailServer:
    """Real SMTP. `refuses`: address -> answer to RCPT; `answers`: what DATA is answered, one after another.

    The answer "drop" takes the mail and closes without a word; "hang" never answers; "take and hang" has taken it.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        at_once: bool = False,
        login: bool = False,
        utf8: bool = True,
    ):
        self.refuses: dict[str, str] = {}
        self.answers: list[str] = []
        self.taken: list[tuple[str, EmailMessage]] = []
        self.raw: list[bytes] = []
        self.senders: list[str] = []
        self.encrypted: list[bool] = []
        self.users: list[str] = []
        starttls = tls if tls and not at_once else None
        self.controller = Controller(
            self,
            hostname="127.0.0.1",
            port=port or _free_port(),
            ssl_context=tls if at_once else None,
            tls_context=starttls,
            require_starttls=starttls is not None,
            authenticator=self._login if login else None,
            auth_required=login,
            auth_require_tls=starttls is not None,
            enable_SMTPUTF8=utf8,
        )
        self.port: int = self.controller.port
        self.controller.start()

    async def handle_RCPT(self, server: SMTP, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address in self.refuses:
            return self.refuses[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        answer = self.answers.pop(0) if self.answers else "250 OK"
        if answer == "hang":
            await asyncio.sleep(60)
        if answer in ("drop", "take and hang") or answer.startswith("250"):
            message = email.message_from_bytes(envelope.content, policy=email.policy.default)
            self.raw.append(envelope.content)
            self.senders.append(envelope.mail_from)
            self.taken.extend((to, message) for to in envelope.rcpt_tos)
            self.encrypted.append(server.transport.get_extra_info("ssl_object") is not None)
        if answer == "take and hang":
            await asyncio.sleep(60)
        if answer == "drop":
            server.transport.abort()
        return answer

    @property
    def told(self) -> list[str]:
        """Who got mail, in order."""
        return [to for to, _ in self.taken]

    def _login(self, server: SMTP, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        good = (data.login.decode(), data.password.decode()) == LOGIN
        if good:
            self.users.append(data.login.decode())
        return AuthResult(success=good, handled=False)

    def stop(self) -> None:
        self.controller.stop()


class Deaf:
    """A server that takes connections and never says a word."""

    async def __aenter__(self) -> "Deaf":
        self.server = await asyncio.start_server(self._sit, "127.0.0.1", 0)
        self.port: int = self.server.sockets[0].getsockname()[1]
        return self

    async def _sit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def __aexit__(self, *error: object) -> None:
        self.server.close()


class Scripted:
    """A server of a few words: what it answers to each command, besides "greeting" and "." (the end of a mail).

    The answer "cut" ends the connection without a word; "hang" never answers. `heard`: the commands, in order.
    """

    USUAL: ClassVar[dict[str, str]] = {
        "greeting": "220 here",
        "EHLO": "250 here",
        "DATA": "354 go on",
        "QUIT": "221 bye",
    }

    def __init__(self, **answers: str) -> None:
        self.answers = {**self.USUAL, **answers}
        self.heard: list[str] = []

    async def __aenter__(self) -> "Scripted":
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self.server.sockets[0].getsockname()[1]
        return self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        command = "greeting"
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):  # the other end has had enough
            while await self._answer(command, reader, writer):
                within = command == "DATA"
                line = await reader.readuntil(b"\r\n.\r\n" if within else b"\r\n")
                command = "." if within else line.split()[0].decode("latin-1").upper()
                self.heard.append(command)
        writer.close()

    async def _answer(self, command: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the conversation goes on."""
        answer = self.answers.get(command, "250 OK")
        if answer == "hang":
            await reader.read()
        if answer in ("hang", "cut"):
            return False
        writer.write(answer.encode() + b"\r\n")
        await writer.drain()
        return not answer.startswith(("221", "421"))

    async def __aexit__(self, *error: object) -> None:
        self.server.close()


def certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate that we signed ourselves for 127.0.0.1, and a server's context with it."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=mail.test"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return cert, context


def _free_port() -> int:
    from tests.cluster import free_port

    return free_port()
