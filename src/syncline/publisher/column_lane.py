"""Whole batches as Arrow columns: brought to the contract's types, judged, and encoded at once.

Imported only where the job hands in Arrow or pandas, or has them: pyarrow is an extra.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from syncline.contracts.checks.columns import compile_columns
from syncline.contracts.codec.arrow import arrow_type, canonical_rows, text_bytes, text_ends
from syncline.contracts.codec.encode_columns import ColumnEncoder
from syncline.contracts.model import Contract, FeatureType
from syncline.publisher.arrow_columns import fitted, python_values, times_us
from syncline.publisher.canonical import Edge
from syncline.publisher.event_times import event_time_us
from syncline.publisher.python_columns import column_of
from syncline.publisher.row_lane import BATCH_ROWS, KnownKeys
from syncline.publisher.terms import Window
from syncline.wire.framing import prefix
from syncline.wire.keys import KEY_BYTES_MAX

_EMPTY = object()


@dataclass(slots=True)
class JudgedColumns:
    """A batch in the contract's own types, and which of its rows keep the contract."""

    batch: pa.RecordBatch
    times_us: npt.NDArray[np.int64]
    keeps: npt.NDArray[np.bool_]


class ColumnLane:
    """Judges and encodes batches of one view version."""

    def __init__(self, contract: Contract, schema_id: int) -> None:
        self._contract = contract
        self._check = compile_columns(contract)
        self._encoder = ColumnEncoder(contract)
        self._prefix = prefix(schema_id)
        self._types: dict[str, tuple[FeatureType, FeatureType | None]] = {
            key.name: (key.type, None) for key in contract.keys
        }
        self._types |= {f.name: (f.type, f.item.type if f.item else None) for f in contract.features}
        self._defaults = {f.name: f.default if f.has_default else _EMPTY for f in contract.features}
        self._converters = Edge(contract).converters

    def from_rows(self, rows: Sequence[Mapping[str, Any]]) -> pa.RecordBatch | None:
        """Rows as columns; None where a row has more, less or other than the contract says: look at each.

        Turning rows into columns and encoding those takes less than half the time of encoding rows.
        """
        name = self._contract.event_time
        columns: dict[str, pa.Array] = {}
        try:
            if set(map(len, rows)) != {len(self._types) + 1}:
                return None
            times = [row[name] for row in rows]
            if set(map(type, times)) != {int}:
                times = [event_time_us(value) for value in times]
            columns[name] = pa.array(times, pa.int64())
            for column, (kind, item) in self._types.items():
                values = [row[column] for row in rows]
                made = column_of(values, kind, item, convert=self._converters.get(column))
                if made is None:
                    return None
                columns[column] = made
        except Exception:  # noqa: BLE001  what is wrong, and in which row, is found row by row
            return None
        return pa.RecordBatch.from_pydict(columns)

    def judge(self, given: pa.RecordBatch, window: Window, *, whole_floats: bool) -> JudgedColumns | None:
        """The verdict on a batch; None where its columns are not such as can be judged whole: look at each row.

        Args:
            given: a column per join key, event time and feature; other columns make it None.
            window: the event times allowed.
            whole_floats: take 3.0 for an integer, as pandas turns integers with gaps into floats.
        """
        batch = self._in_contract_types(given, whole_floats=whole_floats)
        if batch is None:
            return None
        times_us = np.asarray(batch.column(self._contract.event_time).to_numpy(), np.int64)
        keeps = self._check(batch)
        keeps &= (times_us >= window.earliest_us) & (times_us <= window.latest_us)
        if len(self._contract.keys) == 1 and self._contract.keys[0].type is FeatureType.STRING:
            keeps &= _usable_keys(batch.column(self._contract.keys[0].name))
        return JudgedColumns(batch, times_us, keeps)

    def keys(self, batch: pa.RecordBatch, known_keys: KnownKeys) -> list[bytes]:
        """The record keys of rows that keep the contract.

        Raises:
            WireError: several join keys together are too long.
        """
        columns = [batch.column(key.name) for key in self._contract.keys]
        if len(columns) > 1:
            values: Iterator[tuple[Any, ...]] = zip(*(column.to_pylist() for column in columns), strict=True)
            return [known_keys[several] for several in values]
        if self._contract.keys[0].type is FeatureType.STRING:
            keys: list[bytes] = columns[0].cast(pa.binary()).to_pylist()
            return keys
        return [known_keys[value] for value in columns[0].to_pylist()]

    def encode(self, batch: pa.RecordBatch, times_us: list[int], *, moved: bool) -> list[bytes]:
        """The records' values; `moved` says that some event time is not the batch's own."""
        if moved:
            place = batch.schema.get_field_index(self._contract.event_time)
            batch = batch.set_column(place, self._contract.event_time, pa.array(times_us, pa.int64()))
        return self._encoder.encode(batch, self._prefix)

    def _in_contract_types(self, given: pa.RecordBatch, *, whole_floats: bool) -> pa.RecordBatch | None:
        names = given.schema.names
        if len(set(names)) != len(names) or not {*self._types, self._contract.event_time}.issuperset(names):
            return None
        columns: dict[str, pa.Array] = {}
        try:
            for name, (kind, item) in self._types.items():
                if name in names:
                    column = fitted(given.column(name), kind, item, whole_floats=whole_floats)
                else:
                    column = self._default(name, arrow_type(kind, item), given.num_rows)
                if column is None:
                    return None
                columns[name] = column
            place = given.schema.get_field_index(self._contract.event_time)
            times = None if place < 0 else times_us(given.column(place))
        except pa.ArrowException:
            # A value that the wanted type cannot hold: which one, the rows will tell.
            return None
        if times is None:
            return None
        columns[self._contract.event_time] = times
        return pa.RecordBatch.from_pydict(columns)

    def _default(self, name: str, kind: pa.DataType, rows: int) -> pa.Array | None:
        default = self._defaults.get(name, _EMPTY)
        if default is _EMPTY:
            return None
        return pa.array([default], kind).take(pa.array(np.zeros(rows, np.int64)))

    def row(self, batch: pa.RecordBatch, number: int) -> dict[str, Any]:
        """A canonical row of a judged batch."""
        return canonical_rows(batch.slice(number, 1))[0]

    def rows(self, given: pa.RecordBatch) -> list[dict[str, Any]]:
        """The rows as a job without Arrow would hand them in: what cannot be judged whole is judged one by one."""
        types = {self._contract.event_time: (FeatureType.TIMESTAMP, None), **self._types}
        names = given.schema.names
        columns = [
            python_values(column, *types.get(name, (None, None)))
            for name, column in zip(names, given.columns, strict=True)
        ]
        return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def batches(rows: pa.RecordBatch | pa.Table) -> Iterator[pa.RecordBatch]:
    """The rows in batches of at most BATCH_ROWS."""
    if isinstance(rows, pa.RecordBatch):
        for start in range(0, rows.num_rows, BATCH_ROWS):
            yield rows.slice(start, BATCH_ROWS)
        return
    chunks = max((column.num_chunks for column in rows.columns), default=0)
    # A table of many small chunks would lose all that columns gain.
    whole = rows.combine_chunks() if chunks * BATCH_ROWS > 4 * rows.num_rows and chunks > 1 else rows
    yield from whole.to_batches(max_chunksize=BATCH_ROWS)


def _usable_keys(column: pa.Array) -> npt.NDArray[np.bool_]:
    """Which texts can be record keys by themselves: not too long, and not like a control record's."""
    ends = text_ends(column)
    lengths = np.diff(ends)
    usable: npt.NDArray[np.bool_] = (lengths > 0) & (lengths <= KEY_BYTES_MAX)
    octets = text_bytes(column)
    if usable.any():
        starts = np.where(usable, ends[:-1], ends[int(np.argmax(usable))])
        usable &= octets[starts] != 0
    return usable
