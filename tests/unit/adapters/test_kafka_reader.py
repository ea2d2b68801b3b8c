"""What a reader does when something breaks off under it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaError, Message

from syncline.adapters.embedded.broker import ApiKey, EmbeddedBroker
from syncline.adapters.embedded.log import EmbeddedLog
from syncline.adapters.kafka.errors import event_kind, raised
from syncline.adapters.kafka.reader import KafkaReader
from syncline.errors import LogError, LogUnavailable, TopicMissing
from syncline.ports.log import EventKind, LogEvent, TopicSpec

PATIENCE_S = 30.0
TOPIC = "t"
COUNT = 200


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    """A broker with one topic of 200 records."""
    with EmbeddedBroker.start() as started:
        log = EmbeddedLog(started)
        log.create_topic(TopicSpec(TOPIC, 1))
        writer = log.writer(client_id="test")
        assert writer.append_many(TOPIC, [b"k"] * COUNT, [b"v"] * COUNT) == COUNT
        writer.close(PATIENCE_S)
        yield started


@pytest.fixture
def reader(broker: EmbeddedBroker) -> Iterator[KafkaReader]:
    """A reader of the topic, from the start."""
    with contextlib.closing(EmbeddedLog(broker).reader(client_id="test", group="test")) as made:
        made.assign([(TOPIC, 0, 0)])
        yield made


def offsets_to_end(reader: KafkaReader) -> list[int]:
    """The offsets of all rows up to the end."""
    found: list[int] = []
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        batch = reader.poll(50, 1 << 20, 0.2)
        found += batch.offsets.tolist()
        if batch.eof:
            return found
    pytest.fail("the end did not come")


class _Interrupted:
    """A consumer that takes rows and then loses them to a signal, as the binding does."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def consume(self, count: int, timeout_s: float) -> Any:
        self._inner.consume(count, timeout_s)
        raise KeyboardInterrupt

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def test_rows_lost_to_a_signal_are_read_again(reader: KafkaReader) -> None:
    """P6: the binding drops rows when a signal's handler raises; the next poll reads them again, skipping none."""
    first = reader.poll(20, 1 << 20, PATIENCE_S)
    real = reader._consumer
    reader._consumer = _Interrupted(real)
    with pytest.raises(KeyboardInterrupt):
        reader.poll(20, 1 << 20, PATIENCE_S)
    reader._consumer = real

    rest = offsets_to_end(reader)

    assert [*first.offsets.tolist(), *rest] == list(range(COUNT))


class _Scripted:
    """A consumer that hands out what the test wrote down, one list a call."""

    def __init__(self, *answers: list[Message]) -> None:
        self._answers = list(answers)

    def consume(self, count: int, timeout_s: float) -> list[Message]:
        assert self._answers, "the reader waits on, though it need not"
        answer = self._answers.pop(0)
        assert len(answer) <= count
        return answer

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


def row(offset: int) -> Message:
    """A record as the consumer hands it out."""
    return Message(topic=TOPIC, partition=0, offset=offset, key=b"k", value=b"v", timestamp=(2, 1))


def end(offset: int) -> Message:
    """The end of the partition as the consumer hands it out."""
    return Message(topic=TOPIC, partition=0, offset=offset, error=KafkaError(KafkaError._PARTITION_EOF))


def test_an_end_that_rows_have_passed_is_none(reader: KafkaReader) -> None:
    """P6: an end that was reached before the last rows of a batch is not told as the end after them."""
    reader._consumer = _Scripted([row(0)], [end(1), row(1)], [], [end(2)], [])

    first = reader.poll(3, 1 << 20, PATIENCE_S)
    second = reader.poll(3, 1 << 20, PATIENCE_S)

    assert (first.offsets.tolist(), first.eof) == ([0, 1], [])
    assert (second.offsets.tolist(), second.eof) == ([], [(TOPIC, 0, 2)])


def test_an_end_of_an_earlier_assignment_is_none(reader: KafkaReader) -> None:
    """P6: the end of a partition that is not assigned any more says nothing."""
    reader._consumer = _Scripted([end(1)], [], [])
    reader.assign([("other", 0, 0)])

    assert reader.poll(3, 1 << 20, 0.0).eof == []


def test_a_poll_does_not_wait_on_after_an_event(reader: KafkaReader) -> None:
    """P6: what was noticed is told at once, though fewer than `min_rows` came."""
    error = Message(topic=TOPIC, partition=0, offset=-1, error=KafkaError(KafkaError._AUTO_OFFSET_RESET))
    reader._consumer = _Scripted([error], [])
    stopped = reader.poll(100, 1 << 20, PATIENCE_S, min_rows=100)
    reader._consumer = _Scripted([row(0)], [])
    reader.assign([(TOPIC, 0, 0)])
    reader._events.append(LogEvent(EventKind.UNAVAILABLE, "a broker is away"))
    away = reader.poll(100, 1 << 20, PATIENCE_S, min_rows=100)

    assert [event.kind for event in stopped.events] == [EventKind.OFFSET_OUT_OF_RANGE]
    assert [event.kind for event in away.events] == [EventKind.UNAVAILABLE]
    assert away.offsets.tolist() == [0]


def test_a_poll_ends_once_every_partition_has(reader: KafkaReader) -> None:
    """A poll that collects `min_rows` gives what there is when the log has no more."""
    reader._consumer = _Scripted([row(0)], [row(1)], [end(2)], [])

    batch = reader.poll(100, 1 << 20, PATIENCE_S, min_rows=100)

    assert (batch.offsets.tolist(), batch.eof) == ([0, 1], [(TOPIC, 0, 2)])


def test_reading_goes_on_after_an_outage(broker: EmbeddedBroker, reader: KafkaReader) -> None:
    """P10: a broker that was away for a while costs no row and repeats none; the outage is told."""
    rows = reader.poll(20, 1 << 20, PATIENCE_S).offsets.tolist()
    reader.assign([(TOPIC, 0, len(rows))])
    broker.down()
    told = False
    deadline_s = time.monotonic() + PATIENCE_S
    while (not told or len(rows) < COUNT) and time.monotonic() < deadline_s:
        batch = reader.poll(20, 1 << 20, 0.2)
        rows += batch.offsets.tolist()
        if not told and any(event.kind is EventKind.UNAVAILABLE for event in batch.events):
            told = True
            broker.up()

    assert told
    assert rows == list(range(COUNT))


def test_fetch_errors_cost_no_row(broker: EmbeddedBroker, reader: KafkaReader) -> None:
    """P10: faults that pass while fetching neither lose nor repeat a row."""
    broker.push_errors(ApiKey.FETCH, [KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError._TRANSPORT])

    assert offsets_to_end(reader) == list(range(COUNT))


def test_close_with_a_commit_that_nobody_takes(broker: EmbeddedBroker, reader: KafkaReader) -> None:
    """A commit in flight to brokers that are gone does not hold up close, nor anything after it."""
    reader.poll(20, 1 << 20, PATIENCE_S)
    broker.down()

    reader.commit({(TOPIC, 0): 20})
    reader.close()

    with pytest.raises(LogError, match="closed"):
        reader.assign([(TOPIC, 0, 0)])


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (KafkaError._ALL_BROKERS_DOWN, EventKind.UNAVAILABLE),
        (KafkaError._TRANSPORT, EventKind.UNAVAILABLE),
        (KafkaError._AUTHENTICATION, EventKind.UNAVAILABLE),
        (KafkaError._AUTO_OFFSET_RESET, EventKind.OFFSET_OUT_OF_RANGE),
        (KafkaError.OFFSET_OUT_OF_RANGE, EventKind.OFFSET_OUT_OF_RANGE),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, EventKind.TOPIC_MISSING),
        (KafkaError.UNKNOWN_TOPIC_ID, EventKind.TOPIC_MISSING),
        (KafkaError._FATAL, EventKind.FATAL),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, EventKind.OTHER),
    ],
)
def test_errors_are_sorted_into_kinds(code: int, kind: EventKind) -> None:
    """P6: each error of librdkafka is one kind of event."""
    assert event_kind(KafkaError(code)) is kind


def test_a_fatal_error_is_fatal_whatever_its_code() -> None:
    """A client that calls an error fatal is of no more use."""
    assert event_kind(KafkaError(KafkaError._TRANSPORT, "x", True)) is EventKind.FATAL


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (KafkaError._TIMED_OUT, LogUnavailable),
        (KafkaError._UNKNOWN_PARTITION, TopicMissing),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, LogError),
    ],
)
def test_a_failed_call_says_what_was_tried(code: int, kind: type[LogError]) -> None:
    """The exception has its type from the code, and names what was tried."""
    error = raised(KafkaError(code), "asking for the cluster")

    assert type(error) is kind
    assert str(error).startswith("asking for the cluster: ")
