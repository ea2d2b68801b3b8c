"""Values of traced updates, as telemetry wants to hear of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from syncline.state.traced import Traced
from syncline.telemetry.reader_watch import TracedValue

if TYPE_CHECKING:
    from syncline.reader.selection import Resolved, SelectedView


def traced_values(found: Iterable[tuple[SelectedView, Resolved, bytes]]) -> list[TracedValue]:
    """(view, what was resolved, what the store keeps beside its cell) … of those that are whole."""
    values = []
    for view, resolved, packed in found:
        cell, traced = resolved.cell, Traced.unpack(packed)
        if cell is None or traced is None:
            continue
        version = view.view.reference(cell.schema_id) or view.view.served.reference
        values.append(
            TracedValue(
                view.name, version, view.topic, resolved.partition, cell.offset, cell.event_time_us, traced
            )
        )
    return values
