"""Flights as a publisher that traces one in a hundred leaves them: these carry a sampled `traceparent`."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable

from benchmarks.cluster import Place, picture_of
from benchmarks.flights import AGENT_VIEW, HOT_KEYS, flights, record_keys
from syncline.catalog.events import ViewVersionRegistered
from syncline.clock import SystemClock
from syncline.contracts.codec.encode_columns import ColumnEncoder
from syncline.contracts.model import Version
from syncline.contracts.odcs.document import contract_from_document
from syncline.ports.log import Headers, OutcomeKind
from syncline.settings import ConnectionSettings
from syncline.wire.framing import prefix
from syncline.wire.trace_context import TraceContext
from syncline.wiring import open_log

_CHUNK_ROWS = 50_000
_ONE_IN = 100
SAMPLED, UNSAMPLED = 1, 0


def traced_rows(rows: Iterable[int], flag: int = SAMPLED) -> dict[int, Headers]:
    """Headers of these rows, each of a trace of its own."""
    chance = random.Random(2013)
    return {
        row: TraceContext(chance.getrandbits(128) | 1, chance.getrandbits(64) | 1, flag).headers()
        for row in rows
    }


def one_in_a_hundred(rows: int) -> dict[int, Headers]:
    """Headers by row: of one in a hundred rows."""
    return traced_rows(range(0, rows, _ONE_IN))


def registered_flights(place: Place) -> ViewVersionRegistered:
    """The view that the agent folds."""
    registered = picture_of(place).version(AGENT_VIEW, Version(1, 0))
    if registered is None:
        raise AssertionError("the definitions were applied")
    return registered


def produce_traced(place: Place, rows: int) -> int:
    """Put so many flights into the agent's topic, and return how many keys they have."""
    registered = registered_flights(place)
    contract = contract_from_document(json.loads(registered.contract), file="catalog", prefix=place.prefix)
    batch = flights(rows, last_event_us=SystemClock().now_us(), keys=HOT_KEYS)
    encoder, head = ColumnEncoder(contract), prefix(registered.schema_id)
    writer = open_log(ConnectionSettings.load(**place.settings())).writer(client_id="benchmarks")
    acknowledged: list[bool] = []
    try:
        for start in range(0, rows, _CHUNK_ROWS):
            part = batch.slice(start, _CHUNK_ROWS)
            names, values = record_keys(part), encoder.encode(part, head)
            traced = traced_rows(range(start, start + len(names), _ONE_IN))
            headers = [traced.get(start + row, ()) for row in range(len(names))]
            sent = 0
            while sent < len(names):
                sent = writer.append_many(
                    contract.topic,
                    names,
                    values,
                    start=sent,
                    headers=headers,
                    on_outcome=lambda outcome: acknowledged.append(outcome.kind is OutcomeKind.ACKNOWLEDGED),
                )
                writer.poll(0.0 if sent == len(names) else 0.1)
        while writer.flush(1.0):
            pass
    finally:
        writer.close(5.0)
    if acknowledged.count(True) != rows:
        raise RuntimeError(f"{acknowledged.count(True)} of {rows} flights were acknowledged; run again")
    return len(set(record_keys(batch)))
