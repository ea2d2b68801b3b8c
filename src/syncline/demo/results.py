"""What the demo ends with: what broke its contract, and the proof that both replicas hold the same state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from syncline.errors import SynclineError
from syncline.inspection.dead_letters import DeadLetters, survey
from syncline.inspection.fleet import compare

if TYPE_CHECKING:
    from syncline.demo.screen import Screen
    from syncline.telemetry.reports import AgentStatus


def show_dead_letters(screen: Screen, letters: DeadLetters) -> None:
    """How many records broke which rule, and an example of each."""
    found = survey(letters, limit=0)
    screen.table(
        [("records", "right"), ("view", ""), ("feature", ""), ("rule", ""), ("found by", "")],
        [
            (
                f"{group.count:,}",
                group.view_version,
                group.feature or "-",
                group.rule,
                "publisher" if group.by_publisher else "agents",
            )
            for group in found.groups
        ],
    )
    screen.say("For instance:")
    for group in found.groups:
        screen.say(f"- {group.message}")


def is_comparable(statuses: Sequence[AgentStatus], topics: Mapping[str, int]) -> bool:
    """Whether the agents stand at the same offsets in every partition (topic → how many it has)."""
    return compare(statuses).compared == sum(topics.values())


def show_proof(screen: Screen, statuses: Sequence[AgentStatus], topics: Mapping[str, int]) -> None:
    """Both agents' digests of each topic (topic → how many partitions it has).

    Raises:
        SynclineError: they differ, or could not be compared, in some partition.
    """
    comparison = compare(statuses)
    rows = []
    for topic, count in topics.items():
        states = [[part for part in status.partitions if part.topic == topic] for status in statuses]
        wrong = sum(found.topic == topic for found in comparison.disagreements)
        sums = [f"{sum(part.digest for part in parts) % 2**64:016x}" for parts in states]
        cells = sum(part.cells for part in states[0])
        name = topic.partition(".features.")[2]
        rows.append((name, f"{count - wrong} of {count}", f"{cells:,}", *sums))
    columns = [("topic", ""), ("equal partitions", "right"), ("cells", "right")]
    screen.table([*columns, *((status.agent.partition("/")[2], "") for status in statuses)], rows)
    if comparison.disagreements or comparison.compared != sum(topics.values()):
        raise SynclineError("the agents' digests differ, or could not be compared: please report this")
    screen.say("Equal digests at equal offsets: both replicas hold the same state, to the byte.")
