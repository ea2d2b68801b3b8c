"""Flights-shaped rows: ten fields, one key per aircraft, and the contract that they keep."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

HOT_KEYS = 4_044
"""As many aircraft as the year 2013 of New York's flights has."""
PARTITIONS = 6
BUNDLE = "benchmark_inputs"
CONSUMER = "benchmark"
AGENT_VIEW = "flight"
PUBLISHED_VIEW = "flight_published"
VIEWS = (AGENT_VIEW, PUBLISHED_VIEW)

_KEY = "tailnum"
_CONTRACT = """
apiVersion: v3.2.0
kind: DataContract
id: {view}
name: Flights for benchmarks
version: 1.0.0
status: active
team: {{name: benchmarks}}
schema:
  - name: {view}
    logicalType: object
    physicalType: topic
    properties:
      - {{name: tailnum, logicalType: string, physicalType: string, required: true, primaryKey: true}}
      - {{name: event_time, logicalType: timestamp, required: true}}
      - {{name: dep_delay, logicalType: number, physicalType: double, required: false,
         logicalTypeOptions: {{minimum: -120, maximum: 3000}}}}
      - {{name: arr_delay, logicalType: number, physicalType: double, required: false,
         logicalTypeOptions: {{minimum: -120, maximum: 3000}}}}
      - {{name: air_time, logicalType: number, physicalType: double, required: false,
         logicalTypeOptions: {{minimum: 0, maximum: 1500}}}}
      - {{name: distance, logicalType: integer, physicalType: long, required: true,
         logicalTypeOptions: {{minimum: 0, maximum: 20000}}}}
      - {{name: flight, logicalType: integer, physicalType: int, required: true,
         logicalTypeOptions: {{minimum: 0, maximum: 9999}}}}
      - {{name: carrier, logicalType: string, physicalType: string, required: true}}
      - {{name: origin, logicalType: string, physicalType: string, required: true,
         enum: [{{value: EWR}}, {{value: JFK}}, {{value: LGA}}]}}
      - {{name: dest, logicalType: string, physicalType: string, required: true}}
customProperties:
  - {{property: syncline.partitions, value: {partitions}}}
  - {{property: syncline.onViolation, value: deadLetter}}
  - {{property: syncline.maxAge, value: 6 h}}
  - {{property: syncline.whenStale, value: flag}}
  - {{property: syncline.maxAhead, value: 5 min}}
"""
_TAXI_OUT = """\
      - {name: taxi_out, logicalType: number, physicalType: double, required: false,
         customProperties: [{property: syncline.default, value: 15.0}]}
"""
_BUNDLE = """
apiVersion: syncline/v1
kind: Bundle
name: benchmark_inputs
owner: benchmarks
features: [{view: flight@1}]
"""
_SUBSCRIPTION = """
apiVersion: syncline/v1
kind: Subscription
name: benchmark
bundle: benchmark_inputs
policy: {compatible: 1}
"""


def definition_files() -> dict[str, str]:
    """Relative path to text of all that `syncline apply` needs."""
    contracts = {
        f"contracts/{view}.odcs.yaml": _CONTRACT.format(view=view, partitions=PARTITIONS) for view in VIEWS
    }
    return {**contracts, "bundles/inputs.yaml": _BUNDLE, "subscriptions/benchmark.yaml": _SUBSCRIPTION}


def release_files(release: int) -> dict[str, str]:
    """What `syncline apply` needs for release 1 of the bundle, and for release 2: the same with one feature more."""
    files = definition_files()
    contract = files["contracts/flight.odcs.yaml"]
    if release > 1:
        contract = contract.replace("version: 1.0.0", "version: 1.1.0")
        contract = contract.replace("customProperties:", _TAXI_OUT + "customProperties:")
    subscription = files["subscriptions/benchmark.yaml"].replace("policy: {compatible: 1}", "policy: follow")
    return {
        "contracts/flight.odcs.yaml": contract,
        "bundles/inputs.yaml": files["bundles/inputs.yaml"],
        "subscriptions/benchmark.yaml": subscription,
    }


def flights(rows: int, *, last_event_us: int, keys: int = HOT_KEYS, seed: int = 2013) -> pa.RecordBatch:
    """`rows` rows in the order of their event times, which are a microsecond apart and end at `last_event_us`."""
    random = np.random.default_rng(seed)
    # As many keys as were asked for, where there are rows enough, in no order.
    aircraft = random.permutation(np.arange(rows) % keys)
    cancelled = random.random(rows) < 0.025
    delay = np.round(random.exponential(30.0, rows) - 15.0)
    air_time = np.round(random.uniform(20.0, 690.0, rows))
    places = np.array(["ATL", "BOS", "DEN", "IAH", "LAX", "MIA", "ORD", "SEA", "SFO", "TPA"])
    carriers = np.array(["9E", "AA", "B6", "DL", "EV", "MQ", "UA", "US", "WN"])
    origins = np.array(["EWR", "JFK", "LGA"])
    return pa.RecordBatch.from_pydict(
        {
            _KEY: pa.array(np.char.add("N", (10_000 + aircraft).astype(str))),
            "event_time": pa.array(np.arange(last_event_us - rows + 1, last_event_us + 1)),
            "dep_delay": pa.array(delay, mask=cancelled),
            "arr_delay": pa.array(np.round(delay + random.normal(0.0, 10.0, rows)), mask=cancelled),
            "air_time": pa.array(air_time, mask=cancelled),
            "distance": pa.array((air_time * 7).astype(np.int64)),
            "flight": pa.array(random.integers(1, 6_000, rows).astype(np.int32)),
            "carrier": pa.array(carriers[random.integers(0, len(carriers), rows)]),
            "origin": pa.array(origins[random.integers(0, len(origins), rows)]),
            "dest": pa.array(places[random.integers(0, len(places), rows)]),
        }
    )


def record_keys(batch: pa.RecordBatch) -> list[bytes]:
    """The record key of each row."""
    keys: list[bytes] = batch.column(_KEY).cast(pa.binary()).to_pylist()
    return keys
