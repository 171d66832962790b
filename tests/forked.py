"""Processes of the product that need not import it first.

To import it takes seconds of a processor, and the tests start it a hundred times. So one process imports everything,
does nothing else, and forks: what is forked has its own memory, environment and files, and SIGKILL is as final.
"""

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver, get_context
from pathlib import Path
from typing import Any

from tests import ROOT

_context: Any = get_context("forkserver")


class Forked:
    """`subprocess.Popen`, as far as the tests need it. `of`: a module whose `main()` reads `sys.argv`."""

    def __init__(
        self, of: str, *arguments: str, environ: Mapping[str, str], stdout: Path, stderr: Path, cwd: Path = ROOT
    ) -> None:
        _start()
        argv = [of, *arguments]
        self._process = _context.Process(
            target=_become, args=(argv, dict(environ), str(stdout), str(stderr), str(cwd)), daemon=True
        )
        self._process.start()

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout)
        return self.returncode

    def send_signal(self, which: signal.Signals) -> None:
        if self.returncode is None:
            os.kill(self._process.pid, which)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def firstline(*arguments: str, folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """The command to its end; what it prints passes through files of `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    stdout, stderr = (folder / f"{time.monotonic_ns()}.{name}" for name in ("out", "err"))
    process = Forked("service.__main__", *arguments, environ={**os.environ, **environ}, stdout=stdout, stderr=stderr)
    try:
        code = process.wait(timeout=100)
    finally:
        process.kill()
    done = subprocess.CompletedProcess(arguments, code, stdout.read_text(), stderr.read_text())
    stdout.unlink()
    stderr.unlink()
    return done


def _start() -> None:
    """Have the process that forks, which must find our packages."""
    if forkserver._forkserver._forkserver_pid is None:
        forkserver.set_forkserver_preload(["tests.forked_imports"])
        before = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = str(ROOT)
        forkserver.ensure_running()
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def _become(argv: Sequence[str], environ: Mapping[str, str], stdout: str, stderr: str, cwd: str) -> None:
    for descriptor, path in ((1, stdout), (2, stderr)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(file, descriptor)
        os.close(file)
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(cwd)
    sys.argv[:] = argv
    importlib.import_module(argv[0]).main()
