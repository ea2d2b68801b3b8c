"""What the positions of a state count in: a state belongs to one cluster, its topics as they are, and one fold."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from syncline.errors import StoreCorrupt, TopicMismatch
from syncline.state.partition import FOLD_VERSION

META_IDENTITY = "identity"
"""The meta name under which the store keeps `LogIdentity.pack()`."""


@dataclass(frozen=True, slots=True)
class LogIdentity:
    """Which cluster and topics the positions in a store or snapshot count in."""

    cluster_id: str
    topics: dict[str, tuple[str | None, int]]
    """Topic → (topic id, partitions); an id is None where the broker gives none."""
    fold_version: int = FOLD_VERSION

    def require_same(self, before: LogIdentity) -> None:
        """Nothing that stood before may be another thing now; new topics are welcome.

        Raises:
            StoreCorrupt: the state was folded by other rules.
            TopicMismatch: the cluster or a topic is another one, so the state's positions mean nothing in it.
        """
        remedy = "Start this agent with an empty store folder: it reads the log from its beginning"
        if before.fold_version != self.fold_version:
            raise StoreCorrupt(f"the store was written by fold version {before.fold_version}. {remedy}")
        if before.cluster_id != self.cluster_id:
            raise TopicMismatch(
                f"the store belongs to cluster {before.cluster_id}, this is {self.cluster_id}. {remedy}"
            )
        for topic, (topic_id, partitions) in before.topics.items():
            now = self.topics.get(topic)
            if now is None:
                continue
            if now[0] != topic_id:
                raise TopicMismatch(
                    f"topic {topic} was deleted and made again: {topic_id} became {now[0]}. {remedy}"
                )
            if now[1] != partitions:
                raise TopicMismatch(
                    f"topic {topic} had {partitions} partitions and has {now[1]} now: keys stand in other partitions "
                    "than their cells. A partition count changes only with a new MAJOR"
                )

    def pack(self) -> bytes:
        """As the store keeps it."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def unpack(cls, packed: bytes) -> LogIdentity:
        """What `pack` wrote."""
        fields = json.loads(packed)
        topics = {topic: (topic_id, count) for topic, (topic_id, count) in fields["topics"].items()}
        return cls(fields["cluster_id"], topics, fields["fold_version"])
