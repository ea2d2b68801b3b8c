"""How many bytes each row of a batch takes in Avro's canonical encoding, for whole columns at once.

Canonical is what writers give: integers in as few bytes as can be; a list or map as one block with a positive count,
then a 0; an empty one as the 0 alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from syncline.contracts.codec.arrow import NUMPY_TYPES, items_of, numbers, text_ends, validity
from syncline.contracts.model import FeatureType

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

    from syncline.contracts.codec.arrow import Items
    from syncline.contracts.codec.fields import WireField

_FIXED_WIDTHS = {FeatureType.DOUBLE: 8, FeatureType.FLOAT: 4, FeatureType.BOOLEAN: 1}


def zigzag(values: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
    """Signed integers as Avro's varints carry them: small magnitudes become small numbers."""
    wide = values.astype(np.int64, copy=False)
    return ((wide << 1) ^ (wide >> 63)).view(np.uint64)


def varint_widths(zigzagged: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """The bytes that each varint takes, 1 to 10."""
    widths = np.ones(len(zigzagged), np.int64)
    if len(zigzagged) == 0:
        return widths
    largest, smallest = int(zigzagged.max()), int(zigzagged.min())
    for bits in range(7, 64, 7):
        if largest >> bits == 0:
            break
        widths += 1 if smallest >> bits else zigzagged >= np.uint64(1 << bits)
    return widths


def field_widths(field: WireField, column: pa.Array) -> npt.NDArray[np.int64] | int:
    """The bytes that this field takes in each row, union branch included; one number where all rows agree."""
    valid = validity(column)
    if field.item is None:
        widths = scalar_widths(field.type, column)
    else:
        items = items_of(column)
        widths = nested_widths(items, item_widths(items, field.item))
    if field.null_branch is None:
        return widths
    return 1 + widths if valid is None else 1 + np.where(valid, widths, 0)


def scalar_widths(kind: FeatureType, column: pa.Array) -> npt.NDArray[np.int64] | int:
    """The bytes that each value of a scalar column takes; one number where all agree. Nulls' mean nothing."""
    if kind in _FIXED_WIDTHS:
        return _FIXED_WIDTHS[kind]
    if kind is FeatureType.STRING:
        lengths = np.diff(text_ends(column)).astype(np.int64)
        return lengths + varint_widths(zigzag(lengths))
    return varint_widths(zigzag(numbers(column, NUMPY_TYPES[kind])))


def item_widths(items: Items, kind: FeatureType) -> npt.NDArray[np.int64] | int:
    """The bytes that each item takes, its key included where it has one; one number where all agree."""
    widths = scalar_widths(kind, items.values)
    return widths if items.keys is None else widths + scalar_widths(FeatureType.STRING, items.keys)


def item_starts(items: Items, widths: npt.NDArray[np.int64] | int) -> npt.NDArray[np.int64]:
    """Where each item would start if nothing stood between items; one more than there are items."""
    count = int(items.ends[-1])
    if isinstance(widths, int):
        return np.arange(count + 1, dtype=np.int64) * widths
    starts = np.zeros(count + 1, np.int64)
    np.cumsum(widths, out=starts[1:])
    return starts


def nested_widths(items: Items, widths: npt.NDArray[np.int64] | int) -> npt.NDArray[np.int64]:
    """The bytes that each list or map takes whose items have these widths."""
    counts = np.diff(items.ends)
    insides = counts * widths if isinstance(widths, int) else np.diff(item_starts(items, widths)[items.ends])
    # The block's count, its items, and the 0 behind them, which an empty list has in place of the count.
    whole: npt.NDArray[np.int64] = varint_widths(zigzag(counts)) + insides + (counts > 0)
    return whole
