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


def schema_id_of(value: bytes | None) -> int | None:
    """The schema id of a value; None where `unframe` would refuse it, or there is no value."""
    schema_id = -1 if value is None else _schema_id(value[:PREFIX_BYTES])
    return None if schema_id < 0 else schema_id


def schema_ids(values: Sequence[bytes]) -> npt.NDArray[np.int64]:
    """The schema id of every value as a column; -1 where `unframe` would refuse the value."""
    heads = [value[:PREFIX_BYTES] for value in values]
    # A batch is of few schemas: each of their prefixes is read once.
    known = {head: _schema_id(head) for head in set(heads)}
    if len(known) == 1:
        return np.full(len(heads), known[heads[0]], np.int64)
    return np.fromiter(map(known.__getitem__, heads), np.int64, len(heads))


def _schema_id(head: bytes) -> int:
    if len(head) < PREFIX_BYTES or head[0] != MAGIC:
        return -1
    schema_id: int = _PREFIX.unpack(head)[1]
    return schema_id


_PREFIX = struct.Struct(">BI")
