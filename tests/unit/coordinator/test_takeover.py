"""Who is live: claims, standbys, zombies, and whoever has slept."""

from __future__ import annotations

import pytest

from syncline.catalog.coordination import CutState
from syncline.catalog.rollout_events import RolloutOutcome
from syncline.errors import CatalogError
from tests.unit.agent.world import Killed
from tests.unit.coordinator.world import BUNDLE, TAKEOVER_S, Fate, Nth, Office, killed, start, steps

RECORDS = 8
"""Appends of a rollout with three partitions: claim, prepare, three markers, commit, live, final."""
FINAL_AT_ONCE = 0


@pytest.fixture
def office() -> Office:
    """Two releases that share a topic; nobody coordinates."""
    return Office()


def test_a_standby_waits_while_the_holder_is_heard_of(office: Office) -> None:
    """However long it stands by, as long as reports come."""
    live, standby = office.coordinator("c1"), office.coordinator("c2")
    steps(live)
    for _ in range(5):
        assert steps(standby).state == "STANDBY"
        office.cluster.clock.advance(seconds=TAKEOVER_S * 0.9)
        steps(live)

    assert office.standing().holder == "c1"
    assert steps(standby).reason == "c1 is live"


def test_a_standby_takes_over_when_nothing_is_heard_any_more(office: Office) -> None:
    """Counted by its own clock; the reason says so (P11)."""
    steps(office.coordinator("c1"))
    standby = office.coordinator("c2")
    steps(standby)
    office.cluster.clock.advance(seconds=TAKEOVER_S - 0.1)
    assert steps(standby).state == "STANDBY"

    office.cluster.clock.advance(seconds=0.2)

    assert steps(standby).state == "ACTIVE"
    standing = office.standing()
    assert standing.holder == "c2"
    assert office.decision(standing.claim).reason == "nothing was heard of c1 for 15 s"


def test_silence_counts_from_when_it_began_to_listen(office: Office) -> None:
    """A last report of long ago is no silence that this one has heard."""
    steps(office.coordinator("c1"))
    office.cluster.clock.advance(seconds=3_600)

    standby = office.coordinator("c2")

    assert steps(standby).state == "STANDBY"


def test_a_holder_that_has_ended_is_not_waited_for(office: Office) -> None:
    """Its report says that it is STOPPED."""
    done: list[bool] = []
    first = office.coordinator("c1", stopped=lambda: bool(done))
    steps(first)
    standby = office.coordinator("c2")
    assert steps(standby).state == "STANDBY"
    done.append(True)
    first.run()

    assert steps(standby).state == "ACTIVE"


def test_the_end_of_an_earlier_life_is_not_the_end_of_this_one(office: Office) -> None:
    """A claims, stops, and claims again: what it said at its first stop is about its first claim."""
    ended: list[bool] = []
    first = office.coordinator("c1", stopped=lambda: bool(ended))
    steps(first)
    ended.append(True)
    first.run()
    second = office.coordinator("c1", report_interval_s=1_000.0)
    second._standing.report = lambda _: None  # type: ignore[method-assign]
    steps(second)

    assert steps(office.coordinator("c2")).state == "STANDBY"
    assert office.standing().holder == "c1"


def test_a_coordinator_that_starts_again_takes_its_own_claim_at_once(office: Office) -> None:
    """Nobody else has it; the claim is new, so that its former life is a zombie like any other."""
    steps(office.coordinator("c1"))
    before = office.standing().claim

    status = steps(office.coordinator("c1"))

    assert status.state == "ACTIVE"
    assert office.standing().claim > before


def test_of_two_that_claim_at_once_one_is_live(office: Office) -> None:
    """P9: the second claim was written without having read the first."""
    other = office.coordinator("c2")
    first = office.coordinator("c1", gate=Nth(1, meanwhile=lambda: steps(other)))

    assert steps(first).state == "STANDBY"
    assert steps(other).state == "ACTIVE"
    assert office.standing().holder == "c2"


def test_two_of_one_name_do_not_take_turns(office: Office) -> None:
    """The one that has lost its claim to its own name ends, and says what to do."""
    first = office.coordinator("c1")
    steps(first)
    steps(office.coordinator("c1"))

    with pytest.raises(CatalogError, match="each needs a name of its own"):
        steps(first)


def test_one_that_slept_listens_before_it_takes_over(office: Office) -> None:
    """It has heard nothing for long because it slept, not because nobody spoke."""
    live, sleeper = office.coordinator("c1"), office.coordinator("c2")
    steps(live)
    steps(sleeper)
    for _ in range(10):
        office.cluster.clock.advance(seconds=10)
        live.step()

    assert steps(sleeper).state == "STANDBY"
    assert office.standing().holder == "c1"


def test_an_outage_is_no_silence(office: Office) -> None:
    """After it, the one that was live has `takeover_after_s` to say something."""
    live, standby = office.coordinator("c1"), office.coordinator("c2")
    steps(live)
    steps(standby)
    office.cluster.log.available = False
    for _ in range(20):
        standby.step()
        office.cluster.clock.advance(seconds=2)
    office.cluster.log.available = True

    assert steps(standby).state == "STANDBY"
    live.step()
    assert office.standing().holder == "c1"


@pytest.mark.parametrize("successor", ["c1", "c2"])
@pytest.mark.parametrize("fate", [Fate.KILLED, Fate.KILLED_AFTER])
@pytest.mark.parametrize("at", range(1, RECORDS + 1))
def test_killed_at_any_record_its_successor_comes_to_one_outcome(
    office: Office, at: int, fate: Fate, successor: str
) -> None:
    """P4, P9: no cut stays open, one is committed, at the place of its own markers, and the rollout is done."""
    office.ask(start(final_after_us=FINAL_AT_ONCE))
    killed(office.coordinator("c1", gate=Nth(at, fate)))

    heir = office.coordinator(successor)
    steps(heir)
    office.cluster.clock.advance(seconds=TAKEOVER_S + 1)
    steps(heir)

    assert office.standing().rollouts[BUNDLE][-1].outcome is RolloutOutcome.FINAL
    assert office.open_cut() is None
    committed = [cut for cut in office.cuts() if cut.state is CutState.COMMITTED]
    assert len(committed) == 1
    assert len(office.standing().rulings[BUNDLE]) == 1
    for topic, number, offset in committed[0].vector:
        assert offset in office.markers(committed[0].id, number, topic)


@pytest.mark.parametrize("at", range(1, RECORDS + 1))
def test_a_zombie_that_wakes_up_changes_nothing(office: Office, at: int) -> None:
    """P9: paused just before any of its writes, it wakes up when another is live and all is done."""
    office.ask(start(final_after_us=FINAL_AT_ONCE))
    heir = office.coordinator("c2")
    slept = []

    def sleep() -> None:
        steps(heir)
        office.cluster.clock.advance(seconds=TAKEOVER_S + 1)
        steps(heir)
        slept.append(office.standing())

    zombie = office.coordinator("c1", gate=Nth(at, meanwhile=sleep))
    status = steps(zombie)

    (before,) = slept
    assert before.rollouts[BUNDLE][-1].outcome is RolloutOutcome.FINAL
    assert office.standing() == before
    assert (status.state, status.claim) == ("STANDBY", None)
    assert office.standing().holder == "c2"


def test_a_zombie_that_wakes_up_during_another_cut_does_not_decide_it(office: Office) -> None:
    """P9: its acknowledgements are of its own cut, and its commit was written after less than stands now."""
    office.ask(start())
    office.refuse(0)
    heir = office.coordinator("c2", gate=office.gate)

    def sleep() -> None:
        heir.step()
        office.cluster.clock.advance(seconds=TAKEOVER_S + 1)
        while office.standing().holder != "c2" or office.open_cut() is None:
            heir.step()

    zombie = office.coordinator("c1", gate=Nth(6, meanwhile=sleep))
    steps(zombie)

    assert office.states() == [CutState.ABORTED, CutState.OPEN]
    office.refuse()
    office.cluster.clock.advance(seconds=1)
    steps(heir)
    assert office.states() == [CutState.ABORTED, CutState.COMMITTED]


def test_killed_is_no_failure_that_it_could_catch(office: Office) -> None:
    """What these tests kill with passes through everything, as a signal does."""
    coordinator = office.coordinator("c1", gate=Nth(1, Fate.KILLED))

    with pytest.raises(Killed):
        coordinator.run()
