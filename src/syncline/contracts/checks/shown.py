"""Values of any kind as short text, for sentences about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST_VALUE = 80
_MOST_ITEMS = 8


def shown(value: object, longest: int = LONGEST_VALUE) -> str:
    """The value as Python writes it, in at most `longest` characters that UTF-8 can carry. Never raises."""
    own = type(value)
    if own is list or own is dict:
        assert isinstance(value, list | dict)
        if len(value) > _MOST_ITEMS:
            return f"{len(value)} items"
    if own is str:
        assert isinstance(value, str)
        value = value[: longest + 1]
    try:
        text = str.__str__(repr(value))
    except Exception:  # noqa: BLE001  any object may stand in a row, and its repr may raise anything
        text = _type_name(own)
    return shorten(text.encode("utf-8", "backslashreplace").decode(), longest)


def shown_item(value: object) -> str:
    """What stands inside a list or map, null as the field calls it."""
    return "null" if value is None else shown(value)


def shown_name(name: object) -> str:
    """A name of a row as it stands, where it is a printable text."""
    if type(name) is str and name.isprintable():
        return name[:LONGEST_VALUE]
    return shown(name)


def listed(texts: Iterable[str]) -> str:
    """Texts as one, shortened."""
    return shorten(", ".join(texts))


def shorten(text: str, longest: int = LONGEST_VALUE) -> str:
    """The text, or its beginning and three dots."""
    return text if len(text) <= longest else text[: longest - 3] + "..."


def _type_name(own: type) -> str:
    return f"a {type.__dict__['__name__'].__get__(own)}"
