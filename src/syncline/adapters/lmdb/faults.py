"""What LMDB's errors mean to whoever uses the store."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import lmdb

from syncline.errors import StoreCorrupt, StoreError, StoreFull, StoreMissing

if TYPE_CHECKING:
    from pathlib import Path


def explain(error: lmdb.Error, folder: Path) -> StoreError:
    """The error of ours that says what LMDB's means here, and what to do."""
    kind: type[StoreError] = StoreError
    match error:
        case lmdb.MapFullError():
            kind, reason = StoreFull, "the map is full; nothing was written: raise map_bytes_max"
        case _ if _disk_full(error, folder):
            kind, reason = StoreFull, "the disk is full; nothing was written: make room, then try again"
        case (
            lmdb.CorruptedError()
            | lmdb.PageNotFoundError()
            | lmdb.InvalidError()
            | lmdb.VersionMismatchError()
        ):
            kind = StoreCorrupt
            reason = f"not what was written ({error}): delete the folder; a new agent fills it again"
        case lmdb.Error(code=errno.ENOENT):
            kind, reason = StoreMissing, "there is no store: start its agent, which creates it"
        case lmdb.ReadersFullError():
            reason = "too many snapshots are open at once: close some, or read from fewer threads"
        case lmdb.LockError():
            reason = (
                f"cannot be locked ({error}): processes of different PID namespaces cannot share a store; "
                "share the namespace, or read over HTTP"
            )
        case _:
            reason = f"{error}: close the store and open it again"
    return kind(f"{folder}: {reason}")


def explain_os(error: OSError, folder: Path) -> StoreError:
    """The same for what the operating system says about the files."""
    if error.errno in _NO_ROOM:
        return StoreFull(f"{folder}: the disk is full; nothing was written: make room, then try again")
    return StoreError(
        f"{folder} cannot be opened ({error.strerror}): its files must be readable, and lock.mdb writable"
    )


def _disk_full(error: lmdb.Error, folder: Path) -> bool:
    if error.code in _NO_ROOM:
        return True
    if error.code != errno.EIO:
        return False
    # LMDB calls a short write an I/O error, and does not look for the reason.
    room = os.statvfs(folder)
    return room.f_bavail * room.f_frsize < _ROOM_BYTES_MIN


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_ROOM_BYTES_MIN = 1 << 20
