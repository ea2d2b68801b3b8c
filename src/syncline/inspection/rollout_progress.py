"""What became of what was asked of a rollout: step by step, whether it is done, what to do where it is not. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from syncline.catalog.coordination import Cut, CutState, Rollout
from syncline.catalog.fold import Picture
from syncline.catalog.lifecycle import retired_in
from syncline.catalog.rollout_events import Positions, RolloutAction, RolloutOutcome, RolloutRequested
from syncline.contracts.durations import format_duration
from syncline.inspection.rollouts import Crossing, is_live

_SHOWN_PLACES = 12


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for, and where the request stands."""

    action: RolloutAction
    bundle: str
    offset: int
    """Catalog offset of the request."""
    rollout: int
    """Offset of the request that started the rollout: the same for a start."""
    was_live: bool = False
    """Whether the rollout was live for everyone when it was asked: a promote then makes it final."""

    @property
    def makes_final(self) -> bool:
        """Whether it asks to let go all releases but the one that is live."""
        return self.action is RolloutAction.PROMOTE and self.was_live


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of it."""

    done: bool
    said: str
    next_command: str = ""
    """What to do now; empty where nothing is left to do."""


def find(picture: Picture, asked: Asked) -> Rollout:
    """The rollout that was asked about."""
    return next(each for each in picture.coordination.rollouts[asked.bundle] if each.id == asked.rollout)


def answer(picture: Picture, asked: Asked) -> Answer | None:
    """Whether the coordinator has done what was asked, or will not; None while it is still to be seen."""
    rollout = find(picture, asked)
    if rollout.outcome is not None:
        return _ended(rollout, asked)
    to, bundle = f"{rollout.bundle}@{rollout.to_release}", rollout.bundle
    if rollout.paused:
        return _paused(rollout, asked)
    match asked.action:
        case RolloutAction.START | RolloutAction.PROMOTE if _went_further(rollout, asked):
            # An abort that the commit has overtaken goes back, too.
            if not any(rollout.asked_to(each) for each in (RolloutAction.ABORT, RolloutAction.ROLLBACK)):
                said = f"{to} is live for {picture.coordination.reach(rollout)}{_final_text(rollout)}"
                return Answer(done=True, said=said)
        case RolloutAction.PAUSE if rollout.rulings and rollout.rulings[-1] > asked.offset:
            return Answer(
                done=False,
                said=f"{to} was live before it could be paused",
                next_command=f"syncline rollout rollback {bundle} --reason …",
            )
        case _:
            pass
    return None


def _went_further(rollout: Rollout, asked: Asked) -> bool:
    """Whether agents were sent somewhere by what was asked."""
    return not asked.was_live and bool(rollout.rulings) and rollout.rulings[-1] > asked.offset


def steps(picture: Picture, asked: Asked, crossed: Sequence[Crossing]) -> tuple[str, ...]:
    """What has happened since it was asked, one sentence each: of the catalog in its order, then of the agents."""
    rollout = find(picture, asked)
    since = asked.offset
    found: list[tuple[int, str]] = []
    for cut_id in rollout.cuts:
        found += [
            (offset, text) for offset, text in _of_cut(picture.coordination.cuts[cut_id]) if offset > since
        ]
    for ruling in picture.coordination.rulings_of(rollout):
        if ruling.cut is None and ruling.epoch > since:
            text = f"Immediate at offset {ruling.epoch}: back to {ruling.bundle}@{ruling.to_release}"
            found.append((ruling.epoch, text))
    said = [text for _, text in sorted(found)]
    return (*said, *(_crossed(crossing) for crossing in crossed if crossing.crossed))


def places_text(vector: Positions) -> str:
    """`syncline.features.delay.v1 0:17 1:4`: where a cut lies, as topic and partition:offset, shortened."""
    by_topic: dict[str, list[str]] = {}
    for topic, partition, offset in vector[:_SHOWN_PLACES]:
        by_topic.setdefault(topic, []).append(f"{partition}:{offset}")
    said = ", ".join(f"{topic} {' '.join(places)}" for topic, places in by_topic.items())
    more = len(vector) - _SHOWN_PLACES
    return said + (f" and {more} more" if more > 0 else "")


def remedy(picture: Picture, payload: RolloutRequested) -> str:
    """What to do where the request does not count, by what stands now: a sentence without its full stop."""
    bundle, rollout = payload.bundle, picture.coordination.under_way(payload.bundle)
    look = f"`syncline rollout status {bundle}`"
    if payload.action is RolloutAction.START:
        found = _of_start(picture, payload, rollout, look)
    elif rollout is None:
        found = without_rollout(picture, bundle, payload.action)
    else:
        found = _of_others(picture, payload, rollout, look)
    return found or f"See {look}, and ask again if it is still wanted"


def without_rollout(picture: Picture, bundle: str, action: RolloutAction) -> str:
    """What to do where something is asked of a rollout, and none is under way."""
    rollouts, standing = picture.coordination.rollouts.get(bundle, ()), picture.coordination.standing(bundle)
    if not rollouts or action not in (RolloutAction.ABORT, RolloutAction.ROLLBACK):
        return f"Start one: `syncline rollout start {bundle}@N --reason …`"
    last = rollouts[-1]
    if last.outcome is RolloutOutcome.FINAL:
        return f"{bundle}@{standing} is final; {_by_a_cut(picture, bundle, last.from_release)}"
    how = "aborted" if last.outcome is RolloutOutcome.ABORTED else "rolled back"
    return (
        f"The last one was {how} already at catalog offset {last.finished_at}: {bundle}@{standing} is live, and "
        "nothing is left to do"
    )


def _of_cut(cut: Cut) -> list[tuple[int, str]]:
    places = len(cut.prepared.places())
    found = [(cut.id, f"cut {cut.id} prepared: a marker goes into each of {places} partitions")]
    if cut.decided_at is None:
        return found
    if cut.state is CutState.COMMITTED:
        said = f"cut {cut.id} committed at offset {cut.decided_at}: {places_text(cut.vector)}"
    else:
        said = f"cut {cut.id} aborted at offset {cut.decided_at}: {cut.why}"
    return [*found, (cut.decided_at, said)]


def _crossed(crossing: Crossing) -> str:
    if crossing.aligned is None:
        return f"{crossing.agent} reached it"
    held = f", held {crossing.held_us / 1_000:,.1f} ms" if crossing.held_us >= 0 else ""
    if crossing.aligned:
        return f"{crossing.agent} reached it aligned{held}"
    return f"{crossing.agent} reached it, not aligned{held}: {crossing.why}"


def _final_text(rollout: Rollout) -> str:
    if rollout.final_after_us is None:
        return ""
    return f", final {format_duration(rollout.final_after_us)} after it went live"


def _paused(rollout: Rollout, asked: Asked) -> Answer:
    """Any other request lifts a pause that stood, so this one came after it."""
    to, resume = (
        f"{rollout.bundle}@{rollout.to_release}",
        f"syncline rollout promote {rollout.bundle} --reason …",
    )
    if asked.action is RolloutAction.PAUSE:
        return Answer(done=True, said=f"the rollout to {to} is paused", next_command=resume)
    said = f"the rollout to {to} waits for a person: {rollout.paused}"
    return Answer(done=False, said=said, next_command=f"{resume} (or syncline rollout abort)")


def _ended(rollout: Rollout, asked: Asked) -> Answer:
    to, before = f"{rollout.bundle}@{rollout.to_release}", f"{rollout.bundle}@{rollout.from_release}"
    outcome = rollout.outcome
    if outcome is RolloutOutcome.FINAL:
        done = asked.action in (RolloutAction.START, RolloutAction.PROMOTE)
        said = f"{to} is final"
    elif outcome is RolloutOutcome.ABORTED:
        done, said = asked.action is RolloutAction.ABORT, f"the rollout was aborted: {before} stays"
    else:
        done = asked.action in (RolloutAction.ABORT, RolloutAction.ROLLBACK)
        said = f"rolled back: {before} is live"
    return Answer(done, said, "" if done else f"syncline rollout status {rollout.bundle}")


def _of_start(picture: Picture, payload: RolloutRequested, rollout: Rollout | None, look: str) -> str:
    bundle, target = payload.bundle, payload.to_release
    if rollout is not None:
        return f"{look} shows how far it is"
    if target == picture.coordination.standing(bundle):
        return "Nothing is left to do"
    if retired_in(picture, picture.releases[bundle][target - 1].payload):
        said = _by_a_cut(picture, bundle, target)
        return said[0].upper() + said[1:]
    return ""


def _of_others(picture: Picture, payload: RolloutRequested, rollout: Rollout, look: str) -> str:
    """Of what is asked of a rollout that is under way."""
    bundle, action = payload.bundle, payload.action
    if any(rollout.asked_to(each) for each in (RolloutAction.ABORT, RolloutAction.ROLLBACK)):
        return f"It goes on by itself, and {look} shows how far it is"
    if action is RolloutAction.ROLLBACK:
        return f"`syncline rollout abort {bundle} --reason …` does it"
    if action is RolloutAction.ABORT:
        return f"`syncline rollout rollback {bundle} --reason …` does it"
    if action is RolloutAction.PROMOTE and rollout.rulings and payload.from_release != rollout.to_release:
        meaning = "make it final" if is_live(picture, rollout) else "bring it to everyone"
        return f"It went live meanwhile: ask again to {meaning}"
    return ""


def _by_a_cut(picture: Picture, bundle: str, wanted: int) -> str:
    """How to get to another release than the one that stands: the one that is wanted, if a rollout may go there."""
    standing = picture.coordination.standing(bundle)
    usable = [
        recorded.payload.release
        for recorded in picture.releases[bundle]
        if recorded.payload.release != standing and not retired_in(picture, recorded.payload)
    ]
    if not usable:
        return "every other release names a retired version: define one that names none, and run `syncline apply`"
    number = wanted if wanted in usable else usable[-1]
    return f"go to another release by a cut: `syncline rollout start {bundle}@{number} --reason …`"
