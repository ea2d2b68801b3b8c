"""Contracts of every type, and rows at the edges of what the wire can carry: nulls, long lists, odd floats."""

from __future__ import annotations

import io
import json
import math
import random
import struct
from functools import cache
from typing import Any

import fastavro
from hypothesis import strategies as st

from syncline.contracts.codec.encode import Encoder, encode_long
from syncline.contracts.limits import DAYS, EVENT_TIMES, LARGEST_FLOAT
from syncline.contracts.model import Contract, Feature, FeatureType, Item, JoinKey, Version

D = FeatureType
SCALARS = [kind for kind in FeatureType if not kind.is_nested]
NESTED = [D.LIST, D.MAP, D.VECTOR]
LENGTHS = [0, 1, 2, 63, 64, 127, 128, 8191, 8192]
"""Around each of these a block's count takes a byte more, signed or not."""
NAN_PAYLOADS = [
    struct.unpack("<d", struct.pack("<Q", bits))[0]
    for bits in (0x7FF8_0000_0000_0001, 0xFFF8_0000_0000_0000, 0x7FFF_FFFF_FFFF_FFFF)
]
INTEGERS = [0, -1, 1, 63, 64, -64, -65, 8191, 8192, -8192, -8193]
EDGES: dict[FeatureType, list[Any]] = {
    D.BOOLEAN: [True, False],
    D.INT: [*INTEGERS, 2**31 - 1, -(2**31)],
    D.LONG: [*INTEGERS, 2**49, -(2**55), 2**63 - 1, -(2**63)],
    D.FLOAT: [0.0, -0.0, 2.0**-149, -(2.0**-149), LARGEST_FLOAT, math.inf, -math.inf, math.nan, 1.5],
    D.DOUBLE: [0.0, -0.0, 5e-324, 1.7976931348623157e308, math.inf, -math.inf, 0.1, *NAN_PAYLOADS],
    D.STRING: ["", "A", "é" * 40, "x" * 63, "x" * 64, "\U0001f6eb" * 16, "x" * 9000, "\x00"],
    D.DATE: [*INTEGERS, *DAYS, 2**31 - 1, -(2**31)],
    D.TIMESTAMP: [*INTEGERS, *EVENT_TIMES, 1_700_000_000_000_000, 2**63 - 1, -(2**63)],
}


def contract_of(*features: Feature, key: FeatureType = D.STRING) -> Contract:
    """A contract with these features behind one key and the event time."""
    topic = "syncline.features.delay.v1"
    return Contract("delay", Version(1, 0), "ops", (JoinKey("airport", key),), "event_time", features, topic)


def every_type() -> Contract:
    """Each scalar, and each nested type of each scalar, required and optional."""
    features = [
        Feature(
            f"{kind}_{item}_{'required' if required else 'optional'}" if item else f"{kind}_{required}",
            kind,
            required,
            item=None if item is None else Item(item, finite=False),
            dimensions=3 if kind is D.VECTOR else None,
            finite=False,
        )
        for required in (True, False)
        for kind, item in [
            *((kind, None) for kind in SCALARS),
            *((kind, item) for kind in (D.LIST, D.MAP) for item in SCALARS),
            (D.VECTOR, D.FLOAT),
            (D.VECTOR, D.DOUBLE),
        ]
    ]
    return contract_of(*features)


def scalars(kind: FeatureType) -> st.SearchStrategy[Any]:
    """Any value of the type, often at an edge; 32-bit floats as the wire holds them."""
    edges = st.sampled_from(EDGES[kind])
    match kind:
        case D.BOOLEAN:
            return edges
        case D.STRING:
            return edges | st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
        case D.INT | D.DATE:
            return edges | st.integers(-(2**31), 2**31 - 1)
        case D.LONG | D.TIMESTAMP:
            return edges | st.integers(-(2**63), 2**63 - 1)
        case D.FLOAT:
            return edges | st.floats(width=32)
        case _:
            return edges | st.floats()


@st.composite
def values(draw: Any, feature: Feature) -> Any:
    """A value of the feature, null where it may be."""
    if not feature.required and draw(st.integers(0, 3)) == 0:
        return None
    if feature.item is None:
        return draw(scalars(feature.type))
    one = scalars(feature.item.type)
    length = draw(st.integers(0, 5) | st.sampled_from(LENGTHS))
    if length > 5:
        # Long ones repeat a few short values: what is tested is their length.
        short = st.sampled_from(["", "A", "é"]) if feature.item.type is D.STRING else one
        few = draw(st.lists(short, min_size=1, max_size=3))
        long = [few[number % len(few)] for number in range(length)]
        return dict(zip(map(str, range(length)), long, strict=True)) if feature.type is D.MAP else long
    if feature.type is D.MAP:
        return draw(st.dictionaries(scalars(D.STRING), one, min_size=length, max_size=length))
    return draw(st.lists(one, min_size=length, max_size=length))


@st.composite
def contracts(draw: Any) -> Contract:
    """A few features of any type."""
    features = []
    for number in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from([*SCALARS, *NESTED, *NESTED]))
        inside = {D.VECTOR: [D.FLOAT, D.DOUBLE]}.get(kind, SCALARS)
        item = Item(draw(st.sampled_from(inside)), finite=False) if kind.is_nested else None
        stated: dict[str, Any] = {"item": item, "dimensions": 3 if kind is D.VECTOR else None}
        required = draw(st.booleans())
        feature = Feature(f"f{number}", kind, required, finite=False, **stated)
        if draw(st.booleans()):
            # JSON, in which a schema's defaults stand, has no infinities.
            default = draw(values(feature).filter(is_json))
            feature = Feature(
                f"f{number}", kind, required, has_default=True, default=default, finite=False, **stated
            )
        features.append(feature)
    return contract_of(*features, key=draw(st.sampled_from([D.STRING, D.LONG])))


def is_json(value: Any) -> bool:
    """Whether JSON can hold the value."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


@st.composite
def contracts_with_rows(draw: Any) -> tuple[Contract, list[dict[str, Any]]]:
    """A contract, and some rows for it."""
    contract = draw(contracts())
    return contract, draw(st.lists(rows(contract), max_size=12))


@st.composite
def rows(draw: Any, contract: Contract) -> dict[str, Any]:
    """A row whose values are as the wire holds them."""
    row = {key.name: draw(scalars(key.type)) for key in contract.keys}
    row[contract.event_time] = draw(scalars(D.TIMESTAMP))
    return row | {feature.name: draw(values(feature)) for feature in contract.features}


def sample_rows(contract: Contract, count: int, *, seed: int) -> list[dict[str, Any]]:
    """Rows with short and a few long lists, for tests of many rows."""
    chance = random.Random(seed)

    def value(feature: Feature) -> Any:
        if not feature.required and chance.random() < 0.3:
            return None
        if feature.item is None:
            return chance.choice(EDGES[feature.type][:12])
        length = chance.choice([0, 1, 2, 3, 3, 64, 70]) if chance.random() < 0.3 else chance.randrange(4)
        inside = [chance.choice(EDGES[feature.item.type][:6]) for _ in range(length)]
        if feature.type is D.MAP:
            return {f"k{number}" if number else "": one for number, one in enumerate(inside)}
        return inside

    return [
        {
            "airport": chance.choice(["EWR", "JFK", "Zürich"]),
            "event_time": 1_700_000_000_000_000 + chance.randrange(10**12),
            **{feature.name: value(feature) for feature in contract.features},
        }
        for _ in range(count)
    ]


def laid_out(contract: Contract, row: dict[str, Any], chance: random.Random) -> bytes:
    """The row as another writer may lay it out: lists in several blocks, counts negative, sizes true or not."""
    parts = [_one(key.type, row[key.name]) for key in contract.keys]
    parts.append(_one(D.TIMESTAMP, row[contract.event_time]))
    for feature in contract.features:
        value = row[feature.name]
        if not feature.required:
            first_is_type = feature.has_default and feature.default is not None
            parts.append(b"\x02" if (value is None) == first_is_type else b"\x00")
        if value is None:
            continue
        if feature.item is None:
            parts.append(_one(feature.type, value))
            continue
        kind = feature.item.type
        if isinstance(value, dict):
            items = [_one(D.STRING, key) + _one(kind, inside) for key, inside in value.items()]
        else:
            items = [_one(kind, inside) for inside in value]
        parts.append(_blocks(items, chance))
    return b"".join(parts)


def _blocks(items: list[bytes], chance: random.Random) -> bytes:
    parts = []
    while items:
        count = chance.randrange(1, len(items) + 1)
        inside, items = b"".join(items[:count]), items[count:]
        if chance.random() < 0.5:
            parts += [encode_long(count), inside]
        else:
            size = len(inside) if chance.random() < 0.5 else chance.choice([0, -1, 1, 2**40])
            parts += [encode_long(-count), encode_long(size), inside]
    return b"".join([*parts, b"\x00"])


@cache
def _encoder(kind: FeatureType) -> Encoder:
    types = {D.DATE: {"type": "int", "logicalType": "date"}, D.TIMESTAMP: "long"}
    return Encoder(
        {"type": "record", "name": "r", "fields": [{"name": "x", "type": types.get(kind, kind.value)}]}
    )


def _one(kind: FeatureType, value: Any) -> bytes:
    return _encoder(kind).encode({"x": value})


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
            # A byte moved: often a count that no longer is what follows.
            head + tail[:1] + bytes((byte,)) + tail[1:],
            # A few bytes twice: often an item, or an entry of a map.
            payload[: at + chance.randrange(9)] + payload[at:],
            chance.randbytes(at),
        ]
    )


def same(one: Any, other: Any) -> bool:
    """Equal, where NaN equals NaN and -0.0 is not 0.0."""
    return repr(one) == repr(other)


def plain(schema: Any) -> Any:
    """The schema without logical types: fastavro reads no year above 9999."""
    if isinstance(schema, list):
        return [plain(branch) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("logicalType") in ("date", "timestamp-micros"):
        return schema["type"]
    return {
        name: [{**field, "type": plain(field["type"])} for field in part] if name == "fields" else part
        for name, part in schema.items()
    } | {name: plain(schema[name]) for name in ("items", "values") if name in schema}


def written_by_fastavro(schema: dict[str, Any], row: dict[str, Any]) -> bytes:
    """The oracle's encoding; the row holds days and moments as numbers."""
    target = io.BytesIO()
    fastavro.schemaless_writer(target, fastavro.parse_schema(plain(schema)), row)
    return target.getvalue()


def read_by_fastavro(schema: dict[str, Any], payload: bytes) -> dict[str, Any]:
    """The oracle's reading; days and moments as numbers."""
    row = fastavro.schemaless_reader(io.BytesIO(payload), fastavro.parse_schema(plain(schema)))
    assert isinstance(row, dict)
    return row
