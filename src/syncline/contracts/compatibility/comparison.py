"""What a comparison of two contracts finds: plain data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """Which number of the version a difference asks for."""

    NONE = 0
    """Nothing: it says the same in other words."""
    METADATA = 1
    """No new version: a record in the catalog."""
    MINOR = 2
    MAJOR = 3

    @property
    def words(self) -> str:
        """As people read it: `MAJOR`, `MINOR`, `metadata` or `no change`; data has the name."""
        return {Level.NONE: "no change", Level.METADATA: "metadata"}.get(self, self.name)


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two contracts of a view."""

    what: str
    """The feature's name, or the setting's (`partitions`, `maxAge`, `rule arrives_later`)."""
    level: Level
    rule: str
    """A short stable name: `unit-changed`."""
    reason: str
    """What changed and what that means for those who read it, without a full stop."""
    is_feature: bool = False
    """Whether `what` is a feature's name."""

    @property
    def sign(self) -> str:
        """`+` for what was added, `-` for what was removed, `~` for what changed."""
        return {"added": "+", "removed": "-"}.get(self.rule.rpartition("-")[2], "~")

    @property
    def widens(self) -> bool:
        """Whether it lets in values of the same kind that were refused before.

        Only these can be MINOR by consent, with `--allow-widening`.
        """
        return self.rule in WIDENINGS

    @property
    def narrows(self) -> bool:
        """Whether values of a feature that were fine before break the contract now."""
        return self.is_feature and self.level is Level.MINOR and self.rule.endswith(_NARROWING)

    def __str__(self) -> str:
        """Name it, say what changed, and which number it asks for."""
        return f"{self.what}: {self.reason} ({self.level.words})"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that differs between two contracts of one view, in the old one's order, the added last."""

    old: str
    """`airport_delay@1.0`."""
    new: str
    changes: tuple[Change, ...]
    same_wire: bool
    """Whether both have one wire form, version numbers aside; only then may they stand under one version."""
    beside: str
    """The way that is open to every MAJOR change: `airport_delay@2 beside airport_delay@1`."""

    @property
    def level(self) -> Level:
        """The gravest of all changes; NONE where nothing differs."""
        return max((change.level for change in self.changes), default=Level.NONE)

    def remedy(self, change: Change) -> str:
        """What to do about a change that asks for a MAJOR, as a sentence without a full stop."""
        if change.rule in ANOTHER_FEATURE:
            return f"This is another feature: register {self.beside}, or undo it"
        return f"Undo it, or register {self.beside}"

    def of(self, feature: str) -> tuple[Change, ...]:
        """The changes of one feature."""
        return tuple(change for change in self.changes if change.is_feature and change.what == feature)

    def at(self, level: Level) -> tuple[Change, ...]:
        """The changes of one level."""
        return tuple(change for change in self.changes if change.level is level)


WIDENINGS = frozenset(
    {
        "range-widened",
        "range-moved",
        "values-added",
        "length-widened",
        "length-moved",
        "pattern-removed",
        "item-count-widened",
        "item-count-moved",
        "item-range-widened",
        "item-range-moved",
        "item-values-added",
        "item-length-widened",
        "item-length-moved",
        "item-pattern-removed",
    }
)
"""More values of the same kind. What a value means, whether there is one, and what rules promise is no widening."""

_NARROWING = (
    "-narrowed",
    "values-removed",
    "pattern-added",
    "nan-refused",
    "made-required",
    "items-made-unique",
)

ANOTHER_FEATURE = frozenset(
    {"unit-changed", "type-changed", "item-type-changed", "embedding-model-changed", "dimensions-changed"}
)
"""After these, the name stands for something else."""
