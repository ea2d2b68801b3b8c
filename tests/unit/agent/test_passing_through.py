"""Agents that come when the topics of earlier releases were trimmed or deleted, and agents whose warmed topics go."""

from __future__ import annotations

from typing import Any

import pytest

from syncline.adapters.memory.snapshots import MemorySnapshots
from syncline.agent.agent import Agent, Ports
from syncline.catalog.rollout_events import RolloutAction, RolloutMode, RolloutRequested
from syncline.errors import StoreFull, TopicMismatch
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


def test_while_it_passes_through_what_it_does_not_read_it_is_not_ready(fleet: Fleet) -> None:
    """P5, P7: a release whose topics were never read is enacted on the way, and nobody gets empty values for it."""
    stalled = Host(fleet.cluster, instance="stalled")
    states = []
    for _ in range(40):
        stalled.agent.step()
        status = stalled.agent.status()
        has_cells = any(place.topic == THIRD.contract.topic and place.cells for place in status.partitions)
        states.append((stalled.condition().ready, status.release == 3 and has_cells))

    assert states[-1] == (True, True)
    assert all(can_serve for is_ready, can_serve in states if is_ready)


def test_another_cluster_takes_no_cells_that_a_rollback_needs() -> None:
    """P6: started once with a wrong address, an agent fails, and nothing of its store is gone."""
    fleet = Fleet(MAJOR)
    fleet.publish(MAJOR, 3, first_ms=NOW_MS + 500)
    fleet.ask(RolloutAction.START)
    fleet.turn(fleet.all_serve(2))
    fleet.settled()
    host = fleet.hosts[0]
    topics = {topic for topic, _ in host.committed()}
    right = fleet.cluster.log._cluster_id
    fleet.cluster.log._cluster_id = "another"
    host.start()
    with pytest.raises(TopicMismatch, match="cluster"):
        host.settle()
    fleet.cluster.log._cluster_id = right

    assert {topic for topic, _ in host.committed()} == topics == {ONE.contract.topic, MAJOR.contract.topic}


def test_without_a_snapshot_that_helps_nothing_is_thrown_away() -> None:
    """Rule 8: it holds, and serves on what it has; the place of snapshots has none of what stands now."""
    fleet = Fleet(MAJOR)
    away = fleet.hosts.pop()
    fleet.cluster.clock.advance(seconds=120)
    fleet.publish(MAJOR, 10, first_ms=NOW_MS + 1_000)
    make_final(fleet, 1, 2)
    trim(fleet, MAJOR, keep=2)
    back = newcomer(fleet, MemorySnapshots(), on=away)

    status = back.settle()

    assert (status.state, status.release) == ("HOLDING", 1)
    assert "start this agent from a snapshot" in status.reason
    assert read(back, allow_not_ready=True).values["delay__mean"] is not None


def test_a_warmed_topic_that_was_made_again_while_empty_is_opened() -> None:
    """P10: made with wrong settings, deleted, and made again before its first record."""
    fleet = Fleet(MAJOR)
    fleet.settled()
    fleet.cluster.log.delete_topic(MAJOR.contract.topic)
    fleet.settled()
    fleet.cluster.make_topics(MAJOR)
    for host in fleet.hosts:
        for _ in range(30):
            host.agent.step()
            fleet.cluster.clock.advance(seconds=1)

    assert dict(fleet.hosts[0].agent.status().cannot_serve) == {}
    fleet.ask(RolloutAction.START)
    fleet.turn(fleet.all_serve(2))


def test_a_release_that_was_rolled_back_is_passed_through_too() -> None:
    """P10: its topic was cleaned up; whoever comes later meets both cuts, there and back."""
    fleet = Fleet(MAJOR)
    fleet.ask(RolloutAction.START)
    fleet.turn(fleet.all_serve(2))
    fleet.ask(RolloutAction.ROLLBACK)
    fleet.turn(lambda: fleet.picture().coordination.under_way("inputs") is None)
    fleet.settled()
    fleet.cluster.log.delete_topic(MAJOR.contract.topic)

    status = newcomer(fleet, None).settle()

    assert (status.state, status.release) == ("LIVE", 1)


def test_a_let_go_topic_that_is_deleted_under_an_agent_that_passes_through_is_no_failure() -> None:
    """P10: it goes on to what stands."""
    fleet = Fleet(MAJOR)
    away = fleet.hosts.pop()
    fleet.cluster.clock.advance(seconds=120)
    fleet.publish(ONE, 10, first_ms=NOW_MS + 1_000)
    make_final(fleet, 1, 2)
    away.batch_rows = 1
    away.start()
    away.agent.step()
    assert away.agent.status().release == 1
    fleet.cluster.log.delete_topic(ONE.contract.topic)

    status = away.settle()

    assert (status.state, status.release) == ("LIVE", 2)


def test_no_topic_waits_for_the_dead_letters_of_another() -> None:
    """P10: only a warmed topic has a bad record and nowhere to put it; what is served goes on."""
    fleet = Fleet(MAJOR, agents=1)
    fleet.settled()
    fleet.cluster.log.delete_topic(f"{MAJOR.contract.topic}.dlq")
    fleet.cluster.put(MAJOR.contract.topic, [Record(b"EWR", b"junk", NOW_MS + 500)], fleet.home("EWR"))
    fleet.publish(ONE, 5, first_ms=NOW_MS + 1_000)
    host = fleet.hosts[0]
    for _ in range(10):
        host.agent.step()
        fleet.cluster.clock.advance(seconds=1)

    status = host.agent.status()
    assert status.state == "HOLDING"
    ends = {
        place.topic: place.next_offset for place in status.partitions if place.partition == fleet.home("EWR")
    }
    assert ends == {ONE.contract.topic: 15, MAJOR.contract.topic: 0}

    # Its cause goes, and so does the trouble.
    fleet.cluster.log.delete_topic(MAJOR.contract.topic)
    assert host.settle().state == "LIVE"


def test_a_letter_of_a_topic_that_was_made_again_is_not_taken_for_the_one_before() -> None:
    """P6: another record stands at the offset whose letter was delivered though its position was not committed."""
    fleet = Fleet(MAJOR, agents=1)
    fleet.settled()
    host, home = fleet.hosts[0], fleet.home("EWR")
    commit = host.store.commit

    def full(writes: Any, meta: Any = None) -> None:
        if writes:
            raise StoreFull("no room")
        commit(writes, meta)

    host.store.commit = full
    fleet.cluster.put(MAJOR.contract.topic, [Record(b"EWR", b"one", NOW_MS + 500)], home)
    for _ in range(5):
        host.agent.step()
    host.store.commit = commit
    fleet.cluster.log.delete_topic(MAJOR.contract.topic)
    host.settle()
    fleet.cluster.make_topics(MAJOR)
    fleet.cluster.put(MAJOR.contract.topic, [Record(b"EWR", b"two", NOW_MS + 900)], home)
    for _ in range(30):
        host.agent.step()
        fleet.cluster.clock.advance(seconds=1)

    assert [letter.value for letter in fleet.cluster.letters(MAJOR)] == [b"one", b"two"]
