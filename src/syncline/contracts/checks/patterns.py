"""Patterns of texts: RE2, which judges in time linear in the text, and only what means the same everywhere."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

LONGEST_PATTERN = 1_000
LARGEST_PROGRAM = 3_000
"""Steps of the compiled pattern: in the worst case each looks at each character, about 10 ns a time."""
_SHORT, _REMEMBERED = 64, 1_024
"""Verdicts of so many short texts are remembered: codes and numbers come again and again, and a search costs 3 µs."""
_PART = re.compile(r"\\Q.*?(?:\\E|\Z)|\\.|\(\?[A-Za-z-]*|.", re.DOTALL)
"""A quoted run, an escape, a group's flags, or one character."""
_BY_UNICODE_EDITION = {
    r"\p": r"`\p` depends on the edition of Unicode: list the characters, as `[A-Za-zÀ-ÿ]`",
    r"\P": r"`\P` depends on the edition of Unicode: list the characters, as `[^0-9]`",
    r"\C": r"`\C` matches a byte, which may be half a character: use `.`",
}
_NOT_IN_RE2 = ("invalid perl operator", "invalid escape sequence")
_IGNORING_CASE = "`(?i)` depends on the edition of Unicode: write both cases, as `[Aa]`"


class Pattern:
    """A compiled pattern: its verdict on a text is the same in every process."""

    def __init__(self, text: str, compiled: Any) -> None:  # noqa: ANN401  re2 has no types
        self.text = text
        self._search: Callable[[bytes], object] = compiled.search
        self._search_short = lru_cache(_REMEMBERED)(self._search_text)

    def found_in(self, text: str) -> bool:
        """Whether `text`, of whole Unicode characters, contains a match anywhere (as JSON Schema's `pattern`)."""
        return self._search_short(text) if len(text) <= _SHORT else self._search_text(text)

    def _search_text(self, text: str) -> bool:
        return self._search(text.encode()) is not None


def compile_pattern(text: str) -> Pattern:
    """The pattern of this text in RE2's syntax.

    Raises:
        ValueError: one sentence: RE2 does not know it (back-references, look-around), it is too long, or it would
            depend on the edition of Unicode.
    """
    import re2  # noqa: PLC0415  only contracts with patterns need it

    if len(text) > LONGEST_PATTERN:
        raise ValueError(f"a pattern has at most {LONGEST_PATTERN} characters, this one {len(text)}")
    reason = _unportable(text)
    if reason is not None:
        raise ValueError(reason)
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    try:
        compiled = re2.compile(text, options)
    except UnicodeEncodeError:
        raise ValueError(
            "a pattern is of whole Unicode characters, this one has half a surrogate pair"
        ) from None
    except re2.error as error:
        said = _said(error)
        if not said.startswith(_NOT_IN_RE2):
            raise ValueError(f"RE2 does not compile it: {said}") from None
        raise ValueError(
            f"RE2 does not compile it ({said}): it has no back-references and no look-around, so that it "
            "judges every text in linear time"
        ) from None
    if compiled.programsize > LARGEST_PROGRAM:
        raise ValueError(
            f"it has {compiled.programsize} steps once its repetitions are written out, and {LARGEST_PROGRAM} are "
            "allowed: repeat less, and state lengths by minLength and maxLength"
        )
    return Pattern(text, compiled)


def _unportable(text: str) -> str | None:
    """Why the pattern would not mean the same under another edition of Unicode; None when it does."""
    for part in _PART.findall(text):
        if part in _BY_UNICODE_EDITION:
            return _BY_UNICODE_EDITION[part]
        if part.startswith("(?") and "i" in part.partition("-")[0] and not part.startswith("(?P"):
            return _IGNORING_CASE
    return None


def _said(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
