"""Outcomes that nobody knows, records that land late, partitions that take no marker, brokers that are away."""

from __future__ import annotations

from typing import Any

import pytest

from syncline.catalog.coordination import CutState
from syncline.catalog.rollout_events import RolloutAction, RolloutMode, RolloutOutcome
from syncline.coordinator.markers import AGAIN_S, Markers
from syncline.ports.log import Outcome, OutcomeKind
from syncline.telemetry.coordinator_events import CoordinatorEvents
from tests.unit.agent.world import CATALOG, Cluster
from tests.unit.coordinator.world import BUNDLE, PARTITIONS, Fate, Nth, Office, asked, start, steps

RECORDS = 8
"""Appends of a rollout with three partitions: claim, prepare, three markers, commit, live, final."""


@pytest.fixture
def office() -> Office:
    """Two releases that share a topic; nobody coordinates."""
    return Office()


@pytest.mark.parametrize("fate", [Fate.UNKNOWN, Fate.FAILED, Fate.LATE])
@pytest.mark.parametrize("at", range(1, RECORDS + 1))
def test_whatever_becomes_of_one_record_there_is_one_outcome(office: Office, at: int, fate: Fate) -> None:
    """P4: an unknown outcome is looked up; what lands late counts for nothing."""
    office.ask(start(final_after_us=0))
    coordinator = office.coordinator(gate=Nth(at, fate))
    for _ in range(3):
        steps(coordinator)
        office.cluster.clock.advance(seconds=AGAIN_S)

    before = office.standing()
    assert before.rollouts[BUNDLE][-1].outcome is RolloutOutcome.FINAL
    assert office.states() == [CutState.COMMITTED]
    (cut,) = office.cuts()
    assert all(offset in office.markers(cut.id, number) for _, number, offset in cut.vector)
    assert len(office.late) == (fate is Fate.LATE)
    for land in office.late:
        land()
    assert office.standing() == before


@pytest.mark.parametrize("fate", [Fate.UNKNOWN, Fate.FAILED, Fate.LATE])
def test_an_immediate_whose_outcome_is_unknown_is_there_once(office: Office, fate: Fate) -> None:
    """Said twice it would cancel whatever came between."""
    coordinator = office.coordinator(gate=Nth(RECORDS, fate))
    office.ask(start())
    steps(coordinator)
    office.ask(asked(RolloutAction.ROLLBACK, mode=RolloutMode.IMMEDIATE))

    steps(coordinator)
    for land in office.late:
        land()

    assert [ruling.cut is None for ruling in office.standing().rulings[BUNDLE]] == [False, True]
    assert office.standing().rollouts[BUNDLE][-1].outcome is RolloutOutcome.ROLLED_BACK


def test_a_marker_written_twice_does_no_harm(office: Office) -> None:
    """The vector names the one that was acknowledged."""
    office.ask(start())
    coordinator = office.coordinator(gate=Nth(3, Fate.UNKNOWN))
    steps(coordinator)
    office.cluster.clock.advance(seconds=AGAIN_S)
    steps(coordinator)

    (cut,) = office.cuts()
    assert office.markers(cut.id, 0) == [0, 1]
    assert cut.vector[0] == (office.topic, 0, 1)


def test_a_partition_that_takes_no_marker_aborts_the_cut_by_name(office: Office) -> None:
    """Past the deadline; agents go on, and a person reads which topic and partition it was."""
    office.refuse(1)
    coordinator = office.coordinator(gate=office.gate, prepare_timeout_s=10.0)
    office.ask(start())
    steps(coordinator)
    assert office.states() == [CutState.OPEN]
    assert [len(office.markers(office.cuts()[0].id, number)) for number in range(PARTITIONS)] == [1, 0, 1]

    office.cluster.clock.advance(seconds=10)
    coordinator.step()
    office.refuse()

    (cut,) = office.cuts()
    assert cut.state is CutState.ABORTED
    assert cut.why == f"no marker was acknowledged in time in {office.topic} partition 1"


def test_a_partition_that_takes_markers_again_lets_the_cut_go_on(office: Office) -> None:
    """It is tried again until the deadline, with a pause between."""
    office.refuse(1)
    coordinator = office.coordinator(gate=office.gate)
    office.ask(start())
    steps(coordinator)

    office.refuse()
    steps(coordinator)
    assert office.states() == [CutState.OPEN]
    office.cluster.clock.advance(seconds=AGAIN_S)
    steps(coordinator)

    assert office.states() == [CutState.COMMITTED]


def test_after_three_cuts_that_failed_a_person_is_asked(office: Office) -> None:
    """P11: the rollout is paused with the reason; once somebody promotes it, it goes on."""
    office.refuse(2)
    coordinator = office.coordinator(gate=office.gate, prepare_timeout_s=10.0)
    office.ask(start())
    for _ in range(4):
        steps(coordinator)
        office.cluster.clock.advance(seconds=10)
    status = steps(coordinator)

    assert office.states() == [CutState.ABORTED] * 3
    rollout = office.standing().under_way(BUNDLE)
    assert rollout is not None
    assert (
        rollout.paused == f"3 cuts failed: no marker was acknowledged in time in {office.topic} partition 2"
    )
    assert status.waiting == (f"inputs: {rollout.paused}; mend it, then `syncline rollout promote inputs`",)

    office.refuse()
    office.ask(asked(RolloutAction.PROMOTE))
    steps(coordinator)
    assert office.states()[-1] is CutState.COMMITTED


def test_a_topic_that_is_not_there_aborts_the_cut_by_name(office: Office) -> None:
    """As a topic that somebody deleted."""
    coordinator = office.coordinator()
    steps(coordinator)
    office.cluster.log.delete_topic(office.topic)
    office.ask(start())
    steps(coordinator)

    office.cluster.clock.advance(seconds=10)
    coordinator.step()

    assert office.cuts()[0].why.startswith(
        f"no marker was acknowledged in time in {office.topic} partition 0,"
    )


def test_brokers_that_are_away_cost_nothing_but_time(office: Office) -> None:
    """P10: it keeps what it holds, and goes on once they are back."""
    coordinator = office.coordinator()
    steps(coordinator)
    office.ask(start())
    office.cluster.log.available = False
    for _ in range(3):
        coordinator.step()
    office.cluster.log.available = True

    assert steps(coordinator).state == "ACTIVE"

    assert office.states() == [CutState.COMMITTED]


def test_brokers_that_are_away_at_the_start_are_waited_for(office: Office) -> None:
    """Its state and the reason are what `status` would show."""
    office.cluster.log.available = False
    coordinator = office.coordinator()
    for _ in range(3):
        coordinator.step()
    assert coordinator.status().state == "STARTING"
    office.cluster.log.available = True

    assert steps(coordinator).state == "ACTIVE"


def test_a_record_that_would_be_void_is_not_written(office: Office) -> None:
    """A catalog that fills up with what does not count would help nobody."""
    office.ask(start())
    coordinator = office.coordinator()
    coordinator._partition_counts.of = lambda *_: 0  # type: ignore[method-assign]

    status = steps(coordinator)

    assert office.picture().void == ()
    assert status.waiting == ("inputs: rollout inputs: a topic has not 1 to 100000 partitions",)


# Markers alone: when each outcome comes is for the test to say.


class Slow:
    """A writer whose outcomes come when a test says so."""

    def __init__(self) -> None:
        self.sent: list[tuple[tuple[str, int | None], Any]] = []

    def append(self, topic: str, *, partition: int | None = None, on_outcome: Any = None, **_: Any) -> None:
        """See `LogWriter.append`."""
        self.sent.append(((topic, partition), on_outcome))

    def answer(self, number: int, offset: int | None, kind: OutcomeKind = OutcomeKind.ACKNOWLEDGED) -> None:
        """What became of the n-th append."""
        (topic, partition), on_outcome = self.sent[number]
        on_outcome(Outcome(kind, topic, partition, offset))


@pytest.fixture
def slow() -> Slow:
    """Nothing was sent yet."""
    return Slow()


def markers_on(slow: Slow, cluster: Cluster) -> Markers:
    """Markers that go by the cluster's clock."""
    return Markers(
        slow,  # type: ignore[arg-type]  # only what is needed of a writer
        coordinator="c1",
        clock=cluster.clock,
        events=CoordinatorEvents("c1"),
    )


PLACE = ("topic", 0)


def test_of_one_partition_there_is_one_marker_on_its_way(slow: Slow) -> None:
    """Not even one of the next cut, while it is unknown what became of this one."""
    cluster = Cluster()
    markers = markers_on(slow, cluster)
    markers.write(5, [PLACE])
    markers.write(5, [PLACE])
    markers.write(8, [PLACE])
    assert len(slow.sent) == 1

    slow.answer(0, 10)
    markers.write(8, [PLACE])

    assert len(slow.sent) == 2
    assert markers.acknowledged(8) == {}


def test_an_acknowledgement_of_an_earlier_cut_is_none_of_this_one(slow: Slow) -> None:
    """It would put the vector at a marker that says something else."""
    markers = markers_on(slow, Cluster())
    markers.write(5, [PLACE, ("topic", 1)])
    slow.answer(0, 10)
    assert markers.acknowledged(5) == {PLACE: 10}

    assert markers.acknowledged(8) == {}
    slow.answer(1, 11)

    assert markers.acknowledged(8) == {}
    assert markers.acknowledged(5) == {}


@pytest.mark.parametrize(
    ("kind", "offset"),
    [(OutcomeKind.FAILED, None), (OutcomeKind.UNKNOWN, None), (OutcomeKind.ACKNOWLEDGED, None)],
)
def test_a_marker_without_a_known_offset_is_written_again_after_a_pause(
    slow: Slow, kind: OutcomeKind, offset: int | None
) -> None:
    """A repeated request is acknowledged without its offset: of no use for a vector."""
    cluster = Cluster()
    markers = markers_on(slow, cluster)
    markers.write(5, [PLACE])
    slow.answer(0, offset, kind)
    markers.write(5, [PLACE])
    assert len(slow.sent) == 1

    cluster.clock.advance(seconds=AGAIN_S)
    markers.write(5, [PLACE])
    slow.answer(1, 7)

    assert markers.acknowledged(5) == {PLACE: 7}


def test_each_of_its_records_says_who_and_why(office: Office) -> None:
    """P11: actor and reason stand with every decision."""
    office.ask(start())
    steps(office.coordinator("c1"))

    written = [office.decision(record.offset) for record in office.cluster.read(CATALOG)]
    ours = [decision for decision in written if decision.actor == "c1"]
    assert [type(decision.payload).__name__ for decision in ours] == [
        "Claimed",
        "CutPrepared",
        "CutCommitted",
        "RolloutAdvanced",
    ]
    assert all(decision.reason for decision in ours)
