"""Every metric, by name: what it counts, its labels, and who has it. Families are made in a registry from here.

`messaging_*` are OpenTelemetry's conventions for messaging 1.44 as Prometheus names them. A label never holds a key, a
value or a trace id.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import (
    GC_COLLECTOR,
    CollectorRegistry,
    Counter,
    Gauge,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from syncline.telemetry.column_histogram import ColumnHistograms
from syncline.telemetry.dropped import REASONS
from syncline.telemetry.forks import in_child, renew_in_child
from syncline.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client.core import Metric as MetricFamily

_LOGGER = logging.getLogger("syncline.telemetry")

COUNTER = "counter"
GAUGE = "gauge"
HISTOGRAM = "histogram"

_OPERATION_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""What the conventions advise for durations of operations."""
_LAG_BOUNDS_S = (
    *(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 86_400.0),
)
_READ_BOUNDS_S = (
    *(0.000_005, 0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5),
    *(0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0),
)

_MESSAGING = ("messaging_system", "messaging_operation_name", "messaging_destination_name")


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric as it is exposed."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str
    bounds_s: tuple[float, ...] = ()
    """Of a histogram: the upper bounds of its buckets."""


_ALL = (
    Metric(
        "messaging_client_sent_messages_total",
        COUNTER,
        (*_MESSAGING, "error_type"),
        "Records that have an outcome: acknowledged, or what error_type says.",
    ),
    Metric(
        "messaging_client_consumed_messages_total",
        COUNTER,
        (*_MESSAGING, "messaging_consumer_group_name"),
        "Records that were fetched.",
    ),
    Metric(
        "messaging_client_operation_duration_seconds",
        HISTOGRAM,
        _MESSAGING,
        "send: a call of publish until all of it is acknowledged; poll, commit: the call.",
        _OPERATION_BOUNDS_S,
    ),
    Metric(
        "messaging_process_duration_seconds",
        HISTOGRAM,
        _MESSAGING,
        "A batch of a topic, from received to committed.",
        _OPERATION_BOUNDS_S,
    ),
    Metric(
        "syncline_propagation_seconds",
        HISTOGRAM,
        ("topic", "stage"),
        "How long updates took: event_to_publish (event time to the broker's log), publish_to_receive, "
        "receive_to_apply, and event_to_apply for all of it.",
        _LAG_BOUNDS_S,
    ),
    Metric(
        "syncline_partition_lag_messages",
        GAUGE,
        ("group", "topic", "partition"),
        "Offsets that are still to be folded, as last seen; a broker that is away shows in "
        "syncline_last_broker_contact_timestamp_seconds.",
    ),
    Metric(
        "syncline_partition_lag_seconds",
        GAUGE,
        ("group", "topic", "partition"),
        "0 at the end of the log, else the time since the broker took the last record that was folded.",
    ),
    Metric(
        "syncline_last_applied_event_timestamp_seconds",
        GAUGE,
        ("topic", "partition"),
        "The largest event time that was folded since the start.",
    ),
    Metric(
        "syncline_last_heartbeat_timestamp_seconds",
        GAUGE,
        ("topic", "partition"),
        "When the broker took the last heartbeat of any publisher that was folded.",
    ),
    Metric(
        "syncline_last_published_event_timestamp_seconds",
        GAUGE,
        ("topic", "partition"),
        "The largest event time that publishers say they have published to the topic.",
    ),
    Metric(
        "syncline_last_broker_contact_timestamp_seconds",
        GAUGE,
        (),
        "When a broker answered last: it is asked every few seconds.",
    ),
    Metric(
        "syncline_freshness_limit_seconds",
        GAUGE,
        ("topic",),
        "The age that contract and subscription allow; absent where neither states one.",
    ),
    Metric(
        "syncline_contract_checks_total",
        COUNTER,
        ("view", "version", "result"),
        "Rows that were judged: passed, observed, dead_lettered, raised or halted.",
    ),
    Metric(
        "syncline_contract_violations_total",
        COUNTER,
        ("view", "feature", "rule"),
        "Rules that rows broke; no feature where the whole row is to blame.",
    ),
    Metric(
        "syncline_dead_letters_total",
        COUNTER,
        ("topic", "rule"),
        "Rows of this topic that went to its dead letters.",
    ),
    Metric(
        "syncline_late_updates_skipped_total",
        COUNTER,
        ("view",),
        "Updates that were not written, as a newer value of their entity was there.",
    ),
    Metric(
        "syncline_active_release", GAUGE, ("bundle", "cohort"), "The number of the release that is served."
    ),
    Metric("syncline_epoch", GAUGE, ("bundle",), "The catalog offset of the decision that was enacted last."),
    Metric(
        "syncline_cut_alignment_seconds",
        HISTOGRAM,
        ("bundle",),
        "From the first partition that stood for a cut to the switch.",
        _OPERATION_BOUNDS_S,
    ),
    Metric(
        "syncline_cuts_given_up_total",
        COUNTER,
        ("bundle",),
        "Cuts that partitions stood for too long for; they are enacted later.",
    ),
    Metric(
        "syncline_partition_held",
        GAUGE,
        ("topic", "partition"),
        "1 where a record keeps the partition from going on.",
    ),
    Metric(
        "syncline_digest_mismatches_total",
        COUNTER,
        ("topic", "partition"),
        "States that are not what they should be: an agent's cells are not what its digest says, or agents disagree.",
    ),
    Metric(
        "syncline_served_feature_age_seconds",
        HISTOGRAM,
        ("view",),
        "How old the values of model inputs were when they were read.",
        _LAG_BOUNDS_S,
    ),
    Metric(
        "syncline_read_duration_seconds",
        HISTOGRAM,
        ("interface", "status"),
        "How long reads of model inputs took.",
        _READ_BOUNDS_S,
    ),
    Metric("syncline_agent_state", GAUGE, ("state",), "1 for the state that the agent is in."),
    Metric("syncline_coordinator_state", GAUGE, ("state",), "1 for the state that the coordinator is in."),
    Metric("syncline_rollouts_open", GAUGE, ("bundle", "step"), "Rollouts that are not final, by step."),
    Metric(
        "syncline_rollouts_waiting",
        GAUGE,
        ("bundle",),
        "1 where a rollout is paused: it waits for a person.",
    ),
    Metric(
        "syncline_deprecated_versions_in_use",
        GAUGE,
        ("view", "version"),
        "1 for a version that is on its way out and is used here.",
    ),
    Metric(
        "syncline_spans_dropped_total",
        COUNTER,
        ("reason",),
        "Spans or traces that were not recorded or not sent.",
    ),
    Metric("syncline_build_info", GAUGE, ("version",), "1 for the version of Syncline that runs."),
)

METRICS = {metric.name: metric for metric in _ALL}
"""Name → metric."""


Sample = tuple[str, tuple[str, ...], float]
"""(name of a metric, its labels' values, value)."""


class Metrics:
    """The metrics of one registry, each made when it is first asked for: roles of one process share them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, ColumnHistograms] = {}
        self._watched = _Watched()
        registry.register(self._watched)
        self.gauge("syncline_build_info").labels(__version__).set(1)
        dropped = self.counter("syncline_spans_dropped_total")
        self._dropped = {reason: dropped.labels(reason) for reason in REASONS}

    def counter(self, name: str) -> Counter:
        """The counter of this name."""
        with _MAKING.lock:
            found = self._counters.get(name)
            if found is None:
                metric = METRICS[name]
                found = Counter(name, metric.help, metric.labels, registry=self.registry)
                self._counters[name] = found
            return found

    def gauge(self, name: str) -> Gauge:
        """The gauge of this name."""
        with _MAKING.lock:
            found = self._gauges.get(name)
            if found is None:
                metric = METRICS[name]
                found = self._gauges[name] = Gauge(name, metric.help, metric.labels, registry=self.registry)
            return found

    def histogram(self, name: str) -> ColumnHistograms:
        """The histogram of this name."""
        with _MAKING.lock:
            found = self._histograms.get(name)
            if found is None:
                metric = METRICS[name]
                found = ColumnHistograms(
                    name, metric.help, metric.labels, bounds_s=metric.bounds_s, registry=self.registry
                )
                self._histograms[name] = found
            return found

    def watch(self, read: Callable[[], Iterable[Sample]]) -> Callable[[], None]:
        """Counters and gauges that `read` gives at each scrape, by whichever thread; returns what ends that.

        What is counted elsewhere anyway costs nothing here. Histograms are collected after all of this, so that `read`
        may count what waits for them. Of several that give the same labels counters are added up, and of gauges the
        largest stands. Counters stay after the end. A name is either watched or made by `counter` and `gauge`, never
        both.
        """
        return self._watched.add(read)

    def span_dropped(self, reason: str, count: int) -> None:
        """Spans were dropped."""
        self._dropped[reason].inc(count)


class _Watched:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        renew_in_child(self, "_lock")
        self._reads: list[Callable[[], Iterable[Sample]]] = []
        self._ended: dict[tuple[str, tuple[str, ...]], float] = {}

    def add(self, read: Callable[[], Iterable[Sample]]) -> Callable[[], None]:
        def end() -> None:
            with self._lock:
                if read in self._reads:
                    self._reads.remove(read)
                    for name, labels, value in _read(read):
                        if METRICS[name].kind == COUNTER:
                            self._ended[name, labels] = self._ended.get((name, labels), 0.0) + value

        with self._lock:
            self._reads.append(read)
        return end

    def describe(self) -> Iterable[MetricFamily]:
        return ()

    def collect(self) -> Iterable[MetricFamily]:
        with self._lock:
            found, reads = dict(self._ended), list(self._reads)
        for read in reads:
            for name, labels, value in _read(read):
                before = found.get((name, labels))
                if before is not None:
                    value = before + value if METRICS[name].kind == COUNTER else max(before, value)  # noqa: PLW2901  joined
                found[name, labels] = value
        families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
        for (name, labels), value in sorted(found.items()):
            if name not in families:
                metric = METRICS[name]
                form = CounterMetricFamily if metric.kind == COUNTER else GaugeMetricFamily
                families[name] = form(name, metric.help, labels=metric.labels)
            families[name].add_metric(labels, value)
        return families.values()


def _read(read: Callable[[], Iterable[Sample]]) -> list[Sample]:
    """What it gives; nothing where it fails: who cannot say what it counts takes nobody else's metrics away."""
    try:
        return list(read())
    except Exception:
        _LOGGER.exception("metrics of one role could not be read; the others are served")
        return []


def metrics_in(registry: CollectorRegistry) -> Metrics:
    """Our metrics of this registry: always the same ones."""
    with _MAKING.lock:
        # Kept with the registry, and gone with it.
        found: Metrics | None = getattr(registry, _KEPT_AS, None)
        if found is None:
            found = Metrics(registry)
            setattr(registry, _KEPT_AS, found)
        return found


def own_registry() -> CollectorRegistry:
    """A registry for a process of our own, with what Python and the system say of it."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    registry.register(GC_COLLECTOR)
    return registry


class _Making:
    """Over the making of metrics: several threads may ask for the first time at once."""

    def __init__(self) -> None:
        self.renew()
        in_child(self, _Making.renew)

    def renew(self) -> None:
        self.lock = threading.RLock()


_MAKING = _Making()
_KEPT_AS = "_syncline_metrics"
