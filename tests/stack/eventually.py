"""Asking until an answer holds, for what arrives some time after it was sent."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(
    ask: Callable[[], T],
    holds: Callable[[T], object] = bool,
    *,
    timeout_s: float = 30.0,
    show: Callable[[T], str] = repr,
) -> T:
    """The first answer that holds. It is asked at least once.

    Raises:
        TimeoutError: none did within `timeout_s`; the message ends with the last one, as `show` tells it.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        answer = ask()
        if holds(answer):
            return answer
        if time.monotonic() >= deadline:
            raise TimeoutError(f"not within {timeout_s:g} s; the last answer was {show(answer)[-3000:]}")
        time.sleep(0.05)
