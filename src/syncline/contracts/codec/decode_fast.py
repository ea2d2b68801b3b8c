"""What the fast lane is asked for, and its columns brought to the types that were meant."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from syncline.contracts.codec.arrow import items_of, numbers, validity
from syncline.contracts.codec.fields import WireField
from syncline.contracts.limits import INTEGER_RANGES
from syncline.contracts.model import FeatureType

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

_32_BITS = (FeatureType.INT, FeatureType.DATE)


def beyond_32_bits(field: WireField, column: pa.Array) -> npt.NDArray[np.bool_] | None:
    """Which rows hold a number that their 32-bit type cannot have been written with; None for other types."""
    if (field.item or field.type) not in _32_BITS:
        return None
    low, high = INTEGER_RANGES[FeatureType.INT]
    items = items_of(column) if field.item is not None else None
    values = numbers(column if items is None else items.values, np.int64)
    beyond: npt.NDArray[np.bool_] = (values < low) | (values > high)
    if items is not None:
        beyond = items.rows_with(beyond)
    valid = validity(column)
    return beyond if valid is None else beyond & valid


def as_type(column: pa.Array, wanted: pa.DataType) -> pa.Array:
    """A column of the fast lane, which knows 64-bit integers only, in the type that it stands for."""
    if column.type == wanted:
        return column
    if pa.types.is_map(wanted):
        entries = column.values
        parts = [entries.field(0), as_type(entries.field(1), wanted.item_type)]
        inside = pa.StructArray.from_arrays(parts, fields=[wanted.key_field, wanted.item_field])
    elif pa.types.is_list(wanted):
        inside = as_type(column.values, wanted.value_type)
    else:
        # There is no cast from 64-bit integers to days.
        return (column.cast(pa.int32()) if pa.types.is_date32(wanted) else column).cast(wanted)
    bits, ends = column.buffers()[:2]
    return pa.Array.from_buffers(
        wanted, len(column), [bits, ends], column.null_count, column.offset, children=[inside]
    )


_AS_LONG = (*_32_BITS, FeatureType.TIMESTAMP)


def fast_field(field: WireField) -> WireField:
    """The field as the fast lane is asked for it: every integer as `long`.

    As `int` it would wrap what is beyond 32 bits; as `long` the range can be judged afterwards.
    """
    return WireField(
        field.name,
        FeatureType.LONG if field.type in _AS_LONG else field.type,
        field.null_branch,
        FeatureType.LONG if field.item in _AS_LONG else field.item,
    )


def fast_text(fields: Sequence[WireField]) -> str:
    """The Avro schema that the fast lane is given."""
    described = []
    for field in map(fast_field, fields):
        kind: Any = field.type.value
        if field.item is not None:
            is_map = field.type is FeatureType.MAP
            kind = {"type": "map" if is_map else "array", "values" if is_map else "items": field.item.value}
        if field.null_branch is not None:
            kind = ["null", kind] if field.null_branch == 0 else [kind, "null"]
        described.append({"name": field.name, "type": kind})
    return json.dumps({"type": "record", "name": "row", "fields": described})


_ZEROS = {FeatureType.DOUBLE: bytes(8), FeatureType.FLOAT: bytes(4)}


def zero(field: WireField) -> bytes:
    """The field with a value of zero, or with one item of zero (and of no key)."""
    value = _ZEROS.get(field.item or field.type, b"\x00")
    if field.item is not None:
        value = b"\x02" + (b"\x00" if field.type is FeatureType.MAP else b"") + value + b"\x00"
    return value if field.null_branch is None else bytes((2 * field.value_branch,)) + value
