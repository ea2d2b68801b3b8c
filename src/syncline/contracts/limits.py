"""What a value of each type may be at all, and the limits of a feature as one closed range.

Rows and columns both judge by this range, so that their verdicts cannot differ.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

from syncline.contracts.model import FeatureType

if TYPE_CHECKING:
    from syncline.contracts.model import Feature, Item

EVENT_TIMES = (-62_135_596_800_000_000, 253_402_300_799_999_999)
"""Years 1 to 9999, in µs: what Python's datetime, and with it most readers of Avro, can hold."""
DAYS = (-719_162, 2_932_896)
"""The same years in days since 1970."""
INTEGER_RANGES: dict[FeatureType, tuple[int, int]] = {
    FeatureType.INT: (-(2**31), 2**31 - 1),
    FeatureType.LONG: (-(2**63), 2**63 - 1),
    FeatureType.DATE: DAYS,
    FeatureType.TIMESTAMP: EVENT_TIMES,
}
"""What is a whole number in checked rows and on the wire."""
LARGEST_DOUBLE = 1.7976931348623157e308
LARGEST_FLOAT = 3.4028234663852886e38
LARGEST = {FeatureType.FLOAT: LARGEST_FLOAT, FeatureType.DOUBLE: LARGEST_DOUBLE}
_FLOAT = struct.Struct("<f")
_BITS = struct.Struct("<i")


def as_float32(value: float) -> float:
    """The value that a 32-bit field carries for `value`; beyond its range an infinity, as IEEE 754 rounds."""
    try:
        return float(_FLOAT.unpack(_FLOAT.pack(value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def closed_range(feature: Feature | Item) -> tuple[int, int] | tuple[float, float] | None:
    """The smallest and largest value that keeps every limit of an ordered type; None for other types.

    A feature that must be finite gets its type's finite range, one that need not be gets the infinities: NaN lies in
    no range, and is judged apart.
    """
    if not feature.type.is_ordered:
        return None
    lows: list[float]
    highs: list[float]
    if feature.type in INTEGER_RANGES:
        lowest, highest = INTEGER_RANGES[feature.type]
        lows, highs = [lowest], [highest]
    else:
        edge = LARGEST[feature.type] if feature.finite else math.inf
        lows, highs = [-edge], [edge]
    if feature.minimum is not None:
        lows.append(feature.minimum)
    if feature.exclusive_minimum is not None:
        lows.append(_next(feature.type, feature.exclusive_minimum, upwards=True))
    if feature.maximum is not None:
        highs.append(feature.maximum)
    if feature.exclusive_maximum is not None:
        highs.append(_next(feature.type, feature.exclusive_maximum, upwards=False))
    return max(lows), min(highs)


def _next(kind: FeatureType, value: float, *, upwards: bool) -> float:
    if kind in INTEGER_RANGES:
        return value + 1 if upwards else value - 1
    if kind is FeatureType.DOUBLE:
        return math.nextafter(value, math.inf if upwards else -math.inf)
    return _next_float32(value) if upwards else -_next_float32(-value)


def _next_float32(value: float) -> float:
    """The 32-bit number just above `value`, which is one itself."""
    if value == 0:
        return float(_FLOAT.unpack(_BITS.pack(1))[0])
    bits = _BITS.unpack(_FLOAT.pack(value))[0]
    return float(_FLOAT.unpack(_BITS.pack(bits + 1 if value > 0 else bits - 1))[0])
