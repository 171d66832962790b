"""The `firstline` command: serve, work, ingest, evaluate, check, backup, restore, staff, and what channels add."""

import asyncio
import functools
import gc
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import uvicorn
from rich.markup import escape
from sqlalchemy.exc import SQLAlchemyError

from channels import CHANNELS
from channels.base import Clock
from service import migrations, traces
from service.backup_commands import backup, restore
from service.command import Refusal, console, environ, load_settings, make_embedder, open_database, progress
from service.demo import COMPANY, SESSION_HOURS, demo_environ, free_port, prepare_demo
from service.ingesting import ingest_folder
from service.logs import set_up_logs
from service.settings import Settings
from service.staff_commands import staff_app

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
            settings.company_name = COMPANY
        if "session_hours" not in settings.model_fields_set:
            settings.session_hours = SESSION_HOURS
    set_up_logs(settings)
    asyncio.run(_serve(settings, demo))


async def _serve(settings: Settings, demo: bool) -> None:
    from service.app import build_channels, build_context, create_app, stop

    console.print("Firstline is starting: loading the language model takes a few seconds.")
    embedder = make_embedder()
    clock = Clock()  # real, unless somebody moves it on at a page of the demo
    channels = build_channels(settings, demo_environ(environ()) if demo else environ(), clock)
    context = build_context(settings, channels, embedder, clock=clock, spans=traces.make_provider(os.environ))
    await migrations.upgrade(context.db)
    login = await prepare_demo(context.db, embedder) if demo else None
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

    channels = build_channels(settings, environ())
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
            await ingest_folder(db, make_embedder(), folder, quiet=False)

    asyncio.run(run())


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

    with progress("Reading the pack") as show:
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
        bool,
        typer.Option("--deep", help="Also try everything out: database, model, index, mail servers, Claude."),
    ] = False,
) -> None:
    """Say in plain words what is configured, what is off, and which variable turns it on."""
    settings = load_settings()
    good = asyncio.run(_check(settings))
    if deep:
        with progress("Starting") as show:
            findings = asyncio.run(_check_deep(settings, show))
        good = _say(findings) and good
    if not good:
        raise SystemExit(1)


async def _check(settings: Settings) -> bool:
    from service.app import build_channels
    from service.check import report

    return _say([each async for each in report(settings, build_channels(settings, environ()), os.environ)])


async def _check_deep(settings: Settings, show: Any) -> list[tuple[bool | None, str]]:
    from service.app import build_channels
    from service.deep import examine

    channels = build_channels(settings, environ()).values()
    return [each async for each in examine(settings, make_embedder(), show, channels)]


def _say(findings: list[tuple[bool | None, str]]) -> bool:
    """Print what was found; whether nothing must be mended."""
    for fine, sentence in findings:
        word = "[green]ok[/]   " if fine else "[yellow]off[/]  " if fine is None else "[red]bad[/]  "
        console.print(word + escape(sentence))
    return all(fine is not False for fine, _ in findings)


app.command()(backup)
app.command()(restore)
for channel in CHANNELS:
    for command in channel.commands():
        app.command()(command)


def keep() -> None:
    """What is loaded by now stays for good: the collector need not go through all of it again and again."""
    gc.collect()
    gc.freeze()


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
