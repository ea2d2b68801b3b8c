"""What the proof of sync costs the agent's hot path: the fold with digests and rings, and the same without.

Both fold the same batches into stores on disk, in turns, batch by batch; the CPU time of each is summed. Without
means: no sub-digest is looked up, summed, or written with the state, and no ring is. The hash of each cell stays in
both: it is the cell's checksum, without which no value may be served (P5).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt

from benchmarks.finding import Finding
from benchmarks.flights import HOT_KEYS
from benchmarks.fold import Folder, Records, records
from benchmarks.run import Run
from syncline.ports.log import Batch
from syncline.state import join
from syncline.state.digest import Digest
from syncline.wiring import calm_collector, open_store

_RATIO = 1.08
_BATCH_ROWS = 20_000
_LIVE_ROWS = 1_000


def measure(run: Run) -> list[Finding]:
    """Catching up and live on few keys, and on as many keys as there are rows."""
    rows = run.sizes.rows
    hot, wide = records(rows, keys=HOT_KEYS), records(rows, keys=rows)
    calm_collector()
    shapes = (
        ("catching up", hot, _BATCH_ROWS),
        ("live", hot, _LIVE_ROWS),
        ("each key once", wide, _BATCH_ROWS),
    )
    found = []
    for name, given, batch_rows in shapes:
        # Not in /tmp, which may be memory: a commit has to reach a disk.
        with TemporaryDirectory(dir=run.folder) as folder:
            found.append(_finding(name, given, batch_rows, Path(folder)))
    return found


def _finding(name: str, given: Records, batch_rows: int, folder: Path) -> Finding:
    stores = open_store(folder / "with"), open_store(folder / "without")
    ours, theirs = Folder(stores[0], ring=True), Folder(stores[1], ring=False)
    ours_s = theirs_s = 0.0
    for number, batch in enumerate(given.batches(batch_rows)):
        if number % 2:
            ours_s += _spent_s(ours, batch)
        with _digests_off():
            theirs_s += _spent_s(theirs, batch)
        if not number % 2:
            ours_s += _spent_s(ours, batch)
    for store in stores:
        store.close()
    if ours.cells != theirs.cells:
        raise AssertionError("both fold the same")
    rows = len(given.keys)
    return Finding(
        figure=f"fold with digests, {name}",
        ours=1e6 * ours_s / rows,
        contender=1e6 * theirs_s / rows,
        unit="CPU us a row",
        reach=_RATIO,
        better="lower",
        means=f"{rows:,} rows in batches of {batch_rows:,}, {ours.cells:,} cells; the contender has them switched off",
    )


def _spent_s(folder: Folder, batch: Batch) -> float:
    began_s = time.thread_time()
    folder.fold(batch)
    return time.thread_time() - began_s


@contextmanager
def _digests_off() -> Iterator[None]:
    none = np.zeros(_BATCH_ROWS, np.uint8)

    def no_buckets(keys: Sequence[bytes]) -> npt.NDArray[np.uint8]:
        return none[: len(keys)]

    def unchanged(digest: Digest, **_: Any) -> Digest:
        return digest

    with (
        patch.object(join, "key_buckets", no_buckets),
        patch.object(Digest, "changed", unchanged),
        patch.object(Digest, "pack", lambda _: b""),
    ):
        yield
