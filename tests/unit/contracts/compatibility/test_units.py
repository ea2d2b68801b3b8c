"""How much larger numbers become when one unit takes the place of another."""

from __future__ import annotations

from fractions import Fraction

import pytest

from syncline.contracts.compatibility.units import factor


@pytest.mark.parametrize(
    ("old", "new", "times"),
    [
        ("min", "s", 60),
        ("hours", "min", 60),
        ("s", "ms", 1_000),
        ("d", "h", 24),
        ("km", "m", 1_000),
        ("mi", "ft", 5_280),
        ("kg", "g", 1_000),
        ("m/s", "km/h", Fraction(18, 5)),
        ("fraction", "percent", 100),
        ("min", "Minutes", 1),
    ],
)
def test_known_units_have_an_exact_factor_both_ways(old, new, times):
    """Minutes as seconds are 60 times as large, and seconds as minutes a 60th: exactly, not nearly."""
    assert factor(old, new) == times
    assert factor(new, old) == 1 / Fraction(times)


@pytest.mark.parametrize(
    ("old", "new"), [("min", "m"), ("m", "M"), ("mm", "Mm"), ("celsius", "kelvin"), ("s", "kg"), ("", "s")]
)
def test_what_is_not_known_for_certain_has_none(old, new):
    """Metres are no minutes, capitals matter in symbols, and a temperature is no mere factor."""
    assert factor(old, new) is None
