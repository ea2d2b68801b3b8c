"""An open LMDB environment with the databases in it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from syncline.adapters.lmdb import layout

if TYPE_CHECKING:
    from collections.abc import Mapping

    import lmdb


@dataclass(frozen=True, slots=True)
class Handles:
    """An environment, and every database that existed when this was made. Replaced, never changed.

    A transaction may only use handles that were there before it began: a snapshot keeps those it began with.
    """

    environment: lmdb.Environment
    cells: Mapping[tuple[str, int], lmdb._Database] = field(default_factory=dict)
    tombstones: Mapping[tuple[str, int], lmdb._Database] = field(default_factory=dict)
    traces: Mapping[tuple[str, int], lmdb._Database] = field(default_factory=dict)
    fixed: Mapping[bytes, lmdb._Database] = field(default_factory=dict)
    """The others, by name."""

    @property
    def count(self) -> int:
        """How many databases these are."""
        return len(self.cells) + len(self.tombstones) + len(self.traces) + len(self.fixed)

    def extended(self, opened: Mapping[bytes, lmdb._Database]) -> Handles:
        """These and some more, by name."""
        cells, tombstones = dict(self.cells), dict(self.tombstones)
        traces, fixed = dict(self.traces), dict(self.fixed)
        for name, database in opened.items():
            match layout.parse_name(name):
                case "cells", topic, partition:
                    cells[topic, partition] = database
                case "tombstones", topic, partition:
                    tombstones[topic, partition] = database
                case "traces", topic, partition:
                    traces[topic, partition] = database
                case _:
                    fixed[name] = database
        return replace(self, cells=cells, tombstones=tombstones, traces=traces, fixed=fixed)

    def names(self) -> set[bytes]:
        """The names of all of them."""
        cells = {layout.cells_name(*place) for place in self.cells}
        tombstones = {layout.tombstones_name(*place) for place in self.tombstones}
        traces = {layout.traces_name(*place) for place in self.traces}
        return cells.union(tombstones, traces, self.fixed)
