"""One cut as the demo shows it: where it lies, and what both agents proved there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from syncline.errors import SynclineError

if TYPE_CHECKING:
    from syncline.catalog.coordination import Ruling
    from syncline.demo.screen import Screen
    from syncline.ports.log import TopicPartition
    from syncline.telemetry.cut_reports import CutReached


def show_cut(
    screen: Screen,
    ruling: Ruling,
    reports: Sequence[CutReached],
    read_before: Mapping[str, Mapping[TopicPartition, int]],
) -> None:
    """A table of the cut: a row a topic, with its offsets and each agent's digest of the state below them.

    `read_before`: agent → partition → the last offset that any model input of the release before came from.

    Raises:
        SynclineError: an agent switched elsewhere, the agents' states differ, or an input of the release before held a
            record from beyond the cut.
    """
    require_same_switch(ruling, reports)
    require_nothing_beyond(ruling, read_before)
    vector: dict[str, list[int]] = {}
    for topic, _, offset in ruling.floor:
        vector.setdefault(topic, []).append(offset)
    rows = [
        (
            topic.partition(".features.")[2],
            "  ".join(f"{offset:,}" for offset in offsets),
            *(f"{_digest(report, topic):016x}" for report in reports),
        )
        for topic, offsets in vector.items()
    ]
    screen.table(
        [
            ("topic", ""),
            ("the cut, an offset in each partition", ""),
            *((f"{report.agent.partition('/')[2]} there", "") for report in reports),
        ],
        rows,
    )
    held = ", ".join(
        f"{report.agent.partition('/')[2]} {max(report.held_us, 0) / 1_000:.0f} ms" for report in reports
    )
    screen.say(
        f"Cut {ruling.cut}: both agents switched with all records before these offsets, and none from them on."
    )
    screen.say(f"What comes after is served under {ruling.bundle}@{ruling.to_release} only.")
    screen.say(
        f"There they held the same state, by digest. Their partitions stood for it at most so long: {held}."
    )


def require_same_switch(ruling: Ruling, reports: Sequence[CutReached]) -> None:
    """Make sure that all agents switched at the vector of the ruling, with equal states.

    Raises:
        SynclineError: one did not.
    """
    for report in reports:
        places = tuple((place.topic, place.partition, place.offset) for place in report.partitions)
        if not report.aligned or places != ruling.floor:
            why = report.why or "it reported other positions"
            raise SynclineError(f"{report.agent} did not switch at the vector of cut {ruling.cut}: {why}")
    for same_place in zip(*(report.partitions for report in reports), strict=True):
        if None in (digests := {found.digest for found in same_place}) or len(digests) > 1:
            topic, partition, offset = same_place[0].topic, same_place[0].partition, same_place[0].offset
            where = f"{topic} partition {partition} below offset {offset}"
            raise SynclineError(f"the agents' digests of {where} differ, or are missing: please report this")


def require_nothing_beyond(ruling: Ruling, read_before: Mapping[str, Mapping[TopicPartition, int]]) -> None:
    """Make sure that no input of the release before held a record from the cut on.

    Raises:
        SynclineError: one did.
    """
    for agent, newest in read_before.items():
        for topic, partition, offset in ruling.floor:
            last = newest.get((topic, partition), -1)
            if last >= offset:
                raise SynclineError(
                    f"an input of {agent} under the release before held offset {last} of {topic} partition "
                    f"{partition}, beyond cut {ruling.cut} at {offset}: please report this"
                )


def _digest(report: CutReached, topic: str) -> int:
    return sum(place.digest or 0 for place in report.partitions if place.topic == topic) % 2**64
