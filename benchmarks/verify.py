"""`syncline verify` of ten agents with a hundred thousand cells each, all at work on a real Kafka.

The time is that of the command's own call, `Auditor.verify`, in a process that has read catalog and reports already:
from the request for an audit until every agent has proven its state from its cells, and all of it was compared. The
command adds its start to that. The agents are processes on this machine, so they share its processors: that is what
the figure is mostly made of, and the words say how it divides.
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
    place = run.place_of("verify")
    topics = Topics(place.prefix)
    took_s: list[float] = []
    splits: list[str] = []
    with Fleet(place, run.folder / "verify", agents=agents) as fleet:
        produce_flights(place, cells, keys=cells)
        fleet.await_that(lambda: _all_have(fleet, cells), f"all agents have {cells} cells")
        with Auditor(fleet.log, topics, clock=SystemClock()) as auditor:
            auditor.reports()
            for _ in range(run.sizes.rounds):
                time.sleep(_SETTLE_S)
                began_ms = time.time() * 1_000
                audit = auditor.verify(BUNDLE, Author("benchmarks", "a run"), timeout_s=_TIMEOUT_S)
                took_s.append(time.time() - began_ms / 1_000)
                if audit.testimony.verdict is not Verdict.IN_SYNC:
                    raise AssertionError(f"{audit.testimony.verdict}: {audit.testimony}")
                splits.append(_split(fleet, topics.catalog, audit, began_ms))
    return [
        Finding(
            figure=f"verify, {agents} agents of {cells:,} cells",
            ours=median(took_s),
            unit="s",
            reach=_LIMIT_S,
            better="lower",
            means=f"{len(took_s)} audits; each from its request on: {'; '.join(splits)}",
        )
    ]


def _all_have(fleet: Fleet, cells: int) -> bool:
    # Agents report by themselves only every few seconds.
    newest = {report.agent: report for _, report in fleet.reports.of(AgentStatus)}
    return len(newest) == len(fleet.instances) and all(
        sum(partition.cells for partition in report.partitions) == cells for report in newest.values()
    )


def _split(fleet: Fleet, catalog_topic: str, audit: Audit, began_ms: float) -> str:
    cut = audit.testimony.cut
    if cut.prepared.kind is not CutKind.AUDIT or cut.decided_at is None:
        raise AssertionError("a committed audit")
    fleet.reports.poll(1.0)
    proofs = [at_ms for at_ms, proof in fleet.reports.of(PartitionProof) if proof.cut == cut.id]
    asked = [(catalog_topic, 0, offset) for offset in (cut.id, cut.decided_at)]
    at = stamps(fleet.log, [*asked, *cut.vector])
    steps = {
        "prepared": at[asked[0]],
        "marked": max(at[position] for position in cut.vector),
        "committed": at[asked[1]],
        "first proof": min(proofs),
        "last proof": max(proofs),
    }
    return ", ".join(f"{what} {ms - began_ms:,.0f}" for what, ms in steps.items()) + " ms"
