"""The reader against a model of it that is too simple to be wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncline.adapters.memory.store import MemoryStore
from syncline.contracts.model import Contract
from syncline.errors import StaleFeature
from syncline.reader import Status
from tests.unit.reader.world import Alias, World, contract, number, plain

AIRPORTS = ("EWR", "IAH", "JFK")
DEFAULTS = {"delay": 1.0, "name": "?", "taxi": 5.0}
HIGHEST = 1_000.0
STALE_ACTIONS = ("flag", "null", "default", "refuse")
LIMITS_US = (None, 1, 1_000_000)


def text(name: str, **given: Any) -> dict[str, Any]:
    """A text feature with settings."""
    return plain(name, "string", "string") | {
        "customProperties": [{"property": f"syncline.{key}", "value": value} for key, value in given.items()]
    }


def versions(when_stale: str, limit_us: int | None) -> tuple[Contract, Contract]:
    """1.1 has one feature more than 1.0."""
    rest = {"whenStale": when_stale} | ({} if limit_us is None else {"maxAge": f"{limit_us} us"})
    shared = (number("delay", default=DEFAULTS["delay"]), text("name", default=DEFAULTS["name"]))
    added = number("taxi", default=DEFAULTS["taxi"])
    return contract("v", *shared, **rest), contract("v", *shared, added, version="1.1.0", **rest)


CONTRACTS = {(action, limit): versions(action, limit) for action in STALE_ACTIONS for limit in LIMITS_US}


@dataclass(frozen=True)
class Update:
    """One entity's cell, as it was written, and what happened to it on disk."""

    minor: Literal[0, 1]
    age_us: int
    deleted: bool
    damaged: int | None
    values: dict[str, Any]


AGES = st.sampled_from([-5, -1, 0, 1, 2, 999_999, 1_000_000, 1_000_001, 10**12])
UPDATES = st.builds(
    Update,
    minor=st.sampled_from([0, 1]),
    age_us=AGES,
    deleted=st.sampled_from([False, False, False, True]),
    damaged=st.none() | st.integers(0, 10**6),
    values=st.fixed_dictionaries(
        {
            "delay": st.none() | st.sampled_from([-100.0, HIGHEST, HIGHEST + 1, float("nan"), 0.5]),
            "name": st.none() | st.text(max_size=3),
            "taxi": st.none() | st.sampled_from([0.0, -101.0]),
        }
    ),
)


class Stale(Exception):  # noqa: N818  what the model says, no error
    pass


def expect(
    update: Update | None, features: list[str], *, limit_us: int | None, when_stale: str
) -> tuple[list[Any], list[Status], timedelta | None]:
    """What contracts.md says, feature by feature."""
    if update is None:
        return [None] * len(features), [Status.NOT_FOUND] * len(features), None
    if update.damaged is not None:
        return [None] * len(features), [Status.INVALID] * len(features), None
    if update.deleted:
        return [None] * len(features), [Status.NOT_FOUND] * len(features), None
    stale = limit_us is not None and update.age_us > limit_us
    if stale and when_stale == "refuse":
        raise Stale
    values: list[Any] = []
    statuses = []
    for feature in features:
        known = feature != "taxi" or update.minor == 1
        value = update.values[feature] if known else DEFAULTS[feature]
        valid = value is None or feature == "name" or -100 <= value <= HIGHEST
        if not valid:
            value, status = None, Status.INVALID
        elif stale:
            status = Status.OUTSIDE_MAX_AGE
            value = {"flag": value, "null": None, "default": DEFAULTS[feature]}[when_stale]
        else:
            status = Status.NULL_VALUE if value is None else Status.PRESENT
        values.append(value)
        statuses.append(status)
    return values, statuses, timedelta(microseconds=max(0, update.age_us))


@settings(max_examples=300, deadline=None)
@given(
    updates=st.dictionaries(st.sampled_from(AIRPORTS), UPDATES),
    served=st.sampled_from([0, 1]),
    when_stale=st.sampled_from(STALE_ACTIONS),
    contract_limit_us=st.sampled_from(LIMITS_US),
    asked_limit_us=st.sampled_from(LIMITS_US),
    order=st.permutations(["taxi", "delay", "name"]),
    count=st.integers(1, 3),
    asked=st.lists(st.sampled_from(AIRPORTS), min_size=1, max_size=6),
)
def test_any_cells_at_any_time(
    *,
    updates: dict[str, Update],
    served: int,
    when_stale: str,
    contract_limit_us: int | None,
    asked_limit_us: int | None,
    order: list[str],
    count: int,
    asked: list[str],
) -> None:
    """P5, P7: whatever is stored and whenever it is read, values, statuses and ages are the contract's."""
    both = CONTRACTS[when_stale, contract_limit_us]
    world = World(MemoryStore())
    world.report()
    world.serve(Alias("a", both[served], ("airport",), max_age_us=asked_limit_us), others=both)
    for airport, update in updates.items():
        if update.deleted:
            world.delete(both[0], airport, age_us=update.age_us)
        else:
            values = {name: update.values[name] for name in ("delay", "name", "taxi")[: 2 + update.minor]}
            world.put(both[update.minor], airport, age_us=update.age_us, **values)
        if update.damaged is not None:
            cell = bytearray(world.stored(both[0], airport))
            cell[update.damaged % len(cell)] ^= 1 + update.damaged % 255
            world.overwrite(both[0], airport, packed=bytes(cell))
    features = [name for name in order if name != "taxi" or served == 1][:count]
    limits = [limit for limit in (contract_limit_us, asked_limit_us) if limit is not None]
    expected: dict[str, Any] = {}
    for airport in AIRPORTS:
        try:
            expected[airport] = expect(
                updates.get(airport), features, limit_us=min(limits, default=None), when_stale=when_stale
            )
        except Stale:
            expected[airport] = None
    reader = world.reader()
    wanted = {"features": [f"a:{name}" for name in features]}

    for airport in AIRPORTS:
        if expected[airport] is None:
            with pytest.raises(StaleFeature):
                reader.get("flight_inputs", {"airport": airport}, **wanted)
        else:
            row = reader.get("flight_inputs", {"airport": airport}, **wanted)
            values, statuses, age = expected[airport]
            assert list(row.values.items()) == [
                (f"a__{name}", v) for name, v in zip(features, values, strict=True)
            ]
            assert list(row.statuses.values()) == statuses
            assert set(row.ages.values()) == {age}
            assert set(row.reasons) == {
                f"a__{n}" for n, s in zip(features, statuses, strict=True) if s == "INVALID"
            }
    if any(expected[airport] is None for airport in asked):
        with pytest.raises(StaleFeature):
            reader.get_many("flight_inputs", {"airport": asked}, **wanted)
    else:
        inputs = reader.get_many("flight_inputs", {"airport": asked}, **wanted)
        assert [list(row.values.values()) for row in inputs] == [expected[one][0] for one in asked]
        assert inputs.to_arrow().to_pylist() == [one.values for one in inputs]
        assert [[s[row] for s in inputs.statuses().values()] for row in range(len(asked))] == [
            expected[one][1] for one in asked
        ]
