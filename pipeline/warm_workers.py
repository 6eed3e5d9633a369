"""Workers that begin at once, because a process beside has imported torch and transformers already.

The import takes more than seven seconds of a processor, and most of a chain's twenty workers need it. The process
(`pipeline.warm_server`) says `ready`; to each line `{"step": FILE, "log": FILE}` it answers with the number of the
process that it forked, and with its exit status when that ends, negative for a signal. It ends when its stdin does, but
not before its worker; were it killed, the worker would end with it.
"""

import json
import os
import select
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from pipeline.provenance import ROOT


class WarmWorker:
    """A worker that the server has forked, with what of `subprocess.Popen` its user needs."""

    def __init__(self, number: int, server: subprocess.Popen[bytes]) -> None:
        self.pid = number
        self.returncode: int | None = None
        self._server = server

    def poll(self) -> int | None:
        """Return the exit status, None while it runs."""
        answers = _pipe(self._server.stdout)
        if self.returncode is None and select.select([answers], [], [], 0)[0]:
            answer = answers.readline()
            self.returncode = int(answer) if answer else self._server.wait()  # killed, and the worker with it
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        # No look at the answers: this may interrupt `poll` on its way to read one, which then came to nobody.
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


class WarmWorkers:
    """The process that forks workers, begun with the first that is asked for; to be used in `with`.

    One worker at a time.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._server: subprocess.Popen[bytes] | None = None
        self._imported = False

    def is_ready(self, seconds: float | None = None) -> bool:
        """Whether `start` returns at once; begin the process where there is none, and wait for it, at most so long."""
        server = self._begun()
        answers = _pipe(server.stdout)
        if not self._imported and select.select([answers], [], [], seconds)[0]:
            self._imported = True
            if not answers.readline():
                server.wait()
        return self._imported

    def start(self, step: Path, log: Path) -> WarmWorker | None:
        """Start a worker for a step's file; None where the process is not there, as without torch."""
        self.is_ready()
        server = self._begun()
        if server.poll() is not None:
            return None
        try:
            _pipe(server.stdin).write(json.dumps({"step": str(step), "log": str(log)}).encode() + b"\n")
        except BrokenPipeError:  # killed a moment ago
            return None
        number = _pipe(server.stdout).readline()
        return WarmWorker(int(number), server) if number else None

    def _begun(self) -> subprocess.Popen[bytes]:
        if self._server is None:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "pipeline.warm_server"],
                bufsize=0,  # what has been read ahead no `select` sees
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # a worker that starts in its place will say the same into its log
                env=self._environment,
                cwd=ROOT,
            )
        return self._server

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._server is not None:
            _pipe(self._server.stdin).close()
            _pipe(self._server.stdout).close()
            if not self._imported:  # it would see only after the import that nobody is there
                self._server.kill()
            self._server.wait()


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None, "the server was started with pipes"
    return stream
