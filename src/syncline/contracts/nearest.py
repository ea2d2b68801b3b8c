"""The name that was probably meant: what a sentence about an unknown one proposes."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_CLOSE = 0.6


def close_to(name: str, known: Iterable[str], *, cutoff: float = _CLOSE) -> str | None:
    """The known name most like this one; None where none is like it.

    Args:
        name: as it was written.
        known: what could have been meant.
        cutoff: how alike they must be, from 0 (anything) to 1 (the same).
    """
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return close[0] if close else None


def nearest(name: str, known: Iterable[str]) -> str:
    """The remedy for an unknown name: the nearest known one, or all of them."""
    names = sorted(known)
    close = close_to(name, names)
    if close is not None:
        return f"Did you mean `{close}`?"
    return f"Known are: {', '.join(names)}" if names else "Remove it"


def nearest_word(word: str, words: Iterable[str]) -> str:
    """The remedy for a word that is none of `words`: the nearest one, and all of them."""
    allowed = list(words)
    close = close_to(word, allowed)
    return (f"Did you mean `{close}`? " if close is not None else "") + f"Write one of: {', '.join(allowed)}"
