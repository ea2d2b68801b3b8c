"""The shape that all texts of a column share, as `^[A-Z]{3}$`, where they share one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_RUN = re.compile(r"[A-Z]+|[a-z]+|[0-9]+|[^A-Za-z0-9]", re.DOTALL)
_MOST_RUNS = 12
LONGEST_TEXT = 200
"""No code is longer."""
_CLASSES = (("A", "Z", "[A-Z]"), ("a", "z", "[a-z]"), ("0", "9", "[0-9]"))
_PUNCTUATION = frozenset("-_/:.@#+ ,")


@dataclass(slots=True)
class Shape:
    """The runs of capitals, small letters and digits that every text seen so far is made of, punctuation between.

    It is lost for good with the first text that is made otherwise.
    """

    _classes: tuple[str, ...] | None = None
    _lengths: list[tuple[int, int]] = field(default_factory=list)
    _lost: bool = False

    @property
    def lost(self) -> bool:
        """Whether the texts share none."""
        return self._lost

    def add(self, texts: Iterable[str]) -> None:
        """Look at more texts."""
        for text in texts:
            if self._lost:
                return
            self._add(text)

    def pattern(self) -> str | None:
        """The shape as a pattern; None where there is none, or it would say no more than `letters`."""
        if self._lost or self._classes is None:
            return None
        telling = any(low == high for low, high in self._lengths) or "[0-9]" in self._classes
        return self.expression() if telling else None

    def expression(self) -> str | None:
        """What matches only texts of the shape as it is now, up to `LONGEST_TEXT`; None where there is none."""
        if self._lost or self._classes is None:
            return None
        runs = zip(self._classes, self._lengths, strict=True)
        return "^" + "".join(_written(kind, low, high) for kind, (low, high) in runs) + "$"

    def _add(self, text: str) -> None:
        runs = _RUN.findall(text[:LONGEST_TEXT])
        classes = tuple(_class(run) for run in runs)
        if not runs or len(runs) > _MOST_RUNS or len(text) > LONGEST_TEXT or "" in classes:
            self._lost = True
        elif self._classes is None:
            self._classes = classes
            self._lengths = [(len(run), len(run)) for run in runs]
        elif self._classes != classes:
            self._lost = True
        else:
            self._lengths = [
                (min(low, len(run)), max(high, len(run)))
                for (low, high), run in zip(self._lengths, runs, strict=True)
            ]


def _class(run: str) -> str:
    for first, last, name in _CLASSES:
        if first <= run[0] <= last:
            return name
    if run in _PUNCTUATION:
        return "[.]" if run == "." else "[+]" if run == "+" else run
    return ""


def _written(kind: str, low: int, high: int) -> str:
    if low != high:
        # How long it may become is not seen in how long it was.
        return f"{kind}+"
    return kind if low == 1 else f"{kind}{{{low}}}"
