"""Many model inputs as columns: the same answers, one snapshot, each entity decoded once."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from syncline.clock import from_us
from syncline.errors import MissingJoinKey, ReadError
from syncline.reader import FeatureReader, ModelInput
from tests.unit.reader.world import NOW_US, SECOND_US, Alias, World, contract, number, plain

DELAY = contract("airport_delay", number("delay"), plain("count", "integer", "long"), maxAge="60 s")
KINDS = contract(
    "kinds",
    plain("b", "boolean", "boolean"),
    plain("i", "integer", "int"),
    plain("l", "integer", "long"),
    plain("f", "number", "float"),
    plain("d", "number", "double"),
    plain("s", "string", "string"),
    keys=(("carrier", "string"), ("number", "integer")),
)
ORIGINS = ["EWR", "IAH", "EWR", "XXX", "EWR"]


def columns_of(rows: list[ModelInput], what: str) -> dict[str, list[object]]:
    """A part of each row, as columns."""
    parts = [getattr(row, what) for row in rows]
    return {name: [part[name] for part in parts] for name in parts[0]}


def serve(world: World) -> FeatureReader:
    """Two aliases, one of two join keys, with a gap and a stale value."""
    world.serve(
        Alias("origin", DELAY, ("origin",)),
        Alias("kinds", KINDS, ("carrier", "flight")),
    )
    world.put(DELAY, "EWR", delay=1.5, count=2**60 + 1, age_us=SECOND_US)
    world.put(DELAY, "IAH", delay=None, count=3, age_us=61 * SECOND_US)
    world.put(KINDS, "UA", 1, b=True, i=1, l=2, f=0.5, d=0.25, s="x")
    world.put(KINDS, "AA", 1, s="y")
    return world.reader()


COLUMNS = {"origin": ORIGINS, "carrier": ["UA", "UA", "AA", "AA", "UA"], "flight": [1, 2, 1, 2, 1]}
ROWS = [dict(zip(COLUMNS, values, strict=True)) for values in zip(*COLUMNS.values(), strict=True)]


@pytest.mark.parametrize(
    "keys",
    [
        ROWS,
        COLUMNS,
        tuple(ROWS),
        {name: tuple(column) for name, column in COLUMNS.items()},
        {name: np.array(column) for name, column in COLUMNS.items()},
        {name: pa.array(column) for name, column in COLUMNS.items()},
        pa.table(COLUMNS),
        pa.RecordBatch.from_pydict(COLUMNS),
        pd.DataFrame(COLUMNS, index=[9, 8, 7, 6, 5]),
    ],
    ids=["rows", "columns", "tuple", "tuples", "numpy", "arrays", "table", "batch", "frame"],
)
def test_rows_are_those_of_get_in_whatever_form_the_keys_come(world: World, keys: object) -> None:
    """Each row is what `get` gives for it, in the order asked."""
    reader = serve(world)

    inputs = reader.get_many("flight_inputs", keys)

    singles = [reader.get("flight_inputs", row) for row in ROWS]
    assert len(inputs) == len(ROWS)
    assert list(inputs) == singles
    assert inputs[-1] == singles[-1]
    assert inputs.to_dict() == columns_of(singles, "values")
    assert inputs.statuses() == columns_of(singles, "statuses")
    assert inputs.ages() == columns_of(singles, "ages")
    assert inputs.event_times() == columns_of(singles, "event_times")
    assert (inputs.release, inputs.epoch, inputs.cut) == ("flight_inputs@1", 5, None)


def test_an_arrow_table_has_the_contracts_types(world: World) -> None:
    """The columns' types come from the contract, even where every value is null."""
    reader = serve(world)

    table = reader.get_many("flight_inputs", {"origin": ["XXX"], "carrier": ["ZZ"], "flight": [1]}).to_arrow()

    assert table.schema == pa.schema(
        {
            "origin__delay": pa.float64(),
            "origin__count": pa.int64(),
            "kinds__b": pa.bool_(),
            "kinds__i": pa.int32(),
            "kinds__l": pa.int64(),
            "kinds__f": pa.float32(),
            "kinds__d": pa.float64(),
            "kinds__s": pa.string(),
        }
    )
    assert table.to_pylist() == [dict.fromkeys(table.column_names)]


def test_details_stand_beside_each_value(world: World) -> None:
    """Status, age and event time of each value are columns of their own, when asked for."""
    reader = serve(world)

    table = reader.get_many(
        "flight_inputs", {"origin": ORIGINS[:2] + ORIGINS[3:4]}, features=["origin:delay"]
    ).to_arrow(details=True)

    assert table.column_names == [
        "origin__delay",
        "origin__delay__status",
        "origin__delay__age",
        "origin__delay__event_time",
    ]
    assert table.column("origin__delay__status").to_pylist() == ["PRESENT", "OUTSIDE_MAX_AGE", "NOT_FOUND"]
    assert table.column("origin__delay__age").to_pylist() == [
        timedelta(seconds=1),
        timedelta(seconds=61),
        None,
    ]
    times = [from_us(NOW_US - SECOND_US), from_us(NOW_US - 61 * SECOND_US), None]
    assert table.column("origin__delay__event_time").to_pylist() == times


def test_a_frame_keeps_its_types_whatever_is_missing(world: World) -> None:
    """A whole number stays exact beside a missing one, and a column's type never depends on the values."""
    reader = serve(world)
    request = {"carrier": "UA", "flight": 1}

    full = reader.get_many("flight_inputs", [{"origin": "EWR", **request}]).to_pandas(details=True)
    gaps = reader.get_many("flight_inputs", [{"origin": name, **request} for name in ORIGINS]).to_pandas(
        details=True
    )

    assert list(full.dtypes) == list(gaps.dtypes)
    assert gaps["origin__count"][0] == 2**60 + 1
    assert gaps["origin__count"].isna().tolist() == [False, False, False, True, False]
    assert gaps["origin__delay"].isna().tolist() == [False, True, False, True, False]


def test_an_entity_is_read_and_decoded_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty rows of one airport cost one cell, one decode, and one snapshot."""
    reader = serve(world)
    reader.get_many("flight_inputs", {"origin": ["EWR"]}, features=["origin:delay"])
    served = reader._served.release
    assert served is not None
    view = served.views[0]
    calls: Counter[str] = Counter()
    row, snapshot = view.row, world.store.snapshot
    monkeypatch.setattr(view, "row", lambda *given: calls.update(["row"]) or row(*given))
    monkeypatch.setattr(world.store, "snapshot", lambda: calls.update(["snapshot"]) or snapshot())

    inputs = reader.get_many("flight_inputs", {"origin": ["EWR"] * 50 + ["XXX"]}, features=["origin:delay"])

    assert inputs.to_dict() == {"origin__delay": [1.5] * 50 + [None]}
    assert calls == {"row": 1, "snapshot": 1}


def test_no_rows_give_empty_columns(world: World) -> None:
    """An empty request is answered with columns of the right types and no rows."""
    reader = serve(world)

    for keys in ([], {name: [] for name in COLUMNS}, pa.table(COLUMNS).slice(0, 0)):
        inputs = reader.get_many("flight_inputs", keys)
        assert len(inputs) == 0
        assert inputs.to_dict()["origin__delay"] == []
        assert inputs.to_arrow().schema.field("kinds__f").type == pa.float32()
        with pytest.raises(IndexError):
            inputs[0]


def test_a_selection_keeps_its_order(world: World) -> None:
    """Columns come in the order in which features were asked for: a model counts on positions."""
    reader = serve(world)

    inputs = reader.get_many("flight_inputs", ROWS, features=["kinds:s", "origin:count", "kinds:b"])

    expected = ["kinds__s", "origin__count", "kinds__b"]
    assert list(inputs.names) == list(inputs.to_dict()) == inputs.to_arrow().column_names == expected
    assert list(inputs.to_pandas().columns) == list(inputs[0].values) == expected


@pytest.mark.parametrize(
    ("keys", "error", "said"),
    [
        ([{"origin": "EWR"}], MissingJoinKey, "`carrier`, `flight` were not given"),
        ([ROWS[0], {"origin": "EWR", "flight": 1}], MissingJoinKey, "row 1: the join key `carrier` is null"),
        ({**COLUMNS, "origin": [*ORIGINS[:4], None]}, MissingJoinKey, "row 4: the join key `origin` is null"),
        (
            pd.DataFrame({**COLUMNS, "origin": [*ORIGINS[:4], np.nan]}),
            MissingJoinKey,
            "row 4: the join key `origin`",
        ),
        ({**COLUMNS, "origin": ORIGINS[:4]}, ReadError, "unequal lengths: `origin` 4, `carrier` 5"),
        ({**COLUMNS, "gate": ORIGINS}, ReadError, "no view of the bundle uses the key `gate`"),
        ({**COLUMNS, "origin": "EWR"}, ReadError, "the column `origin` is a str; give a list"),
        ({**COLUMNS, "origin": 5}, ReadError, "the column `origin` is a int; give a list"),
        ({**COLUMNS, "flight": [1, 2, "1", 2, 1]}, ReadError, "row 2: the join key `flight` is '1'"),
        ({**COLUMNS, "flight": [1, 2, True, 2, 1]}, ReadError, "row 2: the join key `flight` is True"),
        (["EWR"], ReadError, "given as list; give a list of mappings"),
        ("EWR", ReadError, "given as str"),
        (5, ReadError, "given as int"),
        (pd.DataFrame({"origin": ["EWR", 5]}), ReadError, "the table of join keys cannot be read"),
    ],
)
def test_one_wrong_row_refuses_the_read(
    world: World, keys: object, error: type[Exception], said: str
) -> None:
    """The message names the row, the key and what to give."""
    reader = serve(world)

    with pytest.raises(error, match=said):
        reader.get_many("flight_inputs", keys)
