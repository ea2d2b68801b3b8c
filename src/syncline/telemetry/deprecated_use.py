"""That view versions are used which are on their way out: said at once, and again every hour."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from syncline.telemetry.forks import renew_in_child

INTERVAL_S = 3_600.0
"""How long nothing is said again of a version that is used all the time."""


class DeprecatedUse:
    """Says of each deprecated version in use that it is, at most once an hour. Safe for use by several threads."""

    def __init__(self, say: Callable[[str, str], None]) -> None:
        """`say` hears a version, `airport_delay@1.0`, and what is to be said of it."""
        self._say = say
        self._lock = threading.Lock()
        renew_in_child(self, "_lock")
        self._in_use: dict[str, str] = {}
        self._due_s: dict[str, float] = {}

    def use(self, reference: str, text: str) -> None:
        """This version is in use from now on, until `only` says otherwise; said when `tell` is called next."""
        with self._lock:
            self._in_use[reference] = text

    def only(self, versions: Iterable[tuple[str, str]]) -> None:
        """These (version, text), and no others, are in use."""
        with self._lock:
            self._in_use = dict(versions)

    def versions(self) -> list[str]:
        """The versions in use."""
        with self._lock:
            return list(self._in_use)

    def tell(self, now_s: float) -> None:
        """Say what is due; `now_s` is of a clock that never goes backwards."""
        with self._lock:
            due = [
                (reference, text)
                for reference, text in self._in_use.items()
                if now_s >= self._due_s.get(reference, now_s)
            ]
            self._due_s.update((reference, now_s + INTERVAL_S) for reference, _ in due)
        for reference, text in due:
            self._say(reference, text)
