"""From rows in hand to all of them acknowledged: `publish_many`, checked, and confluent-kafka's own serializers.

Both use one set of producer properties. Each sends a few rows first, so that connections and ids stand.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from confluent_kafka import SerializingProducer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import StringSerializer

from benchmarks.cluster import Place, picture_of
from benchmarks.flights import PUBLISHED_VIEW, flights
from benchmarks.measurement import Measurement, Stopwatch
from syncline.adapters.kafka.settings import writer_properties
from syncline.clock import SystemClock
from syncline.wiring import Publisher

_CHUNK_ROWS = 20_000
_WARM_UP_ROWS = 500
_POLL_EVERY = 1_000


def from_dicts(place: Place, *, rows: int) -> Measurement:
    """`publish_many` of lists of dicts."""
    given = _batch(rows).to_pylist()
    return _publish(place, rows, [given[at : at + _CHUNK_ROWS] for at in range(0, rows, _CHUNK_ROWS)])


def from_arrow(place: Place, *, rows: int) -> Measurement:
    """`publish_many` of Arrow batches."""
    given = _batch(rows)
    return _publish(place, rows, [given.slice(at, _CHUNK_ROWS) for at in range(0, rows, _CHUNK_ROWS)])


def _publish(place: Place, rows: int, chunks: list[Any]) -> Measurement:
    with Publisher.from_env(**place.settings(), publisher="bench") as publisher:
        view = publisher.view(f"{PUBLISHED_VIEW}@1")
        view.publish_many(_warm_up())
        publisher.flush()
        stopwatch = Stopwatch()
        for chunk in chunks:
            view.publish_many(chunk)
        publisher.flush()
        measured = stopwatch.stop(rows)
        _require_all(publisher.stats().acknowledged, rows)
    return measured


def serializer(place: Place, *, rows: int) -> Measurement:
    """SerializingProducer with AvroSerializer, a delivery callback, and a poll every thousand rows."""
    registered = picture_of(place).newest(PUBLISHED_VIEW, 1)
    if registered is None:
        raise AssertionError("the definitions were applied")
    registry = SchemaRegistryClient({"url": place.registry_url})
    settings = {"auto.register.schemas": False, "subject.name.strategy.type": "TOPIC"}
    producer = SerializingProducer(
        {
            **writer_properties(place.bootstrap_servers, {}, client_id="contender"),
            "key.serializer": StringSerializer(),
            "value.serializer": AvroSerializer(registry, registered.avro_schema, conf=settings),
        }
    )
    acknowledged = 0
    failures: list[str] = []

    def report(error: Any, _: Any) -> None:
        nonlocal acknowledged
        if error is None:
            acknowledged += 1
        else:
            failures.append(error.str())

    def send(given: list[dict[str, Any]]) -> None:
        for number, row in enumerate(given):
            while True:
                try:
                    producer.produce(registered.topic, key=row["tailnum"], value=row, on_delivery=report)
                    break
                except BufferError:
                    producer.poll(0.1)
            if not number % _POLL_EVERY:
                producer.poll(0)
        producer.flush()

    given = _batch(rows).to_pylist()
    send(_warm_up().to_pylist())
    stopwatch = Stopwatch()
    send(given)
    measured = stopwatch.stop(rows)
    if failures:
        raise RuntimeError(failures[0])
    _require_all(acknowledged, rows)
    return measured


def _batch(rows: int) -> pa.RecordBatch:
    return flights(rows, last_event_us=SystemClock().now_us())


def _warm_up() -> pa.RecordBatch:
    # An hour before: event times of a key go forwards.
    return flights(_WARM_UP_ROWS, last_event_us=SystemClock().now_us() - 3_600_000_000)


def _require_all(acknowledged: int, rows: int) -> None:
    if acknowledged != rows + _WARM_UP_ROWS:
        raise AssertionError(f"{acknowledged} of {rows + _WARM_UP_ROWS} rows were acknowledged")
