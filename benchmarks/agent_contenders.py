"""From the log's beginning to its end: the agent as it ships, and the loop that people write by hand.

For both the clock runs from the assignment of partitions, when connections stand already, until the last row is folded.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from fastavro import parse_schema, schemaless_reader

from benchmarks.cluster import Place, picture_of
from benchmarks.flights import AGENT_VIEW, CONSUMER
from benchmarks.measurement import Measurement, Stopwatch
from syncline.agent.agent import Agent, Ports
from syncline.clock import SystemClock
from syncline.settings import AgentSettings
from syncline.telemetry.logging import configure_logging
from syncline.telemetry.reports import AgentStatus
from syncline.wire.framing import PREFIX_BYTES
from syncline.wiring import calm_collector, open_log, open_store

_BATCH_ROWS = 10_000
PATIENCE_S = 120.0


def agent(place: Place, *, rows: int, keys: int, store: Path) -> Measurement:
    """`syncline agent` on a fresh store: checks, checksums, digests, dead letters, fsync and offsets."""
    settings = AgentSettings.load(**place.settings(), subscription=CONSUMER, store=store, instance="bench")
    configure_logging("warning")
    opened = open_store(store)
    stopwatch = Stopwatch()
    try:
        worker = Agent(
            Ports(_WatchedLog(open_log(settings), stopwatch), opened, SystemClock()),
            settings=settings,
            consumer=CONSUMER,
            stopped=lambda: False,
            wait=time.sleep,
        )
        calm_collector()
        deadline_s = time.monotonic() + PATIENCE_S
        read = 0
        while read < rows:
            read += worker.step()
            require_time(deadline_s, read, rows)
        measured = stopwatch.stop(rows)
        status = worker.status()
        worker.close()
    finally:
        opened.close()
    require_folded(status, rows=rows, keys=keys)
    return measured


def bare_loop(place: Place, *, rows: int, keys: int) -> Measurement:
    """`consume()` in batches that drain without waiting, fastavro for each message, the latest value in a dict."""
    registered = picture_of(place).newest(AGENT_VIEW, 1)
    if registered is None:
        raise AssertionError("the definitions were applied")
    schema = parse_schema(json.loads(registered.avro_schema))
    consumer = Consumer(
        {
            "bootstrap.servers": place.bootstrap_servers,
            "group.id": "bare-loop",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            # A second by default: nobody who measures leaves it there.
            "fetch.queue.backoff.ms": 5,
        }
    )
    found = consumer.list_topics(registered.topic, 10.0).topics[registered.topic]
    partitions = [TopicPartition(registered.topic, number, 0) for number in found.partitions]
    for partition in partitions:
        consumer.get_watermark_offsets(partition, 10.0)

    latest: dict[bytes, Any] = {}
    deadline_s = time.monotonic() + PATIENCE_S
    read = 0
    stopwatch = Stopwatch()
    consumer.assign(partitions)
    while read < rows:
        messages = consumer.consume(1, 1.0)
        messages += consumer.consume(_BATCH_ROWS - 1, 0)
        for message in messages:
            if message.error() is not None:
                raise RuntimeError(message.error().str())
            body = BytesIO(message.value())
            body.seek(PREFIX_BYTES)
            latest[message.key()] = schemaless_reader(body, schema)
        read += len(messages)
        require_time(deadline_s, read, rows)
    measured = stopwatch.stop(rows)
    consumer.close()
    if len(latest) != keys:
        raise AssertionError(f"the bare loop has {len(latest)} keys, not {keys}")
    return measured


def require_folded(status: AgentStatus, *, rows: int, keys: int) -> None:
    """All rows, into a cell for each key, and none of them a dead letter.

    Raises:
        AssertionError: something else came of them.
    """
    cells = sum(partition.cells for partition in status.partitions)
    if status.state != "LIVE" or status.dead_letters or status.applied_rows != rows or cells != keys:
        raise AssertionError(f"the agent did not fold {rows} rows to {keys} cells: {status}")


def require_time(deadline_s: float, read: int, rows: int) -> None:
    """That the deadline has not passed.

    Raises:
        TimeoutError: it has.
    """
    if time.monotonic() > deadline_s:
        raise TimeoutError(f"{read} of {rows} rows were read within {PATIENCE_S:.0f} s")


class _WatchedLog:
    """A log that starts the stopwatch when partitions are assigned; the last assignment is that of the features."""

    def __init__(self, log: Any, stopwatch: Stopwatch) -> None:
        self._log, self._stopwatch = log, stopwatch

    def reader(self, **arguments: Any) -> Any:
        return _WatchedReader(self._log.reader(**arguments), self._stopwatch)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


class _WatchedReader:
    def __init__(self, reader: Any, stopwatch: Stopwatch) -> None:
        self._reader, self._stopwatch = reader, stopwatch

    def assign(self, positions: Sequence[tuple[str, int, int]]) -> None:
        self._stopwatch.start()
        self._reader.assign(positions)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)
