"""What an agent does with records: dead letters, holds, markers, trouble, and the order in which all of it happens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from syncline.adapters.memory.log import MemoryWriter
from syncline.adapters.memory.store import MemoryStore
from syncline.errors import LogError, StoreFull, UnknownFormat
from syncline.ports.log import EventKind, LogEvent, OutcomeKind
from syncline.state.cell import unpack_cell
from syncline.wire.framing import prefix as framing
from syncline.wire.single_object import Format
from tests.unit.agent.world import CATALOG, Cluster, Host, Killed, digests, many, registration, release
from tests.unit.state.reference import FLAWS
from tests.unit.state.world import NOW_MS, Record, Version, delete, heartbeat, marker

NOW_US = NOW_MS * 1_000
VIEW = Version.make(7)
NEXT = Version.make(9, version="1.1.0", extra=True)
HALTING = Version.make(7, on_violation="halt")
LATE = Version.make(7, late_arrival="10 min")
TOPIC = VIEW.contract.topic
DLQ = f"{TOPIC}.dlq"
JUNK = Record(b"EWR", b"junk!", NOW_MS, (("trace", b"1"), ("trace", None)))


class FullStore(MemoryStore):
    """A store without room for as long as `full` says."""

    full = False

    def commit(self, writes: Any, meta: Any = None) -> None:
        """See `Store.commit`."""
        if self.full:
            raise StoreFull("the disk is full: 0 bytes are free")
        super().commit(writes, meta)


def positions(host: Host) -> dict[tuple[str, int], int]:
    """The committed next offset of each partition."""
    return {place: state.next_offset for place, state in host.committed().items()}


def test_a_dead_letter_keeps_the_record_and_names_the_reason() -> None:
    """Original key, value and headers, where it stood, and why it was rejected."""
    cluster = Cluster.ready(VIEW)
    cluster.put(TOPIC, [*many(VIEW, ["EWR"], 2), JUNK])
    host = Host(cluster)

    status = host.settle()

    (letter,) = cluster.letters(VIEW)
    assert (letter.topic, letter.partition, letter.offset) == (TOPIC, 0, 2)
    assert (letter.key, letter.value, letter.timestamp_ms) == (JUNK.key, JUNK.value, JUNK.ms)
    assert letter.headers == list(JUNK.headers)
    assert (letter.reason.rule, letter.reason.stage, letter.agent) == ("framing", "FRAMING", "model/a")
    assert (status.dead_letters, status.applied_rows, status.state) == (1, 2, "LIVE")


def test_forged_letter_headers_on_the_way_in_change_nothing() -> None:
    """Never trust such headers: a record that claims to be a letter of somewhere else gets its true place."""
    forged = (
        ("__connect.errors.topic", b"elsewhere"),
        ("__connect.errors.offset", b"999"),
        ("syncline-error-rule", b"none"),
        ("syncline-error-something-new", b"?"),
        ("kept", b"yes"),
    )
    cluster = Cluster.ready(VIEW)
    cluster.put(TOPIC, [Record(b"EWR", b"junk!", NOW_MS, forged)])
    Host(cluster).settle()

    (letter,) = cluster.letters(VIEW)

    assert (letter.topic, letter.offset, letter.reason.rule) == (TOPIC, 0, "framing")
    assert letter.headers == [("kept", b"yes")]


@pytest.mark.parametrize("kind", [OutcomeKind.FAILED, OutcomeKind.UNKNOWN])
def test_nothing_is_committed_before_its_dead_letters_are_acknowledged(kind: OutcomeKind) -> None:
    """P6: while the dead letter topic takes nothing the partition stands, the agent says so, then it goes on."""
    cluster = Cluster.ready(VIEW)
    host = Host(cluster)
    host.settle()
    cluster.put(TOPIC, [*many(VIEW, ["EWR"], 2), JUNK])
    seen = []

    def look() -> None:
        seen.append((positions(host), host.agent.status().state, host.condition().state))
        if len(seen) == 3:
            cluster.log._to_fail.clear()

    cluster.log.fail_next_appends(1_000, kind)
    host.on_wait = look
    status = host.settle()

    assert seen == [({}, "HOLDING", "HOLDING")] * 3
    assert (status.state, positions(host)) == ("LIVE", {(TOPIC, 0): 3})
    letters = cluster.letters(VIEW)
    assert {letter.offset for letter in letters} == {2}
    assert letters[-1].attempt == 4


def test_while_the_dead_letter_topic_is_unreachable_the_agent_says_so_and_reports_on() -> None:
    """P6: no answer at all is told as well, in status and store, not only a refusal."""
    cluster = Cluster.ready(VIEW)
    host = Host(cluster)
    host.settle()
    cluster.put(TOPIC, [JUNK])
    turns = 0
    flush = MemoryWriter.flush

    def unanswered(writer: MemoryWriter, timeout_s: float) -> int:
        nonlocal turns
        if len(writer._queue) and turns < 40:
            turns += 1
            if turns == 39:
                assert host.agent.status().state == "HOLDING"
                assert "does not take dead letters: no answer" in host.condition().reason
            return len(writer._queue)
        return flush(writer, timeout_s)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MemoryWriter, "flush", unanswered)
        assert host.settle().state == "LIVE"
    assert turns == 40


def test_a_report_that_nobody_takes_does_not_hold_up_dead_letters() -> None:
    """A status is best effort: its missing answer must not stop a partition."""
    cluster = Cluster.ready(VIEW)
    host = Host(cluster)
    host.settle()
    cluster.put(TOPIC, [JUNK])
    flush = MemoryWriter.flush

    with pytest.MonkeyPatch.context() as patch:
        # One append more than there are letters never gets its answer.
        patch.setattr(MemoryWriter, "flush", lambda writer, timeout_s: flush(writer, timeout_s) + 1)
        assert host.settle().state == "LIVE"

    assert positions(host) == {(TOPIC, 0): 1}


def test_a_letter_that_cannot_be_sent_holds_and_is_not_skipped() -> None:
    """P6: too large for the topic's settings, say: HOLDING with the reason until they are changed."""
    cluster = Cluster.ready(VIEW)
    host = Host(cluster)
    host.settle()
    cluster.put(TOPIC, [JUNK])
    append, refusals = MemoryWriter.append, 0

    def refusing(writer: MemoryWriter, topic: str, **given: Any) -> None:
        nonlocal refusals
        if topic == DLQ and refusals < 2:
            refusals += 1
            raise LogError("the record is too large")
        append(writer, topic, **given)

    seen = []
    host.on_wait = lambda: seen.append(
        (host.agent.status().state, host.agent.status().reason, positions(host))
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MemoryWriter, "append", refusing)
        assert host.settle().state == "LIVE"

    assert [state for state, _, _ in seen] == ["HOLDING", "HOLDING"]
    assert "too large" in seen[0][1]
    assert seen[0][2] == {}
    assert [letter.offset for letter in cluster.letters(VIEW)] == [0]


def test_told_to_stop_while_letters_wait_it_commits_nothing() -> None:
    """A clean stop in the middle: the next life sends the letters again, and nothing is lost."""
    cluster = Cluster.ready(VIEW)
    host = Host(cluster)
    host.settle()
    cluster.put(TOPIC, [*many(VIEW, ["EWR"], 2), JUNK])
    cluster.log.fail_next_appends(1_000, OutcomeKind.FAILED)
    host.on_wait = lambda: setattr(host, "stopping", True)

    host.agent.run()

    assert positions(host) == {}
    assert host.agent.status().state == host.condition().state == "STOPPED"
    # What it reports is what it committed, though the batch reached the log's end.
    assert cluster.reports()[-1].partitions[0].next_offset == 0
    cluster.log._to_fail.clear()
    host.on_wait = None
    host.start()
    assert host.settle().state == "LIVE"
    assert positions(host) == {(TOPIC, 0): 3}


def test_a_dead_letter_may_be_written_twice_but_never_not_at_all() -> None:
    """P6: killed between the letter and the commit, the next life writes it again; readers fold by place."""
    cluster = Cluster.ready(VIEW)
    cluster.put(TOPIC, [JUNK])
    host = Host(cluster)
    commit = host.store.commit

    def die(writes: Any, meta: Any = None) -> None:
        if writes:
            raise Killed
        commit(writes, meta)

    host.store.commit = die
    with pytest.raises(Killed):
        host.settle()
    assert (len(cluster.letters(VIEW)), positions(host)) == (1, {})

    host.store.commit = commit
    host.start()
    host.settle()
    assert [letter.offset for letter in cluster.letters(VIEW)] == [0, 0]
    assert positions(host) == {(TOPIC, 0): 1}


def test_an_unknown_schema_id_holds_its_partition_and_releases_by_itself() -> None:
    """P6, P2: nothing after it is folded; once it is registered the state is that of an agent that always knew it."""
    first, later = (Version.make(number, version=f"1.{number - 7}.0", partitions=2) for number in (7, 8))
    cluster = Cluster.ready(first)
    topic = first.contract.topic
    names = {partition: [] for partition in (0, 1)}
    for number in range(20):
        from syncline.wire.keys import partition_for

        names[partition_for(f"A{number}".encode(), 2)].append(f"A{number}")
    cluster.put(topic, many(first, names[0], 5), 0)
    cluster.put(topic, many(later, names[0], 5, first_ms=NOW_MS + 10), 0)
    cluster.put(topic, many(first, names[0], 5, first_ms=NOW_MS + 20), 0)
    cluster.put(topic, many(first, names[1], 8), 1)
    host = Host(cluster)

    status = host.settle()
    assert (status.state, host.condition().ready) == ("HOLDING", False)
    assert "schema id 8 at offset 5" in status.reason
    assert positions(host) == {(topic, 0): 5, (topic, 1): 8}
    assert [each.held != "" for each in status.partitions] == [True, False]

    # An unrelated decision does not let it pass, a restart neither, and the other partition goes on.
    cluster.decide(release(first, bundle="unrelated"))
    cluster.put(topic, many(first, names[1], 1, first_ms=NOW_MS + 30), 1)
    assert (host.settle().state, positions(host)) == ("HOLDING", {(topic, 0): 5, (topic, 1): 9})
    host.start()
    assert (host.settle().state, positions(host)) == ("HOLDING", {(topic, 0): 5, (topic, 1): 9})

    cluster.decide(registration(later))
    status = host.settle()
    fresh = Host(cluster, instance="b", batch_rows=4).settle()
    assert (status.state, status.reason, host.condition().ready) == ("LIVE", "", True)
    assert digests(status) == digests(fresh)
    assert cluster.letters(first) == []


def test_a_contract_that_says_halt_holds_its_partition_for_good() -> None:
    """`onViolation: halt`: held at the record, across restarts and unrelated decisions, and no dead letter."""
    cluster = Cluster.ready(HALTING)
    cluster.put(
        TOPIC,
        [*many(HALTING, ["EWR"], 3), HALTING.record(at_us=NOW_US, mean=500.0), *many(HALTING, ["JFK"], 3)],
    )
    host = Host(cluster)

    for _ in range(2):
        status = host.settle()
        assert (status.state, positions(host)) == ("HOLDING", {(TOPIC, 0): 3})
        assert "halt" in status.reason
        host.start()

    assert cluster.letters(HALTING) == []


def test_a_marker_ends_a_transaction_and_is_stood_at_first() -> None:
    """The ring's proof and the position of the marker are committed before the marker is stepped over."""
    cluster = Cluster.ready(LATE)
    cluster.put(
        TOPIC,
        [
            delete("JFK", at_us=NOW_US - 600_000_000, ms=NOW_MS),
            LATE.record("EWR", at_us=NOW_US, ms=NOW_MS),
            marker(0, ms=NOW_MS + 1),
            LATE.record("LGA", at_us=NOW_US, ms=NOW_MS + 1),
        ],
    )
    host = Host(cluster)
    commit, seen = host.store.commit, []

    def watch(writes: Any, meta: Any = None) -> None:
        commit(writes, meta)
        seen.extend((write.state.next_offset, write.state.cells, len(write.state.ring)) for write in writes)

    host.store.commit = watch
    host.settle()

    assert seen == [(2, 2, 1), (3, 1, 1), (4, 2, 1)]
    state = host.committed()[TOPIC, 0]
    assert [entry.offset for entry in state.ring] == [2]


def test_an_agent_killed_at_a_marker_meets_it_again() -> None:
    """P3: standing at the marker is a state like any other; the proof is kept once."""
    cluster = Cluster.ready(LATE)
    cluster.put(TOPIC, [*many(LATE, ["EWR"], 2), marker(0, ms=NOW_MS + 9), *many(LATE, ["JFK"], 2)])
    host = Host(cluster)
    commit = host.store.commit

    def die_at_marker(writes: Any, meta: Any = None) -> None:
        if any(write.state.next_offset == 3 for write in writes):
            raise Killed
        commit(writes, meta)

    host.store.commit = die_at_marker
    with pytest.raises(Killed):
        host.settle()
    assert positions(host) == {(TOPIC, 0): 2}

    host.store.commit = commit
    host.start()
    status = host.settle()
    assert digests(status) == digests(Host(cluster, instance="b").settle())
    assert [entry.offset for entry in host.committed()[TOPIC, 0].ring] == [2]


def test_what_is_no_record_at_the_end_of_the_log_is_passed() -> None:
    """A foreign transaction's marker takes an offset and brings no record: the agent is at the end all the same."""
    cluster = Cluster.ready(VIEW)
    cluster.put(TOPIC, many(VIEW, ["EWR"], 3))
    cluster.log._partition(TOPIC, 0).following += 1
    host = Host(cluster)

    host.settle()
    host.agent._partitions.reader._next[TOPIC, 0] = 4
    (partition,) = host.settle().partitions

    assert (partition.next_offset, partition.end_offset, host.agent.status().state) == (4, 4, "LIVE")
    cluster.put(TOPIC, many(VIEW, ["EWR"], 1, first_ms=NOW_MS + 9))
    assert host.settle().partitions[0].next_offset == 5


def test_heartbeats_move_the_position_and_make_no_cell() -> None:
    """A quiet partition is told from a stalled one; values do not change."""
    cluster = Cluster.ready(VIEW)
    cluster.put(TOPIC, [heartbeat(ms=NOW_MS), heartbeat(ms=NOW_MS + 5)])
    host = Host(cluster)

    (partition,) = host.settle().partitions

    assert (partition.next_offset, partition.cells, partition.t_ms) == (2, 0, NOW_MS + 5)


def test_without_room_it_holds_and_goes_on_when_there_is_some() -> None:
    """P10: a full disk is said aloud, in status at least, loses nothing, and ends by itself."""
    cluster = Cluster.ready(VIEW)
    store = FullStore()
    host = Host(cluster, store=store)
    host.settle()
    cluster.put(TOPIC, many(VIEW, ["EWR"], 5))
    seen = []

    def look() -> None:
        seen.append((host.agent.status().state, host.agent.status().reason))
        store.full = len(seen) < 12

    store.full = True
    host.on_wait = look
    status = host.settle()

    assert set(seen) == {("HOLDING", "the disk is full: 0 bytes are free")}
    assert (status.state, positions(host)) == ("LIVE", {(TOPIC, 0): 5})
    # It reported while it stood.
    assert "HOLDING" in {report.state for report in cluster.reports()}


@pytest.mark.parametrize("step", ["at start", "while idle", "at a new schema"])
def test_without_room_for_its_own_words_it_does_not_fail(step: str) -> None:
    """P10: condition, identity and release are written to the same disk; waiting for room is no failure."""
    cluster = Cluster.ready(VIEW)
    store = FullStore()
    host = Host(cluster, store=store)
    if step != "at start":
        host.settle()
    store.full = True
    if step == "at a new schema":
        cluster.decide(registration(NEXT))
        cluster.put(TOPIC, many(NEXT, ["EWR"], 3))

    for _ in range(5):
        cluster.clock.advance(seconds=6)
        host.on_wait = None
        if step == "at a new schema" and host.agent.status().state == "HOLDING":
            store.full = False
        host.agent.step()
    store.full = False

    status = host.settle()
    assert status.state == "LIVE"
    if step == "at a new schema":
        assert positions(host) == {(TOPIC, 0): 3}


def test_told_to_stop_without_room_it_stops() -> None:
    """SIGTERM ends the waiting too, cleanly, and nothing half is written."""
    cluster = Cluster.ready(VIEW)
    store = FullStore()
    host = Host(cluster, store=store)
    host.settle()
    cluster.put(TOPIC, many(VIEW, ["EWR"], 5))
    store.full = True
    host.on_wait = lambda: setattr(host, "stopping", True)

    host.agent.run()

    assert (host.agent.status().state, positions(host)) == ("STOPPED", {})


def test_a_broker_that_goes_away_and_comes_back_is_no_failure() -> None:
    """P10: it reads on by itself from where it was."""
    cluster = Cluster.ready(VIEW)
    cluster.put(TOPIC, many(VIEW, ["EWR"], 5))
    host = Host(cluster)
    host.settle()

    cluster.log.available = False
    cluster.clock.advance(seconds=60)
    for _ in range(5):
        host.agent.step()
    cluster.log.available = True
    cluster.put(TOPIC, many(VIEW, ["JFK"], 5))

    assert (host.settle().state, positions(host)) == ("LIVE", {(TOPIC, 0): 10})


@pytest.mark.parametrize("flaw", FLAWS)
def test_every_kind_of_bad_record_becomes_a_letter_and_the_good_ones_are_served(flaw: str) -> None:
    """Bad input has one clear answer, and it costs its neighbours nothing."""
    cluster = Cluster.ready(VIEW)
    bad = FLAWS[flaw](VIEW, "EWR", b"EWR", NOW_US, NOW_MS)
    cluster.put(TOPIC, [*many(VIEW, ["EWR", "JFK"], 4), bad, *many(VIEW, ["LGA"], 2)])
    host = Host(cluster)

    status = host.settle()

    (letter,) = cluster.letters(VIEW)
    assert (letter.offset, letter.key, letter.value) == (4, bad.key, bad.value)
    assert (status.state, status.applied_rows, status.dead_letters) == ("LIVE", 6, 1)
    with host.store.snapshot() as snapshot:
        cells = {key: unpack_cell(key, packed) for key, packed in snapshot.scan(TOPIC, 0)}
    assert {key: cell.offset for key, cell in cells.items()} == {b"EWR": 2, b"JFK": 3, b"LGA": 6}


def test_a_schema_id_of_another_view_is_a_letter_not_a_hold() -> None:
    """The catalog knows the id, so the answer is final: it does not belong here."""
    weather = Version.make(8, view="weather")
    cluster = Cluster.ready(VIEW, weather)
    cluster.put(TOPIC, [Record(b"EWR", framing(8) + weather.body(at_us=NOW_US), NOW_MS)])
    host = Host(cluster)

    assert host.settle().state == "LIVE"
    assert [letter.reason.rule for letter in cluster.letters(VIEW)] == ["schema"]


def test_the_report_says_what_the_agent_is_doing() -> None:
    """Status and digests at positions, per partition, under the agent's name; offsets for lag tools as well."""
    cluster = Cluster.ready(VIEW)
    cluster.put(TOPIC, [*many(VIEW, ["EWR", "JFK"], 5), JUNK])
    host = Host(cluster)
    host.settle()
    cluster.clock.advance(seconds=6)
    host.agent.step()

    report = cluster.reports()[-1]

    assert replace(report, contact_us=None) == replace(host.agent.status(), contact_us=None)
    assert (report.agent, report.consumer, report.state, report.fold_version) == (
        "model/a",
        "model",
        "LIVE",
        1,
    )
    assert (report.bundle, report.release, report.catalog_offset) == ("inputs", 1, 3)
    (partition,) = report.partitions
    state = host.committed()[TOPIC, 0]
    assert (partition.next_offset, partition.end_offset, partition.lag) == (6, 6, 0)
    assert (partition.digest, partition.cells) == (state.digest.total, 2)
    (group,) = cluster.log.committed
    assert cluster.log.committed[group] == {(TOPIC, 0): 6}


def test_a_run_ends_when_told_to_and_says_so() -> None:
    """The last report and the condition in the store say STOPPED; the log is let go."""
    cluster = Cluster.ready(VIEW)
    cluster.put(TOPIC, many(VIEW, ["EWR"], 5))
    host = Host(cluster)
    host.settle()
    host.stopping = True

    host.agent.run()

    assert cluster.reports()[-1].state == "STOPPED"
    assert (host.condition().state, host.condition().ready) == ("STOPPED", True)


def test_told_to_stop_while_no_answer_comes_it_stops_and_commits_nothing() -> None:
    """SIGTERM ends the wait for acknowledgements too; the next life sends the letter again."""
    cluster = Cluster.ready(VIEW)
    host = Host(cluster)
    host.settle()
    cluster.put(TOPIC, [JUNK])
    flush, turns = MemoryWriter.flush, []

    def unanswered(writer: MemoryWriter, timeout_s: float) -> int:
        if not writer._queue:
            return flush(writer, timeout_s)
        turns.append(timeout_s)
        host.stopping = len(turns) >= 3
        return len(writer._queue)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MemoryWriter, "flush", unanswered)
        host.agent.run()

    assert (host.agent.status().state, positions(host)) == ("STOPPED", {})
    host.start()
    assert (host.settle().state, positions(host)) == ("LIVE", {(TOPIC, 0): 1})


def test_a_full_queue_delays_letters_and_loses_none() -> None:
    """Backpressure of the client is waited out; no letter is dropped."""
    cluster = Cluster.ready(VIEW)
    cluster.put(TOPIC, [JUNK] * 5)
    host = Host(cluster)
    append, refusals = MemoryWriter.append, 0

    def full_at_times(writer: MemoryWriter, topic: str, **given: Any) -> None:
        nonlocal refusals
        if topic == DLQ and len(writer._queue) >= 2:
            refusals += 1
            raise BufferError
        append(writer, topic, **given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MemoryWriter, "append", full_at_times)
        host.settle()

    assert refusals > 0
    assert [letter.offset for letter in cluster.letters(VIEW)] == [0, 1, 2, 3, 4]


def test_a_report_that_cannot_be_queued_costs_nothing() -> None:
    """Status is best effort: the store knows better, and folding goes on."""
    cluster = Cluster.ready(VIEW)
    cluster.put(TOPIC, many(VIEW, ["EWR"], 5))
    host = Host(cluster)
    append = MemoryWriter.append

    def full_for_reports(writer: MemoryWriter, topic: str, **given: Any) -> None:
        if topic.endswith(".reports"):
            raise BufferError("the queue is full")
        append(writer, topic, **given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MemoryWriter, "append", full_for_reports)
        assert host.settle().state == "LIVE"

    assert cluster.reports() == []
    assert positions(host) == {(TOPIC, 0): 5}


def test_a_client_that_is_of_no_more_use_is_made_anew() -> None:
    """P10: the new one reads on from the committed position; no record is lost and none is folded twice."""
    cluster = Cluster.ready(VIEW)
    cluster.put(TOPIC, many(VIEW, ["EWR"], 9))
    host = Host(cluster, batch_rows=4)
    host.agent.step()
    reader = host.agent._partitions.reader
    poll = reader.poll

    def fatal(*given: Any) -> Any:
        batch = poll(*given)
        batch.events.append(LogEvent(EventKind.FATAL, "fenced"))
        batch.events.append(LogEvent(EventKind.OTHER, "a line of the client"))
        return batch

    reader.poll = fatal
    status = host.settle()

    assert host.agent._partitions.reader is not reader
    assert (status.state, status.applied_rows, positions(host)) == ("LIVE", 9, {(TOPIC, 0): 9})


def test_a_decision_of_a_newer_program_stops_the_agent() -> None:
    """Nobody can go on without knowing what it says: FAILED, with what to do."""
    cluster = Cluster.ready(VIEW)
    host = Host(cluster)
    host.settle()
    newer = Format({"type": "record", "name": "CatalogRecord", "namespace": "n", "fields": []}).encode({})
    cluster.put(CATALOG, [Record(b"x", newer, NOW_MS)])

    with pytest.raises(UnknownFormat):
        host.agent.run()

    assert (host.condition().state, "upgrade" in host.condition().reason) == ("FAILED", True)


def test_junk_in_the_catalog_stops_nobody() -> None:
    """Bytes that are no decision change nothing."""
    cluster = Cluster.ready(VIEW)
    host = Host(cluster)
    host.settle()
    cluster.put(CATALOG, [Record(b"x", junk, NOW_MS) for junk in (None, b"", b"junk", b"\xc3\x01")])

    assert (host.settle().state, host.agent.status().catalog_offset) == ("LIVE", 7)
