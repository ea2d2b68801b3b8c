"""What a reader says of each value that it hands out."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """Whether a value can be used, and if not, why. The first four are Feast's own field statuses."""

    PRESENT = "PRESENT"
    NULL_VALUE = "NULL_VALUE"
    """The publisher said null (or the feature's default, which is null, was taken)."""
    NOT_FOUND = "NOT_FOUND"
    """Nothing was ever published for this entity, or it was deleted; the value is None."""
    OUTSIDE_MAX_AGE = "OUTSIDE_MAX_AGE"
    """Older than allowed: the value is what the contract's `whenStale` says (as it is, None, or the default)."""
    INVALID = "INVALID"
    """The stored bytes are damaged, or the value breaks the contract; the value is None."""
