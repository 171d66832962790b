"""The running product as a process."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from service.db import Database
from service.settings import Settings
from service.staff_commands import add_member
from tests import ROOT
from tests.apart import apart
from tests.cluster import free_port
from tests.forked import Forked


class LiveServer:
    """`firstline serve --demo` as a process. `stock`: articles that are there; `root`: a copy of the product, which is
    started as a person would start it, while ours is forked to spare the imports."""

    def __init__(self, data_dir: Path, root: Path = ROOT, *, stock: Path | None = None, **environ: str) -> None:
        self.data_dir, self.root, self.port = data_dir, root, free_port()
        if stock is not None:
            data_dir.mkdir(parents=True)
            shutil.copy(stock, data_dir / "firstline.db")
        self.environ = {**os.environ, "DATA_DIR": str(data_dir), "PORT": str(self.port), **environ}
        self.url = self.staff_email = self.staff_password = ""
        self.said, self.log = data_dir.with_suffix(".out"), data_dir.with_suffix(".log")
        self.process: subprocess.Popen[bytes] | Forked | None = None
        self.start()

    @property
    def lines(self) -> list[str]:
        """What it printed since it was started last."""
        return self.said.read_text().splitlines()

    def start(self) -> None:
        self.said.write_text("")
        if self.root == ROOT:
            self.process = Forked(
                "service.__main__", "serve", "--demo", environ=self.environ, stdout=self.said, stderr=self.log
            )
        else:
            command = [sys.executable, "-m", "service", "serve", "--demo"]
            with self.said.open("ab") as stdout, self.log.open("ab") as stderr:
                self.process = subprocess.Popen(command, cwd=self.root, env=self.environ, stdout=stdout, stderr=stderr)
        deadline = time.monotonic() + 180
        while not any(line.startswith("Press Ctrl+C") for line in self.lines):
            assert self.process.poll() is None, f"the server ended: {self.lines} {self.log.read_text()}"
            if time.monotonic() > deadline:
                self.process.kill()  # nobody else would
                raise AssertionError(f"the server did not start: {self.lines}")
            time.sleep(0.05)
        first = next(line for line in self.lines if "http://" in line)
        self.url = re.search(r"http://[^/\s]+", first).group()
        login = next((line for line in self.lines if line.startswith("Staff login:") and "password" in line), "")
        if found := re.search(r"login: (\S+)\s+password: (\S+)", login):
            self.staff_email, self.staff_password = found.groups()

    def hire(self, name: str, email: str, role: str, password: str) -> None:
        """What `firstline staff add` does, without starting a process for it."""

        async def add() -> None:
            db = Database(Settings(data_dir=self.data_dir, _env_file=None).url)
            await add_member(db, name, email, role, password)
            await db.close()

        apart(add)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> float:
        """Seconds it took to end."""
        began = time.monotonic()
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(timeout=30)
        return time.monotonic() - began
