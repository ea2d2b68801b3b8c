"""Histories written by hand: what random search seldom meets, step by step."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from syncline.catalog.rollout_events import (
    AuditRequested,
    Cohort,
    RolloutAction,
    RolloutMode,
    RolloutOutcome,
    RolloutRequested,
)
from tests.simulation.agent import SimAgent
from tests.simulation.coordinator import SimCoordinator
from tests.simulation.log import Place
from tests.simulation.world import BUNDLE, World

DELAY, DELAY_2, WEATHER = ("delay.v1", 0), ("delay.v2", 0), ("weather.v1", 0)
SCHEMA = {DELAY: 1, DELAY_2: 3, WEATHER: 4}


class Scene:
    """A world without chance: one coordinator that has claimed, and whatever agents it is given."""

    def __init__(self, *, releases: int = 3, agents: tuple[str, ...] = ("i0", "i1")) -> None:
        self.world = World(0, counts=(1, 1, 1), faulty=False)
        self.world.random = _NoChance()
        self.leader: SimCoordinator = self.world.coordinators[0]
        for number in range(2, releases + 1):
            self.world.release(number)
        self.agents: list[SimAgent] = [self.world.agent("follower", instance) for instance in agents]
        for agent in self.agents:
            agent.start()
        self.lead(self.leader)

    def publish(self, *places: Place) -> None:
        """An update lands in each of these partitions, a second after what was there."""
        self.world.now_s += 1
        for place in places or tuple(SCHEMA):
            self.world.publish(place, key=b"EWR", age_s=0.0, schema_id=SCHEMA[place])

    def ask(
        self,
        action: RolloutAction,
        source: int,
        target: int,
        *,
        mode: RolloutMode = RolloutMode.CUT,
        cohort: Cohort | None = None,
    ) -> int:
        """A person asks for something."""
        return self.world.propose(
            RolloutRequested(BUNDLE, action, source, target, cohort or Cohort(), mode=mode)
        )

    def land(self) -> None:
        """Whatever is on its way arrives."""
        while self.world.network.waiting:
            self.world.land()

    def act(self, coordinator: SimCoordinator | None = None) -> None:
        """A coordinator reads to the end, and takes one step; nothing lands."""
        coordinator = coordinator or self.leader
        coordinator.read(1_000)
        coordinator.act(now_s=self.world.now_s, may_claim=False)

    def lead(self, coordinator: SimCoordinator) -> None:
        """It claims, and learns that it has."""
        coordinator.read(1_000)
        coordinator.act(now_s=self.world.now_s, may_claim=True)
        self.land()
        coordinator.read(1_000)

    def coordinate(self, turns: int = 12) -> None:
        """The leader does all there is to do, and everything lands."""
        for _ in range(turns):
            self.act()
            self.land()

    def work(self, *agents: SimAgent) -> None:
        """These agents, or all, read all there is."""
        for _ in range(4):
            for agent in agents or tuple(self.agents):
                if agent.up:
                    self.turn(agent)

    def turn(self, agent: SimAgent) -> None:
        """One agent reads the catalog, and takes two turns with each partition."""
        self.world.follow(agent)
        for place in sorted(agent.states) * 2:
            if place in agent.states and agent.is_started:
                self.world.read(agent, place)
        self.world.settle(agent)

    def roll_out(self, source: int, target: int, *, final: bool = True) -> None:
        """A rollout from beginning to end."""
        self.work()
        self.ask(RolloutAction.START, source, target)
        self.coordinate()
        self.work()
        if final:
            self.ask(RolloutAction.PROMOTE, source, target)
            self.coordinate()
            self.work()

    def end(self) -> None:
        """To rest, with everything checked."""
        self.world.come_to_rest()

    @property
    def releases(self) -> list[int | None]:
        """What each agent serves."""
        return [agent.serves() for agent in self.agents]


class _NoChance(Random):
    """Offsets have no holes, and messages land in the order in which they were sent."""

    def random(self) -> float:
        return 0.5


def a_rollback_is_doubled() -> None:
    """A copy of an Immediate lands when the release it rolled back has been rolled out again."""
    scene = Scene()
    scene.publish()
    scene.roll_out(1, 2, final=False)
    scene.ask(RolloutAction.ROLLBACK, 1, 1, mode=RolloutMode.IMMEDIATE)
    scene.act()
    late = scene.world.network.waiting[0]
    scene.coordinate()
    scene.work()
    assert scene.releases == [1, 1]
    scene.roll_out(1, 2, final=False)
    assert scene.releases == [2, 2]
    late.land()
    scene.world.promises.catalog_grew()
    scene.work()
    assert scene.releases == [2, 2]
    scene.end()


def a_rollback_reaches_an_agent_that_is_below_its_target() -> None:
    """Release 2 came by a cut; back to it from 3, an agent that was away is below that cut's vector."""
    scene = Scene(agents=("i0", "i1"))
    scene.publish()
    scene.work()
    slow = scene.agents[1]
    slow.crash()
    scene.publish()
    scene.roll_out(1, 2)
    scene.publish()
    scene.roll_out(2, 3, final=False)
    scene.ask(RolloutAction.ROLLBACK, 2, 2, mode=RolloutMode.IMMEDIATE)
    scene.coordinate()
    slow.start()
    scene.world.follow(slow)
    assert slow.serves() is None, "what it served is known to be broken, and it is too early for the other"
    scene.work()
    assert scene.releases == [2, 2]
    scene.end()


def a_prepare_lands_late_while_the_next_cut_is_open() -> None:
    """Two cuts with markers crossing each other: the second to land never is one."""
    scene = Scene()
    scene.publish()
    scene.work()
    scene.ask(RolloutAction.START, 1, 2)
    scene.act()
    late = scene.world.network.waiting[0]
    scene.coordinate(1)
    scene.world.now_s += 100
    scene.world.network.waiting.clear()
    scene.coordinate(1)
    assert scene.world.picture.coordination.open_cut is None, "its markers took too long"
    scene.coordinate(1)
    second = scene.world.picture.coordination.open_cut
    assert second is not None
    late.land()
    scene.world.promises.catalog_grew()
    assert scene.world.picture.coordination.open_cut == second
    scene.coordinate()
    scene.work()
    assert scene.releases == [2, 2]
    scene.end()


def a_successor_claims_while_a_commit_is_on_its_way() -> None:
    """The cut is over with the claim; agents that stood at its markers go on, and the successor starts afresh."""
    scene = Scene()
    scene.publish()
    scene.work()
    scene.ask(RolloutAction.START, 1, 2)
    scene.coordinate(2)
    scene.act()
    commit = scene.world.network.waiting.pop()
    scene.work()
    assert all(agent.standing for agent in scene.agents)
    successor = scene.world.coordinators[1]
    scene.lead(successor)
    assert scene.world.picture.coordination.open_cut is None
    commit.land()
    scene.world.promises.catalog_grew()
    scene.publish()
    scene.work()
    assert scene.releases == [1, 1]
    assert not any(agent.standing for agent in scene.agents)
    scene.leader = successor
    scene.coordinate()
    scene.work()
    assert scene.releases == [2, 2]
    scene.end()


def an_immediate_lands_while_a_cut_is_open() -> None:
    """The cut is over with it: its commit, on its way already, is void."""
    scene = Scene()
    scene.publish()
    scene.roll_out(1, 2, final=False)
    audit = scene.world.propose(AuditRequested(BUNDLE))
    scene.coordinate(2)
    cut = scene.world.picture.coordination.open_cut
    assert cut is not None
    scene.act()
    commit = scene.world.network.waiting.pop()
    scene.ask(RolloutAction.ROLLBACK, 1, 1, mode=RolloutMode.IMMEDIATE)
    scene.leader.unresolved = None
    scene.coordinate(1)
    commit.land()
    scene.world.promises.catalog_grew()
    assert scene.world.promises.decided.outcome[cut] == "aborted"
    scene.coordinate()
    scene.work()
    assert scene.releases == [1, 1]
    afresh = scene.world.picture.coordination.audits[audit].cuts
    assert len(afresh) == 2, "the audit is made again under another id"
    scene.end()


def one_cut_is_given_up_and_the_next_is_held_for() -> None:
    """A partition has passed the vector of the one that was given up; at the marker of the next it stands again."""
    scene = Scene()
    agent = scene.agents[0]
    agent.limit_s = 10.0
    agent.crash()
    agent.start()
    scene.publish()
    scene.work()
    scene.publish(WEATHER)
    scene.ask(RolloutAction.START, 1, 2)
    scene.coordinate(2)

    def read_delays() -> None:
        scene.world.follow(agent)
        for _ in range(4):
            scene.world.read(agent, DELAY)

    read_delays()
    assert agent.standing
    scene.world.now_s += 11
    scene.publish(DELAY)
    read_delays()
    scene.coordinate()
    scene.ask(RolloutAction.PROMOTE, 1, 2)
    scene.coordinate()
    scene.ask(RolloutAction.START, 2, 3)
    scene.coordinate(2)
    scene.publish(DELAY)
    read_delays()
    assert agent.serves() == 1, "its other partition is below the first vector"
    scene.coordinate()
    read_delays()
    assert DELAY in agent.standing
    assert agent.states[DELAY].next_offset < scene.world.log[DELAY].end
    scene.work()
    assert scene.releases == [3, 3]
    scene.end()


def an_abort_that_a_commit_has_overtaken_is_a_rollback() -> None:
    """P4, P11: the agents enact the commit; the release that the catalog says stands is the one they go back to."""
    scene = Scene()
    scene.publish()
    scene.work()
    start = scene.ask(RolloutAction.START, 1, 2)
    scene.coordinate(2)
    scene.act()
    scene.ask(RolloutAction.ABORT, 1, 2)
    scene.land()
    scene.work()
    assert scene.releases == [2, 2]
    scene.coordinate()
    scene.work()
    scene.coordinate()
    assert scene.releases == [1, 1]
    standing = scene.world.picture.coordination
    (rollout,) = standing.rollouts[BUNDLE]
    assert (rollout.id, rollout.outcome) == (start, RolloutOutcome.ROLLED_BACK)
    assert standing.standing(BUNDLE) == 1
    scene.end()


def a_release_that_was_let_go_is_warmed_again_before_its_cut() -> None:
    """P4: back to a MAJOR whose topic nobody reads any more, by a rollout of its own."""
    scene = Scene()
    scene.publish()
    scene.roll_out(1, 3)
    scene.publish()
    scene.work()
    assert DELAY not in scene.agents[0].states, "it was let go"
    scene.ask(RolloutAction.START, 3, 1)
    scene.work()
    scene.coordinate()
    scene.work()
    assert scene.releases == [1, 1]
    assert scene.agents[0].states[DELAY].next_offset == scene.world.log[DELAY].end
    scene.end()


DIRECTED: dict[str, Callable[[], None]] = {
    "an abort comes first however late": an_abort_that_a_commit_has_overtaken_is_a_rollback,
    "what was let go is not warmed for its rollout": a_release_that_was_let_go_is_warmed_again_before_its_cut,
    "the fold ignores after": a_rollback_is_doubled,
    "an immediate has no floor": a_rollback_reaches_an_agent_that_is_below_its_target,
    "an agent serves while an immediate is ahead": a_rollback_reaches_an_agent_that_is_below_its_target,
    "giving up one cut gives up all": one_cut_is_given_up_and_the_next_is_held_for,
    "a prepare counts while a cut is open": a_prepare_lands_late_while_the_next_cut_is_open,
    "a successor finishes the cut of another": a_successor_claims_while_a_commit_is_on_its_way,
    "an immediate leaves the open cut committable": an_immediate_lands_while_a_cut_is_open,
}
"""Planted bug → the history that shows it."""
