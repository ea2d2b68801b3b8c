"""The agent's hot path by itself: batches of flights that are at hand already are judged, joined and committed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import yaml

from benchmarks.flights import AGENT_VIEW, CONSUMER, definition_files, flights, record_keys
from syncline.adapters.memory.log import MemoryLog
from syncline.agent.cursor import Cursor
from syncline.agent.dead_letter_office import DeadLetterOffice
from syncline.agent.ingest import Ingest
from syncline.catalog.events import Decision, ViewVersionRegistered, encode_decision
from syncline.catalog.fold import Picture, fold
from syncline.clock import SystemClock
from syncline.contracts.codec.avro import avro_text, contract_hash
from syncline.contracts.codec.encode_columns import ColumnEncoder
from syncline.contracts.odcs.document import contract_from_document
from syncline.ports.log import Batch, Slice
from syncline.ports.store import Store
from syncline.schema_book import SchemaBook
from syncline.state.partition import RING_SIZE, PartitionState, RingEntry
from syncline.telemetry.agent_events import AgentEvents
from syncline.telemetry.attention import Attention
from syncline.wire.framing import prefix
from syncline.wire.keys import partition_for

_SCHEMA_ID = 1


@dataclass(frozen=True, slots=True)
class Records:
    """Encoded flights of all partitions, in the order in which they were published."""

    topic: str
    keys: list[bytes]
    values: list[bytes]
    partitions: list[int]
    at_ms: int

    def batches(self, rows: int) -> Iterator[Batch]:
        """As a reader hands them out: so many rows at a time, grouped by partition."""
        following: dict[int, int] = {}
        for start in range(0, len(self.keys), rows):
            places = self.partitions[start : start + rows]
            order = sorted(range(len(places)), key=places.__getitem__)
            slices, offsets = [], np.empty(len(order), np.int64)
            at = 0
            for partition in sorted(set(places)):
                count, first = places.count(partition), following.get(partition, 0)
                slices.append(Slice(self.topic, partition, at, count, first, first + count))
                offsets[at : at + count] = range(first, first + count)
                following[partition] = first + count
                at += count
            yield Batch(
                slices,
                offsets,
                np.full(len(order), self.at_ms, np.int64),
                [self.keys[start + row] for row in order],
                [self.values[start + row] for row in order],
            )


class Folder:
    """Folds batches of flights into a store, as an agent does between its polls."""

    def __init__(self, store: Store, *, ring: bool = True) -> None:
        """`ring`: the rings are full, as they are after some cuts; else they are empty."""
        self._book = SchemaBook()
        self._book.learn(fold(Picture(), [(0, encode_decision(_registration()))]))
        major = self._book.major(AGENT_VIEW, 1)
        entries = (RingEntry(-1, 0),) * RING_SIZE if ring else ()
        cursors = [
            Cursor(major, partition, replace(PartitionState(), ring=entries), 0)
            for partition in range(major.partitions)
        ]
        self._cursors = {cursor.place: cursor for cursor in cursors}
        writer = MemoryLog().writer(client_id="bench")
        self._ingest = Ingest(
            store=store,
            office=DeadLetterOffice(writer, stopped=_no, wait=_nothing),
            events=AgentEvents(CONSUMER),
            spans=None,
            clock=SystemClock(),
            agent=CONSUMER,
            markers=_NoMarkers(),  # type: ignore[arg-type]  # no marker comes
            stopped=_no,
            wait=_nothing,
            on_trouble=_nothing,
            on_turn=_no,
            on_judged=_nothing,
        )

    def fold(self, batch: Batch) -> None:
        """Judge, join and commit."""
        self._ingest.fold(batch, self._cursors, self._book, Attention())

    @property
    def cells(self) -> int:
        """How many there are now."""
        return sum(cursor.state.cells for cursor in self._cursors.values())


def records(rows: int, *, keys: int) -> Records:
    """`rows` flights of `keys` aircraft."""
    contract = contract_from_document(_document(), prefix="bench")
    now_us = SystemClock().now_us()
    batch = flights(rows, last_event_us=now_us, keys=keys)
    names = record_keys(batch)
    return Records(
        contract.topic,
        names,
        list(ColumnEncoder(contract).encode(batch, prefix(_SCHEMA_ID))),
        [partition_for(name, contract.partitions) for name in names],
        now_us // 1_000,
    )


def _registration() -> Decision:
    contract = contract_from_document(_document(), prefix="bench")
    registered = ViewVersionRegistered(
        contract.view,
        contract.version,
        contract.topic,
        json.dumps(_document()),
        avro_text(contract),
        _SCHEMA_ID,
        contract_hash(contract),
        contract.owner,
        date(2026, 1, 1),
    )
    return Decision("0", 0, "benchmarks", "a run", 0, registered)


def _document() -> Any:
    return yaml.safe_load(definition_files()[f"contracts/{AGENT_VIEW}.odcs.yaml"])


class _NoMarkers:
    @staticmethod
    def next_stop(_place: object, _position: object) -> None:
        """There is no cut."""


def _no() -> bool:
    return False


def _nothing(_said: object) -> None:
    return None
