"""Outcomes: every update is told as acknowledged, failed or unknown, and never as anything it was not (P1)."""

from __future__ import annotations

import threading

import pytest

from syncline.errors import NotAcknowledged, PublisherBusy
from syncline.ports.log import OutcomeKind
from tests.unit.publisher.airport import FEATURES, NOW_US, records, row


def rows(count: int) -> list[dict]:
    """Good rows of as many airports."""
    return [row(f"A{number}", NOW_US) for number in range(count)]


@pytest.mark.parametrize(
    ("kind", "failed", "unknown"), [(OutcomeKind.FAILED, 3, 0), (OutcomeKind.UNKNOWN, 0, 3)]
)
def test_what_was_not_acknowledged_is_counted_as_it_is(log, publisher, kind, failed, unknown):
    """P1: failed and unknown updates are told apart by the delivery, by flush and by the counts; told once."""
    view = publisher.view("airport_delay")
    log.fail_next_appends(3, kind)
    delivery = view.publish_many(rows(10))

    with pytest.raises(NotAcknowledged) as caught:
        publisher.flush()

    assert (caught.value.failed, caught.value.unknown) == (failed, unknown)
    assert caught.value.reasons == ("the test asked for it (3 times)",)
    assert (delivery.acknowledged, delivery.failed, delivery.unknown) == (7, failed, unknown)
    assert delivery.outcome() is kind
    with pytest.raises(NotAcknowledged):
        delivery.result()
    publisher.flush()
    stats = publisher.stats()
    assert (stats.acknowledged, stats.failed, stats.unknown, stats.outstanding) == (7, failed, unknown, 0)


def test_no_answer_in_time_is_unknown_until_it_comes(log, publisher, contract):
    """P1: with the brokers away flush tells unknown; once they are back the same updates are acknowledged."""
    view = publisher.view("airport_delay")
    log.available = False
    delivery = view.publish_many(rows(4))
    with pytest.raises(NotAcknowledged, match="4 had no answer in time") as caught:
        publisher.flush(timeout_s=0.01)
    assert (caught.value.failed, caught.value.unknown) == (0, 4)
    with pytest.raises(NotAcknowledged, match="4 had no answer"):
        delivery.result(timeout_s=0)
    assert delivery.outcome() is None
    assert publisher.stats().outstanding == 4

    log.available = True
    assert delivery.result().outcome() is OutcomeKind.ACKNOWLEDGED
    publisher.flush()
    assert publisher.stats().acknowledged == len(records(log, contract.topic)) == 4


def test_close_gives_everything_its_outcome(log, publisher):
    """P1: closing without a broker raises, and nothing is left without an outcome."""
    view = publisher.view("airport_delay")
    log.available = False
    delivery = view.publish_many(rows(4))
    with pytest.raises(NotAcknowledged) as caught:
        publisher.close(timeout_s=0)
    assert caught.value.failed + caught.value.unknown == 4
    assert delivery.done
    assert publisher.stats().outstanding == 0


def test_a_full_queue_says_which_rows_were_not_queued(log, publish_with, contract, monkeypatch):
    """P1: when the queue stays full the error names the first row not queued; those before it arrive, none is lost."""
    monkeypatch.setattr("syncline.adapters.memory.log._QUEUE_MAX", 6)
    publisher = publish_with(busy_timeout_s=0.02)
    view = publisher.view("airport_delay")
    log.available = False
    with pytest.raises(PublisherBusy, match=r"6 of 10 rows were queued; row 6 and those after it were not"):
        view.publish_many(rows(10))
    with pytest.raises(PublisherBusy, match="the update was not queued"):
        view.publish({"airport": "EWR"}, FEATURES, event_time=NOW_US)
    with pytest.raises(PublisherBusy, match="the delete was not queued"):
        view.delete({"airport": "EWR"}, event_time=NOW_US)
    assert publisher.stats().queued == 6

    log.available = True
    publisher.flush()
    assert publisher.stats().acknowledged == 6
    assert sorted(records(log, contract.topic).keys) == [b"A%d" % number for number in range(6)]


def test_publish_waits_for_room(log, publish_with, contract, monkeypatch):
    """Backpressure: a batch larger than the queue goes through, waiting for room as it goes."""
    monkeypatch.setattr("syncline.adapters.memory.log._QUEUE_MAX", 6)
    publisher = publish_with(busy_timeout_s=60.0)
    assert publisher.view("airport_delay").publish_many(rows(500)).result().acknowledged == 500
    assert len(records(log, contract.topic)) == 500


def test_a_full_queue_names_rows_by_their_own_numbers(log, publish_with, monkeypatch):
    """Row numbers are those of the job's batch, also where bad rows among them went another way."""
    monkeypatch.setattr("syncline.adapters.memory.log._QUEUE_MAX", 2)
    publisher = publish_with(busy_timeout_s=0.02, on_violation="deadLetter")
    view = publisher.view("airport_delay")
    log.available = False
    bad = row(delay=9_999.0)
    with pytest.raises(PublisherBusy, match=r"2 of 5 rows were queued; row 4 and those after it"):
        view.publish_many([row("A"), bad, row("B"), bad, row("C")])
    assert publisher.stats().dead_lettered == 0


def test_each_update_calls_back_once(log, publisher):
    """A callback is called once an update, with its outcome, where it stands in the log, and from one thread."""
    view = publisher.view("airport_delay")
    log.fail_next_appends(1, OutcomeKind.FAILED)
    told, threads = [], set()

    def note(outcome):
        told.append(outcome.kind)
        threads.add(threading.current_thread().name)

    view.publish({"airport": "EWR"}, FEATURES, event_time=NOW_US, on_outcome=note)
    view.publish_many(rows(3), on_outcome=note)
    view.delete({"airport": "EWR"}, event_time=NOW_US, on_outcome=note)
    with pytest.raises(NotAcknowledged):
        publisher.flush()
    assert told == [OutcomeKind.FAILED, *[OutcomeKind.ACKNOWLEDGED] * 4]
    assert threads == {"syncline-publisher-job"}


def test_what_callbacks_raise_comes_out_of_flush(publisher):
    """An error in a callback neither hides an outcome nor gets lost."""
    view = publisher.view("airport_delay")

    def fail(_outcome):
        raise KeyError("mine")

    view.publish({"airport": "EWR"}, FEATURES, event_time=NOW_US, on_outcome=fail)
    with pytest.raises(KeyError, match="mine"):
        publisher.flush()
    view.publish_many(rows(2), on_outcome=fail)
    with pytest.raises(ExceptionGroup) as caught:
        publisher.flush()
    assert len(caught.value.exceptions) == 2
    assert publisher.stats().acknowledged == 3


def test_threads_may_publish_side_by_side(log, publisher, contract):
    """P1, P8: four threads with one key lose nothing, and no two event times are equal."""
    view = publisher.view("airport_delay")

    def work():
        for _ in range(50):
            view.publish({"airport": "EWR"}, FEATURES, event_time=NOW_US)
            view.publish_many([row(), row("JFK")])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    publisher.flush()
    values = [
        value
        for key, value in zip(
            *[getattr(records(log, contract.topic), c) for c in ("keys", "values")], strict=True
        )
        if key == b"EWR"
    ]
    assert publisher.stats().acknowledged == 600
    assert len(set(values)) == len(values) == 400
