"""Lengths of time in few words, for sentences."""

from __future__ import annotations

_MS = 1_000
_S = 1_000_000
_STEPS = (("ms", _MS, _S), ("s", _S, 120 * _S), ("min", 60 * _S, 7_200 * _S), ("h", 3_600 * _S, 172_800 * _S))
_DAY_US = 86_400 * _S


def rough(us: int) -> str:
    """`42 s`, `3 min`: rounded up, so that no age is understated (P7), and never below zero."""
    us = max(0, us)
    if us == 0:
        return "0 s"
    for unit, length, end in _STEPS:
        if us <= end - length:
            return f"{-(-us // length)} {unit}"
    return f"{-(-us // _DAY_US):,} d"


def measured(us: int) -> str:
    """`0.4 ms`, `812 ms`, `1.25 s`, `95.0 s`, `3 min 5 s`: as exact as one wants to read it."""
    if us < 10 * _MS:
        return f"{us / _MS:.1f} ms"
    if us < _S:
        return f"{us / _MS:.0f} ms"
    if us < 10 * _S:
        return f"{us / _S:.2f} s"
    if us < 120 * _S:
        return f"{us / _S:.1f} s"
    seconds = us // _S
    for big, small, length, divisor in (("d", "h", 86_400, 3_600), ("h", "min", 3_600, 60)):
        if seconds >= 2 * length:
            return f"{seconds // length:,} {big} {seconds % length // divisor} {small}"
    return f"{seconds // 60} min {seconds % 60} s"
