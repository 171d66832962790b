"""`firstline backup` and `firstline restore`."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from service.command import Refusal, console, load_settings, progress


def backup(
    file: Annotated[Path, typer.Argument(help="The file to write, such as backup.zip.")],
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
) -> None:
    """Write everything there is to one file, also while the server runs: customers' data, logins and the secret key."""
    from service.backup import backup as run

    settings = load_settings()
    with refusals(), progress("Starting") as show:
        rows = asyncio.run(run(settings, file, force=force, progress=show))
    console.print(f"{rows} rows and the secret key are in {file}, which only you may read. Keep it like the database.")


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
    with refusals(), progress("Starting") as show:
        done = asyncio.run(run(settings, file, force=force, resume=resume, progress=show))
    for sentence in done:
        console.print(sentence)


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """What cannot be backed up or restored is said in its sentence."""
    from service.archive import BackupError

    try:
        yield
    except BackupError as error:
        raise Refusal(str(error)) from None
