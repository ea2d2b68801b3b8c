"""A cluster in memory, an agent on it, and means to break both."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from syncline.adapters.memory.log import MemoryLog
from syncline.adapters.memory.store import MemoryStore
from syncline.agent.agent import Agent, Ports
from syncline.catalog.events import (
    BundleReleased,
    BundleView,
    PolicyKind,
    SubscriptionDeclared,
    ViewVersionRegistered,
)
from syncline.catalog.serving import META_AGENT, AgentCondition
from syncline.catalog_client import Author, CatalogClient
from syncline.clock import ManualClock
from syncline.contracts.codec.avro import avro_text
from syncline.ports.log import Outcome, OutcomeKind, TopicSpec
from syncline.settings import AgentSettings
from syncline.telemetry.reports import AgentStatus, Report, decode_report
from syncline.wire.dead_letters import DeadLetter
from tests.unit.state.world import NOW_MS, Record, Version

CATALOG, REPORTS = "syncline.catalog", "syncline.reports"
TESTER = Author("tests", "because")
Place = tuple[str, int]


class Killed(BaseException):
    """What a test throws into an agent that shall die on the spot, as `kill -9` would have it."""


def registration(version: Version) -> ViewVersionRegistered:
    """The record that registers a version."""
    contract = version.contract
    return ViewVersionRegistered(
        contract.view,
        contract.version,
        contract.topic,
        json.dumps(contract.document, default=str),
        avro_text(contract),
        version.schema_id,
        version.hash,
        contract.owner,
        date(2026, 1, 1),
    )


def release(
    *versions: Version, bundle: str = "inputs", number: int = 1, features: Iterable[str] = ("mean",)
) -> BundleReleased:
    """A release of these versions, each under its view's name."""
    views = tuple(
        BundleView(
            version.contract.view,
            version.contract.view,
            version.contract.version,
            tuple((key.name, key.name) for key in version.contract.keys),
            tuple(features),
        )
        for version in versions
    )
    return BundleReleased(bundle, number, "tests", views)


def subscription(bundle: str = "inputs") -> SubscriptionDeclared:
    """The consumer's subscription."""
    return SubscriptionDeclared("model", bundle, PolicyKind.FOLLOW)


@dataclass
class Cluster:
    """A log in memory with a catalog; times stand still unless a test moves them."""

    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW_MS * 1_000))
    log: MemoryLog = field(init=False)

    def __post_init__(self) -> None:
        """Nothing is there yet."""
        self.log = MemoryLog(self.clock)

    @classmethod
    def ready(cls, *versions: Version) -> Cluster:
        """With topics, the versions, a release of the first and a subscription to it."""
        cluster = cls()
        cluster.make_topics(*versions)
        cluster.decide(*(registration(version) for version in versions))
        cluster.decide(release(versions[0]), subscription())
        return cluster

    def make_topics(self, *versions: Version) -> None:
        """Ours, and those of the views with their dead letters."""
        self.log.create_topic(TopicSpec(CATALOG, 1))
        self.log.create_topic(TopicSpec(REPORTS, 6))
        for version in versions:
            contract = version.contract
            self.log.create_topic(TopicSpec(contract.topic, contract.partitions))
            self.log.create_topic(TopicSpec(f"{contract.topic}.dlq", 1))

    def decide(self, *payloads: Any) -> list[int]:
        """Append decisions to the catalog, based on all that stands there."""
        client = CatalogClient(self.log, CATALOG, clock=self.clock, client_id="tests")
        client.catch_up(5)
        try:
            return client.propose(payloads, TESTER)
        finally:
            client.close()

    def put(self, topic: str, records: Iterable[Record], partition: int = 0) -> None:
        """Append records, each at its own time."""
        writer = self.log.writer(client_id="tests")
        now = self.clock.us
        for record in records:
            outcomes: list[Outcome] = []
            self.clock.us = record.ms * 1_000
            writer.append(
                topic,
                key=record.key,
                value=record.value,
                headers=record.headers,
                partition=partition,
                on_outcome=outcomes.append,
            )
            writer.poll(0)
            assert outcomes[0].kind is OutcomeKind.ACKNOWLEDGED
        self.clock.us = now

    def read(self, topic: str, partition: int = 0) -> list[Any]:
        """Every record of a partition, as the log holds it."""
        return list(self.log._partition(topic, partition).records)

    def letters(self, version: Version) -> list[DeadLetter]:
        """The dead letters of a view, in the order they were written."""
        found = []
        for record in self.read(f"{version.contract.topic}.dlq"):
            letter = DeadLetter.parse(record.key, record.value, record.headers, record.timestamp_ms)
            assert letter is not None
            found.append(letter)
        return found

    def reports(self) -> list[AgentStatus]:
        """Every status reported, in order."""
        found = [report for report in self.all_reports() if isinstance(report, AgentStatus)]
        return sorted(found, key=lambda status: status.reported_at_us)

    def all_reports(self) -> list[Report]:
        """Every report of any kind."""
        records = [record for partition in range(6) for record in self.read(REPORTS, partition)]
        return [decode_report(record.value) for record in records]


@dataclass
class Host:
    """Where one agent runs: its store outlives it."""

    cluster: Cluster
    batch_rows: int = 1_000
    instance: str = "a"
    store: Any = field(default_factory=MemoryStore)
    stopping: bool = False
    on_wait: Any = None
    agent: Agent = field(init=False)

    def __post_init__(self) -> None:
        """Start the first agent."""
        self.start()

    def start(self) -> Agent:
        """A new agent on the same store; the one before is simply forgotten, as after `kill -9`."""
        self.stopping = False
        self.agent = Agent(
            Ports(self.cluster.log, self.store, self.cluster.clock),
            settings=AgentSettings(
                subscription="model",
                instance=self.instance,
                batch_rows=self.batch_rows,
                poll_timeout_s=0.001,
                report_interval_s=5.0,
            ),
            consumer="model",
            stopped=lambda: self.stopping,
            wait=self._waited,
        )
        return self.agent

    def _waited(self, seconds: float) -> None:
        self.cluster.clock.advance(seconds=seconds)
        if self.on_wait is not None:
            self.on_wait()

    def settle(self, *, most: int = 2_000) -> AgentStatus:
        """Step until nothing more happens: no rows and no other state in several turns."""
        quiet = 0
        before = None
        for _ in range(most):
            rows = self.agent.step()
            now = self.agent.status()
            seen = (now.state, now.reason, [each.next_offset for each in now.partitions])
            quiet = quiet + 1 if rows == 0 and seen == before else 0
            before = seen
            if quiet >= 4:
                return now
        raise AssertionError(f"the agent did not settle: {before}")

    def condition(self) -> AgentCondition:
        """What the store's readers are told of the agent."""
        with self.store.snapshot() as snapshot:
            packed = snapshot.meta(META_AGENT)
        assert packed is not None
        return AgentCondition.unpack(packed)

    def committed(self) -> dict[Place, Any]:
        """The committed state of each partition."""
        with self.store.snapshot() as snapshot:
            return {place: snapshot.state(*place) for place in snapshot.partitions()}


def digests(status: AgentStatus) -> dict[Place, tuple[int, int]]:
    """(topic, partition) → (next offset, digest)."""
    return {(each.topic, each.partition): (each.next_offset, each.digest) for each in status.partitions}


def many(version: Version, airports: Sequence[str], count: int, *, first_ms: int = NOW_MS) -> list[Record]:
    """Good records, round and round the airports, a millisecond apart."""
    return [
        version.record(airports[number % len(airports)], at_us=(first_ms + number) * 1_000, mean=number % 100)
        for number in range(count)
    ]
