"""Names of topics, and the settings each is made with (log.md)."""

from __future__ import annotations

from dataclasses import dataclass

CATALOG_CONFIG = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
REPORTS_CONFIG = {"cleanup.policy": "delete", "retention.ms": str(7 * 86_400_000)}
REPORTS_PARTITIONS = 6
DEAD_LETTER_CONFIG = {
    "cleanup.policy": "delete",
    "retention.ms": str(30 * 86_400_000),
    # The largest record that a broker takes by default must still fit with its reason (see the writer's settings).
    "max.message.bytes": str(2 << 20),
}


@dataclass(frozen=True, slots=True)
class Topics:
    """The names under one prefix."""

    prefix: str = "syncline"

    @property
    def catalog(self) -> str:
        """Every decision, in one total order: one partition, kept for ever."""
        return f"{self.prefix}.catalog"

    @property
    def reports(self) -> str:
        """What agents and publishers observed."""
        return f"{self.prefix}.reports"

    def features(self, view: str, major: int) -> str:
        """The feature topic of a view MAJOR."""
        return f"{self.prefix}.features.{view}.v{major}"


def prefix_of(feature_topic: str) -> str:
    """The prefix that `Topics.features` was under: no view's name has a dot, and a prefix may have many."""
    return feature_topic.rpartition(".features.")[0]


def dead_letters(topic: str) -> str:
    """The dead letter topic of a feature topic."""
    return f"{topic}.dlq"


def feature_config(retention_us: int) -> dict[str, str]:
    """A feature topic's settings: deletes by age, never compaction (it keeps the last by offset, not by event time)."""
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(retention_us // 1_000),
        "message.timestamp.type": "LogAppendTime",
    }
