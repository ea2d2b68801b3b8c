"""Publishers and models as processes of their own: `python -m … publish` and `python -m … read FILE STORE…`.

Both work until SIGTERM; settings come from the environment.
"""

from __future__ import annotations

import json
import random
import signal
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from syncline.adapters.lmdb.store import LmdbStore
from syncline.errors import NotReady, StoreError
from syncline.reader.feature_reader import FeatureReader
from syncline.wiring import Publisher
from tests.integration.cuts_stores import Switched, cells_of
from tests.integration.cuts_world import AIRPORTS, BUNDLE, VIEWS, mean_of, why_wrong

ROUND_ROWS = 40
PAUSE_S = 0.1


def publish(stop: threading.Event) -> None:
    """Rounds of updates to every MAJOR, under 1.0 by one job and under 1.1 by another, some late, some deletes."""
    chance = random.Random(1)
    with Publisher.from_env(publisher="job", heartbeat_interval_s=1.0) as publisher:
        views = {
            (view, text): publisher.view(f"{view}@{text}") for view in VIEWS for text in ("1.0", "1.1", "2.0")
        }
        count = 0
        while not stop.is_set():
            count = (count + 1) % 1_000
            now_us = time.time_ns() // 1_000
            for (_, text), view in views.items():
                rows = [
                    {
                        "airport": airport,
                        "event_time": now_us - chance.randrange(300_000),
                        "mean": mean_of(count, int(text[0])),
                        "count": count,
                        **({"extra": f"x{count}"} if text == "1.1" else {}),
                    }
                    for airport in chance.sample(AIRPORTS, ROUND_ROWS)
                ]
                view.publish_many(rows)
                if chance.random() < 0.05:
                    view.delete({"airport": chance.choice(AIRPORTS)}, event_time=now_us)
            stop.wait(PAUSE_S)


@dataclass
class Run:
    """Reads one after another that were answered alike."""

    answer: str
    """`release/epoch/cut`, or why there was none."""
    first_us: int
    last_us: int
    reads: int = 0
    slowest_us: int = 0
    longest_pause_us: int = 0
    """Between two answers."""


@dataclass
class Seen:
    """What one client saw of one store."""

    store: str
    runs: list[Run] = field(default_factory=list)
    switched: list[Switched] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


class Pinned:
    """A store that always gives the same snapshot, for several looks at one moment."""

    def __init__(self, snapshot: Any) -> None:
        self._snapshot = snapshot

    @contextmanager
    def snapshot(self) -> Any:
        """The snapshot."""
        yield self._snapshot


def read(folder: Path, seen: Seen, stop: threading.Event) -> None:
    """Read one model input after another, all the time; whatever happens is noted."""
    store = None
    while store is None and not stop.is_set():
        try:
            store = LmdbStore.open(folder, read_only=True)
        except StoreError:
            stop.wait(0.05)
    if store is None:
        return
    reader, chance, epoch = FeatureReader(store), random.Random(str(folder)), None
    while not stop.is_set():
        airport = chance.choice(AIRPORTS)
        began_us = time.time_ns() // 1_000
        try:
            row = reader.get(BUNDLE, {"airport": airport})
        except NotReady as error:
            _note(seen, f"not ready: {error}", began_us)
        except Exception as error:  # noqa: BLE001  whatever goes wrong is what the test asks for
            seen.wrong.append(f"{type(error).__name__}: {error}")
            return
        else:
            _note(seen, f"{row.release}/{row.epoch}/{row.cut}", began_us)
            why = why_wrong(int(row.release.partition("@")[2]), row.values)
            bad = [status for status in row.statuses.values() if status in ("INVALID", "OUTSIDE_MAX_AGE")]
            if why or bad:
                seen.wrong.append(
                    f"{row.release} of {airport} at epoch {row.epoch}: {why} {bad} {row.values}"
                )
            if row.epoch != epoch:
                epoch = row.epoch
                seen.switched.append(_switched(store, folder.name))
        stop.wait(0.004)
    store.close()


def _note(seen: Seen, answer: str, began_us: int) -> None:
    now_us = time.time_ns() // 1_000
    if not seen.runs or seen.runs[-1].answer != answer:
        seen.runs.append(Run(answer, began_us, began_us))
    run = seen.runs[-1]
    run.reads += 1
    run.longest_pause_us = max(run.longest_pause_us, now_us - run.last_us)
    run.slowest_us = max(run.slowest_us, now_us - began_us)
    run.last_us = now_us


def _switched(store: Any, name: str) -> Switched:
    with store.snapshot() as snapshot:
        reader = FeatureReader(Pinned(snapshot))
        rows = {airport: reader.get(BUNDLE, {"airport": airport}) for airport in AIRPORTS}
        serving = reader.serving()
        places = sorted(snapshot.partitions())
        assert serving is not None
        return Switched(
            name,
            serving.release,
            serving.epoch,
            [(*place, snapshot.state(*place).next_offset) for place in places],
            [
                (*place, key.hex(), *head, payload.hex())
                for place in places
                for key, (*head, payload) in cells_of(snapshot, place).items()
            ],
            {airport: row.values for airport, row in rows.items()},
        )


def main(what: str, *arguments: str) -> None:
    """Work until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    if what == "publish":
        publish(stop)
        return
    file, *folders = map(Path, arguments)
    everything = [Seen(folder.name) for folder in folders]
    clients = [
        threading.Thread(target=read, args=(folder, seen, stop))
        for folder, seen in zip(folders, everything, strict=True)
    ]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    file.write_text(json.dumps([asdict(seen) for seen in everything]))


if __name__ == "__main__":
    main(*sys.argv[1:])
