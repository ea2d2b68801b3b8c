"""Why spans are not recorded, or not sent: what `syncline_spans_dropped_total` counts."""

from __future__ import annotations

from collections.abc import Callable

QUEUE_FULL = "queue_full"
"""More spans ended than the exporter took."""
EXPORT_FAILED = "export_failed"
"""The exporter gave them up, after its own retries."""
OVER_THE_CAP = "cap"
"""More updates, or happenings, were to be traced than a second may have."""
REASONS = (OVER_THE_CAP, QUEUE_FULL, EXPORT_FAILED)

OnDropped = Callable[[str, int], object]
"""Hears a reason and how many."""
