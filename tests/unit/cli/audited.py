"""Agents and a coordinator that work on a cluster in memory, while a command asks them for proof."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from structlog.testing import capture_logs

from syncline.catalog_client import CatalogClient
from syncline.clock import ManualClock, SystemClock
from syncline.coordinator.coordinator import Coordinator, Ports
from syncline.settings import CoordinatorSettings
from syncline.state.cell import pack_cells, unpack_cell
from syncline.state.partition import PartitionWrite
from syncline.wire.keys import encode_key, partition_for
from tests.unit.agent.world import CATALOG, Cluster, Host, registration, release, subscription
from tests.unit.state.world import NOW_MS, Version

PARTITIONS = 2
VERSION = Version.make(7, partitions=PARTITIONS)
TOPIC = VERSION.contract.topic
AIRPORTS = [f"A{number:02d}" for number in range(40)]


def home(airport: str) -> int:
    """The partition of an airport's records."""
    return partition_for(encode_key([airport]), PARTITIONS)


@dataclass
class Audited:
    """A bundle whose agents have folded the same records."""

    agents: int = 3
    cluster: Cluster = field(init=False)
    hosts: list[Host] = field(init=False)
    coordinator: Coordinator = field(init=False)

    def __post_init__(self) -> None:
        """Everyone has read all, and has said so."""
        self.cluster = Cluster(ManualClock(SystemClock().now_us()))
        self.cluster.make_topics(VERSION)
        self.cluster.decide(registration(VERSION), release(VERSION), subscription())
        for number, airport in enumerate(AIRPORTS):
            at = NOW_MS + number
            record = VERSION.record(airport, ms=at, at_us=at * 1_000, mean=float(number))
            self.cluster.put(TOPIC, [record], home(airport))
        self.hosts = [Host(self.cluster, instance=f"a{number}") for number in range(self.agents)]
        for host in self.hosts:
            host.settle()
        self.coordinator = Coordinator(
            Ports(self.cluster.log, self.cluster.clock),
            settings=CoordinatorSettings(coordinator="c"),
            stopped=lambda: False,
            wait=lambda seconds: self.cluster.clock.advance(seconds=seconds),
        )

    @contextmanager
    def running(self, *, hosts: list[Host] | None = None) -> Iterator[None]:
        """The coordinator and these agents work, in a thread of their own."""
        over = threading.Event()
        failures: list[BaseException] = []
        working = self.hosts if hosts is None else hosts

        def run() -> None:
            try:
                while not over.is_set():
                    self.coordinator.step()
                    for host in working:
                        host.agent.step()
                    self.cluster.clock.advance(seconds=0.002)
            except BaseException as error:  # noqa: BLE001  a test shall see it, whatever it is
                failures.append(error)

        thread = threading.Thread(target=run, daemon=True)
        # What they log would stand among what the command prints.
        with capture_logs():
            thread.start()
            try:
                yield
            finally:
                over.set()
                thread.join(20)
        assert not failures, failures

    def await_release(self, number: int) -> None:
        """Wait until every agent serves a release; they are `running`."""
        deadline_s = time.monotonic() + 60
        while {host.agent.status().release for host in self.hosts} != {number}:
            assert time.monotonic() < deadline_s, "they did not switch"
            time.sleep(0.005)

    def cuts(self) -> list[int]:
        """The ids of all cuts."""
        client = CatalogClient(self.cluster.log, CATALOG, clock=self.cluster.clock, client_id="tests")
        try:
            return list(client.catch_up(5).coordination.cuts)
        finally:
            client.close()

    def tamper(self, host: Host, airport: str, *, checksum_fits: bool = True) -> None:
        """Change a byte of a cell behind the agent's back."""
        key, partition = encode_key([airport]), home(airport)
        with host.store.snapshot() as snapshot:
            state = snapshot.state(TOPIC, partition)
            packed = snapshot.cell(TOPIC, partition, key)
        assert state is not None
        assert packed is not None
        changed = _with_another_byte(key, packed) if checksum_fits else packed[:-1] + bytes([packed[-1] ^ 1])
        host.store.commit([PartitionWrite(TOPIC, partition, state, keys=[key], cells=[changed])])

    def drop(self, host: Host, airport: str) -> None:
        """Take a cell away behind the agent's back."""
        key, partition = encode_key([airport]), home(airport)
        with host.store.snapshot() as snapshot:
            state = snapshot.state(TOPIC, partition)
        assert state is not None
        host.store.commit([PartitionWrite(TOPIC, partition, state, dropped=[key])])


def _with_another_byte(key: bytes, packed: bytes) -> bytes:
    """The cell with another last byte, and a guard that fits."""
    cell = unpack_cell(key, packed)
    payload = cell.payload[:-1] + bytes([cell.payload[-1] ^ 1])
    (found,), _ = pack_cells(
        [key],
        event_times_us=np.array([cell.event_time_us]),
        offsets=np.array([cell.offset]),
        deleted=np.array([cell.deleted]),
        schema_ids=np.array([cell.schema_id]),
        payloads=[payload],
    )
    return found
