"""Limits of numbers from what was observed: what the name says, else with room on both sides."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from syncline.contracts.limits import INTEGER_RANGES, LARGEST
from syncline.contracts.model import FeatureType
from syncline.inference.names import words
from syncline.inference.profile import Spread

FEWEST_VALUES = 100
"""Fewer say too little about what is yet to come."""
_STEPS = tuple(Decimal(step) for step in ("1", "1.5", "2", "2.5", "3", "4", "5", "6", "8", "10"))
_SMALLEST_WIDTH = 1e-9
_NAMED = (
    ("pct percent percentage humid humidity", 0, 100),
    ("ratio share rate fraction prob probability likelihood confidence", 0, 1),
    ("lat latitude", -90, 90),
    ("lon lng longitude", -180, 180),
    ("dir direction bearing heading azimuth", 0, 360),
    ("month", 1, 12),
    ("hour hod", 0, 23),
    ("minute", 0, 59),
    ("day dom", 1, 31),
    ("weekday dow", 0, 7),
)
_COUNTED = ("count", "counts", "num", "total", "size", "age", "seats", "amount", "price")
_MEASURED = (
    "distance",
    "dist",
    "duration",
    "time",
    "speed",
    "gust",
    "weight",
    "height",
    "width",
    "depth",
    "length",
)
_NEVER_NEGATIVE = frozenset((*_COUNTED, *_MEASURED, "visib", "visibility", "precip", "pressure"))
_NAMES_THINGS = frozenset(
    (
        "id",
        "ids",
        "key",
        "code",
        "zip",
        "postcode",
        "year",
        "version",
        "hash",
        "no",
        "flight",
        "index",
        "serial",
    )
)


@dataclass(frozen=True, slots=True)
class Range:
    """Limits to propose; None where there is none on that side."""

    minimum: int | Decimal | None
    maximum: int | Decimal | None
    by_name: bool = False
    """Whether the name says so, and not what was observed."""


def propose_range(name: str, kind: FeatureType, seen: Spread) -> Range | None:
    """Limits that everything observed keeps, with room; None where too little is known, or limits make no sense.

    The room is as wide as all that was observed, on both sides, rounded outwards. Below 0 there is none where nothing
    negative was seen and 0 is near, or the name says that it cannot be.
    """
    said = words(name)
    if seen.low is None or seen.high is None or seen.low == seen.high or seen.count < FEWEST_VALUES:
        return None
    for known, low, high in _NAMED:
        if said & frozenset(known.split()) and low <= seen.low and seen.high <= high:
            return Range(low, high, by_name=True)
    if said & _NAMES_THINGS and not kind.is_floating:
        return None
    width = Decimal(seen.high) - Decimal(seen.low)
    if width < Decimal(_SMALLEST_WIDTH):
        return None
    maximum = _within(tidy(Decimal(seen.high) + width), kind)
    minimum = _within(-tidy(width - Decimal(seen.low)), kind)
    is_count = said & _NEVER_NEGATIVE or Decimal(seen.low) * 100 <= width
    if seen.low >= 0 and is_count and (minimum is None or minimum < 0):
        minimum = 0
    return Range(minimum, maximum)


def tidy(value: Decimal) -> Decimal:
    """The next round number that is not below `value`."""
    if value < 0:
        return -_tidy_below(-value)
    if value == 0:
        return value
    unit = Decimal(1).scaleb(value.adjusted())
    return next(step * unit for step in _STEPS if step * unit >= value)


def _tidy_below(value: Decimal) -> Decimal:
    """The last round number that is not above `value`, which is positive."""
    unit = Decimal(1).scaleb(value.adjusted())
    return next(step * unit for step in reversed(_STEPS) if step * unit <= value)


def _within(limit: Decimal, kind: FeatureType) -> int | Decimal | None:
    """The limit as its type can hold it; None beyond the type's own range."""
    if kind in INTEGER_RANGES:
        lowest, highest = INTEGER_RANGES[kind]
        whole = (
            int(limit.to_integral_value(ROUND_CEILING))
            if limit > 0
            else -int((-limit).to_integral_value(ROUND_CEILING))
        )
        return whole if lowest <= whole <= highest else None
    return limit if abs(limit) <= Decimal(LARGEST[kind]) else None
