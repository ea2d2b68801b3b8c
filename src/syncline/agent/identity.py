"""Asking the cluster what the store's positions count in (P6)."""

from __future__ import annotations

from collections.abc import Iterable

from syncline.errors import TopicMissing
from syncline.ports.log import Log
from syncline.state.identity import LogIdentity


def ask_identity(log: Log, topics: Iterable[str], *, timeout_s: float) -> LogIdentity:
    """Cluster and topics as the cluster says now, each question answered within `timeout_s`.

    Raises:
        LogUnavailable: no broker answered in time.
        TopicMissing: a topic is gone.
    """
    found: dict[str, tuple[str | None, int]] = {}
    for topic in sorted(topics):
        description = log.describe_topic(topic, timeout_s)
        if description is None:
            raise TopicMissing(f"topic {topic} does not exist; `syncline apply` creates it")
        found[topic] = description.topic_id, description.partitions
    return LogIdentity(log.cluster_id(timeout_s), found)
