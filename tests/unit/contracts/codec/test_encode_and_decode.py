"""Rows and columns to Avro bytes and back: fastavro is the oracle, both lanes are one verdict."""

from __future__ import annotations

import io
import json
import random
from datetime import UTC, date, datetime
from typing import Any

import fastavro
import pyarrow as pa
import pyruhvro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncline.contracts.codec.arrow import canonical_rows
from syncline.contracts.codec.avro import avro_schema, avro_text
from syncline.contracts.codec.decode import Decoder
from syncline.contracts.codec.decode_row import RowDecoder
from syncline.contracts.codec.encode import Encoder, encode_long
from syncline.contracts.codec.encode_columns import ColumnEncoder
from syncline.contracts.limits import DAYS, EVENT_TIMES
from syncline.contracts.model import Contract, Feature, FeatureType, Item, JoinKey, Version
from syncline.errors import WireError
from tests.unit.contracts.codec import wire_cases
from tests.unit.contracts.codec.wire_cases import (
    contract_of,
    laid_out,
    mutated,
    read_by_fastavro,
    same,
    sample_rows,
    written_by_fastavro,
)

D = FeatureType
ALL_TYPES = wire_cases.every_type()


@pytest.mark.untraced
@settings(max_examples=50, deadline=None)
@given(wire_cases.contracts_with_rows())
def test_our_bytes_are_fastavros_bytes(case: tuple[Contract, list[dict[str, Any]]]) -> None:
    """Rows and columns are encoded byte for byte as fastavro encodes them, and come back as they went in."""
    of, rows = case
    encoder, decoder = Encoder(of), Decoder(avro_text(of))

    payloads = [encoder.encode(row) for row in rows]
    decoded = decoder.decode(payloads)

    assert payloads == [written_by_fastavro(avro_schema(of), row) for row in rows]
    for row, payload in zip(rows, payloads, strict=True):
        assert same(decoder.decode_row(payload), row)
        assert same(read_by_fastavro(avro_schema(of), payload), row)
    assert same(canonical_rows(decoded.batch), rows)
    assert decoded.bad == []
    assert ColumnEncoder(of).encode(decoded.batch) == payloads


def test_a_prefix_goes_in_front_of_each_body() -> None:
    """Confluent's framing is put in front while encoding, for rows and for columns."""
    rows = sample_rows(ALL_TYPES, 3, seed=1)
    plain = [Encoder(ALL_TYPES).encode(row) for row in rows]
    batch = Decoder(avro_text(ALL_TYPES)).decode(plain).batch

    framed = [b"\x00\x00\x00\x00\x07" + body for body in plain]

    assert [Encoder(ALL_TYPES).encode(row, b"\x00\x00\x00\x00\x07") for row in rows] == framed
    assert ColumnEncoder(ALL_TYPES).encode(batch, b"\x00\x00\x00\x00\x07") == framed


def test_columns_of_a_slice_encode_that_slice() -> None:
    """A slice with nulls and texts encodes to the bodies of its own rows; an empty one to none."""
    payloads = [Encoder(ALL_TYPES).encode(row) for row in sample_rows(ALL_TYPES, 50, seed=2)]
    batch = Decoder(avro_text(ALL_TYPES)).decode(payloads).batch

    assert ColumnEncoder(ALL_TYPES).encode(batch.slice(13, 20)) == payloads[13:33]
    assert ColumnEncoder(ALL_TYPES).encode(batch.slice(0, 0)) == []


def test_columns_of_other_types_are_not_encoded() -> None:
    """A missing column, another type, or a null where none may be is refused before anything is encoded."""
    payloads = [Encoder(ALL_TYPES).encode(row) for row in sample_rows(ALL_TYPES, 2, seed=3)]
    batch = Decoder(avro_text(ALL_TYPES)).decode(payloads).batch
    index = batch.schema.get_field_index("long_True")

    with pytest.raises(WireError, match="no column `long_True`"):
        ColumnEncoder(ALL_TYPES).encode(batch.drop_columns(["long_True"]))
    with pytest.raises(WireError, match="is double, not int64"):
        ColumnEncoder(ALL_TYPES).encode(batch.set_column(index, "long_True", pa.array([1.0, 2.0])))
    with pytest.raises(WireError, match="holds a null"):
        ColumnEncoder(ALL_TYPES).encode(batch.set_column(index, "long_True", pa.array([1, None])))


def test_others_see_days_and_moments_as_such() -> None:
    """Whoever reads by the schema, as Confluent's deserializer with fastavro, gets dates and times, not numbers."""
    of = contract_of(
        Feature("day", D.DATE, required=True),
        Feature("at", D.TIMESTAMP, required=False),
        Feature("days", D.LIST, required=True, item=Item(D.DATE)),
        Feature("moments", D.MAP, required=True, item=Item(D.TIMESTAMP)),
    )
    first, last = DAYS
    row = {
        "airport": "EWR",
        "event_time": 0,
        "day": first,
        "at": EVENT_TIMES[1],
        "days": [last],
        "moments": {"a": 1},
    }
    schema = fastavro.parse_schema(avro_schema(of))
    target = io.BytesIO()

    read = fastavro.schemaless_reader(io.BytesIO(Encoder(of).encode(row)), schema)
    fastavro.schemaless_writer(target, schema, read)

    assert read == {
        "airport": "EWR",
        "event_time": datetime(1970, 1, 1, tzinfo=UTC),
        "day": date(1, 1, 1),
        "at": datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        "days": [date(9999, 12, 31)],
        "moments": {"a": datetime(1970, 1, 1, microsecond=1, tzinfo=UTC)},
    }
    assert RowDecoder(avro_text(of))(target.getvalue()) == row


@pytest.mark.parametrize(
    "value",
    [0, -1, 63, 64, -64, -65, 1023, 1024, -1024, -1025, 2**48, 2**49, 2**55, 2**56, 2**63 - 1, -(2**63)],
)
def test_integers_of_every_length(value: int) -> None:
    """Every length of integer is as fastavro writes it, in all three ways of encoding."""
    schema = {"type": "record", "name": "r", "fields": [{"name": "x", "type": "long"}]}

    assert (
        Encoder(schema).encode({"x": value})
        == written_by_fastavro(schema, {"x": value})
        == encode_long(value)
    )


@pytest.mark.parametrize(
    "change",
    [
        {"airport": None},
        {"airport": 1},
        {"airport": "\ud800"},
        {"airport": b"EWR"},
        {"long_True": 2**63},
        {"long_True": 1.5},
        {"int_True": 2**31},
        {"date_True": 2**31},
        {"date_True": "2026-01-01"},
        {"timestamp_False": 2**63},
        {"list_long_required": [1, 2**63]},
        {"list_long_required": [1, None]},
        {"list_long_required": (1, 2)},
        {"list_string_required": "text"},
        {"list_string_optional": ["\ud800"]},
        {"list_double_optional": [1.0, "x"]},
        {"list_boolean_required": [2]},
        {"list_date_required": [2**31]},
        {"list_int_required": {}},
        {"vector_float_required": [None, 1.0, 2.0]},
        {"vector_float_required": None},
        {"map_long_required": {"a": None}},
        {"map_long_required": {1: 1}},
        {"map_long_required": {"\ud800": 1}},
        {"map_long_required": []},
        {"map_long_required": [("a", 1)]},
        {"double_True": "1"},
        {"double_False": []},
        {"boolean_True": 2},
        {"boolean_True": []},
        {"string_False": b"x"},
    ],
)
def test_a_value_that_its_type_cannot_carry_is_not_encoded(change: dict[str, Any]) -> None:
    """An unchecked row is refused with one clear error, not written as something else."""
    row = {**sample_rows(ALL_TYPES, 1, seed=4)[0], **change}

    with pytest.raises(WireError):
        Encoder(ALL_TYPES).encode(row)
    with pytest.raises(WireError):
        Encoder(ALL_TYPES).encode({name: value for name, value in row.items() if name not in change})


SOME_NESTED = contract_of(
    Feature("delays", D.LIST, required=False, item=Item(D.INT)),
    Feature("notes", D.MAP, required=True, item=Item(D.STRING)),
    Feature("days", D.LIST, required=True, item=Item(D.DATE)),
    Feature("vector", D.VECTOR, required=False, item=Item(D.FLOAT), dimensions=3),
    Feature("mean", D.DOUBLE, required=True),
    key=D.STRING,
)
"""Few enough features that a fault in one often leaves the rest readable."""
ROWS = {True: 600, False: 2_500}
"""How many for all types, whose rows are long, and for others."""


def doubtful_payloads(of: Contract, count: int, *, seed: int, share: float = 1.0) -> list[bytes]:
    """Payloads as we and others write them, `share` of them broken."""
    chance = random.Random(seed)
    encoder = Encoder(of)
    payloads = [
        encoder.encode(row) if chance.random() < 0.5 else laid_out(of, row, chance)
        for row in sample_rows(of, count, seed=seed)
    ]
    return [mutated(payload, chance) if chance.random() < share else payload for payload in payloads]


@pytest.mark.parametrize("of", [ALL_TYPES, SOME_NESTED], ids=["all types", "some nested"])
@pytest.mark.parametrize(("seed", "share"), [(0, 1.0), (1, 0.3), (2, 0.02), (4, 0.005)])
def test_both_lanes_give_one_verdict_on_mutated_payloads(of: Contract, seed: int, share: float) -> None:
    """P6: thousands of broken payloads among good ones: each gets the slow lane's verdict, whoever stands beside it."""
    decoder = Decoder(avro_text(of))
    payloads = doubtful_payloads(of, ROWS[of is ALL_TYPES], seed=seed, share=share)
    expected_good: list[tuple[int, dict[str, Any]]] = []
    expected_bad: list[tuple[int, str]] = []
    for row, payload in enumerate(payloads):
        try:
            expected_good.append((row, decoder.decode_row(payload)))
        except WireError as error:
            expected_bad.append((row, str(error)))

    decoded = decoder.decode(payloads)

    assert decoder.has_fast_lane
    assert expected_bad
    assert expected_good
    assert decoded.bad == expected_bad
    assert decoded.good.tolist() == [row for row, _ in expected_good]
    assert same(canonical_rows(decoded.batch), [values for _, values in expected_good])
    assert decoded.batch.schema == decoder.schema
    decoded.batch.validate(full=True)


@pytest.mark.untraced
@settings(max_examples=60, deadline=None)
@given(wire_cases.contracts_with_rows(), st.integers(0, 2**32), st.sampled_from([0.0, 0.1, 1.0]))
def test_both_lanes_give_one_verdict_on_any_contract(
    case: tuple[Contract, list[dict[str, Any]]], seed: int, share: float
) -> None:
    """P6: whatever the contract, however lists are laid out, and whatever is broken: one verdict, the same values."""
    of, rows = case
    chance = random.Random(seed)
    decoder = Decoder(avro_text(of))
    # Enough of them for the fast lane to be asked, and to be bisected.
    payloads = [laid_out(of, row, chance) for row in rows] * (20 // max(len(rows), 1))
    payloads = [mutated(payload, chance) if chance.random() < share else payload for payload in payloads]
    expected: list[dict[str, Any]] = []
    reasons: list[tuple[int, str]] = []
    for number, payload in enumerate(payloads):
        try:
            expected.append(decoder.decode_row(payload))
        except WireError as error:
            reasons.append((number, str(error)))

    decoded = decoder.decode(payloads)

    assert decoder.has_fast_lane
    assert decoded.bad == reasons
    assert same(canonical_rows(decoded.batch), expected)
    assert ColumnEncoder(of).encode(decoded.batch) == [Encoder(of).encode(row) for row in expected]
    if share == 0:
        assert reasons == []
        assert same(expected[: len(rows)], rows)


@pytest.mark.parametrize("of", [ALL_TYPES, SOME_NESTED], ids=["all types", "some nested"])
def test_the_fast_lane_alone_is_never_believed_where_it_forgives(of: Contract) -> None:
    """Each payload that the fast lane decodes alone, right or wrong, is accepted only if the slow lane agrees."""
    decoder = Decoder(avro_text(of))
    forgiven = believed = 0
    for payload in doubtful_payloads(of, ROWS[of is ALL_TYPES], seed=9):
        batch = decoder._fast([payload])
        if batch is None or not decoder._sure(batch, [payload]).all():
            forgiven += batch is not None
            continue
        believed += 1
        assert same(canonical_rows(decoder._shaped(batch)), [decoder.decode_row(payload)])
    assert forgiven > 0
    assert believed > 0


@pytest.mark.parametrize("of", [ALL_TYPES, SOME_NESTED], ids=["all types", "some nested"])
def test_what_the_slow_lane_accepts_fastavro_reads_alike(of: Contract) -> None:
    """Strictness only ever refuses: whatever we accept, fastavro reads as the same values."""
    decode = RowDecoder(avro_text(of))
    accepted = 0
    for payload in doubtful_payloads(of, ROWS[of is ALL_TYPES], seed=10):
        try:
            ours = decode(payload)
        except WireError:
            continue
        accepted += 1
        assert same(ours, read_by_fastavro(avro_schema(of), payload))
    assert accepted > 100


ONE_OF_EACH = json.dumps(
    {
        "type": "record",
        "name": "r",
        "fields": [
            {"name": "i", "type": "int"},
            {"name": "b", "type": "boolean"},
            {"name": "s", "type": ["null", "string"]},
        ],
    }
)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "cut off"),
        (b"\x02", "cut off"),
        (b"\x02\x01\x02\x04A", "longer than the payload"),
        (b"\x02\x01\x02\x01", "longer than the payload"),
        (b"\x02\x01\x02\xfe\xff\xff\xff\x0f", "longer than the payload"),
        (b"\x02\x01\x00x", "1 bytes follow"),
        (b"\x02\x02\x00", "neither true nor false"),
        (b"\x02\x01\x03", "a union branch that"),
        (b"\x02\x01\x04", "a union branch that"),
        (b"\x80\x80\x80\x80\x10\x01\x00", "beyond 32 bits"),
        (b"\xff" * 11 + b"\x01\x00", "more than ten bytes"),
        (b"\x02\x01\x02\x02\xff", "no UTF-8"),
        (b"\x02\x01\x02\x06\xed\xa0\x80", "no UTF-8"),
    ],
)
@pytest.mark.parametrize("company", [0, 20])
def test_bad_payloads_have_a_reason(payload: bytes, reason: str, company: int) -> None:
    """A broken payload is refused with its reason, alone and among good ones, which all stay good."""
    decoder = Decoder(ONE_OF_EACH)
    good = b"\x02\x01\x02\x02A"

    decoded = decoder.decode([good] * company + [payload] + [good] * company)

    assert [row for row, _ in decoded.bad] == [company]
    assert reason in decoded.bad[0][1]
    assert decoded.batch.num_rows == len(decoded.good) == 2 * company


def test_no_payloads_give_an_empty_batch() -> None:
    """An empty batch has the same columns as any other."""
    decoder = Decoder(ONE_OF_EACH)

    decoded = decoder.decode([])

    assert (decoded.batch.num_rows, decoded.good.tolist(), decoded.bad) == (0, [], [])
    assert decoded.batch.schema == decoder.schema


def test_a_panic_of_the_fast_lane_sends_the_batch_down_the_slow_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fast lane that panics (a BaseException) changes no verdict; an interrupt still interrupts."""

    class PanicException(BaseException):
        pass

    decoder = Decoder(ONE_OF_EACH)
    payloads = [b"\x02\x01\x00"] * 30
    expected = decoder.decode(payloads).batch

    def panic(*_: object) -> None:
        raise PanicException

    monkeypatch.setattr(pyruhvro, "deserialize_array", panic)
    assert decoder.decode(payloads).batch == expected
    assert not Decoder(ONE_OF_EACH).has_fast_lane

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pyruhvro, "deserialize_array", interrupt)
    with pytest.raises(KeyboardInterrupt):
        decoder.decode(payloads)


@pytest.mark.parametrize(
    "schema",
    [
        "no json",
        '{"type": "array", "items": "null"}',
        '{"type": "record", "name": "r", "fields": [{"name": "d", "type": "bytes"}]}',
        '{"type": "record", "name": "r", "fields": [{"name": "r", "type": ["null", "r"]}]}',
        '{"type": "record", "name": "r", "fields": [{"name": "a", "type": "int"}, {"name": "a", "type": "int"}]}',
    ],
)
def test_unsafe_schemas_get_no_decoder(schema: str) -> None:
    """A schema that could blow up, or that we cannot read, is refused when it is resolved."""
    with pytest.raises(WireError):
        Decoder(schema)
    with pytest.raises(WireError):
        RowDecoder(schema)


def test_what_lies_under_a_null_is_not_encoded() -> None:
    """Arrow leaves open what a null's slot holds: text left there changes neither lengths nor bytes."""
    text_offsets = pa.array([0, 1, 4, 5], pa.int32()).buffers()[1]
    bits = pa.array([True, False, True]).buffers()[1]
    texts = pa.StringArray.from_buffers(3, text_offsets, pa.py_buffer(b"AxyzB"), bits, 1)
    of = Contract(
        "delay",
        Version(1, 0),
        "ops",
        (JoinKey("k", D.LONG),),
        "event_time",
        (Feature("s", D.STRING, required=False),),
        "t",
    )
    batch = pa.RecordBatch.from_pydict({"k": [1, 2, 3], "event_time": [1, 2, 3], "s": texts})

    rows = [{"k": n, "event_time": n, "s": text} for n, text in ((1, "A"), (2, None), (3, "B"))]

    assert ColumnEncoder(of).encode(batch) == [Encoder(of).encode(row) for row in rows]
