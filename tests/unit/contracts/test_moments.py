"""Days and moments: whole numbers and their texts."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.contracts.limits import DAYS, EVENT_TIMES
from syncline.contracts.model import FeatureType
from syncline.contracts.moments import date_of, day_number, format_moment, parse_moment


@pytest.mark.parametrize(
    ("text", "kind", "number"),
    [
        ("1970-01-01", FeatureType.DATE, 0),
        ("0001-01-01", FeatureType.DATE, DAYS[0]),
        ("9999-12-31", FeatureType.DATE, DAYS[1]),
        ("1970-01-01T00:00:00Z", FeatureType.TIMESTAMP, 0),
        ("1970-01-01 00:00z", FeatureType.TIMESTAMP, 0),
        ("1970-01-01T01:30:00+01:30", FeatureType.TIMESTAMP, 0),
        ("1969-12-31T23:59:59.999999-00:00", FeatureType.TIMESTAMP, -1),
        ("1970-01-01T00:00:00.5Z", FeatureType.TIMESTAMP, 500_000),
        ("0001-01-01T00:00:00Z", FeatureType.TIMESTAMP, EVENT_TIMES[0]),
        ("9999-12-31T23:59:59.999999Z", FeatureType.TIMESTAMP, EVENT_TIMES[1]),
        ("9999-12-31T23:59:59.999999+23:59", FeatureType.TIMESTAMP, EVENT_TIMES[1] - 86_340_000_000),
    ],
)
def test_texts_become_whole_numbers(text: str, kind: FeatureType, number: int) -> None:
    """Days since 1970, and microseconds since 1970 in UTC."""
    assert parse_moment(text, kind) == number


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("2027-13-01", FeatureType.DATE),
        ("0000-01-01", FeatureType.DATE),
        ("2027-W01-1", FeatureType.DATE),
        ("2027-03-01T00:00Z", FeatureType.DATE),
        ("today", FeatureType.DATE),
        ("2027-03-01", FeatureType.TIMESTAMP),
        ("2027-03-01T24:00:00Z", FeatureType.TIMESTAMP),
        ("2027-03-01T00:00:60Z", FeatureType.TIMESTAMP),
        ("2027-03-01T00:00:00.1234567Z", FeatureType.TIMESTAMP),
        ("2027-03-01T00:00:00+24:00", FeatureType.TIMESTAMP),
        ("0001-01-01T00:00:00+00:01", FeatureType.TIMESTAMP),
        ("9999-12-31T23:59:59.999999-00:01", FeatureType.TIMESTAMP),
        ("\u0662027-03-01T00:00Z", FeatureType.TIMESTAMP),
    ],
)
def test_other_texts_are_refused(text: str, kind: FeatureType) -> None:
    """What is no day or moment, has no zone, is finer than a microsecond, or lies outside the years 1 to 9999."""
    with pytest.raises(ValueError, match=r"is no|lies outside"):
        parse_moment(text, kind)


@given(st.integers(*DAYS), st.integers(*EVENT_TIMES))
def test_what_was_written_is_read_again(day: int, moment: int) -> None:
    """The text of every day and every moment gives that day and moment again."""
    assert parse_moment(format_moment(day, FeatureType.DATE), FeatureType.DATE) == day
    assert parse_moment(format_moment(moment, FeatureType.TIMESTAMP), FeatureType.TIMESTAMP) == moment


def test_numbers_outside_the_years_are_shown_as_they_are() -> None:
    """A number that is no day or moment can still be shown."""
    assert format_moment(DAYS[1] + 1, FeatureType.DATE) == str(DAYS[1] + 1)
    assert format_moment(-(2**63), FeatureType.TIMESTAMP) == str(-(2**63))


def test_days_and_dates_are_each_others() -> None:
    """The first and last day that Python's calendar has, and the epoch, come back as they went."""
    assert (day_number(date.min), day_number(date(1970, 1, 1)), day_number(date.max)) == (DAYS[0], 0, DAYS[1])
    assert [date_of(day) for day in (DAYS[0], 0, DAYS[1])] == [date.min, date(1970, 1, 1), date.max]
    with pytest.raises(ValueError, match="year"):
        date_of(DAYS[1] + 1)
