"""The generated steps that read one scalar of an Avro body, strictly, and what they refuse.

They share the names `p` (the payload), `n` (its length), `i` (the position) and `x` (scratch). Specification: Apache
Avro 1.12, "Binary Encoding".
"""

from __future__ import annotations

import struct
from typing import Any, NoReturn

from syncline.contracts.model import FeatureType
from syncline.errors import WireError

_LONGEST_VARINT = 10
_64_BITS = (1 << 64) - 1

INTEGER = ["x = p[i]; i += 1", "if x > 127: x, i = varint(p, i, x)", "{value} = (x >> 1) ^ -(x & 1)"]
"""Reads a varint into `{value}`."""
_INT = [*INTEGER, "if not -2147483648 <= {value} <= 2147483647: int_({name})"]
_STEPS: dict[FeatureType, list[str]] = {
    FeatureType.LONG: INTEGER,
    FeatureType.TIMESTAMP: INTEGER,
    FeatureType.INT: _INT,
    FeatureType.DATE: _INT,
    FeatureType.DOUBLE: ["{value} = double(p, i)[0]; i += 8"],
    FeatureType.FLOAT: ["{value} = float_(p, i)[0]; i += 4"],
    FeatureType.BOOLEAN: ["x = p[i]; i += 1", "if x > 1: boolean({name})", "{value} = x == 1"],
    FeatureType.STRING: [
        *INTEGER,
        "if not 0 <= {value} <= n - i: length({name})",
        "j = i + {value}; {value} = p[i:j].decode(); i = j",
    ],
}


def scalar_steps(kind: FeatureType, value: str, name: str) -> list[str]:
    """The lines that read a scalar into the variable `value`; `name` is the expression that gives the field's name.

    Run among `NAMESPACE`. They raise `WireError`, and `IndexError` or `struct.error` at the payload's end, or
    `UnicodeDecodeError`.
    """
    return [step.format(value=value, name=name) for step in _STEPS[kind]]


def _varint(payload: bytes, position: int, first: int) -> tuple[int, int]:
    """The rest of a varint whose first byte was read; bits beyond 64 are dropped, as Avro's Java reader does."""
    value = first & 127
    shift = 7
    while True:
        byte = payload[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:  # noqa: PLR2004  the high bit says that more follows
            return value & _64_BITS, position
        shift += 7
        if shift >= 7 * _LONGEST_VARINT:
            raise WireError("an integer takes more than ten bytes")


def _refuse_boolean(name: str) -> NoReturn:
    # What stands there stays unsaid, here and wherever bytes are refused: the contract may want it redacted.
    raise WireError(f"field `{name}` is neither true nor false")


def _refuse_int(name: str) -> NoReturn:
    raise WireError(f"field `{name}` is beyond 32 bits")


def _refuse_length(name: str) -> NoReturn:
    raise WireError(f"field `{name}` says that it is longer than the payload")


NAMESPACE: dict[str, Any] = {
    "varint": _varint,
    "boolean": _refuse_boolean,
    "int_": _refuse_int,
    "length": _refuse_length,
    "double": struct.Struct("<d").unpack_from,
    "float_": struct.Struct("<f").unpack_from,
}
"""What the steps call."""
