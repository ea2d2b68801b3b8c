"""A record's fields as Arrow columns, and the raw numpy views of a column that checks and encoders work on."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from syncline.contracts.model import FeatureType

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from syncline.contracts.codec.fields import WireField

EVENT_TIME_TYPE = pa.timestamp("us", tz="UTC")
ARROW_TYPES: dict[FeatureType, pa.DataType] = {
    FeatureType.BOOLEAN: pa.bool_(),
    FeatureType.INT: pa.int32(),
    FeatureType.LONG: pa.int64(),
    FeatureType.FLOAT: pa.float32(),
    FeatureType.DOUBLE: pa.float64(),
    FeatureType.STRING: pa.string(),
    FeatureType.DATE: pa.date32(),
    FeatureType.TIMESTAMP: EVENT_TIME_TYPE,
}
"""The column type of each scalar; `arrow_type` knows the others too."""
NUMPY_TYPES: dict[FeatureType, npt.DTypeLike] = {
    FeatureType.INT: np.int32,
    FeatureType.LONG: np.int64,
    FeatureType.FLOAT: np.float32,
    FeatureType.DOUBLE: np.float64,
    FeatureType.DATE: np.int32,
    FeatureType.TIMESTAMP: np.int64,
}


def arrow_type(kind: FeatureType, item: FeatureType | None = None) -> pa.DataType:
    """The column type of a feature; `item` is what a list, map or vector holds."""
    if not kind.is_nested:
        return ARROW_TYPES[kind]
    assert item is not None, "a list, map or vector has items"
    inside = ARROW_TYPES[item]
    return pa.map_(pa.string(), inside) if kind is FeatureType.MAP else pa.list_(inside)


def arrow_schema(fields: Iterable[WireField]) -> pa.Schema:
    """The columns of a record: one per field, in wire order; the event time is `timestamp[us, UTC]`."""
    return pa.schema(
        [
            pa.field(field.name, arrow_type(field.type, field.item), nullable=field.null_branch is not None)
            for field in fields
        ]
    )


def carries(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether columns of type `found` hold what `wanted` asks for, number for number.

    A timestamp may have any zone or none, or be int64 µs; the names that a list or map gives to its insides are free.
    """
    if found == wanted:
        return True
    if pa.types.is_timestamp(wanted):
        return bool(found == pa.int64() or (pa.types.is_timestamp(found) and found.unit == wanted.unit))
    if pa.types.is_list(wanted):
        return bool(pa.types.is_list(found) and carries(found.value_type, wanted.value_type))
    return bool(
        pa.types.is_map(wanted)
        and pa.types.is_map(found)
        and found.key_type == wanted.key_type
        and carries(found.item_type, wanted.item_type)
    )


def canonical_rows(
    batch: pa.RecordBatch, places: Sequence[int] | npt.NDArray[np.int64] | None = None
) -> list[dict[str, Any]]:
    """The rows of a batch in a contract's types as row checks and `Encoder` take them.

    Days and moments are whole numbers, whatever their year; lists and vectors are lists, maps are dicts (the last of
    two equal keys wins: `repeated_keys` tells whether there are any).

    Args:
        batch: columns as `arrow_type` gives them.
        places: the numbers of the wanted rows, in their order; None means all.
    """
    if places is not None:
        batch = batch.take(pa.array(places, pa.int64()))
    columns = [_canonical(column) for column in batch.columns]
    names = batch.schema.names
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _canonical(column: pa.Array) -> list[Any]:
    if pa.types.is_list(column.type) or pa.types.is_map(column.type):
        return _canonical_nested(column)
    if pa.types.is_date32(column.type):
        column = column.cast(pa.int32())
    elif pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    if column.null_count == 0 and pa.types.is_primitive(column.type) and not pa.types.is_boolean(column.type):
        # Several times as fast as one Arrow scalar for each number.
        fast: list[Any] = column.to_numpy().tolist()
        return fast
    slow: list[Any] = column.to_pylist()
    return slow


def _canonical_nested(column: pa.Array) -> list[Any]:
    items = items_of(column)
    values, ends = _canonical(items.values), items.ends.tolist()
    ranges = list(pairwise(ends))
    rows: list[Any]
    if items.keys is None:
        rows = [values[start:stop] for start, stop in ranges]
    else:
        keys = items.keys.to_pylist()
        rows = [dict(zip(keys[start:stop], values[start:stop], strict=True)) for start, stop in ranges]
    valid = validity(column)
    if valid is None:
        return rows
    return [row if there else None for row, there in zip(rows, valid.tolist(), strict=True)]


@dataclass(frozen=True, slots=True)
class Items:
    """What is inside a column of lists or maps, of all its rows one after the other."""

    ends: npt.NDArray[np.int64]
    """n + 1 positions, from 0, between which the items of each row stand; a null row may have some too."""
    values: pa.Array
    """The items of lists, the values of maps."""
    keys: pa.Array | None
    """The keys of maps; None for lists."""

    def rows_with(self, flags: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Which rows have a flagged item, one flag a row, given one flag an item."""
        if not flags.any():
            return np.zeros(len(self.ends) - 1, np.bool_)
        sums = np.concatenate([np.zeros(1, np.int64), np.cumsum(flags, dtype=np.int64)])
        found: npt.NDArray[np.bool_] = sums[self.ends[1:]] > sums[self.ends[:-1]]
        return found


def items_of(column: pa.Array) -> Items:
    """The insides of a column of lists or maps without a copy: those of a slice are the slice's alone."""
    ends = numbers_at(column.buffers()[1], column.offset, len(column) + 1).astype(np.int64)
    first, count = int(ends[0]), int(ends[-1] - ends[0])
    inside = column.values.slice(first, count)
    ends = ends - first
    if pa.types.is_map(column.type):
        return Items(ends, inside.field(1), inside.field(0))
    return Items(ends, inside, None)


def numbers(column: pa.Array, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """The values of a fixed-width column without a copy; where it is null they mean nothing."""
    buffer = column.buffers()[1]
    if buffer is None:
        return np.zeros(len(column), dtype)
    return np.frombuffer(buffer, dtype, count=len(column) + column.offset)[column.offset :]


def booleans(column: pa.Array) -> npt.NDArray[np.bool_]:
    """The values of a boolean column; False where it is null."""
    filled = column.fill_null(False) if column.null_count else column
    return np.asarray(filled.to_numpy(zero_copy_only=False), np.bool_)


def validity(column: pa.Array) -> npt.NDArray[np.bool_] | None:
    """Which values are not null; None when all are not."""
    if column.null_count == 0:
        return None
    return np.asarray(column.is_valid().to_numpy(zero_copy_only=False), np.bool_)


def text_ends(column: pa.Array) -> npt.NDArray[np.int32]:
    """The n + 1 positions in `text_bytes` between which each text of a string column stands."""
    return numbers_at(column.buffers()[1], column.offset, len(column) + 1)


def numbers_at(buffer: pa.Buffer | None, first: int, count: int) -> npt.NDArray[np.int32]:
    """`count` 32-bit numbers of a buffer from number `first` on."""
    if buffer is None or buffer.size == 0:
        return np.zeros(count, np.int32)
    return np.frombuffer(buffer, np.int32, count=first + count)[first:]


def text_bytes(column: pa.Array) -> npt.NDArray[np.uint8]:
    """The UTF-8 bytes of a string column, which `text_ends` divides."""
    buffer = column.buffers()[2]
    return np.frombuffer(buffer, np.uint8) if buffer is not None else np.zeros(0, np.uint8)
