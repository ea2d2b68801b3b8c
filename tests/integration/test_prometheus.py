"""The demo under a real Prometheus with the deployed configuration: every metric, panel and page of metrics."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from syncline.telemetry.metrics import HISTOGRAM, METRICS
from tests.functional.test_dashboards import NEEDS_A_FAULT, expressions
from tests.stack.jaeger import Jaeger
from tests.stack.prometheus import Prometheus, promtool
from tests.stack.stack import Stack
from tests.stack.telemetry import DEMO_TARGETS

pytestmark = pytest.mark.real

NOT_IN_THE_DEMO = {"syncline_deprecated_versions_in_use": "a version that is deprecated and in use"}
"""Metric → what has to happen before there is one."""


class Watched:
    """The demo, run under a Prometheus, and what its processes served at `/metrics` while it ran."""

    def __init__(self, stack: Stack, jaeger: Jaeger, folder: Path, prefix: str) -> None:
        self.prometheus = Prometheus(folder / "prometheus", DEMO_TARGETS)
        self.pages: dict[str, str] = {}
        self.at_s = 0.0
        """When all of its processes were seen last."""
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SYNCLINE_")},
            "SYNCLINE_BOOTSTRAP_SERVERS": stack.bootstrap_servers,
            "SYNCLINE_REGISTRY_URL": stack.registry_url,
            "SYNCLINE_PREFIX": prefix,
            "OTEL_EXPORTER_OTLP_ENDPOINT": jaeger.otlp_endpoint,
            "SYNCLINE_JAEGER_URL": jaeger.url,
            "SYNCLINE_PROMETHEUS_URL": "",
        }

    def run(self) -> str:
        """Run the demo to its end; what it printed."""
        self.prometheus.start()
        self._environment["SYNCLINE_PROMETHEUS_URL"] = self.prometheus.url
        ended = threading.Event()
        looking = threading.Thread(target=self._look, args=(ended,))
        looking.start()
        try:
            done = subprocess.run(
                [sys.executable, "-m", "syncline", "demo", "--stack"],
                env=self._environment,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
        finally:
            ended.set()
            looking.join()
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _look(self, ended: threading.Event) -> None:
        while not ended.wait(0.5):
            try:
                pages = {
                    f"{job} {address}": _page(address)
                    for job, all_of in DEMO_TARGETS.items()
                    for address in all_of
                }
            except OSError:
                continue
            self.pages, self.at_s = pages, time.time()


@pytest.fixture(scope="module")
def watched(stack: Stack, _jaeger: Jaeger, tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """The demo has run."""
    _jaeger.start()
    made = Watched(stack, _jaeger, tmp_path_factory.mktemp("watched"), f"watched-{os.getpid()}")
    output = made.run()
    assert re.search(r"What an SRE sees of it", output)
    assert f"{_jaeger.url}/search?service=syncline-agent" in output
    return made


@pytest.fixture(scope="module", autouse=True)
def _prometheus_ends(watched: Watched):
    yield
    watched.prometheus.stop()


@pytest.mark.timeout(400)
def test_every_metric_is_there_after_the_demo(watched: Watched) -> None:
    """Every metric of the table, from the processes that have it, with the labels that it is to have."""
    missing = []
    for name, metric in METRICS.items():
        series = f"{name}_bucket" if metric.kind == HISTOGRAM else name
        found = watched.prometheus.query(f"last_over_time({series}[10m])")
        if not found and name not in NOT_IN_THE_DEMO:
            missing.append(name)
        for sample in found:
            labels = set(sample.labels) - {"__name__", "le", "job", "instance"}
            assert labels == {label for label in metric.labels if sample.labels.get(label)}, name
    assert missing == []


def test_every_panel_shows_something_while_the_demo_runs(watched: Watched) -> None:
    """What a dashboard asks for gives data, but for what needs a fault that the demo does not have."""
    empty = [
        f"{dashboard}: {title}"
        for dashboard, title, expression in expressions()
        # While it runs, not at one moment: a busy machine may have a process scraped late.
        if not any(
            watched.prometheus.query(expression, at=watched.at_s - before_s) for before_s in (0, 3, 8, 13)
        )
    ]

    assert set(empty) <= set(NEEDS_A_FAULT)


def test_nobody_is_alarmed_by_the_demo(watched: Watched) -> None:
    """Where all is well no page fires: who is woken for nothing looks at nothing."""
    firing = watched.prometheus.query(
        'max by (alertname) (max_over_time(ALERTS{alertstate="firing", severity="page"}[10m]))'
    )

    assert [sample.labels["alertname"] for sample in firing] == []


def test_promtool_finds_nothing_to_say_of_the_pages(watched: Watched) -> None:
    """`promtool check metrics`: each process's names, types and help are as they are to be."""
    assert len(watched.pages) == 4
    for where, page in watched.pages.items():
        ours = [line for line in page.splitlines(keepends=True) if not _is_of_python(line)]
        checked = promtool("check", "metrics", stdin="".join(ours))
        assert checked.returncode == 0, (where, checked.stdout, checked.stderr)


def test_examples_lead_to_traces(watched: Watched, jaeger: Jaeger) -> None:
    """An exemplar of the propagation of an update names a trace that Jaeger has."""
    found = watched.prometheus.exemplars("syncline_propagation_seconds_bucket")

    traces = {exemplar.labels["trace_id"] for exemplar in found}
    assert traces
    assert any("process" in span.name for trace in traces for span in jaeger.traces.trace(trace))


def _page(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=2) as answer:
        return str(answer.read(), "utf-8")


def _is_of_python(line: str) -> bool:
    """Python's own collector names counters as promtool would not."""
    name = line.split()[2] if line.startswith("#") else line
    return name.startswith(("python_", "process_"))
