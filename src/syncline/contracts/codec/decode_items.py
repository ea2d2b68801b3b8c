"""What is inside an Avro array or map, strictly: one generated function for each kind of item.

Blocks may have any legal layout. Of a block with a negative count the size in bytes is read and left alone: it is
there for those who skip the block, and no reader here does. Specification: Apache Avro 1.12, "Binary Encoding".
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, NoReturn

from syncline.contracts.codec.decode_scalar import INTEGER, NAMESPACE, scalar_steps
from syncline.contracts.model import FeatureType
from syncline.errors import WireError

ItemReader = Callable[[bytes, int, int, str], tuple[Any, int]]
"""(payload, position, the payload's length, the field's name) → (list or dict, the position behind it)."""

_BLOCKS = {
    # All floats of a block at once.
    FeatureType.DOUBLE: "found += unpack('<%dd' % c, p, i); i += 8 * c",
    FeatureType.FLOAT: "found += unpack('<%df' % c, p, i); i += 4 * c",
}
_SMALLEST = {FeatureType.DOUBLE: 8, FeatureType.FLOAT: 4}
_KEY = scalar_steps(FeatureType.STRING, "k", "name")


def item_reader(kind: FeatureType, item: FeatureType) -> ItemReader:
    """The function that reads a LIST or MAP of these items.

    It allocates nothing for a count before it has seen that the payload's rest can hold so many items. Like the
    steps of `scalar_steps` it raises `IndexError`, `struct.error` or `UnicodeDecodeError` too.
    """
    smallest = _SMALLEST.get(item, 1)
    each = scalar_steps(item, "v", "name")
    if kind is FeatureType.MAP:
        # A key's length takes a byte at least.
        smallest += 1
        each = [*_KEY, "if k in found: repeated(name, len(found) + 1)", *each, "found[k] = v"]
    else:
        each.append("found.append(v)")
    block = ["for _ in range(c):", *(f" {step}" for step in each)]
    if kind is FeatureType.LIST and item in _BLOCKS:
        block = [_BLOCKS[item]]
    lines = [
        "def read(p, i, n, name):",
        " found = {}" if kind is FeatureType.MAP else " found = []",
        " while True:",
        *(f"  {step.format(value='c')}" for step in INTEGER),
        "  if c == 0: return found, i",
        "  if c < 0:",
        "   c = -c; x = p[i]; i += 1",
        "   if x > 127: x, i = varint(p, i, x)",
        f"  if c * {smallest} > n - i: count(name)",
        *(f"  {step}" for step in block),
    ]
    namespace = {
        **NAMESPACE,
        "unpack": struct.unpack_from,
        "count": _refuse_count,
        "repeated": _refuse_repeated,
    }
    exec(compile("\n".join(lines), f"<reader of a {kind} of {item}>", "exec"), namespace)  # noqa: S102  built from the texts of this package
    read: ItemReader = namespace["read"]
    return read


def _refuse_count(name: str) -> NoReturn:
    raise WireError(f"field `{name}` says that more items follow than the payload has room for")


def _refuse_repeated(name: str, number: int) -> NoReturn:
    # Which key it is stays unsaid: the contract may want it redacted.
    raise WireError(f"field `{name}` names a key twice: its entry {number} repeats an earlier one")
