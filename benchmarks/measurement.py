"""What one contender's process measured in one round."""

from __future__ import annotations

import json
import resource
import time
from dataclasses import asdict, dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Measurement:
    """Rows done, and what they took of time and of all this process's threads' CPU."""

    rows: int
    seconds: float
    cpu_seconds: float

    @property
    def rows_per_s(self) -> float:
        """The rate."""
        return self.rows / self.seconds

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Self:
        """What `to_json` wrote."""
        return cls(**json.loads(line))


class Stopwatch:
    """Wall clock and CPU time from `start` on."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Count from here."""
        self._cpu_s = _cpu_s()
        self._wall_s = time.perf_counter()

    def stop(self, rows: int) -> Measurement:
        """What was done since the start."""
        wall_s = time.perf_counter() - self._wall_s
        return Measurement(rows, wall_s, _cpu_s() - self._cpu_s)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
