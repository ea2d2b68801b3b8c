"""Snapshot and restore of a million cells, against folding the log that they came from.

The log on a real Kafka has one record a cell: no log that gives these cells is shorter. Replaying is the agent as it
ships on an empty store, from the assignment of partitions to the last commit. Restoring fills an empty store from the
newest snapshot in a folder, and proves every byte on the way. Both stores are on the same disk, and each round does
one after the other.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from statistics import median
from typing import TypeVar

from benchmarks.agent_contenders import agent
from benchmarks.cluster import apply_definitions, produce_flights
from benchmarks.finding import Finding
from benchmarks.run import Run
from syncline.clock import SystemClock
from syncline.snapshots.restore import restore_newest
from syncline.snapshots.take import take
from syncline.wiring import open_snapshots, open_store

T = TypeVar("T")
_RATIO = 3.0


def measure(run: Run) -> list[Finding]:
    """One figure: restoring against replaying. How long taking takes is in the words."""
    cells = run.sizes.cells
    place = run.place_of("snapshots")
    apply_definitions(place)
    produce_flights(place, cells, keys=cells)
    replayed_s, taken_s, restored_s = [], [], []
    size = 0
    for number in range(run.sizes.rounds):
        folder = run.folder / f"snapshots-{number}"
        shutil.rmtree(folder, ignore_errors=True)
        replayed_s.append(agent(place, rows=cells, keys=cells, store=folder / "replayed").seconds)
        files = open_snapshots(str(folder / "snapshots"))
        store = open_store(folder / "replayed")
        manifest, took_s = _timed(
            lambda store=store, files=files: take(store, files, now_us=SystemClock().now_us())
        )
        store.close()
        taken_s.append(took_s)
        size = manifest.bytes
        store = open_store(folder / "restored")
        restored, took_s = _timed(
            lambda store=store, files=files: restore_newest(files, store, identity=None, watermarks=None)
        )
        store.close()
        restored_s.append(took_s)
        if restored is None or restored.cells != cells:
            raise AssertionError(f"the snapshot gave not {cells} cells: {restored}")
        shutil.rmtree(folder)
    return [
        Finding(
            figure="restore of a snapshot",
            ours=cells / median(restored_s),
            contender=cells / median(replayed_s),
            unit="cells/s",
            reach=_RATIO,
            better="higher",
            means=f"{cells:,} cells, {size / 1e6:,.0f} MB: restored in {median(restored_s):.2f} s, replayed from "
            f"as many records in {median(replayed_s):.2f} s, and the snapshot taken in {median(taken_s):.2f} s",
        )
    ]


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    began_s = time.perf_counter()
    result = work()
    return result, time.perf_counter() - began_s
