"""What the demo's model holds every input to: it must notice whatever would break a promise."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from syncline.demo.airport_versions import VERSIONS
from syncline.demo.flow import Told
from syncline.demo.release_changes import require_pure
from syncline.demo.watch import Expected, Seen, faults_of, take
from syncline.errors import SynclineError
from syncline.reader.source import Source

MINUTE_US = 60_000_000
AT_US = 100 * MINUTE_US
KEYS = {"origin": "EWR", "dest": "IAH", "tailnum": "N14228"}
ORIGIN = ("dep_delay_mean_1h", "departures_1h")
DEST = ("arr_delay_mean_1h",)
TOPIC = "syncline.features.airport_delay.v1"


def said(airport, dep_delay, arr_delay):
    """What the job says of an airport, as version 1.0 does."""
    return {
        "airport": airport,
        "event_time": AT_US,
        "dep_delay_mean_1h": dep_delay,
        "departures_1h": 7,
        "arr_delay_mean_1h": arr_delay,
        "arrivals_1h": 3,
        "cancelled_24h": 0,
    }


TOLD = Told()
TOLD.add([said("EWR", 12.5, -3.0), said("IAH", None, 9.25)])


def names(*more):
    """The names of an input: both aliases, and what a release adds to the origin's."""
    return frozenset(
        {*(f"origin_delay__{name}" for name in (*ORIGIN, *more)), "dest_delay__arr_delay_mean_1h"}
    )


EXPECTED = {
    "flight_inputs@1": Expected("airport_delay@1.0", "min", names()),
    "flight_inputs@2": Expected("airport_delay@1.1", "min", names("movements_1h")),
    "flight_inputs@3": Expected("airport_delay@2.0", "s", names("movements_1h")),
}


def model_input(release, *, origin="", dest="", written="", more=(), offset=5):
    """An input as a reader gives it; `origin` and `dest` are the versions that its values are told in."""
    version = EXPECTED[release].version if release in EXPECTED else "airport_delay@1.0"
    of_origin = VERSIONS[origin or version](said("EWR", 12.5, -3.0))
    of_dest = VERSIONS[dest or version](said("IAH", None, 9.25))
    values = {f"origin_delay__{name}": of_origin[name] for name in (*ORIGIN, *more)}
    values |= {f"dest_delay__{name}": of_dest[name] for name in DEST}
    sources = {
        alias: Source(
            alias, version, TOPIC, 0, offset=offset, reference=written or version, event_time_us=AT_US + 1
        )
        for alias in ("origin_delay", "dest_delay")
    }
    return SimpleNamespace(release=release, values=values, sources=sources)


def faults(row):
    """What is wrong with the input."""
    return list(faults_of(row, KEYS, EXPECTED, TOLD))


@pytest.mark.parametrize(
    "row",
    [
        model_input("flight_inputs@1"),
        model_input("flight_inputs@1", written="airport_delay@1.1"),
        model_input("flight_inputs@2", more=("movements_1h",)),
        model_input("flight_inputs@3", more=("movements_1h",)),
    ],
)
def test_an_input_of_one_release_has_no_fault(row):
    """Names and units of its release, and values that the job said: nothing to complain of."""
    assert faults(row) == []


def test_a_row_of_before_the_minor_has_the_default_of_what_was_added():
    """Read under release 2, a record of version 1.0 holds None where the new feature is asked for."""
    row = model_input("flight_inputs@2", more=("movements_1h",), written="airport_delay@1.0")
    row.values["origin_delay__movements_1h"] = None

    assert faults(row) == []


@pytest.mark.parametrize(
    ("row", "said_of_it"),
    [
        (
            model_input("flight_inputs@3", origin="airport_delay@1.1", more=("movements_1h",)),
            "origin_delay of",
        ),
        (model_input("flight_inputs@3", dest="airport_delay@1.1", more=("movements_1h",)), "dest_delay of"),
        (model_input("flight_inputs@2", dest="airport_delay@2.0", more=("movements_1h",)), "dest_delay of"),
        (model_input("flight_inputs@1", origin="airport_delay@2.0"), "origin_delay of"),
    ],
)
def test_a_delay_in_the_unit_of_another_release_is_found(row, said_of_it):
    """P4: minutes in an input of the release that has seconds, or the other way round, in either alias."""
    (fault,) = faults(row)

    assert fault.startswith(said_of_it)
    assert "never said" in fault


def test_a_name_of_the_next_release_is_found():
    """P4: a feature that only the next release has, and one that is missing."""
    early = model_input("flight_inputs@1", origin="airport_delay@1.1", more=("movements_1h",))
    late = model_input("flight_inputs@2")

    assert "origin_delay__movements_1h" in faults(early)[0]
    assert "origin_delay__movements_1h" in faults(late)[0]


def test_a_value_that_the_job_never_said_is_found():
    """A value that no record carried, in the right unit, is a fault all the same."""
    row = model_input("flight_inputs@1")
    row.values["origin_delay__dep_delay_mean_1h"] = 12.75

    assert "never said" in faults(row)[0]


def test_a_release_that_nobody_brought_live_is_found():
    """An input of a release that is not known to be there is a fault."""
    assert "nobody brought live" in faults(model_input("flight_inputs@9"))[0]


def test_what_was_read_is_kept_by_release_and_turn():
    """A release that comes back is met as another turn: the offsets of its first turn stay what they were."""
    seen = Seen()
    for release, offset in (("flight_inputs@1", 5), ("flight_inputs@2", 9), ("flight_inputs@1", 12)):
        take(seen, model_input(release, offset=offset), KEYS)

    assert seen.releases == ["flight_inputs@1", "flight_inputs@2", "flight_inputs@1"]
    assert seen.before == {(TOPIC, 0): 9}
    assert seen.newest["flight_inputs@1 0"] == {(TOPIC, 0): 5}
    assert seen.inputs == {"flight_inputs@1": 2, "flight_inputs@2": 1}


@pytest.mark.parametrize(
    ("seen", "said_of_it"),
    [
        (Seen(releases=["a@1", "a@2"], faults=["a read failed"]), "a read failed"),
        (Seen(releases=["a@1", "a@2", "a@1"]), "handed out a@1, a@2, a@1, and not a@1, a@2"),
        (Seen(), "handed out nothing"),
    ],
)
def test_the_demo_fails_where_a_replica_broke_a_promise(seen, said_of_it):
    """A fault, releases in another order, or no input at all end the demo with an error."""
    with pytest.raises(SynclineError, match=said_of_it):
        require_pure({"replica-1": Seen(releases=["a@1", "a@2"]), "replica-2": seen}, order=["a@1", "a@2"])


def test_only_the_newest_minute_of_the_past_is_kept():
    """What was said before the newest minute of an airport is forgotten, and what is newest is not."""
    told = Told()
    old, new = said("EWR", 1.0, 1.0), {**said("EWR", 2.0, 2.0), "event_time": AT_US + MINUTE_US}
    told.add([new, old])

    told.forget_the_past()

    assert told.of("EWR", AT_US) == ()
    assert told.of("EWR", AT_US + MINUTE_US + 3) == (new,)
    assert told.newest == {"EWR": new}
