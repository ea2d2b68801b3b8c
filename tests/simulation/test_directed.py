"""Histories written by hand, each for one sentence of the design."""

from __future__ import annotations

import pytest

from syncline.catalog.events import PolicyKind
from syncline.catalog.lifecycle_events import SubscriptionWithdrawn
from syncline.catalog.rollout_events import (
    AuditRequested,
    Cohort,
    RolloutAction,
    RolloutMode,
    RolloutRequested,
)
from tests.simulation.directed import DELAY, WEATHER, Scene
from tests.simulation.world import BUNDLE, OTHER


def test_a_cut_is_enacted_by_all_at_its_vector():
    """P4: all agents switch at the same vector, aligned, and the next update is read under the new release."""
    scene = Scene()
    scene.publish()
    scene.roll_out(1, 2)
    assert scene.releases == [2, 2]
    assert "aligned: True" in "\n".join(scene.world.story())
    scene.end()


@pytest.mark.parametrize("first_counts", [True, False], ids=["the first copy", "the second copy"])
def test_the_vector_decides_which_of_two_markers_is_the_line(first_counts):
    """P4: a marker that was written twice makes an agent stop; it switches at the one that the vector names."""
    scene = Scene()
    scene.publish()
    scene.work()
    scene.ask(RolloutAction.START, 1, 2)
    scene.coordinate(1)
    scene.act()
    first, second = scene.world.network.waiting
    offset = first.land()
    scene.publish()
    again = first.land()
    first.acknowledge(offset if first_counts else again)
    second.acknowledge(second.land())
    scene.world.network.waiting.clear()
    scene.work()
    assert {agent.states[DELAY].next_offset for agent in scene.agents} == {offset}, "both stand at the first"
    scene.coordinate()
    line = offset if first_counts else again
    seen = []
    enacted = scene.world.watch.enacted
    scene.world.watch.enacted = lambda agent, ruling, positions, aligned: (
        seen.append((positions[DELAY], aligned)),
        enacted(agent, ruling, positions, aligned),
    )
    scene.work()
    assert seen == [(line, True)] * 2
    scene.end()


def test_a_restarted_agent_meets_its_marker_again():
    """P3, P4: it stood at the marker when it was killed; it stands there again, and remembers one proof of it."""
    scene = Scene()
    scene.publish()
    scene.work()
    scene.ask(RolloutAction.START, 1, 2)
    scene.coordinate(2)
    scene.work()
    agent = scene.agents[0]
    assert agent.standing
    ring = agent.states[DELAY].ring
    agent.crash()
    agent.start()
    scene.work()
    assert agent.standing
    assert agent.states[DELAY].ring == ring
    scene.coordinate()
    scene.work()
    assert scene.releases == [2, 2]
    scene.end()


@pytest.mark.parametrize("killed_at", range(1, 24))
def test_an_agent_that_is_killed_after_any_commit_comes_to_the_same_decision(killed_at):
    """P2, P3, P4: after each transaction of a MINOR, a MAJOR and a rollback it begins anew, and ends like the other."""
    scene = Scene()
    agent, other = scene.agents
    commits = 0
    commit = agent.store.commit

    class KilledError(Exception):
        """The process is gone."""

    def counted(*args, **more):
        nonlocal commits
        commit(*args, **more)
        commits += 1
        if commits == killed_at:
            raise KilledError

    agent.store.commit = counted
    work = scene.work

    def surviving(*agents):
        try:
            work(*agents)
        except KilledError:
            agent.crash()
            agent.start()
            work(*agents)

    scene.work = surviving
    scene.publish()
    scene.roll_out(1, 2)
    scene.publish()
    scene.roll_out(2, 3, final=False)
    scene.publish()
    scene.ask(RolloutAction.ROLLBACK, 2, 2, mode=RolloutMode.CUT)
    scene.coordinate()
    scene.work()
    assert commits >= killed_at
    assert agent.serving == other.serving
    assert scene.releases == [2, 2]
    scene.end()


@pytest.mark.parametrize("killed_at", range(14))
def test_a_coordinator_that_is_killed_after_any_step_leaves_one_outcome(killed_at):
    """P4, P9: whatever it had done, its successor starts afresh, and no partition stands at the end."""
    scene = Scene()
    scene.publish()
    scene.work()
    scene.ask(RolloutAction.START, 1, 3)
    for step in range(killed_at):
        # Odd steps: what was sent lands; even ones: the next thing is sent.
        if step % 2:
            scene.land()
        else:
            scene.act()
        scene.work()
    late = list(scene.world.network.waiting)
    scene.world.network.waiting.clear()
    scene.leader.restart()
    successor = scene.world.coordinators[1]
    scene.lead(successor)
    for message in late:
        message.acknowledge(message.land())
        scene.world.promises.catalog_grew()
    scene.leader = successor
    scene.coordinate()
    scene.work()
    assert scene.releases == [3, 3]
    committed = [
        cut for cut, outcome in scene.world.promises.decided.outcome.items() if outcome == "committed"
    ]
    assert len(committed) == 1
    scene.end()


def test_a_zombie_that_wakes_up_changes_nothing():
    """P9: it goes on where it slept, with an open cut whose markers are all there; another has claimed since."""
    scene = Scene()
    zombie, other = scene.world.coordinators
    scene.publish()
    scene.work()
    scene.ask(RolloutAction.START, 1, 2)
    scene.coordinate(2)
    zombie.read(1_000)
    scene.lead(other)
    before = scene.world.picture.coordination
    zombie.act(now_s=scene.world.now_s, may_claim=False)
    assert len(scene.world.network.waiting) == 1, "it writes its commit"
    scene.land()
    assert scene.world.picture.coordination == before
    scene.leader = other
    scene.coordinate()
    scene.work()
    assert scene.releases == [2, 2]
    scene.end()


def test_an_agent_from_a_snapshot_crosses_what_lies_below_it():
    """P2, P4: it begins beyond a cut's vector, enacts the cut unaligned, and comes to the same decision."""
    scene = Scene()
    scene.publish()
    scene.roll_out(1, 2)
    scene.publish()
    scene.work()
    scene.world.snapshot(scene.agents[0])
    scene.world.trim(DELAY, 1)
    late = scene.world.agent("follower", "late")
    scene.agents.append(late)
    late.start()
    scene.work(late)
    assert scene.releases == [2, 2, 2]
    assert "follower/late begins from a snapshot" in "\n".join(scene.world.story())
    scene.end()


def test_an_agent_outside_the_cohort_never_stands():
    """P4: a cut for others is none of its business: it stops only until it has read whom the cut is for."""
    scene = Scene()
    outsider = scene.world.agent("careful", "i0")
    outsider.start()
    scene.publish()
    scene.work(*scene.agents, outsider)
    scene.ask(RolloutAction.START, 1, 2, cohort=Cohort(consumers=("follower",)))
    scene.coordinate(2)
    scene.work(*scene.agents, outsider)
    assert all(agent.standing for agent in scene.agents)
    assert not outsider.standing
    assert outsider.states[DELAY].next_offset == scene.world.log[DELAY].end
    scene.coordinate()
    scene.work(*scene.agents, outsider)
    assert (scene.releases, outsider.serves()) == ([2, 2], 1)
    scene.end()


def test_a_marker_of_another_bundle_is_stepped_over():
    """P4: cuts of two bundles go through the same partitions; each agent stops for its own."""
    scene = Scene()
    watcher = scene.world.agent("watcher", "i0")
    watcher.start()
    scene.publish()
    scene.work(*scene.agents, watcher)
    scene.world.propose(RolloutRequested(OTHER, RolloutAction.START, 1, 2))
    scene.coordinate(2)
    scene.work(*scene.agents, watcher)
    assert watcher.standing
    assert not any(agent.standing for agent in scene.agents)
    scene.coordinate()
    scene.work(watcher)
    assert (scene.releases, watcher.serves()) == ([1, 1], 2)
    scene.end()


def test_giving_up_one_cut_leaves_the_next_one_held_for():
    """P4: past the limit it goes on under the old release, and enacts the cut late; the next cut finds it waiting."""
    scene = Scene()
    agent, other = scene.agents
    agent.limit_s = 10.0
    agent.crash()
    agent.start()
    scene.publish()
    scene.work()
    scene.ask(RolloutAction.START, 1, 2)
    scene.coordinate(2)
    scene.work()
    scene.world.now_s += 11
    scene.publish()
    scene.work(agent)
    assert agent.serves() == 1
    assert agent.states[DELAY].next_offset == scene.world.log[DELAY].end
    assert other.standing
    scene.coordinate()
    scene.work()
    assert scene.releases == [2, 2]
    scene.ask(RolloutAction.PROMOTE, 1, 2)
    scene.coordinate(2)
    scene.ask(RolloutAction.START, 2, 3)
    scene.coordinate(2)
    scene.work()
    assert agent.standing
    scene.end()


def test_an_audit_is_proof_and_holds_nobody():
    """P2: at the line of an audit every agent remembers the same digest, and nobody waits."""
    scene = Scene()
    scene.publish()
    scene.work()
    audit = scene.world.propose(AuditRequested(BUNDLE))
    scene.coordinate()
    scene.work()
    standing = scene.world.picture.coordination
    (cut,) = standing.audits[audit].cuts
    digests = {
        tuple(
            next(entry.digest for entry in agent.states[topic, number].ring if entry.offset == offset)
            for topic, number, offset in standing.cuts[cut].vector
        )
        for agent in scene.agents
    }
    assert len(digests) == 1
    assert scene.releases == [1, 1]
    assert "stands at" not in "\n".join(scene.world.story())
    scene.end()


def test_a_policy_names_what_was_there_when_it_was_declared():
    """P4: an agent that began before the release was there, and one that begins after it, begin with the same one."""
    scene = Scene(releases=1)
    scene.world.declare("careful", PolicyKind.PIN, 2)
    early, late = (scene.world.agent("careful", name) for name in ("early", "late"))
    scene.publish()
    early.start()
    scene.work(early)
    scene.world.release(2)
    late.start()
    scene.work(early, late)
    assert early.serving == late.serving
    scene.roll_out(1, 2)
    scene.work(early, late)
    assert (early.serves(), late.serves()) == (2, 2)
    scene.end()


def test_nothing_is_served_while_an_immediate_is_ahead():
    """P4: an agent that was away has a release that is known to be broken: it serves nothing until it is back."""
    scene = Scene()
    agent, _ = scene.agents
    scene.publish()
    scene.roll_out(1, 2)
    scene.publish(WEATHER)
    scene.roll_out(2, 3, final=False)
    agent.crash()
    scene.ask(RolloutAction.ROLLBACK, 2, 2, mode=RolloutMode.IMMEDIATE)
    scene.coordinate()
    agent.start()
    assert agent.serves() is None
    scene.work()
    assert scene.releases == [2, 2]
    scene.end()


def test_what_is_decided_for_a_withdrawn_consumer_waits_until_it_is_declared_again():
    """P4: it enacts nothing meanwhile; declared anew it begins anew, by what it declares then."""
    scene = Scene()
    careful = scene.world.agent("careful", "i0")
    careful.start()
    scene.publish()
    scene.work(*scene.agents, careful)
    scene.publish(WEATHER)
    scene.ask(RolloutAction.START, 1, 2)
    scene.coordinate()
    scene.world.follow(careful)
    scene.world.propose(SubscriptionWithdrawn("careful"))
    scene.work(*scene.agents, careful)
    assert (scene.releases, careful.serves()) == ([2, 2], 1)
    scene.world.declare("careful", PolicyKind.FOLLOW)
    scene.work(careful)
    assert careful.serves() == 2
    scene.world.propose(SubscriptionWithdrawn("careful"))
    scene.world.declare("careful", PolicyKind.PIN, 1)
    scene.work(careful)
    assert careful.serves() == 1, "as any other agent of what it declares now"
    scene.end()


@pytest.mark.parametrize("mode", list(RolloutMode))
def test_a_rollback_reaches_whoever_got_the_release(mode):
    """P4: a canary by label; its consumer has other labels when the release is rolled back."""
    scene = Scene()
    scene.publish()
    scene.work()
    scene.ask(RolloutAction.START, 1, 2, cohort=Cohort(labels=(("tier", "gold"),)))
    scene.coordinate()
    scene.work()
    assert scene.releases == [2, 2]
    scene.world.declare("follower", PolicyKind.FOLLOW, tier="silver")
    scene.ask(RolloutAction.ROLLBACK, 1, 1, mode=mode)
    scene.coordinate()
    scene.work()
    assert scene.releases == [1, 1]
    scene.end()
