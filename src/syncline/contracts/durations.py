"""Durations as people write them (`5 min`, `7 d`), in microseconds."""

from __future__ import annotations

import math
import re

_UNITS_US = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "min": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
    "w": 7 * 86_400_000_000,
}
_SPELLINGS = {
    "us": ("us", "µs", "microsecond", "microseconds"),
    "ms": ("ms", "milli", "millis", "millisecond", "milliseconds"),
    "s": ("s", "sec", "secs", "second", "seconds"),
    "min": ("min", "mins", "minute", "minutes"),
    "h": ("h", "hr", "hrs", "hour", "hours"),
    "d": ("d", "day", "days"),
    "w": ("w", "week", "weeks"),
}
_UNIT_BY_SPELLING = {spelling: unit for unit, spellings in _SPELLINGS.items() for spelling in spellings}
_TEXT = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?) *([a-zµ]{1,20})")
_LONGEST_US = 1_000 * 366 * 86_400_000_000

_HOW = "write a number and a unit: us, ms, s, min, h, d or w, as in `5 min`"


def parse_duration(text: str) -> int:
    """The microseconds of a duration such as `5 min`, `10 s`, `2 h`, `7 d` or `500 ms`.

    Raises:
        ValueError: the text is no duration, is not a positive whole number of microseconds, or is above 1,000 years.
    """
    match = _TEXT.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError(f"{text[:40]!r} is no duration: {_HOW}")
    number = match[1]
    return duration_us(float(number) if "." in number else int(number), match[2])


def duration_us(value: float, unit: str) -> int:
    """The microseconds of a number with a unit, as ODCS's `slaProperties` write durations.

    Raises:
        ValueError: see `parse_duration`. `m` is refused, as it is a minute to some and a month to others.
    """
    key = unit.strip().lower()
    if key == "m":
        raise ValueError("the unit `m` may be a minute or a month: write `min`, or a number of `d`")
    if key in ("y", "yr", "yrs", "year", "years", "mo", "month", "months"):
        raise ValueError(f"a {key} has no fixed length: write a number of `d`")
    if key not in _UNIT_BY_SPELLING:
        raise ValueError(f"{unit[:40]!r} is no unit of time: {_HOW}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} {key} is no duration: {_HOW}")
    us = value * _UNITS_US[_UNIT_BY_SPELLING[key]]
    whole = round(us) if 0 < us <= _LONGEST_US else 0
    if whole == 0 or abs(us - whole) > 1e-6 * whole:
        raise ValueError(f"{value} {key} is not between 1 microsecond and 1,000 years")
    return whole


def format_seconds(seconds: float) -> str:
    """`format_duration` of a time that was measured or given in seconds."""
    return format_duration(round(seconds * 1_000_000))


def format_duration(us: int) -> str:
    """The shortest exact text of a duration: `300000000` is `5 min`."""
    for unit in ("d", "h", "min", "s", "ms"):
        if us and us % _UNITS_US[unit] == 0:
            return f"{us // _UNITS_US[unit]} {unit}"
    return f"{us} us"
