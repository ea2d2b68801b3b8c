"""One simulated deployment: its definitions, its log, its agents and coordinators, under a clock that is not real."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from datetime import date
from functools import cache
from random import Random

from syncline.catalog.events import (
    BundleReleased,
    BundleView,
    Decision,
    Payload,
    PolicyKind,
    SubscriptionDeclared,
    ViewVersionRegistered,
    encode_decision,
)
from syncline.catalog.fold import Picture, fold
from syncline.contracts.model import Version
from syncline.rollout.readiness import Readiness
from tests.simulation.agent import Copy, SimAgent, Watch
from tests.simulation.coordinator import SimCoordinator, marker
from tests.simulation.log import Catalog, Kind, Landed, Network, Partition, Place, Record
from tests.simulation.promises import BrokenPromise, Promises

BUNDLE = "inputs"
VIEWS = {
    # schema id → (view, version, topic)
    1: ("delay", Version(1, 0), "delay.v1"),
    2: ("delay", Version(1, 1), "delay.v1"),
    3: ("delay", Version(2, 0), "delay.v2"),
    4: ("weather", Version(1, 0), "weather.v1"),
}
OTHER = "alerts"
RELEASES = {BUNDLE: {1: (1, 4), 2: (2, 4), 3: (3, 4)}, OTHER: {1: (4,), 2: (4, 1)}}
"""Bundle → release → schema ids of its views. Of the first, 2 is a MINOR in the same topic, 3 a MAJOR with its own."""
CONSUMERS: dict[str, tuple[str, PolicyKind, int | None, tuple[tuple[str, str], ...]]] = {
    "follower": (BUNDLE, PolicyKind.FOLLOW, None, (("tier", "gold"),)),
    "careful": (BUNDLE, PolicyKind.COMPATIBLE, 1, ()),
    "pinned": (BUNDLE, PolicyKind.PIN, 2, ()),
    "watcher": (OTHER, PolicyKind.FOLLOW, None, ()),
}
KEYS = [b"EWR", b"IAH", b"LGA", b"JFK"]


class World:
    """Everything there is. `random` decides what a single step leaves open."""

    def __init__(self, seed: int, *, counts: tuple[int, int, int] | None = None, faulty: bool = True) -> None:
        random = self.random = Random(seed)
        self.faulty = faulty
        self.now_s = 1_000.0
        self.events: deque[tuple[str, tuple[object, ...]]] = deque(maxlen=4_000)
        counts = counts or (random.choice((1, 2)), random.choice((1, 2)), 1)
        late = [random.choice((None, 30_000_000)) for _ in counts]
        self.counts = dict(zip(("delay.v1", "delay.v2", "weather.v1"), counts, strict=True))
        self.log: dict[Place, Partition] = {
            (topic, number): Partition(late_us)
            for (topic, count), late_us in zip(self.counts.items(), late, strict=True)
            for number in range(count)
        }
        self.catalog = Catalog(*_beginning())
        self.network = Network()
        self.copies: list[Copy] = []
        self.agents: list[SimAgent] = []
        self.promises = Promises(self.catalog, self.log, self.agents)
        self.watch = Watch(
            moved=self.promises.moved,
            enacted=self._enacted,
            gave_up=self._gave_up,
            restored=self.promises.restored,
            stood=self.promises.stood,
            reborn=self.promises.reborn,
            note=self.note,
        )
        self.coordinators = [
            SimCoordinator(
                name=name,
                catalog=self.catalog,
                log=self.log,
                network=self.network,
                append_marker=self.append_marker,
                partitions_of=self.counts.__getitem__,
                fleet=self.fleet,
                note=self.note,
            )
            for name in ("first", "second")
        ]
        self._decisions = 0
        self.promises.catalog_grew()

    # What people do.

    def propose(self, payload: Payload, *, read_to: int | None = None, actor: str = "ana") -> int:
        """Append a decision of a person or a tool; it lands at once."""
        self._decisions += 1
        based_on = self.catalog.end if read_to is None else read_to
        decision = Decision(
            f"{actor}-{self._decisions}", round(self.now_s * 1e6), actor, "because", based_on, payload
        )
        offset = self.append(Landed(decision, actor, based_on))
        void = self.catalog.picture(offset + 1).void_at(offset)
        self.note("%d: %s%s", offset, payload, f" is VOID: {void.reason}" if void else "")
        return offset

    def append(self, landed: Landed) -> int:
        """A catalog record lands."""
        offset = self.catalog.append(landed)
        self.promises.catalog_grew()
        return offset

    def release(self, number: int) -> None:
        """Register what a release of the first bundle needs, and release it."""
        picture = self.picture
        for schema_id in RELEASES[BUNDLE][number]:
            if schema_id not in picture.known_since:
                self.propose(_registered(schema_id))
        self.propose(_released(BUNDLE, number))

    def declare(
        self, consumer: str, policy: PolicyKind | None = None, release: int | None = None, *, tier: str = ""
    ) -> None:
        """A consumer states its needs, or other ones than before."""
        declared = _declared(consumer)
        if policy is not None:
            declared = replace(declared, policy=policy, policy_release=release)
        self.propose(replace(declared, labels=(("tier", tier),)) if tier else declared)

    @property
    def picture(self) -> Picture:
        """All of the catalog."""
        return self.catalog.picture(self.catalog.end)

    # What jobs do.

    def publish(
        self, place: Place, *, key: bytes, age_s: float, schema_id: int, deleted: bool = False
    ) -> int:
        """An update lands; its event is `age_s` old."""
        at_us = round((self.now_s - age_s) * 1_000_000)
        record = Record(
            Kind.UPDATE,
            key,
            event_time_us=at_us,
            deleted=deleted,
            schema_id=schema_id,
            payload=b"" if deleted else at_us.to_bytes(8, "big"),
        )
        return self._append(place, record)

    def heartbeat(self, place: Place) -> int:
        """A publisher's heartbeat lands."""
        return self._append(place, Record(Kind.HEARTBEAT))

    def append_marker(self, place: Place, cut: int) -> int:
        """A marker lands."""
        return self._append(place, marker(cut))

    def _append(self, place: Place, record: Record) -> int:
        hole = 1 if self.random.random() < 0.05 else 0
        return self.log[place].append(record, timestamp_ms=round(self.now_s * 1_000), hole=hole)

    # Who works.

    def agent(
        self, consumer: str, instance: str, *, shard: tuple[int, int] = (0, 1), limit_s: float = 30.0
    ) -> SimAgent:
        """Another agent; it is not started yet."""
        agent = SimAgent(consumer, instance, shard, self.catalog, self.log, self.watch, limit_s)
        self.agents.append(agent)
        return agent

    def fleet(self) -> list[Readiness]:
        """What the agents report of themselves."""
        found = []
        for agent in self.agents:
            if not agent.is_started:
                continue
            # A shard that has no partition of a topic is not behind on it.
            behind: dict[str, int | None] = {
                topic: 0
                for topic, count in self.counts.items()
                if not any(agent.mine((topic, number)) for number in range(count))
            }
            for (topic, number), state in agent.states.items():
                lag = self.log[topic, number].end - state.next_offset
                behind[topic] = max(lag, behind.get(topic) or 0)
            too_old = dict.fromkeys(agent.cannot_serve, "its build is too old")
            found.append(Readiness(agent.member, CONSUMERS[agent.consumer][0], agent.seen, too_old, behind))
        return found

    def land(self) -> None:
        """Something that was sent meets its fate."""
        what, fate, offset = self.network.land(self.random, faulty=self.faulty)
        self.note("%s: %s%s", what, fate, "" if offset is None else f" at {offset}")
        self.promises.catalog_grew()

    def read(self, agent: SimAgent, place: Place, count: int = 50) -> None:
        """An agent takes a turn with a partition."""
        agent.read(place, count, now_s=self.now_s, copies=self.copies)
        self.promises.looked_at(agent)

    def follow(self, agent: SimAgent, count: int = 1_000) -> None:
        """An agent reads more of the catalog."""
        agent.read_catalog(count, now_s=self.now_s, copies=self.copies)
        self.promises.looked_at(agent)

    def settle(self, agent: SimAgent) -> None:
        """An agent looks at its clock."""
        agent.settle(now_s=self.now_s, copies=self.copies)
        self.promises.looked_at(agent)

    def snapshot(self, agent: SimAgent) -> None:
        """An agent leaves a snapshot."""
        copy = agent.copy()
        if copy is not None:
            self.copies.append(copy)
            self.note(
                "%s leaves a snapshot: %s", agent.name, {p: s.next_offset for p, s in copy.states.items()}
            )

    def trim(self, place: Place, to: int) -> None:
        """Retention takes what is below an offset."""
        partition = self.log[place]
        partition.first = max(partition.first, min(to, partition.end))
        self.note("%s[%d] is trimmed to %d", *place, partition.first)

    # At the end.

    def come_to_rest(self) -> None:
        """Faults clear, no time-out is allowed any more, and everyone works until nothing happens."""
        self.faulty = False
        self.note("faults clear")
        self.promises.no_give_ups = True
        while self.network.waiting:
            self.land()
        for agent in self.agents:
            agent.cannot_serve.clear()
            agent.limit_s = float("inf")
            if agent.up:
                agent.alignment._limit_s = float("inf")
            else:
                agent.start()
        leader, other = self.coordinators
        other.claim, other.unresolved = None, None
        leader.unresolved = None
        leader.sent.clear()
        idle = 0
        for _ in range(300):
            before = self._progress()
            self.now_s += 0.001
            leader.read(1_000)
            leader.act(now_s=self.now_s, may_claim=True)
            while self.network.waiting:
                self.land()
            leader.read(1_000)
            for agent in self.agents:
                if agent.seen < self.catalog.end or not agent.is_started:
                    self.follow(agent)
                for place in agent.readable():
                    # Twice: a marker is noted first, and then it is stood at, or stepped over.
                    for _ in range(2):
                        if place in agent.states:
                            self.read(agent, place)
            idle = idle + 1 if self._progress() == before and leader.claim is not None else 0
            if idle == 2:
                break
        else:
            raise BrokenPromise("P10", "it never came to rest")
        self.promises.at_the_end(self.agents)

    def _progress(self) -> object:
        return (
            self.catalog.end,
            self.coordinators[0].claim,
            [partition.end for partition in self.log.values()],
            [
                (agent.serving, agent.seen, [state.next_offset for state in agent.states.values()])
                for agent in self.agents
            ],
        )

    # What is told of it.

    def note(self, said: str, *about: object) -> None:
        """Remember what happened; it is put into words only when somebody asks."""
        self.events.append((f"{self.now_s:8.1f} s  {said}", about))

    def story(self) -> list[str]:
        """What happened, in words."""
        return [said % about for said, about in self.events]

    def _enacted(self, agent: SimAgent, ruling: object, positions: dict[Place, int], aligned: bool) -> None:
        self.note("%s enacts %s at %s, aligned: %s", agent.name, ruling, positions, aligned)
        self.promises.enacted(agent, ruling, positions, aligned=aligned)

    def _gave_up(self, agent: SimAgent, cuts: tuple[int, ...]) -> None:
        self.note("%s gives up holding for %s", agent.name, cuts)
        self.promises.gave_up(agent, cuts)


def _registered(schema_id: int) -> ViewVersionRegistered:
    view, version, topic = VIEWS[schema_id]
    return ViewVersionRegistered(
        view, version, topic, "{}", "{}", schema_id, f"hash {schema_id}", "team", date(2026, 1, 1)
    )


def _released(bundle: str, number: int) -> BundleReleased:
    views = tuple(
        BundleView(view, view, version, (("airport", "origin"),), ("f",))
        for view, version, _ in (VIEWS[schema_id] for schema_id in RELEASES[bundle][number])
    )
    return BundleReleased(bundle, number, "team", views)


def _declared(consumer: str) -> SubscriptionDeclared:
    bundle, policy, release, labels = CONSUMERS[consumer]
    return SubscriptionDeclared(consumer, bundle, policy, release, labels)


@cache
def _beginning() -> tuple[list[Landed], list[Picture]]:
    """A catalog with two bundles and three consumers: every history begins with it."""
    payloads: list[Payload] = [
        _registered(1),
        _registered(4),
        _released(BUNDLE, 1),
        _released(OTHER, 1),
        _released(OTHER, 2),
        _declared("follower"),
        _declared("careful"),
        _declared("watcher"),
    ]
    landed, pictures = [], [Picture()]
    for offset, payload in enumerate(payloads):
        decision = Decision(f"begin-{offset}", 0, "ana", "begin", offset, payload)
        landed.append(Landed(decision, "ana", offset))
        pictures.append(fold(pictures[-1], [(offset, encode_decision(decision))]))
    return landed, pictures
