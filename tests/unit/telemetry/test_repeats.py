"""What was said just now is not said again."""

from __future__ import annotations

from syncline.telemetry.repeats import REPEAT_S, Repeats


def test_the_same_is_said_once_a_while() -> None:
    """Numbers make no difference, other words do."""
    repeats = Repeats()

    assert repeats.is_news("broker 1 is away (5 ms)", 100.0)
    assert not repeats.is_news("broker 2 is away (7 ms)", 100.0 + REPEAT_S / 2)
    assert repeats.is_news("broker 1 is back", 100.0 + REPEAT_S / 2)
    assert repeats.is_news("broker 1 is away (5 ms)", 100.0 + REPEAT_S)


def test_its_memory_is_bounded() -> None:
    """Whatever a client invents; then something may be said twice."""
    repeats = Repeats()
    for number in range(10_000):
        repeats.is_news("x" * number, 1.0)

    assert len(repeats._quiet_until_s) <= 100
