"""Processes of one benchmark: started with a place's settings, ended with the benchmark."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from benchmarks.cluster import Place

_STOP_S = 15.0
_BEGIN_S = 60.0


class Processes:
    """What each says goes to a file of its name in the folder."""

    def __init__(self, place: Place, folder: Path, until: ExitStack, settings: Mapping[str, str]) -> None:
        """`until`: they are ended with it, the last first. `settings`: variables beside those of the place."""
        own = {f"SYNCLINE_{setting.upper()}": value for setting, value in asdict(place).items()}
        self._environment = {**os.environ, **own, **settings}
        self._folder = folder
        self._until = until
        self._running: dict[str, subprocess.Popen[str]] = {}

    def start(self, name: str, module: str, *arguments: str, piped: bool = False) -> None:
        """`python -m MODULE ARGUMENTS`; one that is `piped` has begun when this returns, and ends with its input."""
        said = self._until.enter_context((self._folder / f"{name}.log").open("w"))
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env=self._environment,
            stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
            stdout=subprocess.PIPE if piped else said,
            stderr=said,
            text=True,
        )
        self._running[name] = process
        self._until.callback(self._end, process)
        if piped and process.stdout is not None and process.stdout.readline().strip() != "begun":
            raise RuntimeError(f"{name} did not begin:\n{self.said_by(name)}")

    def finish(self, name: str) -> str:
        """End the input of one that is piped, and wait; what it printed."""
        process = self._running[name]
        printed, _ = process.communicate(timeout=_BEGIN_S)
        if process.returncode:
            raise RuntimeError(f"{name} ended with code {process.returncode}:\n{self.said_by(name)}")
        return printed

    def require_running(self) -> None:
        """All but those that were told to end.

        Raises:
            RuntimeError: one has ended by itself; the message carries what it said.
        """
        for name, process in self._running.items():
            if process.poll():
                raise RuntimeError(f"{name} ended with code {process.returncode}:\n{self.said_by(name)}")

    def said_by(self, name: str) -> str:
        """The end of what it said."""
        return (self._folder / f"{name}.log").read_text()[-4_000:]

    @staticmethod
    def _end(process: subprocess.Popen[str]) -> None:
        if process.poll() is None:
            process.terminate()
            try:
                process.communicate(timeout=_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()


def end_of_input() -> threading.Event:
    """In a process that is piped: set once its input has ended, and with it its work."""
    ended = threading.Event()

    def watch() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=watch, name="bench-input", daemon=True).start()
    return ended


def as_json(place: Place) -> str:
    """A place as an argument."""
    return json.dumps(asdict(place))
