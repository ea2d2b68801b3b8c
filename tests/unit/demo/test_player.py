"""`syncline demo publish`: the flights as a time-lapse, for dashboards that are looked at now."""

from __future__ import annotations

from typing import Any, Self

import pytest

from syncline.clock import ManualClock
from syncline.demo import player
from syncline.settings import ConnectionSettings

NOW_US = 1_800_000_000_000_000
RATE = 10_000


class Recorder:
    """A publisher that keeps what it is given."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held."""

    def view(self, _: str) -> Recorder:
        """Itself."""
        return self

    def publish_many(self, rows: list[dict[str, Any]]) -> None:
        """Keep them."""
        self.rows += rows

    def flush(self) -> None:
        """Nothing waits."""


class Silent:
    """A screen that shows nothing."""

    def say(self, _: str) -> None:
        """Not said."""


def test_a_round_happens_while_it_is_played(monkeypatch: pytest.MonkeyPatch) -> None:
    """Event times run from the round's begin to its end, at the rate asked for, late ones a bit before."""
    recorder = Recorder()
    monkeypatch.setattr(player.Publisher, "from_env", lambda **_: recorder)
    clock, waited = ManualClock(NOW_US), []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        clock.advance(seconds=seconds)

    player.play(
        ConnectionSettings(),
        screen=Silent(),
        clock=clock,
        rate=RATE,
        rounds=1,
        stopped=lambda: False,
        wait=wait,
    )

    times = [row["event_time"] for row in recorder.rows]
    took_us = clock.us - NOW_US
    assert took_us == pytest.approx(len(times) / RATE * 1_000_000, rel=0.01)
    assert max(times) == pytest.approx(clock.us, abs=took_us * 0.02)
    # A day's cancellations are heard of at its end: of five weeks, that is a thirty-fifth.
    assert min(times) >= NOW_US - took_us * 0.05
    assert sorted(times)[len(times) // 2] == pytest.approx(NOW_US + took_us / 2, abs=took_us * 0.1)
