"""From the store's positions to cursors: only where they still belong to these topics (P6)."""

from __future__ import annotations

from syncline.agent.cursor import Cursor
from syncline.agent.identity import META_IDENTITY, LogIdentity
from syncline.errors import TopicMismatch
from syncline.ports.log import Log, LogReader
from syncline.ports.store import Store
from syncline.state.partition import PartitionState
from syncline.state.view_schema import ViewMajor


def require_identity(log: Log, store: Store, topics: set[str], *, timeout_s: float) -> LogIdentity:
    """Cluster and topics as they are now; noted in the store when it sees them for the first time.

    Raises:
        TopicMismatch: they are not those that the store's positions count in.
        TopicMissing: a topic is gone.
        LogUnavailable: no broker answered in time.
    """
    now = LogIdentity.ask(log, topics, timeout_s=timeout_s)
    with store.snapshot() as snapshot:
        packed = snapshot.meta(META_IDENTITY)
    if packed is not None:
        now.require_same(LogIdentity.unpack(packed))
    else:
        store.commit([], {META_IDENTITY: now.pack()})
    return now


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
                f"{state.next_offset}: the log was truncated, or trimmed past it. Start this agent with an "
                "empty store folder"
            )
        cursors.append(Cursor(major, partition, state, end, end_offset=end))
    return cursors
