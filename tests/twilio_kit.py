"""Twilio's own SDK pointed at the stand-in, and a webhook that keeps what is posted to it."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from channels.demo.twilio import Twilio

SID, TOKEN = "AC" + "0123456789abcdef" * 2, "the-primary-token"
SENDER = "whatsapp:+15550001111"
MINA = "whatsapp:+15552223333"
HX = "HX" + "a" * 32


class Posted:
    """One request to the webhook."""

    def __init__(self, url: str, headers: Any, body: str) -> None:
        self.url, self.headers = url, headers
        self.form = dict(parse_qsl(body, keep_blank_values=True, strict_parsing=True))

    def signed_with(self, token: str) -> bool:
        return RequestValidator(token).validate(self.url, self.form, self.headers["X-Twilio-Signature"])


class Webhook:
    """Answers with `status`; `waits` before it does."""

    def __init__(self) -> None:
        self.posted, self.status, self.go = list[Posted](), 200, threading.Event()
        self.go.set()
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                webhook.posted.append(Posted(webhook.base + self.path, self.headers, body))
                webhook.go.wait(10)
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    self.send_response(webhook.status)
                    self.send_header("content-length", "0")
                    self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                return

        class Server(ThreadingHTTPServer):
            daemon_threads, request_queue_size = True, 128

        self.server = Server(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        self.url = f"{self.base}/channels/whatsapp"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def statuses(self, sid: str) -> list[str]:
        return [each.form["MessageStatus"] for each in self.posted if each.form.get("MessageSid") == sid]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def there(twilio: Twilio, url: str) -> str:
    """The stand-in's address for one of Twilio's."""
    parts = urlsplit(url)
    assert parts.hostname in {"api.twilio.com", "messaging.twilio.com", "content.twilio.com"}, url
    return f"{twilio.url}{parts.path}" + (f"?{parts.query}" if parts.query else "")


class Sync(TwilioHttpClient):
    def __init__(self, twilio: Twilio, **options: Any) -> None:
        super().__init__(**options)
        self.twilio = twilio

    def request(self, method: str, url: str, *args: Any, **options: Any) -> Any:
        return super().request(method, there(self.twilio, url), *args, **options)


class Async(AsyncTwilioHttpClient):
    def __init__(self, twilio: Twilio, **options: Any) -> None:
        super().__init__(**options)
        self.twilio = twilio

    async def request(self, method: str, url: str, *args: Any, **options: Any) -> Any:
        return await super().request(method, there(self.twilio, url), *args, **options)


def sdk(twilio: Twilio, sid: str = SID, token: str = TOKEN, **options: Any) -> Client:
    return Client(sid, token, http_client=Sync(twilio, **options))


@contextlib.contextmanager
def account(webhook: str = "", **options: Any) -> Iterator[tuple[Twilio, Any]]:
    """A running account that does nothing by itself, and what runs its verbs."""
    twilio = Twilio(SID, TOKEN, SENDER, webhook, **options)
    twilio.automatic = False
    with twilio.running_in_a_thread() as run:
        yield twilio, run
