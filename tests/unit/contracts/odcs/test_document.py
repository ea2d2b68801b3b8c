"""From a document to a contract, and from a wrong document to every problem in it."""

from __future__ import annotations

import copy
import json
from datetime import date
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from syncline.contracts.model import Feature, FeatureType, JoinKey, OnViolation, Version, WhenStale
from syncline.contracts.odcs.document import contract_from_document, parse_contract
from syncline.errors import DefinitionError
from tests.unit.contracts.odcs.documents import (
    AIRPORT_DELAY,
    changed,
    custom,
    document,
    feature_of,
    problems,
    with_feature,
    with_settings,
)


def test_a_document_becomes_a_contract() -> None:
    """Everything that the document says stands in the contract, durations in microseconds."""
    contract = parse_contract(AIRPORT_DELAY, file="airport.yaml")

    assert contract.view == "airport_delay"
    assert contract.version == Version(1, 3, 7)
    assert contract.reference == "airport_delay@1.3"
    assert contract.owner == "flight-ops-ml"
    assert contract.keys == (JoinKey("airport", FeatureType.STRING),)
    assert contract.event_time == "event_time"
    assert contract.features == (
        Feature(
            "dep_delay_mean_1h",
            FeatureType.DOUBLE,
            required=False,
            minimum=-120.0,
            maximum=3000.0,
            unit="min",
            description="Mean departure delay",
        ),
    )
    assert contract.topic == "syncline.features.airport_delay.v1"
    assert contract.retention_us == 7 * 86_400_000_000
    assert contract.frequency_us == 3_600_000_000
    assert contract.max_age_us == 2 * 3_600_000_000
    assert contract.max_ahead_us == 300_000_000
    assert contract.late_arrival_us is None
    assert contract.latency_us == 5_000_000
    assert contract.end_of_support == date(2027, 3, 1)
    assert contract.on_violation is OnViolation.HALT
    assert contract.when_stale is WhenStale.FLAG
    assert contract.description == "How late an airport is just now"


def test_a_parsed_document_gives_the_same_contract_again() -> None:
    """The document that the catalog keeps is plain JSON and gives an equal contract."""
    contract = parse_contract(AIRPORT_DELAY, file="airport.yaml")

    assert contract_from_document(json.loads(json.dumps(contract.document))) == contract


def test_settings_of_the_document_are_read() -> None:
    """The custom properties of the document set freshness, lateness and partitions."""
    contract = contract_from_document(
        with_settings(
            ("syncline.maxAge", "90 min"),
            ("syncline.maxAhead", "500 ms"),
            ("syncline.lateArrival", "2 h"),
            ("syncline.partitions", 12),
            ("acme.owner", {"any": "thing"}),
        )
    )

    assert (contract.max_age_us, contract.max_ahead_us) == (5_400_000_000, 500_000)
    assert (contract.late_arrival_us, contract.partitions) == (7_200_000_000, 12)


def test_without_frequency_and_limit_a_value_never_gets_stale() -> None:
    """No frequency and no `maxAge` mean no limit on age; the topic's name is derived when it is not stated."""
    changed = document()
    del changed["slaProperties"], changed["schema"][0]["physicalName"]

    contract = contract_from_document(changed, prefix="acme")

    assert contract.max_age_us is None
    assert contract.retention_us == 7 * 86_400_000_000
    assert contract.topic == "acme.features.airport_delay.v1"


def test_join_keys_stand_in_the_stated_order() -> None:
    """Several join keys go by `primaryKeyPosition` where it is stated, else as they stand."""
    changed = document()
    keys = [
        {"name": "b", "logicalType": "integer", "required": True, "primaryKey": True},
        {"name": "a", "logicalType": "string", "required": True, "primaryKey": True},
    ]
    changed["schema"][0]["properties"][:1] = copy.deepcopy(keys)
    assert [key.name for key in contract_from_document(changed).keys] == ["b", "a"]

    changed["schema"][0]["properties"][0]["primaryKeyPosition"] = 2
    assert [p.rule for p in problems(changed)] == ["key-position"]

    changed["schema"][0]["properties"][1]["primaryKeyPosition"] = 1
    assert contract_from_document(changed).keys == (
        JoinKey("a", FeatureType.STRING),
        JoinKey("b", FeatureType.LONG),
    )


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"logicalType": "number"}, Feature("f", FeatureType.DOUBLE, required=True)),
        ({"logicalType": "number", "physicalType": "float"}, Feature("f", FeatureType.FLOAT, required=True)),
        (
            {"logicalType": "number", "logicalTypeOptions": {"format": "f32", "maximum": 0.1}},
            Feature("f", FeatureType.FLOAT, required=True, maximum=0.10000000149011612),
        ),
        ({"logicalType": "integer"}, Feature("f", FeatureType.LONG, required=True)),
        (
            {
                "logicalType": "integer",
                "physicalType": "int",
                "logicalTypeOptions": {"exclusiveMinimum": 1.0},
            },
            Feature("f", FeatureType.INT, required=True, exclusive_minimum=1),
        ),
        ({"logicalType": "boolean", "required": False}, Feature("f", FeatureType.BOOLEAN, required=False)),
        (
            {"logicalType": "string", "enum": [{"value": "A", "label": "first"}, {"value": "B"}]},
            Feature("f", FeatureType.STRING, required=True, allowed=("A", "B")),
        ),
        (
            {"logicalType": "integer", "enum": [{"value": 1}]},
            Feature("f", FeatureType.LONG, required=True, allowed=(1,)),
        ),
        (
            {"customProperties": custom(default=3, finite=False, redact=True, unit="ms")},
            Feature(
                "f",
                FeatureType.DOUBLE,
                required=True,
                has_default=True,
                default=3.0,
                finite=False,
                redact=True,
                unit="ms",
            ),
        ),
        (
            {"required": False, "customProperties": custom(default=None)},
            Feature("f", FeatureType.DOUBLE, required=False, has_default=True, default=None),
        ),
    ],
)
def test_properties_become_features(stated: dict[str, Any], expected: Feature) -> None:
    """Each type and each limit of a property stands in its feature, as the type holds it."""
    feature = feature_of(with_feature(**stated))

    assert feature == expected
    assert type(feature.default) is type(expected.default)


BROKEN_FEATURES = [
    ({"required": None}, "required", "required-unstated"),
    ({"logicalType": None}, "logicalType", "type-unstated"),
    ({"logicalType": "numbr"}, "logicalType", "odcs"),
    ({"logicalType": "number", "physicalType": "decimal"}, "physicalType", "physical-type"),
    ({"physicalType": "double", "logicalTypeOptions": {"format": "f32"}}, "physicalType", "physical-type"),
    ({"name": "2f"}, "name", "name"),
    ({"name": "a__b"}, "name", "name"),
    ({"name": "ä"}, "name", "name"),
    ({"name": "airport"}, "name", "duplicate-name"),
    ({"name": "event_time"}, "name", "duplicate-name"),
    ({"name": None}, "", "missing-name"),
    ({"physicalName": "F"}, "physicalName", "physical-name"),
    ({"primaryKeyPosition": 1}, "primaryKeyPosition", "key-position"),
    ({"unit": "min"}, "unit", "unknown-key"),
    ({"logicalTypeOptions": {"minimun": 1}}, "logicalTypeOptions.minimun", "unknown-key"),
    ({"logicalTypeOptions": {"minimum": "1"}}, "logicalTypeOptions.minimum", "odcs"),
    ({"logicalTypeOptions": {"minimum": 2, "maximum": 1}}, "logicalTypeOptions", "empty-range"),
    ({"logicalTypeOptions": {"minimum": 1, "exclusiveMaximum": 1}}, "logicalTypeOptions", "empty-range"),
    (
        {"physicalType": "float", "logicalTypeOptions": {"maximum": 1e39}},
        "logicalTypeOptions.maximum",
        "limit-type",
    ),
    (
        {"logicalType": "integer", "logicalTypeOptions": {"maximum": 1.5}},
        "logicalTypeOptions.maximum",
        "limit-type",
    ),
    (
        {"logicalType": "integer", "physicalType": "int", "logicalTypeOptions": {"maximum": 2**31}},
        "logicalTypeOptions.maximum",
        "limit-type",
    ),
    ({"logicalType": "string", "enum": [{"value": 1}]}, "enum[0]", "enum"),
    ({"logicalType": "integer", "enum": [{"value": 1}, {"value": True}]}, "enum[1]", "enum"),
    ({"logicalType": "string", "enum": ["A"]}, "enum[0]", "odcs"),
    ({"customProperties": custom(default="x")}, "customProperties[0].value", "default"),
    ({"customProperties": custom(default=None)}, "customProperties[0].value", "default"),
    (
        {"customProperties": custom(default=-1), "logicalTypeOptions": {"minimum": 0}},
        "customProperties[0].value",
        "default",
    ),
    (
        {"logicalType": "string", "enum": [{"value": "A"}], "customProperties": custom(default="B")},
        "customProperties[0].value",
        "default",
    ),
    ({"customProperties": custom(finite="no")}, "customProperties[0].value", "flag"),
    (
        {"logicalType": "integer", "customProperties": custom(finite=False)},
        "customProperties[0].value",
        "finite",
    ),
    ({"customProperties": custom(unit=3)}, "customProperties[0].value", "unit"),
    ({"customProperties": custom(defualt=1)}, "customProperties[0]", "unknown-key"),
    ({"customProperties": custom(maxAge="5 s")}, "customProperties[0]", "misplaced"),
    ({"customProperties": custom(redact=True) * 2}, "customProperties[1]", "duplicate-key"),
]

REFUSED = [
    ({"logicalType": "object", "properties": []}, "logicalType", "feature of its own"),
    ({"logicalType": "time"}, "logicalType", "integer with a unit"),
    ({"logicalTypeOptions": {"multipleOf": 2}}, "logicalTypeOptions.multipleOf", "CEL"),
    (
        {"logicalType": "integer", "logicalTypeOptions": {"format": "u8"}},
        "logicalTypeOptions.format",
        "`minimum: 0, maximum: 255`",
    ),
    (
        {"logicalType": "integer", "logicalTypeOptions": {"format": "u64"}},
        "logicalTypeOptions.format",
        "long",
    ),
    (
        {"logicalType": "string", "logicalTypeOptions": {"format": "uuid"}},
        "logicalTypeOptions.format",
        "pattern",
    ),
    (
        {"logicalType": "string", "logicalTypeOptions": {"format": "password"}},
        "logicalTypeOptions.format",
        "syncline.redact",
    ),
    (
        {"logicalType": "date", "logicalTypeOptions": {"format": "yyyy-MM-dd"}},
        "logicalTypeOptions.format",
        "ISO 8601",
    ),
    (
        {"logicalType": "timestamp", "logicalTypeOptions": {"timezone": False}},
        "logicalTypeOptions.timezone",
        "moment",
    ),
    (
        {"logicalType": "timestamp", "logicalTypeOptions": {"defaultTimezone": "Europe/Berlin"}},
        "logicalTypeOptions.defaultTimezone",
        "zone",
    ),
    ({"enum": [{"value": 1.5}]}, "enum", "minimum and maximum"),
    ({"logicalType": "boolean", "enum": [{"value": True}]}, "enum", "two features"),
    ({"unique": True}, "unique", "join key"),
]


@pytest.mark.parametrize(("stated", "place", "rule"), BROKEN_FEATURES)
def test_each_wrong_property_is_named(stated: dict[str, Any], place: str, rule: str) -> None:
    """A property that breaks a rule is named by its path, with the rule and a remedy."""
    found = problems(with_feature(**stated))

    where = "schema[0].properties[2]" + (f".{place}" if place else "")
    assert (where, rule) in [(p.path, p.rule) for p in found]
    assert all(p.message and p.remedy for p in found)


@pytest.mark.parametrize(("stated", "place", "remedy"), REFUSED)
def test_what_no_contract_can_say_is_refused_in_words(
    stated: dict[str, Any], place: str, remedy: str
) -> None:
    """What a message cannot be held to is never ignored: it is refused, and told how to say it otherwise."""
    found = problems(with_feature(**stated))

    refused = [p for p in found if (p.path, p.rule) == (f"schema[0].properties[2].{place}", "not-supported")]
    assert len(refused) == 1
    assert remedy in refused[0].remedy


PROPERTIES = ["schema", 0, "properties"]


def plain(number: int) -> dict[str, Any]:
    """A feature without limits."""
    return {"name": f"f{number}", "logicalType": "number", "required": True}


@pytest.mark.parametrize(
    ("broken", "place", "rule"),
    [
        (changed(["apiVersion"], "v3.1.0"), "apiVersion", "api-version"),
        (changed(["apiVersion"], ...), "apiVersion", "api-version"),
        (changed(["id"], "Airport-Delay"), "id", "view-name"),
        (changed(["id"], ...), "", "missing-id"),
        (changed(["version"], 1.3), "version", "odcs"),
        (changed(["version"], "1.3"), "version", "version"),
        (changed(["version"], "0.9.0"), "version", "version"),
        (changed(["status"], "live"), "status", "word"),
        (changed(["status"], ...), "status", "word"),
        (changed(["team"], ...), "team", "owner"),
        (changed(["team"], {"name": " "}), "team.name", "owner"),
        (changed(["teem"], {}), "teem", "unknown-key"),
        (changed(["schema"], []), "schema", "one-schema"),
        (changed(["schema"], document()["schema"] * 2), "schema", "one-schema"),
        (changed(["schema", 0, "name"], "delays"), "schema[0].name", "name"),
        (changed(["schema", 0, "physicalName"], "delays"), "schema[0].physicalName", "physical-name"),
        (changed(["schema", 0, "physicalType"], "table"), "schema[0].physicalType", "physical-type"),
        (changed(["schema", 0, "logicalType"], ...), "schema[0].logicalType", "logical-type"),
        (changed(PROPERTIES, []), "schema[0].properties", "no-properties"),
        (changed([*PROPERTIES, 0], ...), "schema[0].properties", "no-key"),
        (changed([*PROPERTIES, 1], ...), "schema[0].properties", "event-time"),
        (changed([*PROPERTIES, 2], ...), "schema[0].properties", "no-features"),
        (changed([*PROPERTIES, 0, "required"], False), "schema[0].properties[0].required", "key-required"),
        (
            changed([*PROPERTIES, 0, "logicalType"], "number"),
            "schema[0].properties[0].logicalType",
            "key-type",
        ),
        (
            changed([*PROPERTIES, 1, "logicalType"], "date"),
            "schema[0].properties[1].logicalType",
            "event-time",
        ),
        (changed([*PROPERTIES, 1, "required"], False), "schema[0].properties[1].required", "event-time"),
        (changed([*PROPERTIES, 1, "primaryKey"], True), "schema[0].properties[1].primaryKey", "event-time"),
        (
            changed([*PROPERTIES, 1, "physicalType"], "bigint"),
            "schema[0].properties[1].physicalType",
            "event-time",
        ),
        (
            changed([*PROPERTIES, 1, "logicalTypeOptions"], {"minimum": "2013-01-01T00:00Z"}),
            "schema[0].properties[1].logicalTypeOptions.minimum",
            "not-supported",
        ),
        (
            changed([*PROPERTIES, 1, "enum"], [{"value": "2013-01-01T00:00Z"}]),
            "schema[0].properties[1].enum",
            "not-supported",
        ),
        (
            changed([*PROPERTIES, 0, "logicalTypeOptions"], {"maxLength": 3}),
            "schema[0].properties[0].logicalTypeOptions.maxLength",
            "not-supported",
        ),
        (
            changed([*PROPERTIES, 0, "enum"], [{"value": "EWR"}]),
            "schema[0].properties[0].enum",
            "not-supported",
        ),
        (
            changed([*PROPERTIES, 0, "customProperties"], custom(redact=True)),
            "schema[0].properties[0].customProperties[0]",
            "misplaced",
        ),
        (
            changed(PROPERTIES, [*document()["schema"][0]["properties"], *map(plain, range(1000))]),
            "schema[0].properties",
            "too-many",
        ),
        (changed(["slaProperties", 0, "unit"], "fortnights"), "slaProperties[0].value", "duration"),
        (changed(["slaProperties", 0, "value"], -5), "slaProperties[0].value", "duration"),
        (changed(["slaProperties", 0, "unit"], "m"), "slaProperties[0].value", "duration"),
        (changed(["slaProperties", 3, "value"], "soon"), "slaProperties[3].value", "date"),
        (with_settings(("syncline.onViolation", "deadletter")), "customProperties[0].value", "word"),
        (with_settings(("syncline.whenStale", "default")), "schema[0].properties[2]", "stale-default"),
        (with_settings(("syncline.maxAge", 5)), "customProperties[0].value", "duration"),
        (with_settings(("syncline.partitions", 0)), "customProperties[0].value", "partitions"),
        (with_settings(("syncline.partitions", True)), "customProperties[0].value", "partitions"),
        (with_settings(("syncline.maxage", "5 s")), "customProperties[0]", "unknown-key"),
        (with_settings(("syncline.default", 1)), "customProperties[0]", "misplaced"),
    ],
)
def test_each_wrong_part_of_a_document_is_named(broken: dict[str, Any], place: str, rule: str) -> None:
    """A part that breaks a rule is named by its path, with the rule and a remedy."""
    found = problems(broken)

    assert (place, rule) in [(p.path, p.rule) for p in found]
    assert all(p.message and p.remedy for p in found)


def test_all_problems_come_at_once_in_file_order() -> None:
    """A file broken in several ways gives one error with every problem: file, line, path, rule and remedy."""
    text = (
        AIRPORT_DELAY.replace("active", "actve")
        .replace("team:", "teem:")
        .replace("minimum:", "minimun:")
        .replace("value: 1, unit: h", "value: 1, unit: hh")
        .replace("halt", "hlt")
    )

    found = problems(text)

    assert [(p.line, p.path, p.rule) for p in found] == [
        (1, "team", "owner"),
        (5, "status", "word"),
        (10, "teem", "unknown-key"),
        (24, "schema[0].properties[2].logicalTypeOptions.minimun", "unknown-key"),
        (30, "slaProperties[1].value", "duration"),
        (34, "customProperties[0].value", "word"),
    ]
    assert all(p.file == "broken.yaml" for p in found)
    assert "Did you mean `minimum`?" in found[3].remedy
    assert str(found[5]).startswith(
        "broken.yaml:34: customProperties[0].value: 'hlt' is not allowed [word]. Did you mean `halt`?"
    )


def test_another_version_of_the_standard_is_the_only_problem_named() -> None:
    """Under another apiVersion nothing else is judged, as every further problem might be a false one."""
    older = changed(["apiVersion"], "v2.2.2") | {"datasetName": "x"}

    (only,) = problems(older)

    assert only.rule == "api-version"
    assert "v3.2.0" in only.remedy


def test_the_standard_is_not_judged_again_in_the_catalog() -> None:
    """A document from the catalog is judged by our rules alone, which still find what makes no contract."""
    foreign = document() | {"fieldOfALaterEdition": 1}

    assert contract_from_document(foreign).view == "airport_delay"
    with pytest.raises(DefinitionError, match="`id` is missing"):
        contract_from_document({"apiVersion": "v3.2.0"})
    with pytest.raises(DefinitionError, match="no JSON data"):
        contract_from_document({"apiVersion": float("nan")})


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from(
    [
        "enum",
        "logicalType",
        "logicalTypeOptions",
        "customProperties",
        "quality",
        "primaryKey",
        "format",
        "minimum",
        "primaryKeyPosition",
        "physicalType",
        "items",
        "team",
        "unit",
        "value",
        "property",
        "name",
        "required",
    ]
)


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of a document's parts, its own first."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(place for key, value in inner for place in places(value, (*path, key)))]


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_any_document_gives_a_contract_or_problems(data: st.DataObject) -> None:
    """Whatever stands in a document, the answer is a contract or a DefinitionError, never another exception."""
    broken = document()
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(places(broken)[1:]))
        target: Any = broken
        for part in path[:-1]:
            target = target[part]
        if isinstance(target, dict) and data.draw(st.booleans()):
            target[data.draw(KEYS)] = data.draw(JUNK)
        elif data.draw(st.booleans()):
            target[path[-1]] = data.draw(JUNK)
        elif len(places(broken)) > 2:
            del target[path[-1]]

    for parse in (
        lambda: parse_contract(json.dumps(broken), file="f"),
        lambda: contract_from_document(broken),
    ):
        try:
            contract = parse()
        except DefinitionError:
            continue
        else:
            assert contract_from_document(contract.document) == contract


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_text_gives_a_contract_or_problems(data: st.DataObject) -> None:
    """Whatever stands in a file, the answer is a contract or a DefinitionError, never another exception."""
    text = data.draw(st.sampled_from(["", AIRPORT_DELAY[:400], AIRPORT_DELAY]))
    marks = st.sampled_from(
        ["\t", "&a ", "*a", "- ", "{", "}", "[", "!!", "<<: *a", "? ", "'", '"', "\x00", "|", "\ud800"]
    )
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(marks | st.text(max_size=6)) + text[at + data.draw(st.integers(0, 3)) :]

    try:
        parse_contract(text, file="f")
    except DefinitionError as error:
        event(f"{str(error).count(chr(10)) + 1} problems")


@pytest.mark.parametrize(
    ("stated", "remedy"),
    [
        ({"unit": "min"}, "customProperties: [{property: unit, value: ...}]"),
        ({"default": 0}, "property: syncline.default"),
        ({"nullable": False}, "required: false"),
        ({"minimum": 0}, "under `logicalTypeOptions`"),
        ({"logicalType": "datetime"}, "Write `logicalType: timestamp`"),
        ({"logicalType": "int"}, "Write `logicalType: integer, physicalType: int`"),
        ({"required": "true"}, "Write true or false, without quotes"),
        ({"logicalTypeOptions": {"minimum": "0"}}, "Write a number, without quotes"),
        ({"logicalType": "string", "enum": ["AA"]}, "Write `name: value` pairs, as `{value: ...}`"),
    ],
)
def test_what_is_often_written_has_the_remedy_that_is_meant(stated: dict[str, Any], remedy: str) -> None:
    """A word of another system, or in another place, is answered with what a contract says instead."""
    assert any(remedy in problem.remedy for problem in problems(with_feature(**stated)))


def test_a_team_in_one_word_is_told_how_it_is_written() -> None:
    """The commonest short form of the owner."""
    (only,) = problems(changed(["team"], "flight-ops"))

    assert only.remedy == "Write `team: {name: flight-ops}`"
