"""A customer's mailbox on loopback: writes to the demo's company by real mail, and shows what comes back, whole."""

import asyncio
import contextlib
import re
import smtplib
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from email.utils import getaddresses
from pathlib import Path
from typing import Annotated, Any

from aiosmtpd.smtp import SMTP
from fastapi import APIRouter, File, Form, HTTPException, Request, Response, UploadFile
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from channels.base import Page
from channels.demo import letters
from channels.demo.letters import Letter, Mailbox, Person
from channels.demo.served import served

HERE = Path(__file__).parent
PAGE = Page(path="/mailbox", title="A customer's mailbox")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
#: A stranger's HTML: no scripts, nothing from elsewhere, and the page around it may ask how high it is.
AS_MAIL = {
    **HEADERS,
    "Content-Security-Policy": "sandbox allow-same-origin allow-popups; default-src 'none'; style-src 'unsafe-inline'; "
    "img-src data:; frame-ancestors 'self'",
}
#: The demo's company. Nobody can have an address in this domain.
ADDRESS = "support@pellworth.example"
HOST = "127.0.0.1"
FIRST = Person("Mina Okafor", "mina@customer.example")
CUSTOMERS = re.compile(r"[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
MOST_FILES = 20_000_000  # bytes of all files of one mail: below what Firstline takes
LMTP_SECONDS = 20.0


def environ() -> Mapping[str, str]:
    """The settings of email for the demo, with ports that nobody listens on now."""
    smtp, lmtp = (free_port() for _ in range(2))
    return {
        "EMAIL_ADDRESS": ADDRESS,
        "EMAIL_REPLY_TO": ADDRESS.replace("@", "+{token}@"),
        "EMAIL_AUTHSERV_ID": letters.AUTHSERV_ID,
        "EMAIL_SMTP_HOST": HOST,
        "EMAIL_SMTP_PORT": str(smtp),
        "EMAIL_SMTP_SECURITY": "none",
        "EMAIL_LMTP": f"{HOST}:{lmtp}",
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


class Mail:
    """The customer's side: hands mail over by LMTP and is an SMTP server for what comes back."""

    def __init__(self, ours: str, lmtp: tuple[str, int], smtp: tuple[str, int]) -> None:
        self.ours, self.lmtp, self.smtp = ours, lmtp, smtp
        self.box, self.me = Mailbox(), FIRST

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        """What left Firstline arrives: aiosmtpd calls this."""
        for owner in envelope.rcpt_tos:
            self.box.keep(envelope.original_content or envelope.content, owner, sent=False)
        return "250 It is in the mailbox"

    @contextlib.asynccontextmanager
    async def open(self, app: Any) -> AsyncIterator[None]:
        """Takes mail in for as long as the application runs."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: SMTP(self, hostname="mail.customer.example"), *self.smtp)
        try:
            yield
        finally:
            server.close()

    async def send(self, raw: bytes, to: str, *, me: Person, verified: bool = True, keep: bool = True) -> Letter | None:
        """Hand a mail over, as the company's mail server does. Raises Refused."""
        try:
            await asyncio.to_thread(self._hand_over, letters.arrived(raw, me, verified=verified), me.address, to)
        except (OSError, smtplib.SMTPException) as error:
            raise Refused(_words(error)) from None
        return self.box.keep(raw, me.address, sent=True) if keep else None

    def _hand_over(self, raw: bytes, sender: str, to: str) -> None:
        with smtplib.LMTP(*self.lmtp) as server:
            if server.sock:
                server.sock.settimeout(LMTP_SECONDS)
            server.sendmail(sender, [to], raw)


class Refused(Exception):
    """The mail was not taken; the sentence says why."""


def _words(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, answer = next(iter(error.recipients.values()))
        return f"It was not taken ({code}): {answer.decode('utf-8', 'replace')}"
    if isinstance(error, smtplib.SMTPResponseException):
        answer = error.smtp_error if isinstance(error.smtp_error, str) else error.smtp_error.decode("utf-8", "replace")
        return f"It was not taken ({error.smtp_code}): {answer}"
    return f"Nobody takes mail in at the moment ({type(error).__name__}). Try again in a few seconds."


def mailbox(mail: Mail) -> tuple[Page, APIRouter]:
    """The page's place and its routes."""
    router = APIRouter(lifespan=mail.open)
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )

    def draw(status: int = 200, *, open: Letter | None = None, **values: Any) -> HTMLResponse:
        threads = mail.box.threads(mail.me.address)
        shown = mail.box.thread(open) if open else []
        given = {"subject": "", "text": "", "verified": True, "sentence": "", "said": "", "writing": False, **values}
        html = environment.get_template("mailbox.html").render(
            me=mail.me,
            ours=mail.ours,
            threads=threads,
            shown=shown,
            version=mail.box.version,
            most=letters.MOST,
            **given,
        )
        return HTMLResponse(html, status, headers=HEADERS)

    def find(id: int) -> Letter:
        if letter := mail.box.find(id):
            return letter
        raise HTTPException(404, "There is no such mail here any more.")

    def own(request: Request) -> None:
        """Only this page writes: another site's form would write in the customer's name."""
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise HTTPException(403, "Write from the mailbox's own page.")

    @router.get("/")
    async def page(new: bool = False) -> Response:
        return draw(writing=new)

    @router.get("/version")
    async def version() -> Response:
        return JSONResponse(mail.box.version, headers=HEADERS)

    @router.get("/mailbox{kind}")
    async def static(kind: str) -> Response:
        return served("mailbox", kind, HEADERS)

    @router.get("/{id}")
    async def thread(id: int) -> Response:
        return draw(open=find(id))

    @router.get("/{id}/html")
    async def html(id: int) -> Response:
        return HTMLResponse(find(id).body("html"), headers=AS_MAIL)

    @router.post("/me")
    async def me(request: Request, name: Annotated[str, Form()] = "", address: Annotated[str, Form()] = "") -> Response:
        own(request)
        if not CUSTOMERS.fullmatch(address.strip()):
            return draw(
                422, sentence="That is not an address that mail can come from. Try one such as mina@customer.example."
            )
        mail.me = Person(" ".join(name.split())[:100], address.strip().lower())
        return RedirectResponse("/mailbox/", 303)

    @router.post("/send")
    async def send(
        request: Request,
        subject: Annotated[str, Form()] = "",
        text: Annotated[str, Form()] = "",
        answers: Annotated[int | None, Form()] = None,
        unverified: Annotated[bool, Form()] = False,
        files: Annotated[Sequence[UploadFile], File()] = (),
    ) -> Response:
        own(request)
        answered = find(answers) if answers else None
        typed = {"subject": subject, "text": text, "verified": not unverified, "writing": answered is None}
        taken = [(each.filename or "file", each.content_type or "", await each.read()) for each in files if each.size]
        if sum(len(content) for _, _, content in taken) > MOST_FILES:
            return draw(
                413, open=answered, sentence="The files are too large for one mail: send at most 20 MB.", **typed
            )
        if not (text.strip() or subject.strip() or taken):
            return draw(422, open=answered, sentence="Write something first.", **typed)
        to = reply_address(answered) if answered else mail.ours
        text = text.replace("\r\n", "\n")
        message = letters.write(mail.me, to, subject, text, taken, answered)
        try:
            letter = await mail.send(message.as_bytes(), to, me=mail.me, verified=not unverified)
        except Refused as error:
            return draw(502, open=answered, sentence=str(error), **typed)
        assert letter
        return RedirectResponse(f"/mailbox/{letter.id}#m{letter.id}", 303)

    @router.post("/{id}/{trick}")
    async def try_out(request: Request, id: int, trick: str) -> Response:
        """What goes wrong with mail: it comes twice, nobody is there, it comes back, it is broken."""
        own(request)
        letter = find(id)
        to = reply_address(letter)
        try:
            if trick == "again" and letter.sent:
                await mail.send(letter.raw, letter.header("To"), me=mail.me, keep=False)
                said = "The same mail was delivered once more."
            elif trick == "away" and not letter.sent:
                await mail.send(letters.away(mail.me, letter).as_bytes(), to, me=mail.me)
                said = "An automatic reply was sent: it is recorded at the desk and never answered."
            elif trick == "bounce" and not letter.sent:
                nobody = Person("", f"mailer-daemon@{mail.me.address.rpartition('@')[2]}")
                await mail.send(letters.bounce(mail.me, letter).as_bytes(), mail.ours, me=nobody, keep=False)
                said = "It went back to Firstline as undeliverable: the desk shows that it did not arrive."
            elif trick == "nameless":
                await mail.send(letters.nameless(mail.me, mail.ours), mail.ours, me=mail.me, keep=False)
                said = "A mail that names no sender was sent: the desk keeps it among the unreadable messages."
            else:
                raise HTTPException(404, "There is no such thing to do with a mail.")
        except Refused as error:
            return draw(502, open=letter, sentence=str(error))
        return draw(open=letter, said=said)

    return PAGE, router


def reply_address(letter: Letter) -> str:
    """Where an answer to a mail goes: its Reply-To, else who it is from; of one's own, to whom it went."""
    wanted = letter.header("To") if letter.sent else letter.header("Reply-To") or letter.header("From")
    return getaddresses([wanted])[0][1]
