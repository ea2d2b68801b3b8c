"""Which topics an agent reads: those of what it serves, of what it may serve next, and of what it may go back to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
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
        can_restore: Callable[[Majors], bool],
    ) -> None:
        """`ask_s`: how long one answer of a broker is waited for; `can_restore`: whether a snapshot has topics."""
        self._log = log
        self._clock = clock
        self._partitions = partitions
        self._enacting = enacting
        self._standing = standing
        self._ask_s = ask_s
        self._has_snapshot = can_restore
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
        enacting = self._enacting
        return {
            major: topic
            for release, majors in enacting.topics_to_keep().items()
            if not enacting.is_passed_through(release)
            for major, topic in majors.items()
            # One that is only warmed may not be there yet: what is served does not wait for it.
            if topic in enacting.needed_topics or not self._is_absent(topic)
        }

    def open_topics(self) -> bool:
        """Open what is to be read and is not open yet, and drop what was let go; whether that changed anything.

        What it does not come to, as a broker is away, is due at the next turn.

        Raises:
            TopicMismatch: a topic that is served is not what the store says, or the store must begin from a snapshot.
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
        passed = {release for release in kept if enacting.is_passed_through(release)}
        needed = enacting.needed_release
        queued = {ruling.to_release for ruling in enacting.alignment.queue}
        # A release that nobody has rolled out yet can wait until this agent has caught up.
        known = {release for release in kept if release <= (needed or 0)} | queued
        firm = (known & kept.keys()) - passed
        only_passed = _topics_of(kept[each] for each in passed) - _topics_of(kept[each] for each in firm)
        enacting.gone = self._not_read(only_passed)
        if serving.topics & enacting.gone:
            self._standing.must_catch_up()
        # What is needed first: where the whole log is another one, nothing is dropped for that.
        for release in sorted(kept, key=lambda each: each != needed):
            for major, topic in kept[release].items():
                if topic in enacting.gone:
                    continue
                why = self._open(major, topic)
                if why and topic in only_passed:
                    enacting.gone |= {topic}
                elif why and release not in passed:
                    enacting.unopened.setdefault(release, why)
        self._partitions.drop(enacting.topics_let_go())
        self._partitions.leave(self._partitions.topics - _topics_of(kept.values()))
        self._note_trimmed(kept)
        self._is_due = False
        self._again_s = self._clock.monotonic_s() + WARM_AGAIN_S
        return self._partitions.topics != before

    def lose(self, topic: str, why: str) -> None:
        """A topic that is not served cannot be read on: what is served goes on, and it is opened anew later."""
        self._partitions.leave({topic})
        for release, majors in self._enacting.topics_to_keep().items():
            if topic in majors.values():
                self._enacting.unopened[release] = why
        self._partitions.assign()
        self._is_due = True

    def _open(self, major: tuple[str, int], topic: str) -> str:
        """Open one topic; why it could not be, where this agent can do without it for now."""
        enacting = self._enacting
        is_needed = topic in enacting.needed_topics
        try:
            self._partitions.open({major: topic}, self._ask_s)
        except TopicMismatch as error:
            if is_needed and (not enacting.is_passing or self._can_restore()):
                raise
            # Whatever is wrong with this topic: a log that is another one altogether is no matter of one topic.
            self._partitions.require_same_log(self._ask_s)
            if not is_needed:
                # Made again, or trimmed past its position: its cells are of no use, and it begins anew.
                self._partitions.drop({topic})
            return str(error)
        except (TopicMissing, LogUnavailable) as error:
            if is_needed and not enacting.is_passing:
                raise
            return str(error)
        return ""

    def _not_read(self, only_passed: set[str]) -> set[str]:
        """Of the topics that only releases have that are passed through: those that it has not begun to read."""
        unread = only_passed - self._partitions.topics
        stored = self._partitions.stored_topics() if unread else set()
        return {topic for topic in unread if topic not in stored or self._is_absent(topic)}

    def _can_restore(self) -> bool:
        return self._has_snapshot(self.to_restore())

    def _is_absent(self, topic: str) -> bool:
        return topic not in self._partitions.topics and self._log.describe_topic(topic, self._ask_s) is None

    def _note_trimmed(self, kept: Mapping[int, Majors]) -> None:
        """A state whose head was trimmed away is wrong: it is never served, nor switched to.

        Raises:
            TopicMismatch: it is that of what stands now, of which this store has nothing, and a snapshot has it.
        """
        enacting = self._enacting
        serving = enacting.serving
        trimmed = {
            cursor.major.topic for cursor in self._partitions.cursors.values() if cursor.state.head_trimmed
        }
        self._standing.trimmed = bool(serving and trimmed & serving.topics)
        for release, majors in kept.items():
            gone = sorted(trimmed & set(majors.values()))
            is_next = serving is not None and release != serving.release
            if gone and is_next and not enacting.is_passed_through(release):
                enacting.unopened.setdefault(
                    release, f"the beginning of {gone[0]} is gone: start this agent from a snapshot"
                )
        behind = sorted(trimmed & enacting.needed_topics)
        if behind and enacting.is_passing and self._can_restore():
            raise TopicMismatch(f"the beginning of {behind[0]} is gone, and this store has nothing of it")


def _topics_of(found: Iterable[Majors]) -> set[str]:
    return {topic for majors in found for topic in majors.values()}
