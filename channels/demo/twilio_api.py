"""The HTTP of the stand-in for Twilio: its API, as its SDK asks for it, and where its files are had.

At Twilio these are api.twilio.com, messaging.twilio.com, content.twilio.com and mms.twiliocdn.com; here the first three
are one server, told apart by their paths, and the fourth is another port of it. A file's address at the API redirects
there (307); that address holds for four hours and refuses credentials, as the storage behind Twilio's does.
"""

import asyncio
import base64
import binascii
import hmac
import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from channels.demo import twilio_lists
from channels.demo.twilio_rules import Answer, Break, Hang, Outcome, Refused
from channels.demo.twilio_texts import VERSION, File, Text, media, resource, when

if TYPE_CHECKING:
    from channels.demo.twilio import Twilio

FILE_SECONDS = 4 * 3_600  # that a file's address holds
CHANNELS = {"whatsapp"}  # that it has
Endpoint = Callable[[Request], Awaitable[Response]]


def app(twilio: "Twilio") -> Starlette:
    """The server of one account."""
    account = f"/{VERSION}/Accounts/{{account}}"
    message = f"{account}/Messages/{{sid}}"
    content = "/v1/Content/{sid}"
    api = _Api(twilio)
    routes = [
        Route(f"{account}/Messages.json", api.guarded("send", api.create), methods=["POST"]),
        Route(f"{account}/Messages.json", api.guarded("list", api.list), methods=["GET"]),
        Route(f"{message}/Media.json", api.guarded("media", api.media_list), methods=["GET"]),
        Route(f"{message}/Media/{{file}}.json", api.guarded("media", api.media), methods=["GET", "DELETE"]),
        Route(f"{message}/Media/{{file}}", api.guarded("file", api.redirect), methods=["GET"]),
        Route(f"{message}.json", api.guarded("message", api.message), methods=["GET", "DELETE"]),
        Route(f"{account}.json", api.guarded("account", api.account), methods=["GET"]),
        Route("/v2/Channels/Senders", api.guarded("senders", api.senders), methods=["GET"]),
        Route("/v2/Indicators/Typing.json", api.guarded("typing", api.typing), methods=["POST"]),
        Route(f"{content}/ApprovalRequests", api.guarded("template", api.approval), methods=["GET"]),
        Route(content, api.guarded("template", api.template), methods=["GET"]),
        Route("/files/{account}/{file}", api.guarded("content", api.content, known=False), methods=["GET"]),
    ]
    return Starlette(routes=routes, exception_handlers={404: _not_found, 405: _not_found})


async def _not_found(request: Request, error: Exception) -> Response:
    return refusal(missing(request))


def missing(request: Request) -> Refused:
    return Refused(20404, f"The requested resource {request.url.path} was not found", 404)


def refusal(refused: Refused) -> Response:
    """An error as Twilio words it, which its SDK makes a TwilioRestException of."""
    body: dict[str, Any] = {
        "code": refused.code,
        "message": refused.message,
        "more_info": f"https://www.twilio.com/docs/errors/{refused.code}",
        "status": refused.status,
    }
    if refused.status == 401:
        body["detail"] = "Your AccountSid or AuthToken was incorrect."
        return JSONResponse(body, 401, headers={"WWW-Authenticate": 'Basic realm="Twilio API"'})
    return JSONResponse(body, refused.status)


class _Api:
    def __init__(self, twilio: "Twilio") -> None:
        self.twilio = twilio
        self.held = dict[str, tuple[File, float]]()  # where files are had, and until when

    def guarded(self, on: str, endpoint: Endpoint, *, known: bool = True) -> Endpoint:
        """Asks for the credentials, then does what the script has for such a request, then what was asked for."""

        async def answer(request: Request) -> Response:
            self.twilio.requests.append(f"{request.method} {request.url.path}")
            try:
                if known:
                    self.authenticate(request)
                return await self.scripted(on, request, endpoint)
            except Refused as refused:
                return refusal(refused)

        return answer

    def authenticate(self, request: Request) -> None:
        """Basic, the account and either of its tokens; another's account is not there."""
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        try:
            user, _, password = base64.b64decode(given, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            user = password = ""
        tokens = [token for token in (self.twilio.token, self.twilio.secondary) if token]
        right = any(hmac.compare_digest(password.encode(), token.encode()) for token in tokens)
        if kind.lower() != "basic" or user != self.twilio.sid or not right:
            raise Refused(20003, "Authenticate", 401)
        if request.path_params.get("account", self.twilio.sid) != self.twilio.sid:
            raise missing(request)

    async def scripted(self, on: str, request: Request, endpoint: Endpoint) -> Response:
        step = self.twilio.next_step(on)
        match step:
            case Answer(body=body) if body:
                return Response(body, step.status, headers=step.headers, media_type="text/html")
            case Answer(status=status, code=code, message=message):
                answer = refusal(Refused(code, message, status))
                answer.headers.update(step.headers)
                return answer
            case Break(taken=taken):
                if taken:
                    await endpoint(request)
                await self.twilio.connections.break_off(request.client)
                return Response()
            case Hang(seconds=seconds, taken=taken):
                answer = await endpoint(request) if taken else refusal(Refused(20503, "Service Unavailable", 503))
                await self.pause(seconds)
                return answer
            case Outcome():
                request.state.outcome = step
        return await endpoint(request)

    async def pause(self, seconds: float) -> None:
        """So long, or until the server ends."""
        assert self.twilio.ending
        try:
            await asyncio.wait_for(self.twilio.ending.wait(), seconds)
        except TimeoutError:
            return

    def found(self, request: Request) -> Text:
        if text := self.twilio.find(request.path_params["sid"]):
            return text
        raise missing(request)

    def file(self, request: Request) -> tuple[Text, File]:
        text = self.found(request)
        for file in text.files:
            if file.sid == request.path_params["file"]:
                return text, file
        raise missing(request)

    # --- messages --------------------------------------------------------------------------------------------------

    async def create(self, request: Request) -> Response:
        async with request.form() as given:
            form = {name: value for name, value in given.items() if isinstance(value, str)}
            urls = [url for url in given.getlist("MediaUrl") if isinstance(url, str)]
        text = self.twilio.take(form, urls, getattr(request.state, "outcome", None))
        return JSONResponse(resource(text, self.twilio.sid), 201)

    async def list(self, request: Request) -> Response:
        found = twilio_lists.matching(self.twilio.messages, request.query_params)
        page = twilio_lists.page(found, request.url.path, request.query_params)
        page["messages"] = [resource(text, self.twilio.sid) for text in page["messages"]]
        return JSONResponse(page)

    async def message(self, request: Request) -> Response:
        text = self.found(request)
        if request.method == "DELETE":
            self.twilio.forget(text)
            return Response(status_code=204)
        return JSONResponse(resource(text, self.twilio.sid))

    # --- files -----------------------------------------------------------------------------------------------------

    async def media_list(self, request: Request) -> Response:
        text = self.found(request)
        listed = [media(file, text, self.twilio.sid) for file in text.files]
        return JSONResponse(twilio_lists.whole(listed, request.url.path, "media_list"))

    async def media(self, request: Request) -> Response:
        text, file = self.file(request)
        if request.method == "DELETE":
            text.files.remove(file)
            self.twilio.version += 1
            return Response(status_code=204)
        return JSONResponse(media(file, text, self.twilio.sid))

    async def redirect(self, request: Request) -> Response:
        _, file = self.file(request)
        name, until = secrets.token_hex(24), self.twilio.clock() + FILE_SECONDS
        self.held[name] = (file, until)
        query = urlencode({"Expires": int(until), "Signature": secrets.token_urlsafe(24)})
        return RedirectResponse(f"{self.twilio.files_url}/files/{self.twilio.sid}/{name}?{query}", 307)

    async def content(self, request: Request) -> Response:
        """On the other port, for whoever has the address; credentials that were sent along are an error there."""
        if request.headers.get("authorization"):
            return Response("Only one way of authorization is allowed.", 400)
        file, until = self.held.get(request.path_params["file"], (None, 0.0))
        if file is None or self.twilio.clock() >= until or str(request.base_url).rstrip("/") != self.twilio.files_url:
            return Response("Access denied.", 403)
        disposition = (
            {"Content-Disposition": f"inline; filename*=UTF-8''{quote(file.name, safe='')}"} if file.name else {}
        )
        return Response(file.content, headers={"Content-Type": file.content_type, **disposition})

    # --- the rest --------------------------------------------------------------------------------------------------

    async def account(self, request: Request) -> Response:
        uri = f"/{VERSION}/Accounts/{self.twilio.sid}"
        return JSONResponse(
            {
                "auth_token": self.twilio.token,
                "date_created": when(0),
                "date_updated": when(0),
                "friendly_name": "The stand-in's account",
                "owner_account_sid": self.twilio.sid,
                "sid": self.twilio.sid,
                "status": "active",
                "subresource_uris": {"messages": f"{uri}/Messages.json"},
                "type": "Full",
                "uri": f"{uri}.json",
            }
        )

    async def senders(self, request: Request) -> Response:
        """The account's one sender, and where what customers write to it is posted."""
        if request.query_params.get("Channel") not in CHANNELS:
            raise Refused(20001, "Invalid parameter: Channel")
        listed = twilio_lists.senders(self.twilio.sender, self.twilio.status, self.twilio.webhook)
        return JSONResponse(listed)

    async def typing(self, request: Request) -> Response:
        """Shows the customer that an answer is being written, and that what they wrote was read."""
        async with request.form() as form:
            channel, sid = form.get("channel"), form.get("messageId")
        text = self.twilio.find(sid) if isinstance(sid, str) else None
        if channel not in CHANNELS or text is None or not text.inbound:
            raise Refused(20001, "Invalid parameter: messageId must be of a message received on the channel")
        self.twilio.typing.append(text.sid)
        self.twilio.version += 1
        return JSONResponse({"success": True})

    async def template(self, request: Request) -> Response:
        sid = request.path_params["sid"]
        if sid not in self.twilio.templates:
            raise missing(request)
        found = self.twilio.templates[sid]
        uri = f"https://content.twilio.com/v1/Content/{sid}"
        return JSONResponse(
            {
                "account_sid": self.twilio.sid,
                "date_created": "2026-01-01T00:00:00Z",
                "date_updated": "2026-01-01T00:00:00Z",
                "friendly_name": found.name,
                "language": found.language,
                "links": {
                    "approval_create": f"{uri}/ApprovalRequests/whatsapp",
                    "approval_fetch": f"{uri}/ApprovalRequests",
                },
                "sid": sid,
                "types": {"twilio/text": {"body": found.body}},
                "url": uri,
                "variables": dict(found.defaults),
            }
        )

    async def approval(self, request: Request) -> Response:
        sid = request.path_params["sid"]
        if sid not in self.twilio.templates:
            raise missing(request)
        found = self.twilio.templates[sid]
        whatsapp = {
            "allow_category_change": True,
            "category": "UTILITY",
            "content_type": "twilio/text",
            "flows": None,
            "name": found.name,
            "rejection_reason": "",
            "status": "approved" if found.approved else "unsubmitted",
            "type": "whatsapp",
        }
        url = f"https://content.twilio.com/v1/Content/{sid}/ApprovalRequests"
        return JSONResponse({"account_sid": self.twilio.sid, "sid": sid, "url": url, "whatsapp": whatsapp})
