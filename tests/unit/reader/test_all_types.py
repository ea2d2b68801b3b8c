"""Values of every type as a model gets them, and what a broken rule takes from it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pytest

from syncline.contracts.codec.encode import Encoder
from syncline.reader import Status
from tests.unit.all_types import (
    BROKEN,
    FEATURES,
    LANDED,
    NULLABLE,
    canonical,
    flight,
    flight_contract,
)
from tests.unit.reader.world import NOW_US, SECOND_US, Alias, World, contract

if TYPE_CHECKING:
    from syncline.contracts.model import Contract
    from syncline.reader import ModelInput

FLIGHT = flight_contract()
LATER = """
      - {name: tags, logicalType: array, required: true, items: {logicalType: string},
         customProperties: [{property: syncline.default, value: [new]}]}
      - {name: since, logicalType: date, required: true,
         customProperties: [{property: syncline.default, value: "2026-12-24"}]}
      - {name: at, logicalType: timestamp, required: true,
         customProperties: [{property: syncline.default, value: "2026-12-24T18:00:00+01:00"}]}
      - {name: by_day, logicalType: map, required: false,
         map: {key: {logicalType: string}, value: {logicalType: date}},
         customProperties: [{property: syncline.default, value: {eve: "2026-12-24"}}]}
"""


def apply(world: World, of: Contract, *, age_us: int = 0, **values: Any) -> None:
    """Write the cell of a flight, whatever its values."""
    row = flight(time_us=NOW_US - age_us, **values)
    stated = {key.name for key in of.keys} | {of.event_time} | {feature.name for feature in of.features}
    payload = Encoder(of).encode({k: v for k, v in canonical(row, of).items() if k in stated})
    world.apply(of, ("UA1545",), payload, age_us=age_us, schema_id=world.schema_id(of))


def read(world: World, **asked: Any) -> ModelInput:
    """The flight's features by their bare names."""
    return world.reader().get("flight_inputs", {"flight": "UA1545"}, full_feature_names=False, **asked)


def served(world: World, of: Contract, *others: Contract) -> None:
    """A release of this one version."""
    world.serve(Alias("flight", of, ("flight",)), others=others)


def test_values_come_out_as_python_has_them(world: World) -> None:
    """A date is a date, a moment an aware UTC datetime, a list a list, a map a dict: what the job wrote."""
    served(world, FLIGHT)
    apply(world, FLIGHT)

    found = read(world)

    assert found.values == FEATURES
    assert {name: type(value) for name, value in found.values.items()} == {
        name: type(value) for name, value in FEATURES.items()
    }
    moments = [found.values["dep_time"], found.values["arr_time"], *found.values["seen"]]
    assert [moment.tzinfo for moment in moments] == [UTC] * 4
    assert set(found.statuses.values()) == {Status.PRESENT}


def test_nulls_of_every_type(world: World) -> None:
    """What the job said is null is None, whatever its type."""
    served(world, FLIGHT)
    apply(world, FLIGHT, **dict.fromkeys(NULLABLE))

    found = read(world)

    assert found.values == {**FEATURES, **dict.fromkeys(NULLABLE)}
    assert {name for name, status in found.statuses.items() if status is Status.NULL_VALUE} == set(NULLABLE)


@pytest.mark.parametrize(
    "values",
    [
        {"built": date(9999, 12, 31), "holidays": [date(9999, 12, 31)]},
        {"arr_time": datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)},
        {"checked": {"a": date(1, 1, 1)}, "seen": [datetime(1, 1, 1, tzinfo=UTC)]},
        {"codes": [], "checked": {}, "seen": [], "holidays": []},
    ],
)
def test_the_ends_of_the_calendar_and_empty_ones_are_values(world: World, values: dict[str, Any]) -> None:
    """Years 1 and 9999 and what is empty come out as they went in, one by one and as columns."""
    served(world, FLIGHT)
    apply(world, FLIGHT, **values)
    assert read(world).values == FEATURES | values
    many = world.reader().get_many("flight_inputs", [{"flight": "UA1545"}], full_feature_names=False)
    row = many.to_arrow().to_pylist(maps_as_pydicts="strict")[0]
    assert {name: row[name] for name in values} == values


@pytest.mark.parametrize(("values", "rules"), BROKEN)
def test_a_broken_rule_takes_the_features_that_it_is_about(
    world: World, values: dict[str, Any], rules: set[tuple[str, str]]
) -> None:
    """P5: what breaks a rule is null and INVALID, with all features that a rule between them names; others stay."""
    served(world, FLIGHT)
    apply(world, FLIGHT, **values)
    blamed = {name for feature, rule in rules for name in FLIGHT.blamed(feature, rule)}

    found = read(world)

    assert blamed
    assert found.values == {**FEATURES, **values, **dict.fromkeys(blamed)}
    assert {name for name, status in found.statuses.items() if status is Status.INVALID} == blamed
    assert set(found.reasons) == blamed
    for feature, rule in rules:
        assert all(rule in found.reasons[name] for name in FLIGHT.blamed(feature, rule) if len(rules) == 1)


def test_a_day_of_no_calendar_is_invalid(world: World) -> None:
    """P5: what Avro can carry and Python cannot hold never reaches the model, and is no exception."""
    served(world, FLIGHT)
    apply(world, FLIGHT, built=2_932_897, arr_time=2**62, seen=[0, -(2**62)])
    found = read(world)
    assert {name for name, status in found.statuses.items() if status is Status.INVALID} == {
        "built",
        "arr_time",
        "seen",
    }
    assert (found.values["built"], found.values["seen"]) == (None, None)


def test_reasons_do_not_show_what_is_redacted(world: World) -> None:
    """A redacted feature that breaks its contract is not told by the reason why it is withheld."""
    served(world, FLIGHT)
    apply(world, FLIGHT, tailnum="X14228")
    assert "X14228" not in read(world).reasons["tailnum"]


def test_what_was_handed_out_is_the_callers(world: World) -> None:
    """A list, map or default that a model changes is not changed for the next one that reads it."""
    newer = flight_contract(version="1.1", more=LATER)
    served(world, newer, FLIGHT)
    apply(world, FLIGHT)
    first = read(world)
    for name in ("delays", "route", "holidays", "tags"):
        first.values[name].clear()
    for name in ("by_cabin", "by_day"):
        first.values[name].clear()
    assert read(world).values == FEATURES | {
        "tags": ["new"],
        "since": date(2026, 12, 24),
        "at": datetime(2026, 12, 24, 17, tzinfo=UTC),
        "by_day": {"eve": date(2026, 12, 24)},
    }


def test_a_rule_of_the_release_binds_rows_of_older_minors(world: World) -> None:
    """P5: a rule that came with a MINOR withholds what older rows say against it."""
    newer = flight_contract(
        version="1.1",
        more="""
      - {name: crew, logicalType: integer, physicalType: int, required: true,
         customProperties: [{property: syncline.default, value: 200}],
         quality: [{type: custom, engine: cel, name: crew_is_few, implementation: "crew <= seats"}]}""",
    )
    served(world, newer, FLIGHT)
    apply(world, FLIGHT, seats=180)
    found = read(world)
    assert (found.values["crew"], found.values["seats"]) == (None, None)
    assert found.statuses["seats"] is Status.INVALID
    assert "crew_is_few" in found.reasons["seats"]
    assert found.values["distance"] == FEATURES["distance"]


def test_a_rule_of_the_writer_binds_in_an_older_release_too(world: World) -> None:
    """P5: a row that breaks a rule of its own version is withheld as far as the release has what it is about."""
    newer = flight_contract(
        version="1.1",
        more="""
      - {name: crew, logicalType: integer, physicalType: int, required: true,
         logicalTypeOptions: {maximum: 300},
         customProperties: [{property: syncline.default, value: 2}],
         quality: [{type: custom, engine: cel, name: crew_is_few, implementation: "crew <= seats"}]}""",
    )
    served(world, FLIGHT, newer)
    apply(world, newer, seats=180, crew=200)
    found = read(world)
    assert (found.values["seats"], found.statuses["seats"]) == (None, Status.INVALID)
    assert {name for name, status in found.statuses.items() if status is Status.INVALID} == {"seats"}

    apply(world, newer, seats=800, crew=301)
    # What is wrong with a feature that is not served is no reason to withhold the others.
    assert set(read(world).statuses.values()) == {Status.PRESENT}


def listed(name: str, default: Any, items: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A list with a default."""
    return {
        "name": name,
        "logicalType": "array",
        "required": True,
        "items": items,
        "customProperties": [{"property": "syncline.default", "value": default}],
        **more,
    }


@pytest.mark.parametrize("action", ["flag", "null", "default"])
def test_what_is_stale_and_broken_stays_invalid(world: World, action: str) -> None:
    """P5, P7: what `whenStale` hands out in place of the old never includes a feature that breaks its contract."""
    rule = {"type": "custom", "engine": "cel", "name": "as_many", "implementation": "size(a) == size(b)"}
    of = contract(
        "flight",
        listed("a", [], {"logicalType": "string"}, quality=[rule]),
        listed("b", [], {"logicalType": "string"}),
        listed("days", ["2026-12-24"], {"logicalType": "date"}),
        listed("tags", ["new"], {"logicalType": "string"}),
        keys=(("flight", "string"),),
        whenStale=action,
        maxAge="60 s",
    )
    served(world, of)
    world.put(of, "UA1545", age_us=61 * SECOND_US, a=["x"], b=[], days=[0], tags=["old"])

    for _ in range(2):
        found = read(world)
        assert [found.values["a"], found.values["b"]] == [None, None]
        assert [found.statuses["a"], found.statuses["b"]] == [Status.INVALID] * 2
        assert found.statuses["tags"] is Status.OUTSIDE_MAX_AGE
        assert (found.values["days"], found.values["tags"]) == {
            "flag": ([date(1970, 1, 1)], ["old"]),
            "null": (None, None),
            "default": ([date(2026, 12, 24)], ["new"]),
        }[action]
        if found.values["tags"] is not None:
            # The caller's, not the contract's: the next read gives the default again.
            found.values["tags"].clear()


def test_columns_of_every_type(world: World) -> None:
    """Tables have the contract's types, also where all is null, and pandas gets what it can work with."""
    served(world, FLIGHT)
    apply(world, FLIGHT)
    asked = [{"flight": "UA1545"}, {"flight": "none"}]
    many = world.reader().get_many("flight_inputs", asked, full_feature_names=False)

    table, frame = many.to_arrow(), many.to_pandas()

    assert table.schema.field("built").type == pa.date32()
    assert table.schema.field("dep_time").type == pa.timestamp("us", "UTC")
    assert table.schema.field("route").type == pa.list_(pa.float32())
    assert table.schema.field("checked").type == pa.map_(pa.string(), pa.date32())
    assert table.to_pylist(maps_as_pydicts="strict") == [FEATURES, dict.fromkeys(FEATURES)]
    assert many.to_dict()["holidays"] == [FEATURES["holidays"], None]
    assert frame["built"].tolist() == [FEATURES["built"], None]
    assert frame["arr_time"].tolist() == [pd.Timestamp(LANDED), pd.NaT]
    assert frame["route"][0].tolist() == FEATURES["route"]
    assert frame["checked"].tolist() == [FEATURES["checked"], None]
