"""Days and moments between ISO 8601 text, as documents write them, and whole numbers, as checked rows hold them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from syncline.contracts.limits import DAYS, EVENT_TIMES
from syncline.contracts.model import FeatureType

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  the offset is counted in whole numbers, as a shifted datetime may overflow
_US = timedelta(microseconds=1)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)"
    r"(?:[Zz]|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))"
)
_SHOWN = 40


def parse_moment(text: str, kind: FeatureType) -> int:
    """The days since 1970-01-01 of a date, or the microseconds since 1970 (UTC) of a timestamp.

    Args:
        text: `2027-03-01`, or for a timestamp `2027-03-01T12:00:00Z`, with a zone and at most microseconds.
        kind: DATE or TIMESTAMP.

    Raises:
        ValueError: the text is no such day or moment, or lies outside the years 1 to 9999 (UTC).
    """
    return _day(text) if kind is FeatureType.DATE else _moment(text)


def day_number(when: date) -> int:
    """The days since 1970-01-01 of a date."""
    return when.toordinal() - _EPOCH_DAY


def date_of(day: int) -> date:
    """The date that lies this many days after 1970-01-01.

    Raises:
        ValueError: it lies outside the years 1 to 9999.
    """
    return date.fromordinal(day + _EPOCH_DAY)


def format_moment(value: int, kind: FeatureType) -> str:
    """The ISO 8601 text of a day or moment; the number itself where it lies outside the years 1 to 9999."""
    lowest, highest = DAYS if kind is FeatureType.DATE else EVENT_TIMES
    if not lowest <= value <= highest:
        return str(value)
    if kind is FeatureType.DATE:
        return date_of(value).isoformat()
    return (_EPOCH + value * _US).replace(tzinfo=UTC).isoformat().replace("+00:00", "Z")


def _day(text: str) -> int:
    try:
        if _DAY.fullmatch(text):
            return day_number(date.fromisoformat(text))
    except ValueError:
        pass
    raise ValueError(f"{text[:_SHOWN]!r} is no date: write one such as 2027-03-01")


def _moment(text: str) -> int:
    match = _MOMENT.fullmatch(text)
    how = "write one with a zone, such as 2027-03-01T12:00:00Z"
    if match is None:
        raise ValueError(f"{text[:_SHOWN]!r} is no timestamp: {how}")
    day, clock, sign, hours, minutes = match.groups()
    try:
        local = datetime.fromisoformat(f"{day}T{clock}")
    except ValueError:
        raise ValueError(f"{text[:_SHOWN]!r} is no timestamp: {how}") from None
    offset_us = (int(hours) * 60 + int(minutes)) * 60_000_000 if sign else 0
    us = (local - _EPOCH) // _US - (offset_us if sign == "+" else -offset_us)
    if not EVENT_TIMES[0] <= us <= EVENT_TIMES[1]:
        raise ValueError(f"{text[:_SHOWN]!r} lies outside the years 1 to 9999")
    return us
