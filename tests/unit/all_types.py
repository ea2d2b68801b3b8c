"""A view with every kind of feature and every kind of limit, rows of it, and what each rule makes of a wrong one."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from syncline.contracts.odcs.document import parse_contract
from syncline.publisher.canonical import Edge

if TYPE_CHECKING:
    from syncline.contracts.model import Contract

_DOCUMENT = """
apiVersion: v3.2.0
kind: DataContract
id: {view}
version: {version}.0
status: active
team: {{name: flight-ops-ml}}
schema:
  - name: {view}
    logicalType: object
    physicalType: topic
    quality:
      - {{type: custom, engine: cel, name: arrives_after_departure, implementation: "arr_time >= dep_time",
         description: A flight lands after it took off}}
      - {{type: custom, engine: cel, name: no_stops_no_delays,
         implementation: "size(stops) > 0 || size(delays) == 1"}}
    properties:
      - {{name: flight, logicalType: string, required: true, primaryKey: true}}
      - {{name: event_time, logicalType: timestamp, required: true}}
      - {{name: on_time, logicalType: boolean, required: true}}
      - name: seats
        logicalType: integer
        physicalType: int
        required: true
        logicalTypeOptions: {{exclusiveMinimum: 0, maximum: 853}}
        quality:
          - {{type: custom, engine: cel, name: no_thirteen, implementation: "seats != 13"}}
      - {{name: gate, logicalType: integer, physicalType: int, required: false,
         enum: [{{value: 1}}, {{value: 2}}, {{value: 30}}]}}
      - {{name: distance, logicalType: integer, physicalType: long, required: true,
         logicalTypeOptions: {{minimum: 0}}, customProperties: [{{property: unit, value: mi}}]}}
      - {{name: load, logicalType: number, physicalType: float, required: true,
         logicalTypeOptions: {{minimum: 0, exclusiveMaximum: 2}}}}
      - {{name: dep_delay, logicalType: number, physicalType: double, required: false,
         logicalTypeOptions: {{minimum: -120, maximum: 3000}}, customProperties: [{{property: unit, value: min}}]}}
      - {{name: carrier, logicalType: string, required: true, enum: [{{value: UA}}, {{value: DL}}],
         customProperties: [{{property: syncline.default, value: UA}}]}}
      - {{name: tailnum, logicalType: string, required: false,
         logicalTypeOptions: {{minLength: 2, maxLength: 6, pattern: "^N[0-9]"}},
         customProperties: [{{property: syncline.redact, value: true}}]}}
      - {{name: built, logicalType: date, required: false, logicalTypeOptions: {{minimum: "1967-01-01"}}}}
      - {{name: dep_time, logicalType: timestamp, required: true,
         logicalTypeOptions: {{minimum: "2013-01-01T00:00:00Z", exclusiveMaximum: "2100-01-01T00:00:00Z"}}}}
      - {{name: arr_time, logicalType: timestamp, required: false}}
      - {{name: delays, logicalType: array, required: true, logicalTypeOptions: {{minItems: 1, maxItems: 4}},
         items: {{logicalType: number, physicalType: float, logicalTypeOptions: {{minimum: -120, maximum: 3000}}}}}}
      - {{name: stops, logicalType: array, required: true, logicalTypeOptions: {{uniqueItems: true}},
         items: {{logicalType: string, enum: [{{value: EWR}}, {{value: JFK}}, {{value: LGA}}]}}}}
      - {{name: codes, logicalType: array, required: false,
         items: {{logicalType: string, logicalTypeOptions: {{minLength: 2, maxLength: 4, pattern: "[A-Z]"}}}}}}
      - {{name: holidays, logicalType: array, required: false,
         items: {{logicalType: date, logicalTypeOptions: {{minimum: "2000-01-01"}}}}}}
      - {{name: seen, logicalType: array, required: false, items: {{logicalType: timestamp}}}}
      - {{name: by_cabin, logicalType: map, required: true, logicalTypeOptions: {{minItems: 1, maxItems: 2}},
         map: {{key: {{logicalType: string}},
               value: {{logicalType: integer, physicalType: int, logicalTypeOptions: {{exclusiveMinimum: -1}}}}}}}}
      - {{name: checked, logicalType: map, required: false,
         map: {{key: {{logicalType: string}}, value: {{logicalType: date}}}}}}
      - {{name: route, logicalType: vector, required: true,
         logicalTypeOptions: {{dimensions: 3, embeddingModel: acme/routes, embeddingModelVersion: "2"}},
         customProperties: [{{property: syncline.itemMinimum, value: -1}},
                            {{property: syncline.itemMaximum, value: 1}}]}}
      - {{name: wide, logicalType: vector, required: false,
         logicalTypeOptions: {{dimensions: 2, elementType: float64}},
         customProperties: [{{property: syncline.finite, value: false}}]}}
{more}
slaProperties:
  - {{property: retention, value: 7, unit: d}}
customProperties:
{custom}
"""

NOW = datetime(2027, 1, 15, 8, tzinfo=UTC)
NOW_US = 1_800_000_000_000_000
DEPARTED = datetime(2027, 1, 15, 7, 30, 0, 123_456, tzinfo=UTC)
LANDED = DEPARTED + timedelta(hours=3)
FEATURES: dict[str, Any] = {
    "on_time": True,
    "seats": 180,
    "gate": 30,
    "distance": 1_400,
    "load": 0.5,
    "dep_delay": 12.5,
    "carrier": "UA",
    "tailnum": "N14228",
    "built": date(1998, 7, 1),
    "dep_time": DEPARTED,
    "arr_time": LANDED,
    "delays": [1.5, -2.0, 3.25],
    "stops": ["EWR", "JFK"],
    "codes": ["AA", "Bb1"],
    "holidays": [date(2027, 1, 1), date(2027, 7, 4)],
    "seen": [DEPARTED, LANDED],
    "by_cabin": {"first": 8, "coach": 0},
    "checked": {"engine": date(2026, 12, 31)},
    "route": [0.25, -0.5, 1.0],
    "wide": [1e300, float("inf")],
}
"""Values as a job writes them, and as a reader hands them out; 32-bit floats hold each of them exactly."""

NULLABLE = (
    "gate",
    "dep_delay",
    "tailnum",
    "built",
    "arr_time",
    "codes",
    "holidays",
    "seen",
    "checked",
    "wide",
)

BROKEN: list[tuple[dict[str, Any], set[tuple[str, str]]]] = [
    ({"seats": 0}, {("seats", "exclusiveMinimum")}),
    ({"seats": 854}, {("seats", "maximum")}),
    ({"seats": 13}, {("seats", "cel:no_thirteen")}),
    ({"gate": 3}, {("gate", "enum")}),
    ({"distance": -1}, {("distance", "minimum")}),
    ({"load": 2.0}, {("load", "exclusiveMaximum")}),
    ({"load": float("nan")}, {("load", "finite")}),
    ({"carrier": "ZZ"}, {("carrier", "enum")}),
    ({"tailnum": "N"}, {("tailnum", "minLength"), ("tailnum", "pattern")}),
    ({"tailnum": "N123456"}, {("tailnum", "maxLength")}),
    ({"tailnum": "X14228"}, {("tailnum", "pattern")}),
    ({"built": date(1966, 12, 31)}, {("built", "minimum")}),
    ({"dep_time": datetime(2012, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)}, {("dep_time", "minimum")}),
    (
        {"dep_time": datetime(2100, 1, 1, tzinfo=UTC), "arr_time": None},
        {("dep_time", "exclusiveMaximum")},
    ),
    ({"arr_time": DEPARTED - timedelta(microseconds=1)}, {("", "cel:arrives_after_departure")}),
    ({"stops": []}, {("", "cel:no_stops_no_delays")}),
    ({"delays": []}, {("delays", "minItems")}),
    ({"delays": [0.0] * 5}, {("delays", "maxItems")}),
    ({"delays": [0.0, -121.0]}, {("delays", "itemMinimum")}),
    ({"delays": [3_001.0, float("nan")]}, {("delays", "itemMaximum"), ("delays", "itemFinite")}),
    ({"stops": ["EWR", "EWR"]}, {("stops", "uniqueItems")}),
    ({"stops": ["EWR", "SFO"]}, {("stops", "itemEnum")}),
    (
        {"codes": ["A", "ABCDE", "ab"]},
        {("codes", f"item{rule}") for rule in ("MinLength", "MaxLength", "Pattern")},
    ),
    ({"holidays": [date(1999, 12, 31)]}, {("holidays", "itemMinimum")}),
    ({"by_cabin": {}}, {("by_cabin", "minItems")}),
    ({"by_cabin": {"a": 1, "b": 2, "c": 3}}, {("by_cabin", "maxItems")}),
    ({"by_cabin": {"a": -1}}, {("by_cabin", "itemExclusiveMinimum")}),
    ({"route": [0.0, 0.0]}, {("route", "dimensions")}),
    ({"route": [0.0, 0.0, 1.5]}, {("route", "itemMaximum")}),
    ({"route": [0.0, -1.5, 0.0]}, {("route", "itemMinimum")}),
    ({"wide": [0.0, 0.0, 0.0]}, {("wide", "dimensions")}),
]
"""Rows that have an Avro form and break one rule or several: (what is different, (feature, rule) of each)."""

UNWRITABLE: list[tuple[dict[str, Any], set[tuple[str, str]]]] = [
    ({"built": datetime(2027, 1, 1, tzinfo=UTC)}, {("built", "type")}),
    ({"built": "2027-01-01"}, {("built", "type")}),
    ({"built": 2_932_897}, {("built", "type")}),
    ({"built": True}, {("built", "type")}),
    ({"dep_time": datetime(2027, 1, 1)}, {("dep_time", "type")}),  # noqa: DTZ001  it is what must be refused
    ({"dep_time": date(2027, 1, 1)}, {("dep_time", "type")}),
    ({"dep_time": np.datetime64("2027-01-01T00:00:00", "ns")}, {("dep_time", "type")}),
    ({"dep_time": None}, {("dep_time", "null")}),
    ({"delays": 1.5}, {("delays", "type")}),
    ({"delays": "1.5"}, {("delays", "type")}),
    ({"delays": {1.5}}, {("delays", "type")}),
    ({"delays": np.array([[1.5]])}, {("delays", "type")}),
    ({"delays": np.array(1.5)}, {("delays", "type")}),
    ({"delays": [1.5, None]}, {("delays", "itemType")}),
    ({"delays": [[1.5]]}, {("delays", "itemType")}),
    ({"delays": ["1.5"]}, {("delays", "itemType")}),
    ({"stops": ["EWR", 7]}, {("stops", "itemType")}),
    ({"holidays": ["2027-01-01"]}, {("holidays", "itemType")}),
    ({"seen": [datetime(2027, 1, 1)]}, {("seen", "itemType")}),  # noqa: DTZ001  see above
    ({"seen": np.array(["2027-01-01"], "datetime64[ns]")}, {("seen", "type")}),
    ({"by_cabin": [("first", 8)]}, {("by_cabin", "type")}),
    ({"by_cabin": {1: 8}}, {("by_cabin", "type")}),
    ({"by_cabin": {"first": None}}, {("by_cabin", "itemType")}),
    ({"by_cabin": {"first": 8.0}}, {("by_cabin", "itemType")}),
    ({"by_cabin": {"first": True}}, {("by_cabin", "itemType")}),
    ({"by_cabin": {"first": 2**31}}, {("by_cabin", "itemType")}),
    ({"route": None}, {("route", "null")}),
    ({"route": np.array(["x", "y", "z"])}, {("route", "itemType")}),
]
"""Rows that have no Avro form."""


def flight_text(*, view: str = "flight", version: str = "1.0", more: str = "", **custom: Any) -> str:
    """The document; `more` are further properties, `custom` the view's settings as `onViolation`."""
    stated = {"partitions": 2, **custom}
    return _DOCUMENT.format(
        view=view,
        version=version,
        more=more,
        custom="\n".join(
            f"  - {json.dumps({'property': f'syncline.{name}', 'value': value})}"
            for name, value in stated.items()
        ),
    )


def flight_contract(prefix: str = "syncline", **stated: Any) -> Contract:
    """The contract; see `flight_text`."""
    return parse_contract(flight_text(**stated), file="flight.odcs.yaml", prefix=prefix)


def flight(name: str = "UA1545", time_us: int = NOW_US, **features: Any) -> dict[str, Any]:
    """A row that keeps the contract, but for what is given otherwise."""
    return {"flight": name, "event_time": time_us, **FEATURES, **features}


def canonical(row: dict[str, Any], contract: Contract) -> dict[str, Any]:
    """The row as checks and encoders take it."""
    mine = dict(row)
    Edge(contract).make_canonical(mine)
    return mine
