"""A client that reads all the time: `python -m benchmarks.read_load STORE_FOLDER RESULT_FILE`.

Reads one model input after another until its input ends, then writes an array of (began, took, epoch) rows, in
nanoseconds, to the file. A read that fails ends it with its error: no read may fail because of a cut.
"""

from __future__ import annotations

import sys
import time
from array import array

import numpy as np

from benchmarks.flights import BUNDLE, HOT_KEYS, flights, record_keys
from benchmarks.processes import end_of_input
from syncline.wiring import FeatureReader


def main(store: str, result: str) -> None:
    """Read until standard input is closed."""
    ended = end_of_input()
    keys = [{"tailnum": key.decode()} for key in record_keys(flights(HOT_KEYS, last_event_us=HOT_KEYS))]
    noted = array("q")
    with FeatureReader(store) as reader:
        print("begun", flush=True)
        clock_ns = time.time_ns() - time.perf_counter_ns()
        while not ended.is_set():
            for key in keys:
                began_ns = time.perf_counter_ns()
                row = reader.get(BUNDLE, key)
                took_ns = time.perf_counter_ns() - began_ns
                noted.extend((began_ns + clock_ns, took_ns, row.epoch))
    np.save(result, np.frombuffer(noted, np.int64).reshape(-1, 3))


if __name__ == "__main__":
    main(*sys.argv[1:])
