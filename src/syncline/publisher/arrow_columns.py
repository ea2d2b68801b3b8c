"""Arrow columns as a job has them, brought to a contract's types; or as Python values where they do not fit.

A column that fits is converted whole, with the verdict that each of its rows would have had.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from syncline.contracts.codec.arrow import EVENT_TIME_TYPE, Items, arrow_type, items_of
from syncline.contracts.codec.entries import repeated_keys
from syncline.contracts.model import FeatureType

if TYPE_CHECKING:
    import numpy.typing as npt

_DAY_MS = 86_400_000
_PER_US = {"s": 1_000_000, "ms": 1_000}
"""How many microseconds one of the unit has."""
_OFFSET_MAX = 2**31 - 1


def fitted(
    column: pa.Array, kind: FeatureType, item: FeatureType | None = None, *, whole_floats: bool = False
) -> pa.Array | None:
    """The column in the contract's type, where a row with these values would pass too; else None.

    Raises:
        ArrowException: a value is one that the contract's type cannot hold.
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_null(column.type):
        return column.cast(arrow_type(kind, item))
    if item is not None:
        return _map(column, item) if kind is FeatureType.MAP else _list(column, item)
    if kind is FeatureType.DATE and (days := _days(column)) is not None:
        return days
    if kind is FeatureType.TIMESTAMP and pa.types.is_timestamp(column.type):
        return _moments(column)
    if not _fits(column.type, kind, whole_floats=whole_floats):
        return None
    wanted = arrow_type(kind)
    if kind.is_moment:
        # Arrow casts whole numbers to days and moments only from those of the same width.
        column = column.cast(pa.int32() if kind is FeatureType.DATE else pa.int64())
    if column.type != wanted:
        column = column.cast(wanted)
    if kind is FeatureType.STRING:
        column.validate(full=True)
    return column


def times_us(column: pa.Array) -> pa.Array | None:
    """Event times as int64 µs; None where they are none, or one is null."""
    if column.null_count:
        return None
    if pa.types.is_timestamp(column.type):
        moments = _moments(column)
        return None if moments is None else moments.cast(pa.int64())
    return column.cast(pa.int64()) if pa.types.is_integer(column.type) else None


def python_values(column: pa.Array, kind: FeatureType | None, item: FeatureType | None = None) -> list[Any]:
    """The values as a job without Arrow would hand them in for this type; None is no type of the contract's.

    Never raises: what Python cannot hold as what it is comes as text (or bytes, where it is no text).
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    found = column.type
    if kind is FeatureType.TIMESTAMP and pa.types.is_timestamp(found) and found.tz is not None:
        moments = _moments(column)
        if moments is not None:
            return list(moments.cast(pa.int64()).to_pylist())
    if kind is FeatureType.DATE and (days := _days(column)) is not None:
        return list(days.cast(pa.int32()).to_pylist())
    if item is not None and _is_list(found):
        flat, lengths = python_values(column.flatten(), item), _lengths(column)
        return _divided(flat, lengths, column)
    if item is not None and pa.types.is_map(found):
        return _dicts(column, item)
    try:
        return list(column.to_pylist())
    except (ValueError, OverflowError, pa.ArrowException):
        return [_one(value) for value in column]


def _one(value: pa.Scalar) -> Any:  # noqa: ANN401  any value of Arrow's
    for read in (
        value.as_py,
        lambda: value.cast(pa.string()).as_py(),
        lambda: value.cast(pa.binary()).as_py(),
    ):
        try:
            return read()
        except (ValueError, OverflowError, pa.ArrowException):
            continue
    return f"a {value.type} that Python cannot hold"


def _fits(found: pa.DataType, kind: FeatureType, *, whole_floats: bool) -> bool:
    if kind is FeatureType.STRING:
        return bool(
            pa.types.is_string(found) or pa.types.is_large_string(found) or pa.types.is_string_view(found)
        )
    if kind is FeatureType.BOOLEAN:
        return bool(pa.types.is_boolean(found))
    if kind.is_floating:
        return bool(pa.types.is_floating(found) or pa.types.is_integer(found))
    return bool(pa.types.is_integer(found) or (whole_floats and pa.types.is_floating(found)))


def _days(column: pa.Array) -> pa.Array | None:
    if pa.types.is_date32(column.type):
        return column
    if not pa.types.is_date64(column.type):
        return None
    days = np.floor_divide(_whole_numbers(column), _DAY_MS)
    return pa.array(days, pa.int64(), mask=_nulls(column)).cast(pa.int32()).cast(pa.date32())


def _moments(column: pa.Array) -> pa.Array | None:
    """Moments in microseconds; None without a zone, or beyond 64 bits. Finer parts are cut off, as `datetime` does."""
    if column.type.tz is None:
        return None
    unit = column.type.unit
    if unit == "us":
        return column if column.type == EVENT_TIME_TYPE else column.cast(EVENT_TIME_TYPE)
    numbers = _whole_numbers(column)
    if unit == "ns":
        numbers = np.floor_divide(numbers, 1_000)
    else:
        largest = (2**63 - 1) // _PER_US[unit]
        if ((numbers > largest) | (numbers < -largest)).any():
            return None
        numbers = numbers * _PER_US[unit]
    return pa.array(numbers, pa.int64(), mask=_nulls(column)).cast(EVENT_TIME_TYPE)


def _whole_numbers(column: pa.Array) -> npt.NDArray[np.int64]:
    """What a 64-bit column counts; 0 where it is null."""
    return np.asarray(column.cast(pa.int64()).fill_null(0).to_numpy(), np.int64)


def _nulls(column: pa.Array) -> npt.NDArray[np.bool_] | None:
    if not column.null_count:
        return None
    return np.asarray(column.is_null().to_numpy(zero_copy_only=False), np.bool_)


def _is_list(found: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(found)
        or pa.types.is_large_list(found)
        or pa.types.is_fixed_size_list(found)
        or pa.types.is_list_view(found)
        or pa.types.is_large_list_view(found)
    )


def _lengths(column: pa.Array) -> npt.NDArray[np.int64]:
    """How many items each list has; 0 where it is null."""
    lengths = pc.list_value_length(column).cast(pa.int64()).fill_null(0)
    return np.asarray(lengths.to_numpy(), np.int64)


def _list(column: pa.Array, item: FeatureType) -> pa.Array | None:
    """The column as `list`, whichever of Arrow's five kinds of list it is; None where an item is null or unfit."""
    if not _is_list(column.type):
        return None
    items = fitted(column.flatten(), item)
    if items is None or items.null_count or len(items) > _OFFSET_MAX:
        return None
    if column.type == arrow_type(FeatureType.LIST, item) and not column.null_count and not column.offset:
        return column
    ends = np.concatenate(([0], np.cumsum(_lengths(column)))).astype(np.int32)
    nulls = _nulls(column)
    return pa.ListArray.from_arrays(
        pa.array(ends), items, mask=None if nulls is None else pa.array(nulls)
    ).cast(arrow_type(FeatureType.LIST, item))


def _map(column: pa.Array, item: FeatureType) -> pa.Array | None:
    """The column as `map`; None where a key is no text or stands in a map twice, or a value is null or unfit."""
    if not pa.types.is_map(column.type) or repeated_keys(column).any():
        return None
    entries = _entries(column)
    keys, values = fitted(entries.keys, FeatureType.STRING), fitted(entries.values, item)
    if keys is None or values is None or values.null_count:
        return None
    nulls = _nulls(column)
    # A null where a map begins makes that map null.
    offsets = pa.array(entries.ends, pa.int32(), mask=None if nulls is None else np.append(nulls, False))
    return pa.MapArray.from_arrays(offsets, keys, values).cast(arrow_type(FeatureType.MAP, item))


def _entries(column: pa.Array) -> Items:
    """What is inside the maps; nothing for a null one."""
    nulls = _nulls(column)
    if nulls is not None:
        # A null may hide entries; taking the maps anew leaves them behind.
        column = column.take(pa.array(np.arange(len(column)), mask=nulls))
    return items_of(column)


def _dicts(column: pa.Array, item: FeatureType) -> list[Any]:
    entries = _entries(column)
    pairs = list(
        zip(
            python_values(entries.keys, FeatureType.STRING),
            python_values(entries.values, item),
            strict=True,
        )
    )
    # Of a key that stands there twice no one knows which value is meant: that is no map, but a list of pairs.
    return [
        several if several is None or repeated else dict(several)
        for several, repeated in zip(
            _divided(pairs, np.diff(entries.ends), column), repeated_keys(column).tolist(), strict=True
        )
    ]


def _divided(flat: list[Any], lengths: npt.NDArray[np.int64], column: pa.Array) -> list[Any]:
    """The flat values as one list a row; None where the column is null."""
    ends = np.cumsum(lengths).tolist()
    valid = column.is_valid().to_pylist()
    return [
        flat[start:end] if is_valid else None
        for start, end, is_valid in zip([0, *ends], ends, valid, strict=False)
    ]
