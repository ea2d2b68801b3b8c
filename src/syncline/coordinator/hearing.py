"""What is heard of agents and of other coordinators: the reports topic, from a bit before its end on."""

from __future__ import annotations

from dataclasses import dataclass

from syncline.catalog.enactment import Member
from syncline.clock import Clock
from syncline.errors import CatalogError, LogUnavailable, TopicMissing, WireError
from syncline.ports.log import Batch, EventKind, Log, LogReader
from syncline.rollout.digest_watch import DigestWatch
from syncline.rollout.readiness import Readiness
from syncline.telemetry.coordinator_events import CoordinatorEvents
from syncline.telemetry.cut_reports import CoordinatorStatus, CutReached
from syncline.telemetry.reports import AgentStatus, decode_report

LAST = 5_000
"""So many offsets before the end of each partition are read at first: what was said just before is still fresh."""
_ROWS, _BYTES = 5_000, 16_000_000
_GONE = ("STOPPED", "FAILED")
"""States of an agent that has ended: it is not waited for."""


@dataclass(frozen=True, slots=True)
class _Agent:
    readiness: Readiness
    heard_s: float
    """When, by the own monotonic clock."""


class Hearing:
    """Follows the reports topic. Not safe for use by two threads."""

    def __init__(
        self,
        log: Log,
        topic: str,
        *,
        clock: Clock,
        client_id: str,
        memory_s: float,
        events: CoordinatorEvents,
    ) -> None:
        """`memory_s`: an agent that was not heard of for so long is forgotten."""
        self._log = log
        self._topic = topic
        self._clock = clock
        self._client_id = f"{client_id}-reports"
        self._memory_s = memory_s
        self._events = events
        self._reader: LogReader | None = None
        self._next: dict[int, int] = {}
        self._live_from: dict[int, int] = {}
        """What stands below was said before this one began to listen: how fresh it is, its own clock says."""
        self._agents: dict[str, _Agent] = {}
        self._coordinators: dict[str, CoordinatorStatus] = {}
        self._heard_s: dict[str, float] = {}
        """Coordinator → when it was heard of last, by the own monotonic clock."""
        self._listening_since_s = clock.monotonic_s()
        self._digests = DigestWatch()

    def catch_up(self, timeout_s: float) -> None:
        """Note the ends of the topic's partitions, and hear what stands below them.

        Raises:
            TopicMissing: nobody has applied anything to this cluster yet.
            LogUnavailable: the ends were not reached in time.
        """
        deadline_s = self._clock.monotonic_s() + timeout_s
        if self._reader is None:
            self._open(timeout_s)
        reader = self._reader
        if reader is None:
            raise AssertionError("it was opened")
        ends = {number: reader.watermarks(self._topic, number, timeout_s)[1] for number in self._next}
        while any(self._next.get(number, 0) < end for number, end in ends.items()):
            if self._clock.monotonic_s() >= deadline_s:
                raise LogUnavailable(f"{self._topic} was not read to its end in {timeout_s:g} s")
            self.poll(0.2)
            if self._reader is not reader:
                raise LogUnavailable(f"{self._topic} has to be read anew")

    def poll(self, timeout_s: float = 0.0) -> None:
        """Hear what has arrived, waiting up to `timeout_s` for the first record.

        Raises:
            TopicMissing: the topic has been deleted.
        """
        if self._reader is None:
            return
        batch = self._reader.poll(_ROWS, _BYTES, timeout_s)
        self._hear(batch)
        for part in batch.slices:
            self._next[part.partition] = max(self._next.get(part.partition, 0), part.next_offset)
        for _, partition, end in batch.eof:
            self._next[partition] = max(self._next.get(partition, 0), end)
        for event in batch.events:
            match event.kind:
                case EventKind.TOPIC_MISSING:
                    self.close()
                    raise TopicMissing(f"{self._topic} does not exist: {event.message}")
                case EventKind.OFFSET_OUT_OF_RANGE | EventKind.FATAL:
                    # Reports are for the moment: what was missed is said again.
                    self.close()
                case _:
                    self.interrupted()
            self._events.log_unavailable(event.message)

    @property
    def is_open(self) -> bool:
        """Whether the topic is being read; where it is not, `catch_up` reads it anew."""
        return self._reader is not None

    def fleet(self) -> list[Readiness]:
        """The agents that were heard of lately and have not ended."""
        self._forget_the_silent()
        return [agent.readiness for agent in self._agents.values()]

    def last_word(self, coordinator: str) -> CoordinatorStatus | None:
        """The last report of a coordinator, or None."""
        return self._coordinators.get(coordinator)

    def silent_s(self, coordinator: str) -> float:
        """For how long nothing was heard of a coordinator, counted from when this began to listen."""
        last_s = max(self._heard_s.get(coordinator, self._listening_since_s), self._listening_since_s)
        return self._clock.monotonic_s() - last_s

    def note(self, coordinator: str) -> None:
        """The coordinator was heard of just now, by other means."""
        self._heard_s[coordinator] = self._clock.monotonic_s()

    def interrupted(self) -> None:
        """No broker answers: while nobody can be heard, nobody is silent."""
        self._listening_since_s = self._clock.monotonic_s()

    def close(self) -> None:
        """Release the reader. Idempotent."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _open(self, timeout_s: float) -> None:
        described = self._log.describe_topic(self._topic, timeout_s)
        if described is None:
            raise TopicMissing(f"{self._topic} does not exist yet: run `syncline apply`")
        reader = self._log.reader(client_id=self._client_id)
        try:
            positions, ends = {}, {}
            for number in range(described.partitions):
                first, ends[number] = reader.watermarks(self._topic, number, timeout_s)
                positions[number] = max(first, ends[number] - LAST)
            reader.assign([(self._topic, number, offset) for number, offset in positions.items()])
        except BaseException:
            reader.close()
            raise
        self._reader, self._next, self._live_from = reader, positions, ends
        self._listening_since_s = self._clock.monotonic_s()

    def _hear(self, batch: Batch) -> None:
        for part in batch.slices:
            live_from = self._live_from.get(part.partition, 0)
            for row in range(part.start, part.start + part.count):
                self._take(batch.values[row], is_live=int(batch.offsets[row]) >= live_from)
        if batch.slices:
            # A standby asks nobody for the fleet, and pods with names of chance come and go.
            self._forget_the_silent()

    def _forget_the_silent(self) -> None:
        oldest_s = self._clock.monotonic_s() - self._memory_s
        self._agents = {name: agent for name, agent in self._agents.items() if agent.heard_s >= oldest_s}

    def _take(self, value: bytes | None, *, is_live: bool) -> None:
        try:
            report = decode_report(value)
        except (WireError, CatalogError):
            return  # of a newer Syncline, or of nobody: it tells nothing that is asked here
        now_s = self._clock.monotonic_s()
        if isinstance(report, CoordinatorStatus):
            self._coordinators[report.coordinator] = report
            self._heard_s[report.coordinator] = now_s
        elif isinstance(report, CutReached):
            digests = [((at.topic, at.partition, at.offset), at.digest) for at in report.partitions]
            for topic, partition, _ in self._digests.hear(report.agent, report.cut, digests):
                self._events.digests_differ(report.agent, report.cut, topic, partition)
        elif isinstance(report, AgentStatus):
            if report.state in _GONE:
                self._agents.pop(report.agent, None)
                return
            age_s = 0.0 if is_live else max(0.0, (self._clock.now_us() - report.reported_at_us) / 1_000_000)
            self._agents[report.agent] = _Agent(_readiness(report), now_s - age_s)


def _readiness(status: AgentStatus) -> Readiness:
    behind: dict[str, int | None] = {}
    for partition in status.partitions:
        before = behind.get(partition.topic, 0)
        lag = partition.lag
        behind[partition.topic] = None if before is None or lag is None else before + lag
    return Readiness(
        member=Member(status.consumer, status.agent.removeprefix(f"{status.consumer}/")),
        bundle=status.bundle,
        read_to=status.catalog_offset,
        cannot_serve=dict(status.cannot_serve),
        behind=behind,
    )
