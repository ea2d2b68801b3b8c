"""How long a cut takes while rows keep coming: coordinator, two agents and a publisher as processes on a real Kafka.

Releases go from 1 to 2 by cut, and back by cut. The alignment of a cut is the time from its prepare until the last
agent has switched. Its markers have to be written in that time, whoever does it; the figure is what comes on top:
from the last marker of the vector in the log until the last agent has sent its CutReached, after the transaction by
which it switched. So it holds the marker's acknowledgement, the commit and its being read back, every agent's way to
the marker in all its partitions, and the switch itself.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from benchmarks.cut_times import CutTimes, cut_times
from benchmarks.finding import Finding, percentiles
from benchmarks.fleet import Fleet
from benchmarks.run import Run
from syncline.wire.topics import Topics

AGENTS = 2
_BEYOND_MS = 100.0


def measure(run: Run) -> list[Finding]:
    """p99 at each rate; p50 and the steps are in the words."""
    found = []
    for rate in run.sizes.rates:
        with Fleet(run, f"cuts-{rate}", agents=AGENTS) as fleet:
            fleet.publish(rate)
            # A broker that was just started still compiles its code, on the processors that everyone else needs.
            time.sleep(run.sizes.warm_up_s)
            made = []
            for _ in range(run.sizes.cuts):
                made.append(fleet.cut())
                time.sleep(run.sizes.pause_s / 10)
            published = fleet.published()
            times = cut_times(fleet.log, Topics(fleet.place.prefix).catalog, made)
        found.append(_finding(rate, published, times))
    return found


def _finding(rate: int, published: float, times: list[CutTimes]) -> Finding:
    beyond = [float(each.beyond_ms) for each in times]
    said: dict[str, Sequence[float]] = {
        "of all cuts": beyond,
        "from the prepare to the last marker": [each.markers_took_ms for each in times],
        "from the last marker to the commit": [each.committed_ms - each.marked_ms for each in times],
        "from the commit to the last agent's switch": [
            max(each.switched_ms) - each.committed_ms for each in times
        ],
        "the whole alignment": [each.took_ms for each in times],
        "partitions held": [held for each in times for held in each.held_ms],
    }
    steps = "; ".join(f"{what}: {percentiles(values)} ms" for what, values in said.items())
    aligned = sum(each.aligned for each in times)
    return Finding(
        figure=f"cut beyond its markers, p99 at {rate:,} rows/s",
        ours=float(np.percentile(beyond, 99)),
        unit="ms",
        reach=_BEYOND_MS,
        better="lower",
        means=f"{len(times)} cuts, {aligned} aligned on all of {AGENTS} agents; {published:,.0f} rows/s published; "
        f"{steps}",
    )
