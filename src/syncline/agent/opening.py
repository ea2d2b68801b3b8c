"""From the store's positions to cursors: only where they still belong to these topics (P6)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from syncline.agent.cursor import Cursor
from syncline.agent.identity import ask_identity
from syncline.errors import TopicMismatch
from syncline.ports.log import Log, LogReader
from syncline.ports.store import Store
from syncline.state.identity import META_IDENTITY, LogIdentity
from syncline.state.partition import PartitionState
from syncline.state.view_schema import ViewMajor


def require_identity(log: Log, store: Store, topics: Collection[str], *, timeout_s: float) -> LogIdentity:
    """Cluster and topics as they are now; noted in the store when it sees them for the first time.

    Raises:
        TopicMismatch: they are not those that the store's positions count in.
        TopicMissing: a topic is gone.
        LogUnavailable: no broker answered in time.
    """
    now = ask_identity(log, topics, timeout_s=timeout_s)
    with store.snapshot() as snapshot:
        packed = snapshot.meta(META_IDENTITY)
    noted = now
    if packed is not None:
        before = LogIdentity.unpack(packed)
        now.require_same(before)
        noted = replace(now, topics=before.topics | now.topics)
    if noted.pack() != packed:
        store.commit([], {META_IDENTITY: noted.pack()})
    return now


def noted_topics(store: Store) -> set[str]:
    """The topics whose ids are noted in the store, whether it has anything of them or not."""
    with store.snapshot() as snapshot:
        packed = snapshot.meta(META_IDENTITY)
    return set() if packed is None else set(LogIdentity.unpack(packed).topics)


def forget_topics(store: Store, topics: Collection[str]) -> None:
    """Take everything of these topics out of the store: cells, positions, and what they were."""
    with store.snapshot() as snapshot:
        places = [place for place in snapshot.partitions() if place[0] in topics]
        packed = snapshot.meta(META_IDENTITY)
    meta = {}
    if packed is not None:
        before = LogIdentity.unpack(packed)
        kept = {topic: found for topic, found in before.topics.items() if topic not in topics}
        meta[META_IDENTITY] = replace(before, topics=kept).pack()
    store.forget(places, meta)


def open_cursors(
    major: ViewMajor, *, reader: LogReader, store: Store, identity: LogIdentity, timeout_s: float
) -> list[Cursor]:
    """A cursor for every partition of the MAJOR, where the store stands; a new one where the log begins.

    Raises:
        TopicMismatch: the topic has other partitions than the contract says, or a position is not in the log.
        LogUnavailable: no broker answered in time.
    """
    _, there = identity.topics[major.topic]
    if there != major.partitions:
        raise TopicMismatch(
            f"topic {major.topic} has {there} partitions, its contract says {major.partitions}: keys would "
            "stand in other partitions than their cells. A partition count changes only with a new MAJOR"
        )
    cursors = []
    for partition in range(major.partitions):
        with store.snapshot() as snapshot:
            state = snapshot.state(major.topic, partition)
        first, end = reader.watermarks(major.topic, partition, timeout_s)
        if state is None:
            state = PartitionState(next_offset=first, head_trimmed=first > 0)
        if not first <= state.next_offset <= end:
            raise TopicMismatch(
                f"{major.topic} partition {partition} keeps offsets {first} to {end}, and the store stands at "
                f"{state.next_offset}: the log was truncated, or trimmed past it. Start this agent with `--snapshots`; "
                "or, where the log's beginning is kept, with an empty store folder"
            )
        cursors.append(Cursor(major, partition, state, end, end_offset=end))
    return cursors
