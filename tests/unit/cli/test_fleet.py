"""How the fleet is shown."""

from __future__ import annotations

from syncline.cli.fleet import status_document
from syncline.inspection.fleet import compare
from syncline.inspection.violations import sum_up
from syncline.telemetry.reports import AgentStatus

STARTING = AgentStatus("model/a", "model", 0, "FAILED", "why", "", None, None, 0, 1, 0, 0, ())


def test_an_agent_without_partitions_has_no_known_lag() -> None:
    """An agent that has opened no partition yet is not up to date: its lag is unknown, not nothing."""
    document = status_document([STARTING], compare([STARTING]), sum_up([]), now_us=1)

    assert document["agents"][0]["lag"] is None
