"""What a feature view promises, as plain data: the contract after every rule of the document has been checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any


class FeatureType(StrEnum):
    """The types a feature can have."""

    BOOLEAN = "boolean"
    INT = "int"
    LONG = "long"
    FLOAT = "float"
    DOUBLE = "double"
    STRING = "string"
    DATE = "date"
    """A day; in checked rows and on the wire the days since 1970-01-01, years 1 to 9999."""
    TIMESTAMP = "timestamp"
    """A moment; in checked rows and on the wire the microseconds since 1970 (UTC), years 1 to 9999."""
    LIST = "list"
    MAP = "map"
    """Text to value."""
    VECTOR = "vector"
    """An embedding: a list of 32-bit or 64-bit floats of one length."""

    @property
    def is_number(self) -> bool:
        """Whether it counts or measures: a unit, `finite` and the like make sense for it."""
        return self in (FeatureType.INT, FeatureType.LONG, FeatureType.FLOAT, FeatureType.DOUBLE)

    @property
    def is_floating(self) -> bool:
        """Whether it can be NaN or infinite."""
        return self in (FeatureType.FLOAT, FeatureType.DOUBLE)

    @property
    def is_moment(self) -> bool:
        """Whether it is a day or a moment: a whole number in checked rows and on the wire."""
        return self in (FeatureType.DATE, FeatureType.TIMESTAMP)

    @property
    def is_ordered(self) -> bool:
        """Whether minimum and maximum make sense for it."""
        return self.is_number or self.is_moment

    @property
    def is_nested(self) -> bool:
        """Whether it has items."""
        return self in (FeatureType.LIST, FeatureType.MAP, FeatureType.VECTOR)


class OnViolation(StrEnum):
    """What an agent does with a record that breaks its contract."""

    DEAD_LETTER = "deadLetter"
    HALT = "halt"
    OBSERVE = "observe"


class WhenStale(StrEnum):
    """What a reader hands out for a value that is older than its limit."""

    FLAG = "flag"
    NULL = "null"
    DEFAULT = "default"
    REFUSE = "refuse"


Scalar = bool | int | float | str
Value = Scalar | list[Any] | dict[str, Any] | None
"""A value as checked rows hold it: days and moments are whole numbers, vectors are lists of floats."""


@dataclass(frozen=True, slots=True)
class Item:
    """What each item of a list, value of a map, or element of a vector keeps. It is never null, and never nested."""

    type: FeatureType
    minimum: int | float | None = None
    maximum: int | float | None = None
    exclusive_minimum: int | float | None = None
    exclusive_maximum: int | float | None = None
    allowed: tuple[str, ...] | tuple[int, ...] | None = None
    finite: bool = True
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature: its type and every limit on it. A limit of None means there is none.

    Limits of days and moments are whole numbers, as their values are. The limits of what is inside a list, map or
    vector stand in `item`; those of the feature itself are then None.
    """

    name: str
    type: FeatureType
    required: bool
    has_default: bool = False
    default: Value = field(default=None, hash=False)
    """Taken by an omitted feature; only meaningful with `has_default` (null is a default too)."""
    minimum: int | float | None = None
    maximum: int | float | None = None
    exclusive_minimum: int | float | None = None
    exclusive_maximum: int | float | None = None
    allowed: tuple[str, ...] | tuple[int, ...] | None = None
    finite: bool = True
    """NaN and infinities break the contract unless this is False."""
    unit: str | None = None
    redact: bool = False
    description: str = ""
    min_length: int | None = None
    """Of a text, in Unicode characters (code points)."""
    max_length: int | None = None
    pattern: str | None = None
    """A text must contain a match of it (as JSON Schema's `pattern`): RE2 syntax, judged in linear time."""
    item: Item | None = None
    """What is inside a list, map or vector; None for other types."""
    min_items: int | None = None
    """Of a list's items or a map's entries."""
    max_items: int | None = None
    unique_items: bool = False
    """No item of the list stands in it twice; never of floats."""
    dimensions: int | None = None
    """How many elements a vector has, neither more nor less; None for other types."""
    embedding_model: str | None = None
    """What a vector was made by, as `model` or `model version`: another model's vectors mean something else."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule between the features of a row, in CEL: a row keeps it where it is true.

    As in SQL's CHECK, a row in which a feature that the rule names is null keeps it, unless the rule itself speaks
    of null. A rule that cannot be evaluated (a division by zero, a comparison with NaN) is broken.
    """

    name: str
    """Unique in the contract; violations call it `cel:<name>`."""
    expression: str
    features: tuple[str, ...]
    """The features that it names, in the contract's order."""
    description: str = ""

    @property
    def rule(self) -> str:
        """As violations call it."""
        return f"cel:{self.name}"


@dataclass(frozen=True, slots=True)
class JoinKey:
    """One part of the entity key: a string, or an integer (`long`)."""

    name: str
    type: FeatureType
    description: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """A view version. The third number of the document never reaches the wire."""

    major: int
    minor: int
    patch: int = 0

    def __str__(self) -> str:
        """As references write it: `1.3`."""
        return f"{self.major}.{self.minor}"

    @property
    def without_patch(self) -> Version:
        """As releases, the wire and every mapping of versions name it."""
        return Version(self.major, self.minor)


@dataclass(frozen=True, slots=True)
class Contract:
    """A feature view version's contract. Durations are in microseconds; None means without limit.

    `document` is the ODCS document as parsed (plain JSON data): it is what the catalog keeps.
    """

    view: str
    version: Version
    owner: str
    keys: tuple[JoinKey, ...]
    event_time: str
    features: tuple[Feature, ...]
    topic: str
    """The topic's name, as the document states it (`physicalName`), or as derived from prefix, view and MAJOR."""
    partitions: int = 6
    retention_us: int = 7 * 86_400_000_000
    max_age_us: int | None = None
    max_ahead_us: int = 300_000_000
    late_arrival_us: int | None = None
    on_violation: OnViolation = OnViolation.DEAD_LETTER
    when_stale: WhenStale = WhenStale.FLAG
    frequency_us: int | None = None
    """How often new values come, where the contract says so (`slaProperties: frequency`)."""
    latency_us: int | None = None
    """From event to servable, where the contract says so (`slaProperties: latency`)."""
    end_of_support: date | None = None
    status: str = "active"
    description: str = ""
    rules: tuple[Rule, ...] = ()
    """Rules between features, in the document's order."""
    union_stays: frozenset[str] = field(default=frozenset(), hash=False, compare=False)
    """Required features that an earlier MINOR of the MAJOR let be null: their Avro union stays, and the check enforces
    what is new. It is no part of the promise: the catalog's history says it, not the document."""
    document: dict[str, Any] = field(default_factory=dict, hash=False, compare=False)

    @property
    def reference(self) -> str:
        """`airport_delay@1.3`."""
        return f"{self.view}@{self.version}"

    def feature(self, name: str) -> Feature | None:
        """The feature of this name, or None."""
        return next((feature for feature in self.features if feature.name == name), None)

    def blamed(self, feature: str, rule: str) -> tuple[str, ...]:
        """The features that a violation of `rule` at `feature` is about; none where it is about something else."""
        if self.feature(feature) is not None:
            return (feature,)
        return next((each.features for each in self.rules if each.rule == rule), ())
