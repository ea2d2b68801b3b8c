"""Values that a document states (limits, allowed values, defaults), as their type holds them, against the limits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from syncline.contracts.limits import INTEGER_RANGES, LARGEST, as_float32, closed_range
from syncline.contracts.model import FeatureType
from syncline.contracts.moments import format_moment, parse_moment

if TYPE_CHECKING:
    from syncline.contracts.model import Feature, Item

MOST = 2**31 - 1
"""The largest length or count that can be stated: what Arrow can hold in one value."""


def fit(value: object, kind: FeatureType, *, whole_floats: bool = False) -> tuple[Any, str | None]:
    """The value as checked rows of a scalar type hold it, or the sentence that says why it is none.

    Days and moments come as ISO 8601 text. A float that is whole passes for an integer only with `whole_floats`.
    """
    if kind is FeatureType.BOOLEAN or kind is FeatureType.STRING:
        wanted = bool if kind is FeatureType.BOOLEAN else str
        return value, None if isinstance(value, wanted) else f"{value!r:.60} is no {kind}"
    if kind.is_moment:
        if not isinstance(value, str):
            return value, f"{value!r:.60} is no {kind} as text"
        try:
            return parse_moment(value, kind), None
        except ValueError as error:
            return value, str(error)
    return _fit_number(value, kind, whole_floats=whole_floats)


def count(value: object, *, lowest: int = 0) -> tuple[int, str | None]:
    """A length or number of items, or the sentence that says why it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        return 0, f"{value!r:.40} is no whole number"
    if not lowest <= value <= MOST:
        return 0, f"{value!r:.40} is not between {lowest} and {MOST}"
    return int(value), None


def why_broken(value: Any, limits: Feature | Item) -> str | None:  # noqa: ANN401  a value of any scalar type
    """The sentence that says which limit a scalar breaks, in the form that `fit` gives; None where it keeps all."""
    bounds = closed_range(limits)
    shown = shown_value(value, limits.type)
    if bounds is not None and not bounds[0] <= value <= bounds[1]:
        return f"{shown} breaks its own limits"
    if limits.allowed is not None and value not in limits.allowed:
        return f"{shown} is none of its allowed values"
    if limits.min_length is not None and len(value) < limits.min_length:
        return f"{shown} is shorter than {limits.min_length} characters"
    if limits.max_length is not None and len(value) > limits.max_length:
        return f"{shown} is longer than {limits.max_length} characters"
    if limits.pattern is not None:
        # Imported here: only a contract with a pattern needs the engine.
        from syncline.contracts.checks.patterns import compile_pattern  # noqa: PLC0415  see above

        if not compile_pattern(limits.pattern).found_in(value):
            return f"{shown} does not match its pattern"
    return None


def shown_value(value: Any, kind: FeatureType) -> str:  # noqa: ANN401  a value of any scalar type
    """A scalar as sentences about it show it."""
    if kind.is_moment:
        return format_moment(value, kind)
    return f"{value!r:.60}" if isinstance(value, str) else str(value)


def _fit_number(value: object, kind: FeatureType, *, whole_floats: bool) -> tuple[Any, str | None]:
    if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
        return value, f"{value!r:.60} is no finite number"
    if kind in INTEGER_RANGES:
        if isinstance(value, float) and not (whole_floats and value.is_integer()):
            return value, f"{value} is no whole number"
        lowest, highest = INTEGER_RANGES[kind]
        return int(value), None if lowest <= value <= highest else f"{value} does not fit a {kind}"
    fitted = as_float32(value) if kind is FeatureType.FLOAT else float(value)
    return fitted, None if abs(fitted) <= LARGEST[kind] else f"{value} does not fit a {kind}"


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
