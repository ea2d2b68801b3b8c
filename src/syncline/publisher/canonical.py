"""Values as a job has them, brought to the form that checks and encoders work on.

A job hands in days as `datetime.date`, moments as aware `datetime`, lists and vectors as lists, tuples or numpy arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from syncline.clock import to_us
from syncline.contracts.model import FeatureType
from syncline.contracts.moments import day_number

if TYPE_CHECKING:
    from syncline.contracts.model import Contract, Feature
    from syncline.errors import Violation

Convert = Callable[[Any], Any]

_ITEM_KINDS = frozenset("biufOU")
"""numpy's kinds whose Python values mean what the array means: 64-bit times in nanoseconds become plain numbers."""
_DAYS = np.dtype("datetime64[D]")
_YEARS = "in the years 1 to 9999"
_EXPECTED = {
    FeatureType.DATE: f"a datetime.date, or whole days since 1970, {_YEARS}",
    FeatureType.TIMESTAMP: "a time with a time zone, as datetime(..., tzinfo=UTC), or whole microseconds since 1970, "
    f"{_YEARS}",
    FeatureType.LIST: "a list, a tuple, or a numpy array of one dimension",
    FeatureType.VECTOR: "a list or tuple of numbers, or a numpy array of one dimension",
    FeatureType.MAP: "a dict whose keys are texts",
}


class Edge:
    """Where a job's values become canonical. Has nothing to do for a contract of flat types only."""

    def __init__(self, contract: Contract) -> None:
        self.converters: dict[str, Convert] = {
            feature.name: convert
            for feature in contract.features
            if (convert := converter(feature)) is not None
        }
        """Feature → how its values are converted; absent where they are taken as they are."""
        self._converters = tuple(self.converters.items())
        self._expected = {
            (feature.name, rule): expected
            for feature in contract.features
            for rule, expected in _expectations(feature)
        }

    def make_canonical(self, row: dict[str, Any]) -> None:
        """Convert the row's values in place, but never what a value holds: that is the job's.

        What cannot be converted stays what it is, so that the check tells it.
        """
        for name, convert in self._converters:
            value = row.get(name)
            if value is not None:
                try:
                    row[name] = convert(value)
                except Exception:  # noqa: BLE001, S112  a value is any object, and may raise anything
                    continue

    def in_the_jobs_words(self, violations: Sequence[Violation]) -> list[Violation]:
        """The violations, those of types saying what a job may hand in rather than what is checked."""
        if not self._expected:
            return list(violations)
        return [
            replace(violation, limit=self._expected[violation.feature, violation.rule])
            if (violation.feature, violation.rule) in self._expected
            else violation
            for violation in violations
        ]


def converter(feature: Feature) -> Convert | None:
    """How values of this feature become canonical; None where they are taken as they are.

    A converter returns what it cannot convert, and what is canonical already, as it is.
    """
    item = None if feature.item is None else _SCALARS.get(feature.item.type)
    if feature.type is FeatureType.MAP:
        return lambda value: _mapping(value, item)
    if feature.type.is_nested:
        return lambda value: _sequence(value, item)
    return _SCALARS.get(feature.type)


def _day(value: Any) -> Any:  # noqa: ANN401  whatever a job hands in
    # A datetime is a date for Python, but it says a moment: on which day it lies depends on a zone.
    if isinstance(value, date) and not isinstance(value, datetime):
        return day_number(value)
    return value


def _moment(value: Any) -> Any:  # noqa: ANN401  see above
    if isinstance(value, datetime):
        try:
            return int(to_us(value))
        except (ValueError, TypeError):
            return value
    return value


_SCALARS: dict[FeatureType, Convert] = {FeatureType.DATE: _day, FeatureType.TIMESTAMP: _moment}


def _sequence(value: Any, item: Convert | None) -> Any:  # noqa: ANN401  see above
    if isinstance(value, np.ndarray):
        if value.ndim != 1 or not (value.dtype.kind in _ITEM_KINDS or value.dtype == _DAYS):
            return value
        value = value.tolist()
    elif isinstance(value, tuple) or (isinstance(value, list) and type(value) is not list):
        value = list(value)
    elif type(value) is not list:
        return value
    return value if item is None else [item(each) for each in value]


def _mapping(value: Any, item: Convert | None) -> Any:  # noqa: ANN401  see above
    if type(value) is not dict:
        if not isinstance(value, Mapping):
            return value
        value = dict(value)
    return value if item is None else {key: item(each) for key, each in value.items()}


def _expectations(feature: Feature) -> list[tuple[str, str]]:
    found = [("type", _EXPECTED[feature.type])] if feature.type in _EXPECTED else []
    if feature.item is not None and feature.item.type in _EXPECTED:
        found.append(("itemType", f"each {_EXPECTED[feature.item.type]}"))
    return found
