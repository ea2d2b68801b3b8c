"""One view: what is checked, what is written, and that all forms of rows are one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncline.clock import ManualClock, from_us
from syncline.contracts.codec.avro import avro_text
from syncline.contracts.codec.decode_row import RowDecoder
from syncline.errors import ContractViolation
from syncline.publisher.intake import Intake
from syncline.publisher.terms import Window
from syncline.wire.dead_letters import DeadLetter
from syncline.wire.framing import unframe
from syncline.wire.headers import decode_time, last
from syncline.wire.keys import partition_for
from tests.unit.publisher.airport import (
    FEATURES,
    NOW_US,
    ROUTE_KEYS,
    airport_contract,
    make_publisher,
    records,
    register,
    row,
    values_by_key,
    written,
)


def columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """The rows turned by a quarter."""
    return {name: [each[name] for each in rows] for name in rows[0]}


def as_arrow(rows: list[dict[str, Any]]) -> pa.Table:
    """The rows as a job with Arrow has them: times with a zone, narrow integers."""
    return pa.table(columns(rows)).cast(
        pa.schema(
            [
                ("airport", pa.large_string()),
                ("event_time", pa.timestamp("us", tz="America/New_York")),
                ("delay", pa.float64()),
                ("departures", pa.int16()),
                ("seats", pa.int64()),
                ("ratio", pa.float64()),
                ("airborne", pa.bool_()),
                ("carrier", pa.string()),
            ]
        )
    )


def as_pandas(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """The rows as pandas has them: NaN for null, integers with gaps as floats."""
    frame = pd.DataFrame(columns(rows))
    frame["event_time"] = pd.to_datetime(frame["event_time"], unit="us", utc=True)
    frame["seats"] = frame["seats"].astype("float64")
    return frame


FORMS = {"rows": list, "arrow": as_arrow, "pandas": as_pandas}
MANY = [
    row(
        f"A{number % 40:02d}",
        NOW_US - number % 7,
        delay=None if number % 5 == 0 else number / 3,
        seats=number % 3 or None,
    )
    for number in range(500)
]


def test_an_update_is_an_avro_record_behind_its_key(log, publisher, contract):
    """A published row stands in its key's partition, framed with the schema id, and decodes to what was given."""
    delivery = publisher.view("airport_delay").publish(
        {"airport": "EWR"}, FEATURES, event_time=datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
    )
    publisher.flush()

    batch = records(log, contract.topic)
    schema_id, body = unframe(written(log, contract.topic)[0])
    assert batch.keys == [b"EWR"]
    assert batch.slices[0].partition == partition_for(b"EWR", 3)
    assert schema_id == 7
    decoded = RowDecoder(avro_text(contract))(body)
    assert decoded == {**row(time_us=NOW_US), "ratio": pytest.approx(0.1)}
    assert delivery.outcome() == "acknowledged"


def test_rows_arrow_and_pandas_give_identical_bytes(log, publish_with, contract):
    """The same rows handed in as mappings, as Arrow and as pandas, and one by one, give the same records."""
    by_form = {}
    for form, convert in FORMS.items():
        publisher = publish_with()
        publisher.view("airport_delay").publish_many(convert(MANY))
        publisher.close()
        by_form[form] = values_by_key(records(log, contract.topic))
        log.delete_topic(contract.topic)
        register(log, contract, prefix="syncline")
    publisher = publish_with()
    view = publisher.view("airport_delay")
    for each in MANY:
        features = {name: value for name, value in each.items() if name in FEATURES}
        view.publish({"airport": each["airport"]}, features, event_time=each["event_time"])
    publisher.close()
    assert (
        by_form["rows"]
        == by_form["arrow"]
        == by_form["pandas"]
        == values_by_key(records(log, contract.topic))
    )


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("count", [3, 500])
def test_one_bad_row_keeps_the_whole_batch_back(log, publisher, contract, form, count):
    """A batch with bad rows publishes nothing, and every broken rule of every row is told by its number."""
    rows = [row(time_us=NOW_US + number) for number in range(count)]
    rows[1] = row(delay=5_000.0, departures=-1)
    rows[count - 1] = row(carrier="ZZ")

    with pytest.raises(ContractViolation) as caught:
        publisher.view("airport_delay").publish_many(FORMS[form](rows))

    found = [(number, violation.feature, violation.rule) for number, violation in caught.value.violations]
    assert found == [(1, "delay", "maximum"), (1, "departures", "minimum"), (count - 1, "carrier", "enum")]
    publisher.flush()
    assert len(records(log, contract.topic)) == 0
    assert publisher.stats().queued == 0
    assert publisher.stats().violations["airport_delay", "departures", "minimum"] == 1


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"delay": 3000.5}, ("delay", "maximum")),
        ({"delay": float("nan")}, ("delay", "finite")),
        ({"departures": None}, ("departures", "null")),
        ({"departures": 2**63}, ("departures", "type")),
        ({"seats": 2**31}, ("seats", "type")),
        ({"ratio": "0.1"}, ("ratio", "type")),
        ({"airborne": 1}, ("airborne", "type")),
        ({"wind": 3}, ("wind", "unknown")),
        ({"airport": ""}, ("airport", "key")),
        ({"airport": None}, ("airport", "null")),
        ({"airport": 7}, ("airport", "type")),
        ({"airport": "x" * 512}, ("airport", "key")),
        ({"airport": "\x00syncline.cut.1"}, ("airport", "key")),
        ({"airport": "\ud800"}, ("airport", "type")),
        ({"event_time": datetime(2027, 1, 15)}, ("event_time", "type")),  # noqa: DTZ001  it is what must be refused
        ({"event_time": True}, ("event_time", "type")),
        ({"event_time": "2027-01-15"}, ("event_time", "type")),
        ({"event_time": None}, ("event_time", "null")),
        ({"event_time": NOW_US + 300_000_001}, ("event_time", "ahead")),
        ({"event_time": NOW_US - 3_600_000_001}, ("event_time", "late")),
    ],
)
@pytest.mark.parametrize("count", [1, 400])
def test_each_rule_is_told(publisher, changes, expected, count):
    """A row that breaks one rule is refused with that rule, alone or amid many good ones."""
    rows = [row(time_us=NOW_US + number) for number in range(count)]
    rows[-1].update(changes)
    with pytest.raises(ContractViolation) as caught:
        publisher.view("airport_delay").publish_many(rows)
    assert [(number, v.feature, v.rule) for number, v in caught.value.violations] == [(count - 1, *expected)]


def test_the_ends_of_the_time_window_are_allowed(publisher):
    """An event time of exactly now + maxAhead or now - lateArrival is neither ahead nor late, in either form."""
    edges = [row(time_us=NOW_US + 300_000_000), row("JFK", NOW_US - 3_600_000_000)]
    view = publisher.view("airport_delay")
    assert view.publish_many(edges).result().acknowledged == 2
    assert view.publish_many(as_arrow(edges)).result().acknowledged == 2


def test_what_is_missing_is_told_and_a_default_fills_in(publisher, contract, log):
    """An omitted feature takes its default; one without a default breaks `missing`: there are no partial updates."""
    view = publisher.view("airport_delay")
    features = dict(FEATURES)
    del features["carrier"]
    view.publish({"airport": "EWR"}, features, event_time=NOW_US)
    table = as_arrow([row("JFK")]).drop_columns(["carrier"])
    view.publish_many(table)
    publisher.flush()
    decode = RowDecoder(avro_text(contract))
    assert [decode(unframe(value)[1])["carrier"] for value in written(log, contract.topic)] == [
        "UA",
        "UA",
    ]

    del features["departures"]
    with pytest.raises(ContractViolation, match=r"departures: missing"):
        view.publish({"airport": "EWR"}, features, event_time=NOW_US)
    with pytest.raises(ContractViolation, match=r"departures: missing"):
        view.publish_many(table.drop_columns(["departures"]))


def test_a_name_given_as_key_and_as_feature_is_refused(publisher):
    """One value a name: which of two was meant cannot be known."""
    with pytest.raises(ContractViolation, match="given twice"):
        publisher.view("airport_delay").publish(
            {"airport": "EWR"}, {**FEATURES, "airport": "JFK"}, event_time=NOW_US
        )


@pytest.mark.parametrize("form", ["arrow", "pandas"])
def test_naive_columns_of_times_are_refused(publisher, form):
    """Timestamps without a zone are refused in columns as they are in rows."""
    if form == "arrow":
        table = as_arrow([row()])
        naive = table.set_column(1, "event_time", table["event_time"].cast(pa.timestamp("us")))
    else:
        naive = as_pandas([row()])
        naive["event_time"] = naive["event_time"].dt.tz_localize(None)
    with pytest.raises(ContractViolation, match="time zone"):
        publisher.view("airport_delay").publish_many(naive)


@pytest.mark.parametrize("given", [{"airport": "EWR"}, "EWR", 7, None])
def test_publish_many_names_what_it_takes(publisher, given):
    """A single row, a text, a number or nothing is no batch, and the error says what is."""
    with pytest.raises(TypeError, match="an iterable of rows, an Arrow batch or table, or a pandas frame"):
        publisher.view("airport_delay").publish_many(given)


def test_an_empty_batch_is_acknowledged_at_once(publisher):
    """Nothing to publish is no error, in any form."""
    view = publisher.view("airport_delay")
    for nothing in ([], as_arrow([row()]).slice(0, 0), as_pandas([row()]).iloc[:0]):
        assert view.publish_many(nothing).result().queued == 0


def test_several_join_keys_are_a_json_array(log, clock):
    """Several join keys make one record key: a canonical JSON array in the contract's order, in every form."""
    contract = airport_contract("syncline", view="route", keys=ROUTE_KEYS)
    register(log, contract, prefix="syncline", schema_id=8)
    rows = [{"number": 17, "origin": "Zürich", "event_time": NOW_US, **FEATURES}]
    with make_publisher(log, clock, prefix="syncline") as publisher:
        view = publisher.view("route")
        view.publish_many(rows)
        view.publish_many(pa.RecordBatch.from_pylist([{**rows[0], "number": 18}]))
        view.delete({"origin": "Zürich", "number": 17}, event_time=NOW_US + 5)
    keys = set(records(log, contract.topic).keys)
    assert keys == {'["Zürich",17]'.encode(), '["Zürich",18]'.encode()}


def test_ties_within_and_between_calls_are_moved_apart(log, publisher, contract):
    """P8: updates of a key with one event time get distinct ones, deletes included; an older one goes as it is."""
    view = publisher.view("airport_delay")
    view.publish({"airport": "EWR"}, FEATURES, event_time=NOW_US)
    view.publish_many(as_arrow([row(), row(), row("JFK")]))
    view.publish_many([row(), row(time_us=NOW_US - 9)])
    view.delete({"airport": "EWR"}, event_time=NOW_US)
    publisher.flush()

    batch = records(log, contract.topic)
    decode = RowDecoder(avro_text(contract))
    times = {b"EWR": [], b"JFK": []}
    for number, (key, value) in enumerate(zip(batch.keys, batch.values, strict=True)):
        if value is None:
            times[key].append(decode_time(last(batch.headers[number], "ce_time")) - NOW_US)
        else:
            times[key].append(decode(unframe(value)[1])["event_time"] - NOW_US)
    assert times == {b"EWR": [0, 1, 2, 3, -9, 4], b"JFK": [0]}


def test_a_delete_is_a_null_value_with_its_time(log, publisher, contract):
    """A delete carries its event time in `ce_time`, as there is no value to hold it."""
    publisher.view("airport_delay").delete({"airport": "EWR"}, event_time=from_us(NOW_US)).result()
    batch = records(log, contract.topic)
    assert (batch.keys, written(log, contract.topic)) == ([b"EWR"], [None])
    assert batch.headers[0] == (("ce_time", b"2027-01-15T08:00:00.000000Z"),)


@pytest.mark.parametrize(
    ("keys", "time_us", "rule"),
    [
        ({}, NOW_US, "missing"),
        ({"airport": ""}, NOW_US, "key"),
        ({"airport": "EWR", "delay": 1.0}, NOW_US, "unknown"),
        ({"airport": "EWR"}, NOW_US + 300_000_001, "ahead"),
        ({"airport": "EWR"}, NOW_US - 3_600_000_001, "late"),
        ({"airport": "EWR"}, datetime(2027, 1, 15), "type"),  # noqa: DTZ001  it is what must be refused
    ],
)
def test_a_bad_delete_is_refused(publisher, keys, time_us, rule):
    """Deletes obey the rules of keys and times as updates do."""
    with pytest.raises(ContractViolation) as caught:
        publisher.view("airport_delay").delete(keys, event_time=time_us)
    assert [violation.rule for _, violation in caught.value.violations] == [rule]


@pytest.mark.parametrize("form", FORMS)
def test_dead_letters_keep_the_bytes_and_the_reason(log, publish_with, contract, form):
    """With `deadLetter`, rows that break a rule go whole to the dead letters, and the others are published."""
    publisher = publish_with(on_violation="deadLetter")
    rows = [row(), row("JFK", delay=4_000.0, departures=-2), row("LGA", NOW_US - 4_000_000_000)]

    delivery = publisher.view("airport_delay").publish_many(FORMS[form](rows)).result()

    assert (delivery.queued, delivery.dead_lettered) == (3, 2)
    assert records(log, contract.topic).keys == [b"EWR"]
    batch = records(log, contract.topic + ".dlq")
    letters = [
        DeadLetter.parse(key, value, batch.headers[number], 0)
        for number, (key, value) in enumerate(zip(batch.keys, batch.values, strict=True))
    ]
    assert [(letter.key, letter.reason.rule, letter.reason.stage) for letter in letters] == [
        (b"JFK", "maximum", "CONTRACT"),
        (b"LGA", "late", "TIME"),
    ]
    first = letters[0]
    assert (first.topic, first.partition, first.offset, first.agent) == (contract.topic, -1, -1, "job")
    assert "departures: minimum" in first.reason.message
    assert RowDecoder(avro_text(contract))(unframe(first.value)[1])["delay"] == 4_000.0
    assert publisher.stats().dead_lettered == 2


def test_a_late_delete_becomes_a_dead_letter(log, publish_with, contract):
    """With `deadLetter`, a delete that is too late is kept as one, with its own time."""
    publisher = publish_with(on_violation="deadLetter")
    publisher.view("airport_delay").delete({"airport": "EWR"}, event_time=NOW_US - 4_000_000_000).result()
    batch = records(log, contract.topic + ".dlq")
    assert written(log, contract.topic + ".dlq") == [None]
    assert decode_time(last(batch.headers[0], "ce_time")) == NOW_US - 4_000_000_000
    assert len(records(log, contract.topic)) == 0


@pytest.mark.parametrize("bad", [{"departures": None}, {"ratio": "x"}, {"wind": 1}, {"event_time": None}])
def test_a_row_without_an_avro_form_is_dead_lettered_as_json(log, publish_with, contract, bad):
    """With `deadLetter`, a null where one is required does not stop the job: the row is kept as JSON."""
    publisher = publish_with(on_violation="deadLetter")

    delivery = publisher.view("airport_delay").publish_many([row(), row("JFK") | bad]).result()

    assert (delivery.queued, delivery.dead_lettered) == (2, 1)
    batch = records(log, contract.topic + ".dlq")
    letter = DeadLetter.parse(batch.keys[0], batch.values[0], batch.headers[0], 0)
    assert letter.key == b"JFK"
    assert json.loads(letter.value)["airport"] == "JFK"
    assert last(letter.headers, "content-type") == b"application/json"
    assert records(log, contract.topic).keys == [b"EWR"]


@pytest.mark.parametrize(
    ("mode", "bad"),
    [
        ("deadLetter", {"airport": ""}),
        *(("observe", bad) for bad in ({"airport": ""}, {"departures": None}, {"ratio": "x"}, {"wind": 1})),
    ],
)
def test_a_row_that_cannot_be_kept_raises(log, publish_with, contract, mode, bad):
    """A row without a key is refused in every mode; `observe` also refuses what has no Avro form."""
    publisher = publish_with(on_violation=mode)
    with pytest.raises(ContractViolation):
        publisher.view("airport_delay").publish_many([row(), row(**bad), row(delay=9_999.0)])
    publisher.flush()
    assert len(records(log, contract.topic)) == 0
    assert len(records(log, contract.topic + ".dlq")) == 0


@pytest.mark.parametrize("form", FORMS)
def test_observe_publishes_and_counts(log, publish_with, contract, form):
    """With `observe`, rows that break feature rules are published in their order, and counted."""
    publisher = publish_with(on_violation="observe")
    rows = [row(delay=5_000.0), row(), row(delay=5_001.0)]
    publisher.view("airport_delay").publish_many(FORMS[form](rows)).result()
    decode = RowDecoder(avro_text(contract))
    decoded = [decode(unframe(value)[1]) for value in written(log, contract.topic)]
    assert [(each["delay"], each["event_time"] - NOW_US) for each in decoded] == [
        (5_000, 0),
        (12.5, 1),
        (5_001, 2),
    ]
    assert publisher.stats().violations == {("airport_delay", "delay", "maximum"): 2}


def test_observe_does_not_cover_times(publish_with):
    """An event time that is late or ahead is no feature rule: `observe` refuses it all the same."""
    publisher = publish_with(on_violation="observe")
    with pytest.raises(ContractViolation, match="ahead"):
        publisher.view("airport_delay").publish_many([row(time_us=NOW_US + 300_000_001)])


CELLS = {
    "airport": st.sampled_from(["EWR", "", "ü", "x" * 600, None]),
    "event_time": st.sampled_from([NOW_US, NOW_US + 400_000_000, NOW_US - 4_000_000_000, None]),
    "delay": st.sampled_from([None, 1.5, -121.0, 3_000.0, float("inf")]),
    "departures": st.sampled_from([0, -1, 2**63 - 1, None]),
    "seats": st.sampled_from([None, 0, 2**31 - 1]),
    "ratio": st.sampled_from([0.1, 1e39, -0.0]),
    "airborne": st.booleans(),
    "carrier": st.sampled_from(["UA", "DL", "ZZ", None]),
}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(rows=st.lists(st.fixed_dictionaries(CELLS), min_size=1, max_size=6), observes=st.booleans())
def test_columns_and_rows_have_one_verdict(contract, rows, observes):
    """Whatever the rows hold, judging them as columns tells the same rows, rules, keys and bytes as one by one."""
    window = Window.at(contract, NOW_US)

    def verdict(given):
        intake = Intake(contract, 7, on_violation="observe" if observes else "raise")
        taken = intake.take(given, window)
        good = [
            item
            for parcel in taken.parcels
            for item in zip(
                parcel.numbers,
                parcel.keys,
                parcel.times_us,
                parcel.write(parcel.times_us, False),
                strict=True,
            )
        ]
        broken = {(f.number, v.feature, v.rule) for f in taken.faulty for v in f.violations}
        return sorted(good), broken

    schema = pa.schema(
        [
            ("airport", pa.string()),
            ("event_time", pa.int64()),
            ("delay", pa.float64()),
            ("departures", pa.int64()),
            ("seats", pa.int32()),
            ("ratio", pa.float64()),
            ("airborne", pa.bool_()),
            ("carrier", pa.dictionary(pa.int8(), pa.string())),
        ]
    )
    one_by_one = verdict(rows)
    padded = [*rows, *(row(f"P{number}") for number in range(300))]
    as_columns, broken = verdict(padded)

    assert verdict(pa.RecordBatch.from_pylist(rows, schema)) == one_by_one
    assert ([item for item in as_columns if item[0] < len(rows)], broken) == one_by_one


def test_numpy_numbers_in_columns_of_a_frame_are_taken(publisher):
    """A frame of narrow numpy types, categories and nanosecond times is taken without a detour through rows."""
    frame = as_pandas([row(), row("JFK")])
    frame["departures"] = frame["departures"].astype(np.uint8)
    frame["carrier"] = frame["carrier"].astype("category")
    frame["event_time"] = frame["event_time"].astype("datetime64[ns, UTC]")
    assert publisher.view("airport_delay").publish_many(frame).result().acknowledged == 2


def test_a_frame_without_arrow_is_taken_row_by_row(contract, monkeypatch):
    """Where pandas is and Arrow is not, a frame gives the same records."""
    with_arrow, without = (Intake(contract, 7, on_violation="raise") for _ in range(2))
    window = Window.at(contract, NOW_US)
    expected = with_arrow.take(as_pandas(MANY), window).parcels

    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    without.__dict__["_has_arrow"] = False
    parcels = without.take(as_pandas(MANY), window).parcels

    assert [key for parcel in parcels for key in parcel.keys] == [
        key for parcel in expected for key in parcel.keys
    ]
    assert [v for p in parcels for v in p.write(p.times_us, False)] == [
        v for p in expected for v in p.write(p.times_us, False)
    ]


def test_a_manual_clock_is_the_jobs_clock(log):
    """Late and ahead are judged by the clock handed in, not by the machine's."""
    clock = ManualClock(NOW_US + 10_000_000_000)
    with make_publisher(log, clock, prefix="syncline") as publisher:
        view = publisher.view("airport_delay")
        with pytest.raises(ContractViolation, match="late"):
            view.publish({"airport": "EWR"}, FEATURES, event_time=NOW_US)
