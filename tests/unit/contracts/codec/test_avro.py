"""The Avro form of a contract, its hash, and schemas that must not be decoded."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import replace
from datetime import date
from typing import Any

import avro.schema
import fastavro
import pytest
from hypothesis import given, settings

from syncline.contracts.codec.avro import avro_name, avro_schema, avro_text, contract_hash
from syncline.contracts.codec.fields import WireField, wire_fields
from syncline.contracts.codec.safe_schema import refuse_unsafe
from syncline.contracts.model import (
    Contract,
    Feature,
    FeatureType,
    Item,
    JoinKey,
    OnViolation,
    Rule,
    Version,
    WhenStale,
)
from tests.unit.contracts.codec import wire_cases

D = FeatureType
DELAY = Contract(
    "airport_delay",
    Version(1, 3),
    "ops",
    (JoinKey("airport", D.STRING),),
    "event_time",
    (
        Feature("mean", D.DOUBLE, required=False, minimum=-120.0, exclusive_maximum=3000.0, unit="min"),
        Feature("flights", D.INT, required=False, has_default=True, default=0, redact=True),
        Feature("kind", D.STRING, required=True, allowed=("A", "B")),
        Feature("seen", D.BOOLEAN, required=False, has_default=True, default=None),
    ),
    "syncline.features.airport_delay.v1",
)


def test_the_schema_carries_units_and_limits() -> None:
    """Every field says its unit and limits, the record says contract, version and hash."""
    assert avro_schema(DELAY) == {
        "type": "record",
        "name": "airport_delay",
        "namespace": "syncline.features.v1",
        "fields": [
            {"name": "airport", "type": "string"},
            {"name": "event_time", "type": {"type": "long", "logicalType": "timestamp-micros"}},
            {
                "name": "mean",
                "type": ["null", "double"],
                "syncline.unit": "min",
                "syncline.minimum": -120.0,
                "syncline.exclusiveMaximum": 3000.0,
                "syncline.finite": True,
            },
            {"name": "flights", "type": ["int", "null"], "default": 0, "syncline.redact": True},
            {"name": "kind", "type": "string", "syncline.enum": ["A", "B"]},
            {"name": "seen", "type": ["null", "boolean"], "default": None},
        ],
        "syncline.contract": "airport_delay",
        "syncline.version": "1.3",
        "syncline.hash": contract_hash(DELAY),
    }


@settings(max_examples=60, deadline=None)
@given(wire_cases.contracts())
def test_every_contract_gives_a_schema_that_others_accept(contract: Contract) -> None:
    """Both fastavro and Apache's own library accept the schema, defaults and attributes; ours reads it as safe."""
    text = avro_text(contract)

    parsed = avro.schema.parse(text)
    assert parsed.fullname == avro_name(contract)
    fastavro.parse_schema(json.loads(text))
    assert refuse_unsafe(json.loads(text)) == []
    assert [field.name for field in wire_fields(text)][-len(contract.features) :] == [
        f.name for f in contract.features
    ]


def test_equal_contracts_give_the_same_text() -> None:
    """The registered text is deterministic: another process with another hash seed gives the same."""
    program = (
        "from syncline.contracts.codec.avro import avro_text; from tests.unit.contracts.codec.test_avro import DELAY;"
        "print(avro_text(DELAY), end='')"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert texts == {avro_text(DELAY)}


@pytest.mark.parametrize(
    "change",
    [
        {"owner": "others"},
        {"description": "words"},
        {"status": "deprecated"},
        {"end_of_support": date(2030, 1, 1)},
        {"version": Version(1, 3, 9)},
        {"retention_us": 1},
        {"document": {"tags": ["x"]}},
        {"keys": (JoinKey("airport", D.STRING, "words"),)},
        {"features": (replace(DELAY.features[0], description="words"), *DELAY.features[1:])},
    ],
)
def test_what_says_nothing_about_messages_is_no_new_schema(change: dict[str, Any]) -> None:
    """A new description, owner, date or patch number gives the same schema and hash."""
    assert avro_text(replace(DELAY, **change)) == avro_text(DELAY)


@pytest.mark.parametrize(
    "change",
    [
        {"version": Version(1, 4)},
        {"view": "airport_delays"},
        {"keys": (JoinKey("airport", D.LONG),)},
        {"partitions": 7},
        {"max_age_us": 1},
        {"max_ahead_us": 1},
        {"late_arrival_us": 1},
        {"on_violation": OnViolation.HALT},
        {"when_stale": WhenStale.NULL},
        *(
            {"features": (replace(DELAY.features[0], **feature), *DELAY.features[1:])}
            for feature in (
                {"name": "median"},
                {"type": D.FLOAT},
                {"required": True},
                {"has_default": True, "default": 1.0},
                {"minimum": -119.0},
                {"minimum": None},
                {"exclusive_maximum": None, "maximum": 3000.0},
                {"unit": "s"},
                {"finite": False},
                {"redact": True},
            )
        ),
    ],
)
def test_what_decides_over_a_message_is_in_the_hash(change: dict[str, Any]) -> None:
    """Anything that a verdict or a model input depends on gives another hash."""
    assert contract_hash(replace(DELAY, **change)) != contract_hash(DELAY)


def test_the_name_stays_within_a_major() -> None:
    """All MINORs of a MAJOR share the record's full name, which Avro needs to read one with the other."""
    assert avro_name(replace(DELAY, version=Version(1, 9))) == avro_name(DELAY)
    assert avro_name(replace(DELAY, version=Version(2, 0))) != avro_name(DELAY)


def test_an_older_row_reads_under_a_minor_with_a_new_default() -> None:
    """A feature added with a default is readable from rows written before it, as Avro's BACKWARD rule asks."""
    newer = replace(
        DELAY,
        version=Version(1, 4),
        features=(*DELAY.features, Feature("late", D.DOUBLE, required=False, has_default=True, default=1.5)),
    )
    old, new = (fastavro.parse_schema(avro_schema(contract)) for contract in (DELAY, newer))
    target = io.BytesIO()
    row = {"airport": "EWR", "event_time": 1, "mean": None, "flights": 3, "kind": "A", "seen": True}
    fastavro.schemaless_writer(target, old, row)

    read = fastavro.schemaless_reader(io.BytesIO(target.getvalue()), old, new)

    assert read["late"] == 1.5


EVERY_KIND = replace(
    DELAY,
    features=(
        Feature("day", D.DATE, required=True, minimum=0, has_default=True, default=3),
        Feature("at", D.TIMESTAMP, required=False, maximum=10**15),
        Feature("code", D.STRING, required=True, min_length=1, max_length=3, pattern="^[A-Z]+$"),
        Feature(
            "delays",
            D.LIST,
            required=False,
            has_default=True,
            default=[1, 2],
            item=Item(D.INT, minimum=0, exclusive_maximum=9, allowed=(1, 2)),
            min_items=1,
            max_items=8,
            unique_items=True,
        ),
        Feature(
            "notes",
            D.MAP,
            required=True,
            has_default=True,
            default={"b": "x", "a": "y"},
            item=Item(D.STRING, min_length=1, max_length=9, pattern="x|y"),
            redact=True,
        ),
        Feature("seen", D.LIST, required=True, item=Item(D.DATE)),
        Feature(
            "vector",
            D.VECTOR,
            required=True,
            item=Item(D.FLOAT, maximum=1.0),
            dimensions=3,
            embedding_model="minilm 6",
        ),
    ),
    rules=(Rule("late", "at > timestamp('2020-01-01T00:00:00Z')", ("at",), "words"),),
)


def test_the_schema_carries_what_is_said_of_every_kind() -> None:
    """Days, moments, lists, maps and vectors have their Avro form, and all their limits as attributes."""
    schema = avro_schema(EVERY_KIND)

    assert schema["fields"][2:] == [
        {
            "name": "day",
            "type": {"type": "int", "logicalType": "date"},
            "default": 3,
            "syncline.minimum": 0,
        },
        {
            "name": "at",
            "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}],
            "syncline.maximum": 10**15,
        },
        {
            "name": "code",
            "type": "string",
            "syncline.minLength": 1,
            "syncline.maxLength": 3,
            "syncline.pattern": "^[A-Z]+$",
        },
        {
            "name": "delays",
            "type": [{"type": "array", "items": "int"}, "null"],
            "default": [1, 2],
            "syncline.minItems": 1,
            "syncline.maxItems": 8,
            "syncline.uniqueItems": True,
            "syncline.item": {"minimum": 0, "exclusiveMaximum": 9, "enum": [1, 2]},
        },
        {
            "name": "notes",
            "type": {"type": "map", "values": "string"},
            "default": {"a": "y", "b": "x"},
            "syncline.item": {"minLength": 1, "maxLength": 9, "pattern": "x|y"},
            "syncline.redact": True,
        },
        {"name": "seen", "type": {"type": "array", "items": {"type": "int", "logicalType": "date"}}},
        {
            "name": "vector",
            "type": {"type": "array", "items": "float"},
            "syncline.dimensions": 3,
            "syncline.embeddingModel": "minilm 6",
            "syncline.item": {"maximum": 1.0, "finite": True},
        },
    ]
    assert schema["syncline.rules"] == [
        {"name": "late", "expression": "at > timestamp('2020-01-01T00:00:00Z')"}
    ]
    assert "rules" not in avro_schema(replace(EVERY_KIND, rules=()))


def test_the_order_of_a_default_map_is_no_new_schema() -> None:
    """A catalog that keeps the names of a map in another order gives the same schema and hash."""
    notes = EVERY_KIND.features[4]
    turned = replace(notes, default={"a": "y", "b": "x"})

    features = tuple(turned if feature is notes else feature for feature in EVERY_KIND.features)
    assert avro_text(replace(EVERY_KIND, features=features)) == avro_text(EVERY_KIND)


def test_the_hashes_of_contracts_that_use_nothing_new_stay() -> None:
    """A contract of scalars alone has the hash that it had before there were lists, days and rules."""
    assert contract_hash(DELAY) == "1ed5447f9cf128d4bc2e183266f20c807f4fb183eea808ff6c8ad80252997c01"


def _changed(name: str, **change: Any) -> dict[str, Any]:
    features = (replace(each, **change) if each.name == name else each for each in EVERY_KIND.features)
    return {"features": tuple(features)}


def _changed_item(name: str, **change: Any) -> dict[str, Any]:
    feature = EVERY_KIND.feature(name)
    assert feature is not None
    assert feature.item is not None
    return _changed(name, item=replace(feature.item, **change))


@pytest.mark.parametrize(
    "change",
    [
        {"rules": ()},
        {"rules": (replace(EVERY_KIND.rules[0], name="later"),)},
        {"rules": (replace(EVERY_KIND.rules[0], expression="true"),)},
        _changed("day", type=D.INT),
        _changed("day", minimum=1),
        _changed("at", type=D.LONG),
        _changed("code", min_length=2),
        _changed("code", max_length=None),
        _changed("code", pattern="^[A-Z]*$"),
        _changed("delays", min_items=2),
        _changed("delays", max_items=9),
        _changed("delays", unique_items=False),
        _changed("delays", type=D.MAP, has_default=False),
        _changed("vector", dimensions=4),
        _changed("vector", embedding_model="minilm 7"),
        *(
            _changed_item("delays", **item)
            for item in (
                {"type": D.LONG},
                {"minimum": 1},
                {"exclusive_maximum": None, "maximum": 9},
                {"allowed": (1,)},
            )
        ),
        *(
            _changed_item("notes", **item)
            for item in ({"min_length": 2}, {"max_length": 8}, {"pattern": None})
        ),
        _changed_item("vector", finite=False),
    ],
)
def test_what_decides_over_the_insides_is_in_the_hash(change: dict[str, Any]) -> None:
    """Rules, lengths, patterns, item limits, counts, dimensions and the embedding model give another hash."""
    assert contract_hash(replace(EVERY_KIND, **change)) != contract_hash(EVERY_KIND)


def test_a_rules_description_is_no_new_schema() -> None:
    """What a rule is for is said to people: it is not in the hash."""
    described = replace(EVERY_KIND, rules=(replace(EVERY_KIND.rules[0], description="other words"),))

    assert avro_text(described) == avro_text(EVERY_KIND)


def test_fields_are_read_with_what_is_inside() -> None:
    """The wire's fields name the scalar inside a list or map; a vector is a list there."""
    assert wire_fields(avro_text(EVERY_KIND))[1:] == (
        WireField("event_time", D.TIMESTAMP),
        WireField("day", D.DATE),
        WireField("at", D.TIMESTAMP, 0),
        WireField("code", D.STRING),
        WireField("delays", D.LIST, 1, D.INT),
        WireField("notes", D.MAP, None, D.STRING),
        WireField("seen", D.LIST, None, D.DATE),
        WireField("vector", D.LIST, None, D.FLOAT),
    )


def record(*fields: Any) -> dict[str, Any]:
    """A record schema of fields of these types."""
    return {
        "type": "record",
        "name": "r",
        "fields": [{"name": f"f{n}", "type": kind} for n, kind in enumerate(fields)],
    }


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (record("long", ["null", "r"]), "contains it"),
        (record({"type": "array", "items": "r"}), "contains it"),
        (record({"type": "array", "items": "null"}), "take no bytes"),
        (record({"type": "array", "items": {"type": "record", "name": "e", "fields": []}}), "take no bytes"),
        (record({"type": "array", "items": {"type": "fixed", "name": "e", "size": 0}}), "take no bytes"),
        (record({"type": "map", "values": {"type": "array", "items": "null"}}), "take no bytes"),
        (record({"type": "array", "items": ["null", "long"]}), "`f0` has the type"),
        (record({"type": "array", "items": {"type": "array", "items": "long"}}), "`f0` has the type"),
        (record({"type": "map", "values": {"type": "map", "values": "long"}}), "`f0` has the type"),
        (record({"type": "array", "items": record("long")}), "`f0` has the type"),
        (record({"type": "array", "items": "bytes"}), "`f0` has the type"),
        (record({"type": "array", "items": {"type": "long", "logicalType": "date"}}), "`f0` has the type"),
        (record({"type": "array", "items": "long", "logicalType": "set"}), "`f0` has the type"),
        (record({"type": "map", "values": "null"}), "`f0` has the type"),
        (record({"type": "array"}), "has no type"),
        (record({"type": {"type": "long"}}), "`f0` has the type"),
        (record({"type": "long", "logicalType": ["date"]}), "`f0` has the type"),
        (record(["null", {"type": "array", "items": "null"}]), "take no bytes"),
        (record(["null", ["null", "long"]]), "`f0` has the type"),
        (record("date"), "`f0` has the type date"),
        (record("map"), "`f0` has the type map"),
        (record("bytes"), "`f0` has the type bytes"),
        (record({"type": "long", "logicalType": "date"}), "`f0` has the type"),
        (record({"type": "int", "logicalType": "timestamp-micros"}), "`f0` has the type"),
        (record({"type": "bytes", "logicalType": "decimal", "precision": 4}), "`f0` has the type"),
        (record(["null", "long", "string"]), "`f0` has the type"),
        (record(["null", "null"]), "`f0` has the type"),
        (record([]), "`f0` has the type"),
        (record(7), "has no type"),
        ("long", "no record"),
        ({"type": "record", "name": "r"}, "has no fields"),
        ([], "no record"),
        (None, "has no type"),
        ({"type": "record", "name": "r", "fields": [1]}, "is no mapping"),
    ],
)
def test_unsafe_schemas_are_refused_with_a_reason(schema: Any, reason: str) -> None:
    """Recursion, items of no bytes, and types that no contract states are refused, whatever the schema is."""
    assert reason in "; ".join(refuse_unsafe(schema))


def test_a_deeply_nested_schema_is_refused() -> None:
    """A schema that is nested without end is refused after a bounded depth."""
    schema: Any = "long"
    for _ in range(500):
        schema = {"type": "array", "items": schema}

    assert "nested" in "; ".join(refuse_unsafe(schema))
