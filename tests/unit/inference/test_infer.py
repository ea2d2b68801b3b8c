"""A first contract from data: valid as it stands, kept by the data it came from, and easy to review."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from syncline.contracts.checks.rows import compile_rows
from syncline.contracts.codec.arrow import items_of
from syncline.contracts.model import Contract, FeatureType
from syncline.contracts.odcs.document import parse_contract
from syncline.errors import DefinitionError
from syncline.inference.files import Source
from syncline.inference.infer import Inferred, Wishes, infer
from syncline.inference.types import column_type, list_values, scalar_values
from tests.unit.inference.tables import tables

FILE = Path("data/flight delays.parquet")


def source(
    columns: dict[str, pa.Array] | tuple[list[str], list[pa.Array]], *, batch_rows: int = 40
) -> Source:
    """Columns as a file that is read in batches."""
    names, arrays = columns if isinstance(columns, tuple) else (list(columns), list(columns.values()))
    rows = len(arrays[0])

    def batches() -> Any:
        for start in range(0, rows, batch_rows):
            yield [array.slice(start, batch_rows) for array in arrays]

    return Source("Parquet", tuple(names), tuple(array.type for array in arrays), batches)


def inferred(columns: Any, **wishes: Any) -> tuple[Inferred, Contract]:
    """The proposal for these columns, and the contract that it states."""
    found = infer(source(columns), FILE, Wishes(**wishes))
    return found, parse_contract(found.text, file="proposed.yaml")


def rows_of(found: Inferred, contract: Contract, arrays: list[pa.Array]) -> list[dict[str, Any]]:
    """All rows of the file under the contract's names, as the row check takes them."""
    columns = {name: python_values(arrays[place]) for name, place in found.places}
    when = dict(found.places)[contract.event_time]
    if column_type(arrays[when].type).kind is FeatureType.DATE:
        columns[contract.event_time] = [day * 86_400_000_000 for day in columns[contract.event_time]]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def python_values(column: pa.Array) -> list[Any]:
    """A column's values with days and moments as whole numbers, lists as lists and maps as dicts."""
    kind = column_type(column.type)
    if kind.item is None:
        return plain(scalar_values(column, kind.kind), kind.kind)
    column = list_values(column, kind)
    items = items_of(column)
    values = plain(scalar_values(items.values, kind.item), kind.item)
    keys = items.keys.to_pylist() if items.keys is not None else None
    rows: list[Any] = []
    for start, stop in pairwise(items.ends.tolist()):
        inside = values[start:stop]
        rows.append(inside if keys is None else dict(zip(keys[start:stop], inside, strict=True)))
    return [row if there else None for row, there in zip(rows, column.is_valid().to_pylist(), strict=True)]


def plain(column: pa.Array, kind: FeatureType) -> list[Any]:
    """Scalars as the row check takes them."""
    if kind.is_moment:
        column = column.cast(pa.int32() if kind is FeatureType.DATE else pa.int64())
    return column.to_pylist()


def minutes(count: int) -> pa.Array:
    """So many moments, a minute apart."""
    first = 1_800_000_000_000_000
    return pa.array([first + 60_000_000 * number for number in range(count)], pa.timestamp("us", tz="UTC"))


def stated(text: str, name: str) -> str:
    """The lines of one property, up to the next."""
    _, _, after = text.partition(f"- name: {name}")
    assert after, text
    return after.partition("\n      - name")[0].partition("\nslaProperties")[0]


@pytest.mark.untraced
@settings(deadline=None, max_examples=120)
@given(tables())
def test_whatever_the_file_holds_the_contract_is_valid_and_kept_by_it(
    table: tuple[list[str], list[pa.Array]],
) -> None:
    """The output passes the checks of definitions as it stands, and every row of the file keeps it; or one sentence."""
    refusal = None
    try:
        found, contract = inferred(table)
    except DefinitionError as error:
        refusal = error.problems
    if refusal is not None:
        event(f"refused: {refusal[0].message[:30]}")
        assert [(problem.rule, bool(problem.remedy)) for problem in refusal] == [("data", True)]
        return
    event("proposed")
    rows = rows_of(found, contract, table[1])
    check = compile_rows(contract)
    assert [broken for row in rows for broken in check(row)] == []
    assert "# " in found.text


@settings(deadline=None, max_examples=50)
@given(tables())
def test_equal_files_give_equal_contracts_in_whatever_batches(
    table: tuple[list[str], list[pa.Array]],
) -> None:
    """The text depends on the data alone, not on how the file was cut into pieces."""
    texts = set()
    for batch_rows in (7, 1_000):
        try:
            texts.add(infer(source(table, batch_rows=batch_rows), FILE, Wishes()).text)
        except DefinitionError as error:
            texts.add(str(error))
    assert len(texts) == 1


def test_limits_leave_room_and_are_marked() -> None:
    """A range is as wide again on both sides, rounded outwards, and says what was observed."""
    found, contract = inferred(
        {
            "airport": pa.array(["EWR", "JFK"] * 100),
            "ts": minutes(200),
            "dep_delay": pa.array([-43, 1301] * 100),
            "flights_count": pa.array(range(5, 205)),
            "humidity": pa.array([20.0, 99.5] * 100),
        }
    )
    delay, count, humidity = contract.features
    assert (delay.minimum, delay.maximum) == (-1500, 3000)
    assert (count.minimum, count.maximum) == (0, 500)
    assert (humidity.minimum, humidity.maximum) == (0, 100)
    assert "# observed -43 … 1301; review" in stated(found.text, "dep_delay")
    assert "by its name" in stated(found.text, "humidity")


def test_few_values_give_no_limits() -> None:
    """From fewer than a hundred values nothing is concluded; what was observed is said."""
    found, contract = inferred(
        {
            "id": pa.array(["a", "b", "c"]),
            "ts": minutes(3),
            "x": pa.array([1, 2, 3]),
            "word": pa.array(["u", "v", "u"]),
        }
    )
    number, word = contract.features
    assert (number.minimum, number.maximum, word.allowed, word.pattern, word.max_length) == (None,) * 5
    assert "# observed 1 … 3 in 3 values: too few for limits" in found.text


def test_texts_get_an_enum_a_pattern_or_a_length() -> None:
    """Few and frequent values are allowed values; texts made alike share a pattern; others a largest length."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    found, contract = inferred(
        {
            "id": pa.array([f"e{number % 7}" for number in range(400)]),
            "ts": minutes(400),
            "carrier": pa.array(["UA", "B6", "DL", "AA"] * 100),
            "dest": pa.array([letters[number % 26] + letters[number // 26] + "X" for number in range(400)]),
            "remark": pa.array(["late " * (number % 9) + str(number) for number in range(400)]),
            "rare": pa.array(["often"] * 399 + ["once"]),
        }
    )
    carrier, dest, remark, rare = contract.features
    assert carrier.allowed == ("AA", "B6", "DL", "UA")
    assert dest.pattern == "^[A-Z]{3}$"
    assert (remark.pattern, remark.max_length) == (None, 100)
    assert (rare.allowed, rare.max_length) == (None, 16)
    assert "# no enum: the rarest of the 2 values was observed 1 times only" in found.text


def test_nulls_and_nan_are_counted_and_allowed() -> None:
    """A null share becomes `required: false` and an expectation; NaN is allowed, and said to be better as null."""
    found, contract = inferred(
        {
            "id": pa.array(["a"] * 200),
            "ts": minutes(200),
            "gust": pa.array([None, 1.5, 2.5, float("nan")] * 50),
        }
    )
    gust = contract.features[0]
    assert not gust.required
    assert not gust.finite
    assert "# observed 25.0 % null; review" in found.text
    assert "mustBeLessThan: 40" in found.text
    assert "observed 50 NaN: better sent as null" in found.text


def test_lists_maps_and_vectors() -> None:
    """Lists of floats of one length are vectors; other lists and maps say what they hold."""
    _, contract = inferred(
        {
            "id": pa.array(["a"] * 120),
            "ts": minutes(120),
            "embedding": pa.array([[0.5] * 32] * 120, pa.list_(pa.float32())),
            "fixed": pa.array([[0.5, 1.0]] * 120, pa.list_(pa.float64(), 2)),
            "tags": pa.array([["x", "yy"], []] * 60),
            "shares": pa.array([[("a", 0.5)]] * 120, pa.map_(pa.string(), pa.float64())),
        }
    )
    embedding, fixed, tags, shares = contract.features
    assert (embedding.type, embedding.dimensions) == (FeatureType.VECTOR, 32)
    assert (fixed.type, fixed.dimensions) == (FeatureType.VECTOR, 2)
    assert (tags.type, tags.max_items) == (FeatureType.LIST, 4)
    assert (shares.type, shares.item.type) == (FeatureType.MAP, FeatureType.DOUBLE)


def test_what_has_no_type_is_left_out_with_the_reason() -> None:
    """Columns that no contract can carry stand as comments: which, and what to do."""
    found, contract = inferred(
        {
            "id": pa.array(["a"]),
            "ts": minutes(1),
            "ok": pa.array([1]),
            "price": pa.array([None], pa.decimal128(10, 2)),
            "address": pa.array([{"city": "Wien"}]),
            "nothing": pa.array([None]),
            "huge": pa.array([2**64 - 1], pa.uint64()),
            "holes": pa.array([[1, None]]),
        }
    )
    assert [feature.name for feature in contract.features] == ["ok"]
    for name in ("price", "address", "nothing", "huge", "holes"):
        assert f'# Left out: "{name}": ' in found.text


def test_odd_names_are_renamed_and_said() -> None:
    """Names that no feature can have are changed, each with its column beside it, and none twice."""
    names = ["Dep. Delay (min)", "1st", "Größe", "a__b", "a b", "ключ", "event_time", "a_b"]
    columns = (["id", "ts", *names], [pa.array(["a"]), minutes(1), *(pa.array([1]) for _ in names)])
    found, contract = inferred(columns, event_time="ts")
    assert [feature.name for feature in contract.features] == [
        "Dep_Delay_min",
        "column_1st",
        "Grosse",
        "a_b_2",
        "a_b_3",
        "column_8",
        "event_time_2",
        "a_b",
    ]
    assert '- name: column_1st # the column "1st"' in found.text


def test_the_key_is_what_no_two_rows_share_at_one_time() -> None:
    """Texts are preferred to numbers, few columns to many, and how it was found is said."""
    found, contract = inferred(
        {
            "seq": pa.array(range(60)),
            "airport": pa.array(["EWR", "JFK", "LGA"] * 20),
            "ts": pa.array([first for first in minutes(20) for _ in range(3)], pa.timestamp("us", tz="UTC")),
            "delay": pa.array([1.0] * 60),
        }
    )
    assert [key.name for key in contract.keys] == ["airport"]
    assert "# proposed, as no two of 60 rows have the same `airport` and `ts`; review" in found.text
    assert contract.frequency_us == 60_000_000


def test_an_irregular_cadence_is_not_promised() -> None:
    """A frequency that often would not be kept is said as a comment, and not stated."""
    gaps = [1, 1, 1, 500] * 30
    moments = [1_800_000_000_000_000 + sum(gaps[:number]) * 60_000_000 for number in range(120)]
    found, contract = inferred(
        {
            "id": pa.array(["a"] * 120),
            "ts": pa.array(moments, pa.timestamp("us", tz="UTC")),
            "x": pa.array([1] * 120),
        }
    )
    assert contract.frequency_us is None
    assert (
        "# No frequency: observed gaps of a key: median 1 min, 95 % up to 8.33 h: too irregular" in found.text
    )


def test_what_is_asked_for_is_taken() -> None:
    """View, owner, keys and event time as given; what is wrong with a wished key is said."""
    table = {
        "tailnum": pa.array(["N1", None, "N2"]),
        "day": pa.array([1, 2, 3], pa.date32()),
        "x": pa.array([1, 2, 3]),
    }
    found, contract = inferred(table, view="planes", keys=("tailnum",), event_time="day", owner="fleet")
    assert (contract.view, contract.owner, [key.name for key in contract.keys]) == (
        "planes",
        "fleet",
        ["tailnum"],
    )
    assert found.notes == ("note: `tailnum` is a key, and 1 null: such rows break the contract",)
    assert "a day: send its midnight, UTC" in found.text


@pytest.mark.parametrize(
    ("table", "wishes", "message", "remedy"),
    [
        ({"id": pa.array(["a"]), "x": pa.array([1])}, {}, "no column is a timestamp", "--event-time"),
        (
            {"id": pa.array(["a"]), "day": pa.array([1], pa.date32())},
            {},
            "no column is a timestamp",
            "--event-time day",
        ),
        ({"ts": minutes(2), "x": pa.array([1.0, 2.0])}, {}, "are unique together with `ts`", "--key"),
        (
            {"id": pa.array(["a", "a"]), "ts": minutes(1).take([0, 0]), "x": pa.array([1.5, 2.5])},
            {},
            "are unique together with `ts`",
            "--key",
        ),
        ({"id": pa.array(["a"]), "ts": minutes(1)}, {}, "no column is left to be a feature", "Add one"),
        ({"id": pa.array(["a"]), "ts": minutes(1)}, {"keys": ("idd",)}, "no column `idd`", "`id`"),
        (
            {"id": pa.array(["a"]), "ts": minutes(1)},
            {"event_time": "id"},
            "`id` is no timestamp",
            "--event-time",
        ),
        ({"x": pa.array([1.5]), "ts": minutes(1)}, {"keys": ("x",)}, "`x` cannot be a key", "--key"),
        ({"id": pa.array(["a"]), "ts": minutes(1)}, {"keys": ("ts",)}, "it is the event time", "--key"),
        (
            {"id": pa.array(["a", "b"]), "ts": pa.array([None, 1], pa.timestamp("us"))},
            {},
            "null",
            "--event-time",
        ),
        ({"a": pa.array([], pa.null())}, {}, "it has no rows", "some rows"),
    ],
)
def test_data_that_will_not_do_is_one_sentence(table: Any, wishes: Any, message: str, remedy: str) -> None:
    """What is missing is named with the file and with what to do."""
    with pytest.raises(DefinitionError) as caught:
        infer(source(table), FILE, Wishes(**wishes))
    (problem,) = caught.value.problems
    assert problem.file == str(FILE)
    assert message in problem.message
    assert remedy in problem.remedy


@settings(deadline=None, max_examples=40)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_any_text_of_the_data_stays_one_value_on_one_line(text: str) -> None:
    """Values that look like YAML, comments or line ends change nothing around them."""
    _, contract = inferred(
        {
            "id": pa.array(["a"] * 120),
            "ts": minutes(120),
            f"f {text}": pa.array([1] * 120),
            "word": pa.array([text or "-"] * 120),
        }
    )
    assert contract.feature("word").allowed == (text or "-",)
