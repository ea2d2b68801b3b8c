"""What became of the traced records of a slice: from its verdict, row by row, as they are few."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from syncline.state.traced import Traced
from syncline.telemetry import names
from syncline.telemetry.agent_spans import Judged

if TYPE_CHECKING:
    from syncline.schema_book import SchemaBook
    from syncline.state.partition import PartitionWrite
    from syncline.state.rows import Rows
    from syncline.state.verdict import Verdict
    from syncline.state.view_schema import ViewMajor
    from syncline.telemetry.agent_spans import TracedUpdate


def traced_verdicts(
    major: ViewMajor,
    rows: Rows,
    verdict: Verdict,
    write: PartitionWrite,
    *,
    traced: Mapping[int, TracedUpdate],
    book: SchemaBook,
) -> Iterator[tuple[TracedUpdate, Judged]]:
    """Each traced record that was judged, with what became of it; those after the stop come again."""
    # A delete names no version, but its MAJOR.
    unnamed = f"{major.view}@{major.major}"
    rejected = {int(rows.offsets[reject.row]): reject.reason for reject in verdict.rejects}
    observed: dict[int, str] = {}
    for row, violation in verdict.observed:
        observed.setdefault(int(rows.offsets[row]), violation.rule)
    kept = [Traced.unpack(trace) for _, trace in write.traces]
    written = {found.process_span_id for found in kept if found is not None}
    updates = verdict.updates
    for offset, update in traced.items():
        if offset in rejected:
            reason = rejected[offset]
            version = reason.view_version or unnamed
            yield update, Judged(names.DEAD_LETTERED, reason.rule, version, written=False)
            continue
        row = int(updates.offsets.searchsorted(offset))
        if row == len(updates) or updates.offsets[row] != offset:
            continue
        schema_id = int(updates.schema_ids[row])
        yield (
            update,
            Judged(
                names.OBSERVED if offset in observed else names.PASSED,
                observed.get(offset, ""),
                book[schema_id].contract.reference if schema_id in book else unnamed,
                written=update.span.get_span_context().span_id in written,
            ),
        )
