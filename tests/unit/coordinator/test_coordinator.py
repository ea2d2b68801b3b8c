"""One coordinator, nothing going wrong: it claims, takes a release live at a cut, and back, and says what it does."""

from __future__ import annotations

import pytest

from syncline.catalog.coordination import CutState
from syncline.catalog.rollout_events import (
    AuditRequested,
    CutKind,
    RolloutAction,
    RolloutMode,
    RolloutOutcome,
)
from syncline.errors import TopicMismatch, UnknownFormat
from syncline.ports.log import TopicSpec
from syncline.telemetry.reports import PartitionStatus
from tests.unit.agent.world import CATALOG, REPORTS
from tests.unit.coordinator.world import BUNDLE, PARTITIONS, Office, asked, major, start, steps
from tests.unit.state.world import marker


@pytest.fixture
def office() -> Office:
    """Two releases that share a topic; nobody coordinates."""
    return Office()


def test_the_first_coordinator_claims(office: Office) -> None:
    """With nobody there, it does not wait."""
    status = steps(office.coordinator("c1"))

    assert (status.state, office.standing().holder) == ("ACTIVE", "c1")
    assert status.claim == office.standing().claim


def test_a_release_goes_live_at_one_cut(office: Office) -> None:
    """P4: one marker in each partition, and the vector is where they stand."""
    for partition in range(PARTITIONS):
        office.cluster.put(office.topic, [marker(999, ms=1)] * partition, partition)
    request = office.ask(start())[0]

    steps(office.coordinator())

    standing = office.standing()
    (cut,) = standing.cuts.values()
    assert cut.state is CutState.COMMITTED
    assert cut.vector == tuple((office.topic, number, number) for number in range(PARTITIONS))
    assert [office.markers(cut.id, number) for number in range(PARTITIONS)] == [[0], [1], [2]]
    rollout = standing.under_way(BUNDLE)
    assert rollout is not None
    assert (rollout.id, rollout.step, rollout.outcome) == (request, "live", None)


def test_what_is_asked_later_is_done_later(office: Office) -> None:
    """A coordinator with nothing to do writes nothing."""
    coordinator = office.coordinator()
    steps(coordinator)
    before = office.picture().next_offset
    steps(coordinator)
    assert office.picture().next_offset == before

    office.ask(start())
    steps(coordinator)

    assert office.states() == [CutState.COMMITTED]


def test_a_cut_to_another_major_spans_the_topics_of_both() -> None:
    """P4: what is below the vector is one state of both topics."""
    office = Office(major())
    office.agent_says(
        partitions=tuple(
            PartitionStatus(version.contract.topic, number, 0, 0, 0, 0, 0, "")
            for version in office.versions
            for number in range(PARTITIONS)
        )
    )
    office.ask(start())

    steps(office.coordinator())

    (cut,) = office.cuts()
    topics = sorted(version.contract.topic for version in office.versions)
    assert cut.state is CutState.COMMITTED
    assert [(topic, number) for topic, number, _ in cut.vector] == [
        (topic, number) for topic in topics for number in range(PARTITIONS)
    ]
    assert all(office.markers(cut.id, number, topic) == [offset] for topic, number, offset in cut.vector)


def test_a_promoted_rollout_is_final(office: Office) -> None:
    """P11: who promoted it stands in the catalog, in words."""
    coordinator = office.coordinator()
    office.ask(start())
    steps(coordinator)
    office.ask(asked(RolloutAction.PROMOTE))

    steps(coordinator)

    rollout = office.standing().rollouts[BUNDLE][-1]
    assert rollout.outcome is RolloutOutcome.FINAL
    assert office.standing().standing(BUNDLE) == 2
    finished = office.decision(rollout.finished_at)
    assert (finished.actor, finished.reason) == ("c1", "final, as tests says: because")


def test_a_rollout_is_final_by_itself_once_its_time_is_over(office: Office) -> None:
    """`final_after` counts from when it went live, whoever is live then."""
    office.ask(start(final_after_us=60_000_000))
    coordinator = office.coordinator()
    steps(coordinator)
    office.cluster.clock.advance(seconds=59)
    steps(coordinator)
    assert office.standing().under_way(BUNDLE) is not None

    office.cluster.clock.advance(seconds=1)
    steps(coordinator)

    assert office.standing().rollouts[BUNDLE][-1].outcome is RolloutOutcome.FINAL


def test_a_rollback_by_cut_goes_back_at_a_vector(office: Office) -> None:
    """P4: agents go back where they all stand, too."""
    coordinator = office.coordinator()
    office.ask(start())
    steps(coordinator)
    office.ask(asked(RolloutAction.ROLLBACK))

    steps(coordinator)

    assert [(cut.prepared.from_release, cut.prepared.to_release, cut.state) for cut in office.cuts()] == [
        (1, 2, CutState.COMMITTED),
        (2, 1, CutState.COMMITTED),
    ]
    assert office.standing().rollouts[BUNDLE][-1].outcome is RolloutOutcome.ROLLED_BACK
    assert office.standing().standing(BUNDLE) == 1


def test_an_immediate_rollback_needs_no_marker(office: Office) -> None:
    """The floor of a bundle's first release is empty: nothing introduced it."""
    coordinator = office.coordinator()
    office.ask(start())
    steps(coordinator)
    office.ask(asked(RolloutAction.ROLLBACK, mode=RolloutMode.IMMEDIATE))

    steps(coordinator)

    ruling = office.standing().rulings[BUNDLE][-1]
    assert (ruling.cut, ruling.to_release, ruling.floor) == (None, 1, ())
    assert len(office.cuts()) == 1
    assert office.standing().rollouts[BUNDLE][-1].outcome is RolloutOutcome.ROLLED_BACK


def test_an_abort_before_it_is_live_changes_no_release(office: Office) -> None:
    """Nothing is committed, and the bundle is free for the next rollout."""
    office.ask(start(), asked(RolloutAction.ABORT))

    steps(office.coordinator())

    rollout = office.standing().rollouts[BUNDLE][-1]
    assert (rollout.outcome, rollout.rulings) == (RolloutOutcome.ABORTED, ())


def test_an_audit_is_a_cut_that_changes_nothing(office: Office) -> None:
    """The line across the log is there, and no agent has anything to enact."""
    request = office.ask(AuditRequested(BUNDLE))[0]

    steps(office.coordinator())

    (cut,) = office.cuts()
    assert (cut.state, cut.prepared.kind, cut.prepared.request) == (
        CutState.COMMITTED,
        CutKind.AUDIT,
        request,
    )
    assert BUNDLE not in office.standing().rulings


def test_it_waits_for_agents_that_cannot_serve_the_release(office: Office) -> None:
    """Rule 8: no cut is prepared, and its report says for whom it waits; nobody can force it."""
    office.agent_says(cannot_serve=((2, "schema id 2 cannot be decoded"),))
    office.ask(start(), asked(RolloutAction.PROMOTE))

    status = steps(office.coordinator())

    assert office.cuts() == []
    assert status.waiting == ("inputs: model/a cannot serve inputs@2: schema id 2 cannot be decoded",)


def test_it_waits_for_agents_that_have_not_read_of_the_release(office: Office) -> None:
    """What they cannot serve they say only then."""
    coordinator = office.coordinator()
    office.agent_says(catalog_offset=2)
    office.ask(start())
    assert steps(coordinator).waiting == ("inputs: model/a has not read of inputs@2 yet",)

    office.agent_says()
    steps(coordinator)

    assert office.states() == [CutState.COMMITTED]


def test_it_waits_for_agents_that_are_still_warming_unless_told_otherwise() -> None:
    """A person who promotes says that warming need not be waited for."""
    office = Office(major())
    coordinator = office.coordinator()
    office.agent_says()
    office.ask(start())
    (why,) = steps(coordinator).waiting
    assert "model/a is still warming inputs@2: it does not read" in why

    office.ask(asked(RolloutAction.PROMOTE))
    steps(coordinator)

    assert office.states() == [CutState.COMMITTED]


@pytest.mark.parametrize("state", ["STOPPED", "FAILED"])
def test_agents_that_have_ended_are_not_waited_for(office: Office, state: str) -> None:
    """They read the decision when they start again."""
    office.agent_says(catalog_offset=2)
    office.agent_says(catalog_offset=2, state=state)
    office.ask(start())

    steps(office.coordinator())

    assert office.states() == [CutState.COMMITTED]


def test_agents_of_which_nothing_is_heard_are_forgotten(office: Office) -> None:
    """Whoever is gone does not hold everyone else."""
    coordinator = office.coordinator(fleet_memory_s=60.0)
    office.agent_says(catalog_offset=2)
    office.ask(start())
    steps(coordinator)
    assert office.cuts() == []

    office.cluster.clock.advance(seconds=61)
    steps(coordinator)

    assert office.states() == [CutState.COMMITTED]


def test_what_was_said_before_it_began_to_listen_is_as_old_as_it_says(office: Office) -> None:
    """A report of an hour ago tells nothing of now; one of just now does."""
    hour_us = 3_600_000_000
    office.agent_says(catalog_offset=2, reported_at_us=office.cluster.clock.now_us() - hour_us)
    office.agent_says(instance="b", catalog_offset=2)
    office.ask(start())

    status = steps(office.coordinator())

    assert status.waiting == ("inputs: model/b has not read of inputs@2 yet",)


def test_a_wrong_clock_of_an_agent_does_not_make_it_unheard(office: Office) -> None:
    """What comes in now was said now, whatever time it carries."""
    coordinator = office.coordinator()
    steps(coordinator)
    office.agent_says(catalog_offset=2, reported_at_us=1)
    office.ask(start())

    assert steps(coordinator).waiting == ("inputs: model/a has not read of inputs@2 yet",)


def test_reports_that_cannot_be_read_are_passed_over(office: Office) -> None:
    """Anyone may write to the reports topic."""
    coordinator = office.coordinator()
    steps(coordinator)
    writer = office.cluster.log.writer(client_id="tests")
    for value in (None, b"", b"\xc3\x01junk", b"{}"):
        writer.append(REPORTS, key=b"x", value=value)
    writer.close(1)
    office.ask(start())

    steps(coordinator)

    assert office.states() == [CutState.COMMITTED]


def test_reports_that_retention_took_are_not_missed(office: Office) -> None:
    """One that slept longer than reports are kept goes on from what is there: agents say it again."""
    coordinator = office.coordinator()
    steps(coordinator)
    for _ in range(3):
        office.agent_says()
    for partition in range(6):
        office.cluster.log.trim(REPORTS, partition, 1_000)
    office.agent_says(catalog_offset=2)
    office.ask(start())

    status = steps(coordinator)

    assert status.waiting == ("inputs: model/a has not read of inputs@2 yet",)


def test_a_reports_topic_that_goes_away_is_waited_for(office: Office) -> None:
    """And then its own claim is of a former life: it claims anew."""
    coordinator = office.coordinator()
    before = steps(coordinator).claim
    office.cluster.log.delete_topic(REPORTS)
    assert steps(coordinator, 3).state == "STARTING"

    office.cluster.make_topics()

    status = steps(coordinator)
    assert status.state == "ACTIVE"
    assert status.claim != before


def test_a_fault_of_ours_is_a_failure_like_any_other(office: Office) -> None:
    """Whoever looks at the reports reads it, and a standby takes over."""
    coordinator = office.coordinator()
    steps(coordinator)
    coordinator._partition_counts.of = _divided  # type: ignore[method-assign]  # no valid catalog does this
    office.ask(start())

    with pytest.raises(ZeroDivisionError):
        coordinator.run()

    last = office.said("c1")[-1]
    assert (last.state, last.reason.split(":")[0]) == ("FAILED", "unexpected ZeroDivisionError")
    assert steps(office.coordinator("c2")).state == "ACTIVE"


def test_it_says_what_it_is_doing(office: Office) -> None:
    """Standbys and people go by its reports: at each change, and every `report_interval_s`."""
    coordinator = office.coordinator(report_interval_s=2.0)
    steps(coordinator)
    assert [report.state for report in office.said("c1")][-1] == "ACTIVE"
    before = len(office.said("c1"))

    office.cluster.clock.advance(seconds=2.1)
    steps(coordinator)

    assert len(office.said("c1")) == before + 1
    assert office.said("c1")[-1].takeover_after_us == 15_000_000


def test_told_to_stop_it_leaves_no_cut_open(office: Office) -> None:
    """Nobody would write its markers: agents shall not stand for it."""
    office.refuse(0)
    coordinator = office.coordinator(gate=office.gate, stopped=lambda: bool(office.open_cut()))
    office.ask(start())

    coordinator.run()

    (cut,) = office.cuts()
    assert (cut.state, cut.why) == (CutState.ABORTED, "its coordinator was asked to stop")
    assert office.said("c1")[-1].state == "STOPPED"


def test_without_a_catalog_it_waits_for_one() -> None:
    """Nobody has applied anything yet: it says so, and begins once somebody has."""
    office = Office.empty()
    coordinator = office.coordinator()
    status = steps(coordinator, 3)
    assert status.state == "STARTING"
    assert "run `syncline apply`" in status.reason

    office.cluster.make_topics(*office.versions[:1])

    assert steps(coordinator).state == "ACTIVE"


def test_without_the_reports_topic_it_waits_for_it() -> None:
    """Who holds the claim, and which agents there are, it could not know."""
    office = Office.empty()
    office.cluster.log.create_topic(TopicSpec(CATALOG, 1))

    assert steps(office.coordinator(), 3).state == "STARTING"


def test_a_catalog_that_goes_away_is_read_anew_from_its_beginning(office: Office) -> None:
    """All that it knows came from there; nothing is decided on what is not there any more."""
    coordinator = office.coordinator()
    steps(coordinator)

    office.cluster.log.delete_topic(CATALOG)
    status = steps(coordinator, 3)
    assert (status.state, status.claim, status.catalog_offset) == ("STARTING", None, 0)

    office.apply()
    assert steps(coordinator).state == "ACTIVE"


def test_a_catalog_cut_at_its_end_is_a_failure(office: Office) -> None:
    """What was decided is lost: a person has to restore it."""
    coordinator = office.coordinator(stopped=lambda: False)
    steps(coordinator)
    office.cluster.log.delete_topic(CATALOG)
    office.cluster.log.create_topic(TopicSpec(CATALOG, 1))

    with pytest.raises(TopicMismatch):
        coordinator.run()

    assert office.said("c1")[-1].state == "FAILED"


def test_a_catalog_record_of_a_newer_format_is_a_failure(office: Office) -> None:
    """Nobody can go on without knowing what it says; the report tells why."""
    coordinator = office.coordinator()
    steps(coordinator)
    writer = office.cluster.log.writer(client_id="tests")
    writer.append(CATALOG, key=b"x", value=b"\xc3\x01" + bytes(range(8)) + b"later", partition=0)
    writer.close(1)

    with pytest.raises(UnknownFormat):
        coordinator.run()

    last = office.said("c1")[-1]
    assert last.state == "FAILED"
    assert "newer" in last.reason


def test_a_view_whose_contract_cannot_be_used_waits_and_says_so(office: Office) -> None:
    """It cannot know the partitions; rollbacks of others still come first."""
    coordinator = office.coordinator()
    coordinator._partition_counts.of = _unusable  # type: ignore[method-assign]
    office.ask(start())

    status = steps(coordinator)

    assert status.state == "ACTIVE"
    assert status.waiting == (
        "inputs: delay@1.0.0 stands in the catalog with a contract that cannot be used",
    )
    assert office.cuts() == []


def _divided(*_: object) -> int:
    return 1 // 0


def _unusable(*_: object) -> int:
    from syncline.errors import CatalogError

    raise CatalogError("delay@1.0.0 stands in the catalog with a contract that cannot be used")
