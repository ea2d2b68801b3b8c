"""Histograms of columns count as prometheus_client's own do."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from syncline.telemetry.column_histogram import _SINGLE_MAX, ColumnHistogram, ColumnHistograms

BOUNDS_S = (0.001, 0.005, 0.1, 1.0, 60.0, 86_400.0)
ON_BOUNDS_US = [round(bound * 1_000_000) for bound in BOUNDS_S]
TRACE = 0x0AF7651916CD43DD8448EB211C80319C
# On each bound, just beside it, and anywhere up to a few years.
VALUES_US = st.lists(
    st.sampled_from([us + off for us in ON_BOUNDS_US for off in (-1, 0, 1)]) | st.integers(0, 10**14),
    max_size=50,
)
HOW = st.lists(st.sampled_from(["add", "add_many", "add_same"]), min_size=50, max_size=50)


def as_prometheus_has_it(values_us: Sequence[int]) -> tuple[dict[str, float], float]:
    """(bucket → count, sum) of the same values in a histogram of prometheus_client."""
    registry = CollectorRegistry()
    histogram = Histogram("h", "h", buckets=BOUNDS_S, registry=registry)
    for us in values_us:
        histogram.observe(us / 1_000_000)
    (family,) = registry.collect()
    buckets = {sample.labels["le"]: sample.value for sample in family.samples if sample.name == "h_bucket"}
    (total,) = (sample.value for sample in family.samples if sample.name == "h_sum")
    return {str(float(bound)): count for bound, count in buckets.items()}, total


def as_ours_has_it(histogram: ColumnHistogram) -> tuple[dict[str, float], float]:
    """The same of ours."""
    buckets, total = histogram.buckets()
    return {str(float(bucket[0])): bucket[1] for bucket in buckets}, total


def exposed(histograms: CollectorRegistry) -> str:
    """The text that a scraper gets."""
    return generate_latest(histograms).decode()


def one(registry: CollectorRegistry, *labels: str) -> ColumnHistogram:
    """A histogram named `h_seconds` with a label for each given."""
    names = [f"l{number}" for number in range(len(labels))]
    return ColumnHistograms("h_seconds", "h", names, bounds_s=BOUNDS_S, registry=registry).labels(*labels)


@given(values_us=VALUES_US, how=HOW)
def test_buckets_are_those_of_prometheus(values_us: list[int], how: list[str]) -> None:
    """Bounds belong to their bucket; one value or a column, all is counted once."""
    ours = ColumnHistogram(BOUNDS_S)
    for us, word in zip(values_us, how, strict=False):
        if word == "add":
            ours.add(us)
        elif word == "add_many":
            ours.add_many(np.array([us], np.int64))
        else:
            ours.add_same(us, 1)
    column = ColumnHistogram(BOUNDS_S)
    column.add_many(np.array(values_us, np.int64))

    buckets, total = as_prometheus_has_it(values_us)

    for found in (as_ours_has_it(ours), as_ours_has_it(column)):
        assert found[0] == buckets
        assert found[1] == pytest.approx(total)


@given(us=st.sampled_from(ON_BOUNDS_US) | st.integers(0, 10**12), count=st.integers(0, 1_000))
def test_one_value_many_times_is_counted_so_many_times(us: int, count: int) -> None:
    """As when each were added by itself."""
    same, apart = ColumnHistogram(BOUNDS_S), ColumnHistogram(BOUNDS_S)
    same.add_same(us, count)
    apart.add_many(np.full(count, us, np.int64))

    assert as_ours_has_it(same) == as_ours_has_it(apart)


def test_many_single_values_are_counted_without_a_scrape() -> None:
    """The buffer is bounded: nobody may ever scrape."""
    histogram = ColumnHistogram(BOUNDS_S)
    for _ in range(3 * _SINGLE_MAX + 5):
        histogram.add(2_000)

    assert len(histogram._buffer) == 5
    assert as_ours_has_it(histogram)[0]["inf"] == 3 * _SINGLE_MAX + 5


def test_the_sum_of_a_large_column_of_old_events_is_right() -> None:
    """A backfill of fifteen-year-old events in a batch of 20,000: 9.5e18 µs are more than 64 bits hold."""
    histogram = ColumnHistogram(BOUNDS_S)
    years_us = 15 * 365 * 86_400 * 1_000_000
    histogram.add_many(np.full(20_000, years_us, np.int64))

    _, total = histogram.buckets()

    assert total == pytest.approx(20_000 * years_us / 1_000_000)


def test_threads_lose_no_value() -> None:
    """Readers are shared by threads, and a scrape comes in another."""
    histogram = ColumnHistogram(BOUNDS_S)
    column = np.arange(0, 2_000_000, 1_000, dtype=np.int64)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def work() -> None:
        for _ in range(2_000):
            histogram.add_many(column)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(before)

    alone = ColumnHistogram(BOUNDS_S)
    alone.add_same(0, 0)
    for _ in range(4 * 2_000):
        alone.add_many(column)
    assert as_ours_has_it(histogram) == as_ours_has_it(alone)


def test_threads_that_add_single_values_lose_none() -> None:
    """While a scraper counts what is buffered."""
    histogram = ColumnHistogram(BOUNDS_S)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    ended = threading.Event()

    def work() -> None:
        for _ in range(20_000):
            histogram.add(2_000)

    def scrape() -> None:
        while not ended.is_set():
            histogram._count_waiting()

    scraper = threading.Thread(target=scrape)
    scraper.start()
    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    ended.set()
    scraper.join()
    sys.setswitchinterval(before)

    buckets, total = as_ours_has_it(histogram)
    assert buckets["inf"] == 20_000
    assert total == pytest.approx(40.0)


class Slow(deque[int]):
    """A buffer that lets another thread run before each value that is taken."""

    def popleft(self) -> int:
        """See `deque.popleft`."""
        time.sleep(0.0001)
        return super().popleft()


def test_two_that_count_at_once_count_each_value_once_and_raise_nothing() -> None:
    """Two Prometheus servers, or a scrape and a read: what a read raises is raised in the service."""
    histogram, troubles, gate = ColumnHistogram(BOUNDS_S), [], threading.Barrier(2)
    histogram._buffer = Slow([2_000] * 50)

    def count() -> None:
        gate.wait()
        try:
            histogram.buckets()
        except IndexError as error:
            troubles.append(error)

    threads = [threading.Thread(target=count) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert troubles == []
    assert as_ours_has_it(histogram)[0]["inf"] == 50


# As a scraper sees it.


@given(values_us=VALUES_US, labels=st.lists(st.text(max_size=8), min_size=2, max_size=2))
def test_the_text_is_valid_open_metrics_and_says_the_same(values_us: list[int], labels: list[str]) -> None:
    """With exemplars in their buckets: the parser checks that each is valid and has at most 128 characters."""
    registry = CollectorRegistry()
    histogram = one(registry, *labels)
    histogram.add_many(np.array(values_us, np.int64))
    for us in values_us:
        histogram.remember(us, TRACE)

    (family,) = text_string_to_metric_families(exposed(registry))

    assert (family.name, family.type) == ("h_seconds", "histogram")
    buckets = [sample for sample in family.samples if sample.name == "h_seconds_bucket"]
    expected, total = as_prometheus_has_it(values_us)
    assert {str(float(sample.labels["le"])): sample.value for sample in buckets} == expected
    (count,) = (sample.value for sample in family.samples if sample.name == "h_seconds_count")
    (summed,) = (sample.value for sample in family.samples if sample.name == "h_seconds_sum")
    assert count == len(values_us)
    assert summed == pytest.approx(total)
    assert all(sample.labels["l0"] == labels[0] for sample in buckets)
    below = 0.0
    for sample in buckets:
        above = float(sample.labels["le"])
        if sample.exemplar is not None:
            assert sample.exemplar.labels == {"trace_id": f"{TRACE:032x}"}
            assert sample.exemplar.value <= above
            assert sample.exemplar.value > below or below == 0
        below = above


def test_of_a_bucket_the_last_exemplar_is_kept() -> None:
    """The newest trace is the one that is still there."""
    registry = CollectorRegistry()
    histogram = one(registry)
    for us, trace in ((2_000, 1), (3_000, 2), (2_000_000, 3)):
        histogram.add(us)
        histogram.remember(us, trace)

    (family,) = text_string_to_metric_families(exposed(registry))

    found = {float(sample.labels["le"]): sample.exemplar for sample in family.samples if sample.exemplar}
    assert {bound: (exemplar.labels["trace_id"], exemplar.value) for bound, exemplar in found.items()} == {
        0.005: (f"{2:032x}", 0.003),
        60.0: (f"{3:032x}", 2.0),
    }


def test_bounds_are_written_as_open_metrics_wants_them() -> None:
    """As canonical numbers, which prometheus_client's own are: else a series changes its name with the scraper."""
    registry = CollectorRegistry()
    Histogram("h", "h", buckets=BOUNDS_S, registry=registry)
    (family,) = registry.collect()

    ours = [bucket[0] for bucket in ColumnHistogram(BOUNDS_S).buckets()[0]]

    assert ours == [sample.labels["le"] for sample in family.samples if sample.name == "h_bucket"]


def test_labels_have_each_a_histogram_of_their_own_and_share_one_name() -> None:
    """The one that was asked for first is the one that is found again."""
    registry = CollectorRegistry()
    histograms = ColumnHistograms("h_seconds", "h", ("topic",), bounds_s=BOUNDS_S, registry=registry)

    histograms.labels("b").add(1)
    histograms.labels("a").add(1)
    assert histograms.labels("a") is histograms.labels("a")

    (family,) = text_string_to_metric_families(exposed(registry))
    counts = {
        sample.labels["topic"]: sample.value for sample in family.samples if sample.name.endswith("_count")
    }
    assert counts == {"a": 1.0, "b": 1.0}


def test_a_name_is_taken_once() -> None:
    """A second family of that name in one registry is refused, as it would be exposed twice."""
    registry = CollectorRegistry()
    one(registry)

    with pytest.raises(ValueError, match="Duplicated"):
        one(registry)
    with pytest.raises(ValueError, match="Duplicated"):
        Histogram("h_seconds", "h", registry=registry)
