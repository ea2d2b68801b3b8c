"""The demo as a whole, where it refuses to begin."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from syncline.adapters.memory.log import MemoryLog
from syncline.clock import SystemClock
from syncline.demo.cluster import Cluster
from syncline.demo.screen import Screen
from syncline.demo.story import Demo
from syncline.errors import SynclineError
from syncline.ports.log import TopicSpec
from syncline.settings import ConnectionSettings
from syncline.wiring import open_registry


def test_the_demo_does_not_touch_a_catalog_that_is_there():
    """What it decides would stand there for good: it says how to play under another prefix, and writes nothing."""
    log = MemoryLog()
    log.create_topic(TopicSpec("flights.catalog", 1))
    settings = ConnectionSettings.load(prefix="flights", client={})
    demo = Demo(
        Cluster(settings, log, open_registry(settings), embedded=False),
        screen=Screen(Console(file=io.StringIO())),
        clock=SystemClock(),
        whole_year=False,
    )

    with pytest.raises(SynclineError, match="SYNCLINE_PREFIX=flights2"):
        demo.run()

    reader = log.reader(client_id="test")
    assert reader.watermarks("flights.catalog", 0) == (0, 0)
    assert log.describe_topic("flights.reports") is None
