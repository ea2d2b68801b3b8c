"""Columns of a contract's types, their insides, and rows read back from them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from syncline.contracts.codec.arrow import ARROW_TYPES, arrow_type, canonical_rows, carries, items_of
from syncline.contracts.codec.entries import null_items, repeated_keys
from syncline.contracts.model import FeatureType
from tests.unit.contracts.codec.wire_cases import SCALARS

D = FeatureType
MAP = pa.map_(pa.string(), pa.int32())


def test_every_type_has_a_column_type() -> None:
    """Scalars have a column type each; lists and vectors are lists of it, maps map texts to it."""
    assert [arrow_type(kind) for kind in SCALARS] == [ARROW_TYPES[kind] for kind in SCALARS]
    assert arrow_type(D.DATE) == pa.date32()
    assert arrow_type(D.TIMESTAMP) == pa.timestamp("us", "UTC")
    for kind in SCALARS:
        assert arrow_type(D.LIST, kind) == pa.list_(ARROW_TYPES[kind])
        assert arrow_type(D.MAP, kind) == pa.map_(pa.string(), ARROW_TYPES[kind])
    assert arrow_type(D.VECTOR, D.FLOAT) == pa.list_(pa.float32())


@pytest.mark.parametrize(
    ("found", "wanted", "verdict"),
    [
        (pa.int32(), pa.int32(), True),
        (pa.int64(), pa.int32(), False),
        (pa.int64(), pa.timestamp("us", "UTC"), True),
        (pa.timestamp("us", "Asia/Tokyo"), pa.timestamp("us", "UTC"), True),
        (pa.timestamp("ms", "UTC"), pa.timestamp("us", "UTC"), False),
        (pa.int32(), pa.date32(), False),
        (pa.list_(pa.field("element", pa.int32(), nullable=False)), pa.list_(pa.int32()), True),
        (pa.list_(pa.int64()), pa.list_(pa.int32()), False),
        (pa.large_list(pa.int32()), pa.list_(pa.int32()), False),
        (pa.list_(pa.int32(), 2), pa.list_(pa.int32()), False),
        (pa.map_(pa.string(), pa.field("v", pa.int32(), nullable=False)), MAP, True),
        (pa.map_(pa.large_string(), pa.int32()), MAP, False),
        (pa.map_(pa.string(), pa.int64()), MAP, False),
        (pa.list_(pa.int32()), MAP, False),
    ],
)
def test_what_a_column_carries(found: pa.DataType, wanted: pa.DataType, verdict: bool) -> None:
    """A column carries a type where it holds the same numbers, whatever zone or inner names it gives them."""
    assert carries(found, wanted) is verdict


EDGES = pa.RecordBatch.from_pydict(
    {
        "day": pa.array([0, None, 2**31 - 1], pa.int32()).cast(pa.date32()),
        "at": pa.array([-(2**63), 2**63 - 1, None], pa.timestamp("us", "UTC")),
        "days": pa.array([[-(2**31), 0], [], None], pa.list_(pa.int32())).cast(pa.list_(pa.date32())),
        "moments": pa.array([{"a": 2**63 - 1}, None, {}], pa.map_(pa.string(), pa.timestamp("us", "UTC"))),
        "vector": pa.array([[0.5, -0.0], None, [1.5]], pa.list_(pa.float32())),
        "flags": pa.array([[True, False], [], None], pa.list_(pa.bool_())),
        "count": pa.array([1, None, 3], pa.int32()),
        "mean": pa.array([1.5, 2.5, 3.5], pa.float64()),
        "text": pa.array(["a", None, "é"]),
    }
)
ROWS: list[dict[str, Any]] = [
    {
        "day": 0,
        "at": -(2**63),
        "days": [-(2**31), 0],
        "moments": {"a": 2**63 - 1},
        "vector": [0.5, -0.0],
        "flags": [True, False],
        "count": 1,
        "mean": 1.5,
        "text": "a",
    },
    {
        "day": None,
        "at": 2**63 - 1,
        "days": [],
        "moments": None,
        "vector": None,
        "flags": [],
        "count": None,
        "mean": 2.5,
        "text": None,
    },
    {
        "day": 2**31 - 1,
        "at": None,
        "days": None,
        "moments": {},
        "vector": [1.5],
        "flags": None,
        "count": 3,
        "mean": 3.5,
        "text": "é",
    },
]


def test_rows_hold_numbers_lists_and_dicts() -> None:
    """Days and moments are numbers even where Python's datetime ends; lists are lists, maps dicts, -0.0 is -0.0."""
    assert repr(canonical_rows(EDGES)) == repr(ROWS)


@pytest.mark.parametrize("places", [[2, 0], [1], [], [0, 1, 2]])
def test_rows_at_places_come_in_their_order(places: list[int]) -> None:
    """The rows at the wanted places, and no others; a slice has its own numbers."""
    assert repr(canonical_rows(EDGES, places)) == repr([ROWS[place] for place in places])
    if 0 not in places:
        shifted = [place - 1 for place in places]
        assert repr(canonical_rows(EDGES.slice(1), shifted)) == repr([ROWS[place] for place in places])


def test_the_insides_of_a_slice_are_its_own() -> None:
    """The items of a sliced column start at 0 and are those of its rows alone."""
    lists = pa.array([[1, 2], [3], None, [4, 5, 6]], pa.list_(pa.int64())).slice(1)
    maps = pa.array([{"a": 1}, {"b": 2, "c": 3}], MAP).slice(1)

    items, entries = items_of(lists), items_of(maps)

    assert (items.ends.tolist(), items.values.to_pylist(), items.keys) == ([0, 1, 1, 4], [3, 4, 5, 6], None)
    assert entries.keys is not None
    assert (entries.ends.tolist(), entries.values.to_pylist()) == ([0, 2], [2, 3])
    assert entries.keys.to_pylist() == ["b", "c"]


def test_repeated_keys_are_found_by_rows() -> None:
    """A row that names a key twice is found, near and far apart; the same key in two rows is none."""
    column = pa.array(
        [
            [("a", 1), ("b", 2)],
            [("a", 1), ("a", 1)],
            None,
            [],
            [("x", 1), *((str(n), n) for n in range(100)), ("x", 2)],
            [("b", 1)],
            [("", 1), ("", 2)],
        ],
        MAP,
    )

    assert repeated_keys(column).tolist() == [False, True, False, False, True, False, True]
    assert repeated_keys(column.slice(1, 2)).tolist() == [True, False]
    assert repeated_keys(column.slice(2, 2)).tolist() == [False, False]
    assert repeated_keys(column.slice(0, 0)).tolist() == []


def test_nulls_inside_are_found_by_rows() -> None:
    """A row with a null inside is found; a null row is none of them."""
    lists = pa.array([[1], [None], None, [], [1, None, 2]], pa.list_(pa.int32()))
    maps = pa.array([{"a": 1}, {"a": None}, None, {}], MAP)

    assert null_items(lists).tolist() == [False, True, False, False, True]
    assert null_items(lists.slice(2)).tolist() == [False, False, True]
    assert null_items(maps).tolist() == [False, True, False, False]


def test_rows_with_a_flagged_item_are_found() -> None:
    """Flags of items become flags of rows: an empty row has none, and neighbours do not share theirs."""
    items = items_of(pa.array([[1, 2], [], None, [3], [4, 5]], pa.list_(pa.int32())).slice(1))

    assert items.rows_with(np.array([False, False, True])).tolist() == [False, False, False, True]
    assert items.rows_with(np.array([True, False, False])).tolist() == [False, False, True, False]
    assert items.rows_with(np.zeros(3, np.bool_)).tolist() == [False] * 4
