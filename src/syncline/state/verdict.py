"""The verdict on every record of a slice: folded, stepped over, or rejected, and where the partition has to stop.

Slices of one topic are judged together, as most of the work is the same however few rows they have.

A verdict depends on the message, the contract named by its own schema id, its broker timestamp and T, and, where the
record would hold, on an operator's decision to pass it; never on the wall clock, the active release, other partitions,
or what a registry answers today (promises.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from syncline.contracts.checks.tally import Tally
from syncline.errors import CatalogError, Violation
from syncline.state.court import Court
from syncline.state.join import Updates
from syncline.state.passages import NONE, Passage, Passages
from syncline.state.rows import RecordKind, Rows, filled, kinds_of
from syncline.state.view_schema import ViewMajor, ViewSchema
from syncline.wire.dead_letters import Reason
from syncline.wire.framing import schema_ids


@dataclass(frozen=True, slots=True)
class Stop:
    """The first row that was not judged, and why the partition cannot simply go on."""

    row: int
    marker: bool
    """It is a marker, to be stepped over by rule; else the partition holds."""
    reason: str
    tally: Tally = field(default_factory=Tally, compare=False)
    """What the row breaks, where it halts by its contract; else nothing."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that goes to the dead letters."""

    row: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of the rows before the stop (all rows, where there is none)."""

    rows: int
    """How many rows were judged."""
    updates: Updates
    rejects: tuple[Reject, ...]
    t_ms: int
    """T after the judged rows."""
    observed: tuple[tuple[int, Violation], ...]
    """(row, violation) of rows that were folded all the same, because their contract says `observe`."""
    controls: tuple[int, ...]
    """Rows that are control records other than markers."""
    stop: Stop | None
    tally: Tally = field(default_factory=Tally, compare=False)
    """The counts of the judged rows, by view version and broken rule."""


@dataclass(frozen=True, slots=True)
class Case:
    """A slice before it is judged, and what is known at that point of its partition."""

    rows: Rows
    t_ms: int
    """T before the rows."""
    passages: Passages = NONE
    """All that the catalog says so far about passing its records by."""


def judge(
    rows: Rows,
    *,
    t_ms: int,
    major: ViewMajor,
    schemas: Mapping[int, ViewSchema],
    passages: Passages = NONE,
) -> Verdict:
    """The verdict on the rows, given T before them and all that the catalog says so far: schemas and passages.

    A passed record is rejected with the rule `skipped` or `refused`, and with no other.
    """
    return judge_all([Case(rows, t_ms, passages)], major=major, schemas=schemas)[0]


def judge_all(cases: Sequence[Case], *, major: ViewMajor, schemas: Mapping[int, ViewSchema]) -> list[Verdict]:
    """The verdict on each of these slices (at least one) of one topic: what `judge` says of it alone."""
    hearings = [_hear(case, schemas) for case in cases]
    court = Court([hearing.rows for hearing in hearings], major)
    if not len(court):
        return [_nothing_judged(case, hearing.stop) for case, hearing in zip(cases, hearings, strict=True)]
    kinds = np.concatenate([hearing.kinds for hearing in hearings])
    ids = np.concatenate([hearing.ids for hearing in hearings])
    t_of_row = np.concatenate([hearing.t_of_row for hearing in hearings])
    passed = {
        start + row: passage
        for start, hearing in zip(court.starts, hearings, strict=False)
        for row, passage in hearing.passed.items()
    }
    court.judge_keys(kinds)
    court.judge_deletes(np.flatnonzero(kinds == RecordKind.DELETE))
    values = np.flatnonzero(kinds == RecordKind.VALUE)
    if passed:
        values = values[~np.isin(values, list(passed))]
    court.judge_values(values, ids, schemas)
    court.judge_times(t_of_row)
    court.name_schemas()
    for row, passage in passed.items():
        court.pass_unknown(row, passage, int(ids[row]))
    court.conclude()
    return [
        _verdict(court, number, case, hearing, schemas)
        for number, (case, hearing) in enumerate(zip(cases, hearings, strict=True))
    ]


@dataclass(frozen=True, slots=True)
class _Hearing:
    """What is to be judged of a slice: its rows before the first stop."""

    rows: Rows
    kinds: npt.NDArray[np.int8]
    ids: npt.NDArray[np.int64]
    t_of_row: npt.NDArray[np.int64]
    passed: Mapping[int, Passage]
    """Row → how it is passed by."""
    stop: Stop | None


def _hear(case: Case, schemas: Mapping[int, ViewSchema]) -> _Hearing:
    rows = case.rows
    kinds = kinds_of(rows)
    ids = schema_ids(filled(rows.values))
    passed = case.passages.before_registration(rows.offsets, ids) if case.passages else {}
    stop = _first_stop(rows, kinds, ids, schemas, passed)
    if stop is not None:
        rows, kinds, ids = rows.first(stop.row), kinds[: stop.row], ids[: stop.row]
        passed = {row: passage for row, passage in passed.items() if row < stop.row}
    t_of_row = np.maximum(np.maximum.accumulate(rows.timestamps_ms), case.t_ms)
    return _Hearing(rows, kinds, ids, t_of_row, passed, stop)


def _verdict(
    court: Court, number: int, case: Case, hearing: _Hearing, schemas: Mapping[int, ViewSchema]
) -> Verdict:
    rows, stop = hearing.rows, hearing.stop
    if not len(rows):
        return _nothing_judged(case, stop)
    halted = court.first_halt(number, case.passages.records)
    if halted is not None:
        # Judged again without the row that halts and all after it: nothing of them may be folded.
        row, reason = halted[0] - court.starts[number], halted[1]
        held = judge(
            rows.first(row), t_ms=case.t_ms, major=court.major, schemas=schemas, passages=case.passages
        )
        return replace(
            held,
            stop=Stop(
                row,
                marker=False,
                # No values: it goes into logs and reports.
                reason=f"the contract says halt at offset {rows.offsets[row]}: {reason.feature or 'the record'} breaks "
                f"`{reason.rule}`; "
                "`syncline skip` passes this record",
                tally=court.tally_of_halt(halted[0]),
            ),
        )
    return Verdict(
        rows=len(rows),
        updates=court.updates(number),
        rejects=tuple(Reject(row, reason) for row, reason in court.rejects(number)),
        t_ms=int(hearing.t_of_row[-1]),
        observed=tuple(court.observed_in(number)),
        controls=tuple(np.flatnonzero(hearing.kinds == RecordKind.CONTROL).tolist()),
        stop=stop,
        tally=court.tally(number),
    )


def _nothing_judged(case: Case, stop: Stop | None) -> Verdict:
    none = np.empty(0, np.int64)
    updates = Updates([], none.astype(np.int32), none, none, none.astype(np.bool_), none, [])
    return Verdict(0, updates, (), case.t_ms, (), (), stop)


def _first_stop(
    rows: Rows,
    kinds: npt.NDArray[np.int8],
    ids: npt.NDArray[np.int64],
    schemas: Mapping[int, ViewSchema],
    passed: Mapping[int, Passage],
) -> Stop | None:
    """The first marker, or the first value that cannot be judged: its schema is not known yet, or of no use here."""
    marker = int(np.argmax(kinds == RecordKind.MARKER)) if (kinds == RecordKind.MARKER).any() else len(rows)
    unjudged = {
        schema_id: why
        for schema_id in np.unique(ids[:marker]).tolist()
        if schema_id >= 0 and (why := _why_unjudged(schema_id, schemas))
    }
    holding = np.flatnonzero(np.isin(ids[:marker], list(unjudged))) if unjudged else ()
    row = next((int(row) for row in holding if int(row) not in passed), None)
    if row is not None:
        schema_id = int(ids[row])
        reason = f"schema id {schema_id} at offset {rows.offsets[row]} {unjudged[schema_id]}"
        return Stop(row, marker=False, reason=reason)
    return Stop(marker, marker=True, reason="marker") if marker < len(rows) else None


def _why_unjudged(schema_id: int, schemas: Mapping[int, ViewSchema]) -> str:
    """Why no record of this schema can be judged now; empty where it can."""
    if schema_id not in schemas:
        return (
            "is not in the catalog: register its contract with `syncline apply`, or pass the record with "
            "`syncline skip`; then the partition goes on by itself"
        )
    try:
        schemas[schema_id]
    except CatalogError as error:
        # Others can use it, and fold its records: here they wait.
        return f"cannot be used by this agent: {error}"
    return ""
