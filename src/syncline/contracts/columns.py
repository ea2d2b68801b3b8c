"""The contract as a check of whole columns, with the verdict that `rows` gives for each row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from syncline.contracts.arrow import ARROW_TYPES, NUMPY_TYPES, numbers, text_ends, validity
from syncline.contracts.limits import EVENT_TIMES, INTEGER_RANGES, LARGEST, closed_range
from syncline.contracts.model import FeatureType
from syncline.errors import WireError

if TYPE_CHECKING:
    import numpy.typing as npt

    from syncline.contracts.model import Contract, Feature


@dataclass(frozen=True, slots=True)
class _Rule:
    """What is asked of one column; `low` and `high` of None means any value of its type."""

    name: str
    type: FeatureType
    required: bool
    low: int | float | None = None
    high: int | float | None = None
    nan_passes: bool = False
    allowed: pa.Array | None = None
    non_empty: bool = False


class ColumnCheck:
    """Judges batches; compile it once per contract, call it often."""

    def __init__(self, contract: Contract) -> None:
        self._rules = [
            _Rule(key.name, key.type, required=True, non_empty=key.type is FeatureType.STRING)
            for key in contract.keys
        ]
        self._rules.append(_Rule(contract.event_time, FeatureType.LONG, True, *EVENT_TIMES))
        self._rules += [_rule(feature) for feature in contract.features]

    def __call__(self, batch: pa.RecordBatch) -> npt.NDArray[np.bool_]:
        """Which rows keep every rule: one flag a row.

        Args:
            batch: a column per join key, event time and feature, by name, as `Decoder` gives it (the event time may
                be int64 µs as well).

        Raises:
            WireError: a column is missing or has another type than the contract's.
        """
        good = np.ones(batch.num_rows, np.bool_)
        for rule in self._rules:
            index = batch.schema.get_field_index(rule.name)
            if index < 0:
                raise WireError(f"the batch has no column `{rule.name}`")
            passed = _judge(rule, batch.column(index))
            if passed is not None:
                good &= passed
        return good


def compile_columns(contract: Contract) -> ColumnCheck:
    """The check of whole batches for this contract; compile it once, call it often."""
    return ColumnCheck(contract)


def _rule(feature: Feature) -> _Rule:
    bounds = closed_range(feature)
    low: float | None
    high: float | None
    low, high = bounds if bounds is not None else (None, None)
    if bounds is not None and bounds == INTEGER_RANGES.get(feature.type):
        low = high = None
    allowed = None
    if feature.allowed is not None:
        allowed = pa.array(feature.allowed, ARROW_TYPES[feature.type])
    return _Rule(
        feature.name,
        feature.type,
        feature.required,
        low,
        high,
        nan_passes=feature.type in LARGEST and not feature.finite,
        allowed=allowed,
    )


def _judge(rule: _Rule, column: pa.Array) -> npt.NDArray[np.bool_] | None:
    """Which values keep the rule; None when all do."""
    _ask_type(rule, column)
    passed: npt.NDArray[np.bool_] | None = None
    if rule.low is not None and rule.high is not None:
        values: npt.NDArray[Any] = numbers(column, NUMPY_TYPES[rule.type])
        passed = (values >= rule.low) & (values <= rule.high)
        if rule.nan_passes:
            passed |= np.isnan(values)
    if rule.allowed is not None:
        member = np.asarray(pc.is_in(column, value_set=rule.allowed).to_numpy(zero_copy_only=False), np.bool_)
        passed = member if passed is None else passed & member
    if rule.non_empty:
        filled = np.diff(text_ends(column)) > 0
        passed = filled if passed is None else passed & filled
    valid = validity(column)
    if valid is None:
        return passed
    if rule.required:
        return valid if passed is None else passed & valid
    return None if passed is None else passed | ~valid


def _ask_type(rule: _Rule, column: pa.Array) -> None:
    wanted = ARROW_TYPES[rule.type]
    is_event_time = (
        rule.type is FeatureType.LONG and pa.types.is_timestamp(column.type) and column.type.unit == "us"
    )
    if column.type != wanted and not is_event_time:
        raise WireError(f"column `{rule.name}` is {column.type}, not {wanted}")
