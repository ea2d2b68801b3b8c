"""One server process: started, waited for, paused, stopped, killed, started again."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None
# The kernel sends the signal when the *thread* that made the child ends, so one thread that lives as long as
# this process makes them all: a test may start a server from a thread of its own.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="server-spawner")


class ServerError(RuntimeError):
    """A server did not come up; the message ends with the tail of its log."""


class Server:
    """A process with a log file and a question that tells whether it serves.

    `is_healthy` asks in the server's own protocol; it returns False or raises OSError while nothing answers.
    On Linux the process dies with this one, however this one ends.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        is_healthy: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self._command = list(command)
        self._is_healthy = is_healthy
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._paused = False

    @property
    def pid(self) -> int | None:
        """The process id, or None where it does not run."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self, *, timeout_s: float = 120.0) -> None:
        """Start it and return once it answers. A server that runs already is left alone.

        Raises:
            ServerError: it ended, or did not answer within `timeout_s`; it does not run afterwards.
        """
        if self.pid is not None:
            return
        self._process = _spawner.submit(self._spawn).result()
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise ServerError(f"{self.name} ended with {self._process.returncode}\n{self.tail()}")
            with contextlib.suppress(OSError):
                if self._is_healthy():
                    return
            time.sleep(0.05)
        self.kill()
        raise ServerError(f"{self.name} did not answer within {timeout_s:g} s\n{self.tail()}")

    def stop(self, *, timeout_s: float = 15.0) -> None:
        """End it in order (SIGTERM), or by force once `timeout_s` have passed. Idempotent."""
        if self.pid is None:
            return
        assert self._process is not None
        self.resume()
        self._process.terminate()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it now (SIGKILL), as a crash would. Idempotent."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._paused = False

    def pause(self) -> None:
        """Freeze it (SIGSTOP): its connections stay open and nothing answers."""
        if self.pid is not None:
            os.kill(self.pid, signal.SIGSTOP)
            self._paused = True

    def resume(self) -> None:
        """Undo `pause`."""
        if self.pid is not None and self._paused:
            os.kill(self.pid, signal.SIGCONT)
        self._paused = False

    def tail(self, lines: int = 40) -> str:
        """The end of its log."""
        if not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self._environment},
                start_new_session=True,  # a Ctrl-C is for us: we stop the servers in order
                preexec_fn=_die_with_parent if _libc else None,  # noqa: PLW1509 - it is one system call
            )


def _die_with_parent() -> None:
    assert _libc is not None
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
