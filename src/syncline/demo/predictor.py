"""A small model of departure delay: a straight line through few features, that anyone can follow by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

INPUTS = (
    "origin_delay__dep_delay_mean_1h",
    "origin_delay__departures_1h",
    "origin_delay__cancelled_24h",
    "dest_delay__arr_delay_mean_1h",
    "aircraft__dep_delay_mean_24h",
    "aircraft__arr_delay_mean_24h",
    "weather__wind_speed",
    "weather__precip",
    "weather__visibility",
)
"""What the model reads of a row of the bundle `flight_inputs`."""

# One flight of 1,301 minutes must not turn the line for all others.
_LONGEST_MIN = 180.0
_RIDGE = 1.0

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DelayPredictor:
    """Predicts how many minutes late a flight will leave; the same rows always give the same model.

    A value that is missing counts as the mean of the rows learnt from. That it is missing counts by itself,
    as it means something: an aircraft without a record has not flown lately.
    """

    means: Floats
    scales: Floats
    weights: Floats
    """One for each input, one for each input that is missing, and the constant."""

    @classmethod
    def fit(cls, rows: Iterable[tuple[Mapping[str, Any], float]]) -> DelayPredictor:
        """The least-squares line through rows of (values by full name, delay in minutes).

        A value may be None, or left out where nothing is known of its entity.

        Raises:
            ValueError: there are no rows.
        """
        learnt = [([_number(values.get(name)) for name in INPUTS], delay) for values, delay in rows]
        if not learnt:
            raise ValueError("a model needs at least one row to learn from")
        inputs = np.array([row for row, _ in learnt], dtype=np.float64)
        delays = np.clip(np.array([delay for _, delay in learnt], dtype=np.float64), None, _LONGEST_MIN)
        present = ~np.isnan(inputs)
        counts = np.maximum(present.sum(axis=0), 1)
        means = np.where(present, inputs, 0.0).sum(axis=0) / counts
        spread = np.sqrt((np.where(present, inputs - means, 0.0) ** 2).sum(axis=0) / counts)
        scales = np.where(spread > 0, spread, 1.0)
        design = _design(inputs, means, scales)
        penalty = _RIDGE * np.eye(design.shape[1])
        penalty[-1, -1] = 0.0  # the constant may be as large as it likes
        weights = np.linalg.solve(design.T @ design + penalty, design.T @ delays).astype(np.float64)
        return cls(means, scales, weights)

    def predict(self, values: Mapping[str, Any]) -> float:
        """The delay in minutes that a row of the bundle leads one to expect.

        Raises:
            KeyError: a name of INPUTS is not in `values`; a renamed feature must not pass for a missing one.
        """
        inputs = np.array([[_number(values[name]) for name in INPUTS]], dtype=np.float64)
        return float((_design(inputs, self.means, self.scales) @ self.weights)[0])


def _number(value: Any) -> float:  # noqa: ANN401 - a row holds values of several types
    return float("nan") if value is None else float(value)


def _design(inputs: Floats, means: Floats, scales: Floats) -> Floats:
    """Standard scores (0 where missing, and never beyond 5), flags for what is missing, and ones."""
    missing = np.isnan(inputs)
    scores = np.clip(np.where(missing, 0.0, (inputs - means) / scales), -5.0, 5.0)
    return np.hstack([scores, missing.astype(np.float64), np.ones((len(inputs), 1))])
