"""A document to change, and what comes of it: a feature, a contract, or problems."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from syncline.contracts.odcs.document import parse_contract
from syncline.errors import DefinitionError

if TYPE_CHECKING:
    from syncline.contracts.model import Contract, Feature
    from syncline.errors import Problem

AIRPORT_DELAY = """\
apiVersion: v3.2.0
kind: DataContract
id: airport_delay
version: 1.3.7
status: active
tags: [flights]
description: {purpose: How late an airport is just now}
domain: flights
support: [{channel: "#flights", url: "https://example.org/flights"}]
team: {name: flight-ops-ml, members: [{username: ada}]}
schema:
  - name: airport_delay
    physicalName: syncline.features.airport_delay.v1
    logicalType: object
    physicalType: topic
    properties:
      - {name: airport, logicalType: string, required: true, primaryKey: true, businessName: Airport}
      - {name: event_time, logicalType: timestamp, required: true}
      - name: dep_delay_mean_1h
        logicalType: number
        physicalType: double
        required: false
        description: Mean departure delay
        logicalTypeOptions: {minimum: -120, maximum: 3000}
        customProperties: [{property: unit, value: min}, {property: acme.team, value: [1]}]
        quality:
          - {type: library, metric: nullValues, mustBeLessThan: 20, unit: percent, dimension: completeness}
slaProperties:
  - {property: latency, value: 5, unit: s, driver: operational}
  - {property: frequency, value: 1, unit: h}
  - {property: retention, value: 7, unit: d}
  - {property: endOfSupport, value: 2027-03-01}
customProperties:
  - {property: syncline.onViolation, value: halt}
  - {property: syncline.whenStale, value: flag}
"""


def document() -> dict[str, Any]:
    """The document above as JSON data."""
    return json.loads(json.dumps(parse_contract(AIRPORT_DELAY, file="airport.yaml").document))


def with_feature(**changes: Any) -> dict[str, Any]:
    """The document with one feature `f` as changed; None removes a key."""
    changed = document()
    feature = {"name": "f", "logicalType": "number", "required": True, **changes}
    changed["schema"][0]["properties"][2] = {k: v for k, v in feature.items() if v is not None}
    return changed


def with_settings(*properties: tuple[str, Any]) -> dict[str, Any]:
    """The document with these custom properties."""
    changed = document()
    changed["customProperties"] = [{"property": name, "value": value} for name, value in properties]
    return changed


def places(changed: dict[str, Any] | str) -> list[tuple[str, str]]:
    """Where a document that must be refused breaks which rule; every problem has a sentence and a remedy."""
    found = problems(changed)
    assert all(problem.message and problem.remedy for problem in found)
    return [(problem.path, problem.rule) for problem in found]


def problems(changed: dict[str, Any] | str) -> tuple[Problem, ...]:
    """All problems of a document that must be refused."""
    text = changed if isinstance(changed, str) else json.dumps(changed)
    with pytest.raises(DefinitionError) as caught:
        parse_contract(text, file="broken.yaml")
    return caught.value.problems


def contract_of(changed: dict[str, Any] | str) -> Contract:
    """The contract of a document that must be accepted."""
    text = changed if isinstance(changed, str) else json.dumps(changed)
    return parse_contract(text, file="good.yaml")


def feature_of(changed: dict[str, Any]) -> Feature:
    """The document's first feature."""
    return parse_contract(json.dumps(changed), file="f.yaml").features[0]


def custom(**values: Any) -> list[dict[str, Any]]:
    """Custom properties of a feature; all but `unit` are ours."""
    return [
        {"property": name if name == "unit" else f"syncline.{name}", "value": v} for name, v in values.items()
    ]


def changed(path: list[Any], value: Any) -> dict[str, Any]:
    """The document with another value at a path; `...` removes it."""
    result = document()
    target: Any = result
    for part in path[:-1]:
        target = target[part]
    if value is ...:
        del target[path[-1]]
    else:
        target[path[-1]] = value
    return result
