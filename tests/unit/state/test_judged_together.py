"""Slices of one topic are judged together for the sake of speed: it must not be seen in any verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from syncline.state.passages import NONE, REFUSED, SKIPPED, Passage, Passages
from syncline.state.verdict import Case, Verdict, judge, judge_all
from tests.unit.state.reference import Played, histories
from tests.unit.state.world import NOW_MS, Record, Version, airports_of, major_of, rows

PARTITIONS = 3
STATED: dict[str, Any] = {"partitions": PARTITIONS, "late_arrival": "10 min"}
AIRPORTS = [airports_of(partition, PARTITIONS, 2) for partition in range(PARTITIONS)]
BY_ACTION = {
    action: [
        Version.make(7, on_violation=action, **STATED),
        Version.make(9, version="1.1.0", on_violation=action, extra=True, **STATED),
    ]
    for action in ("deadLetter", "observe", "halt")
}
UNKNOWN = Record(b"EWR", b"\x00\x00\x00\x00\x63junk", NOW_MS)


def plain(verdict: Verdict) -> tuple[object, ...]:
    """All that a verdict says, in a form that can be compared."""
    updates = verdict.updates
    return (
        verdict.rows,
        [updates.unique_keys[code] for code in updates.codes.tolist()],
        updates.event_times_us.tolist(),
        updates.offsets.tolist(),
        updates.deleted.tolist(),
        updates.schema_ids.tolist(),
        list(updates.payloads),
        verdict.rejects,
        verdict.t_ms,
        verdict.observed,
        verdict.controls,
        verdict.stop,
        {version: count for version, count in verdict.tally.judged.items() if count},
        verdict.tally.broken,
        verdict.tally.violations,
        None if verdict.stop is None else verdict.stop.tally.violations,
    )


def cases(slices: Sequence[Sequence[Played]], t_ms: Sequence[int], skips: Sequence[int]) -> list[Case]:
    """Slice after slice, its records from an offset of its own on; some records are skipped."""
    made = []
    for partition, (history, before_ms) in enumerate(zip(slices, t_ms, strict=False)):
        first = 100 * partition
        records = [each.record for each in history]
        opened = {first + row: Passage(SKIPPED, 50, "ann", "known") for row in skips}
        passages = Passages(opened, {99: Passage(REFUSED, 50, "ann", "junk")}) if opened else NONE
        made.append(Case(rows(records, partition=partition, first=first), before_ms, passages))
    return made


@settings(max_examples=150, deadline=None)
@given(
    action=st.sampled_from(["deadLetter", "observe", "halt"]),
    data=st.data(),
    t_ms=st.tuples(*[st.integers(NOW_MS - 60_000, NOW_MS + 900_000) | st.just(-1)] * PARTITIONS),
    skips=st.lists(st.integers(0, 12), max_size=3),
    unknown=st.lists(st.tuples(st.integers(0, PARTITIONS - 1), st.integers(0, 12)), max_size=2),
)
def test_slices_judged_together_are_judged_as_alone(
    action: str,
    data: st.DataObject,
    t_ms: Sequence[int],
    skips: Sequence[int],
    unknown: list[tuple[int, int]],
) -> None:
    """P2: a verdict does not depend on other partitions."""
    versions = BY_ACTION[action]
    # Of any partition: what belongs elsewhere is a fault of its own.
    anywhere = [name for names in AIRPORTS for name in names]
    drawn = [
        data.draw(histories(versions, anywhere if partition == 2 else AIRPORTS[partition], most=14))
        for partition in range(PARTITIONS)
    ]
    for partition, row in unknown:
        drawn[partition].insert(row, Played("bad", UNKNOWN))
    major, schemas = major_of(*versions), {each.schema_id: each.schema for each in versions}
    given_cases = cases(drawn, t_ms, skips)

    together = judge_all(given_cases, major=major, schemas=schemas)
    alone = [
        judge(case.rows, t_ms=case.t_ms, major=major, schemas=schemas, passages=case.passages)
        for case in given_cases
    ]

    assert [plain(verdict) for verdict in together] == [plain(verdict) for verdict in alone]


def test_slices_of_nothing_are_judged_too() -> None:
    """A slice that stops at once, or that is empty, takes nothing away from its neighbours."""
    version = BY_ACTION["deadLetter"][0]
    good = version.record(AIRPORTS[1][0], at_us=NOW_MS * 1_000)
    stopped, full, empty = Case(rows([UNKNOWN]), 5), Case(rows([good], partition=1), -1), Case(rows([]), 7)
    major, schemas = major_of(version), {7: version.schema}

    verdicts = judge_all([stopped, full, empty], major=major, schemas=schemas)

    assert [(verdict.rows, verdict.t_ms) for verdict in verdicts] == [(0, 5), (1, NOW_MS), (0, 7)]
    assert [verdict.stop is None for verdict in verdicts] == [False, True, True]
