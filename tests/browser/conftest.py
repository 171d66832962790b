"""What the browser tests share: browsers that were never here, and a login of each kind."""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests import ROOT
from tests.conftest import absent
from tests.live_server import LiveServer

#: Longer than Playwright's five seconds: a machine may be slow, and nothing is waited for longer than it takes.
expect.set_options(timeout=15_000)

NewContext = Callable[..., BrowserContext]

AXE = (ROOT / "tests" / "browser" / "vendor" / "axe.min.js").read_text(encoding="utf-8")
PASSWORD = "a password for the editors"
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """Debian's Chromium, headless. Not for the whole session: Playwright's loop is in the way of async tests."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium")
    if not path:
        absent("Chromium")
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield made
        with contextlib.suppress(Exception):
            made.close()


@pytest.fixture
def base_url(live_server: LiveServer) -> str:
    """Where addresses begin; a file with a server of its own says so."""
    return live_server.url


@pytest.fixture
def new_context(browser: Any, base_url: str) -> Iterator[NewContext]:
    """A browser that was never here."""
    made: list[BrowserContext] = []

    def make(**options: Any) -> BrowserContext:
        options = {"viewport": {"width": 1280, "height": 800}, "base_url": base_url, **options}
        made.append(browser.new_context(**options))
        return made[-1]

    yield make
    for context in made:
        context.close()


@pytest.fixture(scope="session")
def accounts(live_server: LiveServer) -> dict[str, str]:
    """A login of each kind: name -> email."""
    emails = {}
    for name, role in (("Eddy", "editor"), ("Edna", "editor"), ("Sue", "support")):
        emails[name] = f"{name.lower()}@pellworth.example"
        live_server.hire(name, emails[name], role, PASSWORD)
    return emails


def faults(page: Page, what: str) -> list[str]:
    """What axe finds wrong with a page as it stands, light and dark, and whether it fits its window.

    Its context must have `bypass_csp`: axe is put into the page, which the page's own rules would refuse.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    found = []
    # Everything once; what another scheme changes is the colours.
    for scheme, rules in (("dark", {}), ("light", {"runOnly": ["color-contrast"]})):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # no colour is halfway to another
        result = page.evaluate("rules => axe.run(document, {resultTypes: ['violations'], ...rules})", rules)
        assert result["passes"], "axe looked at nothing"
        found += [
            f"{what}, {scheme}: {each['id']} {[node['html'][:120] for node in each['nodes'][:3]]}"
            for each in result["violations"]
            if each["impact"] in ("serious", "critical")
        ]
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        found.append(f"{what}: wider than the window")
    return found
