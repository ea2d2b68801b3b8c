"""Entity keys as Kafka record keys, and the partition that Java's clients choose for them."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from syncline.errors import WireError

KEY_BYTES_MAX = 511
"""The store's limit on a key (LMDB)."""


def encode_key(values: Sequence[str | int]) -> bytes:
    """The record key of the join keys' values, in the contract's order: UTF-8 text, or a canonical JSON array.

    Raises:
        WireError: empty, longer than 511 bytes, not encodable, an integer beyond 64 bits, or it would look like a
            control record.
    """
    for value in values:
        if isinstance(value, int) and not -_LONG_END <= value < _LONG_END:
            raise WireError("an integer join key does not fit into 64 bits")
    text = (
        str(values[0]) if len(values) == 1 else json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    )
    try:
        key = text.encode()
    except UnicodeEncodeError as error:
        raise WireError(f"the entity key {text!r} is not valid Unicode: {error.reason}") from None
    if not key:
        raise WireError("the entity key is empty; every update needs one")
    if len(key) > KEY_BYTES_MAX:
        raise WireError(f"the entity key has {len(key)} bytes, at most {KEY_BYTES_MAX} are allowed")
    if key[0] == 0:
        raise WireError("the entity key starts with a zero byte, which marks control records")
    return key


def decode_key(key: bytes, integer: Sequence[bool]) -> list[str | int] | None:
    """The join keys' values behind a record key, or None where `encode_key` would not have written it.

    `integer` says for each join key whether it is an integer; else it is a string.
    """
    try:
        text = key.decode()
        if len(integer) == 1 and not integer[0]:
            # Text has one form in UTF-8, so it needs no comparison with what `encode_key` would write.
            return [text] if 0 < len(key) <= KEY_BYTES_MAX and key[0] != 0 else None
        values: list[str | int]
        if len(integer) == 1:
            values = [int(text)]
        else:
            values = json.loads(text)
            if not isinstance(values, list) or len(values) != len(integer):
                return None
            wanted = [int if whole else str for whole in integer]
            if any(type(value) is not kind for value, kind in zip(values, wanted, strict=True)):
                return None
        return values if encode_key(values) == key else None
    except (ValueError, RecursionError, WireError):
        return None


def partition_for(key: bytes, partitions: int) -> int:
    """The partition of a key, as Java's DefaultPartitioner: murmur2 made positive, modulo the count."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def partitions_for(keys: Sequence[bytes], partitions: int) -> npt.NDArray[np.int32]:
    """`partition_for` of every key, as columns: keys of one length are hashed together."""
    result = np.empty(len(keys), np.int32)
    lengths = np.fromiter(map(len, keys), np.int64, len(keys))
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        matrix = np.frombuffer(b"".join([keys[row] for row in rows.tolist()]), np.uint8).reshape(
            len(rows), int(length)
        )
        result[rows] = (_murmur2_rows(matrix) & np.uint32(0x7FFFFFFF)) % np.uint32(partitions)
    return result


def murmur2(data: bytes) -> int:
    """The 32-bit murmur2 hash that Kafka's Java client uses (org.apache.kafka.common.utils.Utils.murmur2)."""
    length = len(data)
    h = (_SEED ^ length) & _MASK
    whole = length & ~3
    for start in range(0, whole, 4):
        k = int.from_bytes(data[start : start + 4], "little") * _M & _MASK
        k = (k ^ (k >> _R)) * _M & _MASK
        h = (h * _M & _MASK) ^ k
    if length > whole:
        h = (h ^ int.from_bytes(data[whole:], "little")) * _M & _MASK
    h = (h ^ (h >> 13)) * _M & _MASK
    return h ^ (h >> 15)


def _murmur2_rows(matrix: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    """`murmur2` of every row of a byte matrix; uint32 arithmetic wraps as the hash wants it."""
    rows, length = matrix.shape
    m = np.uint32(_M)
    h = np.full(rows, (_SEED ^ length) & _MASK, np.uint32)
    whole = length & ~3
    words = np.ascontiguousarray(matrix[:, :whole]).view("<u4")
    for column in range(whole // 4):
        k = words[:, column] * m
        k = (k ^ (k >> np.uint32(_R))) * m
        h = (h * m) ^ k
    if length > whole:
        tail = np.zeros(rows, np.uint32)
        for place, column in enumerate(range(whole, length)):
            tail |= matrix[:, column].astype(np.uint32) << np.uint32(8 * place)
        h = (h ^ tail) * m
    h = (h ^ (h >> np.uint32(13))) * m
    return h ^ (h >> np.uint32(15))


_LONG_END = 1 << 63
_SEED = 0x9747B28C
_M = 0x5BD1E995
_R = 24
_MASK = 0xFFFFFFFF
