"""Agents whose store does not belong to the log any more: from a snapshot, or not at all; never a silent jump (P6)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from syncline.adapters.memory.snapshots import MemorySnapshots
from syncline.agent.agent import Agent, Ports
from syncline.catalog.serving import META_SERVING, Serving
from syncline.errors import CatalogLost, StoreError, TopicMismatch
from syncline.settings import AgentSettings
from syncline.snapshots.take import take
from tests.unit.agent.world import CATALOG, Cluster, Host, digests, many, registration, release, subscription
from tests.unit.state.world import NOW_MS, Version

VIEW = Version.make(1, version="1.0.0")
TOPIC = VIEW.contract.topic


@pytest.fixture
def cluster() -> Cluster:
    """Ten records stand in the log."""
    made = Cluster.ready(VIEW)
    made.put(TOPIC, many(VIEW, ["EWR", "JFK"], 10))
    return made


def with_snapshots(host: Host, files: MemorySnapshots, *, interval_s: float = 0.0) -> Agent:
    """A new agent on the host's store, with a place for snapshots."""
    host.agent = Agent(
        Ports(host.cluster.log, host.store, host.cluster.clock, files),
        settings=AgentSettings(
            subscription="model", instance="a", poll_timeout_s=0.001, snapshot_interval_s=interval_s
        ),
        consumer="model",
        stopped=lambda: False,
        wait=lambda _: None,
    )
    return host.agent


def five_turns(host: Host) -> None:
    """Long enough for an agent to find out what its store is."""
    for _ in range(5):
        host.agent.step()


def test_a_store_that_the_log_was_trimmed_past_is_filled_from_a_snapshot(cluster: Cluster) -> None:
    """P6, P10: RESYNC, and the same digests as an agent that was there all the time."""
    files, steady, away = MemorySnapshots(), Host(cluster, instance="b"), Host(cluster)
    away.settle()
    cluster.put(TOPIC, many(VIEW, ["EWR", "LGA"], 10, first_ms=NOW_MS + 100))
    steady.settle()
    take(steady.store, files, now_us=cluster.clock.now_us())
    cluster.put(TOPIC, many(VIEW, ["LGA"], 5, first_ms=NOW_MS + 900))
    cluster.log.trim(TOPIC, 0, 15)

    with_snapshots(away, files)
    away.settle()

    assert digests(away.agent.status()) == digests(steady.settle())
    assert (away.agent.status().state, away.condition().ready) == ("LIVE", True)


def test_without_a_place_for_snapshots_it_fails_and_says_so(cluster: Cluster) -> None:
    """P6: never a silent jump."""
    away = Host(cluster)
    away.settle()
    cluster.put(TOPIC, many(VIEW, ["EWR"], 10, first_ms=NOW_MS + 100))
    cluster.log.trim(TOPIC, 0, 15)
    away.start()

    with pytest.raises(TopicMismatch, match="trimmed past it"):
        away.agent.step()


def test_a_snapshot_that_the_log_was_trimmed_past_is_of_no_use(cluster: Cluster) -> None:
    """P6: what no snapshot can mend fails, and names each snapshot with why it was passed over."""
    files, away = MemorySnapshots(), Host(cluster)
    away.settle()
    found = take(away.store, files, now_us=cluster.clock.now_us())
    cluster.put(TOPIC, many(VIEW, ["EWR"], 10, first_ms=NOW_MS + 100))
    cluster.log.trim(TOPIC, 0, 15)
    with_snapshots(away, files)

    with pytest.raises(StoreError, match=found.snapshot_id):
        five_turns(away)


def test_a_topic_made_again_is_never_taken_for_the_old_one(cluster: Cluster) -> None:
    """P6: the snapshot is of the old topic, and passed over."""
    files, away = MemorySnapshots(), Host(cluster)
    away.settle()
    take(away.store, files, now_us=cluster.clock.now_us())
    cluster.log.delete_topic(TOPIC)
    cluster.make_topics(VIEW)
    cluster.put(TOPIC, many(VIEW, ["EWR"], 20))
    with_snapshots(away, files)

    with pytest.raises(StoreError, match="made again"):
        five_turns(away)


def test_a_catalog_cut_at_its_head_is_no_matter_of_snapshots(cluster: Cluster) -> None:
    """P6: no snapshot has decisions, so the agent fails with the remedy instead of trying for ever."""
    host = Host(cluster)
    with_snapshots(host, MemorySnapshots())
    host.settle()
    with_snapshots(host, MemorySnapshots())
    cluster.log.trim(CATALOG, 0, 1)

    with pytest.raises(CatalogLost, match="restore it"):
        host.agent.step()


def test_a_catalog_without_what_the_store_serves_fails(cluster: Cluster) -> None:
    """P6: made again, the catalog may not reach to what was enacted; no index error, but the remedy."""
    host = Host(cluster)
    host.settle()
    cluster.log.delete_topic(CATALOG)
    cluster.make_topics()
    cluster.decide(registration(VIEW), release(VIEW), subscription())
    host.store.commit([], {META_SERVING: replace(_serving(host), release=7).pack()})
    host.start()

    with pytest.raises(CatalogLost, match=r"inputs@7.*empty store folder"):
        host.agent.step()


def _serving(host: Host) -> Serving:
    with host.store.snapshot() as snapshot:
        return Serving.unpack(snapshot.meta(META_SERVING) or b"")


def test_it_leaves_snapshots_from_time_to_time(cluster: Cluster) -> None:
    """Asked to, an agent takes snapshots itself, and keeps the last three."""
    files, host = MemorySnapshots(), Host(cluster)
    with_snapshots(host, files, interval_s=60)
    host.settle()

    for _ in range(6):
        cluster.clock.advance(seconds=61)
        host.agent.step()

    assert len({name.split("/", maxsplit=1)[0] for name in files.names()}) == 3


def test_an_agent_on_an_empty_store_without_snapshots_reads_the_log(cluster: Cluster) -> None:
    """A place without any snapshot is no fault: the log is whole."""
    host = Host(cluster)
    with_snapshots(host, MemorySnapshots())

    status = host.settle()

    assert (status.state, status.partitions[0].next_offset) == ("LIVE", 10)
