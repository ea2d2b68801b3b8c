"""Rows without an Avro form, as JSON."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest

from syncline.publisher.unwritable import row_as_json
from tests.unit.all_types import flight_contract

CONTRACT = flight_contract()


class Rude:
    """Has no text."""

    def __str__(self) -> str:
        """Refuse to be shown."""
        raise RuntimeError("no")


def read(**row: Any) -> dict[str, Any]:
    """What the JSON says; strictly JSON, so without NaN."""
    found: dict[str, Any] = json.loads(row_as_json(row, CONTRACT), parse_constant=pytest.fail)
    return found


def test_days_and_moments_are_iso_text():
    """A canonical day or moment is readable in the dead letter, inside lists and maps as well."""
    found = read(
        built=20_000,
        dep_time=1_800_000_000_000_000,
        holidays=[0, None, "x"],
        seen=[-1],
        checked={"engine": 1},
        seats=20_000,
        event_time=1,
    )
    assert found == {
        "event_time": "1970-01-01T00:00:00.000001Z",
        "built": "2024-10-04",
        "dep_time": "2027-01-15T08:00:00Z",
        "holidays": ["1970-01-01", None, "x"],
        "seen": ["1969-12-31T23:59:59.999999Z"],
        "checked": {"engine": "1970-01-02"},
        "seats": 20_000,
    }


def test_what_was_not_converted_is_text():
    """Dates and times where none belong, and everything else that JSON has no form for, are kept as text."""
    found = read(
        built=datetime(2027, 1, 1, tzinfo=UTC),
        seats=date(2027, 1, 1),
        load=float("nan"),
        delays=np.array([[1.5]]),
        wide=(1.0, float("-inf")),
        tailnum=b"\xff",
        carrier="\ud800",
        distance=np.int64(5),
    )
    assert found == {
        "built": "2027-01-01T00:00:00Z",
        "seats": "2027-01-01",
        "load": "nan",
        "delays": "[[1.5]]",
        "wide": [1.0, "-inf"],
        "tailnum": "b'\\xff'",
        "carrier": "\ud800",
        "distance": "5",
    }


def test_nothing_that_a_row_holds_makes_it_fail():
    """A number of five thousand digits, a list in itself, a value without a text, a day of no calendar."""
    loop: list[Any] = []
    loop.append(loop)
    found = read(
        seats=10**5_000, delays=loop, wide=Rude(), built=10**9, dep_time=2**62, by_cabin={Rude(): 1, None: 2}
    )
    assert found["seats"] == "a int that has no text"
    assert found["wide"] == "a Rude that has no text"
    assert (found["built"], found["dep_time"]) == ("1000000000", str(2**62))
    assert found["by_cabin"] == {"a Rude that has no text": 1, "None": 2}
    assert json.dumps(found["delays"]).startswith("[[[[[[[[")


class Closed(list[float]):
    """A list that cannot be looked into."""

    def __iter__(self) -> Any:
        """Refuse to be gone through."""
        raise RuntimeError("no")


def test_what_cannot_be_looked_into_is_text():
    """A list, or an object that lies about its class, is kept as it shows itself."""
    liar = type("Liar", (), {"__class__": dict, "__str__": lambda _: "liar"})()
    found = read(delays=Closed([1.5]), by_cabin=liar, seats=3)
    assert found == {"delays": "[1.5]", "by_cabin": "liar", "seats": 3}


def test_names_are_texts():
    """Whatever a row's names are, the dead letter can be read."""
    assert json.loads(row_as_json({7: 1, ("a",): 2, None: 3}, CONTRACT)) == {"7": 1, "('a',)": 2, "None": 3}
