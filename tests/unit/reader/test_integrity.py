"""No value that breaks its contract is ever served, even after a bit flip on disk (P5)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from syncline.adapters.lmdb.store import LmdbStore
from syncline.adapters.memory.store import MemoryStore
from syncline.errors import ReadError, Violation
from syncline.reader import Status
from tests.unit.reader.world import SECOND_US, Alias, World, contract, number, plain

if TYPE_CHECKING:
    from pathlib import Path

KEYS = {"airport": "EWR"}
DELAY = contract("airport_delay", number("delay"), plain("name", "string", "string"), maxAge="60 s")


def serve(world: World, served=DELAY, *others):
    """One alias of `served`, whose MAJOR has `others` too."""
    world.serve(Alias("origin", served, ("airport",)), others=others)
    return world.reader()


def test_every_flipped_byte_is_noticed(world: World) -> None:
    """P5: whichever byte of a cell changes, and however, all its features are INVALID and nothing is served."""
    reader = serve(world)
    world.put(DELAY, "EWR", delay=7.0, name="Newark")
    good = world.stored(DELAY, "EWR")

    for place in range(len(good)):
        for flip in (0x01, 0x80, 0xFF):
            world.overwrite(
                DELAY, "EWR", packed=good[:place] + bytes([good[place] ^ flip]) + good[place + 1 :]
            )
            for row in (reader.get("flight_inputs", KEYS), reader.get_many("flight_inputs", [KEYS])[0]):
                assert row.values == {"origin__delay": None, "origin__name": None}, (place, flip)
                assert set(row.statuses.values()) == {Status.INVALID}, (place, flip)
                assert row.ages["origin__delay"] is None, "a damaged event time tells no age"

    world.overwrite(DELAY, "EWR", packed=good)
    assert reader.get("flight_inputs", KEYS).values == {"origin__delay": 7.0, "origin__name": "Newark"}


def test_every_cut_is_noticed(world: World) -> None:
    """P5: a cell that lost its end, or gained one, is INVALID."""
    reader = serve(world)
    world.put(DELAY, "EWR", delay=7.0, name="Newark")
    good = world.stored(DELAY, "EWR")

    for damaged in [good[:end] for end in range(len(good))] + [good + b"\0"]:
        world.overwrite(DELAY, "EWR", packed=damaged)
        row = reader.get("flight_inputs", KEYS)
        assert set(row.statuses.values()) == {Status.INVALID}
        assert set(row.values.values()) == {None}


def test_the_cell_of_another_entity_is_noticed(world: World) -> None:
    """P5: a cell is bound to its key; a whole and valid one in the wrong place is INVALID."""
    reader = serve(world)
    world.put(DELAY, "IAH", delay=7.0)
    world.overwrite(DELAY, "EWR", packed=world.stored(DELAY, "IAH"))

    row = reader.get("flight_inputs", KEYS)

    assert set(row.statuses.values()) == {Status.INVALID}
    assert row.reasons["origin__delay"] == "a cell's checksum does not match its bytes"


def test_a_flipped_bit_in_the_file_is_noticed(tmp_path: Path) -> None:
    """P5: LMDB serves a changed byte as if it had been written; the reader does not."""
    with_name = "Newark Liberty International"
    store = LmdbStore.open(tmp_path, create=True)
    world = World(store)
    world.report()
    serve(world)
    world.put(DELAY, "EWR", delay=7.0, name=with_name)
    store.close()
    data = tmp_path / "data.mdb"
    damaged = data.read_bytes().replace(with_name.encode(), with_name.replace("N", "O", 1).encode())
    assert damaged != data.read_bytes()
    data.write_bytes(damaged)

    world.store = LmdbStore.open(tmp_path, read_only=True)
    row = world.reader().get("flight_inputs", KEYS)
    world.store.close()

    assert row.statuses["origin__name"] is Status.INVALID
    assert set(row.values.values()) == {None}


def test_only_the_feature_that_breaks_the_contract_is_invalid(world: World) -> None:
    """P5: a record that was applied under `observe` serves its broken feature as null, the others as they are."""
    wide = contract("airport_delay", number("delay", high=9_999), number("taxi"))
    narrow = contract("airport_delay", number("delay", high=1_000), number("taxi"), onViolation="observe")
    reader = serve(world, narrow)
    world.put(wide, "EWR", delay=5_000.0, taxi=3.0, age_us=SECOND_US)

    row = reader.get("flight_inputs", KEYS)

    assert row.values == {"origin__delay": None, "origin__taxi": 3.0}
    assert row.statuses == {"origin__delay": Status.INVALID, "origin__taxi": Status.PRESENT}
    assert row.reasons == {"origin__delay": str(Violation("delay", "maximum", "<= 1000.0", "5000.0"))}
    assert row.ages["origin__delay"] is not None
    assert row.sources["origin"].offset == 0


def test_a_redacted_value_is_not_in_the_reason(world: World) -> None:
    """What a contract redacts appears nowhere but in values."""
    wide = contract("airport_delay", number("delay", high=9_999))
    reader = serve(world, contract("airport_delay", number("delay", high=1_000, redact=True)))
    world.put(wide, "EWR", delay=5_432.0)

    assert "5432" not in reader.get("flight_inputs", KEYS).reasons["origin__delay"]


@pytest.mark.parametrize("when_stale", ["flag", "null", "default"])
def test_staleness_does_not_hide_a_broken_contract(world: World, when_stale: str) -> None:
    """P5 before P7: a stale value that breaks its contract is INVALID, and no default stands in for it."""
    wide = contract("airport_delay", number("delay", high=9_999, default=1.0), number("taxi", default=2.0))
    narrow = contract(
        "airport_delay",
        number("delay", default=1.0),
        number("taxi", default=2.0),
        maxAge="1 s",
        whenStale=when_stale,
    )
    reader = serve(world, narrow)
    world.put(wide, "EWR", delay=5_000.0, taxi=3.0, age_us=2 * SECOND_US)

    row = reader.get("flight_inputs", KEYS)

    assert row.statuses == {"origin__delay": Status.INVALID, "origin__taxi": Status.OUTSIDE_MAX_AGE}
    assert row.values["origin__delay"] is None


def test_a_schema_id_that_the_view_does_not_know(world: World) -> None:
    """P5: bytes that nobody can interpret are INVALID; a schema of another view is no better."""
    other = contract("other_view", number("delay"), plain("name", "string", "string"))
    world.serve(Alias("origin", DELAY, ("airport",)), Alias("other", other, ("airport",)))
    reader = world.reader()

    for schema_id in (999, world.schema_id(other)):
        world.put(DELAY, "EWR", delay=1.0, schema_id=schema_id)
        row = reader.get("flight_inputs", KEYS)
        assert row.statuses["origin__delay"] is Status.INVALID
        assert row.reasons["origin__delay"] == f"schema id {schema_id} is of no version of airport_delay@1"


def test_a_payload_that_is_not_of_its_schema(world: World) -> None:
    """P5: a sound checksum over bytes that do not decode is INVALID too."""
    reader = serve(world)
    world.apply(DELAY, ("EWR",), b"\x06EWR", age_us=0, schema_id=world.schema_id(DELAY))

    row = reader.get("flight_inputs", KEYS)

    assert set(row.statuses.values()) == {Status.INVALID}
    assert "cut off" in row.reasons["origin__name"]


def test_a_cell_of_an_older_minor_takes_defaults() -> None:
    """A feature that its writer did not know has the served contract's default, or else is INVALID."""
    old = contract("airport_delay", number("delay"))
    new = contract(
        "airport_delay",
        number("delay"),
        number("taxi", default=9.0),
        number("gate", default=None),
        number("late"),
        version="1.1.0",
    )
    world = World(MemoryStore())
    world.report()
    reader = serve(world, new, old)
    world.put(old, "EWR", delay=7.0)

    row = reader.get("flight_inputs", KEYS)

    assert row.values == {
        "origin__delay": 7.0,
        "origin__taxi": 9.0,
        "origin__gate": None,
        "origin__late": None,
    }
    assert list(row.statuses.values()) == [Status.PRESENT, Status.PRESENT, Status.NULL_VALUE, Status.INVALID]
    assert "missing" in row.reasons["origin__late"]
    assert (row.sources["origin"].view, row.sources["origin"].reference) == (
        "airport_delay@1.1",
        "airport_delay@1.0",
    )


def test_a_cell_of_a_newer_minor_is_cut_to_the_release() -> None:
    """A release hands out its own features only, and judges the newer writer's values by its own contract."""
    old = contract("airport_delay", number("delay", high=100), number("taxi"))
    new = contract(
        "airport_delay", number("extra"), number("delay", high=500), number("taxi"), version="1.1.0"
    )
    world = World(MemoryStore())
    world.report()
    reader = serve(world, old, new)
    world.put(new, "EWR", delay=300.0, taxi=2.0, extra=1.0)

    row = reader.get("flight_inputs", KEYS)

    assert row.values == {"origin__delay": None, "origin__taxi": 2.0}
    assert row.statuses == {"origin__delay": Status.INVALID, "origin__taxi": Status.PRESENT}
    assert row.sources["origin"].reference == "airport_delay@1.1"


def test_a_cell_that_breaks_its_own_newer_contract_is_invalid() -> None:
    """P5: under `observe` a record may break the narrower MINOR it was written by; the older release hides that not."""
    old = contract("airport_delay", number("delay", high=500), number("taxi"))
    new = contract(
        "airport_delay", number("delay", high=100), number("taxi"), number("extra", high=1), version="1.1.0"
    )
    world = World(MemoryStore())
    world.report()
    reader = serve(world, old, new)
    world.put(new, "EWR", delay=300.0, taxi=2.0, extra=9.0)

    row = reader.get("flight_inputs", KEYS)

    assert row.values == {"origin__delay": None, "origin__taxi": 2.0}
    assert row.statuses == {"origin__delay": Status.INVALID, "origin__taxi": Status.PRESENT}
    assert "maximum" in row.reasons["origin__delay"]


@pytest.mark.parametrize("served", [True, False])
def test_a_contract_of_a_newer_agent_is_one_sentence(world: World, *, served: bool) -> None:
    """P5: a reader serves nothing by a contract that it cannot read, be it the release's or the writer's."""
    newer = contract("airport_delay", number("delay"), version="1.1.0")
    unknown = replace(newer, document={**newer.document, "apiVersion": "v9.0.0"})
    reader = serve(world, unknown, DELAY) if served else serve(world, DELAY, unknown)
    world.put(newer, "EWR", delay=7.0)

    with pytest.raises(ReadError, match=r"under a contract that this Syncline cannot use.*bring this reader"):
        reader.get("flight_inputs", KEYS)
