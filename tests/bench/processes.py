"""The processes that are measured, and what they have used: our server, PostgreSQL, and those that take commands."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.cluster import Cluster, free_port

ROOT = Path(__file__).parent.parent.parent
TICK = os.sysconf("SC_CLK_TCK")
#: Seconds for a server to be ready: loading the model is the longest of it.
READY_SECONDS = 240.0


class BenchError(Exception):
    """Why nothing can be measured, as a sentence."""


def cpu(pid: int, *, family: bool = False) -> float:
    """Seconds of CPU that a process has used in all its threads; `family`: with its children, gone ones too."""
    try:
        # After the name, which may hold anything: see proc(5), of which these are fields 14 to 17.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    used = sum(map(int, fields[11:15] if family else fields[11:13])) / TICK
    return used + sum(cpu(child) for child in children(pid)) if family else used


def children(pid: int) -> list[int]:
    found = []
    for each in Path("/proc").iterdir():
        if each.name.isdecimal():
            try:
                if int((each / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                    found.append(int(each.name))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


class Commanded:
    """A process that reads a JSON object a line and answers each with one."""

    def __init__(self, module: str, home: Path, environ: dict[str, str]) -> None:
        self.name = module
        self.process = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=home,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **command: Any) -> dict[str, Any]:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return self.hear()

    def hear(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise BenchError(f"{self.name} ended before it had measured anything; what it said is above.")
        return json.loads(line)

    def stop(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(timeout=20)


class Server:
    """A web server as a process of its own, which is up when `ready` answers with 200."""

    def __init__(self, command: Sequence[str], environ: dict[str, str], home: Path, port: int, ready: str) -> None:
        self.url, log = f"http://127.0.0.1:{port}", home / f"{port}.log"
        with log.open("a") as file:
            self.process = subprocess.Popen(command, cwd=home, env=environ, stdout=file, stderr=file)
        deadline = time.monotonic() + READY_SECONDS
        while not answers(f"{self.url}{ready}"):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise BenchError(f"A server that was to be measured did not start: {log.read_text()[-1500:]}")
            time.sleep(0.1)

    def cpu(self) -> float:
        return cpu(self.process.pid)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status == 200
    except OSError:
        return False


def fetch(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as response:
        return json.loads(response.read())


class Postgres:
    """PostgreSQL as an operator would run it: its commits reach the disk."""

    def __init__(self) -> None:
        # Below /tmp: it runs as a user of its own, who must be able to get there.
        self.directory = Path("/tmp") / f"firstline-bench-{uuid.uuid4().hex[:8]}"
        self.cluster = Cluster(self.directory, durable=True)
        self.pid = int((self.cluster.data / "postmaster.pid").read_text().split()[0])

    def cpu(self) -> float:
        return cpu(self.pid, family=True)

    def stop(self) -> None:
        self.cluster.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


def environ_of(home: Path, **settings: str) -> dict[str, str]:
    """An environment in which nothing of the caller's settings is left, neither here nor in a `.env`."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return kept | {"PYTHONPATH": str(ROOT), "DATA_DIR": str(home / "data"), **settings}


def ingest(articles: Path, home: Path, environ: dict[str, str]) -> None:
    command = [sys.executable, "-m", "service", "ingest", str(articles)]
    done = subprocess.run(command, cwd=home, env=environ, capture_output=True, text=True)
    if done.returncode:
        raise BenchError(f"The articles could not be taken in: {done.stdout or done.stderr}")


def serve(home: Path, environ: dict[str, str]) -> Server:
    """Our server, ready to answer."""
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.serve", "serve", "--port", str(port)]
    return Server(command, environ, home, port, "/readyz")


def start_stand_in(home: Path, environ: dict[str, str]) -> Server:
    """Claude's API, answering at once."""
    port = free_port()
    return Server([sys.executable, "-m", "tests.bench.claude", str(port)], environ, home, port, "/calls")
