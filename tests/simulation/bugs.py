"""Planted bugs: each undoes one rule of the shipped code, or of what an agent does with it, while it is in force."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from unittest.mock import patch

from syncline.catalog import coordination_rules, enactment, rules
from syncline.catalog.coordination_draft import CoordinationDraft
from syncline.catalog.enactment import Member
from syncline.catalog.events import PolicyKind
from syncline.catalog.policies import fits
from syncline.catalog.rollout_events import RolloutAction
from syncline.rollout import alignment, steps
from syncline.rollout.alignment import Alignment
from syncline.state import join as joining
from syncline.state.cell import cell_heads, key_buckets
from syncline.state.partition import RingEntry
from tests.simulation.agent import SERVING, Copy, SimAgent
from tests.simulation.log import OutOfRangeError, Partition

BUGS: dict[str, Callable[[ExitStack], None]] = {}


def bug(plant: Callable[[ExitStack], None]) -> Callable[[ExitStack], None]:
    """Enter it into the list, under its own name."""
    BUGS[plant.__name__.replace("_", " ")] = plant
    return plant


@contextmanager
def planted(name: str) -> Iterator[None]:
    """The bug is there until the context ends."""
    with ExitStack() as stack:
        BUGS[name](stack)
        yield


def _set(stack: ExitStack, owner: object, name: str, value: object) -> None:
    stack.enter_context(patch.object(owner, name, value))


# The fold of the catalog.


@bug
def the_fold_ignores_after(stack: ExitStack) -> None:
    """Whatever a coordinator had read, its record counts."""
    judge = rules.why_void_record
    _set(
        stack,
        rules,
        "why_void_record",
        lambda standing, payload, topics: judge(standing, replace(payload, after=standing.last), topics),
    )


@bug
def the_claim_is_neither_checked_nor_heeded(stack: ExitStack) -> None:
    """A coordinator that lost its claim goes on, and what it writes counts."""
    judge, decide = rules.why_void_record, steps.next_step

    def why_void(standing, payload, topics):
        under = replace(payload, claim=standing.claim) if hasattr(payload, "claim") else payload
        return judge(standing, under, topics)

    _set(stack, rules, "why_void_record", why_void)
    _set(stack, steps, "next_step", lambda view: decide(replace(view, claim=view.coordination.claim)))


@bug
def a_prepare_counts_while_a_cut_is_open(stack: ExitStack) -> None:
    """Two cuts are open at once, and so are their markers."""
    judge = coordination_rules._why_void_prepare
    _set(
        stack,
        coordination_rules,
        "_why_void_prepare",
        lambda standing, payload, topics: judge(replace(standing, open_cut=None), payload, topics),
    )
    _set(stack, coordination_rules, "_why_not_open", lambda standing, cut: None)
    judge_all = rules.why_void_record
    _set(
        stack,
        rules,
        "why_void_record",
        lambda standing, payload, topics: judge_all(standing, replace(payload, after=standing.last), topics),
    )


@bug
def an_immediate_leaves_the_open_cut_committable(stack: ExitStack) -> None:
    """Only a claim aborts what is open."""
    _abort_but_for(stack, "an Immediate")


@bug
def a_successor_finishes_the_cut_of_another(stack: ExitStack) -> None:
    """A claim leaves the open cut as it is."""
    _abort_but_for(stack, "took over")


def _abort_but_for(stack: ExitStack, said: str) -> None:
    abort = CoordinationDraft._abort

    def some(self, offset, why, *, failed=False):
        if said not in why:
            abort(self, offset, why, failed=failed)

    _set(stack, CoordinationDraft, "_abort", some)


@bug
def an_immediate_has_no_floor(stack: ExitStack) -> None:
    """It is enacted wherever an agent is."""
    rule = CoordinationDraft._rule
    _set(
        stack,
        CoordinationDraft,
        "_rule",
        lambda self, ruling, at_us: rule(
            self, ruling if ruling.cut is not None else replace(ruling, floor=()), at_us
        ),
    )


@bug
def an_immediate_cancels_nothing(stack: ExitStack) -> None:
    """Earlier decisions are enacted all the same."""

    def everything(picture, member, *, after):
        run = enactment.declarations(picture, member.consumer)
        if not run:
            return ()
        audience = enactment._Audience(picture, run, member)
        return tuple(
            ruling
            for ruling in picture.coordination.rulings.get(run[0].payload.bundle, ())
            if ruling.epoch > after
            and audience.has(ruling.cohort, release=ruling.to_release, at=ruling.judged_at)
        )

    _set(stack, alignment, "rulings_for", everything)


# Agents at markers and vectors.


class _AtTheMarker(Alignment):
    """Takes any marker of a cut for the line."""

    def __init__(self, limit_s: float) -> None:
        super().__init__(limit_s)
        self._met: dict[tuple[str, int], tuple[int, int]] = {}

    def stand_at(self, place, *, offset, cut, now_s):
        self._met[place] = offset, cut
        if any(ruling.cut == cut for ruling in self.queue) and cut not in self.given_up:
            return self._stand(cut, offset, "the marker is the line", now_s)
        return super().stand_at(place, offset=offset, cut=cut, now_s=now_s)

    def ready(self, positions):
        if not self.queue or self.queue[0].cut is None:
            return super().ready(positions)
        head = self.queue[0]
        for topic, partition, offset in head.floor:
            place = topic, partition
            at = positions.get(place, offset)
            if at < offset and self._met.get(place) != (at, head.cut):
                return None
        return head


@bug
def switching_at_the_marker_instead_of_the_vector(stack: ExitStack) -> None:
    """A duplicated marker is taken for the line."""
    _set(stack, alignment, "Alignment", _AtTheMarker)


@bug
def unknown_markers_are_ignored(stack: ExitStack) -> None:
    """A marker whose cut is not read yet is stepped over."""
    stand_at = Alignment.stand_at

    def ignoring(self, place, *, offset, cut, now_s):
        if cut >= self._known_below:
            return None
        return stand_at(self, place, offset=offset, cut=cut, now_s=now_s)

    _set(stack, Alignment, "stand_at", ignoring)


@bug
def markers_of_the_open_cut_are_stepped_over(stack: ExitStack) -> None:
    """Only committed cuts make an agent stop."""
    _set(stack, alignment, "open_cut_for", lambda picture, member: None)


@bug
def a_late_commit_is_enacted_at_once(stack: ExitStack) -> None:
    """The head of the queue does not wait for the partitions."""
    _set(stack, Alignment, "ready", lambda self, positions: self.queue[0] if self.queue else None)


@bug
def a_cut_is_enacted_when_one_partition_is_there(stack: ExitStack) -> None:
    """Any instead of all."""

    def ready(self, positions):
        head = self.queue[0] if self.queue else None
        there = [
            positions[topic, partition] >= offset
            for topic, partition, offset in (head.floor if head else ())
            if (topic, partition) in positions
        ]
        return head if not there or any(there) else None

    _set(stack, Alignment, "ready", ready)


@bug
def giving_up_one_cut_gives_up_all(stack: ExitStack) -> None:
    """Nothing is held any more once an agent has given up."""
    stand_at = Alignment.stand_at

    def careless(self, place, *, offset, cut, now_s):
        if self.given_up:
            return None
        return stand_at(self, place, offset=offset, cut=cut, now_s=now_s)

    _set(stack, Alignment, "stand_at", careless)
    _set(stack, Alignment, "next_stop", lambda self, place, position: None)


@bug
def an_audit_holds_its_agents(stack: ExitStack) -> None:
    """An open audit is held for like a version's cut."""
    _set(stack, alignment, "open_cut_for", lambda picture, member: picture.coordination.open_cut)


@bug
def an_agent_serves_while_an_immediate_is_ahead(stack: ExitStack) -> None:
    """What is known to be broken is read on."""
    _set(stack, Alignment, "refuses", property(lambda self: False))


# Whom a decision is for.


@bug
def admission_by_the_active_release(stack: ExitStack) -> None:
    """A policy is judged from what is served at the moment, not from what it names."""
    queue = enactment.rulings_for

    def by_the_active(picture, member, *, after):
        run = enactment.declarations(picture, member.consumer)
        found = queue(picture, member, after=after)
        if not run or run[-1].payload.policy is not PolicyKind.COMPATIBLE:
            return found
        bundle = run[0].payload.bundle
        releases = [recorded.payload for recorded in picture.releases[bundle]]
        enacted = [each for each in picture.coordination.rulings.get(bundle, ()) if each.epoch == after]
        active = enacted[0].to_release if enacted else 1
        return tuple(
            ruling
            for ruling in found
            if ruling.to_release >= active and fits(releases[active - 1], releases[ruling.to_release - 1])
        )

    _set(stack, alignment, "rulings_for", by_the_active)


@bug
def the_cohort_is_judged_by_the_name_of_the_pod(stack: ExitStack) -> None:
    """An agent's name changes with each start."""
    start = SimAgent.start

    def renamed(self):
        self.life = self.life + 1
        start(self)

    _set(stack, SimAgent, "start", renamed)
    _set(
        stack,
        SimAgent,
        "member",
        property(lambda self: Member(self.consumer, f"{self.instance}-{self.life:x}")),
    )


@bug
def policies_are_judged_as_they_stand_now(stack: ExitStack) -> None:
    """A subscription that changes changes what was decided before."""
    _set(stack, enactment, "declared_at", lambda run, offset: run[-1].payload)


@bug
def what_was_let_go_is_not_warmed_for_its_rollout(stack: ExitStack) -> None:
    """A rollout back to it waits for ever for agents that do not read its topics."""
    warm = enactment.releases_to_warm

    def forgetting(picture, member, *, active, applied):
        without = replace(picture, coordination=replace(picture.coordination, rollouts={}))
        return warm(without, member, active=active, applied=applied)

    _set(stack, enactment, "releases_to_warm", forgetting)


@bug
def an_abort_comes_first_however_late(stack: ExitStack) -> None:
    """A commit that has overtaken it stands, and the rollout is over as if nothing were live."""
    _set(stack, steps, "_asked_back", lambda rollout: rollout.asked_to(RolloutAction.ROLLBACK))


# The state.


@bug
def a_tombstone_is_dropped_at_the_delete(stack: ExitStack) -> None:
    """A late older update raises the dead."""
    join = joining.join

    def forgetting(*args, **more):
        write = join(*args, **more)
        gone = {key for _, key in write.tombstones_added}
        if not gone:
            return write
        left = [(key, cell) for key, cell in zip(write.keys, write.cells, strict=True) if key not in gone]
        dead = [(key, cell) for key, cell in zip(write.keys, write.cells, strict=True) if key in gone]
        digest = write.state.digest.changed(
            added=((), ()),
            removed=(key_buckets([key for key, _ in dead]), cell_heads([cell for _, cell in dead]).hashes),
        )
        return replace(
            write,
            state=replace(write.state, digest=digest, cells=write.state.cells - len(dead)),
            keys=[key for key, _ in left],
            cells=[cell for _, cell in left],
            dropped=sorted(gone),
            tombstones_added=(),
        )

    _set(stack, joining, "join", forgetting)


@bug
def tombstones_are_collected_on_reading_the_commit(stack: ExitStack) -> None:
    """Not at the marker, where all agents do it at the same position."""
    learn = SimAgent._learn
    collect = SimAgent._stepped_over

    def learning(self, copies):
        before = {ruling.epoch for ruling in self.alignment.queue}
        learn(self, copies)
        if any(ruling.epoch not in before for ruling in self.alignment.queue):
            for place, state in list(self.states.items()):
                late = self.log[place].late_arrival_us
                before_us = joining.collectable_before_us(state.t_ms, late)
                with self.store.snapshot() as snapshot:
                    found = snapshot.tombstones(*place, before_us) if before_us is not None else []
                    cells = [snapshot.cell(*place, key) for _, key in found]
                if not found:
                    continue
                write = joining.step_over_marker(
                    state,
                    topic=place[0],
                    partition=place[1],
                    offset=state.next_offset - 1,
                    timestamp_ms=state.t_ms,
                    collected=found,
                    collected_cells=cells,
                )
                self._commit(place, write)

    def stepping(self, place, marker):
        _ = collect
        return joining.step_over_marker(
            self.states[place],
            topic=place[0],
            partition=place[1],
            offset=marker.offset,
            timestamp_ms=marker.timestamp_ms,
        )

    _set(stack, SimAgent, "_learn", learning)
    _set(stack, SimAgent, "_stepped_over", stepping)


@bug
def only_markers_that_hold_collect_tombstones(stack: ExitStack) -> None:
    """Markers of other cuts, of aborted ones and of audits leave them."""
    collect = SimAgent._stepped_over

    def stepping(self, place, marker):
        cut = self.picture.coordination.cuts.get(marker.cut)
        if cut is not None and cut.vector:
            return collect(self, place, marker)
        return joining.step_over_marker(
            self.states[place],
            topic=place[0],
            partition=place[1],
            offset=marker.offset,
            timestamp_ms=marker.timestamp_ms,
        )

    _set(stack, SimAgent, "_stepped_over", stepping)


@bug
def the_proof_is_taken_after_the_collection(stack: ExitStack) -> None:
    """The ring remembers the digest that the marker's own collection leaves."""
    step = joining.step_over_marker

    def stepping(state, **more):
        write = step(state, **more)
        ring = (*write.state.ring[:-1], RingEntry(more["offset"], write.state.digest.total))
        return replace(write, state=replace(write.state, ring=ring))

    _set(stack, joining, "step_over_marker", stepping)


@bug
def markers_do_not_raise_t(stack: ExitStack) -> None:
    """What is late is judged by updates alone."""
    step = joining.step_over_marker
    _set(
        stack,
        joining,
        "step_over_marker",
        lambda state, **more: step(state, **{**more, "timestamp_ms": state.t_ms}),
    )


@bug
def the_last_to_arrive_wins(stack: ExitStack) -> None:
    """By offset, as Kafka's own compaction would have it."""
    winners = joining.winners
    _set(stack, joining, "winners", lambda updates: winners(replace(updates, event_times_us=updates.offsets)))


@bug
def positions_are_stored_without_their_cells(stack: ExitStack) -> None:
    """Two transactions, and a crash between them."""
    commit = SimAgent._commit

    def torn(self, place, write):
        if len(write.keys) > 1:
            commit(self, place, replace(write, keys=write.keys[:1], cells=write.cells[:1]))
        else:
            commit(self, place, write)

    _set(stack, SimAgent, "_commit", torn)


@bug
def the_epoch_is_not_stored_with_the_release(stack: ExitStack) -> None:
    """After a crash the release is the new one, and the epoch the old one."""
    settle = SimAgent.settle

    def settling(self, *, now_s, copies):
        before = self.serving
        settle(self, now_s=now_s, copies=copies)
        if before is not None and self.serving is not None and self.serving != before:
            self.store.commit([], {SERVING: replace(self.serving, epoch=before.epoch).pack()})

    _set(stack, SimAgent, "settle", settling)


# Snapshots, and the log's head.


@bug
def a_snapshot_is_torn(stack: ExitStack) -> None:
    """Positions are of one moment and cells of another."""
    copy = SimAgent.copy
    earlier: dict[str, Copy] = {}

    def torn(self):
        now = copy(self)
        before = earlier.get(self.name)
        if now is None:
            return None
        earlier[self.name] = now
        if before is None or before.states.keys() != now.states.keys():
            return now
        return replace(now, states=before.states)

    _set(stack, SimAgent, "copy", torn)


@bug
def a_snapshot_carries_the_release_of_its_donor(stack: ExitStack) -> None:
    """What the donor had enacted is taken for enacted."""
    copy = SimAgent.copy

    def carrying(self):
        found = copy(self)
        with self.store.snapshot() as snapshot:
            return None if found is None else replace(found, serving=snapshot.meta(SERVING))

    _set(stack, SimAgent, "copy", carrying)


@bug
def a_state_with_a_trimmed_head_is_a_donor(stack: ExitStack) -> None:
    """What is wrong is handed on as if it were proven."""
    copy = SimAgent.copy

    def anything(self):
        kept = dict(self.states)
        with self.store.snapshot() as snapshot:
            trimmed = [place for place in kept if (state := snapshot.state(*place)) and state.head_trimmed]
            states = {place: snapshot.state(*place) for place in snapshot.partitions() if place in kept}
            if not trimmed:
                return copy(self)
            return Copy(
                {place: replace(state, head_trimmed=False) for place, state in states.items() if state},
                {place: dict(snapshot.scan(*place)) for place in states},
                {place: snapshot.tombstones(*place, 1 << 62) for place in states},
                self.name,
            )

    _set(stack, SimAgent, "copy", anything)


@bug
def a_trimmed_position_jumps_to_where_the_log_begins(stack: ExitStack) -> None:
    """`auto.offset.reset=earliest`."""
    read = Partition.read

    def jumping(self, position, count):
        try:
            return read(self, position, count)
        except OutOfRangeError:
            return read(self, self.first, count)

    _set(stack, Partition, "read", jumping)
