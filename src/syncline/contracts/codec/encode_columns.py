"""Columns to Avro bytes: every field of a whole batch is written at once, at the places its row lengths give.

Byte for byte what `Encoder` gives for each row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from syncline.contracts.codec.arrow import (
    NUMPY_TYPES,
    arrow_schema,
    booleans,
    carries,
    items_of,
    numbers,
    text_bytes,
    text_ends,
    validity,
)
from syncline.contracts.codec.avro import avro_schema
from syncline.contracts.codec.entries import null_items, repeated_keys
from syncline.contracts.codec.fields import wire_fields
from syncline.contracts.codec.widths import (
    field_widths,
    item_starts,
    item_widths,
    scalar_widths,
    varint_widths,
    zigzag,
)
from syncline.contracts.model import FeatureType
from syncline.errors import WireError

if TYPE_CHECKING:
    import numpy.typing as npt

    from syncline.contracts.codec.fields import WireField
    from syncline.contracts.model import Contract


class ColumnEncoder:
    """Turns checked batches into Avro bodies; compile it once per contract, call it often."""

    def __init__(self, contract: Contract) -> None:
        self._fields = wire_fields(avro_schema(contract))
        self.schema: pa.Schema = arrow_schema(self._fields)
        """The columns that a batch must have, in any order; timestamps may have any zone, or be int64 µs."""

    def encode(self, batch: pa.RecordBatch, prefix: bytes = b"") -> list[bytes]:
        """One body per row, each behind `prefix` (Confluent's five bytes, say).

        Raises:
            WireError: a column is missing, has another type, is null where the schema has no null, or has a null
                or a repeated key inside a list or map.
        """
        columns = [
            self._column(batch, field, wanted)
            for field, wanted in zip(self._fields, self.schema, strict=True)
        ]
        widths = [field_widths(field, column) for field, column in zip(self._fields, columns, strict=True)]
        lengths = np.full(batch.num_rows, len(prefix), np.int64)
        for width in widths:
            lengths += width
        ends = np.cumsum(lengths)
        target = np.empty(int(ends[-1]) if len(ends) else 0, np.uint8)
        positions: npt.NDArray[np.int64] = ends - lengths
        for offset, byte in enumerate(prefix):
            target[positions + offset] = byte
        positions = positions + len(prefix)
        for field, column, width in zip(self._fields, columns, widths, strict=True):
            _write(field, column, target, positions)
            positions = positions + width
        data = target.tobytes()
        stops = ends.tolist()
        return [data[start:stop] for start, stop in zip([0, *stops], stops, strict=False)]

    def _column(self, batch: pa.RecordBatch, field: WireField, wanted: pa.Field) -> pa.Array:
        index = batch.schema.get_field_index(field.name)
        if index < 0:
            raise WireError(f"the batch has no column `{field.name}`")
        column = batch.column(index)
        if not carries(column.type, wanted.type):
            raise WireError(f"column `{field.name}` is {column.type}, not {wanted.type}")
        if column.null_count and field.null_branch is None:
            raise WireError(f"column `{field.name}` holds a null, which its schema does not allow")
        if field.item is not None and null_items(column).any():
            raise WireError(f"column `{field.name}` holds a null inside, which its schema does not allow")
        if field.type is FeatureType.MAP and repeated_keys(column).any():
            raise WireError(f"column `{field.name}` holds a map that names a key twice, which readers refuse")
        return column


def _write(
    field: WireField, column: pa.Array, target: npt.NDArray[np.uint8], positions: npt.NDArray[np.int64]
) -> None:
    valid = validity(column)
    if field.null_branch is not None:
        here = 2 * field.value_branch
        target[positions] = here if valid is None else np.where(valid, here, 2 * field.null_branch)
        positions = positions + 1
        if valid is not None:
            positions = positions[valid]
            column = column.drop_null()
    if field.item is None:
        _write_scalars(field.type, column, target, positions)
    else:
        _write_nested(field.item, column, target, positions)


def _write_scalars(
    kind: FeatureType, column: pa.Array, target: npt.NDArray[np.uint8], positions: npt.NDArray[np.int64]
) -> None:
    if kind is FeatureType.STRING:
        _write_texts(column, target, positions)
    elif kind is FeatureType.BOOLEAN:
        target[positions] = booleans(column)
    elif kind.is_floating:
        _write_fixed(numbers(column, NUMPY_TYPES[kind]), target, positions)
    else:
        _write_varints(zigzag(numbers(column, NUMPY_TYPES[kind])), target, positions)


def _write_fixed(
    values: npt.NDArray[Any], target: npt.NDArray[np.uint8], positions: npt.NDArray[np.int64]
) -> None:
    # The target seen as values of this type that begin at every byte: one assignment writes them all.
    windows: npt.NDArray[Any] = np.ndarray(
        (max(len(target) - values.itemsize + 1, 0),), values.dtype, target.data, 0, (1,)
    )
    windows[positions] = values


def _write_nested(
    kind: FeatureType, column: pa.Array, target: npt.NDArray[np.uint8], positions: npt.NDArray[np.int64]
) -> None:
    """Write each list or map as one block and the 0 behind it; an empty one is the count of 0 alone."""
    items = items_of(column)
    counts = np.diff(items.ends)
    firsts = positions + _write_varints(zigzag(counts), target, positions)
    each = int(counts[0]) if len(counts) else 0
    if kind.is_floating and items.keys is None and each and (counts == each).all():
        # Vectors: a row's elements stand side by side here as there, so they are one value of many bytes.
        elements = numbers(items.values, NUMPY_TYPES[kind])
        width = each * elements.itemsize
        target[firsts + width] = 0
        _write_fixed(elements.view(np.dtype((np.void, width))), target, firsts)
        return
    starts = item_starts(items, item_widths(items, kind))
    lasts = firsts + np.diff(starts[items.ends])
    target[lasts[counts > 0]] = 0
    places = starts[:-1] + np.repeat(firsts - starts[items.ends[:-1]], counts)
    if items.keys is not None:
        _write_texts(items.keys, target, places)
        places = places + scalar_widths(FeatureType.STRING, items.keys)
    _write_scalars(kind, items.values, target, places)


def _write_varints(
    values: npt.NDArray[np.uint64], target: npt.NDArray[np.uint8], positions: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Write each varint at its position, and return how long each is."""
    widths = varint_widths(values)
    longest = int(widths.max()) if len(widths) else 0
    shortest = int(widths.min()) if len(widths) else 0
    for offset in range(longest):
        bits = (values >> np.uint64(7 * offset)).astype(np.uint8) & np.uint8(127)
        if offset + 1 < shortest:
            target[positions + offset] = bits | np.uint8(128)
        elif shortest == longest:
            target[positions + offset] = bits
        else:
            here = widths > offset
            bits |= (widths > offset + 1).astype(np.uint8) << np.uint8(7)
            target[positions[here] + offset] = bits[here]
    return widths


def _write_texts(column: pa.Array, target: npt.NDArray[np.uint8], positions: npt.NDArray[np.int64]) -> None:
    ends = text_ends(column).astype(np.int64)
    lengths: npt.NDArray[Any] = np.diff(ends)
    starts = positions + _write_varints(zigzag(lengths), target, positions)
    source = text_bytes(column)[int(ends[0]) : int(ends[-1])] if len(ends) else text_bytes(column)[:0]
    # Each byte goes where its text starts in the target, less where its text starts in the source.
    shift = np.repeat(starts - (ends[:-1] - ends[0]), lengths)
    target[shift + np.arange(len(source), dtype=np.int64)] = source
