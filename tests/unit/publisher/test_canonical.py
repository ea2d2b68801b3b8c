"""What a job may hand in for each type, and that nothing of the job's is changed."""

from __future__ import annotations

from collections import OrderedDict
from copy import deepcopy
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from syncline.contracts.model import Feature, FeatureType, Item
from syncline.errors import Violation
from syncline.publisher.canonical import Edge, converter
from tests.unit.all_types import FEATURES, flight, flight_contract
from tests.unit.publisher.airport import airport_contract


class Pair(NamedTuple):
    """A tuple of a kind of its own."""

    first: float
    second: float


def feature(kind: FeatureType, item: FeatureType | None = None) -> Feature:
    """A feature without limits."""
    return Feature("f", kind, False, item=None if item is None else Item(item))


def converted(value: Any, kind: FeatureType, item: FeatureType | None = None) -> Any:
    """The value as checks see it."""
    convert = converter(feature(kind, item))
    assert convert is not None
    return convert(value)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (date(1970, 1, 1), 0),
        (date(1969, 12, 31), -1),
        (date(1, 1, 1), -719_162),
        (date(9999, 12, 31), 2_932_896),
        (20_000, 20_000),
    ],
)
def test_dates_become_days(given, expected):
    """A date is a number of days since 1970, from year 1 to 9999; a number is one already."""
    assert converted(given, FeatureType.DATE) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), 0),
        (datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), -1),
        (datetime(1970, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))), 0),
        (datetime(1, 1, 1, tzinfo=UTC), -62_135_596_800_000_000),
        (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), 253_402_300_799_999_999),
        (pd.Timestamp(-1, unit="ns", tz="UTC"), -1),
        (pd.Timestamp(1_999, unit="ns", tz="UTC"), 1),
        (17, 17),
    ],
)
def test_datetimes_become_microseconds(given, expected):
    """A moment is a number of microseconds since 1970; what is finer is cut off, before 1970 too."""
    assert converted(given, FeatureType.TIMESTAMP) == expected


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (FeatureType.DATE, datetime(2027, 1, 1, tzinfo=UTC)),
        (FeatureType.DATE, "2027-01-01"),
        (FeatureType.TIMESTAMP, datetime(2027, 1, 1)),  # noqa: DTZ001  it is what must not be taken
        (FeatureType.TIMESTAMP, date(2027, 1, 1)),
        (FeatureType.TIMESTAMP, pd.NaT),
        (FeatureType.LIST, "text"),
        (FeatureType.LIST, {1.0}),
        (FeatureType.LIST, range(3)),
        (FeatureType.LIST, {"a": 1}),
        (FeatureType.VECTOR, b"bytes"),
        (FeatureType.MAP, [("a", 1)]),
        (FeatureType.MAP, "text"),
    ],
)
def test_what_is_no_value_of_the_type_is_left_as_it_is(kind, given):
    """The edge guesses nothing: the check tells what is wrong with a value that was not converted."""
    item = FeatureType.DOUBLE if kind.is_nested else None
    assert converted(given, kind, item) is given


@pytest.mark.parametrize(
    "given",
    [
        np.zeros((1, 2)),
        np.array(1.0),
        np.array(["2027-01-01"], "datetime64[ns]"),
        np.array([1], "timedelta64[ns]"),
        np.array([1j]),
        np.array([b"x"]),
    ],
)
def test_arrays_that_are_no_list_are_left_as_they_are(given):
    """An array of more dimensions is no list, and times of numpy have no zone: they do not become numbers."""
    assert converted(given, FeatureType.LIST, FeatureType.LONG) is given


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([1.5, 2], [1.5, 2]),
        ((1.5, 2.0), [1.5, 2.0]),
        (Pair(1.5, 2.0), [1.5, 2.0]),
        (np.array([1.5, 2.0], np.float32), [1.5, 2.0]),
        (np.array([1, 2], np.uint8), [1, 2]),
        (np.array([True, False]), [True, False]),
        (np.array(["a"]), ["a"]),
        (np.array([], np.float64), []),
        (np.array([1.5, None], object), [1.5, None]),
    ],
)
def test_sequences_become_lists(given, expected):
    """Lists, tuples and arrays of one dimension are lists of Python's own values."""
    found = converted(given, FeatureType.LIST, FeatureType.DOUBLE)
    assert type(found) is list
    assert found == expected
    assert [type(each) for each in found] == [type(each) for each in expected]


def test_items_are_converted():
    """Days and moments inside lists and maps are numbers as well."""
    day, moment = date(1970, 1, 3), datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert converted((day, None, "x"), FeatureType.LIST, FeatureType.DATE) == [2, None, "x"]
    assert converted(np.array(["1970-01-03"], "datetime64[D]"), FeatureType.LIST, FeatureType.DATE) == [2]
    assert converted({"a": moment}, FeatureType.MAP, FeatureType.TIMESTAMP) == {"a": 1_000_000}
    assert converted(OrderedDict(a=1), FeatureType.MAP, FeatureType.LONG) == {"a": 1}


def test_nothing_of_the_jobs_is_changed():
    """Rows and the lists in them are the job's: what is converted is converted into new ones."""
    row = flight()
    before = deepcopy(row)
    mine = dict(row)
    Edge(flight_contract()).make_canonical(mine)
    assert row == before
    assert mine["holidays"] is not row["holidays"]
    assert mine["holidays"] == [20_819, 21_003]


def test_only_what_needs_it_is_converted():
    """A contract of flat types has nothing to convert; one of all types leaves its flat features alone."""
    assert Edge(airport_contract("syncline")).converters == {}
    assert set(Edge(flight_contract()).converters) == {
        name for name, value in FEATURES.items() if isinstance(value, date | list | dict)
    }


def test_a_value_that_is_none_of_the_type_says_what_a_job_may_hand_in():
    """A naive time is refused with a sentence that says what is missing: its zone."""
    edge = Edge(flight_contract())
    told = edge.in_the_jobs_words(
        [Violation("dep_time", "type", "a number", "x"), Violation("seats", "maximum", "<= 853", "900")]
    )
    assert "a time with a time zone" in told[0].limit
    assert told[1] == Violation("seats", "maximum", "<= 853", "900")
