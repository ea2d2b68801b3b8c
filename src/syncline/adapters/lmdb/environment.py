"""One LMDB environment of this process, shared by all its stores on the same files."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, NamedTuple

import lmdb

from syncline.adapters.lmdb import databases, layout
from syncline.adapters.lmdb.data_file import DATA, check_size, reserve_lock_file
from syncline.adapters.lmdb.faults import explain, explain_os
from syncline.adapters.lmdb.handles import Handles
from syncline.errors import StoreBusy, StoreFull, StoreMissing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from syncline.adapters.lmdb.writer_lock import WriterLock


class Seen(NamedTuple):
    """What was learnt at one transaction, so that the next read at the same one need not ask again."""

    handles: Handles | None
    transaction: int
    generation: int


class Environment:
    """Opens, grows, upgrades and closes LMDB, and knows when that is safe.

    LMDB allows one environment per process and files, and forbids to remap or close it under an open
    transaction. So reads pass a gate (`begin`, `end`), and `alone` shuts it.
    """

    def __init__(self, folder: Path, *, writable: bool, map_bytes: int) -> None:
        self.folder = folder
        self.references = 0
        self.inherited = False
        """This process was forked from the one that opened it: nothing here may be used."""
        self.writer_lock: WriterLock | None = None
        self.commits = threading.Lock()
        """Held through a commit, and by whoever opens databases: LMDB wants one at a time."""
        self._gate = threading.Lock()
        self._gate_moved = threading.Condition(self._gate)
        self._shut = False
        self._passable = threading.Event()
        """Cleared by whoever wants to be alone, before it takes the gate: busy readers would never let it in."""
        self._passable.set()
        self._reading = 0
        self._writable = writable
        self._databases_max = _DATABASES_MIN
        self._seen = Seen(None, -1, 0)
        self.handles = self._open(map_bytes)

    def begin(self) -> tuple[lmdb.Transaction, Handles, int]:
        """A read transaction, the databases it may use, and the generation of meta.

        `end` must follow, after the transaction was aborted and let go of.
        """
        while True:
            if not self._passable.is_set():
                self._passable.wait(1.0)
            with self._gate:
                while self._shut:
                    self._gate_moved.wait()
                self._reading += 1
                handles = self.handles
            try:
                transaction = handles.environment.begin()
            except lmdb.MapResizedError:
                self.end()
                with self.alone():
                    self.handles.environment.set_mapsize(0)
                continue
            except lmdb.Error as error:
                self.end()
                raise explain(error, self.folder) from error
            now = transaction.id()
            seen = self._seen
            if seen.transaction == now and seen.handles is handles:
                return transaction, handles, seen.generation
            if transaction.stat()["entries"] <= handles.count:
                packed = transaction.get(layout.GENERATION_KEY, db=handles.fixed[layout.LAYOUT])
                self._seen = Seen(handles, now, layout.parse_count(packed))
                return transaction, handles, self._seen.generation
            transaction.abort()
            del transaction
            self.end()
            self._open_new(handles)

    def end(self) -> None:
        """A read that `begin` began is over."""
        if self.inherited:
            return
        with self._gate:
            self._reading -= 1
            if self._shut:
                self._gate_moved.notify_all()

    @contextlib.contextmanager
    def alone(self, wait_s: float = 10.0) -> Iterator[None]:
        """No read is open, and none begins, for as long as this lasts.

        Raises:
            StoreBusy: a snapshot stayed open for longer than `wait_s`.
        """
        self._passable.clear()
        with self._gate:
            self._gate_moved.wait_for(lambda: not self._shut)
            self._shut = True
            if not self._gate_moved.wait_for(lambda: not self._reading, wait_s):
                self._shut = False
                self._passable.set()
                self._gate_moved.notify_all()
                raise StoreBusy(
                    f"a snapshot of {self.folder} stays open in this process: close it, then try again"
                )
        try:
            yield
        finally:
            with self._gate:
                self._shut = False
                self._passable.set()
                self._gate_moved.notify_all()

    def use_for_writing(self, lock: WriterLock, map_bytes: int) -> None:
        """From now on this process is the writer, with the lock to prove it."""
        with self.commits:
            if not self._writable:
                with self.alone():
                    self._swap(writable=True, map_bytes=map_bytes)
            # Slots of readers that died would pin their pages for ever.
            self.handles.environment.reader_check()
            self.writer_lock = lock

    def grow(self, bytes_max: int) -> None:
        """Make a full map larger: twice as large, up to `bytes_max`.

        Raises:
            StoreFull: it is that large already, or a snapshot stays open in this process.
        """
        environment = self.handles.environment
        if environment.reader_check():
            return
        now = environment.info()["map_size"]
        if now >= bytes_max:
            raise StoreFull(
                f"{self.folder} has reached {bytes_max} bytes; nothing was written: raise map_bytes_max"
            )
        try:
            with self.alone():
                environment.set_mapsize(min(2 * now, bytes_max))
        except StoreBusy as error:
            raise StoreFull(f"the map must grow, but {error}; nothing was written") from error

    def make_room(self, names: set[bytes]) -> None:
        """See to it that these databases can be opened beside those there are; `commits` is held."""
        if self.handles.count + len(names) > self._databases_max:
            self._databases_max = 2 * (self.handles.count + len(names))
            with self.alone():
                self._swap(writable=True)

    def adopt(self, opened: Mapping[bytes, lmdb._Database]) -> None:
        """Let reads use the databases that a commit has made; `commits` is held."""
        if opened:
            self.handles = self.handles.extended(opened)

    def close(self) -> None:
        """Close LMDB; snapshots that are still open become errors."""
        self.handles.environment.close()

    def _open_new(self, known: Handles) -> None:
        """Open the databases that a writer has made since `known`: never inside a transaction in use."""
        with self.commits:
            if self.handles is not known:
                return
            count = known.environment.stat()["entries"]
            if self._writable or count > self._databases_max:
                # Without the writer's lock, a writable environment would take turns with the writer.
                with self.alone():
                    self._swap(writable=False)
                return
            new = sorted(set(databases.names_in(known.environment)) - known.names())
            self.handles = known.extended(
                {name: known.environment.open_db(name, create=False) for name in new}
            )

    def _swap(self, *, writable: bool, map_bytes: int = 0) -> None:
        map_bytes = max(map_bytes, self.handles.environment.info()["map_size"])
        self.handles.environment.close()
        self._writable = writable
        self.handles = self._open(map_bytes)

    def _open(self, map_bytes: int) -> Handles:
        exists = (self.folder / DATA).exists()
        if not exists and not self._writable:
            raise StoreMissing(f"there is no store at {self.folder}: start its agent, which creates it")
        environment: lmdb.Environment | None = None
        try:
            if exists:
                check_size(self.folder)
            reserve_lock_file(self.folder, _SNAPSHOTS_MAX)
            environment = self._open_environment(map_bytes)
            names = databases.names_in(environment)
            if len(names) > self._databases_max // 2:
                environment.close()
                self._databases_max = 4 * len(names)
                environment = self._open_environment(map_bytes)
            if self._writable:
                opened = databases.open_or_create(environment, names, self.folder)
            else:
                opened = {name: environment.open_db(name, create=False) for name in names}
            handles = Handles(environment).extended(opened)
            databases.check_format(handles, self.folder)
        except BaseException as error:
            if environment is not None:
                environment.close()
            if isinstance(error, lmdb.Error):
                raise explain(error, self.folder) from error
            if isinstance(error, OSError):
                raise explain_os(error, self.folder) from error
            raise
        return handles

    def _open_environment(self, map_bytes: int) -> lmdb.Environment:
        return lmdb.open(
            str(self.folder),
            # A reader takes whatever size the writer has left in the file.
            map_size=map_bytes if self._writable else 0,
            readonly=not self._writable,
            create=False,
            mode=0o700,
            max_readers=_SNAPSHOTS_MAX,
            # Each transaction allocates by this number: 4,096 would cost a read 4 µs more than 256.
            max_dbs=self._databases_max,
        )


_DATABASES_MIN = 256
_SNAPSHOTS_MAX = 1024
