"""What the demo claims of a cut: it must not come through where it is not so."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from syncline.catalog.coordination import Ruling
from syncline.catalog.rollout_events import Cohort
from syncline.demo.cut_shown import require_nothing_beyond, require_same_switch, show_cut
from syncline.demo.screen import Screen
from syncline.errors import SynclineError
from syncline.telemetry.cut_reports import CutReached, DigestAt

TOPIC = "syncline.features.airport_delay.v1"
RULING = Ruling(
    epoch=11,
    bundle="flight_inputs",
    to_release=2,
    cohort=Cohort(),
    judged_at=10,
    cut=10,
    floor=((TOPIC, 0, 100), (TOPIC, 1, 200)),
    introduced_by=10,
)


def report(agent, **changes):
    """What an agent says that switched at the cut."""
    told = CutReached(
        agent=f"delay-predictor/{agent}",
        consumer="delay-predictor",
        reported_at_us=1,
        fold_version=1,
        cut=10,
        epoch=11,
        bundle="flight_inputs",
        release=2,
        audit=False,
        aligned=True,
        why="",
        held_us=1_500,
        partitions=(DigestAt(TOPIC, 0, 100, 0xAB), DigestAt(TOPIC, 1, 200, 0xCD)),
    )
    return replace(told, **changes)


def test_a_cut_is_shown_with_its_vector_and_equal_digests():
    """P4: a row for the topic with both offsets, and the same digest for both agents."""
    told = io.StringIO()

    show_cut(
        Screen(Console(width=160, file=told)),
        RULING,
        [report("replica-1"), report("replica-2")],
        {"replica-1": {(TOPIC, 0): 99}},
    )
    shown = told.getvalue()

    assert "airport_delay.v1  100  200" in shown
    assert shown.count(f"{0xAB + 0xCD:016x}") == 2


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (report("replica-2", aligned=False, why="gave up holding"), "gave up holding"),
        (
            report("replica-2", partitions=(DigestAt(TOPIC, 0, 101, 0xAB), DigestAt(TOPIC, 1, 200, 0xCD))),
            "other positions",
        ),
        (report("replica-2", partitions=(DigestAt(TOPIC, 0, 100, 0xAB),)), "other positions"),
        (
            report("replica-2", partitions=(DigestAt(TOPIC, 0, 100, 0xAB), DigestAt(TOPIC, 1, 200, 0xCE))),
            "partition 1 below offset 200 differ",
        ),
        (
            report("replica-2", partitions=(DigestAt(TOPIC, 0, 100, None), DigestAt(TOPIC, 1, 200, 0xCD))),
            "partition 0 below offset 100 differ, or are missing",
        ),
    ],
)
def test_an_agent_that_switched_otherwise_ends_the_demo(other, said):
    """P4: not aligned, another vector, a partition less, another digest, or none: each is an error."""
    with pytest.raises(SynclineError, match=said):
        require_same_switch(RULING, [report("replica-1"), other])


def test_an_input_of_before_that_holds_a_record_from_the_cut_on_ends_the_demo():
    """P4: the offset of the marker itself is beyond the cut already."""
    with pytest.raises(SynclineError, match=r"replica-2 .*offset 200 .*beyond cut 10 at 200"):
        require_nothing_beyond(RULING, {"replica-1": {(TOPIC, 1): 199}, "replica-2": {(TOPIC, 1): 200}})
