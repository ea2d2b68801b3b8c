"""Avro bytes to one row, strictly: what fastavro forgives (it trusts its input) is refused here.

Refused are trailing bytes, unknown union branches, booleans other than 0 and 1, integers beyond their type, text
that is no UTF-8, and lengths beyond the payload. Specification: Apache Avro 1.12, "Binary Encoding".
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NoReturn

from syncline.contracts.fields import wire_fields
from syncline.contracts.model import FeatureType
from syncline.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncline.contracts.fields import WireField

_LONGEST_VARINT = 10
_64_BITS = (1 << 64) - 1


class RowDecoder:
    """Turns one Avro body into a row; compile it once per writer schema, call it often."""

    def __init__(self, schema: str | dict[str, Any]) -> None:
        self._decode = _generate(wire_fields(schema))

    def __call__(self, payload: bytes) -> dict[str, Any]:
        """The row: field name → value, event time as int µs.

        Raises:
            WireError: the payload is not exactly one record of the schema; the message says why.
        """
        try:
            return self._decode(payload)
        except (IndexError, struct.error):
            raise WireError(
                f"the payload is cut off: its {len(payload)} bytes end within the record"
            ) from None
        except UnicodeDecodeError as error:
            raise WireError(f"a text is no UTF-8: {error.reason}") from None


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


def _refuse_branch(name: str, raw: int) -> NoReturn:
    raise WireError(f"field `{name}` has the union branch {(raw >> 1) ^ -(raw & 1)}")


def _refuse_boolean(name: str, raw: int) -> NoReturn:
    raise WireError(f"field `{name}` is neither true nor false, but {raw}")


def _refuse_int(name: str, value: int) -> NoReturn:
    raise WireError(f"field `{name}` is beyond 32 bits: {value}")


def _refuse_length(name: str, length: int) -> NoReturn:
    raise WireError(f"field `{name}` says it is {length} bytes long, which the payload is not")


def _refuse_rest(count: int) -> NoReturn:
    raise WireError(f"{count} bytes follow the record")


def _generate(fields: tuple[WireField, ...]) -> Callable[[bytes], dict[str, Any]]:
    namespace: dict[str, Any] = {
        "varint": _varint,
        "branch": _refuse_branch,
        "boolean": _refuse_boolean,
        "int_": _refuse_int,
        "length": _refuse_length,
        "rest": _refuse_rest,
        "double": struct.Struct("<d").unpack_from,
        "float_": struct.Struct("<f").unpack_from,
    }
    lines = ["def decode(p):", " n = len(p)", " i = 0"]
    for number, field in enumerate(fields):
        value = f"v{number}"
        steps = _steps(field, value)
        if field.null_branch is None:
            lines += [f" {step}" for step in steps]
            continue
        lines += [" x = p[i]; i += 1", " if x > 127: x, i = varint(p, i, x)"]
        lines += [f" if x == {2 * field.value_branch}:", *(f"  {step}" for step in steps)]
        lines += [f" elif x == {2 * field.null_branch}: {value} = None", f" else: branch({field.name!r}, x)"]
    lines.append(" if i != n: rest(n - i)")
    row = ", ".join(f"{field.name!r}: v{number}" for number, field in enumerate(fields))
    lines.append(f" return {{{row}}}")
    exec(compile("\n".join(lines), "<row decoder>", "exec"), namespace)  # noqa: S102  built from field names, each as a literal
    decode: Callable[[bytes], dict[str, Any]] = namespace["decode"]
    return decode


_INTEGER = ["x = p[i]; i += 1", "if x > 127: x, i = varint(p, i, x)", "{value} = (x >> 1) ^ -(x & 1)"]
_STEPS: dict[FeatureType, list[str]] = {
    FeatureType.LONG: _INTEGER,
    FeatureType.INT: [*_INTEGER, "if not -2147483648 <= {value} <= 2147483647: int_({name}, {value})"],
    FeatureType.DOUBLE: ["{value} = double(p, i)[0]; i += 8"],
    FeatureType.FLOAT: ["{value} = float_(p, i)[0]; i += 4"],
    FeatureType.BOOLEAN: ["x = p[i]; i += 1", "if x > 1: boolean({name}, x)", "{value} = x == 1"],
    FeatureType.STRING: [
        *_INTEGER,
        "if not 0 <= {value} <= n - i: length({name}, {value})",
        "j = i + {value}; {value} = p[i:j].decode(); i = j",
    ],
}


def _steps(field: WireField, value: str) -> list[str]:
    return [step.format(value=value, name=repr(field.name)) for step in _STEPS[field.type]]
