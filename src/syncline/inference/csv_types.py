"""The types of a CSV file's columns, from all of their values: Arrow itself looks at the first block only."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

_TEXT = pa.string()
_ZEROS_BEFORE = r"^[+-]?0[0-9]+$"
_LONG_NUMBER = r"^[+-]?[0-9]{19,}$"


class CsvTypes:
    """Widens the type of each column from block to block; text takes everything."""

    def __init__(self, count: int) -> None:
        self._types: list[pa.DataType] = [pa.null()] * count

    def add(self, block: Sequence[pa.Array]) -> None:
        """Look at the next block, read as texts."""
        for number, column in enumerate(block):
            if self._types[number] != _TEXT:
                self._types[number] = _joined(self._types[number], _sniffed(column))

    def found(self) -> list[pa.DataType]:
        """The type of each column so far; null where nothing stood in it."""
        return list(self._types)


def _sniffed(column: pa.Array) -> pa.DataType:
    """What Arrow takes the different texts of a block for."""
    texts = column.drop_null().unique()
    if not len(texts):
        return pa.null()
    if pc.any(pc.match_substring_regex(texts, _ZEROS_BEFORE)).as_py():
        # 007 is a name made of digits: as a number it would lose some.
        return _TEXT
    buffer = io.BytesIO()
    csv.write_csv(pa.table([texts], ["texts"]), buffer)
    try:
        found = csv.read_csv(io.BytesIO(buffer.getvalue()))["texts"].type
    except pa.ArrowException:
        return _TEXT
    if found == pa.float64() and pc.any(pc.match_substring_regex(texts, _LONG_NUMBER)).as_py():
        # Too long for 64 bits, and 53 of them would be kept: a name, too.
        return _TEXT
    return found if found in _KEPT else _TEXT


def _joined(first: pa.DataType, second: pa.DataType) -> pa.DataType:
    """The narrowest type that takes the values of both."""
    if first == second or second == pa.null():
        return first
    if first == pa.null():
        return second
    for narrow, wide in _WIDER:
        if {first, second} == {narrow, wide}:
            return wide
    return _TEXT


_SECONDS, _NANOSECONDS = pa.timestamp("s"), pa.timestamp("ns")
_UTC_SECONDS, _UTC_NANOSECONDS = pa.timestamp("s", tz="UTC"), pa.timestamp("ns", tz="UTC")
_KEPT = (
    pa.null(),
    pa.bool_(),
    pa.int64(),
    pa.float64(),
    pa.date32(),
    pa.time32("s"),
    _SECONDS,
    _NANOSECONDS,
    _UTC_SECONDS,
    _UTC_NANOSECONDS,
)
_WIDER = (
    (pa.int64(), pa.float64()),
    (pa.date32(), _SECONDS),
    (pa.date32(), _NANOSECONDS),
    (_SECONDS, _NANOSECONDS),
    (_UTC_SECONDS, _UTC_NANOSECONDS),
)
