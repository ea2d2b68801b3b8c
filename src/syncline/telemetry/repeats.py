"""What was said just now is not said again: a client tells many times a second that no broker answers."""

from __future__ import annotations

import re

REPEAT_S = 10.0
"""How long nothing is said again that was just said."""
_DIGITS = re.compile(r"\d+")
_GISTS_MAX = 100


class Repeats:
    """Remembers what was said lately; bounded."""

    def __init__(self) -> None:
        self._quiet_until_s: dict[str, float] = {}

    def is_news(self, message: str, now_s: float) -> bool:
        """Whether nothing like it was said within `REPEAT_S`. Numbers make no difference: times and attempts do."""
        gist = _DIGITS.sub("", message)
        if now_s < self._quiet_until_s.get(gist, now_s):
            return False
        if len(self._quiet_until_s) >= _GISTS_MAX:
            self._quiet_until_s.clear()
        self._quiet_until_s[gist] = now_s + REPEAT_S
        return True
