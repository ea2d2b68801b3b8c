"""Agents that come when the topics of earlier releases were trimmed or deleted, and agents whose warmed topics go."""

from __future__ import annotations

import pytest

from syncline.adapters.memory.snapshots import MemorySnapshots
from syncline.agent.agent import Agent, Ports
from syncline.catalog.rollout_events import RolloutAction, RolloutMode, RolloutRequested
from syncline.settings import AgentSettings
from syncline.snapshots.take import take
from tests.unit.agent.test_cuts import MAJOR, ONE, Fleet, read
from tests.unit.agent.world import Host, digests, registration, release
from tests.unit.state.world import NOW_MS, Record, Version

THIRD = Version.make(5, version="3.0.0", partitions=2)
UNKNOWN = Record(b"EWR", b"\x00\x00\x00\x00\x63\x00", NOW_MS + 500)


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A coordinator with nothing to do waits for the catalog in real time: not here."""
    monkeypatch.setattr("syncline.coordinator.coordinator.IDLE_S", 0.0)


def make_final(fleet: Fleet, source: int, target: int) -> None:
    """A release goes live for everyone, and the one before is let go."""
    fleet.cluster.decide(RolloutRequested("inputs", RolloutAction.START, source, target))
    fleet.turn(fleet.all_serve(target))
    fleet.ask(RolloutAction.PROMOTE, source=source, target=target)
    fleet.turn(lambda: fleet.picture().coordination.under_way("inputs") is None)
    fleet.settled()


def trim(fleet: Fleet, version: Version, *, keep: int = 0) -> None:
    """Retention takes all but the last records of a topic."""
    topic = version.contract.topic
    for partition in range(2):
        fleet.cluster.log.trim(topic, partition, len(fleet.cluster.read(topic, partition)) - keep)


def newcomer(fleet: Fleet, files: MemorySnapshots | None, *, on: Host | None = None) -> Host:
    """An agent that was never there before, or that comes back to its store, with a place for snapshots."""
    host = on or Host(fleet.cluster, instance="new")
    host.agent = Agent(
        Ports(fleet.cluster.log, host.store, fleet.cluster.clock, files),
        settings=AgentSettings(subscription="model", instance=host.instance, poll_timeout_s=0.001),
        consumer="model",
        stopped=lambda: False,
        wait=lambda seconds: fleet.cluster.clock.advance(seconds=seconds),
    )
    return host


@pytest.fixture
def fleet() -> Fleet:
    """Two MAJORs have followed the first, both final; only the topic of the last one is of use to anyone."""
    made = Fleet(MAJOR)
    made.publish(MAJOR, 10, first_ms=NOW_MS + 1_000)
    make_final(made, 1, 2)
    made.cluster.make_topics(THIRD)
    made.cluster.decide(registration(THIRD), release(THIRD, number=3))
    made.publish(THIRD, 10, first_ms=NOW_MS + 2_000)
    made.settled()
    make_final(made, 2, 3)
    return made


def test_releases_that_were_let_go_are_passed_through_though_their_topics_were_trimmed(fleet: Fleet) -> None:
    """P10, rule 1: a week later nobody has the records of the first release any more, and nobody needs them."""
    trim(fleet, ONE)
    trim(fleet, MAJOR)
    host = newcomer(fleet, None)

    status = host.settle()

    assert (status.state, status.release, dict(status.cannot_serve)) == ("LIVE", 3, {})
    assert digests(status) == digests(fleet.hosts[0].agent.status())
    assert read(host).release == "inputs@3"


def test_a_snapshot_without_topics_that_were_let_go_is_used(fleet: Fleet) -> None:
    """P2: donors have dropped them; with the head of the last topic gone it is the only way to begin."""
    files = MemorySnapshots()
    take(fleet.hosts[0].store, files, now_us=fleet.cluster.clock.now_us())
    for version in (ONE, MAJOR):
        trim(fleet, version)
    trim(fleet, THIRD, keep=2)
    host = newcomer(fleet, files)

    status = host.settle()

    assert (status.state, status.release) == ("LIVE", 3)
    assert digests(status) == digests(fleet.hosts[0].agent.status())


def test_without_a_snapshot_a_trimmed_head_of_what_is_served_holds(fleet: Fleet) -> None:
    """A state whose head was trimmed away is wrong: it is never ready, whatever was passed through before it."""
    trim(fleet, THIRD, keep=2)
    host = newcomer(fleet, None)

    status = host.settle()

    assert status.state == "HOLDING"
    assert "is gone" in status.reason
    assert not host.condition().ready


def test_an_agent_that_was_away_for_long_passes_through_what_was_trimmed_under_it() -> None:
    """P10: its position in the old topic is gone, and nobody serves that release any more."""
    fleet = Fleet(MAJOR)
    away = fleet.hosts.pop()
    fleet.cluster.clock.advance(seconds=120)
    fleet.publish(MAJOR, 10, first_ms=NOW_MS + 1_000)
    fleet.publish(ONE, 5, first_ms=NOW_MS + 1_000)
    make_final(fleet, 1, 2)
    trim(fleet, ONE)
    away.start()

    status = away.settle()

    assert (status.state, status.release) == ("LIVE", 2)
    assert digests(status) == digests(fleet.hosts[0].agent.status())


def test_a_warmed_topic_that_is_deleted_takes_nothing_from_what_is_served() -> None:
    """P10: somebody cleans up after a rollback; the release is reported as one that cannot be served, no more."""
    fleet = Fleet(MAJOR)
    fleet.ask(RolloutAction.START)
    fleet.turn(fleet.all_serve(2))
    fleet.ask(RolloutAction.ROLLBACK, mode=RolloutMode.IMMEDIATE)
    fleet.turn(lambda: fleet.picture().coordination.under_way("inputs") is None)
    fleet.settled()

    fleet.cluster.log.delete_topic(MAJOR.contract.topic)
    for host in fleet.hosts:
        for _ in range(50):
            host.agent.step()
            fleet.cluster.clock.advance(seconds=1)

    for host in fleet.hosts:
        status = host.agent.status()
        assert (status.state, status.release) == ("LIVE", 1)
        assert MAJOR.contract.topic in dict(status.cannot_serve)[2]


def test_a_warmed_topic_that_was_made_again_is_read_from_its_beginning() -> None:
    """P6, P10: its cells count in a topic that is gone; they are forgotten, and the release can be served again."""
    fleet = Fleet(MAJOR)
    fleet.publish(MAJOR, 3, first_ms=NOW_MS + 500)
    fleet.settled()
    fleet.cluster.log.delete_topic(MAJOR.contract.topic)
    fleet.settled()
    fleet.cluster.make_topics(MAJOR)
    fleet.publish(MAJOR, 1, first_ms=NOW_MS + 1_000)
    for host in fleet.hosts:
        for _ in range(30):
            host.agent.step()
            fleet.cluster.clock.advance(seconds=1)
    assert dict(fleet.hosts[0].agent.status().cannot_serve) == {}

    fleet.ask(RolloutAction.START)
    fleet.turn(fleet.all_serve(2))
    fleet.settled()

    new = Host(fleet.cluster, instance="new")
    assert digests(new.settle()).items() >= digests(fleet.hosts[0].agent.status()).items()


def test_a_warmed_partition_that_was_trimmed_while_it_held_takes_nothing_from_what_is_served() -> None:
    """P10: what it missed cannot be read any more: that release waits for a snapshot, what is served does not."""
    fleet = Fleet(MAJOR)
    topic, home = MAJOR.contract.topic, fleet.home("EWR")
    fleet.cluster.put(topic, [UNKNOWN], home)
    fleet.settled()
    fleet.publish(MAJOR, 5, first_ms=NOW_MS + 1_000)
    fleet.cluster.log.trim(topic, home, 3)
    host = fleet.hosts[0]
    host.start()

    for _ in range(30):
        host.agent.step()
        fleet.cluster.clock.advance(seconds=1)

    status = host.agent.status()
    assert (status.state, status.release) == ("LIVE", 1)
    assert "start this agent from a snapshot" in dict(status.cannot_serve)[2]


@pytest.mark.parametrize("has_warmed", [True, False])
def test_an_agent_that_was_away_for_long_is_filled_anew_where_the_log_has_gone_on(has_warmed: bool) -> None:
    """P6, P10: RESYNC, as what is served in the end was trimmed past its position, or before it ever saw it."""
    fleet = Fleet(MAJOR)
    if has_warmed:
        fleet.publish(MAJOR, 1, first_ms=NOW_MS + 500)
        fleet.settled()
    away = fleet.hosts.pop()
    fleet.cluster.clock.advance(seconds=120)
    fleet.publish(MAJOR, 10, first_ms=NOW_MS + 1_000)
    make_final(fleet, 1, 2)
    files = MemorySnapshots()
    take(fleet.hosts[0].store, files, now_us=fleet.cluster.clock.now_us())
    trim(fleet, ONE)
    trim(fleet, MAJOR, keep=2)
    back = newcomer(fleet, files, on=away)

    status = back.settle()

    assert (status.state, status.release) == ("LIVE", 2)
    assert digests(status) == digests(fleet.hosts[0].agent.status())
