"""Programs of ours as processes of their own: started, signalled, killed, and agents looked into by their stores."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from syncline.adapters.lmdb.store import LmdbStore
from syncline.catalog.serving import AgentCondition
from syncline.errors import StoreError
from syncline.reader.feature_reader import FeatureReader
from tests.integration.cuts_stores import Contents, Look, cells_of

if TYPE_CHECKING:
    from tests.integration.cuts_world import World

PATIENCE_S = 120.0
"""How long a condition is awaited before a test fails; none takes nearly as long on an idle machine."""
ROOT = Path(__file__).parents[2]


def awaited(condition: Callable[[], Any], what: str) -> Any:
    """What the condition gives once it holds."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < deadline_s, f"{what} did not come about in {PATIENCE_S:g} s"
        time.sleep(0.01)
    return found


@dataclass
class Process:
    """One process, its settings and what it says."""

    world: World
    name: str
    program: tuple[str, ...]
    settings: Mapping[str, object]
    process: subprocess.Popen[bytes] | None = None
    started_at_us: int = 0

    @property
    def said(self) -> str:
        """What it logged."""
        return (self.world.folder / f"{self.name}.log").read_text()

    def start(self) -> None:
        """Start it."""
        environment = {
            **os.environ,
            "SYNCLINE_BOOTSTRAP_SERVERS": self.world.stack.bootstrap_servers,
            "SYNCLINE_PREFIX": self.world.prefix,
            **{f"SYNCLINE_{setting.upper()}": str(value) for setting, value in self.settings.items()},
        }
        self.started_at_us = time.time_ns() // 1_000
        with (self.world.folder / f"{self.name}.log").open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *self.program], env=environment, cwd=ROOT, stdout=output, stderr=output
            )

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self.process is not None
        assert self.process.poll() is None, self.said
        self.process.send_signal(number)

    def is_stopped(self) -> bool:
        """Whether it has stopped itself."""
        assert self.process is not None
        assert self.process.poll() is None, self.said
        return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def await_exit(self) -> int:
        """Its exit code, once it ends by itself."""
        assert self.process is not None
        return self.process.wait(PATIENCE_S)

    def kill(self) -> None:
        """As `kill -9`."""
        self.signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait(PATIENCE_S)

    def stop(self) -> None:
        """As an orchestrator stops it: it ends in order, with exit code 0."""
        self.signal(signal.SIGTERM)
        assert self.process is not None
        assert self.process.wait(PATIENCE_S) == 0, self.said

    def __enter__(self) -> Self:
        """Not started yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Gone, whatever it does."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE_S)


@dataclass
class Agent(Process):
    """An agent and its store."""

    @property
    def store(self) -> Path:
        """The store's folder."""
        return Path(str(self.settings["store"]))

    def look(self) -> Look | None:
        """What its store says, in one read transaction; None while there is none."""
        try:
            store = LmdbStore.open(self.store, read_only=True)
        except StoreError:
            return None
        try:
            return Look.of(store)
        finally:
            store.close()

    @contextmanager
    def reader(self) -> Iterator[FeatureReader]:
        """As a model reads its store."""
        with FeatureReader(LmdbStore.open(self.store, read_only=True)) as reader:
            yield reader

    def epoch(self) -> int:
        """What it has enacted last; -1 while there is nothing."""
        look = self.look()
        return look.serving.epoch if look is not None and look.serving is not None else -1

    def await_ready(self) -> None:
        """Wait until readers get answers."""

        def ready() -> bool:
            assert self.process is None or self.process.poll() is None, self.said
            look = self.look()
            return look is not None and look.condition is not None and look.condition.ready

        awaited(ready, f"{self.name} ready")

    def await_running(self) -> None:
        """Wait until the process that was started last works on the log."""

        def running() -> bool:
            assert self.process is None or self.process.poll() is None, self.said
            condition = self.condition()
            return (
                condition is not None
                and condition.reported_at_us > self.started_at_us
                and condition.state in ("CATCHING_UP", "LIVE", "HOLDING")
            )

        awaited(running, f"{self.name} running")

    def condition(self) -> AgentCondition | None:
        """What it says of itself."""
        look = self.look()
        return look.condition if look is not None else None

    def rows(self) -> int:
        """How many offsets it has folded, over all partitions."""
        look = self.look()
        return sum(state.next_offset for state in look.states.values()) if look is not None else 0

    def has_begun(self) -> bool:
        """Whether it has folded something of every partition."""
        look = self.look()
        return look is not None and look.states.keys() == set(self.world.places)

    def is_past(self, contents: Contents) -> bool:
        """Whether it has come further in every partition."""
        look = self.look()
        return look is not None and all(
            place in look.states and look.states[place].next_offset > position
            for place, (position, _, _) in contents.items()
        )

    def await_epoch(self, epoch: int) -> None:
        """Wait until it has enacted this decision."""

        def there() -> bool:
            assert self.process is None or self.process.poll() is None, self.said
            return self.epoch() >= epoch

        awaited(there, f"{self.name} at epoch {epoch}")

    def await_end(self) -> None:
        """Wait until it has folded everything that stands in the partitions it reads."""

        def there() -> bool:
            look = self.look()
            return look is not None and all(
                state.next_offset >= self.world.ends()[place] for place, state in look.states.items()
            )

        awaited(there, f"{self.name} at the end of the log")

    def contents(self) -> Contents:
        """All of its state, in one read transaction."""
        store = LmdbStore.open(self.store, read_only=True)
        try:
            with store.snapshot() as snapshot:
                found = {}
                for place in snapshot.partitions():
                    state = snapshot.state(*place)
                    assert state is not None
                    found[place] = (state.next_offset, cells_of(snapshot, place), state.digest.total)
                return found
        finally:
            store.close()
