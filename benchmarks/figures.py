"""What is compared with what, and the reach of each comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.measurement import Measurement


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure: our contender against another's, in rows per second."""

    figure: str
    ours: str
    contender: str
    reach: float


@dataclass(frozen=True, slots=True)
class Group:
    """Contenders that take turns within a round, and the figures that come of it. A subject of its own."""

    name: str
    contenders: tuple[str, ...]
    comparisons: tuple[Comparison, ...]


GROUPS = (
    Group("agent", ("agent", "bare_loop"), (Comparison("agent", "agent", "bare_loop", 1.0),)),
    Group(
        "publish",
        ("publish_dicts", "publish_arrow", "serializer"),
        (
            Comparison("publish_many from dicts", "publish_dicts", "serializer", 1.0),
            Comparison("publish_many from Arrow", "publish_arrow", "serializer", 1.0),
        ),
    ),
)

WORDS = {
    "agent": "agent, everything on",
    "bare_loop": "`consume()` + fastavro + dict",
    "publish_dicts": "`publish_many` of dicts, checked",
    "publish_arrow": "`publish_many` of Arrow, checked",
    "serializer": "SerializingProducer + AvroSerializer",
}


@dataclass(frozen=True, slots=True)
class Contest:
    """All rounds of two contenders. Only the ratio says anything about us: times are the machine's."""

    comparison: Comparison
    ours: Sequence[Measurement]
    theirs: Sequence[Measurement]

    @classmethod
    def of(cls, comparison: Comparison, measured: Mapping[str, Sequence[Measurement]]) -> Contest:
        """The comparison's rounds."""
        return cls(comparison, measured[comparison.ours], measured[comparison.contender])

    @property
    def ratio(self) -> float:
        """Ours over theirs, of the medians."""
        return rate(self.ours) / rate(self.theirs)

    @property
    def spread(self) -> tuple[float, float]:
        """The smallest and the largest ratio of a single round."""
        ratios = [a.rows_per_s / b.rows_per_s for a, b in zip(self.ours, self.theirs, strict=True)]
        return min(ratios), max(ratios)

    @property
    def is_reached(self) -> bool:
        """Whether the ratio is what the issue asks for."""
        return self.ratio >= self.comparison.reach


def rate(rounds: Sequence[Measurement]) -> float:
    """Median rows per second."""
    return median(each.rows_per_s for each in rounds)


def cpu_us(rounds: Sequence[Measurement]) -> float:
    """Median CPU microseconds per row."""
    return median(each.cpu_seconds / each.rows * 1e6 for each in rounds)
