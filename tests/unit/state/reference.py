"""The fold as log.md and promises.md say it, written naively and without any of our code: what ours must equal.

What each record is (good, bad, delete, marker, ...) is known by construction, so nothing is decoded here.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from syncline.wire.keys import encode_key
from tests.unit.state.world import NOW_MS, Record, Version, delete, heartbeat, marker

MINUTE_US = 60_000_000
AHEAD_US = 5 * MINUTE_US
LATE_US = 10 * MINUTE_US


@dataclass(frozen=True, slots=True)
class Played:
    """A record, and what it is."""

    kind: str
    """update | delete | marker | control | bad"""
    record: Record
    at_us: int = 0
    schema_id: int = 0
    body: bytes = b""


@dataclass
class Reference:
    """Feed it records in offset order; ask what came out."""

    late_us: int | None = None
    cells: dict[bytes, tuple[int, int, bool, int, bytes]] = field(default_factory=dict)
    """key → (event time, offset, deleted, schema id, payload)"""
    t_ms: int = -1
    ring: list[tuple[int, int]] = field(default_factory=list)
    rejected: list[int] = field(default_factory=list)
    next_offset: int = 0

    def take(self, offset: int, played: Played) -> None:
        """Fold one record."""
        if played.kind == "marker":
            self.ring.append((offset, self.digest()))
        self.t_ms = max(self.t_ms, played.record.ms)
        oldest_us = None if self.late_us is None else self.t_ms * 1_000 - self.late_us
        if played.kind == "marker" and oldest_us is not None:
            for key, (at_us, _, deleted, _, _) in list(self.cells.items()):
                if deleted and at_us < oldest_us:
                    del self.cells[key]
        if played.kind in ("update", "delete", "bad"):
            fine = played.kind != "bad" and played.at_us <= played.record.ms * 1_000 + AHEAD_US
            if fine and oldest_us is not None:
                fine = played.at_us >= oldest_us
            if fine:
                self._put(offset, played)
            else:
                self.rejected.append(offset)
        self.next_offset = offset + 1

    def _put(self, offset: int, played: Played) -> None:
        key = played.record.key
        assert key is not None
        standing = self.cells.get(key)
        if standing is None or (played.at_us, offset) > standing[:2]:
            deleted = played.kind == "delete"
            self.cells[key] = (played.at_us, offset, deleted, played.schema_id, played.body)

    def digest(self) -> int:
        """From all cells, from scratch."""
        return sum(self.sums()) % 2**64

    def sums(self) -> list[int]:
        """The 256 sub-digests."""
        sums = [0] * 256
        for key, (at_us, _, deleted, schema_id, payload) in self.cells.items():
            told = (
                struct.pack("<H", len(key)) + key + struct.pack("<qBI", at_us, deleted, schema_id) + payload
            )
            bucket = xxh3_64_intdigest(key) % 256
            sums[bucket] = (sums[bucket] + xxh3_64_intdigest(told)) % 2**64
        return sums

    @classmethod
    def of(cls, history: Sequence[Played], *, late_us: int | None = None, step: int = 1) -> Reference:
        """After a whole history, whose offsets are `step` apart."""
        reference = cls(late_us)
        for number, played in enumerate(history):
            reference.take(number * step, played)
        return reference


def histories(
    versions: Sequence[Version], airports: Sequence[str], *, most: int = 40, bad: bool = True
) -> st.SearchStrategy[list[Played]]:
    """Histories of one partition: ties, late and early events, deletes, markers, and records of every bad kind."""
    kinds = ["update"] * 6 + ["delete"] * 3 + ["marker", "marker", "control"] + ["bad"] * (2 if bad else 0)
    moment = st.builds(
        lambda minutes, micros: NOW_MS * 1_000 + minutes * MINUTE_US + micros,
        st.integers(-14, 6),
        st.sampled_from([-1, 0, 0, 0, 1]),
    )
    stamp = st.integers(-2, 12).map(lambda minutes: NOW_MS + minutes * 60_000)
    return st.lists(
        st.builds(
            _played,
            kind=st.sampled_from(kinds),
            version=st.sampled_from(list(versions)),
            airport=st.sampled_from(list(airports)),
            at_us=moment,
            ms=stamp,
            mean=st.sampled_from([0.0, 1.0, -100.0, 100.0]),
            flaw=st.sampled_from(list(FLAWS)),
        ),
        max_size=most,
    )


def _played(
    *, kind: str, version: Version, airport: str, at_us: int, ms: int, mean: float, flaw: str
) -> Played:
    key = encode_key([airport])
    match kind:
        case "update":
            body = version.body(airport, at_us=at_us, mean=mean)
            record = version.record(airport, at_us=at_us, ms=ms, mean=mean)
            return Played("update", record, at_us, version.schema_id, body)
        case "delete":
            return Played("delete", delete(airport, at_us=at_us, ms=ms), at_us)
        case "marker":
            return Played("marker", marker(0, ms=ms))
        case "control":
            return Played("control", heartbeat(ms=ms))
        case _:
            return Played("bad", FLAWS[flaw](version, airport, key, at_us, ms))


def _flawed(value: Any) -> Any:
    return lambda version, airport, key, at_us, ms: Record(key, value(version, airport, at_us), ms)


FLAWS: dict[str, Any] = {
    "null key": lambda version, airport, key, at_us, ms: Record(
        None, version.value(airport, at_us=at_us), ms
    ),
    "empty key": lambda version, airport, key, at_us, ms: Record(
        b"", version.value(airport, at_us=at_us), ms
    ),
    "another key": lambda version, airport, key, at_us, ms: Record(
        key, version.value(airport + "x", at_us=at_us), ms
    ),
    "wrong magic": _flawed(lambda version, airport, at_us: b"\x01" + version.value(airport, at_us=at_us)[1:]),
    "short": _flawed(lambda version, airport, at_us: b"\x00\x00"),
    "empty value": _flawed(lambda version, airport, at_us: b""),
    "truncated": _flawed(lambda version, airport, at_us: version.value(airport, at_us=at_us)[:-3]),
    "trailing": _flawed(lambda version, airport, at_us: version.value(airport, at_us=at_us) + b"\x00"),
    "out of range": _flawed(lambda version, airport, at_us: version.value(airport, at_us=at_us, mean=101.0)),
    "nan": _flawed(lambda version, airport, at_us: version.value(airport, at_us=at_us, mean=float("nan"))),
    "no time": lambda version, airport, key, at_us, ms: Record(key, None, ms),
    "bad time": lambda version, airport, key, at_us, ms: Record(key, None, ms, (("ce_time", b"noon"),)),
    "year 10000": _flawed(lambda version, airport, at_us: version.value(airport, at_us=2**62)),
    "year 0": _flawed(lambda version, airport, at_us: version.value(airport, at_us=-(2**63))),
}
"""Each makes a record that must be rejected, whatever its times."""
