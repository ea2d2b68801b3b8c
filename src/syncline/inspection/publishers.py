"""Who publishes which view, as far as they were seen lately: by their reports, and by their heartbeats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from syncline.errors import TopicMissing
from syncline.inspection.reading import read_to_end
from syncline.ports.log import Log
from syncline.telemetry.violations import OTHER, PUBLISHER, ViolationCounts
from syncline.wire.control import Heartbeat, is_control, parse_control

_LAST = 500


def publishers_in_reports(reports: Iterable[ViolationCounts]) -> dict[str, set[str]]:
    """View version, or `view@MAJOR` of rows that name none → the publishers that judged its rows."""
    found: dict[str, set[str]] = {}
    for counts in reports:
        if counts.reporter.kind == PUBLISHER:
            for view in counts.views:
                if view.view_version != OTHER:
                    found.setdefault(view.view_version, set()).add(counts.reporter.name)
    return found


def publishers_by_heartbeat(
    log: Log, topics: Mapping[str, tuple[str, int]], *, timeout_s: float = 30.0
) -> dict[str, set[str]]:
    """`view@MAJOR` → the publishers whose heartbeats stand near the end of its topic.

    `topics`: feature topic → (view, MAJOR). A topic that is not there has none. `timeout_s` is for each of them.
    """
    found: dict[str, set[str]] = {}
    for topic, (view, major) in topics.items():
        try:
            for record in read_to_end(log, topic, last=_LAST, timeout_s=timeout_s):
                if record.key is not None and is_control(record.key, record.value):
                    control = parse_control(record.key, record.headers)
                    if isinstance(control, Heartbeat):
                        found.setdefault(f"{view}@{major}", set()).add(control.publisher)
        except TopicMissing:
            continue
    return found
