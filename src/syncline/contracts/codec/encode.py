"""Rows to Avro bytes: Python generated for one schema, byte for byte what fastavro's writer gives.

Specification: Apache Avro 1.12, "Binary Encoding".
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any

from syncline.contracts.codec.avro import avro_schema
from syncline.contracts.codec.fields import wire_fields
from syncline.contracts.limits import INTEGER_RANGES
from syncline.contracts.model import Contract, FeatureType
from syncline.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from syncline.contracts.codec.fields import WireField

_SMALL = 1_024
_FLOAT = struct.Struct("<f")
_FLOATING = {FeatureType.FLOAT: "f", FeatureType.DOUBLE: "d"}


class Encoder:
    """Turns checked rows into Avro bodies; compile it once per contract (or Avro schema), call it often."""

    def __init__(self, contract: Contract | dict[str, Any]) -> None:
        schema = avro_schema(contract) if isinstance(contract, Contract) else contract
        self._encode = _generate(wire_fields(schema))

    def encode(self, row: Mapping[str, Any], prefix: bytes = b"") -> bytes:
        """`prefix` followed by the row's body.

        Args:
            row: all join keys, the event time, all features (completed, and checked by `RowCheck`); days and moments
                are ints, lists and vectors lists, maps dicts.
            prefix: what goes in front, as Confluent's five bytes.

        Raises:
            WireError: the row has a value that its type cannot carry; a checked row never does.
        """
        try:
            return self._encode(row, prefix)
        except KeyError as error:
            raise WireError(f"the row has no {error}, or a value that is not true or false") from None
        except (TypeError, AttributeError, ValueError, OverflowError, struct.error) as error:
            raise WireError(f"the row holds a value that its type cannot carry: {error}") from None


def encode_long(value: int) -> bytes:
    """A 64-bit integer as zigzag varint, 1 to 10 bytes.

    Raises:
        ValueError: beyond 64 bits.
    """
    zigzag = (value << 1) ^ (value >> 63)
    if not 0 <= zigzag < 1 << 64:
        raise ValueError(f"{value} is beyond 64 bits")
    parts = bytearray()
    while zigzag > 127:  # noqa: PLR2004  seven bits a byte
        parts.append(zigzag & 127 | 128)
        zigzag >>= 7
    parts.append(zigzag)
    return bytes(parts)


_NEAR_ZERO = [encode_long(value if value < _SMALL else value - 2 * _SMALL) for value in range(2 * _SMALL)]
"""Encodings of -1,024 to 1,023, found by the value itself: Python counts negative indexes from the end."""


def _long(value: int) -> bytes:
    if -_SMALL <= value < _SMALL:
        return _NEAR_ZERO[value]
    zigzag = (value << 1) ^ (value >> 63)
    if 1 << 49 <= zigzag < 1 << 56:
        # Event times of 1979 to 3111: the longest integer of nearly every row, so unrolled.
        return bytes(
            (
                zigzag & 127 | 128,
                zigzag >> 7 & 127 | 128,
                zigzag >> 14 & 127 | 128,
                zigzag >> 21 & 127 | 128,
                zigzag >> 28 & 127 | 128,
                zigzag >> 35 & 127 | 128,
                zigzag >> 42 & 127 | 128,
                zigzag >> 49,
            )
        )
    return encode_long(value)


def _int(value: int) -> bytes:
    low, high = INTEGER_RANGES[FeatureType.INT]
    if not low <= value <= high:
        raise ValueError(f"{value} is beyond 32 bits")
    return _long(value)


def _text(value: str) -> bytes:
    data = value.encode()
    return _long(len(data)) + data


def _float(value: float) -> bytes:
    try:
        return _FLOAT.pack(value)
    except OverflowError:
        return _FLOAT.pack(math.copysign(math.inf, value))


_BOOLEANS = {True: b"\x01", False: b"\x00"}


def _list_writer(item: FeatureType) -> Callable[[list[Any]], bytes]:
    """Writes a list as one block; an empty one as the 0 that ends every list."""
    write = _several(item)

    def write_list(values: list[Any]) -> bytes:
        if type(values) is not list:
            raise TypeError(f"a {type(values).__name__} is no list")
        return _long(len(values)) + write(values) + b"\x00" if values else b"\x00"

    return write_list


def _map_writer(item: FeatureType) -> Callable[[dict[str, Any]], bytes]:
    """Writes a map as one block, in the order of its entries."""
    write = _SCALARS[item]

    def write_map(values: dict[str, Any]) -> bytes:
        if type(values) is not dict:
            raise TypeError(f"a {type(values).__name__} is no map")
        if not values:
            return b"\x00"
        entries = [part for key, value in values.items() for part in (_text(key), write(value))]
        return b"".join((_long(len(values)), *entries, b"\x00"))

    return write_map


def _several(item: FeatureType) -> Callable[[list[Any]], bytes]:
    if item in _FLOATING:
        letter, single = _FLOATING[item], _SCALARS[item]

        def write_floats(values: list[Any]) -> bytes:
            try:
                return struct.pack(f"<{len(values)}{letter}", *values)
            except OverflowError:
                # A number beyond 32 bits, which becomes an infinity as a scalar of its type does.
                return b"".join(map(single, values))

        return write_floats
    write = _SCALARS[item]
    return lambda values: b"".join(map(write, values))


_SCALARS: dict[FeatureType, Callable[[Any], bytes]] = {
    FeatureType.BOOLEAN: _BOOLEANS.__getitem__,
    FeatureType.INT: _int,
    FeatureType.LONG: _long,
    FeatureType.FLOAT: _float,
    FeatureType.DOUBLE: struct.Struct("<d").pack,
    FeatureType.STRING: _text,
    FeatureType.DATE: _int,
    FeatureType.TIMESTAMP: _long,
}


def _generate(fields: tuple[WireField, ...]) -> Callable[[Mapping[str, Any], bytes], bytes]:
    namespace: dict[str, Any] = {
        "long": _long,
        "int_": _int,
        "text": _text,
        "float_": _float,
        "boolean": _BOOLEANS,
    }
    for field in fields:
        if field.item is not None:
            writer = _map_writer if field.type is FeatureType.MAP else _list_writer
            namespace[_nested_name(field)] = writer(field.item)
    body = []
    parts: list[str] = []
    run: list[WireField] = []

    def close_run() -> None:
        if run:
            name = f"run{len(parts)}"
            namespace[name] = struct.Struct("<" + "d" * len(run)).pack
            parts.append(f"{name}({', '.join(f'row[{field.name!r}]' for field in run)})")
            run.clear()

    for number, field in enumerate(fields):
        if field.null_branch is None and field.type is FeatureType.DOUBLE:
            run.append(field)
            continue
        close_run()
        value = f"row[{field.name!r}]"
        if field.null_branch is None:
            parts.append(_expression(field, value))
        else:
            body.append(f" v{number} = {value}")
            null = bytes((2 * field.null_branch,))
            parts.append(f"({null!r} if v{number} is None else {_optional(field, f'v{number}', namespace)})")
    close_run()
    # A join beats a chain of additions from a handful of parts on.
    joined = f"join((prefix, {', '.join(parts)}))" if parts else "prefix"
    namespace["join"] = b"".join
    source = "\n".join(["def encode(row, prefix):", *body, f" return {joined}"])
    exec(compile(source, "<encoder>", "exec"), namespace)  # noqa: S102  built from field names, each as a literal
    encode: Callable[[Mapping[str, Any], bytes], bytes] = namespace["encode"]
    return encode


def _expression(field: WireField, value: str) -> str:
    match field.type:
        case FeatureType.STRING:
            return f"text({value})"
        case FeatureType.LONG | FeatureType.TIMESTAMP:
            return f"long({value})"
        case FeatureType.LIST | FeatureType.MAP:
            return f"{_nested_name(field)}({value})"
        case FeatureType.INT | FeatureType.DATE:
            return f"int_({value})"
        case FeatureType.FLOAT:
            return f"float_({value})"
        case _:
            return f"boolean[{value}]"


def _nested_name(field: WireField) -> str:
    return f"{field.type.value}_of_{field.item.value if field.item is not None else 'nothing'}"


def _optional(field: WireField, value: str, namespace: dict[str, Any]) -> str:
    branch = 2 * field.value_branch
    if field.type is FeatureType.DOUBLE:
        namespace["branch_double"] = struct.Struct("<Bd").pack
        return f"branch_double({branch}, {value})"
    return f"{bytes((branch,))!r} + {_expression(field, value)}"
