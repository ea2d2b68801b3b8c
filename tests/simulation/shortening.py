"""A failing history, told briefly: the steps that it does not need are left out."""

from __future__ import annotations

from tests.simulation.histories import History
from tests.simulation.promises import BrokenPromise

TRIES_MAX = 400
TOLD_MAX = 80


def run(seed: int) -> None:
    """Run the history of this seed to its end.

    Raises:
        AssertionError: a promise was broken; the message tells the seed and a short history that breaks it too.
    """
    try:
        History(seed).run()
    except Exception as error:
        raise AssertionError(_told(seed, error)) from error


def shortest(seed: int, error: Exception) -> tuple[list[int], Exception, History]:
    """The steps without which the same promise holds, how it was broken, and the history."""
    history = History(seed)
    steps = list(range(history.steps))
    best = _error(history, steps) or error, history
    tries, size = 0, len(steps) // 2
    while size and tries < TRIES_MAX:
        start = 0
        while start < len(steps) and tries < TRIES_MAX:
            tries += 1
            fewer = steps[:start] + steps[start + size :]
            history = History(seed)
            found = _error(history, fewer)
            if found is not None and _kind(found) == _kind(error):
                steps, best = fewer, (found, history)
            else:
                start += size
        size //= 2
    return steps, *best


def _error(history: History, steps: list[int]) -> Exception | None:
    try:
        history.run(skip=frozenset(range(history.steps)) - frozenset(steps))
    except Exception as error:  # noqa: BLE001  whatever it is, it is what is looked for
        return error
    return None


def _kind(error: Exception) -> str:
    return error.promise if isinstance(error, BrokenPromise) else type(error).__name__


def _told(seed: int, error: Exception) -> str:
    steps, short, history = shortest(seed, error)
    story = history.world.story()
    return "\n".join(
        (
            f"seed {seed}: {type(error).__name__}: {error}",
            f"A shorter history ({len(steps)} of {history.steps} steps) ends with: {short}",
            *story[-TOLD_MAX:],
            f"Again: from tests.simulation.shortening import run; run({seed})",
        )
    )
