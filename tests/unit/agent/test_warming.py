"""Releases that are not served yet: what is missing for them does not disturb what is served, and mends by itself."""

from __future__ import annotations

from typing import Any

import pytest

from syncline.adapters.memory.snapshots import MemorySnapshots
from syncline.errors import LogUnavailable, NotReady, StoreFull
from syncline.reader import FeatureReader
from tests.unit.agent.test_cuts import MAJOR, ONE
from tests.unit.agent.test_resync import with_snapshots
from tests.unit.agent.world import Cluster, Host, many, registration, release, subscription
from tests.unit.state.world import NOW_MS, Version


@pytest.fixture
def cluster() -> Cluster:
    """Release 2 stands in the catalog, and nobody has made its topic."""
    made = Cluster()
    made.make_topics(ONE)
    made.put(ONE.contract.topic, many(ONE, ["EWR"], 3))
    made.decide(registration(ONE), release(ONE), subscription())
    made.decide(registration(MAJOR), release(MAJOR, number=2))
    return made


def topics(host: Host) -> set[str]:
    """What the agent reads."""
    return {place.topic for place in host.agent.status().partitions}


def test_a_topic_that_is_made_later_is_warmed_without_a_new_decision(cluster: Cluster) -> None:
    """P10: it says what it lacks, serves on, and tries again by itself."""
    host = Host(cluster)
    before = host.settle()
    assert (before.state, topics(host)) == ("LIVE", {ONE.contract.topic})
    assert MAJOR.contract.topic in dict(before.cannot_serve)[2]

    cluster.make_topics(ONE, MAJOR)
    cluster.clock.advance(seconds=6)
    after = host.settle()

    assert (dict(after.cannot_serve), topics(host)) == ({}, {ONE.contract.topic, MAJOR.contract.topic})


def test_a_topic_that_nobody_answers_for_does_not_stop_what_is_served(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P10: a partition of a topic that is only warmed has no leader; the other topics are read on."""
    cluster.make_topics(ONE, MAJOR)
    describe = cluster.log.describe_topic

    def silent(topic: str, *given: Any) -> Any:
        if topic == MAJOR.contract.topic:
            raise LogUnavailable("no broker answered")
        return describe(topic, *given)

    monkeypatch.setattr(cluster.log, "describe_topic", silent)
    host = Host(cluster)
    status = host.settle()

    assert (status.state, status.partitions[0].topic) == ("LIVE", ONE.contract.topic)
    assert dict(status.cannot_serve)[2] == "no broker answered"


def test_a_new_agent_with_snapshots_does_not_wait_for_a_topic_that_is_only_warmed(cluster: Cluster) -> None:
    """What is missing for a later release is reported, and is no reason not to begin."""
    host = Host(cluster)
    with_snapshots(host, MemorySnapshots())

    assert host.settle().state == "LIVE"


def test_what_could_not_be_learned_for_want_of_room_is_learned_later(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P10: a full disk at the moment of a registration does not hold the partition for ever."""
    host = Host(cluster)
    host.settle()
    minor = Version.make(7, version="1.1.0", extra=True, partitions=2)
    cluster.put(ONE.contract.topic, many(minor, ["EWR"], 1, first_ms=NOW_MS + 500))
    for _ in range(5):
        host.agent.step()
    assert any(place.held for place in host.agent.status().partitions)
    commit, full = host.store.commit, True

    def refuse(writes: Any, meta: Any = None) -> None:
        if full:
            raise StoreFull("no room")
        commit(writes, meta)

    monkeypatch.setattr(host.store, "commit", refuse)
    cluster.decide(registration(minor))
    for _ in range(3):
        host.agent.step()
    full = False

    assert not any(place.held for place in host.settle().partitions)


def test_what_was_refused_stays_refused_over_a_restart_without_brokers(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 1: what is known to be broken is not served while the catalog cannot be folded."""
    host = Host(cluster)
    host.settle()
    host.agent._standing.refuses = "inputs was rolled back"
    host.agent._standing.save()
    host.start()

    def nobody(*_: object, **__: object) -> None:
        raise LogUnavailable("no broker answered")

    monkeypatch.setattr(host.agent._catalog, "catch_up", nobody)
    host.agent.step()

    with pytest.raises(NotReady, match="rolled back"):
        FeatureReader(host.store).get("inputs", {"airport": "EWR"}, allow_not_ready=True)
