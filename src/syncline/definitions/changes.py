"""What differs between two contracts of one view, and which number of the version it asks for (contracts.md). Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

from syncline.contracts.avro import contract_hash
from syncline.contracts.durations import format_duration
from syncline.contracts.model import Contract, Feature


class Level(IntEnum):
    """Which number of the version has to be raised."""

    NONE = 0
    MINOR = 1
    MAJOR = 2


@dataclass(frozen=True, slots=True)
class Change:
    """One difference that decides over messages."""

    what: str
    """A feature's name, or a setting's."""
    level: Level
    sentence: str

    def __str__(self) -> str:
        """Name it, say what changed, and which number it asks for."""
        return f"{self.what}: {self.sentence} ({self.level.name})"


def changes(old: Contract, new: Contract) -> tuple[Change, ...]:
    """Every difference that decides over messages; empty where only what is said about them differs."""
    found = [*_settings(old, new), *_features(old, new)]
    if not found and contract_hash(old) != contract_hash(new) and old.version == new.version:
        found.append(Change("contract", Level.MINOR, "it differs in its wire form"))
    return tuple(found)


def _settings(old: Contract, new: Contract) -> list[Change]:
    found = []

    def note(what: str, level: Level, before: object, after: object) -> None:
        if before != after:
            found.append(Change(what, level, f"{before} became {after}"))

    keys = [", ".join(f"{key.name} {key.type.value}" for key in contract.keys) for contract in (old, new)]
    note("join keys", Level.MAJOR, *keys)
    note("partitions", Level.MAJOR, old.partitions, new.partitions)
    note("maxAhead", Level.MAJOR, _span(old.max_ahead_us), _span(new.max_ahead_us))
    note("lateArrival", Level.MAJOR, _span(old.late_arrival_us), _span(new.late_arrival_us))
    looser = (new.max_age_us or math.inf) > (old.max_age_us or math.inf)
    note("maxAge", Level.MAJOR if looser else Level.MINOR, _span(old.max_age_us), _span(new.max_age_us))
    note("onViolation", Level.MINOR, old.on_violation.value, new.on_violation.value)
    note("whenStale", Level.MINOR, old.when_stale.value, new.when_stale.value)
    return found


def _features(old: Contract, new: Contract) -> list[Change]:
    found = []
    for before in old.features:
        after = new.feature(before.name)
        if after is None:
            found.append(Change(before.name, Level.MAJOR, "removed"))
        else:
            found += _feature(before, after)
    for feature in new.features:
        if old.feature(feature.name) is None:
            level = Level.MINOR if feature.has_default else Level.MAJOR
            how = "added" if feature.has_default else "added without a default"
            found.append(Change(feature.name, level, how))
    order = [feature.name for feature in old.features if new.feature(feature.name) is not None]
    if order != [feature.name for feature in new.features if old.feature(feature.name) is not None]:
        found.append(Change("features", Level.MINOR, "their order changed"))
    return found


def _feature(old: Feature, new: Feature) -> list[Change]:
    found = []

    def note(level: Level, sentence: str) -> None:
        found.append(Change(old.name, level, sentence))

    if old.type is not new.type:
        note(Level.MAJOR, f"type {old.type.value} became {new.type.value}")
    if old.unit != new.unit:
        note(Level.MAJOR, f"unit {old.unit or 'none'} became {new.unit or 'none'}")
    if old.required != new.required:
        note(
            *(
                (Level.MINOR, "it may not be null any more")
                if new.required
                else (Level.MAJOR, "it may be null now")
            )
        )
    if (old.has_default, old.default) != (new.has_default, new.default):
        note(
            Level.MINOR if new.has_default else Level.MAJOR, f"default {_default(old)} became {_default(new)}"
        )
    for sentence, wider in _limits(old, new):
        note(Level.MAJOR if wider else Level.MINOR, sentence)
    if old.allowed != new.allowed:
        note(*_allowed(old, new))
    if old.finite != new.finite:
        note(*((Level.MINOR, "NaN is refused now") if new.finite else (Level.MAJOR, "NaN is allowed now")))
    if old.redact != new.redact:
        note(Level.MINOR, "it is redacted now" if new.redact else "it is not redacted any more")
    return found


def _limits(old: Feature, new: Feature) -> list[tuple[str, bool]]:
    """(what changed, whether it allows more) for each limit of the range."""
    found = []
    for name in ("minimum", "maximum", "exclusive_minimum", "exclusive_maximum"):
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            wider = after is None or (before is not None and (after < before) == name.endswith("minimum"))
            found.append((f"{name.replace('_', ' ')} {_limit(before)} became {_limit(after)}", wider))
    return found


def _allowed(old: Feature, new: Feature) -> tuple[Level, str]:
    if new.allowed is None:
        return Level.MAJOR, "any value is allowed now"
    if old.allowed is None:
        return Level.MINOR, f"only {len(new.allowed)} values are allowed now"
    added = [str(value) for value in new.allowed if value not in old.allowed]
    removed = [str(value) for value in old.allowed if value not in new.allowed]
    said = [
        f"{word} {', '.join(values)}"
        for word, values in (("allows", added), ("no longer allows", removed))
        if values
    ]
    return (Level.MAJOR if added else Level.MINOR), "; ".join(said) or "the order of allowed values changed"


def _span(us: int | None) -> str:
    return "none" if us is None else format_duration(us)


def _limit(value: float | None) -> str:
    return "none" if value is None else f"{value:g}"


def _default(feature: Feature) -> str:
    if not feature.has_default:
        return "none"
    return "null" if feature.default is None else str(feature.default)
