"""Values and rows as JSON can hold them: days and moments as ISO text, and what JSON has no form for as text."""

from __future__ import annotations

import math
from datetime import date
from typing import TYPE_CHECKING, Any

from syncline.contracts.moments import format_moment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncline.contracts.model import FeatureType

_DEEPEST = 8
"""Values nested deeper than this are kept as text; no contract has them, and some contain themselves."""


def plain_value(value: object, kind: FeatureType | None = None) -> Any:  # noqa: ANN401  JSON's own values
    """The value as JSON has it, whatever it is: NaN, which JSON cannot write, is text. Never raises.

    Args:
        value: canonical or as readers hand it out, or any other.
        kind: the type of a scalar, or of what is inside a list, map or vector; it tells a day from a number.
    """
    try:
        return _plain(value, kind, _DEEPEST)
    except Exception:  # noqa: BLE001  any object may stand in a row, and looking into it may raise anything
        return _text(value)


def plain_row(row: Mapping[Any, Any], kinds: Mapping[str, FeatureType]) -> dict[str, Any]:
    """The row with JSON's own values only, whatever it holds. Never raises.

    Args:
        row: canonical values, and any others.
        kinds: name → the type of a scalar, or of what is inside a list, map or vector; it tells a day from a number.
    """
    return {_text(name): plain_value(value, kinds.get(name)) for name, value in row.items()}


def _plain(value: Any, kind: FeatureType | None, depth: int) -> Any:  # noqa: ANN401  a row may hold anything
    if value is None or value is True or value is False:
        return value
    if type(value) is int:
        return _whole(value, kind)
    if isinstance(value, float):
        # JSON has no NaN and no infinities.
        return float(value) if math.isfinite(value) else str(float(value))
    if depth and isinstance(value, dict):
        return {_text(key): _plain(each, kind, depth - 1) for key, each in value.items()}
    if depth and isinstance(value, list | tuple):
        return [_plain(each, kind, depth - 1) for each in value]
    return _text(value)


def _whole(value: int, kind: FeatureType | None) -> int | str:
    try:
        str(value)
    except ValueError:
        # Python writes no number of more than some thousand digits.
        return _text(value)
    return format_moment(value, kind) if kind is not None and kind.is_moment else value


def _text(value: object) -> str:
    try:
        if isinstance(value, date):
            return value.isoformat().replace("+00:00", "Z")
        return str(value)
    except Exception:  # noqa: BLE001  any object may stand in a row, and its text may raise anything
        return f"a {type(value).__name__} that has no text"
