"""Reports and logs: what agents say of themselves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from syncline.contracts.checks.tally import Action, Tally
from syncline.errors import UnknownFormat, Violation, WireError
from syncline.telemetry.agent_events import AgentEvents
from syncline.telemetry.reports import (
    AgentStatus,
    PartitionStatus,
    decode_report,
    encode_report,
)
from syncline.wire.dead_letters import DeadLetter, Reason

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
LONGS = st.integers(-(2**63), 2**63 - 1)
PARTITIONS = st.builds(
    PartitionStatus,
    topic=TEXTS,
    partition=st.integers(0, 2**31 - 1),
    next_offset=LONGS,
    end_offset=st.none() | LONGS,
    cells=LONGS,
    digest=st.integers(0, 2**64 - 1),
    t_ms=LONGS,
    held=TEXTS,
)
STATUSES = st.builds(
    AgentStatus,
    agent=TEXTS,
    consumer=TEXTS,
    reported_at_us=LONGS,
    state=TEXTS,
    reason=TEXTS,
    bundle=TEXTS,
    release=st.none() | st.integers(0, 2**31 - 1),
    epoch=st.none() | LONGS,
    catalog_offset=LONGS,
    fold_version=st.integers(0, 2**31 - 1),
    applied_rows=LONGS,
    dead_letters=LONGS,
    partitions=st.lists(PARTITIONS, max_size=3).map(tuple),
)


@given(status=STATUSES)
def test_a_status_comes_back(status: AgentStatus) -> None:
    """Digests are unsigned 64-bit numbers, to the last bit."""
    assert decode_report(encode_report(status)) == status


@given(data=st.none() | st.binary(max_size=40))
def test_junk_is_no_status_and_no_crash(data: bytes | None) -> None:
    """The reports topic is anyone's to write."""
    with suppress(WireError, UnknownFormat):
        decode_report(data)


def test_lag_is_known_once_the_end_was_seen_and_never_negative() -> None:
    """How many offsets are still to be folded."""
    partition = PartitionStatus("t", 0, 7, None, 0, 0, -1, "")

    assert partition.lag is None
    assert PartitionStatus("t", 0, 7, 9, 0, 0, -1, "").lag == 2
    assert PartitionStatus("t", 0, 9, 7, 0, 0, -1, "").lag == 0


def test_happenings_are_counted_once() -> None:
    """What the report says: rows, late ones among them, letters, and violations by version, feature and rule."""
    events = AgentEvents("model/a")

    events.batch_applied("delay", rows=5, written=3)
    reason = Reason("maximum", "mean", "", "CONTRACT", "delay@1.0", 7)
    events.rejected("t", 0, [DeadLetter("t", 0, 1, 2, b"k", b"v", (), reason, "model/a")] * 2)
    tally = Tally()
    for _ in range(5):
        tally.add_broken("delay@1.0", [Violation("mean", "maximum", "<= 1", "2")], Action.OBSERVED)
    events.judged(tally)

    assert (events.applied_rows, events.dead_letters) == (5, 2)
    assert events.late_updates_skipped == {"delay": 2}
    assert events.violations == {("delay@1.0", "mean", "maximum"): 5}


def test_logs_off_a_terminal_are_json_on_stderr() -> None:
    """One line a happening, stdout left alone, the agent's name in each."""
    program = (
        "from syncline.telemetry.logging import configure_logging\n"
        "from syncline.telemetry.agent_events import AgentEvents\n"
        "configure_logging('info')\n"
        "AgentEvents('model/a').held('t', 3, 'why\\nso', offset=4)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={**os.environ}
    )

    (line,) = done.stderr.splitlines()
    told = json.loads(line)
    assert (told["event"], told["agent"], told["partition"], told["reason"]) == (
        "partition_held",
        "model/a",
        3,
        "why\nso",
    )
    assert done.stdout == ""
