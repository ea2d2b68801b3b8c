"""Counts of violations on a real broker: what publishers and agents report adds up to what was sent, exactly."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from prometheus_client import CollectorRegistry

from syncline.clock import SystemClock
from syncline.inspection.violations import Broken, sum_up
from syncline.publisher import Publisher
from syncline.settings import PublisherSettings
from syncline.telemetry.telemetry import Telemetry
from syncline.telemetry.violations import ViolationCounts
from syncline.wire.topics import Topics
from tests.integration.test_agent_on_kafka import PARTITIONS, Sidecar, World, awaited, now_us, running
from tests.stack.stack import Stack

pytestmark = pytest.mark.real

WINDOW_S = 1.0


@pytest.fixture
def world(stack: Stack, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A view on the real cluster; agents that are started count in short windows."""
    monkeypatch.setenv("SYNCLINE_VIOLATION_WINDOW_S", str(WINDOW_S))
    return World(stack, prefix.rstrip("-"), tmp_path)


def publisher_of(world: World, name: str, on_violation: str, **settings: Any) -> Publisher:
    """A publisher on the cluster that counts in short windows."""
    given = PublisherSettings(
        prefix=world.prefix,
        publisher=name,
        on_violation=on_violation,
        violation_window_s=WINDOW_S,
        **settings,
    )
    clock = SystemClock()
    telemetry = Telemetry(given, service="job", instance="job", clock=clock, registry=CollectorRegistry())
    return Publisher(world.log, settings=given, clock=clock, topics=Topics(world.prefix), telemetry=telemetry)


def log_end(world: World) -> int:
    """How many records the feature topic has had, over all partitions."""
    reader = world.log.reader(client_id="tests-end")
    try:
        return sum(reader.watermarks(world.topic, partition)[1] for partition in range(PARTITIONS))
    finally:
        reader.close()


def rows(total: int, /, **broken: dict[int, Any]) -> list[dict[str, Any]]:
    """So many rows of as many airports; `mean={3: 1e6}` makes the third one's mean that."""
    at_us = now_us()
    made: list[dict[str, Any]] = [
        {"airport": f"A{number}", "event_time": at_us, "mean": 1.0, "count": 1} for number in range(total)
    ]
    for feature, values in broken.items():
        for number, value in values.items():
            made[number][feature] = value
    return made


def counted(world: World) -> dict[str, list[ViolationCounts]]:
    """The windows that each reporter sent."""
    found: dict[str, list[ViolationCounts]] = {}
    for report in world.all_reports():
        if isinstance(report, ViolationCounts):
            found.setdefault(report.reporter.name, []).append(report)
    return found


def totals(windows: list[ViolationCounts]) -> tuple[Counter[str], Counter[str], Counter[Broken]]:
    """Rows judged and rows broken by view version, and counts by rule, over all windows."""
    judged, broken, rules = Counter[str](), Counter[str](), Counter[Broken]()
    for window in windows:
        for view in window.views:
            judged[view.view_version] += view.rows_judged
            broken[view.view_version] += view.rows_broken
            for each in view.violations:
                rules[Broken(view.view_version, each.feature, each.rule, each.action)] += each.count
    return judged, broken, rules


def test_the_windows_of_all_add_up_to_what_was_sent(world: World) -> None:
    """Two publishers and two agents, one of them stopped in the middle of a window: every count is the truth."""
    lenient, strict = publisher_of(world, "lenient", "observe"), publisher_of(world, "strict", "deadLetter")
    first, second = Sidecar(world, "first"), Sidecar(world, "second")
    version = world.version.contract.reference

    with running(first, second):
        lenient.view("delay").publish_many(rows(300, mean={3: 1e6, 5: -1e6, 7: 1e6}, count={7: -1})).result()
        strict.view("delay").publish_many(rows(50, mean={1: 1e6}, count={2: 1_001, 3: None})).result()
        everyone = {"lenient", "strict", "model/first", "model/second"}
        awaited(lambda: everyone <= counted(world).keys(), "everyone's first window")
        lenient.view("delay").publish(
            {"airport": "EWR"}, {"mean": 101.0, "count": None}, event_time=now_us()
        ).result()
        strict.view("delay").delete({"airport": "A9"}, event_time=now_us()).result()
        # A foreign record that names no version, too.
        world.publish([replace(world.version.record("EWR", at_us=now_us()), value=b"junk!")])
        # With the heartbeats that came meanwhile.
        ends = log_end(world)
        assert ends >= 300 + 48 + 1 + 1 + 1
        for sidecar in (first, second):
            sidecar.await_rows(ends)
        # At once, so that the last window of the agent is not over.
        first.stop()
        awaited(lambda: len(counted(world)["model/second"]) > 1, "another window of the second agent")
        second.stop()
    lenient.close()
    strict.close()

    reports = counted(world)
    judged, broken, rules = totals(reports["lenient"])
    assert (judged, broken) == ({version: 301}, {version: 4})
    assert rules == {
        Broken(version, "mean", "maximum", "observed"): 3,
        Broken(version, "mean", "minimum", "observed"): 1,
        Broken(version, "count", "minimum", "observed"): 1,
    }
    judged, broken, rules = totals(reports["strict"])
    assert (judged, broken) == ({version: 51}, {version: 2})
    assert rules == {
        Broken(version, "mean", "maximum", "deadLettered"): 1,
        Broken(version, "count", "maximum", "deadLettered"): 1,
    }
    for agent in ("model/first", "model/second"):
        judged, broken, rules = totals(reports[agent])
        assert judged == {version: 300 + 48 + 1, "delay@1": 2}
        assert broken == {version: 4, "delay@1": 1}
        assert rules == {
            Broken(version, "mean", "maximum", "deadLettered"): 3,
            Broken(version, "mean", "minimum", "deadLettered"): 1,
            Broken(version, "count", "minimum", "deadLettered"): 1,
            Broken("delay@1", "", "framing", "deadLettered"): 1,
        }
    for windows in reports.values():
        assert all(window.window_start_us % 1_000_000 == 0 for window in windows)
        assert all(
            window.window_start_us <= window.window_end_us <= window.window_start_us + 1_000_000
            for window in windows
        )
    summary = sum_up(window for windows in reports.values() for window in windows)
    assert {(rule.broken, rule.consumer): rule.count for rule in summary.rules}[
        Broken(version, "mean", "maximum", "deadLettered"), "model"
    ] == 3


def test_without_a_reports_topic_everything_goes_on(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A missing reports topic costs neither updates nor dead letters nor their outcomes; it is told once."""
    topic = Topics(world.prefix).reports
    admin = AdminClient({"bootstrap.servers": world.stack.bootstrap_servers})
    for done in admin.delete_topics([topic]).values():
        done.result()
    awaited(lambda: world.log.describe_topic(topic) is None, "the end of the reports topic")
    sidecar = Sidecar(world, "a")
    publisher = publisher_of(world, "job", "deadLetter")

    with running(sidecar), caplog.at_level(logging.WARNING, logger="syncline.publisher"):
        view = publisher.view("delay")
        view.publish_many(rows(10, mean={1: 1e6})).result()

        def trouble() -> str:
            view.publish_many(rows(1)).result()
            return publisher.stats().unreported

        awaited(trouble, "the publisher's trouble with its reports")
        publisher.flush()
        stats = publisher.stats()
        world.publish([replace(world.version.record("EWR", at_us=now_us()), value=b"junk!")])
        sidecar.await_rows(stats.acknowledged - 1 + 1)
        sidecar.await_state("LIVE")
        awaited(lambda: "violations_not_reported" in sidecar.said, "the agent's word on it")
        sidecar.stop()
    publisher.close()

    assert (stats.failed, stats.unknown, stats.outstanding) == (0, 0, 0)
    assert len([record for record in caplog.records if topic in record.getMessage()]) == 1
    assert sidecar.said.count("violations_not_reported") == 1
    assert len(world.letters()) == 2
