"""A Kafka producer as a `LogWriter`: idempotent, all replicas acknowledge, outcomes told truthfully."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException, Message

# Not the name in `confluent_kafka`: OpenTelemetry puts an instrumented one there, which appends a second traceparent.
from confluent_kafka.cimpl import Producer

from syncline.adapters.kafka.errors import outcome_kind, raised, refused_settings
from syncline.adapters.kafka.lines import logged_lines
from syncline.errors import LogError
from syncline.ports.log import Headers, Outcome, OutcomeKind

if TYPE_CHECKING:
    from syncline.adapters.kafka.settings import Properties

OnOutcome = Callable[[Outcome], None]
_Deliver = Callable[[KafkaError | None, Message], None]

_ANY_PARTITION = -1
_PURGE_S_MAX = 5.0


class KafkaWriter:
    """Appends records. See `ports.log.LogWriter`. `append` and `append_many` are safe from any thread.

    `poll`, `flush` and `close` belong to one thread. An exception of `on_outcome` hides no other outcome: it
    is raised once the call's outcomes were served.
    """

    def __init__(self, properties: Properties) -> None:
        self._ledger = _Ledger()
        self._closed = False
        self._process = os.getpid()
        configuration: dict[str, Any] = {**properties, "logger": logged_lines()}
        try:
            self._producer = Producer(configuration)
        except KafkaException as error:
            raise refused_settings(error.args[0]) from None

    def append(
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        headers: Headers = (),
        partition: int | None = None,
        on_outcome: OnOutcome | None = None,
    ) -> None:
        """See `LogWriter.append`."""
        self._usable()
        where = _ANY_PARTITION if partition is None else partition
        deliver = self._ledger.deliver(on_outcome)
        try:
            self._producer.produce(topic, value, key, where, deliver, headers=_sent(headers))
        except KafkaException as error:
            raise raised(error.args[0], f"appending to {topic}") from None

    def append_many(
        self,
        topic: str,
        keys: Sequence[bytes],
        values: Sequence[bytes | None],
        *,
        start: int = 0,
        stop: int | None = None,
        headers: Sequence[Headers] | Mapping[int, Headers] | None = None,
        on_outcome: OnOutcome | None = None,
    ) -> int:
        """See `LogWriter.append_many`. A row that cannot be sent fails; the others go on."""
        self._usable()
        produce = self._producer.produce
        deliver = self._ledger.deliver(on_outcome)
        count = len(keys) if stop is None else stop
        row = start
        while row < count:
            try:
                if headers is None:
                    for row in range(row, count):  # noqa: B020  # goes on after a row that was refused
                        produce(topic, values[row], keys[row], _ANY_PARTITION, deliver)
                else:
                    for row in range(row, count):  # noqa: B020  # goes on after a row that was refused
                        produce(
                            topic,
                            values[row],
                            keys[row],
                            _ANY_PARTITION,
                            deliver,
                            headers=_sent(headers[row]),
                        )
            except BufferError:
                return row
            except KafkaException as error:
                reason = str(raised(error.args[0], f"appending to {topic}"))
                self._ledger.refuse(on_outcome, Outcome(OutcomeKind.FAILED, topic, reason=reason))
            row += 1
        return count

    def poll(self, timeout_s: float) -> int:
        """See `LogWriter.poll`."""
        self._usable()
        before = self._ledger.served
        self._ledger.serve_refused()
        self._producer.poll(0 if self._ledger.served > before else timeout_s)
        self._ledger.raise_caught()
        return self._ledger.served - before

    def flush(self, timeout_s: float) -> int:
        """See `LogWriter.flush`."""
        self._usable()
        self._ledger.serve_refused()
        left = self._producer.flush(max(timeout_s, 0.0))
        self._ledger.raise_caught()
        return int(left)

    def close(self, timeout_s: float) -> None:
        """See `LogWriter.close`. Takes at most five seconds more than `timeout_s`. Idempotent."""
        if self._closed or self._process != os.getpid():
            return
        self._closed = True
        self._ledger.serve_refused()
        deadline_s = time.monotonic() + max(timeout_s, 0.0) + _PURGE_S_MAX
        left = self._producer.flush(max(timeout_s, 0.0))
        while left and time.monotonic() < deadline_s:
            # A record between two queues escapes one purge, so purge until none is left.
            self._producer.purge(in_queue=True, in_flight=True, blocking=True)
            left = self._producer.flush(0.1)
        self._ledger.raise_caught()
        if left:
            raise LogError(
                f"{left} appends were purged and have no outcome after {_PURGE_S_MAX:.0f} s; they are unknown"
            )

    def _usable(self) -> None:
        if self._closed:
            raise LogError("this writer is closed; make another")
        if self._process != os.getpid():
            # librdkafka's threads do not survive a fork: nothing would ever be sent, and flush would hang.
            raise LogError("this writer was made before a fork; make another in this process")


class _Ledger:
    """Turns delivery reports into outcomes, counts them, and keeps what callbacks raise."""

    def __init__(self) -> None:
        self.served = 0
        self._refused: deque[tuple[OnOutcome | None, Outcome]] = deque()
        self._caught: list[BaseException] = []
        self._lock = threading.Lock()

    def deliver(self, on_outcome: OnOutcome | None) -> _Deliver:
        """The delivery callback of appends that report to `on_outcome`."""

        def deliver(error: KafkaError | None, message: Message) -> None:
            self.served += 1
            if on_outcome is not None:
                self._tell(on_outcome, _outcome(error, message))

        return deliver

    def refuse(self, on_outcome: OnOutcome | None, outcome: Outcome) -> None:
        """Keep the outcome of a row that never came to the producer, until outcomes are served."""
        self._refused.append((on_outcome, outcome))

    def serve_refused(self) -> None:
        """Tell the outcomes that `refuse` kept."""
        while self._refused:
            on_outcome, outcome = self._refused.popleft()
            self.served += 1
            if on_outcome is not None:
                self._tell(on_outcome, outcome)

    def raise_caught(self) -> None:
        """Raise what callbacks raised since the last time: the error itself, or a group of several."""
        with self._lock:
            caught, self._caught = self._caught, []
        if len(caught) == 1:
            raise caught[0]
        if caught:
            raise BaseExceptionGroup("several outcome callbacks raised", caught)

    def _tell(self, on_outcome: OnOutcome, outcome: Outcome) -> None:
        try:
            on_outcome(outcome)
        except BaseException as error:  # noqa: BLE001  # it is raised again by `raise_caught`
            with self._lock:
                self._caught.append(error)


def _sent(headers: Headers) -> Any:  # noqa: ANN401  # the binding's type is a list that may hold text
    return list(headers) or None


def _outcome(error: KafkaError | None, message: Message) -> Outcome:
    topic, partition = message.topic() or "", message.partition()
    if error is None:
        offset = message.offset()
        _, timestamp_ms = message.timestamp()
        return Outcome(
            OutcomeKind.ACKNOWLEDGED,
            topic,
            partition,
            # A retry that the broker already had is acknowledged without its offset and time.
            offset if offset is not None and offset >= 0 else None,
            timestamp_ms if timestamp_ms >= 0 else None,
        )
    known = partition if partition is not None and partition >= 0 else None
    return Outcome(outcome_kind(error, partition), topic, known, reason=f"{error.str()} ({error.name()})")
