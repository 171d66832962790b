"""Who may do what: every route of the whole application, asked by everybody."""

import asyncio
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from sqlmodel import select
from starlette.routing import Mount

from channels.demo.twilio import Twilio
from dashboard import rights
from knowledge.articles import Article, ArticleVersion
from knowledge.embedding import Content
from service.app import build_channels, create_app, stop
from service.demo import demo_environ
from service.models import Attachment, Conversation, Decision, Message, Quarantine, Staff
from service.staff import ROLES, hash_password, open_session
from tests.desk_kit import ORIGIN, Desk
from tests.fakes import NoKnowledge, ScriptedAgent

pytestmark = pytest.mark.anyio

PASSWORD = "a password of theirs"
CALLERS = ("nobody", "visitor A", "visitor B", "support", "editor", "admin")
EVERYBODY = CALLERS
VISITORS = ("visitor A", "visitor B")
STAFF = ("support", "editor", "admin")
SUPPORT = ("support", "admin")
EDITORS = ("editor", "admin")
ADMINS = ("admin",)

#: Every route, and who gets what it gives. Everybody else is led to the login (the desk) or refused (403).
TABLE: dict[str, tuple[str, ...]] = {
    "GET /": EVERYBODY,
    "GET /shop.css": EVERYBODY,
    "GET /healthz": EVERYBODY,
    "GET /readyz": EVERYBODY,
    "GET /metrics": (),  # for who has METRICS_TOKEN: tests/test_metrics.py
    "GET /help": EVERYBODY,
    "GET /help/style.css": EVERYBODY,
    "GET /help/{slug}": EVERYBODY,
    "POST /channels/webchat/session": EVERYBODY,
    "GET /channels/webchat/widget.js": EVERYBODY,
    "POST /channels/{name}": VISITORS,
    "GET /channels/{name}/stream": VISITORS,
    "GET /mailbox/": EVERYBODY,
    "GET /mailbox/version": EVERYBODY,
    "GET /mailbox/mailbox{kind}": EVERYBODY,
    "POST /mailbox/me": EVERYBODY,
    "GET /phone/": EVERYBODY,
    "GET /phone/version": EVERYBODY,
    "GET /phone/phone{kind}": EVERYBODY,
    "POST /phone/send": EVERYBODY,
    "POST /phone/seen": EVERYBODY,
    "POST /phone/power": EVERYBODY,
    "POST /phone/fate": EVERYBODY,
    "POST /phone/next": EVERYBODY,
    "POST /phone/forge": EVERYBODY,
    "MOUNT /desk/static": EVERYBODY,
    "GET /desk/login": EVERYBODY,
    "POST /desk/logout": STAFF,
    "GET /desk": STAFF,
    "GET /desk/queue": STAFF,
    "GET /desk/conversations/{conversation_id}": STAFF,
    "GET /desk/conversations/{conversation_id}/now": STAFF,
    "GET /desk/decisions/{decision_id}": STAFF,
    "GET /desk/live": STAFF,
    "POST /desk/decisions/{decision_id}/label": STAFF,
    "GET /desk/record": STAFF,
    "GET /desk/record.csv": ("admin",),
    "GET /desk/record.json": ("admin",),
    "POST /desk/conversations/{conversation_id}/{verb}": SUPPORT,
    "GET /desk/articles": STAFF,
    "GET /desk/articles/{article_id}": STAFF,
    "GET /desk/articles/{article_id}/versions": STAFF,
    "GET /desk/articles/{article_id}/versions/{number}": STAFF,
    "GET /desk/articles/{article_id}/compare": STAFF,
    "GET /desk/articles/new": EDITORS,
    "POST /desk/articles/new": EDITORS,
    "POST /desk/articles/preview": EDITORS,
    "POST /desk/articles/{article_id}": EDITORS,
    "POST /desk/articles/{article_id}/here": EDITORS,
    "POST /desk/articles/{article_id}/gone": EDITORS,
    "POST /desk/articles/{article_id}/{verb}": EDITORS,
    "POST /desk/articles/{article_id}/versions/{number}/restore": EDITORS,
    "GET /desk/ask": STAFF,
    "POST /desk/ask": STAFF,
    "GET /desk/account": STAFF,
    "POST /desk/account/password": STAFF,
    "POST /desk/account/email": SUPPORT,
    "GET /desk/staff": ADMINS,
    "POST /desk/staff": ADMINS,
    "POST /desk/staff/{staff_id}/{verb}": ADMINS,
    "GET /desk/figures": STAFF,
    "GET /desk/figures.json": STAFF,
    "GET /desk/quarantine": STAFF,
    "GET /desk/quarantine/{row_id}": STAFF,
    "GET /desk/quarantine/{row_id}/raw": STAFF,
    "POST /desk/quarantine/{row_id}/seen": SUPPORT,
    "GET /desk/files/{file_id}": STAFF,
}
#: Routes that answer everybody alike, and not with what was asked for: a wrong password, an unknown page.
ALIKE = {
    "POST /desk/login": 401,
    "GET /desk/{rest:path}": 404,
    # The demo's mailbox is anybody's, and empty here: nothing of this server listens for its mail.
    "POST /mailbox/send": 502,
    "GET /mailbox/{id}": 404,
    "GET /mailbox/{id}/html": 404,
    "POST /mailbox/{id}/{trick}": 404,
    # So is its phone: nothing was written to it, and what these send has no number in it.
    "GET /phone/file/{sid}": 404,
    "POST /phone/again/{sid}": 404,
    "POST /phone/press/{sid}": 404,
    "POST /phone/react/{sid}": 404,
    "POST /phone/clock": 404,
    "POST /phone/me": 422,
    "POST /phone/place": 422,
    "POST /phone/contact": 422,
}


class World:
    """The whole application on a database, and whoever calls it."""

    def __init__(self, db: Any, tmp_path: Any) -> None:
        self.desk = Desk(db, data_dir=tmp_path)
        context = self.desk.context
        context.channels = build_channels(context.settings, demo_environ({}))
        context.knowledge, context.agent = NoKnowledge(), ScriptedAgent()
        self.context, self.app = context, create_app(context, demo=True)
        self.chat = context.channels["webchat"]
        self.tokens = {who: self.chat.token() for who in VISITORS}
        self.staff: dict[str, Any] = {}

    async def article(self) -> tuple[int, str]:
        """An article with two versions, the newer one published."""
        async with self.context.db.write() as session:
            made = Article(slug=uuid.uuid4().hex, title="A", state="published", version=2, published_version=2)
            session.add(made)
            await session.flush()
            for number in (1, 2):
                words = Content("A", "", f"Words {number}.")
                session.add(
                    ArticleVersion(article_id=made.id, number=number, title="A", body=words.body, hash=words.hash)
                )
        return made.id, made.slug

    async def came(self, conversation: int) -> tuple[int, int]:
        """What could not be read, and a file that a customer sent."""
        async with self.context.db.write() as session:
            bad = Quarantine(channel="webchat", external_id=uuid.uuid4().hex, reason="It is cut off.", raw=b"?")
            message = (await session.exec(select(Message.id).where(Message.conversation_id == conversation))).first()
            file = Attachment(message_id=message, name="a.png", content_type="image/png", size=1, content=b"!")
            session.add_all([bad, file])
        return bad.id, file.id

    async def call(self, route: str, who: str) -> httpx.Response:
        """`who` asks for `route`, with everything that it needs and nothing done before."""
        method, path = route.split(" ")
        headers: dict[str, str] = {}
        form: dict[str, str] = {}
        cookies: dict[str, str] = {}
        conversation = await self.desk.conversation(("customer", "hello"), at=self.desk.now)
        async with self.context.db.write() as session:
            (await session.get(Conversation, conversation)).channel = "webchat"
            decision = Decision(conversation_id=conversation, verdict="answer", reason="It is so.", record={})
            session.add(decision)
        if who in VISITORS:
            headers["authorization"] = f"Bearer {self.tokens[who]}"
        elif who != "nobody":
            if who not in self.staff:
                self.staff[who] = await self.desk.make_staff(who.title(), who)
            async with self.context.db.write() as session:
                if path.endswith("/password"):
                    self.staff[who].password_hash = await hash_password(PASSWORD)
                    session.add(self.staff[who])
                # As the row is now: a call before this one may have changed the password.
                staff = await session.get(Staff, self.staff[who].id)
                token, opened = await open_session(session, staff, self.desk.now, hours=1)
            cookies["firstline"] = token
            form["csrf"] = opened.csrf
        number, slug = await self.article() if "articles" in path or "{slug}" in path else (0, "")
        verb = "reply" if "conversations" in path else "enable" if "staff" in path else "unpublish"
        form |= {"text": "A reply.", "title": "B", "body": "More.", "base": "2", "version": "2", "question": "why?"}
        form |= {
            "value": "right",
            "email": "nobody@example.org",
            "address": "a@b.example",
            "password": "wrong",
            "key": str(uuid.uuid4()),
        }
        form["page"] = uuid.uuid4().hex
        form |= {"name": "Nobody", "current": PASSWORD, "new": PASSWORD[::-1], "again": PASSWORD[::-1]}
        bad, file = await self.came(conversation) if "{row_id}" in path or "{file_id}" in path else (0, 0)
        other = await self.desk.make_staff(uuid.uuid4().hex) if "{staff_id}" in path else None
        address = path.replace(":path", "").format_map(
            {
                "name": "webchat",
                "slug": slug,
                "conversation_id": conversation,
                "decision_id": decision.id,
                "article_id": number,
                "number": 1,
                "staff_id": other and other.id,
                "row_id": bad,
                "id": 1,
                "kind": ".css",
                "trick": "again",
                "sid": "SM0",
                "file_id": file,
                "verb": verb,
                "rest": "no/such/page",
            }
        )
        address += {"compare": "?old=1&new=2", "static": "/tokens.css"}.get(path.rsplit("/", 1)[-1], "")
        if path.endswith(("/stream", "/live")):
            asyncio.get_running_loop().call_later(0.3, stop, self.context)  # else they would go on
        transport = httpx.ASGITransport(self.app, client=("192.0.2.1", 1234))
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers=headers, cookies=cookies) as client:
            if method != "POST":
                answer = await client.get(address)
            elif path == "/channels/{name}":
                answer = await client.post(address, json={"id": uuid.uuid4().hex, "text": f"I am {who}."})
            else:
                answer = await client.post(address, data=form)
        self.context.stopping.clear()
        return answer


@pytest.fixture
def world(db: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> World:
    async def nobody_there(*_: Any) -> int:
        return 0

    # The stand-in for Twilio is not started here: what the phone has it post reaches nobody.
    monkeypatch.setattr(Twilio, "_post", nobody_there)
    return World(db, tmp_path)


def routes(app: FastAPI) -> Iterator[str]:
    """Every route there is, as the table names it."""
    for found in iter_route_contexts(app.routes):
        if isinstance(found.original_route, Mount):
            yield f"MOUNT {found.original_route.path}"
        else:
            for method in sorted((found.methods or set()) - {"HEAD"}):
                yield f"{method} {found.path}"


async def test_every_route_is_in_the_table_and_every_line_of_it_is_a_route(world: World) -> None:
    assert set(routes(world.app)) == {*TABLE, *ALIKE}


async def test_every_route_gives_everybody_what_is_theirs_and_nothing_else(world: World) -> None:
    wrong = []
    for route in [*TABLE, *ALIKE]:
        for who in CALLERS:
            answer = await world.call(route, who)
            to_login = answer.headers.get("location", "").startswith("/desk/login")
            if route in ALIKE:
                right = answer.status_code == ALIKE[route]
            elif who in TABLE[route]:
                right = answer.status_code < 400 and (not to_login or route == "POST /desk/logout")
            elif "/desk" in route and who in ("nobody", *VISITORS):
                right = answer.status_code == 303 and to_login
            else:
                right = answer.status_code == 403
            if not right:
                wrong.append(f"{route} as {who}: {answer.status_code} {answer.text[:80]!r}")
    assert not wrong, "\n".join(wrong)


async def test_a_visitor_reads_no_other_visitors_words(world: World) -> None:
    for who in VISITORS:
        await world.call("POST /channels/{name}", who)
    for who, other in (VISITORS, VISITORS[::-1]):
        stream = (await world.call("GET /channels/{name}/stream", who)).text
        assert f"I am {who}." in stream
        assert f"I am {other}." not in stream


async def test_who_may_not_is_told_who_may_and_the_navigation_shows_only_what_one_may(world: World) -> None:
    page = (await world.call("GET /desk/articles/new", "support")).text
    assert "Not yours to do" in page
    assert "takes the role editor or admin; yours is support" in page
    conversation = (await world.call("GET /desk/conversations/{conversation_id}", "editor")).text
    assert "hello" in conversation
    assert "composer-" not in conversation
    assert "do-take-over" not in conversation
    assert "New article" not in (await world.call("GET /desk/articles", "support")).text
    assert "New article" in (await world.call("GET /desk/articles", "editor")).text


async def test_a_route_of_the_desk_without_a_right_is_one_that_everybody_needs(world: World) -> None:
    """A new route must name its right: forgetting it would let every role in."""
    free = set()
    for found in iter_route_contexts(world.app.routes):
        route = found.original_route
        if isinstance(route, APIRoute) and (found.path or "").startswith("/desk"):
            asked = [each.dependency for each in route.dependencies]
            if not any(getattr(each, "right", None) in rights.RIGHTS for each in asked):
                free.add(found.path)
    assert free == {"/desk/login", "/desk/logout", "/desk/{rest:path}"}


def test_the_table_of_rights_names_the_roles_there_are() -> None:
    named = {role for roles in rights.RIGHTS.values() for role in roles}
    assert named == set(ROLES)
    assert all("admin" in roles for roles in rights.RIGHTS.values())
    assert not rights.may("nobody at all", "read articles")
    with pytest.raises(KeyError):
        rights.may("admin", "no such right")
