"""What the coordinator says of itself: in its logs, and in the reports that standbys and people go by."""

from __future__ import annotations

from syncline.clock import Clock
from syncline.coordinator.states import CoordinatorState
from syncline.errors import LogError
from syncline.ports.log import LogWriter, Outcome, OutcomeKind
from syncline.settings import CoordinatorSettings
from syncline.telemetry.coordinator_events import CoordinatorEvents
from syncline.telemetry.cut_reports import CoordinatorStatus, encode_cut_report
from syncline.wire.topics import Topics


class Standing:
    """The coordinator's state with its reason, and what it waits for."""

    def __init__(
        self, settings: CoordinatorSettings, *, writer: LogWriter, clock: Clock, events: CoordinatorEvents
    ) -> None:
        self._settings = settings
        self._topic = Topics(settings.prefix).reports
        self._writer = writer
        self._clock = clock
        self._events = events
        self._due_s = 0.0
        self.state = CoordinatorState.STARTING
        self.reason = "the catalog is not read yet"
        self.waiting: tuple[str, ...] = ()
        """What it would do, and what it waits for."""

    def become(self, state: CoordinatorState, reason: str) -> None:
        """Go to a state, and say so."""
        if (state, reason) == (self.state, self.reason):
            return
        self._events.state_changed(self.state, state, reason)
        self.state, self.reason = state, reason
        # What others wait for is told at once.
        self._due_s = 0.0

    def wait_for(self, reasons: tuple[str, ...]) -> None:
        """There is nothing to do but what these reasons stand against."""
        for reason in reasons:
            if reason not in self.waiting:
                self._events.waiting(reason)
        self.waiting = reasons

    @property
    def is_due(self) -> bool:
        """Whether it is time to report."""
        return self._clock.monotonic_s() >= self._due_s

    def status(self, *, claim: int | None, catalog_offset: int) -> CoordinatorStatus:
        """The report as of now."""
        return CoordinatorStatus(
            coordinator=self._settings.coordinator,
            reported_at_us=self._clock.now_us(),
            state=str(self.state),
            reason=self.reason,
            claim=claim,
            catalog_offset=catalog_offset,
            waiting=self.waiting,
            takeover_after_us=round(self._settings.takeover_after_s * 1_000_000),
        )

    def report(self, status: CoordinatorStatus) -> None:
        """To the reports topic: best effort, it is said again soon."""
        self._due_s = self._clock.monotonic_s() + self._settings.report_interval_s
        try:
            self._writer.append(
                self._topic,
                key=status.coordinator.encode(),
                value=encode_cut_report(status),
                on_outcome=self._note_contact,
            )
        except (BufferError, LogError) as error:
            self._events.log_unavailable(f"the status was not reported: {error}")
        self._writer.poll(0.0)

    def _note_contact(self, outcome: Outcome) -> None:
        if outcome.kind is OutcomeKind.ACKNOWLEDGED:
            self._events.heard_from_broker(self._clock.now_us())
