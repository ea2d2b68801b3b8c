"""One model input: what it holds, and what is refused."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from syncline.adapters.lmdb.store import LmdbStore
from syncline.adapters.memory.store import MemoryStore
from syncline.clock import from_us
from syncline.contracts.model import FeatureType
from syncline.errors import MissingJoinKey, NotReady, ReadError, UnknownBundle
from syncline.reader import FeatureReader, Source, Status
from syncline.wire.keys import partition_for
from tests.unit.reader.world import NOW_US, SECOND_US, Alias, World, contract, number, plain

if TYPE_CHECKING:
    from pathlib import Path

DELAY = contract("airport_delay", number("delay"), number("departures"))
AIRCRAFT = contract(
    "aircraft",
    plain("seats", "integer", "int"),
    plain("maker", "string", "string"),
    keys=(("tailnum", "string"),),
)
ROUTE = contract("route", number("delay"), keys=(("carrier", "string"), ("number", "integer")))
KEYS = {"origin": "EWR", "dest": "IAH", "tailnum": "N14228"}


def serve_flights(world: World, **given: int) -> FeatureReader:
    """The bundle of the README: one view under two aliases, and another."""
    world.serve(
        Alias("origin_delay", DELAY, ("origin",)),
        Alias("dest_delay", DELAY, ("dest",), ("delay",)),
        Alias("aircraft", AIRCRAFT, ("tailnum",)),
        **given,
    )
    return world.reader()


def test_values_of_several_entities_under_their_aliases(world: World) -> None:
    """One view under two aliases gives each alias the value of its own entity."""
    reader = serve_flights(world)
    world.put(DELAY, "EWR", delay=12.5, departures=31.0)
    world.put(DELAY, "IAH", delay=-3.0, departures=8.0)
    world.put(AIRCRAFT, "N14228", seats=149, maker="BOEING")

    row = reader.get("flight_inputs", KEYS)

    assert row.values == {
        "origin_delay__delay": 12.5,
        "origin_delay__departures": 31.0,
        "dest_delay__delay": -3.0,
        "aircraft__seats": 149,
        "aircraft__maker": "BOEING",
    }
    assert list(row.values) == list(row.statuses) == list(row.ages)
    assert set(row.statuses.values()) == {Status.PRESENT}
    assert (row.release, row.epoch, row.cut, row.read_at_us) == ("flight_inputs@1", 5, None, NOW_US)


def test_each_value_says_where_it_came_from(world: World) -> None:
    """A source names the record in the log and the version that it was written under."""
    reader = serve_flights(world)
    world.put(DELAY, "IAH", delay=1.0)
    world.put(DELAY, "EWR", delay=2.0, age_us=90 * SECOND_US)

    row = reader.get("flight_inputs", KEYS)

    partition = partition_for(b"EWR", 3)
    assert row.sources["origin_delay"] == Source(
        "origin_delay",
        "airport_delay@1.0",
        "syncline.features.airport_delay.v1",
        partition,
        1,
        world.schema_id(DELAY),
        "airport_delay@1.0",
        NOW_US - 90 * SECOND_US,
    )
    assert row.sources["aircraft"] == Source(
        "aircraft", "aircraft@1.0", "syncline.features.aircraft.v1", partition_for(b"N14228", 3)
    )
    assert row.ages["origin_delay__delay"] == timedelta(seconds=90)
    assert row.event_times["origin_delay__delay"] == from_us(NOW_US - 90 * SECOND_US)
    assert row.ages["aircraft__seats"] is None
    assert row.event_times["aircraft__seats"] is None


def test_null_and_absence_are_told_apart(world: World) -> None:
    """A null that was published is NULL_VALUE; an entity nobody published is NOT_FOUND."""
    reader = serve_flights(world)
    world.put(DELAY, "EWR", delay=None, departures=0.0)

    row = reader.get("flight_inputs", KEYS)

    assert row.statuses["origin_delay__delay"] is Status.NULL_VALUE
    assert row.statuses["origin_delay__departures"] is Status.PRESENT
    assert row.statuses["dest_delay__delay"] is Status.NOT_FOUND
    assert row.values["origin_delay__delay"] is row.values["dest_delay__delay"] is None


def test_a_deleted_entity_is_not_found(world: World) -> None:
    """A tombstone is NOT_FOUND without an age, and its source says that it was deleted, and when."""
    reader = serve_flights(world)
    world.put(DELAY, "EWR", delay=1.0)
    world.delete(DELAY, "EWR", age_us=7)

    row = reader.get("flight_inputs", KEYS)

    assert row.statuses["origin_delay__delay"] is Status.NOT_FOUND
    assert row.values["origin_delay__delay"] is None
    assert row.ages["origin_delay__delay"] is None
    source = row.sources["origin_delay"]
    assert (source.deleted, source.offset, source.event_time_us) == (True, 1, NOW_US - 7)
    assert source.schema_id is source.reference is None


def test_an_entity_of_several_join_keys(world: World) -> None:
    """Text and integer keys together name one entity, in the contract's order."""
    world.serve(Alias("route", ROUTE, ("carrier", "flight")))
    world.put(ROUTE, "UA", 1545, delay=4.0)

    reader = world.reader()

    assert reader.get("flight_inputs", {"flight": 1545, "carrier": "UA"}).values == {"route__delay": 4.0}
    assert reader.get("flight_inputs", {"flight": np.int64(1545), "carrier": "UA"}).values == {
        "route__delay": 4.0
    }
    assert reader.join_keys() == {"carrier": FeatureType.STRING, "flight": FeatureType.LONG}


def test_every_missing_join_key_is_named(world: World) -> None:
    """All that is missing stands in one message."""
    reader = serve_flights(world)

    with pytest.raises(MissingJoinKey, match="`dest`, `tailnum` were not given"):
        reader.get("flight_inputs", {"origin": "EWR"})
    with pytest.raises(MissingJoinKey, match="`dest` is null"):
        reader.get("flight_inputs", {**KEYS, "dest": None})


def test_an_unknown_join_key_is_refused(world: World) -> None:
    """A misspelt key is not passed over; the nearest is named."""
    reader = serve_flights(world)

    with pytest.raises(ReadError, match=r"`tail_num`.*Did you mean `tailnum`"):
        reader.get("flight_inputs", {**KEYS, "tail_num": "N1"})


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"carrier": 5, "flight": 1}, "`carrier` is 5 .int.; give a text"),
        ({"carrier": "UA", "flight": "1"}, "`flight` is '1' .str.; give a whole number"),
        ({"carrier": "UA", "flight": 1.0}, "`flight` is 1.0 .float.; give a whole number"),
        ({"carrier": "UA", "flight": True}, "`flight` is True .bool.; give a whole number"),
        ({"carrier": "UA", "flight": 1 << 63}, "which no long can be"),
        ({"carrier": "\ud800", "flight": 1}, "not valid Unicode"),
        ({"carrier": "U" * 600, "flight": 1}, "at most 511"),
    ],
)
def test_a_key_of_the_wrong_type_is_refused(world: World, keys: dict[str, object], said: str) -> None:
    """Even where Python would call it equal to a key that was asked for before."""
    world.serve(Alias("route", ROUTE, ("carrier", "flight")))
    world.put(ROUTE, "UA", 1, delay=4.0)
    reader = world.reader()
    reader.get("flight_inputs", {"carrier": "UA", "flight": 1})

    with pytest.raises(ReadError, match=said):
        reader.get("flight_inputs", keys)
    with pytest.raises(ReadError, match=said):
        reader.get_many("flight_inputs", [keys])


def test_an_unknown_bundle_is_refused(world: World) -> None:
    """A store serves one bundle, which the message names."""
    reader = serve_flights(world)

    with pytest.raises(UnknownBundle, match="no bundle `flight_input`, only `flight_inputs`"):
        reader.get("flight_input", KEYS)


def test_some_features_need_only_their_own_keys(world: World) -> None:
    """A selection keeps its order, takes all three spellings, and needs no key of other views."""
    reader = serve_flights(world)
    world.put(DELAY, "EWR", delay=1.0, departures=2.0)
    world.put(AIRCRAFT, "N14228", seats=3)

    row = reader.get(
        "flight_inputs",
        {"origin": "EWR", "tailnum": "N14228"},
        features=["seats", "origin_delay__departures", "aircraft:maker", "origin_delay:delay"],
    )

    assert list(row.values.items()) == [
        ("aircraft__seats", 3),
        ("origin_delay__departures", 2.0),
        ("aircraft__maker", None),
        ("origin_delay__delay", 1.0),
    ]
    assert list(row.statuses) == list(row.ages) == list(row.values)
    assert set(row.sources) == {"origin_delay", "aircraft"}


@pytest.mark.parametrize(
    ("features", "said"),
    [
        (["delay"], "several aliases.*`origin_delay:delay`, `dest_delay:delay`"),
        (["origin_delay:dellay"], "Did you mean `origin_delay:delay`"),
        (["dest_delay:departures"], "no feature `dest_delay:departures`"),
        (["seats", "aircraft:seats"], "asked for twice"),
        ([], "no features"),
        ("seats", "give a list"),
    ],
)
def test_features_that_cannot_be_selected(world: World, features: list[str], said: str) -> None:
    """An unknown, ambiguous or doubled name is an error that says what to write."""
    reader = serve_flights(world)

    with pytest.raises(ReadError, match=said):
        reader.get("flight_inputs", KEYS, features=features)


def test_short_names_where_they_are_unique(world: World) -> None:
    """Without full names, a feature of two aliases keeps the alias in front."""
    reader = serve_flights(world)

    row = reader.get("flight_inputs", KEYS, full_feature_names=False)

    assert list(row.values) == ["origin_delay__delay", "departures", "dest_delay__delay", "seats", "maker"]


def test_a_reader_before_the_agent_says_so(world: World) -> None:
    """No release, or no end of the first catch-up: NotReady with the state and the reason."""
    reader = world.reader()
    with pytest.raises(NotReady, match="predictor-0 has chosen no release yet: it is LIVE"):
        reader.get("flight_inputs", KEYS)
    with pytest.raises(NotReady):
        reader.get("flight_inputs", KEYS, allow_not_ready=True)
    assert reader.serving() is None

    serve_flights(world)
    world.report("HOLDING", ready=False, reason="unknown schema id 7")
    with pytest.raises(NotReady, match=r"not caught up.*HOLDING \(unknown schema id 7\)"):
        reader.get("flight_inputs", KEYS)
    assert reader.get("flight_inputs", KEYS, allow_not_ready=True).release == "flight_inputs@1"

    world.report()
    assert reader.get("flight_inputs", KEYS).release == "flight_inputs@1"


def test_a_store_without_an_agent(tmp_path: Path) -> None:
    """A store that nobody ever wrote has no condition and is not ready."""
    for store in (MemoryStore(), LmdbStore.open(tmp_path, create=True)):
        with FeatureReader(store) as reader:
            assert reader.condition() is None
            with pytest.raises(NotReady, match="no agent has written this store"):
                reader.get("flight_inputs", KEYS)


def test_the_agents_condition_is_told(world: World) -> None:
    """A reader sees what the agent said last, and when."""
    reader = serve_flights(world)
    world.clock.advance(seconds=5)
    world.report("CATCHING_UP")

    condition = reader.condition()

    assert condition is not None
    assert (condition.agent, condition.state, condition.ready) == ("predictor-0", "CATCHING_UP", True)
    assert condition.reported_at_us == NOW_US + 5 * SECOND_US


def test_a_new_release_is_seen_by_the_next_read(world: World) -> None:
    """The reader follows the store without being told: names, release and epoch change together (P4)."""
    reader = serve_flights(world)
    world.put(DELAY, "EWR", delay=1.0)
    first = reader.get("flight_inputs", KEYS)
    next_delay = contract("airport_delay", number("delay"), number("taxi", default=9.0), version="1.1.0")

    world.serve(Alias("origin_delay", next_delay, ("origin",)), others=(DELAY,), release=2, epoch=8)
    second = reader.get("flight_inputs", {"origin": "EWR"})

    assert (first.release, second.release) == ("flight_inputs@1", "flight_inputs@2")
    assert second.values == {"origin_delay__delay": 1.0, "origin_delay__taxi": 9.0}
    assert second.epoch == 8
    with pytest.raises(ReadError, match="`dest`"):
        reader.get("flight_inputs", KEYS)


def test_a_read_never_mixes_two_releases(world: World) -> None:
    """While releases alternate, each with values of its own, every answer is wholly of one (P4)."""
    one = contract("airport_delay", number("delay"), number("departures"))
    two = contract("airport_delay", number("delay"), number("arrivals", default=2.0), version="1.1.0")
    aliases = {
        contract_: tuple(Alias(name, contract_, (name,)) for name in ("origin", "dest"))
        for contract_ in (one, two)
    }
    for airport in ("EWR", "IAH"):
        world.put(one, airport, delay=1.0, departures=1.0)
    world.serve(*aliases[one], others=(two,), release=1, epoch=1)
    reader = world.reader()
    keys = {"origin": "EWR", "dest": "IAH"}
    done = threading.Event()

    def alternate() -> None:
        for number_ in range(2, 40):
            contract_ = two if number_ % 2 == 0 else one
            world.serve(*aliases[contract_], others=(one, two), release=number_, epoch=number_)
        done.set()

    thread = threading.Thread(target=alternate)
    thread.start()
    seen = set()
    try:
        while not done.is_set() or not seen:
            row = reader.get("flight_inputs", keys)
            rows = reader.get_many("flight_inputs", [keys])
            for answer in (row, rows[0]):
                release = int(answer.release.split("@")[1])
                other = "arrivals" if release % 2 == 0 else "departures"
                assert list(answer.values) == [
                    "origin__delay",
                    f"origin__{other}",
                    "dest__delay",
                    f"dest__{other}",
                ]
                assert answer.epoch == release
                seen.add(release)
    finally:
        thread.join()
    assert reader.get("flight_inputs", keys).release == "flight_inputs@39"


def test_a_contract_is_not_parsed_again_when_only_the_condition_changes(world: World) -> None:
    """The agent reports every few seconds; that must not cost a reader a release's worth of compiling."""
    reader = serve_flights(world)
    before = reader._served.release
    reader.get("flight_inputs", KEYS)
    compiled = reader._served.release
    assert before is None

    world.report("CATCHING_UP")
    reader.get("flight_inputs", KEYS)

    assert reader._served.release is compiled


def test_a_new_schema_of_a_view_is_readable_without_parsing_what_is_served_again(world: World) -> None:
    """When somebody registers a newer MINOR, the next read knows its schema id, and keeps what it compiled."""
    reader = serve_flights(world)
    world.put(DELAY, "EWR", delay=1.0)
    reader.get("flight_inputs", KEYS)
    before = reader._served.release
    newer = contract("airport_delay", number("delay"), number("departures"), version="1.1.0")

    world.serve(Alias("origin_delay", DELAY, ("origin",)), others=(newer,))
    world.put(newer, "EWR", delay=2.0)
    row = reader.get("flight_inputs", {"origin": "EWR"})

    after = reader._served.release
    assert row.values["origin_delay__delay"] == 2.0
    assert before is not None
    assert after is not None
    assert after is not before
    assert after.views[0].contract is before.views[0].contract


def test_threads_may_share_a_reader(world: World) -> None:
    """Several threads, each with entities of its own, get nobody else's values."""
    reader = serve_flights(world)
    airports = [f"A{number_:02d}" for number_ in range(40)]
    for place, airport in enumerate(airports):
        world.put(DELAY, airport, delay=float(place))
    wrong: list[object] = []

    def read(start: int) -> None:
        for _ in range(20):
            for place in range(start, len(airports), 4):
                row = reader.get("flight_inputs", {**KEYS, "origin": airports[place]})
                if row.values["origin_delay__delay"] != place:
                    wrong.append(row)

    threads = [threading.Thread(target=read, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_the_memory_of_places_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading ever new entities does not fill memory, and forgetting changes no answer."""
    monkeypatch.setattr("syncline.reader.entity.REMEMBERED_MAX", 10)
    reader = serve_flights(world)
    world.put(DELAY, "A3", delay=3.0)

    rows = [reader.get("flight_inputs", {**KEYS, "origin": f"A{number_}"}) for number_ in range(100)]

    release = reader._served.release
    assert release is not None
    assert len(release.views[0].keys._remembered) <= 10
    assert [row.values["origin_delay__delay"] for row in rows[2:5]] == [None, 3.0, None]
