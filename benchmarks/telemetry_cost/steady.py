"""A thousand rows a second, each traced from publish to applied, without a cap: agent and publisher as they ship.

Beside them, at the same time, are an agent that reads the same records without spans, and a publisher without, which
publishes elsewhere: what tracing costs is the difference in CPU time. All say what they did at `/metrics`.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from benchmarks.cluster import Place, apply_definitions
from benchmarks.flights import CONSUMER
from benchmarks.processes import Processes, as_json
from benchmarks.run import Run
from benchmarks.telemetry_cost.sink import Sink
from tests.stack.ports import LOOPBACK, free_port

RATE = 1_000
_END_S = 2.0
"""The lag at the end is that of so many seconds."""
_WARM_UP_S = 3.0
_PATIENCE_S = 60.0
_ALL = {"SYNCLINE_TRACE_SHARE": "1", "SYNCLINE_TRACE_CAP_PER_S": "inf"}


@dataclass(frozen=True, slots=True)
class Steady:
    """What came of it."""

    seconds: float
    published: float
    folded: float
    behind: float
    """Rows that were published, and not folded yet, at the end."""
    lag_p99_s: float
    """From event time to applied, in the last two seconds."""
    agent_us: float
    """CPU µs that an agent takes for a row that is traced, beyond those of one that is not."""
    agent_without_us: float
    """CPU µs a row of the agent without spans."""
    publisher_us: float
    publisher_without_us: float
    dropped: float
    """Spans, by both, meanwhile."""
    agent_spans: int
    publisher_spans: int


def run_steadily(run: Run, sink: Sink, *, seconds: float) -> Steady:
    """Publish for so long, and look."""
    place, elsewhere = run.place_of("telemetry-steady"), run.place_of("telemetry-elsewhere")
    apply_definitions(place)
    apply_definitions(elsewhere)
    folder = run.folder / "telemetry-steady"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with ExitStack() as until:
        traced = {name: {**_ALL, **sink.variables(name)} for name in ("agent", "publisher")}
        starts = _Starts(folder, until)
        watched = {
            "agent": starts.agent("agent", place, traced["agent"]),
            "agent_without": starts.agent("agent_without", place, {}),
            "publisher": starts.publisher("publisher", place, traced["publisher"]),
            "publisher_without": starts.publisher("publisher_without", elsewhere, {}),
        }
        time.sleep(_WARM_UP_S)
        began_s, before = time.monotonic(), _scrape(watched)
        time.sleep(max(0.0, seconds - _END_S))
        nearly = watched["agent"].scrape()
        time.sleep(_END_S)
        took_s, after = time.monotonic() - began_s, _scrape(watched)
    spent_s = {name: after[name].cpu_s - before[name].cpu_s for name in watched}
    rows = {name: after[name].rows - before[name].rows for name in watched}
    us = {name: 1e6 * spent_s[name] / rows[name] for name in watched}
    return Steady(
        seconds=took_s,
        published=rows["publisher"],
        folded=rows["agent"],
        behind=after["publisher"].rows - after["agent"].rows,
        lag_p99_s=after["agent"].lag_p99_s(nearly),
        agent_us=us["agent"] - us["agent_without"],
        agent_without_us=us["agent_without"],
        publisher_us=us["publisher"] - us["publisher_without"],
        publisher_without_us=us["publisher_without"],
        dropped=sum(after[name].dropped - before[name].dropped for name in ("agent", "publisher")),
        agent_spans=sink.spans("agent"),
        publisher_spans=sink.spans("publisher"),
    )


class _Starts:
    def __init__(self, folder: Path, until: ExitStack) -> None:
        self._folder, self._until = folder, until

    def agent(self, name: str, place: Place, settings: Mapping[str, str]) -> _Watched:
        """One that has caught up."""
        store = str(self._folder / name)
        arguments = ["syncline", "agent", "--subscription", CONSUMER, "--store", store, "--instance", name]
        return self._start(name, place, settings, arguments, piped=False)

    def publisher(self, name: str, place: Place, settings: Mapping[str, str]) -> _Watched:
        """One whose first rows are acknowledged."""
        return self._start(name, place, settings, ["benchmarks.load", as_json(place), str(RATE)], piped=True)

    def _start(
        self, name: str, place: Place, settings: Mapping[str, str], command: list[str], *, piped: bool
    ) -> _Watched:
        address = f"{LOOPBACK}:{free_port()}"
        processes = Processes(place, self._folder, self._until, {**settings, "SYNCLINE_METRICS": address})
        module, *arguments = command
        processes.start(name, module, *arguments, piped=piped)
        watched = _Watched(f"http://{address}/metrics", processes)
        watched.await_begun(is_agent=not piped)
        return watched


class _Watched:
    """A process that serves `/metrics`."""

    def __init__(self, url: str, processes: Processes) -> None:
        self._url = url
        self._processes = processes

    def scrape(self) -> _Scrape:
        """What it says now."""
        with urlopen(self._url, timeout=_PATIENCE_S) as answer:
            families = text_string_to_metric_families(answer.read().decode())
        return _Scrape([sample for family in families for sample in family.samples])

    def await_begun(self, *, is_agent: bool) -> None:
        """Wait until it serves, and an agent is live."""
        deadline_s = time.monotonic() + _PATIENCE_S
        while True:
            try:
                if not is_agent or self.scrape().sum("syncline_agent_state", state="LIVE"):
                    return
            except URLError:
                self._processes.require_running()
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"{self._url} does not say within {_PATIENCE_S:.0f} s that it is live")
            time.sleep(0.1)


class _Scrape:
    def __init__(self, samples: Sequence[Sample]) -> None:
        self._samples = samples

    def sum(self, name: str, **labels: str) -> float:
        """Over all that have these labels."""
        return sum(
            sample.value
            for sample in self._samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    @property
    def cpu_s(self) -> float:
        """All that it has spent."""
        return self.sum("process_cpu_seconds_total")

    @property
    def rows(self) -> float:
        """How many it has judged: a publisher before they leave, an agent before it folds them."""
        return self.sum("syncline_contract_checks_total", result="passed")

    @property
    def dropped(self) -> float:
        """Spans."""
        return self.sum("syncline_spans_dropped_total")

    def lag_p99_s(self, earlier: _Scrape) -> float:
        """From event time to applied since the earlier scrape, as `histogram_quantile` has it."""
        counts = {bound: count - earlier.buckets[bound] for bound, count in self.buckets.items()}
        wanted = 0.99 * counts[math.inf]
        below = 0.0, 0.0
        for bound, count in sorted(counts.items()):
            if count >= wanted:
                if math.isinf(bound):
                    return bound
                return below[0] + (bound - below[0]) * (wanted - below[1]) / max(1.0, count - below[1])
            below = bound, count
        raise AssertionError("the last bucket holds all")

    @property
    def buckets(self) -> dict[float, float]:
        """From event time to applied: upper bound → count up to it."""
        return {
            float(sample.labels["le"]): sample.value
            for sample in self._samples
            if sample.name == "syncline_propagation_seconds_bucket"
            and sample.labels["stage"] == "event_to_apply"
        }


def _scrape(watched: Mapping[str, _Watched]) -> dict[str, _Scrape]:
    return {name: found.scrape() for name, found in watched.items()}
