"""The fold decides what counts, and everyone who folds comes to the same picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.catalog import fold as fold_module
from syncline.catalog.events import (
    BundleReleased,
    BundleView,
    Decision,
    Payload,
    PolicyKind,
    RecordSkipped,
    SchemaRefused,
    SubscriptionDeclared,
    ViewVersionRegistered,
    encode_decision,
)
from syncline.catalog.fold import Picture, fold
from syncline.contracts.model import Version
from syncline.errors import UnknownFormat
from syncline.wire.single_object import Format


def view(name: str = "v", major: int = 1, minor: int = 0, **changed: object) -> ViewVersionRegistered:
    """A version whose hash, schema and id are its own."""
    tag = f"{name}-{major}.{minor}"
    number = 1 + 100 * (ord(name[0]) - ord("a")) + 10 * major + minor
    whole = ViewVersionRegistered(
        name,
        Version(major, minor),
        f"t-{name}-{major}",
        "{}",
        f'{{"tag":"{tag}"}}',
        number,
        tag,
        "o",
        date(2026, 1, 1),
    )
    return replace(whole, **changed)


def bundle(release: int = 1, *, name: str = "b", minor: int = 0) -> BundleReleased:
    """A release of v@1.minor."""
    return BundleReleased(
        name, release, "o", (BundleView("v", "v", Version(1, minor), (("k", "k"),), ("f",)),)
    )


def declared(consumer: str = "model", *, name: str = "b") -> SubscriptionDeclared:
    """A subscription to the bundle."""
    return SubscriptionDeclared(consumer, name, PolicyKind.FOLLOW)


def record(payload: Payload, based_on: int) -> bytes:
    """A decision's bytes."""
    return encode_decision(Decision(f"id-{based_on}", 0, "me", "why", based_on, payload))


def pictured(*records: tuple[Payload, int] | bytes | None) -> Picture:
    """The picture after (payload, based_on) or raw records."""
    values = [record(*each) if isinstance(each, tuple) else each for each in records]
    return fold(Picture(), enumerate(values))


def voids(picture: Picture) -> list[int]:
    """The offsets that do not count."""
    return [void.offset for void in picture.void]


def test_what_counts_is_in_the_picture() -> None:
    """Versions, releases and subscriptions, with the offset of each decision."""
    picture = pictured((view(), 0), (bundle(), 1), (declared(), 2))

    assert picture.next_offset == 3
    assert voids(picture) == []
    assert picture.version("v", Version(1, 0, 5)) == view()
    assert [each.offset for each in picture.releases["b"]] == [1]
    assert picture.subscriptions["model"].payload == declared()
    assert (picture.newest("v"), picture.newest("v", 2), picture.newest("w")) == (view(), None, None)
    assert dict(picture.changed_at) == {"view v": 0, "bundle b": 1, "subscription model": 2}


def test_of_two_concurrent_decisions_about_one_subject_the_first_counts() -> None:
    """log.md: void when the subject changed at or after `based_on`; another subject is no obstacle."""
    picture = pictured((view(), 0), (bundle(), 1), (bundle(), 1), (declared("a"), 1), (declared("b"), 2))

    assert voids(picture) == [2]
    void = picture.void_at(2)
    assert void is not None
    assert "changed at catalog offset 1" in void.reason
    assert picture.void_at(1) is None


def test_a_void_record_changes_no_subject() -> None:
    """The third was based on a picture without the second, which is void: so the third counts."""
    picture = pictured((view(), 0), (view(minor=1), 0), (view(minor=2), 1))

    assert voids(picture) == [1]
    assert picture.changed_at["view v"] == 2
    assert [str(version) for version in picture.views["v"]] == ["1.0", "1.2"]


def test_based_on_is_the_next_offset_that_was_read() -> None:
    """A change at based_on - 1 was read, a change at based_on was not."""
    read = pictured((view(), 0), (view(minor=1), 1))
    unread = pictured((view(), 0), (view(minor=1), 0))

    assert (voids(read), voids(unread)) == ([], [1])


def test_versions_never_change() -> None:
    """Registered again with the same hash, metadata is renewed; with anything else that judges records, void."""
    renewed = view(version=Version(1, 0, 9), owner="new", contract='{"x":1}')
    picture = pictured((view(), 0), (renewed, 1))

    assert voids(picture) == []
    assert picture.version("v", Version(1, 0)) == renewed
    for change in ({"contract_hash": "x"}, {"schema_id": 77}, {"avro_schema": "x"}, {"topic": "x"}):
        assert voids(pictured((view(), 0), (view(**change), 1))) == [1], change


def test_versions_only_go_up_in_their_major() -> None:
    """The MAJOR's first version says for good what becomes of records that name none."""
    assert voids(pictured((view(minor=1), 0), (view(minor=0), 1))) == [1]
    assert voids(pictured((view(major=2), 0), (view(major=1), 1))) == []


def test_a_schema_id_means_one_version_for_ever() -> None:
    """A registry that was emptied gives ids out again: agents would decode by another schema."""
    assert voids(pictured((view(), 0), (view("w", schema_id=view().schema_id), 1))) == [1]


def test_versions_ascend_as_numbers() -> None:
    """1.10 comes after 1.9."""
    picture = pictured(*[(view(minor=minor), minor) for minor in range(11)])

    assert [version.minor for version in picture.views["v"]] == list(range(11))
    newest = picture.newest("v", 1)
    assert newest is not None
    assert newest.version == Version(1, 10)


@pytest.mark.parametrize("number", [0, 1, 3])
def test_releases_are_numbered_without_gaps(number: int) -> None:
    """After release 1 comes release 2 and nothing else."""
    assert voids(pictured((view(), 0), (bundle(1), 1), (bundle(number), 2))) == [2]
    assert voids(pictured((view(), 0), (bundle(1), 1), (bundle(2), 2))) == []


def test_what_names_something_unknown_is_void() -> None:
    """A release of a version, and a subscription to a bundle, that nobody knows."""
    assert voids(pictured((bundle(), 0))) == [0]
    assert voids(pictured((view(), 0), (bundle(minor=1), 1))) == [1]
    assert voids(pictured((declared(), 0))) == [0]


@pytest.mark.parametrize(
    "junk", [None, b"", b"junk", b"\xc3\x01", record(view(), 0)[:-1], record(view(), 0) + b"!"]
)
def test_junk_changes_nothing_for_everyone_alike(junk: bytes | None) -> None:
    """Bytes that are no decision are void, and what follows counts as if they were not there."""
    picture = pictured(junk, (view(), 0))

    assert voids(picture) == [0]
    assert picture.next_offset == 2
    assert picture.version("v", Version(1, 0)) == view()


def test_a_newer_format_stops_every_reader() -> None:
    """Nobody can go on without knowing what it says: upgrade."""
    newer = Format({"type": "record", "name": "X", "namespace": "n", "fields": []}).encode({})

    with pytest.raises(UnknownFormat):
        pictured((view(), 0), newer)


DECISIONS = st.one_of(
    st.builds(view, st.sampled_from(["v", "w"]), st.integers(1, 2), st.integers(0, 2)),
    st.builds(bundle, st.integers(1, 3), minor=st.integers(0, 1)),
    st.builds(declared, st.sampled_from(["a", "b"])),
)
RECORDS = st.lists(
    st.none()
    | st.just(b"junk")
    | st.builds(lambda payload, back: (payload, back), DECISIONS, st.integers(0, 4)),
    max_size=25,
)


def laid_out(
    records: Sequence[tuple[Payload, int] | bytes | None], step: int
) -> list[tuple[int, bytes | None]]:
    """Records at their offsets, each based on so many offsets back."""
    return [
        (number * step, record(each[0], max(0, number * step - each[1])) if isinstance(each, tuple) else each)
        for number, each in enumerate(records)
    ]


@given(records=RECORDS, cuts=st.lists(st.integers(0, 25), max_size=4), step=st.sampled_from([1, 2]))
def test_the_picture_does_not_depend_on_batches(
    records: list[tuple[Payload, int] | bytes | None], cuts: list[int], step: int
) -> None:
    """Every reader folds the same records into the same picture, however they arrive, offset holes included."""
    values = laid_out(records, step)
    whole = fold(Picture(), values)
    parts = Picture()
    start = 0
    for cut in [*sorted(cuts), len(values)]:
        parts = fold(parts, values[start:cut])
        start = max(start, cut)

    assert parts == whole


@given(records=RECORDS)
def test_the_picture_is_that_of_the_records_that_count(
    records: list[tuple[Payload, int] | bytes | None],
) -> None:
    """A void record leaves no trace but its own mark: folding without it gives the same."""
    values = laid_out(records, 1)
    whole = fold(Picture(), values)
    counting = [each for each in values if whole.void_at(each[0]) is None]
    alone = fold(Picture(), counting)

    assert alone.void == ()
    assert (alone.views, alone.releases, alone.subscriptions) == (
        whole.views,
        whole.releases,
        whole.subscriptions,
    )
    assert alone.changed_at == whole.changed_at


@dataclass
class Applier:
    """Plans on a picture, appends, reads back: as `apply` does, one step at a time."""

    wanted: list[str]
    picture: Picture = field(default_factory=Picture)
    appended: list[int] = field(default_factory=list)
    based_on: int = 0

    def plan(self, log: list[bytes]) -> None:
        """Read the log to its end."""
        self.picture = fold(self.picture, list(enumerate(log))[self.picture.next_offset :])
        self.based_on = self.picture.next_offset

    def append(self, log: list[bytes]) -> None:
        """Append the next decision, on the picture of the last plan."""
        name = self.wanted[len(self.appended) % len(self.wanted)]
        newest = self.picture.newest(name)
        minor = newest.version.minor + 1 if newest else 0
        log.append(record(view(name, minor=minor), self.based_on))
        self.appended.append(len(log) - 1)


@given(moves=st.lists(st.tuples(st.booleans(), st.booleans()), max_size=30))
def test_in_any_interleaving_both_writers_know_what_counted(moves: list[tuple[bool, bool]]) -> None:
    """Kafka has no compare-and-set: whoever read less than what changed its subject is void, and sees it."""
    log: list[bytes] = []
    appliers = (Applier(["v", "w"]), Applier(["v"]))
    planned: dict[int, int] = {}
    for second, plans in moves:
        applier = appliers[second]
        if plans:
            applier.plan(log)
        else:
            applier.append(log)
            planned[len(log) - 1] = applier.based_on

    end = fold(Picture(), list(enumerate(log)))
    last_change: dict[str, int] = {}
    for offset in range(len(log)):
        writer = next(each for each in appliers if offset in each.appended)
        name = writer.wanted[writer.appended.index(offset) % len(writer.wanted)]
        counts = last_change.get(name, -1) < planned[offset]
        # What its writer sees right after it, and what anyone sees at the end.
        assert (fold(Picture(), list(enumerate(log[: offset + 1]))).void_at(offset) is None) == counts
        assert (end.void_at(offset) is None) == counts
        if counts:
            last_change[name] = offset
    for name, offset in last_change.items():
        assert end.changed_at[f"view {name}"] == offset


@pytest.mark.parametrize(
    "broken",
    [
        {"contract": "{not json"},
        {"contract": "[]"},
        {"contract": "[" * 100_000},
        {"avro_schema": "record"},
        {"schema_id": -5},
    ],
    ids=["no JSON", "no object", "too deep", "no schema", "no id"],
)
def test_a_version_that_nobody_could_compile_is_void(broken: dict[str, object]) -> None:
    """The catalog is for ever: what would stop every agent of the view must not count."""
    picture = pictured((replace(view(), **broken), 0), (view(), 1))

    assert voids(picture) == [0]
    assert picture.version("v", Version(1, 0)) == view()


def skipped(partition: int = 0, offset: int = 5, *, topic: str = "") -> RecordSkipped:
    """A decision to skip one record of the view's topic."""
    return RecordSkipped(topic or view().topic, partition, offset)


def test_skips_and_refusals_are_in_the_picture_with_who_decided() -> None:
    """An agent needs the place in the catalog, the actor and the reason."""
    picture = pictured((view(), 0), (skipped(), 1), (SchemaRefused(2**32 - 1), 2), (skipped(1), 3))

    assert voids(picture) == []
    assert {place: found.offset for place, found in picture.skipped.items()} == {
        (view().topic, 0, 5): 1,
        (view().topic, 1, 5): 3,
    }
    assert {schema_id: found.offset for schema_id, found in picture.refused.items()} == {2**32 - 1: 2}
    decision = picture.skipped[view().topic, 0, 5].decision
    assert (decision.actor, decision.reason) == ("me", "why")


def test_a_skip_and_a_refusal_are_final() -> None:
    """The first stands; again it is void, and the picture still names the first."""
    picture = pictured(
        (view(), 0), (skipped(), 1), (skipped(), 2), (SchemaRefused(9), 3), (SchemaRefused(9), 4)
    )

    assert voids(picture) == [2, 4]
    assert picture.skipped[view().topic, 0, 5].offset == 1
    assert picture.refused[9].offset == 3


def test_the_picture_is_copied_once_and_not_per_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalog of thousands of skips is read in linear time: an agent's start must not take minutes (P10)."""
    standing = pictured((view(), 0))
    records = [(number, record(skipped(offset=number), number)) for number in range(1, 3_000)]
    frozen = []
    monkeypatch.setattr(fold_module, "MappingProxyType", lambda mapping: frozen.append(mapping) or mapping)

    picture = fold(standing, records)

    assert len(picture.skipped) == len(records)
    assert len(frozen) < 20


def test_a_picture_never_changes_once_it_is_handed_out() -> None:
    """Who holds an older picture goes on with it; what comes later is in the next one."""
    first = pictured((view(), 0), (bundle(), 1), (skipped(), 2), (SchemaRefused(9), 3))
    before = repr(first)

    later = fold(
        first,
        [
            (4, record(view(minor=1), 4)),
            (5, record(bundle(2), 5)),
            (6, record(declared(), 6)),
            (7, record(skipped(1), 7)),
            (8, record(SchemaRefused(10), 8)),
            (9, b"junk"),
        ],
    )

    assert repr(first) == before
    assert (later.next_offset, voids(later)) == (10, [9])
    assert fold(later, []) is later


def test_a_skip_in_a_topic_that_no_view_has_is_void() -> None:
    """A typing error must not stand for ever as if it meant something."""
    assert voids(pictured((view(), 0), (skipped(topic="elsewhere"), 1))) == [1]


def test_of_a_registration_and_a_refusal_of_one_id_the_first_counts() -> None:
    """A known id is judged by its contract; a refused one is never registered, in any view, under any version."""
    known = pictured((view(), 0), (SchemaRefused(view().schema_id), 1))
    refused = pictured((SchemaRefused(view().schema_id), 0), (view(), 0), (view(minor=1), 2))

    assert voids(known) == [1]
    assert voids(refused) == [1]
    assert [str(version) for version in refused.views["v"]] == ["1.1"]
    assert view().schema_id not in refused.known_since


def test_an_id_is_known_since_its_first_registration() -> None:
    """Registered again with new metadata it is no younger: a skip between the two came too late."""
    picture = pictured((view(), 0), (skipped(), 1), (view(owner="new"), 2))

    assert voids(picture) == []
    assert picture.known_since[view().schema_id] == 0
