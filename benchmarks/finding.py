"""One figure of a subject that is about ourselves: what was measured, what is asked for, and whether it was reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np


@dataclass(frozen=True, slots=True)
class Finding:
    """One figure. With a contender the reach is of the ratio ours : contender, else of the figure itself."""

    figure: str
    ours: float
    unit: str
    reach: float
    better: Literal["higher", "lower"]
    means: str
    """What the figure is, and what stands behind it."""
    contender: float | None = None

    @property
    def ratio(self) -> float | None:
        """Ours over the contender's."""
        return None if self.contender is None else self.ours / self.contender

    @property
    def is_reached(self) -> bool:
        """Whether the figure is what the issue asks for."""
        measured = self.ours if self.ratio is None else self.ratio
        return measured >= self.reach if self.better == "higher" else measured <= self.reach


def percentiles(values: Sequence[float]) -> str:
    """`p50 3.1, p99 8.0, at most 9.2` of these values."""
    p50, p99 = np.percentile(values, [50, 99])
    return f"p50 {p50:.4g}, p99 {p99:.4g}, at most {max(values):.4g}"
