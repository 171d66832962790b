"""A customer's phone: who holds it, what it does by itself with what Twilio brings, and what is on its screen."""

import asyncio
import hashlib
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from channels.base import Clock
from channels.demo.twilio import File, Text, Twilio
from channels.demo.twilio_texts import error_words, message_type

WINDOW_SECONDS = 24 * 3_600
#: How often the phone looks what has come. A person does not notice it.
LOOK_SECONDS = 0.2
#: How long a phone shows that somebody types, unless the message comes before.
TYPING_SECONDS = 25.0
#: Messages on the screen, and messages kept, of everybody: so that a demo that runs for weeks stays small.
MOST, KEPT = 200, 1_000
LINK = re.compile(r"https?://[^\s<>\"']+")
AFTER_LINK = ".,;:!?)]}*_~"


@dataclass(frozen=True)
class Person:
    """Who holds the phone. Their number may be hidden: then only an id that says nothing of it travels."""

    name: str
    number: str  # with the plus
    hidden: bool = False

    @property
    def numbered(self) -> str:
        return f"whatsapp:{self.number}"

    @property
    def nameless(self) -> str:
        """The id by which a company knows them: the same for as long as the number is."""
        return f"whatsapp:US.{int(hashlib.sha256(self.number.encode()).hexdigest()[:14], 16)}"

    @property
    def address(self) -> str:
        return self.nameless if self.hidden else self.numbered


FIRST = Person("Mina Okafor", "+15550142")


@dataclass(frozen=True)
class Bubble:
    """A message as the screen shows it."""

    text: Text
    mine: bool
    at: str
    day: str
    look: str  # clock | check | checks | read | failed: what stands before the state
    state: str
    kind: str = ""  # a picture, a place ... in words; empty: only words
    quoted: str = ""
    reaction: str = ""
    buttons: Sequence[str] = ()
    template: str = ""
    unread: bool = False


class Handset:
    """One phone, and what a person made of it at the page."""

    def __init__(self, twilio: Twilio, buttons: Mapping[str, Sequence[str]]) -> None:
        self.twilio, self.me, self.off = twilio, FIRST, False
        self.buttons = buttons  # of each template, by its ContentSid
        self.fate = "arrives"  # what becomes of the next message from here: arrives | lost | twice
        self.answers: dict[
            str, list[int]
        ] = {}  # MessageSid -> what its webhook was answered with, each time; 0: nobody
        self.changes = 0  # of what is not Twilio's
        self._typing: dict[int, float] = {}  # place in twilio.typing -> when it was noticed

    @property
    def version(self) -> str:
        """Another one whenever the screen is to be drawn again."""
        minute = int(self.twilio.clock() // 60)
        return f"{self.twilio.version}.{self.changes}.{minute}.{self.typing:d}"

    async def keep_up(self) -> None:
        """What a phone does by itself for as long as it is on: it takes what there is for it."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        for place in range(len(self._typing), len(self.twilio.typing)):
            self._typing[place] = time.monotonic()
        for text in [each for each in self.twilio.messages if each.ahead]:
            while text.ahead and not (self.off and text.ahead[0][0] == "delivered"):
                await self.twilio.advance(text, *text.ahead.pop(0))
        for text in self.twilio.messages[:-KEPT]:
            self.twilio.forget(text)
            self.answers.pop(text.sid, None)

    async def see(self, sids: Sequence[str]) -> None:
        """These are on the screen, and somebody looks at it."""
        for text in [each for each in self.texts if each.sid in sids and _delivered(each)]:
            await self.twilio.advance(text, "read")

    @property
    def texts(self) -> list[Text]:
        """This person's chat, under their number and without it, in order."""
        ours = (self.me.numbered, self.me.nameless)
        return [each for each in self.twilio.messages if (each.sender if each.inbound else each.recipient) in ours]

    def find(self, sid: str) -> Text | None:
        return self.twilio.find(sid)

    def be(self, person: Person) -> None:
        self.me = person
        self.changes += 1

    def turn(self, on: bool) -> None:
        self.off = not on
        self.changes += 1

    def choose(self, fate: str) -> None:
        self.fate = fate
        self.changes += 1

    async def write(
        self, body: str = "", *, files: Sequence[File] = (), answers: str = "", more: Mapping[str, str] | None = None
    ) -> Text:
        """Send a message as this person, with `more` fields; its webhook goes as was chosen for the next one."""
        params = {"ProfileName": self.me.name, "ExternalUserId": self.me.nameless, **(more or {})}
        if answers:
            params["OriginalRepliedMessageSid"] = answers
            if answered := self.find(answers):
                params["OriginalRepliedMessageSender"] = answered.sender
        if self.me.hidden:
            params["From"] = ""  # only their id is left
        fate, self.fate = self.fate, "arrives"
        text = await self.twilio.write(self.me.address, body, files=list(files), deliver=False, **params)
        self.answers[text.sid] = []
        if fate != "lost":
            await asyncio.gather(*(self.post(text) for _ in range(2 if fate == "twice" else 1)))
        self.changes += 1
        return text

    async def post(self, text: Text) -> int:
        """Have Twilio deliver its webhook (once more)."""
        status = await self.twilio.post(text)
        self.answers.setdefault(text.sid, []).append(status)
        self.changes += 1
        return status

    @property
    def typing(self) -> bool:
        """Whether Firstline said that it types, and nothing came since."""
        place = len(self.twilio.typing) - 1
        if place < 0 or time.monotonic() - self._typing.get(place, time.monotonic()) > TYPING_SECONDS:
            return False
        texts = self.texts
        asked = next((at for at, each in enumerate(texts) if each.sid == self.twilio.typing[place]), None)
        return asked is not None and all(each.inbound for each in texts[asked:])

    @property
    def left(self) -> float | None:
        """Seconds for which Firstline may write freely to this address; negative: no more; None: it never could."""
        at = [each.created_at for each in self.texts if each.sender == self.me.address]
        return max(at) + WINDOW_SECONDS - self.twilio.clock() if at else None

    @property
    def ahead(self) -> float:
        """Seconds by which the demo's time is ahead."""
        return self.twilio.clock.ahead if isinstance(self.twilio.clock, Clock) else 0.0

    def move(self, seconds: float | None) -> None:
        """Move the time on; None: back to now."""
        if isinstance(self.twilio.clock, Clock):
            self.twilio.clock.ahead = 0.0 if seconds is None else self.twilio.clock.ahead + seconds
            self.changes += 1

    @property
    def screen(self) -> list[Bubble]:
        texts = self.texts
        words = {each.sid: each.body or _kind(each) or PLAIN.get(_type(each), "") for each in texts}
        reactions = {each.params.get("OriginalRepliedMessageSid", ""): each.body for each in texts if _reaction(each)}
        shown = [each for each in texts if not _reaction(each)][-MOST:]
        return [self._bubble(each, words, reactions) for each in shown]

    def _bubble(self, text: Text, words: dict[str, str], reactions: dict[str, str]) -> Bubble:
        mine, at = text.inbound, time.localtime(text.created_at)
        look, state = self._sent(text) if mine else _came(text)
        template = self.twilio.templates.get(text.content_sid) if text.content_sid else None
        return Bubble(
            text,
            mine,
            at=time.strftime("%H:%M", at),
            day=time.strftime("%A, %d %B %Y", at),
            look=look,
            state=state,
            kind=_kind(text),
            quoted=words.get(text.params.get("OriginalRepliedMessageSid", ""), ""),
            reaction=reactions.get(text.sid, ""),
            buttons=self.buttons.get(text.content_sid, ()) if _arrived(text) else (),
            template=template.name if template else "",
            unread=not mine and _delivered(text),
        )

    def _sent(self, text: Text) -> tuple[str, str]:
        answers = self.answers.get(text.sid, [])
        times = {0: "", 1: "", 2: ", delivered twice"}.get(len(answers), f", delivered {len(answers)} times")
        if text.sid in self.twilio.typing:  # to show that one types marks the message as read
            return "read", "Read by Firstline" + (times if answers else ", which found it at Twilio")
        if not answers:
            return "failed", "Lost on its way: Twilio does not bring it again"
        if wrong := [each for each in answers if each >= 300]:
            return "failed", f"Firstline refused it ({wrong[-1]})"
        if not any(answers):
            return "failed", "Nobody took it: Firstline did not answer"
        return "check", "Delivered to Firstline" + times.removeprefix(", delivered")


def duration(seconds: float) -> str:
    """In words that need no more exactness than a minute."""
    minutes = max(1, int(abs(seconds) // 60))
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    named = ((days, "day"), (hours, "hour"), (minutes, "minute"))
    return " ".join(f"{count} {name}{'s' if count > 1 else ''}" for count, name in named if count)


def told(at: float) -> str:
    """A time of the demo, as people here read it."""
    return time.strftime("%A, %d %B %Y, %H:%M", time.localtime(at))


def _delivered(text: Text) -> bool:
    return not text.inbound and text.status == "delivered"


def _arrived(text: Text) -> bool:
    return text.status in ("delivered", "read")


def _reaction(text: Text) -> bool:
    return text.params.get("MessageType") == "reaction"


def _came(text: Text) -> tuple[str, str]:
    """What became of a reply: the icon and the words."""
    if text.status in ("failed", "undelivered", "canceled"):
        reason = f": {error_words(text.error_code)} ({text.error_code})" if text.error_code else ""
        return "failed", f"Never arrived{reason}"
    known = {"sent": ("check", "Sent"), "delivered": ("checks", "Delivered"), "read": ("read", "Read")}
    return known.get(text.status, ("clock", "At Twilio"))


KINDS = {
    "location": "A place",
    "contacts": "A contact",
    "sticker": "A sticker",
    "audio": "A voice message",
    "button": "A button was pressed",
}
PLAIN = {"image": "A picture", "video": "A video", "document": "A file"}


def _kind(text: Text) -> str:
    return KINDS.get(_type(text), "")


def _type(text: Text) -> str:
    return text.params.get("MessageType") or message_type(text)


def linked(text: str) -> Markup:
    """A stranger's words as HTML: everything is escaped, and whole http(s) addresses can be followed."""
    made, end = Markup(), 0
    for found in LINK.finditer(text):
        address = found[0].rstrip(AFTER_LINK)
        made += escape(text[end : found.start()])
        made += Markup('<a href="{0}" target="_blank" rel="noopener noreferrer nofollow">{0}</a>').format(address)
        end = found.start() + len(address)
    return made + escape(text[end:])
