"""The verdict on every record of a slice: folded, stepped over, or rejected, and where the partition has to stop.

A verdict depends on the message, the contract named by its own schema id, its broker timestamp and T, and, where the
record would hold, on an operator's decision to pass it; never on the wall clock, the active release, other partitions,
or what a registry answers today (promises.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from syncline.contracts.checks.tally import Tally
from syncline.errors import Violation
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
    checked: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    """Schema id → (rows that passed, rows that broke a rule)."""
    tally: Tally = field(default_factory=Tally, compare=False)
    """The counts of the judged rows, by view version and broken rule."""


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
    kinds = kinds_of(rows)
    ids = schema_ids(filled(rows.values))
    passed = passages.before_registration(rows.offsets, ids) if passages else {}
    stop = _first_stop(rows, kinds, ids, schemas, passed)
    if stop is not None:
        rows, kinds, ids = rows.first(stop.row), kinds[: stop.row], ids[: stop.row]
    if not len(rows):
        return Verdict(0, _no_updates(), (), t_ms, (), (), stop)

    t_of_row = np.maximum(np.maximum.accumulate(rows.timestamps_ms), t_ms)
    court = Court(rows, major)
    court.judge_keys(kinds)
    court.judge_deletes(np.flatnonzero(kinds == RecordKind.DELETE))
    values = np.flatnonzero(kinds == RecordKind.VALUE)
    if passed:
        values = values[~np.isin(values, list(passed))]
    checked = court.judge_values(values, ids, schemas)
    court.judge_times(t_of_row)
    court.name_schemas()
    for row, passage in passed.items():
        if row < len(rows):
            court.pass_unknown(row, passage, int(ids[row]))

    halted = court.first_halt(passages.records)
    if halted is not None:
        # Judged again without the row that halts and all after it: nothing of them may be folded.
        held = judge(rows.first(halted[0]), t_ms=t_ms, major=major, schemas=schemas, passages=passages)
        return Verdict(
            held.rows,
            held.updates,
            held.rejects,
            held.t_ms,
            held.observed,
            held.controls,
            Stop(
                halted[0],
                marker=False,
                reason=f"the contract says halt at offset {rows.offsets[halted[0]]}: {halted[1].message}; "
                "`syncline skip` passes this record",
                tally=court.tally_of_halt(halted[0]),
            ),
            held.checked,
            held.tally,
        )
    return Verdict(
        rows=len(rows),
        updates=court.updates(),
        rejects=tuple(Reject(row, reason) for row, reason in sorted(court.faults.items())),
        t_ms=int(t_of_row[-1]),
        observed=tuple((row, found) for row, each in court.observed.items() for found in each),
        controls=tuple(int(row) for row in np.flatnonzero(kinds == RecordKind.CONTROL)),
        stop=stop,
        checked=checked,
        tally=court.tally(),
    )


def _first_stop(
    rows: Rows,
    kinds: npt.NDArray[np.int8],
    ids: npt.NDArray[np.int64],
    schemas: Mapping[int, ViewSchema],
    passed: Mapping[int, Passage],
) -> Stop | None:
    """The first marker, or the first value under a schema id that the catalog does not know yet and nobody passed."""
    marker = int(np.argmax(kinds == RecordKind.MARKER)) if (kinds == RecordKind.MARKER).any() else len(rows)
    unknown = [
        int(schema_id)
        for schema_id in np.unique(ids[:marker])
        if schema_id >= 0 and int(schema_id) not in schemas
    ]
    holding = np.flatnonzero(np.isin(ids[:marker], unknown)) if unknown else ()
    row = next((int(row) for row in holding if int(row) not in passed), None)
    if row is not None:
        schema_id = int(ids[row])
        return Stop(
            row,
            marker=False,
            reason=f"schema id {schema_id} at offset {rows.offsets[row]} is not in the catalog: register its "
            "contract with `syncline apply`, or pass the record with `syncline skip`; then the partition goes on by "
            "itself",
        )
    return Stop(marker, marker=True, reason="marker") if marker < len(rows) else None


def _no_updates() -> Updates:
    none = np.empty(0, np.int64)
    return Updates([], none.astype(np.int32), none, none, none.astype(np.bool_), none, [])
