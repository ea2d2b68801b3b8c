"""Where bundles stand, as the CLI shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from syncline.catalog.coordination import Cut, Rollout, Ruling
from syncline.catalog.fold import Picture
from syncline.cli.output import Output
from syncline.contracts.durations import format_duration
from syncline.contracts.model import FeatureType
from syncline.contracts.moments import format_moment
from syncline.inspection.rollout_progress import places_text
from syncline.inspection.rollouts import BundleState, Crossing, HeardCoordinator


def crossing_document(crossing: Crossing) -> dict[str, Any]:
    """How far one agent is, as JSON data."""
    return asdict(crossing) | {"held_us": None if crossing.held_us < 0 else crossing.held_us}


def coordinator_document(state: HeardCoordinator) -> dict[str, Any]:
    """One coordinator, as JSON data."""
    return asdict(state.status) | {
        "waiting": list(state.status.waiting),
        "age_us": state.age_us,
        "is_live": state.is_live,
    }


def states_document(
    picture: Picture, states: Sequence[BundleState], coordinators: Sequence[HeardCoordinator]
) -> dict[str, Any]:
    """Everything as JSON data."""
    return {
        "catalog_offset": picture.next_offset,
        "coordinators": [coordinator_document(state) for state in coordinators],
        "bundles": [
            {
                "bundle": state.bundle,
                "live_release": state.live,
                "live_in_part": None if state.in_part is None else _part_document(state.in_part),
                "standing_release": state.stands,
                "newest_release": state.newest,
                "releases_waiting": list(state.unused),
                "rollout": None if state.rollout is None else _rollout_document(picture, state.rollout),
                "last_rollout": None
                if state.last_rollout is None
                else _rollout_document(picture, state.last_rollout),
                "open_cut": None if state.open_cut is None else _cut_document(state.open_cut),
                "last_decision": None if state.ruling is None else _ruling_document(state.ruling),
                "waiting": list(state.waiting),
                "agents": [crossing_document(crossing) for crossing in state.crossings],
                "given_up": [{"agent": agent, "cut": cut} for agent, cut in state.given_up],
                "cannot_serve": [
                    {"agent": agent, "release": release, "why": why}
                    for agent, release, why in state.cannot_serve
                ],
            }
            for state in states
        ],
    }


def show_states(
    picture: Picture,
    states: Sequence[BundleState],
    coordinators: Sequence[HeardCoordinator],
    output: Output,
    *,
    now_us: int,
) -> None:
    """Everything for people."""
    for state in states:
        _show_state(picture, state, output, now_us=now_us)
        output.line()
    if not states:
        output.line("The catalog has no bundle: run `syncline apply`.")
    show_coordinators(picture, coordinators, output)


def show_coordinators(picture: Picture, coordinators: Sequence[HeardCoordinator], output: Output) -> None:
    """Who coordinates: the live one, and those that stand by."""
    live = [state for state in coordinators if state.is_live]
    if not live:
        holder = picture.coordination.holder
        claimed = f", and {holder} had the claim" if holder else ""
        output.line(
            f"No coordinator was heard of lately{claimed}: what is asked for waits (syncline coordinator)",
            style="yellow",
        )
    for state in coordinators:
        status, role = state.status, "live" if state.is_live else state.status.state.lower()
        reason = f": {status.reason}" if status.reason else ""
        claim = "" if status.claim is None else f", claim {status.claim}"
        output.line(
            f"coordinator {status.coordinator}: {role}{claim}, reported {age_text(state.age_us)} ago{reason}"
        )


def age_text(us: int) -> str:
    """`3 s`, `5 min`, `2 h`, `4 d`: how long ago, roughly."""
    seconds = max(0, us) // 1_000_000
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def moment_text(us: int) -> str:
    """To the second, in UTC; anyone can write to a topic, so it may be no time of any calendar."""
    return format_moment(us - us % 1_000_000, FeatureType.TIMESTAMP)


def _show_state(picture: Picture, state: BundleState, output: Output, *, now_us: int) -> None:
    kept = (
        "" if state.live == state.stands else f" ({state.bundle}@{state.stands} is kept until that is final)"
    )
    part = "" if state.in_part is None else f"; {state.in_part.to_release} for {state.in_part.cohort}"
    output.line(f"{state.bundle}: release {state.live} is live{part}{kept}", style="green")
    if state.rollout is not None:
        _show_rollout(picture, state.rollout, output, now_us=now_us)
    elif state.last_rollout is not None:
        last = state.last_rollout
        output.line(
            f"  last rollout: from {last.bundle}@{last.from_release} to {last.bundle}@{last.to_release}, "
            f"{step_text(last)} at offset {last.finished_at}"
        )
    if state.unused:
        first = state.unused[-1]
        names = ", ".join(f"{state.bundle}@{number}" for number in state.unused)
        output.line(
            f"  waits for a rollout: {names} (syncline rollout start {state.bundle}@{first} --reason …)",
            style="yellow",
        )
    if state.open_cut is not None:
        cut = state.open_cut
        output.line(
            f"  cut {cut.id} is open: {cut.prepared.kind} cut, {len(cut.prepared.places())} partitions"
        )
    for reason in state.waiting:
        output.line(f"  waits: {reason}", style="yellow")
    for agent, release, why in state.cannot_serve:
        output.line(f"  {agent} cannot serve {state.bundle}@{release}: {why}", style="red")
    for agent, cut_id in state.given_up:
        output.line(f"  {agent} gave up holding for cut {cut_id}, and enacts it later", style="yellow")
    if state.ruling is not None:
        _show_ruling(state.ruling, output)
    if state.crossings:
        output.table(
            ["  agent", "switched", "aligned", "held", "why"],
            [_crossing_row(crossing) for crossing in state.crossings],
            right=["held"],
        )


def _show_rollout(picture: Picture, rollout: Rollout, output: Output, *, now_us: int) -> None:
    started = rollout.started
    output.line(
        f"  rollout from {rollout.bundle}@{rollout.from_release} to {rollout.bundle}@{rollout.to_release} for "
        f"{picture.coordination.reach(rollout)}: {step_text(rollout)}"
    )
    output.line(
        f"  asked for by {started.actor} at {moment_text(started.at_us)} (offset {rollout.id}): {started.reason}"
    )
    for request in rollout.asked:
        output.line(
            f"  then {request.action} by {request.actor} at {moment_text(request.at_us)} (offset {request.offset}): "
            f"{request.reason}"
        )
    if rollout.paused:
        output.line(f"  waits for a person: {rollout.paused}", style="red")
    if rollout.final_after_us is not None and rollout.live_at_us is not None:
        left_us = rollout.live_at_us + rollout.final_after_us - now_us
        said = f"in {age_text(left_us)}" if left_us > 0 else "any moment now"
        output.line(f"  final {said} ({format_duration(rollout.final_after_us)} after it went live)")


def _show_ruling(ruling: Ruling, output: Output) -> None:
    if ruling.cut is None:
        said = f"Immediate at offset {ruling.epoch} back to {ruling.bundle}@{ruling.to_release}"
    else:
        said = f"cut {ruling.cut} to {ruling.bundle}@{ruling.to_release}, committed at offset {ruling.epoch}"
        said += f": {places_text(ruling.floor)}"
    output.line(f"  last decision: {said}")


def step_text(rollout: Rollout) -> str:
    """Where a rollout is, in a few words."""
    if rollout.outcome is not None:
        return rollout.outcome.replace("_", " ")
    if rollout.paused:
        return "paused"
    return rollout.step


def _crossing_row(crossing: Crossing) -> list[str]:
    switched = "yes" if crossing.crossed else "gone" if crossing.absent else "not yet"
    aligned = "-" if crossing.aligned is None else "yes" if crossing.aligned else "no"
    held = "-" if crossing.held_us < 0 else f"{crossing.held_us / 1_000:,.1f} ms"
    return [f"  {crossing.agent}", switched, aligned, held, crossing.why]


def _part_document(ruling: Ruling) -> dict[str, Any]:
    return {"release": ruling.to_release, "cohort": str(ruling.cohort)}


def _rollout_document(picture: Picture, rollout: Rollout) -> dict[str, Any]:
    return {
        "id": rollout.id,
        "from_release": rollout.from_release,
        "to_release": rollout.to_release,
        "cohort": str(picture.coordination.reach(rollout)),
        "step": step_text(rollout),
        "paused": rollout.paused,
        "outcome": rollout.outcome,
        "live_at_us": rollout.live_at_us,
        "final_after_us": rollout.final_after_us,
        "cuts": list(rollout.cuts),
        "decisions": list(rollout.rulings),
        "finished_at": rollout.finished_at,
        "requests": [
            {
                "action": str(request.action),
                "mode": str(request.mode),
                "catalog_offset": request.offset,
                "actor": request.actor,
                "reason": request.reason,
                "recorded_at_us": request.at_us,
            }
            for request in (rollout.started, *rollout.asked)
        ],
    }


def _cut_document(cut: Cut) -> dict[str, Any]:
    return {
        "cut": cut.id,
        "kind": str(cut.prepared.kind),
        "from_release": cut.prepared.from_release,
        "to_release": cut.prepared.to_release,
        "partitions": len(cut.prepared.places()),
        "deadline_us": cut.prepared.deadline_us,
    }


def _ruling_document(ruling: Ruling) -> dict[str, Any]:
    return {
        "epoch": ruling.epoch,
        "cut": ruling.cut,
        "release": ruling.to_release,
        "cohort": str(ruling.cohort),
        "floor": [list(place) for place in ruling.floor],
    }
