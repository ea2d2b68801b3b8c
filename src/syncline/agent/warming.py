"""Which topics an agent reads: those of what it serves, of what it may serve next, and of what it may go back to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from syncline.errors import LogUnavailable, TopicMismatch, TopicMissing

if TYPE_CHECKING:
    from syncline.agent.enacting import Enacting
    from syncline.agent.partitions import Partitions
    from syncline.agent.releases import Majors
    from syncline.agent.standing import Standing
    from syncline.clock import Clock
    from syncline.ports.log import Log

WARM_AGAIN_S = 5.0
"""How long it waits before it tries again to open topics that are only warmed: what is served goes on meanwhile."""


class Warming:
    """Opens and drops topics as decisions want it (log.md, rule 8)."""

    def __init__(
        self,
        log: Log,
        clock: Clock,
        *,
        partitions: Partitions,
        enacting: Enacting,
        standing: Standing,
        ask_s: float,
    ) -> None:
        """`ask_s`: how long one answer of a broker is waited for."""
        self._log = log
        self._clock = clock
        self._partitions = partitions
        self._enacting = enacting
        self._standing = standing
        self._ask_s = ask_s
        self._is_due = False
        self._again_s = 0.0

    def must_look(self) -> None:
        """Topics may have to be opened or dropped before anything else is enacted."""
        self._is_due = True

    @property
    def is_due(self) -> bool:
        """Whether `open_topics` is to be called: a topic may have been made, or answer, without any new decision."""
        return self._is_due or bool(self._enacting.unopened and self._clock.monotonic_s() >= self._again_s)

    def to_restore(self) -> Majors:
        """The topics of all that an empty store is to be filled with."""
        serving = self._enacting.serving
        served = serving.topics if serving is not None else frozenset()
        return {
            major: topic
            for found in self._present(self._enacting.topics_to_keep()).values()
            for major, topic in found.items()
            # One that is only warmed may not be there yet: what is served does not wait for it.
            if topic in served or not self._is_gone(topic)
        }

    def open_topics(self) -> bool:
        """Open what is to be read and is not open yet, and drop what was let go; whether that changed anything.

        What it does not come to, as a broker is away, is due at the next turn.

        Raises:
            TopicMismatch: a topic that is served is not what the store says.
            TopicMissing: a topic that is served is gone.
            LogUnavailable: no broker answered in time.
        """
        enacting, before = self._enacting, self._partitions.topics
        serving = enacting.serving
        if serving is None:
            return False
        self._is_due = True
        enacting.unopened = {}
        kept = enacting.topics_to_keep()
        for release, majors in self._present(kept).items():
            try:
                self._partitions.open(majors, self._ask_s)
            except (TopicMismatch, TopicMissing, LogUnavailable) as error:
                if release == serving.release:
                    raise
                # It is warmed for later, and what is served now does not depend on it.
                enacting.unopened[release] = str(error)
        self._partitions.drop(enacting.topics_let_go())
        self._partitions.leave(
            self._partitions.topics - {topic for majors in kept.values() for topic in majors.values()}
        )
        self._note_trimmed(kept)
        self._is_due = False
        self._again_s = self._clock.monotonic_s() + WARM_AGAIN_S
        return self._partitions.topics != before

    def _present(self, kept: Mapping[int, Majors]) -> dict[int, Majors]:
        """What is to be kept, but for topics of releases that are only passed through and are gone already."""
        for release, majors in kept.items():
            if self._enacting.is_let_go(release):
                self._enacting.gone |= {topic for topic in majors.values() if self._is_gone(topic)}
        return {
            release: {major: topic for major, topic in majors.items() if topic not in self._enacting.gone}
            for release, majors in kept.items()
        }

    def _is_gone(self, topic: str) -> bool:
        return topic not in self._partitions.topics and self._log.describe_topic(topic, self._ask_s) is None

    def _note_trimmed(self, kept: Mapping[int, Majors]) -> None:
        """A state whose head was trimmed away is wrong: it is never served, nor switched to."""
        enacting = self._enacting
        serving = enacting.serving
        trimmed = {
            cursor.major.topic for cursor in self._partitions.cursors.values() if cursor.state.head_trimmed
        }
        self._standing.trimmed = bool(serving and trimmed & serving.topics)
        for release, majors in kept.items():
            gone = sorted(trimmed & set(majors.values()))
            if gone and serving is not None and release != serving.release:
                enacting.unopened.setdefault(
                    release, f"the beginning of {gone[0]} is gone: start this agent from a snapshot"
                )
