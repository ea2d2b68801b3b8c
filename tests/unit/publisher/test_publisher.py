"""The publisher itself: finding a view, heartbeats, closing."""

from __future__ import annotations

import pytest

from syncline.adapters.memory.log import MemoryLog
from syncline.errors import (
    CatalogError,
    LogUnavailable,
    PublisherClosed,
    PublishError,
    TopicMismatch,
    TopicMissing,
)
from syncline.ports.log import OutcomeKind, TopicSpec
from syncline.wire.control import Heartbeat, is_control, parse_control
from tests.unit.publisher.airport import FEATURES, NOW_US, airport_contract, make_publisher, records, register


def test_a_reference_chooses_the_version(log, publisher):
    """Without a version the newest of the newest MAJOR is meant, with a MAJOR its newest, else exactly that one."""
    for version, schema_id in (("1.1", 8), ("2.0", 9)):
        register(log, airport_contract("syncline", version=version), prefix="syncline", schema_id=schema_id)
    chosen = {
        reference: (str(publisher.view(reference).contract.version), publisher.view(reference).schema_id)
        for reference in ("airport_delay", "airport_delay@1", "airport_delay@1.0")
    }
    assert chosen == {
        "airport_delay": ("2.0", 9),
        "airport_delay@1": ("1.1", 8),
        "airport_delay@1.0": ("1.0", 7),
    }


def test_one_view_is_one_publisher_of_it(publisher):
    """Asking twice for a version gives the same object: ties are remembered once."""
    assert publisher.view("airport_delay") is publisher.view("airport_delay@1.0")


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ("airport_dely", "Did you mean `airport_delay`"),
        ("airport_delay@3", "airport_delay has 1.0"),
        ("airport_delay@1.4", "airport_delay has 1.0"),
        ("airport_delay@1:delay", "write airport_delay"),
        ("Airport Delay", "is not a reference"),
    ],
)
def test_an_unknown_view_is_told_with_the_nearest(publisher, reference, sentence):
    """A view, version or reference that is not there is refused with what is."""
    with pytest.raises(CatalogError, match=sentence):
        publisher.view(reference)


def test_without_a_catalog_the_error_says_apply(clock):
    """On a cluster that nothing was applied to, the one error says what to run."""
    publisher = make_publisher(MemoryLog(clock), clock, prefix="syncline")
    with pytest.raises(TopicMissing, match="run `syncline apply` first"):
        publisher.view("airport_delay")


def test_without_a_broker_the_error_names_it(log, publisher):
    """With every broker away, the one error names the address; when it is back the same call works."""
    log.available = False
    with pytest.raises(LogUnavailable, match=r"127\.0\.0\.1:9092"):
        publisher.view("airport_delay")
    log.available = True
    assert publisher.view("airport_delay").schema_id == 7


def test_a_topic_with_other_partitions_is_refused(log, publisher, contract):
    """A topic whose partition count is not the contract's would scatter keys: refused at once."""
    log.delete_topic(contract.topic)
    with pytest.raises(TopicMissing, match="syncline apply"):
        publisher.view("airport_delay")
    log.create_topic(TopicSpec(contract.topic, 4))
    with pytest.raises(TopicMismatch, match="has 4 partitions and its contract says 3"):
        publisher.view("airport_delay")


def test_heartbeats_go_to_every_partition(log, clock, publish_with, contract):
    """Every interval each partition gets the publisher's watermark and count, whether it got updates or not."""
    publisher = publish_with(heartbeat_interval_s=5.0)
    view = publisher.view("airport_delay")
    view.publish({"airport": "EWR"}, FEATURES, event_time=NOW_US + 7).result()
    reader = log.reader(client_id="test")
    reader.assign([(contract.topic, partition, 0) for partition in range(3)])

    clock.advance(seconds=5)
    beats = {}
    while len(beats) < 3:
        batch = reader.poll(10, 1_000_000, 1)
        for part in batch.slices:
            for number in range(part.start, part.start + part.count):
                if is_control(batch.keys[number], batch.values[number]):
                    beats[part.partition] = parse_control(batch.keys[number], batch.headers[number])
    assert beats == dict.fromkeys(range(3), Heartbeat("job", NOW_US + 7, 1))
    assert publisher.stats().queued == 1


def test_a_closed_publisher_refuses_and_closes_again(publisher):
    """After close every verb says that the publisher is closed; closing again is fine."""
    view = publisher.view("airport_delay")
    publisher.close()
    publisher.close()
    for use in (
        lambda: view.publish({"airport": "EWR"}, FEATURES, event_time=NOW_US),
        lambda: view.publish_many([]),
        lambda: view.delete({"airport": "EWR"}, event_time=NOW_US),
        lambda: publisher.view("airport_delay"),
        publisher.flush,
    ):
        with pytest.raises(PublisherClosed, match="make another"):
            use()


def test_close_flushes(log, clock, contract):
    """P1: leaving the block waits for every update."""
    with make_publisher(log, clock, prefix="syncline") as publisher:
        publisher.view("airport_delay").publish({"airport": "EWR"}, FEATURES, event_time=NOW_US)
    assert publisher.stats().acknowledged == 1
    assert len(records(log, contract.topic)) == 1


def test_an_error_of_the_block_is_not_hidden(log, clock):
    """What the job raised comes out of the block; what close found is a note on it."""
    publisher = make_publisher(log, clock, prefix="syncline")
    view = publisher.view("airport_delay")
    log.fail_next_appends(1, OutcomeKind.FAILED)
    view.publish({"airport": "EWR"}, FEATURES, event_time=NOW_US)
    with pytest.raises(ZeroDivisionError) as caught, publisher:
        raise ZeroDivisionError
    assert "1 updates failed" in caught.value.__notes__[0]


def test_a_publisher_that_published_nothing_closes(clock, log):
    """Making and closing a publisher opens no connection and raises nothing."""
    log.available = False
    with make_publisher(log, clock, prefix="syncline") as publisher:
        publisher.flush()
        assert publisher.stats().queued == 0


def test_a_callback_may_not_flush_its_publisher(publisher):
    """Flushing from the thread that serves outcomes would wait for itself: refused, and told by the job's flush."""
    publisher.view("airport_delay").publish(
        {"airport": "EWR"}, FEATURES, event_time=NOW_US, on_outcome=lambda _: publisher.flush()
    )
    with pytest.raises(PublishError, match="must not flush"):
        publisher.flush()
