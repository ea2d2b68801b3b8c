"""The contract as a check of whole columns, with the verdict that `rows` gives for each row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from syncline.contracts.checks.item_columns import ItemColumn
from syncline.contracts.checks.rule_check import RuleCheck
from syncline.contracts.checks.scalar_columns import ScalarColumn
from syncline.contracts.codec.arrow import arrow_type, canonical_rows, carries, text_ends, validity
from syncline.contracts.model import Feature, FeatureType
from syncline.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from syncline.contracts.model import Contract


@dataclass(frozen=True, slots=True)
class _Column:
    """What is asked of one column; `judge` says which values that are not null keep their limits, None for all."""

    name: str
    type: pa.DataType
    required: bool
    judge: Callable[[pa.Array], npt.NDArray[np.bool_] | None]


class ColumnCheck:
    """Judges batches; compile it once per contract, call it often."""

    def __init__(self, contract: Contract) -> None:
        self._columns = [
            _Column(
                key.name,
                arrow_type(key.type),
                required=True,
                judge=_filled if key.type is FeatureType.STRING else _all_pass,
            )
            for key in contract.keys
        ]
        event_time = ScalarColumn(Feature("", FeatureType.TIMESTAMP, required=True))
        self._columns.append(
            _Column(contract.event_time, arrow_type(FeatureType.TIMESTAMP), required=True, judge=event_time)
        )
        self._columns += [
            _Column(
                feature.name,
                arrow_type(feature.type, feature.item.type if feature.item is not None else None),
                required=feature.required,
                judge=ScalarColumn(feature) if feature.item is None else ItemColumn(feature, feature.item),
            )
            for feature in contract.features
        ]
        self._rules = [RuleCheck(contract, rule) for rule in contract.rules]

    def __call__(self, batch: pa.RecordBatch) -> npt.NDArray[np.bool_]:
        """Which rows keep every rule: one flag a row.

        Args:
            batch: a column per join key, event time and feature, by name, as `Decoder` gives it (times may have
                another zone or none, or be int64 µs as well). A map that names a key twice breaks its contract.

        Raises:
            WireError: a column is missing or has another type than the contract's.
        """
        good = np.ones(batch.num_rows, np.bool_)
        for wanted in self._columns:
            passed = _judge(wanted, _column(batch, wanted))
            if passed is not None:
                good &= passed
        for rule in self._rules:
            self._judge_rule(rule, batch, good)
        return good

    @staticmethod
    def _judge_rule(rule: RuleCheck, batch: pa.RecordBatch, good: npt.NDArray[np.bool_]) -> None:
        """Take the rows that break the rule out of `good`; only rows still in it have values to judge."""
        places = np.flatnonzero(good)
        rows = canonical_rows(batch.select(list(rule.names)), places)
        good[places] = [rule.keeps(row) for row in rows]


def compile_columns(contract: Contract) -> ColumnCheck:
    """The check of whole batches for this contract; compile it once, call it often."""
    return ColumnCheck(contract)


def _column(batch: pa.RecordBatch, wanted: _Column) -> pa.Array:
    index = batch.schema.get_field_index(wanted.name)
    if index < 0:
        raise WireError(f"the batch has no column `{wanted.name}`")
    column = batch.column(index)
    if not carries(column.type, wanted.type):
        raise WireError(f"column `{wanted.name}` is {column.type}, not {wanted.type}")
    return column


def _judge(wanted: _Column, column: pa.Array) -> npt.NDArray[np.bool_] | None:
    """Which rows keep what is asked of the column; None when all do."""
    passed = wanted.judge(column)
    valid = validity(column)
    if valid is None:
        return passed
    if wanted.required:
        return valid if passed is None else passed & valid
    return None if passed is None else passed | ~valid


def _filled(column: pa.Array) -> npt.NDArray[np.bool_]:
    return np.diff(text_ends(column)) > 0


def _all_pass(_column: pa.Array) -> None:
    return None
