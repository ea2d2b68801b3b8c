"""Durations as text and as number with a unit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.contracts.durations import duration_us, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("5 min", 300_000_000),
        ("10 s", 10_000_000),
        ("10s", 10_000_000),
        ("2 h", 7_200_000_000),
        ("7 d", 604_800_000_000),
        ("2 weeks", 1_209_600_000_000),
        ("500 ms", 500_000),
        ("250 us", 250),
        ("1.5 Hours", 5_400_000_000),
        (" 1 day ", 86_400_000_000),
    ],
)
def test_durations_as_people_write_them(text: str, us: int) -> None:
    """A number and a unit, short or spelled out, give microseconds."""
    assert parse_duration(text) == us


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "min",
        "-5 s",
        "0 s",
        "5 m",
        "5 parsecs",
        "1e3 s",
        "5 s 3",
        "0.0000001 s",
        "9999999 d",
        "٣ s",
        "nan s",
    ],
)
def test_what_is_no_duration_is_refused_in_words(text: str) -> None:
    """No number, no unit, an ambiguous unit, nothing, fractions of a microsecond and millennia are refused."""
    with pytest.raises(ValueError, match=r"duration|unit|between"):
        parse_duration(text)


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 1e308, 10**400, -1])
def test_odd_numbers_are_refused_in_words(value: float) -> None:
    """A number that no duration has is a ValueError, never another exception."""
    with pytest.raises(ValueError, match=r"duration|between"):
        duration_us(value, "d")


@given(st.integers(1, 10**15))
def test_formatting_is_exact(us: int) -> None:
    """The text of a duration parses to the same microseconds."""
    assert parse_duration(format_duration(us)) == us
