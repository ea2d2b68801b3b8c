"""Random histories: one seed, one history; the same seed gives the same one again."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from syncline.catalog.events import PolicyKind
from syncline.catalog.lifecycle_events import SubscriptionWithdrawn
from syncline.catalog.rollout_events import (
    AuditRequested,
    Cohort,
    RolloutAction,
    RolloutMode,
    RolloutRequested,
)
from tests.simulation.agent import SimAgent
from tests.simulation.world import BUNDLE, KEYS, OTHER, World

STEPS = 130
POLICIES = [
    (PolicyKind.FOLLOW, None),
    (PolicyKind.COMPATIBLE, 1),
    (PolicyKind.COMPATIBLE, 2),
    (PolicyKind.PIN, 1),
    (PolicyKind.PIN, 3),
]
COHORTS = [
    Cohort(),
    Cohort(),
    Cohort(),
    Cohort(consumers=("follower",)),
    Cohort(labels=(("tier", "gold"),)),
    Cohort(share=5_000),
]


class History:
    """One history: what happens at each step depends on the seed, the step's number and where things stand."""

    def __init__(self, seed: int, *, steps: int = STEPS) -> None:
        self.seed = seed
        self.steps = steps
        self.world = World(seed)
        self._chosen: list[tuple[int, Callable[[Random], None]]] = [
            (14, self._publish),
            (24, self._read),
            (14, self._follow),
            (18, self._land),
            (20, self._coordinate),
            (7, self._ask),
            (2, self._crash),
            (3, self._start),
            (2, self._snapshot),
            (1, self._trim),
            (3, self._time),
            (2, self._catalog),
            (1, self._second_claims),
        ]
        self._weights = [weight for weight, _ in self._chosen]
        self._actions = [action for _, action in self._chosen]
        random = Random(seed * 7 + 1)
        self._releases = 1
        for instance in range(random.choice((2, 2, 3))):
            self.world.agent("follower", f"i{instance}", limit_s=random.choice((20.0, 60.0)))
        self.world.agent("careful", "i0")
        if random.random() < 0.4:
            self.world.agent("watcher", "i0")
        if random.random() < 0.5:
            for number in range(2):
                self.world.agent("follower", f"s{number}", shard=(number, 2))
        for agent in self.world.agents[:-1]:
            agent.start()
        while self._releases < random.choice((1, 2, 3, 3)):
            self._releases += 1
            self.world.release(self._releases)
        if random.random() < 0.8:
            # Most begin when there is something to do.
            self._begin(random)

    def _begin(self, random: Random) -> None:
        world, coordinator = self.world, self.world.coordinators[0]
        for agent in world.agents:
            if agent.up:
                world.follow(agent)
        coordinator.read(1_000)
        coordinator.act(now_s=world.now_s, may_claim=True)
        world.faulty = False
        world.land()
        world.faulty = True
        if self._releases > 1:
            target = random.randrange(2, self._releases + 1)
            world.propose(RolloutRequested(BUNDLE, RolloutAction.START, 1, target, random.choice(COHORTS)))

    def run(self, *, skip: frozenset[int] = frozenset()) -> None:
        """From the beginning to rest. Steps in `skip` do not happen."""
        for number in range(self.steps):
            if number in skip:
                continue
            random = Random(self.seed * 1_000_003 + number)
            self.world.random = random
            self.world.now_s += random.random() * 2
            random.choices(self._actions, self._weights)[0](random)
        self.world.random = Random(self.seed)
        self.world.come_to_rest()

    def _publish(self, random: Random) -> None:
        world = self.world
        place = random.choice(list(world.log))
        if random.random() < 0.05:
            world.heartbeat(place)
            return
        topic = place[0]
        known = [
            schema_id
            for schema_id, found in ((1, "delay.v1"), (2, "delay.v1"), (3, "delay.v2"), (4, "weather.v1"))
            if found == topic and schema_id in world.picture.known_since
        ]
        if not known:
            return
        for _ in range(random.choice((1, 1, 3))):
            world.publish(
                place,
                key=random.choice(KEYS),
                age_s=random.choice((0.0, 0.5, 5.0, 20.0, 29.0, 40.0)),
                schema_id=random.choice(known),
                deleted=random.random() < 0.25,
            )

    def _started(self, random: Random) -> SimAgent | None:
        found = [agent for agent in self.world.agents if agent.is_started]
        return random.choice(found) if found else None

    def _read(self, random: Random) -> None:
        agent = self._started(random)
        places = agent.readable() if agent else []
        if agent is None:
            return
        if not places:
            self.world.settle(agent)
            return
        place = random.choice(places)
        for _ in range(random.choice((1, 2, 3))):
            if place in agent.states:
                self.world.read(agent, place, random.choice((1, 4, 50)))

    def _follow(self, random: Random) -> None:
        up = [agent for agent in self.world.agents if agent.up]
        if up:
            self.world.follow(random.choice(up), random.choice((1, 2, 100, 100)))

    def _land(self, random: Random) -> None:
        for _ in range(random.choice((1, 2, 4))):
            if self.world.network.waiting:
                self.world.land()

    def _coordinate(self, random: Random) -> None:
        world = self.world
        coordinator = world.coordinators[0] if random.random() < 0.75 else world.coordinators[1]
        if random.random() < 0.85:
            coordinator.read(1_000)
        for _ in range(random.choice((1, 2))):
            coordinator.act(
                now_s=world.now_s, may_claim=coordinator is world.coordinators[0] and random.random() < 0.3
            )

    def _second_claims(self, random: Random) -> None:
        other = self.world.coordinators[1]
        roll = random.random()
        if roll < 0.6:
            other.read(1_000)
            other.act(now_s=self.world.now_s, may_claim=True)
        elif roll < 0.8:
            self.world.coordinators[0].restart()
        else:
            other.restart()

    def _ask(self, random: Random) -> None:
        world = self.world
        standing = world.picture.coordination
        bundle = BUNDLE if random.random() < 0.85 else OTHER
        rollout = standing.under_way(bundle)
        # Now and then somebody decides by what is out of date.
        read_to = world.catalog.end if random.random() < 0.9 else max(0, world.catalog.end - 4)
        if random.random() < 0.06:
            world.propose(AuditRequested(bundle), read_to=read_to)
            return
        live = standing.standing(bundle)
        if rollout is None:
            others = [
                number for number in range(1, len(world.picture.releases[bundle]) + 1) if number != live
            ]
            if others:
                world.propose(
                    RolloutRequested(
                        bundle,
                        RolloutAction.START,
                        live,
                        random.choice(others),
                        random.choice(COHORTS),
                        final_after_us=random.choice((None, None, 20_000_000)),
                    ),
                    read_to=read_to,
                )
            return
        if not rollout.rulings and random.random() < 0.6:
            return
        action = random.choice(
            (RolloutAction.PROMOTE, RolloutAction.ROLLBACK, RolloutAction.ROLLBACK, RolloutAction.ROLLBACK)
            if rollout.rulings
            else (RolloutAction.PROMOTE, RolloutAction.ABORT, RolloutAction.PAUSE, RolloutAction.PROMOTE)
        )
        target = rollout.from_release if action is RolloutAction.ROLLBACK else rollout.to_release
        mode = random.choice((RolloutMode.CUT, RolloutMode.IMMEDIATE, RolloutMode.IMMEDIATE))
        last = standing.last_ruling(rollout)
        is_live = last is not None and last.cohort == Cohort() and last.to_release == rollout.to_release
        # As whoever asks says it: by it the fold tells what a promote meant.
        source = rollout.to_release if is_live else rollout.from_release
        world.propose(RolloutRequested(bundle, action, source, target, mode=mode), read_to=read_to)

    def _crash(self, random: Random) -> None:
        up = [agent for agent in self.world.agents if agent.up]
        if up:
            agent = random.choice(up)
            agent.crash()
            self.world.note("%s crashes", agent.name)
            self.world.promises.stored(agent)

    def _start(self, random: Random) -> None:
        down = [agent for agent in self.world.agents if not agent.up]
        if down:
            agent = random.choice(down)
            agent.start()
            self.world.note("%s starts", agent.name)
        elif len(self.world.agents) < 7:
            agent = self.world.agent("follower", f"late{len(self.world.agents)}")
            if random.random() < 0.15:
                agent.cannot_serve.add(random.choice((2, 3)))
            agent.start()

    def _snapshot(self, random: Random) -> None:
        agent = self._started(random)
        if agent is not None:
            self.world.snapshot(agent)

    def _trim(self, random: Random) -> None:
        place, partition = random.choice(list(self.world.log.items()))
        if partition.end > partition.first and random.random() < 0.5:
            self.world.trim(place, random.randrange(partition.first, partition.end + 1))

    def _time(self, random: Random) -> None:
        self.world.now_s += random.choice((1.0, 5.0, 30.0, 70.0))

    def _catalog(self, random: Random) -> None:
        world = self.world
        roll = random.random()
        if roll < 0.3:
            policy, release = random.choice(POLICIES)
            tier = random.choice(("", "gold", "silver"))
            world.declare(random.choice(("follower", "careful")), policy, release, tier=tier)
        elif roll < 0.5:
            if "careful" in world.picture.subscriptions:
                world.propose(SubscriptionWithdrawn("careful"))
            else:
                world.declare("careful", *random.choice(POLICIES))
        elif "pinned" not in world.picture.subscriptions:
            # What it names may not be there yet.
            world.declare("pinned")
            world.agent("pinned", "i0").start()
        elif self._releases < 3:
            self._releases += 1
            world.release(self._releases)
