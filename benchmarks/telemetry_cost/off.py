"""A run without telemetry, to compare with: there is no setting for it, as metrics cost next to nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from typing import Any
from unittest.mock import patch

from syncline.agent.telling import Telling
from syncline.telemetry.agent_metrics import AgentMetrics
from syncline.telemetry.publisher_metrics import PublisherMetrics


class Extent(StrEnum):
    """How much telemetry a contender has."""

    OFF = "off"
    """No spans, as no variable asks for any; and whatever is counted by update, call or batch is left out."""
    METRICS = "metrics"
    """No spans."""
    ALL = "metrics and spans"
    """As it ships: one update in a hundred is traced, 50 a second at most."""


_LEFT_OUT = (
    *((PublisherMetrics, name) for name in ("began", "served")),
    *((AgentMetrics, name) for name in ("polled", "committed", "processed", "propagated", "skipped_late")),
    (Telling, "_tell_times"),
)
"""All that metrics do while rows go through. What a scrape reads off counts that are kept anyway stays."""


@contextmanager
def metrics_off() -> Iterator[None]:
    """Nothing is counted meanwhile, by publishers and agents of this process."""
    with ExitStack() as until:
        for owner, name in _LEFT_OUT:
            until.enter_context(patch.object(owner, name, _nothing))
        yield


def _nothing(*_: Any, **__: Any) -> None:
    return None
