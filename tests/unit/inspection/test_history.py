"""The history of decisions: a sentence for each kind, and which records are meant."""

from __future__ import annotations

import typing
from datetime import date

import pytest

from syncline.catalog.events import (
    BundleReleased,
    Decision,
    Payload,
    PolicyKind,
    RecordSkipped,
    SchemaRefused,
    SubscriptionDeclared,
    encode_decision,
)
from syncline.catalog.fold import Picture
from syncline.catalog.lifecycle_events import SubscriptionWithdrawn, ViewVersionDeprecated, ViewVersionRetired
from syncline.catalog.rollout_events import (
    AuditRequested,
    Claimed,
    Cohort,
    CutAborted,
    CutCommitted,
    CutKind,
    CutPrepared,
    Immediate,
    RolloutAction,
    RolloutAdvanced,
    RolloutFinished,
    RolloutMode,
    RolloutOutcome,
    RolloutPaused,
    RolloutRequested,
)
from syncline.contracts.model import Version
from syncline.errors import UnknownBundle
from syncline.inspection.history import NO_DECISION, Wanted, read_on, require_known
from syncline.inspection.sentences import KINDS, names_of, sentence
from tests.unit.agent.world import registration, release, subscription
from tests.unit.state.world import Version as View

V1 = Version(1, 0)
TOPIC = "syncline.features.delay.v1"
VIEW = View.make(7)


def prepared(kind: CutKind = CutKind.VERSION) -> CutPrepared:
    """A cut of one topic with two partitions."""
    return CutPrepared(5, 4, kind, "inputs", 1, 2, Cohort(("model",)), ((TOPIC, 2),), 9, 3)


SAYS: dict[str, tuple[Payload, str]] = {
    "registered": (
        registration(VIEW),
        "delay@1.0 registered under schema id 7 on syncline.features.delay.v1, owner tests",
    ),
    "released": (release(VIEW), "inputs@1 released: delay@1.0"),
    "declared": (
        SubscriptionDeclared(
            "model", "inputs", PolicyKind.PIN, 1, (("tier", "gold"),), model_name="m", model_version="3"
        ),
        "model subscribed to inputs: pin: 1, model m@3, tier=gold",
    ),
    "withdrawn": (SubscriptionWithdrawn("model"), "the subscription of model withdrawn"),
    "skipped": (
        RecordSkipped(TOPIC, 0, 5),
        "the record syncline.features.delay.v1[0] at 5 skipped where it holds",
    ),
    "refused": (SchemaRefused(9), "schema id 9 refused: its records go to the dead letters"),
    "deprecated": (
        ViewVersionDeprecated("delay", V1, date(2027, 1, 1), date(2027, 2, 1), "delay@2.0"),
        "delay@1.0 deprecated from 2027-01-01, supported until 2027-02-01; instead: delay@2.0",
    ),
    "retired": (ViewVersionRetired("delay", V1), "delay@1.0 retired"),
    "claimed": (Claimed(-1, "c1"), "c1 took over as coordinator"),
    "prepared": (
        prepared(),
        "cut 41 prepared: from inputs@1 to inputs@2 at 2 positions, for consumer model",
    ),
    "audit prepared": (prepared(CutKind.AUDIT), "cut 41 prepared: an audit of inputs@2 at 2 positions"),
    "committed": (CutCommitted(5, 4, 8, ((TOPIC, 0, 3), (TOPIC, 1, 4))), "cut 8 committed"),
    "aborted": (CutAborted(5, 4, 8), "cut 8 aborted"),
    "immediate": (Immediate(5, 4, "inputs", 1, Cohort(), (), 3), "back to inputs@1 at once, for everyone"),
    "advanced": (
        RolloutAdvanced(5, 4, 3, "inputs", "live", 9),
        "the rollout of inputs asked for at 3 is live",
    ),
    "paused": (RolloutPaused(5, 4, 3, "inputs"), "the rollout of inputs asked for at 3 waits for a person"),
    "finished": (
        RolloutFinished(5, 4, 3, "inputs", 2, RolloutOutcome.FINAL),
        "the rollout of inputs asked for at 3 is final: inputs@2 stands",
    ),
    "start": (
        RolloutRequested("inputs", RolloutAction.START, 1, 2, final_after_us=3_600_000_000),
        "asked to bring inputs@2 live for everyone, final after 1 h",
    ),
    "promote": (
        RolloutRequested("inputs", RolloutAction.PROMOTE, 1, 2),
        "asked to take the rollout to inputs@2 on",
    ),
    "pause": (
        RolloutRequested("inputs", RolloutAction.PAUSE, 1, 2),
        "asked to pause the rollout to inputs@2",
    ),
    "abort": (
        RolloutRequested("inputs", RolloutAction.ABORT, 1, 2),
        "asked to abort the rollout to inputs@2",
    ),
    "rollback": (
        RolloutRequested("inputs", RolloutAction.ROLLBACK, 2, 1, mode=RolloutMode.IMMEDIATE),
        "asked to roll back to inputs@1 at once",
    ),
    "audit": (
        AuditRequested("inputs", ((TOPIC, 0, 3),)),
        "asked for an audit of inputs, with the cells of 1 sub-digests",
    ),
}


@pytest.mark.parametrize("name", SAYS)
def test_each_kind_of_decision_is_one_sentence(name: str) -> None:
    """P11: what was decided can be read without knowing the record's form."""
    payload, said = SAYS[name]

    assert sentence(payload, 41, Picture()) == said
    assert names_of(payload, Picture()) or isinstance(payload, CutCommitted | CutAborted)


def test_every_kind_of_decision_has_a_sentence() -> None:
    """The kinds are those of the union that the catalog holds, and each is shown above."""
    union = {kind.__name__ for kind in typing.get_args(Payload)}

    assert set(KINDS) == union
    assert {type(payload).__name__ for payload, _ in SAYS.values()} == union


def record(payload: Payload, based_on: int, *, actor: str = "ada", at_us: int = 0) -> bytes:
    """A decision's bytes."""
    return encode_decision(Decision("id", at_us, actor, "because", based_on, payload))


def story() -> list[tuple[int, bytes | None]]:
    """A rollout whose cut is committed, a void release, junk, and a request that was too late."""
    second: BundleReleased = release(VIEW, number=2)
    rows: list[bytes | None] = [
        record(registration(VIEW), 0, at_us=1_000),
        record(release(VIEW), 1),
        record(second, 2),
        record(subscription(), 3),
        record(second, 2, actor="bob"),
        b"junk",
        record(RolloutRequested("inputs", RolloutAction.START, 1, 2), 6, actor="bob"),
        record(Claimed(-1, "c1"), 0, actor="c1"),
        record(
            CutPrepared(7, 7, CutKind.VERSION, "inputs", 1, 2, Cohort(), ((TOPIC, 1),), 9, 6), 0, actor="c1"
        ),
        record(CutCommitted(8, 7, 8, ((TOPIC, 0, 3),)), 0, actor="c1", at_us=5_000),
    ]
    return list(enumerate(rows))


def test_the_history_marks_what_does_not_count_and_why() -> None:
    """Void decisions and junk stay in their places; cuts are told by what they are for."""
    history = read_on(Picture(), story())

    assert [entry.offset for entry in history.entries] == list(range(10))
    void = {entry.offset: entry.void for entry in history.entries if entry.void}
    assert set(void) == {4, 5}
    assert "was changed at catalog offset 2" in void[4]
    assert (history.entries[5].kind, history.entries[5].actor) == (NO_DECISION, "")
    assert history.entries[9].what == "cut 8 committed: inputs@2 at 1 positions"
    assert history.unreadable == ""


@pytest.mark.parametrize("split", range(11))
def test_read_on_in_two_pieces_is_read_at_once(split: int) -> None:
    """What `--follow` shows later is what is shown to whoever looks then."""
    whole = read_on(Picture(), story())
    first = read_on(Picture(), story()[:split])
    second = read_on(first.picture, story()[split:])

    assert second.picture == whole.picture
    got = [(entry.offset, entry.kind, entry.void) for entry in (*first.entries, *second.entries)]
    assert got == [(entry.offset, entry.kind, entry.void) for entry in whole.entries]


def test_a_record_of_a_newer_form_ends_what_can_be_read() -> None:
    """What stands before it is told, and that nothing after it can be."""
    newer = b"\xc3\x01" + b"\x07" * 8 + b"rest"
    records = [*story()[:3], (3, newer), *story()[4:]]

    history = read_on(Picture(), records)

    assert [entry.offset for entry in history.entries] == [0, 1, 2]
    assert history.unreadable.startswith("the record at catalog offset 3: ")


MEANT = {
    "everything": (Wanted(), set(range(10))),
    "by actor": (Wanted(actor="bob"), {4, 6}),
    "by kind": (Wanted(kinds=frozenset({"CutPrepared", "CutCommitted"})), {8, 9}),
    "about a view": (Wanted(about="delay"), {0, 1, 2, 4}),
    "about a view version": (Wanted(about="delay@1.0"), {0, 1, 2, 4}),
    "about a bundle": (Wanted(about="inputs"), {1, 2, 3, 4, 6, 8, 9}),
    "about a release": (Wanted(about="inputs@2"), {2, 4, 6, 8, 9}),
    "about a consumer": (Wanted(about="model"), {3}),
    "since": (Wanted(since_us=1_000), {0, 9}),
    "until": (Wanted(since_us=1, until_us=1_000), {0}),
    "void": (Wanted(void=True), {4, 5}),
    "counted": (Wanted(void=False, actor="bob"), {6}),
}


@pytest.mark.parametrize("name", MEANT)
def test_what_is_meant(name: str) -> None:
    """Every filter alone; both ends of times are included."""
    wanted, offsets = MEANT[name]

    found = {entry.offset for entry in read_on(Picture(), story()).entries if wanted.admits(entry)}

    assert found == offsets


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    """A name nothing is about, and somebody who decided nothing."""
    history = read_on(Picture(), story())
    require_known(history, about="inputs", actor="bob")

    with pytest.raises(UnknownBundle, match="Did you mean `inputs`"):
        require_known(history, about="input", actor=None)
    with pytest.raises(UnknownBundle, match="Did you mean `ada`"):
        require_known(history, about=None, actor="adam")
