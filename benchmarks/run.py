"""What every subject of one run is given: servers, a folder, and sizes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.cluster import Place, servers

if TYPE_CHECKING:
    from contextlib import ExitStack


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large everything is; smaller sizes only prove that it runs."""

    rows: int = 400_000
    rounds: int = 3
    rates: tuple[int, ...] = (5_000, 50_000)
    """Rows a second that are published while cuts are made."""
    cuts: int = 32
    """How many cuts are made at each rate."""
    warm_up_s: float = 15.0
    """For so long rows are published before cuts are timed."""
    pause_s: float = 2.5
    """Between two cuts: reads are compared within a second of a cut and elsewhere."""
    cells: int = 1_000_000
    """Of a snapshot."""
    agents: int = 10
    """Whom `verify` asks."""
    cells_verified: int = 100_000
    """By each of them."""
    report_interval_s: float = 5.0
    """How often agents and coordinator report when there is no news, as they do by default."""

    @classmethod
    def short(cls) -> Sizes:
        """So small that no figure means anything."""
        return cls(
            rows=50_000,
            rounds=1,
            rates=(500,),
            cuts=4,
            warm_up_s=0.0,
            pause_s=1.2,
            cells=20_000,
            agents=2,
            cells_verified=5_000,
            report_interval_s=0.5,
        )


class Run:
    """One run of benchmarks. Servers are started when the first subject needs them."""

    def __init__(
        self,
        until: ExitStack,
        sizes: Sizes,
        folder: Path,
        *,
        bootstrap_servers: str | None,
        registry_url: str | None,
    ) -> None:
        """`until`: what is started here is ended with it."""
        self._until = until
        self._addresses = (bootstrap_servers, registry_url)
        self.sizes = sizes
        self.folder = folder

    @cached_property
    def place(self) -> Place:
        """A real Kafka and a registry."""
        return self._until.enter_context(servers(*self._addresses))

    def place_of(self, subject: str) -> Place:
        """The same servers, with topics and a catalog of this subject's own."""
        return replace(self.place, prefix=f"{self.place.prefix}-{subject}")
