"""What an agent says of itself while it cannot, or cannot yet, do what it is for."""

from __future__ import annotations

from typing import Any

import pytest

from syncline.state import rows
from syncline.telemetry import agent_events
from syncline.telemetry.agent_events import AgentEvents
from syncline.wire.control import is_marker
from tests.unit.agent.world import Cluster, Host, many, registration, release
from tests.unit.state.world import NOW_MS, Version, marker

VIEW = Version.make(7)
TOPIC = VIEW.contract.topic


class Lines:
    """A logger that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, Any]]] = []

    def info(self, event: str, **fields: Any) -> None:
        """Keep it."""
        self.said.append((event, fields))

    warning = error = info


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Lines:
    """What every agent logs from now on."""
    kept = Lines()
    monkeypatch.setattr(agent_events, "logger", lambda **_: kept)
    return kept


def test_an_agent_that_waits_says_for_what(lines: Lines) -> None:
    """P6: without a catalog, and without its subscription, the log names what is missing; each once."""
    cluster = Cluster()
    host = Host(cluster)
    for _ in range(3):
        host.agent.step()
    cluster.make_topics(VIEW)
    cluster.decide(registration(VIEW), release(VIEW))
    for _ in range(3):
        host.agent.step()

    reasons = [fields["reason"] for event, fields in lines.said if event == "agent_state_changed"]

    assert len(reasons) == 2
    assert "syncline.catalog does not exist yet" in reasons[0]
    assert "subscription model is not in the catalog" in reasons[1]


def test_an_outage_does_not_flood_the_log(lines: Lines) -> None:
    """A client repeats itself many times a second while no broker answers: one line of each kind is enough."""
    events = AgentEvents("a")

    for number in range(50):
        events.log_unavailable(f"connect to 127.0.0.1:9092 failed (after {number}ms)")
    events.log_unavailable("offsets were not committed")

    assert [fields["message"] for _, fields in lines.said] == [
        "connect to 127.0.0.1:9092 failed (after 0ms)",
        "offsets were not committed",
    ]


def test_the_lag_of_an_agent_that_is_behind_is_told() -> None:
    """P6: an agent that never meets the end of its partition does not report a lag of nothing."""
    cluster = Cluster.ready(VIEW)
    host = Host(cluster, batch_rows=10)
    host.settle()
    cluster.put(TOPIC, many(VIEW, ["EWR"], 100))
    cluster.clock.advance(seconds=6)

    host.agent.step()

    (partition,) = cluster.reports()[-1].partitions
    assert (partition.next_offset, partition.end_offset, partition.lag) == (10, 100, 90)


def test_told_to_stop_among_markers_it_stops() -> None:
    """SIGTERM is heeded within a batch full of markers; the next life goes on at the one where this one stood."""
    cluster = Cluster.ready(VIEW)
    cluster.put(TOPIC, [marker(0, ms=NOW_MS)] * 50)
    host = Host(cluster)
    commit = host.store.commit

    def stop_at_third(writes: Any, meta: Any = None) -> None:
        commit(writes, meta)
        if any(write.state.next_offset == 3 for write in writes):
            host.stopping = True

    host.store.commit = stop_at_third
    host.agent.run()
    assert host.committed()[TOPIC, 0].next_offset == 3

    host.store.commit = commit
    host.start()
    assert host.settle().partitions[0].next_offset == 50


def test_the_lag_of_a_partition_that_is_held_is_told() -> None:
    """P6: records wait behind the one that holds the partition, and the report counts them."""
    unknown = Version.make(4711, version="1.7.0")
    cluster = Cluster.ready(VIEW)
    host = Host(cluster)
    host.settle()
    cluster.put(TOPIC, [*many(unknown, ["EWR"], 3), *many(VIEW, ["JFK"], 2)])
    host.settle()
    cluster.clock.advance(seconds=6)

    host.agent.step()

    (partition,) = cluster.reports()[-1].partitions
    assert "4711" in partition.held
    assert partition.lag == 5


def test_a_fault_of_ours_is_reported_as_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """P6: an agent that dies of an error nobody foresaw says FAILED to the fleet and to its readers."""
    cluster = Cluster.ready(VIEW)
    host = Host(cluster)
    host.settle()

    def stumble() -> int:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(host.agent, "step", stumble)
    with pytest.raises(ZeroDivisionError):
        host.agent.run()

    assert cluster.reports()[-1].state == "FAILED"
    assert host.condition().reason == "unexpected ZeroDivisionError: by zero"


def test_rows_behind_a_marker_are_left_alone_until_it_is_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    """P10: a partition full of markers costs a look at each, not a look at all of them for each."""
    looked = []
    monkeypatch.setattr(rows, "is_marker", lambda key: looked.append(key) or is_marker(key))
    cluster = Cluster.ready(VIEW)
    cluster.put(TOPIC, [marker(0, ms=NOW_MS)] * 50)

    Host(cluster).settle()

    assert len(looked) == 50
