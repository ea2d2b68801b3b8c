"""A record's fields as Arrow columns, and the raw numpy views of a column that checks and encoders work on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from syncline.contracts.model import FeatureType

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from syncline.contracts.fields import WireField

EVENT_TIME_TYPE = pa.timestamp("us", tz="UTC")
ARROW_TYPES: dict[FeatureType, pa.DataType] = {
    FeatureType.BOOLEAN: pa.bool_(),
    FeatureType.INT: pa.int32(),
    FeatureType.LONG: pa.int64(),
    FeatureType.FLOAT: pa.float32(),
    FeatureType.DOUBLE: pa.float64(),
    FeatureType.STRING: pa.string(),
}
NUMPY_TYPES: dict[FeatureType, npt.DTypeLike] = {
    FeatureType.INT: np.int32,
    FeatureType.LONG: np.int64,
    FeatureType.FLOAT: np.float32,
    FeatureType.DOUBLE: np.float64,
}


def arrow_schema(fields: Iterable[WireField]) -> pa.Schema:
    """The columns of a record: one per field, in wire order; the event time is `timestamp[us, UTC]`."""
    return pa.schema(
        [
            pa.field(
                field.name,
                EVENT_TIME_TYPE if field.is_timestamp else ARROW_TYPES[field.type],
                nullable=field.null_branch is not None,
            )
            for field in fields
        ]
    )


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
