"""What telemetry costs a read: `python -m benchmarks.telemetry_cost.reads STORE TRACED_STORE ROUNDS` prints `Costs`.

Two readers share one store, one with telemetry and one without, and read in turns, one read after the other; each is
timed by itself. The cells
of the first store are those of updates that are not traced, of the second some are.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import use_span

from benchmarks.flights import BUNDLE, HOT_KEYS, flights, record_keys
from syncline.clock import SystemClock
from syncline.ports.store import Store
from syncline.reader import FeatureReader
from syncline.settings import TelemetrySettings
from syncline.state.cell import TRACED, TRACED_AT
from syncline.telemetry.telemetry import Telemetry
from syncline.wiring import open_store

_CALLS = 4_000
_TRACED_CALLS = 1_000
_MANY = 50
_TIMEOUT_S = 300.0

Key = dict[str, str]


@dataclass(frozen=True, slots=True)
class Costs:
    """All in µs, p50 of a call in each round."""

    get: Sequence[float]
    get_without: Sequence[float]
    many: Sequence[float]
    many_without: Sequence[float]
    traced: Sequence[float]
    """`get` of a traced value that was read before."""
    traced_in_request: Sequence[float]
    """The same, inside a span of an inference request's, which gets a link."""
    traced_without: Sequence[float]
    first: Sequence[float]
    """The first read of each traced value, which makes a span; the cap is off."""
    traced_cells: int


def read_costs(stores: tuple[Path, Path], rounds: int, environment: Mapping[str, str]) -> Costs:
    """The costs, measured by a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.telemetry_cost.reads", *map(str, stores), str(rounds)],
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the reader ended with code {done.returncode}:\n{done.stderr[-4_000:]}")
    return Costs(**json.loads(done.stdout.splitlines()[-1]))


def main(untraced: str, traced: str, rounds: str) -> None:
    """Measure, and print."""
    store, other = open_store(Path(untraced), read_only=True), open_store(Path(traced), read_only=True)
    numbers = range(int(rounds))
    keys = [{"tailnum": key.decode()} for key in record_keys(flights(HOT_KEYS, last_event_us=HOT_KEYS))]
    keys = keys[:_CALLS]
    several = [keys[start : start + _MANY] for start in range(0, len(keys), _MANY)]
    ours, theirs = _reader(store), FeatureReader(store)
    get, get_without = _in_turns((ours.get, theirs.get), keys, numbers)
    many, many_without = _in_turns((ours.get_many, theirs.get_many), several, numbers)
    kept = _traced_keys(other)
    again = [kept[number % len(kept)] for number in range(_TRACED_CALLS)]
    # Readers that have read none of them before.
    first = [_p50_us(_reader(other).get, kept) for _ in numbers]
    ours, theirs = _reader(other), FeatureReader(other)
    traced_us, traced_without = _in_turns((ours.get, theirs.get), again, numbers)
    in_request = [_in_requests_us(ours, again) for _ in numbers]
    costs = Costs(
        get, get_without, many, many_without, traced_us, in_request, traced_without, first, len(kept)
    )
    print(json.dumps(asdict(costs)))


def _reader(store: Store) -> FeatureReader:
    # With the cap, most of the first reads would make no span.
    settings, clock = TelemetrySettings.load(trace_cap_per_s=math.inf), SystemClock()
    telemetry = Telemetry(settings, service="syncline-reader", instance="bench", clock=clock)
    # What was applied before a reader was made may have been read by another.
    telemetry.made_us = 0
    if telemetry.tracing is None:
        raise AssertionError("a variable asks for spans")
    return FeatureReader(store, clock=clock, telemetry=telemetry)


def _in_turns(
    reads: tuple[Callable[..., Any], Callable[..., Any]], given: Sequence[Any], numbers: range
) -> tuple[list[float], list[float]]:
    for read in reads:
        _p50_us(read, given)
    found: tuple[list[float], list[float]] = ([], [])
    clock_ns = time.perf_counter_ns
    for _ in numbers:
        took_ns: tuple[list[int], list[int]] = ([], [])
        for number, keys in enumerate(given):
            # What one has just read is in the caches for the other.
            for place in (0, 1) if number % 2 else (1, 0):
                read = reads[place]
                began_ns = clock_ns()
                read(BUNDLE, keys)
                took_ns[place].append(clock_ns() - began_ns)
        for place in (0, 1):
            found[place].append(median(took_ns[place]) / 1_000)
    return found


def _p50_us(read: Callable[..., Any], given: Sequence[Any]) -> float:
    clock_ns, took_ns = time.perf_counter_ns, []
    for keys in given:
        began_ns = clock_ns()
        read(BUNDLE, keys)
        took_ns.append(clock_ns() - began_ns)
    return median(took_ns) / 1_000


def _in_requests_us(reader: FeatureReader, given: Sequence[Key]) -> float:
    tracer = TracerProvider().get_tracer("bench")
    clock_ns, took_ns = time.perf_counter_ns, []
    for keys in given:
        with use_span(tracer.start_span("a request")):
            began_ns = clock_ns()
            reader.get(BUNDLE, keys)
            took_ns.append(clock_ns() - began_ns)
    return median(took_ns) / 1_000


def _traced_keys(store: Store) -> list[Key]:
    with store.snapshot() as snapshot:
        return [
            {"tailnum": key.decode()}
            for place in snapshot.partitions()
            for key, cell in snapshot.scan(*place)
            if cell[TRACED_AT] >= TRACED
        ]


if __name__ == "__main__":
    main(*sys.argv[1:])
