"""Agents at cuts: the shipped roles, all of them, on a cluster in memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from syncline.adapters.memory.snapshots import MemorySnapshots
from syncline.agent.agent import Agent
from syncline.catalog.coordination import CutState
from syncline.catalog.fold import Picture
from syncline.catalog.lifecycle_events import SubscriptionWithdrawn
from syncline.catalog.rollout_events import (
    AuditRequested,
    Cohort,
    RolloutAction,
    RolloutMode,
    RolloutOutcome,
    RolloutRequested,
)
from syncline.catalog.serving import META_SERVING
from syncline.catalog_client import CatalogClient
from syncline.coordinator.coordinator import Coordinator
from syncline.coordinator.coordinator import Ports as CoordinatorPorts
from syncline.errors import NotReady, StoreFull
from syncline.ports.log import Outcome, OutcomeKind
from syncline.reader import FeatureReader
from syncline.settings import CoordinatorSettings
from syncline.state.digest import Digest
from syncline.telemetry.cut_reports import CutReached, PartitionProof
from syncline.telemetry.reports import decode_report
from tests.unit.agent.world import (
    CATALOG,
    REPORTS,
    Cluster,
    Host,
    digests,
    many,
    registration,
    release,
    subscription,
)
from tests.unit.state.world import NOW_MS, Record, Version, marker

ONE = Version.make(1, version="1.0.0", partitions=2)
MINOR = Version.make(2, version="1.1.0", extra=True, partitions=2)
MAJOR = Version.make(3, version="2.0.0", partitions=2)


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A coordinator with nothing to do waits for the catalog in real time: not here."""
    monkeypatch.setattr("syncline.coordinator.coordinator.IDLE_S", 0.0)


@dataclass
class Fleet:
    """A cluster with a release and its successor, a coordinator, and agents."""

    next_version: Version = MINOR
    agents: int = 2
    cluster: Cluster = field(init=False)
    hosts: list[Host] = field(init=False)
    coordinator: Coordinator = field(init=False)

    def __post_init__(self) -> None:
        """Release 1 is served; release 2 stands in the catalog."""
        self.cluster = Cluster()
        self.cluster.make_topics(ONE, *([MAJOR] if self.next_version is MAJOR else []))
        self.cluster.decide(registration(ONE), release(ONE), subscription())
        self.hosts = [Host(self.cluster, instance=f"a{number}") for number in range(self.agents)]
        self.publish(ONE, 10)
        for host in self.hosts:
            host.settle()
        features = ("mean", "extra") if self.next_version is MINOR else ("mean",)
        self.cluster.decide(
            registration(self.next_version), release(self.next_version, number=2, features=features)
        )
        self.coordinator = self.coordinate()

    def coordinate(self) -> Coordinator:
        """A coordinator on this cluster."""
        return Coordinator(
            CoordinatorPorts(self.cluster.log, self.cluster.clock),
            settings=CoordinatorSettings(coordinator="c", takeover_after_s=15),
            stopped=lambda: False,
            wait=lambda seconds: self.cluster.clock.advance(seconds=seconds),
        )

    def publish(self, version: Version, count: int, *, first_ms: int = NOW_MS) -> None:
        """Records of a version into the partitions of their keys."""
        for airport, partition in (("EWR", self.home("EWR")), ("LGA", self.home("LGA"))):
            self.cluster.put(
                version.contract.topic, many(version, [airport], count, first_ms=first_ms), partition
            )

    def home(self, airport: str) -> int:
        """The partition of an airport's records."""
        from syncline.wire.keys import encode_key, partition_for

        return partition_for(encode_key([airport]), 2)

    def ask(
        self,
        action: RolloutAction,
        *,
        mode: RolloutMode = RolloutMode.CUT,
        cohort: Cohort | None = None,
        source: int = 1,
        target: int = 2,
    ) -> None:
        """A request about the rollout from one release to another, by somebody who sees what is live."""
        if action is RolloutAction.ROLLBACK:
            source, target = target, source
        elif action is RolloutAction.PROMOTE and self.all_serve(target)():
            source = target
        self.cluster.decide(RolloutRequested("inputs", action, source, target, cohort or Cohort(), mode))

    def turn(self, until: Callable[[], bool], *, hosts: list[Host] | None = None, most: int = 300) -> None:
        """Step everyone in turn until something holds."""
        for _ in range(most):
            if until():
                return
            self.coordinator.step()
            for host in self.hosts if hosts is None else hosts:
                host.agent.step()
            self.cluster.clock.advance(seconds=0.05)
        raise AssertionError("it never came about")

    def picture(self) -> Picture:
        """The catalog now."""
        client = CatalogClient(self.cluster.log, CATALOG, clock=self.cluster.clock, client_id="tests")
        try:
            return client.catch_up(5)
        finally:
            client.close()

    def releases(self) -> list[int | None]:
        """What each agent serves."""
        return [host.agent.status().release for host in self.hosts]

    def all_serve(self, number: int) -> Callable[[], bool]:
        """Whether every agent serves a release."""
        return lambda: self.releases() == [number] * len(self.hosts)

    def reached(self) -> list[CutReached]:
        """Every report of a cut, newest life last."""
        return [report for report in self.cluster.all_reports() if isinstance(report, CutReached)]

    def settled(self) -> None:
        """All agents at the end of the log, nothing standing."""
        for host in self.hosts:
            host.settle()


def read(host: Host, **given: Any) -> Any:
    """One model input from an agent's store."""
    return FeatureReader(host.store, clock=host.cluster.clock).get("inputs", {"airport": "EWR"}, **given)


@pytest.mark.parametrize("version", [MINOR, MAJOR], ids=["minor", "major"])
def test_all_agents_switch_at_the_same_vector_with_equal_digests(version: Version) -> None:
    """P4: one cut, one vector, and proof of the same state at it; MINOR in one topic, MAJOR over two."""
    fleet = Fleet(version)
    fleet.publish(version, 5, first_ms=NOW_MS + 1_000)

    fleet.ask(RolloutAction.START)
    fleet.turn(fleet.all_serve(2))
    fleet.settled()

    reports = fleet.reached()
    assert [report.aligned for report in reports] == [True, True]
    assert len({report.epoch for report in reports}) == 1
    assert reports[0].partitions == reports[1].partitions
    assert all(place.digest is not None for place in reports[0].partitions)
    assert len(reports[0].partitions) == (2 if version is MINOR else 4)
    assert digests(fleet.hosts[0].agent.status()) == digests(fleet.hosts[1].agent.status())
    row = read(fleet.hosts[0])
    assert (row.release, row.cut) == ("inputs@2", reports[0].cut)


def test_nothing_of_the_next_version_shows_before_the_cut() -> None:
    """P4: a record of the next MINOR is read as the release that is served says, until the cut."""
    fleet = Fleet(MINOR)
    fleet.publish(MINOR, 5, first_ms=NOW_MS + 1_000)
    fleet.settled()

    before = read(fleet.hosts[0])
    fleet.ask(RolloutAction.START)
    fleet.turn(fleet.all_serve(2))
    after = read(fleet.hosts[0])

    assert set(before.values) == {"delay__mean"}
    assert before.release == "inputs@1"
    assert set(after.values) == {"delay__mean", "delay__extra"}


def test_a_rollback_goes_back_at_once_and_lets_the_other_release_go() -> None:
    """P4: an Immediate needs no markers; the cells of the release that was active before are there."""
    fleet = Fleet(MAJOR)
    fleet.ask(RolloutAction.START)
    fleet.turn(fleet.all_serve(2))

    fleet.ask(RolloutAction.ROLLBACK, mode=RolloutMode.IMMEDIATE)
    fleet.turn(fleet.all_serve(1))
    fleet.turn(lambda: fleet.picture().coordination.under_way("inputs") is None)

    coordination = fleet.picture().coordination
    assert coordination.rollouts["inputs"][0].outcome is RolloutOutcome.ROLLED_BACK
    assert coordination.standing("inputs") == 1
    row = read(fleet.hosts[0])
    assert (row.release, row.cut, row.epoch) == ("inputs@1", None, coordination.rulings["inputs"][-1].epoch)


def test_a_rollback_by_cut_is_a_cut() -> None:
    """P4: asked to go back at one vector, all agents do, aligned."""
    fleet = Fleet(MINOR)
    fleet.ask(RolloutAction.START)
    fleet.turn(fleet.all_serve(2))

    fleet.ask(RolloutAction.ROLLBACK, mode=RolloutMode.CUT)
    fleet.turn(fleet.all_serve(1))

    assert [report.aligned for report in fleet.reached()] == [True] * 4


def test_a_final_release_lets_the_previous_cells_go() -> None:
    """The previous release's cells stay until the rollout is final; then its topic is neither read nor stored."""
    fleet = Fleet(MAJOR)
    fleet.ask(RolloutAction.START)
    fleet.turn(fleet.all_serve(2))
    host = fleet.hosts[0]
    assert {topic for topic, _ in host.committed()} == {ONE.contract.topic, MAJOR.contract.topic}

    fleet.ask(RolloutAction.PROMOTE)
    fleet.turn(lambda: all({t for t, _ in h.committed()} == {MAJOR.contract.topic} for h in fleet.hosts))

    assert {place.topic for place in host.agent.status().partitions} == {MAJOR.contract.topic}
    host.start()
    assert host.settle().state == "LIVE"


def test_an_agent_killed_while_it_stands_meets_the_marker_again() -> None:
    """P3, P4: the position at the marker is stored; a new life stands there again, and switches with the others."""
    fleet = Fleet(MINOR)
    fleet.ask(RolloutAction.START)
    fleet.turn(lambda: fleet.hosts[0].agent.status().standing_at is not None)

    fleet.hosts[0].start()
    fleet.turn(fleet.all_serve(2))

    assert {report.aligned for report in fleet.reached()} == {True}
    assert len({report.partitions for report in fleet.reached()}) == 1


def test_an_agent_that_was_away_enacts_what_it_missed_and_is_not_ready_before() -> None:
    """Rule 1: decisions of its absence come first; meanwhile its store is not ready."""
    fleet = Fleet(MINOR)
    away = fleet.hosts[1]
    fleet.settled()
    fleet.publish(ONE, 5, first_ms=NOW_MS + 500)
    away.batch_rows = 1
    fleet.ask(RolloutAction.START)
    fleet.turn(lambda: fleet.hosts[0].agent.status().release == 2, hosts=fleet.hosts[:1])

    away.start()
    away.agent.step()
    ready_at_first = away.condition().ready
    away.settle()

    assert not ready_at_first
    assert (away.agent.status().release, away.condition().ready) == (2, True)
    assert [report.aligned for report in fleet.reached()] == [True, True]


def test_a_late_agent_replays_every_decision_to_the_same_state() -> None:
    """P2: started after cut, rollback and cut, on an empty store, it stands where the others stand."""
    fleet = Fleet(MINOR)
    fleet.ask(RolloutAction.START)
    fleet.turn(fleet.all_serve(2))
    fleet.ask(RolloutAction.ROLLBACK, mode=RolloutMode.CUT)
    fleet.turn(lambda: fleet.picture().coordination.under_way("inputs") is None)
    fleet.settled()

    late = Host(fleet.cluster, instance="late")
    late.settle()

    assert digests(late.agent.status()) == digests(fleet.hosts[0].agent.status())
    assert late.agent.status().epoch == fleet.hosts[0].agent.status().epoch
    assert late.condition().ready


def test_what_was_rolled_back_is_refused_until_the_floor_is_reached() -> None:
    """Rule 1: while an Immediate is still to be enacted readers are refused, whatever they allow."""
    fleet = Fleet(MAJOR)
    # Of the topic that is served in the end: that of the first release is not even read by who comes late.
    fleet.publish(MAJOR, 10, first_ms=NOW_MS + 1_000)
    fleet.ask(RolloutAction.START)
    fleet.turn(fleet.all_serve(2))
    fleet.ask(RolloutAction.PROMOTE)
    fleet.turn(lambda: fleet.picture().coordination.under_way("inputs") is None)
    third = Version.make(4, version="2.1.0", extra=True, partitions=2)
    fleet.cluster.decide(registration(third), release(third, number=3))
    fleet.cluster.decide(RolloutRequested("inputs", RolloutAction.START, 2, 3))
    fleet.turn(fleet.all_serve(3))
    fleet.cluster.decide(RolloutRequested("inputs", RolloutAction.ROLLBACK, 3, 2, mode=RolloutMode.IMMEDIATE))
    fleet.turn(fleet.all_serve(2))

    late = Host(fleet.cluster, instance="late", batch_rows=1)
    late.agent.step()
    with pytest.raises(NotReady, match="refuses"):
        read(late, allow_not_ready=True)
    late.settle()

    assert late.agent.status().release == 2
    assert read(late).release == "inputs@2"


def test_an_agent_gives_up_holding_and_switches_later() -> None:
    """Rule 6: past the limit it goes on under the old release, says so, and enacts the cut once it can."""
    fleet = Fleet(MINOR)
    slow = fleet.hosts[1]
    home = fleet.home("EWR")
    # One partition cannot go on: its next record has a schema id that nobody registered.
    stranger = Record(b"EWR", b"\x00\x00\x00\x00\x63\x00", NOW_MS + 500)
    fleet.cluster.put(ONE.contract.topic, [stranger], home)
    fleet.ask(RolloutAction.START)
    fleet.turn(lambda: slow.agent.status().standing_at is not None)
    fleet.publish(ONE, 1, first_ms=NOW_MS + 2_000)
    fleet.turn(lambda: bool(slow.agent.status().given_up), most=900)
    fleet.turn(
        lambda: {p.partition: p.next_offset for p in slow.agent.status().partitions}[1 - home] > 11, most=50
    )
    assert slow.agent.status().release == 1

    from syncline.catalog.events import SchemaRefused

    fleet.cluster.decide(SchemaRefused(0x63))
    fleet.turn(fleet.all_serve(2))

    assert {report.aligned for report in fleet.reached()} == {False}
    assert {report.why for report in fleet.reached()} == {"gave up holding"}


def test_an_agent_outside_the_cohort_steps_over_the_markers() -> None:
    """A cut addresses a cohort: others go on as if nothing had happened."""
    fleet = Fleet(MINOR)
    fleet.ask(RolloutAction.START, cohort=Cohort(consumers=("somebody-else",)))
    fleet.turn(lambda: bool(fleet.picture().coordination.rulings.get("inputs")))
    fleet.settled()

    assert fleet.releases() == [1, 1]
    assert all(cursor.next_offset >= 11 for cursor in fleet.hosts[0].agent.status().partitions)


def test_an_audit_holds_nobody_and_finds_a_changed_byte() -> None:
    """P5: digests counted again from the cells find a cell that was changed behind the agent's back."""
    fleet = Fleet(MINOR)
    topic, home = ONE.contract.topic, fleet.home("EWR")
    victim = fleet.hosts[1].store
    tamper(victim, topic, home, b"EWR")

    fleet.cluster.decide(AuditRequested("inputs"))
    fleet.turn(lambda: len([report for report in fleet.reached() if report.audit]) == 2)

    proofs = [found for found in fleet.cluster.all_reports() if isinstance(found, PartitionProof)]
    wrong = [found for found in proofs if found.counted != found.kept]
    assert [(found.agent, found.topic, found.partition) for found in wrong] == [("model/a1", topic, home)]
    assert wrong[0].broken == ()
    assert len({(found.partition, Digest.unpack(found.kept).total) for found in proofs}) == 2
    assert fleet.releases() == [1, 1]
    (cut,) = fleet.picture().coordination.cuts.values()
    assert cut.state is CutState.COMMITTED


def tamper(store: Any, topic: str, partition: int, key: bytes) -> None:
    """Change a byte of a cell, and make its checksum fit: only the digest can tell."""
    import struct

    from syncline.state.cell import cell_hash

    cells = store._version.partitions[topic, partition].cells
    packed = cells[key]
    changed = packed[:-1] + bytes([packed[-1] ^ 1])
    (offset,) = struct.unpack_from("<q", changed)
    guard = (cell_hash(key, changed) + offset * 0x9E3779B97F4A7C15) & ((1 << 64) - 1)
    cells[key] = changed[:8] + struct.pack("<Q", guard) + changed[16:]


def test_markers_that_nobody_prepared_are_waited_for_and_then_given_up() -> None:
    """A marker whose id the catalog has not reached makes a partition wait; past the limit it goes on."""
    fleet = Fleet(MINOR, agents=1)
    host = fleet.hosts[0]
    fleet.cluster.put(ONE.contract.topic, [marker(9_999, ms=NOW_MS)], 0)
    fleet.publish(ONE, 3, first_ms=NOW_MS + 3_000)
    fleet.turn(lambda: host.agent.status().standing_at == 9_999)

    fleet.turn(lambda: 9_999 in host.agent.status().given_up, most=900)
    status = host.settle()

    assert status.standing_at is None
    assert all(place.next_offset == place.end_offset for place in status.partitions)


def test_a_full_store_delays_the_switch_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """P3: what could not be written is not enacted; with room again it is."""
    fleet = Fleet(MINOR, agents=1)
    host = fleet.hosts[0]
    commit = host.store.commit
    full = True

    def refuse(writes: Any, meta: Any = None) -> None:
        if full and meta and "reached" in meta:
            raise StoreFull("no room")
        commit(writes, meta)

    monkeypatch.setattr(host.store, "commit", refuse)
    fleet.ask(RolloutAction.START)
    fleet.turn(lambda: host.agent.status().reason == "no room")
    assert (read(host).release, host.agent.status().pending) == ("inputs@1", 1)

    full = False
    fleet.turn(fleet.all_serve(2))
    assert [report.aligned for report in fleet.reached()] == [True]


def test_a_withdrawn_consumers_agent_goes_on_with_what_it_serves() -> None:
    """Withdrawn while a cut is ahead, an agent neither fails nor switches; declared anew, it begins anew."""
    fleet = Fleet(MINOR, agents=1)
    host = fleet.hosts[0]
    fleet.ask(RolloutAction.START)
    fleet.turn(lambda: host.agent.status().standing_at is not None)

    fleet.cluster.decide(SubscriptionWithdrawn("model"))
    for _ in range(20):
        fleet.coordinator.step()
        host.agent.step()
    fleet.publish(ONE, 3, first_ms=NOW_MS + 2_000)
    status = host.settle()

    assert (status.release, status.standing_at, status.state) == (1, None, "HOLDING")
    assert all(place.next_offset == place.end_offset for place in status.partitions)
    assert read(host).release == "inputs@1"
    fleet.cluster.decide(subscription())
    fleet.turn(fleet.all_serve(2))


def test_a_new_agent_begins_from_a_snapshot_and_says_so() -> None:
    """P2: from a snapshot beyond a cut it comes to the same digests; the cut below is enacted unaligned."""
    from syncline.agent.agent import Ports
    from syncline.settings import AgentSettings
    from syncline.snapshots.take import take

    fleet = Fleet(MINOR)
    fleet.ask(RolloutAction.START)
    fleet.turn(fleet.all_serve(2))
    fleet.settled()
    files = MemorySnapshots()
    take(fleet.hosts[0].store, files, now_us=fleet.cluster.clock.now_us())
    fleet.publish(MINOR, 3, first_ms=NOW_MS + 9_000)
    fleet.settled()

    new = Host(fleet.cluster, instance="new")
    new.agent = Agent(
        Ports(fleet.cluster.log, new.store, fleet.cluster.clock, files),
        settings=AgentSettings(subscription="model", instance="new", poll_timeout_s=0.001),
        consumer="model",
        stopped=lambda: False,
        wait=lambda _: None,
    )
    new.settle()

    assert digests(new.agent.status()) == digests(fleet.hosts[0].agent.status())
    assert (new.agent.status().release, new.condition().ready) == (2, True)
    (report,) = [found for found in fleet.reached() if found.agent == "model/new"]
    assert (report.aligned, report.why, {place.digest for place in report.partitions}) == (
        False,
        "snapshot",
        {None},
    )


def test_a_rollback_is_heard_while_a_dead_letter_is_waited_for() -> None:
    """Rule 1: a broken release floods the dead letters, whose topic takes none; going back does not wait for that."""
    fleet = Fleet(MAJOR)
    fleet.ask(RolloutAction.START)
    fleet.turn(fleet.all_serve(2))
    fleet.cluster.log.delete_topic(f"{MAJOR.contract.topic}.dlq")
    fleet.cluster.put(MAJOR.contract.topic, [Record(b"EWR", b"junk", NOW_MS + 500)], fleet.home("EWR"))
    fleet.turn(lambda: all(host.agent.status().state == "HOLDING" for host in fleet.hosts))

    fleet.ask(RolloutAction.ROLLBACK, mode=RolloutMode.IMMEDIATE)
    fleet.turn(fleet.all_serve(1))

    assert read(fleet.hosts[0]).release == "inputs@1"
    # Nothing was skipped meanwhile: the topic is made again, and takes the letter.
    fleet.cluster.make_topics(MAJOR)
    fleet.settled()
    assert {letter.offset for letter in fleet.cluster.letters(MAJOR)} == {
        len(fleet.cluster.read(MAJOR.contract.topic, fleet.home("EWR"))) - 1
    }


def test_what_was_rolled_back_is_refused_though_the_store_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 1: where the release that stands cannot be written, the one that is known to be broken is not read."""
    fleet = Fleet(MINOR, agents=1)
    host = fleet.hosts[0]
    fleet.ask(RolloutAction.START)
    fleet.turn(fleet.all_serve(2))
    commit = host.store.commit

    def full(writes: Any, meta: Any = None) -> None:
        if meta and META_SERVING in meta:
            raise StoreFull("no room")
        commit(writes, meta)

    monkeypatch.setattr(host.store, "commit", full)
    fleet.ask(RolloutAction.ROLLBACK, mode=RolloutMode.IMMEDIATE)
    fleet.turn(lambda: bool(host.condition().refuses))
    with pytest.raises(NotReady, match="rolled back"):
        read(host, allow_not_ready=True)

    monkeypatch.setattr(host.store, "commit", commit)
    fleet.turn(fleet.all_serve(1))
    assert read(host).release == "inputs@1"


def test_reports_of_cuts_that_do_not_arrive_are_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 7: whoever waits for an agent hears of it once the reports topic takes something again."""
    fleet = Fleet(MINOR, agents=1)
    writer = fleet.hosts[0].agent._writer
    append = writer.append

    def lost(topic: str, **given: Any) -> None:
        if topic == REPORTS and isinstance(decode_report(given["value"]), CutReached):
            given["on_outcome"](Outcome(OutcomeKind.UNKNOWN, topic, reason="no answer"))
            return
        append(topic, **given)

    monkeypatch.setattr(writer, "append", lost)
    fleet.ask(RolloutAction.START)
    fleet.turn(fleet.all_serve(2))
    assert fleet.reached() == []

    monkeypatch.setattr(writer, "append", append)
    fleet.turn(lambda: bool(fleet.reached()))
    assert [report.release for report in fleet.reached()] == [2]


def test_a_minor_that_an_agent_cannot_use_holds_its_records_and_nothing_else() -> None:
    """P6, rule 8: publishers upgrade before this agent; other partitions go on, and a restart stands there again."""
    fleet = Fleet(MINOR, agents=1)
    host = fleet.hosts[0]
    later = Version.make(9, version="1.2.0", extra=True, partitions=2)
    registered = registration(later)
    document = json.loads(registered.contract) | {"apiVersion": "v9.0.0"}
    fleet.cluster.decide(replace(registered, contract=json.dumps(document)))
    home = fleet.home("EWR")
    fleet.cluster.put(ONE.contract.topic, many(later, ["EWR"], 1, first_ms=NOW_MS + 500), home)
    fleet.cluster.put(ONE.contract.topic, many(ONE, ["LGA"], 3, first_ms=NOW_MS + 500), fleet.home("LGA"))

    for _ in range(2):
        status = host.settle()
        assert (status.state, status.release) == ("HOLDING", 1)
        assert "schema id 9 at offset 10 cannot be used by this agent: delay@1.2" in status.reason
        assert {place.partition: place.next_offset for place in status.partitions} == {
            home: 10,
            fleet.home("LGA"): 13,
        }
        host.start()
