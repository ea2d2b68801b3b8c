"""`syncline verify` of ten agents with a hundred thousand cells each, all at work on a real Kafka.

The time is that of all that the command calls, without the start of Python: from opening the catalog, through the
request for an audit, until every agent has proven its state from its cells and all of it was compared. The agents are
processes on this machine and share its processors; the words say how the time divides.
"""

from __future__ import annotations

import time
from statistics import median

from benchmarks.cluster import produce_flights
from benchmarks.cut_times import stamps
from benchmarks.finding import Finding
from benchmarks.fleet import Fleet
from benchmarks.flights import BUNDLE
from benchmarks.run import Run
from syncline.catalog.rollout_events import CutKind
from syncline.catalog_client import Author
from syncline.clock import SystemClock
from syncline.inspection.auditing import Audit, Auditor
from syncline.inspection.witnesses import Verdict
from syncline.telemetry.cut_reports import PartitionProof
from syncline.telemetry.reports import AgentStatus
from syncline.wire.topics import Topics

_LIMIT_S = 1.0
_TIMEOUT_S = 60.0
_SETTLE_S = 1.0


def measure(run: Run) -> list[Finding]:
    """The median of some audits."""
    cells, agents = run.sizes.cells_verified, run.sizes.agents
    took_s: list[float] = []
    splits: list[str] = []
    with Fleet(run, "verify", agents=agents) as fleet:
        topics = Topics(fleet.place.prefix)
        produce_flights(fleet.place, cells, keys=cells)
        fleet.await_that(lambda: _all_have(fleet, cells), f"all agents have {cells} cells")
        for _ in range(run.sizes.rounds):
            time.sleep(_SETTLE_S)
            began_ms = time.time() * 1_000
            with Auditor(fleet.log, topics, clock=SystemClock()) as auditor:
                opened_ms = time.time() * 1_000
                audit = auditor.verify(BUNDLE, Author("benchmarks", "a run"), timeout_s=_TIMEOUT_S)
                took_s.append(time.time() - began_ms / 1_000)
            if audit.evidence.verdict is not Verdict.IN_SYNC:
                raise AssertionError(f"{audit.evidence.verdict}: {audit.evidence}")
            splits.append(_split(fleet, topics.catalog, audit, (began_ms, opened_ms)))
    return [
        Finding(
            figure=f"verify, {agents} agents of {cells:,} cells",
            ours=median(took_s),
            unit="s",
            reach=_LIMIT_S,
            better="lower",
            means=f"{len(took_s)} audits; each from its beginning: {'; '.join(splits)}",
        )
    ]


def _all_have(fleet: Fleet, cells: int) -> bool:
    # Agents report by themselves only every few seconds.
    newest = {report.agent: report for _, report in fleet.reports.of(AgentStatus)}
    return len(newest) == len(fleet.instances) and all(
        sum(partition.cells for partition in report.partitions) == cells for report in newest.values()
    )


def _split(fleet: Fleet, catalog_topic: str, audit: Audit, moments_ms: tuple[float, float]) -> str:
    began_ms, opened_ms = moments_ms
    cut = audit.evidence.cut
    if cut.prepared.kind is not CutKind.AUDIT or cut.decided_at is None:
        raise AssertionError("a committed audit")
    fleet.reports.poll(1.0)
    proofs = [at_ms for at_ms, proof in fleet.reports.of(PartitionProof) if proof.cut == cut.id]
    records = [(catalog_topic, 0, offset) for offset in (audit.audit, cut.id, cut.decided_at)]
    at = stamps(fleet.log, [*records, *cut.vector])
    asked, prepared, committed = records
    steps = {
        "catalog read": opened_ms,
        "asked": at[asked],
        "prepared": at[prepared],
        "marked": max(at[position] for position in cut.vector),
        "committed": at[committed],
        "first proof": min(proofs),
        "last proof": max(proofs),
    }
    return ", ".join(f"{what} {ms - began_ms:,.0f}" for what, ms in steps.items()) + " ms"
