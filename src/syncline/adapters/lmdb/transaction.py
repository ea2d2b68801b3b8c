"""One commit, inside LMDB's write transaction."""

from __future__ import annotations

import operator
from itertools import islice
from typing import TYPE_CHECKING

from syncline.adapters.lmdb import layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import lmdb

    from syncline.adapters.lmdb.handles import Handles
    from syncline.state.partition import PartitionWrite


def names_needed(writes: Sequence[PartitionWrite]) -> set[bytes]:
    """The databases that a commit writes to, apart from the fixed ones."""
    names: set[bytes] = set()
    for write in writes:
        place = write.topic, write.partition
        if write.keys:
            names.add(layout.cells_name(*place))
        if write.tombstones_added:
            names.add(layout.tombstones_name(*place))
        if write.traces:
            names.add(layout.traces_name(*place))
    return names


def write_all(
    handles: Handles, writes: Sequence[PartitionWrite], meta: Mapping[str, bytes | None]
) -> dict[bytes, lmdb._Database]:
    """Write and make durable, or leave everything as it was; the databases that had to be made, by name.

    Raises:
        lmdb.Error: nothing was written.
    """
    environment = handles.environment
    opened: dict[bytes, lmdb._Database] = {}
    # Leaving the block commits; an exception aborts, and takes the new databases away again.
    with environment.begin(write=True) as transaction:
        for name in sorted(names_needed(writes) - handles.names()):
            opened[name] = environment.open_db(name, txn=transaction, dupsort=name.startswith(b"tombstones/"))
        now = handles.extended(opened) if opened else handles
        for write in writes:
            place = write.topic, write.partition
            _write_cells(transaction, now.cells.get(place), write)
            _write_tombstones(transaction, now.tombstones.get(place), write)
            _write_traces(transaction, now.traces.get(place), write)
            transaction.put(layout.state_key(*place), write.state.pack(), db=now.fixed[layout.STATES])
        if meta:
            _write_meta(transaction, now, meta)
    return opened


def clear_all(handles: Handles, meta: Mapping[str, bytes | None]) -> None:
    """Empty every database but our own marks, then write this meta, or leave everything as it was.

    Raises:
        lmdb.Error: nothing was changed.
    """
    with handles.environment.begin(write=True) as transaction:
        for database in (
            *handles.cells.values(),
            *handles.tombstones.values(),
            *handles.traces.values(),
        ):
            transaction.drop(database, delete=False)
        for name in (layout.STATES, layout.META):
            transaction.drop(handles.fixed[name], delete=False)
        _write_meta(transaction, handles, meta)


def forget_all(handles: Handles, places: Sequence[tuple[str, int]], meta: Mapping[str, bytes | None]) -> None:
    """Empty the databases of these partitions, take their states away, write meta, or leave everything as it was.

    Raises:
        lmdb.Error: nothing was changed.
    """
    with handles.environment.begin(write=True) as transaction:
        for topic, partition in places:
            for database in (
                handles.cells.get((topic, partition)),
                handles.tombstones.get((topic, partition)),
                handles.traces.get((topic, partition)),
            ):
                if database is not None:
                    transaction.drop(database, delete=False)
            transaction.delete(layout.state_key(topic, partition), db=handles.fixed[layout.STATES])
        if meta:
            _write_meta(transaction, handles, meta)


def _write_cells(
    transaction: lmdb.Transaction, database: lmdb._Database | None, write: PartitionWrite
) -> None:
    if database is None:
        return
    for key in sorted(write.dropped):
        transaction.delete(key, db=database)
    if write.keys:
        transaction.cursor(db=database).putmulti(_sorted_items(write.keys, write.cells))


def _write_tombstones(
    transaction: lmdb.Transaction, database: lmdb._Database | None, write: PartitionWrite
) -> None:
    if database is None:
        return
    for time, key in _time_keys(write.tombstones_removed):
        transaction.delete(time, key, db=database)
    if write.tombstones_added:
        transaction.cursor(db=database).putmulti(_time_keys(write.tombstones_added))


def _write_traces(
    transaction: lmdb.Transaction, database: lmdb._Database | None, write: PartitionWrite
) -> None:
    if database is None:
        return
    for key in sorted({*write.dropped, *write.untraced}):
        transaction.delete(key, db=database)
    if write.traces:
        transaction.cursor(db=database).putmulti(sorted(write.traces))


def _write_meta(transaction: lmdb.Transaction, handles: Handles, meta: Mapping[str, bytes | None]) -> None:
    database, marks = handles.fixed[layout.META], handles.fixed[layout.LAYOUT]
    for name, value in meta.items():
        if value is None:
            transaction.delete(name.encode(), db=database)
        else:
            transaction.put(name.encode(), value, db=database)
    generation = layout.parse_count(transaction.get(layout.GENERATION_KEY, db=marks))
    transaction.put(layout.GENERATION_KEY, layout.pack_count(generation + 1), db=marks)


def _sorted_items(keys: Sequence[bytes], cells: Sequence[bytes]) -> Iterable[tuple[bytes, bytes]]:
    """(key, cell) by key: neighbours fall on the page that is in hand already."""
    if all(map(operator.lt, keys, islice(keys, 1, None))):
        return zip(keys, cells, strict=True)
    order = sorted(range(len(keys)), key=keys.__getitem__)
    return zip(map(keys.__getitem__, order), map(cells.__getitem__, order), strict=True)


def _time_keys(tombstones: Sequence[tuple[int, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    return ((layout.time_key(event_us), key) for event_us, key in sorted(tombstones))
