"""The `firstline` command: serve, work, ingest, evaluate, check, backup, restore, staff."""

import asyncio
import functools
import gc
import json
import os
import secrets
import signal
import socket
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import uvicorn
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import select

from service import migrations, traces
from service.command import Refusal, console, load_settings, open_database
from service.db import Database
from service.logs import set_up_logs
from service.models import AuditEvent, Staff
from service.settings import Settings
from service.staff_commands import add_member, staff_app

SAMPLES = Path(__file__).parent.parent / "knowledge" / "samples"
DEMO_COMPANY = "Pellworth"
DEMO_STAFF = ("Ana Keane", "ana@pellworth.example")

app = typer.Typer(no_args_is_help=True, add_completion=False, help="First-line customer support that a team can trust.")
app.add_typer(staff_app, name="staff")


@app.command()
def serve(
    demo: Annotated[
        bool, typer.Option("--demo", help="On this machine only, with a sample company, its pages and a staff login.")
    ] = False,
    host: Annotated[str | None, typer.Option(help="Address to listen on; default: HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; default: PORT.")] = None,
) -> None:
    """Run the web server and the work in one process."""
    settings = load_settings(**{key: value for key, value in (("host", host), ("port", port)) if value is not None})
    if demo:
        settings.host = "127.0.0.1"
        settings.port = free_port(settings.port)
        if "company_name" not in settings.model_fields_set:
            settings.company_name = DEMO_COMPANY
    set_up_logs(settings)
    asyncio.run(_serve(settings, demo))


async def _serve(settings: Settings, demo: bool) -> None:
    from service.app import build_channels, build_context, create_app, stop

    console.print("Firstline is starting: loading the language model takes a few seconds.")
    embedder = make_embedder()
    channels = build_channels(settings, os.environ)
    context = build_context(settings, channels, embedder, spans=traces.make_provider(os.environ))
    await migrations.upgrade(context.db)
    login = await _prepare_demo(context.db, embedder) if demo else None
    server = Server(
        uvicorn.Config(
            create_app(context, demo=demo),
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=4,
            proxy_headers=True,
            forwarded_allow_ips=settings.trusted_proxies,
        )
    )
    server.asked_to_stop = lambda: stop(context)
    server.announce = lambda: _announce(settings, demo, login, context.channels)
    await server.serve()
    if not server.started:
        raise SystemExit(1)


class Server(uvicorn.Server):
    """uvicorn, which says when it is up, and ends the live streams as soon as it is asked to stop."""

    announce: Any = None
    asked_to_stop: Any = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and not self.should_exit:
            keep()
            self.announce()

    def handle_exit(self, sig: int, frame: Any) -> None:
        self.asked_to_stop()
        super().handle_exit(sig, frame)


def _announce(settings: Settings, demo: bool, login: tuple[str, str] | None, channels: Any) -> None:
    base = f"http://{settings.host}:{settings.port}" if demo else settings.base_url
    if demo:
        pages = [made[0] for channel in channels.values() if (made := channel.demo())]
        for page in pages:
            console.print(f"{page.title}: {base}{page.path}")
    console.print(f"Staff: {base}/desk")
    if login:
        console.print(f"Staff login: {login[0]}  password: {login[1]}  (shown this once; kept only as a hash)")
    elif demo:
        console.print("Staff login: the one printed at the first start. `firstline staff add` makes another.")
    console.print("Press Ctrl+C to stop.")


async def _prepare_demo(db: Database, embedder: Any) -> tuple[str, str] | None:
    """The sample help centre and, at the very first start, a login."""
    await _ingest(db, embedder, SAMPLES / "articles", quiet=True)
    async with db.read() as session:
        if (await session.exec(select(Staff.id).limit(1))).first() is not None:
            return None
    name, email = DEMO_STAFF
    password = secrets.token_urlsafe(9)
    await add_member(db, name, email, "admin", password)
    return email, password


@app.command()
def work(
    metrics_port: Annotated[
        int | None, typer.Option(help="Port for /metrics, /healthz and /readyz; default: METRICS_PORT.")
    ] = None,
) -> None:
    """Add a process that works beside `serve`: it answers and delivers, and serves nobody."""
    settings = load_settings(**({} if metrics_port is None else {"metrics_port": metrics_port}))
    set_up_logs(settings)
    asyncio.run(_work(settings))


async def _work(settings: Settings) -> None:
    from service.app import build_channels, build_context, running, stop

    channels = build_channels(settings, os.environ)
    context = build_context(settings, channels, make_embedder(), spans=traces.make_provider(os.environ))
    if settings.metrics_port:
        await _work_and_tell(context)
        return
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop, context)
    async with running(context, migrate=False):
        keep()
        console.print("Working. Press Ctrl+C to stop.")
        await context.stopping.wait()


async def _work_and_tell(context: Any) -> None:
    """Work, and answer on METRICS_PORT how it goes."""
    from service.app import running, stop
    from service.health import create_health_app

    host, port = context.settings.host, context.settings.metrics_port
    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise Refusal(f"{host}:{port} cannot be listened on ({error.strerror}). Set METRICS_PORT to another.") from None
    server = Server(
        uvicorn.Config(
            create_health_app(context, lambda app: running(context, migrate=False)),
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=4,
        )
    )
    server.asked_to_stop = lambda: stop(context)
    server.announce = lambda: console.print(f"Working; /metrics is on port {port}. Press Ctrl+C to stop.")
    await server.serve(sockets=[listening])


@app.command()
def ingest(
    folder: Annotated[Path, typer.Argument(help="A folder of Markdown articles with front matter.")],
) -> None:
    """Take a folder of articles in and publish what is new or changed."""
    if not folder.is_dir():
        raise Refusal(f"{folder} is not a folder. Name the folder that holds the articles.")
    settings = load_settings()
    set_up_logs(settings)

    async def run() -> None:
        async with open_database(settings) as db:
            await _ingest(db, make_embedder(), folder, quiet=False)

    asyncio.run(run())


async def _ingest(db: Database, embedder: Any, folder: Path, *, quiet: bool) -> None:
    from knowledge.importers import import_folder

    with progress_bar() as progress:
        task = progress.add_task("Reading articles", total=None)

        def show(done: int, total: int, what: str = "") -> None:
            progress.update(task, completed=done, total=total, description=what or "Reading articles")

        report = await import_folder(db, embedder, folder, by="import", progress=show, changed=_audit)
    for sentence in (*report.conflicts, *report.errors, *report.skipped):
        console.print(sentence)
    if report.removed:
        console.print(f"No file any more, still published: {', '.join(report.removed)}.")
    if not quiet:
        counts = f"{len(report.created)} new, {len(report.updated)} changed, {len(report.unchanged)} as before"
        console.print(f"Articles: {counts}, {len(report.conflicts)} in conflict, {len(report.errors)} unreadable.")


async def _audit(session: Any, article: Any, action: str) -> None:
    """Who published an article is written down in the transaction that publishes it."""
    session.add(AuditEvent(actor="operator", action=f"article_{action}", article_id=article.id))


@app.command()
def evaluate(
    pack: Annotated[Path, typer.Argument(help="A folder with pack.json, questions.jsonl and articles.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the figures here.")] = None,
    claude: Annotated[
        bool, typer.Option("--claude", help="Also put the test questions to Claude. It costs money.")
    ] = False,
) -> None:
    """Measure search and decisions on a pack of labelled questions: fitted on `calibrate`, reported on both splits."""
    from service.evaluation import PackError, print_scorecard
    from service.evaluation import evaluate as run

    settings = load_settings()
    if claude and not settings.anthropic_api_key.get_secret_value():
        raise Refusal("--claude asks Claude, which wants a key. Set ANTHROPIC_API_KEY.")
    make = None
    if claude:
        from service.app import make_claude

        make = functools.partial(make_claude, settings)

    with progress_bar() as progress:
        task = progress.add_task("Reading the pack", total=None)

        def show(done: int, total: int, what: str = "") -> None:
            progress.update(task, completed=done, total=total, description=what or "Measuring")

        try:
            result = asyncio.run(run(pack, embedder=make_embedder(), progress=show, make_claude=make))
        except PackError as error:
            raise Refusal(str(error)) from None
    print_scorecard(result, console)
    if json_file:
        json_file.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        console.print(f"Written to {json_file}.")


@app.command()
def check(
    deep: Annotated[
        bool, typer.Option("--deep", help="Also try everything out: database, model, index, Claude's key (one call).")
    ] = False,
) -> None:
    """Say in plain words what is configured, what is off, and which variable turns it on."""
    settings = load_settings()
    good = asyncio.run(_check(settings))
    if deep:
        good = _say(_with_progress(lambda show: _check_deep(settings, show))) and good
    if not good:
        raise SystemExit(1)


async def _check(settings: Settings) -> bool:
    from service.app import build_channels
    from service.check import report

    return _say([each async for each in report(settings, build_channels(settings, os.environ), os.environ)])


async def _check_deep(settings: Settings, show: Any) -> list[tuple[bool | None, str]]:
    from service.deep import examine

    return [each async for each in examine(settings, make_embedder(), show)]


def _say(findings: list[tuple[bool | None, str]]) -> bool:
    """Print what was found; whether nothing must be mended."""
    for fine, sentence in findings:
        word = "[green]ok[/]   " if fine else "[yellow]off[/]  " if fine is None else "[red]bad[/]  "
        console.print(word + escape(sentence))
    return all(fine is not False for fine, _ in findings)


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The file to write, such as backup.zip.")],
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
) -> None:
    """Write everything there is to one file, also while the server runs: customers' data, logins and the secret key."""
    from service.backup import backup as run

    rows = _with_progress(lambda show: run(load_settings(), file, force=force, progress=show))
    console.print(f"{rows} rows and the secret key are in {file}, which only you may read. Keep it like the database.")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `firstline backup` wrote, from either kind of database.")],
    force: Annotated[bool, typer.Option("--force", help="Replace everything that is in the database.")] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Nothing ran since the backup: answer and send what is owed, as if never stopped."
        ),
    ] = False,
) -> None:
    """Put a backup into an empty database. What was owed then is left to people, unless it is to be resumed."""
    from service.restore import restore as run

    settings = load_settings()
    for sentence in _with_progress(lambda show: run(settings, file, force=force, resume=resume, progress=show)):
        console.print(sentence)


def _with_progress(run: Any) -> Any:
    """Do `run(show)`, show how far it is, and say its refusals in a sentence."""
    from service.archive import BackupError

    with progress_bar() as progress:
        task = progress.add_task("Starting", total=None)

        def show(done: int, total: int, what: str) -> None:
            progress.update(task, completed=done, total=total, description=what)

        try:
            return asyncio.run(run(show))
        except BackupError as error:
            raise Refusal(str(error)) from None


def make_embedder() -> Any:
    """The embedder; imported late, because importing it takes seconds that `firstline --help` need not take."""
    from knowledge.embedder import Embedder

    return Embedder()


def keep() -> None:
    """What is loaded by now stays for good: the collector need not go through all of it again and again."""
    gc.collect()
    gc.freeze()


def free_port(wanted: int) -> int:
    """`wanted`, or the next port that nobody listens on."""
    for port in range(wanted, wanted + 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise Refusal(f"The ports {wanted} to {wanted + 99} are all taken. Set PORT to a free one.")


def progress_bar() -> Progress:
    """Progress of long work, on standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def main() -> None:
    """Run the command; what goes wrong is said in a sentence."""
    try:
        app()
    except (Refusal, traces.Unusable) as refusal:
        console.print(str(refusal))
        sys.exit(2)
    except (SQLAlchemyError, OSError) as error:
        if isinstance(error, SQLAlchemyError) or getattr(error, "errno", None):
            console.print(f"The database or a file could not be reached: {getattr(error, 'orig', None) or error}")
            console.print("`firstline check` tells what is configured.")
            sys.exit(1)
        raise


if __name__ == "__main__":
    main()
