"""`syncline get`: values of every type, readable in a table and exact in JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from syncline.adapters.lmdb.store import LmdbStore
from syncline.cli.get import get
from syncline.clock import ManualClock
from syncline.contracts.codec.encode import Encoder
from tests.unit.all_types import FEATURES, NOW_US, canonical, flight, flight_contract
from tests.unit.reader.world import Alias, World

if TYPE_CHECKING:
    from pathlib import Path

FLIGHT = flight_contract(
    more="""
      - {name: embedding, logicalType: vector, required: true, logicalTypeOptions: {dimensions: 300}}"""
)
EMBEDDING = [number / 4 for number in range(300)]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """An agent's store with one flight in it."""
    opened = LmdbStore.open(tmp_path, create=True)
    world = World(opened, ManualClock(NOW_US))
    world.report()
    world.serve(Alias("flight", FLIGHT, ("flight",)))
    row = canonical(flight(embedding=EMBEDDING, checked=None, wide=[float("nan"), float("-inf")]), FLIGHT)
    world.apply(FLIGHT, ("UA1545",), Encoder(FLIGHT).encode(row), age_us=0, schema_id=world.schema_id(FLIGHT))
    opened.close()
    return tmp_path


def output(store: Path, *more: str) -> str:
    """What the command prints."""
    done = CliRunner().invoke(get, ["flight_inputs", "flight=UA1545", "--store", str(store), *more])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_table_shows_every_type(store: Path) -> None:
    """Dates and times as ISO text, lists and maps as JSON, and of an embedding only its ends."""
    shown = {line.split()[0].removeprefix("flight__"): line for line in output(store).splitlines()[2:]}

    for name, text in {
        "built": " 1998-07-01 ",
        "dep_time": " 2027-01-15T07:30:00.123456Z ",
        "stops": ' ["EWR", "JFK"] ',
        "holidays": ' ["2027-01-01", "2027-07-04"] ',
        "by_cabin": ' {"first": 8, "coach": 0} ',
        "checked": " null ",
        "embedding": " [0.0, 0.25, 0.5, ..., 74.75] (300 items) ",
        "on_time": " True ",
        "carrier": " UA ",
    }.items():
        assert text in f" {shown[name]} "
        assert ("NULL_VALUE" if name == "checked" else "PRESENT") in shown[name]


def test_json_has_every_value_whole(store: Path) -> None:
    """The document is strict JSON and leaves nothing out; what is no number is text."""
    document = json.loads(output(store, "--output", "json"), parse_constant=pytest.fail)

    assert {each["event_time"][-1] for each in document["features"].values()} == {"Z"}
    values: dict[str, Any] = {
        name.removeprefix("flight__"): each["value"] for name, each in document["features"].items()
    }
    assert values == FEATURES | {
        "embedding": EMBEDDING,
        "checked": None,
        "wide": ["nan", "-inf"],
        "built": "1998-07-01",
        "dep_time": "2027-01-15T07:30:00.123456Z",
        "arr_time": "2027-01-15T10:30:00.123456Z",
        "holidays": ["2027-01-01", "2027-07-04"],
        "seen": ["2027-01-15T07:30:00.123456Z", "2027-01-15T10:30:00.123456Z"],
    }
