"""Metrics of one registry: what is counted, what is read off at a scrape, and what stays after the end."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from syncline.telemetry.dropped import REASONS
from syncline.telemetry.metrics import (
    COUNTER,
    GAUGE,
    HISTOGRAM,
    METRICS,
    Metrics,
    Sample,
    metrics_in,
    own_registry,
)
from syncline.version import __version__

LETTERS, HELD, LATE = (
    "syncline_dead_letters_total",
    "syncline_partition_held",
    "syncline_late_updates_skipped_total",
)
AMOUNTS = st.lists(st.integers(0, 1_000), min_size=1, max_size=5)

# What the design says, metric by metric: name → (kind, labels). Others may come, these may not go.
DESIGNED = {
    "syncline_propagation_seconds": (HISTOGRAM, {"topic", "stage"}),
    "syncline_partition_lag_messages": (GAUGE, {"group", "topic", "partition"}),
    "syncline_last_applied_event_timestamp_seconds": (GAUGE, {"topic", "partition"}),
    "syncline_last_heartbeat_timestamp_seconds": (GAUGE, {"topic", "partition"}),
    "syncline_contract_checks_total": (COUNTER, {"view", "version", "result"}),
    "syncline_contract_violations_total": (COUNTER, {"view", "feature", "rule"}),
    "syncline_dead_letters_total": (COUNTER, {"topic", "rule"}),
    "syncline_late_updates_skipped_total": (COUNTER, {"view"}),
    "syncline_active_release": (GAUGE, {"bundle", "cohort"}),
    "syncline_epoch": (GAUGE, {"bundle"}),
    "syncline_cut_alignment_seconds": (HISTOGRAM, {"bundle"}),
    "syncline_digest_mismatches_total": (COUNTER, {"topic", "partition"}),
    "syncline_served_feature_age_seconds": (HISTOGRAM, {"view"}),
    "syncline_read_duration_seconds": (HISTOGRAM, {"interface", "status"}),
    "syncline_agent_state": (GAUGE, {"state"}),
    "syncline_spans_dropped_total": (COUNTER, {"reason"}),
    "syncline_build_info": (GAUGE, {"version"}),
}
CONVENTIONS = {
    "messaging_client_sent_messages_total",
    "messaging_client_consumed_messages_total",
    "messaging_client_operation_duration_seconds",
    "messaging_process_duration_seconds",
}
CONVENTIONAL_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
UNBOUNDED = {
    "key",
    "entity",
    "entity_key",
    "trace_id",
    "span_id",
    "value",
    "offset",
    "message",
    "reason_text",
}


def scraped(registry: CollectorRegistry) -> dict[tuple[str, tuple[str, ...]], float]:
    """What a scraper reads, through the text that it gets: (name, labels' values as declared) → value."""
    found = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            declared = METRICS[sample.name].labels if sample.name in METRICS else sorted(sample.labels)
            found[sample.name, tuple(sample.labels[label] for label in declared)] = sample.value
    return found


def giving(*samples: Sample) -> Callable[[], Iterator[Sample]]:
    """Always the same."""
    return lambda: iter(samples)


@pytest.fixture
def registry() -> CollectorRegistry:
    """An empty one."""
    return CollectorRegistry()


# Names.


def test_every_metric_of_the_design_is_there_with_its_labels() -> None:
    """Dashboards and alerts are written by these names."""
    for name, (kind, labels) in DESIGNED.items():
        assert (METRICS[name].kind, set(METRICS[name].labels)) == (kind, labels), name


def test_every_name_is_ours_or_of_the_conventions() -> None:
    """`syncline_…` is ours; of `messaging_…` only what the conventions define."""
    assert {name for name in METRICS if not name.startswith("syncline_")} == CONVENTIONS
    for name, metric in METRICS.items():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
        assert name.endswith("_total") == (metric.kind == COUNTER), name
        assert metric.help
        assert metric.help.endswith(".") or name == "syncline_build_info"
        assert bool(metric.bounds_s) == (metric.kind == HISTOGRAM)
        assert list(metric.bounds_s) == sorted(set(metric.bounds_s))


def test_durations_of_operations_have_the_conventions_buckets() -> None:
    """What their semantic conventions advise."""
    for name in CONVENTIONS:
        if METRICS[name].kind == HISTOGRAM:
            assert METRICS[name].bounds_s == CONVENTIONAL_BOUNDS_S


def test_no_label_is_of_a_kind_without_bounds() -> None:
    """Keys, trace ids, offsets and messages are no labels, ever."""
    assert not UNBOUNDED & {label for metric in METRICS.values() for label in metric.labels}


def test_what_stands_still_is_there_from_the_start(registry: CollectorRegistry) -> None:
    """The version, and a zero for each reason: an alert on a rate needs a beginning."""
    Metrics(registry)

    found = scraped(registry)

    assert found[("syncline_build_info", (__version__,))] == 1
    assert {labels for name, labels in found if name == "syncline_spans_dropped_total"} == {
        (reason,) for reason in REASONS
    }


def test_spans_dropped_are_counted_by_reason(registry: CollectorRegistry) -> None:
    """So many at once."""
    metrics = Metrics(registry)
    metrics.span_dropped("cap", 3)
    metrics.span_dropped("cap", 4)
    metrics.span_dropped("queue_full", 1)

    found = scraped(registry)

    assert found[("syncline_spans_dropped_total", ("cap",))] == 7
    assert found[("syncline_spans_dropped_total", ("queue_full",))] == 1
    assert found[("syncline_spans_dropped_total", ("export_failed",))] == 0


def test_every_metric_can_be_made_and_exposed(registry: CollectorRegistry) -> None:
    """Under the name that the design has, whatever a library appends to it."""
    metrics = Metrics(registry)
    for name, metric in METRICS.items():
        labels = tuple("x" for _ in metric.labels)
        match metric.kind:
            case "histogram":
                metrics.histogram(name).labels(*labels).add(1)
            case _ if name in ("syncline_spans_dropped_total", "syncline_build_info"):
                pass
            case _:
                metrics.watch(giving((name, labels, 1)))

    names = {name for name, _ in scraped(registry)}

    for name, metric in METRICS.items():
        assert (f"{name}_bucket" if metric.kind == HISTOGRAM else name) in names


def test_a_registry_has_one_of_them(registry: CollectorRegistry) -> None:
    """Two roles of one process share their families; making them twice would be refused."""
    assert metrics_in(registry) is metrics_in(registry)
    assert metrics_in(CollectorRegistry()) is not metrics_in(registry)
    metrics = metrics_in(registry)
    name = "syncline_read_duration_seconds"
    assert metrics.histogram(name) is metrics_in(registry).histogram(name)


def test_a_process_of_our_own_says_what_it_needs_of_the_machine() -> None:
    """Memory and open files, beside its own."""
    registry = own_registry()
    Metrics(registry)

    names = {name for name, _ in scraped(registry)}

    assert {"process_resident_memory_bytes", "process_open_fds", "python_info"} <= names


def test_threads_that_come_first_at_once_find_the_same(registry: CollectorRegistry) -> None:
    """Readers and publishers that several threads make at once: none is refused for a name that is taken."""
    before, troubles, made = sys.getswitchinterval(), [], []
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(40):
            registry, gate = CollectorRegistry(), threading.Barrier(4)

            def work(registry: CollectorRegistry = registry, gate: threading.Barrier = gate) -> None:
                gate.wait()
                try:
                    made.append((registry, metrics_in(registry).histogram("syncline_read_duration_seconds")))
                except ValueError as error:
                    troubles.append(error)

            threads = [threading.Thread(target=work) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        sys.setswitchinterval(before)

    assert troubles == []
    assert len({id(histogram) for _, histogram in made}) == 40


# What is read off at a scrape.


@given(counts=AMOUNTS)
def test_counters_of_several_are_added_up(counts: list[int]) -> None:
    """Two publishers in one job count what the job sent."""
    registry = CollectorRegistry()
    metrics = metrics_in(registry)
    for count in counts:
        metrics.watch(giving((LETTERS, ("t", "maximum"), count)))

    assert scraped(registry)[(LETTERS, ("t", "maximum"))] == sum(counts)


@given(values=AMOUNTS)
def test_of_gauges_the_largest_stands(values: list[int]) -> None:
    """A sum of offsets, states or times would mean nothing."""
    registry = CollectorRegistry()
    metrics = metrics_in(registry)
    for value in values:
        metrics.watch(giving((HELD, ("t", "0"), value)))

    assert scraped(registry)[(HELD, ("t", "0"))] == max(values)


@given(counts=AMOUNTS, ended=st.lists(st.booleans(), min_size=5, max_size=5))
def test_counters_outlive_who_counted_and_gauges_do_not(counts: list[int], ended: list[bool]) -> None:
    """A counter that fell would look like a restart; a gauge of nobody would be a lie."""
    registry = CollectorRegistry()
    metrics = metrics_in(registry)
    ends = [
        metrics.watch(giving((LETTERS, ("t", "r"), count), (HELD, (str(number), "0"), count)))
        for number, count in enumerate(counts)
    ]
    for end, is_ended in zip(ends, ended, strict=False):
        if is_ended:
            end()
            end()

    found = scraped(registry)

    assert found[(LETTERS, ("t", "r"))] == sum(counts)
    living = {str(number) for number, _ in enumerate(counts) if not ended[number]}
    assert {labels[0] for name, labels in found if name == HELD} == living


def test_a_counter_goes_on_where_a_successor_counts(registry: CollectorRegistry) -> None:
    """A publisher is closed and another made: the sum never falls."""
    metrics, seen = metrics_in(registry), []
    for _ in range(3):
        count = {"n": 0}
        end = metrics.watch(lambda count=count: iter([(LETTERS, ("t", "r"), count["n"])]))
        for _ in range(3):
            count["n"] += 1
            seen.append(scraped(registry)[(LETTERS, ("t", "r"))])
        end()
        seen.append(scraped(registry)[(LETTERS, ("t", "r"))])

    assert seen == [1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 9]


def test_two_roles_with_different_metrics_share_a_registry(registry: CollectorRegistry) -> None:
    """A publisher and a reader in one job, under one name each family."""
    first, second = metrics_in(registry), metrics_in(registry)
    first.watch(giving((LETTERS, ("t", "r"), 1), (HELD, ("t", "0"), 0)))
    second.watch(giving((LATE, ("v",), 2), (LETTERS, ("u", "r"), 3)))

    text = generate_latest(registry).decode()

    assert text.count("# TYPE syncline_dead_letters ") == 1
    found = scraped(registry)
    assert found[(LETTERS, ("t", "r"))] == 1
    assert found[(LETTERS, ("u", "r"))] == 3
    assert found[(LATE, ("v",))] == 2


def test_labels_may_hold_anything(registry: CollectorRegistry) -> None:
    """A feature's name comes from a contract, quotes and line ends and all."""
    name = 'a"b\\c\nd'
    metrics_in(registry).watch(giving((LATE, (name,), 1)))

    assert scraped(registry)[(LATE, (name,))] == 1


def test_who_cannot_say_what_it_counts_takes_nobody_elses_metrics_away(registry: CollectorRegistry) -> None:
    """A status is read by the scraper's thread while its agent changes it: a fault there must not blind a process."""

    def torn() -> Iterator[Sample]:
        yield HELD, ("t", "0"), 1
        raise RuntimeError("dictionary changed size during iteration")

    metrics = metrics_in(registry)
    metrics.watch(giving((LETTERS, ("t", "r"), 5)))
    metrics.watch(torn)

    assert scraped(registry)[(LETTERS, ("t", "r"))] == 5


def test_who_cannot_say_what_it_counted_can_still_be_closed(registry: CollectorRegistry) -> None:
    """Closing a publisher must not fail for its metrics."""

    def torn() -> Iterator[Sample]:
        raise RuntimeError("dictionary changed size during iteration")
        yield

    end = metrics_in(registry).watch(torn)

    end()
