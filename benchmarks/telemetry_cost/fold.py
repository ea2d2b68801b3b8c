"""What telemetry costs the agent's hot path by itself: the fold with all of it, with metrics alone, and without.

All fold the same batches into stores on disk, one batch after the other, and the CPU time of each is summed: that of
all threads, and of exporting, as a turn of four passes ends when its spans are sent, about as often as the SDK sends
them. One record in a hundred carries a sampled `traceparent`; the cap counts the seconds that a contender itself works.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from benchmarks import fold
from benchmarks.flights import CONSUMER, HOT_KEYS
from benchmarks.run import Run
from benchmarks.telemetry_cost.off import Extent, metrics_off
from benchmarks.telemetry_cost.own_time import OwnTime
from benchmarks.telemetry_cost.rows import UNSAMPLED, one_in_a_hundred, traced_rows
from benchmarks.telemetry_cost.sink import Sink, without_exporters
from syncline.agent.ingest import Ingest
from syncline.ports.log import Batch
from syncline.ports.store import Store
from syncline.settings import TelemetrySettings
from syncline.telemetry.agent_events import AgentEvents
from syncline.telemetry.agent_metrics import AgentMetrics
from syncline.telemetry.agent_spans import AgentSpans
from syncline.telemetry.attention import Attention
from syncline.telemetry.metrics import own_registry
from syncline.telemetry.telemetry import Telemetry
from syncline.wiring import calm_collector, open_store

FOREIGN = "unsampled"
"""As `Extent.ALL`, where each record carries an unsampled `traceparent`: it came by way of an instrumented producer."""
NAMES = (*Extent, FOREIGN)
PASSES = 4
"""How often the rows are folded in one turn."""
_BATCH_ROWS = 20_000
_SEND_S = 10.0
_POLL_US = 100_000
_NEVER_MS = "3600000"


def fold_costs(run: Run, sink: Sink, *, turns: int) -> dict[str, list[float]]:
    """CPU µs a row of each turn, by name."""
    given = list(fold.records(run.sizes.rows, keys=HOT_KEYS).batches(_BATCH_ROWS))
    calm_collector()
    costs: dict[str, list[float]] = {name: [] for name in NAMES}
    # Not in /tmp, which may be memory: a commit has to reach a disk.
    with TemporaryDirectory(dir=run.folder) as folder:
        stores = {name: open_store(Path(folder, name)) for name in NAMES}
        contenders = [_Contender(name, store, _variables(name, sink)) for name, store in stores.items()]
        passes = (
            [_moved(batch, number * run.sizes.rows) for batch in given]
            for number in range(1 + turns * PASSES)
        )
        # The first pass fills the stores, and counts nowhere.
        _fold_all(contenders, next(passes))
        for _ in range(turns):
            spent_s = _fold_all(contenders, chain.from_iterable(islice(passes, PASSES)))
            for name, seconds in zip(NAMES, spent_s, strict=True):
                costs[name].append(1e6 * seconds / (PASSES * run.sizes.rows))
        for contender in contenders:
            contender.end()
        for store in stores.values():
            store.close()
    if not sink.spans(_path(Extent.ALL)):
        raise AssertionError("no span came")
    return costs


def _fold_all(contenders: Sequence[_Contender], batches: Iterable[Batch]) -> list[float]:
    """The seconds that each spent."""
    before = [contender.spent_s for contender in contenders]
    for number, batch in enumerate(batches):
        one_of_many = one_in_a_hundred(len(batch))
        every_one = traced_rows(range(len(batch)), UNSAMPLED)
        # Whoever begins may find a colder cache: so each begins in turn.
        turn = number % len(contenders)
        for contender in (*contenders[turn:], *contenders[:turn]):
            batch.headers = every_one if contender.name == FOREIGN else one_of_many
            contender.fold(batch)
    for contender in contenders:
        contender.send_spans()
    return [contender.spent_s - seconds for contender, seconds in zip(contenders, before, strict=True)]


class _Contender(fold.Folder):
    """A folder with telemetry, which counts the seconds that it works."""

    def __init__(self, name: str, store: Store, variables: Mapping[str, str]) -> None:
        self.name = name
        self._clock = OwnTime()
        with patch.dict(os.environ, variables, clear=True):
            self._telemetry = Telemetry(
                TelemetrySettings.load(),
                service="syncline-agent",
                instance=name,
                clock=self._clock,
                registry=own_registry(),
            )
            tracing = self._telemetry.tracing
        spans = None if tracing is None else AgentSpans(tracing, group=CONSUMER, client_id=CONSUMER)
        metrics = AgentMetrics(self._telemetry.metrics, group=CONSUMER)
        self._events = AgentEvents(CONSUMER, metrics=metrics, spans=spans)
        ours = {"events": self._events, "spans": spans}
        with patch.object(fold, "Ingest", lambda **given: Ingest(**given | ours)):
            super().__init__(store)
        self._begin_with_nothing_saved()

    @property
    def spent_s(self) -> float:
        """The CPU seconds that it has worked."""
        return self._clock.worked_s

    def fold(self, batch: Batch) -> None:
        """As an agent does with what a poll brought."""
        with metrics_off() if self.name == Extent.OFF else nullcontext():
            began_s = time.process_time()
            attention = Attention()
            now_us = self._clock.now_us()
            attention.polled(now_us - _POLL_US, now_us, _POLL_US)
            self._events.polled(batch, attention)
            self._ingest.fold(batch, self._cursors, self._book, attention)
            self._clock.worked_s += time.process_time() - began_s

    def send_spans(self) -> None:
        """All that wait."""
        began_s = time.process_time()
        if self._telemetry.tracing is not None:
            self._telemetry.tracing.flush(_SEND_S)
        self._clock.worked_s += time.process_time() - began_s

    def end(self) -> None:
        """Send no more."""
        self._telemetry.close(_SEND_S)

    def _begin_with_nothing_saved(self) -> None:
        if self._telemetry.tracing is not None:
            self._telemetry.tracing.rows.take(0.0, 1_000_000)


def _variables(name: str, sink: Sink) -> dict[str, str]:
    if name in (Extent.OFF, Extent.METRICS):
        return without_exporters()
    # By itself it sends nothing: it would in another's turn.
    return without_exporters() | {"OTEL_BSP_SCHEDULE_DELAY": _NEVER_MS, **sink.variables(_path(name))}


def _path(name: str) -> str:
    return f"fold-{name}".replace(" ", "-")


def _moved(batch: Batch, by: int) -> Batch:
    """The batch, so many offsets later."""
    slices = [
        replace(cut, first_offset=cut.first_offset + by, next_offset=cut.next_offset + by)
        for cut in batch.slices
    ]
    return replace(batch, slices=slices, offsets=batch.offsets + by)
