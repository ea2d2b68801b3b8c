"""P2 and P3 on whole agents: any history, any batches, killed anywhere, any answers of the brokers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from syncline.adapters.memory.log import MemoryWriter
from syncline.adapters.memory.store import MemoryStore
from syncline.ports.log import OutcomeKind
from syncline.state.cell import unpack_cell
from tests.unit.agent.world import Cluster, Host, Killed
from tests.unit.state.reference import LATE_US, Played, Reference, histories
from tests.unit.state.world import Version, airports_of

VIEW = Version.make(7, partitions=2, late_arrival="10 min")
NEXT = Version.make(9, version="1.1.0", partitions=2, late_arrival="10 min", extra=True)
TOPIC = VIEW.contract.topic
HISTORIES = st.tuples(
    *(histories([VIEW, NEXT], airports_of(partition, 2, 3), most=25) for partition in (0, 1))
)
ANSWERS = st.lists(st.sampled_from([OutcomeKind.FAILED, OutcomeKind.UNKNOWN]), max_size=4)


class Fuse:
    """Kills the agent at the n-th thing it does to the outside."""

    left: int | None = None

    def burn(self) -> None:
        """One more thing is done."""
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Killed


class FusedStore(MemoryStore):
    """A store whose writer may die just before or just after a commit."""

    def __init__(self, fuse: Fuse) -> None:
        super().__init__()
        self._fuse = fuse

    def commit(self, writes: Any, meta: Any = None) -> None:
        """See `Store.commit`."""
        if writes:
            self._fuse.burn()
        super().commit(writes, meta)
        if writes:
            self._fuse.burn()


@contextmanager
def fused_writers(fuse: Fuse) -> Iterator[None]:
    """Whoever writes dead letters may die before and after each is queued, and around each wait for answers."""
    append, flush = MemoryWriter.append, MemoryWriter.flush

    def fused_append(writer: MemoryWriter, topic: str, **given: Any) -> None:
        if topic.endswith(".dlq"):
            fuse.burn()
        append(writer, topic, **given)

    def fused_flush(writer: MemoryWriter, timeout_s: float) -> int:
        fuse.burn()
        left = flush(writer, timeout_s)
        fuse.burn()
        return left

    MemoryWriter.append, MemoryWriter.flush = fused_append, fused_flush  # type: ignore[method-assign]  # the test's own
    try:
        yield
    finally:
        MemoryWriter.append, MemoryWriter.flush = append, flush  # type: ignore[method-assign]  # as it was


def assert_is_prefix(host: Host, histories: tuple[list[Played], ...]) -> None:
    """P3: what is committed is exactly the fold of some prefix, and its letters are in the log already."""
    letters = {(letter.partition, letter.offset) for letter in host.cluster.letters(VIEW)}
    with host.store.snapshot() as snapshot:
        for partition, history in enumerate(histories):
            state = snapshot.state(TOPIC, partition)
            if state is None:
                continue
            reference = Reference.of(history[: state.next_offset], late_us=LATE_US)
            standing = state.next_offset < len(history) and history[state.next_offset].kind == "marker"
            ring = [(entry.offset, entry.digest) for entry in state.ring]
            assert ring in (
                reference.ring,
                [*reference.ring, (state.next_offset, reference.digest())] if standing else reference.ring,
            )
            assert state.digest.total == reference.digest()
            assert (state.t_ms, state.cells) == (reference.t_ms, len(reference.cells))
            cells = {key: unpack_cell(key, packed).payload for key, packed in snapshot.scan(TOPIC, partition)}
            assert cells == {key: cell[4] for key, cell in reference.cells.items()}
            assert {(partition, offset) for offset in reference.rejected} <= letters


@settings(max_examples=50, deadline=None)
@given(
    histories=HISTORIES,
    batch_rows=st.sampled_from([1, 7, 1_000]),
    deaths=st.lists(st.integers(0, 25), max_size=4),
    answers=ANSWERS,
    known_later=st.booleans(),
    half=st.booleans(),
)
def test_killed_anywhere_it_comes_to_the_naive_folds_state(
    *,
    histories: tuple[list[Played], ...],
    batch_rows: int,
    deaths: list[int],
    answers: list[OutcomeKind],
    known_later: bool,
    half: bool,
) -> None:
    """P2, P3, P6: at every death the store is a prefix's fold; in the end all agents have equal digests."""
    from tests.unit.agent.world import registration

    cluster = Cluster.ready(VIEW) if known_later else Cluster.ready(VIEW, NEXT)
    fuse = Fuse()
    if half:
        # An agent that reads while records still come.
        for partition, history in enumerate(histories):
            cluster.put(TOPIC, [each.record for each in history[: len(history) // 2]], partition)
    else:
        for partition, history in enumerate(histories):
            cluster.put(TOPIC, [each.record for each in history], partition)
    host = Host(cluster, batch_rows=batch_rows, store=FusedStore(fuse))

    with fused_writers(fuse):
        for count in deaths:
            fuse.left = count
            for answer in answers:
                cluster.log.fail_next_appends(1, answer)
            try:
                host.settle()
            except Killed:
                fuse.left = None
                assert_is_prefix(host, histories)
                host.start()
        fuse.left = None
        cluster.log._to_fail.clear()
        host.settle()
        assert_is_prefix(host, histories)
        if half:
            for partition, history in enumerate(histories):
                cluster.put(TOPIC, [each.record for each in history[len(history) // 2 :]], partition)
        if known_later:
            cluster.decide(registration(NEXT))
        status = host.settle()

    assert status.state == "LIVE"
    assert [each.next_offset for each in status.partitions] == [len(history) for history in histories]
    assert_is_prefix(host, histories)
    once = Host(cluster, instance="b").settle()
    assert [each.digest for each in once.partitions] == [each.digest for each in status.partitions]
    letters = {(letter.partition, letter.offset) for letter in cluster.letters(VIEW)}
    assert letters == {
        (partition, offset)
        for partition, history in enumerate(histories)
        for offset in Reference.of(history, late_us=LATE_US).rejected
    }
