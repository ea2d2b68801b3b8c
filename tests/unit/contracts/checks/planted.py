"""Faults to plant in one form of the check, each of a kind that someone could make."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
import pyarrow.compute as pc

from syncline.contracts.checks import (
    columns,
    explain,
    item_columns,
    quick,
    quick_items,
    rule_check,
    scalar_columns,
)
from syncline.contracts.checks.patterns import compile_pattern
from syncline.contracts.codec.arrow import canonical_rows, items_of
from syncline.contracts.limits import closed_range
from syncline.contracts.model import FeatureType, Item

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from syncline.contracts.checks.patterns import Pattern


def _inclusive(limits: Any) -> Any:
    """`>=` where the contract says `>`."""
    if limits.exclusive_minimum is None:
        return closed_range(limits)
    lows = [low for low in (limits.minimum, limits.exclusive_minimum) if low is not None]
    return closed_range(dataclasses.replace(limits, minimum=max(lows), exclusive_minimum=None))


def _off_by_an_ulp(limits: Any) -> Any:
    bounds = closed_range(limits)
    if (
        bounds is None
        or not isinstance(limits, Item)
        or limits.maximum is None
        or not limits.type.is_floating
    ):
        return bounds
    kind = np.float32 if limits.type is FeatureType.FLOAT else np.float64
    with np.errstate(over="ignore"):
        return bounds[0], float(np.nextafter(kind(bounds[1]), kind(np.inf)))


def _not_finite(limits: Any) -> Any:
    return closed_range(dataclasses.replace(limits, finite=False))


def _years_ignored(limits: Any) -> Any:
    return None if limits.type.is_moment else closed_range(limits)


_scalar_init = scalar_columns.ScalarColumn.__init__


def _nan_passes(check: Any, limits: Any) -> None:
    _scalar_init(check, limits)
    check._nan_passes = limits.type.is_floating


def _unlisted(check: Any, limits: Any) -> None:
    _scalar_init(check, dataclasses.replace(limits, allowed=None))


_right_count = item_columns.ItemColumn._right_count


def _dimensions_at_least(check: Any, counts: Any) -> Any:
    return counts >= check._dimensions if check._dimensions is not None else _right_count(check, counts)


def _one_more(check: Any, counts: Any) -> Any:
    return _right_count(check, np.where(counts == (check._most or 0) + 1, counts - 1, counts))


def _any_by_reduceat(flags: Any, ends: Any) -> Any:
    if not len(flags):
        return np.zeros(len(ends) - 1, np.bool_)
    return np.logical_or.reduceat(flags, np.minimum(ends[:-1], len(flags) - 1))


def _anchored(pattern: Pattern, column: Any) -> Any:
    whole = compile_pattern(f"^(?:{pattern.text})$")
    return np.array([text is not None and whole.found_in(text) for text in column.to_pylist()], np.bool_)


def _judge_rule_otherwise(*, verdict_of_null: bool) -> Any:
    def judge(rule: Any, batch: Any, good: Any) -> None:
        places = np.flatnonzero(good)
        rows = canonical_rows(batch.select(list(rule.names)), places)
        good[places] = [verdict_of_null if None in row.values() else rule.keeps(row) for row in rows]

    return staticmethod(judge)


_call = columns.ColumnCheck.__call__


def _last_row_skipped(check: Any, batch: Any) -> Any:
    good = _call(check, batch)
    good[-1:] = True
    return good


def _from_the_start(column: Any, dtype: Any) -> Any:
    buffer = column.buffers()[1]
    return (
        np.frombuffer(buffer, dtype, count=len(column))
        if buffer is not None
        else np.zeros(len(column), dtype)
    )


def _items_from_the_start(column: Any) -> Any:
    items = items_of(column)
    if items.keys is not None:
        return items
    return dataclasses.replace(items, values=column.values.slice(0, len(items.values)))


def _hasty_floats(item: Item) -> Any:
    bounds = closed_range(item)
    assert bounds is not None
    low, high = bounds
    return lambda values: {*map(type, values)} == {float} and low <= min(values) and max(values) <= high


_items_pass = quick_items.items_pass


def _items_that_may_repeat(feature: Any, item: Any) -> Any:
    return _items_pass(dataclasses.replace(feature, unique_items=False), item)


def _plant(where: Any, name: str, fault: Any) -> Callable[[], AbstractContextManager[Any]]:
    return lambda: mock.patch.object(where, name, fault)


FAULTS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "an exclusive limit is inclusive in columns": _plant(scalar_columns, "closed_range", _inclusive),
    "an exclusive limit is inclusive in rows": _plant(quick, "closed_range", _inclusive),
    "an item's limit is off by one ulp in columns": _plant(scalar_columns, "closed_range", _off_by_an_ulp),
    "an item's limit is off by one ulp in rows": _plant(quick_items, "closed_range", _off_by_an_ulp),
    "infinities pass in columns": _plant(scalar_columns, "closed_range", _not_finite),
    "years are unbounded in columns": _plant(scalar_columns, "closed_range", _years_ignored),
    "NaN passes in columns": _plant(scalar_columns.ScalarColumn, "__init__", _nan_passes),
    "NaN passes inside a vector in rows": _plant(quick_items, "_floats_pass", _hasty_floats),
    "allowed values are ignored in columns": _plant(scalar_columns.ScalarColumn, "__init__", _unlisted),
    "length is in bytes in columns": _plant(
        scalar_columns, "pc", mock.Mock(wraps=pc, utf8_length=pc.binary_length)
    ),
    "a pattern is anchored in columns": _plant(scalar_columns, "_found", _anchored),
    "null passes everywhere in columns": _plant(columns, "validity", lambda _column: None),
    "null items pass in columns": _plant(item_columns, "validity", lambda _column: None),
    "more dimensions pass in columns": _plant(item_columns.ItemColumn, "_right_count", _dimensions_at_least),
    "one item too many passes in columns": _plant(item_columns.ItemColumn, "_right_count", _one_more),
    "an empty list takes its neighbour's item": _plant(item_columns, "_any_in_row", _any_by_reduceat),
    "items may repeat in columns": _plant(
        item_columns, "_repeated", lambda _items, counts: np.zeros(len(counts), np.bool_)
    ),
    "items may repeat in rows": _plant(quick, "items_pass", _items_that_may_repeat),
    "a map's keys are not judged in rows": _plant(quick_items, "_all_texts", lambda _values: True),
    "half a surrogate pair passes in rows": _plant(quick, "_TEXT", "type({v}) is str"),
    "32-bit fields are judged unrounded in rows": _plant(explain, "as_float32", float),
    "rules see 32-bit fields unrounded in rows": _plant(rule_check, "as_float32", float),
    "a slice is judged by its column's first values": _plant(scalar_columns, "numbers", _from_the_start),
    "a slice is judged by its column's first items": _plant(item_columns, "items_of", _items_from_the_start),
    "the last row is skipped in columns": _plant(columns.ColumnCheck, "__call__", _last_row_skipped),
    "rules are not judged in columns": _plant(
        columns.ColumnCheck, "_judge_rule", staticmethod(lambda *_given: None)
    ),
    "null breaks a rule in columns": _plant(
        columns.ColumnCheck, "_judge_rule", _judge_rule_otherwise(verdict_of_null=False)
    ),
    "null keeps a rule that speaks of null in columns": _plant(
        columns.ColumnCheck, "_judge_rule", _judge_rule_otherwise(verdict_of_null=True)
    ),
}
