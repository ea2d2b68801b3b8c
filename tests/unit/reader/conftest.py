from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from syncline.adapters.lmdb.store import LmdbStore
from syncline.adapters.memory.store import MemoryStore
from tests.unit.reader.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from syncline.ports.store import Store


@pytest.fixture(params=["memory", "lmdb"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """An empty store, each kind in turn, whose agent says that it is ready."""
    store: Store = MemoryStore() if request.param == "memory" else LmdbStore.open(tmp_path, create=True)
    world = World(store)
    world.report()
    yield world
    store.close()
