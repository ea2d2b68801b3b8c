"""What cuts cost those who read: p99.9 of reads within a second of a cut, against that of all others.

One client reads model inputs one after another, without a pause, from the store of one of two agents, while rows are
published and releases go to and fro by cuts. A cut is where the reader saw the epoch change. Both tails come from the
same run.
"""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt

from benchmarks.finding import Finding
from benchmarks.fleet import Fleet
from benchmarks.run import Run

AGENTS = 2
_NEAR_NS = 1_000_000_000
_RATIO = 1.2


def measure(run: Run) -> list[Finding]:
    """One figure: the tail near cuts."""
    rate = run.sizes.rates[0]
    result = run.folder / "reads.npy"
    with Fleet(run, "reads", agents=AGENTS) as fleet:
        fleet.publish(rate)
        time.sleep(run.sizes.pause_s)
        store = str(fleet.store_of(fleet.instances[0]))
        fleet.processes.start("reader", "benchmarks.read_load", store, str(result), piped=True)
        for _ in range(run.sizes.cuts):
            time.sleep(run.sizes.pause_s)
            fleet.cut()
        time.sleep(run.sizes.pause_s)
        fleet.processes.finish("reader")
    return [_finding(np.load(result), rate)]


def _finding(noted: npt.NDArray[np.int64], rate: int) -> Finding:
    began_ns, took_us, epochs = noted[:, 0], noted[:, 1] / 1_000, noted[:, 2]
    first = np.flatnonzero(np.diff(epochs)) + 1
    cuts_ns = began_ns[first]
    following = np.searchsorted(cuts_ns, began_ns)
    away = np.full(len(began_ns), np.iinfo(np.int64).max)
    for neighbour in (following - 1, following):
        known = (neighbour >= 0) & (neighbour < len(cuts_ns))
        away[known] = np.minimum(away[known], np.abs(began_ns[known] - cuts_ns[neighbour[known]]))
    near = away <= _NEAR_NS
    ours, theirs = np.percentile(took_us[near], 99.9), np.percentile(took_us[~near], 99.9)
    near_said, far_said = (
        ", ".join(f"p{p:g} {np.percentile(took_us[chosen], p):,.1f}" for p in (50, 99, 99.9, 99.99))
        + f", at most {took_us[chosen].max():,.0f} us of {chosen.sum():,}"
        for chosen in (near, ~near)
    )
    return Finding(
        figure="reads near cuts, p99.9",
        ours=float(ours),
        contender=float(theirs),
        unit="us",
        reach=_RATIO,
        better="lower",
        means=f"within 1 s of {len(first)} cuts: {near_said}; elsewhere: {far_said}; the first read of each release: "
        f"at most {took_us[first].max():,.0f} us; {rate:,} rows/s were published",
    )
