"""Every log adapter gives the same answers; where one cannot, its `Traits` say so and why."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient

from syncline.adapters.embedded.log import EmbeddedLog
from syncline.adapters.kafka.log import KafkaLog
from syncline.adapters.memory.log import MemoryLog
from syncline.errors import LogError, LogUnavailable, TopicMismatch, TopicMissing
from syncline.ports.log import Batch, EventKind, Headers, Log, LogReader, Outcome, OutcomeKind, TopicSpec
from syncline.wire.keys import partition_for

MEGABYTE = 1 << 20
PATIENCE_S = 30.0
"""How long a condition is awaited before a test fails; nothing here takes nearly as long."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What an adapter can do that another cannot. A reason stands where it is not everyone's."""

    trim: Callable[[str, int, int], None] | None
    """The embedded broker trims nothing on request; it only forgets beyond 5 MB a partition."""
    log_append_time: bool
    """The embedded broker keeps the producer's time (CreateTime), whatever the topic's settings."""
    topic_ids: bool
    """The embedded broker has neither topic ids nor settings of topics."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A log adapter under test."""

    log: Log
    traits: Traits
    prefix: str

    def topic(self, partitions: int = 1, name: str = "t") -> str:
        """A topic of this test alone, ready to be written."""
        spec = TopicSpec(self.prefix + name, partitions, {"message.timestamp.type": "LogAppendTime"})
        assert self.log.create_topic(spec)
        return spec.name


@pytest.fixture(params=["memory", "embedded", pytest.param("kafka", marks=pytest.mark.real)])
def subject(request: pytest.FixtureRequest, prefix: str) -> Subject:
    """Each adapter in turn."""
    if request.param == "memory":
        memory = MemoryLog()
        return Subject(memory, Traits(memory.trim, log_append_time=True, topic_ids=True), prefix)
    if request.param == "embedded":
        log = EmbeddedLog(request.getfixturevalue("embedded").broker)
        return Subject(log, Traits(None, log_append_time=False, topic_ids=False), prefix)
    servers = request.getfixturevalue("stack").bootstrap_servers

    def trim(topic: str, partition: int, first_offset: int) -> None:
        admin = AdminClient({"bootstrap.servers": servers})
        for future in admin.delete_records([KafkaPartition(topic, partition, first_offset)]).values():
            future.result(PATIENCE_S)

    return Subject(KafkaLog(servers), Traits(trim, log_append_time=True, topic_ids=True), prefix)


@pytest.fixture
def log(subject: Subject) -> Log:
    """The adapter itself."""
    return subject.log


@pytest.fixture
def reader(log: Log) -> Iterator[LogReader]:
    """A reader of the log, closed at the end."""
    with contextlib.closing(log.reader(client_id="test-reader")) as made:
        yield made


@pytest.fixture(params=["memory", "kafka"])
def unreachable(request: pytest.FixtureRequest) -> Iterator[Log]:
    """A log whose brokers cannot be reached. A port that is bound but does not listen refuses connections."""
    if request.param == "memory":
        memory = MemoryLog()
        memory.available = False
        yield memory
        return
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield KafkaLog(f"127.0.0.1:{bound.getsockname()[1]}")


@dataclass(frozen=True, slots=True)
class Row:
    """One record, as it was written or read."""

    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None


def write(log: Log, topic: str, rows: Sequence[Row]) -> list[Outcome]:
    """Append the rows one by one and wait for their outcomes."""
    outcomes: list[Outcome] = []
    writer = log.writer(client_id="test-writer")
    for row in rows:
        writer.append(
            topic,
            key=row.key,
            value=row.value,
            headers=row.headers,
            partition=row.partition,
            on_outcome=outcomes.append,
        )
    assert writer.flush(PATIENCE_S) == 0
    writer.close(PATIENCE_S)
    return outcomes


def numbered(count: int, *, partition: int | None = 0, start: int = 0) -> list[Row]:
    """Rows whose key and value tell their number."""
    return [Row(b"k%d" % n, b"v%d" % n, partition=partition) for n in range(start, start + count)]


def polls(reader: LogReader, *, max_rows: int = 1_000, max_bytes: int = MEGABYTE) -> Iterator[Batch]:
    """Batches, until the test has seen what it waits for."""
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        yield reader.poll(max_rows, max_bytes, timeout_s=0.2)
    pytest.fail(f"what the test waits for did not come in {PATIENCE_S} s")


def read_to_end(reader: LogReader, partitions: int, **limits: int) -> list[Batch]:
    """Batches until so many partitions reached their end."""
    batches: list[Batch] = []
    ended: set[tuple[str, int]] = set()
    for batch in polls(reader, **limits):
        batches.append(batch)
        assert not batch.events
        ended |= {(topic, partition) for topic, partition, _ in batch.eof}
        if len(ended) == partitions:
            break
    return batches


def rows_by_partition(batches: Sequence[Batch]) -> dict[int, list[Row]]:
    """What was read from one topic, in the order read."""
    found: dict[int, list[Row]] = {}
    for batch in batches:
        for part in batch.slices:
            for number in range(part.start, part.start + part.count):
                row = Row(batch.keys[number], batch.values[number], tuple(batch.headers.get(number, ())))
                found.setdefault(part.partition, []).append(row)
    return found


def read_events(reader: LogReader, kind: EventKind) -> Batch:
    """The first batch that tells an event of this kind."""
    for batch in polls(reader):
        if any(event.kind is kind for event in batch.events):
            return batch
    raise AssertionError


def test_columns_equal_what_was_written(subject: Subject, reader: LogReader) -> None:
    """P2: keys, values, headers and offsets come back as they were written, in order, empty ones and null ones too."""
    topic = subject.topic()
    rows = [
        Row(b"key", b"value"),
        Row(b"tombstone", None),
        Row(b"", b""),
        Row(None, b"no key"),
        Row("ключ".encode(), bytes(range(256))),
        Row(b"headers", b"v", (("a", b"1"), ("a", b"2"), ("none", None), ("empty", b""), ("b", b"\xff\x00"))),
        Row(b"last", b"v"),
    ]
    written = [replace(row, partition=0) for row in rows]

    write(subject.log, topic, written)
    reader.assign([(topic, 0, 0)])
    batches = read_to_end(reader, 1)

    assert rows_by_partition(batches) == {0: rows}
    assert np.concatenate([batch.offsets for batch in batches]).tolist() == list(range(len(rows)))
    assert all(batch.offsets.dtype == np.int64 == batch.timestamps_ms.dtype for batch in batches)
    assert all(set(batch.headers) <= set(range(len(batch))) for batch in batches)


def test_headers_stand_at_their_row(subject: Subject, reader: LogReader) -> None:
    """Only the records that carry headers have any, whatever the grouping moved."""
    topic = subject.topic(3)
    rows = [
        Row(b"k%d" % n, b"%d" % n, (("n", b"%d" % n),) if n % 7 == 0 else (), partition=n % 3)
        for n in range(300)
    ]

    write(subject.log, topic, rows)
    reader.assign([(topic, partition, 0) for partition in range(3)])
    found = rows_by_partition(read_to_end(reader, 3))

    wanted = {
        part: [replace(row, partition=None) for row in rows if row.partition == part] for part in range(3)
    }
    assert found == wanted


def test_batches_are_grouped_by_partition(subject: Subject, reader: LogReader) -> None:
    """Slices cover the rows one after another, one for each partition of each topic, in offset order."""
    topics = [subject.topic(3, "a"), subject.topic(2, "b")]
    for _ in range(3):  # three message sets a partition, so that polls bring partitions in turns
        write(subject.log, topics[0], [row for p in range(3) for row in numbered(50, partition=p)])
        write(subject.log, topics[1], [row for p in range(2) for row in numbered(50, partition=p)])
    assigned = [(topics[0], p, 0) for p in range(3)] + [(topics[1], p, 0) for p in range(2)]

    reader.assign(assigned)
    batches = read_to_end(reader, 5)

    following = {(topic, partition): 0 for topic, partition, _ in assigned}
    for batch in batches:
        where = [(part.topic, part.partition) for part in batch.slices]
        assert len(set(where)) == len(where)
        assert [part.start for part in batch.slices] == np.cumsum([0, *[p.count for p in batch.slices]])[
            :-1
        ].tolist()
        assert sum(part.count for part in batch.slices) == len(batch) == len(batch.keys) == len(batch.offsets)
        for part in batch.slices:
            offsets = batch.offsets[part.start : part.start + part.count].tolist()
            start = following[part.topic, part.partition]
            assert offsets == list(range(start, start + part.count))
            assert (part.first_offset, part.next_offset) == (offsets[0], offsets[-1] + 1)
            following[part.topic, part.partition] = part.next_offset
    assert set(following.values()) == {150}


def test_timestamps_are_the_brokers(subject: Subject, reader: LogReader) -> None:
    """Timestamps are those of the append, in milliseconds, and the outcome tells the same one."""
    if not subject.traits.log_append_time:
        pytest.skip("the embedded broker keeps the producer's time")
    topic = subject.topic()
    before_ms = time.time_ns() // 1_000_000

    outcomes = write(subject.log, topic, numbered(3))
    reader.assign([(topic, 0, 0)])
    read = np.concatenate([batch.timestamps_ms for batch in read_to_end(reader, 1)]).tolist()

    assert [outcome.timestamp_ms for outcome in outcomes] == read
    assert all(before_ms <= stamp <= time.time_ns() // 1_000_000 for stamp in read)


def test_outcomes_of_acknowledged_appends(subject: Subject) -> None:
    """P1: each append is told once, with partition and offset."""
    topic = subject.topic(2)

    outcomes = write(subject.log, topic, numbered(5, partition=0) + numbered(5, partition=1))

    assert {outcome.kind for outcome in outcomes} == {OutcomeKind.ACKNOWLEDGED}
    assert {outcome.topic for outcome in outcomes} == {topic}
    places = sorted((outcome.partition, outcome.offset) for outcome in outcomes)
    assert places == [(partition, offset) for partition in range(2) for offset in range(5)]


def test_append_many_writes_every_row_in_order(subject: Subject, reader: LogReader) -> None:
    """P1: `append_many` keeps the order within a partition, carries headers and null values, and tells each row."""
    topic = subject.topic()
    keys = [b"k%d" % n for n in range(500)]
    values = [None if n % 9 == 0 else b"v%d" % n for n in range(500)]
    headers: list[Headers] = [(("n", b"%d" % n),) if n % 5 == 0 else () for n in range(500)]
    outcomes: list[Outcome] = []
    writer = subject.log.writer(client_id="test-writer")

    taken = writer.append_many(
        topic, keys[:250], values[:250], headers=headers[:250], on_outcome=outcomes.append
    )
    rest = writer.append_many(topic, keys, values, start=250, headers=headers, on_outcome=outcomes.append)
    writer.close(PATIENCE_S)
    reader.assign([(topic, 0, 0)])
    found = rows_by_partition(read_to_end(reader, 1))

    assert (taken, rest) == (250, 500)
    assert sorted(outcome.offset or 0 for outcome in outcomes) == list(range(500))
    assert found == {0: [Row(*row) for row in zip(keys, values, headers, strict=True)]}


def test_append_many_without_headers(subject: Subject, reader: LogReader) -> None:
    """`append_many` without headers and without a listener writes all rows, each to its key's partition."""
    topic = subject.topic(4)
    keys = [b"key-%d" % n for n in range(200)]
    writer = subject.log.writer(client_id="test-writer")

    assert writer.append_many(topic, keys, keys) == 200
    writer.close(PATIENCE_S)
    reader.assign([(topic, partition, 0) for partition in range(4)])
    found = rows_by_partition(read_to_end(reader, 4))

    wanted = {p: [Row(key, key) for key in keys if partition_for(key, 4) == p] for p in range(4)}
    assert found == wanted


ODD_KEYS = [
    *[bytes(range(1, length + 1)) for length in range(1, 21)],
    *[b"\x80" * length for length in range(1, 9)],
    *["München", "東京", "ключ", "🛫 EWR"],
    b"\x00",
    b"\xff\xfe\xfd",
    b'["EWR","N14228"]',
]


def test_keys_go_where_java_sends_them(subject: Subject) -> None:
    """P2: without a partition, Java's murmur2 of the key chooses it, for odd keys too."""
    topic = subject.topic(7)
    keys = [key.encode() if isinstance(key, str) else key for key in ODD_KEYS]
    found: dict[bytes, int | None] = {}
    writer = subject.log.writer(client_id="test-writer")

    for key in keys:
        writer.append(
            topic,
            key=key,
            value=b"v",
            on_outcome=lambda outcome, key=key: found.__setitem__(key, outcome.partition),
        )
    writer.close(PATIENCE_S)

    assert found == {key: partition_for(key, 7) for key in keys}


def test_an_explicit_partition_wins_over_the_key(subject: Subject, reader: LogReader) -> None:
    """P4: a marker goes to each partition it is meant for, whatever its key's hash."""
    topic = subject.topic(3)

    write(
        subject.log, topic, [Row(b"\x00syncline.cut.7", None, (("x", b"1"),), partition=p) for p in range(3)]
    )
    reader.assign([(topic, partition, 0) for partition in range(3)])
    found = rows_by_partition(read_to_end(reader, 3))

    assert found == {p: [Row(b"\x00syncline.cut.7", None, (("x", b"1"),))] for p in range(3)}


def test_the_end_is_told_with_its_offset(subject: Subject, reader: LogReader) -> None:
    """P10: each partition's end is told once its rows were handed out, an empty partition's too, and again later."""
    topic = subject.topic(2)
    write(subject.log, topic, numbered(5, partition=1))
    reader.assign([(topic, 0, 0), (topic, 1, 0)])

    first = sorted(end for batch in read_to_end(reader, 2) for end in batch.eof)
    write(subject.log, topic, numbered(2, partition=1, start=5))
    again = [end for batch in read_to_end(reader, 1) for end in batch.eof]

    assert first == [(topic, 0, 0), (topic, 1, 5)]
    assert again[-1] == (topic, 1, 7)


def test_reading_starts_where_it_is_told(subject: Subject, reader: LogReader) -> None:
    """P3: an assignment starts at its next offset, at the end of the log too."""
    topic = subject.topic(2)
    write(subject.log, topic, numbered(10, partition=0) + numbered(4, partition=1))

    reader.assign([(topic, 0, 6), (topic, 1, 4)])
    batches = read_to_end(reader, 2)

    assert [row.value for row in rows_by_partition(batches)[0]] == [b"v6", b"v7", b"v8", b"v9"]
    assert 1 not in rows_by_partition(batches)


@pytest.mark.parametrize("target", [0, 30, 400])
def test_nothing_fetched_earlier_comes_after_assign(subject: Subject, reader: LogReader, target: int) -> None:
    """P3: after a new assignment the first row is the one asked for, though later ones were fetched already."""
    topic = subject.topic(2)
    write(subject.log, topic, numbered(500, partition=0) + numbered(500, partition=1))
    reader.assign([(topic, 0, 0), (topic, 1, 0)])
    next(batch for batch in polls(reader, max_rows=20) if len(batch))

    reader.assign([(topic, 0, target)])
    batches = read_to_end(reader, 1)

    assert np.concatenate([batch.offsets for batch in batches]).tolist() == list(range(target, 500))
    assert {part.partition for batch in batches for part in batch.slices} == {0}
    assert {end for batch in batches for end in batch.eof} == {(topic, 0, 500)}


def test_a_partition_is_assigned_once(subject: Subject, reader: LogReader) -> None:
    """An assignment that names a partition twice is refused, as one of its offsets would be ignored."""
    topic = subject.topic()

    with pytest.raises(LogError, match="twice"):
        reader.assign([(topic, 0, 0), (topic, 0, 1)])


def test_a_position_past_the_end_stops_the_partition(subject: Subject, reader: LogReader) -> None:
    """P6: a position that is not in the log yet is told, no row comes, and the other partition goes on."""
    topic = subject.topic(2)
    write(subject.log, topic, numbered(3, partition=0) + numbered(3, partition=1))

    reader.assign([(topic, 0, 100), (topic, 1, 0)])
    seen = [read_events(reader, EventKind.OFFSET_OUT_OF_RANGE)]
    write(subject.log, topic, numbered(1, partition=1, start=3))
    for batch in polls(reader):
        seen.append(batch)
        if (topic, 1, 4) in batch.eof:
            break

    stopped = [e for batch in seen for e in batch.events if e.kind is EventKind.OFFSET_OUT_OF_RANGE]
    assert [(event.topic, event.partition) for event in stopped] == [(topic, 0)]
    assert rows_by_partition(seen).keys() <= {1}


def test_a_trimmed_position_stops_the_partition(subject: Subject, reader: LogReader) -> None:
    """P6: a position whose records retention took is told, and never skipped silently; assigning again goes on."""
    if subject.traits.trim is None:
        pytest.skip("the embedded broker trims nothing on request")
    topic = subject.topic()
    write(subject.log, topic, numbered(10))
    subject.traits.trim(topic, 0, 6)

    reader.assign([(topic, 0, 2)])
    stopped = read_events(reader, EventKind.OFFSET_OUT_OF_RANGE)
    kept = reader.watermarks(topic, 0)
    reader.assign([(topic, 0, kept[0])])
    found = rows_by_partition(read_to_end(reader, 1))

    assert not len(stopped)
    assert kept == (6, 10)
    assert [row.value for row in found[0]] == [b"v6", b"v7", b"v8", b"v9"]


def test_a_missing_topic_is_told(subject: Subject, reader: LogReader) -> None:
    """P6: reading a topic that does not exist is told as an event, and makes none."""
    missing = subject.prefix + "missing"

    reader.assign([(missing, 0, 0)])
    batch = read_events(reader, EventKind.TOPIC_MISSING)

    assert {event.topic for event in batch.events if event.kind is EventKind.TOPIC_MISSING} == {missing}
    assert subject.log.describe_topic(missing) is None


def test_watermarks(subject: Subject, reader: LogReader) -> None:
    """The first offset kept and the next one to be written, asked without an assignment."""
    topic = subject.topic(2)
    write(subject.log, topic, numbered(3, partition=1))

    assert reader.watermarks(topic, 0) == (0, 0)
    assert reader.watermarks(topic, 1) == (0, 3)
    with pytest.raises(TopicMissing):
        reader.watermarks(topic, 2)
    with pytest.raises(TopicMissing):
        reader.watermarks(subject.prefix + "missing", 0)


def test_the_end_is_seen_while_it_is_far_away(subject: Subject, reader: LogReader) -> None:
    """A reader that is behind knows the end from its polls, without asking: that is its lag."""
    topic = subject.topic()
    write(subject.log, topic, numbered(50))

    before = reader.end_seen(topic, 0)
    reader.assign([(topic, 0, 0)])
    rows = 0
    while rows == 0:
        rows = len(reader.poll(5, 1_000_000, 1.0))

    assert before is None
    assert rows == 5
    assert reader.end_seen(topic, 0) == 50


def test_a_poll_never_brings_more_rows_than_allowed(subject: Subject, reader: LogReader) -> None:
    """P10: no batch is larger than `max_rows`, and none of the rows is lost by the limit."""
    topic = subject.topic(2)
    write(subject.log, topic, numbered(55, partition=0) + numbered(45, partition=1))

    reader.assign([(topic, 0, 0), (topic, 1, 0)])
    batches = read_to_end(reader, 2, max_rows=7)

    assert max(len(batch) for batch in batches) == 7
    assert {part: len(rows) for part, rows in rows_by_partition(batches).items()} == {0: 55, 1: 45}


def test_a_poll_stops_soon_after_its_bytes(subject: Subject, reader: LogReader) -> None:
    """P10: rows beyond `max_bytes` wait for the next poll; a single larger row still comes."""
    topic = subject.topic()
    write(subject.log, topic, [Row(b"k", bytes(10_000), partition=0) for _ in range(50)])

    reader.assign([(topic, 0, 0)])
    batches = read_to_end(reader, 1, max_bytes=35_000)
    reader.assign([(topic, 0, 0)])
    single = next(batch for batch in polls(reader, max_bytes=1) if len(batch))

    assert max(len(batch) for batch in batches) <= 8
    assert sum(len(batch) for batch in batches) == 50
    assert len(single) <= 2


def test_a_poll_collects_min_rows(subject: Subject, reader: LogReader) -> None:
    """A poll with `min_rows` returns that many where they are there, and what is left at the log's end at once."""
    topic = subject.topic(3)
    write(subject.log, topic, [row for partition in range(3) for row in numbered(400, partition=partition)])

    reader.assign([(topic, partition, 0) for partition in range(3)])
    full = reader.poll(5_000, MEGABYTE, timeout_s=PATIENCE_S, min_rows=1_000)
    sizes = [len(full)]
    for _ in range(4):
        if sum(sizes) < 1_200:
            sizes.append(len(reader.poll(5_000, MEGABYTE, timeout_s=PATIENCE_S, min_rows=1_000)))

    assert sizes[0] >= 1_000
    assert sum(sizes) == 1_200


def test_a_poll_of_an_idle_log_is_empty(subject: Subject, reader: LogReader) -> None:
    """Without rows a poll gives an empty batch after its time-out; without an assignment too."""
    topic = subject.topic()

    nothing = reader.poll(10, MEGABYTE, timeout_s=0.05)
    reader.assign([(topic, 0, 0)])
    read_to_end(reader, 1)
    idle = reader.poll(10, MEGABYTE, timeout_s=0.05)

    for batch in (nothing, idle):
        assert (len(batch), batch.slices, batch.keys, batch.headers) == (0, [], [], {})
        assert (batch.eof, batch.events) == ([], [])


def test_create_topic_says_whether_it_made_it(subject: Subject) -> None:
    """Making a topic twice is no error: the second time says False, and the topic is as it was."""
    spec = TopicSpec(subject.prefix + "made", 3, {"retention.ms": "86400000"})

    made = subject.log.create_topic(spec)
    again = subject.log.create_topic(spec)
    described = subject.log.describe_topic(spec.name)

    assert (made, again) == (True, False)
    assert described is not None
    assert (described.name, described.partitions) == (spec.name, 3)
    if subject.traits.topic_ids:
        assert described.topic_id
        assert described.config["retention.ms"] == "86400000"


def test_create_topic_refuses_other_partitions(subject: Subject) -> None:
    """P2: a topic that exists with another partition count is left alone, as keys would move."""
    name = subject.topic(3)

    with pytest.raises(TopicMismatch, match="3 partitions, not 4"):
        subject.log.create_topic(TopicSpec(name, 4))

    described = subject.log.describe_topic(name)
    assert described is not None
    assert described.partitions == 3


def test_a_missing_topic_is_described_as_none(subject: Subject) -> None:
    """Asking for a topic that does not exist gives None, and does not make it."""
    assert subject.log.describe_topic(subject.prefix + "missing") is None
    assert subject.log.describe_topic(subject.prefix + "missing") is None


def test_the_cluster_tells_its_id_and_size(log: Log) -> None:
    """The cluster's id stays the same, and there is a broker."""
    assert log.cluster_id()
    assert log.cluster_id() == log.cluster_id()
    assert log.broker_count() == 1


def test_an_append_to_a_missing_topic_fails(subject: Subject) -> None:
    """P1: what was sent nowhere is told as failed, not as unknown, and makes no topic."""
    outcomes: list[Outcome] = []
    writer = subject.log.writer(client_id="test-writer")
    missing = subject.prefix + "missing"

    with contextlib.suppress(LogError):  # an adapter may know at once, and then nothing was queued
        writer.append(missing, key=b"k", value=b"v", on_outcome=outcomes.append)
        assert writer.flush(PATIENCE_S) == 0
        assert [outcome.kind for outcome in outcomes] == [OutcomeKind.FAILED]
        assert outcomes[0].reason
    writer.close(PATIENCE_S)

    assert subject.log.describe_topic(missing) is None


def test_every_exception_of_a_callback_comes_out(subject: Subject) -> None:
    """P1: a callback that raises hides no other outcome, and no other exception."""
    topic = subject.topic()
    told: list[Outcome] = []
    writer = subject.log.writer(client_id="test-writer")

    def tell(outcome: Outcome) -> None:
        told.append(outcome)
        if len(told) % 2:
            raise ValueError(f"no. {len(told)}")

    for _ in range(5):
        writer.append(topic, key=b"k", value=b"v", on_outcome=tell)
    raised: list[BaseException] = []
    deadline_s = time.monotonic() + PATIENCE_S
    while len(told) < 5 and time.monotonic() < deadline_s:
        try:
            writer.flush(1.0)
        except BaseExceptionGroup as group:
            raised.extend(group.exceptions)
        except ValueError as error:
            raised.append(error)
    writer.close(PATIENCE_S)

    assert len(told) == 5
    assert [str(error) for error in raised] == ["no. 1", "no. 3", "no. 5"]


def test_poll_serves_outcomes(subject: Subject) -> None:
    """`poll` says how many outcomes it served."""
    topic = subject.topic()
    outcomes: list[Outcome] = []
    writer = subject.log.writer(client_id="test-writer")
    for _ in range(3):
        writer.append(topic, key=b"k", value=b"v", on_outcome=outcomes.append)

    served = 0
    deadline_s = time.monotonic() + PATIENCE_S
    while served < 3 and time.monotonic() < deadline_s:
        served += writer.poll(0.2)

    assert served == 3 == len(outcomes)
    assert writer.poll(0.0) == 0
    writer.close(PATIENCE_S)


def test_close_can_be_repeated(subject: Subject) -> None:
    """Closing twice does nothing the second time, and a closed writer says that it is closed."""
    topic = subject.topic()
    reader = subject.log.reader(client_id="test-reader")
    writer = subject.log.writer(client_id="test-writer")
    reader.assign([(topic, 0, 0)])

    for _ in range(2):
        reader.close()
        writer.close(1.0)

    with pytest.raises(LogError, match="closed"):
        writer.append(topic, key=b"k", value=b"v")
    with pytest.raises(LogError, match="closed"):
        reader.poll(1, 1, 0.0)


def test_offsets_are_committed_only_with_a_group(subject: Subject, reader: LogReader) -> None:
    """A reader without a group says so, instead of committing under a name nobody chose."""
    topic = subject.topic()
    with contextlib.closing(subject.log.reader(client_id="test", group=subject.prefix + "group")) as grouped:
        grouped.commit({(topic, 0): 0})

    with pytest.raises(LogError, match="group"):
        reader.commit({(topic, 0): 0})


@pytest.mark.parametrize(
    "ask",
    [
        lambda log: log.cluster_id(0.5),
        lambda log: log.broker_count(0.5),
        lambda log: log.describe_topic("t", 0.5),
        lambda log: log.create_topic(TopicSpec("t", 1), 0.5),
        lambda log: log.reader(client_id="test").watermarks("t", 0, 0.5),
    ],
    ids=["cluster_id", "broker_count", "describe_topic", "create_topic", "watermarks"],
)
def test_an_unreachable_broker_is_told(unreachable: Log, ask: Callable[[Log], Any]) -> None:
    """P6: every question to brokers that are away ends in `LogUnavailable`, and never hangs."""
    with pytest.raises(LogUnavailable):
        ask(unreachable)


def test_a_reader_without_brokers_tells_it(unreachable: Log) -> None:
    """P6: polls without a broker bring an event, raise nothing, and close works."""
    reader = unreachable.reader(client_id="test", group="test-group")
    reader.assign([("t", 0, 0)])

    batch = read_events(reader, EventKind.UNAVAILABLE)
    reader.commit({("t", 0): 1})
    reader.close()

    assert len(batch) == 0


def test_a_writer_without_brokers_gives_every_outcome(unreachable: Log) -> None:
    """P1: after `close` every append has one outcome; what never left the queue failed."""
    outcomes: list[Outcome] = []
    writer = unreachable.writer(client_id="test")
    for n in range(10):
        writer.append("t", key=b"k%d" % n, value=b"v", on_outcome=outcomes.append)

    waiting = writer.flush(0.3)
    writer.close(0.3)

    assert waiting == 10
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.FAILED] * 10
