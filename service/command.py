"""What the commands share: settings, database and model for a command's length, progress, refusals in a sentence."""

import contextlib
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

from dotenv import dotenv_values
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from service import migrations
from service.db import Database
from service.settings import Settings

# The first lines a person reads must be there at once, also through a pipe.
console = Console(soft_wrap=True, highlight=False)


class Refusal(Exception):
    """A sentence for whoever typed the command."""


@contextlib.asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Database]:
    """The database at its newest schema, for a command's length."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    db = Database(settings.url)
    try:
        await migrations.upgrade(db)
        yield db
    finally:
        await db.close()


def load_settings(**overrides: Any) -> Settings:
    """The settings, or a refusal that names each variable that is wrong."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        wrong = "; ".join(
            f"{str(each['loc'][0]).upper()}: {each['msg'].removeprefix('Value error, ')}" for each in error.errors()
        )
        raise Refusal(f"Some settings cannot be used. {wrong}.") from None


def environ() -> Mapping[str, str]:
    """What channels read their own settings from: `.env` and the environment, which counts more."""
    return {**{name: value or "" for name, value in dotenv_values(".env").items()}, **os.environ}


def make_embedder() -> Any:
    """The embedder; imported late, because importing it takes seconds that `firstline --help` need not take."""
    from knowledge.embedder import Embedder

    return Embedder()


@contextlib.contextmanager
def progress(start: str) -> Iterator[Callable[..., None]]:
    """`show(done, total, what)` of long work, on standard error; without its third argument what is done is `start`."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(start, total=None)

        def show(done: int, total: int, what: str = "") -> None:
            bar.update(task, completed=done, total=total, description=what or start)

        yield show
