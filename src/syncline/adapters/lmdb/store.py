"""The store on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import lmdb

from syncline.adapters.lmdb.data_file import DATA
from syncline.adapters.lmdb.databases import bring_up_to_date
from syncline.adapters.lmdb.faults import explain
from syncline.adapters.lmdb.sharing import SHARING
from syncline.adapters.lmdb.snapshot import LmdbSnapshot
from syncline.adapters.lmdb.transaction import clear_all, forget_all, names_needed, write_all
from syncline.adapters.lmdb.writer_lock import WriterLock
from syncline.errors import StoreError, StoreMissing
from syncline.ports.store import check_commit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Self

    from syncline.adapters.lmdb.environment import Environment
    from syncline.state.partition import PartitionWrite

MAP_BYTES = 4 << 30
"""Address space, not memory or disk; large, because growing has to wait for this process's reads to end."""
MAP_BYTES_MAX = 1 << 40


class LmdbStore:
    """Keeps the state in a folder: each commit is one LMDB transaction, on disk when `commit` returns (P3).

    One process writes; any number of processes and threads read. Stores on one folder in one process share
    what is below them. After a fork, a child's reader goes on by itself; its writer refuses. No NFS.
    """

    def __init__(
        self, folder: Path, environment: Environment, *, writer_lock: WriterLock | None, map_bytes_max: int
    ) -> None:
        self._folder = folder
        self._environment: Environment | None = environment
        self._writer_lock = writer_lock
        self._writes = writer_lock is not None
        self._map_bytes_max = map_bytes_max

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        create: bool = False,
        read_only: bool = False,
        map_bytes: int = MAP_BYTES,
        map_bytes_max: int = MAP_BYTES_MAX,
    ) -> Self:
        """Open the folder's store, to write it or `read_only`; `create` makes what is missing (folder: 0700).

        `map_bytes` is how large the store may grow at first, in bytes; it doubles up to `map_bytes_max`. A store of an
        older layout is read as it is; opened to be written, it becomes one that older Synclines refuse.

        Raises:
            StoreMissing: there is none, and `create` was not asked for.
            StoreBusy: it is being written already.
            StoreCorrupt: it is cut off, none of ours, or of another layout.
            StoreFull: no room to create it, or to mark it as one of today's layout.
            StoreError: it cannot be opened; the message says why.
        """
        folder = Path(path)
        if read_only and create:
            raise StoreError("a reader cannot create a store: leave out create, or read_only")
        if not create and not _has_data(folder):
            raise StoreMissing(f"there is no store at {folder}: start its agent, which creates it")
        if read_only:
            environment = SHARING.take(folder, writable=False, map_bytes=map_bytes)
            return cls(folder, environment, writer_lock=None, map_bytes_max=map_bytes_max)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{folder} cannot be made ({error.strerror}): give another folder") from error
        lock = WriterLock.take(folder)
        try:
            environment = SHARING.take(folder, writable=True, map_bytes=map_bytes)
            try:
                environment.use_for_writing(lock, map_bytes)
                store = cls(folder, environment, writer_lock=lock, map_bytes_max=map_bytes_max)
                with environment.commits:
                    store._growing(environment, lambda: bring_up_to_date(environment.handles))
            except BaseException as error:
                SHARING.give_back(environment)
                if isinstance(error, lmdb.Error):
                    raise explain(error, folder) from error
                raise
        except BaseException:
            lock.close()
            raise
        return store

    def snapshot(self) -> LmdbSnapshot:
        """See `Store.snapshot`."""
        environment = self._environment
        if environment is None or environment.inherited:
            environment = self._renewed()
        return LmdbSnapshot(environment)

    def commit(
        self, writes: Sequence[PartitionWrite], meta: Mapping[str, bytes | None] | None = None
    ) -> None:
        """See `Store.commit`."""
        meta = meta or {}
        check_commit(writes, meta)
        environment = self._to_write()
        if not writes and not meta:
            return
        with environment.commits:
            environment.make_room(names_needed(writes) - environment.handles.names())
            self._growing(
                environment, lambda: environment.adopt(write_all(environment.handles, writes, meta))
            )

    def clear(self, meta: Mapping[str, bytes | None] | None = None) -> None:
        """See `Store.clear`."""
        meta = meta or {}
        check_commit((), meta)
        environment = self._to_write()
        with environment.commits:
            self._growing(environment, lambda: clear_all(environment.handles, meta))

    def forget(
        self, places: Sequence[tuple[str, int]], meta: Mapping[str, bytes | None] | None = None
    ) -> None:
        """See `Store.forget`."""
        meta = meta or {}
        check_commit((), meta)
        environment = self._to_write()
        if places or meta:
            with environment.commits:
                self._growing(environment, lambda: forget_all(environment.handles, places, meta))

    def close(self) -> None:
        """See `Store.close`."""
        environment, self._environment = self._environment, None
        if environment is None:
            return
        if self._writer_lock is not None and not environment.inherited:
            environment.writer_lock = None
        SHARING.give_back(environment)
        if self._writer_lock is not None:
            # Last: the next writer must find LMDB closed, or at least idle.
            self._writer_lock.close()

    def _to_write(self) -> Environment:
        environment = self._environment
        if environment is None or environment.inherited:
            environment = self._renewed()
        if not self._writes:
            raise StoreError(f"{self._folder} was opened to read only: only its agent writes it")
        return environment

    def _growing(self, environment: Environment, change: Callable[[], None]) -> None:
        """Make the change, in a larger map if this one is full; `commits` is held."""
        while True:
            try:
                change()
            except lmdb.MapFullError:
                environment.grow(self._map_bytes_max)
            except lmdb.Error as error:
                raise explain(error, self._folder) from error
            else:
                return

    def _renewed(self) -> Environment:
        """In a forked child: a reader's own environment."""
        if self._environment is None:
            raise StoreError(f"the store at {self._folder} was closed: open it again")
        if self._writes:
            raise StoreError(
                f"{self._folder} is written by the process that this one was forked from: "
                "open it read_only here, or open it for writing after the fork only"
            )
        self._environment = SHARING.take(self._folder, writable=False, map_bytes=0)
        return self._environment


def _has_data(folder: Path) -> bool:
    try:
        return (folder / DATA).stat().st_size > 0
    except OSError:
        return False
