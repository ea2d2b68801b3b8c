"""Agents, a coordinator and commands in processes of their own: the very command lines that an operator would type."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from syncline.errors import SynclineError
from syncline.settings import ConnectionSettings

CONSUMER = "delay-predictor"
REPORT_INTERVAL_S = 0.5
_STOP_S = 5.0
_COMMAND_S = 180.0
_QUICKER = {"SYNCLINE_REPORT_INTERVAL_S": str(REPORT_INTERVAL_S)}
"""Nobody shall wait five seconds for a status here."""


class RoleProcess:
    """One `syncline agent` or `syncline coordinator`, with a log file of its own. Use as a context manager."""

    def __init__(
        self,
        settings: ConnectionSettings,
        *,
        name: str,
        arguments: tuple[str, ...],
        folder: Path,
        metrics: str = "",
    ) -> None:
        """`metrics` is where it serves /metrics; empty: nowhere."""
        self.name = name
        self.log_file = folder / f"{name.replace('/', '-')}.log"
        self._settings = settings
        self._arguments = arguments
        self._metrics = metrics
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start the process."""
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-m", "syncline", *self._arguments],
                env=_environment(self._settings, {**_QUICKER, "SYNCLINE_METRICS": self._metrics}),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        return self

    def require_running(self) -> None:
        """Raise if the process has ended by itself.

        Raises:
            SynclineError: it has; the message carries the end of its log.
        """
        if self._process is not None and self._process.poll() is not None:
            tail = "\n".join(self.log_file.read_text("utf-8", "replace").splitlines()[-8:])
            raise SynclineError(f"{self.name} ended with code {self._process.returncode}:\n{tail}")

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


@dataclass(frozen=True, slots=True)
class Replica:
    """One replica of the service: its agent, and the store that its model reads."""

    process: RoleProcess
    store: Path

    @classmethod
    def of(cls, settings: ConnectionSettings, *, instance: str, folder: Path, metrics: str = "") -> Replica:
        """Not started yet: enter its process."""
        store = folder / instance
        arguments = ("agent", "--subscription", CONSUMER, "--store", str(store), "--instance", instance)
        return cls(
            RoleProcess(
                settings,
                name=f"{CONSUMER}/{instance}",
                arguments=arguments,
                folder=folder,
                metrics=metrics,
            ),
            store,
        )

    @property
    def name(self) -> str:
        """As it reports itself: `delay-predictor/replica-1`."""
        return self.process.name

    @property
    def instance(self) -> str:
        """`replica-1`."""
        return self.store.name


def coordinator(settings: ConnectionSettings, *, folder: Path, metrics: str = "") -> RoleProcess:
    """The coordinator, not started yet."""
    return RoleProcess(
        settings,
        name="coordinator",
        arguments=("coordinator", "--name", "demo"),
        folder=folder,
        metrics=metrics,
    )


def run_command(settings: ConnectionSettings, *arguments: str) -> str:
    """What `syncline …` prints.

    Raises:
        SynclineError: it failed; the message carries what it said.
    """
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "syncline", *arguments],
        env=_environment(settings, {"NO_COLOR": "1", "COLUMNS": "150"}),
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=_COMMAND_S,
        check=False,
    )
    said = done.stdout.decode("utf-8", "replace")
    if done.returncode:
        told = f"{said}{done.stderr.decode('utf-8', 'replace')}".strip()
        raise SynclineError(f"syncline {' '.join(arguments)} ended with code {done.returncode}:\n{told}")
    return said


def _environment(settings: ConnectionSettings, more: Mapping[str, str]) -> dict[str, str]:
    return {
        **os.environ,
        "SYNCLINE_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
        "SYNCLINE_REGISTRY_URL": settings.registry_url,
        "SYNCLINE_PREFIX": settings.prefix,
        **more,
    }
