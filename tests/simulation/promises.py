"""What must hold at every step of every history, checked against the oracle."""

from __future__ import annotations

from collections.abc import Sequence

from syncline.catalog.coordination import CutState, Rollout, Ruling
from syncline.catalog.events import SubscriptionDeclared
from syncline.catalog.lifecycle_events import SubscriptionWithdrawn
from syncline.catalog.rollout_events import CANARY, LIVE, Coordinated, CutKind, RolloutAction, RolloutOutcome
from syncline.state.cell import unpack_cell
from syncline.state.partition import PartitionState
from tests.simulation.agent import SERVING, Serving, SimAgent
from tests.simulation.log import Catalog, Partition, Place
from tests.simulation.oracle import TrueCatalog, TrueStates, Verdict, belongs, takes


class BrokenPromise(AssertionError):  # noqa: N818  named after what happened
    """A promise was broken."""

    def __init__(self, promise: str, said: str) -> None:
        super().__init__(f"{promise}: {said}")
        self.promise = promise


class Promises:
    """Looks over everybody's shoulder."""

    def __init__(self, catalog: Catalog, log: dict[Place, Partition], agents: Sequence[SimAgent]) -> None:
        self._catalog = catalog
        self._truth = {place: TrueStates(partition) for place, partition in log.items()}
        self._log = log
        self._agents = agents
        self.decided = TrueCatalog()
        self.given_up: set[tuple[str, int]] = set()
        """(agent, cut): held for, and given up."""
        self.began_above: dict[tuple[str, Place], int] = {}
        """Where an agent began with a partition whose earlier records it never folded itself."""
        self._queues: dict[str, tuple[tuple[int, int], list[Verdict]]] = {}
        """Agent → (what was read of the catalog, all decisions for it): worked out anew when that has grown."""
        self._declared: dict[str, list[tuple[int, SubscriptionDeclared | None]]] = {}
        """Consumer → what it declared, and None where it was withdrawn."""
        self.no_give_ups = False

    # The catalog.

    def catalog_grew(self) -> None:
        """Records have landed: only those that may count do, and nobody had run past what is decided now."""
        for offset in range(self.decided.read_to, self._catalog.end):
            landed = self._catalog.landed[offset]
            payload = landed.decision.payload
            counts = self._catalog.picture(offset + 1).void_at(offset) is None
            if counts and isinstance(payload, Coordinated):
                why_not = self.decided.why_not(offset, landed)
                if why_not:
                    raise BrokenPromise(
                        "P9", f"the record at {offset} ({payload}) counts, although {why_not}"
                    )
                if not landed.decision.actor or not landed.decision.reason:
                    raise BrokenPromise(
                        "P11", f"the record at {offset} ({payload}) does not say by whom, or why"
                    )
                self.decided.take(offset, landed)
            elif counts and isinstance(payload, SubscriptionDeclared | SubscriptionWithdrawn):
                declared = payload if isinstance(payload, SubscriptionDeclared) else None
                self._declared.setdefault(payload.consumer, []).append((offset, declared))
            self.decided.read_to = offset + 1
            standing = self._catalog.picture(offset + 1).coordination
            if standing.open_cut != self.decided.open:
                raise BrokenPromise(
                    "P4", f"cut {standing.open_cut} is open, and should be {self.decided.open}"
                )
            for cut, outcome in self.decided.outcome.items():
                if standing.cuts[cut].state != CutState(outcome):
                    raise BrokenPromise(
                        "P4", f"cut {cut} was {outcome}, and is {standing.cuts[cut].state} now"
                    )
        for agent in self._agents:
            for place, state in agent.states.items():
                self._passed(agent, place, state.next_offset)

    # The state.

    def moved(self, agent: SimAgent, place: Place, before: PartitionState) -> None:
        """A partition was committed at another position."""
        state = agent.states[place]
        if state.next_offset < before.next_offset:
            raise BrokenPromise(
                "P3", f"{agent.name} went back on {place} from {before.next_offset} to {state.next_offset}"
            )
        if not state.head_trimmed:
            self._true_state(agent, place, state)
            if state.ring != before.ring:
                entry = state.ring[-1]
                if entry.digest != self._truth[place].below(entry.offset).digest:
                    raise BrokenPromise(
                        "P2", f"{agent.name} remembers a wrong digest of {place} below {entry.offset}"
                    )
        self._passed(agent, place, state.next_offset)

    def _true_state(self, agent: SimAgent, place: Place, state: PartitionState) -> None:
        truth = self._truth[place].below(state.next_offset)
        found = state.digest.total, state.t_ms, state.cells
        if found != (truth.digest, truth.t_ms, len(truth.cells)):
            raise BrokenPromise(
                "P2",
                f"{agent.name} at {state.next_offset} of {place} has (digest, T, cells) {found}, "
                f"and the log gives {(truth.digest, truth.t_ms, len(truth.cells))}",
            )

    def stored(self, agent: SimAgent) -> None:
        """What is in the store is the true state at the positions in it, cell by cell."""
        with agent.store.snapshot() as snapshot:
            packed = snapshot.meta(SERVING)
            if packed is not None:
                self._true_pair(agent, Serving.unpack(packed))
            for place in snapshot.partitions():
                state = snapshot.state(*place)
                if state is None or state.head_trimmed:
                    continue
                self._true_state(agent, place, state)
                cells = {key: unpack_cell(key, packed) for key, packed in snapshot.scan(*place)}
                found = {
                    key: (cell.event_time_us, cell.offset, cell.deleted, cell.schema_id, cell.payload)
                    for key, cell in cells.items()
                }
                truth = self._truth[place].below(state.next_offset)
                if found != truth.cells:
                    raise BrokenPromise(
                        "P3", f"{agent.name}'s cells of {place} below {state.next_offset} are not the log's"
                    )

    def restored(self, agent: SimAgent, states: dict[Place, PartitionState]) -> None:
        """It begins from a snapshot."""
        for place, state in states.items():
            self.began_above[agent.name, place] = state.next_offset
            if state.head_trimmed:
                raise BrokenPromise("P6", f"{agent.name} began {place} from a state whose head was trimmed")
        self.stored(agent)
        serving, run = agent.serving, self._run(agent)
        if serving is not None and run and serving.epoch in {each.epoch for each in self.decided.verdicts}:
            raise BrokenPromise(
                "P4", f"{agent.name} took its donor's release {serving.release} from the snapshot"
            )

    # The decisions.

    def gave_up(self, agent: SimAgent, cuts: tuple[int, ...]) -> None:
        """It goes on although these cuts are not enacted."""
        if self.no_give_ups:
            raise BrokenPromise("P10", f"{agent.name} gave up cuts {cuts} after the faults had cleared")
        self.given_up |= {(agent.name, cut) for cut in cuts}

    def enacted(self, agent: SimAgent, ruling: Ruling, positions: dict[Place, int], *, aligned: bool) -> None:
        """It is about to enact a decision."""
        if agent.serving is None:
            raise BrokenPromise("P4", f"{agent.name} enacts {ruling.epoch} and serves nothing yet")
        queue = [each for each in self.queue(agent, agent.serving.epoch) if each.epoch < agent.seen]
        cancelled = [place for place, each in enumerate(queue) if each.cut is None]
        queue = queue[cancelled[-1] :] if cancelled else queue
        if not queue or (queue[0].epoch, queue[0].to_release) != (ruling.epoch, ruling.to_release):
            said = queue[0] if queue else "nothing"
            raise BrokenPromise(
                "P4", f"{agent.name} after {agent.serving.epoch} enacts {ruling.epoch}, and {said} is next"
            )
        head = queue[0]
        picture = agent.picture
        needed = picture.topics_of(ruling.bundle, ruling.to_release) or frozenset()
        for place, offset in head.vector.items():
            if place not in positions:
                if agent.mine(place) and place[0] in needed:
                    raise BrokenPromise("P4", f"{agent.name} enacts {ruling.epoch} and does not read {place}")
            elif positions[place] < offset:
                raise BrokenPromise(
                    "P4",
                    f"{agent.name} enacts release {ruling.to_release} ({ruling.epoch}) at {positions[place]} of "
                    f"{place}, which is below {offset}",
                )
        stands = head.cut is not None and all(
            positions[place] == offset for place, offset in head.vector.items() if place in positions
        )
        if aligned != stands:
            raise BrokenPromise("P4", f"{agent.name} says aligned={aligned} of cut {ruling.cut}")
        if stands:
            for place in head.vector.keys() & positions.keys():
                self._true_state(agent, place, agent.states[place]) if not agent.states[
                    place
                ].head_trimmed else None

    def stood(self, agent: SimAgent, place: Place, cut: int) -> None:
        """A partition stands at a marker, or at a vector."""
        if cut >= agent.seen:
            return
        prepared = self.decided.cuts.get(cut)
        if prepared is None or prepared.kind is CutKind.AUDIT:
            raise BrokenPromise("P4", f"{agent.name} stands at {place} for {cut}, which changes no version")
        waits = [each.cut for each in self.queue(agent, -1)]
        pending = Verdict(cut, prepared.bundle, prepared.to_release, prepared.cohort, cut, cut, {})
        picture, run = agent.picture, self._run(agent)
        if cut not in waits and not belongs(pending, agent.consumer, agent.instance, run, picture):
            raise BrokenPromise("P4", f"{agent.name} stands at {place} for cut {cut}, which is for others")

    def looked_at(self, agent: SimAgent) -> None:
        """What a reader of its store gets."""
        release = agent.serves()
        if release is None or agent.serving is None:
            return
        known = [each for each in self.queue(agent, agent.serving.epoch) if each.epoch < agent.seen]
        if any(each.cut is None for each in known):
            raise BrokenPromise(
                "P4", f"{agent.name} serves release {release} although an Immediate is still to be enacted"
            )
        self._true_pair(agent, agent.serving)

    def _true_pair(self, agent: SimAgent, serving: Serving) -> None:
        """A release stands beside the decision that made it active."""
        release = serving.release
        source = [each for each in self.decided.verdicts if each.epoch == serving.epoch]
        if source and source[0].to_release != release:
            raise BrokenPromise(
                "P4", f"{agent.name} serves {release} by a decision to go to {source[0].to_release}"
            )
        if not source and (serving.epoch, release) != self._base(serving):
            raise BrokenPromise(
                "P4", f"{agent.name} serves {release} by {serving.epoch}, and begins at {self._base(serving)}"
            )

    def _base(self, serving: Serving) -> tuple[int, int]:
        """(offset of its BundleReleased, release) that an agent begins with."""
        at, declared = serving.declared_at, self._catalog.landed[serving.declared_at].decision.payload
        if not isinstance(declared, SubscriptionDeclared):
            raise BrokenPromise("P4", f"at {at} nothing was declared, but {declared}")
        released = self._catalog.picture(self.decided.read_to).releases[declared.bundle]
        number = declared.policy_release or 1
        number = number if number <= len(released) and released[number - 1].offset < at else 1
        return released[number - 1].offset, number

    def queue(self, agent: SimAgent, applied: int) -> list[Verdict]:
        """All decisions for the agent after `applied`, nothing cancelled, by what it has read of its own needs."""
        known = self.decided.read_to, agent.seen
        at, found = self._queues.get(agent.name, ((-1, -1), []))
        if at != known:
            run, picture = self._run(agent), self._catalog.picture(self.decided.read_to)
            found = [
                each
                for each in self.decided.verdicts
                if run and belongs(each, agent.consumer, agent.instance, run, picture)
            ]
            self._queues[agent.name] = known, found
        return [each for each in found if each.epoch > applied]

    def _run(self, agent: SimAgent) -> list[tuple[int, SubscriptionDeclared]]:
        """What its consumer has declared since it reads the bundle that it reads, and since it was withdrawn last."""
        run: list[tuple[int, SubscriptionDeclared]] = []
        for offset, declared in self._declared.get(agent.consumer, ()):
            if offset >= agent.seen:
                break
            if declared is None:
                run = []
                continue
            if run and run[-1][1].bundle != declared.bundle:
                run = []
            run.append((offset, declared))
        return run

    def reborn(self, agent: SimAgent) -> None:
        """It begins with a release that nothing was enacted for: all that lies below its positions is behind it."""
        for place in agent.states:
            self.began_above[agent.name, place] = agent.states[place].next_offset
        with agent.store.snapshot() as snapshot:
            for place in snapshot.partitions():
                state = snapshot.state(*place)
                if state is not None:
                    self.began_above[agent.name, place] = state.next_offset

    def _passed(self, agent: SimAgent, place: Place, position: int) -> None:
        """No vector that is still to be enacted is passed, but after a give-up or from a snapshot."""
        serving = agent.serving
        if serving is None or not self.decided.verdicts:
            return
        ahead = self.queue(agent, serving.epoch)
        cancelled = [number for number, each in enumerate(ahead) if each.cut is None]
        for each in ahead[cancelled[-1] :] if cancelled else ahead:
            if each.cut is None or position <= each.vector.get(place, position):
                continue
            excused = (agent.name, each.cut) in self.given_up
            began = self.began_above.get((agent.name, place), 0)
            if not excused and began <= each.vector[place] and not agent.states[place].head_trimmed:
                raise BrokenPromise(
                    "P4",
                    f"{agent.name} is at {position} of {place}, past {each.vector[place]} of cut {each.cut}, which "
                    "it has not enacted, given up, or begun beyond",
                )

    # The end.

    def _is_back(self, agent: SimAgent, serving: Serving, declared: SubscriptionDeclared) -> None:
        """What was rolled back is served by nobody whose policy takes what it was rolled back to."""
        picture = self._catalog.picture(self._catalog.end)
        rollouts = picture.coordination.rollouts.get(declared.bundle, ())
        releases = [recorded.payload for recorded in picture.releases[declared.bundle]]
        if not rollouts or rollouts[-1].outcome is not RolloutOutcome.ROLLED_BACK:
            return
        last = rollouts[-1]
        if (
            serving.release == last.to_release
            and serving.epoch in last.rulings
            and takes(declared, releases, last.from_release)
        ):
            raise BrokenPromise("P4", f"{agent.name} still serves {serving}, which was rolled back: {last}")

    def _rests(self, rollout: Rollout) -> None:
        """It is over, or it waits for a person."""
        unanswered = rollout.asked_to(RolloutAction.ROLLBACK) or any(
            request.action is RolloutAction.PROMOTE and request.offset > rollout.rulings[-1]
            for request in (rollout.asked if rollout.rulings else ())
        )
        is_live = rollout.step in (CANARY, LIVE) and not unanswered
        if rollout.outcome is None and not rollout.paused and not is_live:
            raise BrokenPromise("P10", f"the rollout asked for at {rollout.id} stands still: {rollout}")

    def at_the_end(self, agents: Sequence[SimAgent]) -> None:
        """Faults are over and everything came to rest."""
        standing = self._catalog.picture(self._catalog.end).coordination
        if standing.open_cut is not None:
            raise BrokenPromise("P10", f"cut {standing.open_cut} is still open")
        for rollouts in standing.rollouts.values():
            self._rests(rollouts[-1])
        for audit in standing.audits.values():
            cuts = [standing.cuts[cut] for cut in audit.cuts]
            if all(cut.state is not CutState.COMMITTED for cut in cuts) and not any(
                cut.failed for cut in cuts
            ):
                raise BrokenPromise("P10", f"the audit asked for at {audit.id} was never made")
        for agent in agents:
            self.stored(agent)
            run = self._run(agent)
            if agent.serving is None or not run:
                if run:
                    raise BrokenPromise("P10", f"{agent.name} never started")
                continue
            every, serving = self.queue(agent, -1), agent.serving
            last = (every[-1].epoch, every[-1].to_release) if every else self._base(serving)
            if (serving.epoch, serving.release) != last or serving.declared_at != run[0][0]:
                raise BrokenPromise(
                    "P4", f"{agent.name} came to rest at {serving}, and its last decision is {last}"
                )
            self._is_back(agent, serving, run[-1][1])
            for place, state in agent.states.items():
                if state.next_offset != self._log[place].end:
                    raise BrokenPromise(
                        "P10",
                        f"{agent.name} rests at {state.next_offset} of {place}, which ends at {self._log[place].end}: "
                        f"{agent.standing.get(place)}",
                    )
