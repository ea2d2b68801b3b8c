"""What a coordinator can do next, and all that it goes by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from syncline.catalog.coordination import Coordination
from syncline.catalog.fold import Picture
from syncline.catalog.rollout_events import Coordinated
from syncline.rollout.alignment import Place
from syncline.rollout.readiness import Readiness


@dataclass(frozen=True, slots=True)
class Append:
    """A record to be appended; what it changes is known when it was read back."""

    payload: Coordinated
    reason: str


@dataclass(frozen=True, slots=True)
class Mark:
    """Markers to be written, into the partitions of which none is acknowledged yet."""

    cut: int
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do now; `reasons` says of each bundle that wants something why not, where a person should know."""

    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lost:
    """Another coordinator has claimed: whatever this one writes is void."""

    holder: str


Step = Append | Mark | Wait | Lost


@dataclass(frozen=True, slots=True)
class View:
    """All that a coordinator goes by."""

    picture: Picture
    claim: int
    """Offset of its own claim."""
    now_us: int
    prepare_timeout_us: int
    """How long the markers of a cut may take."""
    partitions_of: Callable[[str], int]
    """topic → how many partitions its contract says."""
    acknowledged: Mapping[Place, int] = field(default_factory=dict)
    """Of the open cut: where a marker stands, by its acknowledgement."""
    fleet: Sequence[Readiness] = ()
    """The agents that were heard of lately."""

    @property
    def coordination(self) -> Coordination:
        """What stands of claims, cuts and rollouts."""
        return self.picture.coordination
