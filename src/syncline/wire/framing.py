"""Confluent's framing of a value: magic byte 0, a 4-byte schema id, then the Avro body."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from syncline.errors import WireError

MAGIC = 0
PREFIX_BYTES = 5


def prefix(schema_id: int) -> bytes:
    """The five bytes before a body of this schema."""
    return _PREFIX.pack(MAGIC, schema_id)


def unframe(value: bytes) -> tuple[int, bytes]:
    """(schema id, body).

    Raises:
        WireError: too short, or another magic byte (1 would be the schema's GUID in a header: not read yet).
    """
    if len(value) < PREFIX_BYTES:
        raise WireError(
            f"the value has {len(value)} bytes, fewer than the {PREFIX_BYTES} of Confluent's framing"
        )
    magic, schema_id = _PREFIX.unpack_from(value)
    if magic != MAGIC:
        raise WireError(f"the value starts with byte {magic}, Confluent's framing starts with {MAGIC}")
    return schema_id, value[PREFIX_BYTES:]


def schema_ids(values: Sequence[bytes]) -> npt.NDArray[np.int64]:
    """The schema id of every value as a column; -1 where `unframe` would refuse the value."""
    heads = b"".join([value[:PREFIX_BYTES].ljust(PREFIX_BYTES, b"\xff") for value in values])
    matrix = np.frombuffer(heads, np.uint8).reshape(len(values), PREFIX_BYTES)
    ids = np.ascontiguousarray(matrix[:, 1:]).view(">u4").reshape(-1).astype(np.int64)
    # A short value is padded with 0xff: it fails as a wrong magic byte, unless its own first byte was right.
    short = np.fromiter(map(len, values), np.int64, len(values)) < PREFIX_BYTES
    ids[(matrix[:, 0] != MAGIC) | short] = -1
    return ids


_PREFIX = struct.Struct(">BI")
