"""Units that are known well enough to say how much larger numbers become when one takes the place of another."""

from __future__ import annotations

from fractions import Fraction


def factor(old: str, new: str) -> Fraction | None:
    """By what the numbers grow when `new` replaces `old` (60 for `min` → `s`); None where that is not known."""
    for sizes in _SIZES:
        before, after = sizes.get(_spelling(old)), sizes.get(_spelling(new))
        if before is not None and after is not None:
            return Fraction(before) / Fraction(after)
    return None


def _spelling(unit: str) -> str:
    text = unit.strip()
    # `m` and `M`, `mm` and `Mm` are different units: only words may be written in capitals.
    return text if len(text) <= _LONGEST_SYMBOL else text.lower()


_LONGEST_SYMBOL = 3


def _sizes(*units: tuple[int | Fraction, str]) -> dict[str, int | Fraction]:
    return {spelling: size for size, spellings in units for spelling in spellings.split()}


_SIZES = (
    _sizes(
        (1, "ns nanosecond nanoseconds"),
        (1_000, "us µs microsecond microseconds"),
        (10**6, "ms millisecond milliseconds millis"),
        (10**9, "s sec secs second seconds"),
        (60 * 10**9, "min mins minute minutes"),
        (3_600 * 10**9, "h hr hrs hour hours"),
        (86_400 * 10**9, "d day days"),
        (7 * 86_400 * 10**9, "w wk week weeks"),
    ),
    _sizes(
        (10, "mm millimetre millimetres millimeter millimeters"),
        (100, "cm centimetre centimetres centimeter centimeters"),
        (254, "in inch inches"),
        (3_048, "ft foot feet"),
        (9_144, "yd yard yards"),
        (10_000, "m metre metres meter meters"),
        (10**7, "km kilometre kilometres kilometer kilometers"),
        (16_093_440, "mi mile miles"),
        (18_520_000, "nmi NM"),
    ),
    _sizes(
        (1, "mg milligram milligrams"),
        (1_000, "g gram grams"),
        (10**6, "kg kilogram kilograms"),
        (10**9, "t tonne tonnes"),
        (Fraction(45_359_237, 100), "lb lbs pound pounds"),
    ),
    _sizes(
        (900, "km/h kmh kph"),
        (3_240, "m/s mps"),
        (Fraction(1_609_344, 1_000) * Fraction(900, 1_000), "mph mi/h"),
        (Fraction(1_852, 1_000) * 900, "kn kt kts knot knots"),
    ),
    _sizes((1, "% percent"), (100, "1 fraction ratio")),
)
