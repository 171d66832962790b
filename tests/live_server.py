"""The running product as a process."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.cluster import free_port

ROOT = Path(__file__).parent.parent


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
