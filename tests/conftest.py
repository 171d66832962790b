"""Real parts for the tests: both databases, the embedder, a running server, a browser."""

import asyncio
import contextlib
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncpg
import pytest

ROOT = Path(__file__).parent.parent
# No test may spend money or leave the machine.
os.environ.pop("ANTHROPIC_API_KEY", None)
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def absent(what: str) -> None:
    """A part the machine lacks: in CI a failure, elsewhere a reason to skip."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing, and CI must have it.")
    pytest.skip(f"{what} is not installed here.")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real mails and other data that are not ours to copy: FIRSTLINE_DATA, or beside the project."""
    path = Path(os.environ.get("FIRSTLINE_DATA") or ROOT.parent / "shared" / "data")
    if not path.is_dir():
        pytest.skip(f"The shared data is not at {path}; FIRSTLINE_DATA names another place.")
    return path


# --- databases ---------------------------------------------------------------------------------------------------


def postgres_program(name: str) -> str | None:
    """initdb and friends: on the PATH, or where Debian puts them."""
    found = shutil.which(name)
    return found or next((str(path) for path in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))), None)


class Cluster:
    """A PostgreSQL server of our own, on a free port of loopback, gone with the tests."""

    def __init__(self, directory: Path, *, durable: bool = False) -> None:
        # PostgreSQL refuses to run as root.
        self.user = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
        self.data, self.port = directory / "data", free_port()
        directory.mkdir(parents=True, exist_ok=True)
        if self.user:
            shutil.chown(directory, "postgres", "postgres")
        self.run("initdb", "-D", str(self.data), "-U", "firstline", "--auth=trust", "--no-sync", "-E", "UTF8")
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={directory}"
        options += "" if durable else " -c fsync=off"
        self.run("pg_ctl", "-D", str(self.data), "-w", "-o", options, "-l", str(directory / "log"), "start")

    def run(self, program: str, *arguments: str) -> None:
        command = [str(postgres_program(program)), *arguments]
        environ = {**os.environ, "LC_ALL": "C.UTF-8"}
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", env=environ, **self.user)
        assert done.returncode == 0, done.stdout + done.stderr

    def url(self, name: str) -> str:
        return f"postgresql://firstline@127.0.0.1:{self.port}/{name}"

    def stop(self) -> None:
        self.run("pg_ctl", "-D", str(self.data), "-m", "immediate", "stop")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if not (postgres_program("initdb") and postgres_program("pg_ctl")):
        absent("PostgreSQL (initdb, pg_ctl)")
    # Below /tmp and not pytest's own directory, which only its owner may enter.
    directory = Path("/tmp") / f"firstline-pg-{uuid.uuid4().hex[:8]}"
    made = Cluster(directory)
    yield made
    made.stop()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'firstline.db'}"
    return make_postgres_database(request.getfixturevalue("cluster"))


def migrate(url: str) -> None:
    from service import migrations
    from service.db import Database
    from service.settings import Settings

    async def run() -> None:
        made = Database(Settings(database_url=url, _env_file=None).url)
        await migrations.upgrade(made)
        await made.close()

    apart(run)


def apart(run: Any) -> None:
    """Run a coroutine function to its end in a thread of its own: a test's loop may be running in this one."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(run())).result()


def make_postgres_database(cluster: Cluster, template: str = "template1") -> str:

    name = f"t{uuid.uuid4().hex[:12]}"

    async def make() -> None:
        connection = await asyncpg.connect(cluster.url("postgres"))
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        await connection.close()

    apart(make)
    return cluster.url(name)


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "firstline.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_postgres(cluster: Cluster) -> str:
    url = make_postgres_database(cluster)
    migrate(url)
    return url.rsplit("/", 1)[-1]


@pytest.fixture(params=["sqlite", "postgresql"])
async def db(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A database of each kind with the newest schema: a copy of one that was migrated once."""
    from service.db import Database
    from service.settings import Settings

    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "firstline.db")
        url = f"sqlite:///{tmp_path / 'firstline.db'}"
    else:
        template = request.getfixturevalue("migrated_postgres")
        url = make_postgres_database(request.getfixturevalue("cluster"), template)
    made = Database(Settings(database_url=url, _env_file=None).url)
    yield made
    await made.close()


# --- search ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def embedder() -> Any:
    from knowledge.embedder import Embedder

    made = Embedder()
    made.load()
    return made


# --- Claude ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def stand_in() -> Iterator[Any]:
    """Makes servers that stand in for Claude's API; in the end, no request may have been faulty."""
    from tests.claude_stand_in import StandIn

    made: list[StandIn] = []

    def make(*script: Any) -> StandIn:
        made.append(StandIn(*script))
        return made[-1]

    yield make
    for each in made:
        assert each.faults == []
        each.close()


# --- a running server --------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that holds the sample articles and nothing else: made once for all workers, for vectors take time."""
    base = tmp_path_factory.getbasetemp()
    home = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "stock"
    with open(home.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "made").exists():
            command = [sys.executable, "-m", "service", "ingest", "knowledge/samples/articles"]
            environ = {**os.environ, "DATA_DIR": str(home)}
            done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
            (home / "made").touch()
    return home / "firstline.db"


class LiveServer:
    """`firstline serve --demo` as a process, started as a person would start it. `stock`: articles that are there."""

    def __init__(self, data_dir: Path, root: Path = ROOT, *, stock: Path | None = None, **environ: str) -> None:
        self.data_dir, self.root, self.port = data_dir, root, free_port()
        if stock is not None:
            data_dir.mkdir(parents=True)
            shutil.copy(stock, data_dir / "firstline.db")
        self.environ = {**os.environ, "DATA_DIR": str(data_dir), "PORT": str(self.port), **environ}
        self.url = self.staff_email = self.staff_password = ""
        self.lines: list[str] = []
        self.process: subprocess.Popen[str] | None = None
        self.start()

    def start(self) -> None:
        self.lines.clear()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "service", "serve", "--demo"],
            cwd=self.root,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=(self.data_dir.parent / f"{self.data_dir.name}.log").open("a"),
            text=True,
        )
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()
        deadline = time.monotonic() + 90
        while not any(line.startswith("Press Ctrl+C") for line in self.lines):
            assert self.process.poll() is None, f"the server ended: {self.lines}"
            if time.monotonic() > deadline:
                self.process.kill()  # nobody else would
                raise AssertionError(f"the server did not start: {self.lines}")
            time.sleep(0.05)
        first = next(line for line in self.lines if "http://" in line)
        self.url = re.search(r"http://[^/\s]+", first).group()  # type: ignore[union-attr]
        login = next((line for line in self.lines if line.startswith("Staff login:") and "password" in line), "")
        if found := re.search(r"login: (\S+)\s+password: (\S+)", login):
            self.staff_email, self.staff_password = found.groups()

    def _read(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            self.lines.append(line.rstrip("\n"))

    def stop(self, how: signal.Signals = signal.SIGTERM) -> float:
        """Seconds it took to end."""
        began = time.monotonic()
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(timeout=20)
        return time.monotonic() - began


@pytest.fixture(scope="session")
def live_server(tmp_path_factory: pytest.TempPathFactory, stock: Path) -> Iterator[LiveServer]:
    server = LiveServer(tmp_path_factory.mktemp("demo") / "data", stock=stock)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium, headless. Not longer than a module: Playwright's loop would be in the way of async tests."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium")
    if not path:
        absent("Chromium")
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield made
        with contextlib.suppress(Exception):
            made.close()
