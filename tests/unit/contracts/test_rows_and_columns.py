"""Both forms of the check, and the one verdict they must give."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncline.contracts.arrow import ARROW_TYPES, EVENT_TIME_TYPE
from syncline.contracts.columns import compile_columns
from syncline.contracts.model import Contract, Feature, FeatureType, JoinKey, Version
from syncline.contracts.rows import compile_rows
from syncline.errors import WireError
from tests.unit.contracts import generated

TINY = math.ulp(0.0)


def contract(*features: Feature) -> Contract:
    """A contract of one text key and these features."""
    keys = (JoinKey("airport", FeatureType.STRING),)
    return Contract("delay", Version(1, 2), "ops", keys, "event_time", features, "syncline.features.delay.v1")


def batch(of: Contract, rows: list[dict[str, Any]]) -> pa.RecordBatch:
    """The rows as columns, nulls allowed everywhere, so that the check and not the schema must notice them."""
    arrays = {key.name: pa.array([row[key.name] for row in rows], ARROW_TYPES[key.type]) for key in of.keys}
    arrays[of.event_time] = pa.array([row[of.event_time] for row in rows], EVENT_TIME_TYPE)
    for feature in of.features:
        wire = [generated.wire_value(feature, row[feature.name]) for row in rows]
        arrays[feature.name] = pa.array(wire, ARROW_TYPES[feature.type])
    return pa.RecordBatch.from_pydict(arrays)


def rules(of: Contract, **values: Any) -> list[tuple[str, str]]:
    """Which features of a row break which rules."""
    return [(v.feature, v.rule) for v in compile_rows(of)({"airport": "EWR", **values})]


@settings(max_examples=150, deadline=None)
@given(generated.contracts_with_rows())
def test_rows_and_columns_agree(case: tuple[Contract, list[dict[str, Any]]]) -> None:
    """P5: a batch check passes exactly the rows that the row check passes, at every limit and special value."""
    of, rows = case
    by_row = [not compile_rows(of)(row) for row in rows]

    by_column = compile_columns(of)(batch(of, rows))

    assert by_column.tolist() == by_row


@settings(max_examples=80, deadline=None)
@given(generated.contracts_with_rows(), st.data())
def test_the_quick_pass_never_lets_through_what_the_explanation_refuses(
    case: Any, data: st.DataObject
) -> None:
    """The generated comparisons and the plain list of rules agree, for values of any type, missing and unknown ones."""
    of, rows = case
    check = compile_rows(of)
    for row in rows:
        name = data.draw(st.sampled_from([*row, "stranger"]))
        change = data.draw(st.sampled_from(["keep", "drop", "replace"]))
        if change == "drop":
            row.pop(name, None)
        elif change == "replace":
            row[name] = data.draw(st.sampled_from(generated.UNENCODABLE))
        assert list(check(row)) == check._explain(row)


def test_every_broken_rule_is_listed() -> None:
    """A verdict lists all broken rules of a row with limit and value, in the contract's order."""
    of = contract(
        Feature("mean", FeatureType.DOUBLE, required=True, minimum=-120.0, exclusive_minimum=-120.0),
        Feature("count", FeatureType.INT, required=True, maximum=10, allowed=(1, 2)),
        Feature("gone", FeatureType.LONG, required=True),
        Feature("empty", FeatureType.STRING, required=True),
    )

    found = compile_rows(of)({"airport": "", "mean": -300, "count": 11, "empty": None, "odd": 1})

    assert [(v.feature, v.rule) for v in found] == [
        ("airport", "key"),
        ("mean", "minimum"),
        ("mean", "exclusiveMinimum"),
        ("count", "maximum"),
        ("count", "enum"),
        ("gone", "missing"),
        ("empty", "null"),
        ("odd", "unknown"),
    ]
    assert str(found[1]) == "mean: minimum: -300, expected >= -120.0"


@pytest.mark.parametrize(
    ("feature", "value", "broken"),
    [
        (Feature("f", FeatureType.DOUBLE, required=True), 3, None),
        (Feature("f", FeatureType.DOUBLE, required=True), True, "type"),
        (Feature("f", FeatureType.DOUBLE, required=True), 10**400, "type"),
        (Feature("f", FeatureType.DOUBLE, required=True), "3", "type"),
        (Feature("f", FeatureType.DOUBLE, required=True), math.nan, "finite"),
        (Feature("f", FeatureType.DOUBLE, required=True), -math.inf, "finite"),
        (Feature("f", FeatureType.DOUBLE, required=True, finite=False, minimum=0.0), math.nan, None),
        (Feature("f", FeatureType.DOUBLE, required=True, finite=False, minimum=0.0), -math.inf, "minimum"),
        (Feature("f", FeatureType.DOUBLE, required=True, finite=False, minimum=0.0), math.inf, None),
        (Feature("f", FeatureType.DOUBLE, required=True, minimum=0.0), -0.0, None),
        (Feature("f", FeatureType.DOUBLE, required=True, minimum=0.0), -TINY, "minimum"),
        (Feature("f", FeatureType.DOUBLE, required=True, exclusive_minimum=0.0), -0.0, "exclusiveMinimum"),
        (Feature("f", FeatureType.DOUBLE, required=True, exclusive_minimum=0.0), TINY, None),
        (Feature("f", FeatureType.FLOAT, required=True), 3.5e38, "finite"),
        (Feature("f", FeatureType.FLOAT, required=True), 3.4028235e38, None),
        (Feature("f", FeatureType.FLOAT, required=True, exclusive_minimum=0.0), 1e-46, "exclusiveMinimum"),
        (
            Feature("f", FeatureType.FLOAT, required=True, exclusive_maximum=1.0),
            1.0 - 1e-12,
            "exclusiveMaximum",
        ),
        (Feature("f", FeatureType.LONG, required=True), 1.0, "type"),
        (Feature("f", FeatureType.LONG, required=True), False, "type"),
        (Feature("f", FeatureType.LONG, required=True), 2**63 - 1, None),
        (Feature("f", FeatureType.LONG, required=True), 2**63, "type"),
        (Feature("f", FeatureType.INT, required=True), -(2**31), None),
        (Feature("f", FeatureType.INT, required=True), 2**31, "type"),
        (Feature("f", FeatureType.BOOLEAN, required=True), 1, "type"),
        (Feature("f", FeatureType.BOOLEAN, required=False), None, None),
        (Feature("f", FeatureType.STRING, required=True), "é", None),
        (Feature("f", FeatureType.STRING, required=True), "\ud800", "type"),
        (Feature("f", FeatureType.STRING, required=True), b"x", "type"),
        (Feature("f", FeatureType.STRING, required=True, allowed=("A", "B")), "a", "enum"),
        (Feature("f", FeatureType.STRING, required=True, allowed=("A", "B")), [], "type"),
        (Feature("f", FeatureType.INT, required=True, allowed=(1, 2)), True, "type"),
    ],
)
def test_values_at_the_edge(feature: Feature, value: object, broken: str | None) -> None:
    """Each type takes exactly what its field can carry and its limits allow."""
    assert rules(contract(feature), f=value) == ([("f", broken)] if broken else [])


def test_numpy_scalars_are_judged_by_what_they_are() -> None:
    """A numpy double is a float; a numpy integer is no Python integer and must be converted by who takes columns."""
    of = contract(Feature("f", FeatureType.DOUBLE, required=True, maximum=1.0))

    assert rules(of, f=np.float64(0.5)) == []
    assert rules(of, f=np.float64(1.5)) == [("f", "maximum")]
    assert rules(of, f=np.int64(1)) == [("f", "type")]


def test_the_event_time_may_be_given_and_must_be_microseconds() -> None:
    """A row may carry its event time as a whole number of 64 bits, nothing else."""
    of = contract(Feature("f", FeatureType.DOUBLE, required=True))

    assert rules(of, f=1.0, event_time=1_700_000_000_000_000) == []
    assert rules(of, f=1.0, event_time=1.7e15) == [("event_time", "type")]
    assert rules(of, f=1.0, event_time=253_402_300_800_000_000) == [("event_time", "range")]


def test_omitted_features_take_their_defaults() -> None:
    """`complete` fills in defaults, null among them, and leaves what is missing or unknown to the check."""
    of = contract(
        Feature("a", FeatureType.DOUBLE, required=True, has_default=True, default=1.5),
        Feature("b", FeatureType.LONG, required=False, has_default=True, default=None),
        Feature("c", FeatureType.LONG, required=False),
    )
    check = compile_rows(of)

    row = check.complete({"airport": "EWR", "x": 1})

    assert row == {"airport": "EWR", "a": 1.5, "b": None, "x": 1}
    assert [(v.feature, v.rule) for v in check(row)] == [("c", "missing"), ("x", "unknown")]


def test_redacted_values_are_not_shown() -> None:
    """A feature marked `redact` never shows its value in a violation."""
    of = contract(Feature("f", FeatureType.STRING, required=True, allowed=("A",), redact=True))

    (violation,) = compile_rows(of)({"airport": "EWR", "f": "secret"})

    assert "secret" not in str(violation)


def test_long_and_odd_values_are_shown_in_eighty_printable_characters() -> None:
    """A violation can always be printed, whatever stood in the row."""

    class Rude:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    of = contract(Feature("f", FeatureType.LONG, required=True))
    for value in ("x" * 1000, "\ud800", Rude()):
        (violation,) = compile_rows(of)({"airport": "EWR", "f": value})
        assert len(violation.value) <= 80
        assert str(violation).encode()


@pytest.mark.parametrize("event_type", [pa.int64(), pa.timestamp("us"), EVENT_TIME_TYPE])
def test_columns_take_the_event_time_in_each_usual_form(event_type: pa.DataType) -> None:
    """The event time may be int64 or a timestamp in microseconds; a null there breaks the row."""
    of = contract(Feature("f", FeatureType.DOUBLE, required=True))
    data = {"airport": ["EWR", "JFK"], "event_time": pa.array([1, None], event_type), "f": [1.0, 1.0]}

    assert compile_columns(of)(pa.RecordBatch.from_pydict(data)).tolist() == [True, False]


@pytest.mark.parametrize("sliced", [False, True])
def test_columns_judge_slices_by_their_own_rows(sliced: bool) -> None:
    """A slice of a batch is judged by its own rows, nulls and all."""
    of = contract(
        Feature("f", FeatureType.DOUBLE, required=False, minimum=0.0),
        Feature("s", FeatureType.STRING, required=True, allowed=("A",)),
    )
    rows = [
        {"airport": key, "event_time": 1, "f": number, "s": text}
        for key, number, text in [
            ("x", -1.0, "A"),
            ("", 1.0, "A"),
            ("x", None, "A"),
            ("x", 1.0, "B"),
            ("x", 0.0, "A"),
        ]
    ]
    whole = batch(of, rows)
    start = 2 if sliced else 0

    assert compile_columns(of)(whole.slice(start)).tolist() == [False, False, True, False, True][start:]


def test_a_batch_of_other_columns_is_refused() -> None:
    """A missing column, or one of another type, is an error and not a verdict."""
    of = contract(Feature("f", FeatureType.DOUBLE, required=True))
    good = batch(of, [{"airport": "EWR", "event_time": 1, "f": 1.0}])

    with pytest.raises(WireError, match="no column `f`"):
        compile_columns(of)(good.drop_columns(["f"]))
    with pytest.raises(WireError, match="`f` is int64, not double"):
        compile_columns(of)(good.set_column(2, "f", pa.array([1])))
