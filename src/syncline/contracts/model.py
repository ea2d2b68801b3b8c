"""What a feature view promises, as plain data: the contract after every rule of the document has been checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any


class FeatureType(StrEnum):
    """The types a feature can have; the value is the Avro type that carries it."""

    BOOLEAN = "boolean"
    INT = "int"
    LONG = "long"
    FLOAT = "float"
    DOUBLE = "double"
    STRING = "string"

    @property
    def is_number(self) -> bool:
        """Whether minimum and maximum make sense for it."""
        return self in (FeatureType.INT, FeatureType.LONG, FeatureType.FLOAT, FeatureType.DOUBLE)

    @property
    def is_floating(self) -> bool:
        """Whether it can be NaN or infinite."""
        return self in (FeatureType.FLOAT, FeatureType.DOUBLE)


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


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature: its type and every limit on it. A limit of None means there is none."""

    name: str
    type: FeatureType
    required: bool
    has_default: bool = False
    default: bool | int | float | str | None = None
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
    document: dict[str, Any] = field(default_factory=dict, hash=False, compare=False)

    @property
    def reference(self) -> str:
        """`airport_delay@1.3`."""
        return f"{self.view}@{self.version}"

    def feature(self, name: str) -> Feature | None:
        """The feature of this name, or None."""
        return next((feature for feature in self.features if feature.name == name), None)
