"""Where a value came from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """The record behind an alias's values; what is None is not known, as nothing (readable) is stored.

    `topic`, `partition` and `offset` name the record in the log, `reference` and `schema_id` what it was written
    under, which may be another MINOR than the release's.
    """

    alias: str
    view: str
    """What the release serves: `airport_delay@1.3`."""
    topic: str
    partition: int
    offset: int | None = None
    schema_id: int | None = None
    reference: str | None = None
    event_time_us: int | None = None
    deleted: bool = False
    """The record deleted the entity."""
