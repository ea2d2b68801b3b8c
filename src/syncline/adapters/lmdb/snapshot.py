"""What an LMDB store held at one moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lmdb

from syncline.adapters.lmdb import layout
from syncline.adapters.lmdb.faults import explain
from syncline.errors import StoreError
from syncline.state.partition import PartitionState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType
    from typing import NoReturn, Self

    from syncline.adapters.lmdb.environment import Environment
    from syncline.adapters.lmdb.handles import Handles


class LmdbSnapshot:
    """One read transaction, from `__enter__` to `__exit__`, for one thread. Implements `StoreSnapshot`."""

    __slots__ = ("_environment", "_generation", "_handles", "_transaction")

    _handles: Handles
    _generation: int

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._transaction: Any = _ENDED

    def __enter__(self) -> Self:
        """Begin."""
        self._transaction, self._handles, self._generation = self._environment.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the pages. What is asked afterwards is an error."""
        transaction, self._transaction = self._transaction, _ENDED
        transaction.abort()
        # LMDB frees the reader's slot with the object, and only then is the read over.
        del transaction
        self._environment.end()

    def state(self, topic: str, partition: int) -> PartitionState | None:
        """See `StoreSnapshot.state`."""
        packed = self._get(self._handles.fixed[layout.STATES], layout.state_key(topic, partition))
        return None if packed is None else PartitionState.unpack(packed)

    def partitions(self) -> list[tuple[str, int]]:
        """See `StoreSnapshot.partitions`."""
        try:
            cursor = self._transaction.cursor(db=self._handles.fixed[layout.STATES])
            return [layout.parse_state_key(key) for key in cursor.iternext(values=False)]
        except lmdb.Error as error:
            raise explain(error, self._environment.folder) from error

    def cells(self, topic: str, partition: int, keys: Sequence[bytes]) -> list[bytes | None]:
        """See `StoreSnapshot.cells`."""
        database = self._handles.cells.get((topic, partition))
        if database is None:
            return [None] * len(keys)
        try:
            found = self._transaction.cursor(db=database).getmulti(keys)
        except lmdb.BadValsizeError:
            return [self.cell(topic, partition, key) for key in keys]
        except lmdb.Error as error:
            raise explain(error, self._environment.folder) from error
        if len(found) == len(keys):
            return [cell for _, cell in found]
        # getmulti leaves out what it does not find.
        return list(map(dict(found).get, keys))

    def cell(self, topic: str, partition: int, key: bytes) -> bytes | None:
        """See `StoreSnapshot.cell`."""
        return self._get(self._handles.cells.get((topic, partition)), key)

    def trace(self, topic: str, partition: int, key: bytes) -> bytes | None:
        """See `StoreSnapshot.trace`."""
        return self._get(self._handles.traces.get((topic, partition)), key)

    def scan(self, topic: str, partition: int) -> Iterator[tuple[bytes, bytes]]:
        """See `StoreSnapshot.scan`."""
        database = self._handles.cells.get((topic, partition))
        if database is None:
            return
        try:
            yield from self._transaction.cursor(db=database).iternext()
        except lmdb.Error as error:
            raise explain(error, self._environment.folder) from error

    def tombstones(self, topic: str, partition: int, before_us: int) -> list[tuple[int, bytes]]:
        """See `StoreSnapshot.tombstones`."""
        database = self._handles.tombstones.get((topic, partition))
        found: list[tuple[int, bytes]] = []
        if database is None:
            return found
        try:
            for time, key in self._transaction.cursor(db=database).iternext():
                event_us = layout.parse_time_key(time)
                if event_us >= before_us:
                    break
                found.append((event_us, key))
        except lmdb.Error as error:
            raise explain(error, self._environment.folder) from error
        return found

    def meta(self, name: str) -> bytes | None:
        """See `StoreSnapshot.meta`."""
        return self._get(self._handles.fixed[layout.META], name.encode())

    def generation(self) -> int:
        """See `StoreSnapshot.generation`."""
        return self._generation

    def _get(self, database: lmdb._Database | None, key: bytes) -> bytes | None:
        if database is None:
            return None
        try:
            value: bytes | None = self._transaction.get(key, db=database)
        except lmdb.BadValsizeError:
            return None
        except lmdb.Error as error:
            raise explain(error, self._environment.folder) from error
        return value


class _Ended:
    """Stands where the transaction was."""

    def __getattr__(self, name: str) -> NoReturn:
        raise StoreError("the snapshot has ended: read inside its `with` block")


_ENDED = _Ended()
