"""Every role on a cluster in memory, with the spans that they make told as plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import StatusCode
from prometheus_client import CollectorRegistry

from syncline.agent.agent import Agent, Ports
from syncline.clock import Clock
from syncline.coordinator.coordinator import Coordinator
from syncline.coordinator.coordinator import Ports as CoordinatorPorts
from syncline.publisher import Publisher
from syncline.reader import FeatureReader
from syncline.settings import AgentSettings, CoordinatorSettings, PublisherSettings, TelemetrySettings
from syncline.telemetry import names
from syncline.telemetry.own_spans import OwnSpans
from syncline.telemetry.provider import Spans
from syncline.telemetry.telemetry import Telemetry
from syncline.telemetry.tracing import Tracing
from syncline.version import __version__
from syncline.wire.topics import Topics
from tests.unit.agent.world import Cluster, Host
from tests.unit.state.world import NOW_MS, Record, Version

NOW_US = NOW_MS * 1_000
SECOND_US = 1_000_000
TRACE, SPAN = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331
ELSEWHERE = "(elsewhere)"
"""What a parent or link is called that is no span of these."""
SPANS_ARE_OURS: ContextVar[bool] = ContextVar("spans_are_ours", default=False)
"""Whether what is recorded is made by `OwnSpans`: told is the same."""


@contextmanager
def spans_by(maker: str) -> Iterator[None]:
    """What is recorded meanwhile is made by `the SDK`, or by `ourselves`."""
    token = SPANS_ARE_OURS.set(maker == "ourselves")
    try:
        yield
    finally:
        SPANS_ARE_OURS.reset(token)


@dataclass(frozen=True)
class Told:
    """One span, as a golden test writes it."""

    name: str
    kind: str
    parent: str | None = None
    """The name of its parent; `(elsewhere)` where that is none of these."""
    links: tuple[str, ...] = ()
    attributes: dict[str, Any] = field(default_factory=dict)
    is_error: bool = False
    took_ms: float = 0.0


@dataclass
class Recorded:
    """Spans in memory, and what was dropped."""

    exporter: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    dropped: Counter[str] = field(default_factory=Counter)
    provider: TracerProvider = field(default_factory=lambda: TracerProvider(shutdown_on_exit=False))
    maker: OwnSpans | None = None
    """Makes spans as where the application has no provider; None: it has this one."""

    def __post_init__(self) -> None:
        """Spans are kept as they end."""
        processor = SimpleSpanProcessor(self.exporter)
        self.provider.add_span_processor(processor)
        if SPANS_ARE_OURS.get():
            self.maker = OwnSpans(
                self.provider.resource,
                InstrumentationScope(names.SCOPE, __version__, names.SCHEMA_URL),
                ids=self.provider.id_generator,
                processors=[processor],
            )

    def tracing(self, clock: Clock, *, share: float = 1.0, cap_per_s: float = float("inf")) -> Tracing:
        """What a role traces with: everything, unless told otherwise."""
        return Tracing(
            Spans(self.provider, maker=self.maker),
            share=share,
            cap_per_s=cap_per_s,
            clock=clock,
            on_dropped=self.drop,
        )

    def drop(self, reason: str, count: int) -> None:
        """Count what was dropped."""
        self.dropped[reason] += count

    def telemetry(self, clock: Clock, **stated: Any) -> Telemetry:
        """That of one role, with spans that come here and a registry of its own."""
        made = Telemetry(
            TelemetrySettings(), service="s", instance="i", clock=clock, registry=CollectorRegistry()
        )
        made._tracing = self.tracing(clock, **stated)
        return made

    def spans(self, *names: str) -> list[ReadableSpan]:
        """The finished spans of these names, or all, in the order in which they ended."""
        found = self.exporter.get_finished_spans()
        return [span for span in found if not names or span.name in names]

    def one(self, name: str) -> ReadableSpan:
        """The one span that is called so."""
        (found,) = self.spans(name)
        return found

    def names(self) -> list[str]:
        """The names of all."""
        return [span.name for span in self.spans()]

    def told(self, *names: str) -> list[Told]:
        """Spans of these names, or all, as data."""
        known = {span.get_span_context().span_id: span.name for span in self.spans()}
        return [told(span, known) for span in self.spans(*names)]

    def clear(self) -> None:
        """Forget what was recorded so far."""
        self.exporter.clear()


def told(span: ReadableSpan, known: dict[int, str]) -> Told:
    """A span as data."""
    assert span.start_time is not None
    assert span.end_time is not None
    parent = None if span.parent is None else known.get(span.parent.span_id, ELSEWHERE)
    return Told(
        span.name,
        span.kind.name,
        parent,
        tuple(known.get(link.context.span_id, ELSEWHERE) for link in span.links),
        {name: _plain(value) for name, value in (span.attributes or {}).items()},
        span.status.status_code is StatusCode.ERROR,
        (span.end_time - span.start_time) / 1_000_000,
    )


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, str) else value


def traced(record: Record, *, trace_id: int = TRACE, span_id: int = SPAN, flags: int = 1) -> Record:
    """The record as a traced publisher sends it."""
    context = b"00-%032x-%016x-%02x" % (trace_id, span_id, flags)
    return with_headers(record, ("traceparent", context))


def with_headers(record: Record, *more: tuple[str, bytes | None]) -> Record:
    """The record with more headers."""
    return Record(record.key, record.value, record.ms, (*record.headers, *more))


@dataclass
class SkewedClock:
    """A clock that is ahead of another, or behind it."""

    of: Clock
    ahead_us: int

    def now_us(self) -> int:
        """See `Clock.now_us`."""
        return self.of.now_us() + self.ahead_us

    def monotonic_s(self) -> float:
        """See `Clock.monotonic_s`."""
        return self.of.monotonic_s()


@dataclass
class TracedHost(Host):
    """A host whose agents are traced."""

    recorded: Recorded = field(default_factory=Recorded)
    ahead_us: int = 0
    stated: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    def start(self) -> Agent:
        """See `Host.start`."""
        self.stopping = False
        clock = SkewedClock(self.cluster.clock, self.ahead_us) if self.ahead_us else self.cluster.clock
        self.telemetry = self.recorded.telemetry(clock, **self.stated)
        defaults = {"batch_rows": self.batch_rows, "poll_timeout_s": 0.001, "report_interval_s": 5.0}
        self.agent = Agent(
            Ports(self.cluster.log, self.store, clock, telemetry=self.telemetry),
            settings=AgentSettings(
                subscription="model", instance=self.instance, **{**defaults, **self.settings}
            ),
            consumer="model",
            stopped=lambda: self.stopping,
            wait=self._waited,
        )
        return self.agent

    def reader(self, recorded: Recorded | None = None, *, ahead_us: int = 0) -> FeatureReader:
        """A reader of its store, traced like it."""
        clock = SkewedClock(self.cluster.clock, ahead_us)
        return FeatureReader(self.store, clock=clock, telemetry=(recorded or self.recorded).telemetry(clock))


def agent_on(*versions: Version, **stated: Any) -> TracedHost:
    """An agent that has read all there is to read: nothing yet."""
    host = TracedHost(Cluster.ready(*versions), **stated)
    host.settle()
    host.recorded.clear()
    return host


def publisher_on(cluster: Cluster, recorded: Recorded, **settings: Any) -> Publisher:
    """A publisher named `job` on the cluster; `share` and `cap_per_s` are of its spans."""
    of_spans = {name: settings.pop(name) for name in ("share", "cap_per_s") if name in settings}
    given = {"publisher": "job", "heartbeat_interval_s": 3_600.0, **settings}
    return Publisher(
        cluster.log,
        settings=PublisherSettings(prefix="syncline", **given),
        clock=cluster.clock,
        topics=Topics("syncline"),
        telemetry=recorded.telemetry(cluster.clock, **of_spans),
    )


def coordinator_on(cluster: Cluster, recorded: Recorded, **settings: Any) -> Coordinator:
    """A coordinator named `c`."""
    stopped = settings.pop("stopped", lambda: False)
    return Coordinator(
        CoordinatorPorts(cluster.log, cluster.clock, recorded.telemetry(cluster.clock)),
        settings=CoordinatorSettings(coordinator="c", **{"takeover_after_s": 15, **settings}),
        stopped=stopped,
        wait=lambda seconds: cluster.clock.advance(seconds=seconds),
    )


def attributes_of(spans: Iterable[ReadableSpan]) -> set[str]:
    """Every attribute's name, of spans, links and events."""
    found: set[str] = set()
    for span in spans:
        found |= set(span.attributes or {})
        for more in (*span.links, *span.events):
            found |= set(more.attributes or {})
    return found


def texts_of(spans: Iterable[ReadableSpan]) -> str:
    """All that spans say, as one text: what must not hold a value."""
    return "\n".join(span.to_json(indent=None) for span in spans)


def turns(step: Sequence[Any], until: Any, most: int = 300) -> None:
    """Step everyone in turn until something holds."""
    for _ in range(most):
        if until():
            return
        for each in step:
            each.step()
    raise AssertionError("it did not come about")
