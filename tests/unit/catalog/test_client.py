"""How a decision gets into the catalog: appended, read back, and judged by the fold."""

from __future__ import annotations

import pytest

from syncline.adapters.memory.log import MemoryWriter
from syncline.catalog.events import Payload
from syncline.catalog.rollout_events import CutAborted
from syncline.catalog_client import CatalogClient
from syncline.errors import DecisionVoid, LogUnavailable, TopicMismatch, TopicMissing, UnknownFormat
from syncline.ports.log import EventKind, LogEvent, OutcomeKind, TopicSpec
from tests.unit.agent.world import CATALOG, TESTER, Cluster, registration, release, subscription
from tests.unit.state.world import Version

VIEW = Version.make(7)


def client(cluster: Cluster) -> CatalogClient:
    """A client that has read nothing yet."""
    return CatalogClient(cluster.log, CATALOG, clock=cluster.clock, client_id="tests")


@pytest.fixture
def cluster() -> Cluster:
    """With an empty catalog."""
    cluster = Cluster()
    cluster.make_topics(VIEW)
    return cluster


def test_what_is_proposed_is_read_back(cluster: Cluster) -> None:
    """P11: actor and reason stand with the decision; several of one author may build on each other."""
    writer = client(cluster)
    writer.catch_up(5)

    offsets = writer.propose([registration(VIEW), release(VIEW), subscription()], TESTER)

    assert offsets == [0, 1, 2]
    for picture in (writer.picture, client(cluster).catch_up(5)):
        assert picture.void == ()
        decision = picture.subscriptions["model"].decision
        assert (decision.actor, decision.reason, decision.based_on) == ("tests", "because", 2)


def test_a_writer_that_was_prepared_is_the_one_that_writes(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for the answer pays for connecting beforehand: one writer a proposal, prepared or not."""
    opened: list[object] = []
    make = cluster.log.writer

    def noted(*, client_id: str) -> object:
        opened.append(client_id)
        return make(client_id=client_id)

    monkeypatch.setattr(cluster.log, "writer", noted)
    writer = client(cluster)
    writer.prepare_to_write()
    writer.prepare_to_write()
    writer.catch_up(5)
    before = len(opened)

    writer.propose([registration(VIEW)], TESTER)
    writer.propose([release(VIEW)], TESTER)

    assert (before, len(opened)) == (1, 2)


def test_of_two_concurrent_writers_the_second_is_told(cluster: Cluster) -> None:
    """Nothing was changed by it; it plans again, and then it counts."""
    first, second = client(cluster), client(cluster)
    first.catch_up(5)
    second.catch_up(5)
    first.propose([registration(VIEW)], TESTER)

    with pytest.raises(DecisionVoid, match="changed at catalog offset 0"):
        second.propose([registration(VIEW)], TESTER)

    assert second.picture.changed_at["view delay"] == 0
    assert second.propose([registration(VIEW)], TESTER) == [2]


def test_a_decision_in_the_middle_stops_those_after_it(cluster: Cluster) -> None:
    """Those before it stand; those after it are not even appended."""
    writer = client(cluster)
    writer.catch_up(5)
    payloads: list[Payload] = [registration(VIEW), release(VIEW, number=5), subscription()]

    with pytest.raises(DecisionVoid, match="not the next release"):
        writer.propose(payloads, TESTER)

    assert (writer.picture.next_offset, len(writer.picture.views), len(writer.picture.void)) == (2, 1, 1)


def test_an_unrelated_decision_between_is_no_conflict(cluster: Cluster) -> None:
    """Two appliers of different views do not stop each other."""
    weather = Version.make(8, view="weather")
    first, second = client(cluster), client(cluster)
    first.catch_up(5)
    second.catch_up(5)
    first.propose([registration(VIEW)], TESTER)

    assert second.propose([registration(weather)], TESTER) == [1]


def test_several_about_one_subject_go_on_past_what_does_not_concern_them(cluster: Cluster) -> None:
    """Two MINORs, and somebody else's view between them: ours is no obstacle to ours."""
    minor, weather = Version.make(8, version="1.1.0", extra=True), Version.make(20, view="weather")
    writer = client(cluster)
    writer.catch_up(5)
    others = iter([registration(weather)])

    offsets = writer.propose(
        [registration(VIEW), registration(minor)],
        TESTER,
        before_each=lambda _, __: [cluster.decide(each) for each in others] and None,
    )

    assert offsets == [1, 2]
    assert writer.picture.void == ()


def test_several_about_one_subject_stop_at_a_foreign_one(cluster: Cluster) -> None:
    """What somebody else said of it between them was not planned on."""
    minor, third = Version.make(8, version="1.1.0", extra=True), Version.make(9, version="1.2.0", extra=True)
    writer = client(cluster)
    writer.catch_up(5)

    def meanwhile(_: Payload, offset: int) -> None:
        if offset == 0:
            cluster.decide(registration(minor))

    with pytest.raises(DecisionVoid, match="view delay was changed at catalog offset 1"):
        writer.propose([registration(VIEW), registration(third)], TESTER, on_recorded=meanwhile)


def test_without_a_topic_nothing_was_applied_yet() -> None:
    """The caller says: run `apply`. Once it is there, the same client reads it."""
    cluster = Cluster()
    reader = client(cluster)

    with pytest.raises(TopicMissing):
        reader.catch_up(5)
    cluster.log.create_topic(TopicSpec(CATALOG, 1))
    assert reader.catch_up(5).next_offset == 0


def test_without_a_broker_nothing_is_known(cluster: Cluster) -> None:
    """Neither read nor written; what was not acknowledged is told as such, and planning again shows it."""
    writer = client(cluster)
    writer.catch_up(5)
    cluster.log.available = False

    with pytest.raises(LogUnavailable):
        client(cluster).catch_up(0.05)
    with pytest.raises(LogUnavailable, match="not acknowledged"):
        writer.propose([registration(VIEW)], TESTER, timeout_s=0.05)

    cluster.log.available = True
    assert writer.catch_up(5).next_offset == 0


@pytest.mark.parametrize("kind", [OutcomeKind.UNKNOWN, OutcomeKind.FAILED])
def test_an_append_without_an_acknowledgement_is_not_taken_for_done(
    cluster: Cluster, kind: OutcomeKind
) -> None:
    """It may have landed: the writer says so, and reading on tells which."""
    writer = client(cluster)
    writer.catch_up(5)
    cluster.log.fail_next_appends(1, kind)

    with pytest.raises(LogUnavailable, match="not acknowledged"):
        writer.propose([registration(VIEW)], TESTER)

    landed = writer.catch_up(5).next_offset == 1
    assert landed == (kind is OutcomeKind.UNKNOWN)


def test_an_acknowledgement_that_comes_while_it_gives_up_is_the_truth(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker that thaws in the last moment: what was recorded is read back, and never told as failed."""
    close = MemoryWriter.close

    def late(writer: MemoryWriter, timeout_s: float) -> None:
        writer.poll(0.0)
        close(writer, timeout_s)

    with monkeypatch.context() as frozen:
        frozen.setattr(MemoryWriter, "flush", lambda writer, _: len(writer._queue))
        frozen.setattr(MemoryWriter, "close", late)
        writer = client(cluster)
        writer.catch_up(5)
        assert writer.propose([registration(VIEW)], TESTER, timeout_s=0.2) == [0]
        assert writer.record(release(VIEW), TESTER, timeout_s=0.2).offset == 1

    assert writer.propose([subscription()], TESTER) == [2]
    assert writer.picture.void == ()


def test_whoever_gives_up_leaves_nothing_behind_that_lands_later(cluster: Cluster) -> None:
    """What failed does not come true afterwards; and the error says that it will not."""
    writer = client(cluster)
    writer.catch_up(5)
    cluster.log.available = False

    with pytest.raises(LogUnavailable, match=r"no answer in 0\.05 s\. It was not recorded, and will not be"):
        writer.propose([registration(VIEW)], TESTER, timeout_s=0.05)

    cluster.log.available = True
    assert writer.catch_up(5).next_offset == 0


@pytest.mark.parametrize(
    ("payload", "command"),
    [
        (registration(VIEW), "`syncline catalog log --about delay`"),
        (subscription(), "`syncline catalog log --about model`"),
        (CutAborted(1, 1, 57), "`syncline catalog log --last 20`"),
    ],
)
def test_what_may_have_been_recorded_says_where_to_look(
    cluster: Cluster, payload: Payload, command: str
) -> None:
    """An outcome that nobody knows: it may be there, or may still come, and a command shows which."""
    writer = client(cluster)
    writer.catch_up(5)
    cluster.log.fail_next_appends(1, OutcomeKind.UNKNOWN)

    with pytest.raises(LogUnavailable) as unknown:
        writer.propose([payload], TESTER)

    assert "It may have been recorded, or may still be" in str(unknown.value)
    assert command in str(unknown.value)


def test_what_stands_and_cannot_be_read_back_says_so(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Brokers that go away behind the acknowledgement: the offset is told, not a failure."""
    writer = client(cluster)
    writer.catch_up(5)

    def away(timeout_s: float) -> None:
        raise LogUnavailable("no broker answered")

    monkeypatch.setattr(writer, "catch_up", away)
    with pytest.raises(LogUnavailable, match="view delay stands at catalog offset 0, and could not be read"):
        writer.propose([registration(VIEW)], TESTER)


def test_a_catalog_that_was_cut_is_not_read_as_a_shorter_one(cluster: Cluster) -> None:
    """P6: at its head, or at its end below what was read: decisions are lost, and nobody goes on."""
    writer = client(cluster)
    writer.catch_up(5)
    writer.propose([registration(VIEW), release(VIEW)], TESTER)

    held = cluster.log._partition(CATALOG, 0)
    kept = list(held.records)
    del held.records[1:]
    held.following = 1
    with pytest.raises(TopicMismatch):
        writer.catch_up(5)

    held.records[:] = kept
    held.following = 2
    cluster.log.trim(CATALOG, 0, 1)
    for _ in range(2):
        with pytest.raises(TopicMismatch):
            client(cluster).catch_up(5)


def test_a_record_of_a_newer_syncline_is_named_each_time(cluster: Cluster) -> None:
    """Topic and offset; asked again it is met again, and never stepped over."""
    writer = client(cluster)
    writer.catch_up(5)
    writer.propose([registration(VIEW)], TESTER)
    newer = cluster.log.writer(client_id="tests")
    newer.append(CATALOG, key=b"k", value=b"\xc3\x01" + b"\x07" * 8 + b"rest", partition=0)
    newer.flush(1)

    for _ in range(2):
        with pytest.raises(UnknownFormat, match=r"syncline\.catalog offset 1: .* newer Syncline"):
            writer.catch_up(5)
    assert writer.picture.next_offset == 1


def test_a_reader_that_is_of_no_more_use_is_replaced(cluster: Cluster) -> None:
    """P10: a fatal error of the client costs a client, not the agent."""
    reader = client(cluster)
    reader.catch_up(5)
    dead = reader._open()
    poll = dead.poll

    def fatal(*given: object, **named: object) -> object:
        batch = poll(*given, **named)
        batch.events.append(LogEvent(EventKind.FATAL, "fenced"))
        return batch

    dead.poll = fatal
    reader.poll(0.0)
    cluster.decide(registration(VIEW))

    assert reader.catch_up(5).next_offset == 1
    assert reader._open() is not dead
