"""Documents from the wild: other standards, other versions, other platforms; a clear verdict, never a traceback."""

from __future__ import annotations

import copy
import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from syncline.contracts.model import Contract
from syncline.contracts.odcs.document import contract_from_document, parse_contract
from syncline.errors import DefinitionError
from tests.unit.contracts.odcs.documents import AIRPORT_DELAY, contract_of, document, places, problems

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncline.errors import Problem

DCS = """\
dataContractSpecification: 1.1.0
id: urn:datacontract:flights:delays
info: {title: Delays, version: 0.3.1, owner: Flight operations}
servers: {production: {type: s3, location: "s3://delays/*.parquet", format: parquet}}
models:
  delays:
    type: table
    fields: {airport: {type: text, primaryKey: true}, delay: {type: decimal, precision: 6}}
"""
ODCS_2 = """\
apiVersion: v2.2.2
kind: DataContract
uuid: 3d0a7b52-5f1e-4f0e-9a2b-0d9b6a1f7c11
version: 1.0.0
status: current
datasetDomain: flights
quantumName: delays
dataset:
  - table: delays
    columns: [{column: airport, logicalType: string, isPrimaryKey: true}]
"""
WAREHOUSE = """\
apiVersion: v3.1.0
kind: DataContract
id: 8c2a6e0e-flights
name: flights
version: 2.0.0
status: active
servers:
  - {server: prod, type: postgres, host: db.example.org, port: 5432, database: flights, schema: public}
schema:
  - name: flights
    physicalType: table
    properties:
      - {name: flight_id, logicalType: integer, physicalType: bigint, primaryKey: true}
      - {name: fare, logicalType: number, physicalType: "numeric(9,2)", required: true}
      - {name: crew, logicalType: array, items: {logicalType: object, properties: [{name: id, logicalType: integer}]}}
  - name: airports
    physicalType: table
    properties: [{name: iata, logicalType: string, physicalType: varchar(3), primaryKey: true}]
"""


def only_problem(text: str) -> tuple[str, str, str]:
    """The one problem of a text: rule, message, remedy."""
    (only,) = problems(text)
    return only.rule, only.message, only.remedy


@pytest.mark.parametrize(
    ("text", "message", "remedy"),
    [
        (DCS, "Data Contract Specification", "a model becomes a contract"),
        (ODCS_2, "ODCS v2", "`dataset` became `schema`"),
        (WAREHOUSE, "v3.1.0", "apiVersion: v3.2.0"),
        (WAREHOUSE.replace("v3.1.0", "v3.0.2"), "v3.0.2", "apiVersion: v3.2.0"),
        (AIRPORT_DELAY.replace("v3.2.0", "v4.0.0"), "'v4.0.0' is not read here", "v3.2.0"),
        (AIRPORT_DELAY.replace("v3.2.0", "3.2"), "3.2 is not read here", "v3.2.0"),
        ("apiVersion: v1.0.0\nkind: DataProduct\nid: x", "'v1.0.0' is not read here", "v3.2.0"),
        ("apiVersion: syncline/v1\nkind: Bundle\nname: x", "this is a Bundle", "folders of their own"),
        ("apiVersion: apps/v1\nkind: Deployment", "'apps/v1' is not read here", "v3.2.0"),
        ("version: 2\nmodels: [{name: flights}]", "dbt", "syncline init"),
        ("openapi: 3.1.0\ninfo: {}", "OpenAPI", "contract"),
        ("asyncapi: 3.0.0\ninfo: {}", "AsyncAPI", "contract"),
        (
            '{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"}',
            "JSON Schema",
            "contract",
        ),
        ('{"type": "record", "name": "x", "fields": []}', "`apiVersion` is missing", "v3.2.0"),
        ("a: 1", "`apiVersion` is missing", "v3.2.0"),
    ],
)
def test_a_document_of_another_standard_is_told_what_it_is(text: str, message: str, remedy: str) -> None:
    """One problem says what the document is and what to do; it is not judged by rules that it never followed."""
    rule, said, told = only_problem(text)

    assert rule == "api-version"
    assert message in said
    assert remedy in told


def test_another_kind_is_told() -> None:
    """A document of the standard's version that is no contract is named by its kind."""
    assert only_problem(AIRPORT_DELAY.replace("kind: DataContract", "kind: DataProduct"))[0] == "kind"


def test_a_warehouse_document_is_told_everything_at_once() -> None:
    """A contract of tables in Postgres, with the version changed, gets a problem at each thing that does not fit."""
    found = places(WAREHOUSE.replace("v3.1.0", "v3.2.0"))

    assert ("id", "view-name") in found
    assert ("schema", "one-schema") in found
    assert ("servers", "no-kafka-server") in found
    assert ("team", "owner") in found


def test_one_table_of_a_warehouse_is_told_property_by_property() -> None:
    """Types that a record cannot carry are named one by one, with what carries them."""
    text = WAREHOUSE.replace("v3.1.0", "v3.2.0").partition("  - name: airports")[0]

    found = problems(text)

    by_place = {(problem.path, problem.rule): problem.remedy for problem in found}
    properties = "schema[0].properties"
    assert by_place["schema[0].physicalType", "physical-type"] == "Write `physicalType: topic`"
    assert by_place[f"{properties}[0].physicalType", "key-type"] == "Write `long`"
    assert "cents" in by_place[f"{properties}[1].physicalType", "physical-type"]
    assert "Flatten it" in by_place[f"{properties}[2].items.logicalType", "not-supported"]
    assert (properties, "event-time") in by_place


@pytest.mark.parametrize(
    ("servers", "expected"),
    [
        (
            [{"server": "a", "type": "snowflake", "account": "x", "database": "d", "schema": "s"}],
            "no-kafka-server",
        ),
        ([{"server": "a", "type": "bigquery", "project": "p", "dataset": "d"}], "no-kafka-server"),
        ([{"server": "a", "type": "s3", "location": "s3://b/*.parquet"}], "no-kafka-server"),
        ([{"server": "a", "type": "kafka", "host": "h:9092", "format": "json"}], "server-format"),
        ([{"server": "a", "type": "kafka", "host": "h:9092", "format": "avro"}], None),
        (
            [
                {"server": "a", "type": "kafka", "host": "h:9092"},
                {"server": "b", "type": "s3", "location": "s3://b/*.parquet"},
            ],
            None,
        ),
        ([], None),
    ],
)
def test_servers_other_than_kafka_are_told(servers: list[dict[str, Any]], expected: str | None) -> None:
    """A document whose data stands elsewhere alone is refused; copies elsewhere are its own affair."""
    changed = document() | {"servers": servers}

    if expected is None:
        assert contract_of(changed).view == "airport_delay"
    else:
        assert [rule for _, rule in places(changed)] == [expected]


@pytest.mark.parametrize(
    ("text", "rule", "remedy"),
    [
        (AIRPORT_DELAY.replace("id: airport_delay", "id: {{ view }}"), "key", "render it first"),
        ("{% if prod %}\n" + AIRPORT_DELAY, "yaml", "Render the template first"),
        (AIRPORT_DELAY.replace("id: airport_delay", "id: ${VIEW}"), "view-name", "lower-case"),
        (AIRPORT_DELAY.replace("version: 1.3.7", "version: <version>"), "version", "1.0.0"),
    ],
)
def test_templates_are_told_to_be_rendered(text: str, rule: str, remedy: str) -> None:
    """A placeholder is no value: it is named, and where it cannot even be read, rendering is the remedy."""
    assert any(problem.rule == rule and remedy in problem.remedy for problem in problems(text))


def test_json_is_a_document_too() -> None:
    """JSON is YAML: the same document gives the same contract."""
    as_json = json.dumps(document(), indent=2)

    assert parse_contract(as_json, file="a.json") == parse_contract(AIRPORT_DELAY, file="a.yaml")


@pytest.mark.parametrize("key", ["items", "map", "properties"])
@pytest.mark.parametrize("depth", [2, 10, 40])
def test_deeply_nested_properties_are_refused_at_once(key: str, depth: int) -> None:
    """The standard's schema takes time exponential in the depth of a property; we never ask it about depth."""
    node: dict[str, Any] = {"logicalType": "string"}
    for _ in range(depth):
        if key == "items":
            node = {"logicalType": "array", "items": node}
        elif key == "map":
            node = {"logicalType": "map", "map": {"key": {"logicalType": "string"}, "value": node}}
        else:
            node = {"logicalType": "object", "properties": [{"name": "p", **node}]}
    changed = document()
    changed["schema"][0]["properties"][2] = {"name": "f", "required": True, **node}

    assert "not-supported" in [rule for _, rule in places(changed)]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("apiVersion: &a [*a]", "nesting"),
        ("apiVersion: v3.2.0\nschema: &s\n  - *s", "nesting"),
        ("x: " + "[" * 1_500, "yaml"),
        ("x: " + "[" * 120 + "]" * 120, "nesting"),
        ("a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
            f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(7)
        ), "size"),
        ("x: '" + "x" * 2_000_001 + "'", "size"),
    ],
)  # fmt: skip
def test_huge_deep_and_cyclic_documents_are_refused(text: str, rule: str) -> None:
    """A document that contains itself, or that stands for more than memory holds, is refused."""
    assert rule in [found for _, found in places(text)]


EVERYTHING = """\
apiVersion: v3.2.0
kind: DataContract
id: flight
version: 1.0.0
status: active
team: {name: flight-ops-ml}
description: {purpose: x}
servers: [{server: a, type: kafka, host: "h:9092"}]
schema:
  - name: flight
    logicalType: object
    physicalType: topic
    quality:
      - {type: custom, engine: cel, name: after, implementation: "arr_time >= dep_time", description: x}
    properties:
      - {name: flight_id, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 1}
      - {name: event_time, logicalType: timestamp, required: true}
      - {name: dep_time, logicalType: timestamp, required: true, logicalTypeOptions: {minimum: "2013-01-01T00:00Z"}}
      - {name: arr_time, logicalType: timestamp, required: false}
      - name: tail
        logicalType: string
        required: true
        logicalTypeOptions: {minLength: 2, maxLength: 8, pattern: "^N"}
        enum: [{value: N1}]
        customProperties: [{property: syncline.default, value: N1}, {property: syncline.redact, value: true}]
      - name: delays
        logicalType: array
        required: true
        logicalTypeOptions: {minItems: 1, maxItems: 24, uniqueItems: true}
        items: {logicalType: integer, physicalType: int, logicalTypeOptions: {minimum: -120}}
        customProperties: [{property: syncline.itemMaximum, value: 3000}, {property: syncline.default, value: [1]}]
      - name: by_hour
        logicalType: map
        required: false
        map: {key: {logicalType: string}, value: {logicalType: number, logicalTypeOptions: {maximum: 5}}}
        customProperties: [{property: syncline.default, value: {a: 1}}, {property: unit, value: min}]
      - name: embedding
        logicalType: vector
        required: true
        logicalTypeOptions: {dimensions: 2, elementType: float64, embeddingModel: m, embeddingModelVersion: "2"}
        customProperties: [{property: syncline.itemMinimum, value: -1}, {property: syncline.default, value: [0, 1]}]
slaProperties:
  - {property: frequency, value: 1, unit: h}
  - {property: endOfSupport, value: 2027-03-01}
customProperties:
  - {property: syncline.maxAge, value: 3 h}
  - {property: syncline.partitions, value: 3}
"""
WRONG = [None, True, 0, -1.5, 10**30, "", "x" * 5_000, [], [None], [[]], {}, {"a": {"b": None}}]


def nodes(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all parts of a document but itself."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [place for key, value in inner for place in ((*path, key), *nodes(value, (*path, key)))]


def replaced(good: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The document with another value at a path."""
    broken = copy.deepcopy(good)
    target: Any = broken
    for part in path[:-1]:
        target = target[part]
    target[path[-1]] = value
    return broken


def verdict(parse: Callable[[], Contract]) -> Contract | tuple[Problem, ...]:
    """The contract, or the problems; any other exception passes."""
    try:
        return parse()
    except DefinitionError as error:
        return error.problems


def test_a_wrong_value_anywhere_gives_problems_or_a_contract() -> None:
    """Any part of a document that says everything, replaced by any wrong value: problems or a contract."""
    good = contract_of(EVERYTHING).document
    refused = accepted = 0

    for path in nodes(good):
        for wrong in WRONG:
            found = verdict(partial(contract_from_document, replaced(good, path, wrong)))
            if isinstance(found, Contract):
                accepted += 1
                assert contract_from_document(found.document) == found, path
            else:
                refused += 1
                assert found, path
                assert all(problem.message and problem.remedy for problem in found), path

    assert refused > 500
    assert accepted > 50


def test_a_wrong_value_anywhere_is_told_by_the_standard_too() -> None:
    """The same through the standard's schema, which is slower: one wrong value for every fifth part."""
    good = contract_of(EVERYTHING).document

    for number, path in enumerate(nodes(good)[::5]):
        wrong = WRONG[number % len(WRONG)]
        found = verdict(partial(contract_of, replaced(good, path, wrong)))
        assert isinstance(found, Contract) or found, path
