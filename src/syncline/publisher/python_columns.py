"""Columns of Python values, as rows hold them, brought to a contract's types."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from syncline.contracts.codec.arrow import arrow_type
from syncline.contracts.model import FeatureType

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from syncline.publisher.canonical import Convert

_PYTHON_TYPES: dict[FeatureType, frozenset[type]] = {
    FeatureType.BOOLEAN: frozenset((bool,)),
    FeatureType.INT: frozenset((int,)),
    FeatureType.LONG: frozenset((int,)),
    FeatureType.FLOAT: frozenset((float, int)),
    FeatureType.DOUBLE: frozenset((float, int)),
    FeatureType.STRING: frozenset((str,)),
    FeatureType.DATE: frozenset((int,)),
    FeatureType.TIMESTAMP: frozenset((int,)),
    FeatureType.LIST: frozenset((list,)),
    FeatureType.VECTOR: frozenset((list,)),
    FeatureType.MAP: frozenset((dict,)),
}
"""What a canonical row may hold for each type; anything else is judged row by row, and may pass there."""
_NULL = type(None)
_NULLABLE = {kind: types | {_NULL} for kind, types in _PYTHON_TYPES.items()}
_ARRAY_KINDS = {
    FeatureType.FLOAT: "f",
    FeatureType.DOUBLE: "f",
    FeatureType.INT: "iu",
    FeatureType.LONG: "iu",
}
"""numpy's kinds of which whole arrays are taken at once, with the values that Python lists of them would have."""


def column_of(
    values: list[Any], kind: FeatureType, item: FeatureType | None, *, convert: Convert | None
) -> pa.Array | None:
    """The column of a contract's type, None where a value is none that it takes as it is: look at each row.

    Args:
        values: a value per row, as the job hands them in.
        kind: the feature's type.
        item: what a list, map or vector holds.
        convert: what makes values of this feature canonical, if anything does.

    Raises:
        TypeError, ValueError, OverflowError, ArrowException: a value is one that the type cannot hold.
    """
    if item is not None and _are_arrays(values, item):
        return _column_of_arrays(values, kind, item)
    if convert is not None:
        values = [value if value is None else convert(value) for value in values]
    if not _NULLABLE[kind].issuperset(map(type, values)):
        return None
    if item is not None and not _are_items(values, kind, item):
        return None
    return pa.array(values, arrow_type(kind, item))


def _are_items(values: Iterable[Any], kind: FeatureType, item: FeatureType) -> bool:
    inside: Iterable[Any] = filter(None, values)
    if kind is FeatureType.MAP:
        maps: list[dict[Any, Any]] = list(inside)
        if not set(map(type, chain.from_iterable(maps))) <= {str}:
            return False
        inside = [each.values() for each in maps]
    return _PYTHON_TYPES[item].issuperset(map(type, chain.from_iterable(inside)))


def _are_arrays(values: Sequence[Any], item: FeatureType) -> bool:
    if set(map(type, values)) != {np.ndarray}:
        return False
    kinds = {value.dtype for value in values}
    return (
        len(kinds) == 1
        and kinds.pop().kind in _ARRAY_KINDS.get(item, "")
        and all(v.ndim == 1 for v in values)
    )


def _column_of_arrays(values: Sequence[Any], kind: FeatureType, item: FeatureType) -> pa.Array | None:
    """Lists from arrays of one dtype, without a Python number for each item."""
    if kind is FeatureType.MAP:
        return None
    inside = np.concatenate(values)
    ends = np.concatenate(([0], np.cumsum([len(value) for value in values])))
    items = pa.array(inside).cast(arrow_type(item))
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), items).cast(arrow_type(kind, item))
