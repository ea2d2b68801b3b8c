"""The job while versions change: nothing is lost or told twice, and a new MAJOR begins with what stands."""

from __future__ import annotations

import threading

import pytest

from syncline.demo.flights import UpdateBatch
from syncline.demo.flow import Flow, Told
from syncline.errors import PublisherBusy

AT_US = 1_800_000_000_000_000


def row(airport, minute):
    """An airport's row as version 1.0 says it."""
    return {
        "airport": airport,
        "event_time": AT_US + minute * 60_000_000,
        "dep_delay_mean_1h": 2.0,
        "departures_1h": 4,
        "arr_delay_mean_1h": None,
        "arrivals_1h": 1,
        "cancelled_24h": 0,
    }


class RecordingView:
    """Keeps what it is given; raises where it is told to."""

    def __init__(self, error=None):
        self.rows = []
        self.error = error
        self.written = threading.Event()

    def publish_many(self, rows):
        """As a view's, as far as a flow uses it."""
        if self.error is not None:
            raise self.error
        self.rows += rows
        self.written.set()


class RecordingPublisher:
    """One view a reference."""

    def __init__(self, error=None):
        self.views = {}
        self.error = error

    def view(self, reference):
        """The same view for the same reference."""
        return self.views.setdefault(reference, RecordingView(self.error))

    def flush(self):
        """Nothing is queued."""


def batches(*numbers):
    """A batch of one airport row each."""
    return iter([UpdateBatch("airport_delay", [row("EWR", number)], AT_US) for number in numbers])


def test_every_row_is_written_once_and_in_order():
    """All batches come through under the first version, and `sent` counts them."""
    publisher, told = RecordingPublisher(), Told()

    with Flow(publisher, batches(1, 2, 3), told, total=3) as flow:
        flow.finish()

    assert publisher.views["airport_delay@1.0"].rows == [row("EWR", number) for number in (1, 2, 3)]
    assert flow.sent == 3
    assert told.newest == {"EWR": row("EWR", 3)}


def test_a_new_major_gets_what_stands_and_then_every_row_in_both():
    """Rows of before stand in the old topic only, so the new one begins with each airport's newest row, in seconds."""
    publisher, told = RecordingPublisher(), Told()
    told.add([row("IAH", 0)])
    flow = Flow(publisher, batches(1, 2), told, total=2)

    flow.write("airport_delay@1.1")
    flow.write("airport_delay@1.1", "airport_delay@2.0")
    with flow:
        flow.finish()

    minor, major = publisher.views["airport_delay@1.1"], publisher.views["airport_delay@2.0"]
    assert [(one["airport"], one["movements_1h"]) for one in minor.rows] == [("EWR", 5), ("EWR", 5)]
    assert [(one["airport"], one["dep_delay_mean_1h"]) for one in major.rows] == [
        ("IAH", 120.0),
        ("EWR", 120.0),
        ("EWR", 120.0),
    ]
    assert publisher.views["airport_delay@1.0"].rows == []


def test_a_job_that_fails_is_not_taken_for_one_that_flows():
    """What publishing raised comes out where the demo looks."""
    with Flow(RecordingPublisher(PublisherBusy("full")), batches(1), Told(), total=1) as flow:
        with pytest.raises(PublisherBusy, match="full"):
            flow.finish()
        with pytest.raises(PublisherBusy, match="full"):
            flow.require_flowing()


def test_what_is_left_of_a_flow_slows_down_before_it_ends():
    """It stops where it is told to, with rows left: versions never change beside a log that stands still."""
    publisher, told = RecordingPublisher(), Told()

    with Flow(publisher, batches(*range(5_000)), told, total=5_000) as flow:
        assert publisher.views["airport_delay@1.0"].written.wait(10)

    assert 0 < flow.sent < 5_000
