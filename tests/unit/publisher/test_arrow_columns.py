"""Arrow columns of any flavour, as the contract's own, or as the Python values that a row would have had."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from syncline.contracts.codec.arrow import arrow_type, canonical_rows
from syncline.contracts.model import FeatureType
from syncline.publisher.arrow_columns import fitted, python_values, times_us

DATE, TIMESTAMP, LIST, MAP, VECTOR = (
    FeatureType.DATE,
    FeatureType.TIMESTAMP,
    FeatureType.LIST,
    FeatureType.MAP,
    FeatureType.VECTOR,
)
DAY_MS = 86_400_000


def canonical(column: pa.Array) -> list[Any]:
    """The values as checks see them."""
    return [row["c"] for row in canonical_rows(pa.RecordBatch.from_arrays([column], ["c"]))]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([date(1969, 12, 31), None]), [-1, None]),
        (pa.array([-DAY_MS, DAY_MS, None], pa.date64()), [-1, 1, None]),
        (pa.array([5, None], pa.int16()), [5, None]),
        (pa.array([date(1970, 1, 2)] * 2).dictionary_encode(), [1, 1]),
        (pa.nulls(2), [None, None]),
    ],
)
def test_days_of_any_width(column, expected):
    """Both of Arrow's date types and whole numbers of days are dates."""
    found = fitted(column, DATE)
    assert found.type == pa.date32()
    assert canonical(found) == expected
    assert python_values(column, DATE)[: len(expected)] == expected


@pytest.mark.parametrize(
    ("unit", "given", "expected"),
    [
        ("s", [-1, 2, None], [-1_000_000, 2_000_000, None]),
        ("ms", [-1, None, 2], [-1_000, None, 2_000]),
        ("us", [-1, 2**62, None], [-1, 2**62, None]),
        ("ns", [-1, -1_000, 1_999, None], [-1, -1, 1, None]),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "+01:00"])
def test_moments_of_any_unit_and_zone(unit, given, expected, zone):
    """Microseconds since 1970, whatever unit and zone; what is finer is cut off as `datetime` cuts it off."""
    column = pa.array(given, pa.timestamp(unit, zone))
    found = fitted(column, TIMESTAMP)
    assert found.type == pa.timestamp("us", "UTC")
    assert canonical(found) == expected
    assert python_values(column, TIMESTAMP) == expected
    if None in given:
        assert times_us(column) is None
    assert times_us(column.drop_null()).to_pylist() == [each for each in expected if each is not None]


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (pa.array([1], pa.timestamp("us")), TIMESTAMP),
        (pa.array([2**62], pa.timestamp("s", "UTC")), TIMESTAMP),
        (pa.array([date(2027, 1, 1)]), TIMESTAMP),
        (pa.array([1.5]), TIMESTAMP),
        (pa.array([1], pa.timestamp("us", "UTC")), DATE),
        (pa.array(["2027-01-01"]), DATE),
        (pa.array([1], pa.timestamp("us", "UTC")), FeatureType.LONG),
        (pa.array([date(2027, 1, 1)]), FeatureType.INT),
    ],
)
def test_what_is_neither_is_left_to_the_rows(column, kind):
    """A time without a zone, a moment for a day or a day for a moment is no value of the type, and no number."""
    assert fitted(column, kind) is None
    (value,) = python_values(column, kind)
    assert not isinstance(value, int) or kind in (FeatureType.LONG, FeatureType.INT)


LISTS = {
    "list": pa.list_,
    "large_list": pa.large_list,
    "list_view": pa.list_view,
    "large_list_view": pa.large_list_view,
}


@pytest.mark.parametrize("flavour", LISTS)
@pytest.mark.parametrize("cut", [slice(None), slice(1, None), slice(2, 4), slice(3, 3)])
def test_lists_of_every_flavour(flavour, cut):
    """Whichever of Arrow's lists, whole or a slice, with nulls and empty ones: the same values."""
    given = [[1, 2], None, [], [3], [4, 5, 6]]
    column = pa.array(given, LISTS[flavour](pa.int16()))[cut]
    found = fitted(column, LIST, FeatureType.LONG)
    found.validate(full=True)
    assert found.type == arrow_type(LIST, FeatureType.LONG)
    assert canonical(found) == given[cut] == python_values(column, LIST, FeatureType.LONG)


@pytest.mark.parametrize("cut", [slice(None), slice(1, None), slice(1, 2)])
def test_lists_of_fixed_size_are_vectors(cut):
    """A fixed-size list, as embeddings come, with nulls: the same values, floats narrowed as on the wire."""
    given = [[1.5, 2.0], None, [3.0, 0.1]]
    column = pa.array(given, pa.list_(pa.float64(), 2))[cut]
    found = fitted(column, VECTOR, FeatureType.FLOAT)
    found.validate(full=True)
    assert found.type == pa.list_(pa.float32())
    narrow = [None if each is None else np.array(each, np.float32).tolist() for each in given]
    assert canonical(found) == narrow[cut]
    assert python_values(column, VECTOR, FeatureType.FLOAT) == given[cut]


def test_items_are_fitted_as_values_are():
    """Dates, moments, dictionary-encoded and large texts inside lists; and a null inside is left to the rows."""
    moments = pa.array([[datetime(1970, 1, 1, tzinfo=UTC)], None], pa.list_(pa.timestamp("ns", "Asia/Tokyo")))
    assert canonical(fitted(moments, LIST, TIMESTAMP)) == [[0], None]
    texts = pa.array([["a", "b"], ["a"]], pa.large_list(pa.large_string()))
    assert canonical(fitted(texts, LIST, FeatureType.STRING)) == [["a", "b"], ["a"]]
    coded = pa.ListArray.from_arrays(
        pa.array([0, 2, 3], pa.int32()), pa.array(["a", "b", "a"]).dictionary_encode()
    )
    assert canonical(fitted(coded, LIST, FeatureType.STRING)) == [["a", "b"], ["a"]]
    holey = pa.array([[1, None]], pa.list_(pa.int64()))
    assert fitted(holey, LIST, FeatureType.LONG) is None
    assert python_values(holey, LIST, FeatureType.LONG) == [[1, None]]
    assert fitted(pa.array([[[1]]]), LIST, FeatureType.LONG) is None
    assert fitted(pa.array([1]), LIST, FeatureType.LONG) is None


@pytest.mark.parametrize("cut", [slice(None), slice(1, None), slice(2, 4), slice(1, 2)])
def test_maps(cut):
    """Maps as maps, whole or a slice, with nulls and empty ones."""
    given = [{"a": 1}, None, {}, {"b": 2, "c": 3}]
    column = pa.array(given, pa.map_(pa.large_string(), pa.int16()))[cut]
    found = fitted(column, MAP, FeatureType.INT)
    found.validate(full=True)
    assert found.type == arrow_type(MAP, FeatureType.INT)
    assert canonical(found) == given[cut] == python_values(column, MAP, FeatureType.INT)


def test_maps_that_are_none_are_left_to_the_rows():
    """A key that stands there twice has two values: no one knows which is meant, so it is no map."""
    twice = pa.array([[("a", 1), ("a", 2)], [("b", 3)], None], pa.map_(pa.string(), pa.int64()))
    assert fitted(twice, MAP, FeatureType.LONG) is None
    assert python_values(twice, MAP, FeatureType.LONG) == [[("a", 1), ("a", 2)], {"b": 3}, None]
    numbered = pa.array([[(1, 1)]], pa.map_(pa.int64(), pa.int64()))
    assert fitted(numbered, MAP, FeatureType.LONG) is None
    assert python_values(numbered, MAP, FeatureType.LONG) == [{1: 1}]
    holey = pa.array([[("a", None)]], pa.map_(pa.string(), pa.int64()))
    assert fitted(holey, MAP, FeatureType.LONG) is None
    assert fitted(pa.array([{"a": 1}]), MAP, FeatureType.LONG) is None
    assert python_values(pa.array([{"a": 1}]), MAP, FeatureType.LONG) == [{"a": 1}]


def test_null_lists_and_maps_hide_nothing():
    """A null may have items beneath it in Arrow's memory: they are nobody's values."""
    mask = pa.array([False, True, False])
    lists = pa.ListArray.from_arrays(pa.array([0, 1, 3, 4], pa.int32()), pa.array([1, 2, 3, 4]), mask=mask)
    found = fitted(lists, LIST, FeatureType.LONG)
    assert canonical(found) == [[1], None, [4]] == python_values(lists, LIST, FeatureType.LONG)
    assert fitted(lists[1:], LIST, FeatureType.LONG).flatten().to_pylist() == [4]
    plain = pa.MapArray.from_arrays(
        pa.array([0, 1, 3, 4], pa.int32()), pa.array(list("abbc")), pa.array([1, 2, 3, 4])
    )
    maps = pa.MapArray.from_buffers(
        plain.type, 3, [pa.py_buffer(b"\x05"), *plain.buffers()[1:2]], children=[plain.values]
    )
    assert canonical(fitted(maps, MAP, FeatureType.LONG)) == [{"a": 1}, None, {"c": 4}]
    assert python_values(maps, MAP, FeatureType.LONG) == [{"a": 1}, None, {"c": 4}]


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (pa.array([2**62], pa.timestamp("us", "UTC")), None),
        (pa.array([2**62], pa.timestamp("us")), TIMESTAMP),
        (pa.array([1], pa.timestamp("ns")), TIMESTAMP),
        (pa.array([2**31 - 1], pa.date32()), None),
        (pa.array([b"\xff"]).view(pa.string()), FeatureType.STRING),
        (pa.array([2**62], pa.duration("s")), FeatureType.LONG),
        (pa.array([[2**62]], pa.list_(pa.timestamp("us", "UTC"))), FeatureType.STRING),
    ],
)
def test_no_column_makes_it_fail(column, kind):
    """What Python cannot hold comes as something that no check takes, and not as an exception."""
    (value,) = python_values(column, kind)
    assert not isinstance(value, int)


def test_a_good_text_beside_a_broken_one_is_itself():
    """One text that is no UTF-8 does not take its column with it."""
    column = pa.array([b"a", b"\xff", None]).view(pa.string())
    assert python_values(column, FeatureType.STRING) == ["a", b"\xff", None]
