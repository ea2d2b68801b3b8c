"""P1: each append is told once, and told truthfully, also when the broker refuses, stalls or is gone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaError

from syncline.adapters.embedded.broker import ApiKey, EmbeddedBroker
from syncline.adapters.embedded.log import EmbeddedLog
from syncline.adapters.kafka.errors import outcome_kind
from syncline.adapters.kafka.log import KafkaLog
from syncline.adapters.kafka.writer import KafkaWriter
from syncline.errors import LogError
from syncline.ports.log import Outcome, OutcomeKind, TopicSpec

PATIENCE_S = 30.0
TOPIC = "t"
NOBODY = "127.0.0.1:1"
"""A port that nobody listens on."""


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    """A broker with one topic."""
    with EmbeddedBroker.start() as started:
        started.create_topic(TOPIC, 1)
        yield started


@pytest.fixture
def outcomes() -> list[Outcome]:
    """What became of the test's appends."""
    return []


@pytest.fixture
def writer(broker: EmbeddedBroker, outcomes: list[Outcome]) -> Iterator[KafkaWriter]:
    """A writer that has written once already, so that it knows the broker and the topic."""
    made = EmbeddedLog(broker, client={"linger.ms": 0}).writer(client_id="test")
    made.append(TOPIC, key=b"k", value=b"first")
    assert made.flush(PATIENCE_S) == 0
    yield made
    made.close(0.0)


@pytest.mark.parametrize(
    "code",
    [
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.INVALID_RECORD,
        KafkaError.POLICY_VIOLATION,
    ],
)
def test_a_refusal_is_failed(
    broker: EmbeddedBroker, writer: KafkaWriter, outcomes: list[Outcome], code: int
) -> None:
    """What the broker refused whole is certainly not in the log."""
    broker.push_errors(ApiKey.PRODUCE, [code])

    writer.append(TOPIC, key=b"k", value=b"v", on_outcome=outcomes.append)

    assert writer.flush(PATIENCE_S) == 0
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.FAILED]
    assert KafkaError(code).name() in (outcomes[0].reason or "")


def test_a_passing_fault_is_acknowledged_in_the_end(
    broker: EmbeddedBroker, writer: KafkaWriter, outcomes: list[Outcome]
) -> None:
    """A fault that passes is retried, and the append acknowledged once."""
    passing = [KafkaError.NOT_ENOUGH_REPLICAS, KafkaError.REQUEST_TIMED_OUT, KafkaError._TRANSPORT]
    broker.push_errors(ApiKey.PRODUCE, passing)

    writer.append(TOPIC, key=b"k", value=b"v", on_outcome=outcomes.append)

    assert writer.flush(PATIENCE_S) == 0
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.ACKNOWLEDGED]


def test_an_append_without_an_answer_is_unknown(
    broker: EmbeddedBroker, writer: KafkaWriter, outcomes: list[Outcome]
) -> None:
    """A request that the broker has, and whose answer does not come before close, may be in the log."""
    broker.set_latency(60_000)

    writer.append(TOPIC, key=b"k", value=b"v", on_outcome=outcomes.append)
    waiting = writer.flush(0.5)
    writer.close(0.0)

    assert waiting == 1
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.UNKNOWN]


def test_an_append_that_waits_for_a_broker_is_unknown(
    broker: EmbeddedBroker, writer: KafkaWriter, outcomes: list[Outcome]
) -> None:
    """With the broker gone, librdkafka cannot tell a first attempt from a retry, so neither do we."""
    broker.down()

    for _ in range(50):
        writer.append(TOPIC, key=b"k", value=b"v", on_outcome=outcomes.append)
    writer.close(0.2)

    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.UNKNOWN] * 50
    assert {outcome.partition for outcome in outcomes} == {0}
    assert all(outcome.reason and outcome.offset is None for outcome in outcomes)


def test_a_record_that_timed_out_is_told(broker: EmbeddedBroker, outcomes: list[Outcome]) -> None:
    """Past the delivery time-out an append is given up as unknown, without any close."""
    log = EmbeddedLog(broker, client={"delivery.timeout.ms": 1_000, "linger.ms": 0})
    with contextlib.closing(_Closed(log.writer(client_id="test"))) as held:
        held.writer.append(TOPIC, key=b"k", value=b"first")
        assert held.writer.flush(PATIENCE_S) == 0
        broker.down()

        held.writer.append(TOPIC, key=b"k", value=b"v", on_outcome=outcomes.append)

        assert held.writer.flush(PATIENCE_S) == 0
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.UNKNOWN]


class _Closed:
    """Gives a writer the `close()` that `contextlib.closing` calls."""

    def __init__(self, writer: KafkaWriter) -> None:
        self.writer = writer

    def close(self) -> None:
        self.writer.close(0.0)


def test_a_record_that_is_too_large_is_refused_at_once(writer: KafkaWriter, outcomes: list[Outcome]) -> None:
    """A record that can never be sent raises, and nothing was queued."""
    with pytest.raises(LogError, match="MSG_SIZE_TOO_LARGE"):
        writer.append(TOPIC, key=b"k", value=bytes(3_000_000), on_outcome=outcomes.append)

    assert writer.flush(PATIENCE_S) == 0
    assert outcomes == []


@pytest.mark.parametrize("headers", [None, [(), (("a", b"1"),), ()]], ids=["plain", "headers"])
def test_append_many_goes_on_past_a_row_that_is_too_large(
    writer: KafkaWriter, outcomes: list[Outcome], headers: list[tuple[tuple[str, bytes], ...]] | None
) -> None:
    """One row that can never be sent fails; those before and after it are written."""
    values = [b"before", bytes(3_000_000), b"after"]

    taken = writer.append_many(TOPIC, [b"k"] * 3, values, headers=headers, on_outcome=outcomes.append)

    assert taken == 3
    assert writer.flush(PATIENCE_S) == 0
    assert sorted(outcome.kind for outcome in outcomes) == ["acknowledged", "acknowledged", "failed"]


def test_a_full_queue_passes_nothing_on(outcomes: list[Outcome]) -> None:
    """P10: the queue is bounded; what does not fit is not queued, and `append_many` says where to go on."""
    writer = KafkaLog(NOBODY, client={"queue.buffering.max.messages": 5}).writer(client_id="test")

    taken = writer.append_many(TOPIC, [b"k"] * 9, [b"v"] * 9, start=1, on_outcome=outcomes.append)
    with pytest.raises(BufferError):
        writer.append(TOPIC, key=b"k", value=b"v", on_outcome=outcomes.append)
    writer.close(0.0)

    assert taken == 6
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.FAILED] * 5


def test_a_partition_that_does_not_exist_fails(writer: KafkaWriter, outcomes: list[Outcome]) -> None:
    """An explicit partition beyond the topic's is refused at once, or told as failed."""
    try:
        writer.append(TOPIC, key=b"k", value=b"v", partition=9, on_outcome=outcomes.append)
    except LogError:
        return
    assert writer.flush(PATIENCE_S) == 0
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.FAILED]


def test_a_writer_is_refused_after_fork(writer: KafkaWriter) -> None:
    """In a forked child nothing would be sent and flush would hang, so every call says so; close returns."""
    parent, writer._process = writer._process, -1

    for call in (
        lambda: writer.append(TOPIC, key=b"k", value=b"v"),
        lambda: writer.append_many(TOPIC, [b"k"], [b"v"]),
        lambda: writer.poll(0.0),
        lambda: writer.flush(0.0),
    ):
        with pytest.raises(LogError, match="fork"):
            call()
    writer.close(0.0)
    writer._process = parent


@pytest.mark.parametrize(
    ("code", "partition", "kind"),
    [
        (KafkaError._MSG_TIMED_OUT, 0, OutcomeKind.UNKNOWN),
        (KafkaError._MSG_TIMED_OUT, -1, OutcomeKind.FAILED),
        (KafkaError._PURGE_INFLIGHT, 3, OutcomeKind.UNKNOWN),
        (KafkaError._PURGE_QUEUE, 3, OutcomeKind.UNKNOWN),
        (KafkaError._PURGE_QUEUE, -1, OutcomeKind.FAILED),
        (KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND, 0, OutcomeKind.UNKNOWN),
        (KafkaError._FATAL, 0, OutcomeKind.UNKNOWN),
        (KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, 0, OutcomeKind.UNKNOWN),
        (KafkaError.UNKNOWN, 0, OutcomeKind.UNKNOWN),
        (KafkaError._UNKNOWN_TOPIC, -1, OutcomeKind.FAILED),
    ],
)
def test_failed_only_where_it_is_certain(code: int, partition: int, kind: OutcomeKind) -> None:
    """Unknown is the answer for all that is not proven absent."""
    assert outcome_kind(KafkaError(code), partition) is kind


def test_records_of_an_unknown_outcome_may_be_in_the_log(
    broker: EmbeddedBroker, outcomes: list[Outcome]
) -> None:
    """The case that `unknown` is for: the broker wrote it, and only the answer was lost."""
    log = EmbeddedLog(broker, client={"linger.ms": 0})
    log.create_topic(TopicSpec("other", 1))
    writer = log.writer(client_id="test")
    writer.append("other", key=b"k", value=b"first")
    assert writer.flush(PATIENCE_S) == 0
    broker.set_latency(60_000)
    writer.append("other", key=b"k", value=b"second", on_outcome=outcomes.append)
    writer.flush(0.5)

    writer.close(0.0)
    broker.set_latency(0)
    reader = log.reader(client_id="test")
    _, following = reader.watermarks("other", 0, PATIENCE_S)
    reader.close()

    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.UNKNOWN]
    assert following == 2
