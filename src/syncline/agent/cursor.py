"""One assigned partition, as the agent works through it."""

from __future__ import annotations

from dataclasses import dataclass

from syncline.ports.log import TopicPartition
from syncline.rollout.alignment import Stand
from syncline.state.partition import PartitionState
from syncline.state.view_schema import ViewMajor
from syncline.telemetry.reports import PartitionStatus


@dataclass(slots=True)
class Cursor:
    """The state below `state.next_offset` is committed; reading goes on from there."""

    major: ViewMajor
    partition: int
    state: PartitionState
    end_at_start: int
    """The log's end when the agent started: at or beyond it, the first catch-up is over."""
    end_offset: int | None = None
    """The log's end as last seen."""
    held: str = ""
    """Why it does not go on; empty when it does."""
    stand: Stand | None = None
    """The marker that it stands at, for a version change; None when it does not."""
    halted_at: int = -1
    """Offset of the record that halted it last: it is judged again and again, and counted once."""

    @property
    def place(self) -> TopicPartition:
        """(topic, partition)."""
        return self.major.topic, self.partition

    @property
    def goes_on(self) -> bool:
        """Whether it is read on: it is neither held nor at a marker."""
        return not self.held and self.stand is None

    @property
    def caught_up(self) -> bool:
        """Whether it has reached the end of the log that it saw at its start."""
        return self.state.next_offset >= self.end_at_start

    @property
    def at_end(self) -> bool:
        """Whether nothing more is known to stand in the log."""
        return self.end_offset is not None and self.state.next_offset >= self.end_offset

    def status(self) -> PartitionStatus:
        """As the agent reports it."""
        return PartitionStatus(
            topic=self.major.topic,
            partition=self.partition,
            next_offset=self.state.next_offset,
            end_offset=self.end_offset,
            cells=self.state.cells,
            digest=self.state.digest.total,
            t_ms=self.state.t_ms,
            held=self.held,
        )
