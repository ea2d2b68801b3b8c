"""Hypothesis strategies: tables as files of data hold them, with odd names, odd types and odd values."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
CODES = st.sampled_from(["EWR", "JFK", "LGA", "B6-1", "no", "1"])
NAMES = st.one_of(
    st.sampled_from(
        [
            "id",
            "a b",
            "a.b",
            "1st",
            "Größe",
            "delay (min)",
            "",
            " ",
            "a__b",
            "x" * 120,
            "event_time",
            "null",
            "count",
        ]
    ),
    st.sampled_from(["humidity", "hour", "lat", "name", "speed_ms", "#", "- x", "ключ", "__index_level_0__"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
)
MOSTLY = st.sampled_from([True] * 9 + [False])
_MICROS = st.integers(-(10**15), 4 * 10**15)


def _whole(bits: int, *, signed: bool = True) -> st.SearchStrategy[int]:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return st.one_of(st.integers(low, high), st.integers(max(low, -3), 9), st.sampled_from([low, high]))


def _floats(width: int) -> st.SearchStrategy[float]:
    return st.one_of(
        st.floats(width=width), st.floats(0, 100, width=width), st.sampled_from([0.0, 1.0, -1.0])
    )


SCALARS: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.bool_(), st.booleans()),
    (pa.int8(), _whole(8)),
    (pa.int32(), _whole(32)),
    (pa.int64(), _whole(64)),
    (pa.uint16(), _whole(16, signed=False)),
    (pa.uint64(), _whole(64, signed=False)),
    (pa.float16(), _floats(16)),
    (pa.float32(), _floats(32)),
    (pa.float64(), _floats(64)),
    (pa.string(), TEXTS),
    (pa.string(), CODES),
    (pa.large_string(), TEXTS),
    (pa.dictionary(pa.int8(), pa.string()), CODES),
    (pa.date32(), st.dates()),
    (pa.date32(), st.integers(-(2**31), 2**31 - 1)),
    (pa.timestamp("us"), _MICROS),
    (pa.timestamp("us", tz="America/New_York"), _MICROS),
    (pa.timestamp("ns", tz="UTC"), _MICROS.map(lambda us: us * 1_000 + 1)),
    (pa.timestamp("s"), st.integers(-(2**62), 2**62)),
]
UNSUPPORTED: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.null(), st.none()),
    (pa.decimal128(10, 2), st.decimals(-1000, 1000, places=2)),
    (pa.time64("us"), st.times()),
    (pa.duration("ms"), st.integers(0, 10**6)),
    (pa.binary(), st.binary(max_size=4)),
    (
        pa.struct([("city", pa.string()), ("at", pa.struct([("x", pa.int8())]))]),
        st.just({"city": "Wien", "at": None}),
    ),
    (pa.list_(pa.list_(pa.int8())), st.just([[1], []])),
]


@st.composite
def _nested(draw: Any) -> tuple[pa.DataType, st.SearchStrategy[Any]]:
    kind, values = draw(st.sampled_from(SCALARS))
    inside = values | st.none() if not draw(MOSTLY) else values
    form = draw(st.sampled_from(["list", "large", "fixed", "map"]))
    if form == "map":
        return pa.map_(pa.string(), kind), st.lists(st.tuples(CODES, inside), max_size=3)
    if form == "fixed":
        return pa.list_(kind, 3), st.lists(inside, min_size=3, max_size=3)
    return (pa.list_ if form == "list" else pa.large_list)(kind), st.lists(inside, max_size=4)


@st.composite
def columns(draw: Any, rows: int) -> pa.Array:
    """A column of any type, with or without nulls; a few values come again and again."""
    kind, values = draw(st.one_of(st.sampled_from(SCALARS), st.sampled_from(UNSUPPORTED), _nested()))
    if draw(st.integers(0, 3)) == 0:
        values = values | st.none()
    pool = draw(st.lists(values, min_size=1, max_size=6))
    picks = draw(st.lists(st.integers(0, len(pool) - 1), min_size=1, max_size=12))
    chosen = [pool[picks[number % len(picks)]] for number in range(rows)]
    if not draw(MOSTLY):
        chosen = [None] * rows
    return _array(chosen, kind)


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(kind):
        return pa.array(values, pa.string()).dictionary_encode()
    return pa.array(values, kind)


@st.composite
def tables(draw: Any) -> tuple[list[str], list[pa.Array]]:
    """Names and columns; one column numbers the rows and one says when, so that often a contract can be found."""
    rows = draw(st.sampled_from([0, 1, 2, 7, 150]))
    arrays = draw(st.lists(columns(rows), min_size=1, max_size=6))
    names = draw(st.lists(NAMES, min_size=len(arrays), max_size=len(arrays)))
    if draw(MOSTLY):
        number = [f"k{row % 5}" for row in range(rows)] if draw(st.booleans()) else list(range(rows))
        place = draw(st.integers(0, len(arrays)))
        arrays.insert(
            place, pa.array(number, pa.string() if rows and isinstance(number[0], str) else pa.int64())
        )
        names.insert(place, draw(st.sampled_from(["id", "entity", "key"])))
    if draw(MOSTLY):
        start = dt.datetime(2027, 1, 1, tzinfo=dt.UTC)
        place = draw(st.integers(0, len(arrays)))
        moments = [start + dt.timedelta(minutes=row) for row in range(rows)]
        arrays.insert(place, pa.array(moments, pa.timestamp("us", tz="UTC")))
        names.insert(place, draw(st.sampled_from(["ts", "event_time", "when"])))
    return names, arrays
