"""A reader warns of deprecated versions that it reads, by what stands in the store, at most once an hour."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from syncline.catalog.serving import META_SERVING, Serving
from tests.unit.reader.world import Alias, contract, number

if TYPE_CHECKING:
    import pytest

    from tests.unit.reader.world import World

DELAY = contract("airport_delay", number("mean"))
TEXT = "deprecated since 2026-01-01, supported until 2026-06-30"


def serve(world: World, text: str) -> None:
    """The agent writes what it serves, and what is to be said of it."""
    world.serve(Alias("origin", DELAY, ("origin",)), Alias("dest", DELAY, ("dest",)))
    with world.store.snapshot() as snapshot:
        fields = json.loads(snapshot.meta(META_SERVING) or b"")
    for view in fields["views"]:
        view["deprecated"] = text
    world.store.commit([], {META_SERVING: Serving.unpack(json.dumps(fields).encode()).pack()})


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged as a warning."""
    return [found.getMessage() for found in caplog.records if found.levelno == logging.WARNING]


def test_a_deprecated_version_is_warned_of_once_an_hour(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Once for all its aliases and all reads; again after an hour, and the values are those they were."""
    serve(world, TEXT)
    world.put(DELAY, "EWR", mean=1.0)
    said = f"airport_delay@1.0, which is read here, is {TEXT}"
    with world.reader() as reader:
        for _ in range(3):
            world.report()
            row = reader.get("flight_inputs", {"origin": "EWR", "dest": "EWR"})
            assert row.values["origin__mean"] == 1.0
        assert warnings(caplog) == [said]

        world.clock.advance(seconds=3_600)
        reader.get("flight_inputs", {"origin": "EWR", "dest": "EWR"})
        assert warnings(caplog) == [said]
        world.report()
        reader.get("flight_inputs", {"origin": "EWR", "dest": "EWR"})
        assert warnings(caplog) == [said, said]


def test_without_a_deprecation_nothing_is_said(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """And a deprecation that comes while a reader is open is told with its next read."""
    serve(world, "")
    with world.reader() as reader:
        reader.serving()
        assert warnings(caplog) == []

        serve(world, TEXT)
        reader.serving()
        assert len(warnings(caplog)) == 1
