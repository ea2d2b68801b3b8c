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

from syncline.contracts.arrow import ARROW_TYPES, text_bytes, text_ends
from syncline.contracts.columns import compile_columns
from syncline.contracts.encode_columns import ColumnEncoder
from syncline.contracts.model import Contract, FeatureType
from syncline.publisher.event_times import event_time_us
from syncline.publisher.row_lane import BATCH_ROWS, KnownKeys
from syncline.publisher.terms import Window
from syncline.wire.framing import prefix
from syncline.wire.keys import KEY_BYTES_MAX

_EMPTY = object()
_PYTHON_TYPES = {
    FeatureType.BOOLEAN: frozenset((bool, type(None))),
    FeatureType.INT: frozenset((int, type(None))),
    FeatureType.LONG: frozenset((int, type(None))),
    FeatureType.FLOAT: frozenset((float, int, type(None))),
    FeatureType.DOUBLE: frozenset((float, int, type(None))),
    FeatureType.STRING: frozenset((str, type(None))),
}
"""What a row may hold for each type; anything else is judged row by row, and may pass there."""


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
        self._types = {key.name: key.type for key in contract.keys}
        self._types |= {feature.name: feature.type for feature in contract.features}
        self._defaults = {f.name: f.default if f.has_default else _EMPTY for f in contract.features}

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
            for column, kind in self._types.items():
                values = [row[column] for row in rows]
                if not _PYTHON_TYPES[kind].issuperset(map(type, values)):
                    return None
                columns[column] = pa.array(values, ARROW_TYPES[kind])
        except (LookupError, TypeError, ValueError, OverflowError, pa.ArrowException):
            # What is wrong, and in which row, is found row by row.
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
            for name, kind in self._types.items():
                if name in names:
                    column = _converted(given.column(name), kind, whole_floats=whole_floats)
                else:
                    column = self._default(name, kind, given.num_rows)
                if column is None:
                    return None
                columns[name] = column
            times = _times(given, self._contract.event_time)
        except pa.ArrowException:
            # A value that the wanted type cannot hold: which one, the rows will tell.
            return None
        if times is None:
            return None
        columns[self._contract.event_time] = times
        return pa.RecordBatch.from_pydict(columns)

    def _default(self, name: str, kind: FeatureType, rows: int) -> pa.Array | None:
        default = self._defaults.get(name, _EMPTY)
        if default is _EMPTY:
            return None
        return (
            pa.nulls(rows, ARROW_TYPES[kind])
            if default is None
            else pa.repeat(pa.scalar(default, ARROW_TYPES[kind]), rows)
        )


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


def _converted(column: pa.Array, kind: FeatureType, *, whole_floats: bool) -> pa.Array | None:
    """The column in the contract's type, where a row with these values would pass too; else None."""
    wanted = ARROW_TYPES[kind]
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    found = column.type
    fits = pa.types.is_null(found)
    if kind is FeatureType.STRING:
        fits |= pa.types.is_string(found) or pa.types.is_large_string(found) or pa.types.is_string_view(found)
    elif kind is FeatureType.BOOLEAN:
        fits |= pa.types.is_boolean(found)
    elif kind.is_floating:
        fits |= pa.types.is_floating(found) or pa.types.is_integer(found)
    else:
        fits |= pa.types.is_integer(found) or (whole_floats and pa.types.is_floating(found))
    if not fits:
        return None
    if found != wanted:
        column = column.cast(wanted)
    if kind is FeatureType.STRING:
        column.validate(full=True)
    return column


def _times(given: pa.RecordBatch, name: str) -> pa.Array | None:
    place = given.schema.get_field_index(name)
    if place < 0:
        return None
    column = given.column(place)
    if column.null_count:
        return None
    if pa.types.is_timestamp(column.type):
        if column.type.tz is None:
            return None
        # What is finer than a microsecond is cut off, as `datetime` does.
        return column.cast(pa.timestamp("us", column.type.tz), safe=column.type.unit != "ns").cast(pa.int64())
    return column.cast(pa.int64()) if pa.types.is_integer(column.type) else None


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
