"""Lists and maps as bytes: every legal layout is read, every other one refused, and nothing is allocated for a lie."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
from typing import Any

import fastavro
import numpy as np
import pyarrow as pa
import pytest

from syncline.contracts.codec.arrow import canonical_rows
from syncline.contracts.codec.decode import Decoder
from syncline.contracts.codec.encode import Encoder, encode_long
from syncline.contracts.codec.encode_columns import ColumnEncoder
from syncline.contracts.model import Feature, FeatureType, Item
from syncline.errors import WireError
from tests.unit.contracts.codec.wire_cases import SCALARS, contract_of, same

D = FeatureType


def schema_of(kind: Any) -> str:
    """A record of one field `x`."""
    return json.dumps({"type": "record", "name": "r", "fields": [{"name": "x", "type": kind}]})


LONGS = schema_of({"type": "array", "items": "long"})
TEXTS = schema_of({"type": "array", "items": "string"})
COUNTS = schema_of({"type": "map", "values": "long"})
DAYS = schema_of({"type": "array", "items": {"type": "int", "logicalType": "date"}})


@pytest.mark.parametrize(
    ("schema", "payload", "value"),
    [
        (LONGS, b"\x00", []),
        (LONGS, b"\x04\x02\x04\x00", [1, 2]),
        (LONGS, b"\x02\x02\x02\x04\x00", [1, 2]),
        (LONGS, b"\x03\x04\x02\x04\x00", [1, 2]),
        (LONGS, b"\x03\x00\x02\x04\x00", [1, 2]),
        (LONGS, b"\x03\x41\x02\x04\x00", [1, 2]),
        (LONGS, b"\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02\x02\x04\x00", [1, 2]),
        (LONGS, b"\x82\x00\x02\x00", [1]),
        (LONGS, b"\x02\x02\x80\x00", [1]),
        # As long as one block of 126 and of 64 would be: the length alone cannot tell them apart, and need not.
        (LONGS, b"\x7e" + b"\x02" * 63 + b"\x7e" + b"\x04" * 63 + b"\x00", [1] * 63 + [2] * 63),
        (LONGS, b"\x7f\x02" + b"\x02" * 64 + b"\x00", [1] * 64),
        (TEXTS, b"\x04\x02A\x00\x00", ["A", ""]),
        (COUNTS, b"\x02\x02a\x02\x01\x06\x02b\x04\x00", {"a": 1, "b": 2}),
        (COUNTS, b"\x02\x00\x02\x00", {"": 1}),
        (DAYS, b"\x04\x01\xff\xff\xff\xff\x0f\x00", [-1, -(2**31)]),
    ],
)
@pytest.mark.parametrize("company", [0, 20])
def test_every_legal_layout_is_read(schema: str, payload: bytes, value: Any, company: int) -> None:
    """Several blocks, negative counts with any size, and overlong counts are read alike, alone and in company."""
    decoder = Decoder(schema)
    empty = {"x": {} if schema is COUNTS else []}

    decoded = decoder.decode([b"\x00"] * company + [payload] + [b"\x00"] * company)

    assert decoder.has_fast_lane
    assert decoded.bad == []
    assert canonical_rows(decoded.batch) == [empty] * company + [{"x": value}] + [empty] * company
    assert decoder.decode_row(payload) == {"x": value}


@pytest.mark.parametrize(
    ("schema", "payload", "reason"),
    [
        (LONGS, b"", "cut off"),
        (LONGS, b"\x02\x02", "cut off"),
        (LONGS, b"\x04\x02", "says that more items follow"),
        (LONGS, b"\x03", "cut off"),
        (LONGS, b"\x03\x02\x02", "says that more items follow"),
        (LONGS, b"\x00\x00", "1 bytes follow"),
        (LONGS, encode_long(2**40) + b"\x02\x00", "says that more items follow"),
        (LONGS, encode_long(-(2**63)) + b"\x00\x00", "says that more items follow"),
        (LONGS, b"\xff" * 11, "more than ten bytes"),
        (TEXTS, b"\x02\x03\x00", "longer than the payload"),
        (TEXTS, b"\x02\x08A\x00", "longer than the payload"),
        (TEXTS, b"\x02\x02\xff\x00", "no UTF-8"),
        # Valid over both items together, in neither alone.
        (TEXTS, b"\x04\x02\xc3\x02\xa9\x00", "no UTF-8"),
        (TEXTS, b"\x02\x06\xed\xa0\x80\x00", "no UTF-8"),
        (COUNTS, b"\x02\x02\xff\x02\x00", "no UTF-8"),
        (COUNTS, b"\x04\x02a\x02\x02a\x04\x00", "names a key twice: its entry 2 repeats an earlier one"),
        (COUNTS, b"\x04\x02a\x02\x02a\x02\x00", "names a key twice"),
        (COUNTS, b"\x02\x02a\x02\x02\x02a\x04\x00", "names a key twice"),
        (COUNTS, b"\x04\x00\x02\x00\x04\x00", "names a key twice"),
        (COUNTS, b"\x06\x02a\x02\x00", "says that more items follow"),
        (DAYS, b"\x02\x80\x80\x80\x80\x10\x00", "beyond 32 bits"),
        (schema_of({"type": "array", "items": "boolean"}), b"\x04\x01\x02\x00", "neither true nor false"),
        (schema_of({"type": "array", "items": "double"}), b"\x04" + bytes(15), "says that more items follow"),
        (schema_of({"type": "map", "values": "float"}), b"\x04" + bytes(9), "says that more items follow"),
        (schema_of(["null", {"type": "array", "items": "long"}]), b"\x04\x00", "a union branch that"),
    ],
)
@pytest.mark.parametrize("company", [0, 20])
def test_every_other_layout_is_refused(schema: str, payload: bytes, reason: str, company: int) -> None:
    """P6: a list or map that lies or repeats a key has a reason, alone and among good ones, which stay good."""
    decoder = Decoder(schema)
    good = b"\x00"

    decoded = decoder.decode([good] * company + [payload] + [good] * company)

    assert decoder.has_fast_lane
    assert [row for row, _ in decoded.bad] == [company]
    assert reason in decoded.bad[0][1]
    assert decoded.batch.num_rows == 2 * company


def test_the_reason_does_not_show_a_key() -> None:
    """A repeated key may be what the contract wants redacted: the reason counts entries and shows none."""
    with pytest.raises(WireError) as caught:
        Decoder(COUNTS).decode_row(b"\x04\x0csecret\x02\x0csecret\x04\x00")

    assert "secret" not in str(caught.value)


_BOMBS = """
import json, resource, sys
from syncline.contracts.codec.decode import Decoder
from syncline.contracts.codec.encode import encode_long
kinds = ["boolean", "int", "long", "float", "double", "string"]
decoders = [
    Decoder(json.dumps({"type": "record", "name": "r", "fields": [{"name": "x", "type": kind}]}))
    for item in kinds
    for kind in ({"type": "array", "items": item}, {"type": "map", "values": item})
]
counts = [encode_long(sign * 2**bits) for bits in (20, 30, 40, 62) for sign in (1, -1)] + [encode_long(-(2**63))]
bombs = [count + tail for count in counts for tail in (b"", bytes(3), b"\\x02" * 3, b"\\x01" * 40)]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
for decoder in decoders:
    assert decoder.has_fast_lane
    for bomb in bombs:
        assert decoder._fast([bomb]) is None or not decoder._sure(decoder._fast([bomb]), [bomb]).any()
    assert [row for row, _ in decoder.decode(bombs * 4).bad] == list(range(len(bombs) * 4))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_huge_count_takes_no_memory() -> None:
    """P10: counts of up to 2^63 items in a few bytes are refused by both lanes within the memory of an idle process."""
    run = subprocess.run([sys.executable, "-c", _BOMBS], capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stderr
    assert int(run.stdout) < 64 * 1024


@pytest.mark.parametrize("length", [0, 1, 63, 64, 8191, 8192])
@pytest.mark.parametrize("item", SCALARS)
def test_others_read_what_we_write_and_we_what_they_write(item: FeatureType, length: int) -> None:
    """Lists at every length at which the count takes another byte go both ways between fastavro and us."""
    of = contract_of(Feature("x", D.LIST, required=True, item=Item(item)), key=D.LONG)
    one: Any = {D.BOOLEAN: True, D.STRING: "é", D.FLOAT: 1.5, D.DOUBLE: -0.0}.get(item, -65)
    row = {"airport": 1, "event_time": 0, "x": [one] * length}
    schema = {
        "type": "record",
        "name": "r",
        "fields": [
            {"name": "airport", "type": "long"},
            {"name": "event_time", "type": "long"},
            {"name": "x", "type": {"type": "array", "items": _plain(item)}},
        ],
    }
    target = io.BytesIO()
    fastavro.schemaless_writer(target, schema, row)

    payload = Encoder(of).encode(row)
    decoded = Decoder(json.dumps(schema)).decode([payload] * 9)

    assert payload == target.getvalue()
    assert same(fastavro.schemaless_reader(io.BytesIO(payload), schema), row)
    assert same(canonical_rows(decoded.batch), [row] * 9)


def _plain(kind: FeatureType) -> str:
    return {D.DATE: "int", D.TIMESTAMP: "long"}.get(kind, kind.value)


def test_floats_keep_their_bits_by_columns() -> None:
    """A vector's NaN keeps its payload and a zero its sign, from bytes to columns and back to bytes."""
    of = contract_of(Feature("x", D.VECTOR, required=True, item=Item(D.FLOAT), dimensions=3), key=D.LONG)
    bits = struct.pack("<III", 0x7FC0_0001, 0x8000_0000, 0xFF80_0000)
    payload = b"\x02\x00\x06" + bits + b"\x00"
    fields = [{"name": name, "type": "long"} for name in ("airport", "event_time")]
    fields.append({"name": "x", "type": {"type": "array", "items": "float"}})  # type: ignore[dict-item]  JSON

    batch = Decoder(json.dumps({"type": "record", "name": "r", "fields": fields})).decode([payload] * 9).batch

    assert batch.column(2).values.to_numpy().tobytes() == bits * 9
    assert ColumnEncoder(of).encode(batch) == [payload] * 9


def test_a_number_beyond_32_bits_becomes_an_infinity_in_a_vector_too() -> None:
    """A list of 32-bit floats rounds as a single one does: what is too large is infinite, the rest stays."""
    of = contract_of(Feature("x", D.VECTOR, required=True, item=Item(D.FLOAT), dimensions=3), key=D.LONG)

    payload = Encoder(of).encode({"airport": 0, "event_time": 0, "x": [1e39, -1e39, 1]})

    assert struct.unpack("<3f", payload[3:-1]) == (float("inf"), float("-inf"), 1.0)


NESTED = contract_of(
    Feature("l", D.LIST, required=False, item=Item(D.STRING)),
    Feature("m", D.MAP, required=False, item=Item(D.INT)),
    key=D.LONG,
)


def batch_of(rows: list[tuple[Any, Any]]) -> pa.RecordBatch:
    """A batch for `NESTED`."""
    lists, maps = zip(*rows, strict=True)
    count = list(range(len(rows)))
    return pa.RecordBatch.from_pydict(
        {
            "airport": pa.array(count, pa.int64()),
            "event_time": pa.array(count, pa.int64()),
            "l": pa.array(lists, pa.list_(pa.string())),
            "m": pa.array(maps, pa.map_(pa.string(), pa.int32())),
        }
    )


ROWS: list[tuple[Any, Any]] = [
    (["a", ""], {"k": 1}),
    (None, {}),
    ([], None),
    (["é" * 70] * 70, {str(n): n for n in range(70)}),
    (None, None),
    (["z"], {"a": 1, "b": -(2**31)}),
]


def expected(rows: list[tuple[Any, Any]], numbers: list[int]) -> list[bytes]:
    """What the row encoder gives."""
    encoder = Encoder(NESTED)
    return [
        encoder.encode({"airport": number, "event_time": number, "l": one, "m": other})
        for (one, other), number in zip(rows, numbers, strict=True)
    ]


@pytest.mark.parametrize("start", range(len(ROWS) + 1))
def test_slices_of_nested_columns_encode_themselves(start: int) -> None:
    """Whatever part of a batch is encoded, and whatever it was taken from: its own items and no others."""
    batch = batch_of(ROWS)
    taken = list(range(start, len(ROWS)))[::-1]

    assert ColumnEncoder(NESTED).encode(batch.slice(start)) == expected(ROWS[start:], sorted(taken))
    assert ColumnEncoder(NESTED).encode(batch.slice(0, start)) == expected(ROWS[:start], list(range(start)))
    assert (
        ColumnEncoder(NESTED).encode(batch.take(pa.array(taken, pa.int64())))
        == expected(ROWS, list(range(len(ROWS))))[start:][::-1]
    )


def test_what_lies_under_a_null_is_neither_judged_nor_encoded() -> None:
    """Arrow leaves open what a null row covers: items, nulls and repeated keys left there change nothing."""
    bits = pa.array([True, False, True]).buffers()[1]
    ends = pa.array([1, 2, 4, 5], pa.int32()).buffers()[1]
    texts = pa.array(["before", "a", "left", None, "b", "after"])
    lists = pa.Array.from_buffers(pa.list_(pa.string()), 3, [bits, ends], children=[texts])
    entries = pa.StructArray.from_arrays(
        [pa.array(["-", "a", "x", "x", "b", "-"]), pa.array([0, 1, 2, None, 3, 0], pa.int32())],
        fields=[pa.field("key", pa.string(), nullable=False), pa.field("value", pa.int32())],
    )
    maps = pa.Array.from_buffers(pa.map_(pa.string(), pa.int32()), 3, [bits, ends], children=[entries])
    numbers = pa.array([0, 1, 2], pa.int64())
    batch = pa.RecordBatch.from_pydict({"airport": numbers, "event_time": numbers, "l": lists, "m": maps})
    rows = [(["a"], {"a": 1}), (None, None), (["b"], {"b": 3})]

    assert ColumnEncoder(NESTED).encode(batch) == expected(rows, [0, 1, 2])
    assert [(row["l"], row["m"]) for row in canonical_rows(batch)] == rows


@pytest.mark.parametrize(
    ("name", "column", "reason"),
    [
        ("l", pa.array([["a", None]], pa.list_(pa.string())), "holds a null inside"),
        ("m", pa.array([{"a": None}], pa.map_(pa.string(), pa.int32())), "holds a null inside"),
        ("m", pa.array([[("a", 1), ("a", 1)]], pa.map_(pa.string(), pa.int32())), "names a key twice"),
        ("l", pa.array([[1]], pa.list_(pa.int64())), "is list<item: int64>, not list<item: string>"),
        ("l", pa.array([["a"]], pa.large_list(pa.string())), "is large_list"),
        ("m", pa.array([{"a": 1}], pa.map_(pa.string(), pa.int64())), "not map<string, int32>"),
        ("m", pa.array([["a"]], pa.list_(pa.string())), "not map<string, int32>"),
    ],
)
def test_columns_that_no_reader_could_take_are_not_encoded(name: str, column: pa.Array, reason: str) -> None:
    """A null or a repeated key inside, or items of another type, are refused before anything is encoded."""
    batch = batch_of([(["a"], {"a": 1})])
    place = batch.schema.get_field_index(name)

    with pytest.raises(WireError, match=reason):
        ColumnEncoder(NESTED).encode(batch.set_column(place, name, column))


def test_moments_inside_may_have_any_zone() -> None:
    """Timestamps in a list are the same microseconds in any zone, or as plain numbers; inner names are free."""
    of = contract_of(Feature("x", D.LIST, required=True, item=Item(D.TIMESTAMP)), key=D.LONG)
    row = {"airport": 0, "event_time": 0, "x": [-1, 10**15]}
    for inside in (
        pa.timestamp("us", "Asia/Tokyo"),
        pa.timestamp("us"),
        pa.int64(),
        pa.field("element", pa.timestamp("us", "UTC"), nullable=False),
    ):
        batch = pa.RecordBatch.from_pydict(
            {"airport": [0], "event_time": [0], "x": pa.array([row["x"]], pa.list_(inside))}
        )

        assert ColumnEncoder(of).encode(batch) == [Encoder(of).encode(row)]


def test_the_fast_lane_is_believed_for_what_writers_write() -> None:
    """Canonical rows of lists, maps and vectors are decoded by columns: none of them is read a second time."""
    of = contract_of(
        Feature("l", D.LIST, required=False, item=Item(D.INT)),
        Feature("m", D.MAP, required=True, item=Item(D.TIMESTAMP)),
        Feature("v", D.VECTOR, required=True, item=Item(D.FLOAT), dimensions=2),
    )
    schema = [
        ("airport", "string"),
        ("event_time", "long"),
        ("l", ["null", {"type": "array", "items": "int"}]),
        ("m", {"type": "map", "values": {"type": "long", "logicalType": "timestamp-micros"}}),
        ("v", {"type": "array", "items": "float"}),
    ]
    fields = [{"name": name, "type": kind} for name, kind in schema]
    decoder = Decoder(json.dumps({"type": "record", "name": "r", "fields": fields}))
    rows = [
        {"airport": "A", "event_time": n, "l": [n] * (n % 70), "m": {str(n): n, "": 0}, "v": [0.5, n]}
        for n in range(200)
    ]
    payloads = [Encoder(of).encode(row) for row in rows]

    batch = decoder._fast(payloads)

    assert batch is not None
    assert np.all(decoder._sure(batch, payloads))
