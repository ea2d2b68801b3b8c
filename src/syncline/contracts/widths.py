"""How many bytes each row of a batch takes in Avro's canonical encoding, for whole columns at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from syncline.contracts.arrow import NUMPY_TYPES, numbers, text_ends, validity
from syncline.contracts.model import FeatureType

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

    from syncline.contracts.fields import WireField

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
    if field.type is FeatureType.STRING:
        lengths = np.diff(text_ends(column)).astype(np.int64)
        widths: npt.NDArray[np.int64] | int = lengths + varint_widths(zigzag(lengths))
    elif field.type in _FIXED_WIDTHS:
        widths = _FIXED_WIDTHS[field.type]
    else:
        widths = varint_widths(zigzag(numbers(column, NUMPY_TYPES[field.type])))
    if field.null_branch is None:
        return widths
    return 1 + widths if valid is None else 1 + np.where(valid, widths, 0)
