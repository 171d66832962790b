"""A desk on a real database, a browser that is signed in to it, and conversations to look at."""

import functools
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from fastapi import APIRouter, FastAPI
from sqlmodel import select

import dashboard
from channels.base import Channel, Window
from service import staff as accounts
from service.context import Context
from service.db import Database
from service.models import AuditEvent, Conversation, Customer, Decision, Escalation, Identity, Message, Staff
from service.settings import Settings
from tests.fakes import ScriptedAgent

ORIGIN = "http://desk.test"


@functools.cache
def _routes() -> APIRouter:
    """The desk's, which hold no context: FastAPI takes a tenth of a second to work out all their parameters."""
    app = FastAPI()
    dashboard.mount(app, None)  # type: ignore[arg-type]  # each desk has its own
    return app.router


class DeskChannel(Channel):
    """A channel whose window a test can close."""

    name, title, max_length = "post", "Pigeon post", 500

    def __init__(self) -> None:
        self.closed, self.until, self.offers = "", None, ()

    def window(self, last_customer_at: float | None, now: float) -> Window:
        return Window(open=not self.closed, reason=self.closed, until=self.until, offers=self.offers)


class Desk:
    """The desk, and time that a test can move."""

    def __init__(self, db: Database, **settings: Any) -> None:
        self.db, self.now, self.channel = db, time.time(), DeskChannel()
        self.context = Context(
            settings=Settings(_env_file=None, company_name="Pellworth", **settings),
            db=db,
            channels={"post": self.channel},
            knowledge=None,
            agent=ScriptedAgent(),
            clock=lambda: self.now,
        )
        self.context.limits.clock = lambda: self.now
        self.app = FastAPI()
        self.app.state.context, self.app.router = self.context, _routes()

    def browser(self, **headers: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app, client=("192.0.2.1", 1234))
        return httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers=headers)

    async def make_staff(self, name: str, role: str = "support") -> Staff:
        async with self.db.write() as session:
            made = Staff(name=name, role=role, email=f"{name.lower()}@example.org", password_hash="-")
            session.add(made)
        return made

    async def signed_in(self, staff: Staff) -> "Browser":
        async with self.db.write() as session:
            token, opened = await accounts.open_session(session, staff, self.now, hours=12)
        client = self.browser()
        client.cookies.set("firstline", token)
        return Browser(client, opened.csrf, token)

    async def conversation(self, *texts: tuple[str, str] | Message, state: str = "agent", **fields: Any) -> int:
        """A conversation of (author, text) or whole messages, a second apart; its id."""
        name, at = fields.pop("name", ""), fields.pop("at", self.now - 60)
        thread = uuid.uuid4().hex
        async with self.db.write() as session:
            customer = Customer(name=name)
            session.add(customer)
            await session.flush()
            identity = Identity(customer_id=customer.id, channel="post", external_id=thread)
            session.add(identity)
            await session.flush()
            made = Conversation(
                customer_id=customer.id,
                identity_id=identity.id,
                channel="post",
                thread=thread,
                state=state,
                last_seq=len(texts),
                clock=len(texts),
                created_at=at,
                updated_at=at + len(texts),
                last_customer_at=at,
                **fields,
            )
            session.add(made)
            await session.flush()
            for seq, given in enumerate(texts, 1):
                message = given if isinstance(given, Message) else Message(author=given[0], text=given[1])
                message.conversation_id, message.seq, message.changed, message.channel = made.id, seq, seq, "post"
                message.status = message.status or ("answered" if message.author == "customer" else "sent")
                message.created_at = at + seq
                session.add(message)
        return made.id

    async def call(self, conversation_id: int, at: float, reason: str = "Nothing covers it.") -> None:
        async with self.db.write() as session:
            session.add(Escalation(conversation_id=conversation_id, reason=reason, created_at=at))
            session.add(
                AuditEvent(
                    actor="system",
                    action="escalated",
                    conversation_id=conversation_id,
                    at=at,
                    detail={"reason": reason},
                )
            )

    async def decide(self, message_seq: int, conversation_id: int, **fields: Any) -> int:
        """A decision, carried by that message."""
        async with self.db.write() as session:
            decision = Decision(conversation_id=conversation_id, **fields)
            session.add(decision)
            await session.flush()
            query = select(Message).where(Message.conversation_id == conversation_id, Message.seq == message_seq)
            (await session.exec(query)).one().decision_id = decision.id
        return decision.id


@contextmanager
def busy_hashing() -> Iterator[None]:
    """No password is hashed or verified before the block ends: both threads for it are taken."""
    free = threading.Event()
    taken = [accounts._hashing.submit(free.wait, 30) for _ in range(2)]
    try:
        yield
    finally:
        free.set()
        assert all(each.result(5) for each in taken)


class Browser:
    """A signed-in browser: what it posts carries its token, as our pages do."""

    def __init__(self, client: httpx.AsyncClient, csrf: str, token: str) -> None:
        self.client, self.csrf, self.token = client, csrf, token

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.client.get(path, headers=headers)

    async def post(self, path: str, *, htmx: bool = False, **form: str) -> httpx.Response:
        headers = {"HX-Request": "true"} if htmx else {}
        return await self.client.post(path, data={"csrf": self.csrf, **form}, headers=headers)
