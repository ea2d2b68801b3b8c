"""How a store lies in LMDB: which databases there are, and how keys become bytes that sort as they should."""

from __future__ import annotations

import struct

FORMAT = 2
"""The layout's version; raise it whenever an older Syncline could misread a newer store, or the reverse.

2 has traces: in cells a bit that says there is one, and databases of them. 1 is the same without any.
"""
FORMATS_READ = (1, FORMAT)
"""A writer that opens an older one of these makes it `FORMAT`."""

STATES = b"states"
META = b"meta"
LAYOUT = b"layout"
"""Our own marks, apart from `meta`, so that no name a role chooses can collide with them."""

FORMAT_KEY = b"format"
GENERATION_KEY = b"generation"


def cells_name(topic: str, partition: int) -> bytes:
    """The database of a partition's cells. Keys may fill all 511 bytes, so a prefix has no room: one each."""
    return f"cells/{topic}/{partition}".encode()


def tombstones_name(topic: str, partition: int) -> bytes:
    """The database of a partition's tombstones: event time → entity keys, sorted."""
    return f"tombstones/{topic}/{partition}".encode()


def traces_name(topic: str, partition: int) -> bytes:
    """The database of the traces that stand beside a partition's traced cells: entity key → trace."""
    return f"traces/{topic}/{partition}".encode()


def parse_name(name: bytes) -> tuple[str, str, int] | None:
    """What a database holds: (`cells`, `tombstones` or `traces`, topic, partition); None for the fixed ones."""
    parts = name.rstrip(b"\0").decode().split("/")
    match parts:
        case [("cells" | "tombstones" | "traces") as kind, topic, partition]:
            return kind, topic, int(partition)
    return None


def state_key(topic: str, partition: int) -> bytes:
    """Sorts by topic, then by partition as a number: no topic contains a zero byte."""
    return topic.encode() + b"\0" + _PARTITION.pack(partition)


def parse_state_key(key: bytes) -> tuple[str, int]:
    """The (topic, partition) that `state_key` was made of."""
    return key[: -_PARTITION.size - 1].decode(), _PARTITION.unpack(key[-_PARTITION.size :])[0]


def time_key(event_us: int) -> bytes:
    """Eight bytes that sort as the signed times do."""
    return _TIME.pack(event_us + _BIAS)


def parse_time_key(key: bytes) -> int:
    """The event time, in microseconds, that `time_key` was made of."""
    biased: int = _TIME.unpack(key)[0]
    return biased - _BIAS


def pack_count(count: int) -> bytes:
    """A format or generation, as `layout` keeps it."""
    return _TIME.pack(count)


def parse_count(packed: bytes | memoryview | None) -> int:
    """The number that `pack_count` wrote; 0 where nothing was."""
    count: int = _TIME.unpack(packed)[0] if packed is not None else 0
    return count


_PARTITION = struct.Struct(">I")
_TIME = struct.Struct(">Q")
_BIAS = 1 << 63
