"""A publisher that keeps one rate until its input ends: `python -m benchmarks.load PLACE_AS_JSON ROWS_PER_S`.

Prints `begun` once the first rows are acknowledged, and in the end how many were published, and in which time.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import pyarrow as pa

from benchmarks.cluster import Place
from benchmarks.flights import AGENT_VIEW, HOT_KEYS, flights
from benchmarks.processes import end_of_input
from syncline.clock import SystemClock
from syncline.wiring import Publisher, calm_collector

_TICK_S = 0.02
"""Rows leave in groups this far apart, as from a job that works in small batches."""
_TICKS = 100
"""So many groups are published again and again, each time as of now."""


def main(place: str, rate: str) -> None:
    """Publish until standard input is closed."""
    ended = end_of_input()
    rows = round(int(rate) * _TICK_S)
    with Publisher.from_env(**Place(**json.loads(place)).settings(), publisher="bench") as publisher:
        view = publisher.view(f"{AGENT_VIEW}@1")
        # All keys once, so that every read finds its cell.
        view.publish_many(flights(HOT_KEYS, last_event_us=SystemClock().now_us()))
        publisher.flush()
        # Made in advance: what this process computes is taken from the agents on the same machine.
        template = flights(rows * _TICKS, last_event_us=SystemClock().now_us())
        calm_collector()
        print("begun", flush=True)
        began_s = due_s = time.monotonic()
        sent = 0
        while not ended.is_set():
            for start in range(0, len(template), rows):
                view.publish_many(_as_of_now(template.slice(start, rows)))
                sent += rows
                due_s += _TICK_S
                if ended.wait(max(0.0, due_s - time.monotonic())):
                    break
        publisher.flush()
        took_s = time.monotonic() - began_s
    print(json.dumps({"rows": sent, "seconds": took_s}), flush=True)


def _as_of_now(batch: pa.RecordBatch) -> pa.RecordBatch:
    now_us = SystemClock().now_us()
    times = pa.array(np.arange(now_us - len(batch) + 1, now_us + 1))
    return batch.set_column(batch.schema.get_field_index("event_time"), "event_time", times)


if __name__ == "__main__":
    main(*sys.argv[1:])
