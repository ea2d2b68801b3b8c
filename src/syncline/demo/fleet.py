"""What the agents report, as `syncline status` reads it: the demo waits for it and compares what they say."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from syncline.clock import Clock
from syncline.errors import LogUnavailable, UnknownFormat, WireError
from syncline.ports.log import Log, TopicPartition
from syncline.telemetry.cut_reports import CutReached
from syncline.telemetry.reports import AgentStatus, decode_report
from syncline.wire.topics import REPORTS_PARTITIONS


class Fleet:
    """The last status of every agent, and what it said of each cut, from the reports topic. Use `close` when done."""

    def __init__(self, log: Log, reports_topic: str, *, clock: Clock) -> None:
        self._clock = clock
        self._reader = log.reader(client_id="syncline-demo-fleet")
        # Only what is reported from now on: an earlier demo's agents may stand in the topic.
        self._reader.assign(
            [
                (reports_topic, partition, self._reader.watermarks(reports_topic, partition)[1])
                for partition in range(REPORTS_PARTITIONS)
            ]
        )
        self.statuses: dict[str, AgentStatus] = {}
        self.reached: dict[tuple[int, str], CutReached] = {}
        """(cut, agent) → what it reported when it switched."""

    def poll(self, timeout_s: float) -> None:
        """Take in what has been reported since."""
        for value in self._reader.poll(1_000, 10_000_000, timeout_s).values:
            try:
                report = decode_report(value)
            except (WireError, UnknownFormat):
                continue
            if isinstance(report, AgentStatus):
                self.statuses[report.agent] = report
            elif isinstance(report, CutReached):
                self.reached[report.cut, report.agent] = report

    def wait(
        self,
        done: Callable[[Mapping[str, AgentStatus]], bool],
        *,
        timeout_s: float,
        watch: Callable[[], None],
        waiting_for: str,
    ) -> None:
        """Poll until `done` says so; `watch` is called in between and may raise.

        Raises:
            LogUnavailable: it did not come to that in time.
        """
        deadline = self._clock.monotonic_s() + timeout_s
        while not done(self.statuses):
            watch()
            if self._clock.monotonic_s() > deadline:
                states = ", ".join(f"{one.agent} {one.state} {one.reason}" for one in self.statuses.values())
                raise LogUnavailable(
                    f"{waiting_for} did not happen in {timeout_s:g} s: {states or 'no reports'}"
                )
            self.poll(0.2)

    def close(self) -> None:
        """Release the reader."""
        self._reader.close()


def has_reached(status: AgentStatus, ends: Mapping[TopicPartition, int]) -> bool:
    """Whether the agent has folded every partition at least to these ends."""
    reached = {(part.topic, part.partition): part.next_offset for part in status.partitions}
    return all(reached.get(place, -1) >= end for place, end in ends.items())
