"""The states an agent can be in (roles.md)."""

from __future__ import annotations

from enum import StrEnum


class AgentState(StrEnum):
    """Shown in status, logs and metrics. Exactly one holds at a time."""

    STARTING = "STARTING"
    """Folding the catalog, waiting for its subscription, or for a broker. It takes no feature record yet."""
    RESTORING = "RESTORING"
    """Filling its store from a snapshot; the reason says how far it is."""
    RESYNC = "RESYNC"
    """Its store does not belong to the log any more, and is filled anew from a snapshot."""
    CATCHING_UP = "CATCHING_UP"
    """Folding towards the end of the log that it saw when it started."""
    LIVE = "LIVE"
    """Every partition has been at the end of its log."""
    HOLDING = "HOLDING"
    """A partition cannot go on; the reason says why. The others go on."""
    FAILED = "FAILED"
    """It cannot go on without a person; the reason says what to do."""
    STOPPED = "STOPPED"
