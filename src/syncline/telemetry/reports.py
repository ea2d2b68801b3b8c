"""What agents and publishers observe, as records of the reports topic (schemas/reports/)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from syncline.telemetry.cut_reports import CutReport, decode_cut_report, encode_cut_report
from syncline.telemetry.violations import Reporter, RuleCount, ViewCounts, ViolationCounts
from syncline.wire.schemas import load_schema
from syncline.wire.single_object import Format


@dataclass(frozen=True, slots=True)
class PartitionStatus:
    """One partition as an agent has folded it."""

    topic: str
    partition: int
    next_offset: int
    end_offset: int | None
    """The log's end as last seen; None before it was seen."""
    cells: int
    digest: int
    t_ms: int
    held: str
    """Why the partition does not go on; empty when it does."""

    @property
    def lag(self) -> int | None:
        """How many offsets are still to be folded, as last seen."""
        return None if self.end_offset is None else max(0, self.end_offset - self.next_offset)


@dataclass(frozen=True, slots=True)
class AgentStatus:
    """What one agent is doing, and the digests of its state at the positions it has reached."""

    agent: str
    consumer: str
    reported_at_us: int
    state: str
    reason: str
    bundle: str
    release: int | None
    epoch: int | None
    catalog_offset: int
    fold_version: int
    applied_rows: int
    dead_letters: int
    partitions: tuple[PartitionStatus, ...]
    standing_at: int | None = None
    """The cut that partitions stand for, waiting for the others."""
    given_up: tuple[int, ...] = ()
    """Cuts that it holds nothing for any more, to be enacted later."""
    pending: int = 0
    """How many decisions it has still to enact."""
    cannot_serve: tuple[tuple[int, str], ...] = ()
    """(release, why this agent cannot serve it)."""
    lock: str = ""
    """SHA-256 of the lock that it serves, in hex; empty before it serves anything."""
    deprecated: tuple[tuple[str, str], ...] = ()
    """(view version that it serves, until when and what to use instead)."""


Report = AgentStatus | ViolationCounts | CutReport


def encode_report(report: Report) -> bytes:
    """The report's value."""
    if isinstance(report, AgentStatus):
        return _statuses().encode(_status_record(report))
    if isinstance(report, CutReport):
        return encode_cut_report(report)
    return _violations().encode(_counts_record(report))


def decode_report(value: bytes | None) -> Report:
    """The report behind a record's value, of whichever kind it is.

    Raises:
        UnknownFormat: of a kind, or in a version, that only a newer Syncline knows.
        WireError: these bytes are no report.
    """
    if _violations().wrote(value):
        return _counts(_violations().decode(value))
    found = decode_cut_report(value)
    return _status(_statuses().decode(value)) if found is None else found


def _status_record(status: AgentStatus) -> dict[str, Any]:
    record = asdict(status)
    record["reported_at"] = record.pop("reported_at_us")
    for partition in record["partitions"]:
        partition["digest"] = partition["digest"].to_bytes(8, "big")
    record["cannot_serve"] = {str(release): why for release, why in status.cannot_serve}
    record["deprecated"] = dict(status.deprecated)
    return record


def _status(record: dict[str, Any]) -> AgentStatus:
    record["reported_at_us"] = record.pop("reported_at")
    record["partitions"] = tuple(
        PartitionStatus(**{**partition, "digest": int.from_bytes(partition["digest"], "big")})
        for partition in record["partitions"]
    )
    record["given_up"] = tuple(record["given_up"])
    record["cannot_serve"] = tuple(
        sorted((int(release), why) for release, why in record["cannot_serve"].items())
    )
    record["deprecated"] = tuple(sorted(record["deprecated"].items()))
    return AgentStatus(**record)


def _counts_record(counts: ViolationCounts) -> dict[str, Any]:
    return {
        "reporter_kind": counts.reporter.kind,
        "reporter": counts.reporter.name,
        "consumer": counts.reporter.consumer,
        "window_start": counts.window_start_us,
        "window_end": counts.window_end_us,
        "views": [
            {
                "view_version": view.view_version,
                "rows_judged": view.rows_judged,
                "rows_broken": view.rows_broken,
                "violations": [asdict(count) for count in view.violations],
            }
            for view in counts.views
        ],
    }


def _counts(record: dict[str, Any]) -> ViolationCounts:
    return ViolationCounts(
        Reporter(record["reporter_kind"], record["reporter"], record["consumer"]),
        record["window_start"],
        record["window_end"],
        tuple(
            ViewCounts(
                view["view_version"],
                view["rows_judged"],
                view["rows_broken"],
                tuple(RuleCount(**count) for count in view["violations"]),
            )
            for view in record["views"]
        ),
    )


@cache
def _statuses() -> Format:
    return Format(
        load_schema("reports/agent_status.avsc"), older=[load_schema("reports/older/agent_status_1.avsc")]
    )


@cache
def _violations() -> Format:
    return Format(load_schema("reports/violation_counts.avsc"))
