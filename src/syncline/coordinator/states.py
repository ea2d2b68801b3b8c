"""The states a coordinator can be in (docs/reference/coordinator.md)."""

from __future__ import annotations

from enum import StrEnum


class CoordinatorState(StrEnum):
    """Shown in its reports and logs. Exactly one holds at a time."""

    STARTING = "STARTING"
    """Catalog and reports are not read to their ends yet, or do not exist yet."""
    STANDBY = "STANDBY"
    """Another coordinator is live; this one takes over when nothing is heard of it any more."""
    ACTIVE = "ACTIVE"
    """Its claim holds: it decides."""
    FAILED = "FAILED"
    """It cannot go on without a person; the reason says what to do."""
    STOPPED = "STOPPED"
