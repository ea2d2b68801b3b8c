"""Both forms of the check, and the one verdict they must give."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from syncline.contracts.checks.columns import compile_columns
from syncline.contracts.checks.rows import compile_rows
from syncline.contracts.codec.arrow import EVENT_TIME_TYPE, arrow_type
from syncline.contracts.model import Contract, Feature, FeatureType, Item, JoinKey, Rule, Version
from syncline.errors import WireError
from tests.unit.contracts.checks import generated

TINY = math.ulp(0.0)


def contract(*features: Feature, rules: tuple[Rule, ...] = ()) -> Contract:
    """A contract of one text key and these features."""
    keys = (JoinKey("airport", FeatureType.STRING),)
    topic = "syncline.features.delay.v1"
    return Contract("delay", Version(1, 2), "ops", keys, "event_time", features, topic, rules=rules)


def listing(item: Item, **limits: Any) -> Feature:
    """A list feature `f` of these items."""
    return Feature("f", FeatureType.LIST, required=True, item=item, **limits)


def rules(of: Contract, **values: Any) -> list[tuple[str, str]]:
    """Which features of a row break which rules."""
    return [(v.feature, v.rule) for v in compile_rows(of)({"airport": "EWR", **values})]


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


LONGS = Item(FeatureType.LONG, minimum=0, exclusive_maximum=10)
CODES = Item(FeatureType.STRING, max_length=2, pattern="^[A-Z]+$")
MAP_OF_DOUBLES = Feature(
    "f", FeatureType.MAP, required=True, item=Item(FeatureType.DOUBLE, maximum=1.0), max_items=2
)
VECTOR = Feature("f", FeatureType.VECTOR, required=True, item=Item(FeatureType.FLOAT), dimensions=3)


@pytest.mark.parametrize(
    ("feature", "value", "broken"),
    [
        (
            Feature("f", FeatureType.DATE, required=True, minimum=0),
            -1,
            [("minimum", "1969-12-31", ">= 1970-01-01")],
        ),
        (
            Feature("f", FeatureType.DATE, required=True),
            2_932_897,
            [("type", "2932897", "a day in the years 1 to 9999")],
        ),
        (
            Feature("f", FeatureType.TIMESTAMP, required=True, exclusive_maximum=0),
            1,
            [("exclusiveMaximum", "1970-01-01T00:00:00.000001Z", "< 1970-01-01T00:00:00Z")],
        ),
        (Feature("f", FeatureType.STRING, required=True, max_length=1), "😀", []),
        (
            Feature("f", FeatureType.STRING, required=True, max_length=1, pattern="^[a-z]*$"),
            "e\u0301",
            [
                ("maxLength", "'e\u0301'", "at most 1 characters"),
                ("pattern", "'e\u0301'", "a match of ^[a-z]*$"),
            ],
        ),
        (
            Feature("f", FeatureType.STRING, required=True, min_length=1),
            "",
            [("minLength", "''", "at least 1 characters")],
        ),
        (listing(LONGS), [], []),
        (
            listing(LONGS, unique_items=True, max_items=2),
            [3, 12, 3, -1, 10],
            [
                ("maxItems", "5 items", "at most 2 items"),
                ("itemExclusiveMaximum", "item 1: 12", "< 10"),
                ("uniqueItems", "item 2: 3", "no item twice"),
                ("itemMinimum", "item 3: -1", ">= 0"),
            ],
        ),
        (listing(LONGS, min_items=1), [], [("minItems", "0 items", "at least 1 items")]),
        (listing(LONGS), [None, True], [("itemType", "item 0: null", "a 64-bit whole number")]),
        (listing(LONGS), (1, 2), [("type", "(1, 2)", "a list")]),
        (
            listing(CODES),
            ["EWR", "ew"],
            [
                ("itemMaxLength", "item 0: 'EWR'", "at most 2 characters"),
                ("itemPattern", "item 1: 'ew'", "a match of ^[A-Z]+$"),
            ],
        ),
        (
            listing(Item(FeatureType.STRING, allowed=("A",))),
            ["A", "B"],
            [("itemEnum", "item 1: 'B'", "one of A")],
        ),
        (
            listing(Item(FeatureType.STRING)),
            ["\ud83d", "\ude00"],
            [("itemType", "item 0: '\\ud83d'", "a text of whole Unicode characters")],
        ),
        (MAP_OF_DOUBLES, {"a": 0.5, "b": 1.5}, [("itemMaximum", "key 'b': 1.5", "<= 1.0")]),
        (
            MAP_OF_DOUBLES,
            {1: 0.5},
            [("type", "{1: 0.5}", "a map whose keys are texts of whole Unicode characters")],
        ),
        (MAP_OF_DOUBLES, {"a": math.nan}, [("itemFinite", "key 'a': nan", "a finite number")]),
        (VECTOR, [0.1, -0.0, 3.4e38], []),
        (VECTOR, [0.1, 0], [("dimensions", "2 items", "exactly 3 items")]),
        (VECTOR, [1.0, math.nan, 3.5e38], [("itemFinite", "item 1: nan", "a finite number")]),
    ],
)
def test_nested_and_other_values_say_what_is_wrong(
    feature: Feature, value: object, broken: list[tuple[str, str, str]]
) -> None:
    """Each broken rule of a value is listed once, with what there was, or the first item or key that broke it."""
    found = compile_rows(contract(feature))({"airport": "EWR", "f": value})

    assert [(v.rule, v.value, v.limit) for v in found] == broken


LATER = Rule("arrives_after_departure", "arrived > departed", ("departed", "arrived"))
DEPARTED = Feature("departed", FeatureType.TIMESTAMP, required=False)
ARRIVED = Feature("arrived", FeatureType.TIMESTAMP, required=False, redact=True)


def test_a_broken_rule_names_its_values() -> None:
    """A rule between features is broken with its expression and the named values, redacted ones hidden."""
    check = compile_rows(contract(DEPARTED, ARRIVED, rules=(LATER,)))

    (violation,) = check({"airport": "EWR", "departed": 60_000_000, "arrived": 0})

    assert (violation.feature, violation.rule) == ("", "cel:arrives_after_departure")
    assert violation.limit == "arrived > departed"
    assert violation.value == "departed=1970-01-01T00:01:00Z, arrived=a redacted value"


def test_two_moments_of_a_broken_rule_stand_whole() -> None:
    """Who looks at a dead letter sees both moments to the microsecond, not the beginning of the second."""
    landed = Feature("last_landing_at_the_gate", FeatureType.TIMESTAMP, required=False)
    later = Rule("lands", "last_landing_at_the_gate > departed", ("departed", "last_landing_at_the_gate"))

    (violation,) = compile_rows(contract(DEPARTED, landed, rules=(later,)))(
        {
            "airport": "EWR",
            "departed": 1_700_000_000_123_456,
            "last_landing_at_the_gate": 1_600_000_000_123_456,
        }
    )

    assert violation.value == (
        "departed=2023-11-14T22:13:20.123456Z, last_landing_at_the_gate=2020-09-13T12:26:40.123456Z"
    )


def test_a_rule_about_one_feature_stands_at_it() -> None:
    """A rule that names one feature is broken there; null keeps it, a value of another type is only that."""
    of = contract(
        DEPARTED, rules=(Rule("recent", "departed > timestamp('2000-01-01T00:00:00Z')", ("departed",)),)
    )

    assert rules(of, departed=0) == [("departed", "cel:recent")]
    assert rules(of, departed=None) == []
    assert rules(of, departed="then") == [("departed", "type")]


def test_rules_see_values_as_the_wire_carries_them() -> None:
    """A rule judges a 32-bit field rounded, and a whole number in it as a float."""
    feature = Feature("f", FeatureType.FLOAT, required=True)
    of = contract(feature, rules=(Rule("half", "f / 2.0 >= 0.05000000074505806", ("f",)),))

    assert rules(of, f=0.1) == []
    assert rules(of, f=3) == []


def test_a_default_that_is_a_list_is_each_rows_own() -> None:
    """A row completed with a default list can change it without changing the next row's."""
    check = compile_rows(contract(listing(LONGS, has_default=True, default=[1])))

    check.complete({"airport": "EWR"})["f"].append(2)

    assert check.complete({"airport": "EWR"})["f"] == [1]


@pytest.mark.parametrize("row", [None, 5, [], {generated.Rude: 1}, {"\ud800": 1}])
def test_what_is_no_row_breaks_its_contract(row: Any) -> None:
    """Anything given for a row is judged, and never raises."""
    broken = [v.rule for v in compile_rows(contract(Feature("f", FeatureType.LONG, required=True)))(row)]

    assert broken[:2] == ["missing", "missing"]


def test_repeated_keys_of_a_map_column_break_the_row() -> None:
    """A column can name a key of a map twice, which no row can: such a map breaks its contract."""
    of = contract(MAP_OF_DOUBLES)
    maps = pa.array(
        [[("a", 0.1), ("a", 0.2)], [("a", 0.1), ("b", 0.2)]], arrow_type(FeatureType.MAP, FeatureType.DOUBLE)
    )
    data = {"airport": ["EWR", "JFK"], "event_time": pa.array([1, 2], EVENT_TIME_TYPE), "f": maps}

    assert compile_columns(of)(pa.RecordBatch.from_pydict(data)).tolist() == [False, True]


def test_items_below_a_null_list_are_not_judged() -> None:
    """What stands in a column's buffers under a null list belongs to no row."""
    of = contract(Feature("f", FeatureType.LIST, required=False, item=LONGS))
    lists = pa.ListArray.from_arrays(
        pa.array([0, 1, 2, 3], pa.int32()), pa.array([1, -5, 99]), mask=pa.array([False, True, False])
    )
    data = {"airport": ["A"] * 3, "event_time": pa.array([1, 2, 3], EVENT_TIME_TYPE), "f": lists}

    assert compile_columns(of)(pa.RecordBatch.from_pydict(data)).tolist() == [True, True, False]


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
    for value in ("x" * 1000, "\ud800", Rude(), 10**5000, [Rude()], [1] * 10**5, {"k" * 99: 1}):
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
    whole = generated.batch(of, rows)
    start = 2 if sliced else 0

    assert compile_columns(of)(whole.slice(start)).tolist() == [False, False, True, False, True][start:]


def test_a_batch_of_other_columns_is_refused() -> None:
    """A missing column, or one of another type, is an error and not a verdict."""
    of = contract(Feature("f", FeatureType.DOUBLE, required=True))
    good = generated.batch(of, [{"airport": "EWR", "event_time": 1, "f": 1.0}])

    with pytest.raises(WireError, match="no column `f`"):
        compile_columns(of)(good.drop_columns(["f"]))
    with pytest.raises(WireError, match="`f` is int64, not double"):
        compile_columns(of)(good.set_column(2, "f", pa.array([1])))
