"""What a coordinator counts, read off at each scrape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncline.catalog.coordination import Rollout
    from syncline.telemetry.metrics import Metrics, Sample


class CoordinatorMetrics:
    """Counts of one coordinator."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self.mismatches: Counter[tuple[str, int]] = Counter()
        """(topic, partition) → how many agents' digests at cuts were not those of the agent that was heard first."""
        self.contact_us = 0
        """When a broker answered last; 0 before it did."""
        self._seen: set[tuple[str, str]] = set()
        """(bundle, step) of every rollout that was open."""
        self._end: Callable[[], None] = lambda: None

    def follow(
        self,
        *,
        state: Callable[[], str],
        states: Iterable[str],
        rollouts: Callable[[], Sequence[Rollout]],
    ) -> None:
        """Take gauges from these from now on: the state, and the rollouts that are not final."""
        known = tuple(states)
        self._end = self._metrics.watch(lambda: self._samples(state(), known, rollouts()))

    def end(self) -> None:
        """The coordinator has ended: counts stay, its gauges go."""
        self._end()

    def _samples(self, state: str, states: tuple[str, ...], rollouts: Sequence[Rollout]) -> Iterator[Sample]:
        for each in states:
            yield "syncline_coordinator_state", (each,), float(each == state)
        open_now = Counter((rollout.bundle, rollout.step) for rollout in rollouts)
        self._seen |= set(open_now)
        for labels in self._seen:
            # One that is final is none, and does not vanish.
            yield "syncline_rollouts_open", labels, open_now[labels]
        waiting = {rollout.bundle for rollout in rollouts if rollout.paused}
        for bundle in {bundle for bundle, _ in self._seen}:
            yield "syncline_rollouts_waiting", (bundle,), float(bundle in waiting)
        if self.contact_us:
            yield "syncline_last_broker_contact_timestamp_seconds", (), self.contact_us / 1_000_000
        for (topic, partition), count in dict(self.mismatches).items():
            yield "syncline_digest_mismatches_total", (topic, str(partition)), count
