"""What a value older than its limit becomes, to the microsecond (P7)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from syncline.errors import StaleFeature
from syncline.reader import Status
from tests.unit.reader.world import SECOND_US, Alias, World, contract, number

KEYS = {"airport": "EWR"}
LIMIT_US = 60 * SECOND_US


def serve(
    world: World, *, when_stale: str = "flag", max_age: str | None = "60 s", max_age_us: int | None = None
):
    """One alias with these limits: its contract, and a reader."""
    settings = {"whenStale": when_stale} | ({} if max_age is None else {"maxAge": max_age})
    delay = contract("airport_delay", number("delay", default=1.0), number("taxi", default=None), **settings)
    world.serve(Alias("origin", delay, ("airport",), max_age_us=max_age_us))
    return delay, world.reader()


@pytest.mark.parametrize("when_stale", ["flag", "null", "default", "refuse"])
@pytest.mark.parametrize("age_us", [0, LIMIT_US - 1, LIMIT_US])
def test_at_the_limit_a_value_is_served_as_it_is(world: World, when_stale: str, age_us: int) -> None:
    """P7: stale means older than the limit; exactly as old is not stale."""
    delay, reader = serve(world, when_stale=when_stale)
    world.put(delay, "EWR", delay=7.0, age_us=age_us)

    row = reader.get("flight_inputs", KEYS)

    assert row.values == {"origin__delay": 7.0, "origin__taxi": None}
    assert row.statuses == {"origin__delay": Status.PRESENT, "origin__taxi": Status.NULL_VALUE}
    assert row.ages["origin__delay"] == timedelta(microseconds=age_us)


@pytest.mark.parametrize(("when_stale", "value"), [("flag", 7.0), ("null", None), ("default", 1.0)])
def test_a_microsecond_past_the_limit_the_contract_decides(
    world: World, when_stale: str, value: float | None
) -> None:
    """P7: the stated action is taken, the status says so, and the age stays the true one."""
    delay, reader = serve(world, when_stale=when_stale)
    world.put(delay, "EWR", delay=7.0, age_us=LIMIT_US)
    world.clock.us += 1

    for row in (reader.get("flight_inputs", KEYS), reader.get_many("flight_inputs", [KEYS])[0]):
        assert row.values == {"origin__delay": value, "origin__taxi": None}
        assert set(row.statuses.values()) == {Status.OUTSIDE_MAX_AGE}
        assert row.ages["origin__delay"] == timedelta(microseconds=LIMIT_US + 1)
        assert row.max_ages["origin__delay"] == timedelta(microseconds=LIMIT_US)


def test_a_microsecond_past_the_limit_may_be_refused(world: World) -> None:
    """P7: `refuse` is an error that names the alias, the age, the limit, and in a batch the row."""
    delay, reader = serve(world, when_stale="refuse")
    world.put(delay, "IAH", delay=1.0)
    world.put(delay, "EWR", delay=7.0, age_us=LIMIT_US + 1)

    with pytest.raises(
        StaleFeature, match=r"^origin \(airport_delay@1.0\) is 60.000001 s old, at most 1 min"
    ):
        reader.get("flight_inputs", KEYS)
    with pytest.raises(StaleFeature, match=r"^row 1: origin "):
        reader.get_many("flight_inputs", {"airport": ["IAH", "EWR", "EWR"]})


@pytest.mark.parametrize(("contract_s", "subscription_s"), [(60, 5), (5, 60), (None, 5), (5, None)])
def test_the_stricter_limit_holds(world: World, contract_s: int | None, subscription_s: int | None) -> None:
    """P7: of what the contract promises and what the subscription needs, the smaller one counts."""
    delay, reader = serve(
        world,
        max_age=None if contract_s is None else f"{contract_s} s",
        max_age_us=None if subscription_s is None else subscription_s * SECOND_US,
    )
    world.put(delay, "EWR", delay=7.0, age_us=5 * SECOND_US)
    at_limit = reader.get("flight_inputs", KEYS).statuses["origin__delay"]
    world.clock.us += 1

    past_limit = reader.get("flight_inputs", KEYS).statuses["origin__delay"]

    assert (at_limit, past_limit) == (Status.PRESENT, Status.OUTSIDE_MAX_AGE)


def test_without_a_limit_nothing_is_stale(world: World) -> None:
    """A contract without frequency or maxAge, and a subscription that asks for nothing."""
    delay, reader = serve(world, max_age=None)
    world.put(delay, "EWR", delay=7.0, age_us=10**15)

    row = reader.get("flight_inputs", KEYS)

    assert row.statuses["origin__delay"] is Status.PRESENT
    assert row.max_ages["origin__delay"] is None
    assert row.ages["origin__delay"] == timedelta(microseconds=10**15)


def test_an_event_ahead_of_the_clock_has_age_zero(world: World) -> None:
    """P7: a slow clock here, or a fast one there, gives no negative age."""
    delay, reader = serve(world)
    world.put(delay, "EWR", delay=7.0, age_us=-SECOND_US)

    row = reader.get("flight_inputs", KEYS)

    assert row.ages["origin__delay"] == timedelta(0)
    assert row.statuses["origin__delay"] is Status.PRESENT


def test_the_clock_is_read_after_the_cells(world: World) -> None:
    """P7: time that passes while the store is read counts as age."""
    delay, reader = serve(world)
    world.put(delay, "EWR", delay=7.0)
    snapshot = world.store.snapshot

    def slow_snapshot():
        world.clock.us += 3
        return snapshot()

    world.store.snapshot = slow_snapshot

    row = reader.get("flight_inputs", KEYS)

    assert row.ages["origin__delay"] == timedelta(microseconds=3)


def test_a_deleted_entity_is_never_stale(world: World) -> None:
    """What was deleted long ago is not found; there is no value that could be refused."""
    delay, reader = serve(world, when_stale="refuse")
    world.delete(delay, "EWR", age_us=10 * LIMIT_US)

    assert reader.get("flight_inputs", KEYS).statuses["origin__delay"] is Status.NOT_FOUND
