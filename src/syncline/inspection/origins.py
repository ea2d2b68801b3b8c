"""Where the values of a model input come from, and how long each stage of their way took. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any, NamedTuple

from syncline.state.traced import Traced
from syncline.wire.trace_context import TraceContext


class Point(StrEnum):
    """A moment on the way of an update."""

    EVENT = "event"
    LOG = "log"
    AGENT = "agent"
    APPLIED = "applied"
    READ = "read"


class Stage(NamedTuple):
    """From one moment that is known to the next one that is."""

    start: Point
    end: Point
    start_us: int
    end_us: int

    @property
    def took_us(self) -> int:
        """How long it took; 0 where clocks differ so much that it would be less than nothing."""
        return max(0, self.end_us - self.start_us)

    @property
    def has_clock_skew(self) -> bool:
        """Whether it would have ended before it began."""
        return self.end_us < self.start_us


@dataclass(frozen=True, slots=True)
class FeatureRead:
    """One feature as it was read."""

    status: str
    value: Any
    reason: str = ""
    """Why it is not served as it stands; empty where it is."""
    quotes_value: bool = False
    """The reason may say what the value is."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The cell behind the values of one alias, as the store has it; what is None is not known."""

    alias: str
    view: str
    """What the release serves: `airport_delay@1.3`."""
    topic: str
    partition: int
    key: bytes
    features: Mapping[str, FeatureRead]
    """By result name."""
    offset: int | None = None
    event_time_us: int | None = None
    written_as: str | None = None
    schema_id: int | None = None
    payload: bytes = b""
    deleted: bool = False
    is_traced: bool = False
    """The cell says that its update was traced here."""
    traced: Traced | None = None
    """What stands beside the cell."""

    @property
    def place(self) -> tuple[str, int, int] | None:
        """(topic, partition, offset) of its record."""
        return None if self.offset is None else (self.topic, self.partition, self.offset)


@dataclass(frozen=True, slots=True)
class RecordFound:
    """What the log still has of a record."""

    appended_us: int | None = None
    """When the broker took it; None where it could not be read back."""
    context: TraceContext | None = None
    event_id: str | None = None
    """Its CloudEvents id."""
    missing: str = ""
    """Why it could not be read back; empty where it was."""


NOT_LOOKED_FOR = RecordFound()


def stages(origin: Origin, found: RecordFound, *, read_at_us: int) -> tuple[Stage, ...]:
    """The stages that are known, one after another: what lies between two of these moments is in one of them."""
    traced = origin.traced
    if origin.offset is None or origin.event_time_us is None:
        return ()
    moments: list[tuple[Point, int | None]] = [
        (Point.EVENT, origin.event_time_us),
        (Point.LOG, found.appended_us if traced is None else traced.appended_us),
        (Point.AGENT, None if traced is None else traced.received_us),
        (Point.APPLIED, None if traced is None else traced.applied_us),
        (Point.READ, read_at_us),
    ]
    known = [(point, us) for point, us in moments if us is not None]
    return tuple(Stage(start, end, start_us, end_us) for (start, start_us), (end, end_us) in pairwise(known))


def trace_of(origin: Origin, found: RecordFound) -> tuple[str, str] | None:
    """(trace id, id of the send span) in hex, as the store or else the record has them."""
    if origin.traced is not None:
        return f"{origin.traced.trace_id:032x}", f"{origin.traced.send_span_id:016x}"
    context = found.context
    if context is None or not context.is_sampled:
        return None
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


def why_untraced(origin: Origin, found: RecordFound) -> str:
    """Why the store does not tell how its agent came by the value; empty where it does."""
    if origin.traced is not None or origin.offset is None:
        return ""
    if origin.is_traced:
        return "it was traced, and the store has lost its trace: it was filled from a snapshot"
    context = found.context
    if context is None:
        unknown = " as far as the store knows" if found.missing else ""
        return (
            f"not traced{unknown}: publishers trace 1 % of their updates unless SYNCLINE_TRACE_SHARE says otherwise, "
            "and none where no OTEL_EXPORTER_OTLP_ENDPOINT says where spans go"
        )
    if not context.is_sampled:
        return f"not traced: its record is of trace {context.trace_id:032x}, which is not recorded"
    return (
        "its publisher traced it, and this agent did not: it has no OTEL_EXPORTER_OTLP_ENDPOINT, was over its "
        "SYNCLINE_TRACE_CAP_PER_S, or was filled from a snapshot"
    )


def longest(found: Sequence[Stage]) -> Stage | None:
    """Where the update waited longest until it could be read."""
    return max(
        (stage for stage in found if stage.end is not Point.READ),
        key=lambda stage: stage.took_us,
        default=None,
    )
