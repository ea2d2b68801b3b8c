"""How an agent starts: what it waits for, what it refuses, and what it says meanwhile."""

from __future__ import annotations

from dataclasses import replace

import pytest

from syncline.catalog.serving import META_SERVING, Serving
from syncline.errors import StoreCorrupt, SynclineError, TopicMismatch, TopicMissing
from syncline.ports.log import TopicSpec
from syncline.state.identity import META_IDENTITY, LogIdentity
from tests.unit.agent.world import (
    CATALOG,
    Cluster,
    Host,
    many,
    registration,
    release,
    subscription,
)
from tests.unit.state.world import Version

VIEW = Version.make(7)
TWO = Version.make(7, partitions=2)
TOPIC = VIEW.contract.topic


def refused(host: Host, kind: type[SynclineError], *words: str) -> None:
    """The agent fails, says why, tells its readers, and commits nothing more."""
    before = host.committed()
    with pytest.raises(kind) as raised:
        host.agent.run()
    for word in words:
        assert word in str(raised.value)
    assert host.agent.status().state == "FAILED"
    assert host.agent.status().reason == str(raised.value)
    assert host.condition().state == "FAILED"
    assert host.committed() == before


def test_without_a_catalog_it_waits_and_goes_on_once_there_is_one() -> None:
    """P10: `apply` may come after the agent; the reason says what to run."""
    cluster = Cluster()
    host = Host(cluster)

    host.agent.step()
    assert (host.agent.status().state, host.condition().ready) == ("STARTING", False)
    assert "syncline apply" in host.agent.status().reason

    cluster.make_topics(VIEW)
    host.agent.step()
    assert "subscription model is not in the catalog" in host.agent.status().reason

    cluster.decide(registration(VIEW), release(VIEW), subscription())
    assert host.settle().state == "LIVE"


def test_without_a_broker_it_waits_and_goes_on_once_there_is_one() -> None:
    """P10: broker down at start has one clear answer, STARTING with the reason, and it passes by itself."""
    cluster = Cluster.ready(VIEW)
    cluster.log.available = False
    host = Host(cluster)

    assert host.settle().state == "STARTING"
    assert "no broker answered" in host.agent.status().reason
    assert host.committed() == {}

    cluster.log.available = True
    assert host.settle().state == "LIVE"


def test_it_catches_up_and_is_ready_only_then() -> None:
    """CATCHING_UP until each partition has reached the end that was seen at the start; then LIVE and ready."""
    cluster = Cluster.ready(VIEW)
    cluster.put(TOPIC, many(VIEW, ["EWR"], 30))
    host = Host(cluster, batch_rows=10)

    seen = []
    while host.agent.status().state != "LIVE":
        host.agent.step()
        seen.append((host.agent.status().state, host.condition().ready))

    assert seen[-1] == ("LIVE", True)
    assert set(seen[:-1]) == {("CATCHING_UP", False)}
    assert host.agent.status().partitions[0].next_offset == 30


def test_an_agent_of_an_empty_topic_is_live_and_ready() -> None:
    """Nothing to catch up with is caught up."""
    host = Host(Cluster.ready(VIEW))

    assert host.settle().state == "LIVE"
    assert host.condition().ready


def test_readers_find_the_release_in_the_store_before_any_value() -> None:
    """The store holds all that a reader needs: bundle, release, epoch, views and schemas."""
    cluster = Cluster()
    cluster.make_topics(VIEW)
    cluster.decide(registration(VIEW))
    (epoch,) = cluster.decide(release(VIEW))
    cluster.decide(subscription())
    host = Host(cluster)
    host.settle()

    with host.store.snapshot() as snapshot:
        packed = snapshot.meta(META_SERVING)

    assert packed is not None
    serving = Serving.unpack(packed)
    assert (serving.bundle, serving.release, serving.epoch, serving.cut) == ("inputs", 1, epoch, None)
    assert [schema.schema_id for schema in serving.schemas] == [7]
    assert serving.views[0].topic == TOPIC


def test_a_second_release_waits_for_its_cut() -> None:
    """P4: a bundle's first release is simply active, the next ones never by being there; a restart changes nothing."""
    cluster = Cluster.ready(VIEW)
    host = Host(cluster)
    host.settle()
    epoch = host.agent.status().epoch

    cluster.decide(release(VIEW, number=2, features=("mean", "count")))
    assert (host.settle().release, host.agent.status().epoch) == (1, epoch)

    host.start()
    assert (host.settle().release, host.agent.status().epoch) == (1, epoch)


def test_a_log_whose_head_was_trimmed_is_never_ready() -> None:
    """P6: an older value may stand where a newer was trimmed, so such a state is no proof and not served as one."""
    cluster = Cluster.ready(VIEW)
    cluster.put(TOPIC, many(VIEW, ["EWR"], 10))
    cluster.log.trim(TOPIC, 0, 4)
    host = Host(cluster)

    for _ in range(2):
        status = host.settle()
        assert status.state == "HOLDING"
        assert "beginning" in status.reason
        assert not host.condition().ready
        host.start()


def test_positions_that_were_trimmed_away_fail() -> None:
    """P6: what the agent has not read is gone; it stops instead of jumping, and says what to do."""
    cluster = Cluster.ready(VIEW)
    cluster.put(TOPIC, many(VIEW, ["EWR"], 4))
    host = Host(cluster)
    host.settle()
    cluster.put(TOPIC, many(VIEW, ["EWR"], 6))
    cluster.log.trim(TOPIC, 0, 6)
    host.start()

    refused(host, TopicMismatch, "keeps offsets 6 to 10", "stands at 4", "empty store folder")


def test_positions_that_are_trimmed_away_under_a_running_agent_fail() -> None:
    """P6: an offset out of range stops it; nothing is skipped."""
    cluster = Cluster.ready(VIEW)
    cluster.put(TOPIC, many(VIEW, ["EWR"], 4))
    host = Host(cluster)
    host.settle()
    cluster.put(TOPIC, many(VIEW, ["EWR"], 6))
    cluster.log.trim(TOPIC, 0, 6)

    refused(host, TopicMismatch, "Nothing was skipped")


def test_a_truncated_log_fails() -> None:
    """P6: the store stands beyond the log's end, as after an unclean election."""
    cluster = Cluster.ready(VIEW)
    cluster.put(TOPIC, many(VIEW, ["EWR"], 9))
    host = Host(cluster)
    host.settle()
    held = cluster.log._partition(TOPIC, 0)
    del held.records[5:]
    held.following = 5
    host.start()

    refused(host, TopicMismatch, "truncated", "stands at 9")


@pytest.mark.parametrize("running", [False, True], ids=["at start", "while it runs"])
@pytest.mark.parametrize("topic", [TOPIC, CATALOG])
def test_a_topic_that_was_made_again_fails(topic: str, *, running: bool) -> None:
    """P6: offsets of another life of the topic mean nothing, nor do schema ids of another catalog."""
    cluster = Cluster.ready(VIEW)
    cluster.put(TOPIC, many(VIEW, ["EWR"], 5))
    host = Host(cluster)
    host.settle()
    cluster.log.delete_topic(topic)
    if topic == TOPIC:
        cluster.make_topics(VIEW)
        cluster.put(TOPIC, many(VIEW, ["JFK"], 8))
    else:
        cluster.make_topics()
        cluster.decide(registration(VIEW), release(VIEW), subscription())
    if running:
        # It is found at the next look, which is due within half a minute.
        cluster.clock.advance(seconds=31)
        with pytest.raises(TopicMismatch):
            host.agent.run()
        assert host.agent.status().state == "FAILED"
    else:
        host.start()
        refused(host, TopicMismatch, topic, "deleted and made again")


def test_another_cluster_fails() -> None:
    """P6: a store's positions count in the cluster they were read from, and in no other."""
    host = Host(Cluster.ready(VIEW))
    host.settle()
    host.cluster = Cluster.ready(VIEW)
    host.start()

    refused(host, TopicMismatch, "belongs to cluster", "empty store folder")


def test_a_raised_partition_count_fails() -> None:
    """P6: keys stand in other partitions than their cells, and records of the new ones would be missed."""
    host = Host(Cluster.ready(VIEW))
    host.settle()
    host.cluster.log._topics[TOPIC].partitions.append(type(host.cluster.log._topics[TOPIC].partitions[0])())
    host.start()

    refused(host, TopicMismatch, "partitions")


@pytest.mark.parametrize("there", [1, 3])
def test_a_topic_that_never_had_the_contracts_partitions_fails(there: int) -> None:
    """P6: partitions that no one reads are records skipped silently, also when the agent is new."""
    cluster = Cluster()
    cluster.log.create_topic(TopicSpec(TOPIC, there))
    cluster.make_topics()
    cluster.decide(registration(TWO), release(TWO), subscription())

    refused(Host(cluster), TopicMismatch, "partitions")


def test_a_missing_feature_topic_fails() -> None:
    """The catalog names a topic that is not there: someone deleted it."""
    cluster = Cluster.ready(VIEW)
    cluster.log.delete_topic(TOPIC)

    refused(Host(cluster), TopicMissing, TOPIC, "syncline apply")


def test_a_feature_topic_that_goes_away_fails() -> None:
    """P6: deleted under a running agent."""
    cluster = Cluster.ready(VIEW)
    cluster.put(TOPIC, many(VIEW, ["EWR"], 5))
    host = Host(cluster)
    host.settle()
    cluster.log.delete_topic(TOPIC)

    refused(host, TopicMismatch, TOPIC)


def test_a_catalog_cut_at_its_head_fails() -> None:
    """P6: decisions that nobody can read any more are not guessed."""
    cluster = Cluster.ready(VIEW)
    cluster.log.trim(CATALOG, 0, 1)

    refused(Host(cluster), TopicMismatch, CATALOG)


def test_a_store_of_another_fold_fails() -> None:
    """States of different folds are never mixed."""
    host = Host(Cluster.ready(VIEW))
    host.settle()
    with host.store.snapshot() as snapshot:
        packed = snapshot.meta(META_IDENTITY)
    assert packed is not None
    host.store.commit([], {META_IDENTITY: replace(LogIdentity.unpack(packed), fold_version=0).pack()})
    host.start()

    refused(host, StoreCorrupt, "fold version 0", "empty store folder")


def test_a_consumer_that_is_declared_anew_for_another_bundle_gets_its_topics() -> None:
    """New topics are opened by the running agent, and nothing is ready before they were read."""
    weather = Version.make(8, view="weather")
    cluster = Cluster.ready(VIEW)
    host = Host(cluster, batch_rows=2)
    host.settle()
    cluster.make_topics(weather)
    cluster.put(weather.contract.topic, many(weather, ["EWR"], 20))

    cluster.decide(registration(weather), release(weather, bundle="other"), subscription("other"))
    host.agent.step()
    assert not host.condition().ready

    status = host.settle()
    assert (status.state, status.bundle, host.condition().ready) == ("LIVE", "other", True)
    assert {(each.topic, each.next_offset) for each in status.partitions} == {(weather.contract.topic, 20)}


def test_a_restarted_agent_was_ready_before_and_still_is() -> None:
    """In-process readers of a dead agent's store keep reading; only its very first catch-up makes them wait."""
    cluster = Cluster.ready(VIEW)
    host = Host(cluster, batch_rows=2)
    host.settle()
    cluster.put(TOPIC, many(VIEW, ["EWR"], 20))
    host.start()

    host.agent.step()

    assert host.agent.status().state == "CATCHING_UP"
    assert host.condition().ready
