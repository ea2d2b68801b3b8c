"""Every type in every form in which a job may have it: one verdict, the same bytes."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC, date, datetime
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from syncline.adapters.memory.log import MemoryLog
from syncline.clock import ManualClock, from_us
from syncline.contracts.codec.avro import avro_text
from syncline.contracts.codec.decode_row import RowDecoder
from syncline.contracts.limits import DAYS, EVENT_TIMES
from syncline.contracts.model import Contract, Feature, FeatureType
from syncline.contracts.odcs.document import parse_contract
from syncline.errors import ContractViolation
from syncline.publisher.intake import Intake
from syncline.publisher.terms import Window
from syncline.wire.dead_letters import DeadLetter
from syncline.wire.framing import unframe
from syncline.wire.headers import last
from tests.unit.all_types import BROKEN, FEATURES, NOW_US, UNWRITABLE, canonical, flight, flight_contract
from tests.unit.contracts.checks import generated
from tests.unit.publisher.airport import make_publisher, records, register, written

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from syncline.publisher import Publisher

CONTRACT = flight_contract()
WINDOW = Window.at(CONTRACT, NOW_US)
_FLAVOURS = {
    "flight": pa.large_string(),
    "event_time": pa.timestamp("ns", "Asia/Tokyo"),
    "on_time": pa.bool_(),
    "seats": pa.int16(),
    "gate": pa.dictionary(pa.int8(), pa.int64()),
    "distance": pa.int32(),
    "load": pa.float64(),
    "dep_delay": pa.float64(),
    "carrier": pa.dictionary(pa.int8(), pa.string()),
    "tailnum": pa.string_view(),
    "built": pa.date64(),
    "dep_time": pa.timestamp("us", "+01:00"),
    "arr_time": pa.timestamp("us", "America/New_York"),
    "delays": pa.large_list(pa.float64()),
    "stops": pa.list_view(pa.large_string()),
    "codes": pa.list_(pa.string_view()),
    "holidays": pa.large_list(pa.date32()),
    "seen": pa.large_list_view(pa.timestamp("us", "Asia/Tokyo")),
    "by_cabin": pa.map_(pa.large_string(), pa.int64()),
    "checked": pa.map_(pa.string(), pa.date64()),
    "route": pa.list_(pa.float64()),
    "wide": pa.list_(pa.float64()),
}
"""Arrow's types of a job that chose each without a look at the contract."""
_BUILT = {"event_time": pa.timestamp("us", "UTC")}
"""Types that a column is built with first, where its own would take a number for something else."""


def as_arrow(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """The rows in the job's own Arrow types."""
    return pa.table(
        {
            name: pa.array([row[name] for row in rows], _BUILT.get(name, kind)).cast(kind)
            for name, kind in _FLAVOURS.items()
        }
    )


def as_pandas(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """The rows as pandas has them: numbers and times in numpy's types, all else as Python objects."""
    frame = pd.DataFrame({name: [row[name] for row in rows] for name in rows[0]})
    frame["event_time"] = pd.to_datetime(frame["event_time"], unit="us", utc=True)
    frame["gate"] = frame["gate"].astype("float64")
    frame["route"] = [np.array(each, np.float32) if type(each) is list else each for each in frame["route"]]
    return frame


def as_written(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with tuples and numpy arrays in them."""
    return [
        row
        | {
            "route": None if row["route"] is None else np.array(row["route"], np.float64),
            "delays": tuple(row["delays"]),
            "holidays": None if row["holidays"] is None else np.array(row["holidays"], "datetime64[D]"),
        }
        for row in rows
    ]


def as_checked(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows in the numbers that checks work on."""
    return [canonical(row, CONTRACT) for row in rows]


FORMS = {
    "rows": list,
    "written": as_written,
    "checked": as_checked,
    "arrow": as_arrow,
    "pandas": as_pandas,
}


def verdict(contract: Contract, given: Any, *, intake: Intake | None = None) -> tuple[list[Any], list[Any]]:
    """(number, key, event time and bytes of each row that goes; number, feature and rule of what is broken)."""
    intake = intake or Intake(contract, 7, on_violation="deadLetter")
    taken = intake.take(given, Window.at(contract, NOW_US))
    good = [
        item
        for parcel in taken.parcels
        for item in zip(
            parcel.numbers, parcel.keys, parcel.times_us, parcel.write(parcel.times_us, False), strict=True
        )
    ]
    broken = {(f.number, v.feature, v.rule) for f in taken.faulty for v in f.violations}
    return sorted(good), sorted(broken)


def one_by_one(
    contract: Contract, rows: Sequence[dict[str, Any]], *, intake: Intake | None = None
) -> tuple[list[Any], list[Any]]:
    """The verdict on each row by itself."""
    intake = intake or Intake(contract, 7, on_violation="deadLetter")
    each = [verdict(contract, [row], intake=intake) for row in rows]
    good = [(number, *item[1:]) for number, (found, _) in enumerate(each) for item in found]
    return good, sorted((number, *item[1:]) for number, (_, found) in enumerate(each) for item in found)


MANY = [
    flight(
        f"F{number % 40:02d}",
        NOW_US - number % 7,
        gate=None if number % 3 else 2,
        built=None if number % 4 == 0 else date(1990, 1, 1 + number % 28),
        arr_time=None if number % 5 == 0 else FEATURES["arr_time"],
        stops=["EWR", "JFK", "LGA"][: 1 + number % 3],
        checked=None if number % 6 == 0 else {f"k{at}": date(2027, 1, 1 + at) for at in range(number % 3)},
        wide=None if number % 7 == 0 else [float(number), -0.0],
        route=[number / 500, -1.0, 0.1],
    )
    for number in range(500)
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("count", [3, 500])
def test_all_forms_give_identical_bytes(form: str, count: int) -> None:
    """The same rows as lists, tuples, numpy arrays, Arrow's and pandas' types, few or many: the same records."""
    good, broken = one_by_one(CONTRACT, MANY[:count])
    assert broken == []
    assert verdict(CONTRACT, FORMS[form](MANY[:count])) == (good, [])


def test_what_is_published_is_what_was_said() -> None:
    """The record's value decodes to the row in canonical numbers, floats as wide as the contract says."""
    ((_, _, _, value),), _ = verdict(CONTRACT, [flight()])
    assert RowDecoder(avro_text(CONTRACT))(unframe(value)[1]) == canonical(flight(), CONTRACT)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("company", [0, 300])
def test_each_rule_is_told_in_every_form(form: str, company: int) -> None:
    """Rows that break rules are told with them all, few or amid many good ones, in whatever form they came."""
    # Arrow and arrays of numpy hold values of one type only.
    cases = BROKEN if form in ("arrow", "written") else BROKEN + UNWRITABLE
    given = [*MANY[:company], *(flight(f"B{number}", **changes) for number, (changes, _) in enumerate(cases))]

    good, broken = verdict(CONTRACT, FORMS[form](given))

    told: dict[int, set[tuple[str, str]]] = {}
    for number, feature, rule in broken:
        told.setdefault(number - company, set()).add((feature, rule))
    expected = {number: rules for number, (_, rules) in enumerate(cases)}
    if form == "pandas":
        # NaN is pandas' word for nothing.
        expected = {
            n: {(f, "null" if r == "finite" else r) for f, r in rules} for n, rules in expected.items()
        }
    assert told == expected
    assert [number for number, *_ in good] == list(range(company))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"dep_time": datetime(2027, 1, 1)}, r"dep_time: type: .*expected a time with a time zone"),  # noqa: DTZ001
        ({"built": datetime(2027, 1, 1, tzinfo=UTC)}, r"built: type: .*expected a datetime\.date"),
        ({"seen": [datetime(2027, 1, 1)]}, r"seen: itemType: .*time zone"),  # noqa: DTZ001
        ({"route": np.zeros((3, 1))}, r"(?s)route: type: .*numpy array of one dimension"),
        ({"by_cabin": 7}, r"by_cabin: type: .*a dict whose keys are texts"),
    ],
)
def test_a_wrong_value_is_told_what_would_be_right(changes: dict[str, Any], sentence: str) -> None:
    """A naive time, a moment for a day, an array of two dimensions: the error says what to hand in instead."""
    log, clock = MemoryLog(ManualClock(NOW_US)), ManualClock(NOW_US)
    register(log, CONTRACT, prefix="syncline")
    with (
        make_publisher(log, clock, prefix="syncline") as publisher,
        pytest.raises(ContractViolation, match=sentence),
    ):
        publisher.view("flight").publish_many([flight(**changes)])


@pytest.fixture
def log() -> MemoryLog:
    """A log with the flights applied."""
    log = MemoryLog(ManualClock(NOW_US))
    register(log, CONTRACT, prefix="syncline")
    return log


@pytest.fixture
def publisher(log: MemoryLog, request: pytest.FixtureRequest) -> Iterator[Publisher]:
    """A publisher that dead-letters, or does what the test's parameter says."""
    mode = getattr(request, "param", "deadLetter")
    with make_publisher(log, ManualClock(NOW_US), prefix="syncline", on_violation=mode) as publisher:
        yield publisher


def letters(log: MemoryLog) -> list[DeadLetter]:
    """The dead letters, in order."""
    batch = records(log, f"{CONTRACT.topic}.dlq")
    found = [
        DeadLetter.parse(key, value, batch.headers[number], 0)
        for number, (key, value) in enumerate(zip(batch.keys, batch.values, strict=True))
    ]
    return [letter for letter in found if letter is not None]


@pytest.mark.parametrize("publisher", ["deadLetter", "observe", "raise"], indirect=True)
def test_nothing_that_the_job_handed_in_is_changed(publisher: Publisher) -> None:
    """Rows, and the lists, arrays and dicts in them, are the job's before and after, whatever becomes of them."""
    view = publisher.view("flight")
    given = [*as_written(MANY[:250]), flight(delays=[9_999.0]), flight(seats=13)]
    before = deepcopy(given)
    for part in (given, given[-2:]):
        try:
            view.publish_many(part)
        except ContractViolation:
            assert publisher.stats().queued == 0
    row = flight()
    features = {name: row[name] for name in FEATURES}
    view.publish({"flight": "UA1545"}, features, event_time=NOW_US)
    assert features == FEATURES
    for mine, theirs in zip(given, before, strict=True):
        assert mine.keys() == theirs.keys()
        for name, value in theirs.items():
            assert type(mine[name]) is type(value)
            np.testing.assert_array_equal(mine[name], value)


@pytest.mark.parametrize(("changes", "rules"), UNWRITABLE, ids=str)
def test_rows_without_an_avro_form_become_json(
    log: MemoryLog, publisher: Publisher, changes: dict[str, Any], rules: set[tuple[str, str]]
) -> None:
    """A row of wrong types is kept as JSON with days and moments as ISO text, and the job goes on."""
    delivery = publisher.view("flight").publish_many([flight(**changes), flight("DL7")]).result()
    assert (delivery.queued, delivery.dead_lettered) == (2, 1)
    (letter,) = letters(log)
    assert (letter.reason.feature, letter.reason.rule) in rules
    assert last(letter.headers, "content-type") == b"application/json"
    assert letter.value is not None
    kept = json.loads(letter.value)
    assert kept["flight"] == "UA1545"
    expected = {
        "event_time": "2027-01-15T08:00:00Z",
        "built": "1998-07-01",
        "dep_time": "2027-01-15T07:30:00.123456Z",
        "holidays": ["2027-01-01", "2027-07-04"],
        "checked": {"engine": "2026-12-31"},
    }
    assert {name: kept[name] for name in expected if name not in changes} == {
        name: value for name, value in expected.items() if name not in changes
    }
    assert records(log, CONTRACT.topic).keys == [b"DL7"]


@pytest.mark.parametrize(
    ("given_time", "kept"),
    [
        ({"event_time": "noon"}, "noon"),
        ({"event_time": None}, None),
        ({"event_time": date(2027, 1, 1)}, "2027-01-01"),
    ],
)
def test_an_event_time_that_is_none_is_kept_as_it_was(
    log: MemoryLog, publisher: Publisher, given_time: dict[str, Any], kept: str | None
) -> None:
    """The dead letter of a row without a usable event time says what the job said, and invents nothing."""
    publisher.view("flight").publish_many([flight() | given_time]).result()
    (letter,) = letters(log)
    assert letter.value is not None
    assert json.loads(letter.value)["event_time"] == kept


@pytest.mark.parametrize(("changes", "rules"), BROKEN, ids=str)
def test_rows_that_break_a_rule_keep_their_bytes(
    log: MemoryLog, publisher: Publisher, changes: dict[str, Any], rules: set[tuple[str, str]]
) -> None:
    """A row that only breaks rules leaves as the Avro that it would have been, and the reason names every rule."""
    publisher.view("flight").publish_many([flight(**changes)]).result()
    (letter,) = letters(log)
    assert letter.value is not None
    decoded = RowDecoder(avro_text(CONTRACT))(unframe(letter.value)[1])
    np.testing.assert_equal(decoded, canonical(flight(**changes), CONTRACT))
    assert (letter.reason.feature, letter.reason.rule) in rules
    for _, rule in rules:
        assert f"{rule}: " in letter.reason.message


@pytest.mark.parametrize("publisher", ["observe"], indirect=True)
@pytest.mark.parametrize("form", FORMS)
def test_observe_covers_rules_between_features(log: MemoryLog, publisher: Publisher, form: str) -> None:
    """With `observe`, rows that break limits of items and rules in CEL are published, in order, and counted."""
    broken = [flight(seats=13), flight(delays=[9_999.0]), flight("DL7", stops=[])]
    publisher.view("flight").publish_many(FORMS[form](broken)).result()
    assert len(written(log, CONTRACT.topic)) == 3
    assert publisher.stats().violations == {
        ("flight", "seats", "cel:no_thirteen"): 1,
        ("flight", "delays", "itemMaximum"): 1,
        ("flight", "", "cel:no_stops_no_delays"): 1,
    }


@pytest.mark.parametrize("publisher", ["observe"], indirect=True)
def test_observe_does_not_cover_items_of_a_wrong_type(log: MemoryLog, publisher: Publisher) -> None:
    """An item that has no Avro form cannot be published, not even under `observe`."""
    with pytest.raises(ContractViolation, match="itemType"):
        publisher.view("flight").publish_many([flight(delays=[None])])
    publisher.flush()
    assert len(records(log, CONTRACT.topic)) == 0


LATE_US, AHEAD_US = 3_600_000_000, 300_000_000


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("company", [0, 300])
@pytest.mark.parametrize(
    ("offset_us", "rule"),
    [(AHEAD_US, None), (AHEAD_US + 1, "ahead"), (-LATE_US, None), (-LATE_US - 1, "late")],
)
def test_the_time_window_to_the_microsecond(
    form: str, company: int, offset_us: int, rule: str | None
) -> None:
    """Late and too far ahead are judged against the job's clock, both ends included, in every form."""
    contract = flight_contract(lateArrival="1 h")
    given = FORMS[form]([*MANY[:company], flight(time_us=NOW_US + offset_us)])
    _, broken = verdict(contract, given)
    assert broken == ([] if rule is None else [(company, "event_time", rule)])


@pytest.mark.parametrize(
    ("offset_us", "rule"),
    [(AHEAD_US, None), (AHEAD_US + 1, "ahead"), (-LATE_US, None), (-LATE_US - 1, "late")],
)
def test_single_updates_and_deletes_have_the_same_window(offset_us: int, rule: str | None) -> None:
    """`publish` and `delete` draw the line where `publish_many` does."""
    contract = flight_contract(lateArrival="1 h")
    log, clock = MemoryLog(ManualClock(NOW_US)), ManualClock(NOW_US)
    register(log, contract, prefix="syncline")
    when = from_us(NOW_US + offset_us)
    with make_publisher(log, clock, prefix="syncline") as publisher:
        view = publisher.view("flight")
        for publish in (
            lambda: view.publish({"flight": "A"}, FEATURES, event_time=when),
            lambda: view.delete({"flight": "B"}, event_time=when),
        ):
            if rule is None:
                assert publish().result().acknowledged == 1
                continue
            with pytest.raises(ContractViolation) as caught:
                publish()
            assert [violation.rule for _, violation in caught.value.violations] == [rule]


@pytest.mark.parametrize("form", ["arrow", "pandas"])
def test_a_column_that_is_there_twice_is_refused(publisher: Publisher, form: str) -> None:
    """Which of two columns is meant cannot be known: neither is taken."""
    if form == "arrow":
        table = as_arrow([flight()])
        twice: Any = table.append_column("seats", pa.array([9]))
    else:
        frame = as_pandas([flight()])
        twice = pd.concat([frame, frame[["seats"]]], axis=1)
    with pytest.raises(TypeError, match="'seats' is there twice"):
        publisher.view("flight").publish_many(twice)


AWARE, NAIVE = datetime(2027, 1, 15, 8, tzinfo=UTC), datetime(2027, 1, 15, 8)  # noqa: DTZ001  it must be refused


_SMALL = """
apiVersion: v3.2.0
kind: DataContract
id: small
version: 1.0.0
status: active
team: {{name: tests}}
schema:
  - name: small
    logicalType: object
    physicalType: topic
    properties:
      - {{name: flight, logicalType: string, required: true, primaryKey: true}}
      - {{name: event_time, logicalType: timestamp, required: true}}
      - {{name: value, {kind}, required: true}}
"""
"""One feature, so that nothing else decides how a batch is taken."""


@pytest.mark.parametrize("count", [2, 300])
@pytest.mark.parametrize("form", ["rows", "pandas"])
@pytest.mark.parametrize(
    ("kind", "good", "bad", "rule"),
    [
        ("logicalType: timestamp", AWARE, NAIVE, "type"),
        ("logicalType: date", date(2027, 1, 1), AWARE, "type"),
        (
            "logicalType: array, items: {logicalType: date}",
            [date(2027, 1, 1)],
            [date(2027, 1, 1), AWARE],
            "itemType",
        ),
        ("logicalType: array, items: {logicalType: timestamp}", [AWARE], [AWARE, NAIVE], "itemType"),
        ("logicalType: array, items: {logicalType: integer}", [1], [1.0], "itemType"),
        ("logicalType: array, items: {logicalType: integer}", [1], [True], "itemType"),
        ("logicalType: array, items: {logicalType: boolean}", [True], [1], "itemType"),
        ("logicalType: array, items: {logicalType: number}", [1.5], [np.float32(1.5)], "itemType"),
        (
            "logicalType: map, map: {key: {logicalType: string}, value: {logicalType: integer}}",
            {"a": 1},
            {"a": 1.0},
            "itemType",
        ),
        ("logicalType: integer", 1, 2**70, "type"),
    ],
)
def test_one_value_of_a_wrong_type_is_never_taken_for_a_right_one(
    *, form: str, count: int, kind: str, good: Any, bad: Any, rule: str
) -> None:
    """Amid values of the right type a wrong one is judged as it is, not as Arrow would convert it."""
    contract = parse_contract(_SMALL.format(kind=kind), file="small.odcs.yaml")
    values = [good] * (count - 1) + [bad]
    rows = [
        {"flight": f"F{number}", "event_time": NOW_US, "value": value} for number, value in enumerate(values)
    ]
    frame = pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=object) for name in rows[0]})
    frame["event_time"] = pd.to_datetime([NOW_US] * count, unit="us", utc=True)
    given, broken = verdict(contract, rows if form == "rows" else frame)
    assert broken == [(count - 1, "value", rule)]
    assert len(given) == count - 1


@pytest.mark.parametrize("count", [2, 300])
def test_event_times_of_a_frame_do_not_borrow_a_zone(count: int) -> None:
    """A naive time after aware ones in a column of objects is refused as it is in a row."""
    contract = parse_contract(_SMALL.format(kind="logicalType: boolean"), file="small.odcs.yaml")
    frame = pd.DataFrame({"flight": [f"F{number}" for number in range(count)], "value": [True] * count})
    frame["event_time"] = pd.Series([AWARE] * (count - 1) + [NAIVE], dtype=object)
    _, broken = verdict(contract, frame)
    assert broken == [(count - 1, "event_time", "type")]


@pytest.mark.parametrize("count", [1, 300])
def test_nan_inside_a_list_of_a_frame_is_a_number(count: int) -> None:
    """In a frame a NaN cell is null, but an item is what it is: here it is allowed, and a null never is."""
    frame = as_pandas([flight(f"F{number}", wide=[float("nan"), 1.0]) for number in range(count)])
    given, broken = verdict(CONTRACT, frame)
    assert (len(given), broken) == (count, [])


def test_arrow_texts_that_are_no_utf8_are_told(publisher: Publisher) -> None:
    """A column with broken text is refused row by row, not with an exception of Arrow's."""
    table = as_arrow([flight("A"), flight("B"), flight("C")])
    broken = pa.array([b"N1", b"\xff\xff", b"N2"]).view(pa.string())
    place = table.schema.get_field_index("tailnum")
    delivery = publisher.view("flight").publish_many(table.set_column(place, "tailnum", broken))
    assert (delivery.queued, delivery.dead_lettered) == (3, 1)


def job_value(feature: Feature, value: Any, style: int) -> Any:
    """A canonical value as a job might have it."""
    if value is None or style == 0:
        return value
    if feature.item is not None:
        return _job_items(feature, value, style)
    return _job_scalar(feature.type, value)


def _job_scalar(kind: FeatureType, value: Any) -> Any:
    if kind is FeatureType.DATE and DAYS[0] <= value <= DAYS[1]:
        return date.fromordinal(value + date(1970, 1, 1).toordinal())
    if kind is FeatureType.TIMESTAMP and EVENT_TIMES[0] <= value <= EVENT_TIMES[1]:
        return from_us(value)
    return value


def _job_items(feature: Feature, value: Any, style: int) -> Any:
    assert feature.item is not None
    kind = feature.item.type
    if feature.type is FeatureType.MAP:
        return {key: _job_scalar(kind, each) for key, each in value.items()}
    if style == 1 and kind in (FeatureType.LONG, FeatureType.INT, FeatureType.BOOLEAN) and value:
        return np.array(value)
    if style == 1 and kind is FeatureType.DOUBLE:
        return np.array([float(each) for each in value], np.float64)
    return tuple(_job_scalar(kind, each) for each in value)


SEEDS = 200
"""How many pairs of a contract and rows; a seed in the output is enough to have one again."""


@pytest.mark.untraced
@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("mode", ["observe", "deadLetter"])
def test_every_way_in_has_one_verdict_for_generated_contracts(part: int, mode: str) -> None:
    """Whatever contract and rows: one by one, as columns of rows and as Arrow, the same bytes and violations."""
    gone = 0
    for seed in range(part, SEEDS, 4):
        random = Random(seed)
        contract = generated.contract(random)
        rows = [generated.row(random, contract) for _ in range(random.randint(1, 5))]
        for row in rows:
            if contract.event_time in row and EVENT_TIMES[0] <= row[contract.event_time] <= EVENT_TIMES[1]:
                row[contract.event_time] = NOW_US + random.randint(-5, 5)
        jobs = [
            row | {f.name: job_value(f, row[f.name], random.randint(0, 2)) for f in contract.features}
            for row in rows
        ]
        if random.random() < 0.2:
            # But for a whole number whose own order raises: it is one, and no encoder could carry it.
            odd = [value for value in generated.odd_values() if type(value).__name__ != "MyInt"]
            jobs[0][random.choice(contract.features).name] = random.choice(odd)
            rows = rows[1:]
        intake = Intake(contract, 7, on_violation=mode)

        expected = one_by_one(contract, jobs, intake=intake)

        # So many rows that they are taken as columns; the copies come last, and so keep the others' numbers.
        good, broken = verdict(contract, jobs + jobs[-1:] * 200, intake=intake)
        assert [item for item in good if item[0] < len(jobs)] == expected[0], seed
        assert [item for item in broken if item[0] < len(jobs)] == expected[1], seed
        if rows:
            offset = len(jobs) - len(rows)
            found = verdict(contract, generated.batch(contract, rows), intake=intake)
            moved = [[(item[0] + offset, *item[1:]) for item in part] for part in found]
            assert moved == [[item for item in part if item[0] >= offset] for part in expected], seed
        gone += len(expected[0])
    assert gone > SEEDS // 20
