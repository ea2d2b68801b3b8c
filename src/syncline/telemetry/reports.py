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
    last_event_us: int | None = None
    """Largest event time folded since the agent's start."""
    heartbeat_us: int | None = None
    """When the broker took the last heartbeat that was folded, of any publisher."""
    published_us: int | None = None
    """Largest event time that heartbeats say was published to the topic."""

    @property
    def lag(self) -> int | None:
        """How many offsets are still to be folded, as last seen."""
        return None if self.end_offset is None else max(0, self.end_offset - self.next_offset)

    def waited_us(self, now_us: int) -> int | None:
        """How long the next record has waited at most: 0 at the end of the log; None where that is not known.

        Never understated (P7): it cannot have come before the last one that was folded.
        """
        if self.lag == 0:
            return 0
        return None if self.lag is None or self.t_ms < 0 else max(0, now_us - self.t_ms * 1_000)


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
    contact_us: int | None = None
    """When a broker answered it last."""
    cohort: str = ""
    """Its consumer, then the subscription's labels: `consumer,name=value,…`."""
    freshness: tuple[tuple[str, int], ...] = ()
    """(topic, the age that contract and subscription allow, in µs), of those that state one."""


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
    record["contact"] = record.pop("contact_us")
    for partition in record["partitions"]:
        partition["digest"] = partition["digest"].to_bytes(8, "big")
        for name in _TIMES:
            partition[name] = partition.pop(f"{name}_us")
    record["cannot_serve"] = {str(release): why for release, why in status.cannot_serve}
    record["deprecated"] = dict(status.deprecated)
    record["freshness"] = dict(status.freshness)
    return record


def _status(record: dict[str, Any]) -> AgentStatus:
    record["reported_at_us"] = record.pop("reported_at")
    record["contact_us"] = record.pop("contact", None)
    record["partitions"] = tuple(_partition(partition) for partition in record["partitions"])
    record["given_up"] = tuple(record["given_up"])
    record["cannot_serve"] = tuple(
        sorted((int(release), why) for release, why in record["cannot_serve"].items())
    )
    for name in ("deprecated", "freshness"):
        record[name] = tuple(sorted(record.get(name, {}).items()))
    return AgentStatus(**record)


def _partition(record: dict[str, Any]) -> PartitionStatus:
    times = {f"{name}_us": record.pop(name, None) for name in _TIMES}
    return PartitionStatus(**{**record, **times, "digest": int.from_bytes(record["digest"], "big")})


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


_TIMES = ("last_event", "heartbeat", "published")


@cache
def _statuses() -> Format:
    return Format(
        load_schema("reports/agent_status.avsc"),
        older=[load_schema(f"reports/older/agent_status_{number}.avsc") for number in (1, 2)],
    )


@cache
def _violations() -> Format:
    return Format(load_schema("reports/violation_counts.avsc"))
