"""Contenders that stay, and take turns: each a process that does its work once for every line it is sent.

`python -m benchmarks.telemetry_cost.turns KIND EXTENT PLACE_AS_JSON SIZES_AS_JSON` prints a measurement for each line.

A process that starts anew each round would be measured once where this is measured ten times. A turn ends when its
spans are sent, so that none is sent in another's turn. What the cap saves up while others have their turns is taken
away before one begins: a turn traces as many a second as one second among many does.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pyarrow.compute as pc

from benchmarks import agent_contenders
from benchmarks.cluster import Place
from benchmarks.flights import PUBLISHED_VIEW, flights
from benchmarks.measurement import Measurement, Stopwatch
from benchmarks.processes import as_json
from benchmarks.telemetry_cost.off import Extent, metrics_off
from syncline.clock import SystemClock
from syncline.publisher import Publisher, ViewPublisher
from syncline.settings import AgentSettings, PublisherSettings
from syncline.telemetry.metrics import own_registry
from syncline.telemetry.telemetry import Telemetry
from syncline.wire.topics import Topics
from syncline.wiring import open_log

_CHUNK_ROWS = 20_000
_HOUR_US = 3_600_000_000
_SEND_S = 10.0
_STOP_S = 30.0

Turn = Callable[[], Measurement]


class Contender:
    """One that takes turns, seen from outside."""

    def __init__(
        self,
        kind: str,
        extent: Extent,
        *,
        place: Place,
        sizes: Mapping[str, Any],
        environment: Mapping[str, str],
        until: ExitStack,
    ) -> None:
        """It has had a turn already when this returns, which counts nowhere; and ends with `until`."""
        command = [sys.executable, "-m", "benchmarks.telemetry_cost.turns", kind, extent, as_json(place)]
        self._process = subprocess.Popen(
            [*command, json.dumps(sizes)],
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        until.callback(self._end)
        self.turn()

    def turn(self) -> Measurement:
        """Let it work once.

        Raises:
            RuntimeError: it ended instead; it has said why on stderr.
        """
        if self._process.stdin is None or self._process.stdout is None:
            raise AssertionError("both are piped")
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args} ended with code {self._process.wait(_STOP_S)}")
        return Measurement.from_json(line)

    def _end(self) -> None:
        try:
            self._process.communicate(timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


def main(kind: str, extent: str, place: str, sizes: str) -> None:
    """Take a turn for each line, until standard input is closed."""
    with ExitStack() as until:
        if Extent(extent) is Extent.OFF:
            until.enter_context(metrics_off())
        turn = _TURNS[kind](Place(**json.loads(place)), until, **json.loads(sizes))
        for _ in sys.stdin:
            print(turn().to_json(), flush=True)


def _publisher(
    publish: Callable[[ViewPublisher, Any], None],
    form: Callable[[pa.RecordBatch], Any],
    place: Place,
    until: ExitStack,
    *,
    rows: int,
) -> Turn:
    settings, clock = PublisherSettings.load(**place.settings(), publisher="bench"), SystemClock()
    telemetry = Telemetry(settings, service="syncline-publisher", instance="bench", clock=clock)
    publisher = Publisher(
        open_log(settings), settings=settings, clock=clock, topics=Topics(place.prefix), telemetry=telemetry
    )
    until.enter_context(publisher)
    view = publisher.view(f"{PUBLISHED_VIEW}@1")
    given = flights(rows, last_event_us=SystemClock().now_us() - _HOUR_US)
    published = 0

    def turn() -> Measurement:
        nonlocal given, published
        # As event times of a key go forwards, none is moved, which would cost more than anything here.
        given = _later(given, rows)
        formed = form(given)
        published += rows
        _begin_with_nothing_saved(telemetry)
        stopwatch = Stopwatch()
        publish(view, formed)
        publisher.flush()
        _send_spans(telemetry)
        measured = stopwatch.stop(rows)
        if publisher.stats().acknowledged != published:
            raise AssertionError(f"{publisher.stats()}, and not {published} acknowledged")
        return measured

    return turn


def _agent(place: Place, until: ExitStack, *, rows: int, keys: int, folder: str) -> Turn:
    settings = AgentSettings.load(**place.settings(), subscription="bench", instance="bench")
    store = Path(folder)
    del until

    def turn() -> Measurement:
        # The last one's store stays, to be read.
        shutil.rmtree(store, ignore_errors=True)
        telemetry = _Kept(
            settings, service="syncline-agent", instance="bench", clock=SystemClock(), registry=own_registry()
        )
        ports = partial(agent_contenders.Ports, telemetry=telemetry)
        _begin_with_nothing_saved(telemetry)
        with patch.object(agent_contenders, "Ports", ports):
            folded = agent_contenders.agent(place, rows=rows, keys=keys, store=store)
        stopwatch = Stopwatch()
        _send_spans(telemetry)
        sent = stopwatch.stop(rows)
        telemetry.end()
        return Measurement(rows, folded.seconds + sent.seconds, folded.cpu_seconds + sent.cpu_seconds)

    return turn


class _Kept(Telemetry):
    """Outlives its agent: what it has still to send is measured."""

    def close(self, timeout_s: float) -> None:
        """Nothing."""

    def end(self) -> None:
        """What `close` does elsewhere."""
        super().close(_SEND_S)


def _begin_with_nothing_saved(telemetry: Telemetry) -> None:
    tracing = telemetry.tracing
    if tracing is not None:
        tracing.rows.take(tracing.clock.monotonic_s(), 1_000_000)


def _send_spans(telemetry: Telemetry) -> None:
    if telemetry.tracing is not None:
        telemetry.tracing.flush(_SEND_S)


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


_TURNS: dict[str, Callable[..., Turn]] = {
    "dicts": partial(_publisher, _many, _as_dicts),
    "arrow": partial(_publisher, _many, lambda batch: batch),
    "single": partial(_publisher, _one_by_one, _as_calls),
    "agent": _agent,
}

if __name__ == "__main__":
    main(*sys.argv[1:])
