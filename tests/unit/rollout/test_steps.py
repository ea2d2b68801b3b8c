"""What a coordinator does next: one thing at a time, a function of what stands, of its markers and of the fleet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.catalog.coordination import CutState
from syncline.catalog.enactment import Member
from syncline.catalog.rollout_events import (
    AuditRequested,
    Cohort,
    CutAborted,
    CutKind,
    CutPrepared,
    Immediate,
    RolloutAction,
    RolloutFinished,
    RolloutMode,
    RolloutOutcome,
    RolloutPaused,
)
from syncline.rollout.alignment import Place
from syncline.rollout.readiness import WARM_ROWS, Readiness
from syncline.rollout.step import Append, Lost, Mark, Step, View, Wait
from syncline.rollout.steps import ATTEMPTS_MAX, next_step
from tests.unit.catalog.coordination_book import (
    BUNDLE,
    COUNTS,
    IMMEDIATE,
    OTHER,
    PARTITIONS,
    TOPICS,
    Book,
    request,
    vector,
)

TIMEOUT_US = 10_000_000
PLACES = [(topic, number) for topic in TOPICS for number in range(PARTITIONS)]
ALL = {(topic, number): offset for topic, number, offset in vector()}


@pytest.fixture
def book() -> Book:
    """Two bundles with three releases; c1 has claimed."""
    book = Book()
    book.claim("c1")
    return book


def after(
    book: Book,
    *,
    acknowledged: Mapping[Place, int] | None = None,
    fleet: Sequence[Readiness] = (),
    claim: int | None = None,
) -> Step:
    """The next step of the coordinator whose claim stands, or of another."""
    return next_step(
        View(
            picture=book.picture,
            claim=book.standing.claim if claim is None else claim,
            now_us=book.now_us,
            prepare_timeout_us=TIMEOUT_US,
            partitions_of=lambda _: PARTITIONS,
            acknowledged=acknowledged or {},
            fleet=fleet,
        )
    )


def appended(step: Step) -> Any:
    """The payload of what is to be appended."""
    assert isinstance(step, Append)
    assert step.reason
    return step.payload


def agent(instance: str = "a", **stated: Any) -> Readiness:
    """An agent that is ready for every release."""
    warm: dict[str, int | None] = dict.fromkeys(TOPICS, 0)
    ready = Readiness(Member("model", instance), BUNDLE, read_to=1_000, cannot_serve={}, behind=warm)
    return replace(ready, **stated)


def test_nothing_asked_nothing_done(book: Book) -> None:
    """Releases alone go nowhere: somebody has to ask."""
    assert after(book) == Wait()


def test_a_claim_that_is_lost_ends_everything(book: Book) -> None:
    """P9: whatever it would write is void."""
    mine = book.standing.claim
    book.counts(request())
    book.claim("c2")

    assert after(book, claim=mine) == Lost("c2")


def test_a_rollout_begins_with_a_cut_over_all_partitions_of_both_releases(book: Book) -> None:
    """Its deadline is by the coordinator's own clock."""
    asked = book.counts(request())

    payload = appended(after(book))

    assert payload == book.prepared(asked, deadline_us=book.now_us + TIMEOUT_US)
    assert payload.partitions == COUNTS
    book.counts(payload)


def test_markers_are_written_where_none_is_acknowledged(book: Book) -> None:
    """The others are left alone."""
    _, cut = book.opened()

    assert after(book) == Mark(cut, tuple(PLACES))
    assert after(book, acknowledged={PLACES[1]: 7}) == Mark(cut, (PLACES[0], *PLACES[2:]))


def test_all_acknowledged_is_committed_at_their_offsets(book: Book) -> None:
    """Even past the deadline: what is complete is complete."""
    _, cut = book.opened()
    book.now_us += 2 * TIMEOUT_US

    assert appended(after(book, acknowledged=ALL)) == book.committed(cut)


def test_past_the_deadline_it_is_aborted_by_name(book: Book) -> None:
    """A person reads which topics and partitions it was, of many only the first."""
    _, cut = book.opened()
    book.now_us += TIMEOUT_US
    found = dict(ALL)
    del found[PLACES[3]]

    step = after(book, acknowledged=found)

    assert appended(step) == book.aborted(cut)
    assert isinstance(step, Append)
    assert step.reason == f"no marker was acknowledged in time in {TOPICS[1]} partition 1"


def test_of_many_partitions_without_a_marker_five_are_named() -> None:
    """The reason stays readable, whatever the number of partitions."""
    book = Book()
    book.claim()
    asked = book.counts(request())
    book.counts(book.prepared(asked, partitions=tuple((topic, 100) for topic in TOPICS)))
    book.now_us += 2 * TIMEOUT_US

    step = after(book)

    assert isinstance(step, Append)
    assert step.reason.endswith(f"{TOPICS[0]} partition 4 and 195 more")


def test_one_cut_at_a_time(book: Book) -> None:
    """While one is open, nothing else is begun, whatever was asked for first."""
    _, cut = book.opened()
    book.counts(request(bundle=OTHER))
    book.counts(AuditRequested(BUNDLE))

    assert after(book) == Mark(cut, tuple(PLACES))


def test_the_oldest_request_comes_first(book: Book) -> None:
    """And one that waits does not hold the others."""
    book.counts(request())
    book.counts(request(bundle=OTHER))
    assert appended(after(book)).bundle == BUNDLE

    waiting = [agent(cannot_serve={2: "too old"})]

    assert appended(after(book, fleet=waiting)).bundle == OTHER


def test_after_the_commit_it_is_live_then_it_waits(book: Book) -> None:
    """P11: the step names the decision."""
    asked, epoch = book.live()
    payload = appended(after(book))
    assert payload == book.advanced(asked, epoch)
    book.counts(payload)

    assert after(book) == Wait()


def test_a_promote_makes_it_final_only_once_it_is_live(book: Book) -> None:
    """One that was asked for before means: do not wait for warming."""
    asked = book.counts(request())
    book.counts(request(RolloutAction.PROMOTE))
    cut = book.counts(appended(after(book)))
    epoch = book.counts(book.committed(cut))
    book.counts(book.advanced(asked, epoch))
    assert after(book) == Wait()

    book.counts(request(RolloutAction.PROMOTE))

    assert appended(after(book)) == book.finished(asked, 2)


def test_it_is_final_by_itself_after_its_time(book: Book) -> None:
    """Counted from when the commit was recorded, so that a successor comes to the same."""
    asked, cut = book.opened(final_after_us=60_000_000)
    epoch = book.counts(book.committed(cut))
    book.counts(book.advanced(asked, epoch))
    book.now_us += 59_999_999
    assert after(book) == Wait()

    book.now_us += 1

    assert appended(after(book)) == book.finished(asked, 2)


# Going back


def test_a_rollback_by_cut_goes_the_same_way_back(book: Book) -> None:
    """Prepare, markers, commit; then it is over."""
    asked, _ = book.live()
    book.counts(request(RolloutAction.ROLLBACK))

    back = appended(after(book))
    assert (back.from_release, back.to_release, back.partitions) == (2, 1, COUNTS)
    cut = book.counts(back)
    book.counts(appended(after(book, acknowledged=dict.fromkeys(PLACES, 50))))

    assert appended(after(book)) == book.finished(asked, 1, RolloutOutcome.ROLLED_BACK)
    assert book.standing.cuts[cut].state is CutState.COMMITTED


def test_an_immediate_rollback_comes_before_everything_else(book: Book) -> None:
    """Even before the open cut of another bundle, which it aborts."""
    asked, _ = book.live()
    other = book.counts(request(bundle=OTHER))
    book.counts(book.prepared(other, bundle=OTHER))
    book.counts(request(RolloutAction.ROLLBACK, mode=IMMEDIATE))

    payload = appended(after(book))
    assert isinstance(payload, Immediate)
    assert (payload.to_release, payload.floor) == (1, ())
    book.counts(payload)

    assert appended(after(book)) == book.finished(asked, 1, RolloutOutcome.ROLLED_BACK)


def test_its_floor_is_the_vector_of_the_cut_that_introduced_the_release(book: Book) -> None:
    """P4: nobody serves a state too early for it."""
    asked, _ = book.live()
    book.counts(book.finished(asked, 2))
    again = book.counts(request(source=2, to=3))
    cut = book.counts(book.prepared(again, from_release=2, to_release=3, partitions=COUNTS[1:]))
    book.counts(book.committed(cut, vector()[2:]))
    book.counts(request(RolloutAction.ROLLBACK, source=2, to=2, mode=IMMEDIATE))

    payload = appended(after(book))

    assert payload.floor == vector()
    book.counts(payload)


def test_a_rollback_that_does_not_get_through_can_be_made_immediate(book: Book) -> None:
    """Its open cut is cancelled by the Immediate."""
    book.live()
    book.counts(request(RolloutAction.ROLLBACK))
    cut = book.counts(appended(after(book)))
    book.counts(request(RolloutAction.ROLLBACK, mode=IMMEDIATE))

    book.counts(appended(after(book)))

    assert book.standing.cuts[cut].state is CutState.ABORTED
    assert isinstance(appended(after(book)), RolloutFinished)


def test_an_abort_stops_the_open_cut_and_ends_the_rollout(book: Book) -> None:
    """P11: both records say who asked, and why."""
    asked, cut = book.opened()
    book.counts(request(RolloutAction.ABORT))

    step = after(book, acknowledged=ALL)
    assert isinstance(step, Append)
    assert (step.payload, step.reason) == (book.aborted(cut), "abort asked for by tests: because")
    book.counts(step.payload)

    assert appended(after(book)) == book.finished(asked, 1, RolloutOutcome.ABORTED)


def test_an_abort_that_a_commit_has_overtaken_goes_back(book: Book) -> None:
    """P4: what is live must not end as if it never had been."""
    asked, cut = book.opened()
    commit = book.committed(cut)
    book.counts(request(RolloutAction.ABORT))
    book.counts(commit)

    back = appended(after(book))
    assert isinstance(back, CutPrepared)
    assert (back.from_release, back.to_release) == (2, 1)
    book.counts(back)
    book.counts(appended(after(book, acknowledged=dict.fromkeys(PLACES, 50))))

    assert appended(after(book)) == book.finished(asked, 1, RolloutOutcome.ROLLED_BACK)


# Cuts that fail


def fail(book: Book, times: int) -> None:
    """Cuts whose time runs out."""
    for _ in range(times):
        book.counts(appended(after(book)))
        book.now_us += TIMEOUT_US
        payload = appended(after(book))
        assert isinstance(payload, CutAborted)
        book.counts(payload)


def test_after_three_failures_a_person_is_asked(book: Book) -> None:
    """It is said once in the catalog, and again and again in what it reports."""
    asked = book.counts(request())
    fail(book, ATTEMPTS_MAX)

    step = after(book)
    assert isinstance(step, Append)
    assert step.payload == book.paused(asked)
    assert step.reason.startswith("3 cuts failed: ")
    book.counts(step.payload)

    found = after(book)
    assert isinstance(found, Wait)
    assert "`syncline rollout promote inputs`" in found.reasons[0]


def test_a_promote_gives_it_three_more(book: Book) -> None:
    """And it is paused again after them."""
    book.counts(request())
    fail(book, ATTEMPTS_MAX)
    book.counts(appended(after(book)))
    book.counts(request(RolloutAction.PROMOTE))

    fail(book, ATTEMPTS_MAX)

    assert isinstance(appended(after(book)), RolloutPaused)


def test_cuts_that_takeovers_aborted_are_no_failures(book: Book) -> None:
    """A rolling restart of coordinators says nothing of the partitions."""
    book.counts(request())
    for _ in range(ATTEMPTS_MAX + 1):
        book.counts(appended(after(book)))
        book.claim("c2")

    assert isinstance(appended(after(book)), CutPrepared)


def test_cuts_that_stopped_coordinators_aborted_are_no_failures(book: Book) -> None:
    """Nor does one that is asked to end and leaves no cut open."""
    book.counts(request())
    for _ in range(ATTEMPTS_MAX + 1):
        cut = book.counts(appended(after(book)))
        book.counts(book.aborted(cut))

    assert isinstance(appended(after(book)), CutPrepared)


def test_a_rollback_has_attempts_of_its_own(book: Book) -> None:
    """What failed on the way there says nothing of the way back."""
    book.counts(request())
    fail(book, ATTEMPTS_MAX - 1)
    cut = book.counts(appended(after(book)))
    book.counts(book.committed(cut))
    book.counts(request(RolloutAction.ROLLBACK))

    fail(book, ATTEMPTS_MAX)

    assert isinstance(appended(after(book)), RolloutPaused)


def test_a_pause_that_was_asked_for_holds_until_a_promote(book: Book) -> None:
    """P11: who paused it stands in the catalog."""
    asked = book.counts(request())
    book.counts(request(RolloutAction.PAUSE))
    step = after(book)
    assert isinstance(step, Append)
    assert (step.payload, step.reason) == (book.paused(asked), "paused by tests: because")
    book.counts(step.payload)
    assert isinstance(after(book), Wait)

    book.counts(request(RolloutAction.PROMOTE))

    assert isinstance(appended(after(book)), CutPrepared)


# Audits


def test_an_audit_covers_what_stands_and_what_a_rollout_brings(book: Book) -> None:
    """Agents keep both: proof is of both."""
    asked = book.counts(request())
    audit = book.counts(AuditRequested(BUNDLE))

    payload = appended(after(book, fleet=[agent(cannot_serve={2: "too old"})]))

    assert (payload.kind, payload.request) == (CutKind.AUDIT, audit)
    assert (payload.from_release, payload.to_release) == (1, 2)
    assert asked < audit
    book.counts(payload)


def test_an_audit_is_made_once(book: Book) -> None:
    """And tried three times at most."""
    book.counts(AuditRequested(BUNDLE))
    cut = book.counts(appended(after(book)))
    book.counts(book.committed(cut, vector()[:2]))
    assert after(book) == Wait()

    book.counts(AuditRequested(BUNDLE))
    fail(book, ATTEMPTS_MAX)

    assert after(book) == Wait()


# The fleet

SECOND_COLD = {TOPICS[0]: 0}


@pytest.mark.parametrize(
    ("stated", "why"),
    [
        ({"cannot_serve": {2: "too old"}}, "inputs: model/a cannot serve inputs@2: too old"),
        ({"read_to": 3}, "inputs: model/a has not read of inputs@2 yet"),
        ({"behind": SECOND_COLD}, f"inputs: model/a is still warming inputs@2: it does not read {TOPICS[1]} yet"),
        (
            {"behind": dict.fromkeys(TOPICS, WARM_ROWS + 1)},
            f"inputs: model/a is still warming inputs@2: it is {WARM_ROWS + 1} records behind on {TOPICS[1]}",
        ),
    ],
)  # fmt: skip
def test_agents_that_are_not_ready_are_waited_for(book: Book, stated: dict[str, Any], why: str) -> None:
    """Rule 8: the reason names the agent and what it lacks; of a ready one nothing is said."""
    book.counts(request())

    assert after(book, fleet=[agent("b"), agent(**stated)]) == Wait((why,))


@pytest.mark.parametrize(
    "stated",
    [
        {},
        {"cannot_serve": {3: "too old"}},
        {"behind": dict.fromkeys(TOPICS, WARM_ROWS)},
        {"bundle": OTHER, "cannot_serve": {2: "too old"}},
        {"member": Member("unknown", "a"), "cannot_serve": {2: "too old"}},
    ],
)
def test_agents_that_are_ready_or_not_concerned_are_not_waited_for(
    book: Book, stated: dict[str, Any]
) -> None:
    """Another release, another bundle, a consumer that nobody declared."""
    book.counts(request())

    assert isinstance(appended(after(book, fleet=[agent(**stated)])), CutPrepared)


def test_agents_outside_the_cohort_are_not_waited_for(book: Book) -> None:
    """The cut is not for them."""
    book.counts(request(cohort=Cohort(consumers=("another",))))

    assert isinstance(appended(after(book, fleet=[agent(cannot_serve={2: "too old"})])), CutPrepared)


def test_a_promote_passes_over_warming_but_over_no_agent_that_cannot_serve(book: Book) -> None:
    """It would hold until somebody upgrades it."""
    book.counts(request())
    book.counts(request(RolloutAction.PROMOTE))

    assert isinstance(appended(after(book, fleet=[agent(behind={}, read_to=0)])), CutPrepared)
    assert isinstance(after(book, fleet=[agent(cannot_serve={2: "too old"})]), Wait)


# Any history

ASKING: Sequence[Callable[[], Any]] = (
    request,
    lambda: request(bundle=OTHER),
    lambda: request(source=2, to=3),
    lambda: request(source=2, to=1),
    lambda: request(RolloutAction.PROMOTE),
    lambda: request(RolloutAction.PAUSE),
    lambda: request(RolloutAction.ABORT),
    lambda: request(RolloutAction.ROLLBACK),
    lambda: request(RolloutAction.ROLLBACK, mode=RolloutMode.IMMEDIATE),
    lambda: request(RolloutAction.ROLLBACK, source=2, to=2),
    lambda: AuditRequested(BUNDLE),
)


@given(
    st.lists(st.tuples(st.sampled_from(ASKING), st.integers(0, 6), st.booleans(), st.booleans()), max_size=8)
)
def test_a_lone_coordinator_writes_only_what_counts_and_comes_to_rest(
    history: list[tuple[Callable[[], Any], int, bool, bool]],
) -> None:
    """Whatever is asked between its steps, whether markers get through or not, and whoever takes over."""
    book = Book()
    book.claim()
    for ask, turns, markers_work, takeover in history:
        book.append(ask())
        for _ in range(turns):
            advance(book, markers_work=markers_work)
        if takeover:
            book.claim("c2")
    for _ in range(100):
        if not advance(book, markers_work=True):
            break
    else:
        raise AssertionError("it never comes to rest")

    assert book.standing.open_cut is None
    for rollouts in book.standing.rollouts.values():
        for rollout in rollouts:
            if rollout.asked_to(RolloutAction.ABORT) or rollout.asked_to(RolloutAction.ROLLBACK):
                assert (
                    rollout.outcome in (RolloutOutcome.ABORTED, RolloutOutcome.ROLLED_BACK) or rollout.paused
                )


def advance(book: Book, *, markers_work: bool) -> bool:
    """One thing done; False where there is nothing to do."""
    cut = book.standing.open_cut
    places = book.standing.cuts[cut].prepared.places() if cut is not None else []
    step = after(book, acknowledged={place: book.picture.next_offset for place in places if markers_work})
    match step:
        case Append():
            book.counts(step.payload)
        case Mark():
            book.now_us += TIMEOUT_US
        case _:
            return False
    return True
