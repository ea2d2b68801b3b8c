"""Stages of an update from what is known of it, and why the rest is not known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from syncline.inspection.origins import (
    NOT_LOOKED_FOR,
    Origin,
    Point,
    RecordFound,
    longest,
    stages,
    trace_of,
    why_untraced,
)
from syncline.state.traced import Traced
from syncline.wire.trace_context import TraceContext

MS = 1_000
TRACED = Traced(
    trace_id=0xA1,
    send_span_id=0xB2,
    process_span_id=0xC3,
    appended_us=800 * MS,
    received_us=803 * MS,
    applied_us=805 * MS,
)
ORIGIN = Origin(
    "origin_delay",
    "delay@1.0",
    "delay.v1",
    3,
    b"EWR",
    {},
    offset=7,
    event_time_us=0,
    is_traced=True,
    traced=TRACED,
)
UNTRACED = replace(ORIGIN, is_traced=False, traced=None)
READ = RecordFound(appended_us=800 * MS)
GONE = RecordFound(missing="it is gone")


def took(origin: Origin, found: RecordFound = READ, read_at_us: int = 1_000 * MS) -> list[tuple[str, int]]:
    """(from → to, milliseconds) of each stage."""
    return [
        (f"{stage.start} → {stage.end}", stage.took_us // MS)
        for stage in stages(origin, found, read_at_us=read_at_us)
    ]


def test_a_traced_update_has_every_stage() -> None:
    """The store alone knows them; the record may be long gone."""
    expected = [("event → log", 800), ("log → agent", 3), ("agent → applied", 2), ("applied → read", 195)]

    assert took(ORIGIN) == took(ORIGIN, GONE) == expected


def test_of_an_untraced_one_the_log_tells_when_it_came() -> None:
    """What the agent and the wait in the store have of the rest is not known."""
    assert took(UNTRACED) == [("event → log", 800), ("log → read", 200)]


def test_without_its_record_there_is_one_stage() -> None:
    """All that is known is how old it is."""
    assert took(UNTRACED, GONE) == [("event → read", 1_000)]


def test_nothing_has_no_stages() -> None:
    """Nothing is stored for the entity."""
    assert took(replace(UNTRACED, offset=None, event_time_us=None), NOT_LOOKED_FOR) == []


def test_stages_add_up_to_the_age() -> None:
    """Each begins where the one before it ended."""
    for origin in (ORIGIN, UNTRACED):
        assert sum(ms for _, ms in took(origin)) == 1_000


def test_clocks_that_differ_are_told() -> None:
    """An event that is ahead of the broker's clock took no less than nothing."""
    ahead = replace(ORIGIN, event_time_us=900 * MS)

    first = stages(ahead, READ, read_at_us=1_000 * MS)[0]

    assert (first.took_us, first.has_clock_skew) == (0, True)


def test_the_longest_stage_is_none_that_lasts() -> None:
    """How long a value has lain in the store is not what made it late."""
    found = longest(stages(ORIGIN, READ, read_at_us=3_600_000 * MS))

    assert found is not None
    assert (found.start, found.end) == (Point.EVENT, Point.LOG)


def context(flags: int = 1) -> RecordFound:
    """What the log has of a record with a trace context."""
    return RecordFound(appended_us=1, context=TraceContext(0xA1, 0xB2, flags))


@pytest.mark.parametrize(
    ("origin", "found", "said"),
    [
        (ORIGIN, READ, ""),
        (replace(UNTRACED, offset=None), READ, ""),
        (replace(ORIGIN, traced=None), READ, "it was traced, and the store has lost its trace: "),
        (UNTRACED, READ, "not traced: publishers trace 1 % of their updates unless SYNCLINE_TRACE_SHARE says"),
        (UNTRACED, GONE, "not traced as far as the store knows: publishers trace 1 %"),
        (UNTRACED, context(0), f"not traced: its record is of trace {0xA1:032x}, which is not recorded"),
        (UNTRACED, context(), "its publisher traced it, and this agent did not: "),
    ],
)  # fmt: skip
def test_what_is_not_traced_says_why(origin: Origin, found: RecordFound, said: str) -> None:
    """Each reason has words of its own; what is traced needs none."""
    assert why_untraced(origin, found).startswith(said)
    assert bool(said) == bool(why_untraced(origin, found))


def test_the_trace_is_the_stores_else_the_records() -> None:
    """A store that was filled from a snapshot still leads to the trace, as long as the log has the record."""
    ids = (f"{0xA1:032x}", f"{0xB2:016x}")

    assert trace_of(ORIGIN, GONE) == ids
    assert trace_of(replace(ORIGIN, traced=None), context()) == ids
    assert trace_of(UNTRACED, context(0)) is None
    assert trace_of(UNTRACED, READ) is None
