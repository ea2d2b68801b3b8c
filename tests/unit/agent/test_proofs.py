"""What an agent proves at the marker of an audit, and when it does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from syncline.adapters.memory.store import MemoryStore
from syncline.agent.proofs import Proofs
from syncline.catalog.rollout_events import AuditRequested
from syncline.clock import ManualClock
from syncline.state.cell import key_buckets, pack_cells
from syncline.state.digest import Digest
from syncline.state.partition import PartitionState, PartitionWrite
from syncline.telemetry.cut_reports import CutReached, PartitionProof, encode_cut_report
from tests.unit.agent.test_cuts import MINOR, ONE, Fleet
from tests.unit.agent.world import Host
from tests.unit.state.world import marker

TOPIC = "t-v-1"


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A coordinator with nothing to do waits for the catalog in real time: not here."""
    monkeypatch.setattr("syncline.coordinator.coordinator.IDLE_S", 0.0)


def store_of(keys: list[bytes]) -> tuple[MemoryStore, PartitionState]:
    """A store with these cells, and a state that says so."""
    cells, hashes = pack_cells(
        keys,
        event_times_us=np.arange(len(keys)),
        offsets=np.arange(len(keys)),
        deleted=np.zeros(len(keys), bool),
        schema_ids=np.full(len(keys), 7),
        payloads=[b"x"] * len(keys),
    )
    digest = Digest.empty().changed(added=(key_buckets(keys), hashes), removed=((), ()))
    state = PartitionState(next_offset=17, cells=len(keys), digest=digest)
    store = MemoryStore()
    store.commit([PartitionWrite(TOPIC, 0, state, keys=keys, cells=cells)])
    return store, state


def prove(store: Any, state: PartitionState, *buckets: int) -> PartitionProof:
    """The proof of the partition."""
    proofs = Proofs(agent="model/a", consumer="model", store=store, clock=ManualClock(5))
    return proofs.of_partition((TOPIC, 0), state, cut=8, buckets=buckets)


def test_what_was_folded_is_what_is_counted() -> None:
    """P2: over more cells than are counted at once."""
    store, state = store_of([f"K{number:05d}".encode() for number in range(4_500)])

    proof = prove(store, state)

    assert (proof.kept, proof.counted) == (state.digest.pack(), state.digest.pack())
    assert (proof.cells, proof.offset, proof.broken, proof.cells_of) == (4_500, 17, (), ())


def test_asked_for_sub_digests_are_listed_whole() -> None:
    """Their hashes sum up to the sub-digest."""
    store, state = store_of([f"K{number:05d}".encode() for number in range(3_000)])

    proof = prove(store, state, 7, 200)

    assert {cell.bucket for cell in proof.cells_of} == {7, 200}
    for bucket in (7, 200):
        listed = sum(cell.hash for cell in proof.cells_of if cell.bucket == bucket)
        assert listed % 2**64 == state.digest.sums[bucket]


def test_a_report_stays_below_what_brokers_take() -> None:
    """Sub-digests that do not fit are left out as a whole, and of broken cells as many as fit are named."""
    keys = [f"{number:06d}".encode() * 80 for number in range(8_000)]
    store, state = store_of(keys)
    cells = [b"short"] * len(keys)
    store.commit([PartitionWrite(TOPIC, 0, state, keys=keys, cells=cells)])

    proof = prove(store, state, *range(256))

    assert len(encode_cut_report(proof)) < 1_000_000
    assert 100 < len(proof.broken) < 8_000
    counted = Digest.unpack(proof.counted)
    listed = {cell.bucket for cell in proof.cells_of}
    assert 10 < len(listed) < 256
    for bucket in listed:
        found = sum(cell.hash for cell in proof.cells_of if cell.bucket == bucket)
        assert found % 2**64 == counted.sums[bucket]


def proofs_of(fleet: Fleet) -> list[PartitionProof]:
    """Everything that was proven."""
    return [found for found in fleet.cluster.all_reports() if isinstance(found, PartitionProof)]


def audits_of(fleet: Fleet, agent: str) -> list[CutReached]:
    """What an agent told of audits."""
    return [report for report in fleet.reached() if report.audit and report.agent == agent]


def audit(fleet: Fleet) -> None:
    """Ask for one, and let all answer."""
    before = len([report for report in fleet.reached() if report.audit])
    fleet.cluster.decide(AuditRequested("inputs"))
    fleet.turn(
        lambda: len([report for report in fleet.reached() if report.audit]) == before + len(fleet.hosts)
    )


def test_another_marker_of_the_same_audit_is_not_counted_at() -> None:
    """The vector alone says which marker counts."""
    fleet = Fleet(MINOR, agents=1)
    audit(fleet)
    (cut,) = fleet.picture().coordination.cuts
    before = len(proofs_of(fleet))

    fleet.cluster.put(ONE.contract.topic, [marker(cut, ms=fleet.cluster.clock.us // 1_000)], 0)
    fleet.settled()

    assert before == 2
    assert len(proofs_of(fleet)) == before


def test_one_that_replays_the_log_does_not_count_again_at_each_audit_of_the_past() -> None:
    """P10: nobody waits for it; its ring tells the digest all the same."""
    fleet = Fleet(MINOR, agents=1)
    for _ in range(3):
        audit(fleet)
    fleet.cluster.clock.advance(seconds=3_600)
    before = len(proofs_of(fleet))

    late = Host(fleet.cluster, instance="late")
    late.settle()

    assert len(proofs_of(fleet)) == before
    told = audits_of(fleet, "model/late")
    assert len(told) == 3
    assert all(shown.digest is not None for report in told for shown in report.partitions)


def test_one_whose_beginning_was_trimmed_away_answers_that_it_cannot_tell() -> None:
    """log.md: such a state is never a proof; and nobody waits for what cannot come."""
    fleet = Fleet(MINOR, agents=1)
    for cursor in fleet.hosts[0].agent._partitions.cursors.values():
        cursor.state = replace(cursor.state, head_trimmed=True)

    audit(fleet)

    assert proofs_of(fleet) == []
    (told,) = audits_of(fleet, "model/a0")
    assert [shown.digest for shown in told.partitions] == [None, None]


def test_that_an_audit_was_passed_is_told_after_its_proofs() -> None:
    """Whoever reads it has read them all: an agent's reports keep their order."""
    fleet = Fleet(MINOR, agents=1)

    audit(fleet)

    kinds = [
        type(report)
        for report in fleet.cluster.all_reports()
        if isinstance(report, PartitionProof | CutReached) and report.agent == "model/a0"
    ]
    assert kinds == [PartitionProof, PartitionProof, CutReached]
