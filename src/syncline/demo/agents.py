"""Agents in processes of their own, as a demo runs them: the very command that an operator would type."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from syncline.errors import SynclineError
from syncline.settings import ConnectionSettings

CONSUMER = "delay-predictor"
_STOP_S = 5.0
REPORT_INTERVAL_S = 0.5


class AgentProcess:
    """One `syncline agent` with a store and a log file of its own. Use as a context manager."""

    def __init__(self, settings: ConnectionSettings, *, instance: str, folder: Path) -> None:
        self.name = f"{CONSUMER}/{instance}"
        self.store = folder / instance
        self.log_file = folder / f"{instance}.log"
        self._settings = settings
        self._instance = instance
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start the process."""
        environment = {
            **os.environ,
            "SYNCLINE_BOOTSTRAP_SERVERS": self._settings.bootstrap_servers,
            "SYNCLINE_REGISTRY_URL": self._settings.registry_url,
            "SYNCLINE_PREFIX": self._settings.prefix,
            "SYNCLINE_REPORT_INTERVAL_S": str(REPORT_INTERVAL_S),
        }
        command = [sys.executable, "-m", "syncline", "agent", "--subscription", CONSUMER]
        command += ["--store", str(self.store), "--instance", self._instance]
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        return self

    def require_running(self) -> None:
        """Raise if the process has ended by itself.

        Raises:
            SynclineError: it has; the message carries the end of its log.
        """
        if self._process is not None and self._process.poll() is not None:
            tail = "\n".join(self.log_file.read_text("utf-8", "replace").splitlines()[-8:])
            raise SynclineError(f"agent {self.name} ended with code {self._process.returncode}:\n{tail}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ask it to end, and end it if it does not."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
