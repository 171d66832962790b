"""What `serve --demo` prepares: a sample company, its help centre, a login and a port."""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlmodel import select

from channels import CHANNELS
from service.command import Refusal
from service.db import Database
from service.ingesting import ingest_folder
from service.models import Staff
from service.staff import made_password
from service.staff_commands import add_member

SAMPLES = Path(__file__).parent.parent / "knowledge" / "samples"
COMPANY = "Pellworth"
#: A demo's time can be moved on by days; whoever does it does not want to be signed out by that.
SESSION_HOURS = 24 * 30
MEMBER = ("Ana Keane", "ana@pellworth.example")


def demo_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` with what lets channels run without an account; not for a channel that has a setting of its own."""
    made = dict(environ)
    for channel in CHANNELS:
        wanted = channel.demo_environ()
        if not any(environ.get(name) for name in wanted):
            made.update(wanted)
    return made


async def prepare_demo(db: Database, embedder: Any) -> tuple[str, str] | None:
    """The sample help centre and, at the very first start, a login."""
    await ingest_folder(db, embedder, SAMPLES / "articles", quiet=True)
    async with db.read() as session:
        if (await session.exec(select(Staff.id).limit(1))).first() is not None:
            return None
    name, email = MEMBER
    password = made_password()
    await add_member(db, name, email, "admin", password)
    return email, password


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
