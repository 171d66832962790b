"""Real parts for the tests: both databases, the embedder, a running server, a browser."""

import fcntl
import gc
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tests.plain_logs  # noqa: F401 (sets them up)
from tests import ROOT
from tests.apart import apart
from tests.cluster import Cluster, postgres_program
from tests.forked import firstline
from tests.live_server import LiveServer

#: Where Linux keeps files in memory. Hundreds of databases are made, synced and thrown away: a disk takes its time.
MEMORY = Path("/dev/shm")
if not (os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 2**31):
    MEMORY = None
if MEMORY:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))  # what tmp_path is below
# No test may spend money or leave the machine.
os.environ.pop("ANTHROPIC_API_KEY", None)


#: Files that take longest, or wait most, begin first: whoever is done early then has short ones left to take.
LONG = (
    "browser/test_widget",  # makes the sample articles that the others' servers have, while these need none:
    "test_kill",
    "test_email_imap",
    "test_whatsapp_path",
    "test_delivery",
    "test_flow",
    "browser/test_phone",
    "browser/test_together",
    "browser/test_late",
    "browser/test_editor",
    "browser/test_dashboard",
    "browser/test_widget_limits",
    "browser/test_mailbox",
    "browser/test_figures",
    "browser/test_accounts",
    "test_bench",
    "test_commands",
    "test_email_path",
    "test_calls",
    "test_fetching",
    "test_sweeping",
    "test_backup",
    "test_publishing",
    "test_serve",
    "test_docker",
    "test_traces",
    "test_rights",
    "test_limits",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {f"tests/{name}.py": place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: order.get(item.nodeid.split("::")[0], len(order)))


def pytest_collection_finish() -> None:
    """What is imported by now stays: collecting it as garbage, again and again, takes a third of a second each time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def pytest_xdist_auto_num_workers() -> int:
    """Two more than there are processors: much of the time is waiting, for a browser, a lease or a restart."""
    return len(os.sched_getaffinity(0)) + 2 if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1) + 2


def absent(what: str) -> None:
    """A part the machine lacks: in CI a failure, elsewhere a reason to skip."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing, and CI must have it.")
    pytest.skip(f"{what} is not installed here.")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


# --- passwords ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session", autouse=True)
def quick_hashing() -> Iterator[pytest.MonkeyPatch]:
    """Argon2 as ever, at its least cost: what the tests are about is seldom how long a guess takes."""
    from pwdlib import PasswordHash
    from pwdlib.hashers.argon2 import Argon2Hasher

    from service import staff

    quick = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))
    nobodys = quick.hash("a password that nobody has")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(staff, "_hasher", lambda: (quick, nobodys))
        yield patched


@pytest.fixture
def hashing_in_earnest(quick_hashing: pytest.MonkeyPatch) -> Iterator[None]:
    """The hash that the product uses."""
    from service import staff

    quick = staff._hasher
    quick_hashing.undo()
    yield
    quick_hashing.setattr(staff, "_hasher", quick)


# --- data --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real mails and other data that are not ours to copy: FIRSTLINE_DATA, or beside the project."""
    path = Path(os.environ.get("FIRSTLINE_DATA") or ROOT.parent / "shared" / "data")
    if not path.is_dir():
        pytest.skip(f"The shared data is not at {path}; FIRSTLINE_DATA names another place.")
    return path


# --- databases ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if not (postgres_program("initdb") and postgres_program("pg_ctl")):
        absent("PostgreSQL (initdb, pg_ctl)")
    # Not pytest's own directory, which only its owner may enter.
    directory = (MEMORY or Path("/tmp")) / f"firstline-pg-{uuid.uuid4().hex[:8]}"
    made = Cluster(directory)
    yield made
    made.stop()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def empty_postgres(cluster: Cluster) -> Iterator[Callable[[], str]]:
    """Makes empty databases, gone with the test."""
    made: list[str] = []

    def make() -> str:
        made.append(cluster.make())
        return made[-1]

    yield make
    for url in made:
        cluster.drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'firstline.db'}"
    return request.getfixturevalue("empty_postgres")()


def migrate(url: str) -> None:
    from service import migrations
    from service.db import Database
    from service.settings import Settings

    async def run() -> None:
        made = Database(Settings(database_url=url, _env_file=None).url)
        await migrations.upgrade(made)
        await made.close()

    apart(run)


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "firstline.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_postgres(cluster: Cluster) -> str:
    url = cluster.make()
    migrate(url)
    return url.rsplit("/", 1)[-1]


@pytest.fixture(params=["sqlite", "postgresql"])
async def db(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A database of each kind with the newest schema: a copy of one that was migrated once."""
    from service.db import Database
    from service.settings import Settings
    from tests.compiled import share

    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "firstline.db")
        made = share(Database(Settings(database_url=f"sqlite:///{tmp_path / 'firstline.db'}", _env_file=None).url))
        yield made
        await made.close()
    else:
        cluster, template = request.getfixturevalue("cluster"), request.getfixturevalue("migrated_postgres")
        url = cluster.make(template)
        made = share(Database(Settings(database_url=url, _env_file=None).url))
        yield made
        await made.close()
        cluster.drop(url)


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


# --- mail --------------------------------------------------------------------------------------------------------


@pytest.fixture
def mail_server() -> Iterator[Callable[..., Any]]:
    """Makes mail servers on loopback."""
    from tests.mail_kit import MailServer

    made: list[MailServer] = []

    def make(**options: Any) -> MailServer:
        made.append(MailServer(**options))
        return made[-1]

    yield make
    for server in made:
        server.stop()


# --- a running server --------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that holds the sample articles and nothing else: made once for all workers, for vectors take time."""
    base = tmp_path_factory.getbasetemp()
    home = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "stock"
    with open(home.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "made").exists():
            done = firstline("ingest", "knowledge/samples/articles", folder=home.parent, DATA_DIR=str(home))
            assert done.returncode == 0, done.stdout + done.stderr
            (home / "made").touch()
    return home / "firstline.db"


@pytest.fixture(scope="session")
def live_server(tmp_path_factory: pytest.TempPathFactory, stock: Path) -> Iterator[LiveServer]:
    server = LiveServer(tmp_path_factory.mktemp("demo") / "data", stock=stock)
    yield server
    server.stop()
