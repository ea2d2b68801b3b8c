"""One assigned partition, as the agent works through it."""

from __future__ import annotations

from dataclasses import dataclass

from syncline.ports.log import TopicPartition
from syncline.rollout.alignment import Stand
from syncline.state.partition import PartitionState
from syncline.state.view_schema import ViewMajor
from syncline.telemetry.reports import PartitionStatus
from syncline.wire.control import Heartbeat


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
    last_event_us: int | None = None
    """Largest event time folded since the agent's start."""
    heartbeat_us: int | None = None
    """When the broker took the last heartbeat that was folded, of any publisher."""
    published_us: int | None = None
    """Largest event time that heartbeats say was published to the topic."""
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

    def note_event(self, event_us: int) -> None:
        """This event time was folded."""
        self.last_event_us = event_us if self.last_event_us is None else max(event_us, self.last_event_us)

    def note_heartbeat(self, heartbeat: Heartbeat, timestamp_ms: int) -> None:
        """A publisher's heartbeat was folded."""
        self.heartbeat_us = max(timestamp_ms * 1_000, self.heartbeat_us or 0)
        published = heartbeat.watermark_us
        if published is not None:
            self.published_us = published if self.published_us is None else max(published, self.published_us)

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
            last_event_us=self.last_event_us,
            heartbeat_us=self.heartbeat_us,
            published_us=self.published_us,
        )
