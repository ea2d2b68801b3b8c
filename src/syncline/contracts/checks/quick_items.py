"""Whether all that is inside a list, map or vector surely keeps its limits, at a few nanoseconds an item."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from syncline.contracts.checks.explain import plain_value, scalar_limits
from syncline.contracts.checks.patterns import compile_pattern
from syncline.contracts.limits import closed_range
from syncline.contracts.model import FeatureType

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from syncline.contracts.model import Feature, Item

_MARGIN = 1 - 1e-9
"""More than `math.hypot` is ever off."""


def items_pass(feature: Feature, item: Item) -> Callable[[Any], bool]:
    """A function of a `list` or `dict`: true only where everything inside it keeps every limit on items."""
    values_pass = _values_pass(item)
    if feature.type is FeatureType.MAP:
        return lambda value: not value or (_all_texts(value) and values_pass(value.values()))
    if feature.unique_items:
        return lambda value: not value or (values_pass(value) and len({*value}) == len(value))
    return lambda value: not value or values_pass(value)


def _values_pass(item: Item) -> Callable[[Collection[Any]], bool]:
    if item.allowed is not None:
        return _allowed_pass(item)
    if item.type is FeatureType.BOOLEAN:
        return lambda values: {*map(type, values)} == {bool}
    if item.type is FeatureType.STRING:
        return _texts_pass(item)
    if item.type.is_floating:
        return _floats_pass(item)
    bounds = closed_range(item)
    assert bounds is not None, "all other types have an order"
    low, high = bounds
    return lambda values: {*map(type, values)} == {int} and low <= min(values) and max(values) <= high


def _allowed_pass(item: Item) -> Callable[[Collection[Any]], bool]:
    judge = scalar_limits(item)
    assert item.allowed is not None, "the caller asked"
    allowed = frozenset(
        each for each in item.allowed if plain_value(item.type, each) == each and not any(judge(each))
    )
    types = {str} if item.type is FeatureType.STRING else {int}
    return lambda values: {*map(type, values)} == types and allowed.issuperset(values)


def _texts_pass(item: Item) -> Callable[[Collection[str]], bool]:
    lowest = item.min_length or 0
    highest = item.max_length if item.max_length is not None else math.inf
    has_lengths = item.min_length is not None or item.max_length is not None
    pattern = compile_pattern(item.pattern) if item.pattern is not None else None

    def texts_pass(values: Collection[str]) -> bool:
        if not _all_texts(values):
            return False
        if has_lengths and not (lowest <= min(map(len, values)) and max(map(len, values)) <= highest):
            return False
        return pattern is None or all(map(pattern.found_in, values))

    return texts_pass


def _all_texts(values: Collection[Any]) -> bool:
    if {*map(type, values)} != {str}:
        return False
    # Two halves of a surrogate pair stay two characters in a Python text, and neither is printable.
    joined = "".join(values)
    return joined.isascii() or joined.isprintable()


def _floats_pass(item: Item) -> Callable[[Collection[float]], bool]:
    bounds = closed_range(item)
    assert bounds is not None, "floats have an order"
    low, high = bounds
    if (low, high) == (-math.inf, math.inf):
        return lambda values: {*map(type, values)} == {float}
    # The norm is no smaller than any item, and NaN or infinite where an item is: most vectors need nothing more.
    norm = min(-low, high) * _MARGIN if low < 0 < high else -1.0

    def floats_pass(values: Collection[float]) -> bool:
        if {*map(type, values)} != {float}:
            return False
        if math.hypot(*values) <= norm:
            return True
        # With a NaN inside, its smallest and largest item would mean nothing; a sum finds it.
        return math.isfinite(sum(values)) and low <= min(values) and max(values) <= high

    return floats_pass
