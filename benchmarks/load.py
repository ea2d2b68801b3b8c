"""A publisher that keeps one rate until its input ends: `python -m benchmarks.load PLACE_AS_JSON ROWS_PER_S`.

Prints `begun` once the first rows are acknowledged, and in the end how many were published, and in which time.
"""

from __future__ import annotations

import json
import sys
import threading
import time

from benchmarks.cluster import Place
from benchmarks.flights import AGENT_VIEW, HOT_KEYS, flights
from syncline.clock import SystemClock
from syncline.wiring import Publisher, calm_collector

_TICK_S = 0.02
"""Rows leave in groups this far apart, as from a job that works in small batches."""
_ROUND_S = 2.0
"""For how long rows are made in advance."""


def main(place: str, rate: str) -> None:
    """Publish until standard input is closed."""
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    rows = round(int(rate) * _TICK_S)
    with Publisher.from_env(**Place(**json.loads(place)).settings(), publisher="bench") as publisher:
        view = publisher.view(f"{AGENT_VIEW}@1")
        # All keys once, so that every read finds its cell.
        view.publish_many(flights(HOT_KEYS, last_event_us=SystemClock().now_us()))
        publisher.flush()
        calm_collector()
        print("begun", flush=True)
        began_s = due_s = time.monotonic()
        sent = 0
        while not ended.is_set():
            batch = flights(
                rows * round(_ROUND_S / _TICK_S), last_event_us=SystemClock().now_us(), seed=sent + 1
            )
            for start in range(0, len(batch), rows):
                view.publish_many(batch.slice(start, rows))
                sent += rows
                due_s += _TICK_S
                if ended.wait(max(0.0, due_s - time.monotonic())):
                    break
        publisher.flush()
        took_s = time.monotonic() - began_s
    print(json.dumps({"rows": sent, "seconds": took_s}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
