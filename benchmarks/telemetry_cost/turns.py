"""Roles with and without telemetry, which take turns in one process: a turn for every line that it is sent.

`python -m benchmarks.telemetry_cost.turns KIND PLACE_AS_JSON SIZES_AS_JSON` prints measurements by extent for each.

All are in one process, as two processes differ by a few hundredths for their lives, by where their memory lies. A turn
is many blocks of each, one after the other, and ends when its spans are sent, which is part of it. A block takes some
hundredths of a second, as this machine is faster or slower by a tenth from one second to the next; the mean of the
middle half of them counts. The cap counts the seconds that a contender itself works: it traces as many a second as one
second among many does.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.agent_contenders import PATIENCE_S, require_folded, require_time
from benchmarks.cluster import Place
from benchmarks.flights import CONSUMER, PUBLISHED_VIEW, flights
from benchmarks.measurement import Measurement, Stopwatch
from benchmarks.processes import as_json
from benchmarks.telemetry_cost.off import Extent, metrics_off
from benchmarks.telemetry_cost.own_time import OwnTime
from benchmarks.telemetry_cost.sink import without_exporters
from syncline.agent.agent import Agent, Ports
from syncline.clock import SystemClock
from syncline.publisher import Publisher, ViewPublisher
from syncline.settings import AgentSettings, PublisherSettings, TelemetrySettings
from syncline.telemetry.logging import configure_logging
from syncline.telemetry.metrics import own_registry
from syncline.telemetry.telemetry import Telemetry
from syncline.wire.topics import Topics
from syncline.wiring import calm_collector, open_log, open_store

_CHUNK_ROWS = 20_000
_HOUR_US = 3_600_000_000
_SEND_S = 10.0
_STOP_S = 30.0
_NEVER_MS = "3600000"
_ORDER = random.Random(2013)

Turn = Mapping[Extent, Measurement]


class Contenders:
    """A process in which they take turns, seen from outside."""

    def __init__(
        self,
        kind: str,
        place: Place,
        sizes: Mapping[str, Any],
        environment: Mapping[str, str],
        until: ExitStack,
    ) -> None:
        """Each has worked once already when this returns, which counts nowhere; they end with `until`."""
        command = [sys.executable, "-m", "benchmarks.telemetry_cost.turns", kind, as_json(place)]
        self._process = subprocess.Popen(
            [*command, json.dumps(sizes)],
            # By themselves they send nothing: it would be in another's turn.
            env={**environment, "OTEL_BSP_SCHEDULE_DELAY": _NEVER_MS},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        until.callback(self._end)
        self.turn()

    def turn(self) -> Turn:
        """Let each work once.

        Raises:
            RuntimeError: the process ended instead; it has said why on stderr.
        """
        if self._process.stdin is None or self._process.stdout is None:
            raise AssertionError("both are piped")
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args} ended with code {self._process.wait(_STOP_S)}")
        return {Extent(name): Measurement(**found) for name, found in json.loads(line).items()}

    def _end(self) -> None:
        try:
            self._process.communicate(timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


def main(kind: str, place: str, sizes: str) -> None:
    """Take a turn for each line, until standard input is closed."""
    with ExitStack() as until:
        contenders = {
            extent: _KINDS[kind](extent, Place(**json.loads(place)), until, **json.loads(sizes))
            for extent in Extent
        }
        for _ in sys.stdin:
            measured = _turn(contenders)
            print(json.dumps({extent: asdict(each) for extent, each in measured.items()}), flush=True)


def _turn(contenders: Mapping[Extent, _Contender]) -> Turn:
    done: dict[Extent, list[Measurement]] = {extent: [] for extent in contenders}
    for contender in contenders.values():
        contender.begin()
    calm_collector()
    began_s = time.process_time()
    extents = list(contenders)
    while not all(contender.is_done for contender in contenders.values()):
        # Who comes before leaves caches, queues and a broker behind: so it is another each time.
        _ORDER.shuffle(extents)
        for extent in extents:
            with metrics_off() if extent is Extent.OFF else nullcontext():
                if not contenders[extent].is_done:
                    done[extent].append(contenders[extent].block())
    spent_s = time.process_time() - began_s
    spent_s -= sum(each.cpu_seconds for measured in done.values() for each in measured)
    for contender in contenders.values():
        contender.end()
    return {
        extent: _summed(done[extent], contender.send_spans() + contender.share_of(spent_s, len(contenders)))
        for extent, contender in contenders.items()
    }


def _summed(blocks: Sequence[Measurement], more_cpu_s: float) -> Measurement:
    rows = sum(each.rows for each in blocks)
    costs = sorted(each.cpu_seconds / each.rows for each in blocks)
    middle = costs[len(costs) // 4 : len(costs) - len(costs) // 4]
    return Measurement(
        rows, seconds=sum(each.seconds for each in blocks), cpu_seconds=rows * fmean(middle) + more_cpu_s
    )


class _Contender:
    """A role with so much telemetry."""

    def __init__(self, extent: Extent, settings: TelemetrySettings, service: str) -> None:
        variables = dict(os.environ) if extent is Extent.ALL else without_exporters()
        self._clock = OwnTime()
        self.telemetry = _Kept(
            settings, service=service, instance=extent, clock=self._clock, registry=own_registry()
        )
        with patch.dict(os.environ, variables, clear=True):
            self._tracing = self.telemetry.tracing

    def begin(self) -> None:
        """A turn begins."""

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do in this turn."""
        raise NotImplementedError

    def block(self) -> Measurement:
        """Work for a moment."""
        measured = self._work()
        self._clock.worked_s += measured.seconds
        return measured

    def _work(self) -> Measurement:
        raise NotImplementedError

    def end(self) -> None:
        """The turn is over, but for its spans."""

    def share_of(self, cpu_s: float, contenders: int) -> float:
        """What of the CPU time beside all blocks counts as this one's."""
        del cpu_s, contenders
        return 0.0

    def send_spans(self) -> float:
        """All that wait; returns the CPU seconds."""
        began_s = time.process_time()
        if self._tracing is not None:
            self._tracing.flush(_SEND_S)
        return time.process_time() - began_s


class _Publisher(_Contender):
    def __init__(
        self,
        publish: Callable[[ViewPublisher, Any], None],
        form: Callable[[pa.RecordBatch], Any],
        extent: Extent,
        place: Place,
        until: ExitStack,
        *,
        rows: int,
        blocks: int,
    ) -> None:
        settings = PublisherSettings.load(**place.settings(), publisher=f"bench-{extent.name.lower()}")
        super().__init__(extent, settings, "syncline-publisher")
        topics = Topics(place.prefix)
        self._publisher = Publisher(
            open_log(settings),
            settings=settings,
            clock=SystemClock(),
            topics=topics,
            telemetry=self.telemetry,
        )
        until.callback(self.telemetry.end)
        until.enter_context(self._publisher)
        self._view = self._publisher.view(f"{PUBLISHED_VIEW}@1")
        self._publish, self._form = publish, form
        self._given = flights(rows, last_event_us=SystemClock().now_us() - _HOUR_US)
        self._published = 0
        self._blocks = blocks
        self._left = 0

    def begin(self) -> None:
        """See `_Contender`."""
        self._left = self._blocks

    @property
    def is_done(self) -> bool:
        """See `_Contender`."""
        return not self._left

    def _work(self) -> Measurement:
        """From rows in hand to all of them acknowledged."""
        rows = len(self._given)
        # As event times of a key go forwards, none is moved, which would cost more than anything here.
        self._given = _later(self._given, rows)
        formed = self._form(self._given)
        self._published += rows
        self._left -= 1
        stopwatch = Stopwatch()
        self._publish(self._view, formed)
        self._publisher.flush()
        measured = stopwatch.stop(rows)
        if self._publisher.stats().acknowledged != self._published:
            raise AssertionError(f"{self._publisher.stats()}, and not {self._published} acknowledged")
        return measured


class _Agent(_Contender):
    """One that folds the log from its beginning; a block is one turn of its loop.

    All read the same log at once, so that the CPU time of the client's own threads is the same for each.
    """

    def __init__(
        self, extent: Extent, place: Place, until: ExitStack, *, rows: int, keys: int, folder: str
    ) -> None:
        self._settings = AgentSettings.load(**place.settings(), subscription=CONSUMER, instance="bench")
        super().__init__(extent, self._settings, "syncline-agent")
        until.callback(self.telemetry.end)
        self._rows, self._keys = rows, keys
        self._folder = Path(folder, extent.name.lower())
        configure_logging("warning")

    def begin(self) -> None:
        """Until the first rows are there."""
        # The last turn's store stays, to be read.
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        self._store = open_store(self._folder)
        self._agent = Agent(
            Ports(open_log(self._settings), self._store, SystemClock(), telemetry=self.telemetry),
            settings=self._settings,
            consumer=CONSUMER,
            stopped=lambda: False,
            wait=time.sleep,
        )
        self._deadline_s = time.monotonic() + PATIENCE_S
        self._read = 0
        while not self._read:
            self._step()

    @property
    def is_done(self) -> bool:
        """See `_Contender`."""
        return self._read >= self._rows

    def _work(self) -> Measurement:
        """The next batch."""
        came, wall_s, cpu_s = 0, time.perf_counter(), time.thread_time()
        while not came:
            came = self._step()
        return Measurement(came, time.perf_counter() - wall_s, time.thread_time() - cpu_s)

    def end(self) -> None:
        """See `_Contender`."""
        status = self._agent.status()
        self._agent.close()
        self._store.close()
        require_folded(status, rows=self._rows, keys=self._keys)

    def share_of(self, cpu_s: float, contenders: int) -> float:
        """See above."""
        return cpu_s / contenders

    def _step(self) -> int:
        require_time(self._deadline_s, self._read, self._rows)
        came = self._agent.step()
        self._read += came
        return came


class _Kept(Telemetry):
    """Outlives its role: what is to be sent then is measured, and agents of one process share it."""

    def close(self, timeout_s: float) -> None:
        """Nothing."""

    def end(self) -> None:
        """What `close` does elsewhere."""
        super().close(_SEND_S)


def _later(batch: pa.RecordBatch, us: int) -> pa.RecordBatch:
    place = batch.schema.get_field_index("event_time")
    return batch.set_column(place, "event_time", pc.add(batch.column(place), us))


def _as_dicts(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = batch.to_pylist()
    return rows


def _as_calls(batch: pa.RecordBatch) -> list[tuple[dict[str, Any], dict[str, Any], int]]:
    return [
        ({"tailnum": row.pop("tailnum")}, row, time_us)
        for row in batch.to_pylist()
        for time_us in (row.pop("event_time"),)
    ]


def _many(view: ViewPublisher, rows: Sequence[Any]) -> None:
    for start in range(0, len(rows), _CHUNK_ROWS):
        view.publish_many(rows[start : start + _CHUNK_ROWS])


def _one_by_one(view: ViewPublisher, calls: Sequence[tuple[dict[str, Any], dict[str, Any], int]]) -> None:
    for keys, features, time_us in calls:
        view.publish(keys, features, event_time=time_us)


_KINDS: dict[str, Callable[..., _Contender]] = {
    "dicts": partial(_Publisher, _many, _as_dicts),
    "arrow": partial(_Publisher, _many, lambda batch: batch),
    "single": partial(_Publisher, _one_by_one, _as_calls),
    "agent": _Agent,
}

if __name__ == "__main__":
    main(*sys.argv[1:])
