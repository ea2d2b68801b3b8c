"""The whole document: a header that says how to read it, keys, event time, features, and what was left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from syncline.contracts.durations import format_duration
from syncline.contracts.model import FeatureType
from syncline.inference.feature_text import LOGICAL_TYPES, count_text, feature_lines, spread_text
from syncline.inference.keys import Cadence
from syncline.inference.profile import Column
from syncline.inference.yaml_text import comment, line, quoted, scalar, shown

_TIDY_US = tuple(
    number * unit
    for unit, numbers in (
        (1_000, (1, 2, 5, 10, 20, 50, 100, 200, 500)),
        (1_000_000, (1, 2, 5, 10, 15, 20, 30)),
        (60_000_000, (1, 2, 5, 10, 15, 20, 30)),
        (3_600_000_000, (1, 2, 3, 4, 6, 8, 12)),
        (86_400_000_000, (1, 2, 3, 7, 14, 30, 60, 90, 180, 365)),
    )
    for number in numbers
)
_FEWEST_GAPS = 20
_TOLERANCE = 1.1


@dataclass(frozen=True, slots=True)
class Proposal:
    """What was decided about the whole, before it is written down."""

    view: str
    owner: str | None
    file: str
    form: str
    rows: int
    remarks: tuple[str, ...]
    event_time: Column
    keys: tuple[tuple[Column, str, str], ...]
    """(column, its name in the contract, how it was chosen)."""
    features: tuple[tuple[Column, str], ...]
    left_out: tuple[tuple[str, str], ...]
    """(column, why)."""
    cadence: Cadence | None


def document_text(proposal: Proposal) -> str:
    """The contract as YAML, ending with a line's end."""
    title = proposal.view.replace("_", " ")
    purpose = f"First contract, from what was observed in {proposal.file}."
    lines = [
        *_header(proposal),
        "apiVersion: v3.2.0",
        "kind: DataContract",
        f"id: {scalar(proposal.view)}",
        f"name: {scalar(title[:1].upper() + title[1:])}",
        "version: 1.0.0",
        "status: draft # active once it has been reviewed",
        line(0, f"team: {{name: {scalar(proposal.owner or 'unknown')}}}", _owner_said(proposal.owner)),
        "description:",
        line(2, f"purpose: {quoted(purpose)}", "review: what is it for?"),
        "schema:",
        f"  - name: {scalar(proposal.view)}",
        "    logicalType: object",
        "    physicalType: topic",
        "    properties:",
    ]
    for position, (column, name, how) in enumerate(proposal.keys, 1):
        lines += _key(column, name, how, position if len(proposal.keys) > 1 else None)
    lines += _event_time(proposal.event_time)
    for column, name in proposal.features:
        lines += feature_lines(column, name)
    lines += [f"      {comment(f'Left out: {shown(name)}: {why}')}" for name, why in proposal.left_out]
    lines += _promises(proposal.cadence)
    return "\n".join(lines) + "\n"


def _header(proposal: Proposal) -> list[str]:
    rows = f"{count_text(proposal.rows)} row{'' if proposal.rows == 1 else 's'}"
    said = [
        f"A first contract for {proposal.view}, proposed from {proposal.file} ({proposal.form}, {rows}).",
        *proposal.remarks,
        "",
        "What data cannot tell is a guess here. Look at each line that says `review`, then delete its comment:",
        "- Limits leave as much room below and above as the observed range is wide, rounded outwards, and none below 0",
        "  where that makes no sense. They catch a wrong unit or a placeholder such as 9999, not an unusual day.",
        "- `required: true` stands where nothing was null, `enum` where few values were seen, each of them often,",
        "  `pattern` where all texts are made alike.",
        "- Units come from names alone. State them: nothing else tells minutes from seconds.",
        "Values of the data stand in it: look before you share it.",
    ]
    return [comment(text).rstrip() for text in said]


def _owner_said(owner: str | None) -> str:
    return "review: who answers for it?" if owner is None else ""


def _key(column: Column, name: str, how: str, position: int | None) -> list[str]:
    assert column.type is not None
    said = "" if name == column.name else f"the column {shown(column.name)}"
    lines = [
        line(6, f"- name: {scalar(name)}", said),
        line(8, f"logicalType: {LOGICAL_TYPES[column.type.kind][0]}"),
        line(8, "required: true"),
        line(8, "primaryKey: true", how),
    ]
    if position is not None:
        lines.append(line(8, f"primaryKeyPosition: {position}"))
    return lines


def _event_time(column: Column) -> list[str]:
    assert column.type is not None
    kind = column.type.kind
    said = [f"the column {shown(column.name)}, observed {spread_text(column.spread, kind)}"]
    if kind is FeatureType.DATE:
        said.append("a day: send its midnight, UTC")
    elif column.type.zoneless:
        said.append("without a zone, taken as UTC")
    if column.nulls:
        said.append(f"{count_text(column.nulls)} null: such rows cannot be published")
    return [
        line(6, "- name: event_time", f"{'; '.join(said)}; review"),
        line(8, "logicalType: timestamp"),
        line(8, "required: true"),
    ]


def _promises(cadence: Cadence | None) -> list[str]:
    lines = ["slaProperties:"]
    if cadence is not None:
        tidy = next((us for us in _TIDY_US if us * _TOLERANCE >= cadence.median_us), None)
        observed = (
            f"observed gaps of a key: median {about(cadence.median_us)}, 95 % up to {about(cadence.most_us)}"
        )
        regular = cadence.gaps >= _FEWEST_GAPS and tidy is not None and cadence.most_us <= 2 * tidy
        if regular and tidy is not None:
            value, unit = format_duration(tidy).split()
            entry = f"- {{property: frequency, value: {value}, unit: {unit}}}"
            lines.append(line(2, entry, f"{observed}; a value is stale after twice that; review"))
        else:
            why = "too few" if cadence.gaps < _FEWEST_GAPS else "too irregular"
            lines.append(line(2, comment(f"No frequency: {observed}: {why} to promise one")))
    lines += [
        line(2, "- {property: retention, value: 7, unit: d}", "of the topic; longer than any outage; review"),
        "customProperties:",
        line(
            2, "- {property: syncline.onViolation, value: deadLetter}", "deadLetter, halt or observe; review"
        ),
        line(2, "- {property: syncline.whenStale, value: flag}", "flag, null, default or refuse; review"),
    ]
    return lines


def about(us: int) -> str:
    """A duration in its largest whole unit, roughly: `3.5 h`."""
    for unit, size in (
        ("d", 86_400_000_000),
        ("h", 3_600_000_000),
        ("min", 60_000_000),
        ("s", 1_000_000),
        ("ms", 1_000),
    ):
        if us >= size:
            return f"{us / size:.3g} {unit}"
    return f"{us} us"


def names(columns: Sequence[Column]) -> str:
    """Columns as an error names them: the first few, in backticks."""
    few = ", ".join(f"`{column.name}`" for column in columns[:6])
    return few + (" …" if len(columns) > 6 else "")  # noqa: PLR2004  as many as fit on a line
