"""The publisher on Kafka: real, and embedded."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from syncline.adapters.embedded.log import EmbeddedLog
from syncline.adapters.kafka.log import KafkaLog
from syncline.clock import SystemClock, from_us
from syncline.contracts.codec.avro import avro_text
from syncline.errors import LogUnavailable, NotAcknowledged, PublisherBusy
from syncline.wire.control import Heartbeat, is_control, parse_control
from syncline.wire.keys import partition_for
from tests.stack.ports import free_port
from tests.unit.publisher.airport import (
    FEATURES,
    airport_contract,
    make_publisher,
    records,
    register,
    row,
    values_by_key,
)
from tests.unit.publisher.test_view import FORMS

if TYPE_CHECKING:
    from syncline.publisher import Publisher

ROOT = Path(__file__).parents[2]


def now_us() -> int:
    """This moment."""
    return time.time_ns() // 1_000


def many(count: int) -> list[dict[str, Any]]:
    """Good rows of forty airports, of the last moments."""
    start_us = now_us()
    return [
        row(f"A{number % 40:02d}", start_us - 5 * count + number, seats=number) for number in range(count)
    ]


def publisher_on(log: KafkaLog, prefix: str, **settings: Any) -> Publisher:
    """A publisher with the machine's clock."""
    return make_publisher(log, SystemClock(), prefix=prefix, **settings)


@pytest.fixture
def log(stack) -> KafkaLog:
    """The session's Kafka."""
    return KafkaLog(stack.bootstrap_servers)


def written_in_forms(log: Any, prefix: str) -> list[dict[bytes | None, list[bytes | None]]]:
    """What each form of the same rows wrote; where it stands is checked."""
    rows = many(600)
    written = []
    for form, convert in FORMS.items():
        contract = airport_contract(f"{prefix}{form}")
        register(log, contract, prefix=f"{prefix}{form}")
        with publisher_on(log, f"{prefix}{form}") as publisher:
            delivery = publisher.view("airport_delay").publish_many(convert(rows))
        assert delivery.acknowledged == 600
        batch = records(log, contract.topic)
        for part in batch.slices:
            keys = batch.keys[part.start : part.start + part.count]
            assert all(partition_for(key, contract.partitions) == part.partition for key in keys)
        written.append(values_by_key(batch))
    return written


@pytest.mark.real
def test_all_forms_give_identical_records_on_kafka(log, prefix):
    """Rows, Arrow and pandas give the same bytes, in the partitions that Java's clients choose, in order."""
    rows, arrow, pandas = written_in_forms(log, prefix)
    assert sum(map(len, rows.values())) == 600
    assert rows == arrow == pandas


def test_all_forms_give_identical_records_on_the_embedded_broker(embedded, prefix):
    """The same on the broker that the demo runs on."""
    rows, arrow, pandas = written_in_forms(EmbeddedLog(embedded.broker), prefix)
    assert sum(map(len, rows.values())) == 600
    assert rows == arrow == pandas


@pytest.mark.real
def test_avro_deserializer_decodes_what_we_write(log, prefix, registry_url):
    """A record of ours, under a schema of the registry, is decoded by confluent_kafka's AvroDeserializer."""
    contract = airport_contract(prefix)
    registry = SchemaRegistryClient({"url": registry_url})
    schema_id = registry.register_schema(f"{contract.topic}-value", Schema(avro_text(contract), "AVRO"))
    register(log, contract, prefix=prefix, schema_id=schema_id)
    time_us = now_us()
    with publisher_on(log, prefix) as publisher:
        view = publisher.view("airport_delay")
        view.publish({"airport": "EWR"}, {**FEATURES, "seats": 7}, event_time=time_us)
        view.publish_many(FORMS["arrow"]([row("EWR", time_us + 1, delay=None)]))

    decode = AvroDeserializer(registry)
    context = SerializationContext(contract.topic, MessageField.VALUE)
    decoded = [decode(value, context) for value in records(log, contract.topic).values]

    ratio = pytest.approx(0.1)
    assert decoded == [
        {**row("EWR", seats=7, ratio=ratio), "event_time": from_us(time_us)},
        {**row("EWR", delay=None, ratio=ratio), "event_time": from_us(time_us + 1)},
    ]


@pytest.mark.real
def test_a_broker_that_stalls_makes_busy_then_unknown_then_truth(kafka, prefix):
    """P1: while the broker is frozen nothing is told as acknowledged; afterwards the counts are what the log holds."""
    log = KafkaLog(
        kafka.bootstrap_servers,
        client={"queue.buffering.max.messages": 1_000, "delivery.timeout.ms": 120_000},
    )
    contract = airport_contract(prefix)
    register(log, contract, prefix=prefix)
    publisher = publisher_on(log, prefix, busy_timeout_s=0.2)
    view = publisher.view("airport_delay")
    view.publish({"airport": "EWR"}, FEATURES, event_time=now_us()).result()

    kafka.pause()
    with pytest.raises(
        PublisherBusy, match=r"1000 of 5000 rows were queued; row 1000 and those after it were not"
    ):
        view.publish_many(many(5_000))
    with pytest.raises(NotAcknowledged, match="1000 had no answer in time") as caught:
        publisher.flush(timeout_s=0.1)
    assert (caught.value.failed, caught.value.unknown) == (0, 1_000)
    assert publisher.stats().acknowledged == 1
    kafka.resume()

    publisher.flush()
    publisher.close()
    stats = publisher.stats()
    assert (stats.queued, stats.acknowledged, stats.outstanding) == (1_001, 1_001, 0)
    assert len(records(log, contract.topic)) == 1_001


@pytest.mark.real
def test_updates_that_time_out_are_not_told_as_acknowledged(kafka, prefix):
    """P1: what the log holds after a time-out is no less than was acknowledged, no more than that and the unknown."""
    log = KafkaLog(kafka.bootstrap_servers, client={"delivery.timeout.ms": 1_500})
    contract = airport_contract(prefix)
    register(log, contract, prefix=prefix)
    publisher = publisher_on(log, prefix)
    view = publisher.view("airport_delay")
    view.publish({"airport": "EWR"}, FEATURES, event_time=now_us()).result()

    kafka.pause()
    delivery = view.publish_many(many(300))
    with pytest.raises(NotAcknowledged):
        delivery.result(timeout_s=60)
    assert delivery.done
    assert (delivery.acknowledged, delivery.failed + delivery.unknown) == (0, 300)
    kafka.resume()

    with pytest.raises(NotAcknowledged):
        publisher.close()
    held = len(records(log, contract.topic))
    assert 1 <= held <= 1 + delivery.unknown


@pytest.mark.real
def test_heartbeats_reach_every_partition_of_kafka(log, prefix):
    """A publisher that publishes nothing still says in each partition that it is there."""
    contract = airport_contract(prefix)
    register(log, contract, prefix=prefix)
    with publisher_on(log, prefix, heartbeat_interval_s=0.05) as publisher:
        publisher.view("airport_delay")
        reader = log.reader(client_id="test")
        reader.assign([(contract.topic, partition, 0) for partition in range(contract.partitions)])
        seen = set()
        while len(seen) < contract.partitions:
            batch = reader.poll(100, 1_000_000, 1)
            for part in batch.slices:
                assert is_control(batch.keys[part.start], batch.values[part.start])
                heartbeat = parse_control(batch.keys[part.start], batch.headers[part.start])
                assert heartbeat == Heartbeat("job", None, 0)
                seen.add(part.partition)
        reader.close()


def test_no_broker_at_start_is_one_clear_error(prefix):
    """With nothing at the address, `view` names the address, in the time allowed; closing is quiet."""
    address = f"127.0.0.1:{free_port()}"
    with (
        make_publisher(
            KafkaLog(address), SystemClock(), prefix=prefix, bootstrap_servers=address
        ) as publisher,
        pytest.raises(LogUnavailable, match=address),
    ):
        publisher.view("airport_delay", timeout_s=1.0)


def test_a_broker_that_goes_away_and_comes_back_loses_nothing(embedded, prefix):
    """P1, P10: updates queued while the broker is down are acknowledged by themselves once it is up."""
    log = EmbeddedLog(embedded.broker)
    contract = airport_contract(prefix)
    register(log, contract, prefix=prefix)
    with publisher_on(log, prefix) as publisher:
        view = publisher.view("airport_delay")
        view.publish({"airport": "EWR"}, FEATURES, event_time=now_us()).result()
        embedded.broker.down(1)
        delivery = view.publish_many(many(50))
        assert delivery.outcome() is None
        embedded.broker.up(1)
        assert delivery.result().acknowledged == 50
    assert set(records(log, contract.topic).keys) == {b"EWR", *(b"A%02d" % number for number in range(40))}


_FORK = """
import os, sys
from syncline.adapters.kafka.log import KafkaLog
from syncline.clock import SystemClock
from syncline.errors import PublisherClosed
from tests.unit.publisher.airport import *
log = KafkaLog(sys.argv[1])
prefix = sys.argv[2]
register(log, airport_contract(prefix), prefix=prefix)
clock = SystemClock()
publisher = make_publisher(log, clock, prefix=prefix)
view = publisher.view("airport_delay")
delivery = view.publish_many([row(f"A{n}", clock.now_us()) for n in range(100)])
child = os.fork()
if child == 0:
    try:
        view.publish_many([row("B", clock.now_us())])
    except PublisherClosed as error:
        print(error, file=sys.stderr)
        sys.exit(7)
    sys.exit(1)
_, status = os.waitpid(child, 0)
publisher.close()
print(os.waitstatus_to_exitcode(status), delivery.acknowledged)
"""


@pytest.mark.real
def test_a_fork_with_kafka_refuses_and_ends(stack, prefix):
    """The child of a fork is refused with a sentence and ends; its parent's updates are acknowledged."""
    done = subprocess.run(
        [sys.executable, "-c", _FORK, stack.bootstrap_servers, prefix],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "7 100\n", done.stderr
    assert "before a fork" in done.stderr
