"""Spans on their way to an exporter: whoever ends one never waits, and what is lost is counted."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from syncline.telemetry.dropped import EXPORT_FAILED, QUEUE_FULL
from syncline.telemetry.span_queue import CountedBatches

PATIENCE_S = 10.0


@dataclass
class Exporter(SpanExporter):
    """Takes spans when it may, and answers as it is told."""

    result: SpanExportResult = SpanExportResult.SUCCESS
    raises: Exception | None = None
    may: threading.Event = field(default_factory=threading.Event)
    names: list[str] = field(default_factory=list)
    asked: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    most: int = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """See `SpanExporter.export`."""
        self.most = max(self.most, len(spans))
        self.asked.release()
        self.may.wait()
        if self.raises is not None:
            raise self.raises
        if self.result is SpanExportResult.SUCCESS:
            self.names += [span.name for span in spans]
        return self.result

    def shutdown(self) -> None:
        """See `SpanExporter.shutdown`."""
        self.may.set()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """See `SpanExporter.force_flush`."""
        return True


@dataclass
class Queue:
    """A provider whose spans go through the queue, and what was said to be dropped."""

    exporter: Exporter
    provider: TracerProvider
    batches: CountedBatches
    dropped: Counter[str]

    def end(self, count: int, name: str = "x") -> None:
        """End so many spans."""
        tracer = self.provider.get_tracer("test")
        for number in range(count):
            tracer.start_span(f"{name}{number}").end()

    @property
    def waiting(self) -> int:
        """How many spans are kept in memory."""
        return len(self.batches._batches._batch_processor._queue)


@contextmanager
def queue(queue_spans: int | None = None, *, open_: bool = True, **answer: object) -> Iterator[Queue]:
    """One in front of an exporter that takes nothing before it may (`open_`)."""
    exporter, dropped = Exporter(**answer), Counter()
    if open_:
        exporter.may.set()
    batches = CountedBatches(
        exporter, on_dropped=lambda reason, count: dropped.update({reason: count}), queue_spans=queue_spans
    )
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(batches)
    yield Queue(exporter, provider, batches, dropped)
    exporter.may.set()
    provider.shutdown()


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK sends every few milliseconds."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "5")


def test_everything_arrives_in_order_and_nothing_is_dropped() -> None:
    """The everyday case."""
    with queue() as spans:
        spans.end(1_500)
        assert spans.batches.force_flush()

        assert spans.exporter.names == [f"x{number}" for number in range(1_500)]
        assert spans.dropped == {}
        assert spans.batches._waiting._count == 0


def test_what_finds_the_queue_full_is_dropped_and_counted_and_what_waits_arrives() -> None:
    """The first that came are kept: they are the ones that the trouble began with."""
    with queue(64, open_=False) as spans:
        spans.end(64, "a")
        assert spans.exporter.asked.acquire(timeout=PATIENCE_S)
        while spans.waiting:
            time.sleep(0.001)
        spans.end(64, "b")
        spans.end(936, "c")

        assert spans.waiting == 64
        assert spans.dropped == {QUEUE_FULL: 936}
        spans.exporter.may.set()
        spans.batches.force_flush()
        assert len(spans.exporter.names) == 128
        assert not [name for name in spans.exporter.names if name.startswith("c")]
        assert spans.dropped == {QUEUE_FULL: 936}


def test_nobody_who_ends_a_span_waits_for_the_exporter() -> None:
    """Ten thousand spans while the exporter hangs: what cannot wait is dropped at once."""
    with queue(open_=False) as spans:
        began_s = time.monotonic()
        spans.end(10_000)
        took_s = time.monotonic() - began_s

        assert spans.waiting <= 2_048
        assert sum(spans.dropped.values()) + spans.waiting + spans.exporter.most == 10_000
    assert took_s < 3.0


@pytest.mark.parametrize(
    "answer", [{"result": SpanExportResult.FAILURE}, {"raises": RuntimeError("the exporter is broken")}]
)
def test_what_the_exporter_gives_up_is_counted(answer: dict[str, object]) -> None:
    """Refused, or lost by a fault of the exporter's own: every span is accounted for, and the queue goes on."""
    with queue(**answer) as spans:
        spans.end(700)
        spans.batches.force_flush()
        assert spans.dropped == {EXPORT_FAILED: 700}

        spans.exporter.raises, spans.exporter.result = None, SpanExportResult.SUCCESS
        spans.end(5, "later")
        spans.batches.force_flush()

        assert spans.exporter.names == [f"later{number}" for number in range(5)]
        assert spans.dropped == {EXPORT_FAILED: 700}


def test_room_is_there_again_once_the_exporter_took_some() -> None:
    """Full is a moment, not a state."""
    with queue(64) as spans:
        for _ in range(20):
            spans.end(60)
            spans.batches.force_flush()

        assert spans.dropped == {}
        assert len(spans.exporter.names) == 20 * 60


def test_what_is_not_sampled_takes_no_room() -> None:
    """It would never be sent."""
    with queue(4, open_=False) as spans:
        parent = NonRecordingSpan(SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(0)))
        for _ in range(100):
            spans.provider.get_tracer("t").start_span("x", set_span_in_context(parent)).end()

        assert spans.batches._waiting._count == 0
        assert spans.dropped == {}


@pytest.mark.parametrize(
    ("size", "most"), [("16", 16), ("0", 1), ("-5", 1), ("many", 2_048), ("", 2_048), (None, 2_048)]
)
def test_the_variable_bounds_the_queue(monkeypatch: pytest.MonkeyPatch, size: str | None, most: int) -> None:
    """OTEL_BSP_MAX_QUEUE_SIZE, as everywhere; what is no number is the default."""
    if size is not None:
        monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", size)
    with queue(open_=False) as spans:
        spans.end(3_000)

        assert spans.waiting <= most
        assert spans.dropped[QUEUE_FULL] >= 3_000 - 2 * most - 512


def test_batches_are_no_larger_than_the_variable_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """OTEL_BSP_MAX_EXPORT_BATCH_SIZE; and never more than the queue holds."""
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "100")
    with queue() as spans:
        spans.end(1_000)
        spans.batches.force_flush()
        assert spans.exporter.most <= 100
    with queue(7) as spans:
        spans.end(7)
        spans.batches.force_flush()
        assert spans.exporter.most <= 7


def test_what_ends_after_the_end_is_counted_as_well() -> None:
    """An outcome may come after a publisher was closed; a span of a reader after its close."""
    with queue() as spans:
        spans.batches.shutdown()
        spans.end(5)

        assert sum(spans.dropped.values()) == 5


def test_in_a_forked_child_the_queue_is_empty_and_works() -> None:
    """What waited is the parent's to send; the child's own spans are sent by a thread of its own."""
    with queue(64, open_=False) as spans:
        spans.end(64, "parent")
        assert spans.exporter.asked.acquire(timeout=PATIENCE_S)
        spans.end(64, "waiting")
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                spans.exporter.may.set()
                spans.exporter.names.clear()
                spans.end(60, "child")
                spans.batches.force_flush()
                told = f"{len(spans.exporter.names)} {sum(spans.dropped.values())} {spans.exporter.names[-1]}"
                os.write(write, told.encode())
            finally:
                os._exit(0)
        os.close(write)
        deadline_s = time.monotonic() + PATIENCE_S
        while os.waitpid(child, os.WNOHANG) == (0, 0):
            if time.monotonic() > deadline_s:
                os.kill(child, 9)
                raise AssertionError("the child hangs")
            time.sleep(0.01)

        assert os.read(read, 100).decode() == "60 0 child59"
        os.close(read)
        assert spans.waiting == 64
