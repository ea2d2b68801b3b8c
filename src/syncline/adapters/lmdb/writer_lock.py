"""The one writer of a store."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from syncline.adapters.lmdb.faults import explain_os
from syncline.errors import StoreBusy

if TYPE_CHECKING:
    from pathlib import Path


class WriterLock:
    """Held by the one process that writes a store; the kernel lets go of it when that process dies.

    LMDB itself would let a second writer wait, and then take turns: two agents on one store.
    """

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, folder: Path) -> WriterLock:
        """Take the lock, or say who has it.

        Raises:
            StoreBusy: it is taken, by another process or by this one.
            StoreFull: no room for the lock file.
            StoreError: the lock file cannot be opened.
        """
        path = folder / "writer.lock"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise explain_os(error, folder) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 20).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise StoreBusy(
                f"{folder} is written by process {holder}: stop it, or give this one a folder of its own"
            ) from error
        try:
            # The number is for people only, so a disk too full to take it is no reason to stop.
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
        except OSError:
            pass
        return cls(descriptor)

    def close(self) -> None:
        """Let go. Idempotent. In a forked child this leaves the parent's hold as it is."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
