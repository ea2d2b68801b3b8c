"""Where every update leaves: one writer, its outcomes, and what happens when it is full, closed, or forked."""

from __future__ import annotations

import atexit
import logging
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from syncline.clock import Clock
from syncline.errors import LogError, NotAcknowledged, PublisherBusy, PublishError
from syncline.ports.log import Headers, LogWriter, Outcome
from syncline.publisher.courier import Courier, PublishedTopic
from syncline.publisher.delivery import Delivery
from syncline.publisher.ledger import Account, Ledger
from syncline.publisher.lifetime import Lifetime
from syncline.settings import PublisherSettings
from syncline.telemetry.deprecated_use import DeprecatedUse
from syncline.telemetry.publisher_metrics import PublisherMetrics
from syncline.telemetry.telemetry import Telemetry
from syncline.telemetry.violation_reports import OnAnswer, ViolationReports
from syncline.telemetry.violations import PUBLISHER, Reporter

if TYPE_CHECKING:
    from syncline.telemetry.publisher_spans import SendSpan, SendSpans

_EXIT_S_MAX = 5.0
"""How long a job that ends without close is held up at most."""
_REPORT_S_MAX = 1.0
"""How long closing waits for the last report, once every update has its outcome."""
_LOGGER = logging.getLogger("syncline.publisher")
_LOGGER.addHandler(logging.NullHandler())  # else Python's last resort prints warnings to stderr


class Outbox:
    """Appends with backpressure and counts outcomes. `send` is safe from any thread.

    Belongs to the process that made it: librdkafka's threads, and ours, do not survive a fork.
    """

    def __init__(
        self,
        writer: LogWriter,
        *,
        settings: PublisherSettings,
        clock: Clock,
        reports_topic: str,
        telemetry: Telemetry,
        spans: SendSpans | None,
    ) -> None:
        """`spans` follows the updates that are traced; None: none is."""
        self.ledger = Ledger()
        self._spans = spans
        self._writer = writer
        self._clock = clock
        self._reports_topic = reports_topic
        self.reports = ViolationReports(
            Reporter(PUBLISHER, settings.publisher),
            window_s=settings.violation_window_s,
            append=self._append_report,
            on_trouble=self._say_unreported,
        )
        self._deprecated = DeprecatedUse(_warn)
        self._metrics = PublisherMetrics(
            telemetry.metrics,
            totals=self.reports.totals,
            acknowledged=self.ledger.acknowledged_by_topic,
            deprecated=self._deprecated.versions,
        )
        self.ledger.metrics = self._metrics
        self._settings = settings
        self.lifetime = Lifetime()
        self._closing = threading.Lock()
        self._courier = Courier(
            writer,
            self.ledger,
            metrics=self._metrics,
            publisher=settings.publisher,
            clock=clock,
            heartbeat_interval_s=settings.heartbeat_interval_s,
            on_turn=self._on_turn,
        )
        atexit.register(self._at_exit)

    def attend(self, topics: Sequence[PublishedTopic]) -> None:
        """Send heartbeats to these topics from now on."""
        self._courier.attend(topics)

    def warn_of(self, reference: str, text: str) -> None:
        """This view version is published, and is what `text` says; empty: nothing is to be said of it."""
        if text:
            self._deprecated.use(reference, text)
            self._deprecated.tell(self._clock.monotonic_s())

    def send(
        self,
        topic: str,
        keys: Sequence[bytes],
        values: Sequence[bytes | None],
        *,
        delivery: Delivery,
        view_version: str,
        started_us: int,
        headers: Sequence[Headers] | None = None,
    ) -> int:
        """Queue records in order and return how many were; fewer than given only where the queue stayed full.

        It stayed full when no outcome came for `busy_timeout_s`. What was queued has its outcome told to `delivery`.
        `started_us` is when the job called.
        """
        count = len(keys)
        ledger = self.ledger
        spans: Sequence[SendSpan] = ()
        if self._spans is not None and not self._spans.passes(count):
            spans = self._spans.begin(topic, count, view_version=view_version, started_us=started_us)
        account = ledger.account(topic)
        if delivery.account is None:
            delivery.account = account
        settle = delivery.settle if delivery.account is account else _counted(delivery, account)
        ledger.queue(count)
        delivery.queued += count
        self._metrics.began(delivery, topic, self._clock.monotonic_s)
        sent, stopped_by = 0, PublisherBusy.__name__
        try:
            for span in spans:
                before = range(sent, span.row)
                sent = self._append(before, topic, keys, values, headers=headers, on_outcome=settle)
                if sent == span.row:
                    # A traced record goes by itself: it has headers, and an outcome that ends its span.
                    only, told = range(sent, sent + 1), _told(settle, span)
                    own = {sent: [*(() if headers is None else headers[sent]), *span.headers()]}
                    sent = self._append(only, topic, keys, values, headers=own, on_outcome=told)
                if sent <= span.row:
                    break
            else:
                rest = range(sent, count)
                sent = self._append(rest, topic, keys, values, headers=headers, on_outcome=settle)
        except BaseException as error:
            stopped_by = type(error).__name__
            raise
        finally:
            if sent < count:
                delivery.queued -= count - sent
                ledger.queue(sent - count)
                for span in spans:
                    if span.row >= sent:
                        span.give_up(stopped_by)
        return sent

    def _append(
        self,
        rows: range,
        topic: str,
        keys: Sequence[bytes],
        values: Sequence[bytes | None],
        *,
        headers: Sequence[Headers] | Mapping[int, Headers] | None,
        on_outcome: Callable[[Outcome], None],
    ) -> int:
        """Queue these rows, waiting for room; the number of the first one that was not queued."""
        row, stop = rows.start, rows.stop
        while row < stop:
            rounds = self.ledger.rounds
            row = self._writer.append_many(
                topic, keys, values, start=row, stop=stop, headers=headers, on_outcome=on_outcome
            )
            if row < stop:
                # A callback that publishes runs in the thread that would make room: it must not wait for itself.
                patience_s = 0.0 if self._courier.is_current_thread else self._settings.busy_timeout_s
                if not self.ledger.wait_for_room(rounds, patience_s):
                    break
        return row

    def flush(self, timeout_s: float) -> None:
        """Wait for every outcome.

        Raises:
            NotAcknowledged: see `Ledger.close_account`.
            PublisherClosed: see `Lifetime.ask_usable`.
        """
        self.lifetime.ask_usable()
        self._refuse_callback("flush")
        self.ledger.wait_until(self.ledger.is_settled, timeout_s)
        self.ledger.close_account()

    def close(self, timeout_s: float) -> None:
        """Flush, then give what still has no outcome its outcome. Idempotent; nothing happens in a forked child.

        Raises:
            NotAcknowledged: something was not acknowledged since the last flush.
        """
        if self.lifetime.is_forked:
            return
        self._refuse_callback("close")
        with self._closing:
            if self.lifetime.ended:
                return
            self.lifetime.ended = True
            atexit.unregister(self._at_exit)
            self.ledger.wait_until(self.ledger.is_settled, timeout_s)
            self._courier.stop()
            self.reports.end(self._clock.now_us())
            try:
                # The updates have had their time; what is left is told as failed or unknown, reports get a moment.
                settled = self.ledger.is_settled()
                self._writer.close(min(timeout_s, _REPORT_S_MAX) if settled else 0.0)
            except LogError as error:
                self.ledger.note_trouble(error)
            self.ledger.announce()
            self._metrics.end()
        self.ledger.close_account()

    def _append_report(self, key: bytes, value: bytes, on_answer: OnAnswer) -> None:
        self._writer.append(
            self._reports_topic, key=key, value=value, on_outcome=lambda outcome: on_answer(outcome.trouble)
        )

    def _on_turn(self) -> None:
        self.reports.send(self._clock.now_us())
        self._deprecated.tell(self._clock.monotonic_s())

    def _say_unreported(self, reason: str) -> None:
        _LOGGER.warning(
            "publisher %s: counts of violations are lost, as %s does not take them: %s",
            self._settings.publisher,
            self._reports_topic,
            reason,
        )

    def _refuse_callback(self, verb: str) -> None:
        if self._courier.is_current_thread:
            raise PublishError(f"an outcome callback must not {verb} its own publisher; it may only record")

    def _at_exit(self) -> None:
        try:
            self.close(min(self._settings.flush_timeout_s, _EXIT_S_MAX))
        except NotAcknowledged as error:
            print(  # noqa: T201  the interpreter is ending: logging may be shut down, and this must be seen
                f"syncline: publisher {self._settings.publisher} was not closed before the end of the program: {error}",
                file=sys.stderr,
            )


def _told(settle: Callable[[Outcome], None], span: SendSpan) -> Callable[[Outcome], None]:
    def told(outcome: Outcome) -> None:
        settle(outcome)
        span.settle(outcome)

    return told


def _counted(delivery: Delivery, account: Account) -> Callable[[Outcome], None]:
    """Of a call that sends to two topics, as its dead letters go: what is acknowledged of the second."""

    def counted(outcome: Outcome) -> None:
        first, delivery.account = delivery.account, account
        try:
            delivery.settle(outcome)
        finally:
            delivery.account = first

    return counted


def _warn(reference: str, text: str) -> None:
    _LOGGER.warning("%s, which is published here, is %s", reference, text)
