"""Our whole server with WhatsApp on, as a process, and the stand-in for Twilio that it talks to."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from channels.demo.twilio import Text, Twilio
from channels.demo.twilio_server import Run
from tests.cluster import free_port
from tests.forked import Forked

ACCOUNT, TOKEN, SENDER = f"AC{'a' * 32}", "t" * 32, "whatsapp:+15550100"
CUSTOMER = "whatsapp:+4915112345678"


class WhatsApp:
    """The server's process, and both sides of it. `run` does what is asked of `twilio` where that runs."""

    def __init__(self, twilio: Twilio, run: Run, port: int, database_url: str, data: Path) -> None:
        self.twilio, self.run, self.port, self.database_url, self.data = twilio, run, port, database_url, data
        self.url = f"http://127.0.0.1:{port}"
        self.process: Forked | None = None

    def start(self, point: str = "never") -> None:
        """`point`: where of the path it kills itself (tests/whatsapp_process.py)."""
        environ = {
            **os.environ,
            "DATABASE_URL": self.database_url,
            "DATA_DIR": str(self.data),
            "WHATSAPP_ACCOUNT_SID": ACCOUNT,
            "WHATSAPP_AUTH_TOKEN": TOKEN,
            "WHATSAPP_FROM": SENDER,
            "WHATSAPP_API_URL": self.twilio.url,
            "PUBLIC_BASE_URL": self.url,
        }
        log = self.data / "log"
        self.process = Forked("tests.whatsapp_process", str(self.port), point, environ=environ, stdout=log, stderr=log)
        until(self.ready, self.said, 60)

    def ready(self) -> bool:
        assert self.process
        assert self.process.poll() is None, self.said()
        try:
            return httpx.get(f"{self.url}/readyz", timeout=1).status_code == 200
        except httpx.HTTPError:
            return False

    def said(self) -> str:
        log = self.data / "log"
        return log.read_text() if log.exists() else ""

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(timeout=30)

    def write(self, body: str, sender: str = CUSTOMER, **more: Any) -> Text:
        return self.run(self.twilio.write(sender, body, **more))

    def replies(self, customer: str = CUSTOMER) -> list[str]:
        return [text.body for text in self.twilio.of(customer) if not text.inbound]


@contextmanager
def whatsapp(database_url: str, data: Path) -> Iterator[WhatsApp]:
    """Twilio runs, and our server when it is started."""
    port = free_port()
    twilio = Twilio(ACCOUNT, TOKEN, SENDER, f"http://127.0.0.1:{port}/channels/whatsapp")
    with twilio.running_in_a_thread() as run:
        made = WhatsApp(twilio, run, port, database_url, data)
        try:
            yield made
        finally:
            made.stop()


def until(done: Callable[[], bool], why: Callable[[], str] = lambda: "", seconds: float = 30.0) -> None:
    """Waits until it is so. Raises AssertionError with what `why` says if it never is."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, why()[-3000:]
        time.sleep(0.05)
