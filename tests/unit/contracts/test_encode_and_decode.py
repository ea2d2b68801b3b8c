"""Rows and columns to Avro bytes and back: fastavro is the oracle, both lanes are one verdict."""

from __future__ import annotations

import io
import json
import math
import random
from typing import Any

import fastavro
import pyarrow as pa
import pyruhvro
import pytest
from hypothesis import given, settings

from syncline.contracts.avro import avro_schema, avro_text
from syncline.contracts.decode import Decoder
from syncline.contracts.decode_row import RowDecoder
from syncline.contracts.encode import Encoder, encode_long
from syncline.contracts.encode_columns import ColumnEncoder
from syncline.contracts.model import Contract, Feature, FeatureType, JoinKey, Version
from syncline.errors import WireError
from tests.unit.contracts import generated

D = FeatureType
ALL_TYPES = Contract(
    "delay",
    Version(1, 0),
    "ops",
    (JoinKey("airport", D.STRING), JoinKey("runway", D.LONG)),
    "event_time",
    (
        *(
            Feature(f"{kind}_{required}", kind, required=required == "required")
            for kind in FeatureType
            for required in ("required", "optional")
        ),
        Feature("with_default", D.DOUBLE, required=False, has_default=True, default=1.5),
    ),
    "syncline.features.delay.v1",
)


def written_by_fastavro(schema: dict[str, Any], row: dict[str, Any]) -> bytes:
    """The oracle's encoding."""
    target = io.BytesIO()
    fastavro.schemaless_writer(target, fastavro.parse_schema(schema), row)
    return target.getvalue()


def same(one: Any, other: Any) -> bool:
    """Equal, where NaN equals NaN and -0.0 is not 0.0."""
    return repr(one) == repr(other)


def sample_rows(count: int, *, seed: int) -> list[dict[str, Any]]:
    """Rows of every type, short and long, with nulls."""
    chance = random.Random(seed)
    makers = {
        D.BOOLEAN: lambda: chance.random() < 0.5,
        D.INT: lambda: chance.choice([0, -1, 64, -65, 2**31 - 1, -(2**31), chance.randrange(10_000)]),
        D.LONG: lambda: chance.choice([0, 8191, 8192, 2**63 - 1, -(2**63), chance.randrange(10**12)]),
        D.FLOAT: lambda: generated.as_float32(chance.uniform(-1e6, 1e6)),
        D.DOUBLE: lambda: chance.uniform(-1e6, 1e6),
        D.STRING: lambda: chance.choice(["", "A", "é" * 40, "x" * 300, "\U0001f6eb"]),
    }
    return [
        {
            "airport": chance.choice(["EWR", "JFK", "Zürich"]),
            "runway": chance.randrange(40),
            "event_time": 1_700_000_000_000_000 + chance.randrange(10**12),
            **{
                f.name: None if not f.required and chance.random() < 0.3 else makers[f.type]()
                for f in ALL_TYPES.features
            },
        }
        for _ in range(count)
    ]


def as_rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """The batch as row dicts, the event time as int µs."""
    index = batch.schema.get_field_index("event_time")
    return batch.set_column(index, "event_time", batch.column(index).cast(pa.int64())).to_pylist()


@settings(max_examples=60, deadline=None)
@given(generated.contracts_with_rows())
def test_our_bytes_are_fastavros_bytes(case: tuple[Contract, list[dict[str, Any]]]) -> None:
    """Rows and columns are encoded byte for byte as fastavro encodes them, and come back as they went in."""
    of, rows = case
    nullable = {f.name for f in of.features if not f.required}
    rows = [r for r in rows if all(v is not None or name in nullable for name, v in r.items())]
    wire = [{**r, **{f.name: generated.wire_value(f, r[f.name]) for f in of.features}} for r in rows]
    encoder, decoder = Encoder(of), Decoder(avro_text(of))

    payloads = [encoder.encode(row) for row in rows]
    decoded = decoder.decode(payloads)

    for row, payload in zip(wire, payloads, strict=True):
        if not any(isinstance(v, float) and math.isinf(v) for v in row.values()):
            assert payload == written_by_fastavro(avro_schema(of), row)
        assert same(decoder.decode_row(payload), row)
    assert same(as_rows(decoded.batch), wire)
    assert decoded.bad == []
    assert ColumnEncoder(of).encode(decoded.batch) == payloads


def test_a_prefix_goes_in_front_of_each_body() -> None:
    """Confluent's framing is put in front while encoding, for rows and for columns."""
    rows = sample_rows(3, seed=1)
    plain = [Encoder(ALL_TYPES).encode(row) for row in rows]
    batch = Decoder(avro_text(ALL_TYPES)).decode(plain).batch

    framed = [b"\x00\x00\x00\x00\x07" + body for body in plain]

    assert [Encoder(ALL_TYPES).encode(row, b"\x00\x00\x00\x00\x07") for row in rows] == framed
    assert ColumnEncoder(ALL_TYPES).encode(batch, b"\x00\x00\x00\x00\x07") == framed


def test_columns_of_a_slice_encode_that_slice() -> None:
    """A slice with nulls and texts encodes to the bodies of its own rows; an empty one to none."""
    payloads = [Encoder(ALL_TYPES).encode(row) for row in sample_rows(50, seed=2)]
    batch = Decoder(avro_text(ALL_TYPES)).decode(payloads).batch

    assert ColumnEncoder(ALL_TYPES).encode(batch.slice(13, 20)) == payloads[13:33]
    assert ColumnEncoder(ALL_TYPES).encode(batch.slice(0, 0)) == []


def test_columns_of_other_types_are_not_encoded() -> None:
    """A missing column, another type, or a null where none may be is refused before anything is encoded."""
    payloads = [Encoder(ALL_TYPES).encode(row) for row in sample_rows(2, seed=3)]
    batch = Decoder(avro_text(ALL_TYPES)).decode(payloads).batch
    index = batch.schema.get_field_index("long_required")

    with pytest.raises(WireError, match="no column `long_required`"):
        ColumnEncoder(ALL_TYPES).encode(batch.drop_columns(["long_required"]))
    with pytest.raises(WireError, match="is double, not int64"):
        ColumnEncoder(ALL_TYPES).encode(batch.set_column(index, "long_required", pa.array([1.0, 2.0])))
    with pytest.raises(WireError, match="holds a null"):
        ColumnEncoder(ALL_TYPES).encode(batch.set_column(index, "long_required", pa.array([1, None])))


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
        {"runway": 2**63},
        {"runway": 1.5},
        {"int_required": 2**31},
        {"double_required": "1"},
        {"double_optional": []},
        {"boolean_required": 2},
        {"boolean_required": []},
        {"string_optional": b"x"},
    ],
)
def test_a_value_that_its_type_cannot_carry_is_not_encoded(change: dict[str, Any]) -> None:
    """An unchecked row is refused with one clear error, not written as something else."""
    row = {**sample_rows(1, seed=4)[0], **change}

    with pytest.raises(WireError):
        Encoder(ALL_TYPES).encode(row)
    with pytest.raises(WireError):
        Encoder(ALL_TYPES).encode({name: value for name, value in row.items() if name not in change})


def mutated(payload: bytes, chance: random.Random) -> bytes:
    """A payload with one fault of a kind that networks, bugs and attackers make."""
    at = chance.randrange(len(payload))
    head, byte, tail = payload[:at], payload[at], payload[at + 1 :]
    return chance.choice(
        [
            head,
            payload + chance.randbytes(chance.randrange(1, 4)),
            head + bytes((byte ^ 1 << chance.randrange(8),)) + tail,
            head + chance.randbytes(1) + payload[at:],
            head + tail,
            head + b"\xff" * chance.randrange(1, 12) + tail,
            # Often the same number in one byte more than it needs.
            head + bytes((byte | 128, 0)) + tail,
            chance.randbytes(at),
        ]
    )


@pytest.mark.parametrize("seed", range(4))
def test_both_lanes_give_one_verdict_on_mutated_payloads(seed: int) -> None:
    """P6: thousands of broken payloads among good ones: each gets the slow lane's verdict, whoever stands beside it."""
    chance = random.Random(seed)
    decoder = Decoder(avro_text(ALL_TYPES))
    payloads = [Encoder(ALL_TYPES).encode(row) for row in sample_rows(2_500, seed=seed)]
    share = [1.0, 0.3, 0.02, 0.002][seed]
    payloads = [mutated(payload, chance) if chance.random() < share else payload for payload in payloads]
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
    assert same(as_rows(decoded.batch), [values for _, values in expected_good])
    assert decoded.batch.schema == decoder.schema


def test_the_fast_lane_alone_is_never_believed_where_it_forgives() -> None:
    """Each payload that the fast lane decodes alone, right or wrong, is accepted only if the slow lane agrees."""
    chance = random.Random(7)
    decoder = Decoder(avro_text(ALL_TYPES))
    payloads = [mutated(Encoder(ALL_TYPES).encode(row), chance) for row in sample_rows(3_000, seed=9)]
    forgiven = 0
    for payload in payloads:
        batch = decoder._fast([payload])
        if batch is None or not decoder._sure(batch, [payload]).all():
            forgiven += batch is not None
            continue
        assert same(as_rows(decoder._shaped(batch)), [decoder.decode_row(payload)])
    assert forgiven > 0


def test_what_the_slow_lane_accepts_fastavro_reads_alike() -> None:
    """Strictness only ever refuses: whatever we accept, fastavro reads as the same values."""
    chance = random.Random(11)
    # Without its logical type, as fastavro reads no year above 9999.
    plain = avro_text(ALL_TYPES).replace(',"logicalType":"timestamp-micros"', "")
    schema = fastavro.parse_schema(json.loads(plain))
    decode = RowDecoder(avro_text(ALL_TYPES))
    accepted = 0
    for row in sample_rows(3_000, seed=10):
        payload = mutated(Encoder(ALL_TYPES).encode(row), chance)
        try:
            ours = decode(payload)
        except WireError:
            continue
        accepted += 1
        theirs = fastavro.schemaless_reader(io.BytesIO(payload), schema)
        assert same(ours, theirs)
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
        (b"\x02\x01\x02\x04A", "says it is 2 bytes long"),
        (b"\x02\x01\x02\x01", "says it is -1 bytes long"),
        (b"\x02\x01\x02\xfe\xff\xff\xff\x0f", "says it is 2147483647 bytes long"),
        (b"\x02\x01\x00x", "1 bytes follow"),
        (b"\x02\x02\x00", "neither true nor false, but 2"),
        (b"\x02\x01\x03", "union branch -2"),
        (b"\x02\x01\x04", "union branch 2"),
        (b"\x80\x80\x80\x80\x10\x01\x00", "beyond 32 bits: 2147483648"),
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
