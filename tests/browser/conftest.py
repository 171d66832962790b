"""What the browser tests share: browsers that were never here, and a login of each kind."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext

from tests.conftest import ROOT

NewContext = Callable[..., BrowserContext]

AXE = (ROOT / "tests" / "browser" / "vendor" / "axe.min.js").read_text(encoding="utf-8")
PASSWORD = "a password for the editors"


@pytest.fixture
def new_context(browser: Any, live_server: Any) -> Iterator[NewContext]:
    """A browser that was never here."""
    made: list[BrowserContext] = []

    def make(**options: Any) -> BrowserContext:
        options = {"viewport": {"width": 1280, "height": 800}, "base_url": live_server.url, **options}
        made.append(browser.new_context(**options))
        return made[-1]

    yield make
    for context in made:
        context.close()


@pytest.fixture(scope="session")
def accounts(live_server: Any) -> dict[str, str]:
    """A login of each kind: name -> email."""
    emails = {}
    for name, role in (("Eddy", "editor"), ("Edna", "editor"), ("Sue", "support")):
        emails[name] = f"{name.lower()}@pellworth.example"
        command = [sys.executable, "-m", "service", "staff", "add", emails[name], "--name", name]
        command += ["--role", role, "--password", PASSWORD]
        done = subprocess.run(command, cwd=ROOT, env=live_server.environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return emails
