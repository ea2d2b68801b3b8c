"""Agents as processes of their own, on a real broker: killed, stopped, cut off, and fed what others write."""

from __future__ import annotations

import io
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fastavro
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from syncline.adapters.kafka.log import KafkaLog
from syncline.adapters.lmdb.store import LmdbStore
from syncline.adapters.registry import ConfluentRegistry
from syncline.catalog.serving import META_AGENT, AgentCondition
from syncline.catalog_client import CatalogClient
from syncline.clock import SystemClock
from syncline.contracts.codec.avro import avro_text
from syncline.errors import StoreError
from syncline.ports.log import Outcome, OutcomeKind, TopicSpec
from syncline.state.cell import unpack_cell
from syncline.state.partition import PartitionState
from syncline.telemetry.reports import AgentStatus, Report, decode_report
from syncline.wire.dead_letters import DeadLetter
from syncline.wire.keys import encode_key, partition_for
from syncline.wire.topics import DEAD_LETTER_CONFIG, Topics, feature_config
from tests.stack.stack import KafkaServer, Stack
from tests.unit.agent.world import TESTER, registration, release, subscription
from tests.unit.state.reference import Played, Reference
from tests.unit.state.world import Record, Version, delete, heartbeat, marker

pytestmark = pytest.mark.real

PATIENCE_S = 60.0
"""How long a condition is awaited before a test fails; none takes nearly as long on an idle machine."""
PARTITIONS = 2


def awaited(condition: Callable[[], Any], what: str) -> Any:
    """What the condition gives once it holds."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < deadline_s, f"{what} did not come about in {PATIENCE_S:g} s"
        time.sleep(0.02)
    return found


@dataclass
class World:
    """One view on the real cluster, under a prefix of its own."""

    stack: Stack
    prefix: str
    folder: Path
    log: KafkaLog = field(init=False)
    version: Version = field(init=False)

    def __post_init__(self) -> None:
        """Topics, schema and decisions, as `apply` would leave them."""
        self.log = KafkaLog(self.stack.bootstrap_servers)
        self.version = self.made("1.0.0")
        contract = self.version.contract
        ours = Topics(self.prefix)
        self.log.create_topic(TopicSpec(ours.catalog, 1))
        self.log.create_topic(TopicSpec(ours.reports, 1))
        self.log.create_topic(TopicSpec(contract.topic, PARTITIONS, feature_config(contract.retention_us)))
        self.log.create_topic(TopicSpec(f"{contract.topic}.dlq", 1, DEAD_LETTER_CONFIG))
        self.decide(registration(self.version), release(self.version), subscription())

    @property
    def topic(self) -> str:
        """The feature topic."""
        return self.version.contract.topic

    def made(self, version: str, **stated: Any) -> Version:
        """A version under the id that the registry gives it."""
        stated = {"version": version, "partitions": PARTITIONS, **stated}
        draft = Version.make(0, prefix=self.prefix, **stated)
        registry = ConfluentRegistry(self.stack.registry_url, timeout_s=20.0)
        schema_id = registry.register(f"{draft.contract.topic}-value", avro_text(draft.contract))
        return Version.make(schema_id, prefix=self.prefix, **stated)

    def decide(self, *payloads: Any) -> None:
        """Append decisions to the catalog."""
        client = CatalogClient(self.log, Topics(self.prefix).catalog, clock=SystemClock(), client_id="tests")
        client.catch_up(20)
        client.propose(payloads, TESTER)
        client.close()

    def publish(
        self, records: Sequence[Record], *, topic: str = "", partition: int | None = None
    ) -> list[Outcome]:
        """Append and wait; each record in its key's partition, or in the one given."""
        writer = self.log.writer(client_id="tests")
        outcomes: list[Outcome] = []
        for record in records:
            writer.append(
                topic or self.topic,
                key=record.key,
                value=record.value,
                headers=record.headers,
                partition=partition,
                on_outcome=outcomes.append,
            )
        writer.flush(PATIENCE_S)
        writer.close(1)
        assert {outcome.kind for outcome in outcomes} <= {OutcomeKind.ACKNOWLEDGED}
        assert len(outcomes) == len(records)
        return outcomes

    def raw(self, topic: str, partition: int) -> list[Any]:
        """Every record of a partition, read by a plain consumer."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.stack.bootstrap_servers,
                "group.id": "raw",
                "enable.partition.eof": True,
            }
        )
        consumer.assign([TopicPartition(topic, partition, 0)])
        found = []
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:
            message = consumer.poll(1.0)
            if message is None:
                continue
            if message.error():
                break
            found.append(message)
        consumer.close()
        return found

    def letters(self) -> list[DeadLetter]:
        """All dead letters."""
        found = [
            DeadLetter.parse(each.key(), each.value(), each.headers() or (), each.timestamp()[1])
            for each in self.raw(f"{self.topic}.dlq", 0)
        ]
        return [letter for letter in found if letter is not None]

    def reports(self) -> list[AgentStatus]:
        """Every status."""
        return [report for report in self.all_reports() if isinstance(report, AgentStatus)]

    def all_reports(self) -> list[Report]:
        """All reports of any kind."""
        return [decode_report(each.value()) for each in self.raw(Topics(self.prefix).reports, 0)]

    def folded(self) -> dict[int, Reference]:
        """Each partition as an independent fold of the raw log has it: fastavro, dicts and nothing of ours."""
        schemas = {
            self.version.schema_id: fastavro.parse_schema(json.loads(avro_text(self.version.contract)))
        }
        found = {}
        for partition in range(PARTITIONS):
            reference = Reference()
            for message in self.raw(self.topic, partition):
                reference.take(message.offset(), _played(message, schemas))
            found[partition] = reference
        return found


def _played(message: Any, schemas: dict[int, Any]) -> Played:
    key, value = message.key(), message.value()
    record = Record(key, value, message.timestamp()[1])
    if value is None:
        if key is not None and key.startswith(b"\x00"):
            return Played("marker" if b"cut" in key else "control", record)
        stated = dict(message.headers() or ()).get("ce_time")
        if stated is None or not key:
            return Played("bad", record)
        when = datetime.fromisoformat(stated.decode()) - datetime(1970, 1, 1, tzinfo=UTC)
        return Played("delete", record, (when.days * 86_400 + when.seconds) * 10**6 + when.microseconds)
    schema = schemas.get(int.from_bytes(value[1:5], "big")) if value[:1] == b"\x00" else None
    row = _row(value[5:], schema) if schema is not None else None
    count = row["count"] if row is not None else None
    fine = (
        row is not None
        and row["airport"].encode() == key
        and -100 <= row["mean"] <= 100
        and (count is None or 0 <= count <= 1_000)
    )
    if not fine:
        return Played("bad", record)
    since = row["event_time"] - datetime(1970, 1, 1, tzinfo=UTC)
    at_us = (since.days * 86_400 + since.seconds) * 10**6 + since.microseconds
    return Played("update", record, at_us, int.from_bytes(value[1:5], "big"), value[5:])


def _row(data: bytes, schema: Any) -> Any:
    body = io.BytesIO(data)
    try:
        row = fastavro.schemaless_reader(body, schema)
    except (EOFError, IndexError, ValueError):
        return None
    return None if body.read(1) else row


@dataclass
class Sidecar:
    """An agent process and its store."""

    world: World
    instance: str
    bootstrap_servers: str = ""
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def store(self) -> Path:
        """The store's folder."""
        return self.world.folder / f"store-{self.instance}"

    @property
    def said(self) -> str:
        """What it logged."""
        return (self.world.folder / f"{self.instance}.log").read_text()

    def start(self) -> None:
        """Start it, on the store that it left."""
        command = [
            sys.executable,
            "-m",
            "syncline",
            "agent",
            "--subscription",
            "model",
            "--store",
            str(self.store),
        ]
        command += ["--instance", self.instance, "--prefix", self.world.prefix]
        command += ["--bootstrap-servers", self.bootstrap_servers or self.world.stack.bootstrap_servers]
        with (self.world.folder / f"{self.instance}.log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stderr=log,
                env={**os.environ, "SYNCLINE_BATCH_ROWS": "500", "SYNCLINE_REPORT_INTERVAL_S": "0.5"},
            )

    def kill(self) -> None:
        """As `kill -9`."""
        self.process.kill()
        assert self.process.wait(PATIENCE_S) == -signal.SIGKILL

    def stop(self) -> None:
        """As an orchestrator stops it: it ends in order, with exit code 0."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE_S) == 0, self.said

    def states(self) -> dict[int, PartitionState]:
        """The committed state of each partition."""
        try:
            store = LmdbStore.open(self.store, read_only=True)
        except StoreError:
            return {}
        try:
            with store.snapshot() as snapshot:
                found = {number: snapshot.state(self.world.topic, number) for number in range(PARTITIONS)}
            return {number: state for number, state in found.items() if state is not None}
        finally:
            store.close()

    def condition(self) -> AgentCondition | None:
        """What it tells its readers of itself."""
        try:
            store = LmdbStore.open(self.store, read_only=True)
        except StoreError:
            return None
        try:
            with store.snapshot() as snapshot:
                packed = snapshot.meta(META_AGENT)
            return AgentCondition.unpack(packed) if packed else None
        finally:
            store.close()

    def folded_rows(self) -> int:
        """How many offsets it has committed, over all partitions."""
        return sum(state.next_offset for state in self.states().values())

    def await_rows(self, count: int) -> None:
        """Wait until it has committed so many offsets."""

        def there() -> bool:
            assert self.process.poll() is None, self.said
            return self.folded_rows() >= count

        awaited(there, f"{self.instance} at {count} rows")

    def await_state(self, state: str) -> AgentCondition:
        """Wait until it says that it is in this state."""

        def there() -> AgentCondition | None:
            condition = self.condition()
            return condition if condition is not None and condition.state == state else None

        found = awaited(there, f"{self.instance} {state}")
        assert isinstance(found, AgentCondition)
        return found

    def cells(self, partition: int) -> dict[bytes, tuple[int, int, bool, int, bytes]]:
        """Every cell, in the reference's form."""
        store = LmdbStore.open(self.store, read_only=True)
        try:
            with store.snapshot() as snapshot:
                return {
                    key: (cell.event_time_us, cell.offset, cell.deleted, cell.schema_id, cell.payload)
                    for key, packed in snapshot.scan(self.world.topic, partition)
                    for cell in [unpack_cell(key, packed)]
                }
        finally:
            store.close()

    def assert_is(self, folded: dict[int, Reference]) -> None:
        """Equal to an independent fold of the raw log: positions, digests, cells."""
        states = self.states()
        for partition, reference in folded.items():
            state = states.get(partition, PartitionState())
            assert state.next_offset == reference.next_offset
            assert self.cells(partition) == reference.cells
            assert state.digest.total == reference.digest()
            assert [(each.offset, each.digest) for each in state.ring] == reference.ring


@pytest.fixture
def world(stack: Stack, prefix: str, tmp_path: Path) -> World:
    """A view of this test's own."""
    return World(stack, prefix.rstrip("-"), tmp_path)


@contextmanager
def running(*sidecars: Sidecar) -> Iterator[None]:
    """Started, and gone in the end whatever happens."""
    for sidecar in sidecars:
        sidecar.start()
    try:
        yield
    finally:
        for sidecar in sidecars:
            if sidecar.process.poll() is None:
                sidecar.process.kill()
                sidecar.process.wait(PATIENCE_S)


def now_us() -> int:
    """By this machine's clock, which the broker shares."""
    return time.time_ns() // 1_000


def mixed(world: World, count: int, chance: random.Random) -> list[Record]:
    """Updates of some hundred airports in random order of event time, with deletes and bad records among them."""
    version, base_us = world.version, now_us() - 60_000_000
    airports = [f"A{number}" for number in range(300)]
    records = []
    for number in range(count):
        airport, at_us = chance.choice(airports), base_us + chance.randrange(30_000_000)
        kind = chance.random()
        if kind < 0.05:
            records.append(delete(airport, at_us=at_us))
        elif kind < 0.06:
            records.append(version.record(airport, at_us=at_us, mean=500.0))
        elif kind < 0.065:
            records.append(Record(encode_key([airport]), b"junk!", 0))
        elif kind < 0.07:
            records.append(Record(encode_key([airport]), version.value(airport, at_us=at_us)[:-1], 0))
        else:
            records.append(version.record(airport, at_us=at_us, mean=number % 100, count=number % 7 or None))
    return records


def test_two_agents_agree_though_one_is_killed_again_and_again(world: World) -> None:
    """P2, P3: `kill -9` in the middle, four times; equal digests, and those of an independent fold of the raw log."""
    chance = random.Random(7)
    steady, unlucky = Sidecar(world, "steady"), Sidecar(world, "unlucky")
    total = 0

    with running(steady, unlucky):
        for cut_id in range(4):
            # Killed while it works through the rest of what came.
            seen = unlucky.folded_rows()
            total += len(world.publish(mixed(world, 4_000, chance)))
            for partition in range(PARTITIONS):
                total += len(world.publish([marker(cut_id, ms=0), heartbeat(ms=0)], partition=partition))
            awaited(lambda before=seen: unlucky.folded_rows() > before, "progress")
            unlucky.kill()
            total += len(world.publish(mixed(world, 1_000, chance)))
            unlucky.start()
        for sidecar in (steady, unlucky):
            sidecar.await_rows(total)
            sidecar.await_state("LIVE")

        folded = world.folded()
        assert sum(len(reference.cells) for reference in folded.values()) > 200
        assert all(len(reference.ring) == 4 for reference in folded.values())
        steady.assert_is(folded)
        unlucky.assert_is(folded)
        steady.stop()
        unlucky.stop()

    rejected = {(partition, offset) for partition, each in folded.items() for offset in each.rejected}
    letters = world.letters()
    for agent in ("model/steady", "model/unlucky"):
        written = {(each.partition, each.offset) for each in letters if each.agent == agent}
        assert written == rejected
    last = {report.agent: report for report in world.reports()}
    assert {report.state for report in last.values()} == {"STOPPED"}
    digests = [[(each.next_offset, each.digest) for each in report.partitions] for report in last.values()]
    assert digests[0] == digests[1]


def test_in_any_order_of_event_times_the_newest_event_wins(world: World) -> None:
    """P8: all orders of four distinct event times, each for a key of its own, one batch or several."""
    base_us = now_us() - 10_000_000
    orders = list(itertools.permutations(range(4)))
    records = [
        world.version.record(f"K{number}", at_us=base_us + order[turn], mean=float(order[turn]))
        for turn in range(4)
        for number, order in enumerate(orders)
    ]
    sidecar = Sidecar(world, "a")

    with running(sidecar):
        world.publish(records[:50])
        sidecar.await_rows(50)
        world.publish(records[50:])
        sidecar.await_rows(len(records))

    cells = {key: cell for number in range(PARTITIONS) for key, cell in sidecar.cells(number).items()}
    assert len(cells) == len(orders)
    assert {cell[0] for cell in cells.values()} == {base_us + 3}
    sidecar.assert_is(world.folded())


def test_records_of_others_are_applied_and_bad_ones_have_one_answer_each(world: World) -> None:
    """AvroSerializer's record is a value like ours; wrong magic, junk, foreign partitions and huge junk are letters."""
    version = world.version
    registry = SchemaRegistryClient({"url": world.stack.registry_url})
    serializer = AvroSerializer(
        registry,
        avro_text(version.contract),
        conf={"auto.register.schemas": False, "use.latest.version": False},
    )
    when = datetime.fromtimestamp(now_us() // 1_000_000, tz=UTC)
    theirs = serializer(
        {"airport": "Zürich", "event_time": when, "mean": 2.5, "count": 3},
        SerializationContext(world.topic, MessageField.VALUE),
    )
    assert theirs is not None
    at_us = int(when.timestamp()) * 1_000_000
    assert theirs == version.value("Zürich", at_us=at_us, mean=2.5, count=3)
    good = version.record("EWR", at_us=at_us)
    home = partition_for(b"EWR", PARTITIONS)
    bad = [
        (replace(good, value=b"\x01" + good.value[1:]), "framing"),
        (replace(good, value=b""), "framing"),
        (replace(good, value=good.value[:-2]), "decode"),
        (replace(good, value=good.value + b"\x00"), "decode"),
        (replace(good, key=None), "key"),
        (replace(good, key=b""), "key"),
        (version.record("EWR", at_us=at_us, mean=1e6), "maximum"),
        (version.record("EWR", at_us=now_us() + 900_000_000), "ahead"),
        (version.record("EWR", at_us=-(2**63)), "range"),
        (Record(b"EWR", None, 0), "event_time"),
        (replace(good, headers=(("syncline-error-rule", b"forged"), ("mine", None)), value=b"j"), "framing"),
    ]
    sidecar = Sidecar(world, "a")

    with running(sidecar):
        world.publish([Record(encode_key(["Zürich"]), theirs, 0), good])
        world.publish([record for record, _ in bad], partition=home)
        world.publish([good], partition=1 - home)
        sidecar.await_rows(2 + len(bad) + 1)
        condition = sidecar.await_state("LIVE")

    assert condition.ready
    cell = sidecar.cells(partition_for("Zürich".encode(), PARTITIONS))["Zürich".encode()]
    assert (cell[0], cell[4]) == (at_us, theirs[5:])
    letters = sorted(world.letters(), key=lambda letter: (letter.partition != home, letter.offset))
    assert [letter.reason.rule for letter in letters] == [*(rule for _, rule in bad), "partition"]
    assert [(letter.key, letter.value) for letter in letters[:-1]] == [
        (record.key, record.value) for record, _ in bad
    ]
    assert letters[-2].headers == [("mine", None)]


def test_an_unknown_schema_id_holds_until_it_is_registered(world: World) -> None:
    """P6: exactly that record and its partition; registered under the running agent, it goes on by itself."""
    later = world.made("1.1.0", extra=True)
    at_us = now_us()
    sidecar = Sidecar(world, "a")
    home = partition_for(b"EWR", PARTITIONS)

    # Before it starts: an agent that has been LIVE stays ready, and its ages tell how old the values are.
    world.publish([world.version.record("EWR", at_us=at_us)] * 3)
    world.publish([later.record("EWR", at_us=at_us + 1, extra="new")])
    world.publish([world.version.record("EWR", at_us=at_us)] * 2)
    with running(sidecar):
        condition = sidecar.await_state("HOLDING")
        assert f"schema id {later.schema_id} at offset 3" in condition.reason
        assert not condition.ready
        assert sidecar.states()[home].next_offset == 3

        world.decide(registration(later))
        sidecar.await_rows(6)
        sidecar.await_state("LIVE")

    assert sidecar.cells(home)[b"EWR"][3] == later.schema_id
    assert world.letters() == []


def test_a_broker_that_restarts_under_an_agent_is_no_failure(world: World, kafka: KafkaServer) -> None:
    """P10: cut off in the middle it says nothing wrong and reads on by itself; told to stop meanwhile, it stops."""
    stays, leaves = Sidecar(world, "stays"), Sidecar(world, "leaves")

    with running(stays, leaves):
        world.publish(mixed(world, 300, random.Random(1)))
        for sidecar in (stays, leaves):
            sidecar.await_rows(300)
        kafka.stop()
        leaves.stop()
        condition = leaves.condition()
        assert condition is not None
        assert condition.state == "STOPPED"
        kafka.start()
        world.publish(mixed(world, 300, random.Random(2)))
        stays.await_rows(600)
        stays.await_state("LIVE")
        stays.assert_is(world.folded())
        leaves.start()
        leaves.await_rows(600)
        leaves.assert_is(world.folded())


def test_without_a_broker_an_agent_waits_and_stops_when_told_to(world: World) -> None:
    """Broker down at start has one clear answer: STARTING with the reason; SIGTERM ends it cleanly."""
    sidecar = Sidecar(world, "a", bootstrap_servers="127.0.0.1:1")

    with running(sidecar):
        awaited(
            lambda: (found := sidecar.condition()) and found.state == "STARTING" and "answer" in found.reason,
            "the reason",
        )
        sidecar.stop()


def test_lag_tools_see_the_agents_offsets(world: World) -> None:
    """Burrow, KMinion and Kafka's own tools read the offsets of the agent's group."""
    sidecar = Sidecar(world, "a")
    records = [world.version.record(f"K{number}", at_us=now_us()) for number in range(40)]
    consumer = Consumer(
        {"bootstrap.servers": world.stack.bootstrap_servers, "group.id": "syncline-agent-model-a"}
    )
    places = [TopicPartition(world.topic, number) for number in range(PARTITIONS)]

    with running(sidecar):
        world.publish(records)
        sidecar.await_rows(40)
        awaited(
            lambda: sum(max(0, each.offset) for each in consumer.committed(places, timeout=10)) == 40,
            "the group's offsets",
        )
    consumer.close()


@pytest.mark.parametrize("size", [1_000_000, 1_048_400])
def test_junk_as_large_as_the_broker_takes_is_a_letter_too(world: World, size: int) -> None:
    """One oversized bad record must not stop an agent for ever: its letter is larger than it is."""
    log = KafkaLog(world.stack.bootstrap_servers)
    writer = log.writer(client_id="tests")
    outcomes: list[Outcome] = []
    home = partition_for(b"EWR", PARTITIONS)
    writer.append(world.topic, key=b"EWR", value=os.urandom(size), partition=home, on_outcome=outcomes.append)
    writer.flush(PATIENCE_S)
    writer.close(1)
    assert outcomes[0].kind is OutcomeKind.ACKNOWLEDGED
    sidecar = Sidecar(world, "a")

    with running(sidecar):
        sidecar.await_rows(1)

    assert [len(letter.value or b"") for letter in world.letters()] == [size]


def test_keys_land_where_java_clients_put_them(world: World) -> None:
    """The client library's own `murmur2_random`, which is not ours, agrees for odd keys of all lengths."""
    topic = f"{world.prefix}.odd-keys"
    world.log.create_topic(TopicSpec(topic, 7))
    chance = random.Random(3)
    keys = [chance.randbytes(length) for length in range(1, 60) for _ in range(3)]
    keys += ["Zürich".encode(), "🛫".encode(), b'["EWR",5]', b"\x00", b"\xff" * 511, b"21", b"foobar"]

    world.publish([Record(key, b"", 0) for key in keys], topic=topic)

    stood = {each.key(): partition for partition in range(7) for each in world.raw(topic, partition)}
    assert stood == {key: partition_for(key, 7) for key in keys}
