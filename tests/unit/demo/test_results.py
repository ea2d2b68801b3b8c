"""The demo's last proof: it must not come through where replicas differ."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from syncline.demo.results import show_proof
from syncline.demo.screen import Screen
from syncline.errors import SynclineError
from syncline.telemetry.reports import AgentStatus, PartitionStatus

TOPIC = "syncline.features.weather.v1"


def status(agent, *, digest=7, next_offset=10):
    """An agent with one partition."""
    return AgentStatus(
        agent=f"delay-predictor/{agent}",
        consumer="delay-predictor",
        reported_at_us=1,
        state="LIVE",
        reason="",
        bundle="flight_inputs",
        release=1,
        epoch=3,
        catalog_offset=6,
        fold_version=1,
        applied_rows=9,
        dead_letters=0,
        partitions=(
            PartitionStatus(TOPIC, 0, next_offset, end_offset=10, cells=3, digest=digest, t_ms=1, held=""),
        ),
    )


def shown(*statuses, partitions=1):
    """What is printed of these."""
    told = io.StringIO()
    show_proof(Screen(Console(width=120, file=told)), statuses, {TOPIC: partitions})
    return told.getvalue()


def test_equal_digests_at_equal_offsets_are_the_proof():
    """P2: one row for the topic, both digests, and what it means."""
    told = shown(status("replica-1"), status("replica-2"))

    assert told.count("0000000000000007") == 2
    assert "1 of 1" in told
    assert "both replicas hold the same state" in told


@pytest.mark.parametrize(
    ("other", "partitions"),
    [
        (status("replica-2", digest=8), 1),
        (status("replica-2", next_offset=9), 1),
        (replace(status("replica-2"), partitions=()), 1),
        (status("replica-2"), 2),
    ],
)
def test_replicas_that_differ_or_cannot_be_compared_end_the_demo(other, partitions):
    """P2: another digest, another position, no partition, or one partition too few: each is an error."""
    with pytest.raises(SynclineError, match="differ, or could not be compared"):
        shown(status("replica-1"), other, partitions=partitions)
