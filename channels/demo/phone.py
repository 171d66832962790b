"""A customer's phone on loopback: writes to the demo's company as Twilio would bring it, and shows what comes back."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs, urlencode, urlsplit

from fastapi import APIRouter, File, Form, HTTPException, Request, Response, UploadFile
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from channels.base import Clock, Page
from channels.demo import handset, travelled
from channels.demo.account import FAULTS, SENDER, TEMPLATES
from channels.demo.handset import Handset, Person
from channels.demo.mailbox import HEADERS
from channels.demo.served import served
from channels.demo.twilio import File as Sent
from channels.demo.twilio import Text, Twilio

HERE = Path(__file__).parent
PAGE = Page(path="/phone", title="A customer's phone")
NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
DEGREES = re.compile(r"-?[0-9]{1,3}(\.[0-9]{1,12})?")
#: What a browser shows without running anything of it.
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
MOST_FILE = 16_000_000  # bytes: what WhatsApp takes
LONGEST = 4_096  # characters that a person can write at once
SIGNS = (
    ("👍", "thumbs up"),
    ("❤️", "heart"),
    ("😂", "laughing"),
    ("😢", "sad"),
)  # what WhatsApp itself offers, and sends
FATES = {
    "arrives": "It arrives",
    "lost": "It is lost on its way",
    "twice": "It comes twice at once",
}
MOVES = {"3600": 3_600.0, "86400": 86_400.0, "back": None}
ICONS = {"location": "pin", "contacts": "user", "audio": "mic", "sticker": "stamp", "button": "check"}


def phone(twilio: Twilio, port: int, company: str, missed_every: float) -> tuple[Page, APIRouter]:
    """The page's place and its routes. `missed_every`: seconds between two looks for what Twilio could not deliver."""
    held = Handset(twilio, {sid: buttons for sid, (_, _, buttons) in TEMPLATES.items()})

    @contextlib.asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        async with twilio.running(port):
            alive = asyncio.create_task(held.keep_up())
            try:
                yield
            finally:
                alive.cancel()
                await asyncio.gather(alive, return_exceptions=True)

    router = APIRouter(lifespan=lifespan)
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "linked": handset.linked,
        "duration": handset.duration,
        "lower_first": lambda words: words[:1].lower() + words[1:],
    }

    def draw(request: Request, status: int = 200, *, sentence: str = "", told: str = "", **values: Any) -> HTMLResponse:
        """The page as it stands, or stood when one of its forms was sent."""
        asked = query(request)
        shown, answered = held.find(asked.get("shown", "")), held.find(asked.get("answers", ""))
        html = environment.get_template("phone.html").render(
            **{
                each: getattr(held, each)
                for each in ("me", "off", "fate", "typing", "left", "ahead", "screen", "version")
            },
            company=company,
            ours=SENDER.removeprefix("whatsapp:"),
            now=handset.told(twilio.clock()),
            movable=isinstance(twilio.clock, Clock),
            here=lambda **changes: address({**asked, **changes}),
            side="side" in asked,
            shown=shown,
            travelled=travelled.of(twilio, shown) if shown else None,
            answered=answered,
            fates=FATES,
            faults={name: words for name, (words, _) in FAULTS.items()},
            fault=next((name for name, (_, step) in FAULTS.items() if step in twilio.script), ""),
            missed_minutes=round(missed_every / 60),
            signs=SIGNS,
            pictures=PICTURES,
            icons=ICONS,
            sentence=sentence,
            told=told,
            **{"typed": "", **values},
        )
        return HTMLResponse(html, status, headers=HEADERS)

    def find(sid: str, *, mine: bool | None = None) -> Text:
        text = held.find(sid)
        if text and mine in (None, text.inbound):
            return text
        raise HTTPException(404, "There is no such message here any more.")

    def own(request: Request) -> None:
        """Only this page writes: another site's form would write in the customer's name."""
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise HTTPException(403, "Write from the phone's own page.")

    def write(request: Request) -> None:
        """As `own`, of what only a phone that is on can do."""
        own(request)
        if held.off:
            raise HTTPException(409, "The phone is off. Turn it on to write from it.")

    def back(request: Request) -> Response:
        """After something was sent: what is open beside the chat stays open."""
        return RedirectResponse(address({**query(request), "answers": ""}), 303)

    @router.get("/")
    async def page(request: Request) -> Response:
        return draw(request)

    @router.get("/version")
    async def version() -> Response:
        return JSONResponse(held.version, headers=HEADERS)

    @router.get("/phone{kind}")
    async def static(kind: str) -> Response:
        return served("phone", kind, HEADERS)

    @router.get("/file/{sid}")
    async def file(sid: str) -> Response:
        """A file in the chat: pictures are shown, everything else is only ever saved."""
        found = next((each for text in twilio.messages for each in text.files if each.sid == sid), None)
        if found is None:
            raise HTTPException(404, "There is no such file here any more.")
        shows = found.content_type in PICTURES
        kind = found.content_type if shows else "application/octet-stream"
        saved = {} if shows else {"Content-Disposition": "attachment"}
        return Response(found.content, media_type=kind, headers={**HEADERS, **saved})

    @router.post("/send")
    async def send(
        request: Request,
        text: Annotated[str, Form()] = "",
        answers: Annotated[str, Form()] = "",
        sent_as: Annotated[str, Form(alias="as")] = "",
        files: Annotated[Sequence[UploadFile], File()] = (),
    ) -> Response:
        write(request)
        words = text.replace("\r\n", "\n").strip()
        taken = [await _file(each, sent_as) for each in files if each.size]
        if any(len(each.content) > MOST_FILE for each in taken):
            return draw(
                request, 413, typed=text, sentence="WhatsApp takes files of at most 16 MB. Choose a smaller one."
            )
        if len(words) > LONGEST:
            return draw(request, 422, typed=text, sentence=f"WhatsApp takes at most {LONGEST:,} characters at once.")
        if not (words or taken):
            return draw(request, 422, sentence="Write something first, or choose a file.")
        as_kind = {"MessageType": sent_as} if sent_as in ("audio", "sticker") else {}
        for each in taken or [None]:  # one file a message, as WhatsApp has it; the words are the first one's
            attached = [each] if each else []
            await held.write(words, files=attached, answers=answers if held.find(answers) else "", more=as_kind)
            words, answers = "", ""
        return back(request)

    @router.post("/place")
    async def place(
        request: Request,
        latitude: Annotated[str, Form()] = "",
        longitude: Annotated[str, Form()] = "",
        label: Annotated[str, Form()] = "",
    ) -> Response:
        write(request)
        at = {"Latitude": latitude.strip(), "Longitude": longitude.strip()}
        if not all(DEGREES.fullmatch(each) for each in at.values()):
            return draw(request, 422, sentence="Latitude and longitude are numbers such as 53.5436 and 9.9660.")
        label = " ".join(label.split())[:200]
        await held.write(more={"MessageType": "location", "Label": label, "Address": label, **at})
        return back(request)

    @router.post("/contact")
    async def contact(
        request: Request, name: Annotated[str, Form()] = "", number: Annotated[str, Form()] = ""
    ) -> Response:
        write(request)
        name, number = " ".join(name.split())[:100], number.strip()
        if not (name and NUMBER.fullmatch(number)):
            return draw(request, 422, sentence="A contact has a name and a number such as +15550143.")
        escaped = re.sub(r"([\\,;])", r"\\\1", name)
        card = (
            f"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:{escaped}\r\nN:;{escaped};;;\r\nTEL;TYPE=CELL:{number}\r\nEND:VCARD\r\n"
        )
        await held.write(files=[Sent("", "text/vcard", card.encode(), f"{name}.vcf")], more={"MessageType": "contacts"})
        return back(request)

    @router.post("/press/{sid}")
    async def press(request: Request, sid: str, button: Annotated[str, Form()] = "") -> Response:
        write(request)
        text = find(sid, mine=False)
        if button not in held.buttons.get(text.content_sid, ()):
            raise HTTPException(404, "The message has no such button.")
        pressed = {"MessageType": "button", "ButtonText": button, "ButtonPayload": button}
        await held.write(button, answers=sid, more=pressed)
        return back(request)

    @router.post("/react/{sid}")
    async def react(request: Request, sid: str, sign: Annotated[str, Form()] = "") -> Response:
        write(request)
        text = find(sid, mine=False)
        if sign not in dict(SIGNS):
            raise HTTPException(404, "There is no such reaction here.")
        await held.write(sign, answers=text.sid, more={"MessageType": "reaction"})
        return draw(request)

    @router.post("/seen")
    async def seen(request: Request, sid: Annotated[Sequence[str], Form()] = ()) -> Response:
        own(request)
        await held.see(sid)
        return Response(status_code=204)

    @router.post("/again/{sid}")
    async def again(request: Request, sid: str) -> Response:
        own(request)
        status = await held.post(find(sid, mine=True))
        return draw(request, told=f"The webhook of the message was delivered: {travelled.answer(status)}.")

    @router.post("/me")
    async def me(
        request: Request,
        name: Annotated[str, Form()] = "",
        number: Annotated[str, Form()] = "",
        hidden: Annotated[bool, Form()] = False,
    ) -> Response:
        own(request)
        number = re.sub(r"[\s().-]", "", number)
        if not NUMBER.fullmatch(number) or f"whatsapp:{number}" == SENDER:
            return draw(request, 422, sentence="That is no number of a customer. Write one such as +15550142.")
        held.be(Person(" ".join(name.split())[:100], number, hidden))
        return draw(request, told=f"This is now the phone of {held.me.name or number}.")

    @router.post("/power")
    async def power(request: Request, on: Annotated[bool, Form()] = True) -> Response:
        own(request)
        held.turn(on)
        return draw(request)

    @router.post("/clock")
    async def clock(request: Request, move: Annotated[str, Form()] = "") -> Response:
        own(request)
        if move not in MOVES:
            raise HTTPException(404, "The time cannot be moved by that.")
        held.move(MOVES[move])
        return draw(request)

    @router.post("/fate")
    async def fate(request: Request, fate: Annotated[str, Form()] = "") -> Response:
        own(request)
        held.choose(fate if fate in FATES else "arrives")
        return draw(request)

    @router.post("/next")
    async def next_reply(request: Request, fault: Annotated[str, Form()] = "") -> Response:
        own(request)
        twilio.script[:] = [FAULTS[fault][1]] if fault in FAULTS else []
        held.changes += 1
        return draw(request)

    @router.post("/forge")
    async def forge(request: Request) -> Response:
        own(request)
        status, words = await travelled.forge(twilio, held.me.address)
        return draw(request, told=f"A message with a wrong signature was posted: {travelled.answer(status)}. {words}")

    return PAGE, router


def query(request: Request) -> dict[str, str]:
    """What is open on the page: of the page asked for, or of the one that a form was on."""
    asked = request.url.query if request.method == "GET" else urlsplit(request.headers.get("referer", "")).query
    return {name: found[-1] for name, found in parse_qs(asked).items() if name in ("side", "shown", "answers")}


def address(asked: Mapping[str, str]) -> str:
    left = {name: value for name, value in asked.items() if value}
    return f"/phone/?{urlencode(left)}" if left else "/phone/"


async def _file(each: UploadFile, sent_as: str) -> Sent:
    kind = (each.content_type or "application/octet-stream").partition(";")[0].strip().lower()
    kind = {"audio": "audio/ogg", "sticker": kind if kind == "image/webp" else "image/webp"}.get(sent_as, kind)
    return Sent("", kind, await each.read(), each.filename or "file")
