"""Stages one below the other on a line of time, in the width that a terminal has. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from syncline.inspection.ages import measured

_BAR_MIN, _BAR_MAX = 12, 60
_LABEL_MIN, _NOTE_MIN = 8, 6
_OPEN_SHARE = 0.2
"""A wait that is not over takes this much of the width at most, beside what came before it."""
_GAP = "  "


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of a waterfall."""

    label: str
    start_us: float
    end_us: float
    who: str = ""
    note: str = ""
    is_open: bool = False
    """It still lasts: how much longer than the others says little."""

    @property
    def took_us(self) -> float:
        """How long it took; 0 where clocks differ so much that it would be less than nothing."""
        return max(0.0, self.end_us - self.start_us)


def waterfall(bars: Sequence[Bar], *, width: int) -> list[str]:
    """One line a bar: what it is, who it was, when, how long, what was odd.

    Where that is too wide, who it was goes first, then the line of time; what was odd is cut off.
    """
    if not bars:
        return []
    numbers = [measured(round(bar.took_us)) for bar in bars]
    number_width = max(map(len, numbers))
    label_width = max(len(bar.label) for bar in bars)
    who_width = max(len(bar.who) for bar in bars)
    left = width - label_width - number_width - 2 * len(_GAP)
    note_width = max((len(_GAP + bar.note) for bar in bars if bar.note), default=0)
    left -= note_width if left - note_width >= _BAR_MIN else 0
    if who_width and left - who_width - len(_GAP) >= _BAR_MIN:
        left -= who_width + len(_GAP)
    else:
        who_width = 0
    pictures = _pictures(bars, min(left, _BAR_MAX)) if left >= _BAR_MIN else None
    if pictures is None:
        label_width = min(label_width, max(_LABEL_MIN, width - number_width - len(_GAP)))
    lines = []
    for place, (bar, number) in enumerate(zip(bars, numbers, strict=True)):
        parts = [_cut(bar.label, label_width).ljust(label_width)]
        if who_width:
            parts.append(bar.who.ljust(who_width))
        if pictures is not None:
            parts.append(pictures[place])
        line = _GAP.join([*parts, number.rjust(number_width)])
        room = width - len(line) - len(_GAP)
        lines.append(f"{line}{_GAP}{_cut(bar.note, room)}" if bar.note and room >= _NOTE_MIN else line)
    return lines


def _pictures(bars: Sequence[Bar], width: int) -> list[str]:
    start = min(bar.start_us for bar in bars)
    last = max(bar.end_us for bar in bars)
    end = max(bar.start_us if bar.is_open else bar.end_us for bar in bars)
    if any(bar.is_open for bar in bars):
        # A value that is read an hour later would else leave nothing to be seen of the milliseconds before.
        end = min(last, end + (end - start) * _OPEN_SHARE / (1 - _OPEN_SHARE)) if end > start else last
    scale = width / (end - start) if end > start else 0.0
    return [_picture(bar, (bar.start_us - start) * scale, bar.took_us * scale, width) for bar in bars]


def _picture(bar: Bar, first: float, length: float, width: int) -> str:
    begin = max(0, min(width - 1, int(first)))
    room = width - begin
    ink = "╌" * room if bar.is_open else "█" * min(round(length), room) or "▏"
    return (" " * begin + ink).ljust(width)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
