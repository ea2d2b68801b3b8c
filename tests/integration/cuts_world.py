"""A bundle of two views with a MINOR and a MAJOR ahead, on a real broker: who takes part, each a process of its own.

Values tell which release they are of: `count` numbers the rounds of a publisher; `mean` follows from it, in minutes
below 100 in the first MAJOR, in seconds from 1,000 on in the second; `extra` is there from 1.1 on.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fastavro
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from syncline.adapters.kafka.log import KafkaLog
from syncline.adapters.registry import ConfluentRegistry
from syncline.catalog.coordination import Coordination, Rollout
from syncline.catalog.events import BundleReleased, BundleView
from syncline.catalog.fold import Picture
from syncline.catalog.rollout_events import Cohort, RolloutAction, RolloutMode, RolloutRequested
from syncline.catalog_client import CatalogClient
from syncline.clock import SystemClock
from syncline.contracts.codec.avro import avro_text, contract_hash
from syncline.contracts.odcs.document import contract_from_document
from syncline.errors import LogUnavailable, TopicMissing
from syncline.inspection.reading import read_to_end
from syncline.ports.log import TopicSpec
from syncline.telemetry.cut_reports import CutReached, decode_cut_report
from syncline.telemetry.reports import AgentStatus, decode_report
from syncline.wire.topics import (
    DEAD_LETTER_CONFIG,
    REPORTS_CONFIG,
    REPORTS_PARTITIONS,
    Topics,
    feature_config,
)
from tests.integration.cuts_processes import PATIENCE_S, Agent, Process, awaited
from tests.integration.cuts_stores import CellHead, Place
from tests.stack.stack import Stack
from tests.unit.agent.world import TESTER, registration, subscription
from tests.unit.state.reference import Played, Reference
from tests.unit.state.world import Record, document

BUNDLE = "inputs"
VIEWS = ("delay", "taxi")
AIRPORTS = tuple(f"A{number}" for number in range(40))
PARTITIONS = 2


def mean_of(count: int, major: int) -> float:
    """What a view says beside a count: minutes, or seconds from 1,000 on."""
    minutes = count % 97
    return float(minutes) if major == 1 else 1_000.0 + 60 * minutes


def stated(view: str, version: str) -> dict[str, Any]:
    """The ODCS document of a version."""
    made = document(view=view, version=version, partitions=PARTITIONS, extra=version == "1.1.0")
    least, most, unit = (1_000, 10_000, "s") if version.startswith("2.") else (0, 100, "min")
    for stating in made["schema"][0]["properties"]:
        if stating["name"] == "mean":
            stating["logicalTypeOptions"] = {"minimum": least, "maximum": most}
            stating["customProperties"] = [{"property": "unit", "value": unit}]
    return made


@dataclass(frozen=True, slots=True)
class Registered:
    """A version under the id that the registry gave it."""

    schema_id: int
    contract: Any
    hash: str
    schema: Any
    """As fastavro reads by it."""


RELEASES: dict[int, dict[str, str]] = {
    1: {"delay": "1.0", "taxi": "1.0"},
    2: {"delay": "1.1", "taxi": "1.0"},
    3: {"delay": "2.0", "taxi": "2.0"},
}
"""Release → view → version: 2 is a MINOR of one view, 3 a MAJOR of both."""


def features_of(release: int, view: str) -> tuple[str, ...]:
    """What the release has of a view."""
    return ("mean", "count", "extra") if RELEASES[release][view] == "1.1" else ("mean", "count")


def why_wrong(release: int, values: Mapping[str, Any]) -> str:
    """Why these values are not a model input of this release; empty where they are."""
    wanted = {f"{view}__{name}" for view in VIEWS for name in features_of(release, view)}
    if values.keys() != wanted:
        return f"its names are {sorted(values)}"
    for view, version in RELEASES[release].items():
        mean, count = values[f"{view}__mean"], values[f"{view}__count"]
        if mean is None and count is None:
            continue
        if mean != mean_of(count, int(version[0])):
            return f"{view} has mean {mean} beside count {count}"
        if values.get(f"{view}__extra") not in (None, f"x{count}"):
            return f"{view} has extra {values[f'{view}__extra']} beside count {count}"
    return ""


@dataclass
class World:
    """Topics, schemas and three releases under a prefix of their own; whoever takes part is started by the test."""

    stack: Stack
    prefix: str
    folder: Path
    log: KafkaLog = field(init=False)
    versions: dict[tuple[str, str], Registered] = field(init=False)
    _client: CatalogClient = field(init=False)
    _schemas: dict[int, Any] = field(init=False)

    def __post_init__(self) -> None:
        """As `apply` would leave it."""
        self.log = KafkaLog(self.stack.bootstrap_servers)
        self.versions = {
            (view, text[:-2]): self._registered(view, text)
            for view in VIEWS
            for text in ("1.0.0", "1.1.0", "2.0.0")
        }
        self._schemas = {found.schema_id: found.schema for found in self.versions.values()}
        self.log.create_topic(TopicSpec(self.topics.catalog, 1))
        self.log.create_topic(TopicSpec(self.topics.reports, REPORTS_PARTITIONS, REPORTS_CONFIG))
        for contract in {found.contract.topic: found.contract for found in self.versions.values()}.values():
            self.log.create_topic(
                TopicSpec(contract.topic, PARTITIONS, feature_config(contract.retention_us))
            )
            self.log.create_topic(TopicSpec(f"{contract.topic}.dlq", 1, DEAD_LETTER_CONFIG))
        self._client = CatalogClient(self.log, self.topics.catalog, clock=SystemClock(), client_id="tests")
        self.decide(*(registration(found) for found in self.versions.values()))
        self.decide(self._release(1), subscription(), self._release(2), self._release(3))

    def close(self) -> None:
        """Release the client."""
        self._client.close()

    @property
    def topics(self) -> Topics:
        """Names under the prefix."""
        return Topics(self.prefix)

    @property
    def places(self) -> list[Place]:
        """Every partition of every feature topic."""
        topics = sorted({found.contract.topic for found in self.versions.values()})
        return [(topic, number) for topic in topics for number in range(PARTITIONS)]

    def _registered(self, view: str, text: str) -> Registered:
        contract = contract_from_document(stated(view, text), prefix=self.prefix)
        registry = ConfluentRegistry(self.stack.registry_url, timeout_s=20.0)
        schema_id = registry.register(f"{contract.topic}-value", avro_text(contract))
        schema = fastavro.parse_schema(json.loads(avro_text(contract)))
        return Registered(schema_id, contract, contract_hash(contract), schema)

    def _release(self, number: int) -> BundleReleased:
        views = tuple(
            BundleView(
                view,
                view,
                self.versions[view, version].contract.version,
                (("airport", "airport"),),
                features_of(number, view),
            )
            for view, version in RELEASES[number].items()
        )
        return BundleReleased(BUNDLE, number, "tests", views)

    # The catalog.

    def decide(self, *payloads: Any) -> list[int]:
        """Append decisions."""
        self._client.catch_up(20)
        return self._client.propose(payloads, TESTER)

    def picture(self) -> Picture:
        """The catalog as it stands, once a broker answers."""

        def read() -> Picture | None:
            try:
                return self._client.catch_up(20)
            except (LogUnavailable, TopicMissing):
                # A broker that has just come back knows no topics at first.
                return None

        found = awaited(read, "the catalog")
        assert isinstance(found, Picture)
        return found

    def standing(self) -> Coordination:
        """What stands of cuts and rollouts."""
        return self.picture().coordination

    def rollout(self) -> Rollout:
        """The last one."""
        return self.standing().rollouts[BUNDLE][-1]

    def ask(self, action: RolloutAction, *, to: int = 0, mode: RolloutMode = RolloutMode.CUT) -> int:
        """Ask for something of the rollout; the catalog offset of the request."""
        standing = self.standing()
        under_way = standing.under_way(BUNDLE)
        source, target = standing.standing(BUNDLE), to
        if under_way is not None:
            source, target = under_way.from_release, under_way.to_release
            if action is RolloutAction.ROLLBACK:
                source, target = target, source
        (offset,) = self.decide(RolloutRequested(BUNDLE, action, source, target, Cohort(), mode))
        return offset

    def go(self, release: int) -> None:
        """Start a rollout, and wait until it is live."""
        self.ask(RolloutAction.START, to=release)
        awaited(lambda: self.rollout().step == "live", f"release {release} live")

    def finish(self) -> None:
        """Declare what is live final, and wait for it."""
        self.ask(RolloutAction.PROMOTE)
        self.await_end()

    def go_back(self, mode: RolloutMode) -> None:
        """Roll back, and wait until that is done."""
        self.ask(RolloutAction.ROLLBACK, mode=mode)
        self.await_end()

    def await_end(self) -> None:
        """Wait until no rollout is under way."""
        awaited(lambda: self.standing().under_way(BUNDLE) is None, "the end of the rollout")

    # What was reported, and what stands in the log.

    def reached(self) -> list[CutReached]:
        """What agents reported of cuts: the first report of each cut by each agent."""
        found: dict[tuple[int, str], CutReached] = {}
        for partition in range(REPORTS_PARTITIONS):
            for record in read_to_end(self.log, self.topics.reports, partition=partition):
                report = decode_cut_report(record.value)
                if isinstance(report, CutReached):
                    found.setdefault((report.cut, report.agent), report)
        return list(found.values())

    def statuses(self) -> dict[str, AgentStatus]:
        """The last status of each agent."""
        found: dict[str, AgentStatus] = {}
        for partition in range(REPORTS_PARTITIONS):
            for record in read_to_end(self.log, self.topics.reports, partition=partition):
                report = decode_report(record.value)
                if isinstance(report, AgentStatus):
                    found[report.agent] = report
        return found

    def trim(self, positions: Mapping[Place, int]) -> None:
        """Take from the log what stands below these offsets."""
        admin = AdminClient({"bootstrap.servers": self.stack.bootstrap_servers})
        below = [TopicPartition(topic, number, offset) for (topic, number), offset in positions.items()]
        for trimmed in admin.delete_records(below).values():
            trimmed.result(PATIENCE_S)

    def raw(self) -> dict[Place, list[Any]]:
        """Every record of every feature topic, read by a plain consumer."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.stack.bootstrap_servers,
                "group.id": "raw",
                "enable.partition.eof": True,
            }
        )
        consumer.assign([TopicPartition(topic, partition, 0) for topic, partition in self.places])
        found: dict[Place, list[Any]] = {place: [] for place in self.places}
        ended: set[Place] = set()
        deadline_s = time.monotonic() + PATIENCE_S
        while len(ended) < len(found):
            assert time.monotonic() < deadline_s, "the raw log was not read to its end"
            for message in consumer.consume(5_000, 0.1):
                place = (message.topic(), message.partition())
                if message.error():
                    ended.add(place)
                else:
                    found[place].append(message)
        consumer.close()
        return found

    def play(self, reference: Reference, message: Any) -> None:
        """Fold one record into the reference: decoded by fastavro, all of them being good."""
        key, value, kind, at_us, schema_id = message.key(), message.value(), "update", 0, 0
        if value is None and key.startswith(b"\x00"):
            kind = "control"  # markers too: their digests are asked for by position
        elif value is None:
            kind = "delete"
            at_us = microseconds(datetime.fromisoformat(dict(message.headers())["ce_time"].decode()))
        else:
            schema_id = int.from_bytes(value[1:5], "big")
            at_us = microseconds(self.row(schema_id, value[5:])["event_time"])
        record = Record(key, value, message.timestamp()[1])
        body = value[5:] if schema_id else b""
        reference.take(message.offset(), Played(kind, record, at_us, schema_id, body))

    def row(self, schema_id: int, body: bytes) -> dict[str, Any]:
        """A payload, decoded by fastavro."""
        schema = self._schemas[schema_id]
        row: Any = fastavro.schemaless_reader(io.BytesIO(body), schema)
        return dict(row)

    def input_of(
        self, release: int, airport: str, cells: Mapping[tuple[str, bytes], CellHead]
    ) -> dict[str, Any]:
        """The model input that (topic, key) → cell come to under a release."""
        found: dict[str, Any] = {}
        for view, version in RELEASES[release].items():
            cell = cells.get((self.versions[view, version].contract.topic, airport.encode()))
            row = self.row(cell[3], cell[4]) if cell is not None and not cell[2] else {}
            found |= {f"{view}__{name}": row.get(name) for name in features_of(release, view)}
        return found

    def ends(self) -> dict[Place, int]:
        """Where each partition ends."""
        reader = self.log.reader(client_id="tests")
        try:
            return {place: reader.watermarks(*place)[1] for place in self.places}
        finally:
            reader.close()

    # Processes.

    @contextmanager
    def running(self, name: str, *program: str, **settings: object) -> Iterator[Process]:
        """A program of ours as a process, killed in the end."""
        with Process(self, name, program, settings) as process:
            process.start()
            yield process

    def coordinator(self, **settings: object) -> Any:
        """`syncline coordinator`."""
        given = {"coordinator": "c", "takeover_after_s": 3, "report_interval_s": 0.5, **settings}
        return self.running("coordinator", "syncline", "coordinator", **given)

    def agent(self, instance: str, *options: str, **settings: object) -> Agent:
        """`syncline agent`, not started yet."""
        given = {"instance": instance, "store": self.folder / instance, "report_interval_s": 1, **settings}
        program = ("syncline", "agent", "--subscription", "model", *options)
        return Agent(self, instance, program, given)


def microseconds(at: datetime) -> int:
    """Since 1970, exactly."""
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


@dataclass(frozen=True, slots=True)
class Folded:
    """What all records below a position come to."""

    cells: dict[bytes, CellHead]
    digest: int


def folded(world: World, wanted: Mapping[Place, set[int]]) -> dict[tuple[str, int, int], Folded]:
    """The independent fold of the raw log: (topic, partition, position) → what all records below come to."""
    found: dict[tuple[str, int, int], Folded] = {}
    for place, messages in world.raw().items():
        reference = Reference()
        left = sorted(wanted.get(place, set()), reverse=True)
        for message in messages:
            while left and left[-1] <= message.offset():
                found[(*place, left.pop())] = Folded(dict(reference.cells), reference.digest())
            world.play(reference, message)
        for position in left:
            found[(*place, position)] = Folded(dict(reference.cells), reference.digest())
    return found
