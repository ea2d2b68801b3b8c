"""Slices that wait to be counted: together they come to what each would have come to."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from syncline.telemetry.agent_metrics import AgentMetrics
from syncline.telemetry.column_histogram import COLUMNS_MAX, WAITING_MAX
from syncline.telemetry.metrics import metrics_in
from syncline.telemetry.propagation import STAGES
from tests.unit.telemetry.test_metrics import scraped

TOPIC = "syncline.features.delay.v1"
US = st.integers(0, 4_000_000_000)
SLICES = st.lists(st.tuples(st.lists(st.tuples(US, US), min_size=1, max_size=5), US, US), max_size=8)


def of_stage(registry: CollectorRegistry, stage: str, suffix: str, **more: str) -> float:
    """One sample of the histogram."""
    labels = {"topic": TOPIC, "stage": stage, **more}
    return registry.get_sample_value(f"syncline_propagation_seconds_{suffix}", labels) or 0.0


@given(slices=SLICES)
def test_slices_together_are_counted_as_each_by_itself(
    slices: list[tuple[list[tuple[int, int]], int, int]],
) -> None:
    """Whatever the clocks say: what would be less than nothing is nothing (P7)."""
    registry = CollectorRegistry()
    metrics = AgentMetrics(metrics_in(registry), group="g")
    waits: dict[str, list[int]] = {stage: [] for stage in STAGES}
    for rows, received_us, applied_us in slices:
        events_us = np.asarray([event_us for event_us, _ in rows], np.int64)
        appended_ms = np.asarray([appended_us // 1_000 for _, appended_us in rows], np.int64)
        metrics.propagated(
            TOPIC,
            events_us=events_us,
            appended_ms=appended_ms,
            received_us=received_us,
            applied_us=applied_us,
        )
        for event_us, appended_us in zip(events_us.tolist(), (appended_ms * 1_000).tolist(), strict=True):
            found = (
                appended_us - event_us,
                received_us - appended_us,
                applied_us - received_us,
                applied_us - event_us,
            )
            for stage, us in zip(STAGES, found, strict=True):
                waits[stage].append(max(0, us))
    metrics.end()

    for stage, us in waits.items():
        assert of_stage(registry, stage, "count") == len(us)
        assert of_stage(registry, stage, "bucket", le="10.0") == sum(each <= 10_000_000 for each in us)
        assert abs(of_stage(registry, stage, "sum") - sum(us) / 1_000_000) < 1e-3


def test_no_more_wait_than_they_may() -> None:
    """An agent that nobody scrapes keeps a bounded number of rows, and of slices."""
    metrics = AgentMetrics(metrics_in(CollectorRegistry()), group="g")
    one, many = np.zeros(1, np.int64), np.zeros(3_000, np.int64)
    for column, count in ((one, 3 * COLUMNS_MAX), (many, 50)):
        for _ in range(count):
            metrics.propagated(TOPIC, events_us=column, appended_ms=column, received_us=1, applied_us=2)
            waiting = metrics._of_topic[TOPIC]._waiting
            assert len(waiting) < COLUMNS_MAX
            assert sum(len(each[0]) for each in waiting) < WAITING_MAX


def test_a_scrape_finds_what_waits() -> None:
    """It asks what waits before it collects, whoever made the registry."""
    registry = CollectorRegistry()
    metrics = AgentMetrics(metrics_in(registry), group="g")
    metrics.follow(lambda: 1 / 0, states=(), totals=None, now_us=lambda: 0)  # type: ignore[arg-type,return-value]
    column = np.zeros(3, np.int64)
    metrics.propagated(TOPIC, events_us=column, appended_ms=column, received_us=1, applied_us=2)

    scraped(registry)

    assert of_stage(registry, "event_to_apply", "count") == 3
