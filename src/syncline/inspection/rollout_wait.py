"""Waits until what was asked of a rollout is done, and tells each step on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from syncline.catalog.coordination import Ruling
from syncline.catalog.fold import Picture
from syncline.catalog.rollout_events import RolloutAction
from syncline.catalog_client import CatalogClient
from syncline.clock import Clock
from syncline.inspection.fleet import Reports
from syncline.inspection.following import ReportFollower
from syncline.inspection.rollout_progress import Answer, Asked, answer, find, steps
from syncline.inspection.rollouts import Crossing, bundle_states, crossings, live_coordinator

_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Waited:
    """What became of a request while it was waited for."""

    answer: Answer | None
    """None: neither done nor refused in time."""
    crossings: tuple[Crossing, ...]
    waiting: tuple[str, ...]
    """What the coordinator waits for."""
    steps: tuple[str, ...]
    """What has happened since, in order."""
    interrupted: bool = False
    """Whoever waited pressed Ctrl-C: the request stands all the same."""

    @property
    def missing(self) -> tuple[Crossing, ...]:
        """The agents that are there and have not switched."""
        return tuple(each for each in self.crossings if not each.crossed and not each.absent)

    @property
    def done(self) -> bool:
        """Whether it is done, and every agent that is there has switched."""
        return self.answer is not None and self.answer.done and not self.missing

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self.answer is not None and (not self.answer.done or not self.missing)


def wait_for(
    asked: Asked,
    *,
    catalog: CatalogClient,
    reports: ReportFollower,
    clock: Clock,
    timeout_s: float,
    tell: Callable[[str], None],
) -> Waited:
    """Follow catalog and reports until the request is done, or refused, or `timeout_s` has passed, or Ctrl-C.

    A request that changes what agents serve is done when all agents that are there have switched, too.
    """
    told: set[str] = set()
    end_s = clock.monotonic_s() + timeout_s
    waited = Waited(None, (), (), ())
    try:
        while True:
            waited = _look(asked, catalog.picture, reports.poll(), now_us=clock.now_us())
            for step in (*waited.steps, *(f"waiting: {reason}" for reason in waited.waiting)):
                if step not in told:
                    told.add(step)
                    tell(step)
            left_s = end_s - clock.monotonic_s()
            if waited.is_over or left_s <= 0:
                return waited
            catalog.poll(min(_POLL_S, left_s))
    except KeyboardInterrupt:
        return replace(waited, interrupted=True)


def _look(asked: Asked, picture: Picture, reports: Reports, *, now_us: int) -> Waited:
    found = answer(picture, asked)
    crossed = crossings(picture, reports, _decided(asked, picture), now_us=now_us)
    (state,) = bundle_states(picture, reports, now_us=now_us, bundle=asked.bundle)
    waiting = list(state.waiting if found is None else ())
    if found is None and live_coordinator(picture, reports.coordinators, now_us=now_us) is None:
        waiting.append("no coordinator was heard of lately; start one: syncline coordinator")
    return Waited(found, crossed, tuple(waiting), steps(picture, asked, crossed))


def _decided(asked: Asked, picture: Picture) -> Ruling | None:
    """The decision that the request led to, which agents then enact; None where none came of it."""
    if asked.action is RolloutAction.PAUSE or asked.makes_final:
        return None
    found = picture.coordination.rulings_of(find(picture, asked))
    rulings = [ruling for ruling in found if ruling.epoch > asked.offset]
    return rulings[-1] if rulings else None
