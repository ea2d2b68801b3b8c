"""Lines of YAML with comments, readable and safe: whatever a value holds, it stays one value on one line."""

from __future__ import annotations

import json
import re
from decimal import Decimal

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_WORDS_OF_YAML = frozenset(("null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf"))
_LONGEST_SHOWN = 60


def scalar(value: str | float | Decimal) -> str:
    """A value as it stands in a document, inside brackets too."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) and value.lower() not in _WORDS_OF_YAML else quoted(value)
    if isinstance(value, Decimal):
        return number(value)
    return repr(value)


def number(value: Decimal) -> str:
    """A limit as people write it: without an exponent where that is short."""
    if value == value.to_integral_value() and value.adjusted() <= 15:  # noqa: PLR2004  exact in a double
        return str(int(value))
    plain = format(value.normalize(), "f")
    return plain if len(plain) <= 12 else f"{float(value)!r}"  # noqa: PLR2004  longer ones are read more easily with an exponent


def quoted(text: str) -> str:
    """A text in double quotes, with everything escaped that is not printable."""
    return "".join(
        character if character.isprintable() else _escape(ord(character))
        for character in json.dumps(text, ensure_ascii=False)
    )


def shown(text: str) -> str:
    """A text of the data inside a comment: shortened, on one line."""
    short = text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."
    return quoted(short)


def comment(text: str) -> str:
    """A text as the end of a line."""
    printable = "".join(
        character if character.isprintable() else _escape(ord(character)) for character in text
    )
    return f"# {printable}"


def line(indent: int, text: str, said: str = "") -> str:
    """A line of the document, with a comment where there is something to say."""
    return " " * indent + text + (f" {comment(said)}" if said else "")


def _escape(number: int) -> str:
    if number <= 0xFF:  # noqa: PLR2004  two hexadecimal digits
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"  # noqa: PLR2004  four, else eight
