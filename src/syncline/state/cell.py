"""A cell: the current value of one entity in one view MAJOR, as the store keeps it.

    offset      int64   where the winning record stands; breaks ties of event time, and is in no digest
    guard       uint64  the cell's hash, shifted by the offset: one number that protects every byte of the cell
    event_time  int64   microseconds since the epoch
    deleted     uint8   1 for a tombstone
    schema_id   uint32  0 for a tombstone
    payload             the Avro body, without framing; empty for a tombstone

Offsets stay far below 2^62, and bit 62 of the field says something else: the cell is *traced*, its update was sampled,
and the store keeps that update's trace context beside it. The bit is in no digest either, since samplers may differ
from agent to agent; the guard covers it with the rest of the field.

The hash is xxh3_64 of key length, key, and everything from event_time on (promises.md, Digest).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from xxhash import xxh3_64_intdigest

from syncline.errors import StoreCorrupt

HEAD_BYTES = 29
_BODY_START = 16
_BODY = np.dtype([("event_time", "<i8"), ("deleted", "u1"), ("schema_id", "<u4")])
_HEAD = np.dtype([("offset", "<i8"), ("guard", "<u8"), *_BODY.descr])
_PLACES = np.dtype([("offset", "<i8"), ("guard", "<u8")])
_STRUCT = struct.Struct("<qQqBI")
_PLACE = struct.Struct("<qQ")
_KEY_LENGTH = [struct.pack("<H", length) for length in range(512)]
_SPREAD = 0x9E3779B97F4A7C15
"""An odd number: multiplying an offset by it spreads any change of the offset over the guard's bits."""
_MASK = (1 << 64) - 1
_TRACED = 1 << 62
TRACED_AT, TRACED = slice(7, 8), b"\x40"
"""Where a packed cell has the byte that is at least this in traced cells: a peek, for who reads no more of it."""
_OFFSET = ~_TRACED


class Cell(NamedTuple):
    """One cell, unpacked and verified."""

    event_time_us: int
    offset: int
    deleted: bool
    schema_id: int
    payload: bytes
    traced: bool = False
    """The store may keep a trace beside it."""


@dataclass(frozen=True, slots=True)
class CellHeads:
    """The fixed parts of many cells, as columns."""

    offsets: npt.NDArray[np.int64]
    """Without the bit that `traced` tells."""
    event_times_us: npt.NDArray[np.int64]
    deleted: npt.NDArray[np.bool_]
    hashes: npt.NDArray[np.uint64]
    traced: npt.NDArray[np.bool_]


def pack_cells(
    keys: Sequence[bytes],
    *,
    event_times_us: npt.NDArray[np.int64],
    offsets: npt.NDArray[np.int64],
    deleted: npt.NDArray[np.bool_],
    schema_ids: npt.NDArray[np.int64],
    payloads: Sequence[bytes],
) -> tuple[list[bytes], npt.NDArray[np.uint64]]:
    """(packed cells, their hashes), row by row."""
    heads = np.empty(len(keys), _BODY)
    heads["event_time"] = event_times_us
    heads["deleted"] = deleted
    heads["schema_id"] = schema_ids
    packed, size = heads.tobytes(), _BODY.itemsize
    bodies = [
        packed[start : start + size] + payload
        for start, payload in zip(range(0, len(packed), size), payloads, strict=True)
    ]
    lengths = _KEY_LENGTH
    hashes = np.fromiter(
        [xxh3_64_intdigest(lengths[len(key)] + key + body) for key, body in zip(keys, bodies, strict=True)],
        np.uint64,
        len(bodies),
    )
    places = np.empty(len(keys), _PLACES)
    places["offset"] = offsets
    places["guard"] = hashes + _shifts(offsets)
    front = places.tobytes()
    cells = [
        front[start : start + _BODY_START] + body
        for start, body in zip(range(0, len(front), _BODY_START), bodies, strict=True)
    ]
    return cells, hashes


def mark_traced(cell: bytes) -> bytes:
    """This packed cell, traced: the same hash and the same offset under a guard that fits. Idempotent."""
    field, guard = _PLACE.unpack_from(cell)
    if field & _TRACED:
        return cell
    return _PLACE.pack(field | _TRACED, (guard + _TRACED * _SPREAD) & _MASK) + cell[_BODY_START:]


def cell_heads(cells: Sequence[bytes]) -> CellHeads:
    """The fixed parts of packed cells. Nothing is verified: a wrong byte shows when the cell is read."""
    heads = np.frombuffer(b"".join([cell[:HEAD_BYTES] for cell in cells]), _HEAD)
    fields = heads["offset"]
    return CellHeads(
        offsets=fields & _OFFSET,
        event_times_us=heads["event_time"],
        deleted=heads["deleted"] != 0,
        hashes=heads["guard"] - _shifts(fields),
        traced=(fields & _TRACED) != 0,
    )


def unpack_cell(key: bytes, packed: bytes) -> Cell:
    """The cell of this key, with every byte verified (P5).

    Raises:
        StoreCorrupt: a byte is not what was written, or the cell belongs to another key.
    """
    if len(packed) < HEAD_BYTES:
        raise StoreCorrupt(f"a cell has {len(packed)} bytes, fewer than its head of {HEAD_BYTES}")
    offset, guard, event_time_us, deleted, schema_id = _STRUCT.unpack_from(packed)
    if cell_hash(key, packed) != (guard - offset * _SPREAD) & _MASK:
        raise StoreCorrupt("a cell's checksum does not match its bytes")
    if traced := offset >= _TRACED:
        offset -= _TRACED
    return Cell(event_time_us, offset, bool(deleted), schema_id, packed[HEAD_BYTES:], traced)


def cell_hash(key: bytes, packed: bytes) -> int:
    """The cell's hash, computed from its bytes: what the digest sums."""
    return xxh3_64_intdigest(_KEY_LENGTH[len(key)] + key + packed[_BODY_START:])


@dataclass(frozen=True, slots=True)
class Recounted:
    """What cells that were found in a store come to, as columns."""

    buckets: npt.NDArray[np.uint8]
    hashes: npt.NDArray[np.uint64]
    """Of each cell, computed from its bytes: what the digest should have summed."""
    broken: npt.NDArray[np.bool_]
    """Its guard says something else: no reader serves it."""


def recount(found: Sequence[tuple[bytes, bytes]]) -> Recounted:
    """Hash these (key, packed cell) anew, and see whether their guards say the same."""
    start, count = _BODY_START, len(found)
    hashes = _hashes(found, count)
    buckets = key_buckets([key for key, _ in found])
    fronts = b"".join([cell[:start] for _, cell in found])
    if len(fronts) != start * count:
        # One is cut off: what is missing becomes zeros, which no guard says.
        fronts = b"".join([cell[:start].ljust(start, b"\0") for _, cell in found])
    places = np.frombuffer(fronts, _PLACES)
    return Recounted(buckets, hashes, hashes != places["guard"] - _shifts(places["offset"]))


def cell_hashes(keys: Sequence[bytes], cells: Sequence[bytes]) -> npt.NDArray[np.uint64]:
    """`cell_hash` of every cell."""
    return _hashes(zip(keys, cells, strict=True), len(keys))


def key_buckets(keys: Sequence[bytes]) -> npt.NDArray[np.uint8]:
    """The sub-digest that each key belongs to: the low byte of its own hash."""
    # Cut off by the cast: a step of Python for each key would cost more than its hash.
    return np.fromiter(map(xxh3_64_intdigest, keys), np.uint64, len(keys)).astype(np.uint8)


def _shifts(offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    return offsets.astype(np.uint64) * np.uint64(_SPREAD)


def _hashes(found: Iterable[tuple[bytes, bytes]], count: int) -> npt.NDArray[np.uint64]:
    lengths, start = _KEY_LENGTH, _BODY_START
    return np.fromiter(
        [xxh3_64_intdigest(lengths[len(key)] + key + cell[start:]) for key, cell in found], np.uint64, count
    )
