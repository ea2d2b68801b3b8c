"""What telemetry costs: publisher, agent and reader as they ship, against the same without.

Spans go to a sink in a process of its own, which takes all of them. As there is no setting that switches metrics off,
contenders without leave out what counts (`telemetry_cost.off`).

What is compared is CPU time, that of a process's every thread, exporting included: a few hundredths are looked for, and
what else goes on on the machine, the broker's part of it too, changes the time that a turn takes by more. The ratio is
the median of those of single turns, as a machine has faster and slower minutes.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.cluster import Place, apply_definitions
from benchmarks.figures import cpu_us, rate
from benchmarks.finding import Finding
from benchmarks.measurement import Measurement
from benchmarks.processes import Processes
from benchmarks.run import Run
from benchmarks.telemetry_cost import fold
from benchmarks.telemetry_cost.off import Extent
from benchmarks.telemetry_cost.reads import read_costs
from benchmarks.telemetry_cost.rows import produce_traced
from benchmarks.telemetry_cost.sink import Sink, without_exporters
from benchmarks.telemetry_cost.steady import RATE, run_steadily
from benchmarks.telemetry_cost.turns import Contenders

_RATIO = 0.97
_FOLD_RATIO = 0.95
"""Of the agent's own work alone: beside less, the same weighs more."""
_AGENT_US = 250.0
_READ_US = 1.0
_LAG_S = 1.0
_KEEPS_UP = 0.99
_TURNS_A_ROUND = 7
_FOLDS_A_ROUND = 3
_STEADY_S_MIN = 2.0
_BLOCKS = 30
_PUBLISHED = {
    "dicts": ("publish_many from dicts", 100),
    "arrow": ("publish_many from Arrow", 60),
    "single": ("publish one by one", 200),
}
"""Form → what it is called, and by how much fewer rows there are, so that a block takes some hundredths of a second."""


def measure(run: Run) -> Iterator[Finding]:
    """Publisher, agent, the agent's fold, everything traced, and reads."""
    place = run.place_of("telemetry")
    apply_definitions(place)
    folder = run.folder / "telemetry"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    turns = run.sizes.rounds * _TURNS_A_ROUND
    with ExitStack() as until:
        sink = Sink(Processes(place, folder, until, {}))
        for form, (name, fewer) in _PUBLISHED.items():
            sizes = {"rows": run.sizes.rows // fewer, "blocks": _BLOCKS}
            yield from _contests(name, _take_turns(form, place, sizes, sink, turns=turns))
        rows = 2 * run.sizes.rows
        backlog = {"rows": rows, "keys": produce_traced(place, rows)}
        stores = folder / "stores"
        yield from _contests(
            "agent", _take_turns("agent", place, {**backlog, "folder": str(stores)}, sink, turns=turns)
        )
        rows = fold.PASSES * run.sizes.rows
        yield from _folds(fold.fold_costs(run, sink, turns=_FOLDS_A_ROUND * run.sizes.rounds), rows=rows)
        yield from _steady(run, sink)
        traced = folder / "traced-stores"
        _fold_traced(place, {**backlog, "folder": str(traced)}, sink)
        environment = without_exporters() | sink.variables("reader")
        yield _reads((stores / "metrics", traced / "all"), turns, environment)


def _take_turns(
    kind: str, place: Place, sizes: Mapping[str, Any], sink: Sink, *, turns: int
) -> dict[Extent, list[Measurement]]:
    with ExitStack() as until:
        environment = without_exporters() | sink.variables(kind)
        contenders = Contenders(kind, place, sizes, environment, until)
        measured = [contenders.turn() for _ in range(turns)]
    if not sink.spans(kind):
        raise AssertionError("no span came")
    return {extent: [turn[extent] for turn in measured] for extent in Extent}


def _contests(name: str, measured: Mapping[Extent, Sequence[Measurement]]) -> list[Finding]:
    theirs = measured[Extent.OFF]
    found = []
    for extent in (Extent.ALL, Extent.METRICS):
        ours = measured[extent]
        ratios = [b.cpu_seconds / a.cpu_seconds for a, b in zip(ours, theirs, strict=True)]
        timed = [a.rows_per_s / b.rows_per_s for a, b in zip(ours, theirs, strict=True)]
        found.append(
            _compared(
                f"{name}, {extent}",
                ratios,
                without_us=cpu_us(theirs),
                means=f"{ours[0].rows:,} rows a turn; {_spread(ratios)}; by the clock {rate(ours):,.0f} rows/s "
                f"against {rate(theirs):,.0f}, {_spread(timed)}",
            )
        )
    return found


def _folds(costs: Mapping[str, Sequence[float]], *, rows: int) -> list[Finding]:
    theirs = costs[Extent.OFF]
    found = []
    for extent in (Extent.ALL, Extent.METRICS):
        ratios = [b / a for a, b in zip(costs[extent], theirs, strict=True)]
        means = f"{rows:,} rows a turn; {_spread(ratios)}"
        if extent is Extent.ALL:
            foreign = median(costs[fold.FOREIGN])
            means += (
                f"; where every record has an unsampled traceparent, it takes {foreign:.3f} CPU us a row, "
                f"against {median(theirs):.3f}"
            )
        found.append(
            _compared(f"fold, {extent}", ratios, without_us=median(theirs), means=means, reach=_FOLD_RATIO)
        )
    return found


def _compared(
    figure: str, ratios: Sequence[float], *, without_us: float, means: str, reach: float = _RATIO
) -> Finding:
    without = 1e6 / without_us
    return Finding(
        figure=figure,
        ours=without * median(ratios),
        contender=without,
        unit="rows a CPU second",
        reach=reach,
        better="higher",
        means=f"against the same without; {means}",
    )


def _steady(run: Run, sink: Sink) -> list[Finding]:
    it = run_steadily(run, sink, seconds=max(_STEADY_S_MIN, run.sizes.warm_up_s))
    name = f"all of {RATE:,} rows/s traced"
    return [
        Finding(
            figure=f"{name}, folded",
            ours=it.folded / it.seconds,
            contender=float(RATE),
            unit="rows/s",
            reach=_KEEPS_UP,
            better="higher",
            means=f"what an agent folds of what is offered, over {it.seconds:.0f} s; {it.published:,.0f} published and "
            f"{it.folded:,.0f} folded; {it.dropped:,.0f} spans dropped meanwhile; since the start "
            f"{it.agent_spans:,} spans of the agent came, and {it.publisher_spans:,} of the publisher",
        ),
        Finding(
            figure=f"{name}, lag",
            ours=it.lag_p99_s,
            unit="s",
            reach=_LAG_S,
            better="lower",
            means="p99 from event time to applied in the last two seconds; "
            f"{max(0.0, it.behind):,.0f} rows were on their way at the end",
        ),
        Finding(
            figure=f"{name}, agent",
            ours=it.agent_us,
            unit="CPU us an update",
            reach=_AGENT_US,
            better="lower",
            means=f"beyond the {it.agent_without_us:,.0f} of an agent without spans that folds the same; a publisher: "
            f"{it.publisher_us:,.0f} beyond {it.publisher_without_us:,.0f}",
        ),
    ]


def _fold_traced(place: Place, sizes: Mapping[str, Any], sink: Sink) -> None:
    """A store with the cells of all updates that a `traceparent` says are traced."""
    environment = without_exporters() | {"SYNCLINE_TRACE_CAP_PER_S": "inf", **sink.variables("filling")}
    with ExitStack() as until:
        Contenders("agent", place, sizes, environment, until)


def _reads(stores: tuple[Path, Path], turns: int, environment: Mapping[str, str]) -> Finding:
    costs = read_costs(stores, turns, environment)
    more = [ours - theirs for ours, theirs in zip(costs.get, costs.get_without, strict=True)]
    many, many_without, traced, traced_without = (
        median(each) for each in (costs.many, costs.many_without, costs.traced, costs.traced_without)
    )
    return Finding(
        figure="get, what telemetry adds",
        ours=median(more),
        unit="us",
        reach=_READ_US,
        better="lower",
        means=f"p50 of values that are not traced, {min(more):.2f} to {max(more):.2f} in {len(more)} rounds: "
        f"{median(costs.get):.2f} against {median(costs.get_without):.2f} us; get_many of 50: {many:.1f} against "
        f"{many_without:.1f}; a traced value: {traced - traced_without:.1f} more when it is read again, "
        f"{median(costs.traced_in_request) - traced_without:.1f} under a span that gets its link, "
        f"{median(costs.first) - traced_without:.1f} the first time, which makes a span ({costs.traced_cells} of them)",
    )


def _spread(ratios: Sequence[float]) -> str:
    return f"median of {len(ratios)} turns {median(ratios):.3f}, from {min(ratios):.3f} to {max(ratios):.3f}"
