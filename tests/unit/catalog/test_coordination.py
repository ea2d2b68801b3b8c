"""Which coordinator records and which requests count, and what stands after them (log.md, the cut)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.catalog.coordination import Coordination, CutState
from syncline.catalog.fold import Picture, fold
from syncline.catalog.rollout_events import (
    AuditRequested,
    Claimed,
    Cohort,
    CutAborted,
    CutCommitted,
    CutKind,
    CutPrepared,
    RolloutAction,
    RolloutOutcome,
)
from tests.unit.catalog.coordination_book import (
    BUNDLE,
    COUNTS,
    IMMEDIATE,
    OTHER,
    TOPICS,
    Book,
    request,
    vector,
)


@pytest.fixture
def book() -> Book:
    """Two bundles with three releases; nobody coordinates."""
    return Book()


# after and claim


def every_kind(book: Book) -> dict[str, Any]:
    """A record of each kind that would count now; release 2 is live, and an audit's cut is open."""
    asked, epoch = book.live()
    audit = book.counts(AuditRequested(OTHER))
    cut = book.counts(book.prepared(audit, kind=CutKind.AUDIT, bundle=OTHER, from_release=1, to_release=1,
                                    partitions=COUNTS[:1]))  # fmt: skip
    return {
        "commit": book.committed(cut, vector()[:2]),
        "abort": book.aborted(cut),
        "immediate": book.immediate(1),
        "advanced": book.advanced(asked, epoch),
        "paused": book.paused(asked),
        "finished": book.finished(asked, 2),
    }


KINDS = ["commit", "abort", "immediate", "advanced", "paused", "finished"]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_counts_if_its_writer_had_read_all(book: Book, kind: str) -> None:
    """What the next tests change one thing of."""
    offset = book.counts(every_kind(book)[kind])

    assert book.standing.last == offset


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_written_after_less_than_stands_is_void(book: Book, kind: str) -> None:
    """P9: `after` is compared where the record lands."""
    record = every_kind(book)[kind]

    assert "had read coordinator records up to" in book.refused(replace(record, after=record.after - 1))


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_written_under_another_claim_is_void(book: Book, kind: str) -> None:
    """P9: even by one who has read everything since."""
    record = every_kind(book)[kind]
    book.claim("c2")

    why = book.refused(replace(record, after=book.standing.last))

    assert "c2 claimed at" in why


@pytest.mark.parametrize("kind", KINDS)
def test_a_duplicate_is_void(book: Book, kind: str) -> None:
    """A client's retry that lands twice changes nothing the second time."""
    record = every_kind(book)[kind]
    book.counts(record)

    book.refused(record)


def test_nothing_counts_before_the_first_claim(book: Book) -> None:
    """Nor under a claim that is none."""
    asked = book.counts(request())

    assert "no coordinator has claimed anything yet" in book.refused(book.prepared(asked))


def test_a_claim_counts_only_after_the_last_record(book: Book) -> None:
    """Of two that claim at once, the second is void; then it has to look again."""
    book.counts(Claimed(-1, "c1"))

    book.refused(Claimed(-1, "c2"))

    assert book.standing.holder == "c1"


def test_a_claim_aborts_the_open_cut(book: Book) -> None:
    """A successor never finishes another's cut; it is no failure of the cut's, either."""
    _, cut = book.opened()

    claim = book.claim("c2")

    found = book.standing.cuts[cut]
    assert (found.state, found.decided_at, found.failed) == (CutState.ABORTED, claim, False)
    assert "aborted already" in book.refused(book.committed(cut))


def test_requests_move_no_coordinator_on(book: Book) -> None:
    """What people ask between two records of a coordinator makes neither of them void."""
    _, cut = book.opened()
    record = book.committed(cut)
    book.counts(request(RolloutAction.PAUSE))
    book.counts(AuditRequested(BUNDLE))

    book.counts(record)


# The cut


def test_a_cut_is_committed_once(book: Book) -> None:
    """P4: open, then committed, at its vector; nothing decides it again."""
    _, cut = book.opened()
    epoch = book.counts(book.committed(cut, tuple(reversed(vector()))))

    found = book.standing.cuts[cut]
    assert (found.state, found.decided_at, found.vector) == (CutState.COMMITTED, epoch, vector())
    assert "committed already" in book.refused(book.committed(cut))
    assert "committed already" in book.refused(book.aborted(cut))


def test_a_cut_is_aborted_once(book: Book) -> None:
    """It says why, and that its markers took too long."""
    _, cut = book.opened()
    book.now_us = book.standing.cuts[cut].prepared.deadline_us
    book.counts(book.aborted(cut))

    found = book.standing.cuts[cut]
    assert (found.state, found.why, found.failed) == (CutState.ABORTED, "because", True)
    assert "aborted already" in book.refused(book.committed(cut))


def test_a_cut_that_is_aborted_before_its_deadline_has_not_failed(book: Book) -> None:
    """A person asked for it, or its coordinator was stopped: the next cut may go well."""
    _, cut = book.opened()
    book.counts(book.aborted(cut))

    found = book.standing.cuts[cut]
    assert (found.state, found.failed) == (CutState.ABORTED, False)


def test_an_outcome_of_a_cut_that_never_was_is_void(book: Book) -> None:
    """As one of another catalog."""
    book.opened()

    assert book.refused(book.committed(3)) == "there is no cut 3"


def test_at_most_one_cut_is_open(book: Book) -> None:
    """In the whole catalog, whatever bundle it is of."""
    _, cut = book.opened()
    other = book.counts(request(bundle=OTHER))

    assert book.refused(book.prepared(other, bundle=OTHER)) == f"cut {cut} is open"


@pytest.mark.parametrize(
    ("stated", "why"),
    [
        ({"request": 3}, "no rollout of inputs asked for at offset 3"),
        ({"kind": CutKind.AUDIT, "request": 3}, "no audit of inputs was asked for at offset 3"),
        ({"to_release": 9}, "the rollout goes from 1 to 2"),
        ({"from_release": 0}, "the rollout goes from 1 to 2"),
        ({"partitions": COUNTS[:1]}, "its topics are"),
        ({"partitions": (*COUNTS, ("elsewhere", 1))}, "its topics are"),
        ({"partitions": (*COUNTS, COUNTS[0])}, "its topics are"),
        ({"partitions": (COUNTS[0], (TOPICS[1], 0))}, "a topic has not 1 to"),
    ],
)
def test_a_prepare_that_nobody_asked_for_or_that_leaves_something_out_is_void(
    book: Book, stated: dict[str, Any], why: str
) -> None:
    """Both releases' topics, wholly: else the vector would leave a partition out."""
    book.claim()
    asked = book.counts(request())

    assert book.refused(book.prepared(asked, **stated)).startswith(why)


@pytest.mark.parametrize(
    "where",
    [
        (),
        vector()[:-1],
        (*vector(), ("elsewhere", 0, 1)),
        (*vector()[:-1], vector()[0]),
        (*vector()[:-1], (*vector()[-1][:2], -1)),
    ],
)
def test_a_commit_has_exactly_the_cuts_partitions(book: Book, where: Any) -> None:
    """An agent could not tell where to stand in the one that is missing."""
    _, cut = book.opened()

    assert "vector" in book.refused(book.committed(cut, where))


def test_an_audit_is_committed_and_rules_nothing(book: Book) -> None:
    """Nobody has anything to enact after it."""
    book.claim()
    audit = book.counts(AuditRequested(BUNDLE))
    cut = book.counts(book.prepared(audit, kind=CutKind.AUDIT))
    book.counts(book.committed(cut))

    assert book.standing.audits[audit].cuts == (cut,)
    assert dict(book.standing.rulings) == {}


# Immediates


def test_an_immediate_goes_back_and_aborts_what_is_open(book: Book) -> None:
    """P4: else the open cut could still be committed after it, whatever bundle it is of."""
    book.live()
    other = book.counts(request(bundle=OTHER))
    cut = book.counts(book.prepared(other, bundle=OTHER))

    epoch = book.counts(book.immediate(1))

    assert book.standing.rulings[BUNDLE][-1].epoch == epoch
    assert book.standing.cuts[cut].state is CutState.ABORTED
    assert book.standing.open_cut is None


@pytest.mark.parametrize("to", [2, 3])
def test_an_immediate_goes_to_nothing_that_was_never_active(book: Book, to: int) -> None:
    """No agent has its cells."""
    book.opened()

    assert "was never active" in book.refused(book.immediate(to))


def test_an_immediate_goes_to_nothing_that_was_let_go(book: Book) -> None:
    """After the rollout is final, only a cut goes back."""
    asked, _ = book.live()
    book.counts(book.finished(asked, 2))

    assert "was let go" in book.refused(book.immediate(1))


def test_the_floor_is_the_vector_that_introduced_the_release(book: Book) -> None:
    """P4: nobody serves a state too early for it."""
    asked, _ = book.live()
    book.counts(book.finished(asked, 2))
    again = book.counts(request(source=2, to=3))
    cut = book.counts(book.prepared(again, from_release=2, to_release=3, partitions=COUNTS[1:]))
    book.counts(book.committed(cut, vector()[2:]))

    assert "its floor is not the vector" in book.refused(book.immediate(2))
    book.counts(book.immediate(2, vector()))


def test_the_same_immediate_does_not_count_twice(book: Book) -> None:
    """One whose outcome was unknown is there once."""
    book.live()
    epoch = book.counts(book.immediate(1))

    assert book.refused(book.immediate(1)) == f"the same Immediate stands at offset {epoch}"


# The steps of a rollout


def test_a_step_names_what_was_enacted(book: Book) -> None:
    """P11: `live` points at the cut that took it there."""
    asked, epoch = book.live()

    assert "nothing of this rollout was enacted" in book.refused(book.advanced(asked, epoch - 1))
    book.counts(book.advanced(asked, epoch))


def test_a_rollout_does_not_end_while_its_cut_is_open(book: Book) -> None:
    """The commit would come after the end."""
    asked, cut = book.opened()

    why = book.refused(book.finished(asked, 1, RolloutOutcome.ABORTED))

    assert why == f"its cut {cut} is open"


@pytest.mark.parametrize("release", [1, 3])
def test_a_rollout_ends_where_it_has_come_to(book: Book, release: int) -> None:
    """P4: the release that stands is the one that agents were sent to last."""
    asked, _ = book.live()

    assert "inputs@2 is what the rollout has come to" in book.refused(book.finished(asked, release))


def test_a_rollout_that_never_went_live_ends_where_it_began(book: Book) -> None:
    """Nothing was enacted."""
    book.claim()
    asked = book.counts(request())

    assert "inputs@1 is what" in book.refused(book.finished(asked, 2))
    book.counts(book.finished(asked, 1, RolloutOutcome.ABORTED))


def test_an_ended_rollout_ends_once(book: Book) -> None:
    """And takes no step more."""
    asked, epoch = book.live()
    book.counts(book.finished(asked, 2))

    for record in (book.finished(asked, 2), book.advanced(asked, epoch), book.paused(asked)):
        assert "no rollout of inputs" in book.refused(record)


# What people ask


def nothing(book: Book) -> None:
    """Nothing is under way."""
    book.claim()


def asked_only(book: Book) -> None:
    """A rollout was asked for."""
    book.counts(request())


def live(book: Book) -> None:
    """It is live."""
    book.live()


def going_back(book: Book) -> None:
    """A rollback by cut was asked for."""
    book.live()
    book.counts(request(RolloutAction.ROLLBACK))


def going_back_at_once(book: Book) -> None:
    """An immediate rollback was asked for."""
    book.live()
    book.counts(request(RolloutAction.ROLLBACK, mode=IMMEDIATE))


def aborting(book: Book) -> None:
    """An abort was asked for."""
    book.counts(request())
    book.counts(request(RolloutAction.ABORT))


def back_at_once(book: Book) -> None:
    """An immediate rollback was enacted, and is not over yet."""
    going_back_at_once(book)
    book.counts(book.immediate(1))


def overtaken(book: Book) -> None:
    """A commit has overtaken an abort: it goes back by a cut."""
    _, cut = book.opened()
    commit = book.committed(cut)
    book.counts(request(RolloutAction.ABORT))
    book.counts(commit)


def final(book: Book) -> None:
    """Release 2 is final."""
    asked, _ = book.live()
    book.counts(book.finished(asked, 2))


@pytest.mark.parametrize(
    ("given", "asked", "why"),
    [
        (asked_only, request(), "a rollout of inputs from 1 to 2 is under way"),
        (nothing, request(to=9), "inputs has no release 9"),
        (nothing, request(source=2, to=3), "inputs@1 is live, not 2"),
        (nothing, request(to=1), "inputs@1 is live already"),
        (nothing, request(mode=IMMEDIATE), "only a cut goes there"),
        (nothing, request(bundle="unknown"), "unknown has no release 2"),
        (final, request(), "inputs@2 is live, not 1"),
        (nothing, request(RolloutAction.PROMOTE), "no rollout of inputs is under way"),
        (final, request(RolloutAction.ROLLBACK), "no rollout of inputs is under way"),
        (asked_only, request(RolloutAction.ABORT, to=3), "the rollout of inputs that is under way goes from 1 to 2"),
        (live, request(RolloutAction.ROLLBACK, to=2), "the rollout of inputs that is under way goes from 1 to 2"),
        (live, request(RolloutAction.ABORT), "inputs@2 is live: roll it back instead"),
        (asked_only, request(RolloutAction.ROLLBACK), "inputs@2 is not live yet: abort the rollout instead"),
        (going_back, request(RolloutAction.ROLLBACK), "rollback was asked for"),
        (going_back_at_once, request(RolloutAction.ROLLBACK, mode=IMMEDIATE), "rollback was asked for"),
        (aborting, request(RolloutAction.PROMOTE), "abort was asked for at catalog offset 10, by tests: nothing is"),
        (aborting, request(RolloutAction.PAUSE), "by tests: nothing is left to pause"),
        (going_back_at_once, request(RolloutAction.PROMOTE, source=2), "rollback was asked for"),
        (back_at_once, request(RolloutAction.PAUSE), "by tests: nothing is left to pause"),
        (live, request(RolloutAction.PROMOTE), "inputs@2 went live for everyone at catalog offset 12"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_in_one_sentence(
    book: Book, given: Callable[[Book], None], asked: Any, why: str
) -> None:
    """P11: whoever asked reads why, and nothing has changed."""
    given(book)

    assert why in book.refused(asked)


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        (nothing, request()),
        (final, request(source=2, to=3)),
        (final, request(source=2, to=1)),
        (asked_only, request(RolloutAction.ABORT)),
        (asked_only, request(RolloutAction.PAUSE)),
        (live, request(RolloutAction.PROMOTE, source=2)),
        (live, request(RolloutAction.ROLLBACK)),
        (going_back, request(RolloutAction.PROMOTE)),
        (going_back, request(RolloutAction.PAUSE)),
        (overtaken, request(RolloutAction.PROMOTE)),
        (going_back, request(RolloutAction.ROLLBACK, mode=IMMEDIATE)),
    ],
)
def test_what_makes_sense_counts(book: Book, given: Callable[[Book], None], asked: Any) -> None:
    """Among it a rollback made immediate because its cut does not get through, and a promote that lets it through."""
    given(book)

    book.counts(asked)


@pytest.mark.parametrize("action", [RolloutAction.ABORT, RolloutAction.ROLLBACK])
def test_what_is_asked_in_an_emergency_counts_however_old_its_picture(
    book: Book, action: RolloutAction
) -> None:
    """P11: somebody else's promote between reading and asking does not hold it up."""
    (live if action is RolloutAction.ROLLBACK else asked_only)(book)
    book.counts(request(RolloutAction.PROMOTE, source=2))

    assert book.void(book.append(request(action), based_on=0)) is None
    assert book.void(book.append(request(RolloutAction.PROMOTE), based_on=0)) is not None


def test_a_promote_that_a_commit_has_overtaken_does_not_make_it_final(book: Book) -> None:
    """P11: who asked while it was not live meant not to wait, and has not said yes to letting go what was live."""
    asked, cut = book.opened()
    read_to = book.picture.next_offset
    epoch = book.counts(book.committed(cut))

    overtaken = book.append(request(RolloutAction.PROMOTE), based_on=read_to)

    assert "went live for everyone at catalog offset" in (book.void(overtaken) or "")
    book.counts(book.advanced(asked, epoch))
    book.counts(request(RolloutAction.PROMOTE, source=2))


def test_a_promote_to_everyone_that_a_commit_has_overtaken_does_not_make_it_final(book: Book) -> None:
    """P11: asked while a part of the agents served it, twice at once: the first brings it to everyone, no more."""
    some = Cohort(consumers=("model",))
    asked = book.counts(request(cohort=some))
    book.claim()
    cut = book.counts(book.prepared(asked, cohort=some))
    epoch = book.counts(book.committed(cut))
    assert "went live for consumer model" in book.refused(request(RolloutAction.PROMOTE))
    book.counts(replace(book.advanced(asked, epoch), step="canary"))
    book.counts(request(RolloutAction.PROMOTE))
    wide = book.counts(book.prepared(asked))
    read_to = book.picture.next_offset
    book.counts(book.committed(wide))

    overtaken = book.append(request(RolloutAction.PROMOTE), based_on=read_to)

    assert "went live for everyone at catalog offset" in (book.void(overtaken) or "")


# Any history


@st.composite
def histories(draw: st.DrawFn) -> list[Any]:
    """Records that two coordinators and a person might write, in any order and with any claims and knowledge."""
    offset = st.integers(-1, 32)
    kinds: list[Callable[[], Any]] = [
        lambda: Claimed(draw(offset), draw(st.sampled_from(["c1", "c2"]))),
        lambda: CutAborted(draw(offset), draw(offset), draw(offset)),
        lambda: CutCommitted(draw(offset), draw(offset), draw(offset), vector()),
        lambda: request(draw(st.sampled_from(list(RolloutAction)))),
        lambda: CutPrepared(draw(offset), draw(offset), CutKind.VERSION, BUNDLE, 1, 2, Cohort(), COUNTS, 0,
                            draw(offset)),
    ]  # fmt: skip
    return [draw(st.sampled_from(kinds))() for _ in range(draw(st.integers(1, 12)))]


def informed(payload: Any, standing: Coordination) -> Any:
    """The record as a coordinator that has read everything would write it."""
    known: dict[str, Any] = {"after": standing.last, "claim": standing.claim}
    if isinstance(payload, CutCommitted | CutAborted) and standing.open_cut is not None:
        known["cut"] = standing.open_cut
    if isinstance(payload, CutPrepared) and standing.under_way(BUNDLE):
        known["request"] = standing.rollouts[BUNDLE][-1].id
    return replace(payload, **{name: value for name, value in known.items() if hasattr(payload, name)})


@given(histories(), st.randoms(use_true_random=False))
def test_any_history_keeps_the_rules_and_is_folded_alike_in_any_pieces(
    history: list[Any], chance: Any
) -> None:
    """P9: at most one cut is open, each is decided once, and what counts was written under the claim that stood."""
    book = Book()
    for written in history:
        before = book.standing
        payload = informed(written, before) if chance.random() < 0.7 else written
        offset = book.append(payload)
        after = book.standing
        if book.void(offset) is not None:
            assert after == before
            continue
        if hasattr(payload, "after"):
            assert payload.after == before.last
            assert after.last == offset
            assert isinstance(payload, Claimed) or payload.claim == before.claim
        for cut in before.cuts.values():
            if cut.state is not CutState.OPEN:
                assert after.cuts[cut.id] == cut
        assert [cut.id for cut in after.cuts.values() if cut.state is CutState.OPEN] == (
            [] if after.open_cut is None else [after.open_cut]
        )

    pieces, rest = Picture(), list(book.records)
    while rest:
        size = chance.randint(1, len(rest))
        pieces, rest = fold(pieces, rest[:size]), rest[size:]
    assert pieces == book.picture
