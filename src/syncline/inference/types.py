"""Which type of a contract the columns of a file have, and their values as the checks see them."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from syncline.contracts.codec.arrow import ARROW_TYPES
from syncline.contracts.limits import DAYS, EVENT_TIMES
from syncline.contracts.model import FeatureType

MOST_DIMENSIONS = 65_536
_YEARS = {FeatureType.DATE: (pa.int32(), DAYS), FeatureType.TIMESTAMP: (pa.int64(), EVENT_TIMES)}


@dataclass(frozen=True, slots=True)
class ColumnType:
    """The type of a feature that a column could be."""

    kind: FeatureType
    item: FeatureType | None = None
    dimensions: int | None = None
    """Of a column whose type fixes how many items each value has."""
    zoneless: bool = False
    """Timestamps that do not say of which zone they are."""


class Unfit(ValueError):  # noqa: N818  named after what happened, as in errors.py
    """A column, or a value in it, has no type in a contract; the message says why, and what to do."""


def column_type(found: pa.DataType) -> ColumnType:
    """The type of a feature for a column of this type.

    Raises:
        Unfit: a contract has none.
    """
    if pa.types.is_map(found):
        if not _is_text(found.key_type):
            raise Unfit("the keys of a map are texts: make it a map of text to value")
        return ColumnType(FeatureType.MAP, _inside(found.item_type))
    if pa.types.is_fixed_size_list(found):
        item, count = _inside(found.value_type), found.list_size
        if item.is_floating and 1 <= count <= MOST_DIMENSIONS:
            return ColumnType(FeatureType.VECTOR, item, count)
        return ColumnType(FeatureType.LIST, item, count)
    if _is_list(found):
        return ColumnType(FeatureType.LIST, _inside(found.value_type))
    zoneless = pa.types.is_timestamp(found) and found.tz is None
    return ColumnType(scalar_type(found), zoneless=zoneless)


def scalar_type(found: pa.DataType) -> FeatureType:
    """The type of a feature without items for a column of this type.

    Raises:
        Unfit: a contract has none.
    """
    if pa.types.is_dictionary(found):
        return scalar_type(found.value_type)
    for fits, kind in _SCALARS:
        if fits(found):
            return kind
    for fits, why in _REFUSED:
        if fits(found):
            raise Unfit(why)
    raise Unfit(f"{found} is no type of a contract: send what models need of it as numbers or texts")


def scalar_values(column: pa.Array, kind: FeatureType) -> pa.Array:
    """The column in the type that checks take.

    Raises:
        Unfit: a value does not fit.
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    try:
        if pa.types.is_timestamp(column.type):
            # Nanoseconds lose what is below a microsecond; other units only grow, which may be too much.
            in_us = column.cast(pa.timestamp("us", tz=column.type.tz), safe=column.type.unit != "ns")
            column = in_us.cast(pa.int64()).cast(ARROW_TYPES[kind])
        else:
            column = column.cast(ARROW_TYPES[kind])
        column.validate(full=True)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError):
        raise Unfit(
            _DOES_NOT_FIT.get(kind, "some of its values are none of its type: clean the column")
        ) from None
    _check_years(column, kind)
    return column


def list_values(column: pa.Array, kind: ColumnType) -> pa.Array:
    """A column of lists or maps in Arrow's plain flavour of either; its items are as they were.

    Raises:
        Unfit: Arrow cannot bring it there.
    """
    found = column.type
    plain = found if pa.types.is_map(found) else pa.list_(found.value_type)
    if kind.kind is FeatureType.MAP and found.key_type != pa.string():
        plain = pa.map_(pa.string(), found.item_type)
    try:
        column = column if found == plain else column.cast(plain)
        column.validate(full=True)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError):
        raise Unfit("its values cannot be read as lists or maps: write it anew with plain ones") from None
    return column


def _check_years(column: pa.Array, kind: FeatureType) -> None:
    if kind not in _YEARS:
        return
    import pyarrow.compute as pc  # noqa: PLC0415  only for columns of days and moments

    whole, (lowest, highest) = _YEARS[kind]
    seen = pc.min_max(column.cast(whole)).as_py()
    if seen["min"] is not None and not lowest <= seen["min"] <= seen["max"] <= highest:
        raise Unfit("some of its values lie outside the years 1 to 9999: make them null, or correct them")


def _inside(found: pa.DataType) -> FeatureType:
    if _is_list(found) or pa.types.is_map(found) or pa.types.is_fixed_size_list(found):
        raise Unfit("what is inside a list or map is not nested itself: flatten it")
    return scalar_type(found)


def _is_text(found: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(found) or pa.types.is_large_string(found) or pa.types.is_string_view(found)
    )


def _is_list(found: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(found)
        or pa.types.is_large_list(found)
        or pa.types.is_list_view(found)
        or pa.types.is_large_list_view(found)
    )


def _is_int(found: pa.DataType) -> bool:
    return found in (pa.int8(), pa.int16(), pa.int32(), pa.uint8(), pa.uint16())


_SCALARS = (
    (pa.types.is_boolean, FeatureType.BOOLEAN),
    (_is_int, FeatureType.INT),
    (pa.types.is_integer, FeatureType.LONG),
    (pa.types.is_float64, FeatureType.DOUBLE),
    (pa.types.is_floating, FeatureType.FLOAT),
    (_is_text, FeatureType.STRING),
    (pa.types.is_date, FeatureType.DATE),
    (pa.types.is_timestamp, FeatureType.TIMESTAMP),
)
_REFUSED = (
    (pa.types.is_null, "it holds nothing but nulls, which tell no type: add it once there are values"),
    (
        pa.types.is_decimal,
        "a decimal is no type of a contract: send it as double, or as a count of the smallest unit",
    ),
    (pa.types.is_time, "a time of day is no type of a contract: send the seconds since midnight"),
    (
        pa.types.is_duration,
        "a duration is no type of a contract: send it as a number, with its unit in the contract",
    ),
    (
        pa.types.is_struct,
        "a nested record is no type of a contract: give each of its fields a column of its own",
    ),
)
_DOES_NOT_FIT = {
    FeatureType.LONG: "some of its values are beyond 64 bits (2^63 - 1): send them as text",
    FeatureType.STRING: "some of its texts are not UTF-8: write them anew",
    FeatureType.TIMESTAMP: "some of its values lie outside the years 1 to 9999: make them null, or correct them",
}
