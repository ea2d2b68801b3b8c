"""What an agent tells the reports topic, and when: its status, its violations, and what it proved."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from syncline.agent.enacting import META_REACHED
from syncline.errors import LogUnavailable, TopicMissing
from syncline.ports.log import Outcome, OutcomeKind
from syncline.state.partition import FOLD_VERSION, RING_SIZE
from syncline.telemetry.reports import AgentStatus, Report, encode_report
from syncline.telemetry.violation_reports import OnAnswer, ViolationReports
from syncline.telemetry.violations import AGENT, Reporter

if TYPE_CHECKING:
    from syncline.agent.enacting import Enacting
    from syncline.agent.partitions import Partitions
    from syncline.agent.standing import Standing
    from syncline.catalog_client import CatalogClient
    from syncline.clock import Clock
    from syncline.contracts.checks.tally import Tally
    from syncline.ports.log import LogWriter
    from syncline.ports.store import Store
    from syncline.settings import AgentSettings
    from syncline.telemetry.agent_events import AgentEvents
    from syncline.telemetry.cut_reports import CutReached

AGAIN_S = 1.0
"""How long it waits before it sends again what did not arrive."""


class Reporting:
    """Reports of one agent. Best effort: the store knows better, and nothing waits for them."""

    def __init__(
        self,
        agent: str,
        consumer: str,
        *,
        topic: str,
        settings: AgentSettings,
        writer: LogWriter,
        clock: Clock,
        catalog: CatalogClient,
        partitions: Partitions,
        enacting: Enacting,
        standing: Standing,
        events: AgentEvents,
    ) -> None:
        self._agent = agent
        self._consumer = consumer
        self._topic = topic
        self._interval_s = settings.report_interval_s
        self._writer = writer
        self._clock = clock
        self._catalog = catalog
        self._partitions = partitions
        self._enacting = enacting
        self._standing = standing
        self._events = events
        self._violations = ViolationReports(
            Reporter(AGENT, agent, consumer),
            window_s=settings.violation_window_s,
            append=self._append_counts,
            on_trouble=events.violations_not_reported,
        )
        self._due_s = 0.0
        self._unheard: deque[bytes] = deque(maxlen=RING_SIZE)
        """Reports of cuts that did not arrive: as many as the rings remember cuts."""
        self._again_s = 0.0
        self.contact_us: int | None = None
        """When a broker answered last."""
        self._told: object = None
        """What a coordinator waits to hear, as it was reported last."""

    def status(self) -> AgentStatus:
        """What this agent is doing."""
        enacting = self._enacting
        serving = enacting.serving
        # As a list at once: the metrics' thread asks as well, while partitions come and go.
        cursors = dict(list(self._partitions.cursors.items()))
        return AgentStatus(
            agent=self._agent,
            consumer=self._consumer,
            reported_at_us=self._clock.now_us(),
            state=str(self._standing.state),
            reason=self._standing.reason,
            bundle=serving.bundle if serving else "",
            release=serving.release if serving else None,
            epoch=serving.epoch if serving else None,
            catalog_offset=self._catalog.picture.next_offset,
            fold_version=FOLD_VERSION,
            applied_rows=self._events.applied_rows,
            dead_letters=self._events.dead_letters,
            partitions=tuple(cursor.status() for _, cursor in sorted(cursors.items())),
            standing_at=next((cursor.stand.cut for cursor in cursors.values() if cursor.stand), None),
            given_up=tuple(sorted(enacting.alignment.given_up)),
            pending=len(enacting.alignment.queue),
            cannot_serve=tuple(sorted((enacting.unopened | enacting.cannot_serve).items())),
            lock=enacting.lock,
            deprecated=serving.deprecated if serving else (),
            contact_us=self.contact_us,
            cohort=enacting.cohort,
            freshness=enacting.freshness,
        )

    def heard(self) -> None:
        """A broker has just answered."""
        self.contact_us = self._clock.now_us()

    def report(self) -> None:
        """Status to the reports topic, offsets to the lag tools."""
        self._due_s = self._clock.monotonic_s() + self._interval_s
        self._told = self._news()
        self._standing.save()
        self._enacting.warn()
        self._partitions.look_at_ends()
        self.tell(self.status())
        self._partitions.commit()
        self._writer.poll(0.0)

    def report_if_due(self) -> None:
        """The same, where its time has come or a coordinator waits to hear it."""
        if self._violations.send(self._clock.now_us()):
            self._writer.poll(0.0)
        if self._unheard and self._clock.monotonic_s() >= self._again_s:
            unheard, self._unheard = self._unheard, deque(maxlen=RING_SIZE)
            for packed in unheard:
                self._append_until_heard(packed)
        if self._clock.monotonic_s() >= self._due_s or self._news() != self._told:
            self.report()

    def tell(self, report: Report) -> None:
        """Send one report now."""
        self._append(encode_report(report))

    def tell_until_heard(self, report: CutReached) -> None:
        """Send what happens once, and send it again until it is in the log."""
        self._append_until_heard(encode_report(report))

    def tell_again(self, store: Store) -> None:
        """What was reported of the last cut may not have arrived before this agent ended."""
        with store.snapshot() as snapshot:
            packed = snapshot.meta(META_REACHED)
        if packed is not None:
            self._append_until_heard(packed)

    @property
    def totals(self) -> Tally:
        """All that was judged since the start."""
        return self._violations.totals

    def count(self, tally: Tally) -> None:
        """Rows were judged."""
        self._events.judged(tally)
        self._violations.count(tally, self._clock.now_us())

    def end(self) -> None:
        """Send the counts of the window that is not over."""
        self._violations.end(self._clock.now_us())

    def _news(self) -> object:
        """What is reported at once: a coordinator prepares no cut before it has heard of it."""
        enacting, cursors = self._enacting, self._partitions.cursors
        if not cursors or enacting.serving is None:
            return None
        return (
            enacting.serving.epoch,
            enacting.releases_known,
            enacting.cannot_serve,
            dict(enacting.unopened),
            [cursor.caught_up for cursor in cursors.values()].count(True),
        )

    def _append(self, packed: bytes) -> None:
        try:
            self._writer.append(
                self._topic, key=self._agent.encode(), value=packed, on_outcome=self._note_contact
            )
        except (BufferError, LogUnavailable, TopicMissing) as error:
            self._events.log_unavailable(f"nothing was reported: {error}")
        self._writer.poll(0.0)

    def _note_contact(self, outcome: Outcome) -> None:
        if outcome.kind is OutcomeKind.ACKNOWLEDGED:
            self.heard()

    def _append_until_heard(self, packed: bytes) -> None:
        def note(outcome: Outcome) -> None:
            self._note_contact(outcome)
            if outcome.kind is not OutcomeKind.ACKNOWLEDGED:
                self._unheard.append(packed)
                self._again_s = self._clock.monotonic_s() + AGAIN_S

        try:
            self._writer.append(self._topic, key=self._agent.encode(), value=packed, on_outcome=note)
        except (BufferError, LogUnavailable, TopicMissing) as error:
            note(Outcome(OutcomeKind.FAILED, self._topic, reason=str(error)))
            self._events.log_unavailable(f"nothing was reported: {error}")
        self._writer.poll(0.0)

    def _append_counts(self, key: bytes, value: bytes, on_answer: OnAnswer) -> None:
        self._writer.append(
            self._topic, key=key, value=value, on_outcome=lambda outcome: on_answer(outcome.trouble)
        )
