"""A PostgreSQL server of the tests' own."""

import asyncio
import os
import shutil
import socket
import subprocess
import threading
import uuid
from pathlib import Path

import asyncpg


def postgres_program(name: str) -> str | None:
    """initdb and friends: on the PATH, or where Debian puts them."""
    found = shutil.which(name)
    return found or next((str(path) for path in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))), None)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Cluster:
    """A PostgreSQL server on a free port of loopback, gone with the tests. `durable`: as careful as in earnest."""

    def __init__(self, directory: Path, *, durable: bool = False) -> None:
        # PostgreSQL refuses to run as root.
        self.user = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
        self.data, self.port = directory / "data", free_port()
        directory.mkdir(parents=True, exist_ok=True)
        if self.user:
            shutil.chown(directory, "postgres", "postgres")
        self.run("initdb", "-D", str(self.data), "-U", "firstline", "--auth=trust", "--no-sync", "-E", "UTF8")
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={directory}"
        options += "" if durable else " -c fsync=off -c full_page_writes=off -c autovacuum=off"
        self.run("pg_ctl", "-D", str(self.data), "-w", "-o", options, "-l", str(directory / "log"), "start")
        # One connection that makes and drops databases, in a thread of its own: a test's loop may be running here.
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._connection: asyncpg.Connection | None = None

    def run(self, program: str, *arguments: str) -> None:
        command = [str(postgres_program(program)), *arguments]
        environ = {**os.environ, "LC_ALL": "C.UTF-8"}
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", env=environ, **self.user)
        assert done.returncode == 0, done.stdout + done.stderr

    def url(self, name: str) -> str:
        return f"postgresql://firstline@127.0.0.1:{self.port}/{name}"

    def execute(self, statement: str) -> None:
        async def run() -> None:
            self._connection = self._connection or await asyncpg.connect(self.url("postgres"))
            await self._connection.execute(statement)

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(60)

    def make(self, template: str = "template1") -> str:
        """The URL of a new database, a copy of that one."""
        name = f"t{uuid.uuid4().hex[:12]}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return self.url(name)

    def drop(self, url: str) -> None:
        self.execute(f"DROP DATABASE {url.rsplit('/', 1)[-1]} WITH (FORCE)")

    def stop(self) -> None:
        self.run("pg_ctl", "-D", str(self.data), "-m", "immediate", "stop")
