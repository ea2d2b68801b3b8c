"""Avro bytes to one row, strictly: what fastavro forgives (it trusts its input) is refused here.

Refused are trailing bytes, unknown union branches, booleans other than 0 and 1, integers beyond their type, text
that is no UTF-8, lengths and counts beyond the payload, and maps that name a key twice. Specification: Apache Avro
1.12, "Binary Encoding".
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NoReturn

from syncline.contracts.codec.decode_items import item_reader
from syncline.contracts.codec.decode_scalar import NAMESPACE, scalar_steps
from syncline.contracts.codec.fields import wire_fields
from syncline.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncline.contracts.codec.fields import WireField


class RowDecoder:
    """Turns one Avro body into a row; compile it once per writer schema, call it often."""

    def __init__(self, schema: str | dict[str, Any]) -> None:
        self._decode = _generate(wire_fields(schema))

    def __call__(self, payload: bytes) -> dict[str, Any]:
        """The row: field name → value. Days and moments are ints, arrays lists, maps dicts.

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


def _refuse_branch(name: str) -> NoReturn:
    raise WireError(f"field `{name}` has a union branch that its schema has not")


def _refuse_rest(count: int) -> NoReturn:
    raise WireError(f"{count} bytes follow the record")


def _generate(fields: tuple[WireField, ...]) -> Callable[[bytes], dict[str, Any]]:
    namespace: dict[str, Any] = {**NAMESPACE, "branch": _refuse_branch, "rest": _refuse_rest}
    lines = ["def decode(p):", " n = len(p)", " i = 0"]
    for number, field in enumerate(fields):
        value = f"v{number}"
        if field.item is None:
            steps = scalar_steps(field.type, value, repr(field.name))
        else:
            namespace[f"read{number}"] = item_reader(field.type, field.item)
            steps = [f"{value}, i = read{number}(p, i, n, {field.name!r})"]
        if field.null_branch is None:
            lines += [f" {step}" for step in steps]
            continue
        lines += [" x = p[i]; i += 1", " if x > 127: x, i = varint(p, i, x)"]
        lines += [f" if x == {2 * field.value_branch}:", *(f"  {step}" for step in steps)]
        lines += [f" elif x == {2 * field.null_branch}: {value} = None", f" else: branch({field.name!r})"]
    lines.append(" if i != n: rest(n - i)")
    row = ", ".join(f"{field.name!r}: v{number}" for number, field in enumerate(fields))
    lines.append(f" return {{{row}}}")
    exec(compile("\n".join(lines), "<row decoder>", "exec"), namespace)  # noqa: S102  built from field names, each as a literal
    decode: Callable[[bytes], dict[str, Any]] = namespace["decode"]
    return decode
