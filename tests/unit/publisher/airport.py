"""A small view with every kind of limit, and its way into a catalog."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry

from syncline.catalog.events import ViewVersionRegistered
from syncline.catalog_client import Author, CatalogClient
from syncline.clock import SystemClock
from syncline.contracts.codec.avro import avro_text, contract_hash
from syncline.contracts.odcs.document import parse_contract
from syncline.ports.log import TopicSpec
from syncline.publisher import Publisher
from syncline.settings import PublisherSettings
from syncline.telemetry.telemetry import Telemetry
from syncline.wire.topics import CATALOG_CONFIG, DEAD_LETTER_CONFIG, Topics, dead_letters, feature_config

if TYPE_CHECKING:
    from syncline.clock import Clock
    from syncline.contracts.model import Contract
    from syncline.ports.log import Batch, Log

NOW_US = 1_800_000_000_000_000
_DOCUMENT = """
apiVersion: v3.2.0
kind: DataContract
id: {view}
version: {version}.0
status: active
team: {{name: flight-ops-ml}}
schema:
  - name: {view}
    physicalName: {prefix}.features.{view}.v{major}
    logicalType: object
    physicalType: topic
    properties:
{keys}
      - {{name: event_time, logicalType: timestamp, required: true}}
      - {{name: delay, logicalType: number, physicalType: double, required: false,
         logicalTypeOptions: {{minimum: -120, maximum: 3000}}}}
      - {{name: departures, logicalType: integer, physicalType: long, required: true,
         logicalTypeOptions: {{minimum: 0}}}}
      - {{name: seats, logicalType: integer, physicalType: int, required: false}}
      - {{name: ratio, logicalType: number, physicalType: float, required: true}}
      - {{name: airborne, logicalType: boolean, required: true}}
      - {{name: carrier, logicalType: string, required: true, enum: [{{value: UA}}, {{value: DL}}],
         customProperties: [{{property: syncline.default, value: UA}}]}}
customProperties:
  - {{property: syncline.lateArrival, value: 1 h}}
  - {{property: syncline.partitions, value: {partitions}}}
"""
_AIRPORT = "      - {name: airport, logicalType: string, required: true, primaryKey: true}"
ROUTE_KEYS = (
    "      - {name: origin, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 1}\n"
    "      - {name: number, logicalType: integer, physicalType: long, required: true, primaryKey: true,\n"
    "         primaryKeyPosition: 2}"
)
FEATURES: dict[str, Any] = {
    "delay": 12.5,
    "departures": 3,
    "seats": None,
    "ratio": 0.1,
    "airborne": True,
    "carrier": "UA",
}


def row(airport: str = "EWR", time_us: int = NOW_US, **features: Any) -> dict[str, Any]:
    """A row that keeps the contract, but for what is given otherwise."""
    return {"airport": airport, "event_time": time_us, **FEATURES, **features}


def airport_contract(
    prefix: str,
    *,
    view: str = "airport_delay",
    version: str = "1.0",
    keys: str = _AIRPORT,
    partitions: int = 3,
) -> Contract:
    """The contract of the view."""
    text = _DOCUMENT.format(
        view=view,
        version=version,
        major=version.partition(".")[0],
        prefix=prefix,
        keys=keys,
        partitions=partitions,
    )
    return parse_contract(text, file=f"{view}.odcs.yaml", prefix=prefix)


def register(log: Log, contract: Contract, *, prefix: str, schema_id: int = 7) -> None:
    """What `syncline apply` does for one view: topics, and the decision in the catalog."""
    topics = Topics(prefix)
    log.create_topic(TopicSpec(topics.catalog, 1, CATALOG_CONFIG))
    log.create_topic(TopicSpec(contract.topic, contract.partitions, feature_config(contract.retention_us)))
    log.create_topic(TopicSpec(dead_letters(contract.topic), 1, DEAD_LETTER_CONFIG))
    catalog = CatalogClient(log, topics.catalog, clock=SystemClock(), client_id="test-apply")
    catalog.catch_up(20)
    decision = ViewVersionRegistered(
        view=contract.view,
        version=contract.version,
        topic=contract.topic,
        contract=json.dumps(contract.document),
        avro_schema=avro_text(contract),
        schema_id=schema_id,
        contract_hash=contract_hash(contract),
        owner=contract.owner,
        release_date=date(2026, 1, 1),
    )
    catalog.propose([decision], Author("test", "a view to publish"), timeout_s=20)
    catalog.close()


def make_publisher(log: Log, clock: Clock, *, prefix: str, **settings: Any) -> Publisher:
    """A publisher named `job` that sends no heartbeat while a test runs, unless told otherwise."""
    given = {"publisher": "job", "heartbeat_interval_s": 3_600.0, **settings}
    loaded = PublisherSettings(prefix=prefix, **given)
    telemetry = Telemetry(loaded, service="job", instance="job", clock=clock, registry=CollectorRegistry())
    return Publisher(log, settings=loaded, clock=clock, topics=Topics(prefix), telemetry=telemetry)


def records(log: Log, topic: str) -> Batch:
    """Everything in the topic, in partition order."""
    description = log.describe_topic(topic)
    assert description is not None
    reader = log.reader(client_id="test-reader")
    ends = {p: reader.watermarks(topic, p)[1] for p in range(description.partitions)}
    reader.assign([(topic, partition, 0) for partition in ends])
    wanted = sum(ends.values())
    batch = reader.poll(wanted + 1, 100_000_000, 10, min_rows=wanted)
    reader.close()
    assert len(batch) >= wanted
    return batch


def values_by_key(batch: Batch) -> dict[bytes | None, list[bytes | None]]:
    """Values in log order, by key."""
    found: dict[bytes | None, list[bytes | None]] = {}
    for key, value in zip(batch.keys, batch.values, strict=True):
        found.setdefault(key, []).append(value)
    return found


def written(log: Log, topic: str) -> list[bytes | None]:
    """The values in the topic, in partition order."""
    batch = records(log, topic)
    return batch.values
