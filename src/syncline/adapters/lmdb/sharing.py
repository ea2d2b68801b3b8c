"""Which environments this process has open. LMDB's rule is one per process, so this is per process too."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from syncline.adapters.lmdb.data_file import DATA
from syncline.adapters.lmdb.environment import Environment
from syncline.errors import StoreBusy, StoreError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path


class Sharing:
    """Hands out environments by the identity of their data file, and counts who has them.

    Opening the files twice in one process would silently share and then drop LMDB's locks.
    """

    def __init__(self) -> None:
        self._open: dict[tuple[int, int], Environment] = {}
        self._lock = threading.Lock()
        self._stuck: set[tuple[int, int]] = set()
        """Forked in the middle of a read: cannot be closed here without harm, nor opened twice."""
        self._quiet: list[tuple[Environment, AbstractContextManager[None]]] = []

    def take(self, folder: Path, *, writable: bool, map_bytes: int) -> Environment:
        """The environment of the folder's files, opened if it was not; `give_back` it."""
        with self._lock:
            key = _identity(folder)
            environment = self._open.get(key) if key else None
            if key in self._stuck:
                raise StoreError(
                    f"{folder}: this process was forked in the middle of a read: fork between reads"
                )
            if environment is None:
                environment = Environment(folder, writable=writable, map_bytes=map_bytes)
                key = _identity(folder)
                assert key is not None
                self._open[key] = environment
            environment.references += 1
            return environment

    def give_back(self, environment: Environment) -> None:
        """One user less; the last one closes it."""
        if environment.inherited:
            return
        with self._lock:
            environment.references -= 1
            if environment.references:
                return
            self._open = {key: value for key, value in self._open.items() if value is not environment}
            environment.close()

    def before_fork(self) -> None:
        """Let reads and commits end: a child closing LMDB under one would free its parent's reader slot."""
        self._lock.acquire()
        for environment in self._open.values():
            environment.commits.acquire()
            alone = environment.alone(wait_s=2.0)
            try:
                alone.__enter__()
            except StoreBusy:
                continue
            self._quiet.append((environment, alone))

    def after_fork_in_parent(self) -> None:
        """Go on."""
        for _, alone in self._quiet:
            alone.__exit__(None, None, None)
        self._quiet.clear()
        for environment in self._open.values():
            environment.commits.release()
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Nothing of the parent's may be used here; what can be closed is, so that it opens its own."""
        for environment in self._open.values():
            environment.inherited = True
            if environment.writer_lock is not None:
                environment.writer_lock.close()
        for environment, _ in self._quiet:
            environment.close()
        quiet = {id(environment) for environment, _ in self._quiet}
        self._stuck.update(key for key, environment in self._open.items() if id(environment) not in quiet)
        self._open = {}
        self._quiet = []
        self._lock = threading.Lock()


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = (folder / DATA).stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


SHARING = Sharing()
os.register_at_fork(
    before=SHARING.before_fork,
    after_in_parent=SHARING.after_fork_in_parent,
    after_in_child=SHARING.after_fork_in_child,
)
